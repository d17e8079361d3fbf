//! What somebody waits for while others are served, on a network: joins one by one and a hundred at
//! once, a leaver in their middle, beside thousands who are held and while everything is read, a request
//! that is rejected in time, and the calls that each takes.
//!
//! `cargo bench --bench lanes` prints the distributions and a table. The daemon runs as a process
//! between the simulators and polls every second. These variables change what is measured:
//! `LANES_LATENCY` (`250ms,50ms,0`), `LANES_PARTS` (`abcdef`), `LANES_SINGLE` (40 joins), `LANES_BATCH`
//! (100), `LANES_HELD` (5000 people), `LANES_OTHERS` (60), `LANES_TRIES` (8), `LANES_READS` (1, at
//! most one in five minutes), `LANES_JITTER` (`0`).
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use goldthread::sim::clock::Clock;
use goldthread::sim::company::Person;
use goldthread::sim::line::Latency;
use goldthread::sim::okta::Status;
use goldthread::sim::stage::Stage;

/// Whatever takes longer is broken.
const PATIENCE: Duration = Duration::from_mins(30);
/// The line of the configuration before which it may say when everything is read.
const POLL: &str = "poll = \"1s\"";
/// And the one that changes for everybody.
const MAPPING: &str = "department = \"user.department.name\"";

fn wanted<T: FromStr>(name: &str, otherwise: T) -> T {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().ok().unwrap_or_else(|| panic!("{name}={text}")))
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A company, its two systems, and the daemon between them.
struct Scene {
    stage: Stage,
    path: PathBuf,
    daemon: Daemon,
    /// Newcomers who have not been spoken of yet, by their place in the company.
    newcomers: Vec<usize>,
    /// And those who have an account.
    staff: Vec<usize>,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// Opens it, and waits until a first join is closed: the cycles after that are like all others.
    fn open(people: usize, latency: Latency) -> Self {
        Self::open_with(people, latency, POLL)
    }

    /// With another schedule.
    fn open_with(people: usize, latency: Latency, schedule: &str) -> Self {
        // Nobody was entered or changed just now.
        let clock = Clock::frozen(chrono::Utc::now() - chrono::Duration::days(1));
        let stage = Stage::open(people, 7, clock.clone(), None).unwrap();
        clock.freeze(chrono::Utc::now());
        clock.run();
        stage.servicenow.set(|switches| {
            switches.approval_delay = Duration::ZERO;
            switches.order_delay = Duration::ZERO;
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let config = stage.config(folder.path()).unwrap();
        assert!(config.contains(POLL) && config.contains(MAPPING), "{config}");
        std::fs::write(&path, config.replace(POLL, schedule)).unwrap();
        let daemon = Command::new(env!("CARGO_BIN_EXE_goldthread"))
            .arg("--config")
            .arg(&path)
            .arg("run")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let of = |newcomer: bool| {
            let people = stage.company.people().iter().enumerate().skip(1);
            people.filter(|(_, it)| it.newcomer == newcomer).map(|(at, _)| at).collect()
        };
        let (newcomers, staff) = (of(true), of(false));
        let daemon = Daemon(daemon);
        let mut scene = Self { stage, path, daemon, newcomers, staff, _folder: folder };
        let first = scene.join();
        scene.stage.servicenow.approve(&first);
        scene.until(|scene| scene.is_closed(&first));
        scene.stage.set_latency(latency);
        scene
    }

    fn person(&self, at: usize) -> &Person {
        &self.stage.company.people()[at]
    }

    fn order(&self, item: &str, at: usize, more: &[(&str, &str)]) -> String {
        let id = self.person(at).sys_id.as_str();
        let variables: Vec<_> =
            [("employee", id)].into_iter().chain(more.iter().copied()).collect();
        self.stage.servicenow.order(item, id, &variables).unwrap().number
    }

    /// Orders an account, with one group.
    fn join(&mut self) -> String {
        let at = self.newcomers.pop().expect("a newcomer is left");
        self.join_of(at)
    }

    fn join_of(&self, at: usize) -> String {
        let group = self.stage.company.group_id("app-jira");
        let more = [("start_date", "2020-01-01"), ("groups", group.as_str()), ("action", "Add")];
        self.order("Okta onboarding", at, &more)
    }

    /// Orders the leave of somebody, and gives the account, too.
    fn leave(&mut self) -> (String, String) {
        let at = self.staff.pop().expect("somebody is left");
        let account = self.stage.okta.find(&self.person(at).email).unwrap().id;
        (self.order("Okta offboarding", at, &[("last_day", "2020-01-01")]), account)
    }

    fn approve(&self, number: &str) -> Instant {
        assert!(self.stage.servicenow.approve(number), "{number}");
        Instant::now()
    }

    fn is_closed(&self, number: &str) -> bool {
        self.stage.servicenow.request(number).unwrap().state == "3"
    }

    fn is_disabled(&self, account: &str) -> bool {
        let status = self.stage.okta.find(account).unwrap().status;
        matches!(status, Status::Suspended | Status::Deprovisioned)
    }

    fn until(&self, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "it did not come to an end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// What `goldthread status` says is held.
    fn held(&self) -> u64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goldthread"));
        let output = command.arg("--config").arg(&self.path).args(["status", "--format", "json"]);
        let output = output.output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        status["held"].as_u64().unwrap_or(0)
    }

    /// From now on calls are remembered.
    fn listen(&self) {
        self.stage.servicenow_faults.listen();
        self.stage.okta.faults().listen();
    }

    /// The calls since then to each side, those left out that only look what changed.
    fn heard(&self) -> [Vec<String>; 2] {
        let shape = |(method, call): (String, String)| {
            let looks =
                ["sys_updated_on%3E%3D", "lastUpdated", "lastMembershipUpdated", "/api/v1/logs"];
            let looks = looks.iter().any(|it| call.contains(it));
            (!looks).then(|| format!("{method} {}", shape_of(&call)))
        };
        [self.stage.servicenow_faults.heard(), self.stage.okta.faults().heard()]
            .map(|heard| heard.into_iter().filter_map(shape).collect())
    }
}

/// A path without the ids in it.
fn shape_of(call: &str) -> String {
    let path = call.split('?').next().unwrap_or_default();
    let path = path.trim_start_matches("/api/now/table").trim_start_matches("/api/v1");
    let is_id = |part: &str| part.len() >= 18 && part.chars().any(|c| c.is_ascii_digit());
    let parts: Vec<_> =
        path.split('/')
            .map(|part| {
                if is_id(part) || part.contains('@') || part.contains("%40") { "ID" } else { part }
            })
            .collect();
    let query = if call.contains('?') && !parts.contains(&"ID") { "?" } else { "" };
    format!("{}{query}", parts.join("/"))
}

fn counted(calls: &[String]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for call in calls {
        *kinds.entry(call).or_default() += 1;
    }
    let lines: Vec<_> = kinds.iter().map(|(call, count)| format!("{count} x {call}")).collect();
    lines.join(", ")
}

fn percentile(took: &[Duration], percent: usize) -> u128 {
    took.get(((took.len() - 1) * percent).div_ceil(100)).map_or(0, Duration::as_millis)
}

fn distribution(what: &str, took: &mut [Duration]) -> String {
    took.sort();
    let figures: Vec<_> = [0, 25, 50, 75, 90, 99, 100]
        .iter()
        .map(|percent| format!("p{percent} {}", percentile(took, *percent)))
        .collect();
    println!("  {what}, {} times, ms: {}", took.len(), figures.join("  "));
    [50, 90, 99, 100].map(|percent| percentile(took, percent).to_string()).join(" / ")
}

type Table = Vec<(String, Vec<String>)>;

fn note(table: &mut Table, what: &str, figure: String) {
    println!("  {what}: {figure}");
    match table.iter_mut().find(|(name, _)| name == what) {
        Some((_, figures)) => figures.push(figure),
        None => table.push((what.to_owned(), vec![figure])),
    }
}

/// Joins at moments of their own, each approved when the one before is closed.
fn single_joins(scene: &mut Scene, table: &mut Table) {
    let mut took = Vec::new();
    for nth in 0..wanted("LANES_SINGLE", 40_u32) {
        let number = scene.join();
        // Not in step with the poll.
        std::thread::sleep(Duration::from_millis(u64::from(nth * 317 % 1000)));
        let begun = scene.approve(&number);
        scene.until(|scene| scene.is_closed(&number));
        took.push(begun.elapsed());
    }
    let figure = distribution("a single join, from approval to closed request", &mut took);
    note(table, "a single join, p50 / p90 / p99 / max ms", figure);
}

/// Many joins approved at once, and a leaver when half of them are closed.
fn joins_at_once(scene: &mut Scene, table: &mut Table) {
    let count = wanted("LANES_BATCH", 100_usize);
    let mut open: Vec<String> = (0..count).map(|_| scene.join()).collect();
    let (leave, account) = scene.leave();
    let begun = Instant::now();
    for number in &open {
        scene.approve(number);
    }
    let (mut approved, mut disabled, mut closed) = (None, None, None);
    let mut took = Vec::new();
    while !open.is_empty() || closed.is_none() {
        open.retain(|number| {
            let is_closed = scene.is_closed(number);
            if is_closed {
                took.push(begun.elapsed());
            }
            !is_closed
        });
        match approved {
            None if took.len() * 2 >= count => approved = Some(scene.approve(&leave)),
            None => {}
            Some(at) => {
                if disabled.is_none() && scene.is_disabled(&account) {
                    disabled = Some(at.elapsed());
                }
                if closed.is_none() && scene.is_closed(&leave) {
                    closed = Some(at.elapsed());
                }
            }
        }
        assert!(begun.elapsed() < PATIENCE, "{} are still open", open.len());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    distribution("joins at once, from approval to closed request", &mut took);
    let ms =
        |time: Option<Duration>| time.map_or_else(String::new, |it| it.as_millis().to_string());
    note(table, &format!("{count} joins at once, all closed, ms"), ms(took.last().copied()));
    note(table, "a leaver in their middle, disabled, ms", ms(disabled));
    note(table, "a leaver in their middle, request closed, ms", ms(closed));
}

/// A request that is rejected while others are carried out, and nothing of it has been done.
fn rejected(scene: &mut Scene, table: &mut Table, latency: Duration) {
    let (others, tries) = (wanted("LANES_OTHERS", 60_usize), wanted("LANES_TRIES", 8_u32));
    let (mut begun, mut late) = (0, 0);
    for _ in 0..tries {
        let places: Vec<usize> =
            (0..=others).map(|_| scene.newcomers.pop().expect("a newcomer is left")).collect();
        let orders: Vec<String> = places.iter().map(|at| scene.join_of(*at)).collect();
        for number in &orders {
            scene.approve(number);
        }
        let has_account =
            |scene: &Scene, at: usize| scene.stage.okta.find(&scene.person(at).email).is_some();
        let done = |scene: &Scene| places.iter().filter(|at| has_account(scene, **at)).count();
        scene.until(|scene| done(scene) * 6 >= others);
        let victim = (0..places.len()).rev().find(|nth| !has_account(scene, places[*nth]));
        let victim = victim.expect("somebody without an account");
        assert!(scene.stage.servicenow.reject(&orders[victim]));
        let at = Instant::now();
        let mut made = None;
        while (0..places.len()).any(|nth| nth != victim && !scene.is_closed(&orders[nth])) {
            if made.is_none() && has_account(scene, places[victim]) {
                made = Some(at.elapsed());
            }
            assert!(at.elapsed() < PATIENCE, "they did not come to an end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        begun += u32::from(made.is_some());
        // Whatever was on its way when it was rejected cannot be called back.
        late += u32::from(made.is_some_and(|it| it > latency * 4 + Duration::from_millis(100)));
    }
    let figure = format!("{begun} of {tries} ({late} later than four calls)");
    note(table, &format!("rejected while {others} are carried out, begun all the same"), figure);
}

/// Leavers beside thousands of people whose change a limit holds: the first right when the mapping
/// is changed, the others when all are held.
fn beside_held(scene: &mut Scene, table: &mut Table) {
    let wanted_held = wanted("LANES_HELD", 5000_u64);
    let config = std::fs::read_to_string(&scene.path).unwrap();
    let changed = config.replace(MAPPING, "department = \"user.department.name + ' 2'\"");
    std::fs::write(&scene.path, changed).unwrap();
    let begun = Instant::now();
    let reload = Command::new("kill").args(["-HUP", &scene.daemon.0.id().to_string()]).status();
    assert!(reload.unwrap().success());
    let mut leave = |scene: &mut Scene, when: &str| {
        let (number, account) = scene.leave();
        let begun = scene.approve(&number);
        scene.until(|scene| scene.is_disabled(&account));
        let disabled = begun.elapsed();
        scene.until(|scene| scene.is_closed(&number));
        let figure = format!("{} / {}", disabled.as_millis(), begun.elapsed().as_millis());
        note(table, &format!("a leaver {when}, disabled / closed ms"), figure);
    };
    leave(scene, "while the mapping changes");
    while scene.held() < wanted_held {
        assert!(begun.elapsed() < PATIENCE, "{} are held", scene.held());
        std::thread::sleep(Duration::from_millis(500));
    }
    println!("  {} are held {} s after the reload", scene.held(), begun.elapsed().as_secs());
    for nth in ["first", "second", "third"] {
        leave(scene, &format!("beside {wanted_held} held people, {nth}"));
        std::thread::sleep(Duration::from_millis(1300));
    }
}

/// Leavers who are approved while everything is being read, which happens every five minutes at most.
fn beside_everything(people: usize, latency: Latency, table: &mut Table) {
    let mut scene = Scene::open_with(people, latency, &format!("full = \"0 * * * * *\"\n{POLL}"));
    let (mut disabled, mut closed) = (Vec::new(), Vec::new());
    for _ in 0..wanted("LANES_READS", 1_u32) {
        let (number, account) = scene.leave();
        scene.listen();
        let reads = |(_, call): &(String, String)| call.starts_with("/api/v1/users?limit");
        scene.until(|scene| scene.stage.okta.faults().heard().iter().any(reads));
        let begun = scene.approve(&number);
        scene.until(|scene| scene.is_disabled(&account));
        disabled.push(begun.elapsed());
        scene.until(|scene| scene.is_closed(&number));
        closed.push(begun.elapsed());
    }
    for (what, took) in [("disabled", &mut disabled), ("closed", &mut closed)] {
        let what = format!("a leaver while {people} people are read, {what}");
        let figure = distribution(&what, took);
        note(table, &format!("{what}, p50 / p90 / p99 / max ms"), figure);
    }
}

/// How many calls a join, a leave and a grant take: one by itself, and one of a hundred joins.
fn calls() {
    let count = wanted("LANES_BATCH", 100_usize);
    let mut scene = Scene::open(20 * count.max(20), Latency::default());
    println!("calls beside those that look what changed, to ServiceNow and to Okta:");
    let single = |scene: &Scene, what: &str, number: &str| {
        // Let what came before come to rest.
        std::thread::sleep(Duration::from_secs(3));
        scene.listen();
        scene.approve(number);
        scene.until(|scene| scene.is_closed(number));
        std::thread::sleep(Duration::from_secs(3));
        let [servicenow, okta] = scene.heard();
        println!("  {what}: {} and {}", servicenow.len(), okta.len());
        println!("    ServiceNow: {}\n    Okta: {}", counted(&servicenow), counted(&okta));
    };
    let join = scene.join();
    single(&scene, "a join with one group", &join);
    let (leave, _) = scene.leave();
    single(&scene, "a leave", &leave);
    let group = scene.stage.company.group_id("app-gitlab");
    let at = scene.staff.pop().expect("somebody is left");
    let grant =
        scene.order("Okta group access", at, &[("action", "Add"), ("groups", group.as_str())]);
    single(&scene, "a grant of one group", &grant);

    std::thread::sleep(Duration::from_secs(3));
    let orders: Vec<String> = (0..count).map(|_| scene.join()).collect();
    scene.listen();
    for number in &orders {
        scene.approve(number);
    }
    scene.until(|scene| orders.iter().all(|number| scene.is_closed(number)));
    std::thread::sleep(Duration::from_secs(3));
    let [servicenow, okta] = scene.heard();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand calls")]
    let each = |calls: &[String]| calls.len() as f64 / count as f64;
    println!("  a join of {count}: {:.1} and {:.1}", each(&servicenow), each(&okta));
    println!("    ServiceNow: {}\n    Okta: {}", counted(&servicenow), counted(&okta));
}

fn main() {
    let parts = wanted("LANES_PARTS", "abcdef".to_owned());
    let latencies = wanted("LANES_LATENCY", "250ms,50ms,0".to_owned());
    let jitter = wanted("LANES_JITTER", Latency::default()).fixed;
    let latencies: Vec<Latency> = latencies
        .split(',')
        .map(|text| text.parse::<Latency>().expect("a latency").with_jitter(jitter, 7))
        .collect();
    let mut table = Table::new();
    let has = |part: char| parts.contains(part);
    for latency in latencies.iter().filter(|_| "abcdf".chars().any(has)) {
        println!("{latency} a call on both sides, poll every second:");
        if has('f') {
            beside_everything(wanted("LANES_HELD", 5000_usize) * 12 / 10, *latency, &mut table);
        }
        if !"abcd".chars().any(has) {
            continue;
        }
        // A tenth are newcomers, and the others are those who are held.
        let held = if has('c') { wanted("LANES_HELD", 5000_usize) * 12 / 10 } else { 0 };
        let joins = wanted("LANES_SINGLE", 40_usize) + wanted("LANES_BATCH", 100_usize);
        let tries = wanted("LANES_OTHERS", 60_usize) * wanted("LANES_TRIES", 8_usize);
        let newcomers = 20 + joins + if has('d') { tries + 8 } else { 0 };
        let mut scene = Scene::open(held.max(newcomers * 12), *latency);
        if has('a') {
            single_joins(&mut scene, &mut table);
        }
        if has('b') {
            joins_at_once(&mut scene, &mut table);
        }
        if has('d') {
            rejected(&mut scene, &mut table, latency.fixed + latency.jitter);
        }
        if has('c') {
            beside_held(&mut scene, &mut table);
        }
    }
    let head: Vec<String> = latencies.iter().map(ToString::to_string).collect();
    println!("\n| | {} |\n|---|{}", head.join(" | "), "---|".repeat(head.len()));
    for (what, figures) in &table {
        println!("| {what} | {} |", figures.join(" | "));
    }
    if has('e') {
        calls();
    }
}
