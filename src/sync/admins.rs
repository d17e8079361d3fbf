//! Administrators: an account or a group that holds an administrator role is never written to.

use std::collections::BTreeSet;

use crate::model::{AccountId, GroupId, Step, SysId};
use crate::reconcile::guard::{PlanApproval, Protected};
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;

/// Accounts that were seen to hold an administrator role, among what is pinned.
pub(crate) const ADMIN: &str = "admin";
/// The same of groups.
pub(crate) const ADMIN_GROUP: &str = "admin-group";
pub(crate) const ADMIN_TEXT: &str = "the account holds an Okta administrator role";

/// Accounts that an action would touch and that hold an administrator role are never written
/// to from then on. Says whom that concerns.
pub(crate) async fn find_admins(
    deps: &Deps,
    verdict: &PlanApproval,
    protected: &mut Protected,
) -> Result<BTreeSet<SysId>, SyncError> {
    let mut concerned = BTreeSet::new();
    for approved in verdict.approved.actions() {
        let action = &approved.planned.action;
        if let Some(account) = &action.account
            && !protected.accounts.contains_key(account)
            && is_admin(deps, account).await?
        {
            deps.store.names().insert(ADMIN, account.as_str(), account.as_str())?;
            protected.accounts.insert(account.clone(), ADMIN_TEXT.to_owned());
            concerned.insert(action.person.clone());
        }
        for group in groups_of(&action.step) {
            if makes_admins(deps, group).await? {
                deps.store.names().insert(ADMIN_GROUP, group.as_str(), group.as_str())?;
                protected.groups.insert(group.clone());
                concerned.insert(action.person.clone());
            }
        }
    }
    Ok(concerned)
}

async fn is_admin(deps: &Deps, account: &AccountId) -> Result<bool, SyncError> {
    if let Some(holds) = deps.memory.has_admin_role(account.as_str(), deps.now()) {
        return Ok(holds);
    }
    let holds = deps.okta.has_admin_role(account).await?.unwrap_or(false);
    deps.memory.set_admin_role(account.as_str(), holds, deps.now());
    Ok(holds)
}

/// Whether the members of a group are administrators by it.
async fn makes_admins(deps: &Deps, group: &GroupId) -> Result<bool, SyncError> {
    if let Some(holds) = deps.memory.has_admin_role(group.as_str(), deps.now()) {
        return Ok(holds);
    }
    let holds = deps.okta.group_has_admin_role(group).await?.unwrap_or(false);
    deps.memory.set_admin_role(group.as_str(), holds, deps.now());
    Ok(holds)
}

/// Whoever was seen to hold an administrator role and holds none any more is one of many again.
pub(crate) async fn release_admins(deps: &Deps) -> Result<(), SyncError> {
    for id in deps.store.names().all(ADMIN)?.into_keys() {
        let Ok(account) = AccountId::parse(&id) else { continue };
        if deps.okta.has_admin_role(&account).await? == Some(false) {
            deps.store.names().delete(ADMIN, &id)?;
        }
    }
    for id in deps.store.names().all(ADMIN_GROUP)?.into_keys() {
        let Ok(group) = GroupId::parse(&id) else { continue };
        if deps.okta.group_has_admin_role(&group).await? == Some(false) {
            deps.store.names().delete(ADMIN_GROUP, &id)?;
        }
    }
    Ok(())
}

/// The groups that a step changes the members of.
fn groups_of(step: &Step) -> &[GroupId] {
    match step {
        Step::Create { groups, .. } => groups,
        Step::AddMember { group } | Step::RemoveMember { group } => std::slice::from_ref(group),
        _ => &[],
    }
}
