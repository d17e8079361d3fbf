//! Whether a request is done, for one person.

use std::collections::BTreeMap;

use super::diff::{Disposition, Drift};
use crate::model::{FactKey, GroupId, Instant, Mandate, Operation, Reason};
use crate::policy::desire::{Desired, Fact};
use crate::policy::lifecycle::Wish;

/// Where a request stands for one of the people whom it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Everything that it asks for is seen in Okta.
    Done,
    /// Something is still to do, and nothing stands in its way.
    Underway,
    /// It waits, with a word for the kind of obstacle and the reason for its requester.
    Waits {
        /// A second note is written only when this changes.
        kind: String,
        /// What stands in the way.
        reason: String,
    },
    /// A later request says otherwise.
    Overtaken,
}

/// Compares what a request asks for with what still differs.
pub fn progress(mandate: &Mandate, desired: &Desired, drifts: &[Drift], now: Instant) -> Progress {
    if !mandate.in_force(now) {
        return Progress::Underway;
    }
    // It is not known whose account is meant, or nothing may be done for the person at all.
    let doubt = |drift: &&Drift| {
        drift.key == FactKey::Account
            && drift.is_stuck()
            && drift.origin.request() == Some(&mandate.request)
    };
    if let Some(drift) = drifts.iter().find(doubt) {
        return waits_for(drift);
    }
    let status_is_mine = desired.status.as_ref().is_some_and(|fact| is_mine(fact, mandate));
    let mut overtaken_in_part = false;
    let asks: Vec<&Drift> = match mandate.terms.operation {
        Operation::Join | Operation::Leave | Operation::Suspend | Operation::Resume
            if !status_is_mine =>
        {
            return Progress::Overtaken;
        }
        Operation::Join if desired.status.as_ref().is_some_and(|s| s.value == Wish::Active) => {
            drifts
                .iter()
                .filter(|drift| match &drift.key {
                    FactKey::Account | FactKey::Status | FactKey::Profile(_) => true,
                    FactKey::Membership(group) => {
                        gives(desired.memberships.get(group), mandate, true)
                    }
                })
                .collect()
        }
        Operation::Join | Operation::Leave => {
            // Who has left needs no account, whatever else is asked for them.
            let concerns =
                |drift: &&Drift| !matches!(drift.key, FactKey::Profile(_)) && !lacks_account(drift);
            drifts.iter().filter(concerns).collect()
        }
        Operation::Suspend | Operation::Resume => drifts
            .iter()
            .filter(|drift| matches!(drift.key, FactKey::Account | FactKey::Status))
            .collect(),
        Operation::Move
            if desired.status.as_ref().is_some_and(|s| s.value == Wish::Deactivated) =>
        {
            return Progress::Overtaken;
        }
        Operation::Move => drifts
            .iter()
            .filter(|drift| match &drift.key {
                FactKey::Status => false,
                FactKey::Account | FactKey::Profile(_) => true,
                FactKey::Membership(group) => {
                    gives(desired.memberships.get(group), mandate, true)
                        || desired
                            .memberships
                            .get(group)
                            .is_some_and(|f| !f.value && is_mine(f, mandate))
                }
            })
            .collect(),
        Operation::Grant | Operation::Revoke => {
            let groups = &mandate.terms.groups;
            let overtaken = overtaken(mandate, &desired.memberships, drifts, now);
            if !groups.is_empty() && overtaken == groups.len() {
                return Progress::Overtaken;
            }
            overtaken_in_part = overtaken > 0;
            drifts
                .iter()
                .filter(|drift| match &drift.key {
                    FactKey::Membership(group) => groups.contains(group),
                    FactKey::Account => true,
                    FactKey::Status | FactKey::Profile(_) => false,
                })
                .collect()
        }
    };
    let obstacle = asks.iter().find(|drift| !matches!(drift.disposition, Disposition::Apply));
    match obstacle {
        Some(drift) => waits_for(drift),
        None if asks.is_empty() && overtaken_in_part => Progress::Overtaken,
        None if asks.is_empty() => Progress::Done,
        None => Progress::Underway,
    }
}

fn waits_for(drift: &Drift) -> Progress {
    Progress::Waits {
        kind: format!("{}-{}", drift.disposition.as_str(), drift.key.kind()),
        reason: drift.reason.clone(),
    }
}

/// Its request needs an account in use, and there is none.
fn lacks_account(drift: &Drift) -> bool {
    drift.key == FactKey::Account && drift.is_stuck() && drift.desired.is_some()
}

fn is_mine<T>(fact: &Fact<T>, mandate: &Mandate) -> bool {
    fact.origin.request() == Some(&mandate.request)
}

fn gives(fact: Option<&Fact<bool>>, mandate: &Mandate, birthright: bool) -> bool {
    fact.is_some_and(|fact| {
        fact.value
            && fact.reasons.iter().any(|reason| match reason {
                Reason::Request { request, .. } => *request == mandate.request,
                Reason::Rule(_) => birthright,
                Reason::Record | Reason::Baseline => false,
            })
    })
}

/// Of how many groups a later request says otherwise: those that a grant gives no more, or that
/// were granted again after a revoke.
fn overtaken(
    mandate: &Mandate,
    memberships: &BTreeMap<GroupId, Fact<bool>>,
    drifts: &[Drift],
    now: Instant,
) -> usize {
    let said_otherwise = |drift: &&Drift| {
        drift.origin.request() == Some(&mandate.request)
            && drift.disposition == Disposition::Blocked
    };
    if drifts.iter().any(|drift| said_otherwise(&drift)) {
        return 0;
    }
    let otherwise = |group: &&GroupId| {
        let fact = memberships.get(*group);
        match mandate.terms.operation {
            Operation::Grant if mandate.has_ended(now) => fact.is_some_and(|fact| fact.value),
            Operation::Grant => !gives(fact, mandate, false),
            _ => fact.is_some_and(|fact| fact.value),
        }
    };
    mandate.terms.groups.iter().filter(otherwise).count()
}
