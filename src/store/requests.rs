//! Requests as last seen, what was approved, and what it was resolved to.

use std::collections::BTreeMap;

use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{Params, named_params, params};

use super::columns::{At, Count, Json, moment};
use super::deadlines::WANTED;
use super::{Requests, Result};
use crate::model::{
    Approval, Operation, Request, RequestNumber, RequestRef, RequestState, RequestText,
    ResolvedRequest, SysId, Terms, Timestamp,
};

/// A request with what is remembered of it beside its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredRequest {
    pub(crate) request: Request,
    /// What it said when its approval was first seen.
    pub(crate) request_text: Option<RequestText>,
    /// What is wrong with it: a word for the kind, and the reason.
    pub(crate) problems: Vec<(String, String)>,
    pub(crate) closed_before_first_seen: bool,
    pub(crate) vanished: bool,
    /// Its closing note is written, or a person closed it: nothing is left to write.
    pub(crate) finished: bool,
    pub(crate) first_seen: Timestamp,
    /// Okta was once seen to be as it says, or was changed for it.
    pub(crate) took_effect: bool,
}

/// A row that has the number of another.
type NotKept = (SysId, RequestNumber);

impl Requests<'_> {
    /// Keeps a page of requests, and gives those that are new or changed, and those not kept: the
    /// journal tells requests apart by their numbers, and ServiceNow does not promise that no two
    /// rows have the same one, so a row with the number of another is not kept.
    pub(crate) fn upsert(
        &self,
        requests: &[Request],
        cycle: i64,
        now: Timestamp,
    ) -> Result<(Vec<SysId>, Vec<NotKept>)> {
        self.0.atomically(|| {
            let (mut changed, mut doubles) = (Vec::new(), Vec::new());
            for request in requests {
                let (id, number) = (&request.sys_id, &request.reference.number);
                let sql = "SELECT EXISTS (SELECT 1 FROM requests WHERE number = ? AND sys_id <> ?)";
                if self.0.value(sql, params![number, id])? {
                    doubles.push((id.clone(), number.clone()));
                    continue;
                }
                if self.get(id)?.is_none_or(|before| before.request != *request) {
                    changed.push(id.clone());
                }
                self.upsert_one(request, cycle, now)?;
            }
            Ok((changed, doubles))
        })
    }

    fn upsert_one(&self, request: &Request, cycle: i64, now: Timestamp) -> Result<()> {
        let row = named_params! {
            "sys_id": request.sys_id,
            "number": request.reference.number,
            "parent": request.reference.parent,
            "order_id": request.order,
            "item": request.item,
            "item_name": request.item_name,
            "state": request.state,
            "approval": request.approval,
            "order_approval": request.order_approval,
            "requested_for": request.requested_for,
            "opened_at": At(request.opened_at),
            "created_at": At(request.created_at),
            "variables": Json(&request.variables),
            "fields": Json(&request.fields),
            "updated_on": request.updated_on,
            "mod_count": Count(request.mod_count),
            "seen": cycle,
            "first_seen": At(now),
            "history": request.state.is_closed(),
        };
        let but = ["first_seen = first_seen", "history = history", "vanished = 0"];
        self.0.upsert("requests", &["sys_id"], row, &but)
    }

    pub(crate) fn get(&self, id: &SysId) -> Result<Option<StoredRequest>> {
        Ok(self.select("sys_id = ?", [id])?.pop())
    }

    /// The row of a number.
    pub(crate) fn called(&self, number: &RequestNumber) -> Result<Option<SysId>> {
        self.0.one("SELECT sys_id FROM requests WHERE number = ?", [number], |row| row.get(0))
    }

    /// Every request, leaves first.
    pub(crate) fn all(&self) -> Result<Vec<SysId>> {
        let sql = "SELECT sys_id FROM requests ORDER BY operation IS NOT 'leave', number";
        self.0.column(sql, [])
    }

    /// The same without those that are closed and could not be resolved by the same configuration.
    pub(crate) fn all_but_settled(&self) -> Result<Vec<SysId>> {
        let sql = "SELECT sys_id FROM requests
                   WHERE problems = '[]' OR state = 'open' OR problems LIKE '%-unreadable%'
                   ORDER BY operation IS NOT 'leave', number";
        self.0.column(sql, [])
    }

    /// Requests whose person, group or wording could not be resolved yet, by number.
    pub(crate) fn unresolved(&self) -> Result<Vec<SysId>> {
        // What is closed and names nobody is history: it is read once.
        let sql = "SELECT sys_id FROM requests WHERE problems <> '[]' AND finished = 0
                       AND (state = 'open' OR problems LIKE '%-unreadable%')
                   ORDER BY number";
        self.0.column(sql, [])
    }

    /// Requests on which something may be left to write, and those whose rows came in a cycle or
    /// after it, by number: what is finished may have been called off since.
    pub(crate) fn dirty_since(&self, cycle: i64) -> Result<Vec<SysId>> {
        let sql = "SELECT sys_id FROM requests
                   WHERE finished = 0 AND state = 'open' OR seen >= ? ORDER BY number";
        self.0.column(sql, [cycle])
    }

    /// Requests that are open in ServiceNow, approved, and not finished here, by number: all, or those
    /// that name a person.
    pub(crate) fn open(&self, naming: Option<&SysId>) -> Result<Vec<StoredRequest>> {
        let Some(person) = naming else { return self.select(WANTED, []) };
        let sql = format!(
            "{WANTED} AND r.sys_id IN (SELECT request FROM request_people WHERE person = ?)"
        );
        self.select(&sql, [person])
    }

    pub(crate) fn naming(&self, person: &SysId) -> Result<Vec<StoredRequest>> {
        self.select("sys_id IN (SELECT request FROM request_people WHERE person = ?)", [person])
    }

    /// Requests that nobody approved yet, or that could not be resolved, by number.
    pub(crate) fn unresolved_or_waiting(&self) -> Result<Vec<StoredRequest>> {
        let sql =
            "(problems <> '[]' OR standing IS NULL OR standing = 'waiting') AND state = 'open'";
        self.select(sql, [])
    }

    /// Finished requests that are open although their state was written, where that is news.
    pub(crate) fn open_again(&self) -> Result<Vec<StoredRequest>> {
        let sql = "finished = 1 AND state = 'open' AND vanished = 0
             AND EXISTS (SELECT 1 FROM writebacks w WHERE w.request = sys_id
                 AND w.state_written_at IS NOT NULL AND w.state_unkept_at IS NULL)";
        self.select(sql, [])
    }

    /// Keeps the state that a write was answered with, until the row is read again.
    pub(crate) fn set_state(&self, id: &SysId, state: RequestState) -> Result<()> {
        self.0.run("UPDATE requests SET state = ? WHERE sys_id = ?", params![state, id])
    }

    /// Marks requests that were there before a complete read and not in it, and gives their ids.
    pub(crate) fn mark_vanished(&self, cycle: i64) -> Result<Vec<SysId>> {
        let sql = "UPDATE requests SET vanished = 1 WHERE seen < ? AND vanished = 0
             RETURNING sys_id";
        self.0.column(sql, [cycle])
    }

    /// Requests that came in no list of a cycle, at most so many, those that did not vanish before and
    /// were changed last first.
    pub(crate) fn not_shown(&self, cycle: i64, most: u64) -> Result<Vec<SysId>> {
        let sql = "SELECT sys_id FROM requests WHERE seen < ?
             ORDER BY vanished, updated_on DESC LIMIT ?";
        self.0.column(sql, params![cycle, Count(most)])
    }

    /// Whether a leave or an absence of somebody is in force.
    pub(crate) fn is_leaving(&self, person: &SysId, now: Timestamp) -> Result<bool> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM request_people p JOIN requests r ON r.sys_id = p.request
            WHERE p.person = ? AND r.operation IN ('leave', 'suspend') AND r.standing = 'approved'
                AND r.finished = 0 AND r.effective <= ?)";
        self.0.value(sql, params![person, At(now)])
    }

    pub(crate) fn any_history(&self) -> Result<bool> {
        self.0.value("SELECT EXISTS (SELECT 1 FROM requests WHERE history = 1)", [])
    }

    fn select(&self, condition: &str, params: impl Params) -> Result<Vec<StoredRequest>> {
        let sql = format!(
            "SELECT sys_id, number, parent, item, item_name, state, approval, order_approval,
                 requested_for, opened_at, created_at, variables, fields, updated_on, mod_count,
                 wording, problems, history, vanished, finished, first_seen, took_effect, order_id
             FROM requests r WHERE {condition} ORDER BY number"
        );
        self.0.all(&sql, params, |row| {
            Ok(StoredRequest {
                request: Request {
                    sys_id: row.get(0)?,
                    reference: RequestRef { number: row.get(1)?, parent: row.get(2)? },
                    order: row.get(22)?,
                    item: row.get(3)?,
                    item_name: row.get(4)?,
                    state: row.get(5)?,
                    approval: row.get(6)?,
                    order_approval: row.get(7)?,
                    requested_for: row.get(8)?,
                    opened_at: row.get::<_, At>(9)?.0,
                    created_at: row.get::<_, At>(10)?.0,
                    variables: row.get::<_, Json<_>>(11)?.0,
                    fields: row.get::<_, Json<_>>(12)?.0,
                    updated_on: row.get(13)?,
                    mod_count: row.get::<_, Count>(14)?.0,
                },
                request_text: row.get::<_, Option<Json<_>>>(15)?.map(thaw).transpose()?,
                problems: row.get::<_, Json<_>>(16)?.0,
                closed_before_first_seen: row.get(17)?,
                vanished: row.get(18)?,
                finished: row.get(19)?,
                first_seen: row.get::<_, At>(20)?.0,
                took_effect: row.get(21)?,
            })
        })
    }

    /// Fixes what a request said when its approval was first seen.
    pub(crate) fn freeze_text(&self, id: &SysId, text: &RequestText) -> Result<()> {
        let RequestText { operation, person, groups, starts, ends } = text;
        let text = Json(BTreeMap::from([
            ("operation", operation.as_str()),
            ("person", person),
            ("groups", groups),
            ("starts", starts),
            ("ends", ends),
        ]));
        self.0.run("UPDATE requests SET wording = ? WHERE sys_id = ?", params![text, id])
    }

    /// A new approval fixes the values anew: what was fixed is over.
    pub(crate) fn unfreeze(&self, id: &SysId) -> Result<()> {
        let sql = "UPDATE requests SET wording = NULL, first_terms = NULL, operation = NULL,
                       dismissed_change = NULL, approved_at = NULL
                   WHERE sys_id = ? AND took_effect = 0 AND wording IS NOT NULL";
        self.0.run(sql, [id])
    }

    /// Remembers that a request took effect: its facts were seen, or something was done for it.
    pub(super) fn mark_took_effect(&self, number: &RequestNumber) -> Result<()> {
        let sql = "UPDATE requests SET took_effect = 1 WHERE number = ? AND took_effect = 0";
        self.0.run(sql, [number])
    }

    /// Keeps whether a later request says otherwise.
    pub(crate) fn set_overtaken(&self, id: &SysId, overtaken: bool) -> Result<()> {
        let sql = "UPDATE requests SET overtaken = ?1 WHERE sys_id = ?2 AND overtaken <> ?1";
        self.0.run(sql, params![overtaken, id])
    }

    /// Requests that are approved, in force, not done, and not overtaken, by number. One that could
    /// not be resolved counts from its approval on.
    pub(crate) fn in_force(&self, now: Timestamp) -> Result<Vec<StoredRequest>> {
        let sql = format!("{WANTED} AND overtaken = 0 AND coalesce(effective, '') <= ?");
        self.select(&sql, [At(now)])
    }

    pub(crate) fn finish(&self, id: &SysId) -> Result<()> {
        self.0.run("UPDATE requests SET finished = 1 WHERE sys_id = ?", [id])?;
        self.0.run("DELETE FROM open_items WHERE kind = 'request' AND subject = ?", [id])
    }

    /// When ServiceNow says that a request was approved, where that was seen.
    pub(crate) fn approved_at(&self, request: &SysId) -> Result<Option<Timestamp>> {
        let sql = "SELECT approved_at FROM requests WHERE sys_id = ?";
        Ok(self.0.one(sql, [request], |row| row.get(0))?.and_then(moment))
    }

    /// Keeps when a request was approved; the first moment stands.
    pub(crate) fn set_approved_at(&self, request: &SysId, at: Timestamp) -> Result<()> {
        let sql = "UPDATE requests SET approved_at = coalesce(approved_at, ?) WHERE sys_id = ?";
        self.0.run(sql, params![At(at), request])
    }

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

    /// Keeps why a request cannot be carried out as it stands, as words for the kinds and reasons.
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
        let sql = format!(
            "SELECT count(*) FROM requests r
             WHERE {WANTED} AND overtaken = 0 AND coalesce(effective, '') <= ?"
        );
        Ok(self.0.value::<Count>(&sql, [At(now)])?.0)
    }
}

/// What [`Requests::freeze_text`] kept.
fn thaw(Json(mut kept): Json<BTreeMap<String, String>>) -> FromSqlResult<RequestText> {
    let mut take = |key: &str| kept.remove(key).unwrap_or_default();
    Ok(RequestText {
        operation: Operation::column_result(ValueRef::from(take("operation").as_str()))?,
        person: take("person"),
        groups: take("groups"),
        starts: take("starts"),
        ends: take("ends"),
    })
}
