//! The audit journal: an intent before every write, its outcome after it, never changed.
//!
//! Each row carries the SHA-256 of the row before it and its own canonical form, so that a row
//! that was changed, removed or put in between shows. What later decisions need of an outcome is
//! written with it, into the history and the request.

mod reading;

pub(crate) use reading::InDoubt;

use aws_lc_rs::digest;
use rusqlite::types::ToSql;
use serde_json::{Value, json};

use super::columns::{At, OutcomeKind, Plain};
use super::{Journal, Result};
use crate::model::{
    AccountId, Action, Cause, FactKey, GroupId, Outcome, RequestNumber, StatusChange, Step,
    StepKind, SysId, Timestamp,
};

/// What an action carries on the wire and in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread {
    /// The request's number, `BASELINE`, or `unattributed`.
    pub(crate) request: String,
    pub(crate) action: i64,
}

#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) action: &'a Action,
    pub(crate) cycle: i64,
    /// The facts that it brings about.
    pub(crate) keys: Vec<FactKey>,
    pub(crate) leaver: bool,
    /// A person had said yes to it.
    pub(crate) released: bool,
}

struct Row {
    at: Timestamp,
    action_id: i64,
    cycle: i64,
    person: SysId,
    okta_id: Option<AccountId>,
    step: StepKind,
    group: Option<GroupId>,
    request: String,
    parent: Option<RequestNumber>,
    cause: Cause,
    leaver: bool,
    released: bool,
    /// The facts that it brings about, as a JSON list of their keys.
    keys: String,
    /// What was to become of it, as a JSON object; see `InDoubt::detail`.
    detail: String,
    /// `None` for an intent.
    outcome: Option<OutcomeKind>,
    okta_request_id: Option<String>,
    error: Option<String>,
}

impl Journal<'_> {
    /// Writes an intent, and gives the thread that its call must carry. The call may be made only
    /// after this returned: then the intent is on the disk.
    pub(crate) fn intend(&self, entry: &Entry<'_>, now: Timestamp) -> Result<Thread> {
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
    ) -> Result<()> {
        self.append_outcome(&row_of(entry, thread.action, now, Some(outcome)))
    }

    /// Writes that something whose answer was lost was seen to have taken effect.
    pub(crate) fn resolve_in_doubt(&self, action_id: i64, now: Timestamp) -> Result<()> {
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
                    keys: row.get(10)?,
                    detail: "{}".to_owned(),
                    outcome: Some(OutcomeKind::Confirmed),
                    okta_request_id: None,
                    error: None,
                })
            })?;
            intent.map_or(Ok(()), |row| self.append_outcome(&row))
        })
    }

    fn append_outcome(&self, row: &Row) -> Result<()> {
        self.0.atomically(|| {
            self.append(row)?;
            if !row.outcome.is_some_and(OutcomeKind::is_good) {
                return Ok(());
            }
            let Row { at, step, cause, .. } = *row;
            let change = StatusChange { step, request: row.request.clone(), cause, at };
            self.0.history().record(&row.person, &change)?;
            RequestNumber::parse(&row.request)
                .map_or(Ok(()), |number| self.0.requests().mark_took_effect(&number))
        })
    }

    fn append(&self, row: &Row) -> Result<()> {
        let columns = row.columns().map(|(name, value)| (name, Plain(value)));
        // All of them, as one JSON array: no two different rows look the same.
        let canonical = columns.iter().map(|(_, Plain(value))| value.clone()).collect::<Value>();
        let hash = chain(&self.head()?, &canonical.to_string());
        let mut named: Vec<(&str, &dyn ToSql)> = vec![("hash", &hash)];
        named.extend(columns.iter().map(|(name, value)| (*name, value as &dyn ToSql)));
        self.0.insert("journal", &named, "")
    }

    /// The hash of the newest row; empty before the first.
    pub(crate) fn head(&self) -> Result<String> {
        let sql = "SELECT hash FROM journal ORDER BY id DESC LIMIT 1";
        Ok(self.0.one(sql, [], |row| row.get(0))?.unwrap_or_default())
    }
}

impl Row {
    /// Every column but the hash, in order.
    fn columns(&self) -> [(&'static str, Value); 18] {
        [
            ("at", json!(At(self.at).text())),
            ("entry", json!(if self.outcome.is_some() { "outcome" } else { "intent" })),
            ("action_id", json!(self.action_id)),
            ("cycle", json!(self.cycle)),
            ("person", json!(self.person)),
            ("okta_id", json!(self.okta_id)),
            ("action", json!(self.step.as_str())),
            ("group_id", json!(self.group)),
            ("request", json!(self.request)),
            ("parent", json!(self.parent)),
            ("cause", json!(self.cause.as_str())),
            ("leaver", json!(self.leaver)),
            ("released", json!(self.released)),
            ("keys", json!(self.keys)),
            ("detail", json!(self.detail)),
            ("outcome", json!(self.outcome.map(OutcomeKind::as_str))),
            ("okta_request_id", json!(self.okta_request_id)),
            ("error", json!(self.error)),
        ]
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
        keys: json!(entry.keys.iter().map(FactKey::to_string).collect::<Vec<_>>()).to_string(),
        detail: if outcome.is_some() { "{}".to_owned() } else { detail(step) },
        outcome: outcome.map(OutcomeKind::from),
        okta_request_id,
        error,
    }
}

/// The before-image and what replaces it.
fn detail(step: &Step) -> String {
    let value = match step {
        Step::Create { profile, groups, activate } => json!({
            "profile": profile,
            "groups": groups,
            "activate": activate,
        }),
        Step::Update { changes } => json!(changes),
        Step::Activate { mail } | Step::Reactivate { mail } => json!({ "mail": mail }),
        Step::Suspend
        | Step::Unsuspend
        | Step::Deactivate
        | Step::ClearSessions
        | Step::AddMember { .. }
        | Step::RemoveMember { .. } => json!({}),
    };
    value.to_string()
}

fn chain(before: &str, canonical: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{before}\n{canonical}").as_bytes());
    hash.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
