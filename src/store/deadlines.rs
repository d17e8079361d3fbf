//! How long joins and leaves take.

use rusqlite::{Params, params};

use super::people::sys_id;
use super::{Store, StoreError, moment, stamp};
use crate::model::{Operation, SysId, Timestamp};

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
    pub in_force: Timestamp,
    /// How much was said about it: 0 nothing, 1 that it will be late, 2 that it is.
    pub said: u8,
}

/// The columns of a [`Late`].
const LATE: &str = "t.request, t.person, t.operation, t.in_force, t.said";

/// The request `r` is in force or will be, and not done.
pub(super) const WANTED: &str =
    "r.finished = 0 AND r.state = 'open' AND r.standing = 'approved' AND r.vanished = 0";

/// How long joins and leaves take.
#[derive(Debug)]
pub struct Deadlines<'a>(pub(super) &'a Store);

impl Deadlines<'_> {
    /// Begins to measure a join or leave for one person; again it changes nothing.
    pub fn start(
        &self,
        request: &SysId,
        person: &SysId,
        operation: Operation,
        in_force: Timestamp,
    ) -> Result<(), StoreError> {
        self.0
            .conn
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
    pub fn stop(&self, request: &SysId, person: &SysId, done: Timestamp) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached(
                "UPDATE targets SET done = ? WHERE request = ? AND person = ? AND done IS NULL",
            )?
            .execute(params![stamp(done), request.as_str(), person.as_str()])?;
        Ok(())
    }

    /// It is not measured any more: a later request says otherwise.
    pub fn cancel(&self, request: &SysId) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached("DELETE FROM targets WHERE request = ? AND done IS NULL")?
            .execute([request.as_str()])?;
        Ok(())
    }

    /// Joins and leaves that are wanted still, and not done.
    pub fn open(&self) -> Result<Vec<Late>, StoreError> {
        let sql = format!(
            "SELECT {LATE} FROM targets t JOIN requests r ON r.sys_id = t.request
             WHERE t.done IS NULL AND {WANTED} ORDER BY t.in_force"
        );
        self.select(&sql, [])
    }

    /// What is measured of one request, and not done.
    pub fn of(&self, request: &SysId) -> Result<Vec<Late>, StoreError> {
        let sql = format!("SELECT {LATE} FROM targets t WHERE done IS NULL AND request = ?");
        self.select(&sql, [request.as_str()])
    }

    fn select(&self, sql: &str, values: impl Params) -> Result<Vec<Late>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(sql)?;
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
    pub fn set_warned(&self, late: &Late, said: u8) -> Result<(), StoreError> {
        self.0.conn.execute(
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
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, Option<Timestamp>)>, StoreError> {
        let sql = format!(
            "SELECT in_force, done FROM targets t WHERE operation = ? AND in_force >= ?
                 AND (done IS NOT NULL OR EXISTS
                     (SELECT 1 FROM requests r WHERE r.sys_id = t.request AND {WANTED}))
             ORDER BY in_force"
        );
        let mut statement = self.0.conn.prepare_cached(&sql)?;
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
    pub fn forget(&self, before: Timestamp) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM targets WHERE in_force < ? AND NOT EXISTS
                 (SELECT 1 FROM requests r WHERE r.sys_id = request AND {WANTED})"
        );
        self.0.conn.prepare_cached(&sql)?.execute([stamp(before)])?;
        Ok(())
    }
}
