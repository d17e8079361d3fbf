//! Okta groups, and who is in those under management.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Params, params};

use super::accounts::MOST_AHEAD;
use super::columns::{At, Json};
use super::{Groups, Result};
use crate::model::{AccountId, Group, GroupId, Timestamp};

/// Of the account `a` and the group `g`: a list of members that was asked for at `?2` says nothing,
/// because the account's groups were read by id since, or it was put in or taken out here. What is
/// after `?3` was read by a clock that has been put right since.
const NEWER_THAN_THE_LIST: &str = "(coalesce(a.groups_read_at, '') > ?2 AND a.groups_read_at < ?3
     OR EXISTS (SELECT 1 FROM written_memberships w
         WHERE w.group_id = g.id AND w.account = a.id AND w.at > ?2 AND w.at < ?3))";

impl Groups<'_> {
    pub(crate) fn upsert(&self, groups: &[Group], fed: bool, cycle: i64) -> Result<()> {
        self.0.atomically(|| groups.iter().try_for_each(|group| self.upsert_one(group, fed, cycle)))
    }

    /// Managed groups that were there before a complete list and not in it.
    pub(crate) fn managed_unseen(&self, cycle: i64) -> Result<Vec<GroupId>> {
        let sql = "SELECT okta_id FROM groups WHERE managed = 1 AND seen < ? ORDER BY okta_id";
        self.0.column(sql, [cycle])
    }

    /// Forgets the groups that were neither in a complete list nor found by id after it.
    pub(crate) fn delete_unseen(&self, cycle: i64) -> Result<()> {
        self.0.run("DELETE FROM groups WHERE seen < ?", [cycle])
    }

    /// Keeps one group. Whether a rule feeds it stays as it was; of one that is new, `fed` says so.
    pub(crate) fn upsert_one(&self, group: &Group, fed: bool, cycle: i64) -> Result<()> {
        let sql =
            "INSERT INTO groups (okta_id, name, kind, rule_fed, seen) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (okta_id) DO UPDATE SET name = ?2, kind = ?3, seen = ?5";
        self.0.run(sql, params![group.id, group.name, group.kind, fed, cycle])
    }

    pub(crate) fn replace_rule_fed(&self, fed: &BTreeSet<GroupId>) -> Result<()> {
        let sql = "UPDATE groups SET rule_fed = okta_id IN (SELECT value FROM json_each(?))";
        self.0.run(sql, [Json(fed)])
    }

    /// The same, and those that were fed before stay so.
    pub(crate) fn add_rule_fed(&self, fed: &BTreeSet<GroupId>) -> Result<()> {
        let sql = "UPDATE groups SET rule_fed = 1
                   WHERE okta_id IN (SELECT value FROM json_each(?))";
        self.0.run(sql, [Json(fed)])
    }

    pub(crate) fn any_rule_fed(&self) -> Result<bool> {
        self.0.value("SELECT EXISTS (SELECT 1 FROM groups WHERE rule_fed = 1)", [])
    }

    /// Groups that a text names, by id or by exact name, ordered by id.
    pub(crate) fn called(&self, text: &str) -> Result<Vec<Group>> {
        self.select("okta_id = ?1 OR name = ?1", [text])
    }

    pub(crate) fn managed(&self) -> Result<BTreeMap<GroupId, Group>> {
        let groups = self.select("managed = 1", [])?;
        Ok(groups.into_iter().map(|group| (group.id.clone(), group)).collect())
    }

    /// It counts as seen in a cycle, although it could not be read.
    pub(crate) fn set_seen(&self, id: &GroupId, cycle: i64) -> Result<()> {
        self.0.run("UPDATE groups SET seen = ? WHERE okta_id = ?", params![cycle, id])
    }

    pub(crate) fn get(&self, id: &GroupId) -> Result<Option<Group>> {
        Ok(self.select("okta_id = ?1", [id])?.pop())
    }

    pub(crate) fn any(&self) -> Result<bool> {
        self.0.value("SELECT EXISTS (SELECT 1 FROM groups)", [])
    }

    fn select(&self, condition: &str, params: impl Params) -> Result<Vec<Group>> {
        let sql = format!(
            "SELECT okta_id, name, kind, rule_fed FROM groups WHERE {condition} ORDER BY okta_id"
        );
        self.0.all(&sql, params, |row| {
            Ok(Group {
                id: row.get(0)?,
                name: row.get(1)?,
                kind: row.get(2)?,
                rule_fed: row.get(3)?,
            })
        })
    }

    /// Puts a group under management with these members, all of them. What was read of accounts by
    /// id before said nothing of a group that was not managed.
    pub(crate) fn take_over(&self, group: &GroupId, members: &[AccountId]) -> Result<()> {
        self.0.atomically(|| {
            self.0.run("UPDATE groups SET managed = 1 WHERE okta_id = ?", [group])?;
            let which = "group_id = (SELECT id FROM groups WHERE okta_id = ?)";
            for table in ["memberships", "written_memberships"] {
                self.0.run(&format!("DELETE FROM {table} WHERE {which}"), [group])?;
            }
            members.iter().try_for_each(|account| self.insert_membership(group, account))
        })
    }

    /// Replaces the members of a managed group by a complete list that was asked for at `asked_at`,
    /// but for [`NEWER_THAN_THE_LIST`]. Unknown accounts are left out: they were made after the list of
    /// accounts was read, and are met in the next cycle.
    pub(crate) fn replace_members(
        &self,
        group: &GroupId,
        members: &[AccountId],
        asked_at: Timestamp,
    ) -> Result<()> {
        let (asked_at, ahead) = (At(asked_at), At(asked_at + MOST_AHEAD));
        self.0.atomically(|| {
            let sql = format!(
                "DELETE FROM memberships WHERE group_id = (SELECT id FROM groups WHERE okta_id = ?1)
                     AND NOT EXISTS (SELECT 1 FROM accounts a, groups g
                         WHERE a.id = memberships.account AND g.id = memberships.group_id
                             AND {NEWER_THAN_THE_LIST})"
            );
            self.0.run(&sql, params![group, asked_at, ahead])?;
            let sql = format!(
                "INSERT OR IGNORE INTO memberships (group_id, account)
                 SELECT g.id, a.id FROM groups g, accounts a
                 WHERE g.okta_id = ?1 AND g.managed = 1 AND a.okta_id = ?4
                     AND NOT {NEWER_THAN_THE_LIST}"
            );
            for account in members {
                self.0.run(&sql, params![group, asked_at, ahead, account])?;
            }
            let sql = "DELETE FROM written_memberships
                       WHERE group_id = (SELECT id FROM groups WHERE okta_id = ?1) AND at <= ?2";
            self.0.run(sql, params![group, asked_at])
        })
    }

    /// Replaces the managed groups of an account by its own list, asked for by its id at `asked_at`.
    pub(crate) fn replace_groups_of(
        &self,
        account: &AccountId,
        groups: &[GroupId],
        asked_at: Timestamp,
    ) -> Result<()> {
        self.0.atomically(|| {
            let which = "account = (SELECT id FROM accounts WHERE okta_id = ?)";
            for table in ["memberships", "written_memberships"] {
                self.0.run(&format!("DELETE FROM {table} WHERE {which}"), [account])?;
            }
            let sql = "UPDATE accounts SET groups_read_at = ? WHERE okta_id = ?";
            self.0.run(sql, params![At(asked_at), account])?;
            groups.iter().try_for_each(|group| self.insert_membership(group, account))
        })
    }

    /// Keeps one membership as a write of our own left it, which was answered at `at`.
    pub(crate) fn set_member(
        &self,
        group: &GroupId,
        account: &AccountId,
        member: bool,
        at: Timestamp,
    ) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO written_memberships (group_id, account, at)
                   SELECT g.id, a.id, ?3 FROM groups g, accounts a
                   WHERE g.okta_id = ?1 AND a.okta_id = ?2";
        self.0.run(sql, params![group, account, At(at)])?;
        // What is so from now on was not so at take-over.
        let sql = "DELETE FROM unseen_memberships WHERE group_id = ?
                   AND person IN (SELECT person FROM links WHERE okta_id = ?)";
        self.0.run(sql, params![group, account])?;
        if member {
            return self.insert_membership(group, account);
        }
        let sql = "DELETE FROM memberships
                   WHERE group_id = (SELECT id FROM groups WHERE okta_id = ?)
                       AND account = (SELECT id FROM accounts WHERE okta_id = ?)";
        self.0.run(sql, params![group, account])
    }

    fn insert_membership(&self, group: &GroupId, account: &AccountId) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO memberships (group_id, account)
                   SELECT g.id, a.id FROM groups g, accounts a
                   WHERE g.okta_id = ? AND g.managed = 1 AND a.okta_id = ?";
        self.0.run(sql, params![group, account])
    }

    pub(crate) fn of_account(&self, account: &AccountId) -> Result<BTreeSet<GroupId>> {
        let sql = "SELECT g.okta_id FROM memberships m JOIN groups g ON g.id = m.group_id
                   JOIN accounts a ON a.id = m.account WHERE a.okta_id = ? AND g.managed = 1";
        self.0.column(sql, [account])
    }

    pub(crate) fn members_of(&self, group: &GroupId) -> Result<BTreeSet<AccountId>> {
        let sql = "SELECT a.okta_id FROM memberships m JOIN groups g ON g.id = m.group_id
                   JOIN accounts a ON a.id = m.account WHERE g.okta_id = ?";
        self.0.column(sql, [group])
    }

    pub(crate) fn sizes(&self) -> Result<BTreeMap<GroupId, u32>> {
        let sql = "SELECT g.okta_id, count(m.account) FROM groups g
                   LEFT JOIN memberships m ON m.group_id = g.id WHERE g.managed = 1 GROUP BY g.id";
        self.0.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// `lastMembershipUpdated` of the members that were compared last, as Okta sent it.
    pub(crate) fn members_updated(&self, group: &GroupId) -> Result<Option<String>> {
        let sql = "SELECT members_updated FROM groups WHERE okta_id = ?";
        Ok(self.0.one(sql, [group], |row| row.get(0))?.flatten())
    }

    /// Remembers it, once whoever is concerned is in the queue.
    pub(crate) fn set_members_updated(&self, group: &GroupId, updated: &str) -> Result<()> {
        let sql = "UPDATE groups SET members_updated = ? WHERE okta_id = ?";
        self.0.run(sql, params![updated, group])
    }
}

#[cfg(test)]
mod tests;
