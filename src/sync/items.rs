//! Catalog items by name: what a name in the configuration was first seen to mean.

use crate::model::{OpenItem, Subject};
use crate::sync::contain::contained;
use crate::sync::open_items::record_configuration;
use crate::sync::{deps::Deps, error::Result, scope::Cycle};

/// Names of catalog items mean the item that they were first seen to name.
/// One that means nothing is open until it does; requests of the others are read.
pub(crate) async fn resolve_items(deps: &Deps) -> Result<()> {
    let items = deps.servicenow.items_known(&deps.store.names().items()?).await?;
    // With none at all there is nothing to do, and it is no name that is wrong.
    if items.known.is_empty() {
        items.whole()?;
    }
    let open: Vec<OpenItem> = items
        .unknown
        .iter()
        .map(|(name, why)| {
            let text = format!("{why}; requests of it are not read");
            OpenItem::unusable(Subject::Name(name.clone()), text)
        })
        .collect();
    record_configuration(deps, &["name"], &open)?;
    Ok(())
}

/// Remembers them, once both systems have answered.
pub(crate) async fn pin_items(deps: &Deps) -> Result<()> {
    for item in &deps.servicenow.items().await?.known {
        deps.store.names().insert_item(&item.configured_as, &item.sys_id)?;
    }
    Ok(())
}

/// Warns where a configured name of an item has come to mean another one.
pub(crate) async fn check_items(deps: &Deps, cycle: &Cycle) -> Result<()> {
    for (name, id) in deps.store.names().items()? {
        let read = deps.servicenow.item_called(&name).await.map_err(Into::into);
        let doubt = match contained(deps, cycle, read).await? {
            Ok(item) if item.sys_id == id => continue,
            Ok(item) => format!("another item ({}) has that name now", item.sys_id),
            Err(why) => why,
        };
        tracing::warn!(
            "the catalog item {name:?} still means {id}: {doubt}; name it by its sys_id"
        );
    }
    Ok(())
}
