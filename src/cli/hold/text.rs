//! What waits, for people: in blocks that are decided together, each with its command.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cli::render::{changed, count, shown, table};
use crate::model::Change;
use crate::report::{Decided, HoldReport, HoldView};

const NOTHING_WAITS: &str = "Nothing waits for a yes.";

/// Everything that waits.
pub(crate) fn list(report: &HoldReport, command: &str) -> String {
    let HoldReport { holds, dismissed, other_requests } = report;
    let mut text = String::new();
    for (title, block) in blocks(holds) {
        let _ = writeln!(text, "{title}\n{}", rows(&block));
        let open = block.iter().filter(|hold| hold.released.is_none());
        let ids: Vec<String> = open.map(|hold| hold.id.to_string()).collect();
        if !ids.is_empty() {
            let set = block.first().and_then(|hold| hold.set.as_deref());
            let which = set.map_or_else(|| ids.join(" "), |set| format!("--set {set}"));
            let _ = writeln!(text, "\n  {command} hold release {which} --because \"…\"");
        }
        text.push('\n');
    }
    if !dismissed.is_empty() {
        let mut table = table();
        table.set_header(["id", "request", "action", "person", "what", "dismissed"]);
        for hold in dismissed {
            let said = hold.dismissed.as_ref();
            let said = said.map(|said| format!("{}, by {}: {}", said.at, said.by, said.because));
            table.add_row([
                &hold.id.to_string(),
                hold.request.as_deref().unwrap_or("-"),
                &hold.action,
                hold.person.name(),
                &what(hold),
                said.as_deref().unwrap_or_default(),
            ]);
        }
        let _ = writeln!(text, "Dismissed, until something about it changes\n{table}\n");
    }
    let open = holds.iter().filter(|hold| hold.released.is_none()).count();
    let released = holds.len() - open;
    if holds.is_empty() {
        text.push_str(NOTHING_WAITS);
    } else {
        let _ = write!(text, "{} for a yes", count(open, "action waits", "actions wait"));
        if released > 0 {
            let _ = write!(text, ", {released} released and not carried out yet");
        }
        let _ = write!(
            text,
            ".\nRelease some: {command} hold release ID… --because \"…\"\n\
             Silence some: {command} hold dismiss ID… --because \"…\""
        );
    }
    if *other_requests > 0 {
        let wait = count(*other_requests, "request waits", "requests wait");
        let _ =
            write!(text, "\n{wait} for something else than a yes: {command} plan says for what.");
    }
    text
}

/// What was released, and what still waits for the same people.
pub(crate) fn released(decided: &Decided, command: &str) -> String {
    let Decided { holds, left } = decided;
    if holds.is_empty() {
        return NOTHING_WAITS.to_owned();
    }
    let until = holds.iter().find_map(|hold| hold.expires.as_deref()).unwrap_or_default();
    let actions = count(holds.len(), "action", "actions");
    let they = if holds.len() == 1 { "it" } else { "them" };
    format!(
        "{}\n\n{actions} released: the next cycle carries {they} out, until {until}.{}",
        rows(holds),
        still_waiting(left, command)
    )
}

/// What was dismissed, and what still waits for the same people.
pub(crate) fn dismissed(decided: &Decided, command: &str) -> String {
    let Decided { holds, left } = decided;
    let actions = count(holds.len(), "action", "actions");
    let still_waiting = still_waiting(left, command);
    format!("{}\n\n{actions} dismissed, until something changes.{still_waiting}", rows(holds))
}

fn still_waiting(left: &[HoldView], command: &str) -> String {
    if left.is_empty() {
        return String::new();
    }
    let ids: Vec<String> = left.iter().map(|hold| hold.id.to_string()).collect();
    let name = |hold: &HoldView| format!("{} of {}", hold.action, hold.person.name());
    let names: Vec<String> = left.iter().take(5).map(name).collect();
    let more = if left.len() > names.len() { ", …" } else { "" };
    let who = if left.len() == 1 { "This still waits" } else { "These still wait" };
    format!(
        "\n{who} for the same people ({}{more}):\n\n  {command} hold release {} --because \"…\"",
        names.join(", "),
        ids.join(" ")
    )
}

/// Sets first, each as one; then the rest by person.
fn blocks(holds: &[HoldView]) -> Vec<(String, Vec<&HoldView>)> {
    let mut sets: BTreeMap<&str, Vec<&HoldView>> = BTreeMap::new();
    let mut people: BTreeMap<&str, Vec<&HoldView>> = BTreeMap::new();
    for hold in holds {
        match &hold.set {
            Some(set) => sets.entry(set).or_default().push(hold),
            None => people.entry(hold.person.name()).or_default().push(hold),
        }
    }
    let sets = sets.into_iter().map(|(set, block)| {
        let actions = count(block.len(), "action", "actions");
        (format!("Set {set}: {actions}"), block)
    });
    sets.chain(people.into_iter().map(|(name, block)| (name.to_owned(), block))).collect()
}

/// A table of what waits.
pub(crate) fn rows(block: &[impl Borrow<HoldView>]) -> String {
    let holds = || block.iter().map(Borrow::borrow);
    let mut table = table();
    let header =
        ["id", "since", "request", "action", "person", "what", "why", "released", "expires"];
    let with_release = holds().any(|hold: &HoldView| hold.released.is_some());
    let width = if with_release { header.len() } else { header.len() - 2 };
    table.set_header(header[..width].iter().copied());
    for hold in holds() {
        let released = hold.released.as_ref();
        let released = released.map(|said| format!("by {}: {}", said.by, said.because));
        let cells = [
            &hold.id.to_string(),
            &*hold.since,
            hold.request.as_deref().unwrap_or("-"),
            &hold.action,
            hold.person.name(),
            &what(hold),
            &hold.reason,
            released.as_deref().unwrap_or_default(),
            hold.expires.as_deref().unwrap_or_default(),
        ];
        table.add_row(cells[..width].iter().copied());
    }
    table.to_string()
}

/// What an action is about beside the person.
fn what(hold: &HoldView) -> String {
    if let Some(group) = &hold.group {
        return group.clone();
    }
    let change = |(attribute, change): (&String, &Change)| match change {
        Change { from: None, to } if hold.action == "create" => {
            format!("{attribute}: {}", shown(to.as_deref()))
        }
        _ => changed((attribute, change)),
    };
    let mut pieces: Vec<String> = hold.changes.iter().map(change).collect();
    if !hold.groups.is_empty() {
        pieces.push(format!("groups: {}", hold.groups.join(", ")));
    }
    pieces.join(", ")
}
