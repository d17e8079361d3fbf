//! What of a plan may be done, and what waits. The only maker of an [`ApprovedPlan`].
//!
//! Nothing here says no for good: what exceeds a limit waits for a person's decision.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{Limits, crossings};
use super::org::Protected;
use super::past::Past;
use super::planned::{PlannedAction, by_urgency};
use crate::model::{
    Cause, Disposition, FactKey, GroupId, HoldReason, HoldSet, Operation, ReportReason, Step, SysId,
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
    /// The actions, in order.
    pub(crate) fn actions(&self) -> &[ApprovedAction] {
        &self.actions
    }
}

/// One action that waits.
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

/// What may be done, what waits, and what of it means that something is wrong.
#[derive(Debug, Default)]
pub(crate) struct PlanApproval {
    /// What may be done.
    pub approved: ApprovedPlan,
    pub held: Vec<HeldAction>,
    /// What would be done if its part of the configuration did not only observe.
    pub observed: Vec<PlannedAction>,
    /// Why whole kinds of action are held.
    pub quarantined: Option<String>,
    /// The sets that are quarantined, those included that nobody is decided about for now.
    pub sets: BTreeSet<HoldSet>,
}

/// Sorts a plan into what may be done and what waits.
pub(crate) fn approve(
    mut actions: Vec<PlannedAction>,
    limits: &Limits,
    past: &Past,
) -> PlanApproval {
    let mut approval = PlanApproval::default();
    let mut open: Vec<PlannedAction> = Vec::new();
    let mut released: Vec<PlannedAction> = Vec::new();
    by_urgency(&mut actions);
    for planned in actions {
        let fingerprint = planned.fingerprint();
        let dismissed = past.dismissed.get(&fingerprint).cloned();
        match &planned.disposition {
            Disposition::Report(ReportReason::Observed(_)) => approval.observed.push(planned),
            _ if past.released.contains(&fingerprint) => released.push(planned),
            Disposition::Hold(reason) => {
                let reason = reason.clone();
                approval.held.push(HeldAction { planned, reason, dismissed });
            }
            _ if dismissed.is_some() => {
                let reason = HoldReason::Dismissed(planned.why.clone());
                approval.held.push(HeldAction { planned, reason, dismissed });
            }
            _ => match contested(&planned, limits, past) {
                Some(reason) => {
                    approval.held.push(HeldAction { planned, reason, dismissed: None });
                }
                None => open.push(planned),
            },
        }
    }
    hold_what_crosses(&mut approval, &mut open, &released, limits, past);
    hold_what_comes_after(&mut approval, &mut open, &mut released);
    let by_decision: BTreeSet<String> = released.iter().map(PlannedAction::fingerprint).collect();
    open.extend(released);
    by_urgency(&mut open);
    approval.approved.actions = open
        .into_iter()
        .map(|planned| ApprovedAction {
            released: by_decision.contains(&planned.fingerprint()),
            planned,
        })
        .collect();
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
    for crossed in crossings(open, released, limits, past) {
        let (held, rest): (Vec<_>, Vec<_>) =
            std::mem::take(open).into_iter().partition(|planned| (crossed.concerns)(planned));
        *open = rest;
        if held.is_empty() {
            continue;
        }
        approval.quarantined.get_or_insert_with(|| crossed.reason.to_string());
        approval.sets.extend(crossed.reason.set());
        approval.held.extend(held.into_iter().map(|planned| HeldAction {
            planned,
            reason: crossed.reason.clone(),
            dismissed: None,
        }));
    }
}

/// Takes out what depends on an action that waits, of the same person.
fn hold_what_comes_after(
    approval: &mut PlanApproval,
    open: &mut Vec<PlannedAction>,
    released: &mut Vec<PlannedAction>,
) {
    let observed = approval.observed.iter().map(|planned| HeldAction {
        reason: HoldReason::AfterObserved(planned.reason()),
        planned: planned.clone(),
        dismissed: None,
    });
    let mut firsts: BTreeMap<SysId, Vec<HeldAction>> = BTreeMap::new();
    for first in observed.chain(approval.held.iter().cloned()) {
        // Nothing ever comes after another kind of action: `order` says so.
        let leads = matches!(
            first.planned.action.step,
            Step::Deactivate | Step::Create { .. } | Step::Activate { .. }
        );
        if leads {
            firsts.entry(first.planned.action.person.clone()).or_default().push(first);
        }
    }
    let first_of = |planned: &PlannedAction| {
        let firsts = firsts.get(&planned.action.person)?;
        firsts.iter().find(|first| planned.depends_on(&first.planned))
    };
    let after = |planned: &PlannedAction, first: &HeldAction, released: bool| HeldAction {
        planned: planned.clone(),
        reason: match (&first.reason, released) {
            (HoldReason::AfterObserved(_), false) => first.reason.clone(),
            (reason, released) => HoldReason::After {
                step: first.planned.action.step.kind(),
                reason: Box::new(reason.clone()),
                released,
            },
        },
        dismissed: first.dismissed.clone().filter(|_| !released),
    };
    let mut held = Vec::new();
    open.retain(|planned| {
        let Some(first) = first_of(planned) else { return true };
        held.push(after(planned, first, false));
        false
    });
    released.retain(|planned| {
        // Ending sessions takes nothing away that does not come back.
        let overtakes = planned.action.step != Step::ClearSessions;
        let Some(first) = first_of(planned).filter(|_| overtakes) else { return true };
        held.push(after(planned, first, true));
        false
    });
    approval.held.extend(held);
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
    if planned.action.cause != Cause::Drift {
        return None;
    }
    let corrections = |fact: &FactKey| {
        let of_fact = past.done.iter().filter(|done| {
            done.seen
                && done.person == planned.action.person
                && done.cause == Cause::Drift
                && done.keys.contains(fact)
        });
        u32::try_from(of_fact.count()).unwrap_or(u32::MAX)
    };
    planned.keys.iter().find_map(|fact| {
        let times = corrections(fact);
        (times >= limits.max_repeats).then(|| HoldReason::Contested {
            fact: fact.clone(),
            times,
            rival: None,
        })
    })
}

/// Why a request may not have the groups that it names.
pub(crate) fn check_groups(
    operation: Operation,
    groups: &[(GroupId, String)],
    limits: &Limits,
    protected: &Protected,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (id, name) in groups {
        if protected.groups.contains(id) {
            problems.push(Problem::ProtectedGroup(name.clone()));
        } else if operation != Operation::Revoke && !limits.grantable_groups.is_match(name) {
            problems.push(Problem::NotGrantable(name.clone()));
        }
    }
    problems
}

#[cfg(test)]
pub(super) mod tests;
