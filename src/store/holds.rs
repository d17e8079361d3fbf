//! Actions that wait for a person's yes, and what the person said.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Row, params};

use super::accounts::group_id;
use super::people::sys_id;
use super::{Store, StoreError, moment, stamp};
use crate::model::{Cause, GroupId, Instant, SysId};

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
    pub since: Instant,
    /// What waits.
    pub hold: NewHold,
    /// What a person said to it, while that stands.
    pub said: Option<Said>,
}

/// What a person said to an action that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Yes, or leave me alone.
    pub word: Word,
    /// The login user.
    pub by: String,
    /// When.
    pub at: Instant,
    /// Why.
    pub because: String,
}

/// Yes, or leave me alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// To be carried out, once.
    Release,
    /// Not to be carried out and not to be said again, while it stays the same.
    Dismiss,
}

impl Word {
    fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dismiss => "dismiss",
        }
    }
}

impl Said {
    /// When a release lapses, unless it is used before.
    pub fn expires(&self) -> Option<Instant> {
        (self.word == Word::Release).then(|| self.at + RELEASE_LASTS)
    }
}

/// Which holds are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// These, by number.
    Ids(Vec<i64>),
    /// Those of one set.
    Set(String),
    /// Everything that waits.
    All,
}

/// How long a release stands before it lapses.
const RELEASE_LASTS: chrono::Duration = chrono::Duration::hours(24);

const COLUMNS: &str = "id, since, fingerprint, person, action, group_id, request, parent, cause, \
    changes, reason, in_set";

impl Store {
    /// Keeps the holds of a cycle. Those of the people looked at that are no longer found are
    /// over, and what was said to them with them, but for what was `released` and is about to be
    /// done. Says which are new or wait for another reason than before.
    pub fn keep_holds(
        &self,
        looked_at: &BTreeSet<SysId>,
        holds: &[NewHold],
        released: &BTreeSet<String>,
        now: Instant,
    ) -> Result<Vec<String>, StoreError> {
        self.atomically(|| {
            let before = self.holds(now)?;
            let found: BTreeSet<&str> = holds.iter().map(|hold| hold.fingerprint.as_str()).collect();
            for hold in &before {
                let NewHold { person, fingerprint, .. } = &hold.hold;
                if looked_at.contains(person)
                    && !found.contains(fingerprint.as_str())
                    && !released.contains(fingerprint)
                {
                    self.end_hold(fingerprint, None)?;
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
                self.conn
                    .prepare_cached(
                        "INSERT INTO holds (fingerprint, since, person, action, group_id, request, parent,
                             cause, changes, reason, in_set)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
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
                        hold.set
                    ])?;
            }
            Ok(news)
        })
    }

    /// A hold is over: the action is begun, or it is not the same any more.
    pub fn end_hold(&self, fingerprint: &str, action: Option<i64>) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "UPDATE decisions SET over = 1, action_id = ?2 WHERE fingerprint = ?1 AND over = 0",
            )?
            .execute(params![fingerprint, action])?;
        self.conn
            .prepare_cached("DELETE FROM holds WHERE fingerprint = ?")?
            .execute([fingerprint])?;
        Ok(())
    }

    /// Everything that waits or was dismissed, in the order in which it was held.
    pub fn holds(&self, now: Instant) -> Result<Vec<Hold>, StoreError> {
        let said = self.said(now)?;
        let sql = format!("SELECT {COLUMNS} FROM holds ORDER BY id");
        let mut statement = self.conn.prepare_cached(&sql)?;
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
    pub fn said(&self, now: Instant) -> Result<BTreeMap<String, Said>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT fingerprint, verdict, said_by, at, because FROM decisions
             WHERE over = 0 ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut said = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let word: String = row.get(1)?;
            let word = if word == "dismiss" { Word::Dismiss } else { Word::Release };
            let at = moment(&row.get::<_, String>(3)?)?;
            let one = Said { word, by: row.get(2)?, at, because: row.get(4)? };
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
    /// numbers is not known, to none. Whoever they are for is looked at by the next cycle.
    pub fn say(
        &self,
        which: &Which,
        said: &Said,
    ) -> Result<Result<Vec<Hold>, Vec<i64>>, StoreError> {
        self.atomically(|| {
            let mut holds = self.holds(said.at)?;
            if let Which::Ids(ids) = which {
                let known = |id: &i64| holds.iter().any(|hold| hold.id == *id);
                let unknown: Vec<i64> = ids.iter().copied().filter(|id| !known(id)).collect();
                if !unknown.is_empty() {
                    return Ok(Err(unknown));
                }
            }
            let dismissed =
                |hold: &Hold| hold.said.as_ref().is_some_and(|said| said.word == Word::Dismiss);
            holds.retain(|hold| match which {
                Which::Ids(ids) => ids.contains(&hold.id),
                Which::Set(set) => hold.hold.set.as_deref() == Some(set) && !dismissed(hold),
                Which::All => !dismissed(hold),
            });
            for hold in &mut holds {
                let NewHold { fingerprint, person, action, group, request, .. } = &hold.hold;
                self.conn.execute(
                    "UPDATE decisions SET over = 1 WHERE fingerprint = ? AND over = 0",
                    [fingerprint],
                )?;
                self.conn.execute(
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
                self.look_again(person, said.at)?;
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
        },
        said: None,
    })
}
