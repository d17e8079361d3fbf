//! Who is to be decided about again, and when.

use rusqlite::params;

use super::columns::At;
use super::{Queue, Result};
use crate::model::{SysId, Timestamp};

impl Queue<'_> {
    /// Puts a person into the queue, unless they are due earlier.
    pub(crate) fn enqueue(&self, person: &SysId, due: Timestamp) -> Result<()> {
        let sql = "INSERT INTO queue (person, due_at) VALUES (?1, ?2)
             ON CONFLICT (person) DO UPDATE SET due_at = min(due_at, ?2)";
        self.0.run(sql, params![person, At(due)])
    }

    pub(crate) fn complete(&self, person: &SysId, next: Option<Timestamp>) -> Result<()> {
        self.0.run("DELETE FROM queue WHERE person = ?", [person])?;
        next.map_or(Ok(()), |next| self.enqueue(person, next))
    }

    /// Everybody who is due, and whom a release concerns that no cycle has seen yet, by id.
    pub(crate) fn due(&self, now: Timestamp) -> Result<Vec<SysId>> {
        let sql = "SELECT person FROM queue WHERE due_at <= ?
             UNION SELECT person FROM decisions WHERE verdict = 'release' AND over = 0 AND seen = 0
             ORDER BY person";
        self.0.column(sql, [At(now)])
    }
}
