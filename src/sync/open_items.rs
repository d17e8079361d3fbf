//! What is new among the open items goes into the log: once when it begins, once when it changes,
//! once when it ends. Here also goes into the store what is open without a plan.

use std::collections::BTreeSet;

use crate::model::{Disposition, GroupId, HoldReason, Needs, OpenItem, Subject, SysId};
use crate::reconcile::wording::{Loudness, begun, ended, loudness};
use crate::store::{Object, Replaced, StoreError, Transitions, Trouble};
use crate::sync::log::{LogThread, log_event};
use crate::sync::names::{PersonNames, group_name, pin_group};
use crate::sync::set_log::{Single, log_sets};
use crate::sync::subject::{is_said_with_a_person, names, what};
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
        (Object::UndatedGroup, Needs::Administrator),
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
            // What is wrong with who is in it is another thing.
            let id = match object {
                Object::UndatedGroup => format!("what changed of {}", trouble.id),
                _ => trouble.id,
            };
            OpenItem { disposition, ..OpenItem::unusable(Subject::Record(id), String::new()) }
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
    let Single { began, ended } = log_sets(deps, cycle, items, transitions)?;
    for item in began {
        log_open(deps, cycle, item)?;
    }
    for item in ended {
        if item.person().is_none_or(|person| !touched.contains(person)) {
            log_ended(deps, cycle, item)?;
        }
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
