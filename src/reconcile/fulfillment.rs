//! Whether a request is done: for one of the people whom it names, and as a whole.

use std::collections::BTreeSet;

use super::difference::Difference;
use super::person::PersonPlan;
use crate::model::{
    Approval, Disposition, FactKey, GroupId, HoldReason, Needs, Operation, Origin, Reason,
    ResolvedRequest, Timestamp, Undecidable,
};
use crate::policy::fact::{Desired, Fact};
use crate::policy::timeline::DesiredStatus;

/// How long somebody who is not found may still turn up before the request says so.
const PATIENCE: chrono::Duration = chrono::Duration::hours(1);
/// How long something that cannot be read may be a passing fault.
const PASSING: chrono::Duration = chrono::Duration::minutes(1);
/// The same as [`PATIENCE`] for somebody who leaves.
const PATIENCE_FOR_A_LEAVER: chrono::Duration = chrono::Duration::minutes(1);

/// Problems that whoever ordered it would put right on the form, and who has to know beforehand what
/// comes of that.
const MENDED_BY_AN_EDIT: [&str; 9] = [
    "date",
    "ends-before-starts",
    "group-ambiguous",
    "group-empty",
    "group-unknown",
    "not-grantable",
    "person-ambiguous",
    "person-empty",
    "person-unknown",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestStatus {
    /// Everything that it asks for is seen in Okta.
    Done,
    /// Something is still to do, and nothing stands in its way.
    Underway,
    Waits {
        /// A word for the kind of obstacle: a second note is written only when it changes.
        kind: String,
        reason: String,
        needs: Needs,
        /// It may still end by itself soon: it is not said on the request yet.
        too_soon_to_say: bool,
    },
    /// A later request says otherwise.
    Overtaken,
}

/// Where a request stands that cannot be carried out as it is. `problems`: a word for the kind of
/// each, and its reason; `searched`: for how long whom it names has been looked for.
pub(crate) fn status_of_problems(
    problems: &[(String, String)],
    operation: Option<Operation>,
    searched: chrono::Duration,
) -> RequestStatus {
    let patience = match operation {
        Some(Operation::Leave) => PATIENCE_FOR_A_LEAVER,
        _ => PATIENCE,
    };
    // What is wrong with the new values of an edit may pass; the edit does not.
    let edited = problems.iter().any(|(kind, _)| kind == "changed");
    let mut of_values =
        problems.iter().filter(|(kind, _)| kind != "changed" || problems.len() == 1);
    let too_soon_to_say = of_values.all(|(kind, _)| match kind.as_str() {
        "person-unknown" => searched < patience,
        kind => kind.ends_with("-unreadable") && searched < PASSING,
    });
    // How many people or groups it is about is no other kind of reason.
    let kinds: BTreeSet<&str> = problems.iter().map(|(kind, _)| kind.as_str()).collect();
    let mut texts: Vec<&str> = problems.iter().map(|(_, text)| text.as_str()).collect();
    if !edited && kinds.iter().any(|kind| MENDED_BY_AN_EDIT.contains(kind)) {
        texts.push("an approved request that is changed needs a decision, or a new order");
    }
    RequestStatus::Waits {
        needs: kinds
            .iter()
            .map(|kind| needs_of_problem(kind))
            .min()
            .unwrap_or(Needs::Administrator),
        kind: Vec::from_iter(kinds).join("+"),
        reason: texts.join("; "),
        too_soon_to_say,
    }
}

/// Who can put a kind of problem right, by its word.
fn needs_of_problem(kind: &str) -> Needs {
    match kind {
        "expression" | "changed" | "group-unreadable" | "lookup-unreadable" => Needs::Administrator,
        "lookup-unknown" => Needs::Servicenow,
        _ => Needs::Requester,
    }
}

/// Where a whole request stands, from where it stands for each of its people.
pub(crate) fn request_status(
    request: &ResolvedRequest,
    people: impl IntoIterator<Item = RequestStatus>,
) -> RequestStatus {
    if request.observe || request.approval != Approval::Approved {
        return RequestStatus::Underway;
    }
    let mut whole = RequestStatus::Done;
    for one in people {
        match one {
            RequestStatus::Waits { .. } => return one,
            RequestStatus::Underway => whole = one,
            // For whom it was overtaken it was never done, so it is not for us to close.
            RequestStatus::Overtaken if whole == RequestStatus::Done => whole = one,
            RequestStatus::Done | RequestStatus::Overtaken => {}
        }
    }
    whole
}

pub(crate) fn status_for_person(
    request: &ResolvedRequest,
    plan: &PersonPlan,
    now: Timestamp,
) -> RequestStatus {
    if !request.in_force(now) {
        return RequestStatus::Underway;
    }
    let PersonPlan { desired, differences, .. } = plan;
    // It is not known whose account is meant, or nothing may be done for the person at all.
    let unclear = differences
        .iter()
        .find(|it| it.key == FactKey::Account && it.is_stuck() && is_by(&it.origin, request));
    if let Some(difference) = unclear {
        return waits_for(difference, now);
    }
    let overtaken = overtaken_groups(request, desired, differences, now);
    if is_overtaken(request, desired, overtaken) {
        return RequestStatus::Overtaken;
    }
    let asks: Vec<&Difference> =
        differences.iter().filter(|it| asks_for(request, desired, it)).collect();
    match asks.iter().find(|it| !it.disposition.is_apply()) {
        Some(obstacle) => waits_for(obstacle, now),
        None if !asks.is_empty() => RequestStatus::Underway,
        None if overtaken > 0 => RequestStatus::Overtaken,
        None => RequestStatus::Done,
    }
}

fn waits_for(difference: &Difference, now: Timestamp) -> RequestStatus {
    let too_soon_to_say = match &difference.disposition {
        Disposition::Hold(HoldReason::Undecidable(Undecidable::Unreadable(unreadable))) => {
            now - unreadable.since < PASSING
        }
        _ => false,
    };
    RequestStatus::Waits {
        kind: format!("{}-{}", difference.disposition.as_str(), difference.key.kind()),
        reason: difference.reason(),
        needs: difference.disposition.needs(),
        too_soon_to_say,
    }
}

fn is_overtaken(request: &ResolvedRequest, desired: &Desired, groups: usize) -> bool {
    use Operation as O;
    match request.terms.operation {
        O::Join | O::Leave | O::Suspend | O::Resume => {
            !desired.status.as_ref().is_some_and(|fact| is_by(&fact.origin, request))
        }
        O::Move => desired.status_value() == Some(DesiredStatus::Deactivated),
        O::Grant | O::Revoke => groups > 0 && groups == request.terms.groups.len(),
    }
}

fn asks_for(request: &ResolvedRequest, desired: &Desired, difference: &Difference) -> bool {
    use FactKey as K;
    use Operation as O;
    let fact = |group: &GroupId| desired.memberships.get(group);
    let join = desired.status_value() == Some(DesiredStatus::Active);
    match (request.terms.operation, &difference.key) {
        (O::Join, K::Membership(group)) if join => gives(fact(group), request, true),
        (O::Join, _) if join => true,
        // Who has left needs no account, whatever else is asked for them.
        (O::Join | O::Leave, K::Account) => !difference.is_stuck() || difference.desired.is_none(),
        (O::Join | O::Leave, key) => !matches!(key, K::Profile(_)),
        (O::Suspend | O::Resume, key) => matches!(key, K::Account | K::Status),
        (O::Move, K::Membership(group)) => {
            let takes = |fact: &Fact<bool>| !fact.value && is_by(&fact.origin, request);
            gives(fact(group), request, true) || fact(group).is_some_and(takes)
        }
        (O::Move, key) => *key != K::Status,
        (O::Grant | O::Revoke, K::Membership(group)) => request.terms.groups.contains(group),
        (O::Grant | O::Revoke, key) => *key == K::Account,
    }
}

fn is_by(origin: &Origin, request: &ResolvedRequest) -> bool {
    origin.request() == Some(&request.reference)
}

fn gives(fact: Option<&Fact<bool>>, request: &ResolvedRequest, birthright: bool) -> bool {
    let speaks = |reason: &Reason| match reason {
        Reason::Request { request: it, .. } => *it == request.reference,
        Reason::Rule(_) => birthright,
        Reason::Record | Reason::Baseline => false,
    };
    fact.is_some_and(|fact| fact.value && fact.reasons.iter().any(speaks))
}

/// Of how many groups a later request says otherwise: those that a grant gives no more, or that
/// were granted again after a revoke.
fn overtaken_groups(
    request: &ResolvedRequest,
    desired: &Desired,
    differences: &[Difference],
    now: Timestamp,
) -> usize {
    if !matches!(request.terms.operation, Operation::Grant | Operation::Revoke) {
        return 0;
    }
    // A birthright that stands against it is an obstacle, not a later request.
    let is_blocked = |it: &Difference| matches!(it.disposition, Disposition::Blocked(_));
    if differences.iter().any(|it| is_by(&it.origin, request) && is_blocked(it)) {
        return 0;
    }
    let otherwise = |group: &&GroupId| {
        let fact = desired.memberships.get(*group);
        match request.terms.operation {
            Operation::Grant if !request.has_ended(now) => !gives(fact, request, false),
            _ => fact.is_some_and(|fact| fact.value),
        }
    };
    request.terms.groups.iter().filter(otherwise).count()
}

#[cfg(test)]
mod tests;
