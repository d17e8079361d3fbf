//! Names: whom a text means, what somebody or a group is called in the log and in reports, and which
//! group a name in the configuration was first seen to mean.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::{Account, AccountId, GroupId, SysId};
use crate::store::{Store, StoreError};
use crate::sync::deps::Deps;
use crate::sync::error::{Result, SyncError};

/// Who is meant, in every report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PersonNames {
    /// The row of `sys_user`; `None` for an account without a person.
    pub sys_id: Option<String>,
    /// The ServiceNow login; `None` where the row is not known.
    pub user_name: Option<String>,
    /// The Okta login; `None` where there is no account.
    pub login: Option<String>,
    /// The id of the linked account, which stays when that is deleted.
    pub okta_id: Option<String>,
}

impl PersonNames {
    /// The name to call the person by: the Okta login, else the best there is.
    pub fn name(&self) -> &str {
        [&self.login, &self.user_name, &self.sys_id, &self.okta_id]
            .into_iter()
            .find_map(|name| name.as_deref().filter(|name| !name.is_empty()))
            .unwrap_or("somebody")
    }
}

pub(crate) fn names_of(store: &Store, person: &SysId) -> Result<PersonNames, StoreError> {
    let (user_name, link, login) = store.people().names(person)?;
    Ok(PersonNames {
        sys_id: Some(person.as_str().to_owned()),
        user_name,
        login,
        okta_id: link.map(|id| id.as_str().to_owned()),
    })
}

/// The account that somebody is linked to, where it is still there.
pub(crate) fn account_of(store: &Store, person: &SysId) -> Result<Option<Account>, StoreError> {
    let Some(link) = store.links().account_of(person)? else { return Ok(None) };
    store.accounts().get(&link)
}

/// A group's name now, or its id where it is gone.
pub(crate) fn group_name(store: &Store, id: &GroupId) -> Result<String, StoreError> {
    Ok(store.groups().get(id)?.map_or_else(|| id.as_str().to_owned(), |group| group.name))
}

/// Everybody known whom a text fits: a login, e-mail, user name, `sys_id` or Okta id.
pub(crate) fn people_called(store: &Store, text: &str) -> Result<BTreeSet<SysId>, StoreError> {
    let mut found: BTreeSet<SysId> = store.people().called(text)?.into_iter().collect();
    for attribute in ["login", "email"] {
        for account in store.accounts().having(attribute, text)? {
            found.extend(store.links().person_of(&account.id)?);
        }
    }
    if let Ok(id) = AccountId::parse(text) {
        found.extend(store.links().person_of(&id)?);
    }
    Ok(found)
}

/// The only one whom a text fits.
pub(crate) fn the_one(text: &str, found: &BTreeSet<SysId>) -> Result<SysId> {
    match (found.first(), found.len()) {
        (Some(one), 1) => Ok(one.clone()),
        (None, _) => Err(nobody_called(text)),
        (Some(_), several) => Err(SyncError::Unknown(format!(
            "{text:?} fits {several} people: give a sys_id instead"
        ))),
    }
}

/// A text fits nobody who is known.
pub(crate) fn nobody_called(text: &str) -> SyncError {
    SyncError::Unknown(format!(
        "nobody is called {text:?}: give a login, e-mail, user name, sys_id or Okta id"
    ))
}

/// Names in the configuration mean the group that they were first seen to name.
pub(crate) fn pin_groups(deps: &Deps) -> Result<()> {
    let rules = deps.config.policy.groups.iter().map(|rule| &rule.name);
    for name in rules.chain(&deps.config.limits.protected_groups) {
        pin_group(deps, name)?;
    }
    Ok(())
}

/// The group that a name means; `None` where no group has the name yet, or several have.
pub(crate) fn pin_group(deps: &Deps, name: &str) -> Result<Option<GroupId>, StoreError> {
    if let Some(id) = deps.store.names().group(name)? {
        return Ok(Some(id));
    }
    let found = deps.store.groups().called(name)?;
    let [group] = found.as_slice() else { return Ok(None) };
    deps.store.names().insert_group(name, &group.id)?;
    Ok(Some(group.id.clone()))
}
