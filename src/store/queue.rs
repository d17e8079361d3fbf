//! Who is to be decided about again, and when.

use rusqlite::params;

use super::{Store, StoreError, stamp};
use crate::model::{SysId, Timestamp};

/// Who is to be decided about again, and when.
#[derive(Debug)]
pub struct Queue<'a>(pub(super) &'a Store);

impl Queue<'_> {
    /// Puts a person on the agenda, unless they are due earlier.
    pub fn enqueue(&self, person: &SysId, due: Timestamp) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached(
                "INSERT INTO agenda (person, due) VALUES (?1, ?2)
                 ON CONFLICT (person) DO UPDATE SET due = min(due, ?2)",
            )?
            .execute(params![person.as_str(), stamp(due)])?;
        Ok(())
    }

    /// Takes a person off the agenda, until a moment if there is one.
    pub fn complete(&self, person: &SysId, next: Option<Timestamp>) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached("DELETE FROM agenda WHERE person = ?")?
            .execute([person.as_str()])?;
        next.map_or(Ok(()), |next| self.enqueue(person, next))
    }

    /// Everybody who is due, and whom a release concerns that no cycle has seen yet.
    pub fn due(&self, now: Timestamp) -> Result<Vec<SysId>, StoreError> {
        self.0.ids(
            "SELECT person FROM agenda WHERE due <= ?
             UNION SELECT person FROM decisions WHERE verdict = 'release' AND over = 0 AND seen = 0
             ORDER BY person",
            [stamp(now)],
        )
    }
}
