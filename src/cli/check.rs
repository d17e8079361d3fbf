//! `check`: tries the configuration against both systems, and says what to put right.

use std::fmt::Write as _;

use super::render::{self, Format, Printed, count};
use super::session::{Ended, Place, clock, exit};
use crate::check::{self, Check, CheckReport, Found};

pub(crate) async fn check(place: &Place, printed: &Printed) -> Ended {
    let config = place.load()?;
    let mut told = Ok(());
    let mut tell = |check: &Check| {
        if printed.format == Format::Text && told.is_ok() {
            told = render::out(&line(check));
        }
    };
    let report = check::check(config, &*clock(), &mut tell).await;
    told?;
    printed.print(&report, summary)?;
    Ok(if report.ok { exit::DONE } else { exit::FAILED })
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
    let number = |found| report.checks.iter().filter(|check| check.found == found).count();
    let (failed, warned) = (number(Found::Failed), number(Found::Warning));
    let warnings = count(warned, "warning", "warnings");
    match (failed, warned) {
        (0, 0) => "\nEverything is as it should be.".to_owned(),
        (0, _) => format!("\nIt works; {warnings}."),
        _ => {
            let checks = count(failed, "check", "checks");
            format!("\n{checks} failed, {warnings}: put them right from the top.")
        }
    }
}
