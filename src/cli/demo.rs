//! `demo`: a company's day in the terminal, told by the real program between two simulators.
//!
//! Nothing is told that did not happen: each chapter looks at both systems, and a promise that is
//! not kept ends the demo with an error.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::render;
use super::session::{Failure, clock, exit};
use crate::config::{self, Config, Environment};
use crate::engine::{ActionReport, CycleReport, Engine, Hands, Scope};
use crate::sim::clock::Clock;
use crate::sim::company::Person;
use crate::sim::okta::Account;
use crate::sim::servicenow::Ordered;
use crate::sim::stage::Stage;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many people the company has.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(40..=20_000))]
    people: u32,
    /// The same seed tells the same story.
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
}

pub async fn demo(args: &Args) -> Result<ExitCode, Failure> {
    let mut story = Story::begin(args)?;
    story.opening().await?;
    story.joiner().await?;
    story.mover().await?;
    story.access().await?;
    story.hand_edit().await?;
    story.leaver().await?;
    story.idle().await?;
    story.ending()?;
    Ok(exit::done())
}

/// A folder that goes when the demo ends, however it ends.
struct Folder(PathBuf);

impl Folder {
    fn make() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("goldthread-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Story {
    stage: Stage,
    config: Arc<Config>,
    engine: Engine,
    hands: Hands,
    colour: bool,
    joined: Option<(Person, Ordered)>,
    _folder: Folder,
}

impl Story {
    fn begin(args: &Args) -> Result<Self, Failure> {
        let people = usize::try_from(args.people).unwrap_or(200);
        let stage = Stage::open(people, args.seed, Clock::new(), None)?;
        stage.servicenow.set(|switches| {
            switches.approval_delay = Duration::ZERO;
            switches.order_delay = Duration::ZERO;
        });
        let folder = Folder::make()?;
        let text = stage.config(&folder.0)?;
        let path = Path::new("the demo's configuration");
        let config = Arc::new(config::parse(&text, path, None, &Environment::default())?);
        let (engine, hands) =
            Engine::acting(Arc::clone(&config), "goldthread demo", clock(), Arc::new(|_, _| {}))?;
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Ok(Self { stage, config, engine, hands, colour, joined: None, _folder: folder })
    }

    async fn opening(&mut self) -> Result<(), Failure> {
        self.heading("One company, two systems")?;
        let accounts = self.stage.okta.user_count();
        say(&format!(
            "ServiceNow has {} people, Okta {accounts} accounts. Both are simulators in this process,\n\
             behind real HTTP; the program between them is the one that would run on your server.",
            self.stage.company.people().len()
        ))?;
        let report = self.cycle(&Scope::Full).await?;
        hold(report.summary.applied == 0, "the two sides agree at the start")?;
        say(&format!(
            "The first cycle reads everything ({} calls) and finds nothing to do.",
            report.calls.servicenow + report.calls.okta
        ))
    }

    async fn joiner(&mut self) -> Result<(), Failure> {
        let person = self.pick(|person| person.newcomer, "somebody without an account")?;
        self.heading(&format!("{} joins", name(&person)))?;
        let groups = self.group_rows(&["app-gitlab", "VPN Users"]);
        let today = self.stage.clock.now().date_naive().to_string();
        let ordered = self.order(
            "Okta onboarding",
            &person,
            &[
                ("employee", &person.sys_id),
                ("start_date", &today),
                ("groups", &groups),
                ("action", "Add"),
            ],
        )?;
        self.thread(&ordered, "the manager orders an account, with app-gitlab and VPN Users")?;
        let waiting = self.cycle(&Scope::Changes).await?;
        hold(waiting.actions.is_empty(), "nothing happens before the approval")?;
        self.thread(&ordered, "not approved yet, so nothing happens")?;

        self.stage.servicenow.approve(&ordered.number);
        self.thread(&ordered, "approved")?;
        let report = self.cycle(&Scope::Changes).await?;
        self.actions(&report)?;
        let account = self.account(&person)?;
        let has = |name: &str| account.groups.iter().any(|group| group == name);
        hold(has("app-gitlab") && has(&person.department), "the account has its groups")?;
        self.thread(&ordered, &format!("{} {}", account.id, account.groups.join(", ")))?;
        self.closed(&ordered)?;
        self.joined = Some((person, ordered));
        Ok(())
    }

    async fn mover(&mut self) -> Result<(), Failure> {
        let person = self.pick(|person| !person.newcomer, "somebody with an account")?;
        let new = ["Finance", "Sales"].into_iter().find(|name| *name != person.department);
        let new = new.unwrap_or("Finance");
        self.heading(&format!("{} moves from {} to {new}", name(&person), person.department))?;
        let department = self.stage.company.department_id(new);
        self.stage.servicenow.update_person(&person.sys_id, &[("department", &department)]);
        let ordered = self.order("Change of position", &person, &[("employee", &person.sys_id)])?;
        self.stage.servicenow.approve(&ordered.number);
        self.thread(&ordered, "HR changed the record; the move is ordered and approved")?;
        let report = self.cycle(&Scope::Changes).await?;
        self.actions(&report)?;
        let account = self.account(&person)?;
        hold(account.groups == [new], "the new department's group replaces the old one")?;
        self.closed(&ordered)
    }

    async fn access(&mut self) -> Result<(), Failure> {
        let person = self.pick(
            |person| !person.newcomer && person.department == "Engineering",
            "somebody in Engineering",
        )?;
        self.heading(&format!("{} asks for access", name(&person)))?;
        let groups = self.group_rows(&["app-datadog"]);
        let ordered = self.order(
            "Okta group access",
            &person,
            &[("action", "Add"), ("employee", &person.sys_id), ("groups", &groups)],
        )?;
        self.stage.servicenow.approve(&ordered.number);
        self.thread(&ordered, &format!("app-datadog; {} is approved as a whole", ordered.order))?;
        let report = self.cycle(&Scope::Changes).await?;
        self.actions(&report)?;
        let account = self.account(&person)?;
        hold(account.groups.iter().any(|group| group == "app-datadog"), "access is given")?;
        self.closed(&ordered)
    }

    async fn hand_edit(&mut self) -> Result<(), Failure> {
        let Some((person, ordered)) = self.joined.clone() else {
            return Err(Failure::Failed("nobody joined".to_owned()));
        };
        self.heading("Somebody changes Okta by hand")?;
        let account = self.account(&person)?;
        let pat = self.stage.okta.acting_as("Pat Admin");
        pat.set_profile(&account.id, &serde_json::json!({"department": "Top Management"}));
        let datadog = self.stage.okta.group_id("app-datadog").unwrap_or_default();
        pat.add_member(&datadog, &account.id);
        say(&format!(
            "Pat Admin makes {} a top manager, and a member of app-datadog. `goldthread drift` says:",
            account.text("login")
        ))?;
        let mut looking = Engine::looking(Arc::clone(&self.config), clock(), Arc::new(|_, _| {}))?;
        let drift = looking.drift(false, None, None).await?;
        let found: Vec<_> = drift
            .items
            .iter()
            .filter(|item| item.request.as_deref() == Some(ordered.number.as_str()))
            .collect();
        hold(found.len() == 2, "both changes are found, with the request they go against")?;
        for item in found {
            let fact = item.name.as_deref().unwrap_or(item.fact);
            let (is, should) = (item.actual.as_deref(), item.desired.as_deref());
            let text = format!(
                "{fact} is {}, and should be {}",
                is.unwrap_or("empty"),
                should.unwrap_or("empty")
            );
            self.thread(&ordered, &text)?;
        }
        let report = self.cycle(&Scope::Full).await?;
        self.actions(&report)?;
        let account = self.account(&person)?;
        let right = account.text("department") == person.department
            && !account.groups.iter().any(|group| group == "app-datadog");
        hold(right, "both changes are put back")
    }

    async fn leaver(&mut self) -> Result<(), Failure> {
        let person = self.pick(
            |person| !person.newcomer && person.department == "Marketing",
            "somebody in Marketing",
        )?;
        self.heading(&format!("{} leaves", name(&person)))?;
        let yesterday = self.stage.clock.now().date_naive() - chrono::Days::new(1);
        let ordered = self.order(
            "Okta offboarding",
            &person,
            &[("employee", &person.sys_id), ("last_day", &yesterday.to_string())],
        )?;
        self.stage.servicenow.approve(&ordered.number);
        self.thread(&ordered, &format!("the last day was {yesterday}; approved"))?;
        let report = self.cycle(&Scope::Changes).await?;
        self.actions(&report)?;
        let account = self.account(&person)?;
        let gone = account.status.as_str() == "DEPROVISIONED" && account.groups.is_empty();
        hold(gone, "the account is deactivated and in no group")?;
        self.closed(&ordered)?;
        let note = self.stage.servicenow.notes(&ordered.number).join("\n");
        say("\nThe note on the request:")?;
        for line in note.lines() {
            say(&self.faint(&format!("    {line}")))?;
        }
        Ok(())
    }

    async fn idle(&mut self) -> Result<(), Failure> {
        self.heading("And then nothing")?;
        // Our own notes on the requests come back as changes once.
        self.cycle(&Scope::Changes).await?;
        self.stage.okta.clear_calls();
        let report = self.cycle(&Scope::Changes).await?;
        let quiet = report.actions.is_empty() && self.stage.okta.writes().is_empty();
        hold(quiet, "an idle cycle writes nothing")?;
        say(&format!(
            "An idle cycle writes nothing. It costs {} calls to ServiceNow and {} to Okta, however\n\
             large the company is.",
            report.calls.servicenow, report.calls.okta
        ))
    }

    fn ending(&self) -> Result<(), Failure> {
        self.heading("With your own systems")?;
        say("\
1. Copy config.toml to /etc/goldthread/config.toml and fill it in. It only observes at first.
2. goldthread plan     what would be done, with the request that asks for it
   goldthread drift    is Okta right?
3. Write mode = \"enforce\", then goldthread sync, or systemctl enable --now goldthread.

To try things by hand first: goldthread simulate.")
    }

    async fn cycle(&mut self, scope: &Scope) -> Result<CycleReport, Failure> {
        Ok(self.engine.cycle(&self.hands, scope).await?)
    }

    /// Somebody who is nobody's manager, so that the story stays about one person.
    fn pick(&self, wanted: impl Fn(&Person) -> bool, who: &str) -> Result<Person, Failure> {
        let people = self.stage.company.people();
        let busy = self.joined.as_ref().map(|(person, _)| person.sys_id.as_str());
        people
            .iter()
            .rev()
            .find(|person| wanted(person) && Some(person.sys_id.as_str()) != busy)
            .cloned()
            .ok_or_else(|| {
                Failure::Failed(format!(
                    "this company has not {who}: try another --seed or more --people"
                ))
            })
    }

    fn order(
        &self,
        item: &str,
        person: &Person,
        variables: &[(&str, &str)],
    ) -> Result<Ordered, Failure> {
        self.stage
            .servicenow
            .order(item, &person.sys_id, variables)
            .ok_or_else(|| Failure::Failed(format!("the catalog has no item {item:?}")))
    }

    /// Rows of the customer's table of groups, as the form stores them.
    fn group_rows(&self, names: &[&str]) -> String {
        let rows: Vec<String> =
            names.iter().map(|name| self.stage.company.group_id(name)).collect();
        rows.join(",")
    }

    fn account(&self, person: &Person) -> Result<Account, Failure> {
        self.stage
            .okta
            .find(&person.email)
            .ok_or_else(|| Failure::Failed(format!("{} has no account in Okta", person.email)))
    }

    fn closed(&self, ordered: &Ordered) -> Result<(), Failure> {
        let state = self.stage.servicenow.request(&ordered.number).map(|request| request.state);
        hold(state.as_deref() == Some("3"), "the request is closed")?;
        self.thread(ordered, "closed in ServiceNow, with a note that names each action")
    }

    fn actions(&self, report: &CycleReport) -> Result<(), Failure> {
        hold(!report.needs_attention(), "everything is carried out")?;
        for action in &report.actions {
            let request = action.request.as_deref().unwrap_or("-");
            let okta = action.okta_request_id.as_deref().unwrap_or("");
            let told = format!("{} {}", did(action), self.faint(&format!("(Okta request {okta})")));
            self.line(request, &told)?;
        }
        Ok(())
    }

    fn thread(&self, ordered: &Ordered, text: &str) -> Result<(), Failure> {
        self.line(&ordered.number, text)
    }

    fn line(&self, request: &str, text: &str) -> Result<(), Failure> {
        let request =
            if self.colour { format!("\x1b[33m{request}\x1b[0m") } else { request.to_owned() };
        say(&format!("  {request}  {text}"))
    }

    fn heading(&self, text: &str) -> Result<(), Failure> {
        say(&if self.colour { format!("\n\x1b[1m{text}\x1b[0m") } else { format!("\n{text}") })?;
        std::io::stdout().flush().map_err(Failure::from)
    }

    fn faint(&self, text: &str) -> String {
        if self.colour { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn say(text: &str) -> Result<(), Failure> {
    render::out(text)
}

/// A promise of the story. What is not true is not told.
fn hold(kept: bool, promise: &str) -> Result<(), Failure> {
    if kept {
        Ok(())
    } else {
        Err(Failure::Failed(format!("the demo expected that {promise}, and it is not so")))
    }
}

fn name(person: &Person) -> String {
    format!("{} {}", person.first_name, person.last_name)
}

/// What an action did, as a sentence without its request.
fn did(action: &ActionReport) -> String {
    let name = action.person.name();
    let group = action.group.as_deref().unwrap_or("a group");
    match action.action.unwrap_or_default() {
        "create" => format!("created {name}, in {}", action.groups.join(", ")),
        "update" => {
            let changes: Vec<&str> = action.changes.keys().map(String::as_str).collect();
            format!("changed {} of {name}", changes.join(", "))
        }
        "add_member" => format!("added {name} to {group}"),
        "remove_member" => format!("removed {name} from {group}"),
        "clear_sessions" => format!("ended the sessions of {name}"),
        "deactivate" => format!("deactivated {name}"),
        other => format!("{other} {name}"),
    }
}
