//! Reading every row that fits a filter, or failing.
//!
//! Pages follow the key (`sys_id>LAST^ORDERBYsys_id`), since an offset moves while rows change.
//! The collation of that order is the database's: nothing here assumes that it is ours.

use std::collections::BTreeSet;

use super::checked::{Checked, is_key};
use super::error::BoxError;
use super::query::Filter;
use super::rows::{SetAside, Sweep, fitting, get, lacking};
use super::{Connection, ServiceNowError, wire};
use crate::model::{Record, SysId};

/// A read that came whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CompleteRead {
    /// Rows that came, those set aside included.
    pub rows: u64,
    /// Rows that the instance announced with the first page.
    pub announced: u64,
    /// Rows that were announced and did not come. Until each is accounted for, nothing follows from
    /// the read.
    pub hidden: u64,
    /// Rows that make no sense by themselves and were left out.
    pub set_aside: Vec<SetAside>,
}

/// Reads all pages, checking each row, and hands every page on as soon as it is believed, without the
/// rows that make no sense by themselves. The read is only believed once this has returned well.
pub(super) async fn sweep<T>(
    connection: &Connection,
    sweep: Sweep<'_>,
    read_row: impl Fn(&Record) -> Result<T, String>,
    mut on_page: impl FnMut(Vec<T>) -> Result<(), BoxError>,
) -> Result<CompleteRead, ServiceNowError> {
    let mut sweep = sweep;
    sweep.fields.extend(sweep.filter.fields());
    sweep.fields.insert("sys_id".into());
    let sweep = sweep;
    let Sweep { operation, table, filter, fields, .. } = &sweep;
    let doubt = |why: String| sweep.doubt(why);

    let mut read = CompleteRead::default();
    let mut limit = connection.shared.settings.page_size.max(1);
    let mut checked = Checked::default();
    let mut last: Option<String> = None;
    let mut short_before = false;
    loop {
        let query = match &last {
            None => Ok(filter.ordered()),
            Some(last) => filter.ordered_after(last),
        };
        let query = query
            .map_err(|error| doubt(format!("the last sys_id of a page is not usable: {error}")))?;
        let (page, used) = connection.list(operation, table, &query, fields, limit).await?;
        limit = used;
        let uncounted = "no X-Total-Count came with it, so hidden rows would not show";
        let total = page.total.ok_or_else(|| doubt(uncounted.into()))?;
        let came = page.rows.len() as u64;
        if last.is_none() {
            read.announced = total;
        }

        // The limit is applied before access rules, the count ignores them:
        // https://www.servicenow.com/docs/r/api-reference/rest-apis/c_TableAPI.html
        let due = total.min(limit.into());
        if came < due && !(short_before && due - came <= sweep.may_hide) {
            if short_before {
                return Err(doubt(hidden(due, came)));
            }
            // A row may have gone between the count and the page: once is no proof.
            short_before = true;
            continue;
        }
        short_before = false;

        let next = page.rows.iter().rev().map(|row| get(row, "sys_id")).find(|id| is_key(id));
        let next = next.map(str::to_owned);
        if next.is_none() && came >= u64::from(limit) {
            return Err(doubt("no row of a page has a usable sys_id".into()));
        }
        let more = came > 0 && (came >= u64::from(limit) || total > came);
        let (rows, set_aside) = checked.page(connection, &sweep, page.rows).await?;
        read.rows += (rows.len() + set_aside.len()) as u64;
        read.set_aside.extend(set_aside);
        let mut believed = Vec::with_capacity(rows.len());
        for row in rows {
            match read_row(&row) {
                Ok(it) => believed.push(it),
                Err(why) => read.set_aside.push(SetAside::new(&row, why)),
            }
        }
        if came > 0 {
            on_page(believed).map_err(ServiceNowError::Taker)?;
        }
        last = next.or(last);
        if !more {
            break;
        }
    }

    if read.rows < read.announced {
        // Rows may have left the filter meanwhile: then fewer are announced now, too.
        let query = filter.ordered();
        let (page, _) = connection.list(operation, table, &query, fields, 1).await?;
        let now = page.total.unwrap_or(read.announced);
        read.hidden = now.saturating_sub(read.rows);
        if read.hidden > sweep.may_hide {
            return Err(doubt(hidden(now, read.rows)));
        }
    }
    Ok(read)
}

pub(super) fn hidden(announced: u64, came: u64) -> String {
    format!("{announced} rows announced, {came} came: rows are hidden from this account")
}

/// Whether a row has every field that was asked for and fits what was asked.
pub(super) fn check(
    row: &Record,
    filter: &Filter,
    fields: &BTreeSet<String>,
    may_lack: fn(&Record, &str) -> bool,
) -> Result<(), String> {
    present(row, fields, may_lack)?;
    fitting(row, filter)
}

/// Whether a row has every field that was asked for.
pub(super) fn present(
    row: &Record,
    fields: &BTreeSet<String>,
    may_lack: fn(&Record, &str) -> bool,
) -> Result<(), String> {
    let field = fields.iter().find(|field| !row.contains_key(*field) && !may_lack(row, field));
    field.map_or(Ok(()), |field| Err(lacking(field)))
}

pub(super) fn nothing_lacks(_: &Record, _: &str) -> bool {
    false
}

pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// Reads everything that fits into memory: only for lists that are short by their nature. A row that
/// is to be set aside makes such a list unusable.
pub(super) async fn collect(
    connection: &Connection,
    what: Sweep<'_>,
) -> Result<Vec<Record>, ServiceNowError> {
    let mut rows = Vec::new();
    let keep = |page| {
        rows.extend(page);
        Ok(())
    };
    let operation = what.operation;
    let read = sweep(connection, what, |row| Ok(row.clone()), keep).await?;
    match read.set_aside.first() {
        Some(SetAside { sys_id, why }) => {
            Err(ServiceNowError::unbelievable(operation, format!("the row {sys_id}: {why}")))
        }
        None => Ok(rows),
    }
}

/// Reads one page in which hidden rows count as absent, with the count of rows that fit.
/// For look-ups, where each row stands for itself.
pub(super) async fn peek(
    connection: &Connection,
    operation: &str,
    table: &str,
    query: &str,
    fields: &BTreeSet<String>,
    limit: u32,
) -> Result<(Vec<Record>, u64), ServiceNowError> {
    let (page, used) = connection.list(operation, table, query, fields, limit).await?;
    let came = page.rows.len() as u64;
    if used < limit && came >= u64::from(used) {
        return Err(ServiceNowError::unbelievable(operation, "it only came in part"));
    }
    Ok((page.rows, page.total.unwrap_or(came)))
}

/// Those of a row's fields that were sent.
pub(super) fn sent<'a>(row: &Record, fields: impl IntoIterator<Item = &'a String>) -> Record {
    let sent = fields.into_iter().filter_map(|name| row.get_key_value(name));
    sent.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A row's id, or what is wrong with it.
pub(super) fn id(row: &Record) -> Result<SysId, String> {
    SysId::parse(get(row, "sys_id")).map_err(|error| error.to_string())
}

/// A row's `sys_updated_on` and `sys_mod_count`, or what is wrong with them.
pub(super) fn version(row: &Record) -> Result<(String, u64), String> {
    let updated_on = get(row, "sys_updated_on");
    wire::moment(updated_on).ok_or("sys_updated_on is not a stored date-time")?;
    let mod_count = row.get("sys_mod_count").and_then(|count| count.parse().ok());
    Ok((updated_on.to_owned(), mod_count.ok_or("sys_mod_count is not a number")?))
}
