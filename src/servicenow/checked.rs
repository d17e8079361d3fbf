//! Which rows of a list are believed: each for itself, but for a column that no row has and for a
//! condition or an order that was dropped.

use std::collections::{BTreeSet, HashSet};

use super::query::member;
use super::rows::{SetAside, Sweep, fitting, get, is_hex_id, lacking};
use super::{Connection, ServiceNowError};
use crate::model::{Record, SysId};

/// Rows that are looked at to see whether a field can be read at all.
const CONTROL: u32 = 20;

/// What a read knows of the rows that came so far.
#[derive(Default)]
pub(super) struct Checked {
    seen: Seen,
    /// Fields that some row had, so that the credentials can read them.
    shown: BTreeSet<String>,
    /// Rows without a usable id. They come again with the page that begins after the row before
    /// them.
    nameless: Vec<Record>,
}

impl Checked {
    /// Takes apart the rows of a page: those that are what was asked for, and those that are set
    /// aside by themselves, each counted once.
    pub(super) async fn page(
        &mut self,
        connection: &Connection,
        sweep: &Sweep<'_>,
        page: Vec<Record>,
    ) -> Result<(Vec<Record>, Vec<SetAside>), ServiceNowError> {
        let (mut rows, mut set_aside) = (Vec::with_capacity(page.len()), Vec::new());
        let lacks = |row: &Record, field: &&String| {
            !row.contains_key(*field) && !(sweep.may_lack)(row, field)
        };
        if page.iter().any(|row| sweep.fields.iter().any(|field| lacks(row, &field))) {
            let shown = |field: &&String| page.iter().any(|row| row.contains_key(*field));
            self.shown.extend(sweep.fields.iter().filter(shown).cloned());
        }
        for row in page {
            let id = get(&row, "sys_id");
            if !is_key(id) {
                if !self.nameless.contains(&row) {
                    set_aside.push(SetAside::new(&row, "its sys_id cannot be one".into()));
                    self.nameless.push(row);
                }
                continue;
            }
            if !self.seen.first_time(id) {
                return Err(sweep.doubt(
                    "a row came twice: the paging condition or the order was dropped".into(),
                ));
            }
            if let Some(field) = sweep.fields.iter().find(|field| lacks(&row, field)) {
                self.check_column(connection, sweep, field).await?;
                set_aside.push(SetAside::new(&row, lacking(field)));
                continue;
            }
            fitting(&row, &sweep.filter).map_err(|why| sweep.doubt(why))?;
            rows.push(row);
        }
        Ok((rows, set_aside))
    }

    /// Fails where no row at all has a field: then it is the credentials that lost a column, or the
    /// name that is wrong, and not the row.
    async fn check_column(
        &mut self,
        connection: &Connection,
        sweep: &Sweep<'_>,
        field: &String,
    ) -> Result<(), ServiceNowError> {
        if self.shown.contains(field) {
            return Ok(());
        }
        let Sweep { operation, table, fields, control, .. } = sweep;
        let query = control.ordered();
        let (page, _) = connection.list(operation, table, &query, fields, CONTROL).await?;
        if page.rows.iter().any(|row| row.contains_key(field)) {
            self.shown.insert(field.clone());
            return Ok(());
        }
        Err(sweep.doubt(lacking(field)))
    }
}

/// Whether a `sys_id` can be one, and can stand in the query for the rows after it.
pub(super) fn is_key(id: &str) -> bool {
    SysId::parse(id).is_ok() && member(id).is_ok()
}

/// Which ids came already: 16 bytes each where they are ordinary.
#[derive(Default)]
struct Seen {
    hex: HashSet<u128>,
    other: HashSet<String>,
}

impl Seen {
    fn first_time(&mut self, id: &str) -> bool {
        let ordinary = is_hex_id(id) && !id.contains(|c: char| c.is_ascii_uppercase());
        match u128::from_str_radix(id, 16) {
            Ok(number) if ordinary => self.hex.insert(number),
            _ => self.other.insert(id.to_owned()),
        }
    }
}
