//! What is asked of the journal: counts of a window, tries of the last hour, calls in doubt of the
//! last day, closing notes. No decision needs an entry for longer; what it does need is history.

use std::collections::BTreeSet;

use rusqlite::params;

use crate::model::{
    AccountId, Action, Done, FactKey, GroupId, Origin, RequestNumber, StepKind, SysId, Timestamp,
};
use crate::store::columns::{At, GOOD, Json, OutcomeKind, moment, read_origin};
use crate::store::{Journal, Result};

/// One applied action, as a closing note names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) action_id: i64,
    /// The contract's name of the action.
    pub(crate) action: String,
    pub(crate) group: Option<GroupId>,
    pub(crate) okta_id: Option<AccountId>,
    /// `X-Okta-Request-Id` of the answer.
    pub(crate) okta_request_id: Option<String>,
}

/// Something that was sent and of which nobody knows what became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InDoubt {
    pub(crate) action_id: i64,
    pub(crate) at: Timestamp,
    /// The contract's name of the action.
    pub(crate) action: String,
    pub(crate) group: Option<GroupId>,
    pub(crate) origin: Origin,
    /// What was to become of it: of an account that was to be made, its `profile`; of an update,
    /// per attribute `from` and `to`.
    pub(crate) detail: serde_json::Value,
}

impl Journal<'_> {
    /// What was sent about a person since a moment, has no answer that says what became of it, and
    /// was not followed by another word about the same thing; the newest first.
    pub(crate) fn in_doubt(&self, person: &SysId, since: Timestamp) -> Result<Vec<InDoubt>> {
        let sql =
            "SELECT action_id, at, action, group_id, nullif(request, ?3), parent, detail, keys,
                 NOT EXISTS (SELECT 1 FROM journal o WHERE o.action_id = i.action_id
                     AND o.outcome <> 'unknown')
             FROM journal i WHERE person = ?1 AND entry = 'intent' AND at >= ?2 ORDER BY id DESC";
        let mut newer = BTreeSet::new();
        let in_doubt: Vec<Option<InDoubt>> =
            self.0.all(sql, params![person, At(since), Origin::None.to_string()], |row| {
                let step: StepKind = row.get(2)?;
                let group: Option<GroupId> = row.get(3)?;
                let subject = match step {
                    StepKind::AddMember | StepKind::RemoveMember => "membership".to_owned(),
                    // Two updates are about the same thing where they write the same attributes.
                    StepKind::Update => row.get(7)?,
                    StepKind::ClearSessions => "sessions".to_owned(),
                    StepKind::Reactivate => "mail".to_owned(),
                    StepKind::Create
                    | StepKind::Activate
                    | StepKind::Suspend
                    | StepKind::Unsuspend
                    | StepKind::Deactivate => "status".to_owned(),
                };
                if !newer.insert((subject, group.clone())) || !row.get::<_, bool>(8)? {
                    return Ok(None);
                }
                Ok(Some(InDoubt {
                    action_id: row.get(0)?,
                    at: row.get::<_, At>(1)?.0,
                    action: step.as_str().to_owned(),
                    group,
                    origin: read_origin(row, 4, 5)?,
                    detail: row.get::<_, Json<_>>(6)?.0,
                }))
            })?;
        Ok(in_doubt.into_iter().flatten().collect())
    }

    /// How often in a row something ended without a good answer before a certain action and since a
    /// moment, and what was said of it last.
    pub(crate) fn failures_before(
        &self,
        action: &Action,
        action_id: i64,
        since: Timestamp,
    ) -> Result<(u32, Option<String>)> {
        let sql = "SELECT outcome, error FROM journal
             WHERE person = ? AND entry = 'outcome' AND action = ? AND group_id IS ?
                 AND request = ? AND action_id < ? AND at >= ? ORDER BY id DESC";
        let Action { person, step, origin, .. } = action;
        let which =
            params![person, step.kind(), step.group(), origin.to_string(), action_id, At(since)];
        let ended: Vec<(OutcomeKind, Option<String>)> =
            self.0.all(sql, which, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut failed = ended.into_iter().take_while(|(outcome, _)| !outcome.is_good());
        let Some((_, last)) = failed.next() else { return Ok((0, None)) };
        Ok((u32::try_from(1 + failed.count()).unwrap_or(u32::MAX), last))
    }

    /// What was done, or may have been done, since a moment, oldest first.
    pub(crate) fn done_since(&self, since: Timestamp) -> Result<Vec<Done>> {
        let sql =
            "SELECT i.at, i.person, i.action, i.group_id, i.cause, i.leaver, i.released, i.keys,
                 EXISTS (SELECT 1 FROM journal o WHERE o.action_id = i.action_id
                     AND o.outcome IN ('applied', 'confirmed'))
             FROM journal i
             WHERE i.entry = 'intent' AND i.at >= ?
                 AND NOT EXISTS (SELECT 1 FROM journal o WHERE o.action_id = i.action_id
                     AND o.outcome IN ('failed', 'already_so'))
             ORDER BY i.id";
        self.0.all(sql, [At(since)], |row| {
            Ok(Done {
                at: row.get::<_, At>(0)?.0,
                person: row.get(1)?,
                step: row.get(2)?,
                group: row.get(3)?,
                cause: row.get(4)?,
                leaver: row.get(5)?,
                released: row.get(6)?,
                keys: fact_keys(row.get::<_, Json<_>>(7)?),
                seen: row.get(8)?,
            })
        })
    }

    pub(crate) fn applied_for(&self, request: &RequestNumber) -> Result<Vec<Applied>> {
        let sql = format!(
            "SELECT action_id, action, group_id, okta_id, okta_request_id FROM journal
             WHERE request = ? AND outcome IN {GOOD} ORDER BY id"
        );
        self.0.all(&sql, [request], |row| {
            Ok(Applied {
                action_id: row.get(0)?,
                action: row.get(1)?,
                group: row.get(2)?,
                okta_id: row.get(3)?,
                okta_request_id: row.get(4)?,
            })
        })
    }

    /// When the last write for a request, by its number, to one person's account was answered well,
    /// since a moment; a removal from a group is not the end of anything.
    pub(crate) fn last_applied(
        &self,
        number: &str,
        person: &SysId,
        since: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let sql = format!(
            "SELECT max(at) FROM journal WHERE person = ? AND request = ? AND at >= ?
                 AND outcome IN {GOOD} AND action <> 'remove_member'"
        );
        Ok(moment(self.0.value(&sql, params![person, number, At(since)])?))
    }

    /// Whether somebody's account was deactivated for a request since a moment, as Okta answered.
    pub(crate) fn was_deactivated(
        &self,
        number: &RequestNumber,
        person: &SysId,
        since: Timestamp,
    ) -> Result<bool> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM journal WHERE person = ? AND request = ? AND at >= ?
                 AND action = 'deactivate' AND outcome IN {GOOD})"
        );
        self.0.value(&sql, params![person, number, At(since)])
    }
}

/// The facts that an entry names; what an earlier version named otherwise is left out.
fn fact_keys(Json(texts): Json<Vec<String>>) -> Vec<FactKey> {
    texts.iter().filter_map(|text| FactKey::parse(text)).collect()
}
