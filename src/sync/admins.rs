//! Administrators: an account or a group that holds an administrator role is never written to.

use std::collections::BTreeSet;

use crate::model::{AccountId, GroupId, ProtectedReason, SysId};
use crate::reconcile::approve::PlanApproval;
use crate::reconcile::org::Protected;
use crate::store::RoleHolder;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;

/// How long an answer about somebody's administrator roles is believed.
const ROLES_LAST: chrono::Duration = chrono::Duration::minutes(10);

/// Accounts that an action would touch and that hold an administrator role are never written
/// to from then on. Says whom that concerns.
pub(crate) async fn find_admins(
    deps: &Deps,
    approval: &PlanApproval,
    protected: &mut Protected,
) -> Result<BTreeSet<SysId>, SyncError> {
    let mut concerned = BTreeSet::new();
    for approved in approval.approved.actions() {
        let action = &approved.planned.action;
        if let Some(account) = &action.account
            && !protected.accounts.contains_key(account)
            && is_admin(deps, account).await?
        {
            protected.accounts.insert(account.clone(), ProtectedReason::Administrator);
            concerned.insert(action.person.clone());
        }
        for group in action.step.groups() {
            if makes_admins(deps, group).await? {
                protected.groups.insert(group.clone());
                concerned.insert(action.person.clone());
            }
        }
    }
    Ok(concerned)
}

async fn is_admin(deps: &Deps, account: &AccountId) -> Result<bool, SyncError> {
    let (roles, holder, now) = (deps.store.roles(), RoleHolder::Account(account), deps.now());
    if let Some(holds) = roles.known(holder, now, ROLES_LAST)? {
        return Ok(holds);
    }
    let holds = deps.okta.has_admin_role(account).await?;
    roles.set(holder, holds, now)?;
    // Where that may not be read, whoever was not known to hold one counts as holding none.
    Ok(holds.unwrap_or(false))
}

/// Whether the members of a group are administrators by it.
async fn makes_admins(deps: &Deps, group: &GroupId) -> Result<bool, SyncError> {
    let (roles, holder, now) = (deps.store.roles(), RoleHolder::Group(group), deps.now());
    if let Some(holds) = roles.known(holder, now, ROLES_LAST)? {
        return Ok(holds);
    }
    let holds = deps.okta.group_has_admin_role(group).await?;
    roles.set(holder, holds, now)?;
    Ok(holds.unwrap_or(false))
}

/// Whoever was seen to hold an administrator role and holds none any more is one of many again. An
/// answer of a moment ago stands: an empty one may be a passing fault.
pub(crate) async fn release_admins(deps: &Deps) -> Result<(), SyncError> {
    let (roles, now) = (deps.store.roles(), deps.now());
    for account in roles.accounts()? {
        let holder = RoleHolder::Account(&account);
        if roles.known(holder, now, ROLES_LAST)?.is_none() {
            roles.set(holder, deps.okta.has_admin_role(&account).await?, now)?;
        }
    }
    for group in roles.groups()? {
        let holder = RoleHolder::Group(&group);
        if roles.known(holder, now, ROLES_LAST)?.is_none() {
            roles.set(holder, deps.okta.group_has_admin_role(&group).await?, now)?;
        }
    }
    Ok(roles.forget(now - ROLES_LAST)?)
}
