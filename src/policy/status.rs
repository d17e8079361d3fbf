//! The account's status: by requests, by the record, by the configuration, in this order.

use super::fact::{Anomaly, Context, Desired, Fact, Source, origin_of, unrequested};
use super::timeline::DesiredStatus;
use super::{Accounts, InactiveRecord, Policy};
use crate::model::{
    AccountStatus, Cause, Disposition, FactKey, HoldReason, Operation, PersonState, Presence,
    ReportReason, ResolvedRequest, Undecidable,
};

/// What a status follows from that the record alone decides.
const INACTIVE_RECORD: &str = "lifecycle.inactive_record";

pub(super) fn derive(context: Context<'_>, desired: &mut Desired) -> Option<Fact<DesiredStatus>> {
    let Context { state, policy, .. } = context;
    let asked = asked(context);
    if asked.as_ref().is_some_and(|fact| fact.value == DesiredStatus::Deactivated) {
        return asked;
    }
    if state.is_employed() {
        return asked
            .or_else(|| staged_ahead(context, desired))
            .or_else(|| without_request(context));
    }
    // The record is inactive or gone, and no leave says why.
    let stronger = policy.inactive_record == InactiveRecord::Deactivate;
    if !stronger && asked.as_ref().is_some_and(|fact| fact.value == DesiredStatus::Suspended) {
        return asked;
    }
    by_inactive_record(context, asked, desired)
}

/// What the newest request says about the account.
fn asked(context: Context<'_>) -> Option<Fact<DesiredStatus>> {
    let Context { state, timeline, .. } = context;
    let effective = state.effective_status_origin();
    // A return lifts what a leave of absence did, which for an account that was never used is a
    // deactivation; only a join makes an account or brings another one back.
    let was_away = timeline.order.iter().any(|request| match request.terms.operation {
        Operation::Suspend => request.closed || effective == Some(&origin_of(request)),
        Operation::Resume => effective == Some(&origin_of(request)),
        _ => false,
    });
    // What was made ahead of a join waits for its start, whatever absence ended before.
    let made_ahead = timeline.ahead.is_some()
        && state.is_created_here()
        && state.actual.status() == Some(&AccountStatus::Staged);
    let there = state.is_linked() && (!state.is_unused() || was_away) && !made_ahead;
    let lifts = |request: &ResolvedRequest| match request.terms.operation {
        Operation::Join => true,
        _ => !state.is_deleted() && (timeline.joined || there),
    };
    let (status, request) = timeline.status?;
    (status != DesiredStatus::Active || lifts(request)).then(|| context.asked(status, request))
}

fn by_inactive_record(
    context: Context<'_>,
    asked: Option<Fact<DesiredStatus>>,
    desired: &mut Desired,
) -> Option<Fact<DesiredStatus>> {
    let Context { state, policy, timeline, now, .. } = context;
    let effective = state.effective_status_origin();
    let took_effect = timeline
        .status
        .is_some_and(|(_, request)| request.closed || effective == Some(&origin_of(request)));
    if let Some(mut fact) = asked
        && !took_effect
        && fact.value == DesiredStatus::Active
    {
        fact.disposition = Disposition::Hold(HoldReason::RecordInactive);
        let (key, origin) = (FactKey::Status, fact.origin.clone());
        desired.anomalies.push(Anomaly::held(key, origin, Undecidable::RecordInactive));
        // While it waits, it keeps no account in use.
        if !state.is_linked() || state.is_unused() || state.is_deleted() {
            return Some(fact);
        }
    }
    if !state.is_linked() {
        return None;
    }
    let newest = timeline
        .order
        .iter()
        .rfind(|request| request.in_force(now) && request.terms.operation.is_lifecycle());
    let origin = newest.map_or_else(|| unrequested(state), |request| origin_of(request));
    let value = match policy.inactive_record {
        InactiveRecord::Deactivate => DesiredStatus::Deactivated,
        _ => DesiredStatus::Suspended,
    };
    let presence = state.person.presence;
    let gone = matches!(presence, Presence::Gone | Presence::Vanished);
    let disposition = match policy.inactive_record {
        // Nothing shows that the row was deleted.
        InactiveRecord::Suspend | InactiveRecord::Deactivate if presence == Presence::Vanished => {
            Disposition::Hold(HoldReason::InactiveRecord { gone })
        }
        InactiveRecord::Suspend | InactiveRecord::Deactivate => Disposition::Apply,
        InactiveRecord::Hold => Disposition::Hold(HoldReason::InactiveRecord { gone }),
        InactiveRecord::Report => Disposition::Report(ReportReason::InactiveRecord { gone }),
    };
    let fact = context.ruled(value, &Source::Record(origin), &inactive_basis(policy));
    Some(Fact { disposition, ..fact })
}

/// What nobody asked for and the configuration or the record gives: an account for everybody, and
/// an end to what an inactive record did.
fn without_request(context: Context<'_>) -> Option<Fact<DesiredStatus>> {
    let Context { state, policy, timeline, .. } = context;
    let source = Source::Record(unrequested(state));
    let active = |basis: &str| Some(context.ruled(DesiredStatus::Active, &source, basis));
    let present = state.person.presence == Presence::Present;
    // A join that is still ahead says from when on.
    if policy.accounts == Accounts::Active && present && timeline.ahead.is_none() {
        return active("lifecycle.accounts = active");
    }
    // What an inactive record did is undone on the account that it was done to: one that somebody
    // deleted meanwhile is made again for a request only.
    let lifts = was_disabled_by_record(state) && state.is_linked() && !state.is_deleted();
    if lifts { active(&inactive_basis(policy)) } else { None }
}

/// Whether the record alone put the account out of use.
fn was_disabled_by_record(state: &PersonState) -> bool {
    let known = state.known.get(&FactKey::Status);
    known.is_some_and(|fact| fact.basis.starts_with(INACTIVE_RECORD))
        || state.disabled_here().is_some_and(|last| last.cause == Cause::Record)
}

fn inactive_basis(policy: &Policy) -> String {
    format!("{INACTIVE_RECORD} = {:?}", policy.inactive_record)
}

/// A staged account for a join whose start is near.
fn staged_ahead(context: Context<'_>, desired: &mut Desired) -> Option<Fact<DesiredStatus>> {
    let Context { state, policy, timeline, now, .. } = context;
    let request = timeline.ahead?;
    let there_before = state.is_linked() && !state.is_created_here();
    if policy.create_ahead.is_zero() || there_before {
        return None;
    }
    let lead = chrono::Duration::from_std(policy.create_ahead).unwrap_or(chrono::Duration::MAX);
    let from = request.effective.checked_sub_signed(lead).unwrap_or(now);
    if from > now {
        desired.next = Some(desired.next.map_or(from, |next| next.min(from)));
        return None;
    }
    Some(context.asked(DesiredStatus::Staged, request))
}
