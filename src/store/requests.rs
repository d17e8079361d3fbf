//! Requests as last seen, what was approved, and what it was resolved to.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::accounts::group_id;
use super::people::sys_id;
use super::{Store, StoreError, from_json, json, moment, stamp};
use crate::model::{
    Approval, Operation, Request, RequestNumber, RequestRef, RequestState, RequestText,
    ResolvedRequest, SysId, Terms, Timestamp,
};

/// A request with what is remembered of it beside its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// The row as last seen.
    pub request: Request,
    /// What it said when its approval was first seen.
    pub request_text: Option<RequestText>,
    /// What is wrong with it: a word for the kind, and the reason.
    pub problems: Vec<(String, String)>,
    /// It was closed before it was first seen.
    pub closed_before_first_seen: bool,
    /// It was not in the last complete read.
    pub vanished: bool,
    /// Its closing note is written, or a person closed it: nothing is left to write.
    pub finished: bool,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// Okta was once seen to be as it says, or was changed for it.
    pub took_effect: bool,
}

/// What became of a page of requests.
#[derive(Debug, Default)]
pub struct KeptRequests {
    /// Those that are new or changed.
    pub changed: Vec<SysId>,
    /// Those that were not kept, because another request has their number.
    pub doubles: Vec<(SysId, RequestNumber)>,
}

/// The request took effect: its facts were seen, or something was applied for it.
const TOOK_EFFECT: &str = "(effected OR EXISTS (SELECT 1 FROM journal j WHERE j.request = number
    AND j.outcome IN ('applied', 'already_so', 'confirmed')))";

const COLUMNS: &str = "sys_id, number, parent, item, item_name, state, approval, order_approval, \
    requested_for, opened_at, created_at, variables, fields, updated_on, mod_count, \
    wording, problems, history, vanished, finished, first_seen";

/// Requested items as last seen, and what they were resolved to.
#[derive(Debug)]
pub struct Requests<'a>(pub(super) &'a Store);

impl Requests<'_> {
    /// Keeps a page of requests.
    ///
    /// The journal tells requests apart by their numbers, and ServiceNow does not promise that no
    /// two rows have the same one: a row with the number of another is not kept.
    pub fn upsert(
        &self,
        requests: &[Request],
        cycle: i64,
        now: Timestamp,
    ) -> Result<KeptRequests, StoreError> {
        self.0.atomically(|| {
            let mut kept = KeptRequests::default();
            for request in requests {
                if self.is_number_of_another(request)? {
                    kept.doubles.push((request.sys_id.clone(), request.reference.number.clone()));
                    continue;
                }
                let before = self.get(&request.sys_id)?;
                if before.as_ref().is_none_or(|before| before.request != *request) {
                    kept.changed.push(request.sys_id.clone());
                }
                self.upsert_one(request, cycle, now)?;
            }
            Ok(kept)
        })
    }

    fn is_number_of_another(&self, request: &Request) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM requests WHERE number = ? AND sys_id <> ?)";
        let both = [request.reference.number.as_str(), request.sys_id.as_str()];
        Ok(self.0.conn.prepare_cached(sql)?.query_row(both, |row| row.get(0))?)
    }

    fn upsert_one(&self, request: &Request, cycle: i64, now: Timestamp) -> Result<(), StoreError> {
        self.0.conn
            .prepare_cached(
                "INSERT INTO requests (sys_id, number, parent, item, item_name, state, approval,
                     order_approval, requested_for, opened_at, created_at, variables, fields,
                     updated_on, mod_count, seen, first_seen, history)
                 VALUES (:sys_id, :number, :parent, :item, :item_name, :state, :approval,
                     :order_approval, :requested_for, :opened_at, :created_at, :variables, :fields,
                     :updated_on, :mod_count, :seen, :now, :closed)
                 ON CONFLICT (sys_id) DO UPDATE SET number = :number, parent = :parent, item = :item,
                     item_name = :item_name, state = :state, approval = :approval,
                     order_approval = :order_approval, requested_for = :requested_for,
                     opened_at = :opened_at, created_at = :created_at, variables = :variables,
                     fields = :fields, updated_on = :updated_on, mod_count = :mod_count,
                     seen = :seen, vanished = 0",
            )?
            .execute(named_params! {
                ":sys_id": request.sys_id.as_str(),
                ":number": request.reference.number.as_str(),
                ":parent": request.reference.parent.as_ref().map(RequestNumber::as_str),
                ":item": request.item,
                ":item_name": request.item_name,
                ":state": request.state.as_str(),
                ":approval": request.approval,
                ":order_approval": request.order_approval,
                ":requested_for": request.requested_for,
                ":opened_at": stamp(request.opened_at),
                ":created_at": stamp(request.created_at),
                ":variables": json(&request.variables),
                ":fields": json(&request.fields),
                ":updated_on": request.updated_on,
                ":mod_count": i64::try_from(request.mod_count).unwrap_or(i64::MAX),
                ":seen": cycle,
                ":now": stamp(now),
                ":closed": request.state.is_closed(),
            })?;
        Ok(())
    }

    /// One request.
    pub fn get(&self, id: &SysId) -> Result<Option<StoredRequest>, StoreError> {
        Ok(self.select("sys_id = ?", [id.as_str()])?.pop())
    }

    /// Every request, by number.
    pub fn all(&self) -> Result<Vec<SysId>, StoreError> {
        self.0.ids("SELECT sys_id FROM requests ORDER BY number", [])
    }

    /// Requests whose person, group or wording could not be resolved yet.
    pub fn unresolved(&self) -> Result<Vec<SysId>, StoreError> {
        self.0.ids(
            "SELECT sys_id FROM requests WHERE problems <> '[]' AND finished = 0 ORDER BY number",
            [],
        )
    }

    /// Requests on which something may be left to write, and those whose rows came in a cycle or
    /// after it: what is finished may have been called off since.
    pub fn dirty_since(&self, since: i64) -> Result<Vec<SysId>, StoreError> {
        self.0.ids(
            "SELECT sys_id FROM requests WHERE finished = 0 OR seen >= ? ORDER BY number",
            [since],
        )
    }

    /// Requests that are open in ServiceNow, approved, and not finished here.
    pub fn open(&self) -> Result<Vec<StoredRequest>, StoreError> {
        self.select(
            "finished = 0 AND state = 'open' AND standing = 'approved' AND vanished = 0",
            [],
        )
    }

    /// Requests that were resolved to a person.
    pub fn naming(&self, person: &SysId) -> Result<Vec<StoredRequest>, StoreError> {
        self.select(
            "sys_id IN (SELECT request FROM request_people WHERE person = ?)",
            [person.as_str()],
        )
    }

    /// Requests that nobody approved yet, or that could not be resolved.
    pub fn unresolved_or_waiting(&self) -> Result<Vec<StoredRequest>, StoreError> {
        self.select(
            "(problems <> '[]' OR standing IS NULL OR standing = 'waiting') AND state = 'open'",
            [],
        )
    }

    /// Finished requests that are open, with this mark among their notes.
    pub fn open_again(&self, mark: &str) -> Result<Vec<StoredRequest>, StoreError> {
        self.select(
            "finished = 1 AND state = 'open' AND vanished = 0
             AND EXISTS (SELECT 1 FROM notes n WHERE n.request = sys_id AND n.marker = ?)",
            [mark],
        )
    }

    /// Keeps the state that a write was answered with, until the row is read again.
    pub fn set_state(&self, id: &SysId, state: &RequestState) -> Result<(), StoreError> {
        self.0.conn.execute(
            "UPDATE requests SET state = ? WHERE sys_id = ?",
            params![state.as_str(), id.as_str()],
        )?;
        Ok(())
    }

    /// Marks requests that were there before a complete read and not in it, and says which.
    pub fn mark_vanished(&self, cycle: i64) -> Result<Vec<String>, StoreError> {
        let sql = "UPDATE requests SET vanished = 1 WHERE seen < ? AND vanished = 0
             RETURNING number";
        let mut statement = self.0.conn.prepare_cached(sql)?;
        let numbers = statement.query_map([cycle], |row| row.get(0))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    /// Whether any request was closed before it was first seen.
    pub fn any_history(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM requests WHERE history = 1)";
        Ok(self.0.conn.query_row(sql, [], |row| row.get(0))?)
    }

    fn select(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<StoredRequest>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, {TOOK_EFFECT} FROM requests WHERE {condition} ORDER BY number"
        );
        let mut statement = self.0.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params)?;
        let mut requests = Vec::new();
        while let Some(row) = rows.next()? {
            requests.push(read(row)?);
        }
        Ok(requests)
    }

    /// Fixes what a request said when its approval was first seen.
    pub fn freeze_text(&self, id: &SysId, request_text: &RequestText) -> Result<(), StoreError> {
        let RequestText { operation, person, groups, starts, ends } = request_text;
        let text = json(&BTreeMap::from([
            ("operation", operation.as_str()),
            ("person", person),
            ("groups", groups),
            ("starts", starts),
            ("ends", ends),
        ]));
        self.0.conn.execute(
            "UPDATE requests SET wording = ? WHERE sys_id = ?",
            params![text, id.as_str()],
        )?;
        Ok(())
    }

    /// Keeps what a request was resolved to.
    pub fn set_resolved(&self, id: &SysId, resolved: &ResolvedRequest) -> Result<(), StoreError> {
        let ResolvedRequest {
            reference: _,
            terms,
            approval,
            effective,
            created_at: _,
            closed_before_first_seen: _,
            closed: _,
            observe,
            took_effect: _,
        } = resolved;
        self.0.atomically(|| {
            self.0.conn
                .prepare_cached(
                    "UPDATE requests SET operation = ?, starts = ?, ends = ?, standing = ?, effective = ?,
                         observe = ?, problems = '[]' WHERE sys_id = ?",
                )?
                .execute(params![
                    terms.operation.as_str(),
                    terms.starts.map(stamp),
                    terms.ends.map(stamp),
                    approval_word(*approval),
                    stamp(*effective),
                    observe,
                    id.as_str()
                ])?;
            for table in ["request_people", "request_groups"] {
                self.0.conn
                    .prepare_cached(&format!("DELETE FROM {table} WHERE request = ?"))?
                    .execute([id.as_str()])?;
            }
            for person in &terms.people {
                self.0.conn
                    .prepare_cached("INSERT INTO request_people (request, person) VALUES (?, ?)")?
                    .execute([id.as_str(), person.as_str()])?;
            }
            for group in &terms.groups {
                self.0.conn
                    .prepare_cached("INSERT INTO request_groups (request, group_id) VALUES (?, ?)")?
                    .execute([id.as_str(), group.as_str()])?;
            }
            Ok(())
        })
    }

    /// Keeps whether a request counts, where nothing else about it is decided.
    pub fn set_approval(&self, id: &SysId, approval: Approval) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached("UPDATE requests SET standing = ?, problems = '[]' WHERE sys_id = ?")?
            .execute([approval_word(approval), id.as_str()])?;
        Ok(())
    }

    /// Remembers that a request took effect.
    pub(super) fn mark_took_effect(&self, number: &RequestNumber) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached("UPDATE requests SET effected = 1 WHERE number = ? AND effected = 0")?
            .execute([number.as_str()])?;
        Ok(())
    }

    /// Keeps why a request cannot be carried out as it stands. What it was resolved to before,
    /// if anything, still holds.
    pub fn set_problems(
        &self,
        id: &SysId,
        approval: Approval,
        problems: &[(String, String)],
    ) -> Result<(), StoreError> {
        self.0.conn.execute(
            "UPDATE requests SET problems = ?, standing = ? WHERE sys_id = ?",
            params![json(problems), approval_word(approval), id.as_str()],
        )?;
        Ok(())
    }

    /// Every resolved request that names a person.
    pub fn resolved_for(&self, person: &SysId) -> Result<Vec<ResolvedRequest>, StoreError> {
        self.select_resolved(
            "r.sys_id IN (SELECT request FROM request_people WHERE person = ?)",
            [person.as_str()],
        )
    }

    /// What one request was resolved to.
    pub fn resolved(&self, id: &SysId) -> Result<Option<ResolvedRequest>, StoreError> {
        Ok(self.select_resolved("r.sys_id = ?", [id.as_str()])?.pop())
    }

    fn select_resolved(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<ResolvedRequest>, StoreError> {
        let sql = format!(
            "SELECT r.sys_id, number, parent, operation, starts, ends, standing, effective, created_at,
                 history, state, observe, {TOOK_EFFECT} FROM requests r
             WHERE operation IS NOT NULL AND {condition} ORDER BY number"
        );
        let mut statement = self.0.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params)?;
        let mut requests = Vec::new();
        while let Some(row) = rows.next()? {
            requests.push(self.read_resolved(row)?);
        }
        Ok(requests)
    }

    fn read_resolved(&self, row: &Row<'_>) -> Result<ResolvedRequest, StoreError> {
        let id: String = row.get(0)?;
        let operation: String = row.get(3)?;
        let date = |text: Option<String>| text.map(|text| moment(&text)).transpose();
        Ok(ResolvedRequest {
            reference: reference(
                &row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?.as_deref(),
            )?,
            terms: Terms {
                operation: Operation::from_word(&operation)
                    .ok_or_else(|| StoreError::Corrupt(format!("operation {operation:?}")))?,
                people: self.0.ids("SELECT person FROM request_people WHERE request = ?", [&id])?,
                groups: self.groups_of(&id)?,
                starts: date(row.get(4)?)?,
                ends: date(row.get(5)?)?,
            },
            approval: approval(&row.get::<_, String>(6)?),
            effective: moment(&row.get::<_, String>(7)?)?,
            created_at: moment(&row.get::<_, String>(8)?)?,
            closed_before_first_seen: row.get(9)?,
            closed: RequestState::from_word(&row.get::<_, String>(10)?).is_closed(),
            observe: row.get(11)?,
            took_effect: row.get(12)?,
        })
    }

    fn groups_of(&self, id: &str) -> Result<Vec<crate::model::GroupId>, StoreError> {
        let mut statement =
            self.0.conn.prepare_cached("SELECT group_id FROM request_groups WHERE request = ?")?;
        let mut rows = statement.query([id])?;
        let mut groups = Vec::new();
        while let Some(row) = rows.next()? {
            groups.push(group_id(&row.get::<_, String>(0)?)?);
        }
        Ok(groups)
    }

    /// Everybody whom a resolved request names.
    pub fn people(&self) -> Result<Vec<SysId>, StoreError> {
        self.0.ids("SELECT DISTINCT person FROM request_people ORDER BY person", [])
    }

    /// Remembers that nothing is left to write on a request.
    pub fn finish(&self, id: &SysId) -> Result<(), StoreError> {
        self.0.conn.execute("UPDATE requests SET finished = 1 WHERE sys_id = ?", [id.as_str()])?;
        Ok(())
    }

    /// When ServiceNow says that a request was approved, where that was seen.
    pub fn approved_at(&self, request: &SysId) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT approved_at FROM requests WHERE sys_id = ?";
        let at: Option<Option<String>> =
            self.0.conn.query_row(sql, [request.as_str()], |row| row.get(0)).optional()?;
        at.flatten().map(|at| moment(&at)).transpose()
    }

    /// Keeps when a request was approved; the first word stands.
    pub fn set_approved_at(&self, request: &SysId, at: Timestamp) -> Result<(), StoreError> {
        self.0.conn.execute(
            "UPDATE requests SET approved_at = coalesce(approved_at, ?) WHERE sys_id = ?",
            params![stamp(at), request.as_str()],
        )?;
        Ok(())
    }

    /// How many requests are approved, in force, and not done.
    pub fn pending(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sql = format!(
            "SELECT count(*) FROM requests r WHERE {} AND effective <= ?",
            super::deadlines::WANTED
        );
        let count: i64 = self.0.conn.query_row(&sql, [stamp(now)], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

fn reference(number: &str, parent: Option<&str>) -> Result<RequestRef, StoreError> {
    let parse = |text: &str| {
        RequestNumber::parse(text).map_err(|error| StoreError::Corrupt(error.to_string()))
    };
    Ok(RequestRef { number: parse(number)?, parent: parent.map(parse).transpose()? })
}

fn read(row: &Row<'_>) -> Result<StoredRequest, StoreError> {
    let mod_count: i64 = row.get(14)?;
    let request_text: Option<String> = row.get(15)?;
    Ok(StoredRequest {
        request: Request {
            sys_id: sys_id(&row.get::<_, String>(0)?)?,
            reference: reference(
                &row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?.as_deref(),
            )?,
            item: row.get(3)?,
            item_name: row.get(4)?,
            state: RequestState::from_word(&row.get::<_, String>(5)?),
            approval: row.get(6)?,
            order_approval: row.get(7)?,
            requested_for: row.get(8)?,
            opened_at: moment(&row.get::<_, String>(9)?)?,
            created_at: moment(&row.get::<_, String>(10)?)?,
            variables: from_json(&row.get::<_, String>(11)?)?,
            fields: from_json(&row.get::<_, String>(12)?)?,
            updated_on: row.get(13)?,
            mod_count: u64::try_from(mod_count).unwrap_or(0),
        },
        request_text: request_text.as_deref().map(read_wording).transpose()?,
        problems: from_json(&row.get::<_, String>(16)?)?,
        closed_before_first_seen: row.get(17)?,
        vanished: row.get(18)?,
        finished: row.get(19)?,
        first_seen: moment(&row.get::<_, String>(20)?)?,
        took_effect: row.get(21)?,
    })
}

fn read_wording(text: &str) -> Result<RequestText, StoreError> {
    let mut map: BTreeMap<String, String> = from_json(text)?;
    let mut take = |key: &str| map.remove(key).unwrap_or_default();
    let operation = take("operation");
    Ok(RequestText {
        operation: Operation::from_word(&operation)
            .ok_or_else(|| StoreError::Corrupt(format!("operation {operation:?}")))?,
        person: take("person"),
        groups: take("groups"),
        starts: take("starts"),
        ends: take("ends"),
    })
}

fn approval_word(approval: Approval) -> &'static str {
    match approval {
        Approval::Waiting => "waiting",
        Approval::Approved => "approved",
        Approval::Withdrawn => "withdrawn",
    }
}

fn approval(word: &str) -> Approval {
    match word {
        "approved" => Approval::Approved,
        "withdrawn" => Approval::Withdrawn,
        _ => Approval::Waiting,
    }
}
