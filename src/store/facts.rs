//! Desired facts as last decided.

use std::collections::BTreeMap;

use rusqlite::{named_params, params};

use super::columns::{At, origin_columns, read_origin};
use super::{Facts, Result};
use crate::model::{self, FactKey, KnownFact, SysId, Timestamp};

impl Facts<'_> {
    pub(crate) fn of(&self, person: &SysId) -> Result<model::Facts> {
        let sql = "SELECT key, value, origin, parent, basis, in_sync_once, refused FROM facts
                   WHERE person = ?";
        self.0.all(sql, [person], |row| {
            let fact = KnownFact {
                value: row.get(1)?,
                origin: read_origin(row, 2, 3)?,
                basis: row.get(4)?,
                in_sync_once: row.get(5)?,
                refused: row.get(6)?,
            };
            Ok((row.get(0)?, fact))
        })
    }

    /// Replaces a person's facts. Since when a fact holds is kept while its value stays the same. A
    /// request whose fact was seen in Okta has taken effect.
    pub(crate) fn replace(
        &self,
        person: &SysId,
        facts: &model::Facts,
        now: Timestamp,
    ) -> Result<()> {
        self.0.atomically(|| {
            let before = self.of(person)?;
            for (key, fact) in facts {
                if before.get(key) == Some(fact) {
                    continue;
                }
                let (origin, parent) = origin_columns(&fact.origin);
                let row = named_params! {
                    "person": person,
                    "key": key,
                    "value": fact.value,
                    "origin": origin,
                    "parent": parent,
                    "basis": fact.basis,
                    "in_sync_once": fact.in_sync_once,
                    "since": At(now),
                    "refused": fact.refused,
                };
                let since = "since = iif(value IS excluded.value, since, excluded.since)";
                self.0.upsert("facts", &["person", "key"], row, &[since])?;
                if let (true, Some(request)) = (fact.in_sync_once, fact.origin.request()) {
                    self.0.requests().mark_took_effect(&request.number)?;
                }
            }
            let sql = "DELETE FROM facts WHERE person = ? AND key = ?";
            let mut gone = before.keys().filter(|key| !facts.contains_key(key));
            gone.try_for_each(|key| self.0.run(sql, params![person, key]))
        })
    }

    /// Since when each of a person's facts has the value that it has now, by key.
    pub(crate) fn since(&self, person: &SysId) -> Result<BTreeMap<FactKey, Timestamp>> {
        self.0.all("SELECT key, since FROM facts WHERE person = ?", [person], |row| {
            Ok((row.get(0)?, row.get::<_, At>(1)?.0))
        })
    }

    /// What was seen of these facts is changed now: until they are seen again, nobody else is to
    /// blame for how they are.
    pub(crate) fn mark_unconfirmed(&self, person: &SysId, keys: &[FactKey]) -> Result<()> {
        let sql = "UPDATE facts SET in_sync_once = 0 WHERE person = ? AND key = ?";
        keys.iter().try_for_each(|key| self.0.run(sql, params![person, key]))
    }

    pub(crate) fn refuse(&self, person: &SysId, key: &FactKey, why: &str) -> Result<()> {
        let sql = "UPDATE facts SET refused = ? WHERE person = ? AND key = ?";
        self.0.run(sql, params![why, person, key])
    }

    /// Forgets what Okta refused, of one person or of everybody: it is tried once more.
    pub(crate) fn forget_refusals(&self, person: Option<&SysId>) -> Result<()> {
        let sql = "UPDATE facts SET refused = NULL
             WHERE refused IS NOT NULL AND (?1 IS NULL OR person = ?1)";
        self.0.run(sql, [person])
    }

    /// The logins that people are to have, and were not seen to have.
    pub(crate) fn new_logins(&self) -> Result<Vec<(SysId, String)>> {
        let sql = "SELECT person, value FROM facts
                   WHERE key = 'profile:login' AND in_sync_once = 0 AND value IS NOT NULL";
        self.0.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Whether all that a request, by its number, asks of a person but the profile was seen in Okta.
    pub(crate) fn were_in_sync(&self, number: &str, person: &SysId) -> Result<bool> {
        let sql = "SELECT count(*) > 0 AND min(in_sync_once) FROM facts
                   WHERE person = ? AND origin = ? AND key NOT LIKE 'profile:%'";
        self.0.value(sql, params![person, number])
    }
}
