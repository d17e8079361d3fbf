//! Groups: which there are, who is in them, and which of them Okta's own rules keep.

use std::collections::BTreeSet;

use crate::http::briefly;
use crate::model::{AccountId, Group, GroupId};
use crate::okta::{Listed, OktaError, SetAside};
use crate::store::{GroupRules, Object, StoreError};
use crate::sync::contain::{IN_A_LOOK, ROOM_IN_OKTA, contained};
use crate::sync::observe::accounts::enqueue_owners;
use crate::sync::side_by_side::in_a_look;
use crate::sync::{deps::Deps, error::Result, scope::Cycle};

/// The list of all groups, as what is wrong with it is kept.
const GROUPS: &str = "groups of Okta";

/// Which groups a rule feeds, as far as that can be told.
enum Fed {
    These(BTreeSet<GroupId>),
    /// These at least, and those that were known: a rule does not say which groups it feeds.
    AlsoThese(BTreeSet<GroupId>),
    /// As was last known. Of a group that is new it cannot be told where `in_doubt`.
    AsBefore {
        in_doubt: bool,
    },
}

pub(crate) async fn read_groups(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let fed = read_rules(deps, cycle, true).await?;
    let Listed { found: groups, set_aside } = deps.okta.groups().await?;
    upsert_groups(deps, cycle, &groups, &fed)?;
    (deps.on_progress)("groups", groups.len());
    note_odd_groups(deps, cycle, &set_aside)?;
    // Okta announces no count: with a page that was skipped, what is known of its groups would
    // go, and who was given one for a time would later be found in it as if from the start.
    for id in deps.store.groups().managed_unseen(cycle.id)? {
        let read = deps.okta.group(&id).await.map_err(Into::into);
        match contained(deps, cycle, read).await? {
            Ok(Some(group)) => deps.store.groups().upsert_one(&group, false, cycle.id)?,
            Ok(None) => {}
            // What was known of it stands.
            Err(why) => {
                deps.store.groups().set_seen(&id, cycle.id)?;
                note_members(deps, &id, &why)?;
            }
        }
    }
    Ok(deps.store.groups().delete_unseen(cycle.id)?)
}

/// Names what makes no sense in the list of groups. It is there: what is known of it stands, and if it
/// is managed it is read by id.
fn note_odd_groups(deps: &Deps, cycle: &Cycle, odd: &[SetAside]) -> Result<(), StoreError> {
    let Some(SetAside { id, why }) = odd.first() else {
        return deps.store.unreadable().clear(Object::List, GROUPS);
    };
    let managed = deps.store.groups().managed()?;
    for id in odd.iter().filter_map(|it| GroupId::parse(it.id.as_deref()?).ok()) {
        if !managed.contains_key(&id) {
            deps.store.groups().set_seen(&id, cycle.id)?;
        }
    }
    let which = id.as_deref().filter(|id| !id.is_empty()).unwrap_or("without an id");
    let text = format!(
        "{} in Okta's list of groups make no sense, the first of them {which}: {why}; what is known \
         of them stands",
        odd.len()
    );
    deps.store.unreadable().note(Object::List, GROUPS, &text, false, deps.now()).map(|_| ())
}

pub(crate) async fn upsert_found_groups(deps: &Deps, cycle: &Cycle, found: &[Group]) -> Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let fed = read_rules(deps, cycle, false).await?;
    Ok(upsert_groups(deps, cycle, found, &fed)?)
}

fn upsert_groups(
    deps: &Deps,
    cycle: &Cycle,
    groups: &[Group],
    fed: &Fed,
) -> Result<(), StoreError> {
    // A membership that a rule may decide is left alone until that can be told.
    let in_doubt = matches!(fed, Fed::AsBefore { in_doubt: true });
    deps.store.atomically(|| {
        deps.store.groups().upsert(groups, in_doubt, cycle.id)?;
        match fed {
            Fed::These(fed) => deps.store.groups().replace_rule_fed(fed),
            Fed::AlsoThese(fed) => deps.store.groups().add_rule_fed(fed),
            Fed::AsBefore { .. } => Ok(()),
        }
    })
}

/// Reads the group rules. A read that is refused says nothing, and one that shows none where
/// there were some is believed only when a second complete one in a row says the same.
async fn read_rules(deps: &Deps, cycle: &Cycle, complete: bool) -> Result<Fed> {
    let before = deps.store.state().group_rules()?;
    let read = deps.okta.group_rules().await.map_err(Into::into);
    // Refused for now is as good as not allowed to be read.
    let Some(rules) = contained(deps, cycle, read).await?.unwrap_or_default() else {
        // Credentials that never could are for `check` to complain about.
        let in_doubt = before.is_some() || deps.store.groups().any_rule_fed()?;
        if in_doubt {
            log_rules_in_doubt(deps, GroupRules::Hidden, "may not be read any more")?;
        }
        return Ok(Fed::AsBefore { in_doubt });
    };
    if rules.count == 0 && deps.store.groups().any_rule_fed()? {
        if !complete {
            let again = deps.okta.group_rules().await.map_err(Into::into);
            let again = contained(deps, cycle, again).await?.unwrap_or_default();
            let in_doubt = again.is_none_or(|rules| rules.count > 0);
            return Ok(Fed::AsBefore { in_doubt });
        }
        if before != Some(GroupRules::NoneOnce) {
            log_rules_in_doubt(deps, GroupRules::NoneOnce, "are none at all now")?;
            return Ok(Fed::AsBefore { in_doubt: true });
        }
    }
    deps.store.state().set_group_rules(GroupRules::Read)?;
    note_odd_rules(deps, &rules.set_aside)?;
    Ok(if rules.set_aside.is_empty() { Fed::These(rules.fed) } else { Fed::AlsoThese(rules.fed) })
}

/// Names the rules of which it cannot be told which groups they feed.
fn note_odd_rules(deps: &Deps, odd: &[SetAside]) -> Result<(), StoreError> {
    deps.store.unreadable().clear_all(Object::GroupRule)?;
    for SetAside { id, why } in odd {
        let id = id.as_deref().unwrap_or("without an id");
        let text = format!(
            "Okta's group rule {id} was set aside: {why}; the groups that were fed stay so"
        );
        deps.store.unreadable().note(Object::GroupRule, id, &text, false, deps.now())?;
    }
    Ok(())
}

/// Says so once, when it begins.
fn log_rules_in_doubt(deps: &Deps, rules: GroupRules, what: &str) -> Result<(), StoreError> {
    if deps.store.state().group_rules()? != Some(rules) {
        tracing::warn!(
            "Okta's group rules {what}: the groups that they fed are left alone as before"
        );
        deps.store.state().set_group_rules(rules)?;
    }
    Ok(())
}

/// Reads who is in a managed group, and says whether that could be read. Where it is refused, what was
/// known of it stands.
pub(crate) async fn replace_group_members(
    deps: &Deps,
    cycle: &Cycle,
    group: &GroupId,
) -> Result<bool> {
    let asked_at = deps.now();
    let members = read_group_members(deps, group);
    // A complete read takes its time.
    let read = if cycle.is_full() && !cycle.looked.get() {
        members.await
    } else {
        briefly(IN_A_LOOK, members).await
    };
    match contained(deps, cycle, read).await? {
        Ok(mut members) => {
            (deps.on_progress)("group members", members.ids.len());
            members.with_those_before(deps, group)?;
            let ids: Vec<AccountId> = members.ids.into_iter().collect();
            deps.store.atomically(|| {
                let before = deps.store.groups().members_of(group)?;
                deps.store.groups().replace_members(group, &ids, asked_at)?;
                deps.store.links().settle_unseen_members(group, cycle.id)?;
                let after = deps.store.groups().members_of(group)?;
                enqueue_owners(deps, before.symmetric_difference(&after))
            })?;
            match members.odd {
                Some(why) => note_members(deps, group, &why)?,
                None => deps.store.unreadable().clear(Object::Members, group.as_str())?,
            }
            Ok(true)
        }
        Err(why) => {
            note_members(deps, group, &why)?;
            Ok(false)
        }
    }
}

fn note_members(deps: &Deps, group: &GroupId, why: &str) -> Result<(), StoreError> {
    deps.store.unreadable().note(Object::Members, group.as_str(), why, false, deps.now())?;
    Ok(())
}

/// Groups whose members could not be read, and are to be read again by now.
pub(crate) fn unread_members(deps: &Deps) -> Result<BTreeSet<GroupId>, StoreError> {
    let mut due = deps.store.unreadable().all(Object::Members)?;
    due.retain(|trouble| trouble.next_try <= deps.now());
    Ok(due.iter().filter_map(|trouble| GroupId::parse(&trouble.id).ok()).collect())
}

/// Reads the members of these groups again, but for those that were read since, well or not.
pub(crate) async fn retry_members(
    deps: &Deps,
    cycle: &Cycle,
    unread: BTreeSet<GroupId>,
) -> Result<()> {
    let due = unread_members(deps)?;
    let groups = unread.into_iter().filter(|group| due.contains(group)).collect();
    in_a_look(ROOM_IN_OKTA, groups, |group: GroupId| async move {
        replace_group_members(deps, cycle, &group).await.map(|_| ())
    })
    .await
    .map(|_| ())
}

/// Who is in a group, as far as that can be told.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) ids: BTreeSet<AccountId>,
    /// What is wrong with somebody in the list who may be any of them.
    pub(crate) odd: Option<String>,
}

impl Members {
    /// Where somebody in the list has no usable id, whoever was known to be a member still is.
    pub(crate) fn with_those_before(&mut self, deps: &Deps, group: &GroupId) -> Result<()> {
        if self.odd.is_some() {
            self.ids.extend(deps.store.groups().members_of(group)?);
        }
        Ok(())
    }
}

pub(crate) async fn read_group_members(deps: &Deps, group: &GroupId) -> Result<Members> {
    let mut ids = BTreeSet::new();
    let read = deps
        .okta
        .members(group, &mut |page| {
            ids.extend(page);
            Ok(())
        })
        .await;
    match read {
        Ok(set_aside) => {
            let odd = set_aside.first().map(|odd| {
                let (count, why) = (set_aside.len(), &odd.why);
                format!("{count} in the list of its members make no sense: {why}")
            });
            Ok(Members { ids, odd })
        }
        Err(OktaError::NotFound(_)) if deps.okta.group(group).await?.is_some() => {
            let why = format!("{group} is there, and its members are said not to be");
            Err(OktaError::Unbelievable { operation: "list the members of a group".into(), why }
                .into())
        }
        // Deleted between the list and this read: the next list will not hold it.
        Err(OktaError::NotFound(_)) => Ok(Members::default()),
        Err(error) => Err(error.into()),
    }
}

/// Puts a group under management. Its present members are what was there at take-over. Gives why
/// they cannot be read, where that is so: then it is not managed.
pub(crate) async fn manage(
    deps: &Deps,
    cycle: &Cycle,
    group: &GroupId,
) -> Result<Result<(), String>> {
    if deps.store.groups().managed()?.contains_key(group) {
        return Ok(Ok(()));
    }
    contained(deps, cycle, take_over(deps, cycle, group).await).await
}

async fn take_over(deps: &Deps, cycle: &Cycle, group: &GroupId) -> Result<()> {
    // Read first: what was there at take-over is only known once. And twice: with a page that
    // was skipped somebody would later be in the group for no reason, and lose it.
    let mut members = read_group_members(deps, group).await?;
    // Between the two, so that a role which reaches less, or more, meanwhile shows in one of them.
    let blind = !sees_everybody(deps).await?;
    let again = read_group_members(deps, group).await?;
    members.ids.extend(again.ids);
    let ids: Vec<AccountId> = members.ids.into_iter().collect();
    (deps.on_progress)("group members", ids.len());
    // The first look of a complete read decides about everybody as it is.
    if cycle.looked.get() || cycle.beside.get() || !cycle.is_full() {
        cycle.took_over.set(true);
    }
    deps.store.atomically(|| {
        // Everybody is decided about before the cycle ends, or else by a complete read.
        deps.store.state().set_configuration(None)?;
        deps.store.groups().take_over(group, &ids)?;
        deps.store.links().insert_group_baseline(group)?;
        deps.store.links().insert_unseen_members(group, blind, cycle.id)
    })?;
    match again.odd.or(members.odd) {
        Some(why) => Ok(note_members(deps, group, &why)?),
        None => Ok(()),
    }
}

/// Whether the credentials see every account now, and not only when all groups were read last.
pub(crate) async fn sees_everybody(deps: &Deps) -> Result<bool> {
    let Some(everyone) = deps.everyone()? else { return Ok(false) };
    is_in_sight(deps, &everyone).await
}

/// Whether a group is shown now.
pub(crate) async fn is_in_sight(deps: &Deps, group: &GroupId) -> Result<bool> {
    match deps.okta.group(group).await {
        Ok(group) => Ok(group.is_some()),
        Err(OktaError::Forbidden(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
