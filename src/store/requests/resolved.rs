//! What requests were resolved to: whom and which groups they name, and whether they count.

use rusqlite::{Params, params};

use crate::model::{Approval, RequestRef, RequestState, ResolvedRequest, SysId, Terms, Timestamp};
use crate::store::columns::{At, Count, Json, moment};
use crate::store::deadlines::WANTED;
use crate::store::{Requests, Result};

impl Requests<'_> {
    pub(crate) fn set_resolved(&self, id: &SysId, resolved: &ResolvedRequest) -> Result<()> {
        let ResolvedRequest { terms, approval, effective, observe, .. } = resolved;
        self.0.atomically(|| {
            self.0.run(
                "UPDATE requests SET operation = ?, starts = ?, ends = ?, standing = ?, effective = ?,
                     observe = ?, problems = '[]' WHERE sys_id = ?",
                params![
                    terms.operation,
                    terms.starts.map(At),
                    terms.ends.map(At),
                    approval,
                    At(*effective),
                    observe,
                    id
                ],
            )?;
            for table in ["request_people", "request_groups"] {
                self.0.run(&format!("DELETE FROM {table} WHERE request = ?"), [id])?;
            }
            for person in &terms.people {
                let sql = "INSERT INTO request_people (request, person) VALUES (?, ?)";
                self.0.run(sql, params![id, person])?;
            }
            for group in &terms.groups {
                let sql = "INSERT INTO request_groups (request, group_id) VALUES (?, ?)";
                self.0.run(sql, params![id, group])?;
            }
            Ok(())
        })
    }

    /// Keeps whether a request counts, where nothing else about it is decided.
    pub(crate) fn set_approval(&self, id: &SysId, approval: Approval) -> Result<()> {
        let sql = "UPDATE requests SET standing = ?, problems = '[]' WHERE sys_id = ?";
        self.0.run(sql, params![approval, id])
    }

    /// Keeps why a request cannot be carried out as it stands: words for the kinds, and reasons.
    /// What it was resolved to before, if anything, still holds.
    pub(crate) fn set_problems(
        &self,
        id: &SysId,
        approval: Approval,
        problems: &[(String, String)],
    ) -> Result<()> {
        let sql = "UPDATE requests SET problems = ?, standing = ? WHERE sys_id = ?";
        self.0.run(sql, params![Json(problems), approval, id])
    }

    pub(crate) fn resolved_for(&self, person: &SysId) -> Result<Vec<ResolvedRequest>> {
        let sql = "r.sys_id IN (SELECT request FROM request_people WHERE person = ?)";
        self.select_resolved(sql, [person])
    }

    /// What one request was resolved to; `None` where it never was.
    pub(crate) fn resolved(&self, id: &SysId) -> Result<Option<ResolvedRequest>> {
        Ok(self.select_resolved("r.sys_id = ?", [id])?.pop())
    }

    fn select_resolved(
        &self,
        condition: &str,
        params: impl Params,
    ) -> Result<Vec<ResolvedRequest>> {
        let sql = format!(
            "SELECT r.sys_id, number, parent, operation, starts, ends, standing, effective,
                 created_at, history, state, observe, took_effect FROM requests r
             WHERE operation IS NOT NULL AND {condition} ORDER BY number"
        );
        let found: Vec<(SysId, ResolvedRequest)> = self.0.all(&sql, params, |row| {
            let resolved = ResolvedRequest {
                reference: RequestRef { number: row.get(1)?, parent: row.get(2)? },
                terms: Terms {
                    operation: row.get(3)?,
                    people: Vec::new(),
                    groups: Vec::new(),
                    starts: moment(row.get(4)?),
                    ends: moment(row.get(5)?),
                },
                approval: row.get(6)?,
                effective: row.get::<_, At>(7)?.0,
                created_at: row.get::<_, At>(8)?.0,
                closed_before_first_seen: row.get(9)?,
                closed: row.get::<_, RequestState>(10)?.is_closed(),
                observe: row.get(11)?,
                took_effect: row.get(12)?,
            };
            Ok((row.get(0)?, resolved))
        })?;
        let with_whom = |(id, mut resolved): (SysId, ResolvedRequest)| {
            let sql = "SELECT person FROM request_people WHERE request = ?";
            resolved.terms.people = self.0.column(sql, [&id])?;
            let sql = "SELECT group_id FROM request_groups WHERE request = ?";
            resolved.terms.groups = self.0.column(sql, [&id])?;
            Ok(resolved)
        };
        found.into_iter().map(with_whom).collect()
    }

    /// How many requests are approved, in force, and not done.
    pub(crate) fn pending(&self, now: Timestamp) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM requests r WHERE {WANTED} AND effective <= ?");
        Ok(self.0.value::<Count>(&sql, [At(now)])?.0)
    }
}
