//! `[targets]`: how long joins and leaves take from *in force* to *done*, and what is late.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{
    AccountStatus, Approval, OpenItem, Operation, Request, RequestNumber, ResolvedRequest, SysId,
    Timestamp, gather,
};
use crate::policy::resolve::{starts, word};
use crate::policy::{ApprovalSource, RequestRule};
use crate::reconcile::fulfillment::RequestStatus;
use crate::reconcile::latency::{Lateness, lateness};
use crate::store::{Late, StoreError, StoredRequest};
use crate::sync::log::{LogThread, log_event};
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
        deps.store.deadlines().start(id, Some(person), operation, in_force)?;
    }
    Ok(deps.store.deadlines().known(id)?)
}

/// The same for a request that cannot be carried out as it stands: nothing else would tell that it
/// is late. Where its date cannot be read, it is due since its approval.
pub(crate) fn start_timer_unresolved(
    deps: &Deps,
    stored: &StoredRequest,
    rule: &RequestRule,
) -> Result<()> {
    let (id, policy) = (&stored.request.sys_id, &deps.config.policy);
    let measured = matches!(rule.operation, Operation::Join | Operation::Leave);
    let known = deps.store.requests().resolved(id)?.is_some();
    if !measured || known || rule.observe || policy.observe || stored.closed_before_first_seen {
        return Ok(());
    }
    let Some(approved) = deps.store.requests().approved_at(id)? else { return Ok(()) };
    let text = stored.request_text.clone().or_else(|| word(rule, &stored.request).ok());
    let date = text.and_then(|text| starts(&text, policy.timezone).ok().flatten());
    let in_force = approved.max(date.unwrap_or(approved));
    Ok(deps.store.deadlines().start(id, None, rule.operation, in_force)?)
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
        let Some(person) = &late.person else { continue };
        let done = match late.operation {
            Operation::Leave => match account_of(&deps.store, person)? {
                Some(account) => account.status == AccountStatus::Deprovisioned,
                // There may be one that the credentials do not see.
                None => matches!(status, RequestStatus::Done) || !deps.is_blind()?,
            },
            _ => {
                matches!(status, RequestStatus::Done)
                    || deps.store.facts().were_in_sync(number, person)?
            }
        };
        if done {
            let at = deps.store.journal().last_applied(number, person, late.in_force)?;
            deps.store.deadlines().stop(id, person, at.unwrap_or(now))?;
        }
    }
    Ok(())
}

/// Logs of each join and leave that is not done when its target is about to be missed, and when it
/// is: an ERROR for a leave, again every quarter of an hour while that lasts, a WARN for a join,
/// once. Leaves that wait in one set are one ERROR.
pub fn watch_deadlines(deps: &Deps) -> Result<()> {
    let now = deps.now();
    let mut of_sets: BTreeMap<String, Vec<(Late, StoredRequest, Obstacle)>> = BTreeMap::new();
    let open = deps.store.deadlines().open()?.into_iter();
    let news: Vec<(Late, u8)> =
        open.filter_map(|late| to_say(deps, &late, now).map(|level| (late, level))).collect();
    // Thousands may wait: they are read once, and only where there is something to say.
    let mut waiting = if news.is_empty() { Waiting::new() } else { waiting(deps)? };
    for (late, level) in news {
        let Some(stored) = deps.store.requests().get(&late.request)? else { continue };
        // A cycle that still works on others may have disabled the account already.
        let number = &stored.request.reference.number;
        if late.operation == Operation::Leave
            && let Some(person) = &late.person
            && deps.store.journal().was_deactivated(number, person, late.in_force)?
        {
            continue;
        }
        deps.store.deadlines().set_warned(&late, level, now)?;
        match waiting.remove(&(late.person.clone(), number.clone())) {
            Some(held) if level == BREACHED && late.operation == Operation::Leave => {
                // What waits by itself is a set of one.
                let alone = || stored.request.reference.number.to_string();
                let set = held.set.clone().map_or_else(alone, |(set, _)| set);
                of_sets.entry(set).or_default().push((late, stored, held));
            }
            held => log_late(deps, &late, &stored, level == BREACHED, held)?,
        }
    }
    for late in of_sets.into_values() {
        match late.as_slice() {
            [(only, stored, held)] => log_late(deps, only, stored, true, Some(held.clone()))?,
            late => log_late_set(deps, late),
        }
    }
    Ok(())
}

/// [`Late::said`] where the target is missed.
const BREACHED: u8 = 2;
/// A leave that is late wakes somebody again after this.
const SAID_AGAIN: chrono::Duration = chrono::Duration::minutes(15);

/// How much of a target there is to say now that was not said.
fn to_say(deps: &Deps, late: &Late, now: Timestamp) -> Option<u8> {
    let level = match lateness(late.in_force, now, target_of(deps, late)) {
        Lateness::InTime => 0,
        Lateness::AtRisk => 1,
        Lateness::Breached => BREACHED,
    };
    let again = level == BREACHED
        && late.operation == Operation::Leave
        && late.said_at.is_none_or(|at| now - at >= SAID_AGAIN);
    (level > late.said || again).then_some(level)
}

fn target_of(deps: &Deps, late: &Late) -> Duration {
    let targets = &deps.config.targets;
    if late.operation == Operation::Leave { targets.leave } else { targets.join }
}

/// Of each person and request, what stands in the way first.
type Waiting = BTreeMap<(Option<SysId>, RequestNumber), Obstacle>;

/// What stands in the way of a leave or a join.
#[derive(Debug, Clone)]
struct Obstacle {
    /// The set of all that the same stands in the way of, and the command that lists it.
    set: Option<(String, String)>,
    /// As the end of a sentence.
    text: String,
}

fn waiting(deps: &Deps) -> Result<Waiting, StoreError> {
    let items = deps.store.open_items();
    let mut found: Vec<(OpenItem, Option<(String, String)>)> = Vec::new();
    for it in items.waiting(deps.now())? {
        let listed = |set: String| (set.clone(), format!("goldthread hold list {set}"));
        found.push((it.stored.item, it.set.map(|cause| listed(cause.set))));
    }
    // What a decision can be made about is said before what none can end.
    found.sort_by_key(|(item, _)| item.action.is_none() || !item.disposition.is_hold());
    let (sets, alone) = gather(items.stuck()?, |stored| &stored.item);
    found.extend(alone.into_iter().map(|stored| (stored.item, None)));
    for (cause, members) in sets {
        let listed = (cause.set, "goldthread requests --stuck".to_owned());
        found.extend(members.into_iter().map(|it| (it.item, Some(listed.clone()))));
    }
    let mut waiting = Waiting::new();
    for (item, set) in found {
        let Some(request) = item.origin.request() else { continue };
        let word = if item.disposition.is_hold() { "held" } else { "cannot be done" };
        let obstacle = Obstacle { set, text: format!("{word}: {}", item.reason()) };
        waiting.entry((item.person().cloned(), request.number.clone())).or_insert(obstacle);
    }
    Ok(waiting)
}

fn log_late_set(deps: &Deps, late: &[(Late, StoredRequest, Obstacle)]) {
    let Some((first, stored, obstacle)) = late.first() else { return };
    let target = whole(target_of(deps, first));
    let (count, number, text) = (late.len(), &stored.request.reference.number, &obstacle.text);
    let all = obstacle.set.as_ref().map(|(_, command)| format!("; all: {command}"));
    tracing::error!(
        outcome = "breached",
        "{count} leaves have missed their target of {target}: {text}; the first is {number}{}",
        all.unwrap_or_default()
    );
}

fn whole(span: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(span.as_secs()))
}

fn log_late(
    deps: &Deps,
    late: &Late,
    stored: &StoredRequest,
    breached: bool,
    waits: Option<Obstacle>,
) -> Result<()> {
    let number = &stored.request.reference.number;
    let person = late.person.as_ref().map(|id| names_of(&deps.store, id)).transpose()?;
    let person = person.unwrap_or_default();
    let why = match (waits, stored.problems.first(), deps.store.brake().in_force()?) {
        (Some(held), _, _) => held.text,
        (None, Some((_, problem)), _) => format!("held: {problem}"),
        (None, None, Some(pause)) => format!("{pause}"),
        (None, None, None) => "not done yet".to_owned(),
    };
    let waited = whole((deps.now() - late.in_force).to_std().unwrap_or_default());
    let of_whom = match &late.person {
        Some(_) => format!(" of {}", person.name()),
        None => String::new(),
    };
    let text = format!(
        "{number}: the {}{of_whom} {} its target of {}: in force for {waited}, {why}",
        late.operation.as_str(),
        if breached { "has missed" } else { "is about to miss" },
        whole(target_of(deps, late))
    );
    let outcome = if breached { "breached" } else { "late" };
    let thread = LogThread { person, ..LogThread::of_request(&deps.store, &stored.request)? };
    if late.operation == Operation::Leave {
        log_event!(error, thread, { outcome }, "{text}");
    } else {
        log_event!(warn, thread, { outcome }, "{text}");
    }
    Ok(())
}
