//! `status`: how it goes, and whether somebody is needed.

use std::fmt::Write as _;
use std::time::Duration;

use super::render::Printed;
use super::session::{Ended, Place, clock, exit};
use crate::report::{self, CycleView, LatencyView, NeedView, SideView, StatusReport};

/// More than this is not read at a glance.
const MOST_NEEDS: usize = 12;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only what needs somebody: nothing where all is well.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    printed: Printed,
}

pub(crate) fn status(place: &Place, Args { quiet, printed }: &Args) -> Ended {
    let config = place.load_offline()?;
    let report = report::status(&config, clock()())?;
    let well = report.needs.is_empty();
    match (quiet, well) {
        (true, true) => {}
        (true, false) => printed.print(&report, needs)?,
        (false, _) => printed.print(&report, text)?,
    }
    Ok(if well { exit::DONE } else { exit::DIFFERS })
}

fn needs(report: &StatusReport) -> String {
    let shown = report.needs.iter().take(MOST_NEEDS);
    let mut lines: Vec<String> =
        shown.map(|NeedView { text, command, .. }| format!("! {text}: {command}")).collect();
    if let Some(more @ 1..) = report.needs.len().checked_sub(MOST_NEEDS) {
        lines.push(format!("! and {more} more: goldthread drift --cached"));
    }
    lines.join("\n")
}

fn text(report: &StatusReport) -> String {
    let mut text = needs(report);
    if !text.is_empty() {
        text.push('\n');
    }
    let word = if report.running { "running" } else { "not running" };
    let _ = writeln!(text, "daemon       {word}, mode {}", report.mode);
    let _ = match &report.last_cycle {
        None => writeln!(text, "last cycle   none yet: run `goldthread sync`, or start the daemon"),
        Some(CycleView { n, at, full, seconds, outcome }) => {
            let kind = if *full { "complete read" } else { "changes" };
            writeln!(text, "last cycle   {n} at {at}: {outcome} ({kind}, {seconds:.1} s)")
        }
    };
    if let Some(lag) = report.lag_seconds {
        let _ = writeln!(text, "last good    {} ago", span(lag));
    }
    let _ = writeln!(text, "ServiceNow   {}", side(&report.sides.servicenow));
    let _ = writeln!(text, "Okta         {}", side(&report.sides.okta));
    if let (Some(pending), Some(held)) = (report.pending, report.held) {
        let _ = writeln!(text, "pending      {pending} requests in force and not done");
        let _ = writeln!(text, "held         {held} actions wait for a yes");
        let _ = writeln!(
            text,
            "stuck        {} requests wait for something else",
            report.stuck.unwrap_or(0)
        );
    }
    if report.observed > 0 {
        let _ = writeln!(text, "observed     {} differences are only observed", report.observed);
    }
    for (name, pace) in [("joins", &report.targets.join), ("leaves", &report.targets.leave)] {
        let _ = writeln!(text, "{name:<12} {}", paced(pace));
    }
    for used in report.budget.iter().filter(|used| used.limit.is_some()) {
        let limit = used.limit.unwrap_or_default();
        let share = used.share * 100.0;
        let _ = writeln!(
            text,
            "rate limit   {} of {limit} used, {share:.0} % is ours: {} {}",
            used.used, used.side, used.bucket
        );
    }
    text.truncate(text.trim_end().len());
    text
}

fn side(view: &SideView) -> String {
    let since = view.since.as_deref().unwrap_or("?");
    match view.ok {
        None => "not asked yet".to_owned(),
        Some(true) => format!("up since {since}"),
        Some(false) => {
            format!("down since {since}: {}", view.error.as_deref().unwrap_or("no answer"))
        }
    }
}

fn paced(pace: &LatencyView) -> String {
    let (Some(p50), Some(p95), Some(max)) = (pace.p50, pace.p95, pace.max) else {
        return match pace.breaches {
            0 => "none in the last 30 days".to_owned(),
            late => format!("none done in the last 30 days, {late} late"),
        };
    };
    format!(
        "half within {p50:.1} s, 95 % within {p95:.1} s, the slowest {max:.1} s; {} missed the target",
        pace.breaches
    )
}

fn span(seconds: i64) -> String {
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    humantime::format_duration(seconds).to_string()
}
