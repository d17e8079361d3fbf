//! Which account is whose, and what was there at take-over.

use std::collections::BTreeSet;

use rusqlite::params;

use super::columns::{At, read_origin};
use super::{Links, Result};
use crate::model::{AccountId, GroupId, Link, Origin, SysId, Timestamp};

/// No approved request gives the person `l` the group `g`.
const UNEXPLAINED: &str = "NOT EXISTS (
    SELECT 1 FROM request_groups rg
    JOIN request_people rp ON rp.request = rg.request
    JOIN requests r ON r.sys_id = rg.request
    WHERE rp.person = l.person AND rg.group_id = g.okta_id
        AND r.standing = 'approved' AND r.operation IN ('join', 'move', 'grant'))";

impl Links<'_> {
    pub(crate) fn account_of(&self, person: &SysId) -> Result<Option<AccountId>> {
        self.0.one("SELECT okta_id FROM links WHERE person = ?", [person], |row| row.get(0))
    }

    pub(crate) fn get(&self, person: &SysId) -> Result<Option<Link>> {
        let sql = "SELECT l.okta_id, coalesce(l.origin, ?2), r.parent, l.since, l.created_here FROM links l
                   LEFT JOIN requests r ON r.number = l.origin WHERE l.person = ?1";
        self.0.one(sql, params![person, Origin::Baseline.to_string()], |row| {
            Ok(Link {
                account: row.get(0)?,
                origin: read_origin(row, 1, 2)?,
                since: row.get::<_, At>(3)?.0,
                created_here: row.get(4)?,
            })
        })
    }

    pub(crate) fn person_of(&self, account: &AccountId) -> Result<Option<SysId>> {
        self.0.one("SELECT person FROM links WHERE okta_id = ?", [account], |row| row.get(0))
    }

    /// Links a person to an account, for good. `created_here` says that it did not exist before.
    pub(crate) fn upsert(
        &self,
        person: &SysId,
        account: &AccountId,
        origin: &Origin,
        created_here: bool,
        now: Timestamp,
    ) -> Result<()> {
        let origin = origin.request().map(|request| &request.number);
        let sql = "INSERT INTO links (person, okta_id, since, origin, created_here)
                   VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (person) DO UPDATE
                       SET okta_id = ?2, since = ?3, origin = ?4, created_here = ?5";
        self.0.run(sql, params![person, account, At(now), origin, created_here])
    }

    /// Takes back a link that was made by mistake, with what was decided because of it.
    pub(crate) fn revert(&self, person: &SysId, before: Option<&Link>) -> Result<()> {
        self.end_adoption(person)?;
        if let Some(Link { account, origin, since, created_here }) = before {
            return self.upsert(person, account, origin, *created_here, *since);
        }
        for table in ["links", "facts"] {
            self.0.run(&format!("DELETE FROM {table} WHERE person = ?"), [person])?;
        }
        Ok(())
    }

    /// Ends what a person had at take-over: whoever comes back gets what is asked for now.
    pub(crate) fn end_adoption(&self, person: &SysId) -> Result<()> {
        self.0.run("DELETE FROM baseline WHERE person = ?", [person])
    }

    pub(crate) fn people(&self) -> Result<Vec<SysId>> {
        self.0.column("SELECT person FROM links ORDER BY person", [])
    }

    pub(crate) fn count(&self) -> Result<u32> {
        self.0.value("SELECT count(*) FROM links", [])
    }

    /// Remembers a membership that was there at take-over, unless a request explains it: what a
    /// temporary grant gave must not become permanent because the store was lost.
    pub(crate) fn insert_baseline(&self, person: &SysId, group: &GroupId) -> Result<()> {
        let sql = format!(
            "INSERT OR IGNORE INTO baseline (person, group_id)
             SELECT l.person, g.okta_id FROM links l, groups g
             WHERE l.person = ? AND g.okta_id = ? AND {UNEXPLAINED}"
        );
        self.0.run(&sql, params![person, group])
    }

    /// Remembers the present linked members of a group that comes under management.
    pub(crate) fn insert_group_baseline(&self, group: &GroupId) -> Result<()> {
        let sql = format!(
            "INSERT OR IGNORE INTO baseline (person, group_id)
             SELECT l.person, g.okta_id FROM memberships m
             JOIN groups g ON g.id = m.group_id JOIN accounts a ON a.id = m.account
             JOIN links l ON l.okta_id = a.okta_id WHERE g.okta_id = ? AND {UNEXPLAINED}"
        );
        self.0.run(&sql, [group])
    }

    pub(crate) fn baseline_of(&self, person: &SysId) -> Result<BTreeSet<GroupId>> {
        self.0.column("SELECT group_id FROM baseline WHERE person = ?", [person])
    }
}
