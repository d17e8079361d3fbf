//! A test bed: a company in both simulated systems, a store, and the real program between them.
//!
//! Every story is told alike: *make the two sides agree, change one thing, look.*

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::Duration;

use goldthread::check::{self, CheckReport};
use goldthread::config::{self, Config, Environment};
use goldthread::http::RetryPolicy;
use goldthread::model::Pause;
use goldthread::report::{
    self, CycleReport, DriftItem, DriftReport, Explanation, FactView, HoldFilter, HoldView,
    ListedPerson, ListedRequest, PeopleFilter, RequestFilter, StatusReport, WaitingRequest,
};
use goldthread::sim::clock::Clock;
use goldthread::sim::company::Person;
use goldthread::sim::line::Latency;
use goldthread::sim::okta::{Account, PublicKey, ServiceApp, Status};
use goldthread::sim::servicenow::Ordered;
use goldthread::sim::stage::{OKTA_TOKEN, Stage};
use goldthread::store::{HoldDecision, HoldSelection, Mode, NotDecided, Resumed, Store, Verdict};
use goldthread::sync::{self, Deps, Scope, SyncError, Writers};

#[path = "../agreement/agree.rs"]
mod agree;

use agree::disagreements;

/// A company, a store, a configuration.
pub struct Bed {
    pub stage: Stage,
    pub folder: tempfile::TempDir,
    text: String,
    retry: RetryPolicy,
    /// The program's own.
    pub clock: Clock,
}

impl Bed {
    /// A company of so many people in both systems, which agree.
    pub fn of(people: usize) -> Self {
        Self::seeded(people, 7)
    }

    pub fn seeded(people: usize, seed: u64) -> Self {
        Self::with_clocks(people, seed, 0, 0)
    }

    /// The clocks of Okta and of the program are so many seconds ahead of ServiceNow's.
    pub fn with_clocks(people: usize, seed: u64, okta_ahead: i64, ours_ahead: i64) -> Self {
        listen();
        let clock = Clock::frozen("2026-03-02T09:00:00Z".parse().unwrap());
        let ahead = |seconds| clock.ahead(chrono::TimeDelta::seconds(seconds));
        let (okta, ours) = (ahead(okta_ahead), ahead(ours_ahead));
        let stage = Stage::with_clocks(people, seed, (clock, okta), None).unwrap();
        stage.set_latency(Latency::wanted(seed));
        stage.servicenow.set(|switches| {
            switches.approval_delay = Duration::ZERO;
            switches.order_delay = Duration::ZERO;
        });
        let folder = in_memory();
        let text = stage.config(folder.path()).unwrap();
        Self { stage, folder, text, retry: RetryPolicy::default(), clock: ours }
    }

    /// What fails is tried again at once, and no answer is waited for longer than this.
    pub fn impatient(mut self) -> Self {
        self.retry = RetryPolicy {
            attempts: 3,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_secs(2),
            longest_call: Duration::from_millis(600),
        };
        self
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

    /// Adds keys to a section of the configuration.
    pub fn with(mut self, section: &str, keys: &str) -> Self {
        let head = format!("[{section}]\n");
        if self.text.contains(&head) {
            self.text = self.text.replacen(&head, &format!("{head}{keys}\n"), 1);
        } else {
            self.text = self.text.replacen("[guard]\n", &format!("{head}{keys}\n\n[guard]\n"), 1);
        }
        self
    }

    pub fn write_config(&self) -> PathBuf {
        let path = self.folder.path().join("config.toml");
        std::fs::write(&path, &self.text).unwrap();
        path
    }

    fn load(&self) -> Arc<Config> {
        let path = self.write_config();
        let mut config = config::load(&path, None, &Environment::default()).unwrap();
        (config.okta.retry, config.servicenow.retry) = (self.retry, self.retry);
        Arc::new(config)
    }

    pub fn clock(&self) -> goldthread::sync::Clock {
        let clock = self.clock.clone();
        Arc::new(move || clock.now())
    }

    /// One cycle, as `goldthread sync` runs it.
    pub fn try_sync(&self, scope: &Scope) -> Result<CycleReport, SyncError> {
        let report = self.try_sync_alone(scope)?;
        // Somebody else may be due still.
        if !matches!(scope, Scope::Person(_)) {
            self.agree(&report);
        }
        Ok(report)
    }

    /// The same, and nothing is looked at afterwards.
    pub fn try_sync_alone(&self, scope: &Scope) -> Result<CycleReport, SyncError> {
        // A second passes between two cycles, as it does between two commands.
        self.pass("1s");
        run(async {
            let (deps, writers) =
                Deps::writing(self.load(), "a test", self.clock(), Arc::new(|_, _| {}))?;
            report::done(&deps, sync::run(&deps, &writers, scope).await?)
        })
    }

    /// Every report reads the same list, and the list is what deciding about everybody anew gives.
    fn agree(&self, report: &CycleReport) {
        let (deps, config) = (self.reading(), self.load());
        let wrong = run(disagreements(&deps, &config, self.clock.now(), report));
        assert!(wrong.is_empty(), "{}\n{report:#?}", wrong.join("\n"));
    }

    /// A cycle that is told to stop before it writes anything.
    pub fn try_stopped(&self, scope: &Scope) -> CycleReport {
        self.pass("1s");
        let (mut deps, writers) = self.at_work();
        deps.stop_when(Arc::new(true.into()));
        run(async { report::done(&deps, sync::run(&deps, &writers, scope).await?) }).unwrap()
    }

    /// The daemon at work: it holds the store.
    pub fn at_work(&self) -> (Deps, Writers) {
        Deps::writing(self.load(), "a daemon", self.clock(), Arc::new(|_, _| {})).unwrap()
    }

    /// Its next cycle.
    pub fn cycle_of(&self, deps: &Deps, writers: &Writers) -> CycleReport {
        self.try_cycle_of(deps, writers).unwrap()
    }

    /// The same, with something beside it.
    pub fn cycle_beside(
        &self,
        deps: &Deps,
        writers: &Writers,
        mut beside: impl FnMut(),
    ) -> CycleReport {
        self.pass("1s");
        let beside = || {
            beside();
            false
        };
        let cycle = sync::run_beside(deps, writers, &Scope::Changes, beside);
        run(async { report::done(deps, cycle.await?) }).unwrap()
    }

    pub fn try_cycle_of(&self, deps: &Deps, writers: &Writers) -> Result<CycleReport, SyncError> {
        self.pass("1s");
        run(async { report::done(deps, sync::run(deps, writers, &Scope::Changes).await?) })
    }

    /// Somebody who only reads.
    fn reading(&self) -> Deps {
        Deps::reading(self.load(), self.clock(), Arc::new(|_, _| {})).unwrap()
    }

    pub fn sync(&self) -> CycleReport {
        self.try_sync(&Scope::Changes).unwrap()
    }

    pub fn sync_full(&self) -> CycleReport {
        self.try_sync(&Scope::Full).unwrap()
    }

    pub fn plan(&self) -> CycleReport {
        run(async {
            let deps = self.reading();
            let plan = sync::plan(&deps, &Scope::Full).await.unwrap();
            report::planned(&deps, &plan).unwrap()
        })
    }

    pub fn drift(&self) -> DriftReport {
        run(async {
            let deps = self.reading();
            let plan = sync::plan(&deps, &Scope::Full).await.unwrap();
            report::drift(&deps, Some(&plan), None, None).unwrap()
        })
    }

    /// What `goldthread check` finds.
    pub fn check(&self) -> CheckReport {
        run(check::check(self.load(), &*self.clock(), &mut |_| {}))
    }

    /// The same on a machine whose clock says this.
    pub fn check_at(&self, now: chrono::DateTime<chrono::Utc>) -> CheckReport {
        run(check::check(self.load(), &move || now, &mut |_| {}))
    }

    /// Signs in to Okta as a service app with these scopes and admin roles from now on.
    pub fn with_app(mut self, scopes: &[&str], roles: &[&str]) -> Self {
        let (pem, key) = PublicKey::pair().unwrap();
        std::fs::write(self.folder.path().join("okta-key"), pem).unwrap();
        // What an app signs carries this machine's time.
        self.stage.clock.freeze(chrono::Utc::now());
        self.keep_token();
        let owned = |name: &&str| (*name).to_owned();
        self.stage.okta.register_app(ServiceApp {
            client_id: "0oagoldthread".to_owned(),
            name: "Goldthread".to_owned(),
            keys: vec![key],
            dpop: true,
            scopes: scopes.iter().map(owned).collect(),
            roles: roles.iter().map(owned).collect(),
        });
        let app = "auth = { kind = \"service-app\", client_id = \"0oagoldthread\", \
                   key = \"file:okta-key\", dpop = true }";
        let token = self.text.lines().find(|line| line.contains("kind = \"token\""));
        if let Some(token) = token.map(str::to_owned) {
            self.reconfigure(&token, app);
        }
        self
    }

    /// Why somebody's account is as it is.
    pub fn explain(&self, person: &Person) -> Explanation {
        run(async {
            let deps = self.reading();
            let plan = sync::plan_person(&deps, &person.user_name).await.unwrap();
            report::explain(&deps, &plan, &person.user_name).unwrap()
        })
    }

    /// Why somebody is in a group, or not.
    pub fn why(&self, person: &Person, group: &str) -> FactView {
        let facts = self.explain(person).facts;
        let fact = facts.into_iter().find(|fact| fact.name.as_deref() == Some(group));
        fact.unwrap_or_else(|| panic!("nothing is said about {group}"))
    }

    /// The requests that `goldthread requests` lists.
    pub fn requests(&self, filter: RequestFilter) -> Vec<ListedRequest> {
        let offline = self.load().offline();
        report::requests(&offline, filter, None, self.clock.now()).unwrap().requests
    }

    /// Those whom `goldthread people` lists.
    pub fn people(&self, filter: PeopleFilter) -> Vec<ListedPerson> {
        let offline = self.load().offline();
        report::people(&offline, filter, None, self.clock.now()).unwrap().people
    }

    /// What waits for a person's yes.
    pub fn waiting(&self) -> Vec<HoldView> {
        let offline = self.load().offline();
        report::holds(&offline, &HoldFilter::default(), self.clock.now()).unwrap().holds
    }

    /// Requests that are not carried out, as `hold list` has them.
    pub fn stuck(&self) -> Vec<WaitingRequest> {
        let offline = self.load().offline();
        report::holds(&offline, &HoldFilter::default(), self.clock.now()).unwrap().stuck
    }

    /// What `goldthread status` says.
    pub fn status_report(&self) -> StatusReport {
        report::status(&self.load().offline(), self.clock.now()).unwrap()
    }

    /// What `goldthread drift --cached` says.
    pub fn cached_drift(&self) -> DriftReport {
        report::drift(&self.reading(), None, None, None).unwrap()
    }

    /// Pat says yes.
    pub fn release(&self, which: &HoldSelection) -> Vec<HoldView> {
        self.say(which, Verdict::Release).unwrap()
    }

    /// Pat does not want to hear of it.
    pub fn dismiss(&self, id: i64) -> Vec<HoldView> {
        self.say(&HoldSelection::Ids(vec![id]), Verdict::Dismiss).unwrap()
    }

    pub fn say(&self, which: &HoldSelection, word: Verdict) -> Result<Vec<HoldView>, NotDecided> {
        let at = self.clock.now();
        let said = HoldDecision { word, by: "pat".to_owned(), at, because: "HR called".to_owned() };
        report::record_decision(&self.load().offline(), which, &said)
            .unwrap()
            .map(|decided| decided.holds)
    }

    /// Pat pulls the brake.
    pub fn pause(&self) {
        self.pausing()();
    }

    /// What Pat does then, for whenever it happens.
    pub fn pausing(&self) -> impl Fn() + Send + Sync + 'static {
        let (path, clock) = (self.load().store.path.clone(), self.clock.clone());
        move || {
            let store = Store::open(&path, None, Mode::Decide).unwrap();
            let (by, at, because) = ("pat".to_owned(), clock.now(), "look first".to_owned());
            let before = store.brake().pause(&Pause { by, at, because }).unwrap();
            assert_eq!(before, None, "it was paused already");
        }
    }

    /// Sam lets it go.
    pub fn resume(&self) {
        let (by, at, because) = ("sam".to_owned(), self.clock.now(), Some("mended".to_owned()));
        let store = Store::open(&self.load().store.path, None, Mode::Decide).unwrap();
        let before = store.brake().resume(&Resumed { by, at, because }).unwrap();
        assert!(before.is_some(), "it was not paused");
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

    /// Moves the clock to a moment.
    pub fn at(&self, moment: &str) {
        self.stage.clock.freeze(moment.parse().unwrap());
        self.keep_token();
    }

    /// The token does not expire: it would be in use every day.
    fn keep_token(&self) {
        let owner = self.stage.okta.find("goldthread@example.com").unwrap();
        self.stage.okta.register_token(OKTA_TOKEN, &owner.id);
    }

    /// The store is lost with everything that it remembered.
    pub fn lose_store(&self) {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("goldthread.db") {
                std::fs::remove_file(path).unwrap();
            }
        }
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

    pub fn join_on(&self, person: &Person, start: &str, end: &str) -> Ordered {
        self.approved(
            "Okta onboarding",
            person,
            &[
                ("employee", &person.sys_id),
                ("start_date", start),
                ("end_date", end),
                ("action", "Add"),
            ],
        )
    }

    pub fn leave_on(&self, person: &Person, last_day: &str) -> Ordered {
        self.approved(
            "Okta offboarding",
            person,
            &[("employee", &person.sys_id), ("last_day", last_day)],
        )
    }

    pub fn away(&self, person: &Person, starts: &str, ends: &str) -> Ordered {
        self.approved(
            "Leave of absence",
            person,
            &[("employee", &person.sys_id), ("starts", starts), ("ends", ends)],
        )
    }

    pub fn back(&self, person: &Person, starts: &str) -> Ordered {
        let variables = [("employee", person.sys_id.as_str()), ("starts", starts)];
        self.ordered("Return from leave", person, &variables)
    }

    pub fn moved(&self, person: &Person) -> Ordered {
        self.approved("Change of position", person, &[("employee", &person.sys_id)])
    }

    /// HR changes a record.
    pub fn record(&self, person: &Person, changes: &[(&str, &str)]) {
        assert!(self.stage.servicenow.update_person(&person.sys_id, changes));
    }

    /// HR enters somebody who has no account: a first name, an employee number and an e-mail.
    pub fn hired(&self, first_name: &str, number: &str, email: &str) -> Person {
        let mut person = Person {
            user_name: first_name.to_lowercase(),
            email: email.to_owned(),
            first_name: first_name.to_owned(),
            employee_number: number.to_owned(),
            department: "Sales".to_owned(),
            ..self.newcomer(0)
        };
        person.sys_id = self.stage.servicenow.add_person(&[
            ("user_name", &person.user_name),
            ("email", email),
            ("first_name", first_name),
            ("last_name", &person.last_name),
            ("employee_number", number),
            ("department", &self.stage.company.department_id("Sales")),
            ("active", "true"),
        ]);
        person
    }

    /// An administrator makes an account in Okta by hand.
    pub fn handmade(&self, number: &str, login: &str, status: Status) -> String {
        let profile = serde_json::json!({
            "login": login, "email": login, "firstName": "Hand", "lastName": "Made",
            "employeeNumber": number,
        });
        self.stage.okta.create_user(&profile, status)
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

    /// The account with this Okta id, whatever it is called by now.
    pub fn account_of(&self, id: &str) -> Account {
        self.stage.okta.find(id).unwrap_or_else(|| panic!("no account {id}"))
    }

    /// The status of a person's account; empty where there is none.
    pub fn status(&self, person: &Person) -> &'static str {
        self.account(person).map_or("", |account| account.status.as_str())
    }

    /// The groups of a person's account.
    pub fn groups_of(&self, person: &Person) -> Vec<String> {
        self.account(person).map(|account| account.groups).unwrap_or_default()
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

    /// What Okta was asked to change since the last look, without the ids: "POST users/lifecycle/suspend".
    pub fn okta_writes(&self) -> Vec<String> {
        let is_word = |part: &&str| part.len() < 17;
        let line = |write: goldthread::sim::okta::Write| {
            let path = write.path.trim_start_matches("/api/v1/");
            let words: Vec<&str> = path.split('/').filter(is_word).collect();
            let query =
                if write.query.is_empty() { String::new() } else { format!("?{}", write.query) };
            format!("{} {}{query}", write.method, words.join("/"))
        };
        self.stage.okta.writes().into_iter().map(line).collect()
    }

    /// Cycles go by, complete ones among them, and nothing is written to Okta.
    pub fn nothing_happens(&self) {
        self.forget_calls();
        for full in [false, true, true] {
            self.pass("20m");
            let report = if full { self.sync_full() } else { self.sync() };
            assert_eq!(self.okta_writes(), Vec::<String>::new(), "{:#?}", report.actions);
        }
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

    /// What is written to ServiceNow, from now to the end of the story: `METHOD path`.
    pub fn written_back(&self) -> Vec<String> {
        let calls = self.stage.servicenow.writes();
        calls.into_iter().map(|call| format!("{} {}", call.method, call.path)).collect()
    }
}

/// A folder that costs no time: every commit of a store waits for the disk.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

thread_local! {
    /// What this thread logs, while somebody wants to know.
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// One listener for all threads, from before anything is logged: whether an event is wanted at all
/// is remembered for the whole process, so that listeners which come and go miss some.
fn listen() {
    struct Here;
    impl Write for Here {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            LOGGED.with_borrow_mut(|logged| logged.iter_mut().for_each(|it| it.extend(bytes)));
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let here = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Here).finish();
        tracing::subscriber::set_global_default(here).unwrap();
    });
}

/// What is logged meanwhile, a line for each event.
pub fn logged<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    LOGGED.set(Some(Vec::new()));
    let result = work();
    let text = String::from_utf8(LOGGED.take().unwrap_or_default()).unwrap();
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

/// What a report says is held, as "RITM0010001 create", "-" for what is no action.
pub fn held(report: &CycleReport) -> Vec<String> {
    let actions = report.actions.iter().filter(|action| action.outcome == "held");
    actions
        .map(|action| {
            let request = action.request.as_deref().unwrap_or("-");
            format!("{request} {}", action.action.unwrap_or("-"))
        })
        .collect()
}

/// Why something of a request is held.
pub fn why_held(report: &CycleReport, request: &str) -> String {
    let mut held = report.actions.iter().filter(|action| action.outcome == "held");
    let held = held.find(|action| action.request.as_deref() == Some(request));
    held.and_then(|action| action.error.clone()).unwrap_or_default()
}

/// What a report says was applied and why, as "suspend by request".
pub fn causes(report: &CycleReport) -> Vec<String> {
    let actions = report.actions.iter().filter(|action| action.outcome == "applied");
    let line = |cause: &str, action: Option<&str>| format!("{} by {cause}", action.unwrap_or("-"));
    actions.map(|action| line(action.cause, action.action)).collect()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
