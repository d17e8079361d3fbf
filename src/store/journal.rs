//! The audit journal: an intent before every write, its outcome after it, never changed.
//!
//! Each row carries the SHA-256 of the row before it and its own canonical form, so that a row
//! that was changed, removed or put in between shows.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::accounts::group_id;
use super::{Store, StoreError, json, moment, stamp};
use crate::model::{
    Action, Cause, Done, FactKey, GroupId, Origin, Outcome, RequestNumber, Step, StepKind, SysId,
    Timestamp,
};

/// What an action carries on the wire and in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The request's number, `BASELINE`, or `unattributed`.
    pub request: String,
    /// The action's id in the journal.
    pub action: i64,
}

/// What is written before a call.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The action.
    pub action: &'a Action,
    /// The cycle that decided it.
    pub cycle: i64,
    /// The facts that it brings about, as texts.
    pub keys: Vec<String>,
    /// It belongs to a leave.
    pub leaver: bool,
    /// A person had said yes to it.
    pub released: bool,
}

/// One applied action, as a closing note names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The action's id in the journal.
    pub action_id: i64,
    /// The contract's name of the action.
    pub action: String,
    /// The group's id, where it was about one.
    pub group: Option<String>,
    /// The account.
    pub okta_id: Option<String>,
    /// `X-Okta-Request-Id` of the answer.
    pub okta_request_id: Option<String>,
}

/// Something that was done about the status of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusAction {
    /// The contract's name of the action.
    pub action: String,
    /// The request's number, `BASELINE`, or `unattributed`.
    pub request: String,
    /// The person's record was the cause.
    pub by_record: bool,
}

/// Something that was sent and of which nobody knows what became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDoubt {
    /// The action's id in the journal.
    pub action_id: i64,
    /// When it was sent.
    pub at: Timestamp,
    /// The contract's name of the action.
    pub action: String,
    /// Which group, where it was about one.
    pub group: Option<GroupId>,
    /// Where it came from.
    pub origin: Origin,
    /// What was to become of it: of an account that was to be made, its `profile`; of an update,
    /// per attribute `from` and `to`.
    pub detail: serde_json::Value,
}

struct Row<'a> {
    at: String,
    entry: &'static str,
    action_id: i64,
    cycle: i64,
    person: &'a str,
    okta_id: Option<&'a str>,
    action: &'a str,
    group: Option<&'a str>,
    request: String,
    parent: Option<&'a str>,
    cause: &'a str,
    leaver: bool,
    released: bool,
    keys: String,
    detail: String,
    outcome: Option<&'a str>,
    okta_request_id: Option<&'a str>,
    error: Option<&'a str>,
}

/// Every write: its intent and its outcome.
#[derive(Debug)]
pub struct Journal<'a>(pub(super) &'a Store);

impl Journal<'_> {
    /// Writes an intent, and gives the thread that its call must carry.
    ///
    /// The call may be made only after this returned: then the intent is on the disk.
    pub fn intend(&self, entry: &Entry<'_>, now: Timestamp) -> Result<Thread, StoreError> {
        self.0.atomically(|| {
            let sql = "SELECT coalesce(max(action_id), 0) + 1 FROM journal";
            let action_id: i64 = self.0.conn.query_row(sql, [], |row| row.get(0))?;
            self.append(&row_of(entry, action_id, now, None))?;
            Ok(Thread { request: thread_word(&entry.action.origin), action: action_id })
        })
    }

    /// Writes how an action ended.
    pub fn conclude(
        &self,
        entry: &Entry<'_>,
        thread: &Thread,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.atomically(|| self.append(&row_of(entry, thread.action, now, Some(outcome))))
    }

    fn append(&self, row: &Row<'_>) -> Result<(), StoreError> {
        let before: String = self
            .0
            .conn
            .query_row("SELECT hash FROM journal ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
            .optional()?
            .unwrap_or_default();
        let hash = chain(&before, &canonical(row));
        self.0.conn
            .prepare_cached(
                "INSERT INTO journal (at, entry, action_id, cycle, person, okta_id, action, group_id,
                     request, parent, cause, leaver, released, keys, detail, outcome,
                     okta_request_id, error, hash)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                row.at, row.entry, row.action_id, row.cycle, row.person, row.okta_id, row.action,
                row.group, row.request, row.parent, row.cause, row.leaver, row.released, row.keys,
                row.detail, row.outcome, row.okta_request_id, row.error, hash
            ])?;
        Ok(())
    }

    /// What was sent about a person since a moment, has no answer that says what became of it, and
    /// was not followed by another word about the same thing.
    pub fn in_doubt(&self, person: &SysId, since: Timestamp) -> Result<Vec<InDoubt>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT action_id, at, action, group_id, request, parent, detail, keys,
                 NOT EXISTS (SELECT 1 FROM journal o WHERE o.action_id = i.action_id
                     AND o.outcome <> 'unknown')
             FROM journal i WHERE person = ? AND entry = 'intent' AND at >= ? ORDER BY id DESC",
        )?;
        let mut rows = statement.query([person.as_str(), &stamp(since)])?;
        let mut newer = BTreeSet::new();
        let mut in_doubt = Vec::new();
        while let Some(row) = rows.next()? {
            let (action, group): (String, Option<String>) = (row.get(2)?, row.get(3)?);
            let subject = match action.as_str() {
                "add_member" | "remove_member" => "membership".to_owned(),
                "update" => row.get(7)?,
                "clear_sessions" => "sessions".to_owned(),
                "reactivate" => "mail".to_owned(),
                _ => "status".to_owned(),
            };
            if !newer.insert((subject, group.clone())) || !row.get::<_, bool>(8)? {
                continue;
            }
            in_doubt.push(InDoubt {
                action_id: row.get(0)?,
                at: moment(&row.get::<_, String>(1)?)?,
                action,
                group: group.as_deref().map(group_id).transpose()?,
                origin: super::facts::origin(known_origin(row.get(4)?), row.get(5)?)?,
                detail: super::from_json(&row.get::<_, String>(6)?)?,
            });
        }
        Ok(in_doubt)
    }

    /// Writes that something whose answer was lost was seen to have taken effect.
    pub fn resolve_in_doubt(&self, action_id: i64, now: Timestamp) -> Result<(), StoreError> {
        let sql = "SELECT cycle, person, okta_id, action, group_id, request, parent, cause, leaver,
                       released, keys FROM journal WHERE action_id = ? AND entry = 'intent'";
        self.0.atomically(|| {
            let mut statement = self.0.conn.prepare_cached(sql)?;
            let mut rows = statement.query([action_id])?;
            let Some(row) = rows.next()? else { return Ok(()) };
            let text = |place: usize| row.get::<_, String>(place);
            let maybe = |place: usize| row.get::<_, Option<String>>(place);
            let (person, action, cause) = (text(1)?, text(3)?, text(7)?);
            let (okta_id, group, parent) = (maybe(2)?, maybe(4)?, maybe(6)?);
            self.append(&Row {
                at: stamp(now),
                entry: "outcome",
                action_id,
                cycle: row.get(0)?,
                person: &person,
                okta_id: okta_id.as_deref(),
                action: &action,
                group: group.as_deref(),
                request: text(5)?,
                parent: parent.as_deref(),
                cause: &cause,
                leaver: row.get(8)?,
                released: row.get(9)?,
                keys: text(10)?,
                detail: "{}".to_owned(),
                outcome: Some("confirmed"),
                okta_request_id: None,
                error: None,
            })
        })
    }

    /// How often in a row something ended without a good answer before a certain action and since a
    /// moment, and what was said of it last.
    pub fn failures_before(
        &self,
        action: &Action,
        action_id: i64,
        since: Timestamp,
    ) -> Result<(u32, Option<String>), StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT outcome, error FROM journal
             WHERE person = ? AND entry = 'outcome' AND action = ? AND group_id IS ?
                 AND request = ? AND action_id < ? AND at >= ? ORDER BY id DESC",
        )?;
        let Action { person, step, origin, .. } = action;
        let mut rows = statement.query(params![
            person.as_str(),
            step.name(),
            step.group().map(GroupId::as_str),
            thread_word(origin),
            action_id,
            stamp(since)
        ])?;
        let (mut times, mut last) = (0, None);
        while let Some(row) = rows.next()? {
            if !matches!(row.get::<_, String>(0)?.as_str(), "failed" | "unknown") {
                break;
            }
            times += 1;
            if times == 1 {
                last = row.get(1)?;
            }
        }
        Ok((times, last))
    }

    /// The hash of the newest row; empty before the first.
    pub fn head(&self) -> Result<String, StoreError> {
        let sql = "SELECT hash FROM journal ORDER BY id DESC LIMIT 1";
        Ok(self.0.conn.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or_default())
    }

    /// What was done, or may have been done, since a moment.
    pub fn done_since(&self, since: Timestamp) -> Result<Vec<Done>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT i.at, i.person, i.action, i.group_id, i.cause, i.leaver, i.released, i.keys,
                 EXISTS (SELECT 1 FROM journal o WHERE o.action_id = i.action_id
                     AND o.outcome IN ('applied', 'confirmed'))
             FROM journal i
             WHERE i.entry = 'intent' AND i.at >= ?
                 AND NOT EXISTS (SELECT 1 FROM journal o WHERE o.action_id = i.action_id
                     AND o.outcome IN ('failed', 'already_so'))
             ORDER BY i.id",
        )?;
        let mut rows = statement.query([stamp(since)])?;
        let mut done = Vec::new();
        while let Some(row) = rows.next()? {
            let keys: String = row.get(7)?;
            done.push(Done {
                at: moment(&row.get::<_, String>(0)?)?,
                person: super::people::sys_id(&row.get::<_, String>(1)?)?,
                step: step_kind(&row.get::<_, String>(2)?)?,
                group: row.get::<_, Option<String>>(3)?.map(|id| group_id(&id)).transpose()?,
                cause: Cause::from_word(&row.get::<_, String>(4)?).unwrap_or(Cause::Record),
                leaver: row.get(5)?,
                released: row.get(6)?,
                keys: super::from_json::<Vec<String>>(&keys)?
                    .iter()
                    .filter_map(|key| FactKey::parse(key))
                    .collect(),
                seen: row.get(8)?,
            });
        }
        Ok(done)
    }

    /// What was done about the status of a person's account, oldest first.
    pub fn status_actions(&self, person: &SysId) -> Result<Vec<StatusAction>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT action, request, cause FROM journal
             WHERE person = ? AND outcome IN ('applied', 'already_so', 'confirmed')
                 AND action IN ('create', 'activate', 'suspend', 'unsuspend', 'deactivate', 'clear_sessions')
             ORDER BY id",
        )?;
        let mut rows = statement.query([person.as_str()])?;
        let mut actions = Vec::new();
        while let Some(row) = rows.next()? {
            let cause: String = row.get(2)?;
            actions.push(StatusAction {
                action: row.get(0)?,
                request: row.get(1)?,
                by_record: Cause::from_word(&cause) == Some(Cause::Record),
            });
        }
        Ok(actions)
    }

    /// What was applied for a request, in order.
    pub fn applied_for(&self, request: &RequestNumber) -> Result<Vec<Applied>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT action_id, action, group_id, okta_id, okta_request_id FROM journal
             WHERE request = ? AND outcome IN ('applied', 'already_so', 'confirmed') ORDER BY id",
        )?;
        let rows = statement.query_map([request.as_str()], |row| {
            Ok(Applied {
                action_id: row.get(0)?,
                action: row.get(1)?,
                group: row.get(2)?,
                okta_id: row.get(3)?,
                okta_request_id: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When the last write for a request to one person's account was answered well.
    pub fn last_applied(
        &self,
        number: &str,
        person: &SysId,
        since: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT max(at) FROM journal WHERE person = ? AND request = ? AND at >= ?
                       AND outcome IN ('applied', 'already_so', 'confirmed')
                       AND action <> 'remove_member'";
        let at: Option<String> = self
            .0
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
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM journal WHERE person = ? AND request = ? AND at >= ?
                       AND action = 'deactivate' AND outcome IN ('applied', 'already_so', 'confirmed'))";
        let values = params![person.as_str(), number.as_str(), stamp(since)];
        Ok(self.0.conn.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
    }
}

fn step_kind(word: &str) -> Result<StepKind, StoreError> {
    StepKind::from_word(word).ok_or_else(|| StoreError::Corrupt(format!("action {word:?}")))
}

/// The origin that a word in the journal stands for, in the words of the other tables.
fn known_origin(word: String) -> Option<String> {
    (word != thread_word(&Origin::None)).then_some(word)
}

/// The word that stands for an origin where a request number would.
pub(super) fn thread_word(origin: &Origin) -> String {
    origin.to_string()
}

fn row_of<'a>(
    entry: &Entry<'a>,
    action_id: i64,
    now: Timestamp,
    outcome: Option<&'a Outcome>,
) -> Row<'a> {
    let Action { person, account, step, origin, cause } = entry.action;
    let (word, okta_request_id, error) = match outcome {
        None => (None, None, None),
        Some(Outcome::Applied { okta_request_id }) => {
            (Some("applied"), okta_request_id.as_deref(), None)
        }
        Some(Outcome::AlreadySo { okta_request_id }) => {
            (Some("already_so"), okta_request_id.as_deref(), None)
        }
        Some(Outcome::Failed { error, okta_request_id, transient: _ }) => {
            (Some("failed"), okta_request_id.as_deref(), Some(error.as_str()))
        }
        Some(Outcome::Unknown { error }) => (Some("unknown"), None, Some(error.as_str())),
    };
    Row {
        at: stamp(now),
        entry: if outcome.is_some() { "outcome" } else { "intent" },
        action_id,
        cycle: entry.cycle,
        person: person.as_str(),
        okta_id: account.as_ref().map(crate::model::AccountId::as_str),
        action: step.name(),
        group: step.group().map(GroupId::as_str),
        request: thread_word(origin),
        parent: origin.request().and_then(|r| r.parent.as_ref()).map(RequestNumber::as_str),
        cause: cause.as_str(),
        leaver: entry.leaver,
        released: entry.released,
        keys: json(&entry.keys),
        detail: if outcome.is_some() { "{}".to_owned() } else { detail(step) },
        outcome: word,
        okta_request_id,
        error,
    }
}

/// The before-image and what replaces it.
pub(super) fn detail(step: &Step) -> String {
    let value = match step {
        Step::Create { profile, groups, activate } => serde_json::json!({
            "profile": profile,
            "groups": groups.iter().map(GroupId::as_str).collect::<Vec<_>>(),
            "activate": activate,
        }),
        Step::Update { changes } => changes
            .iter()
            .map(|(attribute, change)| {
                (attribute.clone(), serde_json::json!({"from": change.from, "to": change.to}))
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
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
fn canonical(row: &Row<'_>) -> String {
    let Row {
        at,
        entry,
        action_id,
        cycle,
        person,
        okta_id,
        action,
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
        at,
        entry,
        action_id,
        cycle,
        person,
        okta_id,
        action,
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
        error
    ])
    .to_string()
}

fn chain(before: &str, canonical: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update("\n");
    hash.update(canonical);
    hash.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
