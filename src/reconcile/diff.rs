//! What differs between how Okta should be and how it is, for one person. What is done about each
//! difference is for [`rules`](super::rules) to say.

use super::difference::{Difference, member};
use super::org::OrgState;
use crate::model::{
    AccountStatus, BlockedReason, Cause, Disposition, FactKey, Facts, GroupId, PersonState, Reason,
    ReportReason, StepKind, Why,
};
use crate::policy::fact::{Desired, Fact};
use crate::policy::timeline::DesiredStatus;

pub(super) fn diff(state: &PersonState, desired: &Desired, org: &OrgState) -> Vec<Difference> {
    let status = desired.status.as_ref().and_then(|fact| status(fact, desired, state));
    let step = status.as_ref().and_then(|it| it.step);
    let created = step == Some(StepKind::Create);
    let revived = step == Some(StepKind::Activate) && state.actual.is_deactivated();
    // What was seen of a membership was seen on an account, or in a time, that is over.
    let anew = (created || revived) && status.as_ref().is_some_and(|it| it.cause == Cause::Request);
    let mut found = Vec::from_iter(status);
    if created || state.actual.account.is_some() && (revived || !state.actual.is_dormant()) {
        for (name, fact) in &desired.profile {
            found.extend(attribute(name, fact, state, org));
        }
    }
    memberships(desired, state, org, anew, &mut found);
    found.extend(desired.anomalies.iter().map(|it| {
        Difference::without_step(it.key.clone(), it.origin.clone(), it.disposition.clone())
    }));
    found
}

/// A difference with the disposition that policy and Okta's last refusal give it.
fn differs<T>(
    key: FactKey,
    fact: &Fact<T>,
    values: (Option<String>, Option<String>),
    known: &Facts,
    step: Option<StepKind>,
) -> Difference {
    let (desired, actual) = values;
    let cause = cause_of(fact, desired.as_deref(), &key, known);
    let disposition = match refused_before(&key, desired.as_deref(), known) {
        Some(why) if fact.disposition.is_apply() => {
            Disposition::Blocked(BlockedReason::Refused(why.to_owned()))
        }
        _ => fact.disposition.clone(),
    };
    let seen = known.get(&key).is_some_and(|known| known.in_sync_once);
    Difference {
        closed_before_first_seen: fact.closed_before_first_seen && !seen,
        why: why(fact, cause),
        origin: fact.origin.clone(),
        key,
        desired,
        actual,
        cause,
        disposition,
        step,
        only_observed: fact.only_observed,
    }
}

/// Why Okta refused exactly this when it was last tried. Nothing is sent just to be refused again.
fn refused_before<'a>(key: &FactKey, value: Option<&str>, known: &'a Facts) -> Option<&'a str> {
    // Making an account is what its status asks for.
    let key = if *key == FactKey::Account { &FactKey::Status } else { key };
    let known = known.get(key).filter(|known| known.value.as_deref() == value)?;
    known.refused.as_deref()
}

/// Why the two sides differ: either Okta left what had been agreed, or what is desired is new.
fn cause_of<T>(fact: &Fact<T>, value: Option<&str>, key: &FactKey, facts: &Facts) -> Cause {
    if fact.withdrawn {
        return Cause::Request;
    }
    // A new statement from a request that took effect before: not the request made it.
    let old = facts.values().any(|known| known.in_sync_once && known.origin == fact.origin);
    let Some(known) = facts.get(key) else {
        return match key {
            _ if fact.basis.is_empty() || !old => fact.cause,
            FactKey::Profile(_) => Cause::Rule,
            FactKey::Account | FactKey::Status | FactKey::Membership(_) => Cause::Record,
        };
    };
    // A request that asks anew for what was so before asks for it all the same.
    let asked_anew = fact.cause == Cause::Request && known.origin != fact.origin;
    if known.in_sync_once && known.value.as_deref() == value && !asked_anew {
        Cause::Drift
    } else if is_ruled_anew(key, &known.basis, &fact.basis, old) {
        Cause::Rule
    } else if known.in_sync_once
        && known.origin == fact.origin
        && fact.cause == Cause::Request
        && !(known.basis.is_empty() && fact.basis.is_empty())
    {
        // The same request, and another value than its own end makes: what it follows has changed.
        Cause::Record
    } else {
        fact.cause
    }
}

/// Whether a fact follows from another text of the configuration than before. A request, which
/// follows from none, is not a change of the configuration, and neither is the record's turn.
fn is_ruled_anew(key: &FactKey, before: &str, now: &str, old: bool) -> bool {
    let setting = |basis: &str| basis.split(" = ").next().map(str::to_owned);
    match key {
        _ if before == now || now.is_empty() => false,
        FactKey::Account | FactKey::Status => setting(before) == setting(now),
        FactKey::Profile(_) | FactKey::Membership(_) => !before.is_empty() || old,
    }
}

fn why<T>(fact: &Fact<T>, cause: Cause) -> Why {
    match (cause, fact.rule()) {
        (Cause::Drift, _) => Why::ChangedInOkta(fact.origin.clone()),
        (Cause::Record, _) => Why::Record,
        (Cause::Rule, _) => Why::Configuration,
        (Cause::Request, _) if fact.withdrawn => Why::Withdrawn(fact.origin.clone()),
        (Cause::Request, Some(rule)) => {
            Why::Birthright { rule: rule.to_owned(), origin: fact.origin.clone() }
        }
        (Cause::Request, None) => Why::AskedFor(fact.origin.clone()),
    }
}

fn status(
    fact: &Fact<DesiredStatus>,
    desired: &Desired,
    state: &PersonState,
) -> Option<Difference> {
    let wanted = Some(fact.value.as_str().to_owned());
    let Some(account) = &state.actual.account else {
        if !matches!(fact.value, DesiredStatus::Active | DesiredStatus::Staged) {
            return None;
        }
        let step = Some(StepKind::Create);
        let mut missing = differs(FactKey::Account, fact, (wanted, None), &state.known, step);
        // The account's status had been agreed, so somebody else deleted it.
        if state.effective_status_origin() == Some(&fact.origin) {
            missing.cause = Cause::Drift;
        }
        return Some(missing);
    };
    let (step, blocked) = way_to(fact.value, &account.status, desired.owes_mail)?;
    let actual = Some(account.status.as_str().to_lowercase());
    let mut found = differs(FactKey::Status, fact, (wanted, actual), &state.known, step);
    if let Some(blocked) = blocked {
        found.disposition = Disposition::Blocked(blocked);
    } else if found.disposition.is_apply() {
        let explained = desired.may_unsuspend || found.cause == Cause::Drift;
        match step {
            Some(StepKind::Reactivate) => found.why = Why::MailOwed,
            Some(StepKind::Unsuspend) if !explained => {
                found.disposition = Disposition::Report(ReportReason::UnexplainedSuspension);
            }
            _ => {}
        }
    }
    Some(found)
}

/// How an account gets from where it is to where it should be: the step, and why there is none.
/// Suspension is for `ACTIVE` accounts only, of which an unused one is deactivated instead:
/// <https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserLifecycle/>
fn way_to(
    desired: DesiredStatus,
    actual: &AccountStatus,
    owes_mail: bool,
) -> Option<(Option<StepKind>, Option<BlockedReason>)> {
    use AccountStatus as A;
    use DesiredStatus as D;
    let step = match (desired, actual) {
        (_, A::Other(_)) => return Some((None, Some(BlockedReason::UnknownStatus))),
        (D::Active, A::Staged | A::Deprovisioned) => StepKind::Activate,
        (D::Active, A::Provisioned) if owes_mail => StepKind::Reactivate,
        (D::Active, A::Suspended) => StepKind::Unsuspend,
        (D::Suspended, A::Active) => StepKind::Suspend,
        (D::Suspended, A::Recovery | A::PasswordExpired | A::LockedOut) => {
            let blocked = BlockedReason::OnlyActiveIsSuspended;
            return Some((Some(StepKind::ClearSessions), Some(blocked)));
        }
        (D::Suspended, A::Staged | A::Provisioned) => StepKind::Deactivate,
        (D::Deactivated, actual) if *actual != A::Deprovisioned => StepKind::Deactivate,
        (D::Active | D::Staged | D::Suspended | D::Deactivated, _) => return None,
    };
    Some((Some(step), None))
}

/// Without an account, one is about to be created: its attributes come with it, but for those that
/// cannot.
fn attribute(
    name: &str,
    fact: &Fact<Option<String>>,
    state: &PersonState,
    org: &OrgState,
) -> Option<Difference> {
    let account = state.actual.account.as_ref();
    let actual = account.and_then(|it| it.profile.get(name)).filter(|value| !value.is_empty());
    let agree = match (&fact.value, actual) {
        // Okta keeps both unique without regard to case, so case is not a difference.
        (Some(a), Some(b)) if matches!(name, "login" | "email") => {
            a.to_lowercase() == b.to_lowercase()
        }
        (desired, actual) => desired.as_ref() == actual,
    };
    let lacks = account.is_none() && org.schema.requires(name).is_some();
    if agree && !lacks {
        return None;
    }
    let key = FactKey::Profile(name.to_owned());
    let values = (fact.value.clone(), actual.cloned());
    let mut found = differs(key, fact, values, &state.known, Some(StepKind::Update));
    let (value, actual) = (fact.value.as_deref(), actual.map(String::as_str));
    if let Some(refusal) = org.schema.refuses(name, value, actual, account) {
        found.disposition = Disposition::Blocked(BlockedReason::Attribute(refusal));
    }
    let is_blocked = matches!(found.disposition, Disposition::Blocked(_));
    (account.is_some() || is_blocked).then_some(found)
}

fn memberships(
    desired: &Desired,
    state: &PersonState,
    org: &OrgState,
    anew: bool,
    found: &mut Vec<Difference>,
) {
    // A deactivated account takes no memberships; those wanted come with its activation.
    let active = desired.status_value() == Some(DesiredStatus::Active);
    let takes_members = active || !state.actual.is_dormant();
    for (group, fact) in &desired.memberships {
        if state.actual.groups.contains(group) == fact.value {
            continue;
        }
        let step = if fact.value { StepKind::AddMember } else { StepKind::RemoveMember };
        let mut differs = membership(group, fact, state, step);
        if (takes_members || !fact.value) && org.groups.contains_key(group) {
            if anew && differs.cause == Cause::Drift {
                differs = caused_by(fact, differs);
            }
            found.push(differs);
        } else if fact.value
            && fact.reasons.iter().any(|reason| matches!(reason, Reason::Request { .. }))
            && (takes_members || state.actual.account.is_some())
        {
            // It cannot be done, and a request asks for it.
            let had_it = state.known.get(&differs.key).is_some_and(|known| known.in_sync_once);
            let disposition = match (takes_members, had_it) {
                (false, _) => Disposition::Report(ReportReason::AccountDeactivated),
                (true, true) => Disposition::Report(ReportReason::GroupDeleted),
                (true, false) => Disposition::Blocked(BlockedReason::GroupDeleted),
            };
            found.push(Difference { disposition, step: None, ..differs });
        }
    }
    // What a deactivated account is still in does no harm; a leave tidies up all the same.
    let leaves = desired.status_value() == Some(DesiredStatus::Deactivated);
    let Some(fact) = desired.other_memberships.as_ref().filter(|_| takes_members || leaves) else {
        return;
    };
    for group in &state.actual.groups {
        let ours = org.groups.get(group).is_some_and(|group| group.owner().is_none());
        let spoken_of = desired.memberships.contains_key(group)
            || desired.unmanaged_memberships.contains(group);
        if !ours || spoken_of {
            continue;
        }
        let mut differs = membership(group, fact, state, StepKind::RemoveMember);
        if leaves {
            // A leave takes whatever is there, whoever put it there.
            differs = caused_by(fact, differs);
        } else if !anew && !state.known.contains_key(&differs.key) {
            // Nothing ever said that the person should be in it: somebody put them there.
            differs.cause = Cause::Drift;
            differs.why = Why::NothingGivesIt;
        }
        found.push(differs);
    }
}

fn membership(
    group: &GroupId,
    fact: &Fact<bool>,
    state: &PersonState,
    step: StepKind,
) -> Difference {
    let values = (Some(member(fact.value)), Some(member(state.actual.groups.contains(group))));
    differs(FactKey::Membership(group.clone()), fact, values, &state.known, Some(step))
}

/// The difference, laid to what made its fact.
fn caused_by(fact: &Fact<bool>, difference: Difference) -> Difference {
    Difference { cause: fact.cause, why: why(fact, fact.cause), ..difference }
}
