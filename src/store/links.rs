//! Which account is whose, and what was there at take-over.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};

use super::accounts::{account_id, group_id};
use super::facts::origin;
use super::{Store, StoreError, moment, stamp};
pub use crate::model::Link;
use crate::model::{AccountId, GroupId, Origin, SysId, Timestamp};

/// No approved request gives the person `l` the group `g`.
const UNEXPLAINED: &str = "NOT EXISTS (
    SELECT 1 FROM request_groups rg
    JOIN request_people rp ON rp.request = rg.request
    JOIN requests r ON r.sys_id = rg.request
    WHERE rp.person = l.person AND rg.group_id = g.okta_id
        AND r.standing = 'approved' AND r.operation IN ('join', 'move', 'grant'))";

/// Which account is whose, and what was there at take-over.
#[derive(Debug)]
pub struct Links<'a>(pub(super) &'a Store);

impl Links<'_> {
    /// The account that a person is linked to.
    pub fn account_of(&self, person: &SysId) -> Result<Option<AccountId>, StoreError> {
        self.0
            .conn
            .prepare_cached("SELECT okta_id FROM links WHERE person = ?")?
            .query_row([person.as_str()], |row| row.get::<_, String>(0))
            .optional()?
            .map(|id| account_id(&id))
            .transpose()
    }

    /// The link itself.
    pub fn get(&self, person: &SysId) -> Result<Option<Link>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(
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
            created_here: row.get(4)?,
        }))
    }

    /// The person whom an account is linked to.
    pub fn person_of(&self, account: &AccountId) -> Result<Option<SysId>, StoreError> {
        let sql = "SELECT person FROM links WHERE okta_id = ?";
        Ok(self.0.ids(sql, [account.as_str()])?.pop())
    }

    /// Links a person to an account, for good. `made` says that it did not exist before.
    pub fn upsert(
        &self,
        person: &SysId,
        account: &AccountId,
        origin: &Origin,
        created_here: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.conn.execute(
            "INSERT INTO links (person, okta_id, since, origin, made) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (person) DO UPDATE SET okta_id = ?2, since = ?3, origin = ?4, made = ?5",
            params![
                person.as_str(),
                account.as_str(),
                stamp(now),
                origin.request().map(|request| request.number.as_str()),
                created_here
            ],
        )?;
        Ok(())
    }

    /// Takes back a link that was made by mistake, with what was decided because of it.
    pub fn revert(&self, person: &SysId, before: Option<&Link>) -> Result<(), StoreError> {
        self.end_adoption(person)?;
        if let Some(Link { account, origin, since, created_here }) = before {
            return self.upsert(person, account, origin, *created_here, *since);
        }
        for table in ["links", "facts"] {
            let sql = format!("DELETE FROM {table} WHERE person = ?");
            self.0.conn.execute(&sql, [person.as_str()])?;
        }
        Ok(())
    }

    /// Ends what a person had at take-over: whoever comes back gets what is asked for now.
    pub fn end_adoption(&self, person: &SysId) -> Result<(), StoreError> {
        self.0.conn.execute("DELETE FROM baseline WHERE person = ?", [person.as_str()])?;
        Ok(())
    }

    /// Everybody who is linked to an account.
    pub fn people(&self) -> Result<Vec<SysId>, StoreError> {
        self.0.ids("SELECT person FROM links ORDER BY person", [])
    }

    /// How many accounts are managed.
    pub fn count(&self) -> Result<u32, StoreError> {
        Ok(self.0.conn.query_row("SELECT count(*) FROM links", [], |row| row.get(0))?)
    }

    /// Remembers a membership that was there at take-over, unless a request explains it: what a
    /// temporary grant gave must not become permanent because the store was lost.
    pub fn insert_baseline(&self, person: &SysId, group: &GroupId) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR IGNORE INTO baseline (person, group_id)
             SELECT l.person, g.okta_id FROM links l, groups g
             WHERE l.person = ? AND g.okta_id = ? AND {UNEXPLAINED}"
        );
        self.0.conn.prepare_cached(&sql)?.execute([person.as_str(), group.as_str()])?;
        Ok(())
    }

    /// Remembers the present linked members of a group that comes under management.
    pub fn insert_group_baseline(&self, group: &GroupId) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR IGNORE INTO baseline (person, group_id)
             SELECT l.person, g.okta_id FROM memberships m
             JOIN groups g ON g.id = m.group_id JOIN accounts a ON a.id = m.account
             JOIN links l ON l.okta_id = a.okta_id WHERE g.okta_id = ? AND {UNEXPLAINED}"
        );
        self.0.conn.execute(&sql, [group.as_str()])?;
        Ok(())
    }

    /// The groups that a person was in at take-over.
    pub fn baseline_of(&self, person: &SysId) -> Result<BTreeSet<GroupId>, StoreError> {
        let mut statement =
            self.0.conn.prepare_cached("SELECT group_id FROM baseline WHERE person = ?")?;
        let mut rows = statement.query([person.as_str()])?;
        let mut groups = BTreeSet::new();
        while let Some(row) = rows.next()? {
            groups.insert(group_id(&row.get::<_, String>(0)?)?);
        }
        Ok(groups)
    }
}
