//! The real program, killed in the hardest way in the middle of its work, again and again: on one
//! store, while orders keep coming.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use goldthread::sim::clock::Clock;
use goldthread::sim::faults::{Fault, Hook, Onward};
use goldthread::sim::line::Latency;
use goldthread::sim::okta::Status;
use goldthread::sim::servicenow::Ordered;
use goldthread::sim::stage::Stage;

use super::dice::Dice;
use super::fleet::number;
use super::journal::{self, thread};

/// Longer than anything takes that ends.
const PATIENCE: Duration = Duration::from_mins(1);

/// What somebody is to have in the end.
#[derive(Debug, Clone, Default)]
struct Somebody {
    sys_id: String,
    email: String,
    groups: Vec<&'static str>,
    left: bool,
    /// Places of the orders about them.
    orders: Vec<usize>,
}

/// Both systems, a store, and who asked for what.
struct Site {
    stage: Stage,
    folder: tempfile::TempDir,
    orders: Vec<Ordered>,
    people: Vec<Somebody>,
    /// How often the program was killed at work.
    kills: usize,
}

impl Site {
    fn new() -> Self {
        let stage = Stage::open(12, 7, Clock::new(), None).unwrap();
        stage.set_latency(Latency::wanted(7));
        stage.servicenow.set(|switches| {
            switches.approval_delay = Duration::ZERO;
            switches.order_delay = Duration::ZERO;
        });
        let folder = tempfile::tempdir().unwrap();
        let config = stage.config(folder.path()).unwrap();
        let config = config.replacen("[guard]\n", "[guard]\nmax_disabled = 1000\n", 1);
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        Self { stage, folder, orders: Vec::new(), people: Vec::new(), kills: 0 }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("goldthread.db")
    }

    fn journal(&self) -> Vec<journal::Entry> {
        journal::read(&self.store()).0
    }

    fn start(&self, command: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_goldthread"))
            .env_remove("RUST_LOG")
            .args(["--config".as_ref(), self.folder.path().join("config.toml").as_os_str()])
            .arg(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Lets `sync` run to its end, and gives its exit status.
    fn sync(&self) -> i32 {
        wait(&mut self.start("sync")).expect("nobody killed it")
    }

    /// Somebody new is ordered an account.
    fn join(&mut self) -> usize {
        let nth = self.people.len();
        let email = format!("new.comer{nth}@example.com");
        let sys_id = self.stage.servicenow.add_person(&[
            ("user_name", &format!("new.comer{nth}")),
            ("email", &email),
            ("first_name", "New"),
            ("last_name", &format!("Comer{nth}")),
            ("employee_number", &format!("{:06}", 900_000 + nth)),
            ("department", &self.stage.company.department_id("Sales")),
            ("active", "true"),
            ("web_service_access_only", "false"),
        ]);
        let groups = self.stage.company.group_id("app-jira");
        self.order(
            "Okta onboarding",
            &sys_id,
            &[
                ("employee", &sys_id),
                ("start_date", "2020-01-01"),
                ("groups", &groups),
                ("action", "Add"),
            ],
        );
        self.people.push(Somebody {
            sys_id,
            email,
            groups: vec!["Sales", "app-jira"],
            left: false,
            orders: vec![self.orders.len() - 1],
        });
        nth
    }

    /// Somebody is ordered access.
    fn grant(&mut self, nth: usize) {
        let person = self.people[nth].sys_id.clone();
        let groups = self.stage.company.group_id("app-gitlab");
        let variables = [("action", "Add"), ("employee", &person), ("groups", &groups)];
        self.order("Okta group access", &person, &variables);
        self.people[nth].groups.push("app-gitlab");
        self.people[nth].orders.push(self.orders.len() - 1);
    }

    /// Somebody leaves.
    fn leave(&mut self, nth: usize) {
        let person = self.people[nth].sys_id.clone();
        let variables = [("employee", person.as_str()), ("last_day", "2020-01-01")];
        self.order("Okta offboarding", &person, &variables);
        self.people[nth].left = true;
        self.people[nth].groups.clear();
    }

    fn order(&mut self, item: &str, person: &str, variables: &[(&str, &str)]) {
        let ordered = self.stage.servicenow.order(item, person, variables).unwrap();
        assert!(self.stage.servicenow.approve(&ordered.number));
        self.orders.push(ordered);
    }

    /// Somebody is here, and nothing asked for them is still to be done: who left before that would
    /// need no account.
    fn may_leave(&self, nth: usize) -> bool {
        let person = &self.people[nth];
        let is_closed = |place: &usize| {
            let number = &self.orders[*place].number;
            self.stage.servicenow.request(number).is_some_and(|view| view.state == "3")
        };
        !person.left && person.orders.iter().all(is_closed)
    }

    /// The program runs undisturbed until everything is done.
    fn come_to_rest(&self) {
        // What got no answer is looked at by the next cycle, and index and clocks may lag a little.
        let ended: Vec<i32> = (0..4).map(|_| self.sync()).collect();
        assert_eq!(ended.last(), Some(&0), "the program does not come to rest: {ended:?}");
    }

    /// Everything is done, once, and told.
    fn look(&self) {
        let okta = &self.stage.okta;
        for person in &self.people {
            let number = self.stage.servicenow.value("sys_user", &person.sys_id, "employee_number");
            let accounts: Vec<_> = okta
                .accounts()
                .into_iter()
                .filter(|it| {
                    it.text("employeeNumber") == number || it.text("login") == person.email
                })
                .collect();
            let [account] = accounts.as_slice() else {
                panic!("{} has these accounts: {accounts:?}", person.email);
            };
            let mut wanted: Vec<&str> = person.groups.clone();
            wanted.sort_unstable();
            assert_eq!(account.groups, wanted, "{}", person.email);
            assert_eq!(account.status == Status::Deprovisioned, person.left, "{}", person.email);
        }
        let mut closings: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.stage.servicenow.writes() {
            assert_eq!(call.method, "PATCH");
            if call.status < 300 && call.body.contains("\"state\"") {
                *closings.entry(call.path).or_default() += 1;
            }
        }
        for order in &self.orders {
            let view = self.stage.servicenow.request(&order.number).unwrap();
            let mut told = self.journal();
            told.retain(|entry| entry.request == order.number);
            assert_eq!(view.state, "3", "{}: {told:#?}, {:?}", order.number, view.work_notes);
            assert_eq!(view.work_notes.len(), 1, "{}: {:?}", order.number, view.work_notes);
            assert_eq!(view.comments, Vec::<String>::new(), "{}", order.number);
            let path = format!("/api/now/table/sc_req_item/{}", order.sys_id);
            assert_eq!(closings.get(&path), Some(&1), "{}", order.number);
        }
        let (entries, broken) = journal::read(&self.store());
        assert_eq!(broken, Vec::<String>::new());
        assert_eq!(journal::integrity(&self.store()), "ok");
        let writes = okta.writes();
        assert_eq!(journal::belied(&entries, &writes, 0, self.kills), Vec::<String>::new());
        for write in writes {
            let (request, _) = thread(&write.user_agent).expect("each write has its thread");
            assert!(self.orders.iter().any(|order| order.number == request), "{write:?}");
        }
    }
}

/// Waits for the end of a process; none where it was killed.
fn wait(process: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status.code();
        }
        assert!(begun.elapsed() < PATIENCE, "the program does not end");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Kills it where it still runs, and says whether it did.
fn kill(process: &mut Child) -> bool {
    // A kill of what has ended already is no error.
    process.kill().unwrap();
    process.wait().unwrap().code().is_none()
}

/// One store, killed so often at any moment. Gives how many of the kills met the program at work.
fn killed(times: u64, seed: u64) -> usize {
    let mut site = Site::new();
    let mut dice = Dice::new(seed);
    site.join();
    // As long as a cycle with some work takes here, so that the kills are spread over it.
    let begun = Instant::now();
    site.sync();
    let cycle = begun.elapsed().max(Duration::from_millis(50));
    for round in 0..times {
        for _ in 0..dice.below(3) {
            let nth = site.join();
            if dice.chance(0.5) {
                site.grant(nth);
            }
        }
        if dice.chance(0.4) {
            let longest_here = (0..site.people.len()).find(|nth| site.may_leave(*nth));
            if let Some(nth) = longest_here {
                site.leave(nth);
            }
        }
        let daemon = round % 4 == 3;
        let mut process = site.start(if daemon { "run" } else { "sync" });
        let longest = cycle * if daemon { 3 } else { 2 };
        let spread = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        std::thread::sleep(Duration::from_micros(dice.below(spread)));
        site.kills += usize::from(kill(&mut process));
    }
    site.come_to_rest();
    site.look();
    site.kills
}

#[test]
fn killed_at_any_moment_the_program_does_everything_once() {
    let met = killed(30, 1);
    assert!(met > 10, "only {met} kills met the program at work");
}

/// `GOLDTHREAD_KILLS` kills on one store, drawn from `GOLDTHREAD_SEED`.
#[test]
#[ignore = "for as long as wanted"]
fn killed_as_often_as_wanted_the_program_does_everything_once() {
    let times = number("GOLDTHREAD_KILLS").unwrap_or(300);
    let met = killed(times, number("GOLDTHREAD_SEED").unwrap_or(2));
    #[expect(clippy::print_stdout, reason = "the totals are what it is for")]
    {
        println!("{met} of {times} kills met the program at work");
    }
}

/// The points between journal, call, outcome and write-back: which system, method and path, and
/// whether the call had been carried out when the program died.
const POINTS: &[(bool, &str, &str, bool)] = &[
    // Between the intent and the call, and between the call and its outcome.
    (true, "POST", "/api/v1/users?", false),
    (true, "POST", "/api/v1/users?", true),
    (true, "PUT", "/api/v1/groups/", false),
    (true, "PUT", "/api/v1/groups/", true),
    (true, "DELETE", "/sessions", false),
    (true, "DELETE", "/sessions", true),
    (true, "POST", "/lifecycle/deactivate", false),
    (true, "POST", "/lifecycle/deactivate", true),
    (true, "DELETE", "/api/v1/groups/", false),
    (true, "DELETE", "/api/v1/groups/", true),
    // Between the outcomes and the write-back, and around it.
    (false, "GET", "/api/now/table/sys_journal_field", false),
    (false, "PATCH", "/api/now/table/sc_req_item/", false),
    (false, "PATCH", "/api/now/table/sc_req_item/", true),
];

/// A moment in the life of a process: a call to one of the systems, and whether it is carried out
/// before the process dies.
#[derive(Debug, Clone, Copy)]
struct Moment {
    okta: bool,
    method: &'static str,
    path: &'static str,
    /// So many such calls pass before it.
    nth: u64,
    carried_out: bool,
}

impl Site {
    /// Something of every kind is asked for: a join, a grant, a leave.
    fn ask(&mut self) {
        let joined = self.join();
        if joined > 0 {
            self.grant(joined - 1);
        }
        if joined > 1 {
            self.leave(joined - 2);
        }
    }

    /// Starts the program, kills it at this moment, and says whether the moment came.
    fn dies(&mut self, command: &str, moment: Moment) -> bool {
        let Moment { okta, method, path, nth, carried_out } = moment;
        let process: Arc<Mutex<Option<Child>>> = Arc::default();
        let died = Arc::new(Mutex::new(false));
        let (victim, seen) = (Arc::clone(&process), Arc::clone(&died));
        let hook = Hook::new(move || {
            if let Some(process) = victim.lock().unwrap().as_mut() {
                *seen.lock().unwrap() = kill(process);
            }
            Onward::Cut
        });
        let fault = if carried_out { Fault::After(hook) } else { Fault::Before(hook) };
        let faults = if okta { self.stage.okta.faults() } else { &self.stage.servicenow_faults };
        let _ = faults.on(method, path, fault).after(nth);
        *process.lock().unwrap() = Some(self.start(command));
        let begun = Instant::now();
        let came = loop {
            if *died.lock().unwrap() {
                break true;
            }
            let mut process = process.lock().unwrap();
            if process.as_mut().unwrap().try_wait().unwrap().is_some() {
                break *died.lock().unwrap();
            }
            drop(process);
            assert!(begun.elapsed() < PATIENCE, "{command} neither ends nor comes to {moment:?}");
            std::thread::park_timeout(Duration::from_millis(2));
        };
        self.stage.okta.faults().clear();
        self.stage.servicenow_faults.clear();
        self.kills += usize::from(came);
        came
    }
}

#[test]
fn killed_between_any_two_steps_of_an_action_the_program_does_everything_once() {
    for command in ["sync", "run"] {
        let mut site = Site::new();
        for _ in 0..2 {
            site.ask();
            site.come_to_rest();
        }
        for (okta, method, path, carried_out) in POINTS.iter().copied() {
            site.ask();
            let moment = Moment { okta, method, path, nth: 0, carried_out };
            assert!(site.dies(command, moment), "{command} never came to {moment:?}");
            site.come_to_rest();
            site.look();
        }
    }
}

/// Kills the program at every so many calls of a cycle, to one system and to the other.
fn killed_at_each_call(command: &str, step: usize, most: u64) {
    for okta in [true, false] {
        let mut site = Site::new();
        for _ in 0..2 {
            site.ask();
            site.come_to_rest();
        }
        let mut met = 0;
        for nth in (0..most).step_by(step) {
            site.ask();
            let carried_out = nth / 2 % 2 == 1;
            let moment = Moment { okta, method: "*", path: "", nth, carried_out };
            let came = site.dies(command, moment);
            site.come_to_rest();
            site.look();
            met += usize::from(came);
            if !came {
                break;
            }
        }
        assert!(met > 3, "{command} made {met} of these calls, Okta: {okta}");
    }
}

#[test]
fn sync_killed_at_its_nth_call_does_everything_once() {
    killed_at_each_call("sync", 3, 100);
}

#[test]
fn the_daemon_killed_at_its_nth_call_does_everything_once() {
    killed_at_each_call("run", 5, 40);
}

#[test]
#[ignore = "takes minutes: cargo test --test worlds -- --ignored killed"]
fn killed_at_every_call_the_program_does_everything_once() {
    killed_at_each_call("sync", 1, 100);
    killed_at_each_call("run", 1, 60);
}
