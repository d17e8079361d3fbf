//! Rows as they come, and what is wrong with one.

use std::collections::BTreeSet;

use super::ServiceNowError;
use super::error::clean;
use super::query::{Filter, MissingField};
use crate::model::Record;

/// A whole list that is to be read: all rows of a table that fit a filter.
pub(super) struct Sweep<'a> {
    pub operation: &'a str,
    pub table: &'a str,
    pub filter: Filter,
    /// Asked for; the filter's own fields and `sys_id` are added.
    pub fields: BTreeSet<String>,
    /// Whether a row is believed although a field was left out of it.
    pub may_lack: fn(&Record, &str) -> bool,
    /// Rows of the same table that tell, where no row of the list has a field, whether it can be
    /// read at all.
    pub control: Filter,
    /// So many rows may be announced and not come: whoever reads the list accounts for each.
    pub may_hide: u64,
}

impl Sweep<'_> {
    pub(super) fn doubt(&self, why: String) -> ServiceNowError {
        ServiceNowError::unbelievable(self.operation, why)
    }
}

/// A row that was left out of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetAside {
    /// The row's `sys_id`, at most 100 characters of it.
    pub sys_id: String,
    /// What is wrong with it.
    pub why: String,
}

impl SetAside {
    pub(super) fn new(row: &Record, why: String) -> Self {
        Self { sys_id: get(row, "sys_id").chars().take(100).collect(), why }
    }
}

pub(super) fn lacking(field: &str) -> String {
    format!(
        "the field {field} is missing or not a text: the name is unknown, or this account may not \
         read it"
    )
}

/// Whether a text looks like a `sys_id` as ServiceNow itself makes them.
pub(super) fn is_hex_id(text: &str) -> bool {
    text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// A field's value; empty if it was not sent.
pub(super) fn get<'a>(row: &'a Record, field: &str) -> &'a str {
    row.get(field).map_or("", String::as_str)
}

pub(super) fn fitting(row: &Record, filter: &Filter) -> Result<(), String> {
    match filter.unmet(row) {
        Ok(None) => Ok(()),
        Ok(Some(term)) => Err(format!(
            "a row came that does not fit {:?}: the condition was dropped (a wrong field name?), or \
             it compares a displayed name (then name the field, as in department.name)",
            clean(&term)
        )),
        Err(MissingField(field)) => Err(lacking(&field)),
    }
}
