//! Okta groups, and who is in those under management.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::accounts::group_id;
use super::{Store, StoreError, json};
use crate::model::{AccountId, Group, GroupId, GroupKind};

/// Okta groups, and who is in those under management.
#[derive(Debug)]
pub struct Groups<'a>(pub(super) &'a Store);

impl Groups<'_> {
    /// Keeps a list of groups, each as [`Groups::upsert_one`] does.
    pub fn upsert(&self, groups: &[Group], fed: bool, cycle: i64) -> Result<(), StoreError> {
        self.0.atomically(|| groups.iter().try_for_each(|group| self.upsert_one(group, fed, cycle)))
    }

    /// Managed groups that were there before a complete list and not in it.
    pub fn managed_unseen(&self, cycle: i64) -> Result<Vec<GroupId>, StoreError> {
        let groups = self.select("managed = 1 AND seen < ?1", [cycle])?;
        Ok(groups.into_iter().map(|group| group.id).collect())
    }

    /// Forgets the groups that were neither in a complete list nor found by id after it.
    pub fn delete_unseen(&self, cycle: i64) -> Result<(), StoreError> {
        self.0.conn.execute("DELETE FROM groups WHERE seen < ?", [cycle])?;
        Ok(())
    }

    /// Keeps one group. Whether a rule feeds it stays as it was; of one that is new, `fed` says so.
    pub fn upsert_one(&self, group: &Group, fed: bool, cycle: i64) -> Result<(), StoreError> {
        self.0.conn
            .prepare_cached(
                "INSERT INTO groups (okta_id, name, kind, rule_fed, seen) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (okta_id) DO UPDATE SET name = ?2, kind = ?3, seen = ?5",
            )?
            .execute(params![group.id.as_str(), group.name, kind_word(group.kind), fed, cycle])?;
        Ok(())
    }

    /// Keeps which groups a rule feeds: these, and no others.
    pub fn replace_rule_fed(&self, fed: &BTreeSet<GroupId>) -> Result<(), StoreError> {
        let fed: Vec<&str> = fed.iter().map(GroupId::as_str).collect();
        let sql = "UPDATE groups SET rule_fed = okta_id IN (SELECT value FROM json_each(?))";
        self.0.conn.execute(sql, [json(&fed)])?;
        Ok(())
    }

    /// Whether a rule feeds any group.
    pub fn any_rule_fed(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM groups WHERE rule_fed = 1)";
        Ok(self.0.conn.query_row(sql, [], |row| row.get(0))?)
    }

    /// Groups that a text names, by id or by exact name.
    pub fn called(&self, text: &str) -> Result<Vec<Group>, StoreError> {
        self.select("okta_id = ?1 OR name = ?1", [text])
    }

    /// The managed groups, by id.
    pub fn managed(&self) -> Result<BTreeMap<GroupId, Group>, StoreError> {
        let groups = self.select("managed = 1", [])?;
        Ok(groups.into_iter().map(|group| (group.id.clone(), group)).collect())
    }

    /// One group.
    pub fn get(&self, id: &GroupId) -> Result<Option<Group>, StoreError> {
        Ok(self.select("okta_id = ?1", [id.as_str()])?.pop())
    }

    /// Whether any group is known.
    pub fn any(&self) -> Result<bool, StoreError> {
        Ok(self.0.conn.query_row("SELECT EXISTS (SELECT 1 FROM groups)", [], |row| row.get(0))?)
    }

    fn select(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<Group>, StoreError> {
        let sql = format!(
            "SELECT okta_id, name, kind, rule_fed FROM groups WHERE {condition} ORDER BY okta_id"
        );
        let mut statement = self.0.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params)?;
        let mut groups = Vec::new();
        while let Some(row) = rows.next()? {
            groups.push(Group {
                id: group_id(&row.get::<_, String>(0)?)?,
                name: row.get(1)?,
                kind: kind(&row.get::<_, String>(2)?),
                rule_fed: row.get(3)?,
            });
        }
        Ok(groups)
    }

    /// Puts a group under management. Says whether it was not before.
    pub fn manage(&self, id: &GroupId) -> Result<bool, StoreError> {
        let sql = "UPDATE groups SET managed = 1 WHERE okta_id = ? AND managed = 0";
        Ok(self.0.conn.execute(sql, [id.as_str()])? > 0)
    }

    /// Replaces the members of a group by a complete list. Unknown accounts are left out: they
    /// were made after the list of accounts was read, and are met in the next cycle.
    pub fn replace_members(
        &self,
        group: &GroupId,
        members: &[AccountId],
    ) -> Result<(), StoreError> {
        self.0.atomically(|| {
            self.0.conn
                .prepare_cached(
                    "DELETE FROM memberships WHERE group_id = (SELECT id FROM groups WHERE okta_id = ?)",
                )?
                .execute([group.as_str()])?;
            members.iter().try_for_each(|account| self.insert_membership(group, account))
        })
    }

    /// Replaces the managed groups that an account is in by a complete list.
    pub fn replace_groups_of(
        &self,
        account: &AccountId,
        groups: &[GroupId],
    ) -> Result<(), StoreError> {
        self.0.atomically(|| {
            self.0.conn
                .prepare_cached(
                    "DELETE FROM memberships WHERE account = (SELECT id FROM accounts WHERE okta_id = ?)",
                )?
                .execute([account.as_str()])?;
            groups.iter().try_for_each(|group| self.insert_membership(group, account))
        })
    }

    fn insert_membership(&self, group: &GroupId, account: &AccountId) -> Result<(), StoreError> {
        self.0
            .conn
            .prepare_cached(
                "INSERT OR IGNORE INTO memberships (group_id, account)
                 SELECT g.id, a.id FROM groups g, accounts a
                 WHERE g.okta_id = ? AND g.managed = 1 AND a.okta_id = ?",
            )?
            .execute([group.as_str(), account.as_str()])?;
        Ok(())
    }

    /// The managed groups that an account is in.
    pub fn of_account(&self, account: &AccountId) -> Result<BTreeSet<GroupId>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT g.okta_id FROM memberships m JOIN groups g ON g.id = m.group_id
             JOIN accounts a ON a.id = m.account WHERE a.okta_id = ? AND g.managed = 1",
        )?;
        let mut rows = statement.query([account.as_str()])?;
        let mut groups = BTreeSet::new();
        while let Some(row) = rows.next()? {
            groups.insert(group_id(&row.get::<_, String>(0)?)?);
        }
        Ok(groups)
    }

    /// The known members of a managed group.
    pub fn members_of(&self, group: &GroupId) -> Result<BTreeSet<AccountId>, StoreError> {
        let sql = "SELECT a.okta_id FROM memberships m JOIN groups g ON g.id = m.group_id
                   JOIN accounts a ON a.id = m.account WHERE g.okta_id = ?";
        Ok(self.0.accounts().ids(sql, [group.as_str()])?.into_iter().collect())
    }

    /// How many members each managed group has.
    pub fn sizes(&self) -> Result<BTreeMap<GroupId, u32>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(
            "SELECT g.okta_id, count(m.account) FROM groups g
             LEFT JOIN memberships m ON m.group_id = g.id WHERE g.managed = 1 GROUP BY g.id",
        )?;
        let mut rows = statement.query([])?;
        let mut sizes = BTreeMap::new();
        while let Some(row) = rows.next()? {
            sizes.insert(group_id(&row.get::<_, String>(0)?)?, row.get(1)?);
        }
        Ok(sizes)
    }
}

fn kind_word(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::Okta => "OKTA_GROUP",
        GroupKind::App => "APP_GROUP",
        GroupKind::BuiltIn => "BUILT_IN",
    }
}

fn kind(word: &str) -> GroupKind {
    match word {
        "OKTA_GROUP" => GroupKind::Okta,
        "APP_GROUP" => GroupKind::App,
        _ => GroupKind::BuiltIn,
    }
}
