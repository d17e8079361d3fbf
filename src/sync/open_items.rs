//! What is new among the open items goes into the log: once when it begins, once when it changes,
//! once when it ends. Here also goes into the store what is open without a plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Disposition, FactKey, GroupId, HoldReason, Needs, OpenItem, Subject, SysId};
use crate::reconcile::wording::{Loudness, begun, ended, is_leave_held_up, loudness};
use crate::store::{Object, Replaced, StoreError, Transitions, Trouble};
use crate::sync::log::{LogThread, log_event};
use crate::sync::names::{PersonNames, group_name, names_of, pin_group};
use crate::sync::{deps::Deps, error::Result};

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

/// Keeps which rows of ServiceNow, and which lists, members of groups and group rules of Okta, cannot
/// be read or make no sense.
pub(crate) fn record_records(deps: &Deps) -> Result<()> {
    let mut items = Vec::new();
    for (object, needs) in [
        (Object::Record, Needs::Servicenow),
        (Object::GroupRule, Needs::Administrator),
        (Object::List, Needs::Administrator),
        (Object::Members, Needs::Administrator),
    ] {
        let mut troubles = deps.store.unreadable().all(object)?;
        if object == Object::Members {
            troubles = troubles_of_members(deps, troubles)?;
        }
        items.extend(troubles.into_iter().map(|trouble| {
            let disposition = Disposition::Hold(HoldReason::RequestWaits {
                kind: "record".to_owned(),
                reason: trouble.why,
                needs,
            });
            OpenItem {
                disposition,
                ..OpenItem::unusable(Subject::Record(trouble.id), String::new())
            }
        }));
    }
    record_configuration(deps, &["record"], &items)
}

/// Those of groups that no rule of the configuration names: what is wrong with the others is said with
/// the rule.
fn troubles_of_members(deps: &Deps, troubles: Vec<Trouble>) -> Result<Vec<Trouble>, StoreError> {
    let mut ruled = BTreeSet::new();
    for rule in &deps.config.policy.groups {
        ruled.extend(pin_group(deps, &rule.name)?);
    }
    let mut said = Vec::new();
    for trouble in troubles {
        let Ok(group) = GroupId::parse(&trouble.id) else { continue };
        if !ruled.contains(&group) {
            let (name, why) = (group_name(&deps.store, &group)?, &trouble.why);
            let why = format!("who is in {name} cannot be read: {why}; what is known of it stands");
            said.push(Trouble { why, ..trouble });
        }
    }
    Ok(said)
}

pub(crate) fn log_transitions(
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

fn log_open(deps: &Deps, cycle: i64, item: &OpenItem) -> Result<()> {
    let loudness = loudness(item);
    if loudness == Loudness::Silent || is_said_with_a_person(deps, item)? {
        return Ok(());
    }
    let names = names(deps, item)?;
    let (outcome, text) = begun(item, &what(deps, item, &names)?);
    emit(deps, cycle, item, &names, outcome, loudness, &text)
}

fn log_ended(deps: &Deps, cycle: i64, item: &OpenItem) -> Result<()> {
    if matches!(loudness(item), Loudness::Silent | Loudness::Info)
        || is_said_with_a_person(deps, item)?
    {
        return Ok(());
    }
    let names = names(deps, item)?;
    let text = ended(item, &what(deps, item, &names)?);
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
