//! Reports as text for people, and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::session::Failure;
use crate::model::Change;
use crate::report::{ActionReport, CycleReport, DriftReport, Explanation, FactView, HoldView};

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

/// Why one person's account is as it is.
pub(crate) fn explanation(explanation: &Explanation) -> String {
    let mut text = String::new();
    let person = &explanation.person;
    let _ = writeln!(
        text,
        "{} (sys_user {}, {})",
        person.name(),
        person.user_name.as_deref().unwrap_or("-"),
        person.sys_id.as_deref().unwrap_or("-")
    );
    let _ = match &explanation.account {
        Some(account) => writeln!(
            text,
            "Okta account {} is {}, {} by {} on {}",
            account.okta_id,
            account.status,
            if account.created { "created" } else { "linked" },
            account.origin,
            account.since
        ),
        None => writeln!(text, "No Okta account"),
    };
    let _ = writeln!(text, "Should be: {}\n", explanation.status);
    for fact in &explanation.facts {
        let _ = writeln!(text, "{}", fact_text(fact));
    }
    if !explanation.requests.is_empty() {
        let mut table = table();
        table.set_header(["request", "operation", "state", "approval", "from", "until", "note"]);
        for request in &explanation.requests {
            let note = match (&request.problem, request.vanished, request.in_force) {
                (Some(problem), _, _) => problem.clone(),
                (None, true, _) => "no longer readable in ServiceNow".to_owned(),
                (None, false, true) => "in force".to_owned(),
                (None, false, false) => "not in force".to_owned(),
            };
            table.add_row([
                request.number.clone(),
                request.operation.unwrap_or("-").to_owned(),
                request.state.to_owned(),
                request.approval.to_owned(),
                request.starts.clone().unwrap_or_else(|| "-".to_owned()),
                request.ends.clone().unwrap_or_else(|| "-".to_owned()),
                note,
            ]);
        }
        let _ = writeln!(text, "\n{table}");
    }
    if !explanation.holds.is_empty() {
        let holds: Vec<&HoldView> = explanation.holds.iter().collect();
        let _ = writeln!(text, "\n{}", super::hold::rows(&holds));
    }
    let source = if explanation.live { "read just now" } else { "as last observed" };
    let differing = explanation.facts.iter().filter(|fact| !fact.in_sync).count();
    let _ = write!(
        text,
        "\n{} of {} in sync ({source})",
        explanation.facts.len() - differing,
        count(explanation.facts.len(), "fact", "facts")
    );
    text
}

fn fact_text(fact: &FactView) -> String {
    let mark = if fact.in_sync { " " } else { "!" };
    let name = fact.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    let actual = shown(fact.actual.as_deref());
    // A cleared attribute is desired as much as a filled one; of a status nothing may be said.
    let unsaid = fact.desired.is_none() && fact.fact != "profile";
    let desired = if unsaid { actual } else { shown(fact.desired.as_deref()) };
    let is = if fact.in_sync { String::new() } else { format!(", is {actual}") };
    let origin = fact.origin.as_deref().unwrap_or("unattributed");
    let since = fact.since.as_deref().map(|at| format!(" since {at}")).unwrap_or_default();
    let mut text =
        format!("{mark} {}{name}: {desired}{is} ({origin}, {}{since})", fact.fact, fact.cause);
    for reason in &fact.reasons {
        let _ = write!(text, "\n    + {}", reason.text);
    }
    for against in &fact.against {
        let _ = write!(text, "\n    - {against}");
    }
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
