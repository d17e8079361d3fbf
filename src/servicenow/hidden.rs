//! Rows that the instance counts and does not show: access rules hide them, and `X-Total-Count` counts
//! them all the same. A list is whole but for those of which it is known that they are hidden.

use super::catalog::IDS_A_CALL;
use super::paging::{self, CompleteRead};
use super::query::Filter;
use super::requests::TABLE as REQUESTS;
use super::{Connection, ServiceNowError, ServiceNowReader, Window};
use crate::model::SysId;

/// More rows than this that are announced and do not come are no matter of single rows.
pub(super) const FEW_HIDDEN: u64 = 20;

/// Fails unless the rows of these lists of one table that were announced and did not come are those
/// with these ids, which the instance is known to hide.
pub(super) async fn account_for(
    connection: &Connection,
    (operation, table): (&str, &str),
    lists: &[Filter],
    read: &CompleteRead,
    known: &[SysId],
) -> Result<(), ServiceNowError> {
    let doubt = |why: String| ServiceNowError::unbelievable(operation, why);
    let too_few = || doubt(paging::hidden(read.rows + read.hidden, read.rows));
    if read.hidden == 0 {
        return Ok(());
    }
    if known.is_empty() || known.len() as u64 > FEW_HIDDEN {
        return Err(too_few());
    }
    let these = with_ids(operation, known)?;
    let mut hidden = 0;
    for list in lists {
        let query = list.and(&these).ordered();
        let fields = paging::names(["sys_id"]);
        let (page, _) = connection.list(operation, table, &query, &fields, 1).await?;
        match page.total {
            Some(total) if page.rows.is_empty() => hidden += total,
            _ => return Err(too_few()),
        }
    }
    if hidden == read.hidden { Ok(()) } else { Err(too_few()) }
}

impl ServiceNowReader {
    /// As [`ServiceNowReader::account_for_hidden`], for requests.
    pub(crate) async fn account_for_hidden_requests(
        &self,
        window: Option<&Window>,
        read: &CompleteRead,
        known: &[SysId],
    ) -> Result<(), ServiceNowError> {
        if read.hidden == 0 {
            return Ok(());
        }
        let (_, lists) = self.request_lists(window).await?;
        let what = ("reading requests", REQUESTS);
        account_for(&self.connection, what, &lists, read, known).await
    }

    /// Those of the requests that are counted and not shown, until so many are found.
    pub(crate) async fn hidden_requests(
        &self,
        ids: &[SysId],
        enough: u64,
    ) -> Result<Vec<SysId>, ServiceNowError> {
        let operation = "asking which requests are hidden";
        let mut hidden = Vec::new();
        for chunk in ids.chunks(IDS_A_CALL) {
            let fields = paging::names(["sys_id"]);
            let query = with_ids(operation, chunk)?.ordered();
            let limit = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            let (rows, total) =
                paging::peek(&self.connection, operation, REQUESTS, &query, &fields, limit).await?;
            if total <= rows.len() as u64 {
                continue;
            }
            let is_shown = |id: &SysId| {
                rows.iter().any(|row| row.get("sys_id").is_some_and(|shown| shown == id.as_str()))
            };
            // Halved until each part is counted whole or not at all.
            let mut parts = vec![chunk.iter().filter(|id| !is_shown(id)).cloned().collect()];
            while let Some(part) = parts.pop() {
                let part: Vec<SysId> = part;
                let announced = self.announced(operation, &part).await?;
                if announced == part.len() as u64 {
                    hidden.extend(part);
                } else if announced > 0 {
                    let (left, right) = part.split_at(part.len() / 2);
                    parts.extend([left.to_vec(), right.to_vec()]);
                }
                if hidden.len() as u64 >= enough {
                    return Ok(hidden);
                }
            }
        }
        Ok(hidden)
    }

    /// How many of these requests the instance counts, shown or not.
    async fn announced(&self, operation: &str, ids: &[SysId]) -> Result<u64, ServiceNowError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let doubt = |why: &str| ServiceNowError::unbelievable(operation, why);
        let query = with_ids(operation, ids)?.ordered();
        let fields = paging::names(["sys_id"]);
        let (page, _) = self.connection.list(operation, REQUESTS, &query, &fields, 1).await?;
        match page.total {
            Some(total) if total <= ids.len() as u64 => Ok(total),
            Some(_) => Err(doubt("the condition was dropped")),
            None => Err(doubt("no X-Total-Count came with it, so a hidden row would not show")),
        }
    }
}

fn with_ids(operation: &str, ids: &[SysId]) -> Result<Filter, ServiceNowError> {
    let ids: Vec<&str> = ids.iter().map(SysId::as_str).collect();
    Filter::parse(&format!("sys_idIN{}", ids.join(",")))
        .map_err(|error| ServiceNowError::unbelievable(operation, error.to_string()))
}
