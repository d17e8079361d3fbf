//! Desired facts as last decided.

use std::collections::BTreeMap;

use rusqlite::params;

use super::{Store, StoreError, moment, stamp};
use crate::model::{Origin, RequestNumber, RequestRef, SysId, Timestamp};

/// One remembered fact, its key and value as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRow {
    /// The fact, such as `profile:department`.
    pub key: String,
    /// The desired value; `None` is null.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// What it follows from in the configuration.
    pub basis: String,
    /// Okta was seen to agree.
    pub in_sync_once: bool,
    /// Why Okta refused this value when it was last tried.
    pub refused: Option<String>,
}

/// Desired facts as last decided.
#[derive(Debug)]
pub struct Facts<'a>(pub(super) &'a Store);

impl Facts<'_> {
    /// A person's facts as last decided, by key.
    pub fn of(&self, person: &SysId) -> Result<BTreeMap<String, FactRow>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT key, value, origin, parent, basis, established, refused FROM facts WHERE person = ?",
        )?;
        let mut rows = statement.query([person.as_str()])?;
        let mut facts = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let key: String = row.get(0)?;
            let fact = FactRow {
                key: key.clone(),
                value: row.get(1)?,
                origin: origin(row.get(2)?, row.get(3)?)?,
                basis: row.get(4)?,
                in_sync_once: row.get(5)?,
                refused: row.get(6)?,
            };
            facts.insert(key, fact);
        }
        Ok(facts)
    }

    /// Replaces a person's facts. Since when a fact holds is kept while its value stays the same.
    pub fn replace(
        &self,
        person: &SysId,
        facts: &[FactRow],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.atomically(|| {
            let before = self.of(person)?;
            for fact in facts {
                if before.get(&fact.key) == Some(fact) {
                    continue;
                }
                let parent = fact.origin.request().and_then(|request| request.parent.as_ref());
                self.0.conn
                    .prepare_cached(
                        "INSERT INTO facts (person, key, value, origin, parent, basis, established, since,
                             refused)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                         ON CONFLICT (person, key) DO UPDATE SET
                             since = CASE WHEN value IS ?3 THEN since ELSE ?8 END, value = ?3,
                             origin = ?4, parent = ?5, basis = ?6, established = ?7, refused = ?9",
                    )?
                    .execute(params![
                        person.as_str(),
                        fact.key,
                        fact.value,
                        origin_word(&fact.origin),
                        parent.map(RequestNumber::as_str),
                        fact.basis,
                        fact.in_sync_once,
                        stamp(now),
                        fact.refused
                    ])?;
                if let (true, Some(request)) = (fact.in_sync_once, fact.origin.request()) {
                    self.0.requests().mark_took_effect(&request.number)?;
                }
            }
            for key in before.keys().filter(|key| facts.iter().all(|fact| fact.key != **key)) {
                self.0.conn
                    .prepare_cached("DELETE FROM facts WHERE person = ? AND key = ?")?
                    .execute([person.as_str(), key])?;
            }
            Ok(())
        })
    }

    /// Since when each of a person's facts has the value that it has now.
    pub fn since(&self, person: &SysId) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let mut statement =
            self.0.conn.prepare_cached("SELECT key, since FROM facts WHERE person = ?")?;
        let mut rows = statement.query([person.as_str()])?;
        let mut since = BTreeMap::new();
        while let Some(row) = rows.next()? {
            since.insert(row.get(0)?, moment(&row.get::<_, String>(1)?)?);
        }
        Ok(since)
    }

    /// What was seen of these facts is changed now: until they are seen again, nobody else is to
    /// blame for how they are.
    pub fn mark_unconfirmed(&self, person: &SysId, keys: &[String]) -> Result<(), StoreError> {
        let sql = "UPDATE facts SET established = 0 WHERE person = ? AND key = ?";
        let mut statement = self.0.conn.prepare_cached(sql)?;
        for key in keys {
            statement.execute([person.as_str(), key])?;
        }
        Ok(())
    }

    /// Remembers that Okta refused a fact as it is desired now, and why.
    pub fn refuse(&self, person: &SysId, key: &str, why: &str) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached("UPDATE facts SET refused = ? WHERE person = ? AND key = ?")?
            .execute([why, person.as_str(), key])?;
        Ok(())
    }

    /// What Okta refused and is not tried again for now: whose, where it comes from, and why.
    pub fn refused(&self) -> Result<Vec<(SysId, Origin, String)>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT person, origin, parent, refused FROM facts WHERE refused IS NOT NULL
             ORDER BY person, key",
        )?;
        let mut rows = statement.query([])?;
        let mut refusals = Vec::new();
        while let Some(row) = rows.next()? {
            let person = super::people::sys_id(&row.get::<_, String>(0)?)?;
            refusals.push((person, origin(row.get(1)?, row.get(2)?)?, row.get(3)?));
        }
        Ok(refusals)
    }

    /// Forgets what Okta refused, of one person or of everybody: it is tried once more.
    pub fn forget_refusals(&self, person: Option<&SysId>) -> Result<(), StoreError> {
        self.0.conn.execute(
            "UPDATE facts SET refused = NULL
             WHERE refused IS NOT NULL AND (?1 IS NULL OR person = ?1)",
            [person.map(SysId::as_str)],
        )?;
        Ok(())
    }

    /// Whether what a request asks of one person's account and groups was seen in Okta.
    pub fn were_in_sync(&self, number: &str, person: &SysId) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) > 0 AND min(established) FROM facts
                   WHERE person = ? AND origin = ? AND key NOT LIKE 'profile:%'";
        let seen: Option<bool> = self
            .0
            .conn
            .prepare_cached(sql)?
            .query_row(params![person.as_str(), number], |row| row.get(0))?;
        Ok(seen == Some(true))
    }
}

pub(super) fn origin_word(origin: &Origin) -> Option<String> {
    match origin {
        Origin::None => None,
        Origin::Baseline | Origin::Request(_) => Some(origin.to_string()),
    }
}

pub(super) fn origin(word: Option<String>, parent: Option<String>) -> Result<Origin, StoreError> {
    let parse = |text: String| {
        RequestNumber::parse(&text).map_err(|error| StoreError::Corrupt(error.to_string()))
    };
    Ok(match word {
        None => Origin::None,
        Some(word) if word == "BASELINE" => Origin::Baseline,
        Some(word) => Origin::Request(RequestRef {
            number: parse(word)?,
            parent: parent.map(parse).transpose()?,
        }),
    })
}
