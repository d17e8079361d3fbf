//! What is done about each difference: protection, ownership, attribution, observation, and what
//! waits for the account that it is for.

use super::difference::Difference;
use super::org::OrgState;
use super::planned::Place;
use crate::model::{
    BlockedReason, Cause, Disposition, FactKey, Group, HoldReason, PersonState, ProtectedReason,
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
    let protected = org.protected.covers(&state.person, state.actual.account.as_ref());
    for difference in &mut *found {
        // Of a group that is gone there is nothing left to protect.
        let group = match &difference.key {
            FactKey::Membership(group) => org.groups.get(group),
            _ => None,
        };
        let protects = |group: &Group| org.protected.groups.contains(&group.id);
        let protected_group = group.is_some_and(protects).then_some(ProtectedReason::Group);
        if let Some(reason) = protected.or(protected_group) {
            difference.disposition = Disposition::Protected(reason);
        } else if let Some(owner) = group.and_then(Group::owner) {
            difference.disposition = Disposition::Blocked(BlockedReason::GroupOwned(owner));
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

/// What `[attribution]` and `lifecycle.suspended_elsewhere` say of a difference that would
/// otherwise be repaired.
fn attribution(difference: &Difference, policy: &Policy) -> Disposition {
    use StepKind::{Activate, Create, Deactivate, Suspend, Unsuspend};
    let Difference { cause, step, why, .. } = difference;
    let by_somebody_else =
        *cause == Cause::Drift && matches!(step, Some(Unsuspend | Activate | Create));
    let staged = difference.actual.as_deref() == Some("staged");
    if by_somebody_else && !staged && policy.suspended_elsewhere == SuspendedElsewhere::Report {
        return Disposition::Report(ReportReason::DisabledElsewhere);
    }
    if difference.closed_before_first_seen {
        return Disposition::Hold(HoldReason::ClosedBeforeFirstSeen);
    }
    // An inactive record is acted on whatever the origin.
    let by_record = *cause == Cause::Record && matches!(step, Some(Suspend | Deactivate));
    let unattributed = difference.origin.is_unattributed() && !by_record;
    match (unattributed, cause) {
        (true, _) => match policy.unattributed {
            Disposal::Apply => Disposition::Apply,
            Disposal::Hold => Disposition::Hold(HoldReason::Unattributed),
            Disposal::Report => Disposition::Report(ReportReason::Unattributed(why.clone())),
        },
        (false, Cause::Drift) => match policy.drift {
            Disposal::Apply => Disposition::Apply,
            Disposal::Hold => Disposition::Hold(HoldReason::Drift(why.clone())),
            Disposal::Report => Disposition::Report(ReportReason::Drift(why.clone())),
        },
        (false, _) => Disposition::Apply,
    }
}

/// No account is made before it has a login and an address, and whatever else Okta requires.
fn wait_for_required_attributes(found: &mut [Difference]) {
    let is_missing = |it: &&Difference| match &it.key {
        FactKey::Profile(name) => {
            let blocked = matches!(it.disposition, Disposition::Blocked(_));
            let is_name = name == "login" || name == "email";
            is_name && it.is_stuck() || blocked && it.desired.is_none()
        }
        _ => false,
    };
    let missing = found.iter().find(is_missing).map(|it| it.disposition.clone());
    let Some(missing) = missing else { return };
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

/// The step that would remove a difference. A leaver's account whose status is not known would be
/// deactivated, if it could be told how.
fn step(difference: &Difference, desired: &Desired) -> Option<StepKind> {
    let unknown = difference.key == FactKey::Status
        && difference.disposition == Disposition::Blocked(BlockedReason::UnknownStatus);
    if unknown && desired.is_leaver() { Some(StepKind::Deactivate) } else { difference.step }
}

fn place<'a>(
    difference: &'a Difference,
    state: &PersonState,
    desired: &Desired,
) -> Option<Place<'a>> {
    let (step, origin) = (step(difference, desired)?, &difference.origin);
    let revives = step == StepKind::Activate && state.actual.is_deactivated();
    let (leaver, taken_back) = (desired.is_leaver(), desired.takes_back(origin));
    Some(Place { step, revives, leaver, taken_back, origin })
}
