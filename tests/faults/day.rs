//! One day's work at a small company: a join, a grant, a leave and a change by hand are pending.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goldthread::config::{self, Environment};
use goldthread::http::RetryPolicy;
use goldthread::report::{self, ActionReport, CycleReport};
use goldthread::sim::company::Person;
use goldthread::sim::faults::Faults;
use goldthread::sim::okta::{Account, Status};
use goldthread::sim::servicenow::Ordered;
use goldthread::sync::{self, Deps, Scope, SyncError, Writers};

use super::bed::Bed;
use super::journal::belied;
use super::picture::journal;

/// Long enough for the slowest machine, and short enough to be waited for in a test.
pub const LONGEST_CALL: Duration = Duration::from_millis(1500);

/// Waiting takes no processor, and some faults make the program wait.
const WORKERS: usize = 6;

/// Tries each case, several at a time, and tells of all that went wrong.
pub fn each<T: Sync>(
    cases: &[T],
    title: impl Fn(&T) -> String + Sync,
    problems_of: impl Fn(&T) -> Vec<String> + Sync,
) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let problems = problems_of(case);
                    if !problems.is_empty() {
                        let text = format!("{}\n    {}", title(case), problems.join("\n    "));
                        failures.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    #[expect(clippy::print_stdout, reason = "how much was tried")]
    {
        println!("{} cases", cases.len());
    }
    let failures = failures.into_inner().unwrap();
    let (failed, all) = (failures.len(), cases.len());
    assert!(failures.is_empty(), "{failed} of {all} cases failed:\n{}", failures.join("\n"));
}

/// How somebody's account is to be.
pub struct DesiredStatus {
    pub who: Person,
    pub what: &'static str,
    pub holds: fn(&Account, &Person) -> bool,
}

/// The company, and what is to be done in it.
pub struct Day {
    pub bed: Bed,
    pub joiner: Person,
    pub granted: Person,
    pub leaver: Person,
    /// Somebody who joined earlier, and whose account is changed by hand.
    pub edited: Person,
    pub requests: Vec<Ordered>,
    /// What else is asked for: of whom, and how it is to be.
    pub more: Vec<DesiredStatus>,
    /// Requests are closed by their tasks, which carry the notes.
    pub by_task: bool,
    /// Okta or ServiceNow refused something for good: it is said on the request, and tried again
    /// by a complete read.
    pub refused: bool,
    /// Somebody else said yes in the place of Okta, and the journal may believe it.
    pub feigned: bool,
    /// The program was killed in the middle of something.
    pub killed: bool,
    /// The program is started again after the fault, which it would wait for.
    pub waits: bool,
    /// The newest action of the morning.
    since: i64,
    /// Every account as it was in the morning.
    morning: BTreeMap<String, Account>,
    mails: usize,
    notes: usize,
    program: Option<Program>,
}

impl Day {
    /// Both systems agree, one join is done; then everything else comes at once.
    pub fn new() -> Self {
        Self::of(Bed::of(40))
    }

    /// The same at another company.
    pub fn of(bed: Bed) -> Self {
        // Small pages, so that lists have several.
        let bed = bed.configure("[servicenow]\n", "[servicenow]\npage_size = 15\n");
        bed.stage.okta.switch(|it| it.index_lag = Duration::from_secs(3));
        let (edited, joiner) = (bed.newcomer(0), bed.newcomer(1));
        let (granted, leaver) = (bed.employee(2), bed.employee(3));
        people_the_rest(&bed);
        bed.join(&edited, &["app-jira"]);
        let begun = Program::start(&bed).sync(&bed, &Scope::Full).expect("nothing is wrong yet");
        assert_eq!(begun.summary.applied, 1, "{begun:?}");

        let okta = &bed.stage.okta;
        for account in okta.accounts() {
            // Nothing of it comes from a record.
            let title = format!("Keeper of {}", account.text("lastName"));
            let by_hand = serde_json::json!({"title": title, "costCenter": "0815"});
            okta.set_profile(&account.id, &by_hand);
        }
        let morning = okta.accounts().into_iter().map(|it| (it.id.clone(), it)).collect();
        let mails = okta.mails().len();
        let notes = bed.stage.servicenow.count("sys_journal_field");
        bed.pass("10m");
        let requests = vec![
            bed.join(&joiner, &["app-gitlab", "VPN Users"]),
            bed.access("Add", &granted, &["app-figma"], ""),
            bed.leave(&leaver),
        ];
        let account = bed.account(&edited).expect("the account that was just made");
        okta.set_profile(&account.id, &serde_json::json!({"department": "Elsewhere"}));
        okta.remove_member(&bed.okta_group("app-jira"), &account.id);
        bed.forget_calls();
        let program = Some(Program::start(&bed));
        let (entries, _) = journal(&bed);
        let since = entries.iter().map(|entry| entry.action_id).max().unwrap_or(0);
        Self {
            bed,
            joiner,
            granted,
            leaver,
            edited,
            requests,
            more: Vec::new(),
            by_task: false,
            refused: false,
            feigned: false,
            killed: false,
            waits: false,
            since,
            morning,
            mails,
            notes,
            program,
        }
    }

    /// The same day with another configuration, and the program started again.
    pub fn configured(mut self, from: &str, to: &str) -> Self {
        self.stop();
        self.bed.reconfigure(from, to);
        self.start();
        self
    }

    /// The program ends.
    pub fn stop(&mut self) {
        self.program = None;
    }

    /// The program starts again.
    pub fn start(&mut self) {
        self.program = Some(Program::start(&self.bed));
    }

    /// A cycle that does not believe a list: nothing follows from it, and what is asked for by
    /// approved requests goes on. Gives why it is not believed.
    pub fn doubts(&mut self, scope: &Scope) -> String {
        let report = self.sync(scope).expect("whoever can be decided about goes on");
        assert!(!report.full && report.needs_attention(), "{report:#?}");
        let disables = |it: &&ActionReport| {
            matches!(it.action, Some("suspend" | "deactivate")) && it.outcome == "applied"
        };
        assert!(report.actions.iter().filter(disables).all(|it| it.cause == "request"));
        let why = report.actions.iter().filter_map(|it| it.error.clone());
        let why: Vec<String> = why.filter(|why| why.contains("nothing follows")).collect();
        assert!(!why.is_empty(), "{report:#?}");
        why.join("\n")
    }

    /// One cycle.
    pub fn sync(&mut self, scope: &Scope) -> Result<CycleReport, SyncError> {
        self.program.as_mut().expect("the program runs").sync(&self.bed, scope)
    }

    /// Everything that is wrong with how a cycle among faults went, and with what came of it once
    /// they were over.
    pub fn survive(&mut self, scope: &Scope) -> Vec<String> {
        let outcome = self.sync(scope);
        let everything = *scope == Scope::Full;
        let mut problems = Vec::new();
        match &outcome {
            Ok(report) if report.needs_attention() => {}
            Ok(_) => {
                let mut left = self.withdrawn();
                if everything {
                    left.extend(self.unrepaired());
                }
                let left = left.into_iter();
                problems.extend(left.map(|it| format!("it said all was well, but {it}")));
            }
            Err(error) => {
                let text = error.to_string();
                if !text.contains("Okta") && !text.contains("ServiceNow") {
                    problems.push(format!("the error does not say which side: {text}"));
                }
            }
        }
        problems.extend(self.wrong().into_iter().map(|it| format!("after the fault, {it}")));
        self.clear_faults();
        if self.waits {
            self.stop();
            self.start();
        }
        problems.extend(self.make_up());
        if !problems.is_empty() {
            problems.push(format!("(the cycle ended with {:.3000})", format!("{outcome:?}")));
        }
        problems
    }

    /// What is left to complain of when nothing is wrong any more.
    fn make_up(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        for scope in [Scope::Changes, Scope::Changes, Scope::Full] {
            if scope == Scope::Full && !self.refused {
                // Nobody waits for the complete read of the night.
                let left = self.withdrawn().into_iter();
                problems.extend(left.map(|it| format!("only a full cycle makes up for it: {it}")));
            }
            if let Err(error) = self.sync(&scope) {
                problems.push(format!("a later {scope:?} failed: {error}"));
            }
        }
        let left = [self.withdrawn(), self.unrepaired(), self.wrong()].concat();
        problems.extend(left.into_iter().map(|it| format!("in the end, {it}")));
        problems.extend(self.belied());
        self.bed.forget_calls();
        for scope in [Scope::Changes, Scope::Full] {
            match self.sync(&scope) {
                Ok(report) if !report.needs_attention() => {}
                Ok(report) => {
                    let summary = report.summary;
                    problems.push(format!("an idle {scope:?} is not at rest: {summary:?}"));
                }
                Err(error) => problems.push(format!("an idle {scope:?} failed: {error}")),
            }
        }
        let wrote = self.bed.writes().into_iter();
        problems.extend(wrote.map(|it| format!("an idle cycle wrote: {it}")));
        problems
    }

    /// Where the journal is broken, or contradicts what was sent to Okta today.
    fn belied(&self) -> Vec<String> {
        let (entries, mut wrong) = journal(&self.bed);
        let killed = usize::from(self.killed);
        wrong.extend(belied(&entries, &self.bed.stage.okta.writes(), self.since, killed));
        if self.feigned {
            // Nor does the account show whether a mail was sent.
            wrong.retain(|it| {
                !it.contains("is not Some(\"applied\")") && !it.starts_with("missing: mail")
            });
        }
        wrong
    }

    /// Somebody who left, and is hired again today.
    pub fn who_came_back(&self) -> Option<&Person> {
        self.more
            .iter()
            .find(|desired_status| desired_status.what.starts_with("who came back"))
            .map(|desired_status| &desired_status.who)
    }

    /// The faults on the way to Okta, or to ServiceNow.
    pub fn faults(&self, okta: bool) -> &Faults {
        if okta { self.bed.stage.okta.faults() } else { &self.bed.stage.servicenow_faults }
    }

    pub fn clear_faults(&self) {
        self.faults(true).clear();
        self.faults(false).clear();
    }

    /// What is not yet as the requests want it.
    pub fn withdrawn(&self) -> Vec<String> {
        let mut withdrawn = Vec::new();
        let mut must = |holds: bool, what: &str| {
            if !holds {
                withdrawn.push(what.to_owned());
            }
        };
        let groups = |person: &Person| self.bed.account(person).map(|it| it.groups);
        let sorted = |names: &[&str]| {
            let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            names.sort();
            Some(names)
        };
        let ordered = |groups: Option<Vec<String>>| {
            groups.map(|mut names| {
                names.sort();
                names
            })
        };

        let joined = self.bed.account(&self.joiner);
        let status = joined.as_ref().map(|it| it.status);
        must(
            matches!(status, Some(Status::Active | Status::Provisioned)),
            "the joiner has no account in use",
        );
        must(
            joined.is_none_or(|it| {
                let wanted = self.joiner.okta_profile();
                wanted.iter().all(|(name, value)| it.text(name) == value)
            }),
            "the joiner's profile is not the record's",
        );
        must(
            ordered(groups(&self.joiner))
                == sorted(&["VPN Users", "app-gitlab", &self.joiner.department]),
            "the joiner's groups are others",
        );
        must(
            ordered(groups(&self.granted)) == sorted(&["app-figma", &self.granted.department]),
            "the grant is not there, or something else is",
        );
        let left = self.bed.account(&self.leaver);
        must(
            left.is_some_and(|it| it.status == Status::Deprovisioned && it.groups.is_empty()),
            "the leaver is still in",
        );
        for request in &self.requests {
            let view = self.bed.stage.servicenow.request(&request.number).expect("the request");
            must(view.state == "3", "a request is open");
            let notes = usize::from(!self.by_task);
            must(view.work_notes.len() == notes, "a request has not exactly one closing note");
            must(self.refused || view.comments.is_empty(), "a request was commented on");
            if self.by_task {
                must(view.tasks.iter().all(|(_, state)| state == "3"), "a task is open");
            }
        }
        for DesiredStatus { who, what, holds } in &self.more {
            must(self.bed.account(who).is_some_and(|it| holds(&it, who)), what);
        }
        withdrawn
    }

    /// What is left of the change by hand.
    pub fn unrepaired(&self) -> Vec<String> {
        let edited = self.bed.account(&self.edited).expect("the account");
        let mut left = Vec::new();
        if edited.text("department") != self.edited.department {
            left.push("the department is the one set by hand".to_owned());
        }
        let mut wanted = vec!["app-jira".to_owned(), self.edited.department.clone()];
        wanted.sort();
        let mut groups = edited.groups;
        groups.sort();
        if groups != wanted {
            left.push(format!("the groups are {groups:?}"));
        }
        left
    }

    /// Whether something is to be done to this account.
    fn concerns(&self, login: &str) -> bool {
        [&self.granted, &self.leaver, &self.edited]
            .into_iter()
            .chain(self.more.iter().map(|desired_status| &desired_status.who))
            .any(|person| person.email == login)
    }

    /// Whether its status may become another one.
    fn may_be_lifted_or_disabled(&self, login: &str) -> bool {
        self.leaver.email == login
            || self.more.iter().any(|desired_status| desired_status.who.email == login)
    }

    /// What was written that nobody asked for. This holds at every moment.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let now = self.bed.stage.okta.accounts();
        let mut created_here = Vec::new();
        for account in &now {
            let login = account.text("login");
            match self.morning.get(&account.id) {
                None => created_here.push(login.to_owned()),
                Some(before) => {
                    if !self.concerns(login) && before != account {
                        wrong.push(format!("{login} was touched: {before:?} → {account:?}"));
                    }
                    if unmapped(before) != unmapped(account) {
                        wrong.push(format!("an attribute of {login} that is nobody's was written"));
                    }
                    if !self.may_be_lifted_or_disabled(login) && before.status != account.status {
                        wrong.push(format!("{login} is {}", account.status.as_str()));
                    }
                }
            }
        }
        if created_here.len() > 1 || created_here.iter().any(|login| *login != self.joiner.email) {
            wrong.push(format!("accounts were made: {created_here:?}"));
        }
        if now.len() != self.morning.len() + created_here.len() {
            wrong.push("an account is gone".to_owned());
        }
        let mails = self.bed.stage.okta.mails();
        let returning =
            self.more.iter().filter(|desired_status| desired_status.what.contains("back")).count();
        if mails.len() > self.mails + 1 + returning {
            wrong.push(format!("mails were sent: {:?}", &mails[self.mails..]));
        }
        for write in self.bed.stage.servicenow.writes() {
            let mut ours =
                self.requests.iter().any(|request| write.path.ends_with(&request.sys_id));
            ours |= self.by_task && write.path.contains("/sc_task/");
            if write.method != "PATCH" || !ours {
                wrong.push(format!("{} {} was called", write.method, write.path));
            }
        }
        for request in &self.requests {
            let notes = self.bed.work_notes(request);
            if notes.len() > 1 {
                wrong.push(format!("{} has {} notes", request.number, notes.len()));
            }
        }
        let notes = self.bed.stage.servicenow.count("sys_journal_field") - self.notes;
        if self.by_task && !self.refused && notes > self.requests.len() {
            wrong.push(format!("{notes} notes stand on {} tasks", self.requests.len()));
        }
        wrong
    }
}

/// The attributes that come from records; the rest is nobody's business here.
const MAPPED: [&str; 7] =
    ["login", "email", "firstName", "lastName", "employeeNumber", "department", "manager"];

/// What an account has beside that.
fn unmapped(account: &Account) -> BTreeMap<&String, &serde_json::Value> {
    account.profile.iter().filter(|(name, _)| !MAPPED.contains(&name.as_str())).collect()
}

/// Bystanders: somebody without a record, suspended, deactivated and staged accounts, and somebody in
/// a group that nobody manages.
fn people_the_rest(bed: &Bed) {
    let okta = &bed.stage.okta;
    let guest = bed.handmade("C-1", "contractor@example.com", Status::Active);
    okta.seed_member(&bed.okta_group("app-jira"), &guest);
    bed.handmade("C-2", "earlier@example.com", Status::Deprovisioned);
    bed.handmade("C-3", "later@example.com", Status::Staged);
    let payroll = okta.add_group("Payroll", "OKTA_GROUP");
    for place in [5, 6] {
        let account = bed.account(&bed.employee(place)).expect("an account");
        okta.seed_member(&payroll, &account.id);
    }
    let suspended = bed.account(&bed.employee(6)).expect("an account");
    okta.set_status(&suspended.id, Status::Suspended);
}

/// The program, just started, as one that does not wait long.
pub struct Program {
    runtime: tokio::runtime::Runtime,
    deps: Deps,
    writers: Writers,
}

impl Program {
    pub fn start(bed: &Bed) -> Self {
        let mut config = config::load(&bed.write_config(), None, &Environment::default()).unwrap();
        let retry = RetryPolicy {
            attempts: 3,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_secs(2),
            longest_call: LONGEST_CALL,
        };
        config.okta.retry = retry;
        config.servicenow.retry = retry;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let started = Deps::writing(Arc::new(config), "a test", bed.clock(), Arc::new(|_, _| {}));
        let (deps, writers) = started.unwrap();
        Self { runtime, deps, writers }
    }

    /// One cycle.
    pub fn sync(&mut self, bed: &Bed, scope: &Scope) -> Result<CycleReport, SyncError> {
        bed.pass("1s");
        let outcome = self.runtime.block_on(sync::run(&self.deps, &self.writers, scope))?;
        report::done(&self.deps, outcome)
    }
}
