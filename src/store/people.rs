//! People as ServiceNow last showed them.

use rusqlite::{named_params, params};

use super::columns::{At, Count, Json, moment};
use super::{People, Result};
use crate::model::{AccountId, Person, Presence, SysId, Timestamp};

impl People<'_> {
    /// Keeps a page of people, and says which of them are new or changed.
    pub(crate) fn upsert(&self, people: &[Person], cycle: i64) -> Result<Vec<SysId>> {
        self.0.atomically(|| {
            let mut changed = Vec::new();
            for person in people {
                let before = self.get(&person.sys_id)?;
                if before.as_ref().is_none_or(|before| {
                    before.record != person.record || before.presence != person.presence
                }) {
                    changed.push(person.sys_id.clone());
                }
                let row = named_params! {
                    "sys_id": person.sys_id,
                    "presence": person.presence,
                    "record": Json(&person.record),
                    "user_name": person.user_name().to_lowercase(),
                    "email": person.email().to_lowercase(),
                    "updated_on": person.updated_on,
                    "mod_count": Count(person.mod_count),
                    "seen": cycle,
                };
                self.0.upsert("people", &["sys_id"], row, &["absent_since = NULL"])?;
            }
            Ok(changed)
        })
    }

    pub(crate) fn get(&self, id: &SysId) -> Result<Option<Person>> {
        let sql = "SELECT presence, record, updated_on, mod_count FROM people WHERE sys_id = ?";
        self.0.one(sql, [id], |row| {
            Ok(Person {
                sys_id: id.clone(),
                presence: row.get(0)?,
                record: row.get::<_, Json<_>>(1)?.0,
                updated_on: row.get(2)?,
                mod_count: row.get::<_, Count>(3)?.0,
            })
        })
    }

    /// Everybody whom a text fits: a `sys_id`, a user name or an e-mail, without regard to case.
    pub(crate) fn called(&self, text: &str) -> Result<Vec<SysId>> {
        let name = text.trim().to_lowercase();
        if name.is_empty() {
            return Ok(Vec::new());
        }
        let sql = "SELECT sys_id FROM people WHERE sys_id = ?1 OR user_name = ?2 OR email = ?2 ORDER BY sys_id";
        self.0.column(sql, params![text.trim(), name])
    }

    /// What a person is called on both sides: the user name, where the row is known; the account
    /// that the person is linked to, also where it is gone; its login. Reports ask this of thousands.
    pub(crate) fn names(
        &self,
        id: &SysId,
    ) -> Result<(Option<String>, Option<AccountId>, Option<String>)> {
        let sql = "SELECT (SELECT trim(coalesce(json_extract(record, '$.user_name'), ''))
                FROM people WHERE sys_id = ?1), l.okta_id,
                (SELECT coalesce(json_extract(a.profile, '$.login'), '')
                 FROM accounts a WHERE a.okta_id = l.okta_id)
            FROM (SELECT 1) LEFT JOIN links l ON l.person = ?1";
        let names = self.0.one(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(names.unwrap_or_default())
    }

    /// People outside `servicenow.users` who are linked to an account.
    pub(crate) fn outside_with_link(&self) -> Result<Vec<SysId>> {
        let sql = "SELECT p.sys_id FROM people p JOIN links l ON l.person = p.sys_id
             WHERE p.presence = 'outside' ORDER BY p.sys_id";
        self.0.column(sql, [])
    }

    pub(crate) fn all(&self) -> Result<Vec<SysId>> {
        self.0.column("SELECT sys_id FROM people ORDER BY sys_id", [])
    }

    /// People whose records refer to one of these, as a manager for example.
    pub(crate) fn referring_to(&self, people: &[SysId]) -> Result<Vec<SysId>> {
        let sql = "SELECT DISTINCT p.sys_id FROM people p, json_each(p.record) field
             WHERE field.value IN (SELECT value FROM json_each(?)) ORDER BY p.sys_id";
        self.0.column(sql, [Json(people)])
    }

    /// People without an account: those for whom a join is approved, or everybody.
    pub(crate) fn without_account(&self, everybody: bool) -> Result<Vec<SysId>> {
        let joiners = "SELECT DISTINCT rp.person FROM request_people rp
             JOIN requests r ON r.sys_id = rp.request
             WHERE r.operation = 'join' AND r.standing = 'approved'
                 AND rp.person NOT IN (SELECT person FROM links)";
        let all = "SELECT sys_id FROM people
             WHERE presence = 'present' AND sys_id NOT IN (SELECT person FROM links)";
        self.0.column(if everybody { all } else { joiners }, [])
    }

    /// People without an account, and those whose account was deleted.
    pub(crate) fn without_known_account(&self) -> Result<Vec<SysId>> {
        let sql = "SELECT sys_id FROM people p WHERE NOT EXISTS (SELECT 1 FROM links l
                       JOIN accounts a ON a.okta_id = l.okta_id WHERE l.person = p.sys_id)";
        self.0.column(sql, [])
    }

    /// Whose rows the instance counts and does not show, as far as that is known.
    pub(crate) fn hidden(&self) -> Result<Vec<SysId>> {
        self.0.column("SELECT sys_id FROM people WHERE presence = 'hidden' ORDER BY sys_id", [])
    }

    pub(crate) fn unseen(&self, cycle: i64) -> Result<Vec<SysId>> {
        self.0.column("SELECT sys_id FROM people WHERE seen < ? ORDER BY sys_id", [cycle])
    }

    pub(crate) fn seen_count(&self, cycle: i64) -> Result<u32> {
        let sql = "SELECT count(*) FROM people WHERE seen = ? AND presence = 'present'";
        self.0.value(sql, [cycle])
    }

    pub(crate) fn was_seen(&self, id: &SysId, cycle: i64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM people
                       WHERE sys_id = ? AND seen = ? AND presence = 'present')";
        self.0.value(sql, params![id, cycle])
    }

    /// Keeps where a person's row stands that was not in a complete read.
    pub(crate) fn set_presence(
        &self,
        id: &SysId,
        presence: Presence,
        now: Timestamp,
    ) -> Result<()> {
        let sql = "UPDATE people SET presence = ?, absent_since = coalesce(absent_since, ?)
                   WHERE sys_id = ?";
        self.0.run(sql, params![presence, At(now), id])
    }

    /// Since when a person's row is not in complete reads; `None` where it was in the last one.
    pub(crate) fn absent_since(&self, id: &SysId) -> Result<Option<Timestamp>> {
        let sql = "SELECT absent_since FROM people WHERE sys_id = ?";
        Ok(self.0.one(sql, [id], |row| row.get(0))?.and_then(moment))
    }
}
