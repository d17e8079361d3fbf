//! What a request leaves behind that was rejected, cancelled or closed incomplete after it took
//! effect.
//!
//! The person falls back to the earlier requests. Where that would make an account usable or
//! unusable, or give access back, a person has to decide. Found by comparing how things should be
//! with how they would be if the request stood, so the answer stays the same in every cycle.

use super::fact::{Desired, Fact};
use super::timeline::DesiredStatus;
use crate::model::{
    Approval, Cause, Disposition, HoldReason, Operation, Origin, PersonState, Reason,
    ResolvedRequest,
};

/// A person's requests as if none had been withdrawn after it took effect, where one was.
pub(super) fn as_if_they_stood(requests: &[ResolvedRequest]) -> Option<Vec<ResolvedRequest>> {
    requests.iter().any(ResolvedRequest::was_withdrawn).then(|| {
        let stand = |request: &ResolvedRequest| {
            let withdrawn = request.was_withdrawn();
            let approval = if withdrawn { Approval::Approved } else { request.approval };
            ResolvedRequest { approval, ..request.clone() }
        };
        requests.iter().map(stand).collect()
    })
}

/// Ties what changes by a withdrawal to the request that was withdrawn, and holds what must not
/// happen by itself.
pub(super) fn withdraw(desired: &mut Desired, before: &Desired, state: &PersonState) {
    let withdrawn = |origin: &Origin| {
        let mut all = state.requests.iter().filter(|request| request.was_withdrawn());
        all.find(|request| origin.request() == Some(&request.reference))
    };
    let is_withdrawn = |origin: &Origin| withdrawn(origin).is_some();

    if let Some(was) = &before.status
        && let Some(request) = withdrawn(&was.origin)
    {
        let in_use = state.is_linked() && state.is_employed();
        let made = state.is_created_here() && request.terms.operation == Operation::Join;
        match (&mut desired.status, was.value) {
            (Some(now), then) if now.value != then => tie(now, was, true),
            // Nothing else speaks of the account: it would be as it was before the request.
            (None, DesiredStatus::Suspended | DesiredStatus::Deactivated) if in_use => {
                desired.status = Some(opposite(was, DesiredStatus::Active, true));
            }
            (None, _) if made => {
                desired.status = Some(opposite(was, DesiredStatus::Deactivated, true));
            }
            (Some(_) | None, _) => {}
        }
    }

    for (group, now) in &mut desired.memberships {
        let was = before.memberships.get(group).or(before.other_memberships.as_ref());
        if let Some(was) = was.filter(|was| was.value != now.value && is_withdrawn(&was.origin)) {
            let gives_back = now.value;
            tie(now, was, gives_back);
        }
    }
    if desired.other_memberships.is_none() {
        return;
    }
    // A birthright goes with the account that it is for.
    let waits = desired.status.as_ref().is_some_and(|status| status.disposition.is_hold());
    for (group, was) in &before.memberships {
        if was.value && is_withdrawn(&was.origin) && !desired.memberships.contains_key(group) {
            let asked = was.reasons.iter().any(|r| matches!(r, Reason::Request { .. }));
            desired.unmanaged_memberships.remove(group);
            desired.memberships.insert(group.clone(), opposite(was, false, waits && !asked));
        }
    }
}

fn tie<T>(now: &mut Fact<T>, was: &Fact<T>, hold: bool) {
    now.origin = was.origin.clone();
    now.cause = Cause::Request;
    now.withdrawn = true;
    if hold {
        now.hold(HoldReason::WithdrawnAfterEffect(was.origin.clone()));
    }
}

/// The opposite of what the withdrawn request said, on its own.
fn opposite<T: Clone>(was: &Fact<T>, value: T, hold: bool) -> Fact<T> {
    let mut fact = Fact { value, withdrawn: true, ..was.clone() }.without_reasons();
    if fact.disposition.is_hold() {
        fact.disposition = Disposition::Apply;
    }
    if hold {
        fact.hold(HoldReason::WithdrawnAfterEffect(was.origin.clone()));
    }
    fact
}
