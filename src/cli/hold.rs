//! `hold`: what waits for a person's yes, and saying it.
//!
//! Works beside a running daemon, and needs neither system nor credentials.

mod text;

use std::io::{IsTerminal, Write as _};

pub(crate) use text::rows;

use std::collections::BTreeMap;

use super::journal::{Decision, log_decision};
use super::render::{self, Printed};
use super::session::{Ended, Failure, Place, clock, exit};
use crate::config::Offline;
use crate::report::{self, Decided, HoldFilter, HoldView};
use crate::store::{HoldDecision, HoldSelection, NotDecided, Store, Verdict};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// What waits, with its number, its request and why; what shares one cause as one set.
    List(List),
    /// Everything about one action that waits or was dismissed.
    Show {
        /// Its number in `hold list`.
        #[arg(value_name = "ID")]
        id: i64,
        #[command(flatten)]
        printed: Printed,
    },
    /// Say yes to exactly these actions, once.
    ///
    /// The next cycle carries them out if they are still the same; after 24 hours the yes lapses.
    /// No limit has to be raised for it.
    Release {
        #[command(flatten)]
        chosen: Chosen,
        /// Why: it is kept with the action.
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        because: String,
        /// Do not ask, however many they are.
        #[arg(long)]
        yes: bool,
    },
    /// Leave these actions alone, and do not say so again while they stay the same.
    Dismiss {
        #[command(flatten)]
        chosen: ChosenSome,
        /// Why: it is shown with the difference.
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        because: String,
        /// Do not ask, however many they are.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only this set, action by action.
    #[arg(value_name = "SET")]
    set: Option<String>,
    /// Also what was dismissed.
    #[arg(long)]
    dismissed: bool,
    /// Only what waits for this person: a login, e-mail, user name, `sys_id` or Okta id.
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,
    /// Only what comes from this request.
    #[arg(long, value_name = "NUMBER")]
    request: Option<String>,
    /// Only what is about this group, by name or id.
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// No more actions than this.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    printed: Printed,
}

#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false)]
pub(crate) struct Chosen {
    /// Actions by their number in `hold list`.
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Every action of one set.
    #[arg(long, value_name = "ID")]
    set: Option<String>,
    /// Everything that waits.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false)]
pub(crate) struct ChosenSome {
    /// Actions by their number in `hold list`.
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Every action of one set.
    #[arg(long, value_name = "ID")]
    set: Option<String>,
}

/// One line of text that says something.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.split_whitespace().collect::<Vec<_>>().join(" ") {
        text if text.is_empty() => Err("it says nothing".to_owned()),
        text => Ok(text),
    }
}

pub(crate) fn hold(place: &Place, command: Command) -> Ended {
    let which = |ids, set: Option<String>| set.map_or(HoldSelection::Ids(ids), HoldSelection::Set);
    match command {
        Command::List(list) => self::list(place, list),
        Command::Show { id, printed } => show(place, id, &printed),
        Command::Release { chosen: Chosen { all: true, .. }, because, yes } => {
            say(place, &HoldSelection::All, Verdict::Release, because, yes)
        }
        Command::Release { chosen: Chosen { ids, set, .. }, because, yes } => {
            say(place, &which(ids, set), Verdict::Release, because, yes)
        }
        Command::Dismiss { chosen: ChosenSome { ids, set }, because, yes } => {
            say(place, &which(ids, set), Verdict::Dismiss, because, yes)
        }
    }
}

fn list(place: &Place, list: List) -> Ended {
    let List { set, dismissed, person, request, group, limit, printed } = list;
    let folded = (set.is_none() && printed.is_text()).then_some(text::FEW);
    let filter = HoldFilter { set, dismissed, person, request, group, limit, folded };
    let report = report::holds(&place.load_offline()?, &filter, clock()())?;
    if let Some(set) = filter.set.as_ref().filter(|_| report.holds.is_empty()) {
        return Err(Failure::Failed(format!("nothing waits in a set {set:?}")));
    }
    let whole = filter.set.is_some();
    printed.print(&report, |report| text::list(report, whole, &place.command()))?;
    Ok(exit::DONE)
}

fn show(place: &Place, id: i64, printed: &Printed) -> Ended {
    let Some(hold) = report::hold(&place.load_offline()?, id, clock()())? else {
        return Err(Failure::Failed(format!(
            "nothing waits under {id}; see `goldthread hold list`"
        )));
    };
    printed.print(&hold, |hold| text::show(hold, &place.command()))?;
    Ok(exit::DONE)
}

/// More at once than this is not decided by a slip of the finger.
const MANY: usize = 10;

/// Whoever decides about many gives their number.
fn confirm(config: &Offline, which: &HoldSelection, done: &str, yes: bool) -> Result<(), Failure> {
    let waits = report::holds(config, &HoldFilter::default(), clock()())?.holds;
    let open = waits.iter().filter(|hold| hold.released.is_none());
    let count = match which {
        HoldSelection::Ids(ids) => ids.len(),
        HoldSelection::All => open.count(),
        HoldSelection::Set(set) => open.filter(|hold| hold.set.as_ref() == Some(set)).count(),
    };
    if count <= MANY || yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "{count} actions would be {done} at once: say so with --yes"
        )));
    }
    write!(std::io::stderr(), "{count} actions would be {done}. Type their number to go on: ")?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    if typed.trim() == count.to_string() {
        return Ok(());
    }
    Err(Failure::Failed(format!("nothing was {done}")))
}

fn say(place: &Place, which: &HoldSelection, word: Verdict, because: String, yes: bool) -> Ended {
    let config = place.load_offline()?;
    let done = if word == Verdict::Release { "released" } else { "dismissed" };
    // Nobody is asked for a yes to what they may not do.
    let is_there = Store::is_there_to_write(&config.store)?;
    confirm(&config, which, done, yes)?;
    let said = HoldDecision { word, by: login_user(), at: clock()(), because };
    let decided = match (which, is_there) {
        (HoldSelection::Ids(ids), false) => Err(NotDecided::Unknown(ids.clone())),
        (_, false) => Ok(Decided::default()),
        (_, true) => report::record_decision(&config, which, &said)?,
    };
    let nothing = format!("nothing was {done}; see `goldthread hold list`");
    let decided = match (decided, which) {
        (Err(NotDecided::Unusable(id, why)), _) => {
            return Err(Failure::Failed(format!("{id} cannot be released: {why}: {nothing}")));
        }
        (Err(NotDecided::Unknown(unknown)), _) => {
            let ids = unknown.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            return Err(Failure::Failed(format!("nothing waits under {ids}: {nothing}")));
        }
        (Ok(decided), HoldSelection::Set(set)) if decided.holds.is_empty() => {
            return Err(Failure::Failed(format!("nothing waits in a set {set:?}: {nothing}")));
        }
        (Ok(decided), _) => decided,
    };
    log(&decided.holds, done, &said);
    let text = match word {
        Verdict::Release => text::released(&decided, &place.command()),
        Verdict::Dismiss => text::dismissed(&decided, &place.command()),
    };
    render::out(&text)?;
    if let Some(pause) = report::pause_in_force(&config)?.filter(|_| word == Verdict::Release) {
        let resume = format!("`{} resume`", place.command());
        render::out(&format!("\nIt is {pause}\nNothing is carried out before {resume}."))?;
    }
    Ok(exit::DONE)
}

/// A set of many is one event, as when it began to wait.
fn log(holds: &[HoldView], done: &str, said: &HoldDecision) {
    const FEW: usize = 10;
    let mut sets: BTreeMap<Option<&str>, Vec<&HoldView>> = BTreeMap::new();
    for hold in holds {
        sets.entry(hold.set.as_deref()).or_default().push(hold);
    }
    for (set, holds) in sets {
        let [by, because] = [&said.by, &said.because].map(String::as_str);
        let decision = Decision { outcome: done, by, because, ..Decision::default() };
        if holds.len() <= FEW {
            for hold in holds {
                log_decision(&about(hold, &decision));
            }
            continue;
        }
        let of_set = set.map_or_else(String::new, |set| format!(" of the set {set}"));
        let text = format!("{} actions{of_set} {done}", holds.len());
        log_decision(&Decision { text, ..decision });
    }
}

fn about<'a>(hold: &'a HoldView, decision: &Decision<'a>) -> Decision<'a> {
    let request = hold.request.as_deref();
    let origin = request.unwrap_or("unattributed");
    let action = hold.action.unwrap_or("-");
    Decision {
        text: format!("{origin}: {action} of {} {}", hold.person.name(), decision.outcome),
        request,
        parent: hold.parent.as_deref(),
        action: hold.action,
        cause: Some(hold.cause),
        group: hold.group.as_deref(),
        person: hold.person.clone(),
        ..decision.clone()
    }
}

/// Who is logged in, also behind `sudo`: the kernel remembers the login whatever the process has
/// become since. What `sudo` says counts for root only: anybody else could write it.
pub(super) fn login_user() -> String {
    let name = |user: uzers::User| user.name().to_string_lossy().into_owned();
    let by_login = std::fs::read_to_string("/proc/self/loginuid")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|uid| *uid != u32::MAX)
        .and_then(uzers::get_user_by_uid)
        .map(name);
    let uid = uzers::get_current_uid();
    let by_sudo = || std::env::var("SUDO_USER").ok().filter(|name| uid == 0 && !name.is_empty());
    by_login
        .or_else(by_sudo)
        .or_else(|| uzers::get_user_by_uid(uid).map(name))
        .unwrap_or_else(|| format!("uid {uid}"))
}
