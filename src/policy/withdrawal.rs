//! What a request leaves behind that was rejected, cancelled or closed incomplete after it took
//! effect.
//!
//! The person falls back to the earlier requests. Where that would make an account usable or
//! unusable, or give access back, somebody has to say yes. Decided by comparing how things should
//! be with how they would be if the request stood, so the answer stays the same in every cycle.

use std::collections::{BTreeMap, BTreeSet};

use super::desire::{Desired, Fact};
use super::timeline::DesiredStatus;
use crate::model::{Approval, Cause, Operation, Origin, Reason, RequestRef, ResolvedRequest};

/// A person's requests as if none had been withdrawn after it took effect, where one was.
pub(super) fn as_if_they_stood(requests: &[ResolvedRequest]) -> Option<Vec<ResolvedRequest>> {
    requests.iter().any(ResolvedRequest::was_withdrawn).then(|| {
        let stand = |resolved: &ResolvedRequest| {
            let approval =
                if resolved.was_withdrawn() { Approval::Approved } else { resolved.approval };
            ResolvedRequest { approval, ..resolved.clone() }
        };
        requests.iter().map(stand).collect()
    })
}

/// Ties what changes by a withdrawal to the request that was withdrawn, and holds what must not
/// happen by itself. `usable` says that there is an account and that the record is active, `made`
/// that the account was made or activated for the person, rather than found in use.
pub(super) fn withdraw(
    desired: &mut Desired,
    before: &Desired,
    requests: &[ResolvedRequest],
    usable: bool,
    created_here: bool,
) {
    let withdrawn: BTreeMap<&RequestRef, Operation> = requests
        .iter()
        .filter(|resolved| resolved.was_withdrawn())
        .map(|resolved| (&resolved.request, resolved.terms.operation))
        .collect();
    let operation = |origin: &Origin| withdrawn.get(origin.request()?).copied();
    let is_undone = |origin: &Origin| operation(origin).is_some();

    if let Some(was) = before.status.as_ref().filter(|was| is_undone(&was.origin)) {
        match (&mut desired.status, was.value) {
            (Some(now), then) if now.value != then => tie(now, was, true),
            // Nothing else speaks of the account: it would be as it was before the request.
            (None, DesiredStatus::Suspended | DesiredStatus::Deactivated) if usable => {
                desired.status = Some(alone(was, DesiredStatus::Active, true));
            }
            (None, _) if created_here && operation(&was.origin) == Some(Operation::Join) => {
                desired.status = Some(alone(was, DesiredStatus::Deactivated, true));
            }
            (Some(_) | None, _) => {}
        }
    }

    for (group, now) in &mut desired.memberships {
        let was = before.memberships.get(group).or(before.other_memberships.as_ref());
        if let Some(was) = was.filter(|was| was.value != now.value && is_undone(&was.origin)) {
            let gives_back = now.value;
            tie(now, was, gives_back);
        }
    }
    if desired.other_memberships.is_none() {
        return;
    }
    // A birthright goes with the account that it is for.
    let waits = desired.status.as_ref().is_some_and(|status| status.hold.is_some());
    for (group, was) in &before.memberships {
        if was.value && is_undone(&was.origin) && !desired.memberships.contains_key(group) {
            let asked = was.reasons.iter().any(|r| matches!(r, Reason::Request { .. }));
            desired.unmanaged_memberships.remove(group);
            desired.memberships.insert(group.clone(), alone(was, false, waits && !asked));
        }
    }
}

fn tie<T>(now: &mut Fact<T>, was: &Fact<T>, hold: bool) {
    now.origin = was.origin.clone();
    now.cause = Cause::Request;
    now.withdrawn = true;
    if hold {
        now.hold = Some(why(&was.origin));
    }
}

/// The opposite of what the withdrawn request said, on its own.
fn alone<T: Clone>(was: &Fact<T>, value: T, hold: bool) -> Fact<T> {
    Fact {
        value,
        reasons: BTreeSet::<Reason>::new(),
        withdrawn: true,
        hold: hold.then(|| why(&was.origin)),
        ..was.clone()
    }
}

fn why(origin: &Origin) -> String {
    format!("{origin} was withdrawn after it took effect")
}
