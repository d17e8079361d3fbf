//! `sync` and `plan`: the same report, of what was done and of what would be.

use super::render::{self, Format, Printed};
use super::session::{Ended, Place, clock, exit, progress};
use crate::report::{self, CycleReport};
use crate::sync::{self, Deps, Scope};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Read everything again, on both sides.
    #[arg(long, conflicts_with = "person")]
    full: bool,
    /// Only this person: a login, e-mail, user name, `sys_id` or Okta id.
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,
    #[command(flatten)]
    printed: Printed,
}

impl Args {
    fn scope(&self) -> Scope {
        match &self.person {
            Some(person) => Scope::Person(person.clone()),
            None if self.full => Scope::Full,
            None => Scope::Changes,
        }
    }
}

pub(crate) async fn sync(place: &Place, args: &Args) -> Ended {
    let config = place.load()?;
    let (deps, writers) = Deps::writing(config, "goldthread sync", clock(), progress())?;
    let outcome = sync::run(&deps, &writers, &args.scope()).await?;
    print(args, &report::done(&deps, outcome)?)
}

pub(crate) async fn plan(place: &Place, args: &Args) -> Ended {
    let config = place.load()?;
    let deps = Deps::reading(config, clock(), progress())?;
    let plan = sync::plan(&deps, &args.scope()).await?;
    print(args, &report::planned(&deps, &plan)?)
}

fn print(args: &Args, report: &CycleReport) -> Ended {
    if let (Some(pause), Format::Json) = (&report.paused, args.printed.format) {
        tracing::warn!("{pause}; nothing is written before `goldthread resume`");
    }
    args.printed.print(report, render::cycle)?;
    Ok(if report.needs_attention() { exit::DIFFERS } else { exit::DONE })
}
