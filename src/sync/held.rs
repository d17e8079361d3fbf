//! Remembering what needs a decision of a person, and saying what of it is new.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Action;
use crate::reconcile::approve::HeldAction;
use crate::store::NewHold;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::outcome::{ActionResult, describe_action};
use crate::sync::plan::CyclePlan;

/// Replaces what was held by what is held now, and warns of what is new among it.
pub(crate) fn replace_holds(deps: &Deps, plan: &CyclePlan) -> Result<(), SyncError> {
    let mut holds = Vec::new();
    // What follows a dismissed action was not dismissed itself, and waits for nobody.
    let follows_dismissed = |held: &&HeldAction| held.comes_after() && held.dismissed.is_some();
    for held in plan.approval.held.iter().filter(|held| !follows_dismissed(held)) {
        let view = describe_action(
            &deps.store,
            &held.planned,
            ActionResult::Held,
            Some(held.reason.to_string()),
        )?;
        let Action { person, step, origin, cause, .. } = &held.planned.action;
        let hold = NewHold {
            fingerprint: held.planned.fingerprint(),
            person: person.clone(),
            action: step.name().to_owned(),
            group: step.group().cloned(),
            groups: view.groups.clone(),
            request: origin.to_string(),
            parent: view.parent.clone(),
            cause: *cause,
            changes: serde_json::to_string(&view.changes).unwrap_or_default(),
            reason: held.reason.to_string(),
            set: held.set().map(|set| set.as_str().to_owned()),
        };
        holds.push((hold, view, held.dismissed.is_some()));
    }
    let people = &plan.decision.people;
    let rows: Vec<NewHold> = holds.iter().map(|(hold, ..)| hold.clone()).collect();
    // A release goes when its action is begun, not before.
    let approved = plan.approval.approved.actions().iter().filter(|action| action.released);
    let kept: BTreeSet<String> = approved.map(|approved| approved.planned.fingerprint()).collect();
    let now = deps.now();
    let news: BTreeSet<String> = deps.store.atomically(|| {
        let news = deps.store.holds().replace(people, &rows, &kept, now)?;
        deps.store.holds().releases_seen(people, &plan.past.released, now)?;
        Ok(news.into_iter().collect())
    })?;
    let is_new = |hold: &NewHold| news.contains(&hold.fingerprint);

    let mut sets: BTreeMap<&str, usize> = BTreeMap::new();
    for (hold, view, _) in holds.iter().filter(|(hold, _, quiet)| is_new(hold) && !quiet) {
        if let Some(set) = &hold.set {
            *sets.entry(set).or_default() += 1;
            continue;
        }
        tracing::warn!(
            request = hold.request,
            parent = hold.parent.as_deref(),
            action = hold.action,
            outcome = "held",
            cause = hold.cause.as_str(),
            login = view.person.login.as_deref(),
            sys_id = %hold.person,
            group = view.group.as_deref(),
            cycle = plan.cycle.id,
            "{}: held: {} of {}: {}",
            hold.request,
            hold.action,
            view.person.name(),
            hold.reason
        );
    }
    for (set, count) in sets {
        tracing::warn!(
            outcome = "held",
            cycle = plan.cycle.id,
            "{count} actions are held as the set {set}"
        );
    }
    record_quarantine(deps, plan)
}

/// Records whether whole kinds of action are held, and logs when that begins, changes and ends.
fn record_quarantine(deps: &Deps, plan: &CyclePlan) -> Result<(), SyncError> {
    let cycle = plan.cycle.id;
    let now = plan.approval.quarantined.as_deref().unwrap_or("");
    let before = deps.store.state().get("quarantined-sets")?.unwrap_or_default();
    let sets = &plan.approval.sets;
    if sets.iter().any(|set| before.split(' ').all(|known| known != set.as_str())) {
        tracing::error!(cycle, "quarantine: {now}");
    } else if sets.is_empty() && !before.is_empty() {
        tracing::info!(cycle, "the quarantine is over");
    }
    let sets: Vec<&str> = sets.iter().map(|set| set.as_str()).collect();
    deps.store.state().set("quarantined-sets", &sets.join(" "))?;
    Ok(deps.store.state().set("quarantined", now)?)
}
