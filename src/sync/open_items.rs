//! What is not as it should be of whoever was decided about goes into the store, and what is new
//! among it into the log.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{HoldSet, OpenItem};
use crate::reconcile::{approve::HeldAction, person::open_action};
use crate::store::Quarantine;
use crate::sync::log::{LogThread, log_event};
use crate::sync::outcome::{ActionResult, describe_action};
use crate::sync::{deps::Deps, error::Result, plan::CyclePlan};

pub(crate) fn record_open_items(deps: &Deps, plan: &CyclePlan) -> Result<()> {
    // What comes after a dismissed action was not dismissed itself, and waits for nobody.
    let after_dismissed = |held: &&HeldAction| held.comes_after() && held.dismissed.is_some();
    let held: Vec<&HeldAction> =
        plan.approval.held.iter().filter(|held| !after_dismissed(held)).collect();
    let mut items: Vec<OpenItem> = held.iter().copied().map(open_action).collect();
    for decided in plan.decision.differing.values() {
        items.extend(decided.plan.open_differences(&decided.state));
    }
    // A release goes when its action is begun, not before.
    let released = plan.approval.approved.actions().iter().filter(|action| action.released);
    let kept: BTreeSet<String> = released.map(|action| action.planned.fingerprint()).collect();
    let (people, now) = (&plan.decision.people, deps.now());
    let news: BTreeSet<usize> = deps.store.atomically(|| {
        let transitions = deps.store.open_items().replace(people, &items, &kept, now)?;
        deps.store.decisions().releases_seen(people, &plan.past.released, now)?;
        Ok(transitions.began.into_iter().chain(transitions.changed).collect())
    })?;

    let mut sets: BTreeMap<HoldSet, usize> = BTreeMap::new();
    for (place, held) in held.into_iter().enumerate() {
        if !news.contains(&place) || held.dismissed.is_some() {
            continue;
        }
        match held.set() {
            Some(set) => *sets.entry(set).or_default() += 1,
            None => log_held(deps, plan, held)?,
        }
    }
    for (set, count) in sets {
        tracing::warn!(
            outcome = "held",
            cycle = plan.cycle.id,
            "{count} actions are held as the set {}",
            set.as_str()
        );
    }
    record_quarantine(deps, plan)
}

fn log_held(deps: &Deps, plan: &CyclePlan, held: &HeldAction) -> Result<()> {
    let action = &held.planned.action;
    let names = describe_action(&deps.store, &held.planned, ActionResult::Held, None)?;
    let thread = LogThread::of(&deps.store, &action.origin, names.person)?;
    log_event!(
        warn,
        thread,
        {
            action = action.step.name(),
            outcome = "held",
            cause = action.cause.as_str(),
            group = names.group.as_deref(),
            cycle = plan.cycle.id
        },
        "{}: held: {} of {}: {}",
        action.origin,
        action.step.name(),
        thread.person.name(),
        held.reason
    );
    Ok(())
}

fn record_quarantine(deps: &Deps, plan: &CyclePlan) -> Result<()> {
    let cycle = plan.cycle.id;
    let before = deps.store.state().quarantine()?.sets;
    let sets: Vec<HoldSet> = plan.approval.sets.iter().copied().collect();
    let reason = plan.approval.quarantined.clone();
    if sets.iter().any(|set| !before.contains(set)) {
        tracing::error!(cycle, "quarantine: {}", reason.as_deref().unwrap_or_default());
    } else if sets.is_empty() && !before.is_empty() {
        tracing::info!(cycle, "the quarantine is over");
    }
    Ok(deps.store.state().set_quarantine(&Quarantine { sets, reason })?)
}
