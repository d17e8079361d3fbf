//! `hold`: what waits for a person's yes, and saying it.
//!
//! Works beside a running daemon, and needs neither system nor credentials.

mod text;

pub(crate) use text::rows;

use std::process::ExitCode;

use super::render;
use super::session::{Failure, Place, clock, exit};
use crate::report::{self, Decided, HoldView};
use crate::store::{HoldDecision, HoldSelection, Verdict};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// What waits, with its number, its request and why.
    List(List),
    /// Say yes to exactly these actions, once.
    ///
    /// The next cycle carries them out if they are still the same; after 24 hours the yes lapses.
    /// No limit has to be raised for it.
    Release(Release),
    /// Leave these actions alone, and do not say so again while they stay the same.
    Dismiss(Dismiss),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// How the result is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: render::Format,
}

#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false)]
struct Chosen {
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
pub(crate) struct Release {
    #[command(flatten)]
    chosen: Chosen,
    /// Why: it is kept with the action.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    because: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Dismiss {
    /// Actions by their number in `hold list`.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
    /// Why: it is shown with the difference.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    because: String,
}

/// One line of text that says something.
fn reason(text: &str) -> Result<String, String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.split_whitespace().collect::<Vec<_>>().join(" ") {
        text if text.is_empty() => Err("it says nothing".to_owned()),
        text => Ok(text),
    }
}

pub(crate) fn hold(place: &Place, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::List(args) => list(place, &args),
        Command::Release(args) => {
            let Chosen { ids, set, all } = args.chosen;
            let which = match set {
                Some(set) => HoldSelection::Set(set),
                None if all => HoldSelection::All,
                None => HoldSelection::Ids(ids),
            };
            say(place, &which, Verdict::Release, args.because)
        }
        Command::Dismiss(args) => {
            say(place, &HoldSelection::Ids(args.ids), Verdict::Dismiss, args.because)
        }
    }
}

fn list(place: &Place, args: &List) -> Result<ExitCode, Failure> {
    let config = place.load_offline()?;
    let report = report::holds(&config, clock()())?;
    match args.format {
        render::Format::Text => render::out(&text::list(&report, &place.command()))?,
        render::Format::Json => render::json(&report)?,
    }
    Ok(exit::done())
}

fn say(
    place: &Place,
    which: &HoldSelection,
    word: Verdict,
    because: String,
) -> Result<ExitCode, Failure> {
    let config = place.load_offline()?;
    let said = HoldDecision { word, by: login_user(), at: clock()(), because };
    let decided = match (which, config.store.path.exists()) {
        (HoldSelection::Ids(ids), false) => Err(ids.clone()),
        (_, false) => Ok(Decided::default()),
        (_, true) => report::record_decision(&config, which, &said)?,
    };
    let done = if word == Verdict::Release { "released" } else { "dismissed" };
    let nothing = format!("nothing was {done}; see `goldthread hold list`");
    let decided = match (decided, which) {
        (Err(unknown), _) => {
            let unknown: Vec<String> = unknown.iter().map(i64::to_string).collect();
            return Err(Failure::Failed(format!(
                "nothing waits under {}: {nothing}",
                unknown.join(", ")
            )));
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
    Ok(exit::done())
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
fn login_user() -> String {
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
