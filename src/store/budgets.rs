//! How much of the rate limits is used.

use rusqlite::params;

use super::{Store, StoreError, moment, stamp};
use crate::model::Timestamp;

/// How much of one rate limit was used.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// `servicenow` or `okta`.
    pub side: String,
    /// What the limit is for.
    pub bucket: String,
    /// Calls in a window; `None` where no limit is announced.
    pub limit: Option<u64>,
    /// The part of it that may be used, 0 to 1.
    pub share: f64,
    /// Calls made in the window of `at`.
    pub used: u64,
    /// When that was so.
    pub at: Timestamp,
}

/// How much of the rate limits is used.
#[derive(Debug)]
pub struct Budgets<'a>(pub(super) &'a Store);

impl Budgets<'_> {
    /// Keeps the use of the rate limits in place of what was known.
    pub fn upsert(&self, uses: &[Use]) -> Result<(), StoreError> {
        self.0.atomically(|| {
            for Use { side, bucket, limit, share, used, at } in uses {
                let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
                self.0
                    .conn
                    .prepare_cached(
                        "INSERT OR REPLACE INTO budget (side, bucket, allowed, share, used, at)
                         VALUES (?, ?, ?, ?, ?, ?)",
                    )?
                    .execute(params![
                        side,
                        bucket,
                        limit.map(number),
                        share,
                        number(*used),
                        stamp(*at)
                    ])?;
            }
            Ok(())
        })
    }

    /// The use of each rate limit.
    pub fn all(&self) -> Result<Vec<Use>, StoreError> {
        let mut statement = self.0.conn.prepare(
            "SELECT side, bucket, allowed, share, used, at FROM budget ORDER BY side DESC, bucket",
        )?;
        let mut rows = statement.query([])?;
        let mut uses = Vec::new();
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        while let Some(row) = rows.next()? {
            uses.push(Use {
                side: row.get(0)?,
                bucket: row.get(1)?,
                limit: row.get::<_, Option<i64>>(2)?.map(number),
                share: row.get(3)?,
                used: number(row.get(4)?),
                at: moment(&row.get::<_, String>(5)?)?,
            });
        }
        Ok(uses)
    }
}
