//! What waits, for people: in blocks that are decided together, each with its command.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cli::render::{count, shown, table};
use crate::report::{Decided, HoldReport, HoldView};

/// Everything that waits.
pub(crate) fn list(report: &HoldReport, command: &str) -> String {
    let HoldReport { holds, dismissed, other_requests } = report;
    let mut text = String::new();
    for (title, block) in blocks(holds) {
        let _ = writeln!(text, "{title}\n{}", rows(&block));
        let open = block.iter().filter(|hold| hold.released.is_none());
        let ids: Vec<String> = open.map(|hold| hold.id.to_string()).collect();
        let which = match block.first().and_then(|hold| hold.set.as_deref()) {
            _ if ids.is_empty() => {
                text.push('\n');
                continue;
            }
            Some(set) => format!("--set {set}"),
            None => ids.join(" "),
        };
        let _ = writeln!(text, "\n  {command} hold release {which} --because \"…\"\n");
    }
    if !dismissed.is_empty() {
        let mut table = table();
        table.set_header(["id", "request", "action", "person", "what", "dismissed"]);
        for hold in dismissed {
            let said = hold.dismissed.as_ref();
            table.add_row([
                hold.id.to_string(),
                request(hold),
                hold.action.clone(),
                hold.person.name().to_owned(),
                what(hold),
                said.map_or_else(String::new, |said| {
                    format!("{}, by {}: {}", said.at, said.by, said.because)
                }),
            ]);
        }
        let _ = writeln!(text, "Dismissed, until something about it changes\n{table}\n");
    }
    let open = holds.iter().filter(|hold| hold.released.is_none()).count();
    let released = holds.len() - open;
    let _ = match (open, released) {
        (0, 0) => write!(text, "Nothing waits for a yes."),
        (open, released) => {
            let verb = if open == 1 { "waits" } else { "wait" };
            let _ = write!(text, "{} {verb} for a yes", count(open, "action", "actions"));
            let _ = match released {
                0 => Ok(()),
                more => write!(text, ", {more} released and not carried out yet"),
            };
            write!(
                text,
                ".\nRelease some: {command} hold release ID… --because \"…\"\n\
                 Silence some: {command} hold dismiss ID… --because \"…\""
            )
        }
    };
    if *other_requests > 0 {
        let verb = if *other_requests == 1 { "waits" } else { "wait" };
        let requests = count(*other_requests, "request", "requests");
        let _ = write!(
            text,
            "\n{requests} {verb} for something else than a yes: {command} plan says for what."
        );
    }
    text
}

/// What was released, and what still waits for the same people.
pub(crate) fn released(decided: &Decided, command: &str) -> String {
    let Decided { holds, left } = decided;
    if holds.is_empty() {
        return "Nothing waits for a yes.".to_owned();
    }
    let mut text = format!("{}\n\n", rows(&holds.iter().collect::<Vec<_>>()));
    let until = holds.iter().find_map(|hold| hold.expires.as_deref()).unwrap_or_default();
    let (actions, they) = plural(holds.len());
    let _ = write!(text, "{actions} released: the next cycle carries {they} out, until {until}.");
    still_waiting(&mut text, left, command);
    text
}

/// What was dismissed, and what still waits for the same people.
pub(crate) fn dismissed(decided: &Decided, command: &str) -> String {
    let Decided { holds, left } = decided;
    let mut text = format!("{}\n\n", rows(&holds.iter().collect::<Vec<_>>()));
    let (actions, _) = plural(holds.len());
    let _ = write!(text, "{actions} dismissed, until something changes.");
    still_waiting(&mut text, left, command);
    text
}

fn plural(number: usize) -> (String, &'static str) {
    (count(number, "action", "actions"), if number == 1 { "it" } else { "them" })
}

fn still_waiting(text: &mut String, left: &[HoldView], command: &str) {
    if left.is_empty() {
        return;
    }
    let ids: Vec<String> = left.iter().map(|hold| hold.id.to_string()).collect();
    let names: Vec<String> = left
        .iter()
        .take(5)
        .map(|hold| format!("{} of {}", hold.action, hold.person.name()))
        .collect();
    let more = if left.len() > names.len() { ", …" } else { "" };
    let who = if left.len() == 1 { "This still waits" } else { "These still wait" };
    let _ = write!(
        text,
        "\n{who} for the same people ({}{more}):\n\n  {command} hold release {} --because \"…\"",
        names.join(", "),
        ids.join(" ")
    );
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
pub(crate) fn rows(block: &[&HoldView]) -> String {
    let mut table = table();
    let header =
        ["id", "since", "request", "action", "person", "what", "why", "released", "expires"];
    let with_release = block.iter().any(|hold| hold.released.is_some());
    let width = if with_release { header.len() } else { header.len() - 2 };
    table.set_header(&header[..width]);
    for hold in block {
        let released = hold.released.as_ref();
        let cells = [
            hold.id.to_string(),
            hold.since.clone(),
            request(hold),
            hold.action.clone(),
            hold.person.name().to_owned(),
            what(hold),
            hold.reason.clone(),
            released.map_or_else(String::new, |said| format!("by {}: {}", said.by, said.because)),
            hold.expires.clone().unwrap_or_default(),
        ];
        table.add_row(&cells[..width]);
    }
    table.to_string()
}

fn request(hold: &HoldView) -> String {
    hold.request.clone().unwrap_or_else(|| "-".to_owned())
}

/// What an action is about beside the person.
fn what(hold: &HoldView) -> String {
    if let Some(group) = &hold.group {
        return group.clone();
    }
    let mut pieces: Vec<String> = hold
        .changes
        .iter()
        .map(|(attribute, change)| match &change.from {
            None if hold.action == "create" => {
                format!("{attribute}: {}", shown(change.to.as_deref()))
            }
            from => {
                format!(
                    "{attribute}: {} -> {}",
                    shown(from.as_deref()),
                    shown(change.to.as_deref())
                )
            }
        })
        .collect();
    if !hold.groups.is_empty() {
        pieces.push(format!("groups: {}", hold.groups.join(", ")));
    }
    pieces.join(", ")
}
