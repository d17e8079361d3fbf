//! One row for each cycle: what it was, how it ended, and the guard's baseline.

use rusqlite::params;

use super::columns::{At, moment};
use super::{Store, StoreError};
use crate::model::Timestamp;

/// How a cycle ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CycleRow {
    /// `converged`, `attention`, `quarantined` or `failed`.
    pub(crate) outcome: String,
    /// People in a complete read; `None` for a read of changes.
    pub(crate) people: Option<u32>,
    /// The read may serve as the baseline of the next.
    pub(crate) believed: bool,
}

/// The last complete cycle that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastCycle {
    pub(crate) n: i64,
    pub(crate) finished: Timestamp,
}

/// A cycle that ended, well or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndedCycle {
    pub(crate) n: i64,
    pub(crate) started: Timestamp,
    pub(crate) finished: Timestamp,
    /// It read both sides whole, rather than only what changed.
    pub(crate) full: bool,
    /// `converged`, `attention`, `quarantined` or `failed`.
    pub(crate) outcome: String,
}

/// One row a cycle.
#[derive(Debug)]
pub(crate) struct Cycles<'a>(pub(super) &'a Store);

impl Cycles<'_> {
    /// Begins a cycle and gives its number.
    pub(crate) fn begin(&self, full: bool, now: Timestamp) -> Result<i64, StoreError> {
        let sql = "INSERT INTO cycles (started, full_read) VALUES (?, ?) RETURNING n";
        self.0.value(sql, params![At(now), full])
    }

    pub(crate) fn end(&self, n: i64, row: &CycleRow, now: Timestamp) -> Result<(), StoreError> {
        self.0.run(
            "UPDATE cycles SET finished = ?, outcome = ?, people = ?, believed = ? WHERE n = ?",
            params![At(now), row.outcome, row.people, row.believed, n],
        )?;
        // The log of cycles that did nothing is of no use after a while.
        self.0.run("DELETE FROM cycles WHERE n < ? - 10000 AND believed = 0", [n])?;
        Ok(())
    }

    /// How many people the last believed complete read held; `None` before the first.
    pub(crate) fn believed_people(&self) -> Result<Option<u32>, StoreError> {
        let sql = "SELECT people FROM cycles WHERE believed = 1 ORDER BY n DESC LIMIT 1";
        self.0.one(sql, [], |row| row.get(0))
    }

    /// The last cycle that ended, well or not.
    pub(crate) fn last_ended(&self) -> Result<Option<EndedCycle>, StoreError> {
        let sql = "SELECT n, started, finished, full_read, outcome FROM cycles
                   WHERE finished IS NOT NULL ORDER BY n DESC LIMIT 1";
        self.0.one(sql, [], |row| {
            Ok(EndedCycle {
                n: row.get(0)?,
                started: row.get::<_, At>(1)?.0,
                finished: row.get::<_, At>(2)?.0,
                full: row.get(3)?,
                outcome: row.get(4)?,
            })
        })
    }

    /// When the last cycle ended that did not fail.
    pub(crate) fn last_good(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT finished FROM cycles WHERE finished IS NOT NULL AND outcome <> 'failed'
                   ORDER BY n DESC LIMIT 1";
        Ok(moment(self.0.one(sql, [], |row| row.get(0))?))
    }

    /// The last cycle with a complete read that did not fail.
    pub(crate) fn last_full(&self) -> Result<Option<LastCycle>, StoreError> {
        let sql = "SELECT n, finished FROM cycles WHERE full_read = 1 AND finished IS NOT NULL
                       AND outcome <> 'failed' ORDER BY n DESC LIMIT 1";
        self.0
            .one(sql, [], |row| Ok(LastCycle { n: row.get(0)?, finished: row.get::<_, At>(1)?.0 }))
    }
}
