//! Names in the configuration mean the group or the catalog item that they were first seen to name.

use crate::model::GroupId;
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
    if let Some(id) = deps.store.names().group(name)? {
        return Ok(Some(id));
    }
    let found = deps.store.groups().called(name)?;
    match found.as_slice() {
        [group] => {
            deps.store.names().insert_group(name, &group.id)?;
            Ok(Some(group.id.clone()))
        }
        _ => Ok(None),
    }
}

/// Names of catalog items mean the item that they were first seen to name.
pub(crate) async fn resolve_items(deps: &Deps) -> Result<(), SyncError> {
    deps.servicenow.items_known(&deps.store.names().items()?).await?;
    Ok(())
}

/// Remembers which items the names mean, once both systems have answered.
pub(crate) async fn pin_items(deps: &Deps) -> Result<(), SyncError> {
    for item in deps.servicenow.items().await? {
        deps.store.names().insert_item(&item.configured_as, &item.sys_id)?;
    }
    Ok(())
}

/// Warns where a configured name of an item has come to mean another one.
pub(crate) async fn check_items(deps: &Deps) -> Result<(), SyncError> {
    for (name, id) in deps.store.names().items()? {
        let doubt = match deps.servicenow.item_called(&name).await {
            Ok(item) if item.sys_id == id => continue,
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
