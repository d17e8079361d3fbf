//! `[targets]`: how long joins and leaves take from *in force* to *done*, and what is late.

use std::time::Duration;

use crate::model::{
    AccountStatus, Approval, Operation, Request, RequestNumber, RequestRef, ResolvedRequest, SysId,
    Timestamp,
};
use crate::policy::ApprovalSource;
use crate::reconcile::fulfillment::RequestStatus;
use crate::reconcile::latency::{Lateness, lateness};
use crate::store::{Late, StoredRequest};
use crate::sync::names::{account_of, names_of};
use crate::sync::{deps::Deps, error::Result};

/// What was measured is kept and summed up this long.
pub(crate) const MEASURED: chrono::Duration = chrono::Duration::days(30);

/// When a request was approved that was just seen to be. The row tells it, where it is the
/// row's own approval: nothing else changed it since, or it would have been seen before.
pub(crate) fn record_approval(deps: &Deps, request: &Request, by: ApprovalSource) -> Result<()> {
    let now = deps.now();
    let changed = chrono::NaiveDateTime::parse_from_str(&request.updated_on, "%Y-%m-%d %H:%M:%S")
        .map(|at| at.and_utc());
    let at = match (by, changed) {
        (ApprovalSource::Item, Ok(at)) => at.min(now),
        _ => now,
    };
    Ok(deps.store.requests().set_approved_at(&request.sys_id, at)?)
}

/// Measures a join or leave from now on: what takes long because a side is down is late as well.
pub(crate) fn start_timer(deps: &Deps, id: &SysId, resolved: &ResolvedRequest) -> Result<()> {
    let operation = resolved.terms.operation;
    if resolved.observe || deps.config.policy.observe {
        return Ok(deps.store.deadlines().cancel(id)?);
    }
    if !matches!(operation, Operation::Join | Operation::Leave)
        || resolved.approval != Approval::Approved
        || resolved.closed_before_first_seen
    {
        return Ok(());
    }
    let Some(approved) = deps.store.requests().approved_at(id)? else { return Ok(()) };
    let in_force = approved.max(resolved.terms.starts.unwrap_or(approved));
    for person in &resolved.terms.people {
        deps.store.deadlines().start(id, person, operation, in_force)?;
    }
    Ok(())
}

pub(crate) fn update_deadlines(
    deps: &Deps,
    stored: &StoredRequest,
    status: &RequestStatus,
) -> Result<()> {
    let id = &stored.request.sys_id;
    if matches!(status, RequestStatus::Overtaken) {
        return Ok(deps.store.deadlines().cancel(id)?);
    }
    let now = deps.now();
    for late in deps.store.deadlines().of(id)?.into_iter().filter(|late| late.in_force <= now) {
        let number = stored.request.reference.number.as_str();
        let done = match late.operation {
            Operation::Leave => account_of(&deps.store, &late.person)?
                .is_none_or(|account| account.status == AccountStatus::Deprovisioned),
            _ => {
                matches!(status, RequestStatus::Done)
                    || deps.store.facts().were_in_sync(number, &late.person)?
            }
        };
        if done {
            let at = deps.store.journal().last_applied(number, &late.person, late.in_force)?;
            deps.store.deadlines().stop(id, &late.person, at.unwrap_or(now))?;
        }
    }
    Ok(())
}

/// Logs of each join and leave that is not done when its target is about to be missed, and when it
/// is: an ERROR for a leave, a WARN for a join, once each.
pub fn watch_deadlines(deps: &Deps) -> Result<()> {
    let (now, targets) = (deps.now(), &deps.config.targets);
    for late in deps.store.deadlines().open()? {
        let is_leave = late.operation == Operation::Leave;
        let target = if is_leave { targets.leave } else { targets.join };
        let level = match lateness(late.in_force, now, target) {
            Lateness::InTime => 0,
            Lateness::AtRisk => 1,
            Lateness::Breached => 2,
        };
        if level <= late.said {
            continue;
        }
        let Some(stored) = deps.store.requests().get(&late.request)? else { continue };
        let number = &stored.request.reference.number;
        // A cycle that still works on others may have disabled the account already.
        if !is_leave
            || !deps.store.journal().was_deactivated(number, &late.person, late.in_force)?
        {
            log_late(deps, &late, &stored, level == 2, target, now)?;
            deps.store.deadlines().set_warned(&late, level)?;
        }
    }
    Ok(())
}

fn log_late(
    deps: &Deps,
    late: &Late,
    stored: &StoredRequest,
    breached: bool,
    target: Duration,
    now: Timestamp,
) -> Result<()> {
    let RequestRef { number, parent } = &stored.request.reference;
    let person = names_of(&deps.store, &late.person)?;
    let waits = deps.store.open_items().actions(now)?.into_iter().find(|held| {
        held.person == late.person && held.origin.request().is_some_and(|it| it.number == *number)
    });
    let why = match (waits, stored.problems.first(), deps.store.brake().in_force()?) {
        (Some(held), _, _) => format!("held: {}", held.reason),
        (None, Some((_, problem)), _) => format!("held: {problem}"),
        (None, None, Some(pause)) => format!("{pause}"),
        (None, None, None) => "not done yet".to_owned(),
    };
    let whole = |span: Duration| humantime::format_duration(Duration::from_secs(span.as_secs()));
    let waited = whole((now - late.in_force).to_std().unwrap_or_default());
    let text = format!(
        "{number}: the {} of {} {} its target of {}: in force for {waited}, {why}",
        late.operation.as_str(),
        person.name(),
        if breached { "has missed" } else { "is about to miss" },
        whole(target)
    );
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                request = %number,
                parent = parent.as_ref().map(RequestNumber::as_str),
                outcome = if breached { "breached" } else { "late" },
                login = person.login.as_deref(),
                sys_id = %late.person,
                okta_user = person.okta_id.as_deref(),
                "{text}"
            )
        };
    }
    if late.operation == Operation::Leave {
        event!(error);
    } else {
        event!(warn);
    }
    Ok(())
}
