//! After acting: whoever was touched is read again, the facts as they are now are stored, and it is
//! decided when each of them is due next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::SysId;
use crate::reconcile::open::{Judgement, open_items};
use crate::reconcile::requeue::{Attempted, refused_facts, requeue, requeue_untouched};
use crate::reconcile::retry::FORGOTTEN;
use crate::store::StoreError;
use crate::sync::apply::Acted;
use crate::sync::decide::{Decided, decide_person, replace_facts};
use crate::sync::error::{Result, SyncError};
use crate::sync::log::{LogThread, log_event};
use crate::sync::{
    deps::Deps, in_doubt::resolve_in_doubt, link::link_people, names::account_of,
    observe::by_id::refresh, outcome::CycleOutcome, plan::CyclePlan, record::record_after,
    scope::Cycle,
};

/// How long an activation or deactivation may take before it is left to the next cycle.
const TRANSITION: Duration = Duration::from_secs(15);

/// What is left of a person's approved actions that were not begun.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Left {
    pub(crate) unbegun: u32,
    /// A pause kept them from being begun: its end calls whoever it left something of.
    pub(crate) by_pause: bool,
}

/// Looks again at somebody who was acted on, and keeps how they are now.
pub(crate) async fn settle(
    deps: &Deps,
    plan: &CyclePlan,
    person: &SysId,
    acted: &Acted,
    outcome: &mut CycleOutcome,
) -> Result<()> {
    let alone = BTreeSet::from([person.clone()]);
    if !acted.touched {
        let left = Left { unbegun: acted.unbegun, by_pause: outcome.paused.is_some() };
        return settle_untouched(deps, plan, &alone, left);
    }
    let seen = match refresh_settled(deps, &plan.cycle, person).await {
        Ok(()) => true,
        Err(SyncError::Okta(error)) => {
            // What was done is done: it stays in the outcome, and the person stays in the queue.
            let thread = LogThread::of_person(&deps.store, person)?;
            log_event!(
                warn,
                thread,
                { outcome = "failed", cycle = plan.cycle.id },
                "what was done for {} could not be looked at: {error}",
                thread.person.name()
            );
            outcome.summary.failed += 1;
            false
        }
        Err(error) => return Err(error),
    };
    let mut items = Vec::new();
    deps.store.atomically(|| {
        if seen {
            // An account whose creation had no answer is there now, and somebody's.
            link_people(deps, &plan.cycle, std::slice::from_ref(person))?;
            settle_person(deps, plan, person, &acted.attempted)?;
        }
        // Decided by what is remembered by now, as the next cycle would.
        let refused = [(person, &acted.attempted.refused)];
        let judgement = Judgement::about(&plan.approval, |it| it == person).with_refusals(refused);
        let after = decide_person(deps, person, &plan.org)?;
        items.extend(after.iter().flat_map(|it| open_items(person, &it.plan, &judgement)));
        Ok(())
    })?;
    record_after(deps, &plan.cycle, &alone, items, &alone)
}

/// Keeps what is open of those to whom nothing was done, and when they are decided about again.
pub(crate) fn settle_untouched(
    deps: &Deps,
    plan: &CyclePlan,
    people: &BTreeSet<SysId>,
    left: Left,
) -> Result<()> {
    let now = deps.now();
    let limited = plan.approval.held.iter().filter(|held| held.reason.slides());
    let limited: BTreeSet<&SysId> = limited.map(|held| &held.planned.action.person).collect();
    let judgement = Judgement::about(&plan.approval, |person| people.contains(person));
    let mut items = Vec::new();
    // One commit for everybody: each would wait for the disk.
    deps.store.atomically(|| {
        for id in people {
            let Some(before) = plan.decision.differing.get(id) else { continue };
            // What a pause left is called by its end, so nothing is gained by looking sooner.
            let by_pause = if left.by_pause { left.unbegun } else { 0 };
            let waits = limited.contains(id) || by_pause > 0;
            let next = requeue_untouched(&before.plan, waits, left.unbegun > by_pause, now);
            let unreadable = deps.store.unreadable().of_person(id)?;
            let next = unreadable.map(|it| it.next_try).or(next);
            deps.store.queue().complete(id, next)?;
            deps.store.queue().leave_by_pause(id, by_pause)?;
            if plan.cycle.left_out.borrow_mut().remove(id) {
                deps.store.queue().enqueue_at_once(id)?;
            }
            replace_facts(deps, id, &before.plan)?;
            items.extend(open_items(id, &before.plan, &judgement));
        }
        Ok(())
    })?;
    record_after(deps, &plan.cycle, people, items, &BTreeSet::new())
}

/// Remembers how the person is now, and when to look again.
fn settle_person(
    deps: &Deps,
    plan: &CyclePlan,
    id: &SysId,
    attempted: &Attempted,
) -> Result<(), StoreError> {
    resolve_in_doubt(deps, id)?;
    let Some(Decided { plan: after, .. }) = decide_person(deps, id, &plan.org)? else {
        return Ok(());
    };
    let attempted = with_held(plan, attempted, id);
    replace_facts(deps, id, &after)?;
    for (key, why) in refused_facts(&after, &attempted) {
        deps.store.facts().refuse(id, &key, &why)?;
    }
    let mut failures = BTreeMap::new();
    for planned in &after.actions {
        let since = deps.now() - FORGOTTEN;
        let (times, _) = deps.store.journal().failures_before(&planned.action, i64::MAX, since)?;
        failures.insert(planned.fingerprint(), times);
    }
    let again = requeue(&after, &attempted, deps.now(), |planned| {
        failures.get(&planned.fingerprint()).copied().unwrap_or_default()
    });
    let unreadable = deps.store.unreadable().of_person(id)?.map(|it| it.next_try);
    let next = [after.next, again, unreadable].into_iter().flatten().min();
    deps.store.queue().complete(id, next)?;
    // Everybody was decided about meanwhile, by what is new since this one was.
    if plan.cycle.left_out.borrow_mut().remove(id) {
        deps.store.queue().enqueue_at_once(id)?;
    }
    Ok(())
}

fn with_held(plan: &CyclePlan, attempted: &Attempted, id: &SysId) -> Attempted {
    // What stood in an action's own way may be gone; what the guard held, it would hold again.
    let held = plan.approval.held.iter();
    let held = held.filter(|held| held.planned.action.person == *id && held.planned.is_open());
    Attempted {
        held: held.map(|held| (held.planned.fingerprint(), held.reason.slides())).collect(),
        ..attempted.clone()
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
