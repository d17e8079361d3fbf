//! Actions that wait for a person's yes, and what the person said.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, params};

use super::accounts::group_id;
use super::people::sys_id;
use super::{Store, StoreError, from_json, json, moment, stamp};
use crate::model::{Cause, GroupId, SysId, Timestamp};

/// A hold as the guard found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// What makes the action the same as one shown before.
    pub fingerprint: String,
    /// For whom.
    pub person: SysId,
    /// The contract's name of the action.
    pub action: String,
    /// Which group.
    pub group: Option<GroupId>,
    /// Groups that an account would get at its creation, by name.
    pub groups: Vec<String>,
    /// The thread.
    pub request: String,
    /// The order.
    pub parent: Option<String>,
    /// Why now.
    pub cause: Cause,
    /// What would change, as JSON.
    pub changes: String,
    /// Why it waits.
    pub reason: String,
    /// The set that it belongs to.
    pub set: Option<String>,
}

/// A hold as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The number to name it by.
    pub id: i64,
    /// Since when it waits.
    pub since: Timestamp,
    /// What waits.
    pub hold: NewHold,
    /// What a person said to it, while that stands.
    pub said: Option<HoldDecision>,
}

/// What a person said to an action that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldDecision {
    /// Yes, or leave me alone.
    pub word: Verdict,
    /// The login user.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
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

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dismiss => "dismiss",
        }
    }
}

impl HoldDecision {
    /// When a release lapses, unless it is used before.
    pub fn expires(&self) -> Option<Timestamp> {
        (self.word == Verdict::Release).then(|| self.at + RELEASE_LASTS)
    }
}

/// Which holds are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldSelection {
    /// These, by number.
    Ids(Vec<i64>),
    /// Those of one set that nothing was said to.
    Set(String),
    /// Everything that nothing was said to.
    All,
}

/// How long a release stands before it lapses.
const RELEASE_LASTS: chrono::Duration = chrono::Duration::hours(24);

const COLUMNS: &str = "id, since, fingerprint, person, action, group_id, request, parent, cause, \
    changes, reason, in_set, groups";

/// Actions that wait for a decision.
#[derive(Debug)]
pub struct Holds<'a>(pub(super) &'a Store);

impl Holds<'_> {
    /// Keeps the holds of a cycle. Those of the people looked at that are no longer found are
    /// over, and what was said to them with them, but for what was `released` and is about to be
    /// done. Says which are new or wait for another reason than before.
    pub fn replace(
        &self,
        looked_at: &BTreeSet<SysId>,
        holds: &[NewHold],
        released: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        self.0.atomically(|| {
            let before = self.all(now)?;
            let found: BTreeSet<&str> = holds.iter().map(|hold| hold.fingerprint.as_str()).collect();
            for hold in &before {
                let NewHold { person, fingerprint, .. } = &hold.hold;
                if looked_at.contains(person)
                    && !found.contains(fingerprint.as_str())
                    && !released.contains(fingerprint)
                {
                    self.end(fingerprint)?;
                }
            }
            let reasons: BTreeMap<&str, &str> = before
                .iter()
                .map(|known| (known.hold.fingerprint.as_str(), known.hold.reason.as_str()))
                .collect();
            let mut news = Vec::new();
            for hold in holds {
                if reasons.get(hold.fingerprint.as_str()) != Some(&hold.reason.as_str()) {
                    news.push(hold.fingerprint.clone());
                }
                self.0.conn
                    .prepare_cached(
                        "INSERT INTO holds (fingerprint, since, person, action, group_id, request, parent,
                             cause, changes, reason, in_set, groups)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                         ON CONFLICT (fingerprint) DO UPDATE SET reason = ?10, in_set = ?11, cause = ?8",
                    )?
                    .execute(params![
                        hold.fingerprint,
                        stamp(now),
                        hold.person.as_str(),
                        hold.action,
                        hold.group.as_ref().map(GroupId::as_str),
                        hold.request,
                        hold.parent,
                        hold.cause.as_str(),
                        hold.changes,
                        hold.reason,
                        hold.set,
                        json(&hold.groups)
                    ])?;
            }
            Ok(news)
        })
    }

    /// A hold is over: the action is done, or it is not the same any more.
    fn end(&self, fingerprint: &str) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached("UPDATE decisions SET over = 1 WHERE fingerprint = ? AND over = 0")?
            .execute([fingerprint])?;
        self.0
            .conn
            .prepare_cached("DELETE FROM holds WHERE fingerprint = ?")?
            .execute([fingerprint])?;
        Ok(())
    }

    /// Ends a person's holds whose actions there is no longer any cause for.
    pub fn end_others(&self, person: &SysId, left: &BTreeSet<String>) -> Result<(), StoreError> {
        self.0.atomically(|| {
            let mut statement =
                self.0.conn.prepare_cached("SELECT fingerprint FROM holds WHERE person = ?")?;
            let rows = statement.query_map([person.as_str()], |row| row.get::<_, String>(0))?;
            for fingerprint in rows.collect::<Result<Vec<_>, _>>()? {
                if !left.contains(&fingerprint) {
                    self.end(&fingerprint)?;
                }
            }
            Ok(())
        })
    }

    /// The release of an action, if it stands.
    pub fn release_of(
        &self,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<Option<HoldDecision>, StoreError> {
        let said = self.decisions_where("fingerprint = ?", [fingerprint], now)?.remove(fingerprint);
        Ok(said.filter(|said| said.word == Verdict::Release))
    }

    /// Uses a release up, for the action that is about to be sent. To be called together with the
    /// writing of its intent, so that no crash lets it be used twice. What it was for waits as
    /// before until it is seen to be done.
    pub fn use_release(&self, fingerprint: &str, action: i64) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached(
                "UPDATE decisions SET over = 1, action_id = ?2 WHERE fingerprint = ?1 AND over = 0",
            )?
            .execute(params![fingerprint, action])?;
        Ok(())
    }

    /// Who said yes to an action that was begun, and why.
    pub fn release_used_by(&self, action: i64) -> Result<Option<HoldDecision>, StoreError> {
        self.0
            .conn
            .prepare_cached("SELECT said_by, at, because FROM decisions WHERE action_id = ?")?
            .query_row([action], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))
            .optional()?
            .map(|(by, at, because)| {
                Ok(HoldDecision { word: Verdict::Release, by, at: moment(&at)?, because })
            })
            .transpose()
    }

    /// Notes that a cycle knew of these releases when it looked at people, so that they need not
    /// be looked at again. What came after it had begun is left to the next.
    pub fn releases_seen(
        &self,
        looked_at: &BTreeSet<SysId>,
        known: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT id, person, fingerprint, at FROM decisions
             WHERE verdict = 'release' AND over = 0 AND seen = 0",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let person = sys_id(&row.get::<_, String>(1)?)?;
            let known = known.contains(&row.get::<_, String>(2)?) && looked_at.contains(&person);
            if known || now - moment(&row.get::<_, String>(3)?)? >= RELEASE_LASTS {
                self.0
                    .conn
                    .prepare_cached("UPDATE decisions SET seen = 1 WHERE id = ?")?
                    .execute([id])?;
            }
        }
        Ok(())
    }

    /// Everything that waits or was dismissed, in the order in which it was held.
    pub fn all(&self, now: Timestamp) -> Result<Vec<Hold>, StoreError> {
        let said = self.decisions(now)?;
        let sql = format!("SELECT {COLUMNS} FROM holds ORDER BY id");
        let mut statement = self.0.conn.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut holds = Vec::new();
        while let Some(row) = rows.next()? {
            let mut hold = read(row)?;
            hold.said = said.get(&hold.hold.fingerprint).cloned();
            holds.push(hold);
        }
        Ok(holds)
    }

    /// What people said that still stands, by fingerprint.
    pub fn decisions(&self, now: Timestamp) -> Result<BTreeMap<String, HoldDecision>, StoreError> {
        self.decisions_where("true", [], now)
    }

    fn decisions_where(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
        now: Timestamp,
    ) -> Result<BTreeMap<String, HoldDecision>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(&format!(
            "SELECT fingerprint, verdict, said_by, at, because FROM decisions
             WHERE over = 0 AND {condition} ORDER BY id"
        ))?;
        let mut rows = statement.query(params)?;
        let mut said = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let word: String = row.get(1)?;
            let word = if word == "dismiss" { Verdict::Dismiss } else { Verdict::Release };
            let at = moment(&row.get::<_, String>(3)?)?;
            let one = HoldDecision { word, by: row.get(2)?, at, because: row.get(4)? };
            let fingerprint: String = row.get(0)?;
            // The newest word counts, and a yes lapses.
            if one.expires().is_some_and(|expires| expires <= now) {
                said.remove(&fingerprint);
            } else {
                said.insert(fingerprint, one);
            }
        }
        Ok(said)
    }

    /// Records what a person says to actions that wait: to all of them, or, where one of the
    /// numbers is not known, to none. The next cycle looks at whom a release concerns.
    pub fn decide(
        &self,
        which: &HoldSelection,
        said: &HoldDecision,
    ) -> Result<Result<Vec<Hold>, Vec<i64>>, StoreError> {
        self.0.atomically(|| {
            let mut holds = self.all(said.at)?;
            if let HoldSelection::Ids(ids) = which {
                let known = |id: &i64| holds.iter().any(|hold| hold.id == *id);
                let unknown: Vec<i64> = ids.iter().copied().filter(|id| !known(id)).collect();
                if !unknown.is_empty() {
                    return Ok(Err(unknown));
                }
            }
            holds.retain(|hold| match which {
                HoldSelection::Ids(ids) => ids.contains(&hold.id),
                HoldSelection::Set(set) => hold.hold.set.as_deref() == Some(set) && hold.said.is_none(),
                HoldSelection::All => hold.said.is_none(),
            });
            for hold in &mut holds {
                let NewHold { fingerprint, person, action, group, request, .. } = &hold.hold;
                self.0.conn.execute(
                    "UPDATE decisions SET over = 1 WHERE fingerprint = ? AND over = 0",
                    [fingerprint],
                )?;
                self.0.conn.execute(
                    "INSERT INTO decisions (at, verdict, said_by, because, fingerprint, request, person,
                         action, group_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    params![
                        stamp(said.at),
                        said.word.as_str(),
                        said.by,
                        said.because,
                        fingerprint,
                        request,
                        person.as_str(),
                        action,
                        group.as_ref().map(GroupId::as_str)
                    ],
                )?;
                hold.said = Some(said.clone());
            }
            Ok(Ok(holds))
        })
    }
}

fn read(row: &Row<'_>) -> Result<Hold, StoreError> {
    let cause: String = row.get(8)?;
    Ok(Hold {
        id: row.get(0)?,
        since: moment(&row.get::<_, String>(1)?)?,
        hold: NewHold {
            fingerprint: row.get(2)?,
            person: sys_id(&row.get::<_, String>(3)?)?,
            action: row.get(4)?,
            group: row.get::<_, Option<String>>(5)?.map(|id| group_id(&id)).transpose()?,
            request: row.get(6)?,
            parent: row.get(7)?,
            cause: Cause::from_word(&cause)
                .ok_or_else(|| StoreError::Corrupt(format!("cause {cause:?}")))?,
            changes: row.get(9)?,
            reason: row.get(10)?,
            set: row.get(11)?,
            groups: from_json(&row.get::<_, String>(12)?)?,
        },
        said: None,
    })
}

#[cfg(test)]
mod tests;
