//! What the names of the configuration mean.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension;

use super::{Store, StoreError};

/// What the names of the configuration mean.
#[derive(Debug)]
pub struct Names<'a>(pub(super) &'a Store);

impl Names<'_> {
    /// The id that a configured name was resolved to first.
    pub fn get(&self, kind: &str, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self
            .0
            .conn
            .prepare_cached("SELECT id FROM pins WHERE kind = ? AND name = ?")?
            .query_row([kind, name], |row| row.get(0))
            .optional()?)
    }

    /// Everything of one kind that was pinned: names and ids.
    pub fn all(&self, kind: &str) -> Result<BTreeMap<String, String>, StoreError> {
        let mut statement =
            self.0.conn.prepare_cached("SELECT name, id FROM pins WHERE kind = ?")?;
        let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets what a name was pinned to.
    pub fn delete(&self, kind: &str, name: &str) -> Result<(), StoreError> {
        self.0.conn.execute("DELETE FROM pins WHERE kind = ? AND name = ?", [kind, name])?;
        Ok(())
    }

    /// Remembers the id of a configured name.
    pub fn insert(&self, kind: &str, name: &str, id: &str) -> Result<(), StoreError> {
        self.0.conn.execute(
            "INSERT OR IGNORE INTO pins (kind, name, id) VALUES (?, ?, ?)",
            [kind, name, id],
        )?;
        Ok(())
    }
}
