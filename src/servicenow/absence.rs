//! What speaks for and against that a person's row is gone.

use super::paging::{self, nothing_lacks};
use super::query::Filter;
use super::rows::get;
use super::{Connection, ServiceNowError, wire};
use crate::http::Deletion;
use crate::model::SysId;

const PEOPLE: &str = "sys_user";
/// One row for each deletion, with its table and the row's id
/// (<https://www.servicenow.com/docs/r/platform-security/exploring-auditing.html>). Its `payload` is
/// the whole row that was: it is never asked for.
const DELETIONS: &str = "sys_audit_delete";
/// A row that is deleted, put back and deleted again has several; the newest counts.
const FEW: u32 = 20;

/// Whether the instance counts a person's row, shown or not: access rules hide rows, and
/// `X-Total-Count` counts them all the same
/// (<https://www.servicenow.com/docs/r/api-reference/rest-apis/c_TableAPI.html>).
pub(super) async fn is_announced(
    connection: &Connection,
    id: &SysId,
) -> Result<bool, ServiceNowError> {
    let operation = format!("asking whether the person {id} is there");
    let doubt = |why: &str| ServiceNowError::unbelievable(&operation, why);
    let query = Filter::parse(&format!("sys_id={id}"))
        .map_err(|_| doubt("the sys_id cannot stand in a query"))?
        .ordered();
    let fields = paging::names(["sys_id"]);
    let (page, _) = connection.list(&operation, PEOPLE, &query, &fields, 1).await?;
    match page.total {
        Some(0) if page.rows.is_empty() => Ok(false),
        Some(1) => Ok(true),
        None => Err(doubt("no X-Total-Count came with it, so a hidden row would not show")),
        Some(_) => Err(doubt("the condition was dropped")),
    }
}

/// What `sys_audit_delete` says of a person's row. A row can be put back with the same id, so
/// this counts only for one that is not there now.
pub(crate) async fn deleted_at(
    connection: &Connection,
    id: &SysId,
) -> Result<Deletion, ServiceNowError> {
    let operation = format!("asking whether the person {id} was deleted");
    let doubt = |why: &str| ServiceNowError::unbelievable(&operation, why);
    let filter = Filter::parse(&format!("tablename={PEOPLE}^documentkey={id}"))
        .map_err(|_| doubt("the sys_id cannot stand in a query"))?;
    let (fields, query) =
        (paging::names(["sys_id", "tablename", "documentkey", "sys_created_on"]), filter.ordered());
    let peek = paging::peek(connection, &operation, DELETIONS, &query, &fields, FEW);
    let (rows, total) = match peek.await {
        Ok(found) => found,
        Err(error) if error.is_about_object() => {
            return Ok(Deletion::Unreadable(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    if total > rows.len() as u64 {
        let why = format!("rows of {DELETIONS} are hidden from this account");
        return Ok(Deletion::Unreadable(why));
    }
    let mut newest = None;
    for row in &rows {
        if let Err(why) = paging::check(row, &filter, &fields, nothing_lacks) {
            return Ok(Deletion::Unreadable(why));
        }
        newest = newest.max(wire::moment(get(row, "sys_created_on")));
    }
    Ok(match newest {
        Some(at) => Deletion::Shown(at),
        None if rows.is_empty() => Deletion::NotShown,
        None => Deletion::Unreadable("sys_created_on is not a stored date-time".into()),
    })
}

/// Whether inactive people are shown at all: a before-query rule often takes them out of every
/// query, so that who becomes inactive looks as if deleted. False also where there are none.
pub(crate) async fn shows_inactive(connection: &Connection) -> Result<bool, ServiceNowError> {
    let operation = "asking for an inactive person";
    let fields = paging::names(["sys_id", "active"]);
    let query = "active=false^ORDERBYsys_id";
    let (rows, _) = paging::peek(connection, operation, PEOPLE, query, &fields, 1).await?;
    Ok(rows.iter().any(|row| get(row, "active") == "false"))
}
