//! One person's account and memberships, read by id: what a list says may be older.

use std::collections::BTreeSet;

use crate::model::{AccountId, AccountStatus, GroupKind, SysId};
use crate::okta::OktaError;
use crate::policy::derive::identify;
use crate::store::snapshot::all_candidates;
use crate::store::{Observed, StoreError};
use crate::sync::link::{has_account, link_still_matches};
use crate::sync::{
    deps::Deps, error::Result, in_doubt::resolve_mail_in_doubt, observe::groups::read_groups,
    observe::okta::account_keys, scope::Cycle,
};

/// Reads several people by id. Groups are read first where none is known yet.
pub(crate) async fn refresh_all(deps: &Deps, cycle: &Cycle, people: &[SysId]) -> Result<()> {
    if !people.is_empty() && !deps.store.groups().any()? {
        read_groups(deps, cycle).await?;
    }
    for person in people {
        refresh(deps, cycle, person).await?;
    }
    Ok(())
}

/// Reads one person's account and memberships, or looks for an account to link.
pub(crate) async fn refresh(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<()> {
    cycle.by_id.borrow_mut().remove(id);
    read_by_id(deps, cycle, id).await?;
    cycle.by_id.borrow_mut().insert(id.clone());
    Ok(())
}

async fn read_by_id(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<()> {
    let keys = account_keys(deps);
    if let Some(link) = deps.store.links().account_of(id)? {
        refresh_account(deps, cycle, &link, &keys).await?;
        if has_account(deps, id)? && link_still_matches(deps, cycle, id, &link)? {
            return resolve_mail_in_doubt(deps, id, &link).await;
        }
    }
    let Some(person) = deps.store.people().get(id)? else { return Ok(()) };
    let identity = identify(&person, &deps.config.policy);
    let mut found = Vec::new();
    for (attribute, value) in identity.keys.iter().chain(&identity.anchor) {
        if attribute != "login" {
            found.extend(deps.okta.accounts_where(attribute, value).await?.found());
        }
    }
    // The search index lags behind writes; a read by login does not.
    if let Some(login) = &identity.login {
        found.extend(deps.okta.account_by_login(login).await?.found());
    }
    let mut found: BTreeSet<AccountId> = found.into_iter().map(|account| account.id).collect();
    // What matches in the store may be another's by now, or deleted.
    let known = all_candidates(&deps.store, &deps.config.policy, &person)?;
    found.extend(known.into_iter().map(|candidate| candidate.account.id));
    for account in &found {
        refresh_account(deps, cycle, account, &keys).await?;
    }
    Ok(())
}

async fn refresh_account(
    deps: &Deps,
    cycle: &Cycle,
    id: &AccountId,
    keys: &BTreeSet<String>,
) -> Result<()> {
    let asked_at = deps.now();
    let Some(account) = deps.okta.account(id).await?.there()? else {
        return Ok(deps.store.accounts().delete(id)?);
    };
    let by_id = Observed::ById { at: asked_at };
    deps.store.accounts().upsert(std::slice::from_ref(&account), keys, by_id, cycle.id)?;
    let groups = deps.okta.groups_of(id).await?;
    if groups.is_empty() && account.status != AccountStatus::Deprovisioned && sees_everyone(deps)? {
        return Err(OktaError::Unbelievable {
            operation: "list the groups of an account".into(),
            why: format!("{id} is in no group, not even in Everyone: the credentials have probably lost an admin role"),
        }.into());
    }
    Ok(deps.store.groups().replace_groups_of(id, &groups, asked_at)?)
}

/// Whether the group that every account belongs to is among those that we may see. Okta
/// reference: a role that is scoped to some groups may hide it.
fn sees_everyone(deps: &Deps) -> Result<bool, StoreError> {
    let named = deps.store.groups().called("Everyone")?;
    Ok(named.iter().any(|group| group.kind == GroupKind::BuiltIn))
}
