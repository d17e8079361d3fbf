//! One row for each cycle: what it was, how it ended, and the guard's baseline.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, moment, stamp};
use crate::model::Timestamp;

/// How a cycle ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleRow {
    /// Its outcome in a word.
    pub outcome: String,
    /// People in a complete read.
    pub people: Option<u32>,
    /// The read may serve as the baseline of the next.
    pub believed: bool,
}

/// The last cycle that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCycle {
    /// Its number.
    pub n: i64,
    /// When it ended.
    pub finished: Timestamp,
}

/// A cycle that ended, well or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedCycle {
    /// Its number.
    pub n: i64,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// It read everything.
    pub full: bool,
    /// Its outcome in a word.
    pub outcome: String,
}

/// One row a cycle.
#[derive(Debug)]
pub struct Cycles<'a>(pub(super) &'a Store);

impl Cycles<'_> {
    /// Begins a cycle and gives its number.
    pub fn begin(&self, full: bool, now: Timestamp) -> Result<i64, StoreError> {
        let sql = "INSERT INTO cycles (started, full_read) VALUES (?, ?) RETURNING n";
        Ok(self.0.conn.query_row(sql, params![stamp(now), full], |row| row.get(0))?)
    }

    /// Ends a cycle.
    pub fn end(&self, n: i64, row: &CycleRow, now: Timestamp) -> Result<(), StoreError> {
        self.0.conn.execute(
            "UPDATE cycles SET finished = ?, outcome = ?, people = ?, believed = ? WHERE n = ?",
            params![stamp(now), row.outcome, row.people, row.believed, n],
        )?;
        // The log of cycles that did nothing is of no use after a while.
        self.0.conn.execute("DELETE FROM cycles WHERE n < ? - 10000 AND believed = 0", [n])?;
        Ok(())
    }

    /// How many people the last believed complete read held.
    pub fn believed_people(&self) -> Result<Option<u32>, StoreError> {
        let sql = "SELECT people FROM cycles WHERE believed = 1 ORDER BY n DESC LIMIT 1";
        Ok(self.0.conn.query_row(sql, [], |row| row.get(0)).optional()?)
    }

    /// The last cycle that ended: number, when, whether it read everything, seconds, outcome.
    pub fn last_ended(&self) -> Result<Option<EndedCycle>, StoreError> {
        let sql = "SELECT n, started, finished, full_read, outcome FROM cycles
                   WHERE finished IS NOT NULL ORDER BY n DESC LIMIT 1";
        let row = |row: &rusqlite::Row<'_>| {
            let times: (String, String) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, times, row.get(3)?, row.get(4)?))
        };
        let found = self.0.conn.query_row(sql, [], row).optional()?;
        found
            .map(|(n, (started, finished), full, outcome)| {
                let (started, finished) = (moment(&started)?, moment(&finished)?);
                Ok(EndedCycle { n, started, finished, full, outcome })
            })
            .transpose()
    }

    /// When the last cycle ended that did not fail.
    pub fn last_good(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT finished FROM cycles WHERE finished IS NOT NULL AND outcome <> 'failed'
                   ORDER BY n DESC LIMIT 1";
        let at: Option<String> = self.0.conn.query_row(sql, [], |row| row.get(0)).optional()?;
        at.map(|at| moment(&at)).transpose()
    }

    /// The last cycle with a complete read that ended well.
    pub fn last_full(&self) -> Result<Option<LastCycle>, StoreError> {
        let sql = "SELECT n, finished FROM cycles WHERE full_read = 1 AND finished IS NOT NULL
                       AND outcome <> 'failed' ORDER BY n DESC LIMIT 1";
        self.0
            .conn
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
            .optional()?
            .map(|(n, finished)| Ok(LastCycle { n, finished: moment(&finished)? }))
            .transpose()
    }
}
