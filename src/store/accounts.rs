//! Okta as last seen: accounts, groups, and who is in which managed group.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::{Store, StoreError, from_json, json};
use crate::model::{Account, AccountId, AccountStatus, GroupId};

const COLUMNS: &str = "okta_id, status, transitioning, profile, provider, last_updated";

/// Okta accounts as last seen.
#[derive(Debug)]
pub struct Accounts<'a>(pub(super) &'a Store);

impl Accounts<'_> {
    /// Keeps accounts. `keys` are the attributes that identify people.
    pub fn upsert(
        &self,
        accounts: &[Account],
        keys: &BTreeSet<String>,
        cycle: i64,
    ) -> Result<(), StoreError> {
        self.0.atomically(|| accounts.iter().try_for_each(|a| self.upsert_one(a, keys, cycle)))
    }

    fn upsert_one(
        &self,
        account: &Account,
        keys: &BTreeSet<String>,
        cycle: i64,
    ) -> Result<(), StoreError> {
        let id: i64 = self.0
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
        self.0.conn.prepare_cached("DELETE FROM account_keys WHERE account = ?")?.execute([id])?;
        for key in keys {
            let value = account.attribute(key).trim().to_lowercase();
            if !value.is_empty() {
                self.0
                    .conn
                    .prepare_cached(
                        "INSERT INTO account_keys (account, attribute, value) VALUES (?, ?, ?)",
                    )?
                    .execute(params![id, key, value])?;
            }
        }
        Ok(())
    }

    /// One account.
    pub fn get(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.0
            .conn
            .prepare_cached(&format!("SELECT {COLUMNS} FROM accounts WHERE okta_id = ?"))?
            .query_row([id.as_str()], |row| Ok(read(row)))
            .optional()?
            .transpose()
    }

    /// Accounts whose identifying attribute has a value, without regard to case.
    pub fn having(&self, attribute: &str, value: &str) -> Result<Vec<Account>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM accounts WHERE id IN
                 (SELECT account FROM account_keys WHERE attribute = ? AND value = ?) ORDER BY okta_id"
        );
        let mut statement = self.0.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![attribute, value.trim().to_lowercase()])?;
        let mut accounts = Vec::new();
        while let Some(row) = rows.next()? {
            accounts.push(read(row)?);
        }
        Ok(accounts)
    }

    /// Accounts that were there before a complete read and not in it.
    pub fn unseen(&self, cycle: i64) -> Result<Vec<AccountId>, StoreError> {
        self.ids("SELECT okta_id FROM accounts WHERE seen < ? ORDER BY okta_id", [cycle])
    }

    /// Accounts that are linked to nobody.
    pub fn unlinked(&self) -> Result<Vec<AccountId>, StoreError> {
        self.ids(
            "SELECT okta_id FROM accounts WHERE okta_id NOT IN (SELECT okta_id FROM links) ORDER BY okta_id",
            [],
        )
    }

    /// How many accounts are known.
    pub fn count(&self) -> Result<u32, StoreError> {
        Ok(self.0.conn.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0))?)
    }

    /// Forgets an account that Okta says does not exist.
    pub fn delete(&self, id: &AccountId) -> Result<(), StoreError> {
        self.0.conn.execute("DELETE FROM accounts WHERE okta_id = ?", [id.as_str()])?;
        Ok(())
    }

    pub(super) fn ids(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<AccountId>, StoreError> {
        let mut statement = self.0.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(account_id(&row.get::<_, String>(0)?)?);
        }
        Ok(ids)
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
