//! The limits that a plan would exceed, with what was done in the window and what waits already.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, EMPTY_STORE, IMPLAUSIBLE, Limits};
use crate::model::{Cause, Done, GroupId, Step};
use crate::reconcile::plan::Planned;

/// A limit that would be exceeded, and what it holds.
pub(super) struct Crossing {
    /// The set that is held.
    pub set: &'static str,
    /// Time alone may end it.
    pub slides: bool,
    /// What would be exceeded, in words.
    pub reason: String,
    /// Which actions it holds.
    pub concerns: Box<dyn Fn(&Planned) -> bool>,
}

/// What disables an account, and what a leave takes away with it.
fn is_disabling(planned: &Planned) -> bool {
    planned.action.step.disables() || planned.leaver
}

fn is_removal(planned: &Planned) -> bool {
    matches!(planned.action.step, Step::RemoveMember { .. }) && !planned.leaver
}

fn is_unasked(planned: &Planned) -> bool {
    planned.action.cause != Cause::Request
}

/// The limits that the plan, with what was done in the window, would exceed.
pub(super) fn crossings(
    open: &[Planned],
    released: &[Planned],
    limits: &Limits,
    context: &Context,
) -> Vec<Crossing> {
    let plans = |set: &str| {
        let with_it = if context.undecided.contains_key(set) { released } else { &[] };
        open.iter().chain(with_it)
    };
    let past = |set: &str| {
        let since = context.undecided.get(set).copied();
        let counts = move |done: &&Done| !done.released || since.is_some_and(|at| done.at >= at);
        context.done.iter().filter(counts)
    };
    let mut found = Vec::new();

    let waiting = |set: &'static str| context.waiting.iter().filter(move |it| it.set == set);
    if let Some(reason) = &context.implausible {
        found.push(Crossing {
            set: IMPLAUSIBLE,
            slides: false,
            reason: reason.clone(),
            concerns: Box::new(|planned| planned.action.step.takes_away()),
        });
    }
    let remembered: BTreeSet<String> =
        waiting(EMPTY_STORE).map(|waiting| waiting.fingerprint.clone()).collect();
    if context.empty_store || !remembered.is_empty() {
        let empty_store = context.empty_store;
        found.push(Crossing {
            set: EMPTY_STORE,
            slides: false,
            reason: "the store is new and requests are closed already: what disables an account \
                     waits unless an open request asks for it"
                .to_owned(),
            concerns: Box::new(move |planned| {
                let unasked =
                    planned.closed_before_first_seen || planned.action.cause != Cause::Request;
                let first = empty_store && is_disabling(planned) && unasked;
                first || remembered.contains(&planned.fingerprint())
            }),
        });
    }

    let disables = |action: &str| matches!(action, "suspend" | "deactivate");
    let now: BTreeSet<(&str, &str)> = plans("max-disabled")
        .map(|p| (p.action.person.as_str(), p.action.step.name()))
        .chain(waiting("max-disabled").map(|it| (it.person.as_str(), it.action.as_str())))
        .filter(|(_, action)| disables(action))
        .collect();
    let before = past("max-disabled").filter(|d| disables(d.action.as_str()));
    let before = times(before.map(|d| ((d.person.as_str(), d.action.as_str()), d.seen)), &now);
    let planned = count(now.iter());
    let limit = larger(limits.max_disabled, limits.max_disabled_share, context.managed);
    if planned + before > limit {
        found.push(Crossing {
            set: "max-disabled",
            slides: true,
            reason: beyond("accounts would be disabled", planned, before, limit, "max_disabled"),
            concerns: Box::new(|planned| planned.action.step.disables()),
        });
    }

    let now: BTreeSet<(&str, Option<&str>)> = plans("max-removed")
        .filter(|p| is_removal(p))
        .map(|p| (p.action.person.as_str(), p.action.step.group().map(GroupId::as_str)))
        .chain(
            waiting("max-removed")
                .map(|it| (it.person.as_str(), it.group.as_ref().map(GroupId::as_str))),
        )
        .collect();
    let before = past("max-removed").filter(|d| d.action == "remove_member" && !d.leaver);
    let before = times(before.map(|d| ((d.person.as_str(), d.group.as_deref()), d.seen)), &now);
    let planned = count(now.iter());
    if planned + before > limits.max_removed {
        found.push(Crossing {
            set: "max-removed",
            slides: true,
            reason: beyond(
                "memberships would be removed",
                planned,
                before,
                limits.max_removed,
                "max_removed",
            ),
            concerns: Box::new(is_removal),
        });
    }

    let mut leaving: BTreeMap<&GroupId, BTreeSet<&str>> = BTreeMap::new();
    for planned in plans("max-group-share").filter(|p| is_removal(p) && is_unasked(p)) {
        if let Some(group) = planned.action.step.group() {
            leaving.entry(group).or_default().insert(planned.action.person.as_str());
        }
    }
    for (group, mut now) in leaving {
        now.extend(
            waiting("max-group-share")
                .filter(|it| it.group.as_ref() == Some(group))
                .map(|it| it.person.as_str()),
        );
        let before = past("max-group-share")
            .filter(|d| d.action == "remove_member" && d.cause != Cause::Request)
            .filter(|d| d.group.as_deref() == Some(group.as_str()));
        let before = times(before.map(|d| (d.person.as_str(), d.seen)), &now);
        let planned = count(now.iter());
        let size = context.group_sizes.get(group).copied().unwrap_or(0) + before;
        let limit = share_of(limits.max_group_share, size);
        if size >= 10 && planned + before > limit {
            let id = group.clone();
            found.push(Crossing {
                set: "max-group-share",
                slides: true,
                reason: beyond(
                    "members would leave one group",
                    planned,
                    before,
                    limit,
                    "max_group_share",
                ),
                concerns: Box::new(move |planned| {
                    is_removal(planned)
                        && is_unasked(planned)
                        && planned.action.step.group() == Some(&id)
                }),
            });
        }
    }

    let now: BTreeSet<&str> = plans("max-changed")
        .filter(|p| is_unasked(p))
        .map(|p| p.action.person.as_str())
        .chain(waiting("max-changed").map(|it| it.person.as_str()))
        .collect();
    let before: BTreeSet<&str> = past("max-changed")
        .filter(|d| d.cause != Cause::Request)
        .map(|d| d.person.as_str())
        .collect();
    let limit = larger(limits.max_changed, limits.max_changed_share, context.managed);
    if !now.is_empty() && count(now.union(&before)) > limit {
        let earlier = count(before.difference(&now));
        found.push(Crossing {
            set: "max-changed",
            slides: true,
            reason: beyond(
                "people would be changed without a request",
                count(now.iter()),
                earlier,
                limit,
                "max_changed",
            ),
            concerns: Box::new(is_unasked),
        });
    }
    found
}

/// How many of these were done in the window. What has no answer may have been done; tried again
/// for that, or planned again, it is still one.
fn times<K: Ord>(past: impl Iterator<Item = (K, bool)>, now: &BTreeSet<K>) -> u32 {
    let (seen, unseen): (Vec<_>, Vec<_>) = past.partition(|(_, seen)| *seen);
    let known: BTreeSet<&K> = seen.iter().map(|(it, _)| it).chain(now).collect();
    let unseen: BTreeSet<&K> = unseen.iter().map(|(it, _)| it).collect();
    count(seen.iter()) + count(unseen.difference(&known))
}

fn beyond(what: &str, planned: u32, before: u32, limit: u32, key: &str) -> String {
    let before =
        if before > 0 { format!(" besides {before} in the window") } else { String::new() };
    format!("{planned} {what}{before}, and guard.{key} allows {limit}")
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// A share of a number, rounded down: half an account is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= share <= 1")]
pub(super) fn share_of(share: f64, of: u32) -> u32 {
    (share * f64::from(of)).floor() as u32
}

fn larger(number: u32, share: f64, of: u32) -> u32 {
    number.max(share_of(share, of))
}
