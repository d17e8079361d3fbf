//! From what the store holds to what should happen: the pure core, applied person by person.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{HoldSet, OpenAction, PersonState, SysId};
use crate::reconcile::past::{Past, Waiting};
use crate::reconcile::person::{PersonPlan, reconcile_person};
use crate::reconcile::{org::OrgState, planned::PlannedAction};
use crate::store::snapshot::person_state;
use crate::store::{HeldAction, StoreError, Verdict};
use crate::sync::{
    deps::Deps, error::Result, in_doubt::resolve_in_doubt, link::link_people, scope::Cycle,
};

#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) state: PersonState,
    pub(crate) plan: PersonPlan,
}

/// Everybody who was decided about. Only those whose facts differ are kept whole.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) people: BTreeSet<SysId>,
    pub(crate) differing: BTreeMap<SysId, Decided>,
}

impl Decision {
    /// Every action that would remove a difference, held ones included.
    pub(crate) fn actions(&self) -> Vec<PlannedAction> {
        self.differing.values().flat_map(|decided| decided.plan.actions.iter().cloned()).collect()
    }
}

/// Decides about some people, and remembers the facts of those who are in agreement. Whoever is being
/// acted on is left to that.
pub(crate) fn decide(
    deps: &Deps,
    cycle: &Cycle,
    people: &[SysId],
    org: &OrgState,
) -> Result<Decision, StoreError> {
    let mut decision = Decision::default();
    let people: Vec<SysId> =
        people.iter().filter(|person| !cycle.is_at_work(person)).cloned().collect();
    deps.store.atomically(|| {
        link_people(deps, cycle, &people)?;
        for id in &people {
            decision.people.insert(id.clone());
            resolve_in_doubt(deps, id)?;
            let Some(decided) = decide_person(deps, id, org)? else { continue };
            if decided.plan.is_in_sync() {
                replace_facts(deps, id, &decided.plan)?;
                deps.store.queue().complete(id, decided.plan.next)?;
            } else {
                // Until it is settled what becomes of the difference, the person stays due.
                deps.store.queue().enqueue_at_once(id)?;
                decision.differing.insert(id.clone(), decided);
            }
        }
        Ok(())
    })?;
    Ok(decision)
}

/// `None` for somebody unknown.
pub(crate) fn decide_person(
    deps: &Deps,
    id: &SysId,
    org: &OrgState,
) -> Result<Option<Decided>, StoreError> {
    let policy = &deps.config.policy;
    let Some(state) = person_state(&deps.store, policy, id)? else { return Ok(None) };
    let plan = reconcile_person(&state, org, policy, deps.now());
    Ok(Some(Decided { state, plan }))
}

/// Remembers how one person should be, and which of it Okta was seen to agree with.
pub(crate) fn replace_facts(deps: &Deps, id: &SysId, plan: &PersonPlan) -> Result<(), StoreError> {
    plan.facts.iter().try_for_each(|facts| deps.store.facts().replace(id, facts, deps.now()))
}

/// What counts beside the plan. What waits for whoever is decided about now is found again by that.
pub(crate) fn past(deps: &Deps, cycle: &Cycle, decision: &Decision) -> Result<Past> {
    // Counted only where there is something to count against.
    let idle = decision.differing.is_empty();
    let now = deps.now();
    let window =
        chrono::Duration::from_std(deps.config.limits.window).unwrap_or(chrono::Duration::days(1));
    let mut past = Past {
        managed: deps.store.links().count()?,
        done: if idle { Vec::new() } else { deps.store.journal().done_since(now - window)? },
        group_sizes: if idle { BTreeMap::new() } else { deps.store.groups().sizes()? },
        implausible: deps.store.state().implausible()?,
        empty_store: cycle.empty_store && deps.store.requests().any_history()?,
        ..Past::default()
    };
    if !idle {
        let under_way = cycle.under_way();
        past.done.extend(under_way.iter().map(|it| it.planned.as_done(it.released, now)));
    }
    // What people decided about actions, and what still waits for a decision.
    let planned: BTreeSet<String> =
        decision.actions().iter().map(PlannedAction::fingerprint).collect();
    for held in deps.store.open_items().actions(now)? {
        let HeldAction { person, reason, action, since, said, .. } = held;
        let OpenAction { fingerprint, step, group, set, .. } = action;
        if person.as_ref().is_some_and(|person| cycle.is_under_way(person, &fingerprint)) {
            continue;
        }
        match (said, set) {
            (Some(said), _) if said.word == Verdict::Release => {
                past.released.insert(fingerprint);
            }
            (Some(said), _) => {
                let text = format!("dismissed by {}: {}", said.by, said.because);
                past.dismissed.insert(fingerprint, text);
            }
            (None, Some(set)) => {
                let oldest = past.undecided.entry(set).or_insert(since);
                *oldest = since.min(*oldest);
                if let Some(person) = person
                    && (!decision.people.contains(&person)
                        || set == HoldSet::EmptyStore && planned.contains(&fingerprint))
                {
                    let reason = reason.to_string();
                    past.waiting.push(Waiting { fingerprint, set, person, step, group, reason });
                }
            }
            (None, None) => {}
        }
    }
    Ok(past)
}
