//! The audit journal: an intent before every write, its outcome after it, never changed.
//!
//! Each row carries the SHA-256 of the row before it and its own canonical form, so that a row
//! that was changed, removed or put in between shows. What later decisions need of an outcome is
//! written with it, into the history and the request.

mod reading;

pub(crate) use reading::InDoubt;

use aws_lc_rs::digest;
use rusqlite::params;

use super::columns::{At, Json, OutcomeKind};
use super::{Store, StoreError};
use crate::model::{
    AccountId, Action, Cause, FactKey, GroupId, Outcome, RequestNumber, StatusChange, Step,
    StepKind, SysId, Timestamp,
};

/// What an action carries on the wire and in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread {
    /// The request's number, `BASELINE`, or `unattributed`.
    pub(crate) request: String,
    /// The action's id in the journal.
    pub(crate) action: i64,
}

/// What is written before a call.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) action: &'a Action,
    /// The cycle that decided it.
    pub(crate) cycle: i64,
    /// The facts that it brings about; the row keeps them as texts such as `membership:00g1`.
    pub(crate) keys: Vec<FactKey>,
    /// It belongs to a leave.
    pub(crate) leaver: bool,
    /// A person had said yes to it.
    pub(crate) released: bool,
}

/// One row, but for its hash.
struct Row {
    at: Timestamp,
    action_id: i64,
    cycle: i64,
    person: SysId,
    okta_id: Option<AccountId>,
    step: StepKind,
    group: Option<GroupId>,
    /// The request's number, `BASELINE`, or `unattributed`.
    request: String,
    parent: Option<RequestNumber>,
    cause: Cause,
    leaver: bool,
    released: bool,
    keys: Vec<String>,
    /// JSON of what the step writes, before and after; `{}` in an outcome.
    detail: String,
    /// `None` for an intent.
    outcome: Option<OutcomeKind>,
    okta_request_id: Option<String>,
    error: Option<String>,
}

/// Every write: its intent and its outcome.
#[derive(Debug)]
pub(crate) struct Journal<'a>(pub(super) &'a Store);

impl Journal<'_> {
    /// Writes an intent, and gives the thread that its call must carry.
    ///
    /// The call may be made only after this returned: then the intent is on the disk.
    pub(crate) fn intend(&self, entry: &Entry<'_>, now: Timestamp) -> Result<Thread, StoreError> {
        self.0.atomically(|| {
            let sql = "SELECT coalesce(max(action_id), 0) + 1 FROM journal";
            let action_id = self.0.value(sql, [])?;
            self.append(&row_of(entry, action_id, now, None))?;
            Ok(Thread { request: entry.action.origin.to_string(), action: action_id })
        })
    }

    /// Writes how an action ended, and what later decisions need of it.
    pub(crate) fn conclude(
        &self,
        entry: &Entry<'_>,
        thread: &Thread,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.append_outcome(&row_of(entry, thread.action, now, Some(outcome)))
    }

    /// Writes that something whose answer was lost was seen to have taken effect.
    pub(crate) fn resolve_in_doubt(
        &self,
        action_id: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "SELECT cycle, person, okta_id, action, group_id, request, parent, cause, leaver,
                       released, keys FROM journal WHERE action_id = ? AND entry = 'intent'";
        self.0.atomically(|| {
            let intent = self.0.one(sql, [action_id], |row| {
                Ok(Row {
                    at: now,
                    action_id,
                    cycle: row.get(0)?,
                    person: row.get(1)?,
                    okta_id: row.get(2)?,
                    step: row.get(3)?,
                    group: row.get(4)?,
                    request: row.get(5)?,
                    parent: row.get(6)?,
                    cause: row.get(7)?,
                    leaver: row.get(8)?,
                    released: row.get(9)?,
                    keys: row.get::<_, Json<_>>(10)?.0,
                    detail: "{}".to_owned(),
                    outcome: Some(OutcomeKind::Confirmed),
                    okta_request_id: None,
                    error: None,
                })
            })?;
            intent.map_or(Ok(()), |row| self.append_outcome(&row))
        })
    }

    fn append_outcome(&self, row: &Row) -> Result<(), StoreError> {
        self.0.atomically(|| {
            self.append(row)?;
            if !row.outcome.is_some_and(OutcomeKind::is_good) {
                return Ok(());
            }
            let (request, step) = (row.request.clone(), row.step);
            let change = StatusChange { step, request, cause: row.cause, at: row.at };
            self.0.history().record(&row.person, &change)?;
            match RequestNumber::parse(&row.request) {
                Ok(number) => self.0.requests().mark_took_effect(&number),
                Err(_) => Ok(()),
            }
        })
    }

    fn append(&self, row: &Row) -> Result<(), StoreError> {
        let hash = chain(&self.head()?, &canonical(row));
        self.0.run(
            "INSERT INTO journal (at, entry, action_id, cycle, person, okta_id, action, group_id,
                 request, parent, cause, leaver, released, keys, detail, outcome,
                 okta_request_id, error, hash)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                At(row.at),
                row.entry(),
                row.action_id,
                row.cycle,
                row.person,
                row.okta_id,
                row.step,
                row.group,
                row.request,
                row.parent,
                row.cause,
                row.leaver,
                row.released,
                Json(&row.keys),
                row.detail,
                row.outcome,
                row.okta_request_id,
                row.error,
                hash
            ],
        )?;
        Ok(())
    }

    /// The hash of the newest row; empty before the first.
    pub(crate) fn head(&self) -> Result<String, StoreError> {
        let sql = "SELECT hash FROM journal ORDER BY id DESC LIMIT 1";
        Ok(self.0.one(sql, [], |row| row.get(0))?.unwrap_or_default())
    }
}

impl Row {
    fn entry(&self) -> &'static str {
        if self.outcome.is_some() { "outcome" } else { "intent" }
    }
}

fn row_of(entry: &Entry<'_>, action_id: i64, now: Timestamp, outcome: Option<&Outcome>) -> Row {
    let Action { person, account, step, origin, cause } = entry.action;
    let (okta_request_id, error) = match outcome {
        None => (None, None),
        Some(Outcome::Applied { okta_request_id } | Outcome::AlreadySo { okta_request_id }) => {
            (okta_request_id.clone(), None)
        }
        Some(Outcome::Failed { error, okta_request_id, transient: _ }) => {
            (okta_request_id.clone(), Some(error.clone()))
        }
        Some(Outcome::Unknown { error }) => (None, Some(error.clone())),
    };
    Row {
        at: now,
        action_id,
        cycle: entry.cycle,
        person: person.clone(),
        okta_id: account.clone(),
        step: step.kind(),
        group: step.group().cloned(),
        request: origin.to_string(),
        parent: origin.request().and_then(|request| request.parent.clone()),
        cause: *cause,
        leaver: entry.leaver,
        released: entry.released,
        keys: entry.keys.iter().map(FactKey::to_string).collect(),
        detail: if outcome.is_some() { "{}".to_owned() } else { detail(step) },
        outcome: outcome.map(OutcomeKind::from),
        okta_request_id,
        error,
    }
}

/// The before-image and what replaces it.
fn detail(step: &Step) -> String {
    let value = match step {
        Step::Create { profile, groups, activate } => serde_json::json!({
            "profile": profile,
            "groups": groups,
            "activate": activate,
        }),
        Step::Update { changes } => serde_json::json!(changes),
        Step::Activate { mail } | Step::Reactivate { mail } => serde_json::json!({ "mail": mail }),
        Step::Suspend
        | Step::Unsuspend
        | Step::Deactivate
        | Step::ClearSessions
        | Step::AddMember { .. }
        | Step::RemoveMember { .. } => serde_json::json!({}),
    };
    value.to_string()
}

/// Every column in order, as one JSON array: no two different rows look the same.
fn canonical(row: &Row) -> String {
    let Row {
        at,
        action_id,
        cycle,
        person,
        okta_id,
        step,
        group,
        request,
        parent,
        cause,
        leaver,
        released,
        keys,
        detail,
        outcome,
        okta_request_id,
        error,
    } = row;
    serde_json::json!([
        At(*at).text(),
        row.entry(),
        action_id,
        cycle,
        person,
        okta_id,
        step.as_str(),
        group,
        request,
        parent,
        cause.as_str(),
        leaver,
        released,
        Json(keys).text(),
        detail,
        outcome.map(OutcomeKind::as_str),
        okta_request_id,
        error
    ])
    .to_string()
}

fn chain(before: &str, canonical: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{before}\n{canonical}").as_bytes());
    hash.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
