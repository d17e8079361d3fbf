//! What people said to actions that wait. Append-only, so that it can be told later.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Params, Row, named_params, params};

use super::columns::{At, spelled_here};
use super::{Decisions, Result};
use crate::model::pause::{PausedSpan, lapses};
use crate::model::{OpenAction, Origin, SysId, Timestamp};

/// What a person said to an action that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldDecision {
    /// Yes, or leave me alone.
    pub word: Verdict,
    /// The login name of who decided, also behind `sudo`.
    pub by: String,
    /// When it was said: a release lapses 24 hours later, pauses not counted.
    pub at: Timestamp,
    /// The reason that was given, for people to read.
    pub because: String,
}

/// Yes, or leave me alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To be carried out, once.
    Release,
    /// Not to be carried out and not to be said again, while it stays the same.
    Dismiss,
}

spelled_here! {
    Verdict, "verdict", Release = "release", Dismiss = "dismiss";
}

impl HoldDecision {
    /// When a release lapses, unless it is used before.
    pub(super) fn expires(&self, pauses: &[PausedSpan], now: Timestamp) -> Option<Timestamp> {
        (self.word == Verdict::Release).then(|| lapses(self.at, RELEASE_LASTS, pauses, now))
    }
}

const RELEASE_LASTS: chrono::Duration = chrono::Duration::hours(24);

impl Decisions<'_> {
    /// What people said that still stands, by fingerprint.
    pub(crate) fn standing(&self, now: Timestamp) -> Result<BTreeMap<String, HoldDecision>> {
        self.select("true", [], now)
    }

    pub(crate) fn release_of(
        &self,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<Option<HoldDecision>> {
        let said = self.select("fingerprint = ?", [fingerprint], now)?.remove(fingerprint);
        Ok(said.filter(|said| said.word == Verdict::Release))
    }

    fn select(
        &self,
        condition: &str,
        params: impl Params,
        now: Timestamp,
    ) -> Result<BTreeMap<String, HoldDecision>> {
        let sql = format!(
            "SELECT fingerprint, verdict, said_by, at, because FROM decisions
             WHERE over = 0 AND {condition} ORDER BY id"
        );
        let said: Vec<(String, HoldDecision)> =
            self.0.all(&sql, params, |row| Ok((row.get("fingerprint")?, read(row)?)))?;
        let pauses = self.0.brake().spans()?;
        let mut standing = BTreeMap::new();
        for (fingerprint, decision) in said {
            // The newest word counts, and a yes lapses.
            if decision.expires(&pauses, now).is_some_and(|expires| expires <= now) {
                standing.remove(&fingerprint);
            } else {
                standing.insert(fingerprint, decision);
            }
        }
        Ok(standing)
    }

    /// Records what a person says to an action, in place of what was said to it before.
    pub(super) fn record(
        &self,
        person: Option<&SysId>,
        origin: &Origin,
        action: &OpenAction,
        said: &HoldDecision,
    ) -> Result<()> {
        self.end(&action.fingerprint)?;
        let row = named_params! {
            "at": At(said.at),
            "verdict": said.word,
            "said_by": said.by,
            "because": said.because,
            "fingerprint": action.fingerprint,
            "request": origin.to_string(),
            "person": person.map_or("", SysId::as_str),
            "action": action.step,
            "group_id": action.group,
        };
        self.0.insert("decisions", row, "")
    }

    /// What was said to it is over.
    pub(crate) fn end(&self, fingerprint: &str) -> Result<()> {
        let sql = "UPDATE decisions SET over = 1 WHERE fingerprint = ? AND over = 0";
        self.0.run(sql, [fingerprint])
    }

    /// Uses a release up, together with the writing of its action's intent, so that no crash lets it
    /// be used twice. What it was for waits as before until it is seen to be done.
    pub(crate) fn use_release(&self, fingerprint: &str, action_id: i64) -> Result<()> {
        let sql =
            "UPDATE decisions SET over = 1, action_id = ?2 WHERE fingerprint = ?1 AND over = 0";
        self.0.run(sql, params![fingerprint, action_id])
    }

    /// Who said yes to an action that was begun, by its id in the journal, and why.
    pub(crate) fn release_used_by(&self, action_id: i64) -> Result<Option<HoldDecision>> {
        let sql = "SELECT verdict, said_by, at, because FROM decisions WHERE action_id = ?";
        self.0.one(sql, [action_id], read)
    }

    /// Notes that a cycle knew of these releases, by fingerprint, when it looked at people, so that
    /// they need not be looked at again. What came after it had begun is left to the next.
    pub(crate) fn releases_seen(
        &self,
        looked_at: &BTreeSet<SysId>,
        known: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<()> {
        let sql = "SELECT id, person, fingerprint, at FROM decisions
                   WHERE verdict = 'release' AND over = 0 AND seen = 0 AND person <> ''";
        let unseen: Vec<(i64, SysId, String, At)> =
            self.0.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let pauses = self.0.brake().spans()?;
        for (id, person, fingerprint, At(at)) in unseen {
            let known = known.contains(&fingerprint) && looked_at.contains(&person);
            if known || lapses(at, RELEASE_LASTS, &pauses, now) <= now {
                self.0.run("UPDATE decisions SET seen = 1 WHERE id = ?", [id])?;
            }
        }
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<HoldDecision> {
    let (word, by, because) = (row.get("verdict")?, row.get("said_by")?, row.get("because")?);
    Ok(HoldDecision { word, by, at: row.get::<_, At>("at")?.0, because })
}
