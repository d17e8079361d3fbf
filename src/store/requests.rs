//! Requests as last seen, what was approved, and what it was resolved to.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::accounts::group_id;
use super::people::sys_id;
use super::{Store, StoreError, from_json, json, moment, stamp};
use crate::model::{
    Instant, Mandate, Operation, Request, RequestNumber, RequestRef, RequestState, Standing, SysId,
    Terms, Wording,
};

/// A request with what is remembered of it beside its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// The row as last seen.
    pub request: Request,
    /// What it said when its approval was first seen.
    pub wording: Option<Wording>,
    /// What is wrong with it: a word for the kind, and the reason.
    pub problems: Vec<(String, String)>,
    /// It was closed before it was first seen.
    pub history: bool,
    /// It was not in the last complete read.
    pub vanished: bool,
    /// Its closing note is written, or a person closed it: nothing is left to write.
    pub finished: bool,
    /// When it was first seen.
    pub first_seen: Instant,
    /// Okta was once seen to be as it says, or was changed for it.
    pub effected: bool,
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
const EFFECTED: &str = "(effected OR EXISTS (SELECT 1 FROM journal j WHERE j.request = number
    AND j.outcome IN ('applied', 'already_so', 'confirmed')))";

const COLUMNS: &str = "sys_id, number, parent, item, item_name, state, approval, order_approval, \
    requested_for, opened_at, created_at, variables, fields, updated_on, mod_count, \
    wording, problems, history, vanished, finished, first_seen";

impl Store {
    /// Keeps a page of requests.
    ///
    /// The journal tells requests apart by their numbers, and ServiceNow does not promise that no
    /// two rows have the same one: a row with the number of another is not kept.
    pub fn keep_requests(
        &self,
        requests: &[Request],
        cycle: i64,
        now: Instant,
    ) -> Result<KeptRequests, StoreError> {
        self.atomically(|| {
            let mut kept = KeptRequests::default();
            for request in requests {
                if self.is_number_of_another(request)? {
                    kept.doubles.push((request.sys_id.clone(), request.reference.number.clone()));
                    continue;
                }
                let before = self.request(&request.sys_id)?;
                if before.as_ref().is_none_or(|before| before.request != *request) {
                    kept.changed.push(request.sys_id.clone());
                }
                self.keep_request(request, cycle, now)?;
            }
            Ok(kept)
        })
    }

    fn is_number_of_another(&self, request: &Request) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM requests WHERE number = ? AND sys_id <> ?)";
        let both = [request.reference.number.as_str(), request.sys_id.as_str()];
        Ok(self.conn.prepare_cached(sql)?.query_row(both, |row| row.get(0))?)
    }

    fn keep_request(&self, request: &Request, cycle: i64, now: Instant) -> Result<(), StoreError> {
        self.conn
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
    pub fn request(&self, id: &SysId) -> Result<Option<StoredRequest>, StoreError> {
        Ok(self.requests_where("sys_id = ?", [id.as_str()])?.pop())
    }

    /// Every request, by number.
    pub fn all_requests(&self) -> Result<Vec<SysId>, StoreError> {
        self.ids("SELECT sys_id FROM requests ORDER BY number", [])
    }

    /// Requests whose person, group or wording could not be resolved yet.
    pub fn unresolved_requests(&self) -> Result<Vec<SysId>, StoreError> {
        self.ids(
            "SELECT sys_id FROM requests WHERE problems <> '[]' AND finished = 0 ORDER BY number",
            [],
        )
    }

    /// Requests on which something may be left to write, and those whose rows came in a cycle or
    /// after it: what is finished may have been called off since.
    pub fn requests_undecided(&self, since: i64) -> Result<Vec<SysId>, StoreError> {
        self.ids(
            "SELECT sys_id FROM requests WHERE finished = 0 OR seen >= ? ORDER BY number",
            [since],
        )
    }

    /// Requests that are open in ServiceNow, approved, and not finished here.
    pub fn open_requests(&self) -> Result<Vec<StoredRequest>, StoreError> {
        self.requests_where(
            "finished = 0 AND state = 'open' AND standing = 'approved' AND vanished = 0",
            [],
        )
    }

    /// Requests that were resolved to a person.
    pub fn requests_naming(&self, person: &SysId) -> Result<Vec<StoredRequest>, StoreError> {
        self.requests_where(
            "sys_id IN (SELECT request FROM request_people WHERE person = ?)",
            [person.as_str()],
        )
    }

    /// Requests that nobody approved yet, or that could not be resolved.
    pub fn requests_unresolved_or_waiting(&self) -> Result<Vec<StoredRequest>, StoreError> {
        self.requests_where(
            "(problems <> '[]' OR standing IS NULL OR standing = 'waiting') AND state = 'open'",
            [],
        )
    }

    /// Finished requests that are open, with this mark among their notes.
    pub fn requests_open_again(&self, mark: &str) -> Result<Vec<StoredRequest>, StoreError> {
        self.requests_where(
            "finished = 1 AND state = 'open' AND vanished = 0
             AND EXISTS (SELECT 1 FROM notes n WHERE n.request = sys_id AND n.marker = ?)",
            [mark],
        )
    }

    /// Keeps the state that a write was answered with, until the row is read again.
    pub fn keep_state(&self, id: &SysId, state: &RequestState) -> Result<(), StoreError> {
        self.conn.execute(
            "UPDATE requests SET state = ? WHERE sys_id = ?",
            params![state.as_str(), id.as_str()],
        )?;
        Ok(())
    }

    /// Marks requests that were there before a complete read and not in it, and says which.
    pub fn mark_vanished(&self, cycle: i64) -> Result<Vec<String>, StoreError> {
        let sql = "UPDATE requests SET vanished = 1 WHERE seen < ? AND vanished = 0
             RETURNING number";
        let mut statement = self.conn.prepare_cached(sql)?;
        let numbers = statement.query_map([cycle], |row| row.get(0))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    /// Whether any request was closed before it was first seen.
    pub fn knows_history(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM requests WHERE history = 1)";
        Ok(self.conn.query_row(sql, [], |row| row.get(0))?)
    }

    fn requests_where(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<StoredRequest>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS}, {EFFECTED} FROM requests WHERE {condition} ORDER BY number");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params)?;
        let mut requests = Vec::new();
        while let Some(row) = rows.next()? {
            requests.push(read(row)?);
        }
        Ok(requests)
    }

    /// Fixes what a request said when its approval was first seen.
    pub fn fix_wording(&self, id: &SysId, wording: &Wording) -> Result<(), StoreError> {
        let Wording { operation, person, groups, starts, ends } = wording;
        let text = json(&BTreeMap::from([
            ("operation", operation.as_str()),
            ("person", person),
            ("groups", groups),
            ("starts", starts),
            ("ends", ends),
        ]));
        self.conn.execute(
            "UPDATE requests SET wording = ? WHERE sys_id = ?",
            params![text, id.as_str()],
        )?;
        Ok(())
    }

    /// Keeps what a request was resolved to.
    pub fn keep_mandate(&self, id: &SysId, mandate: &Mandate) -> Result<(), StoreError> {
        let Mandate {
            request: _,
            terms,
            standing,
            effective,
            created_at: _,
            history: _,
            closed: _,
            observe,
            effected: _,
        } = mandate;
        self.atomically(|| {
            self.conn
                .prepare_cached(
                    "UPDATE requests SET operation = ?, starts = ?, ends = ?, standing = ?, effective = ?,
                         observe = ?, problems = '[]' WHERE sys_id = ?",
                )?
                .execute(params![
                    terms.operation.as_str(),
                    terms.starts.map(stamp),
                    terms.ends.map(stamp),
                    standing_word(*standing),
                    stamp(*effective),
                    observe,
                    id.as_str()
                ])?;
            for table in ["request_people", "request_groups"] {
                self.conn
                    .prepare_cached(&format!("DELETE FROM {table} WHERE request = ?"))?
                    .execute([id.as_str()])?;
            }
            for person in &terms.people {
                self.conn
                    .prepare_cached("INSERT INTO request_people (request, person) VALUES (?, ?)")?
                    .execute([id.as_str(), person.as_str()])?;
            }
            for group in &terms.groups {
                self.conn
                    .prepare_cached("INSERT INTO request_groups (request, group_id) VALUES (?, ?)")?
                    .execute([id.as_str(), group.as_str()])?;
            }
            Ok(())
        })
    }

    /// Keeps whether a request counts, where nothing else about it is decided.
    pub fn set_standing(&self, id: &SysId, standing: Standing) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE requests SET standing = ?, problems = '[]' WHERE sys_id = ?")?
            .execute([standing_word(standing), id.as_str()])?;
        Ok(())
    }

    /// Remembers that a request took effect.
    pub(super) fn note_effect(&self, number: &RequestNumber) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE requests SET effected = 1 WHERE number = ? AND effected = 0")?
            .execute([number.as_str()])?;
        Ok(())
    }

    /// Keeps why a request cannot be carried out as it stands. What it was resolved to before,
    /// if anything, still holds.
    pub fn keep_problems(
        &self,
        id: &SysId,
        standing: Standing,
        problems: &[(String, String)],
    ) -> Result<(), StoreError> {
        self.conn.execute(
            "UPDATE requests SET problems = ?, standing = ? WHERE sys_id = ?",
            params![json(problems), standing_word(standing), id.as_str()],
        )?;
        Ok(())
    }

    /// Every resolved request that names a person.
    pub fn mandates_of(&self, person: &SysId) -> Result<Vec<Mandate>, StoreError> {
        self.mandates_where(
            "r.sys_id IN (SELECT request FROM request_people WHERE person = ?)",
            [person.as_str()],
        )
    }

    /// What one request was resolved to.
    pub fn mandate(&self, id: &SysId) -> Result<Option<Mandate>, StoreError> {
        Ok(self.mandates_where("r.sys_id = ?", [id.as_str()])?.pop())
    }

    fn mandates_where(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<Mandate>, StoreError> {
        let sql = format!(
            "SELECT r.sys_id, number, parent, operation, starts, ends, standing, effective, created_at,
                 history, state, observe, {EFFECTED} FROM requests r
             WHERE operation IS NOT NULL AND {condition} ORDER BY number"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params)?;
        let mut mandates = Vec::new();
        while let Some(row) = rows.next()? {
            mandates.push(self.read_mandate(row)?);
        }
        Ok(mandates)
    }

    fn read_mandate(&self, row: &Row<'_>) -> Result<Mandate, StoreError> {
        let id: String = row.get(0)?;
        let operation: String = row.get(3)?;
        let date = |text: Option<String>| text.map(|text| moment(&text)).transpose();
        Ok(Mandate {
            request: reference(
                &row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?.as_deref(),
            )?,
            terms: Terms {
                operation: Operation::from_word(&operation)
                    .ok_or_else(|| StoreError::Corrupt(format!("operation {operation:?}")))?,
                people: self.ids("SELECT person FROM request_people WHERE request = ?", [&id])?,
                groups: self.groups_of_request(&id)?,
                starts: date(row.get(4)?)?,
                ends: date(row.get(5)?)?,
            },
            standing: standing(&row.get::<_, String>(6)?),
            effective: moment(&row.get::<_, String>(7)?)?,
            created_at: moment(&row.get::<_, String>(8)?)?,
            history: row.get(9)?,
            closed: RequestState::from_word(&row.get::<_, String>(10)?).is_closed(),
            observe: row.get(11)?,
            effected: row.get(12)?,
        })
    }

    fn groups_of_request(&self, id: &str) -> Result<Vec<crate::model::GroupId>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT group_id FROM request_groups WHERE request = ?")?;
        let mut rows = statement.query([id])?;
        let mut groups = Vec::new();
        while let Some(row) = rows.next()? {
            groups.push(group_id(&row.get::<_, String>(0)?)?);
        }
        Ok(groups)
    }

    /// Everybody whom a resolved request names.
    pub fn people_with_requests(&self) -> Result<Vec<SysId>, StoreError> {
        self.ids("SELECT DISTINCT person FROM request_people ORDER BY person", [])
    }

    /// Remembers that nothing is left to write on a request.
    pub fn finish_request(&self, id: &SysId) -> Result<(), StoreError> {
        self.conn.execute("UPDATE requests SET finished = 1 WHERE sys_id = ?", [id.as_str()])?;
        Ok(())
    }

    /// Remembers a note by its marker.
    pub fn keep_note(&self, id: &SysId, marker: &str, now: Instant) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT OR IGNORE INTO notes (request, marker, at) VALUES (?, ?, ?)",
            params![id.as_str(), marker, stamp(now)],
        )?;
        Ok(())
    }

    /// The newest note that was written on a request.
    pub fn last_note(&self, id: &SysId) -> Result<Option<String>, StoreError> {
        let sql = "SELECT marker FROM notes WHERE request = ? AND marker LIKE '[%' ORDER BY at DESC LIMIT 1";
        Ok(self.conn.query_row(sql, [id.as_str()], |row| row.get(0)).optional()?)
    }

    /// When a note with this marker was written.
    pub fn noted_at(&self, id: &SysId, marker: &str) -> Result<Option<Instant>, StoreError> {
        let sql = "SELECT at FROM notes WHERE request = ? AND marker = ?";
        let at: Option<String> =
            self.conn.query_row(sql, [id.as_str(), marker], |row| row.get(0)).optional()?;
        at.map(|at| moment(&at)).transpose()
    }

    /// Whether a note with this marker was written.
    pub fn has_note(&self, id: &SysId, marker: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM notes WHERE request = ? AND marker = ?)";
        Ok(self.conn.query_row(sql, [id.as_str(), marker], |row| row.get(0))?)
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
    let wording: Option<String> = row.get(15)?;
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
        wording: wording.as_deref().map(read_wording).transpose()?,
        problems: from_json(&row.get::<_, String>(16)?)?,
        history: row.get(17)?,
        vanished: row.get(18)?,
        finished: row.get(19)?,
        first_seen: moment(&row.get::<_, String>(20)?)?,
        effected: row.get(21)?,
    })
}

fn read_wording(text: &str) -> Result<Wording, StoreError> {
    let mut map: BTreeMap<String, String> = from_json(text)?;
    let mut take = |key: &str| map.remove(key).unwrap_or_default();
    let operation = take("operation");
    Ok(Wording {
        operation: Operation::from_word(&operation)
            .ok_or_else(|| StoreError::Corrupt(format!("operation {operation:?}")))?,
        person: take("person"),
        groups: take("groups"),
        starts: take("starts"),
        ends: take("ends"),
    })
}

fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Waiting => "waiting",
        Standing::Approved => "approved",
        Standing::Withdrawn => "withdrawn",
    }
}

fn standing(word: &str) -> Standing {
    match word {
        "approved" => Standing::Approved,
        "withdrawn" => Standing::Withdrawn,
        _ => Standing::Waiting,
    }
}
