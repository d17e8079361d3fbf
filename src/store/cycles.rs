//! One row for each cycle: what it was, how it ended, and the guard's baseline. And the queue of
//! those whom the next ones decide about.

use rusqlite::params;

use super::columns::{At, moment};
use super::{Cycles, Queue, Result};
use crate::model::{SysId, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CycleRow {
    pub(crate) outcome: String,
    /// People in a complete read; `None` for a read of changes.
    pub(crate) people: Option<u32>,
    /// The read may serve as the baseline of the next.
    pub(crate) believed: bool,
}

/// A cycle that ended, well or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndedCycle {
    pub(crate) n: i64,
    pub(crate) started: Timestamp,
    pub(crate) finished: Timestamp,
    pub(crate) full: bool,
    pub(crate) outcome: String,
}

impl Cycles<'_> {
    pub(crate) fn begin(&self, full: bool, now: Timestamp) -> Result<i64> {
        let sql = "INSERT INTO cycles (started, full_read) VALUES (?, ?) RETURNING n";
        self.0.value(sql, params![At(now), full])
    }

    pub(crate) fn end(&self, n: i64, row: &CycleRow, now: Timestamp) -> Result<()> {
        let sql =
            "UPDATE cycles SET finished = ?, outcome = ?, people = ?, believed = ? WHERE n = ?";
        self.0.run(sql, params![At(now), row.outcome, row.people, row.believed, n])?;
        // The log of cycles that did nothing is of no use after a while.
        self.0.run("DELETE FROM cycles WHERE n < ? - 10000 AND believed = 0", [n])
    }

    /// A cycle goes on, and is well so far: what it has read and decided is done.
    pub(crate) fn note_progress(&self, n: i64, now: Timestamp) -> Result<()> {
        let sql = "UPDATE cycles SET finished = ?, outcome = 'working' WHERE n = ?";
        self.0.run(sql, params![At(now), n])
    }

    /// What was begun as a complete read is one of changes.
    pub(crate) fn set_changes_only(&self, n: i64) -> Result<()> {
        self.0.run("UPDATE cycles SET full_read = 0 WHERE n = ?", [n])
    }

    /// How many people the last believed complete read held; `None` before the first.
    pub(crate) fn believed_people(&self) -> Result<Option<u32>> {
        let sql = "SELECT people FROM cycles WHERE believed = 1 ORDER BY n DESC LIMIT 1";
        self.0.one(sql, [], |row| row.get(0))
    }

    pub(crate) fn last_ended(&self) -> Result<Option<EndedCycle>> {
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
    pub(crate) fn last_good(&self) -> Result<Option<Timestamp>> {
        self.last("outcome <> 'failed'")
    }

    /// When the last cycle with a complete read ended that did not fail.
    pub(crate) fn last_full(&self) -> Result<Option<Timestamp>> {
        self.last("outcome <> 'failed' AND full_read = 1")
    }

    fn last(&self, which: &str) -> Result<Option<Timestamp>> {
        let sql = format!(
            "SELECT finished FROM cycles WHERE finished IS NOT NULL AND {which}
             ORDER BY n DESC LIMIT 1"
        );
        Ok(moment(self.0.one(&sql, [], |row| row.get(0))?))
    }
}

impl Queue<'_> {
    /// Puts a person into the queue, unless they are due earlier.
    pub(crate) fn enqueue(&self, person: &SysId, due: Timestamp) -> Result<()> {
        let sql = "INSERT INTO queue (person, due_at) VALUES (?1, ?2)
             ON CONFLICT (person) DO UPDATE SET due_at = min(due_at, ?2)";
        self.0.run(sql, params![person, At(due)])
    }

    /// The same for the next cycle, also where the clock is set back before it.
    pub(crate) fn enqueue_at_once(&self, person: &SysId) -> Result<()> {
        self.enqueue(person, Timestamp::UNIX_EPOCH)
    }

    pub(crate) fn complete(&self, person: &SysId, next: Option<Timestamp>) -> Result<()> {
        self.0.run("DELETE FROM queue WHERE person = ?", [person])?;
        next.map_or(Ok(()), |next| self.enqueue(person, next))
    }

    /// Remembers that a pause kept so many approved actions of somebody who is in the queue from being
    /// begun.
    pub(crate) fn leave_by_pause(&self, person: &SysId, actions: u32) -> Result<()> {
        let sql = "UPDATE queue SET left_by_pause = ? WHERE person = ?";
        self.0.run(sql, params![actions, person])
    }

    /// Whoever a pause left something of is due now.
    pub(crate) fn call_left_by_pause(&self, now: Timestamp) -> Result<()> {
        let sql = "UPDATE queue SET due_at = min(due_at, ?) WHERE left_by_pause > 0";
        self.0.run(sql, [At(now)])
    }

    /// Everybody who is due, and whom a release concerns that no cycle has seen yet: leavers first.
    pub(crate) fn due(&self, now: Timestamp) -> Result<Vec<SysId>> {
        let sql = "SELECT person FROM (SELECT person FROM queue WHERE due_at <= ?
             UNION SELECT person FROM decisions WHERE verdict = 'release' AND over = 0 AND seen = 0
                 AND person <> '')
             ORDER BY NOT EXISTS (SELECT 1 FROM request_people p JOIN requests r ON r.sys_id = p.request
                 WHERE p.person = person AND r.operation = 'leave' AND r.standing = 'approved'
                     AND r.finished = 0), person";
        self.0.column(sql, [At(now)])
    }
}
