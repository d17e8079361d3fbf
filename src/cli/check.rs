//! `check`: tries the configuration against both systems, and says what to put right.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::render;
use super::session::{Failure, Place, clock, exit};
use crate::check::{self, Check, CheckReport, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How the result is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: render::Format,
}

pub(crate) async fn check(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let config = place.load()?;
    let report = match args.format {
        render::Format::Json => {
            let report = check::check(config, &*clock(), &mut |_| {}).await;
            render::json(&report)?;
            report
        }
        render::Format::Text => {
            let mut printed = Ok(());
            let report = check::check(config, &*clock(), &mut |check| {
                if printed.is_ok() {
                    printed = render::out(&line(check));
                }
            })
            .await;
            printed?;
            render::out(&summary(&report))?;
            report
        }
    };
    Ok(if report.ok { exit::done() } else { exit::failed() })
}

fn line(check: &Check) -> String {
    let word = match check.found {
        Found::Fine => "ok",
        Found::Warning => "warn",
        Found::Failed => "FAIL",
    };
    let mut line = format!("{word:<5} {:<20} {}", check.name, check.detail);
    if let Some(fix) = &check.fix {
        let _ = write!(line, "\n      {:<20} -> {fix}", "");
    }
    line
}

fn summary(report: &CheckReport) -> String {
    let count = |found| report.checks.iter().filter(|check| check.found == found).count();
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    match (count(Found::Failed), count(Found::Warning)) {
        (0, 0) => "\nEverything is as it should be.".to_owned(),
        (0, warnings) => format!("\nIt works; {}.", plural(warnings, "warning")),
        (failed, warnings) => {
            format!(
                "\n{} failed, {}: put them right from the top.",
                plural(failed, "check"),
                plural(warnings, "warning")
            )
        }
    }
}
