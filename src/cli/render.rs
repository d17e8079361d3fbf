//! Reports as text for people, and as JSON for programs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use comfy_table::ContentArrangement;
use comfy_table::presets::NOTHING;

use super::session::Failure;
use crate::model::{self, Change, Pause};
use crate::report::{ActionReport, CycleReport, DriftItem, DriftReport, WaitingRequest};
use crate::sync::PersonNames;

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

    /// For people.
    pub(crate) fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    /// How many rows a list has at most: as many as were asked for, else `most` where people read it.
    pub(crate) fn rows(&self, asked: Option<usize>, most: usize) -> Option<usize> {
        asked.or(self.is_text().then_some(most))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Prints a text on standard output, where nothing of it acts. A reader that has seen enough is no
/// error.
pub(crate) fn out(text: &str) -> Result<(), Failure> {
    painted(&model::shown::page(text))
}

/// The same for a text that holds our own colours, and whose other parts passed
/// [`model::shown`] before.
pub(crate) fn painted(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Prints what is no result, on standard error.
#[cfg(feature = "sim")]
pub(crate) fn aside(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stderr(), "{}", model::shown::page(text))?)
}

/// One JSON document, in ASCII wherever a character would act on a terminal.
pub(crate) fn json<T: serde::Serialize>(report: &T) -> Result<String, Failure> {
    let document = serde_json::to_string_pretty(report);
    let document = document.map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(model::shown::json(&document).into_owned())
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
    let (folded, single) = fold(&report.actions);
    if !single.is_empty() {
        let mut table = table();
        table.set_header(["request", "outcome", "action", "person", "what", "why"]);
        for action in single.iter().take(MOST_ROWS) {
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
        if let Some(more) = single.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
            let _ = writeln!(text, "and {more} more: --format json has all of them\n");
        }
    }
    for (set, actions) in folded {
        let Some(first) = actions.first() else { continue };
        let why = first.error.as_deref().unwrap_or(first.cause);
        let number = count(actions.len(), "action is", "actions are");
        let _ = writeln!(text, "{number} {} as the set {set}: {why}\n", first.outcome);
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

/// More lines than this are counted.
const MOST_ROWS: usize = 25;
/// A set of more actions than this is one line.
const FEW: usize = 3;

type Sets<'a> = BTreeMap<&'a str, Vec<&'a ActionReport>>;

/// What waits in one set is one line, where it is more than a few.
fn fold(actions: &[ActionReport]) -> (Sets<'_>, Vec<&ActionReport>) {
    let mut sets = Sets::new();
    for action in actions {
        if let Some(set) = &action.set {
            sets.entry(set).or_default().push(action);
        }
    }
    sets.retain(|_, members| members.len() > FEW);
    let is_single = |action: &&ActionReport| {
        action.set.as_ref().is_none_or(|set| !sets.contains_key(set.as_str()))
    };
    let single = actions.iter().filter(is_single).collect();
    (sets, single)
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
    let (from, to) = (shown(from.as_deref()), shown(to.as_deref()));
    format!("{attribute}: {from} -> {to}")
}

/// A value as one line, or that there is none.
pub(crate) fn shown(value: Option<&str>) -> Cow<'_, str> {
    model::shown::line(value.unwrap_or("(empty)"))
}

/// The drift report.
pub(crate) fn drift(report: &DriftReport, command: &str) -> String {
    let summary = &report.summary;
    let mut text = String::new();
    let (sets, single) = fold_drift(report, |item| item.disposition != "unmanaged");
    if !single.is_empty() {
        let mut table = table();
        table.set_header(["request", "person", "fact", "should be", "is", "disposition", "why"]);
        for item in &single {
            let name = item.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            table.add_row([
                item.request.as_deref().unwrap_or("-"),
                item.person.name(),
                &format!("{}{name}", item.fact),
                &shown(item.desired.as_deref()),
                &shown(item.actual.as_deref()),
                item.disposition,
                &item.reason,
            ]);
        }
        let _ = writeln!(text, "{table}\n");
    }
    for (set, members) in &sets {
        let _ = writeln!(text, "{}\n", drift_set(set, members, command));
    }
    if !report.requests.is_empty() {
        let _ = writeln!(text, "{}\n", waiting_requests(&report.requests, command));
    }
    for open in &report.open {
        let _ = writeln!(text, "{} {}: {} ({})\n", open.kind, open.name, open.text, open.command);
    }
    if let Some(reason) = &summary.quarantined {
        let _ = writeln!(text, "QUARANTINE: {reason}; see `{command} hold list`\n");
    }
    let right = single.is_empty()
        && sets.is_empty()
        && report.requests.is_empty()
        && report.open.is_empty();
    let verdict = if right { "Okta is right." } else { "Okta differs." };
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

type DriftSets<'a> = BTreeMap<&'a str, Vec<&'a DriftItem>>;

/// What differs for one cause is one line, where it is more than a few.
fn fold_drift(
    report: &DriftReport,
    mut shows: impl FnMut(&DriftItem) -> bool,
) -> (DriftSets<'_>, Vec<&DriftItem>) {
    let mut sets = DriftSets::new();
    let mut single = Vec::new();
    for item in report.items.iter().filter(|item| shows(item)) {
        match &item.set {
            Some(set) => sets.entry(set).or_default().push(item),
            None => single.push(item),
        }
    }
    for (_, few) in sets.extract_if(.., |_, members| members.len() <= FEW) {
        single.extend(few);
    }
    (sets, single)
}

/// A set as one, and how to see all of it.
fn drift_set(set: &str, members: &[&DriftItem], command: &str) -> String {
    let Some(first) = members.first() else { return String::new() };
    let differ = count(members.len(), "fact differs", "facts differ");
    let as_set = match first.disposition {
        "hold" => "held as the set",
        _ => "blocked as the set",
    };
    // What is only observed waits nowhere.
    let (as_set, see) = if first.observed {
        ("observed as the set", "--format json".to_owned())
    } else {
        (as_set, format!("`{command} hold list {set}`"))
    };
    format!("{differ}, {as_set} {set}: {}; see {see}", first.reason)
}

fn waiting_requests(requests: &[WaitingRequest], command: &str) -> String {
    let mut table = table();
    table.set_header(["request", "asks for", "person", "needs", "since", "why"]);
    for request in requests.iter().take(MOST_ROWS) {
        table.add_row([
            &*request.number,
            request.operation.unwrap_or("-"),
            request.person.as_ref().map_or("-", PersonNames::name),
            request.needs,
            &request.since,
            &request.reason,
        ]);
    }
    let more = match requests.len().checked_sub(MOST_ROWS) {
        Some(more @ 1..) => format!("\nand {more} more: {command} requests --pending"),
        _ => String::new(),
    };
    format!("Requests in force that are not done\n{table}{more}")
}

/// The lines that a log gets at most.
const MOST_LINES: usize = 50;

/// What differs, a short line each; empty where nothing does.
pub(crate) fn differences(report: &DriftReport, command: &str) -> String {
    let differs = |item: &DriftItem| !matches!(item.disposition, "unmanaged" | "protected");
    let mut lines = Vec::new();
    if let Some(reason) = &report.summary.quarantined {
        lines.push(format!("QUARANTINE: {reason}; see `{command} hold list`"));
    }
    for request in report.requests.iter().filter(|request| request.needs != "nobody") {
        lines.push(format!("{}: not done: {}", request.number, request.reason));
    }
    lines.extend(
        report.open.iter().map(|open| format!("{} {}: {}", open.kind, open.name, open.text)),
    );
    let (sets, single) = fold_drift(report, differs);
    lines.extend(sets.iter().map(|(set, members)| drift_set(set, members, command)));
    lines.extend(single.into_iter().map(difference));
    if let Some(more @ 1..) = lines.len().checked_sub(MOST_LINES) {
        lines.truncate(MOST_LINES);
        lines.push(format!("and {more} more: {command} drift --cached"));
    }
    lines.join("\n")
}

fn difference(item: &DriftItem) -> String {
    let request = item.request.as_deref().unwrap_or("unattributed");
    let name = item.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    format!(
        "{request}: {}: {}{name} should be {}, is {}: {}: {}",
        item.person.name(),
        item.fact,
        shown(item.desired.as_deref()),
        shown(item.actual.as_deref()),
        item.disposition,
        item.reason
    )
}

/// A number of something.
pub(crate) fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// A table without lines, as wide as the terminal. Each of its cells is one line.
#[derive(Debug)]
pub(crate) struct Table(comfy_table::Table);

pub(crate) fn table() -> Table {
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    Table(table)
}

impl Table {
    pub(crate) fn set_header<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        self.0.set_header(cells);
    }

    pub(crate) fn add_row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        self.0.add_row(cells.into_iter().map(model::shown::line));
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{Calls, Summary};

    fn held(action: Option<&'static str>) -> CycleReport {
        let action = ActionReport {
            id: None,
            request: Some("RITM0010001".to_owned()),
            request_sys_id: None,
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
            set: None,
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
