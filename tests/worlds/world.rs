//! One world: a random company in both systems, the program between them, and all that goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use goldthread::config::{self, Environment};
use goldthread::http::RetryPolicy;
use goldthread::report::{self, CycleReport, DriftReport};
use goldthread::sim::clock::Clock;
use goldthread::sim::faults::{Fault, Hook, Onward};
use goldthread::sim::http::Response;
use goldthread::sim::line::Latency;
use goldthread::sim::okta::Status;
use goldthread::sim::stage::{OKTA_TOKEN, Stage};
use goldthread::sync::{self, Deps, Scope, SyncError, Writers};
use serde_json::json;

use super::agree::disagreements;
use super::choices::Choices;
use super::dice::Dice;
use super::truth::{Snapshot, Truth};

/// A cycle that takes longer than this will not end.
const PATIENCE: Duration = Duration::from_mins(1);

/// The attributes that the configuration maps.
pub const MAPPED: [&str; 7] =
    ["login", "email", "firstName", "lastName", "employeeNumber", "department", "manager"];

/// What a world came to, and the sum over many.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub worlds: usize,
    pub steps: usize,
    pub cycles: usize,
    pub failed_cycles: usize,
    pub faults: usize,
    pub kills: usize,
    pub rivals: usize,
    pub writes: usize,
    pub closed: usize,
    /// Notes that closed nothing.
    pub notes: usize,
    /// People in the end of whom everything is known, and compared.
    pub compared: usize,
    /// How often each kind of step was played, and each choice made.
    pub ingredients: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub fn count(&mut self, ingredient: &'static str) {
        *self.ingredients.entry(ingredient).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.steps += other.steps;
        self.cycles += other.cycles;
        self.failed_cycles += other.failed_cycles;
        self.faults += other.faults;
        self.kills += other.kills;
        self.rivals += other.rivals;
        self.writes += other.writes;
        self.closed += other.closed;
        self.notes += other.notes;
        self.compared += other.compared;
        for (ingredient, times) in &other.ingredients {
            *self.ingredients.entry(ingredient).or_default() += times;
        }
    }
}

/// How bad the ways to the two systems are for now.
#[derive(Debug, Default, Clone, Copy)]
pub struct Weather {
    pub okta: f64,
    pub servicenow: f64,
}

/// What happens in the middle of a cycle.
#[derive(Clone)]
pub enum Meanwhile {
    /// The process is killed at this call to Okta or to ServiceNow, which was carried out or not.
    Killed { okta: bool, call: u64, carried_out: bool },
    /// Somebody else writes before this call to Okta or to ServiceNow; whom it concerns may be seen
    /// as before or as after it.
    Rival { okta: bool, call: u64, act: Arc<dyn Fn() + Send + Sync>, concerns: Vec<String> },
}

/// What is different about a world from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As most companies are.
    Common,
    /// What the program's role in Okta reaches changes while it runs.
    NarrowRole,
}

/// How a cycle ended.
#[derive(Debug)]
pub enum Ended {
    Well(CycleReport),
    Failed(String),
    Killed,
}

/// A company in both systems, and the program at work between them.
pub struct World {
    pub kind: Kind,
    pub dice: Dice,
    pub stage: Stage,
    pub folder: tempfile::TempDir,
    pub truth: Truth,
    pub choices: Choices,
    /// The records that are or were people, the chief first.
    pub people: Vec<String>,
    pub weather: Weather,
    pub tally: Tally,
    /// What was played so far.
    pub played: Vec<String>,
    /// What went wrong.
    pub wrong: Vec<String>,
    /// How many writes to Okta were looked at.
    pub looked_at: usize,
    /// How many writes to ServiceNow were looked at.
    pub read_back: usize,
    /// People who were hired after the beginning.
    pub hired: u64,
    /// The clock was set back since a cycle last ended well.
    pub set_back: bool,
    /// A complete cycle has ended well.
    pub begun: bool,
    /// People whom HR made inactive by mistake, all at once.
    pub mistaken: Vec<String>,
    /// Accounts that another application made while a cycle ran, and whose they are.
    pub born: Arc<Mutex<Vec<(String, String)>>>,
    /// Accounts and groups that the program's role does not reach.
    pub hidden: (BTreeSet<String>, BTreeSet<String>),
    /// The report of the last cycle after nothing went wrong any more.
    pub last: Option<CycleReport>,
    /// How often each request was closed by the program.
    pub closings: BTreeMap<String, usize>,
    /// How often each action succeeded.
    pub done: BTreeMap<i64, usize>,
    hits_seen: usize,
    text: String,
    runtime: tokio::runtime::Runtime,
    program: Option<(Deps, Writers)>,
}

impl World {
    pub fn new(seed: u64, kind: Kind) -> Self {
        let mut dice = Dice::new(seed);
        let clock = Clock::frozen("2026-03-02T09:00:00Z".parse().unwrap());
        let size = 7 + dice.place(6);
        let stage = Stage::open(size, seed, clock, None).unwrap();
        stage.set_latency(Latency::wanted(seed));
        stage.servicenow.set(|switches| {
            switches.approval_delay = Duration::ZERO;
            switches.order_delay = Duration::ZERO;
        });
        // In memory where there is room for it: no world loses its disk, and each waits for it often.
        let memory = tempfile::tempdir_in("/dev/shm");
        let folder = memory.or_else(|_| tempfile::tempdir()).unwrap();
        let text = stage.config(folder.path()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let people = stage.company.people().iter().map(|it| it.sys_id.clone()).collect();
        let choices = Choices::draw(&mut dice);
        let text = choices.write(text);
        let Choices { inactive_record, observed, .. } = choices;
        let mut world = Self {
            kind,
            dice,
            stage,
            folder,
            truth: Truth { inactive_record, observed, ..Truth::default() },
            choices,
            people,
            weather: Weather::default(),
            tally: Tally { worlds: 1, ..Tally::default() },
            played: Vec::new(),
            wrong: Vec::new(),
            looked_at: 0,
            read_back: 0,
            hired: 0,
            set_back: false,
            begun: false,
            mistaken: Vec::new(),
            born: Arc::default(),
            hidden: Default::default(),
            last: None,
            closings: BTreeMap::new(),
            done: BTreeMap::new(),
            hits_seen: 0,
            text,
            runtime,
            program: None,
        };
        world.people_the_org();
        for name in world.choices.names() {
            world.tally.count(name);
        }
        world.played.push(format!("{:?}", world.choices));
        world
    }

    /// Who is in Okta beside those with a record, who may not be touched, and who had what.
    fn people_the_org(&mut self) {
        let okta = self.stage.okta.clone();
        self.truth.groups = okta.groups().into_iter().map(|(id, name)| (name, id)).collect();
        self.truth.groups.remove("Everyone");
        for person in self.stage.company.people().iter().filter(|it| !it.newcomer) {
            let account = okta.find(&person.email).unwrap();
            self.truth.owners.insert(account.id.clone(), person.sys_id.clone());
            for group in ["app-gitlab", "app-jira", "VPN Users"] {
                if self.dice.chance(0.15) {
                    okta.seed_member(&self.truth.groups[group], &account.id);
                    self.truth.seeded.insert((group.to_owned(), account.id.clone()));
                }
            }
        }
        let contractor = json!({"login": "c.ontractor@example.com", "email": "c.ontractor@example.com",
            "firstName": "C", "lastName": "Ontractor", "employeeNumber": "C-1"});
        let contractor = okta.add_user(&contractor, Status::Active);
        let payroll = okta.add_group("Payroll", "OKTA_GROUP");
        for group in ["VPN Users", "Sales"] {
            okta.seed_member(&self.truth.groups[group], &contractor);
        }
        let employees: Vec<String> = self.truth.owners.keys().cloned().collect();
        for account in &employees {
            okta.seed_member(&payroll, account);
        }
        // One is an administrator of Okta, one is named in the configuration.
        let mut named = Vec::new();
        if employees.len() > 3 {
            okta.set_roles(&employees[1], &["READ_ONLY_ADMIN"]);
            named.push(okta.find(&employees[2]).unwrap().text("login").to_owned());
            self.truth.protected.extend(employees[1..3].iter().cloned());
        }
        self.truth.protected.insert(contractor);
        self.truth.protected.insert(okta.find("goldthread@example.com").unwrap().id);
        self.truth.protected_groups.insert("app-netsuite".to_owned());
        // What no record says and nobody maps.
        for (nth, account) in okta.accounts().into_iter().enumerate() {
            okta.set_profile(&account.id, &json!({"costCenter": format!("{nth}"), "title": "Dr"}));
        }
        let protected = toml::Value::from(named);
        let dice = &mut self.dice;
        okta.switch(|it| {
            it.empty_bodies = dice.chance(0.3);
            it.edit_deprovisioned = dice.chance(0.3);
            it.refuse_deprovisioned_members = dice.chance(0.5);
            it.password_optional = dice.chance(0.3);
        });
        self.configure(
            "[guard]\n",
            &format!(
                "[guard]\nprotected_users = {protected}\nprotected_groups = [\"app-netsuite\"]\n"
            ),
        );
        let page = 3 + self.dice.below(20);
        self.configure("[servicenow]\n", &format!("[servicenow]\npage_size = {page}\n"));
        for _ in 0..2 + self.dice.below(3) {
            self.hire();
        }
    }

    fn configure(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "the configuration has no {from:?}");
        self.text = self.text.replacen(from, to, 1);
    }

    /// HR enters somebody who has no account.
    pub fn hire(&mut self) -> String {
        let (nth, departments) = (self.hired, self.stage.company.department_groups());
        self.hired += 1;
        let department = self.dice.pick(&departments).unwrap();
        let mail = format!("new.comer{nth}@example.com");
        let mut values = vec![
            ("user_name", format!("new.comer{nth}")),
            ("email", mail),
            ("first_name", "New".to_owned()),
            ("last_name", format!("Comer{nth}")),
            ("employee_number", format!("{:06}", 900_000 + nth)),
            ("department", self.stage.company.department_id(department)),
            ("manager", self.people[0].clone()),
            ("web_service_access_only", "false".to_owned()),
        ];
        if nth % 3 == 1 {
            values.push(("sys_id", format!("hr_Hire_{nth}")));
        }
        let values: Vec<(&str, &str)> = values.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let id = self.stage.servicenow.add_person(&values);
        self.people.push(id.clone());
        id
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("goldthread.db")
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.stage, &self.truth, &self.people)
    }

    /// Somebody's account.
    pub fn account_of(&self, person: &str) -> Option<String> {
        self.accounts_of(person).into_iter().next()
    }

    /// All accounts of somebody that are still there.
    pub fn accounts_of(&self, person: &str) -> Vec<String> {
        let owned = self.truth.owners.iter().filter(|(_, owner)| *owner == person);
        owned.map(|(id, _)| id.clone()).filter(|id| self.stage.okta.find(id).is_some()).collect()
    }

    /// What somebody is called in the steps.
    pub fn name_of(&self, person: &str) -> String {
        let name = self.stage.servicenow.value("sys_user", person, "user_name");
        if name.is_empty() { person.to_owned() } else { name }
    }

    /// The process ends; the next cycle begins with another one.
    pub fn restart(&mut self) {
        self.program = None;
    }

    /// One cycle of the program, whatever happens meanwhile.
    pub fn cycle(&mut self, scope: &Scope, meanwhile: Option<Meanwhile>) -> Ended {
        self.stage.clock.advance(Duration::from_secs(1));
        let before = self.snapshot();
        for (id, record) in &before.records {
            if !record.usable {
                self.truth.once_inactive.insert(id.clone());
            }
        }
        self.program.get_or_insert_with(|| start(&self.text, &self.folder, &self.stage));
        let quiet = !matches!(meanwhile, Some(Meanwhile::Rival { .. }));
        let doubts = self.truth.doubts.clone();
        if let Some(Meanwhile::Rival { concerns, .. }) = &meanwhile {
            self.truth.doubts.extend(concerns.iter().cloned());
        }
        let strikes = self.set_faults(meanwhile);
        let own = self.unmapped();
        let ended = self.run(scope, &strikes);
        self.look_at_unmapped(own);
        let hits = self.clear_faults();
        let struck = strikes.count.load(Ordering::SeqCst);
        self.tally.cycles += 1;
        self.tally.faults += hits - struck;
        match &ended {
            Ended::Killed => self.tally.kills += 1,
            Ended::Failed(_) => self.tally.failed_cycles += 1,
            Ended::Well(_) => self.set_back = false,
        }
        if !quiet {
            self.tally.rivals += struck;
        }
        if matches!(ended, Ended::Killed) {
            self.program = None;
        }
        let born = std::mem::take(&mut *self.born.lock().unwrap());
        for (account, person) in born {
            self.truth.status_by_hand.insert(account.clone());
            self.truth.owners.insert(account, person);
        }
        self.look_at_writes(&before, quiet);
        self.truth.doubts = doubts;
        if quiet && let Ended::Well(report) = &ended {
            self.look_at_hidden_leavers(scope, report, &before);
        }
        if let Ended::Well(report) = &ended {
            self.look_at_agreement(scope, report);
        }
        ended
    }

    /// What each account has that no record says.
    fn unmapped(&self) -> BTreeMap<String, Vec<(String, serde_json::Value)>> {
        let accounts = self.stage.okta.accounts().into_iter();
        let own = |profile: BTreeMap<String, serde_json::Value>| {
            profile.into_iter().filter(|(name, _)| !MAPPED.contains(&name.as_str())).collect()
        };
        accounts.map(|account| (account.id, own(account.profile))).collect()
    }

    fn look_at_unmapped(&mut self, before: BTreeMap<String, Vec<(String, serde_json::Value)>>) {
        let after = self.unmapped();
        for (account, own) in before {
            if after.get(&account).is_some_and(|now| *now != own) {
                self.wrong
                    .push(format!("attributes of {account} that nobody maps changed: {own:?}"));
            }
        }
    }

    fn run(&mut self, scope: &Scope, strikes: &Strikes) -> Ended {
        let (deps, writers) = self.program.as_ref().expect("it was started");
        let ended = self.runtime.block_on(async {
            let mut cycle = pin!(sync::run(deps, writers, scope));
            let until_killed = poll_fn(|context| {
                if strikes.killed.load(Ordering::SeqCst) {
                    return Poll::Ready(None);
                }
                cycle.as_mut().poll(context).map(Some)
            });
            tokio::time::timeout(PATIENCE, until_killed).await
        });
        match ended {
            Ok(Some(Ok(outcome))) => Ended::Well(report::done(deps, outcome).unwrap()),
            Ok(Some(Err(error))) => Ended::Failed(error.to_string()),
            Ok(None) => Ended::Killed,
            Err(_) => {
                self.wrong.push("a cycle did not end".to_owned());
                Ended::Killed
            }
        }
    }

    fn set_faults(&mut self, meanwhile: Option<Meanwhile>) -> Strikes {
        let strikes = Strikes::default();
        // No reset is announced: it would be waited for in real time, of which a world has none.
        let too_many =
            json!({"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit"});
        let kinds = || {
            vec![
                Fault::Custom(Response::json(429, &too_many)),
                Fault::Status(500),
                Fault::Status(503),
                Fault::DropBefore,
                Fault::DropAfter,
                Fault::Truncate,
                Fault::CutJson,
                Fault::Html200,
                Fault::Delay(Duration::from_millis(2)),
            ]
        };
        let (okta, servicenow) = (self.stage.okta.faults(), &self.stage.servicenow_faults);
        match meanwhile {
            None => {}
            Some(Meanwhile::Killed { okta: at_okta, call, carried_out }) => {
                let (killed, count) = (Arc::clone(&strikes.killed), Arc::clone(&strikes.count));
                let hook = Hook::new(move || {
                    killed.store(true, Ordering::SeqCst);
                    count.fetch_add(1, Ordering::SeqCst);
                    Onward::Cut
                });
                let fault = if carried_out { Fault::After(hook) } else { Fault::Before(hook) };
                let faults = if at_okta { okta } else { servicenow };
                let _ = faults.on("*", "", fault).after(call);
            }
            Some(Meanwhile::Rival { okta: at_okta, call, act, concerns: _ }) => {
                let count = Arc::clone(&strikes.count);
                let hook = Hook::new(move || {
                    act();
                    count.fetch_add(1, Ordering::SeqCst);
                    Onward::Answer
                });
                let faults = if at_okta { okta } else { servicenow };
                let _ = faults.on("*", "", Fault::Before(hook)).after(call);
            }
        }
        for (faults, probability) in
            [(okta, self.weather.okta), (&**servicenow, self.weather.servicenow)]
        {
            let seed = self.dice.below(u64::MAX);
            if probability > 0.0 {
                faults.seeded(seed, probability, kinds());
            }
        }
        strikes
    }

    fn hits(&self) -> usize {
        self.stage.okta.faults().hits() + self.stage.servicenow_faults.hits()
    }

    /// Takes the faults away, and says how many struck since the last time.
    fn clear_faults(&mut self) -> usize {
        self.stage.okta.faults().clear();
        self.stage.servicenow_faults.clear();
        let hits = self.hits();
        let before = std::mem::replace(&mut self.hits_seen, hits);
        hits - before
    }

    /// Every command says the same of what is open, where everybody was decided about.
    fn look_at_agreement(&mut self, scope: &Scope, report: &CycleReport) {
        if matches!(scope, Scope::Person(_)) {
            return;
        }
        let config = Arc::new(load(&self.text, &self.folder));
        let deps = self.reading(&config).unwrap();
        let now = self.stage.clock.now();
        let looking = disagreements(&deps, &config, now, report);
        self.wrong.extend(self.runtime.block_on(looking));
    }

    /// Somebody who only looks.
    fn reading(&self, config: &Arc<config::Config>) -> Result<Deps, SyncError> {
        let clock = self.stage.clock.clone();
        let clock: goldthread::sync::Clock = Arc::new(move || clock.now());
        Deps::reading(Arc::clone(config), clock, Arc::new(|_, _| {}))
    }

    /// What still differs, read by somebody who only looks.
    pub fn drift(&self) -> Result<DriftReport, String> {
        let config = Arc::new(load(&self.text, &self.folder));
        let drift = self.runtime.block_on(async {
            let deps = self.reading(&config)?;
            let plan = sync::plan(&deps, &Scope::Full).await?;
            report::drift(&deps, Some(&plan), None, None)
        });
        drift.map_err(|error: SyncError| error.to_string())
    }
}

/// What struck in a cycle.
#[derive(Default)]
struct Strikes {
    killed: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

fn load(text: &str, folder: &tempfile::TempDir) -> config::Config {
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let mut config = config::load(&path, None, &Environment::default()).unwrap();
    let retry = RetryPolicy {
        attempts: 2,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(20),
        ..RetryPolicy::default()
    };
    config.okta.retry = retry;
    config.servicenow.retry = retry;
    config
}

fn start(text: &str, folder: &tempfile::TempDir, stage: &Stage) -> (Deps, Writers) {
    // A world may last for months, and a token lives for thirty days without use.
    let owner = stage.okta.find("goldthread@example.com").unwrap();
    stage.okta.register_token(OKTA_TOKEN, &owner.id);
    let clock = stage.clock.clone();
    let clock: goldthread::sync::Clock = Arc::new(move || clock.now());
    let config = Arc::new(load(text, folder));
    Deps::writing(config, "a world", clock, Arc::new(|_, _| {})).unwrap()
}
