//! How long joins and leaves take.

use rusqlite::{Params, params};

use super::columns::{At, moment};
use super::{Deadlines, Result};
use crate::model::{Operation, SysId, Timestamp};

/// A join or leave that is in force, or will be, and not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) request: SysId,
    /// Whom it is for; `None` where the request names nobody who is known.
    pub(crate) person: Option<SysId>,
    pub(crate) operation: Operation,
    pub(crate) in_force: Timestamp,
    /// How much was said about it: 0 nothing, 1 that it will be late, 2 that it is.
    pub(crate) said: u8,
    /// When that was said last.
    pub(crate) said_at: Option<Timestamp>,
}

const LATE: &str = "t.request, t.person, t.operation, t.in_force, t.said, t.said_at";

/// The request `r` is in force or will be, and not done.
pub(super) const WANTED: &str =
    "r.finished = 0 AND r.state = 'open' AND r.standing = 'approved' AND r.vanished = 0";

impl Deadlines<'_> {
    /// Begins to measure a join or leave for one person, or for nobody who is known; again it
    /// changes nothing. Whoever becomes known takes over what was said.
    pub(crate) fn start(
        &self,
        request: &SysId,
        person: Option<&SysId>,
        operation: Operation,
        in_force: Timestamp,
    ) -> Result<()> {
        let sql = "INSERT INTO targets (request, person, operation, in_force, said, said_at)
             SELECT ?1, ?2, ?3, ?4, coalesce(max(said), 0), max(said_at)
             FROM targets WHERE request = ?1 AND person = '' ON CONFLICT DO NOTHING";
        let person = person.map_or("", SysId::as_str);
        self.0.run(sql, params![request, person, operation, At(in_force)])
    }

    /// Whom the request names is known by now.
    pub(crate) fn known(&self, request: &SysId) -> Result<()> {
        self.0.run("DELETE FROM targets WHERE request = ? AND person = ''", [request])
    }

    /// It is done; the first moment stands.
    pub(crate) fn stop(&self, request: &SysId, person: &SysId, done: Timestamp) -> Result<()> {
        let sql = "UPDATE targets SET done = ? WHERE request = ? AND person = ? AND done IS NULL";
        self.0.run(sql, params![At(done), request, person])
    }

    /// It is not measured any more: a later request says otherwise.
    pub(crate) fn cancel(&self, request: &SysId) -> Result<()> {
        self.0.run("DELETE FROM targets WHERE request = ? AND done IS NULL", [request])
    }

    /// Joins and leaves that are wanted still, and not done, by when they came into force.
    pub(crate) fn open(&self) -> Result<Vec<Late>> {
        let sql = format!(
            "SELECT {LATE} FROM targets t JOIN requests r ON r.sys_id = t.request
             WHERE t.done IS NULL AND {WANTED} ORDER BY t.in_force"
        );
        self.select(&sql, [])
    }

    pub(crate) fn of(&self, request: &SysId) -> Result<Vec<Late>> {
        let sql = format!("SELECT {LATE} FROM targets t WHERE done IS NULL AND request = ?");
        self.select(&sql, [request])
    }

    fn select(&self, sql: &str, values: impl Params) -> Result<Vec<Late>> {
        self.0.all(sql, values, |row| {
            Ok(Late {
                request: row.get(0)?,
                person: SysId::parse(&row.get::<_, String>(1)?).ok(),
                operation: row.get(2)?,
                in_force: row.get::<_, At>(3)?.0,
                said: row.get(4)?,
                said_at: moment(row.get(5)?),
            })
        })
    }

    pub(crate) fn set_warned(&self, late: &Late, said: u8, at: Timestamp) -> Result<()> {
        let sql = "UPDATE targets SET said = ?, said_at = ? WHERE request = ? AND person = ?";
        let person = late.person.as_ref().map_or("", SysId::as_str);
        self.0.run(sql, params![said, At(at), late.request, person])
    }

    /// Joins or leaves in force since a moment that are done or wanted still: both moments.
    pub(crate) fn measured(
        &self,
        operation: Operation,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, Option<Timestamp>)>> {
        let sql = format!(
            "SELECT in_force, done FROM targets t WHERE operation = ? AND in_force >= ?
                 AND (done IS NOT NULL OR EXISTS
                     (SELECT 1 FROM requests r WHERE r.sys_id = t.request AND {WANTED}))
             ORDER BY in_force"
        );
        self.0.all(&sql, params![operation, At(since)], |row| {
            Ok((row.get::<_, At>(0)?.0, moment(row.get(1)?)))
        })
    }

    /// Forgets what came into force before a moment, but for what is not over: it would be measured
    /// again, and be news again.
    pub(crate) fn forget(&self, before: Timestamp) -> Result<()> {
        let sql = format!(
            "DELETE FROM targets WHERE in_force < ? AND NOT EXISTS
                 (SELECT 1 FROM requests r WHERE r.sys_id = request AND {WANTED})"
        );
        self.0.run(&sql, [At(before)])
    }
}
