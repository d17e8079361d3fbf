//! What waits, for people: in blocks that are decided together, each with its command.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cli::render::{changed, count, shown, table};
use crate::model::Change;
use crate::report::{Decided, HoldReport, HoldView, SetView, WaitingRequest};

const NOTHING_WAITS: &str = "Nothing waits for a yes.";
/// A set of more than this is one line, unless it is asked for.
pub(super) const FEW: usize = 3;
/// More people than this are counted, unless they are asked for.
const MOST_ROWS: usize = 12;

/// Everything that waits. `whole`: action by action, sets as well.
pub(crate) fn list(report: &HoldReport, whole: bool, command: &str) -> String {
    let HoldReport { holds, sets, waiting: open, released, left_out, stuck } = report;
    let mut text = String::new();
    let (said_no, waiting): (Vec<&HoldView>, Vec<&HoldView>) =
        holds.iter().partition(|hold| hold.dismissed.is_some());
    let folded: Vec<&SetView> = sets.iter().filter(|set| !whole && set.count > FEW).collect();
    for set in &folded {
        let _ = writeln!(text, "{}\n", set_block(set, command));
    }
    let is_folded =
        |hold: &HoldView| folded.iter().any(|set| hold.set.as_deref() == Some(set.id.as_str()));
    let single: Vec<&HoldView> = waiting.iter().copied().filter(|it| !is_folded(it)).collect();
    let shown = if whole { single.len() } else { single.len().min(MOST_ROWS) };
    for (title, block) in blocks(&single[..shown]) {
        let _ = writeln!(text, "{title}\n{}{}\n", rows(&block), command_for(&block, command));
    }
    if shown < single.len() {
        let more = count(single.len() - shown, "more action waits", "more actions wait");
        let _ = writeln!(text, "{more}: {command} hold list --person PERSON shows one person's\n");
    }
    if !said_no.is_empty() {
        let _ =
            writeln!(text, "Dismissed, until something about it changes\n{}\n", silenced(&said_no));
    }
    if open + released == 0 {
        text.push_str(NOTHING_WAITS);
    } else {
        let _ = write!(text, "{} for a yes", count(*open, "action waits", "actions wait"));
        if *released > 0 {
            let _ = write!(text, ", {released} released and not carried out yet");
        }
        if *left_out > 0 {
            let _ = write!(text, ", {left_out} more than --limit shows");
        }
        let _ = write!(
            text,
            ".\nRelease some: {command} hold release ID… --because \"…\"\n\
             Silence some: {command} hold dismiss ID… --because \"…\""
        );
    }
    if !stuck.is_empty() {
        let _ = write!(text, "\n\n{}", stuck_requests(stuck));
    }
    text
}

/// A set as one.
fn set_block(set: &SetView, command: &str) -> String {
    let SetView { id, count: number, reason, since, first, tally, .. } = set;
    let about = set.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    let what = match set.action {
        Some(action) if set.can_be_released => {
            format!("{} of the kind {action}{about}", count(*number, "action", "actions"))
        }
        _ => format!("{tally}{about}"),
    };
    let needs = if set.can_be_released || set.needs == "nobody" {
        String::new()
    } else {
        format!(" (needs: {})", set.needs)
    };
    let release = if set.can_be_released {
        format!("\n  {command} hold release --set {id} --because \"…\"")
    } else {
        String::new()
    };
    format!(
        "Set {id}: {what}, since {since}\n  {reason}{needs}\n  the first: {} of {}\n\n  \
         {command} hold list {id}{release}",
        first.action.unwrap_or("what is open"),
        first.person.name()
    )
}

fn command_for(block: &[&HoldView], command: &str) -> String {
    let open = block.iter().filter(|hold| hold.can_be_released && hold.released.is_none());
    let ids: Vec<String> = open.map(|hold| hold.id.to_string()).collect();
    if ids.is_empty() {
        return String::new();
    }
    let set = block.first().and_then(|hold| hold.set.as_deref());
    let which = set.map_or_else(|| ids.join(" "), |set| format!("--set {set}"));
    format!("\n\n  {command} hold release {which} --because \"…\"")
}

fn silenced(dismissed: &[&HoldView]) -> String {
    let mut table = table();
    table.set_header(["id", "request", "action", "person", "what", "dismissed"]);
    for hold in dismissed {
        let said = hold.dismissed.as_ref();
        let said = said.map(|said| format!("{}, by {}: {}", said.at, said.by, said.because));
        table.add_row([
            &hold.id.to_string(),
            hold.request.as_deref().unwrap_or("-"),
            hold.action.unwrap_or("-"),
            hold.person.name(),
            &what(hold),
            said.as_deref().unwrap_or_default(),
        ]);
    }
    table.to_string()
}

/// Requests for which no decision about an action would do.
pub(crate) fn stuck_requests(stuck: &[WaitingRequest]) -> String {
    let mut table = table();
    table.set_header(["request", "asks for", "needs", "since", "why"]);
    for request in stuck.iter().take(MOST_ROWS) {
        table.add_row([
            &request.number,
            request.operation.unwrap_or("-"),
            request.needs,
            &request.since,
            &request.reason,
        ]);
    }
    let wait = count(stuck.len(), "request waits", "requests wait");
    format!("{wait} for something else than a yes\n{table}")
}

/// One action, whole.
pub(crate) fn show(hold: &HoldView, command: &str) -> String {
    let id = hold.id;
    let mut text = rows(std::slice::from_ref(hold));
    if let Some(said) = &hold.dismissed {
        let _ = write!(text, "\n\ndismissed by {} at {}: {}", said.by, said.at, said.because);
    } else if hold.released.is_none() {
        text.push('\n');
        if hold.can_be_released {
            let _ = write!(text, "\n  {command} hold release {id} --because \"…\"");
        }
        let _ = write!(text, "\n  {command} hold dismiss {id} --because \"…\"");
    }
    if let Some(set) = &hold.set {
        let _ = write!(text, "\n\nIt is one of the set {set}: {command} hold list {set}");
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
    let shown = &holds[..holds.len().min(MOST_ROWS)];
    let actions = count(holds.len(), "action", "actions");
    let they = if holds.len() == 1 { "it" } else { "them" };
    format!(
        "{}\n\n{actions} released: the next cycle carries {they} out, until {until}.{}",
        rows(shown),
        still_waiting(left, command)
    )
}

/// What was dismissed, and what still waits for the same people.
pub(crate) fn dismissed(decided: &Decided, command: &str) -> String {
    let Decided { holds, left } = decided;
    let actions = count(holds.len(), "action", "actions");
    let still_waiting = still_waiting(left, command);
    let shown = &holds[..holds.len().min(MOST_ROWS)];
    format!("{}\n\n{actions} dismissed, until something changes.{still_waiting}", rows(shown))
}

fn still_waiting(left: &[HoldView], command: &str) -> String {
    if left.is_empty() {
        return String::new();
    }
    let ids: Vec<String> = left.iter().take(MOST_ROWS).map(|hold| hold.id.to_string()).collect();
    let name =
        |hold: &HoldView| format!("{} of {}", hold.action.unwrap_or("-"), hold.person.name());
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
fn blocks<'a>(holds: &[&'a HoldView]) -> Vec<(String, Vec<&'a HoldView>)> {
    let mut sets: BTreeMap<&str, Vec<&HoldView>> = BTreeMap::new();
    let mut people: BTreeMap<&str, Vec<&HoldView>> = BTreeMap::new();
    for hold in holds.iter().copied() {
        match &hold.set {
            Some(set) => sets.entry(set).or_default().push(hold),
            None => people.entry(hold.person.name()).or_default().push(hold),
        }
    }
    let sets = sets.into_iter().map(|(set, block)| {
        let is_one = |hold: &&HoldView| hold.is_action;
        let (one, more) = if block.iter().all(is_one) {
            ("action", "actions")
        } else {
            ("difference", "differences")
        };
        (format!("Set {set}: {}", count(block.len(), one, more)), block)
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
            hold.action.unwrap_or("-"),
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
        Change { from: None, to } if hold.action == Some("create") => {
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
