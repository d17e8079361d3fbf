//! The one decision about a person: what should be, what differs, which actions remove it, what
//! stands in the way, what to remember, and when to decide again.

use std::collections::BTreeSet;

use super::actions::actions;
use super::correlate::{account_conflict, is_login_taken, wants_account};
use super::diff::diff;
use super::difference::{Difference, member};
use super::org::OrgState;
use super::planned::PlannedAction;
use super::rules;
use crate::model::{
    Approval, Disposition, FactKey, Facts, HoldReason, KnownFact, Operation, Origin, PersonState,
    Presence, Reason, ResolvedRequest, StepKind, Timestamp, Undecidable,
};
use crate::policy::Policy;
use crate::policy::derive::derive;
use crate::policy::fact::{Desired, Fact};
use crate::policy::timeline::DesiredStatus;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PersonPlan {
    pub desired: Desired,
    /// What differs, in a stable order.
    pub differences: Vec<Difference>,
    /// The actions that remove it, in order, those included that wait or are only observed. None
    /// of them is approved yet.
    pub actions: Vec<PlannedAction>,
    /// What to remember of each fact; `None` where nothing that is remembered may change.
    pub facts: Option<Facts>,
    /// When this changes by itself.
    pub next: Option<Timestamp>,
}

/// Decides about one person. Nothing changes its result afterwards but
/// [`approve`](super::approve::approve), which can only hold.
pub(crate) fn reconcile_person(
    state: &PersonState,
    org: &OrgState,
    policy: &Policy,
    now: Timestamp,
) -> PersonPlan {
    let desired = derive(state, policy, &org.rule_groups, now);
    let mut differences = diff(state, &desired, org);
    rules::apply(&mut differences, state, &desired, org, policy);
    clear_sessions_once(&mut differences, state);
    hold_taken_login(&mut differences, state);
    if let Some(unreadable) = &state.unreadable {
        let undecidable = Undecidable::Unreadable(unreadable.clone());
        hold_everything(&mut differences, state, HoldReason::Undecidable(undecidable));
    } else if let Some(conflict) = account_conflict(state, &desired, &differences, org, policy, now)
    {
        hold_everything(&mut differences, state, HoldReason::Account(conflict));
    } else {
        differences.extend(requests_without_account(state, &desired, &differences, now));
        hold_what_follows_the_record(&mut differences, state, now);
        if org.blind {
            differences.extend(out_of_sight(state, now));
        }
    }
    differences.sort_by(|a, b| (&a.key, &a.origin).cmp(&(&b.key, &b.origin)));
    let actions = actions(state, &desired, &differences, policy, now);
    let facts = facts_to_remember(state, &desired, &differences, org);
    let next = desired.next;
    PersonPlan { desired, differences, actions, facts, next }
}

impl PersonPlan {
    pub(crate) fn is_in_sync(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Clearing sessions over and over would not suspend anybody.
fn clear_sessions_once(found: &mut [Difference], state: &PersonState) {
    let Some(known) = state.known.get(&FactKey::Status) else { return };
    let last = state.history.last.as_ref().filter(|last| last.step == StepKind::ClearSessions);
    for difference in found.iter_mut().filter(|it| it.step == Some(StepKind::ClearSessions)) {
        let wanted_before = known.value == difference.desired && known.origin == difference.origin;
        if wanted_before && last.is_some_and(|it| it.request == difference.origin.to_string()) {
            difference.step = None;
        }
    }
}

fn hold_taken_login(found: &mut [Difference], state: &PersonState) {
    let rename = found.iter_mut().find(|it| {
        let is_login = matches!(&it.key, FactKey::Profile(name) if name == "login");
        is_login && (it.disposition.is_apply() || it.disposition.is_hold())
    });
    if let (Some(rename), Some(_)) = (rename, &state.actual.account)
        && is_login_taken(state, rename.desired.as_deref().unwrap_or_default())
    {
        rename.disposition = Disposition::Hold(HoldReason::LoginTaken);
    }
}

/// It cannot be told whose account it is, so nothing is written.
fn hold_everything(found: &mut Vec<Difference>, state: &PersonState, reason: HoldReason) {
    found.retain(|it| it.key == FactKey::Account);
    match found.first_mut() {
        Some(first) => first.disposition = Disposition::Hold(reason),
        None => found.push(waits_for_account(state.newest_request(), reason)),
    }
}

fn waits_for_account(request: Option<&ResolvedRequest>, reason: HoldReason) -> Difference {
    let origin = request.map_or(Origin::None, |it| Origin::Request(it.reference.clone()));
    Difference::without_step(FactKey::Account, origin, Disposition::Hold(reason))
}

/// What was asked for somebody who has no account in use and gets none: it can neither be done nor
/// be called done.
fn requests_without_account(
    state: &PersonState,
    desired: &Desired,
    found: &[Difference],
    now: Timestamp,
) -> Vec<Difference> {
    let said = found.iter().any(|it| it.key == FactKey::Account);
    if wants_account(desired) || said || !state.actual.is_dormant() {
        return Vec::new();
    }
    // What a later leave ended waits for nothing.
    let leave = desired.status.as_ref().filter(|it| it.value == DesiredStatus::Deactivated);
    let leave = leave.and_then(|fact| {
        let reference = fact.origin.request()?;
        state.requests.iter().find(|request| request.reference == *reference)
    });
    let waits = |request: &&ResolvedRequest| {
        let needs_account = match request.terms.operation {
            Operation::Grant => !request.has_ended(now) && is_wanted(request, desired),
            Operation::Move | Operation::Resume => true,
            // An account that is deactivated is as suspended as it can be.
            Operation::Suspend => state.actual.account.is_none(),
            Operation::Join | Operation::Leave | Operation::Revoke => false,
        };
        needs_account
            && request.in_force(now)
            && !request.closed
            && leave.is_none_or(|leave| request.place() > leave.place())
    };
    let account = state.actual.account.as_ref();
    let reason = account.map_or(HoldReason::NoAccount, |_| HoldReason::AccountDeactivated);
    let difference = |request| Difference {
        desired: Some(DesiredStatus::Active.as_str().to_owned()),
        actual: account.map(|account| account.status.as_str().to_lowercase()),
        ..waits_for_account(Some(request), reason.clone())
    };
    state.requests.iter().filter(waits).map(difference).collect()
}

/// A join or a move is by what the record says: while that cannot be read, no account is made by it,
/// and neither is called done.
fn hold_what_follows_the_record(found: &mut Vec<Difference>, state: &PersonState, now: Timestamp) {
    let Some(unreadable) = &state.record_unreadable else { return };
    let follows = |request: &&ResolvedRequest| {
        matches!(request.terms.operation, Operation::Join | Operation::Move)
            && request.approval == Approval::Approved
            && request.in_force(now)
            && !request.closed
    };
    for request in state.requests.iter().filter(follows) {
        let reason = HoldReason::Undecidable(Undecidable::Unreadable(unreadable.clone()));
        let origin = Origin::Request(request.reference.clone());
        match found.iter_mut().find(|it| it.key == FactKey::Account && it.origin == origin) {
            Some(known) if known.is_stuck() => {}
            Some(known) => known.disposition = Disposition::Hold(reason),
            None => found.push(waits_for_account(Some(request), reason)),
        }
    }
}

/// What ends or takes away is never called done because no account is to be seen, where the
/// credentials do not see all of them.
fn out_of_sight(state: &PersonState, now: Timestamp) -> Vec<Difference> {
    if state.is_linked() || state.actual.account.is_some() {
        return Vec::new();
    }
    let ends = |request: &&ResolvedRequest| {
        use Operation::{Leave, Revoke, Suspend};
        matches!(request.terms.operation, Leave | Suspend | Revoke)
            && request.approval == Approval::Approved
            && request.in_force(now)
            && !request.closed
    };
    let reason = HoldReason::Undecidable(Undecidable::OutOfSight);
    let held = |request| waits_for_account(Some(request), reason.clone());
    state.requests.iter().filter(ends).map(held).collect()
}

/// Whether any membership that a request asks for is still wanted because of it.
fn is_wanted(request: &ResolvedRequest, desired: &Desired) -> bool {
    let asks = |reason: &Reason| matches!(reason, Reason::Request { request: it, .. } if *it == request.reference);
    let mut facts = request.terms.groups.iter().filter_map(|id| desired.memberships.get(id));
    facts.any(|fact| fact.value && fact.reasons.iter().any(asks))
}

/// How the person should be, and which of it Okta was seen to agree with.
fn facts_to_remember(
    state: &PersonState,
    desired: &Desired,
    differences: &[Difference],
    org: &OrgState,
) -> Option<Facts> {
    // Whoever is outside for a while is not somebody new afterwards.
    if state.person.presence == Presence::Outside || state.unreadable.is_some() {
        return None;
    }
    let differing: BTreeSet<&FactKey> = differences.iter().map(|it| &it.key).collect();
    let mut facts = Facts::new();
    if let Some(fact) = &desired.status {
        let value = Some(fact.value.as_str().to_owned());
        facts.extend([remember(FactKey::Status, value, fact, state, &differing)]);
    }
    for (attribute, fact) in &desired.profile {
        let key = FactKey::Profile(attribute.clone());
        facts.extend([remember(key, fact.value.clone(), fact, state, &differing)]);
    }
    for (group, fact) in &desired.memberships {
        let key = FactKey::Membership(group.clone());
        // A group that was deleted keeps what is known of it.
        if org.groups.contains_key(group) || state.known.contains_key(&key) {
            facts.extend([remember(key, Some(member(fact.value)), fact, state, &differing)]);
        }
    }
    Some(facts)
}

fn remember<T>(
    key: FactKey,
    value: Option<String>,
    fact: &Fact<T>,
    state: &PersonState,
    differing: &BTreeSet<&FactKey>,
) -> (FactKey, KnownFact) {
    // Whether the fact was compared just now.
    let compared = match &key {
        FactKey::Profile(_) => !state.actual.is_dormant(),
        FactKey::Membership(group) => value == Some(member(state.actual.groups.contains(group))),
        FactKey::Account | FactKey::Status => true,
    };
    let agrees = compared && !differing.contains(&key) && state.actual.account.is_some();
    let known = state.known.get(&key);
    let same = known.filter(|it| it.value == value && it.origin == fact.origin);
    let known = KnownFact {
        origin: fact.origin.clone(),
        basis: fact.basis.clone(),
        in_sync_once: agrees || same.is_some_and(|it| it.in_sync_once),
        refused: same.filter(|_| !agrees).and_then(|it| it.refused.clone()),
        value,
    };
    (key, known)
}

#[cfg(test)]
mod tests;
