//! How the two systems are, as the last process that talked to them knew it.

use rusqlite::params;

use super::columns::At;
use super::{Store, StoreError};
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
pub(crate) struct Sides<'a>(pub(super) &'a Store);

impl Sides<'_> {
    /// Keeps how one side (`servicenow`, `okta`) is.
    pub(crate) fn upsert(&self, name: &str, state: &SideState) -> Result<(), StoreError> {
        // Every change is a commit, and nearly always there is none.
        if self.get(name)?.as_ref() == Some(state) {
            return Ok(());
        }
        let sql = "INSERT OR REPLACE INTO sides (name, since, error) VALUES (?, ?, ?)";
        self.0.run(sql, params![name, At(state.since), state.error])?;
        Ok(())
    }

    /// How one side was last known to be.
    pub(crate) fn get(&self, name: &str) -> Result<Option<SideState>, StoreError> {
        let sql = "SELECT since, error FROM sides WHERE name = ?";
        self.0.one(sql, [name], |row| {
            Ok(SideState { since: row.get::<_, At>(0)?.0, error: row.get(1)? })
        })
    }
}
