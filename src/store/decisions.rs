//! What was decided and must be remembered: links, take-over, desired facts, pinned names, and who
//! is to be looked at when.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, params};

use super::accounts::{account_id, group_id};
use super::{Store, StoreError, moment, stamp};
use crate::model::{AccountId, GroupId, Instant, Origin, RequestNumber, RequestRef, SysId};

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
    pub established: bool,
    /// Why Okta refused this value when it was last tried.
    pub refused: Option<String>,
}

/// Which account is a person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The account.
    pub account: AccountId,
    /// The request that it was linked by, or `BASELINE`.
    pub origin: Origin,
    /// Since when.
    pub since: Instant,
    /// It was made here, rather than found.
    pub made: bool,
}

/// No approved request gives the person `l` the group `g`.
const UNEXPLAINED: &str = "NOT EXISTS (
    SELECT 1 FROM request_groups rg
    JOIN request_people rp ON rp.request = rg.request
    JOIN requests r ON r.sys_id = rg.request
    WHERE rp.person = l.person AND rg.group_id = g.okta_id
        AND r.standing = 'approved' AND r.operation IN ('join', 'move', 'grant'))";

impl Store {
    /// The account that a person is linked to.
    pub fn link(&self, person: &SysId) -> Result<Option<AccountId>, StoreError> {
        self.conn
            .prepare_cached("SELECT okta_id FROM links WHERE person = ?")?
            .query_row([person.as_str()], |row| row.get::<_, String>(0))
            .optional()?
            .map(|id| account_id(&id))
            .transpose()
    }

    /// The link itself.
    pub fn link_row(&self, person: &SysId) -> Result<Option<Link>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT l.okta_id, l.origin, r.parent, l.since, l.made FROM links l
             LEFT JOIN requests r ON r.number = l.origin WHERE l.person = ?",
        )?;
        let mut rows = statement.query([person.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let word = row.get::<_, Option<String>>(1)?.unwrap_or_else(|| "BASELINE".to_owned());
        Ok(Some(Link {
            account: account_id(&row.get::<_, String>(0)?)?,
            origin: origin(Some(word), row.get(2)?)?,
            since: moment(&row.get::<_, String>(3)?)?,
            made: row.get(4)?,
        }))
    }

    /// The person whom an account is linked to.
    pub fn person_of(&self, account: &AccountId) -> Result<Option<SysId>, StoreError> {
        let sql = "SELECT person FROM links WHERE okta_id = ?";
        Ok(self.ids(sql, [account.as_str()])?.pop())
    }

    /// Links a person to an account, for good. `made` says that it did not exist before.
    pub fn keep_link(
        &self,
        person: &SysId,
        account: &AccountId,
        origin: &Origin,
        made: bool,
        now: Instant,
    ) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT INTO links (person, okta_id, since, origin, made) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (person) DO UPDATE SET okta_id = ?2, since = ?3, origin = ?4, made = ?5",
            params![
                person.as_str(),
                account.as_str(),
                stamp(now),
                origin.request().map(|request| request.number.as_str()),
                made
            ],
        )?;
        Ok(())
    }

    /// Takes back a link that was made by mistake, with what was decided because of it.
    pub fn undo_link(&self, person: &SysId, before: Option<&Link>) -> Result<(), StoreError> {
        self.end_adoption(person)?;
        if let Some(Link { account, origin, since, made }) = before {
            return self.keep_link(person, account, origin, *made, *since);
        }
        for table in ["links", "facts"] {
            let sql = format!("DELETE FROM {table} WHERE person = ?");
            self.conn.execute(&sql, [person.as_str()])?;
        }
        Ok(())
    }

    /// Ends what a person had at take-over: whoever comes back gets what is asked for now.
    pub fn end_adoption(&self, person: &SysId) -> Result<(), StoreError> {
        self.conn.execute("DELETE FROM baseline WHERE person = ?", [person.as_str()])?;
        Ok(())
    }

    /// Everybody who is linked to an account.
    pub fn linked_people(&self) -> Result<Vec<SysId>, StoreError> {
        self.ids("SELECT person FROM links ORDER BY person", [])
    }

    /// How many accounts are managed.
    pub fn link_count(&self) -> Result<u32, StoreError> {
        Ok(self.conn.query_row("SELECT count(*) FROM links", [], |row| row.get(0))?)
    }

    /// Remembers a membership that was there at take-over, unless a request explains it: what a
    /// temporary grant gave must not become permanent because the store was lost.
    pub fn keep_baseline(&self, person: &SysId, group: &GroupId) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR IGNORE INTO baseline (person, group_id)
             SELECT l.person, g.okta_id FROM links l, groups g
             WHERE l.person = ? AND g.okta_id = ? AND {UNEXPLAINED}"
        );
        self.conn.prepare_cached(&sql)?.execute([person.as_str(), group.as_str()])?;
        Ok(())
    }

    /// Remembers the present linked members of a group that comes under management.
    pub fn keep_group_baseline(&self, group: &GroupId) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR IGNORE INTO baseline (person, group_id)
             SELECT l.person, g.okta_id FROM memberships m
             JOIN groups g ON g.id = m.group_id JOIN accounts a ON a.id = m.account
             JOIN links l ON l.okta_id = a.okta_id WHERE g.okta_id = ? AND {UNEXPLAINED}"
        );
        self.conn.execute(&sql, [group.as_str()])?;
        Ok(())
    }

    /// The groups that a person was in at take-over.
    pub fn baseline_of(&self, person: &SysId) -> Result<BTreeSet<GroupId>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT group_id FROM baseline WHERE person = ?")?;
        let mut rows = statement.query([person.as_str()])?;
        let mut groups = BTreeSet::new();
        while let Some(row) = rows.next()? {
            groups.insert(group_id(&row.get::<_, String>(0)?)?);
        }
        Ok(groups)
    }

    /// A person's facts as last decided, by key.
    pub fn facts_of(&self, person: &SysId) -> Result<BTreeMap<String, FactRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(
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
                established: row.get(5)?,
                refused: row.get(6)?,
            };
            facts.insert(key, fact);
        }
        Ok(facts)
    }

    /// Replaces a person's facts. Since when a fact holds is kept while its value stays the same.
    pub fn keep_facts(
        &self,
        person: &SysId,
        facts: &[FactRow],
        now: Instant,
    ) -> Result<(), StoreError> {
        self.atomically(|| {
            let before = self.facts_of(person)?;
            for fact in facts {
                if before.get(&fact.key) == Some(fact) {
                    continue;
                }
                let parent = fact.origin.request().and_then(|request| request.parent.as_ref());
                self.conn
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
                        fact.established,
                        stamp(now),
                        fact.refused
                    ])?;
                if let (true, Some(request)) = (fact.established, fact.origin.request()) {
                    self.note_effect(&request.number)?;
                }
            }
            for key in before.keys().filter(|key| facts.iter().all(|fact| fact.key != **key)) {
                self.conn
                    .prepare_cached("DELETE FROM facts WHERE person = ? AND key = ?")?
                    .execute([person.as_str(), key])?;
            }
            Ok(())
        })
    }

    /// Since when each of a person's facts has the value that it has now.
    pub fn facts_since(&self, person: &SysId) -> Result<BTreeMap<String, Instant>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT key, since FROM facts WHERE person = ?")?;
        let mut rows = statement.query([person.as_str()])?;
        let mut since = BTreeMap::new();
        while let Some(row) = rows.next()? {
            since.insert(row.get(0)?, moment(&row.get::<_, String>(1)?)?);
        }
        Ok(since)
    }

    /// What was seen of these facts is changed now: until they are seen again, nobody else is to
    /// blame for how they are.
    pub fn unsettle(&self, person: &SysId, keys: &[String]) -> Result<(), StoreError> {
        let sql = "UPDATE facts SET established = 0 WHERE person = ? AND key = ?";
        let mut statement = self.conn.prepare_cached(sql)?;
        for key in keys {
            statement.execute([person.as_str(), key])?;
        }
        Ok(())
    }

    /// Remembers that Okta refused a fact as it is desired now, and why.
    pub fn refuse(&self, person: &SysId, key: &str, why: &str) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("UPDATE facts SET refused = ? WHERE person = ? AND key = ?")?
            .execute([why, person.as_str(), key])?;
        Ok(())
    }

    /// What Okta refused and is not tried again for now: whose, where it comes from, and why.
    pub fn refusals(&self) -> Result<Vec<(SysId, Origin, String)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
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
        self.conn.execute(
            "UPDATE facts SET refused = NULL
             WHERE refused IS NOT NULL AND (?1 IS NULL OR person = ?1)",
            [person.map(SysId::as_str)],
        )?;
        Ok(())
    }

    /// The id that a configured name was resolved to first.
    pub fn pin(&self, kind: &str, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT id FROM pins WHERE kind = ? AND name = ?")?
            .query_row([kind, name], |row| row.get(0))
            .optional()?)
    }

    /// Everything of one kind that was pinned: names and ids.
    pub fn pins(&self, kind: &str) -> Result<BTreeMap<String, String>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT name, id FROM pins WHERE kind = ?")?;
        let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets what a name was pinned to.
    pub fn drop_pin(&self, kind: &str, name: &str) -> Result<(), StoreError> {
        self.conn.execute("DELETE FROM pins WHERE kind = ? AND name = ?", [kind, name])?;
        Ok(())
    }

    /// Remembers the id of a configured name.
    pub fn keep_pin(&self, kind: &str, name: &str, id: &str) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT OR IGNORE INTO pins (kind, name, id) VALUES (?, ?, ?)",
            [kind, name, id],
        )?;
        Ok(())
    }

    /// Puts a person on the agenda, unless they are due earlier.
    pub fn look_again(&self, person: &SysId, due: Instant) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO agenda (person, due) VALUES (?1, ?2)
                 ON CONFLICT (person) DO UPDATE SET due = min(due, ?2)",
            )?
            .execute(params![person.as_str(), stamp(due)])?;
        Ok(())
    }

    /// Takes a person off the agenda, until a moment if there is one.
    pub fn looked_at(&self, person: &SysId, next: Option<Instant>) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("DELETE FROM agenda WHERE person = ?")?
            .execute([person.as_str()])?;
        next.map_or(Ok(()), |next| self.look_again(person, next))
    }

    /// Everybody who is due, and whom a release concerns that no cycle has seen yet.
    pub fn due(&self, now: Instant) -> Result<Vec<SysId>, StoreError> {
        self.ids(
            "SELECT person FROM agenda WHERE due <= ?
             UNION SELECT person FROM decisions WHERE verdict = 'release' AND over = 0 AND seen = 0
             ORDER BY person",
            [stamp(now)],
        )
    }

    /// A remembered word of the store itself: its orgs, its watermarks.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM meta WHERE key = ?";
        Ok(self.conn.query_row(sql, [key], |row| row.get(0)).optional()?)
    }

    /// Remembers such a word.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
            [key, value],
        )?;
        Ok(())
    }

    /// Up to when changes on ServiceNow's side were read.
    pub fn watermark(&self) -> Result<Option<Instant>, StoreError> {
        self.meta("watermark")?.map(|text| moment(&text)).transpose()
    }

    /// Up to when changes on Okta's side were read, by our clock.
    pub fn okta_watermark(&self) -> Result<Option<Instant>, StoreError> {
        self.meta("okta_watermark")?.map(|text| moment(&text)).transpose()
    }

    /// Moves it.
    pub fn set_okta_watermark(&self, at: Instant) -> Result<(), StoreError> {
        self.set_meta("okta_watermark", &stamp(at))
    }

    /// Moves the watermark.
    pub fn set_watermark(&self, at: Instant) -> Result<(), StoreError> {
        self.set_meta("watermark", &stamp(at))
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
