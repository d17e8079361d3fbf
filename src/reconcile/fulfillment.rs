//! Whether a request is done, for one person.

use std::collections::BTreeMap;

use super::diff::{Disposition, Drift};
use crate::model::{FactKey, GroupId, Operation, Reason, ResolvedRequest, Timestamp};
use crate::policy::desire::{Desired, Fact};
use crate::policy::timeline::DesiredStatus;

/// Where a request stands for one of the people whom it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestProgress {
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
pub fn request_progress(
    resolved: &ResolvedRequest,
    desired: &Desired,
    drifts: &[Drift],
    now: Timestamp,
) -> RequestProgress {
    if !resolved.in_force(now) {
        return RequestProgress::Underway;
    }
    // It is not known whose account is meant, or nothing may be done for the person at all.
    let doubt = |drift: &&Drift| {
        drift.key == FactKey::Account
            && drift.is_stuck()
            && drift.origin.request() == Some(&resolved.request)
    };
    if let Some(drift) = drifts.iter().find(doubt) {
        return waits_for(drift);
    }
    let status_is_mine = desired.status.as_ref().is_some_and(|fact| is_mine(fact, resolved));
    let mut overtaken_in_part = false;
    let asks: Vec<&Drift> = match resolved.terms.operation {
        Operation::Join | Operation::Leave | Operation::Suspend | Operation::Resume
            if !status_is_mine =>
        {
            return RequestProgress::Overtaken;
        }
        Operation::Join
            if desired.status.as_ref().is_some_and(|s| s.value == DesiredStatus::Active) =>
        {
            drifts
                .iter()
                .filter(|drift| match &drift.key {
                    FactKey::Account | FactKey::Status | FactKey::Profile(_) => true,
                    FactKey::Membership(group) => {
                        gives(desired.memberships.get(group), resolved, true)
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
            if desired.status.as_ref().is_some_and(|s| s.value == DesiredStatus::Deactivated) =>
        {
            return RequestProgress::Overtaken;
        }
        Operation::Move => drifts
            .iter()
            .filter(|drift| match &drift.key {
                FactKey::Status => false,
                FactKey::Account | FactKey::Profile(_) => true,
                FactKey::Membership(group) => {
                    gives(desired.memberships.get(group), resolved, true)
                        || desired
                            .memberships
                            .get(group)
                            .is_some_and(|f| !f.value && is_mine(f, resolved))
                }
            })
            .collect(),
        Operation::Grant | Operation::Revoke => {
            let groups = &resolved.terms.groups;
            let overtaken = overtaken(resolved, &desired.memberships, drifts, now);
            if !groups.is_empty() && overtaken == groups.len() {
                return RequestProgress::Overtaken;
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
        None if asks.is_empty() && overtaken_in_part => RequestProgress::Overtaken,
        None if asks.is_empty() => RequestProgress::Done,
        None => RequestProgress::Underway,
    }
}

fn waits_for(drift: &Drift) -> RequestProgress {
    RequestProgress::Waits {
        kind: format!("{}-{}", drift.disposition.as_str(), drift.key.kind()),
        reason: drift.reason.clone(),
    }
}

/// Its request needs an account in use, and there is none.
fn lacks_account(drift: &Drift) -> bool {
    drift.key == FactKey::Account && drift.is_stuck() && drift.desired.is_some()
}

fn is_mine<T>(fact: &Fact<T>, resolved: &ResolvedRequest) -> bool {
    fact.origin.request() == Some(&resolved.request)
}

fn gives(fact: Option<&Fact<bool>>, resolved: &ResolvedRequest, birthright: bool) -> bool {
    fact.is_some_and(|fact| {
        fact.value
            && fact.reasons.iter().any(|reason| match reason {
                Reason::Request { request, .. } => *request == resolved.request,
                Reason::Rule(_) => birthright,
                Reason::Record | Reason::Baseline => false,
            })
    })
}

/// Of how many groups a later request says otherwise: those that a grant gives no more, or that
/// were granted again after a revoke.
fn overtaken(
    resolved: &ResolvedRequest,
    memberships: &BTreeMap<GroupId, Fact<bool>>,
    drifts: &[Drift],
    now: Timestamp,
) -> usize {
    let said_otherwise = |drift: &&Drift| {
        drift.origin.request() == Some(&resolved.request)
            && drift.disposition == Disposition::Blocked
    };
    if drifts.iter().any(|drift| said_otherwise(&drift)) {
        return 0;
    }
    let otherwise = |group: &&GroupId| {
        let fact = memberships.get(*group);
        match resolved.terms.operation {
            Operation::Grant if resolved.has_ended(now) => fact.is_some_and(|fact| fact.value),
            Operation::Grant => !gives(fact, resolved, false),
            _ => fact.is_some_and(|fact| fact.value),
        }
    };
    resolved.terms.groups.iter().filter(otherwise).count()
}
