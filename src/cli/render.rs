//! Reports as text for people, and as JSON for programs.

use std::fmt::Write as _;
use std::io::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::session::Failure;
use crate::engine::{ActionReport, CycleReport, DriftReport};

/// Prints a text on standard output. A reader that has seen enough is no error.
pub fn out(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Prints what is no result, on standard error.
#[cfg(feature = "sim")]
pub fn aside(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stderr(), "{text}")?)
}

/// One JSON document.
pub fn json_text<T: serde::Serialize>(report: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(report).map_err(|error| Failure::Failed(error.to_string()))
}

/// Prints one JSON document and nothing else.
pub fn json<T: serde::Serialize>(report: &T) -> Result<(), Failure> {
    out(&json_text(report)?)
}

/// A cycle or a plan.
pub fn cycle(report: &CycleReport) -> String {
    let mut text = String::new();
    if let Some(reason) = &report.quarantined {
        let _ = writeln!(text, "QUARANTINE: {reason}\n");
    }
    if !report.actions.is_empty() {
        let mut table = table();
        table.set_header(["request", "outcome", "action", "person", "what", "why"]);
        for action in &report.actions {
            table.add_row([
                action.request.clone().unwrap_or_else(|| "-".to_owned()),
                action.outcome.to_owned(),
                action.action.unwrap_or("-").to_owned(),
                action.person.name().to_owned(),
                what(action),
                why(action),
            ]);
        }
        let _ = writeln!(text, "{table}\n");
    }
    let summary = &report.summary;
    let mut counts: Vec<String> = Vec::new();
    for (count, word) in [
        (summary.planned, "planned"),
        (summary.applied, "applied"),
        (summary.failed, "failed"),
        (summary.held, "held"),
        (summary.skipped, "skipped"),
    ] {
        if count > 0 {
            counts.push(format!("{count} {word}"));
        }
    }
    let counts = if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") };
    let kind = if report.full { "everything was read" } else { "changes were read" };
    let _ = write!(
        text,
        "Cycle {}: {counts} ({kind}, {} calls to ServiceNow, {} to Okta, {:.1} s)",
        report.cycle, report.calls.servicenow, report.calls.okta, report.seconds
    );
    text
}

/// What an action is about beside the person.
fn what(action: &ActionReport) -> String {
    if let Some(group) = &action.group {
        return group.clone();
    }
    if action.action == Some("create") {
        return action.groups.join(", ");
    }
    let changes: Vec<String> = action
        .changes
        .iter()
        .map(|(attribute, change)| {
            format!(
                "{attribute}: {} -> {}",
                shown(change.from.as_deref()),
                shown(change.to.as_deref())
            )
        })
        .collect();
    changes.join(", ")
}

fn why(action: &ActionReport) -> String {
    action.error.clone().unwrap_or_else(|| action.cause.to_owned())
}

fn shown(value: Option<&str>) -> &str {
    value.unwrap_or("(empty)")
}

/// The drift report.
pub fn drift(report: &DriftReport) -> String {
    let summary = &report.summary;
    let mut text = String::new();
    let shown_items: Vec<_> =
        report.items.iter().filter(|item| item.disposition != "unmanaged").collect();
    if !shown_items.is_empty() {
        let mut table = table();
        table.set_header(["request", "person", "fact", "should be", "is", "disposition", "why"]);
        for item in &shown_items {
            let fact = match &item.name {
                Some(name) => format!("{} {name}", item.fact),
                None => item.fact.to_owned(),
            };
            table.add_row([
                item.request.clone().unwrap_or_else(|| "-".to_owned()),
                item.person.name().to_owned(),
                fact,
                shown(item.desired.as_deref()).to_owned(),
                shown(item.actual.as_deref()).to_owned(),
                item.disposition.to_owned(),
                item.reason.clone(),
            ]);
        }
        let _ = writeln!(text, "{table}\n");
    }
    if summary.quarantined {
        let _ =
            writeln!(text, "QUARANTINE: whole kinds of action are held; see `goldthread plan`\n");
    }
    let verdict = if shown_items.is_empty() { "Okta is right." } else { "Okta differs." };
    let source = if report.live { "read just now" } else { "as last observed" };
    let _ = write!(
        text,
        "{verdict} {}, {} in sync, {} drifted; {} to take, {} held; \
         {} without a person ({source})",
        count(summary.people, "person", "people"),
        summary.in_sync,
        summary.drifted,
        count(summary.actions, "action", "actions"),
        summary.held,
        count(summary.unmanaged, "account", "accounts")
    );
    text
}

fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}
