//! How the two systems are.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, moment, stamp};
use crate::model::Timestamp;

/// How one of the two systems is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideState {
    /// Since when it is so.
    pub since: Timestamp,
    /// What is wrong with it, where it is down.
    pub error: Option<String>,
}

/// How the two systems are.
#[derive(Debug)]
pub struct Sides<'a>(pub(super) &'a Store);

impl Sides<'_> {
    /// Keeps how one side is.
    pub fn upsert(&self, name: &str, state: &SideState) -> Result<(), StoreError> {
        // Every change is a commit, and nearly always there is none.
        if self.get(name)?.as_ref() == Some(state) {
            return Ok(());
        }
        self.0.conn.execute(
            "INSERT OR REPLACE INTO sides (name, since, error) VALUES (?, ?, ?)",
            params![name, stamp(state.since), state.error],
        )?;
        Ok(())
    }

    /// How one side was last known to be.
    pub fn get(&self, name: &str) -> Result<Option<SideState>, StoreError> {
        let sql = "SELECT since, error FROM sides WHERE name = ?";
        self.0
            .conn
            .query_row(sql, [name], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
            .optional()?
            .map(|(since, error)| Ok(SideState { since: moment(&since)?, error }))
            .transpose()
    }
}
