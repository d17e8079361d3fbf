//! Reports as text for people, and as JSON for programs.

use std::fmt::Write as _;
use std::io::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::session::Failure;
use crate::model::{Change, Pause};
use crate::report::{ActionReport, CycleReport, DriftItem, DriftReport};

// No doc comment: clap would show it as the help of the verb.
#[derive(Debug, clap::Args)]
pub(crate) struct Printed {
    /// How the result is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

impl Printed {
    /// Prints a report: as JSON, or as the text that is made of it.
    pub(crate) fn print<T: serde::Serialize>(
        &self,
        report: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text => out(&text(report)),
            Format::Json => out(&json(report)?),
        }
    }
}

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
pub(crate) fn json<T: serde::Serialize>(report: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(report).map_err(|error| Failure::Failed(error.to_string()))
}

/// A cycle or a plan.
pub(crate) fn cycle(report: &CycleReport) -> String {
    let mut text = String::new();
    if let Some(pause) = &report.paused {
        let Pause { by, at, because } = pause;
        let at = at.format("%Y-%m-%d %H:%M:%S UTC");
        let _ = writeln!(
            text,
            "PAUSED by {by} since {at}: {because}\n\
             Nothing is written before `goldthread resume`.\n"
        );
    }
    if let Some(reason) = &report.quarantined {
        let _ = writeln!(text, "QUARANTINE: {reason}\n");
    }
    if !report.actions.is_empty() {
        let mut table = table();
        table.set_header(["request", "outcome", "action", "person", "what", "why"]);
        for action in &report.actions {
            table.add_row([
                action.request.as_deref().unwrap_or("-"),
                action.outcome,
                action.action.unwrap_or("-"),
                action.person.name(),
                &what(action),
                action.error.as_deref().unwrap_or(action.cause),
            ]);
        }
        let _ = writeln!(text, "{table}\n");
    }
    let summary = &report.summary;
    let counts = [
        (summary.planned, "planned"),
        (summary.applied, "applied"),
        (summary.failed, "failed"),
        (summary.held, "held"),
        (summary.skipped, "skipped"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
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
    action.changes.iter().map(changed).collect::<Vec<_>>().join(", ")
}

/// What becomes of an attribute.
pub(crate) fn changed((attribute, Change { from, to }): (&String, &Change)) -> String {
    format!("{attribute}: {} -> {}", shown(from.as_deref()), shown(to.as_deref()))
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
            let name = item.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            table.add_row([
                item.request.as_deref().unwrap_or("-"),
                item.person.name(),
                &format!("{}{name}", item.fact),
                shown(item.desired.as_deref()),
                shown(item.actual.as_deref()),
                item.disposition,
                &item.reason,
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

/// The lines that a log gets at most.
const MOST_LINES: usize = 50;

/// What differs, a short line each; empty where nothing does.
pub(crate) fn differences(report: &DriftReport, command: &str) -> String {
    let differs = |item: &&DriftItem| !matches!(item.disposition, "unmanaged" | "protected");
    let items: Vec<&DriftItem> = report.items.iter().filter(differs).collect();
    let mut lines = Vec::new();
    if report.summary.quarantined {
        lines
            .push(format!("QUARANTINE: whole kinds of action are held; see `{command} hold list`"));
    }
    for item in items.iter().take(MOST_LINES) {
        let request = item.request.as_deref().unwrap_or("unattributed");
        let name = item.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        lines.push(format!(
            "{request}: {}: {}{name} should be {}, is {}: {}: {}",
            item.person.name(),
            item.fact,
            shown(item.desired.as_deref()),
            shown(item.actual.as_deref()),
            item.disposition,
            item.reason
        ));
    }
    if let Some(more @ 1..) = items.len().checked_sub(MOST_LINES) {
        lines.push(format!("and {more} more: {command} drift --cached"));
    }
    lines.join("\n")
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
            changes: std::collections::BTreeMap::new(),
            outcome: "held",
            okta_request_id: None,
            error: Some("no request accounts for it".to_owned()),
            transient: false,
        };
        CycleReport {
            cycle: 7,
            full: false,
            quarantined: None,
            paused: None,
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
