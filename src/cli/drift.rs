//! `drift`: is Okta right?

use std::path::PathBuf;

use super::session::{Ended, Place, clock, exit, progress};
use super::{output, render};
use crate::report;
use crate::sync::{Deps, Scope, plan};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Compare what was last observed, without asking either side. Needs no credentials.
    #[arg(long)]
    cached: bool,
    /// Only this person: a login, e-mail, user name, `sys_id` or Okta id.
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,
    /// Only memberships of this group, by name or id.
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Only what differs, a line each: nothing where Okta is right.
    #[arg(long, conflicts_with_all = ["format", "output"])]
    quiet: bool,
    /// How the report is printed.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// Write the report to a file, for its owner alone, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}

pub(crate) async fn drift(place: &Place, args: &Args) -> Ended {
    let (person, group) = (args.person.as_deref(), args.group.as_deref());
    let report = if args.cached {
        report::drift_cached(&place.load_offline()?, person, group, clock()())?
    } else {
        let deps = Deps::reading(place.load()?, clock(), progress())?;
        let plan = plan(&deps, &Scope::Full).await?;
        report::drift(&deps, Some(&plan), person, group)?
    };
    let text = match args.format {
        Format::Table if args.quiet => render::differences(&report, &place.command()),
        Format::Table => render::drift(&report, &place.command()),
        Format::Json => render::json(&report)?,
    };
    match &args.output {
        None if text.is_empty() => {}
        None => render::out(&text)?,
        Some(path) => output::write(path, &text)?,
    }
    Ok(if report.differs() { exit::DIFFERS } else { exit::DONE })
}
