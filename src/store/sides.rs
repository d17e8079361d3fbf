//! How the two systems are, as the last process that talked to them knew it, and how much of their
//! rate limits is used.

use rusqlite::params;

use super::columns::{At, Count};
use super::{Budgets, Result, Sides};
use crate::model::Timestamp;

/// How one of the two systems is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideState {
    /// Since when it is so.
    pub since: Timestamp,
    /// What is wrong with it, where it is down.
    pub error: Option<String>,
}

impl Sides<'_> {
    /// Keeps how one side (`servicenow`, `okta`) is.
    pub(crate) fn upsert(&self, name: &str, state: &SideState) -> Result<()> {
        // Every change is a commit, and nearly always there is none.
        if self.get(name)?.as_ref() == Some(state) {
            return Ok(());
        }
        let sql = "INSERT OR REPLACE INTO sides (name, since, error) VALUES (?, ?, ?)";
        self.0.run(sql, params![name, At(state.since), state.error])
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<SideState>> {
        let sql = "SELECT since, error FROM sides WHERE name = ?";
        self.0.one(sql, [name], |row| {
            Ok(SideState { since: row.get::<_, At>(0)?.0, error: row.get(1)? })
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Use {
    /// `servicenow` or `okta`.
    pub(crate) side: String,
    /// What the limit is for, as the side calls it.
    pub(crate) bucket: String,
    /// Calls in a window (an hour of ServiceNow's, a minute of Okta's); `None` where no limit is
    /// announced.
    pub(crate) limit: Option<u64>,
    /// The part of it that may be used, 0 to 1.
    pub(crate) share: f64,
    /// Calls made in the window of `at`.
    pub(crate) used: u64,
    pub(crate) at: Timestamp,
}

impl Budgets<'_> {
    /// Keeps the use of rate limits, each in place of what was known of it.
    pub(crate) fn upsert(&self, uses: &[Use]) -> Result<()> {
        self.0.atomically(|| {
            uses.iter().try_for_each(|Use { side, bucket, limit, share, used, at }| {
                let sql = "INSERT OR REPLACE INTO budget (side, bucket, allowed, share, used, at)
                     VALUES (?, ?, ?, ?, ?, ?)";
                self.0
                    .run(sql, params![side, bucket, limit.map(Count), share, Count(*used), At(*at)])
            })
        })
    }

    /// The use of each rate limit as it was last kept, ServiceNow's first; its window may be over.
    pub(crate) fn all(&self) -> Result<Vec<Use>> {
        let sql = "SELECT side, bucket, allowed, share, used, at FROM budget
                   ORDER BY side DESC, bucket";
        self.0.all(sql, [], |row| {
            Ok(Use {
                side: row.get(0)?,
                bucket: row.get(1)?,
                limit: row.get::<_, Option<Count>>(2)?.map(|Count(limit)| limit),
                share: row.get(3)?,
                used: row.get::<_, Count>(4)?.0,
                at: row.get::<_, At>(5)?.0,
            })
        })
    }
}
