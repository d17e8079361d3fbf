//! The chapters, and a look at both sides before each line that claims something.

use std::sync::Arc;
use std::time::Duration;

use chrono::Days;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::voice::Voice;
use crate::cli::session::{self, Failure};
use crate::config::{self, Config, Environment};
use crate::report::{self, ActionReport, CycleReport, DriftItem, DriftReport};
use crate::sim::company::Person;
use crate::sim::okta::{Account, Status};
use crate::sim::servicenow::RequestView;
use crate::sim::stage::Stage;
use crate::sync::{self, Clock, Deps, Scope};

/// Between two events of the story, on its own clock: nobody waits for it.
const MOMENT: Duration = Duration::from_secs(5);

/// After that, no read has to reach back to the story's events.
const LONG_SINCE: Duration = Duration::from_mins(10);

/// What a joiner asks for, and what somebody else is granted later.
const TOOLS: [&str; 2] = ["app-gitlab", "VPN Users"];
const GRANTED: &str = "app-jira";

/// A stage, the program's configuration, and a voice.
pub(crate) struct Story {
    stage: Stage,
    config: Arc<Config>,
    voice: Voice,
    /// Holds the configuration, its secrets and the store; last, so that it is removed last.
    _folder: TempDir,
}

/// Somebody whom a request was carried out for.
struct Fulfilled {
    person: Person,
    request: String,
}

impl Story {
    /// Sets the stage, and writes a configuration for it into a temporary folder.
    pub(crate) fn open(people: usize, seed: u64, voice: Voice) -> Result<Self, Failure> {
        let stage = Stage::open(people, seed, crate::sim::clock::Clock::new(), None)?;
        let folder = session::temporary_folder("demo")?;
        let path = folder.path().join("config.toml");
        std::fs::write(&path, stage.config(folder.path())?)?;
        let config = Arc::new(config::load(&path, None, &Environment::default())?);
        Ok(Self { stage, config, voice, _folder: folder })
    }

    /// Tells it from the beginning to the end.
    pub(crate) async fn tell(&self) -> Result<(), Failure> {
        self.agreement().await?;
        let joiner = self.joiner().await?;
        let mover = self.mover().await?;
        let guest = self.access().await?;
        self.leaver().await?;
        self.by_hand(&joiner, &mover, &guest).await?;
        self.idle().await?;
        self.ending()
    }

    async fn agreement(&self) -> Result<(), Failure> {
        self.voice.chapter("Two systems that agree")?;
        let cycle = self.cycle(&Scope::Changes).await?;
        expect(!cycle.needs_attention() && cycle.actions.is_empty(), "both sides agree at first")?;
        self.expect_no_writes()?;
        let waiting = self.stage.company.people().iter().filter(|person| person.newcomer).count();
        let accounts = self.stage.company.people().len() - waiting;
        let summary = self.drift().await?.summary;
        expect(summary.people == accounts && summary.in_sync == accounts, "every account agrees")?;
        let found = "accounts were found, each with its person; nothing was changed";
        self.voice.line("BASELINE", &format!("{accounts} {found}"))?;
        let unasked = "people have a record but no account: nobody has asked for one";
        Voice::more(&format!("{waiting} {unasked}"))
    }

    async fn joiner(&self) -> Result<Fulfilled, Failure> {
        self.voice.chapter("Somebody joins")?;
        let person = self.newcomer()?;
        let number = self.order(
            "Okta onboarding",
            &person,
            &[
                ("employee", person.sys_id.clone()),
                ("action", "Add".to_owned()),
                ("start_date", self.stage.clock.now().format("%Y-%m-%d").to_string()),
                ("groups", self.groups(&TOOLS)),
            ],
        )?;
        let (name, department, tools) = (name(&person), &person.department, TOOLS.join(" and "));
        let account = format!("an account for {name} ({department}), with {tools}");
        self.voice.line(&number, &format!("ordered: {account}"))?;

        let cycle = self.cycle(&Scope::Changes).await?;
        expect(cycle.actions.is_empty(), "an unapproved request changes nothing")?;
        expect(self.account(&person).is_none(), "an unapproved request makes no account")?;
        self.voice.line(&number, "not approved yet, so nothing was done")?;

        self.approve(&number)?;
        let account = self.work(&number, &person).await?;
        let has_department = is_in(&account, &person.department);
        expect(has_department, "the joiner is in the department's group")?;
        let has_tools = TOOLS.iter().all(|group| is_in(&account, group));
        expect(has_tools, "the joiner has what was asked for")?;
        let event = self.log_event("user.lifecycle.create", &account.id)?;
        let agent = event["client"]["userAgent"]["rawUserAgent"].as_str().unwrap_or_default();
        expect(agent.contains(&number), "Okta's System Log names the request")?;
        self.voice.line(&number, "Okta's own System Log says so too:")?;
        self.voice.quote(&format!("user.lifecycle.create  {agent}"))?;
        let request = self.closed(&number, "closed in ServiceNow, with this work note:")?;
        self.voice.quote(request.work_notes.last().map_or("", String::as_str))?;
        Ok(Fulfilled { person, request: number })
    }

    async fn mover(&self) -> Result<Fulfilled, Failure> {
        self.voice.chapter("Somebody moves")?;
        let mut person = self.employee(0)?;
        let from = person.department.clone();
        let to = self.another_department(&person)?;
        let number = self.order(
            "Change of position",
            &person,
            &[("employee", person.sys_id.clone()), ("reason", format!("joins {to}"))],
        )?;
        self.voice
            .line(&number, &format!("ordered: {} goes from {from} to {to}", name(&person)))?;
        self.approve(&number)?;
        let department = self.stage.company.department_id(to);
        self.stage.servicenow.update_person(&person.sys_id, &[("department", &department)]);
        Voice::more("and HR changes the record")?;
        let account = self.work(&number, &person).await?;
        expect(account.text("department") == to, "the mover's profile follows the record")?;
        expect(is_in(&account, to), "the mover is in the new group")?;
        expect(!is_in(&account, &from), "the mover is out of the old group")?;
        self.closed(&number, "closed in ServiceNow")?;
        to.clone_into(&mut person.department);
        Ok(Fulfilled { person, request: number })
    }

    async fn access(&self) -> Result<Fulfilled, Failure> {
        self.voice.chapter("Somebody asks for access")?;
        let person = self.employee(1)?;
        let number = self.order(
            "Okta group access",
            &person,
            &[
                ("action", "Add".to_owned()),
                ("employee", person.sys_id.clone()),
                ("groups", self.groups(&[GRANTED])),
            ],
        )?;
        self.voice.line(&number, &format!("ordered: {GRANTED} for {}", name(&person)))?;
        self.approve(&number)?;
        let account = self.work(&number, &person).await?;
        expect(is_in(&account, GRANTED), "access was granted")?;
        self.closed(&number, "closed in ServiceNow")?;
        Ok(Fulfilled { person, request: number })
    }

    async fn leaver(&self) -> Result<(), Failure> {
        self.voice.chapter("Somebody leaves")?;
        // Whoever came last leads nobody.
        let people = self.stage.company.people().iter().rev();
        let last = people.into_iter().find(|person| !person.newcomer);
        let person = last.cloned().ok_or_else(|| untrue("somebody can leave"))?;
        let before = self.expect_account(&person)?;
        self.stage.okta.finish_activation(&before.id);
        let yesterday = self.stage.clock.now() - Days::new(1);
        let number = self.order(
            "Okta offboarding",
            &person,
            &[
                ("employee", person.sys_id.clone()),
                ("last_day", yesterday.format("%Y-%m-%d").to_string()),
            ],
        )?;
        let last_day = format!("{}'s last day was yesterday", name(&person));
        self.voice.line(&number, &format!("ordered: {last_day}; a session is still open"))?;
        self.approve(&number)?;
        let account = self.work(&number, &person).await?;
        expect(account.status == Status::Deprovisioned, "the leaver's account is deactivated")?;
        expect(account.sessions == 0, "the leaver's sessions are ended")?;
        expect(account.groups.is_empty(), "the leaver is in no group any more")?;
        self.closed(&number, "closed in ServiceNow; the account is kept, never deleted")?;
        Ok(())
    }

    async fn by_hand(
        &self,
        joiner: &Fulfilled,
        mover: &Fulfilled,
        guest: &Fulfilled,
    ) -> Result<(), Failure> {
        self.voice.chapter("Somebody changes Okta by hand")?;
        let okta = &self.stage.okta;
        let id = |of: &Fulfilled| self.expect_account(&of.person).map(|account| account.id);
        let [of_joiner, of_mover, of_guest] = [id(joiner)?, id(mover)?, id(guest)?];
        let wrong = self.another_department(&joiner.person)?;
        let extra = self.another_department(&mover.person)?;
        okta.set_profile(&of_joiner, &json!({ "department": wrong }));
        okta.add_member(&self.okta_group(extra)?, &of_mover);
        okta.remove_member(&self.okta_group(GRANTED)?, &of_guest);
        let event = self.log_event("user.account.update_profile", &of_joiner)?;
        let actor = event["actor"]["displayName"].as_str().unwrap_or_default().to_owned();
        Voice::say(&format!(
            "  {actor} edits a profile, puts somebody into a group, and takes somebody out of one."
        ))?;

        let drift = self.drift().await?;
        let found: Vec<&DriftItem> =
            drift.items.iter().filter(|item| item.disposition != "unmanaged").collect();
        Voice::say(
            "  goldthread drift finds all three, and says which request each goes back to:",
        )?;
        for item in &found {
            self.voice.line(item.request.as_deref().unwrap_or("-"), &difference(item))?;
        }
        expect(found.len() == 3, "drift finds the three changes and nothing else")?;
        for (fulfilled, kind) in [(joiner, "profile"), (mover, "membership"), (guest, "membership")]
        {
            let of_person = |item: &&&DriftItem| {
                item.person.sys_id.as_deref() == Some(&fulfilled.person.sys_id) && item.fact == kind
            };
            let item = found.iter().find(of_person);
            let request = item.and_then(|item| item.request.as_deref());
            let same = request == Some(&fulfilled.request);
            expect(same, "each difference goes back to its request")?;
        }

        let cycle = self.cycle(&Scope::Full).await?;
        Voice::say("  The next complete cycle repairs them, as goldthread sync --full does:")?;
        self.tell_actions(&cycle)?;
        let account = self.expect_account(&joiner.person)?;
        expect(account.text("department") == joiner.person.department, "the profile is repaired")?;
        let account = self.expect_account(&mover.person)?;
        expect(!is_in(&account, extra), "the membership is taken back")?;
        let account = self.expect_account(&guest.person)?;
        expect(is_in(&account, GRANTED), "the membership is given back")
    }

    async fn idle(&self) -> Result<(), Failure> {
        self.voice.chapter("Nothing happens")?;
        let drift = self.drift().await?;
        expect(!drift.differs(), "nothing differs any more")?;
        self.stage.okta.clear_calls();
        self.stage.servicenow.clear_calls();
        self.stage.clock.advance(LONG_SINCE);
        let cycle = self.cycle(&Scope::Changes).await?;
        expect(!cycle.needs_attention() && cycle.actions.is_empty(), "an idle cycle does nothing")?;
        self.expect_no_writes()?;
        Voice::say(&format!(
            "  {} people, all in agreement. Ten minutes later, a cycle with nothing to do \
             writes nothing,\n  and makes {} calls to ServiceNow and {} to Okta.",
            drift.summary.people, cycle.calls.servicenow, cycle.calls.okta
        ))
    }

    fn ending(&self) -> Result<(), Failure> {
        self.voice.chapter("With your own systems")?;
        Voice::say(
            "  1. Write /etc/goldthread/config.toml: both addresses, and what your catalog items mean.\n     \
                Leave mode = \"observe\" (the default): it reads and compares, and never writes.\n  \
             2. goldthread plan      what it would do; goldthread drift: what differs, and why\n  \
             3. goldthread run       in observe mode for some days, with an eye on its log\n  \
             4. mode = \"enforce\"     then goldthread sync for one cycle, and goldthread run for good\n\n  \
             To play with these simulators first, with curl and your own hands: goldthread simulate",
        )
    }
}

/// What happens to the story's people.
impl Story {
    fn order(
        &self,
        item: &str,
        person: &Person,
        variables: &[(&str, String)],
    ) -> Result<String, Failure> {
        let ordered = self.stage.servicenow.order(item, &person.sys_id, variables);
        let ordered = ordered.ok_or_else(|| untrue(&format!("the catalog has {item:?}")))?;
        Ok(ordered.number)
    }

    fn approve(&self, number: &str) -> Result<(), Failure> {
        self.stage.clock.advance(MOMENT);
        expect(self.stage.servicenow.approve(number), "somebody approves the request")?;
        self.voice.line(number, "approved")
    }

    /// One cycle that does something, all of it for one request.
    async fn work(&self, number: &str, person: &Person) -> Result<Account, Failure> {
        let cycle = self.cycle(&Scope::Changes).await?;
        expect(!cycle.actions.is_empty(), "an approved request is carried out")?;
        self.tell_actions(&cycle)?;
        let of_request = |action: &ActionReport| action.request.as_deref() == Some(number);
        expect(cycle.actions.iter().all(of_request), "every action names its request")?;
        self.expect_account(person)
    }

    fn tell_actions(&self, cycle: &CycleReport) -> Result<(), Failure> {
        for action in &cycle.actions {
            if action.outcome != "applied" {
                let error = action.error.as_deref().unwrap_or(action.outcome);
                return Err(untrue(&format!("{} succeeds ({error})", deed(action))));
            }
            self.voice.line(action.request.as_deref().unwrap_or("-"), &deed(action))?;
        }
        expect(!cycle.needs_attention(), "nothing is left to do")
    }

    /// One cycle, as `goldthread sync` runs it.
    async fn cycle(&self, scope: &Scope) -> Result<CycleReport, Failure> {
        self.stage.clock.advance(MOMENT);
        let (config, silence) = (Arc::clone(&self.config), Arc::new(|_: &str, _| {}));
        let (deps, writers) = Deps::writing(config, "goldthread demo", self.clock(), silence)?;
        Ok(report::done(&deps, sync::run(&deps, &writers, scope).await?)?)
    }

    /// A live report, as `goldthread drift` makes it.
    async fn drift(&self) -> Result<DriftReport, Failure> {
        self.stage.clock.advance(MOMENT);
        let (config, silence) = (Arc::clone(&self.config), Arc::new(|_: &str, _| {}));
        let deps = Deps::reading(config, self.clock(), silence)?;
        let plan = sync::plan(&deps, &Scope::Full).await?;
        Ok(report::drift(&deps, Some(&plan), None, None)?)
    }

    /// The program lives in the simulators' time.
    fn clock(&self) -> Clock {
        let clock = self.stage.clock.clone();
        Arc::new(move || clock.now())
    }
}

/// Who and what there is, on either side.
impl Story {
    /// Somebody with a record and without an account; HR enters one where there is none.
    fn newcomer(&self) -> Result<Person, Failure> {
        let people = self.stage.company.people();
        if let Some(person) = people.iter().find(|person| person.newcomer) {
            return Ok(person.clone());
        }
        let mut person = self.employee(0)?;
        "robin.example".clone_into(&mut person.user_name);
        "robin.example@example.com".clone_into(&mut person.email);
        "Robin".clone_into(&mut person.first_name);
        "Example".clone_into(&mut person.last_name);
        "900001".clone_into(&mut person.employee_number);
        let department = self.stage.company.department_id(&person.department);
        person.sys_id = self.stage.servicenow.add_person(&[
            ("user_name", &person.user_name),
            ("email", &person.email),
            ("first_name", &person.first_name),
            ("last_name", &person.last_name),
            ("employee_number", &person.employee_number),
            ("identity_type", "human"),
            ("department", &department),
        ]);
        Ok(person)
    }

    /// Somebody with an account; not the chief.
    fn employee(&self, place: usize) -> Result<Person, Failure> {
        let people = self.stage.company.people().iter().skip(1).filter(|it| !it.newcomer);
        people.into_iter().nth(place).cloned().ok_or_else(|| untrue("the company is large enough"))
    }

    fn another_department(&self, person: &Person) -> Result<&'static str, Failure> {
        let departments = self.stage.company.department_groups().into_iter();
        let other = departments.into_iter().find(|name| *name != person.department);
        other.ok_or_else(|| untrue("there are several departments"))
    }

    fn account(&self, person: &Person) -> Option<Account> {
        self.stage.okta.find(&person.email)
    }

    fn expect_account(&self, person: &Person) -> Result<Account, Failure> {
        self.account(person).ok_or_else(|| untrue(&format!("{} has an account", person.email)))
    }

    fn okta_group(&self, name: &str) -> Result<String, Failure> {
        self.stage.okta.group_id(name).ok_or_else(|| untrue(&format!("Okta has a group {name}")))
    }

    /// The rows of ServiceNow's group table, as an order names them.
    fn groups(&self, names: &[&str]) -> String {
        let ids: Vec<String> = names.iter().map(|name| self.stage.company.group_id(name)).collect();
        ids.join(",")
    }

    /// The newest event of this type about this account in Okta's System Log.
    fn log_event(&self, kind: &str, account: &str) -> Result<Value, Failure> {
        let events = self.stage.okta.events().into_iter().rev();
        let about = |event: &Value| {
            let mut targets = event["target"].as_array().into_iter().flatten();
            event["eventType"] == kind && targets.any(|target| target["id"] == account)
        };
        events.into_iter().find(about).ok_or_else(|| untrue(&format!("Okta's log has a {kind}")))
    }

    /// Tells that a request is closed, if it is so.
    fn closed(&self, number: &str, text: &str) -> Result<RequestView, Failure> {
        let request = self.stage.servicenow.request(number);
        let closed = request.filter(|it| it.state == "3" && !it.work_notes.is_empty());
        let closed = closed.ok_or_else(|| untrue(&format!("{number} is closed with a note")))?;
        self.voice.line(number, text)?;
        Ok(closed)
    }

    fn expect_no_writes(&self) -> Result<(), Failure> {
        let none = self.stage.okta.writes().is_empty() && self.stage.servicenow.writes().is_empty();
        expect(none, "nothing is written to either side")
    }
}

fn is_in(account: &Account, group: &str) -> bool {
    account.groups.iter().any(|it| it == group)
}

/// The story is never told further than it came true.
fn expect(came_true: bool, what: &str) -> Result<(), Failure> {
    if came_true { Ok(()) } else { Err(untrue(what)) }
}

fn untrue(what: &str) -> Failure {
    Failure::Failed(format!("the demo ends here, because this did not come true: {what}"))
}

fn name(person: &Person) -> String {
    format!("{} {}", person.first_name, person.last_name)
}

/// What an action did, in a few words.
fn deed(action: &ActionReport) -> String {
    let name = action.person.name();
    let group = action.group.as_deref().unwrap_or("a group");
    match action.action.unwrap_or("-") {
        "create" => format!("created {name}, in {}", action.groups.join(", ")),
        "update" => {
            let changes = action.changes.iter().map(|(attribute, change)| {
                let (from, to) = (shown(change.from.as_ref()), shown(change.to.as_ref()));
                format!("{attribute} from {from} to {to}")
            });
            format!("changed {name}: {}", changes.collect::<Vec<_>>().join(", "))
        }
        "add_member" => format!("added {name} to {group}"),
        "remove_member" => format!("removed {name} from {group}"),
        "clear_sessions" => format!("ended the sessions of {name}"),
        "deactivate" => format!("deactivated {name}"),
        other => format!("{other} {name}"),
    }
}

/// A difference, in a few words.
fn difference(item: &DriftItem) -> String {
    let name = item.person.name();
    let what = item.name.as_deref().unwrap_or(item.fact);
    let (desired, actual) = (shown(item.desired.as_ref()), shown(item.actual.as_ref()));
    match item.fact {
        "membership" if desired == "member" => format!("{name} is not in {what}, and should be"),
        "membership" => format!("{name} is in {what}, and should not be"),
        _ => format!("{name}: {what} is {actual}, and should be {desired}"),
    }
}

fn shown(value: Option<&String>) -> &str {
    value.map_or("nothing", String::as_str)
}
