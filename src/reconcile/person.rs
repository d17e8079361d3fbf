//! The one decision about a person: what should be, what differs, which actions remove it, what
//! stands in the way, what to remember, and when to decide again.

use std::collections::{BTreeMap, BTreeSet};

use super::actions::actions;
use super::correlate::{correlation_conflict, duplicate_identity, is_login_taken};
use super::diff::diff;
use super::difference::{Difference, member};
use super::org::OrgState;
use super::planned::PlannedAction;
use super::rules;
use crate::model::{
    Cause, Change, Disposition, FactKey, Facts, HoldReason, KnownFact, OpenAction, OpenItem,
    Operation, Origin, PersonState, Presence, Reason, ResolvedRequest, Step, StepKind, Timestamp,
    Why,
};
use crate::policy::Policy;
use crate::policy::derive::derive;
use crate::policy::fact::{Desired, Fact};
use crate::policy::timeline::DesiredStatus;

/// What was decided about one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PersonPlan {
    /// How Okta should be.
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
    if state.actual.account.is_some() {
        hold_taken_login(&mut differences, state);
        differences.extend(requests_without_account(state, &desired, &differences, now));
    } else {
        settle_missing_account(&mut differences, state, &desired, org, policy, now);
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

    /// What is not as it should be and waits for nobody's decision about an action: blocked,
    /// reported, or held until something else changes.
    pub(crate) fn open_differences(&self, state: &PersonState) -> Vec<OpenItem> {
        let without_action = |it: &&Difference| {
            !it.is_actionable() && !it.disposition.is_apply() || it.disposition.is_observed()
        };
        let differences = self.differences.iter().filter(without_action);
        differences
            .map(|it| OpenItem {
                person: state.person.sys_id.clone(),
                facts: vec![it.key.clone()],
                desired: it.desired.clone(),
                actual: it.actual.clone(),
                origin: it.origin.clone(),
                cause: it.cause,
                disposition: it.disposition.clone(),
                action: None,
            })
            .collect()
    }
}

/// An action that waits, as what is open about its person.
pub(crate) fn open_action(planned: &PlannedAction, reason: &HoldReason) -> OpenItem {
    let step = &planned.action.step;
    let (groups, changes) = match step {
        Step::Create { profile, groups, .. } => {
            let change = |(name, to): (&String, &String)| {
                (name.clone(), Change { from: None, to: Some(to.clone()) })
            };
            (groups.clone(), profile.iter().map(change).collect())
        }
        Step::Update { changes } => (Vec::new(), changes.clone()),
        _ => (Vec::new(), BTreeMap::new()),
    };
    let held = super::approve::HeldAction {
        planned: planned.clone(),
        reason: reason.clone(),
        dismissed: None,
    };
    OpenItem {
        person: planned.action.person.clone(),
        facts: planned.keys.clone(),
        desired: None,
        actual: planned.before.clone(),
        origin: planned.action.origin.clone(),
        cause: planned.action.cause,
        disposition: Disposition::Hold(reason.clone()),
        action: Some(OpenAction {
            fingerprint: planned.fingerprint(),
            step: step.kind(),
            group: step.group().cloned(),
            groups,
            changes,
            set: held.set(),
        }),
    }
}

/// Clearing sessions over and over would not suspend anybody.
fn clear_sessions_once(found: &mut [Difference], state: &PersonState) {
    for difference in found.iter_mut().filter(|it| it.step == Some(StepKind::ClearSessions)) {
        let wanted_before = state.known.get(&FactKey::Status).is_some_and(|fact| {
            fact.value == difference.desired && fact.origin == difference.origin
        });
        let cleared = state.history.last.as_ref().is_some_and(|last| {
            last.step == StepKind::ClearSessions && last.request == difference.origin.to_string()
        });
        if wanted_before && cleared {
            difference.step = None;
        }
    }
}

fn hold_taken_login(found: &mut [Difference], state: &PersonState) {
    let is_login = |key: &FactKey| matches!(key, FactKey::Profile(name) if name == "login");
    let rename = found
        .iter_mut()
        .find(|it| is_login(&it.key) && (it.disposition.is_apply() || it.disposition.is_hold()));
    if let Some(rename) = rename
        && is_login_taken(state, rename.desired.as_deref().unwrap_or_default())
    {
        rename.disposition = Disposition::Hold(HoldReason::LoginTaken);
    }
}

/// Of somebody without an account: whose account it is cannot be told, so nothing is written; or
/// none is wanted, and what was asked for waits for one.
fn settle_missing_account(
    found: &mut Vec<Difference>,
    state: &PersonState,
    desired: &Desired,
    org: &OrgState,
    policy: &Policy,
    now: Timestamp,
) {
    let conflict = correlation_conflict(state, desired, policy, now)
        .or_else(|| duplicate_identity(state, found, org, policy));
    let Some(conflict) = conflict else {
        let waiting = requests_without_account(state, desired, found, now);
        found.extend(waiting);
        return;
    };
    let reason = HoldReason::Account(conflict);
    found.retain(|it| it.key == FactKey::Account);
    match found.first_mut() {
        Some(first) => first.disposition = Disposition::Hold(reason),
        None => found.push(waits_for_account(state.newest_request(), reason)),
    }
}

fn waits_for_account(request: Option<&ResolvedRequest>, reason: HoldReason) -> Difference {
    let origin = request.map_or(Origin::None, |it| Origin::Request(it.reference.clone()));
    Difference {
        key: FactKey::Account,
        desired: None,
        actual: None,
        why: Why::AskedFor(origin.clone()),
        origin,
        cause: Cause::Request,
        disposition: Disposition::Hold(reason),
        step: None,
        only_observed: false,
        closed_before_first_seen: false,
    }
}

/// What was asked for somebody who has no account in use and gets none: it can neither be done nor
/// be called done.
fn requests_without_account(
    state: &PersonState,
    desired: &Desired,
    found: &[Difference],
    now: Timestamp,
) -> Vec<Difference> {
    let comes =
        matches!(desired.status_value(), Some(DesiredStatus::Active | DesiredStatus::Staged));
    let said = found.iter().any(|it| it.key == FactKey::Account);
    if comes || said || !state.actual.is_dormant() {
        return Vec::new();
    }
    // What a later leave ended waits for nothing.
    let leave = desired.status.as_ref().filter(|it| it.value == DesiredStatus::Deactivated);
    let ended_at = leave.and_then(|fact| {
        let is_leave = |it: &&ResolvedRequest| fact.origin.request() == Some(&it.reference);
        state.requests.iter().find(is_leave).map(ResolvedRequest::place)
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
            && ended_at.as_ref().is_none_or(|ended| request.place() > *ended)
    };
    let (status, reason) = match &state.actual.account {
        None => (None, HoldReason::NoAccount),
        Some(account) => {
            (Some(account.status.as_str().to_lowercase()), HoldReason::AccountDeactivated)
        }
    };
    let waiting = state.requests.iter().filter(waits);
    waiting
        .map(|request| Difference {
            desired: Some(DesiredStatus::Active.as_str().to_owned()),
            actual: status.clone(),
            ..waits_for_account(Some(request), reason.clone())
        })
        .collect()
}

/// Whether any membership that a request asks for is still wanted because of it.
fn is_wanted(request: &ResolvedRequest, desired: &Desired) -> bool {
    let speaks = |reason: &Reason| matches!(reason, Reason::Request { request: it, .. } if *it == request.reference);
    request.terms.groups.iter().any(|group| {
        let fact = desired.memberships.get(group);
        fact.is_some_and(|fact| fact.value && fact.reasons.iter().any(speaks))
    })
}

/// How the person should be, and which of it Okta was seen to agree with.
fn facts_to_remember(
    state: &PersonState,
    desired: &Desired,
    differences: &[Difference],
    org: &OrgState,
) -> Option<Facts> {
    // Whoever is outside for a while is not somebody new afterwards.
    if state.person.presence == Presence::Outside {
        return None;
    }
    let differing: BTreeSet<&FactKey> = differences.iter().map(|it| &it.key).collect();
    let memory = Memory { state, differing };
    let mut facts = Facts::new();
    if let Some(fact) = &desired.status {
        facts.extend(memory.fact(FactKey::Status, Some(fact.value.as_str().to_owned()), fact));
    }
    for (attribute, fact) in &desired.profile {
        facts.extend(memory.fact(FactKey::Profile(attribute.clone()), fact.value.clone(), fact));
    }
    for (group, fact) in &desired.memberships {
        let key = FactKey::Membership(group.clone());
        // A group that was deleted keeps what is known of it.
        if org.groups.contains_key(group) || state.known.contains_key(&key) {
            facts.extend(memory.fact(key, Some(member(fact.value)), fact));
        }
    }
    Some(facts)
}

struct Memory<'a> {
    state: &'a PersonState,
    differing: BTreeSet<&'a FactKey>,
}

impl Memory<'_> {
    fn fact<T>(
        &self,
        key: FactKey,
        value: Option<String>,
        fact: &Fact<T>,
    ) -> Option<(FactKey, KnownFact)> {
        let before = self.state.known.get(&key);
        let same = before.filter(|it| it.value == value && it.origin == fact.origin);
        let agrees = self.agrees(&key, value.as_deref());
        let known = KnownFact {
            origin: fact.origin.clone(),
            basis: fact.basis.clone(),
            in_sync_once: agrees || same.is_some_and(|it| it.in_sync_once),
            refused: same.filter(|_| !agrees).and_then(|it| it.refused.clone()),
            value,
        };
        Some((key, known))
    }

    /// Whether the fact was compared just now, and Okta agrees.
    fn agrees(&self, key: &FactKey, value: Option<&str>) -> bool {
        let actual = &self.state.actual;
        let compared = match key {
            FactKey::Profile(_) => !actual.is_dormant(),
            FactKey::Membership(group) => is_member(actual.groups.contains(group), value),
            FactKey::Account | FactKey::Status => true,
        };
        compared && !self.differing.contains(key) && actual.account.is_some()
    }
}

fn is_member(is: bool, wanted: Option<&str>) -> bool {
    is == (wanted == Some(member(true).as_str()))
}

#[cfg(test)]
mod tests;
