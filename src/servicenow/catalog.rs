//! What surrounds a request: catalog items and look-up tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use super::items::Items;
use super::paging::{self, nothing_lacks};
use super::query::{self, Filter};
use super::rows::{Sweep, get, is_hex_id};
use super::{Item, ServiceNowError, ServiceNowReader};
use crate::model::{Record, SysId};

/// A list of 100 ids is about 3.3 kB of address, well below any limit.
pub(super) const IDS_A_CALL: usize = 100;
/// More rows than this under one name are not looked at.
const FEW: u32 = 20;

/// What a look-up table says of the rows that were asked for; of one that is in neither it has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LookedUp {
    /// By `sys_id`, the value of the column.
    pub found: BTreeMap<String, String>,
    /// By `sys_id`, why the row's value cannot be told.
    pub unusable: BTreeMap<String, String>,
}

impl ServiceNowReader {
    /// The configured catalog items, as they were looked up first.
    pub(crate) async fn items(&self) -> Result<Arc<Items>, ServiceNowError> {
        let known = self.looked_up();
        if known.names().eq(&self.connection.shared.settings.items) {
            return Ok(known);
        }
        self.items_known(&BTreeMap::new()).await
    }

    /// Looks up those configured names of which it is not known yet what they mean, and gives all.
    /// `known` is what was found out before this connection: by the configured name, the id that it
    /// means. An item that was renamed since keeps its meaning.
    /// A name that means nothing spoils no other one.
    pub(crate) async fn items_known(
        &self,
        known: &BTreeMap<String, SysId>,
    ) -> Result<Arc<Items>, ServiceNowError> {
        let (before, mut items) = (self.looked_up(), Items::default());
        for configured in &self.connection.shared.settings.items {
            let looked_up = before.known.iter().find(|item| item.configured_as == *configured);
            let found = match (looked_up, known.get(configured)) {
                (Some(item), _) => Ok(item.clone()),
                (None, Some(id)) => Ok(Item {
                    sys_id: id.clone(),
                    name: configured.clone(),
                    configured_as: configured.clone(),
                }),
                (None, None) => self.item_called(configured).await,
            };
            match found {
                Ok(item) => items.known.push(item),
                Err(ServiceNowError::Unresolved { why }) => {
                    items.unknown.insert(configured.clone(), why);
                }
                Err(error) if error.is_about_object() => {
                    items.unknown.insert(configured.clone(), error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        let items = Arc::new(items);
        *self.connection.shared.items.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::clone(&items);
        Ok(items)
    }

    /// What is known of the configured items without asking.
    pub(super) fn looked_up(&self) -> Arc<Items> {
        Arc::clone(&self.connection.shared.items.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a configured name means now, whatever it meant before.
    pub(crate) async fn item_called(&self, configured: &str) -> Result<Item, ServiceNowError> {
        let operation = &format!("looking for the catalog item {configured:?}");
        let doubt = |why: String| ServiceNowError::unbelievable(operation, why);
        let unresolved = |why: String| ServiceNowError::Unresolved { why };
        let fields = paging::names(["sys_id", "name"]);
        let item = |row: &Record| {
            paging::present(row, &fields, nothing_lacks)?;
            Ok(Item {
                sys_id: paging::id(row)?,
                name: get(row, "name").to_owned(),
                configured_as: configured.to_owned(),
            })
        };
        if let (true, Ok(id)) = (is_hex_id(configured), SysId::parse(configured)) {
            return match self.connection.get(operation, "sc_cat_item", &id, &fields).await? {
                Some(row) => item(&row).map_err(doubt),
                None => Err(unresolved(format!(
                    "no catalog item has the sys_id {configured}, or this account may not read it"
                ))),
            };
        }

        let value = query::literal(configured).map_err(|error| {
            unresolved(format!("the item {configured:?} has to be named by its sys_id: {error}"))
        })?;
        let query = Filter::parse(&format!("name={value}"))
            .map(|filter| filter.ordered())
            .map_err(|error| unresolved(error.to_string()))?;
        let (rows, total) =
            paging::peek(&self.connection, operation, "sc_cat_item", &query, &fields, FEW).await?;
        if total > FEW.into() {
            return Err(doubt(format!("{total} items fit one name: the condition was dropped")));
        }
        let mut named: Vec<_> = rows.iter().map(item).collect::<Result<_, _>>().map_err(doubt)?;
        named.retain(|item| item.name.trim() == configured.trim());
        Err(unresolved(match named.as_slice() {
            [item] => return Ok(item.clone()),
            [] if total > 0 && rows.is_empty() => {
                format!("this account may not read the catalog item called {configured:?}")
            }
            [] => format!("no catalog item is called {configured:?}"),
            several => {
                let ids: Vec<_> = several.iter().map(|item| item.sys_id.as_str()).collect();
                format!(
                    "{} catalog items are called {configured:?}; name one by its sys_id: {}",
                    ids.len(),
                    ids.join(", ")
                )
            }
        }))
    }

    /// One column of a look-up table for these rows. A row that is not there, or that we may not
    /// see, is left out. Where fewer come than are counted each is asked for by itself: a cut
    /// answer would call a group unknown, and a hidden row is the business of its request alone.
    pub(crate) async fn lookup(
        &self,
        table: &str,
        column: &str,
        ids: &BTreeSet<SysId>,
    ) -> Result<LookedUp, ServiceNowError> {
        let operation = format!("looking up {table}.{column}");
        let doubt = |why: String| ServiceNowError::unbelievable(&operation, why);
        if !query::is_name(table) || table.contains('.') || !query::is_name(column) {
            return Err(ServiceNowError::Unresolved {
                why: format!("{table:?} and {column:?} are not the names of a table and a column"),
            });
        }
        let fields = paging::names(["sys_id", column]);
        let ids: Vec<_> = ids.iter().collect();
        let mut all = LookedUp::default();
        for chunk in ids.chunks(IDS_A_CALL) {
            let list: Vec<_> = chunk.iter().map(|id| id.as_str()).collect();
            let filter = Filter::parse(&format!("sys_idIN{}", list.join(",")))
                .map_err(|error| doubt(error.to_string()))?;
            let sweep = Sweep {
                operation: &operation,
                table,
                filter,
                fields: fields.clone(),
                may_lack: nothing_lacks,
                control: Filter::default(),
                may_hide: 0,
            };
            let rows = match paging::collect(&self.connection, sweep).await {
                Err(ServiceNowError::Unbelievable { .. }) => {
                    self.look_up_each(table, &fields, chunk, &mut all.unusable).await?
                }
                rows => rows?,
            };
            let value = |row| (get(row, "sys_id").to_owned(), get(row, column).to_owned());
            all.found.extend(rows.iter().map(value));
        }
        Ok(all)
    }

    async fn look_up_each(
        &self,
        table: &str,
        fields: &BTreeSet<String>,
        ids: &[&SysId],
        unusable: &mut BTreeMap<String, String>,
    ) -> Result<Vec<Record>, ServiceNowError> {
        let mut rows = Vec::new();
        for id in ids {
            let operation = format!("looking up {id} in {table}");
            let why = match self.connection.get(&operation, table, id, fields).await {
                Ok(None) => continue,
                Ok(Some(row)) => match paging::present(&row, fields, nothing_lacks) {
                    Ok(()) => {
                        rows.push(row);
                        continue;
                    }
                    Err(why) => why,
                },
                Err(error) if error.is_about_object() => error.to_string(),
                Err(error) => return Err(error),
            };
            unusable.insert(id.as_str().to_owned(), why);
        }
        Ok(rows)
    }
}
