//! What becomes of a set goes into the log as one event: when it begins, when it grows or shrinks,
//! when it is over. Whoever joins it later wakes nobody again.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Disposition, OpenItem, SharedCause, Subject, tally};
use crate::reconcile::wording::is_leave_held_up;
use crate::store::{StoreError, StoredItem, Transitions};
use crate::sync::subject::{is_said_with_a_person, names, what};
use crate::sync::{deps::Deps, error::Result};

/// What is no matter of a set, to be said item by item.
#[derive(Default)]
pub(super) struct Single<'a> {
    pub(super) began: Vec<&'a OpenItem>,
    pub(super) ended: Vec<&'a OpenItem>,
}

/// What came into a set, stayed in it for a changed reason, and left it.
#[derive(Default)]
struct Moves<'a> {
    came: Vec<&'a OpenItem>,
    stayed: usize,
    left: Vec<&'a OpenItem>,
}

type SetMoves<'a> = BTreeMap<SharedCause, Moves<'a>>;

/// Logs what becomes of each set, and gives back what is to be said by itself.
pub(super) fn log_sets<'a>(
    deps: &Deps,
    cycle: i64,
    items: &'a [OpenItem],
    transitions: &'a Transitions,
) -> Result<Single<'a>> {
    let (moves, mut single) = sort(deps, items, transitions)?;
    let mut members = members_of(deps, &moves)?;
    for (cause, moves) in moves {
        let members = members.remove(&cause).unwrap_or_default();
        let before = (members.len() + moves.left.len()).saturating_sub(moves.came.len());
        match (cause.is_set_of(before), cause.is_set_of(members.len()), members.first()) {
            (false, true, Some(first)) => log_begun(deps, cycle, &cause, &members, &first.item)?,
            (true, true, Some(first)) => {
                log_changed(cycle, &cause, before, &members, &moves, &first.item);
            }
            (true, ..) => {
                tracing::info!(outcome = "ended", cycle, "the set {} is over", cause.set);
            }
            _ => {
                single.began.extend(moves.came);
                single.ended.extend(moves.left);
            }
        }
    }
    Ok(single)
}

fn sort<'a>(
    deps: &Deps,
    items: &'a [OpenItem],
    transitions: &'a Transitions,
) -> Result<(SetMoves<'a>, Single<'a>), StoreError> {
    let (mut moves, mut single) = (SetMoves::new(), Single::default());
    for place in &transitions.began {
        match set_of(deps, &items[*place])? {
            Some(set) => moves.entry(set).or_default().came.push(&items[*place]),
            None => single.began.push(&items[*place]),
        }
    }
    for (place, before) in &transitions.changed {
        let item = &items[*place];
        match (set_of(deps, before)?, set_of(deps, item)?) {
            (Some(was), Some(is)) if was == is => moves.entry(is).or_default().stayed += 1,
            (was, is) => {
                if let Some(set) = was {
                    moves.entry(set).or_default().left.push(before);
                }
                match is {
                    Some(set) => moves.entry(set).or_default().came.push(item),
                    None => single.began.push(item),
                }
            }
        }
    }
    for stored in &transitions.ended {
        match set_of(deps, &stored.item)? {
            Some(set) => moves.entry(set).or_default().left.push(&stored.item),
            None => single.ended.push(&stored.item),
        }
    }
    Ok((moves, single))
}

/// The set that an item is said with.
fn set_of(deps: &Deps, item: &OpenItem) -> Result<Option<SharedCause>, StoreError> {
    if item.is_dismissed() || item.disposition.is_observed() || is_said_with_a_person(deps, item)? {
        return Ok(None);
    }
    Ok(item.shared_cause())
}

/// Who is in the sets now in which something moved.
fn members_of(
    deps: &Deps,
    moves: &SetMoves<'_>,
) -> Result<BTreeMap<SharedCause, Vec<StoredItem>>, StoreError> {
    let mut members: BTreeMap<SharedCause, Vec<StoredItem>> = BTreeMap::new();
    // Thousands may wait: they are read only where something moved.
    if moves.is_empty() {
        return Ok(members);
    }
    for stored in deps.store.open_items().counting(None, deps.now())? {
        let set = stored.item.shared_cause().filter(|_| !stored.item.disposition.is_observed());
        if let Some(set) = set.filter(|set| moves.contains_key(set)) {
            members.entry(set).or_default().push(stored);
        }
    }
    Ok(members)
}

fn log_begun(
    deps: &Deps,
    cycle: i64,
    cause: &SharedCause,
    members: &[StoredItem],
    first: &OpenItem,
) -> Result<()> {
    let text = format!(
        "{}: {}; the first is {}, by {}",
        tally(members.len(), first, Some(&cause.set)),
        first.reason(),
        what(deps, first, &names(deps, first)?)?,
        first.origin
    );
    let outcome = outcome(first);
    if members.iter().any(|member| is_leave_held_up(&member.item)) {
        tracing::error!(outcome, cycle, "{text}");
    } else {
        tracing::warn!(outcome, cycle, "{text}");
    }
    Ok(())
}

fn log_changed(
    cycle: i64,
    cause: &SharedCause,
    before: usize,
    members: &[StoredItem],
    moves: &Moves<'_>,
    first: &OpenItem,
) {
    let (set, now, reason, outcome) = (&cause.set, members.len(), first.reason(), outcome(first));
    let late = moves.came.iter().filter(|item| is_leave_held_up(item));
    let late: BTreeSet<String> = late.map(|item| item.identity()).collect();
    let mut late_now = members.iter().filter(|member| is_leave_held_up(&member.item));
    let first_leave = !late.is_empty() && late_now.all(|it| late.contains(&it.item.identity()));
    if first_leave {
        tracing::error!(outcome, cycle, "the set {set}, now {now}, holds up a leave: {reason}");
    } else if now > before {
        tracing::info!(outcome, cycle, "the set {set} grew from {before} to {now}: {reason}");
    } else if now < before {
        tracing::info!(outcome, cycle, "the set {set} shrank from {before} to {now}: {reason}");
    } else if moves.stayed > 0 || !moves.came.is_empty() {
        tracing::info!(outcome, cycle, "the set {set} changed, {now} as before: {reason}");
    }
}

fn outcome(item: &OpenItem) -> &'static str {
    match (&item.disposition, &item.subject) {
        (Disposition::Blocked(_), Subject::Person(_)) => "blocked",
        _ => "held",
    }
}
