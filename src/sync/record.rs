//! What is not as it should be goes into the store: before anything is done about it and after.

use std::collections::BTreeSet;

use crate::model::{
    Cause, Disposition, HoldReason, HoldSet, Needs, OpenAction, OpenItem, Origin, StepKind,
    Subject, SysId,
};
use crate::reconcile::fulfillment::RequestStatus;
use crate::reconcile::open::{Judgement, open_items};
use crate::store::{Object, Quarantine, Replaced, Trouble};
use crate::sync::decide::decide_person;
use crate::sync::open_items::log_transitions;
use crate::sync::waiting::{Standing, standing};
use crate::sync::{deps::Deps, error::Result, plan::CyclePlan, scope::Cycle, unsaid::Unsaid};

/// Keeps what waits of whoever was decided about, before anything is done. What nothing stands in
/// the way of is about to be done.
pub(crate) fn record_before(deps: &Deps, plan: &CyclePlan) -> Result<()> {
    let mut items = items_of(plan);
    items.retain(|item| !item.disposition.is_apply());
    // What was said to an action goes when it is seen to be done, not before.
    let approved = plan.approval.approved.actions().iter();
    let begun: BTreeSet<String> = approved.map(|it| it.planned.fingerprint()).collect();
    let people = &plan.decision.people;
    let transitions = deps.store.atomically(|| {
        let replaced = Replaced::Before(people, &begun);
        let transitions = deps.store.open_items().replace(replaced, &items, deps.now())?;
        deps.store.decisions().releases_seen(people, &plan.past.released, deps.now())?;
        Ok(transitions)
    })?;
    log_transitions(deps, plan.cycle.id, &items, &transitions, &BTreeSet::new())?;
    record_quarantine(deps, plan)
}

/// Keeps what is open of these people once what could be done for them is done. It is said with what
/// others bring, by [`say_what_is_new`]; what ended of those who were touched was said with the action.
pub(crate) fn record_after(
    deps: &Deps,
    cycle: &Cycle,
    people: &BTreeSet<SysId>,
    items: Vec<OpenItem>,
    touched: &BTreeSet<SysId>,
) -> Result<()> {
    let replaced = Replaced::After(people);
    let transitions = deps.store.open_items().replace(replaced, &items, deps.now())?;
    cycle.unsaid.borrow_mut().add(items, transitions, touched);
    Ok(())
}

/// Logs what is new since it was said last.
pub(crate) fn say_what_is_new(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let Unsaid { items, transitions, touched } = cycle.unsaid.take();
    log_transitions(deps, cycle.id, &items, &transitions, &touched)
}

/// Keeps what is open about people as they were just read, beside what this cycle decided.
pub(crate) fn record_again(
    deps: &Deps,
    plan: &CyclePlan,
    people: impl IntoIterator<Item = SysId>,
) -> Result<()> {
    let people: BTreeSet<SysId> = people.into_iter().collect();
    let judgement = Judgement::of(&plan.approval);
    let mut items = Vec::new();
    for id in &people {
        let decided = decide_person(deps, id, &plan.org)?;
        items.extend(decided.iter().flat_map(|it| open_items(id, &it.plan, &judgement)));
    }
    let replaced = Replaced::After(&people);
    let transitions = deps.store.open_items().replace(replaced, &items, deps.now())?;
    log_transitions(deps, plan.cycle.id, &items, &transitions, &BTreeSet::new())
}

/// Decides again, by what is stored, about those who wait for something else to change: whoever
/// need not wait any more is due at once.
pub(crate) fn wake_waiting(deps: &Deps, plan: &CyclePlan) -> Result<()> {
    let judgement = Judgement::of(&plan.approval);
    let mut woken = BTreeSet::new();
    for stored in deps.store.open_items().of_kind("person")? {
        let Some(id) = stored.item.person() else { continue };
        if !stored.item.disposition.is_stuck() || plan.cycle.is_at_work(id) {
            continue;
        }
        let decided = decide_person(deps, id, &plan.org)?;
        let items = decided.iter().flat_map(|it| open_items(id, &it.plan, &judgement));
        let same = |item: OpenItem| {
            item.identity() == stored.item.identity() && item.disposition == stored.item.disposition
        };
        if !items.into_iter().any(same) {
            deps.store.queue().enqueue_at_once(id)?;
            woken.insert(id.clone());
        }
    }
    if woken.is_empty() { Ok(()) } else { record_again(deps, plan, woken) }
}

/// Keeps what a plan finds open, where nothing is going to be done about it.
pub(crate) fn record_planned(deps: &Deps, plan: &CyclePlan) -> Result<()> {
    let (items, replaced) = (items_of(plan), Replaced::After(&plan.decision.people));
    deps.store.open_items().replace(replaced, &items, deps.now())?;
    let (sets, reason) = quarantine_of(plan);
    deps.store.state().set_quarantine(&Quarantine { sets, reason })?;
    record_requests(deps, plan.cycle.id, &standing(deps, &plan.org)?)
}

fn items_of(plan: &CyclePlan) -> Vec<OpenItem> {
    let judgement = Judgement::of(&plan.approval);
    let differing = plan.decision.differing.iter();
    differing.flat_map(|(id, decided)| open_items(id, &decided.plan, &judgement)).collect()
}

/// Keeps which requests are not carried out, and why.
pub(crate) fn record_requests(deps: &Deps, cycle: i64, standing: &[Standing]) -> Result<()> {
    let waits = |it: &Standing| match &it.status {
        RequestStatus::Waits { kind, reason, needs, .. } => Some(OpenItem {
            subject: Subject::Request(it.stored.request.sys_id.clone()),
            facts: Vec::new(),
            origin: Origin::Request(it.stored.request.reference.clone()),
            cause: Cause::Request,
            why: None,
            disposition: Disposition::Hold(HoldReason::RequestWaits {
                kind: kind.clone(),
                reason: reason.clone(),
                needs: *needs,
            }),
            action: it.change.as_ref().map(|change| OpenAction {
                fingerprint: change.fingerprint.clone(),
                step: StepKind::Update,
                group: None,
                groups: Vec::new(),
                changes: change.changes.clone(),
                set: None,
            }),
        }),
        _ => None,
    };
    // What hides it stands before what it waits for.
    let mut items = hidden_requests(deps)?;
    items.extend(standing.iter().filter_map(waits));
    let transitions = deps.store.atomically(|| {
        for it in standing {
            let overtaken = it.status == RequestStatus::Overtaken;
            deps.store.requests().set_overtaken(&it.stored.request.sys_id, overtaken)?;
        }
        deps.store.open_items().replace(Replaced::Kinds(&["request"]), &items, deps.now())
    })?;
    log_transitions(deps, cycle, &items, &transitions, &BTreeSet::new())
}

/// Requests whose rows are not shown any more.
fn hidden_requests(deps: &Deps) -> Result<Vec<OpenItem>> {
    let mut items = Vec::new();
    for Trouble { id, why, .. } in deps.store.unreadable().all(Object::HiddenRequest)? {
        let Ok(id) = SysId::parse(&id) else { continue };
        let Some(stored) = deps.store.requests().get(&id)? else { continue };
        items.push(OpenItem {
            subject: Subject::Request(id),
            facts: Vec::new(),
            origin: Origin::Request(stored.request.reference),
            cause: Cause::Request,
            why: None,
            disposition: Disposition::Hold(HoldReason::RequestWaits {
                kind: "hidden".to_owned(),
                reason: why,
                needs: Needs::Servicenow,
            }),
            action: None,
        });
    }
    Ok(items)
}

fn quarantine_of(plan: &CyclePlan) -> (Vec<HoldSet>, Option<String>) {
    let sets: Vec<HoldSet> = plan.approval.sets.iter().copied().collect();
    (sets, plan.approval.quarantined.clone())
}

fn record_quarantine(deps: &Deps, plan: &CyclePlan) -> Result<()> {
    let cycle = plan.cycle.id;
    let before = deps.store.state().quarantine()?.sets;
    let (sets, reason) = quarantine_of(plan);
    // What a limit holds is said as a set.
    let doubted = HoldSet::ImplausibleRead;
    if sets.contains(&doubted) && !before.contains(&doubted) {
        tracing::error!(cycle, "quarantine: {}", reason.as_deref().unwrap_or_default());
    } else if sets.is_empty() && !before.is_empty() {
        tracing::info!(cycle, "the quarantine is over");
    }
    Ok(deps.store.state().set_quarantine(&Quarantine { sets, reason })?)
}
