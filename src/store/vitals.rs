//! How it goes: the two sides, their rate limits, and how fast joins and leaves are done.

use rusqlite::{OptionalExtension, Params, params};

use super::people::sys_id;
use super::{Store, StoreError, moment, stamp};
use crate::model::{Instant, Operation, RequestNumber, SysId};

/// How one of the two systems is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideState {
    /// Since when it is so.
    pub since: Instant,
    /// What is wrong with it, where it is down.
    pub error: Option<String>,
}

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
    pub at: Instant,
}

/// A join or leave that is in force, or will be, and not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// The request.
    pub request: SysId,
    /// For whom.
    pub person: SysId,
    /// Join or leave.
    pub operation: Operation,
    /// Since when it is in force.
    pub in_force: Instant,
    /// How much was said about it: 0 nothing, 1 that it will be late, 2 that it is.
    pub said: u8,
}

/// The columns of a [`Late`].
const LATE: &str = "t.request, t.person, t.operation, t.in_force, t.said";

/// The request `r` is in force or will be, and not done.
const WANTED: &str =
    "r.finished = 0 AND r.state = 'open' AND r.standing = 'approved' AND r.vanished = 0";

impl Store {
    /// Keeps how one side is.
    pub fn keep_side(&self, name: &str, state: &SideState) -> Result<(), StoreError> {
        // Every change is a commit, and nearly always there is none.
        if self.side(name)?.as_ref() == Some(state) {
            return Ok(());
        }
        self.conn.execute(
            "INSERT OR REPLACE INTO sides (name, since, error) VALUES (?, ?, ?)",
            params![name, stamp(state.since), state.error],
        )?;
        Ok(())
    }

    /// How one side was last known to be.
    pub fn side(&self, name: &str) -> Result<Option<SideState>, StoreError> {
        let sql = "SELECT since, error FROM sides WHERE name = ?";
        self.conn
            .query_row(sql, [name], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
            .optional()?
            .map(|(since, error)| Ok(SideState { since: moment(&since)?, error }))
            .transpose()
    }

    /// Keeps the use of the rate limits in place of what was known.
    pub fn keep_budget(&self, uses: &[Use]) -> Result<(), StoreError> {
        self.atomically(|| {
            for Use { side, bucket, limit, share, used, at } in uses {
                let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
                self.conn
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
    pub fn budget(&self) -> Result<Vec<Use>, StoreError> {
        let mut statement = self.conn.prepare(
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

    /// When ServiceNow says that a request was approved, where that was seen.
    pub fn approved_at(&self, request: &SysId) -> Result<Option<Instant>, StoreError> {
        let sql = "SELECT approved_at FROM requests WHERE sys_id = ?";
        let at: Option<Option<String>> =
            self.conn.query_row(sql, [request.as_str()], |row| row.get(0)).optional()?;
        at.flatten().map(|at| moment(&at)).transpose()
    }

    /// Keeps when a request was approved; the first word stands.
    pub fn keep_approved_at(&self, request: &SysId, at: Instant) -> Result<(), StoreError> {
        self.conn.execute(
            "UPDATE requests SET approved_at = coalesce(approved_at, ?) WHERE sys_id = ?",
            params![stamp(at), request.as_str()],
        )?;
        Ok(())
    }

    /// Begins to measure a join or leave for one person; again it changes nothing.
    pub fn begin_measure(
        &self,
        request: &SysId,
        person: &SysId,
        operation: Operation,
        in_force: Instant,
    ) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO targets (request, person, operation, in_force) VALUES (?, ?, ?, ?)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                request.as_str(),
                person.as_str(),
                operation.as_str(),
                stamp(in_force)
            ])?;
        Ok(())
    }

    /// It is done; the first word stands.
    pub fn end_measure(
        &self,
        request: &SysId,
        person: &SysId,
        done: Instant,
    ) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "UPDATE targets SET done = ? WHERE request = ? AND person = ? AND done IS NULL",
            )?
            .execute(params![stamp(done), request.as_str(), person.as_str()])?;
        Ok(())
    }

    /// It is not measured any more: a later request says otherwise.
    pub fn drop_measure(&self, request: &SysId) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("DELETE FROM targets WHERE request = ? AND done IS NULL")?
            .execute([request.as_str()])?;
        Ok(())
    }

    /// Joins and leaves that are wanted still, and not done.
    pub fn late(&self) -> Result<Vec<Late>, StoreError> {
        let sql = format!(
            "SELECT {LATE} FROM targets t JOIN requests r ON r.sys_id = t.request
             WHERE t.done IS NULL AND {WANTED} ORDER BY t.in_force"
        );
        self.late_where(&sql, [])
    }

    /// What is measured of one request, and not done.
    pub fn measured_of(&self, request: &SysId) -> Result<Vec<Late>, StoreError> {
        let sql = format!("SELECT {LATE} FROM targets t WHERE done IS NULL AND request = ?");
        self.late_where(&sql, [request.as_str()])
    }

    fn late_where(&self, sql: &str, values: impl Params) -> Result<Vec<Late>, StoreError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        let mut late = Vec::new();
        while let Some(row) = rows.next()? {
            let word: String = row.get(2)?;
            let Some(operation) = Operation::from_word(&word) else { continue };
            late.push(Late {
                request: sys_id(&row.get::<_, String>(0)?)?,
                person: sys_id(&row.get::<_, String>(1)?)?,
                operation,
                in_force: moment(&row.get::<_, String>(3)?)?,
                said: row.get(4)?,
            });
        }
        Ok(late)
    }

    /// Remembers how much was said.
    pub fn keep_said(&self, late: &Late, said: u8) -> Result<(), StoreError> {
        self.conn.execute(
            "UPDATE targets SET said = ? WHERE request = ? AND person = ?",
            params![said, late.request.as_str(), late.person.as_str()],
        )?;
        Ok(())
    }

    /// What was measured of joins or leaves that came into force since a moment and are done, or
    /// wanted still: when each was in force and when it was done, if it is.
    pub fn measured(
        &self,
        operation: Operation,
        since: Instant,
    ) -> Result<Vec<(Instant, Option<Instant>)>, StoreError> {
        let sql = format!(
            "SELECT in_force, done FROM targets t WHERE operation = ? AND in_force >= ?
                 AND (done IS NOT NULL OR EXISTS
                     (SELECT 1 FROM requests r WHERE r.sys_id = t.request AND {WANTED}))
             ORDER BY in_force"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![operation.as_str(), stamp(since)])?;
        let mut measured = Vec::new();
        while let Some(row) = rows.next()? {
            let done = row.get::<_, Option<String>>(1)?.map(|at| moment(&at)).transpose()?;
            measured.push((moment(&row.get::<_, String>(0)?)?, done));
        }
        Ok(measured)
    }

    /// Forgets what came into force before a moment, but for what is not over: it would be measured
    /// again, and be news again.
    pub fn forget_measures(&self, before: Instant) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM targets WHERE in_force < ? AND NOT EXISTS
                 (SELECT 1 FROM requests r WHERE r.sys_id = request AND {WANTED})"
        );
        self.conn.prepare_cached(&sql)?.execute([stamp(before)])?;
        Ok(())
    }

    /// When the last write for a request to one person's account was answered well.
    pub fn last_applied(
        &self,
        number: &str,
        person: &SysId,
        since: Instant,
    ) -> Result<Option<Instant>, StoreError> {
        let sql = "SELECT max(at) FROM journal WHERE person = ? AND request = ? AND at >= ?
                       AND outcome IN ('applied', 'already_so', 'confirmed')
                       AND action <> 'remove_member'";
        let at: Option<String> = self
            .conn
            .prepare_cached(sql)?
            .query_row(params![person.as_str(), number, stamp(since)], |row| row.get(0))?;
        at.map(|at| moment(&at)).transpose()
    }

    /// Whether somebody's account was deactivated for a request, as Okta answered.
    pub fn was_deactivated(
        &self,
        number: &RequestNumber,
        person: &SysId,
        since: Instant,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM journal WHERE person = ? AND request = ? AND at >= ?
                       AND action = 'deactivate' AND outcome IN ('applied', 'already_so', 'confirmed'))";
        let values = params![person.as_str(), number.as_str(), stamp(since)];
        Ok(self.conn.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
    }

    /// Whether what a request asks of one person's account and groups was seen in Okta.
    pub fn is_established(&self, number: &str, person: &SysId) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) > 0 AND min(established) FROM facts
                   WHERE person = ? AND origin = ? AND key NOT LIKE 'profile:%'";
        let seen: Option<bool> = self
            .conn
            .prepare_cached(sql)?
            .query_row(params![person.as_str(), number], |row| row.get(0))?;
        Ok(seen == Some(true))
    }

    /// How many requests are approved, in force, and not done.
    pub fn pending(&self, now: Instant) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM requests r WHERE {WANTED} AND effective <= ?");
        let count: i64 = self.conn.query_row(&sql, [stamp(now)], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
