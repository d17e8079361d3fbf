//! People as ServiceNow last showed them.

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::{Store, StoreError, from_json, json};
use crate::model::{Person, Presence, SysId};

const COLUMNS: &str = "sys_id, presence, record, updated_on, mod_count";

/// People as ServiceNow last showed them.
#[derive(Debug)]
pub struct People<'a>(pub(super) &'a Store);

impl People<'_> {
    /// Keeps a page of people, and says which of them are new or changed.
    pub fn upsert(&self, people: &[Person], cycle: i64) -> Result<Vec<SysId>, StoreError> {
        self.0.atomically(|| {
            let mut changed = Vec::new();
            for person in people {
                let before = self.get(&person.sys_id)?;
                if before.as_ref().is_none_or(|before| {
                    before.record != person.record || before.presence != person.presence
                }) {
                    changed.push(person.sys_id.clone());
                }
                self.upsert_one(person, cycle)?;
            }
            Ok(changed)
        })
    }

    fn upsert_one(&self, person: &Person, cycle: i64) -> Result<(), StoreError> {
        self.0.conn
            .prepare_cached(
                "INSERT INTO people (sys_id, presence, record, user_name, email, updated_on, mod_count, seen)
                 VALUES (:sys_id, :presence, :record, :user_name, :email, :updated_on, :mod_count, :seen)
                 ON CONFLICT (sys_id) DO UPDATE SET presence = :presence, record = :record,
                     user_name = :user_name, email = :email, updated_on = :updated_on,
                     mod_count = :mod_count, seen = :seen, absent = 0",
            )?
            .execute(named_params! {
                ":sys_id": person.sys_id.as_str(),
                ":presence": presence_word(person.presence),
                ":record": json(&person.record),
                ":user_name": person.user_name().to_lowercase(),
                ":email": person.email().to_lowercase(),
                ":updated_on": person.updated_on,
                ":mod_count": i64::try_from(person.mod_count).unwrap_or(i64::MAX),
                ":seen": cycle,
            })?;
        Ok(())
    }

    /// One person.
    pub fn get(&self, id: &SysId) -> Result<Option<Person>, StoreError> {
        self.0
            .conn
            .prepare_cached(&format!("SELECT {COLUMNS} FROM people WHERE sys_id = ?"))?
            .query_row([id.as_str()], |row| Ok(read(row)))
            .optional()?
            .transpose()
    }

    /// Everybody whom a text fits: a `sys_id`, a user name or an e-mail, without regard to case.
    pub fn called(&self, text: &str) -> Result<Vec<SysId>, StoreError> {
        let timeline = text.trim().to_lowercase();
        if timeline.is_empty() {
            return Ok(Vec::new());
        }
        self.0.ids(
            "SELECT sys_id FROM people WHERE sys_id = ?1 OR user_name = ?2 OR email = ?2 ORDER BY sys_id",
            params![text.trim(), timeline],
        )
    }

    /// Everybody, by id.
    pub fn all(&self) -> Result<Vec<SysId>, StoreError> {
        self.0.ids("SELECT sys_id FROM people ORDER BY sys_id", [])
    }

    /// How many people are among those configured.
    pub fn present(&self) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM people WHERE presence = 'present'";
        Ok(self.0.conn.query_row(sql, [], |row| row.get(0))?)
    }

    /// People whose records refer to one of these, as a manager for example.
    pub fn referring_to(&self, people: &[SysId]) -> Result<Vec<SysId>, StoreError> {
        let ids: Vec<&str> = people.iter().map(SysId::as_str).collect();
        self.0.ids(
            "SELECT DISTINCT p.sys_id FROM people p, json_each(p.record) field
             WHERE field.value IN (SELECT value FROM json_each(?)) ORDER BY p.sys_id",
            [json(&ids)],
        )
    }

    /// People without an account: those for whom a join is approved, or everybody.
    pub fn without_account(&self, everybody: bool) -> Result<Vec<SysId>, StoreError> {
        let joiners = "SELECT DISTINCT rp.person FROM request_people rp
             JOIN requests r ON r.sys_id = rp.request
             WHERE r.operation = 'join' AND r.standing = 'approved'
                 AND rp.person NOT IN (SELECT person FROM links)";
        let all = "SELECT sys_id FROM people
             WHERE presence = 'present' AND sys_id NOT IN (SELECT person FROM links)";
        self.0.ids(if everybody { all } else { joiners }, [])
    }

    /// People who were there before a complete read and not in it.
    pub fn unseen(&self, cycle: i64) -> Result<Vec<SysId>, StoreError> {
        self.0.ids("SELECT sys_id FROM people WHERE seen < ? ORDER BY sys_id", [cycle])
    }

    /// How many people a complete read held.
    pub fn seen_count(&self, cycle: i64) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM people WHERE seen = ? AND presence = 'present'";
        Ok(self.0.conn.query_row(sql, [cycle], |row| row.get(0))?)
    }

    /// Whether a complete read held somebody.
    pub fn was_seen(&self, id: &SysId, cycle: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM people
                       WHERE sys_id = ? AND seen = ? AND presence = 'present')";
        Ok(self.0.conn.query_row(sql, params![id.as_str(), cycle], |row| row.get(0))?)
    }

    /// Notes that a person's id answered 404 once more, and says how often it has in a row.
    pub fn note_absence(&self, id: &SysId) -> Result<u32, StoreError> {
        let sql = "UPDATE people SET absent = absent + 1,
                       presence = CASE WHEN absent >= 1 THEN 'gone' ELSE 'missing' END
                   WHERE sys_id = ? RETURNING absent";
        Ok(self.0.conn.query_row(sql, [id.as_str()], |row| row.get(0))?)
    }
}

pub(super) fn sys_id(text: &str) -> Result<SysId, StoreError> {
    SysId::parse(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn read(row: &Row<'_>) -> Result<Person, StoreError> {
    let mod_count: i64 = row.get(4)?;
    Ok(Person {
        sys_id: sys_id(&row.get::<_, String>(0)?)?,
        presence: presence(&row.get::<_, String>(1)?),
        record: from_json(&row.get::<_, String>(2)?)?,
        updated_on: row.get(3)?,
        mod_count: u64::try_from(mod_count).unwrap_or(0),
    })
}

fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present",
        Presence::Outside => "outside",
        Presence::Missing => "missing",
        Presence::Gone => "gone",
    }
}

fn presence(word: &str) -> Presence {
    match word {
        "outside" => Presence::Outside,
        "missing" => Presence::Missing,
        "gone" => Presence::Gone,
        _ => Presence::Present,
    }
}
