//! After acting: whoever was touched is read again, the facts as they are now are stored, and it is
//! decided when each of them is due next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{FactKey, Step, SysId, Timestamp};
use crate::reconcile::diff::{Disposition, Drift};
use crate::reconcile::guard::{Held, key_text};
use crate::reconcile::plan::{Gate, Planned};
use crate::reconcile::retry::pause_after;
use crate::store::StoreError;
use crate::sync::apply::{Touched, failures_before};
use crate::sync::decide::{Judged, judge, replace_facts};
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::in_doubt::resolve_in_doubt;
use crate::sync::link::link_people;
use crate::sync::observe::by_id::refresh;
use crate::sync::outcome::CycleOutcome;
use crate::sync::plan::CyclePlan;
use crate::sync::scope::Cycle;
use crate::sync::waiting::describe_waiting;

/// How long an activation or deactivation may take before it is left to the next cycle.
const TRANSITION: Duration = Duration::from_secs(15);
/// Limits slide with time, so whoever waits for one is due again after this.
const LIMIT_PAUSE: chrono::Duration = chrono::Duration::minutes(15);

/// Reads whoever was acted on again, stores the facts as they are now, and puts down when everybody
/// who differs is due next.
pub(crate) async fn settle(
    deps: &Deps,
    plan: &CyclePlan,
    touched: &Touched,
    outcome: &mut CycleOutcome,
) -> Result<(), SyncError> {
    let now = deps.now();
    let unseen = read_back(deps, plan, touched, outcome).await?;
    let seen: Vec<SysId> = touched.people.difference(&unseen).cloned().collect();
    // One commit for everybody: each would wait for the disk.
    deps.store.atomically(|| {
        // An account whose creation had no answer is there now, and somebody's.
        link_people(deps, &plan.cycle, &seen)?;
        let waiting = Waiting::of(plan, touched);
        for (id, before) in &plan.decision.differing {
            if !touched.people.contains(id) {
                let next = [before.desired.next, waiting.again(before, now)];
                deps.store.queue().complete(id, next.into_iter().flatten().min())?;
                replace_facts(deps, before, &plan.surroundings)?;
            } else if !unseen.contains(id) {
                settle_person(deps, plan, touched, id, outcome)?;
            }
        }
        Ok(())
    })?;
    describe_waiting(deps, plan, outcome)
}

/// Reads whoever was acted on again, and gives those who could not be read.
async fn read_back(
    deps: &Deps,
    plan: &CyclePlan,
    touched: &Touched,
    outcome: &mut CycleOutcome,
) -> Result<BTreeSet<SysId>, SyncError> {
    let mut unseen = BTreeSet::new();
    for person in &touched.people {
        match refresh_settled(deps, &plan.cycle, person).await {
            Ok(()) => {}
            // What was done is done: it stays in the outcome, and the person stays in the queue.
            Err(SyncError::Okta(error)) => {
                tracing::warn!(sys_id = %person, "what was done could not be looked at: {error}");
                outcome.summary.failed += 1;
                unseen.insert(person.clone());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(unseen)
}

/// Who was not acted on, though something of them was to be done.
struct Waiting<'a> {
    /// We were told to stop before their turn came.
    unbegun: BTreeSet<&'a SysId>,
    /// A limit holds something of theirs.
    limited: BTreeSet<&'a SysId>,
}

impl<'a> Waiting<'a> {
    fn of(plan: &'a CyclePlan, touched: &Touched) -> Self {
        let approved = plan.verdict.approved.actions().iter();
        let limited = plan.verdict.held.iter().filter(|held| held.limited);
        Self {
            unbegun: approved
                .map(|approved| &approved.planned.action.person)
                .filter(|person| !touched.people.contains(*person))
                .collect(),
            limited: limited.map(|held| &held.planned.action.person).collect(),
        }
    }

    /// When somebody who was not acted on is due again.
    fn again(&self, judged: &Judged, now: Timestamp) -> Option<Timestamp> {
        let id = &judged.person.sys_id;
        if self.unbegun.contains(id) {
            return Some(now);
        }
        // Limits slide, and what stands in the way elsewhere may be gone.
        let waits = self.limited.contains(id) || judged.drifts.iter().any(Drift::is_stuck);
        waits.then(|| now + LIMIT_PAUSE)
    }
}

/// Decides anew about somebody who was acted on, now that they were read again.
fn settle_person(
    deps: &Deps,
    plan: &CyclePlan,
    touched: &Touched,
    id: &SysId,
    outcome: &mut CycleOutcome,
) -> Result<(), StoreError> {
    resolve_in_doubt(deps, id)?;
    let Some(judged) = judge(deps, id, &plan.surroundings)? else { return Ok(()) };
    replace_facts(deps, &judged, &plan.surroundings)?;
    let left = judged.actions.iter().map(Planned::fingerprint).collect();
    deps.store.holds().end_others(id, &left)?;
    for drift in judged.drifts.iter().filter(|drift| drift.has_no_way()) {
        tracing::error!(
            request = %drift.origin,
            sys_id = %id,
            "{}: {} cannot be carried out: {}",
            drift.origin,
            drift.desired.as_deref().unwrap_or("this"),
            drift.reason
        );
    }
    record_refusals(deps, &judged, touched)?;
    let again = requeue_at(deps, &judged, plan, touched, outcome)?;
    let next = [judged.desired.next, again].into_iter().flatten().min();
    deps.store.queue().complete(id, next)
}

/// Remembers what Okta refused, and what it took and does not show: sent again, it would end
/// the same way.
fn record_refusals(deps: &Deps, judged: &Judged, touched: &Touched) -> Result<(), StoreError> {
    let id = &judged.person.sys_id;
    let mut reasons: BTreeMap<&FactKey, &str> = BTreeMap::new();
    for drift in judged.drifts.iter().filter(|d| d.disposition == Disposition::Apply) {
        if matches!(drift.key, FactKey::Profile(_))
            && touched.done.contains(&(id.clone(), drift.key.clone()))
        {
            reasons.insert(&drift.key, "Okta took the value and shows another one");
        }
    }
    for (key, why) in touched.refused.get(id).into_iter().flatten() {
        reasons.insert(key, why);
    }
    for (key, why) in reasons {
        // Making an account is what its status asks for.
        let key = if *key == FactKey::Account { &FactKey::Status } else { key };
        deps.store.facts().refuse(id, &key_text(key), &format!("Okta refused it: {why}"))?;
    }
    Ok(())
}

/// When somebody is due again whose differences are not all gone, though nothing
/// stands in the way.
fn requeue_at(
    deps: &Deps,
    judged: &Judged,
    plan: &CyclePlan,
    touched: &Touched,
    outcome: &mut CycleOutcome,
) -> Result<Option<Timestamp>, StoreError> {
    let id = &judged.person.sys_id;
    let refused = touched.refused.get(id);
    // The guard held it, and would again. What its own gate held may be open by now.
    let held: BTreeMap<String, &Held> = plan
        .verdict
        .held
        .iter()
        .filter(|held| held.planned.action.person == *id && held.planned.gate == Gate::Open)
        .map(|held| (held.planned.fingerprint(), held))
        .collect();
    let waits: Vec<&Held> = judged
        .actions
        .iter()
        .filter_map(|planned| held.get(&planned.fingerprint()).copied())
        .collect();
    // Sessions are cleared once: doing it over and over would not suspend anybody.
    let left: Vec<&Planned> = judged
        .actions
        .iter()
        .filter(|planned| planned.gate == Gate::Open && planned.action.step != Step::ClearSessions)
        .filter(|planned| !held.contains_key(&planned.fingerprint()))
        .filter(|planned| {
            !planned
                .keys
                .iter()
                .any(|key| refused.is_some_and(|refused| refused.iter().any(|(it, _)| it == key)))
        })
        .collect();
    // Okta said yes, and yet it is not so: that is not agreement.
    outcome.summary.planned += left.len();
    let is_done = |key: &FactKey| touched.done.contains(&(id.clone(), key.clone()));
    let pause = left.iter().all(|planned| planned.keys.iter().any(is_done));
    Ok(match left.as_slice() {
        [] => waits.iter().any(|held| held.limited).then(|| deps.now() + LIMIT_PAUSE),
        // It was done and does not show: now would be too soon to do it again.
        _ if pause => Some(deps.now() + LIMIT_PAUSE),
        _ => {
            let mut pauses = Vec::new();
            for planned in left {
                let (times, _) = failures_before(deps, &planned.action, i64::MAX)?;
                // What only waits for another step has not failed.
                if times > 0 {
                    pauses.push(pause_after(times, planned.action.step.disables()));
                }
            }
            Some(deps.now() + pauses.into_iter().min().unwrap_or_default())
        }
    })
}

/// Reads until no change is on its way any more, for a bounded time.
async fn refresh_settled(deps: &Deps, cycle: &Cycle, person: &SysId) -> Result<(), SyncError> {
    let deadline = tokio::time::Instant::now() + TRANSITION;
    let mut pause = Duration::from_millis(200);
    loop {
        refresh(deps, cycle, person).await?;
        let link = deps.store.links().account_of(person)?;
        let account = link.as_ref().map(|id| deps.store.accounts().get(id)).transpose()?.flatten();
        let moving = account.is_some_and(|account| account.transitioning.is_some());
        if !moving || tokio::time::Instant::now() + pause > deadline {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
