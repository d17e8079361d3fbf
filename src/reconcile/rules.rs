//! What is done about each difference: protection, ownership, attribution, observation, and what
//! waits for the account that it is for.

use super::difference::Difference;
use super::org::OrgState;
use super::planned::Place;
use crate::model::{
    BlockedReason, Cause, Disposition, FactKey, HoldReason, PersonState, ProtectedReason,
    ReportReason, StepKind,
};
use crate::policy::fact::Desired;
use crate::policy::{Disposal, Policy, SuspendedElsewhere};

/// Gives each difference its disposition.
pub(super) fn apply(
    found: &mut [Difference],
    state: &PersonState,
    desired: &Desired,
    org: &OrgState,
    policy: &Policy,
) {
    for difference in &mut *found {
        if let Some(reason) = protection(difference, state, org) {
            difference.disposition = Disposition::Protected(reason);
        } else if let Some(reason) = group_owner(difference, org) {
            difference.disposition = Disposition::Blocked(reason);
        } else if difference.disposition.is_apply() {
            difference.disposition = attribution(difference, policy);
        }
        if difference.only_observed {
            difference.observe();
        }
    }
    wait_for_required_attributes(found);
    wait_for_the_account(found, state, desired);
}

fn protection(
    difference: &Difference,
    state: &PersonState,
    org: &OrgState,
) -> Option<ProtectedReason> {
    let account = state.actual.account.as_ref();
    org.protected.covers(&state.person, account).or_else(|| match &difference.key {
        // Of a group that is gone there is nothing left to protect.
        FactKey::Membership(group) if org.groups.contains_key(group) => {
            org.protected.groups.contains(group).then_some(ProtectedReason::Group)
        }
        _ => None,
    })
}

fn group_owner(difference: &Difference, org: &OrgState) -> Option<BlockedReason> {
    let FactKey::Membership(group) = &difference.key else { return None };
    org.groups.get(group)?.owner().map(BlockedReason::GroupOwned)
}

/// What `[attribution]` and `lifecycle.suspended_elsewhere` say of a difference that would
/// otherwise be repaired.
fn attribution(difference: &Difference, policy: &Policy) -> Disposition {
    let by_somebody_else = difference.cause == Cause::Drift
        && matches!(
            difference.step,
            Some(StepKind::Unsuspend | StepKind::Activate | StepKind::Create)
        );
    let staged = difference.actual.as_deref() == Some("staged");
    if by_somebody_else && !staged && policy.suspended_elsewhere == SuspendedElsewhere::Report {
        return Disposition::Report(ReportReason::DisabledElsewhere);
    }
    // An inactive record is acted on whatever the origin.
    let by_record = difference.cause == Cause::Record
        && matches!(difference.step, Some(StepKind::Suspend | StepKind::Deactivate));
    let why = || difference.why.clone();
    if difference.closed_before_first_seen {
        return Disposition::Hold(HoldReason::ClosedBeforeFirstSeen);
    }
    if difference.origin.is_unattributed() && !by_record {
        return match policy.unattributed {
            Disposal::Apply => Disposition::Apply,
            Disposal::Hold => Disposition::Hold(HoldReason::Unattributed),
            Disposal::Report => Disposition::Report(ReportReason::Unattributed(why())),
        };
    }
    match policy.drift {
        _ if difference.cause != Cause::Drift => Disposition::Apply,
        Disposal::Apply => Disposition::Apply,
        Disposal::Hold => Disposition::Hold(HoldReason::Drift(why())),
        Disposal::Report => Disposition::Report(ReportReason::Drift(why())),
    }
}

/// No account is made before it has a login and an address, and whatever else Okta requires.
fn wait_for_required_attributes(found: &mut [Difference]) {
    let is_name =
        |key: &FactKey| matches!(key, FactKey::Profile(a) if a == "login" || a == "email");
    let lacks = |it: &Difference| {
        matches!(it.key, FactKey::Profile(_))
            && matches!(it.disposition, Disposition::Blocked(_))
            && it.desired.is_none()
    };
    let missing = found.iter().find(|it| is_name(&it.key) && it.is_stuck() || lacks(it));
    let Some(missing) = missing.map(|it| it.disposition.clone()) else { return };
    for difference in found {
        if difference.disposition.is_apply() && difference.step == Some(StepKind::Create) {
            let reason = HoldReason::NeedsAttribute(Box::new(missing.clone()));
            difference.disposition = Disposition::Hold(reason);
        }
    }
}

/// What depends on an account that is not to be made, brought back or disabled now has the same
/// disposition: nobody can decide it past the account.
fn wait_for_the_account(found: &mut [Difference], state: &PersonState, desired: &Desired) {
    let leads = |place: Place<'_>| {
        matches!(place.step, StepKind::Create | StepKind::Deactivate) || place.revives
    };
    let first = found
        .iter()
        .find(|it| !it.disposition.is_apply() && place(it, state, desired).is_some_and(leads));
    let Some(first) = first.cloned() else { return };
    let Some(earlier) = place(&first, state, desired) else { return };
    let disposition = match &first.disposition {
        Disposition::Hold(reason) => Disposition::Hold(HoldReason::After {
            step: earlier.step,
            reason: Box::new(reason.clone()),
            released: false,
        }),
        other => other.clone(),
    };
    for difference in found {
        // A decision about what is held must not overtake an account that nobody can decide about.
        let overtakes = difference.disposition.is_apply()
            || difference.disposition.is_hold() && !first.disposition.is_hold();
        let place = place(difference, state, desired).filter(|_| overtakes);
        if place.is_some_and(|place| place.comes_after(earlier)) {
            difference.disposition = disposition.clone();
        }
    }
}

fn place<'a>(
    difference: &'a Difference,
    state: &PersonState,
    desired: &Desired,
) -> Option<Place<'a>> {
    let (step, origin) = (difference.step?, &difference.origin);
    let revives = step == StepKind::Activate && state.actual.is_deactivated();
    let (leaver, taken_back) = (desired.is_leaver(), desired.takes_back(origin));
    Some(Place { step, revives, leaver, taken_back, origin })
}
