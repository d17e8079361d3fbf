//! A test bed: a company in both simulated systems, a store, and the real program between them.
//!
//! Every story is told alike: *make the two sides agree, change one thing, look.*

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use goldthread::config::{self, Config, Environment};
use goldthread::engine::{CycleReport, DriftItem, DriftReport, Engine, EngineError, Scope};
use goldthread::sim::clock::Clock;
use goldthread::sim::company::Person;
use goldthread::sim::okta::Account;
use goldthread::sim::servicenow::Ordered;
use goldthread::sim::stage::Stage;

/// A company, a store, a configuration.
pub struct Bed {
    pub stage: Stage,
    pub folder: tempfile::TempDir,
    text: String,
}

impl Bed {
    /// A company of so many people in both systems, which agree.
    pub fn of(people: usize) -> Self {
        Self::seeded(people, 7)
    }

    pub fn seeded(people: usize, seed: u64) -> Self {
        let clock = Clock::frozen("2026-03-02T09:00:00Z".parse().unwrap());
        let stage = Stage::open(people, seed, clock, None).unwrap();
        stage.servicenow.set(|switches| {
            switches.approval_delay = std::time::Duration::ZERO;
            switches.order_delay = std::time::Duration::ZERO;
        });
        let folder = tempfile::tempdir().unwrap();
        let text = stage.config(folder.path()).unwrap();
        Self { stage, folder, text }
    }

    /// Changes the configuration's text.
    pub fn configure(mut self, from: &str, to: &str) -> Self {
        self.reconfigure(from, to);
        self
    }

    /// Changes the configuration's text between two cycles.
    pub fn reconfigure(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "the configuration has no {from:?}");
        self.text = self.text.replacen(from, to, 1);
    }

    /// Adds to the end of the configuration.
    pub fn add_config(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    pub fn write_config(&self) -> PathBuf {
        let path = self.folder.path().join("config.toml");
        std::fs::write(&path, &self.text).unwrap();
        path
    }

    fn load(&self) -> Arc<Config> {
        let path = self.write_config();
        Arc::new(config::load(&path, None, &Environment::default()).unwrap())
    }

    fn clock(&self) -> goldthread::engine::Clock {
        let clock = self.stage.clock.clone();
        Arc::new(move || clock.now())
    }

    /// One cycle, as `goldthread sync` runs it.
    pub fn try_sync(&self, scope: &Scope) -> Result<CycleReport, EngineError> {
        // A second passes between two cycles, as it does between two commands.
        self.pass("1s");
        run(async {
            let (mut engine, hands) =
                Engine::acting(self.load(), "a test", self.clock(), Arc::new(|_, _| {}))?;
            engine.cycle(&hands, scope).await
        })
    }

    pub fn sync(&self) -> CycleReport {
        self.try_sync(&Scope::Changes).unwrap()
    }

    pub fn sync_full(&self) -> CycleReport {
        self.try_sync(&Scope::Full).unwrap()
    }

    pub fn plan(&self) -> CycleReport {
        run(async {
            let mut engine =
                Engine::looking(self.load(), self.clock(), Arc::new(|_, _| {})).unwrap();
            engine.plan(&Scope::Full).await.unwrap()
        })
    }

    pub fn drift(&self) -> DriftReport {
        run(async {
            let mut engine =
                Engine::looking(self.load(), self.clock(), Arc::new(|_, _| {})).unwrap();
            engine.drift(false, None, None).await.unwrap()
        })
    }

    /// The differences that are somebody's business.
    pub fn differences(&self) -> Vec<DriftItem> {
        let mut report = self.drift();
        report.items.retain(|item| item.disposition != "unmanaged");
        report.items
    }

    /// Lets time pass, for both systems and for the program.
    pub fn pass(&self, time: &str) {
        self.stage.clock.advance(humantime::parse_duration(time).unwrap());
    }

    /// Somebody with an account.
    pub fn employee(&self, place: usize) -> Person {
        let mut people = self.stage.company.people().iter().skip(1).filter(|p| !p.newcomer);
        people.nth(place).expect("the company is large enough").clone()
    }

    /// Somebody without one.
    pub fn newcomer(&self, place: usize) -> Person {
        let mut people = self.stage.company.people().iter().filter(|p| p.newcomer);
        people.nth(place).expect("the company is large enough").clone()
    }

    /// Places an order and has it approved.
    pub fn approved(&self, item: &str, person: &Person, variables: &[(&str, &str)]) -> Ordered {
        let ordered = self.ordered(item, person, variables);
        assert!(self.stage.servicenow.approve(&ordered.number));
        ordered
    }

    pub fn ordered(&self, item: &str, person: &Person, variables: &[(&str, &str)]) -> Ordered {
        let ordered = self.stage.servicenow.order(item, &person.sys_id, variables);
        ordered.unwrap_or_else(|| panic!("the catalog has no {item:?}"))
    }

    pub fn join(&self, person: &Person, groups: &[&str]) -> Ordered {
        let groups = self.groups(groups);
        self.approved(
            "Okta onboarding",
            person,
            &[
                ("employee", &person.sys_id),
                ("start_date", "2026-03-02"),
                ("groups", &groups),
                ("action", "Add"),
            ],
        )
    }

    pub fn leave(&self, person: &Person) -> Ordered {
        self.approved(
            "Okta offboarding",
            person,
            &[("employee", &person.sys_id), ("last_day", "2026-03-01")],
        )
    }

    pub fn access(&self, action: &str, person: &Person, groups: &[&str], end: &str) -> Ordered {
        let groups = self.groups(groups);
        self.approved(
            "Okta group access",
            person,
            &[
                ("action", action),
                ("employee", &person.sys_id),
                ("groups", &groups),
                ("end_date", end),
            ],
        )
    }

    /// The rows of the customer's group table, as a list collector stores them.
    pub fn groups(&self, names: &[&str]) -> String {
        let ids: Vec<String> = names.iter().map(|name| self.stage.company.group_id(name)).collect();
        ids.join(",")
    }

    pub fn account(&self, person: &Person) -> Option<Account> {
        self.stage.okta.find(&person.email)
    }

    pub fn okta_group(&self, name: &str) -> String {
        self.stage.okta.group_id(name).unwrap()
    }

    /// Writes that reached either system since the last look.
    pub fn writes(&self) -> Vec<String> {
        let okta = self.stage.okta.writes();
        let servicenow = self.stage.servicenow.writes();
        let mut writes: Vec<String> =
            okta.into_iter().map(|write| format!("{} {}", write.method, write.path)).collect();
        writes.extend(servicenow.into_iter().map(|call| format!("{} {}", call.method, call.path)));
        writes
    }

    pub fn forget_calls(&self) {
        self.stage.okta.clear_calls();
        self.stage.servicenow.clear_calls();
    }

    pub fn state(&self, ordered: &Ordered) -> String {
        self.stage.servicenow.request(&ordered.number).unwrap().state
    }

    pub fn work_notes(&self, ordered: &Ordered) -> Vec<String> {
        self.stage.servicenow.request(&ordered.number).unwrap().work_notes
    }

    pub fn comments(&self, ordered: &Ordered) -> Vec<String> {
        self.stage.servicenow.request(&ordered.number).unwrap().comments
    }

    /// Work notes and comments of a request.
    pub fn notes(&self, ordered: &Ordered) -> Vec<String> {
        self.stage.servicenow.notes(&ordered.number)
    }

    /// Somebody edits a variable of a request: nothing on the request itself shows it.
    pub fn edit(&self, ordered: &Ordered, variable: &str, value: &str) {
        assert!(self.stage.servicenow.edit_variable(&ordered.number, variable, value));
    }

    /// Whether somebody is in a group.
    pub fn is_in(&self, person: &Person, group: &str) -> bool {
        self.account(person).is_some_and(|account| account.groups.iter().any(|it| it == group))
    }

    /// The store, for whoever loses some of it.
    pub fn store(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("goldthread.db")).unwrap()
    }

    /// The store is lost.
    pub fn lose_store(&self) {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("goldthread.db") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// What is written to ServiceNow, from now to the end of the story: `METHOD path`.
    pub fn written_back(&self) -> Vec<String> {
        let calls = self.stage.servicenow.writes();
        calls.into_iter().map(|call| format!("{} {}", call.method, call.path)).collect()
    }
}

/// What is logged meanwhile, a line for each event.
pub fn logged<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let result = tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (result, text.lines().map(str::to_owned).collect())
}

/// What a report says of one request: the outcome, and why.
pub fn told(report: &CycleReport, ordered: &Ordered) -> Vec<(&'static str, String)> {
    let mine = |request: &Option<String>| request.as_deref() == Some(ordered.number.as_str());
    let actions = report.actions.iter().filter(|action| mine(&action.request));
    actions.map(|action| (action.outcome, action.error.clone().unwrap_or_default())).collect()
}

/// What a report says was applied, as "RITM0010001 create".
pub fn applied(report: &CycleReport) -> Vec<String> {
    let actions = report.actions.iter().filter(|action| action.outcome == "applied");
    actions
        .map(|action| {
            let request = action.request.as_deref().unwrap_or("-");
            format!("{request} {}", action.action.unwrap_or("-"))
        })
        .collect()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
