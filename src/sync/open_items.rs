//! What is not as it should be goes into the store: before anything is done about it and after. What
//! is new among it goes into the log, once when it begins, once when it changes, once when it ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    BlockedReason, Cause, Disposition, FactKey, HoldReason, HoldSet, Needs, OpenItem, Origin,
    Subject, SysId,
};
use crate::reconcile::fulfillment::RequestStatus;
use crate::reconcile::open::{Judgement, open_items};
use crate::store::{Object, Quarantine, Replaced, StoreError, Transitions};
use crate::sync::decide::decide_person;
use crate::sync::log::{LogThread, log_event};
use crate::sync::names::{PersonNames, group_name, names_of};
use crate::sync::waiting::{Standing, standing};
use crate::sync::{deps::Deps, error::Result, plan::CyclePlan};

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

/// Keeps what is open once this cycle has done what it could. What ended of whoever was acted on
/// was said with the action.
pub(crate) fn record_after(
    deps: &Deps,
    plan: &CyclePlan,
    items: &[OpenItem],
    touched: &BTreeSet<SysId>,
) -> Result<()> {
    let replaced = Replaced::After(&plan.decision.people);
    let transitions = deps.store.open_items().replace(replaced, items, deps.now())?;
    log_transitions(deps, plan.cycle.id, items, &transitions, touched)
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
    for stored in deps.store.open_items().of_kind("person")? {
        let Some(id) = stored.item.person() else { continue };
        if !stored.item.disposition.is_stuck() {
            continue;
        }
        let decided = decide_person(deps, id, &plan.org)?;
        let items = decided.iter().flat_map(|it| open_items(id, &it.plan, &judgement));
        let same = |item: OpenItem| {
            item.identity() == stored.item.identity() && item.disposition == stored.item.disposition
        };
        if !items.into_iter().any(same) {
            deps.store.queue().enqueue(id, deps.now())?;
            record_again(deps, plan, [id.clone()])?;
        }
    }
    Ok(())
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
            action: None,
        }),
        _ => None,
    };
    let items: Vec<OpenItem> = standing.iter().filter_map(waits).collect();
    let transitions = deps.store.atomically(|| {
        for it in standing {
            let overtaken = it.status == RequestStatus::Overtaken;
            deps.store.requests().set_overtaken(&it.stored.request.sys_id, overtaken)?;
        }
        deps.store.open_items().replace(Replaced::Kinds(&["request"]), &items, deps.now())
    })?;
    log_transitions(deps, cycle, &items, &transitions, &BTreeSet::new())
}

/// Keeps what of the configuration cannot be used, and says so.
pub(crate) fn record_configuration(
    deps: &Deps,
    kinds: &[&'static str],
    items: &[OpenItem],
) -> Result<()> {
    let replaced = Replaced::Kinds(kinds);
    let transitions = deps.store.open_items().replace(replaced, items, deps.now())?;
    log_transitions(deps, 0, items, &transitions, &BTreeSet::new())
}

/// Keeps which rows of ServiceNow, and which group rules, cannot be read or make no sense.
pub(crate) fn record_records(deps: &Deps) -> Result<()> {
    let mut items = Vec::new();
    for (object, needs) in
        [(Object::Record, Needs::Servicenow), (Object::GroupRule, Needs::Administrator)]
    {
        items.extend(deps.store.unreadable().all(object)?.into_iter().map(|trouble| {
            let disposition = Disposition::Hold(HoldReason::RequestWaits {
                kind: "record".to_owned(),
                reason: trouble.why,
                needs,
            });
            OpenItem { disposition, ..unusable(Subject::Record(trouble.id), String::new()) }
        }));
    }
    record_configuration(deps, &["record"], &items)
}

fn log_transitions(
    deps: &Deps,
    cycle: i64,
    items: &[OpenItem],
    transitions: &Transitions,
    touched: &BTreeSet<SysId>,
) -> Result<()> {
    let mut sets: BTreeMap<String, Vec<&OpenItem>> = BTreeMap::new();
    for place in transitions.began.iter().chain(&transitions.changed) {
        let item = &items[*place];
        match item.shared_cause() {
            Some((set, _)) if !item.is_dismissed() => sets.entry(set).or_default().push(item),
            _ => log_open(deps, cycle, item)?,
        }
    }
    for (set, held) in sets {
        let wakes = held.iter().any(|item| is_leave_held_up(item));
        match held.as_slice() {
            [only] if only.action.as_ref().is_none_or(|it| it.set.is_none()) => {
                log_open(deps, cycle, only)?;
            }
            held => log_set(deps, cycle, &set, held, wakes)?,
        }
    }
    for stored in &transitions.ended {
        if stored.item.person().is_none_or(|person| !touched.contains(person)) {
            log_ended(deps, cycle, &stored.item)?;
        }
    }
    Ok(())
}

fn log_set(deps: &Deps, cycle: i64, set: &str, held: &[&OpenItem], wakes: bool) -> Result<()> {
    let Some(first) = held.first() else { return Ok(()) };
    let (count, reason) = (held.len(), first.reason());
    let names = names(deps, first)?;
    let text = format!(
        "{count} actions are held as the set {set}: {reason}; the first is {}",
        what(deps, first, &names)?
    );
    if wakes {
        tracing::error!(outcome = "held", cycle, "{text}");
    } else {
        tracing::warn!(outcome = "held", cycle, "{text}");
    }
    Ok(())
}

/// How loudly something is said when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loudness {
    Silent,
    Info,
    Warn,
    Error,
}

fn loudness(item: &OpenItem) -> Loudness {
    match &item.disposition {
        // What is to be done is said when it is done, or fails.
        _ if item.is_dismissed() => Loudness::Silent,
        Disposition::Apply | Disposition::Protected(_) => Loudness::Silent,
        Disposition::Report(_) => Loudness::Info,
        _ if is_leave_held_up(item) => Loudness::Error,
        Disposition::Hold(_) | Disposition::Blocked(_) => Loudness::Warn,
    }
}

/// What wakes somebody: an account that a leave is to disable, and a limit or Okta stands in the
/// way.
fn is_leave_held_up(item: &OpenItem) -> bool {
    let disables = item.facts.iter().any(|fact| {
        let unusable = ["deactivated", "suspended"].map(Some);
        fact.key == FactKey::Status && unusable.contains(&fact.desired.as_deref())
    });
    let in_the_way = match &item.disposition {
        Disposition::Hold(HoldReason::Limit(_)) => item.cause == Cause::Request,
        Disposition::Blocked(_) => true,
        _ => false,
    };
    disables && in_the_way
}

fn log_open(deps: &Deps, cycle: i64, item: &OpenItem) -> Result<()> {
    let loudness = loudness(item);
    if loudness == Loudness::Silent || is_said_with_a_person(deps, item)? {
        return Ok(());
    }
    let names = names(deps, item)?;
    let (subject, reason) = (what(deps, item, &names)?, item.reason());
    let (outcome, stands) = match &item.disposition {
        Disposition::Blocked(_) => ("blocked", "cannot be done"),
        Disposition::Report(_) => ("skipped", "is left as it is"),
        _ => ("held", "held"),
    };
    let text = match &item.subject {
        Subject::Person(_) if outcome == "held" => {
            format!("{}: held: {subject}: {reason}", item.origin)
        }
        Subject::Person(_) => format!("{}: {subject} {stands}: {reason}", item.origin),
        Subject::Request(_) => format!("{}: held: {reason}", item.origin),
        Subject::Rule(_) | Subject::Name(_) | Subject::Side(_) | Subject::Record(_) => reason,
    };
    emit(deps, cycle, item, &names, outcome, loudness, &text)
}

fn log_ended(deps: &Deps, cycle: i64, item: &OpenItem) -> Result<()> {
    if matches!(loudness(item), Loudness::Silent | Loudness::Info)
        || is_said_with_a_person(deps, item)?
    {
        return Ok(());
    }
    let names = names(deps, item)?;
    let text = match &item.subject {
        Subject::Person(_) => {
            format!("{}: no longer held: {}", item.origin, what(deps, item, &names)?)
        }
        Subject::Request(_) => format!("{}: no longer held: {}", item.origin, item.reason()),
        _ => format!("over: {}", item.reason()),
    };
    emit(deps, cycle, item, &names, "ended", Loudness::Info, &text)
}

/// What a request waits for was said with the person whom it waits for.
fn is_said_with_a_person(deps: &Deps, item: &OpenItem) -> Result<bool, StoreError> {
    match &item.subject {
        Subject::Request(_) => deps.store.open_items().is_said_with_a_person(&item.origin),
        _ => Ok(false),
    }
}

fn emit(
    deps: &Deps,
    cycle: i64,
    item: &OpenItem,
    names: &PersonNames,
    outcome: &str,
    loudness: Loudness,
    text: &str,
) -> Result<()> {
    let action = item.action.as_ref();
    let group = action.and_then(|it| it.group.as_ref());
    let group = group.map(|id| group_name(&deps.store, id)).transpose()?;
    let thread = LogThread::of(&deps.store, &item.origin, names.clone())?;
    macro_rules! event {
        ($level:ident) => {
            log_event!(
                $level,
                thread,
                {
                    action = action.map(|it| it.step.as_str()),
                    outcome,
                    cause = item.cause.as_str(),
                    group = group.as_deref(),
                    cycle
                },
                "{text}"
            )
        };
    }
    match loudness {
        Loudness::Silent => {}
        Loudness::Info => event!(info),
        Loudness::Warn => event!(warn),
        Loudness::Error => event!(error),
    }
    Ok(())
}

/// The person whom an item is about; of a request, the one for whom it is.
fn names(deps: &Deps, item: &OpenItem) -> Result<PersonNames, StoreError> {
    match &item.subject {
        Subject::Person(id) => names_of(&deps.store, id),
        Subject::Request(id) => {
            let stored = deps.store.requests().get(id)?;
            let thread = stored.map(|it| LogThread::of_request(&deps.store, &it.request));
            Ok(thread.transpose()?.map(|thread| thread.person).unwrap_or_default())
        }
        _ => Ok(PersonNames::default()),
    }
}

/// What would be done for whom, or which fact of whom it is.
fn what(deps: &Deps, item: &OpenItem, names: &PersonNames) -> Result<String, StoreError> {
    let name = names.name();
    if let Some(action) = &item.action {
        let group = action.group.as_ref().map(|id| group_name(&deps.store, id)).transpose()?;
        let group = group.map_or_else(String::new, |group| format!(" ({group})"));
        return Ok(format!("{} of {name}{group}", action.step.as_str()));
    }
    Ok(match item.facts.first().map(|fact| &fact.key) {
        Some(FactKey::Membership(id)) => {
            format!("membership of {name} in {}", group_name(&deps.store, id)?)
        }
        Some(FactKey::Profile(attribute)) => format!("{attribute} of {name}"),
        Some(key) => format!("{} of {name}", key.kind()),
        None => name.to_owned(),
    })
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

/// A name or a rule of the configuration that cannot be used, or a side that does not give what is
/// needed.
pub(crate) fn unusable(subject: Subject, text: String) -> OpenItem {
    OpenItem {
        subject,
        facts: Vec::new(),
        origin: Origin::None,
        cause: Cause::Rule,
        why: None,
        disposition: Disposition::Blocked(BlockedReason::Unusable(text)),
        action: None,
    }
}
