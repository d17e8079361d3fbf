//! After acting: whoever was touched is read again, the facts as they are now are stored, and it is
//! decided when each of them is due next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::SysId;
use crate::reconcile::planned::PlannedAction;
use crate::reconcile::requeue::{Attempted, Requeue, refused_facts, requeue, requeue_untouched};
use crate::store::StoreError;
use crate::sync::apply::{FORGOTTEN, Touched};
use crate::sync::decide::{Decided, decide_person, replace_facts};
use crate::sync::error::{Result, SyncError};
use crate::sync::{
    deps::Deps, in_doubt::resolve_in_doubt, link::link_people, names::account_of,
    observe::by_id::refresh, outcome::CycleOutcome, plan::CyclePlan, scope::Cycle,
    waiting::describe_waiting,
};

/// How long an activation or deactivation may take before it is left to the next cycle.
const TRANSITION: Duration = Duration::from_secs(15);

pub(crate) async fn settle(
    deps: &Deps,
    plan: &CyclePlan,
    touched: &Touched,
    outcome: &mut CycleOutcome,
) -> Result<()> {
    let now = deps.now();
    let mut unseen = BTreeSet::new();
    for person in &touched.people {
        let Err(error) = refresh_settled(deps, &plan.cycle, person).await else { continue };
        let SyncError::Okta(error) = error else { return Err(error) };
        // What was done is done: it stays in the outcome, and the person stays in the queue.
        tracing::warn!(sys_id = %person, "what was done could not be looked at: {error}");
        outcome.summary.failed += 1;
        unseen.insert(person.clone());
    }
    let seen: Vec<SysId> = touched.people.difference(&unseen).cloned().collect();
    // Approved and not acted on: we were told to stop before their turn came, or writing is paused.
    let mut unbegun: BTreeMap<&SysId, u32> = BTreeMap::new();
    for approved in plan.approval.approved.actions() {
        *unbegun.entry(&approved.planned.action.person).or_default() += 1;
    }
    let limited = plan.approval.held.iter().filter(|held| held.reason.slides());
    let limited: BTreeSet<&SysId> = limited.map(|held| &held.planned.action.person).collect();
    // One commit for everybody: each would wait for the disk.
    deps.store.atomically(|| {
        // An account whose creation had no answer is there now, and somebody's.
        link_people(deps, &plan.cycle, &seen)?;
        for (id, before) in &plan.decision.differing {
            if !touched.people.contains(id) {
                let unbegun = unbegun.get(id).copied().unwrap_or_default();
                // What a pause left is called by its end, so nothing is gained by looking sooner.
                let left = if outcome.paused.is_some() { unbegun } else { 0 };
                let waits = limited.contains(id) || left > 0;
                let next = requeue_untouched(&before.plan, waits, unbegun > left, now);
                deps.store.queue().complete(id, next)?;
                deps.store.queue().leave_by_pause(id, left)?;
                replace_facts(deps, id, &before.plan)?;
            } else if !unseen.contains(id) {
                settle_person(deps, plan, touched, id, outcome)?;
            }
        }
        Ok(())
    })?;
    describe_waiting(deps, plan, outcome)
}

fn settle_person(
    deps: &Deps,
    plan: &CyclePlan,
    touched: &Touched,
    id: &SysId,
    outcome: &mut CycleOutcome,
) -> Result<(), StoreError> {
    resolve_in_doubt(deps, id)?;
    let Some(Decided { plan: after, .. }) = decide_person(deps, id, &plan.org)? else {
        return Ok(());
    };
    replace_facts(deps, id, &after)?;
    let left = after.actions.iter().map(PlannedAction::fingerprint).collect();
    deps.store.open_items().end_other_actions(id, &left)?;
    for difference in after.differences.iter().filter(|it| it.has_no_way()) {
        let origin = &difference.origin;
        tracing::error!(
            request = %origin,
            sys_id = %id,
            "{origin}: {} cannot be carried out: {}",
            difference.desired.as_deref().unwrap_or("this"),
            difference.reason()
        );
    }
    let attempted = attempted(plan, touched, id);
    for (key, why) in refused_facts(&after, &attempted) {
        deps.store.facts().refuse(id, &key, &why)?;
    }
    let mut failures = BTreeMap::new();
    for planned in &after.actions {
        let since = deps.now() - FORGOTTEN;
        let (times, _) = deps.store.journal().failures_before(&planned.action, i64::MAX, since)?;
        failures.insert(planned.fingerprint(), times);
    }
    let Requeue { at, left } = requeue(&after, &attempted, deps.now(), |planned| {
        failures.get(&planned.fingerprint()).copied().unwrap_or_default()
    });
    // Okta said yes, and yet it is not so: that is not agreement.
    outcome.summary.planned += left;
    deps.store.queue().complete(id, [after.next, at].into_iter().flatten().min())
}

fn attempted(plan: &CyclePlan, touched: &Touched, id: &SysId) -> Attempted {
    // What stood in an action's own way may be gone; what the guard held, it would hold again.
    let held = plan.approval.held.iter();
    let held = held.filter(|held| held.planned.action.person == *id && held.planned.is_open());
    Attempted {
        held: held.map(|held| (held.planned.fingerprint(), held.reason.slides())).collect(),
        ..touched.attempts.get(id).cloned().unwrap_or_default()
    }
}

/// Reads until no change is on its way any more, for a bounded time.
async fn refresh_settled(deps: &Deps, cycle: &Cycle, person: &SysId) -> Result<()> {
    let deadline = tokio::time::Instant::now() + TRANSITION;
    let mut pause = Duration::from_millis(200);
    loop {
        refresh(deps, cycle, person).await?;
        let account = account_of(&deps.store, person)?;
        let moving = account.is_some_and(|account| account.transitioning.is_some());
        if !moving || tokio::time::Instant::now() + pause > deadline {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
