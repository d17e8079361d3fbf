//! What of a plan may be done, and what waits. The only maker of an [`ApprovedPlan`].
//!
//! Nothing here says no for good: what exceeds a limit waits for a person's decision.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{Crossing, Limits, count, crossings};
use super::org::Protected;
use super::past::Past;
use super::planned::{PlannedAction, by_urgency};
use crate::model::{
    Action, Cause, Disposition, GroupId, HoldReason, HoldSet, Operation, Step, SysId,
};
use crate::policy::resolve::Problem;

/// A plan that passed every check. Only [`approve`] makes one.
#[derive(Debug, Default)]
pub(crate) struct ApprovedPlan {
    actions: Vec<ApprovedAction>,
}

#[derive(Debug, Clone)]
pub(crate) struct ApprovedAction {
    pub planned: PlannedAction,
    /// A person released it.
    pub released: bool,
}

impl ApprovedPlan {
    pub(crate) fn actions(&self) -> &[ApprovedAction] {
        &self.actions
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldAction {
    pub planned: PlannedAction,
    pub reason: HoldReason,
    /// A person dismissed it, or what it comes after: who did, and why.
    pub dismissed: Option<String>,
}

impl HeldAction {
    /// The set that it is decided about in, where a whole kind of action waits.
    pub(crate) fn set(&self) -> Option<HoldSet> {
        let alone = !self.comes_after() && self.planned.closed_before_first_seen;
        self.reason.set().or(alone.then_some(HoldSet::ClosedRequests))
    }

    /// Nothing stands in its own way: it waits for another action of the same person.
    pub(crate) fn comes_after(&self) -> bool {
        matches!(self.reason, HoldReason::After { .. } | HoldReason::AfterObserved(_))
    }
}

/// An action of a part of the configuration that only observes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObservedAction {
    pub planned: PlannedAction,
    /// Why it would wait if that part enforced; `None` where it would be done.
    pub would_wait: Option<HoldReason>,
}

#[derive(Debug, Default)]
pub(crate) struct PlanApproval {
    pub approved: ApprovedPlan,
    pub held: Vec<HeldAction>,
    /// What its part of the configuration only observes.
    pub observed: Vec<ObservedAction>,
    /// Why whole kinds of action are held.
    pub quarantined: Option<String>,
    /// The sets that are quarantined, those included that nobody is decided about for now.
    pub sets: BTreeSet<HoldSet>,
}

/// Sorts a plan into what may be done, what waits and what is only observed.
pub(crate) fn approve(actions: Vec<PlannedAction>, limits: &Limits, past: &Past) -> PlanApproval {
    let (observed, enforced): (Vec<_>, Vec<_>) =
        actions.into_iter().partition(|planned| planned.disposition.is_observed());
    let would_wait = would_wait(&observed, &enforced, limits, past);
    let mut approval = sort(enforced, &observed, limits, past);
    approval.observed = observed
        .into_iter()
        .map(|planned| {
            let would_wait = would_wait.get(&planned.fingerprint()).cloned();
            ObservedAction { planned, would_wait }
        })
        .collect();
    approval
}

/// Which of what is only observed would wait if everything enforced, and why.
fn would_wait(
    observed: &[PlannedAction],
    enforced: &[PlannedAction],
    limits: &Limits,
    past: &Past,
) -> BTreeMap<String, HoldReason> {
    if observed.is_empty() {
        return BTreeMap::new();
    }
    let as_enforced = |planned: &PlannedAction| PlannedAction {
        disposition: planned.disposition.enforced().clone(),
        ..planned.clone()
    };
    let all = observed.iter().map(as_enforced).chain(enforced.iter().cloned()).collect();
    let held = sort(all, &[], limits, past).held.into_iter();
    held.map(|held| (held.planned.fingerprint(), held.reason)).collect()
}

fn sort(
    mut actions: Vec<PlannedAction>,
    observed: &[PlannedAction],
    limits: &Limits,
    past: &Past,
) -> PlanApproval {
    let mut approval = PlanApproval::default();
    let (mut open, mut released) = (Vec::new(), Vec::new());
    actions.sort_by(by_urgency);
    for planned in actions {
        let fingerprint = planned.fingerprint();
        let dismissed = past.dismissed.get(&fingerprint).cloned();
        let reason = match &planned.disposition {
            _ if past.released.contains(&fingerprint) => {
                released.push(planned);
                continue;
            }
            Disposition::Hold(reason) => Some(reason.clone()),
            _ if dismissed.is_some() => Some(HoldReason::Dismissed(planned.why.clone())),
            _ => contested(&planned, limits, past),
        };
        match reason {
            Some(reason) => approval.held.push(HeldAction { planned, reason, dismissed }),
            None => open.push(planned),
        }
    }
    hold_what_crosses(&mut approval, &mut open, &released, limits, past);
    hold_what_comes_after(&mut approval, observed, &mut open, &mut released);
    let approved = |released| move |planned| ApprovedAction { planned, released };
    let released = released.into_iter().map(approved(true));
    approval.approved.actions = open.into_iter().map(approved(false)).chain(released).collect();
    approval.approved.actions.sort_by(|a, b| by_urgency(&a.planned, &b.planned));
    quarantine(&mut approval, past);
    approval
}

/// Takes out what a crossed limit holds.
fn hold_what_crosses(
    approval: &mut PlanApproval,
    open: &mut Vec<PlannedAction>,
    released: &[PlannedAction],
    limits: &Limits,
    past: &Past,
) {
    for Crossing { reason, concerns } in crossings(open, released, limits, past) {
        let waits = |planned| HeldAction { planned, reason: reason.clone(), dismissed: None };
        let held: Vec<_> = open.extract_if(.., |planned| concerns(planned)).map(waits).collect();
        if !held.is_empty() {
            approval.quarantined.get_or_insert_with(|| reason.to_string());
            approval.sets.extend(reason.set());
            approval.held.extend(held);
        }
    }
}

/// Takes out what depends on an action that waits, of the same person.
fn hold_what_comes_after(
    approval: &mut PlanApproval,
    observed: &[PlannedAction],
    open: &mut Vec<PlannedAction>,
    released: &mut Vec<PlannedAction>,
) {
    let observed = observed.iter().map(|planned| HeldAction {
        reason: HoldReason::AfterObserved(planned.reason()),
        planned: planned.clone(),
        dismissed: None,
    });
    let leads = |first: &HeldAction| {
        use Step::{Activate, Create, Deactivate};
        matches!(first.planned.action.step, Deactivate | Create { .. } | Activate { .. })
    };
    let mut firsts: BTreeMap<SysId, Vec<HeldAction>> = BTreeMap::new();
    for first in observed.chain(approval.held.iter().cloned()).filter(leads) {
        firsts.entry(first.planned.action.person.clone()).or_default().push(first);
    }
    let mut hold_if_after = |planned: &PlannedAction, released: bool| {
        let mut firsts = firsts.get(&planned.action.person).into_iter().flatten();
        let first = firsts.find(|first| planned.depends_on(&first.planned));
        let Some(first) = first else { return false };
        let reason = match &first.reason {
            HoldReason::AfterObserved(_) if !released => first.reason.clone(),
            reason => HoldReason::After {
                step: first.planned.action.step.kind(),
                reason: Box::new(reason.clone()),
                released,
            },
        };
        let dismissed = first.dismissed.clone().filter(|_| !released);
        approval.held.push(HeldAction { planned: planned.clone(), reason, dismissed });
        true
    };
    open.retain(|planned| !hold_if_after(planned, false));
    // Ending sessions takes nothing away that does not come back.
    released.retain(|it| it.action.step == Step::ClearSessions || !hold_if_after(it, true));
}

/// What waits since an earlier cycle is no less quarantined for not being decided now.
fn quarantine(approval: &mut PlanApproval, past: &Past) {
    let waiting = || past.waiting.iter().filter(|waiting| waiting.set.is_quarantine());
    approval.sets.extend(waiting().map(|waiting| waiting.set));
    approval.sets.extend(past.implausible.is_some().then_some(HoldSet::ImplausibleRead));
    let waits = waiting().next().map(|waiting| waiting.reason.clone());
    approval.quarantined =
        approval.quarantined.take().or_else(|| past.implausible.clone()).or(waits);
}

/// A fact that has been corrected often enough: somebody else keeps changing it back.
fn contested(planned: &PlannedAction, limits: &Limits, past: &Past) -> Option<HoldReason> {
    let Action { person, cause: Cause::Drift, .. } = &planned.action else { return None };
    planned.keys.iter().find_map(|fact| {
        let corrections = past.done.iter().filter(|done| {
            let seen_drift = done.seen && done.cause == Cause::Drift;
            seen_drift && done.person == *person && done.keys.contains(fact)
        });
        let times = count(corrections);
        let contested = || HoldReason::Contested { fact: fact.clone(), times, rival: None };
        (times >= limits.max_repeats).then(contested)
    })
}

pub(crate) fn check_groups(
    operation: Operation,
    groups: &[(GroupId, String)],
    limits: &Limits,
    protected: &Protected,
) -> Vec<Problem> {
    let problem = |(id, name): &(GroupId, String)| {
        if protected.groups.contains(id) {
            return Some(Problem::ProtectedGroup(name.clone()));
        }
        let grantable = operation == Operation::Revoke || limits.grantable_groups.is_match(name);
        (!grantable).then(|| Problem::NotGrantable(name.clone()))
    };
    groups.iter().filter_map(problem).collect()
}

#[cfg(test)]
pub(super) mod tests;
