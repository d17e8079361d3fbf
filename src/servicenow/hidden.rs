//! Rows that the instance counts and does not show: access rules hide them, and `X-Total-Count` counts
//! them all the same. A list is whole but for those of which it is known that they are hidden.

use super::paging::{self, CompleteRead};
use super::query::Filter;
use super::{Connection, ServiceNowError};
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

/// Those with these ids.
pub(super) fn with_ids(operation: &str, ids: &[SysId]) -> Result<Filter, ServiceNowError> {
    let ids: Vec<&str> = ids.iter().map(SysId::as_str).collect();
    Filter::parse(&format!("sys_idIN{}", ids.join(",")))
        .map_err(|error| ServiceNowError::unbelievable(operation, error.to_string()))
}
