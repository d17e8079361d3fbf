//! How much of the rate limits is used.

use rusqlite::params;

use super::columns::{At, Count};
use super::{Store, StoreError};
use crate::model::Timestamp;

/// How much of one rate limit was used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Use {
    /// Whose limit it is: `servicenow` or `okta`.
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
    /// When that was so.
    pub(crate) at: Timestamp,
}

/// How much of the rate limits is used.
#[derive(Debug)]
pub(crate) struct Budgets<'a>(pub(super) &'a Store);

impl Budgets<'_> {
    /// Keeps the use of rate limits, each in place of what was known of it.
    pub(crate) fn upsert(&self, uses: &[Use]) -> Result<(), StoreError> {
        self.0.atomically(|| {
            for Use { side, bucket, limit, share, used, at } in uses {
                self.0.run(
                    "INSERT OR REPLACE INTO budget (side, bucket, allowed, share, used, at)
                     VALUES (?, ?, ?, ?, ?, ?)",
                    params![side, bucket, limit.map(Count), share, Count(*used), At(*at)],
                )?;
            }
            Ok(())
        })
    }

    /// The use of each rate limit as it was last kept, ServiceNow's first; its window may be over.
    pub(crate) fn all(&self) -> Result<Vec<Use>, StoreError> {
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
