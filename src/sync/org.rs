//! What decisions about any person share: what is protected, administrators among them, what the
//! names of the configuration mean, what Okta's profile can hold.

use std::cell::Cell;
use std::collections::BTreeSet;

use crate::model::{
    AccountId, GroupId, OpenItem, Person, ProtectedReason, Subject, SysId, Timestamp,
};
use crate::okta::Identity;
use crate::policy::Accounts;
use crate::policy::derive::identify;
use crate::reconcile::approve::ApprovedAction;
use crate::reconcile::org::{Identities, OrgState, Protected};
use crate::store::{Object, RoleHolder, StoreError};
use crate::sync::contain::{contained, note_unreadable};
use crate::sync::error::{Result, SyncError};
use crate::sync::open_items::record_configuration;
use crate::sync::{
    deps::Deps, names::pin_group, observe::groups::manage, scope::Cycle, side_by_side::side_by_side,
};

/// How long an answer about somebody's administrator roles is believed.
const ROLES_LAST: chrono::Duration = chrono::Duration::minutes(10);

/// `ask` allows to ask the two systems for what is not known yet.
pub(crate) async fn load_org(deps: &Deps, cycle: &Cycle, ask: bool) -> Result<OrgState> {
    let rule_groups = rule_groups(deps, cycle, ask).await?;
    let protected = protected(deps, ask).await?;
    let groups = deps.store.groups().managed()?;
    let (schema, identities) = (deps.store.profile_schema()?, load_identities(deps)?);
    let blind = deps.is_blind()? && deps.store.groups().any()?;
    Ok(OrgState { groups, rule_groups, protected, schema, identities, blind })
}

async fn rule_groups(deps: &Deps, cycle: &Cycle, ask: bool) -> Result<Vec<Option<GroupId>>> {
    let mut rule_groups = Vec::new();
    let mut open = Vec::new();
    for rule in &deps.config.policy.groups {
        let mut group = pin_group(deps, &rule.name)?;
        let why = match &group {
            Some(id) if deps.store.groups().get(id)?.is_some() => {
                let taken = if ask { manage(deps, cycle, id).await? } else { known(deps, id)? };
                match taken {
                    Ok(()) => members_unreadable(deps, id)?,
                    Err(why) => {
                        group = None;
                        Some(format!("the members of {:?} cannot be read: {why}", rule.name))
                    }
                }
            }
            Some(id) => Some(format!(
                "the group {:?} ({id}) was deleted in Okta; another one of that name has to \
                 be named by its id",
                rule.name
            )),
            None => Some(format!(
                "no group in Okta is called {:?}, or several are; name it by its id",
                rule.name
            )),
        };
        open.extend(why.map(|why| {
            let left_out = if group.is_none() { "; its rule is left out" } else { "" };
            OpenItem::unusable(Subject::Rule(rule.name.clone()), format!("{why}{left_out}"))
        }));
        rule_groups.push(group);
    }
    // What was found when they were asked stands.
    if ask {
        record_configuration(deps, &["rule"], &open)?;
    }
    Ok(rule_groups)
}

/// Whether a group is managed, or why it could not be when that was tried.
fn known(deps: &Deps, group: &GroupId) -> Result<Result<(), String>, StoreError> {
    let managed = deps.store.groups().managed()?.contains_key(group);
    Ok(if managed { Ok(()) } else { Err("they were never read".to_owned()) })
}

/// Of a group that was read before, what is known stands, and whoever is acted on is read by id.
fn members_unreadable(deps: &Deps, group: &GroupId) -> Result<Option<String>, StoreError> {
    let troubles = deps.store.unreadable().all(Object::Members)?;
    let trouble = troubles.into_iter().find(|trouble| trouble.id == group.as_str());
    Ok(trouble.map(|trouble| format!("its members cannot be read any more: {}", trouble.why)))
}

async fn protected(deps: &Deps, ask: bool) -> Result<Protected> {
    let limits = &deps.config.limits;
    let mut protected = Protected {
        users: limits.protected_users.iter().map(|text| text.trim().to_lowercase()).collect(),
        ..Protected::default()
    };
    for name in &limits.protected_groups {
        protected.groups.extend(pin_group(deps, name)?);
        protected.groups.extend(deps.store.groups().called(name)?.into_iter().map(|g| g.id));
    }
    for name in &limits.protected_users {
        let mut pinned = deps.store.names().users(name)?;
        if pinned.is_empty() {
            pinned = ids_of(deps, name)?;
            pinned.iter().try_for_each(|id| deps.store.names().insert_user(name, id))?;
        }
        protected.users.extend(pinned.iter().map(|id| id.to_lowercase()));
    }
    let admins = deps.store.roles().accounts()?.into_iter();
    protected.accounts.extend(admins.map(|id| (id, ProtectedReason::Administrator)));
    protected.groups.extend(deps.store.roles().groups()?);
    if ask {
        let own = deps.memory.own_account.get_or_try_init(|| read_own_account(deps)).await?;
        deps.store.state().set_own_account(own.as_ref())?;
    }
    if let Some(id) = deps.store.state().own_account()? {
        protected.accounts.insert(id, ProtectedReason::OwnIdentity);
    }
    Ok(protected)
}

/// The ids of the accounts and people that a name stands for now.
fn ids_of(deps: &Deps, name: &str) -> Result<BTreeSet<String>, StoreError> {
    let people = deps.store.people().called(name)?;
    let mut ids: BTreeSet<String> = people.iter().map(|id| id.as_str().to_owned()).collect();
    for attribute in ["login", "email"] {
        let accounts = deps.store.accounts().having(attribute, name)?;
        ids.extend(accounts.iter().map(|account| account.id.as_str().to_owned()));
    }
    Ok(ids)
}

async fn read_own_account(deps: &Deps) -> Result<Option<AccountId>> {
    Ok(match deps.okta.identity().await? {
        Identity::Account(account) => Some(account.id),
        Identity::App(_) => None,
    })
}

/// By what everybody who may get an account would be identified.
fn load_identities(deps: &Deps) -> Result<Identities, StoreError> {
    let everybody = deps.config.policy.accounts == Accounts::Active;
    let mut identities = Identities::new();
    for id in deps.store.people().without_account(everybody)? {
        let Some(person) = deps.store.people().get(&id)?.filter(Person::is_active) else {
            continue;
        };
        for claim in identify(&person, &deps.config.policy).claims() {
            identities.entry(claim).or_default().insert(id.clone());
        }
    }
    Ok(identities)
}

/// Asks whether what somebody's actions would touch holds an administrator role, and says whether
/// nothing does: it is protected from the next decision on.
pub(crate) async fn find_admins(
    deps: &Deps,
    cycle: &Cycle,
    person: &SysId,
    approved: &[ApprovedAction],
) -> Result<bool> {
    let (mut accounts, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for ApprovedAction { planned, .. } in approved {
        accounts.extend(&planned.action.account);
        groups.extend(planned.action.step.groups());
    }
    let holders = accounts.into_iter().map(RoleHolder::Account);
    let holders = holders.chain(groups.into_iter().map(RoleHolder::Group));
    let found = Cell::new(false);
    let found_one = &found;
    side_by_side(holders.map(|holder| async move {
        let read = is_admin(deps, holder, deps.now()).await;
        match contained(deps, cycle, read).await? {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            // Whether it is an administrator's cannot be told, so nothing is written.
            Err(why) => note_unreadable(deps, Object::Roles, person, &why)?,
        }
        found_one.set(true);
        Ok::<_, SyncError>(())
    }))
    .await?;
    Ok(!found.get())
}

/// Whether an account, or whoever is in a group, holds an administrator role.
async fn is_admin(deps: &Deps, holder: RoleHolder<'_>, now: Timestamp) -> Result<bool> {
    if let Some(holds) = deps.store.roles().known(holder, now, ROLES_LAST)? {
        return Ok(holds);
    }
    let holds = match holder {
        RoleHolder::Account(account) => deps.okta.has_admin_role(account).await?,
        RoleHolder::Group(group) => deps.okta.group_has_admin_role(group).await?,
    };
    deps.store.roles().set(holder, holds, now)?;
    Ok(deps.store.roles().known(holder, now, ROLES_LAST)?.unwrap_or(false))
}

/// Whoever was seen to hold an administrator role and holds none any more is one of many again. An
/// answer of a moment ago stands: an empty one may be a passing fault.
pub(crate) async fn release_admins(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let (roles, now) = (deps.store.roles(), deps.now());
    // Where it cannot be read, what was known stands.
    for account in roles.accounts()? {
        let read = is_admin(deps, RoleHolder::Account(&account), now).await;
        let _known = contained(deps, cycle, read).await?;
    }
    for group in roles.groups()? {
        let read = is_admin(deps, RoleHolder::Group(&group), now).await;
        let _known = contained(deps, cycle, read).await?;
    }
    Ok(roles.forget(now - ROLES_LAST)?)
}
