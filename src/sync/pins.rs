//! Names in the configuration mean the group or the catalog item that they were first seen to name.

use std::collections::BTreeMap;

use crate::model::{GroupId, SysId};
use crate::servicenow::ServiceNowError;
use crate::store::StoreError;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;

/// Names in the configuration mean the group that they were first seen to name.
pub(crate) fn pin_groups(deps: &Deps) -> Result<(), SyncError> {
    for rule in &deps.config.policy.groups {
        pin_group(deps, &rule.name)?;
    }
    for name in &deps.config.limits.protected_groups {
        pin_group(deps, name)?;
    }
    Ok(())
}

/// The group that a name means; `None` where no group has the name yet, or several have.
pub(crate) fn pin_group(deps: &Deps, name: &str) -> Result<Option<GroupId>, StoreError> {
    if let Some(id) = deps.store.names().get("group", name)? {
        return Ok(GroupId::parse(&id).ok());
    }
    let found = deps.store.groups().called(name)?;
    match found.as_slice() {
        [group] => {
            deps.store.names().insert("group", name, group.id.as_str())?;
            Ok(Some(group.id.clone()))
        }
        _ => Ok(None),
    }
}

/// Names of catalog items mean the item that they were first seen to name.
pub(crate) async fn resolve_items(deps: &Deps) -> Result<(), SyncError> {
    let known = deps.store.names().all("item")?;
    let known: BTreeMap<String, SysId> =
        known.into_iter().filter_map(|(name, id)| Some((name, SysId::parse(&id).ok()?))).collect();
    deps.servicenow.items_known(&known).await?;
    Ok(())
}

/// Remembers them, once both systems have answered.
pub(crate) async fn pin_items(deps: &Deps) -> Result<(), SyncError> {
    for item in deps.servicenow.items().await? {
        deps.store.names().insert("item", &item.configured_as, item.sys_id.as_str())?;
    }
    Ok(())
}

/// Warns where a configured name of an item has come to mean another one.
pub(crate) async fn check_items(deps: &Deps) -> Result<(), SyncError> {
    for (name, id) in deps.store.names().all("item")? {
        let doubt = match deps.servicenow.item_called(&name).await {
            Ok(item) if item.sys_id.as_str() == id => continue,
            Ok(item) => format!("another item ({}) has that name now", item.sys_id),
            Err(ServiceNowError::Unresolved { why }) => why,
            Err(error) => return Err(error.into()),
        };
        tracing::warn!(
            "the catalog item {name:?} still means {id}: {doubt}; name it by its sys_id"
        );
    }
    Ok(())
}
