//! Reports as text for people, and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::session::Failure;
use crate::model::Change;
use crate::report::{ActionReport, CycleReport, DriftReport};

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Prints a text on standard output. A reader that has seen enough is no error.
pub(crate) fn out(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Prints what is no result, on standard error.
#[cfg(feature = "sim")]
pub(crate) fn aside(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stderr(), "{text}")?)
}

/// One JSON document.
pub(crate) fn json_text<T: serde::Serialize>(report: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(report).map_err(|error| Failure::Failed(error.to_string()))
}

/// Prints one JSON document and nothing else.
pub(crate) fn json<T: serde::Serialize>(report: &T) -> Result<(), Failure> {
    out(&json_text(report)?)
}

/// A cycle or a plan.
pub(crate) fn cycle(report: &CycleReport) -> String {
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
    if report.actions.iter().any(|it| it.outcome == "held" && it.action.is_some()) {
        let _ = write!(text, "\nWhat waits for a person's yes: goldthread hold list");
    }
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
    changed(&action.changes)
}

fn changed(changes: &BTreeMap<String, Change>) -> String {
    let changes: Vec<String> = changes
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

/// A value, or that there is none.
pub(crate) fn shown(value: Option<&str>) -> &str {
    value.unwrap_or("(empty)")
}

/// The drift report.
pub(crate) fn drift(report: &DriftReport) -> String {
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

/// A number of something.
pub(crate) fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// A table without lines, as wide as the terminal.
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{Calls, PersonNames, Summary};

    fn held(action: Option<&'static str>) -> CycleReport {
        let action = ActionReport {
            id: None,
            request: Some("RITM0010001".to_owned()),
            parent: None,
            cause: "request",
            action,
            person: PersonNames::default(),
            group: None,
            groups: Vec::new(),
            changes: BTreeMap::new(),
            outcome: "held",
            okta_request_id: None,
            error: Some("no request accounts for it".to_owned()),
            transient: false,
        };
        CycleReport {
            cycle: 7,
            full: false,
            quarantined: None,
            actions: vec![action],
            summary: Summary { held: 1, ..Summary::default() },
            calls: Calls::default(),
            seconds: 0.1,
        }
    }

    #[test]
    fn where_to_decide_about_what_is_held_is_said_once() {
        let hint = "goldthread hold list";
        assert_eq!(cycle(&held(Some("deactivate"))).matches(hint).count(), 1);
        // What no decision can end has no number to decide about.
        assert_eq!(cycle(&held(None)).matches(hint).count(), 0);
    }
}
