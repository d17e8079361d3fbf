//! `hold`: what waits for a person's yes, and saying it.
//!
//! Works beside a running daemon, and needs neither system nor credentials.

mod text;

pub(crate) use text::rows;

use super::render::{self, Printed};
use super::session::{Ended, Failure, Place, clock, exit};
use crate::report::{self, Decided, HoldView};
use crate::store::{HoldDecision, HoldSelection, Store, Verdict};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// What waits, with its number, its request and why.
    List(Printed),
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
    },
    /// Leave these actions alone, and do not say so again while they stay the same.
    Dismiss {
        /// Actions by their number in `hold list`.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<i64>,
        /// Why: it is shown with the difference.
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        because: String,
    },
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

/// One line of text that says something.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.split_whitespace().collect::<Vec<_>>().join(" ") {
        text if text.is_empty() => Err("it says nothing".to_owned()),
        text => Ok(text),
    }
}

pub(crate) fn hold(place: &Place, command: Command) -> Ended {
    match command {
        Command::List(printed) => {
            let report = report::holds(&place.load_offline()?, clock()())?;
            printed.print(&report, |report| text::list(report, &place.command()))?;
            Ok(exit::DONE)
        }
        Command::Release { chosen: Chosen { ids, set, all }, because } => {
            let which = match set {
                Some(set) => HoldSelection::Set(set),
                None if all => HoldSelection::All,
                None => HoldSelection::Ids(ids),
            };
            say(place, &which, Verdict::Release, because)
        }
        Command::Dismiss { ids, because } => {
            say(place, &HoldSelection::Ids(ids), Verdict::Dismiss, because)
        }
    }
}

fn say(place: &Place, which: &HoldSelection, word: Verdict, because: String) -> Ended {
    let config = place.load_offline()?;
    let said = HoldDecision { word, by: login_user(), at: clock()(), because };
    let decided = match (which, Store::is_there(&config.store)?) {
        (HoldSelection::Ids(ids), false) => Err(ids.clone()),
        (_, false) => Ok(Decided::default()),
        (_, true) => report::record_decision(&config, which, &said)?,
    };
    let done = if word == Verdict::Release { "released" } else { "dismissed" };
    let nothing = format!("nothing was {done}; see `goldthread hold list`");
    let decided = match (decided, which) {
        (Err(unknown), _) => {
            let ids = unknown.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            return Err(Failure::Failed(format!("nothing waits under {ids}: {nothing}")));
        }
        (Ok(decided), HoldSelection::Set(set)) if decided.holds.is_empty() => {
            return Err(Failure::Failed(format!("nothing waits in a set {set:?}: {nothing}")));
        }
        (Ok(decided), _) => decided,
    };
    for hold in &decided.holds {
        log(hold, done, &said);
    }
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

fn log(hold: &HoldView, done: &str, said: &HoldDecision) {
    let request = hold.request.as_deref().unwrap_or("unattributed");
    tracing::info!(
        request,
        parent = hold.parent.as_deref(),
        action = hold.action,
        outcome = done,
        cause = hold.cause,
        login = hold.person.login.as_deref(),
        sys_id = hold.person.sys_id.as_deref(),
        okta_user = hold.person.okta_id.as_deref(),
        group = hold.group.as_deref(),
        "{request}: {} of {} {done} by {}: {}",
        hold.action,
        hold.person.name(),
        said.by,
        said.because
    );
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
