//! Actions that wait for a person's yes, and what the person said.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::{Store, StoreError, moment, stamp};
use crate::model::Instant;

/// A hold as the guard found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// What makes the action the same as one shown before.
    pub fingerprint: String,
    /// The person's `sys_id`.
    pub person: String,
    /// The contract's name of the action.
    pub action: String,
    /// Which group.
    pub group: Option<String>,
    /// The thread.
    pub request: String,
    /// The order.
    pub parent: Option<String>,
    /// Why now.
    pub cause: &'static str,
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
    /// Who released it and when, and why.
    pub released: Option<(String, Instant, String)>,
    /// A person dismissed it.
    pub dismissed: bool,
}

/// How long a release stands before it lapses.
const RELEASE_LASTS: chrono::Duration = chrono::Duration::hours(24);

impl Store {
    /// Keeps the holds of a cycle. Those of the people looked at that are no longer found are
    /// over. Says which are new or wait for another reason than before.
    pub fn keep_holds(
        &self,
        looked_at: &BTreeSet<String>,
        holds: &[NewHold],
        now: Instant,
    ) -> Result<Vec<String>, StoreError> {
        self.atomically(|| {
            let before = self.holds()?;
            let found: BTreeSet<&str> = holds.iter().map(|hold| hold.fingerprint.as_str()).collect();
            for hold in &before {
                if looked_at.contains(&hold.hold.person)
                    && !found.contains(hold.hold.fingerprint.as_str())
                {
                    self.conn
                        .prepare_cached("DELETE FROM holds WHERE id = ?")?
                        .execute([hold.id])?;
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
                        hold.fingerprint, stamp(now), hold.person, hold.action, hold.group,
                        hold.request, hold.parent, hold.cause, hold.changes, hold.reason, hold.set
                    ])?;
            }
            Ok(news)
        })
    }

    /// Everything that waits or was dismissed, in the order in which it was held.
    pub fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id, since, fingerprint, person, action, group_id, request, parent, cause, changes,
                 reason, in_set, released_by, released_at, because, dismissed FROM holds ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut holds = Vec::new();
        while let Some(row) = rows.next()? {
            let cause: String = row.get(8)?;
            let released_at: Option<String> = row.get(13)?;
            holds.push(Hold {
                id: row.get(0)?,
                since: moment(&row.get::<_, String>(1)?)?,
                hold: NewHold {
                    fingerprint: row.get(2)?,
                    person: row.get(3)?,
                    action: row.get(4)?,
                    group: row.get(5)?,
                    request: row.get(6)?,
                    parent: row.get(7)?,
                    cause: crate::model::Cause::from_word(&cause)
                        .map_or("drift", crate::model::Cause::as_str),
                    changes: row.get(9)?,
                    reason: row.get(10)?,
                    set: row.get(11)?,
                },
                released: match (row.get(12)?, released_at, row.get(14)?) {
                    (Some(by), Some(at), because) => {
                        Some((by, moment(&at)?, because_text(because)))
                    }
                    _ => None,
                },
                dismissed: row.get(15)?,
            });
        }
        Ok(holds)
    }

    /// Fingerprints of releases that still stand, and of dismissals.
    pub fn decisions(
        &self,
        now: Instant,
    ) -> Result<(BTreeSet<String>, BTreeSet<String>), StoreError> {
        let mut released = BTreeSet::new();
        let mut dismissed = BTreeSet::new();
        for hold in self.holds()? {
            if hold.dismissed {
                dismissed.insert(hold.hold.fingerprint);
            } else if hold.released.is_some_and(|(_, at, _)| now - at < RELEASE_LASTS) {
                released.insert(hold.hold.fingerprint);
            }
        }
        Ok((released, dismissed))
    }
}

fn because_text(text: Option<String>) -> String {
    text.unwrap_or_default()
}
