//! Okta as last seen: accounts, groups, and who is in which managed group.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::{Store, StoreError, from_json, json};
use crate::model::{Account, AccountId, AccountStatus, Group, GroupId, GroupKind};

const COLUMNS: &str = "okta_id, status, transitioning, profile, provider, last_updated";

impl Store {
    /// Keeps accounts. `keys` are the attributes that identify people.
    pub fn keep_accounts(
        &self,
        accounts: &[Account],
        keys: &BTreeSet<String>,
        cycle: i64,
    ) -> Result<(), StoreError> {
        self.atomically(|| accounts.iter().try_for_each(|a| self.keep_account(a, keys, cycle)))
    }

    fn keep_account(
        &self,
        account: &Account,
        keys: &BTreeSet<String>,
        cycle: i64,
    ) -> Result<(), StoreError> {
        let id: i64 = self
            .conn
            .prepare_cached(
                "INSERT INTO accounts (okta_id, status, transitioning, profile, provider, last_updated, seen)
                 VALUES (:okta_id, :status, :transitioning, :profile, :provider, :last_updated, :seen)
                 ON CONFLICT (okta_id) DO UPDATE SET status = :status, transitioning = :transitioning,
                     profile = :profile, provider = :provider, last_updated = :last_updated, seen = :seen
                 RETURNING id",
            )?
            .query_row(
                named_params! {
                    ":okta_id": account.id.as_str(),
                    ":status": account.status.as_str(),
                    ":transitioning": account.transitioning.as_ref().map(AccountStatus::as_str),
                    ":profile": json(&account.profile),
                    ":provider": account.provider,
                    ":last_updated": account.last_updated,
                    ":seen": cycle,
                },
                |row| row.get(0),
            )?;
        self.conn.prepare_cached("DELETE FROM account_keys WHERE account = ?")?.execute([id])?;
        for key in keys {
            let value = account.attribute(key).trim().to_lowercase();
            if !value.is_empty() {
                self.conn
                    .prepare_cached(
                        "INSERT INTO account_keys (account, attribute, value) VALUES (?, ?, ?)",
                    )?
                    .execute(params![id, key, value])?;
            }
        }
        Ok(())
    }

    /// One account.
    pub fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.conn
            .prepare_cached(&format!("SELECT {COLUMNS} FROM accounts WHERE okta_id = ?"))?
            .query_row([id.as_str()], |row| Ok(read(row)))
            .optional()?
            .transpose()
    }

    /// Accounts whose identifying attribute has a value, without regard to case.
    pub fn accounts_where(&self, attribute: &str, value: &str) -> Result<Vec<Account>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM accounts WHERE id IN
                 (SELECT account FROM account_keys WHERE attribute = ? AND value = ?) ORDER BY okta_id"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![attribute, value.trim().to_lowercase()])?;
        let mut accounts = Vec::new();
        while let Some(row) = rows.next()? {
            accounts.push(read(row)?);
        }
        Ok(accounts)
    }

    /// Accounts that were there before a complete read and not in it.
    pub fn accounts_unseen(&self, cycle: i64) -> Result<Vec<AccountId>, StoreError> {
        self.account_ids("SELECT okta_id FROM accounts WHERE seen < ? ORDER BY okta_id", [cycle])
    }

    /// Accounts that are linked to nobody.
    pub fn accounts_unlinked(&self) -> Result<Vec<AccountId>, StoreError> {
        self.account_ids(
            "SELECT okta_id FROM accounts WHERE okta_id NOT IN (SELECT okta_id FROM links) ORDER BY okta_id",
            [],
        )
    }

    /// How many accounts are known.
    pub fn account_count(&self) -> Result<u32, StoreError> {
        Ok(self.conn.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0))?)
    }

    /// Forgets an account that Okta says does not exist.
    pub fn forget_account(&self, id: &AccountId) -> Result<(), StoreError> {
        self.conn.execute("DELETE FROM accounts WHERE okta_id = ?", [id.as_str()])?;
        Ok(())
    }

    fn account_ids(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<AccountId>, StoreError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(account_id(&row.get::<_, String>(0)?)?);
        }
        Ok(ids)
    }

    /// Keeps a list of groups, each as [`Store::keep_group`] does.
    pub fn keep_groups(&self, groups: &[Group], fed: bool, cycle: i64) -> Result<(), StoreError> {
        self.atomically(|| groups.iter().try_for_each(|group| self.keep_group(group, fed, cycle)))
    }

    /// Managed groups that were there before a complete list and not in it.
    pub fn managed_groups_unseen(&self, cycle: i64) -> Result<Vec<GroupId>, StoreError> {
        let groups = self.groups_where("managed = 1 AND seen < ?1", [cycle])?;
        Ok(groups.into_iter().map(|group| group.id).collect())
    }

    /// Forgets the groups that were neither in a complete list nor found by id after it.
    pub fn forget_groups_unseen(&self, cycle: i64) -> Result<(), StoreError> {
        self.conn.execute("DELETE FROM groups WHERE seen < ?", [cycle])?;
        Ok(())
    }

    /// Keeps one group. Whether a rule feeds it stays as it was; of one that is new, `fed` says so.
    pub fn keep_group(&self, group: &Group, fed: bool, cycle: i64) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO groups (okta_id, name, kind, rule_fed, seen) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (okta_id) DO UPDATE SET name = ?2, kind = ?3, seen = ?5",
            )?
            .execute(params![group.id.as_str(), group.name, kind_word(group.kind), fed, cycle])?;
        Ok(())
    }

    /// Keeps which groups a rule feeds: these, and no others.
    pub fn keep_rule_fed(&self, fed: &BTreeSet<GroupId>) -> Result<(), StoreError> {
        let fed: Vec<&str> = fed.iter().map(GroupId::as_str).collect();
        let sql = "UPDATE groups SET rule_fed = okta_id IN (SELECT value FROM json_each(?))";
        self.conn.execute(sql, [json(&fed)])?;
        Ok(())
    }

    /// Whether a rule feeds any group.
    pub fn knows_rules(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM groups WHERE rule_fed = 1)";
        Ok(self.conn.query_row(sql, [], |row| row.get(0))?)
    }

    /// Groups that a text names, by id or by exact name.
    pub fn groups_called(&self, text: &str) -> Result<Vec<Group>, StoreError> {
        self.groups_where("okta_id = ?1 OR name = ?1", [text])
    }

    /// The managed groups, by id.
    pub fn managed_groups(&self) -> Result<BTreeMap<GroupId, Group>, StoreError> {
        let groups = self.groups_where("managed = 1", [])?;
        Ok(groups.into_iter().map(|group| (group.id.clone(), group)).collect())
    }

    /// One group.
    pub fn group(&self, id: &GroupId) -> Result<Option<Group>, StoreError> {
        Ok(self.groups_where("okta_id = ?1", [id.as_str()])?.pop())
    }

    /// Whether any group is known.
    pub fn knows_groups(&self) -> Result<bool, StoreError> {
        Ok(self.conn.query_row("SELECT EXISTS (SELECT 1 FROM groups)", [], |row| row.get(0))?)
    }

    fn groups_where(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<Group>, StoreError> {
        let sql = format!(
            "SELECT okta_id, name, kind, rule_fed FROM groups WHERE {condition} ORDER BY okta_id"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
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
    pub fn manage_group(&self, id: &GroupId) -> Result<bool, StoreError> {
        let sql = "UPDATE groups SET managed = 1 WHERE okta_id = ? AND managed = 0";
        Ok(self.conn.execute(sql, [id.as_str()])? > 0)
    }

    /// Replaces the members of a group by a complete list. Unknown accounts are left out: they
    /// were made after the list of accounts was read, and are met in the next cycle.
    pub fn keep_members(&self, group: &GroupId, members: &[AccountId]) -> Result<(), StoreError> {
        self.atomically(|| {
            self.conn
                .prepare_cached(
                    "DELETE FROM memberships WHERE group_id = (SELECT id FROM groups WHERE okta_id = ?)",
                )?
                .execute([group.as_str()])?;
            members.iter().try_for_each(|account| self.keep_membership(group, account))
        })
    }

    /// Replaces the managed groups that an account is in by a complete list.
    pub fn keep_groups_of(
        &self,
        account: &AccountId,
        groups: &[GroupId],
    ) -> Result<(), StoreError> {
        self.atomically(|| {
            self.conn
                .prepare_cached(
                    "DELETE FROM memberships WHERE account = (SELECT id FROM accounts WHERE okta_id = ?)",
                )?
                .execute([account.as_str()])?;
            groups.iter().try_for_each(|group| self.keep_membership(group, account))
        })
    }

    fn keep_membership(&self, group: &GroupId, account: &AccountId) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO memberships (group_id, account)
                 SELECT g.id, a.id FROM groups g, accounts a
                 WHERE g.okta_id = ? AND g.managed = 1 AND a.okta_id = ?",
            )?
            .execute([group.as_str(), account.as_str()])?;
        Ok(())
    }

    /// The managed groups that an account is in.
    pub fn groups_of(&self, account: &AccountId) -> Result<BTreeSet<GroupId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
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
        Ok(self.account_ids(sql, [group.as_str()])?.into_iter().collect())
    }

    /// How many members each managed group has.
    pub fn group_sizes(&self) -> Result<BTreeMap<GroupId, u32>, StoreError> {
        let mut statement = self.conn.prepare_cached(
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

pub(super) fn account_id(text: &str) -> Result<AccountId, StoreError> {
    AccountId::parse(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn group_id(text: &str) -> Result<GroupId, StoreError> {
    GroupId::parse(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn read(row: &Row<'_>) -> Result<Account, StoreError> {
    Ok(Account {
        id: account_id(&row.get::<_, String>(0)?)?,
        status: AccountStatus::from_okta(&row.get::<_, String>(1)?),
        transitioning: row.get::<_, Option<String>>(2)?.as_deref().map(AccountStatus::from_okta),
        profile: from_json(&row.get::<_, String>(3)?)?,
        provider: row.get(4)?,
        last_updated: row.get(5)?,
    })
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
