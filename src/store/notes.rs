//! What was written on requests.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, moment, stamp};
use crate::model::{SysId, Timestamp};

/// What was written on requests.
#[derive(Debug)]
pub struct Notes<'a>(pub(super) &'a Store);

impl Notes<'_> {
    /// Remembers a note by its marker.
    pub fn insert(&self, id: &SysId, marker: &str, now: Timestamp) -> Result<(), StoreError> {
        self.0.conn.execute(
            "INSERT OR IGNORE INTO notes (request, marker, at) VALUES (?, ?, ?)",
            params![id.as_str(), marker, stamp(now)],
        )?;
        Ok(())
    }

    /// The newest note that was written on a request.
    pub fn last(&self, id: &SysId) -> Result<Option<String>, StoreError> {
        let sql = "SELECT marker FROM notes WHERE request = ? AND marker LIKE '[%' ORDER BY at DESC LIMIT 1";
        Ok(self.0.conn.query_row(sql, [id.as_str()], |row| row.get(0)).optional()?)
    }

    /// When a note with this marker was written.
    pub fn at(&self, id: &SysId, marker: &str) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT at FROM notes WHERE request = ? AND marker = ?";
        let at: Option<String> =
            self.0.conn.query_row(sql, [id.as_str(), marker], |row| row.get(0)).optional()?;
        at.map(|at| moment(&at)).transpose()
    }

    /// Whether a note with this marker was written.
    pub fn contains(&self, id: &SysId, marker: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM notes WHERE request = ? AND marker = ?)";
        Ok(self.0.conn.query_row(sql, [id.as_str(), marker], |row| row.get(0))?)
    }
}
