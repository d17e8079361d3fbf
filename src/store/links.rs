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
        self.0.run("DELETE FROM baseline WHERE person = ?", [person])?;
        self.0.run("DELETE FROM unseen_memberships WHERE person = ?", [person])
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

    /// Puts down who may be in a group that comes under management without being shown among its
    /// members: those whose accounts are known to be out of sight, and where `blind`, because the
    /// credentials do not see everybody, those who were not seen in `cycle`.
    pub(crate) fn insert_unseen_members(
        &self,
        group: &GroupId,
        blind: bool,
        cycle: i64,
    ) -> Result<()> {
        self.0.run("DELETE FROM unseen_memberships WHERE group_id = ?", [group])?;
        let sql = "INSERT INTO unseen_memberships (person, group_id)
             SELECT l.person, g.okta_id FROM groups g, links l
             JOIN accounts a ON a.okta_id = l.okta_id
             WHERE g.okta_id = ?1
                 AND NOT EXISTS (SELECT 1 FROM memberships m
                     WHERE m.group_id = g.id AND m.account = a.id)
                 AND (?2 AND a.seen < ?3 OR EXISTS (SELECT 1 FROM unreadable u
                     WHERE u.kind = 'account' AND u.id = l.person))";
        self.0.run(sql, params![group, blind, cycle])
    }

    /// The same of a person who is linked now, by groups: those that were not seen in `cycle`, and
    /// those whose members cannot be read.
    pub(crate) fn insert_unseen_groups(&self, person: &SysId, cycle: i64) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO unseen_memberships (person, group_id)
             SELECT l.person, g.okta_id FROM groups g, links l
             JOIN accounts a ON a.okta_id = l.okta_id
             WHERE l.person = ?1 AND g.managed = 1
                 AND NOT EXISTS (SELECT 1 FROM memberships m
                     WHERE m.group_id = g.id AND m.account = a.id)
                 AND (g.seen < ?2 OR EXISTS (SELECT 1 FROM unreadable u
                     WHERE u.kind = 'members' AND u.id = g.okta_id))";
        self.0.run(sql, params![person, cycle])
    }

    /// Groups of which it was never seen whether the person whose account this is is in them.
    pub(crate) fn unseen_groups_of(&self, account: &AccountId) -> Result<BTreeSet<GroupId>> {
        let sql = "SELECT u.group_id FROM unseen_memberships u JOIN links l ON l.person = u.person
                   JOIN groups g ON g.okta_id = u.group_id AND g.managed = 1
                   WHERE l.okta_id = ? ORDER BY u.group_id";
        self.0.column(sql, [account])
    }

    /// Of [`unseen_groups_of`](Self::unseen_groups_of): the account was seen in this group, or
    /// outside it, for the first time, so that is what was there at take-over.
    pub(crate) fn settle_unseen(&self, account: &AccountId, group: &GroupId) -> Result<()> {
        let Some(person) = self.person_of(account)? else { return Ok(()) };
        if self.0.groups().of_account(account)?.contains(group) {
            self.insert_baseline(&person, group)?;
        }
        let sql = "DELETE FROM unseen_memberships WHERE person = ? AND group_id = ?";
        self.0.run(sql, params![person, group])
    }

    /// The same of everybody whom a complete list of a group's members tells of: those in it, and
    /// those whose accounts were seen in `cycle`.
    pub(crate) fn settle_unseen_members(&self, group: &GroupId, cycle: i64) -> Result<()> {
        let sql = "SELECT l.okta_id FROM unseen_memberships s JOIN links l ON l.person = s.person
             JOIN accounts a ON a.okta_id = l.okta_id JOIN groups g ON g.okta_id = s.group_id
             WHERE g.okta_id = ?1 AND (EXISTS (SELECT 1 FROM memberships m
                     WHERE m.group_id = g.id AND m.account = a.id)
                 OR a.seen >= ?2 AND NOT EXISTS (SELECT 1 FROM unreadable u
                     WHERE u.kind = 'account' AND u.id = l.person))";
        let seen: Vec<AccountId> = self.0.column(sql, params![group, cycle])?;
        seen.iter().try_for_each(|account| self.settle_unseen(account, group))
    }

    pub(crate) fn baseline_of(&self, person: &SysId) -> Result<BTreeSet<GroupId>> {
        self.0.column("SELECT group_id FROM baseline WHERE person = ?", [person])
    }
}

#[cfg(test)]
mod tests;
