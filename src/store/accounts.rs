//! Okta accounts as last seen.

use std::collections::BTreeSet;

use rusqlite::{Params, named_params, params};

use super::columns::{At, Json, moment};
use super::{Accounts, Result};
use crate::model::{Account, AccountId, Timestamp};

/// How accounts came to be seen, which says how new what they show is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Observed {
    /// In a list or by a search, asked for just after this by our clock: these lag behind writes.
    List { asked_at: Timestamp },
    /// By id, asked for just after this by our clock, or in the answer to a write of our own, which
    /// came then: as the account is now.
    ById { at: Timestamp },
}

/// An account that shows something else than it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedAccount {
    pub(crate) id: AccountId,
    /// As it was kept; `None` where it is new.
    pub(crate) before: Option<Account>,
    /// `None` where it is gone.
    pub(crate) now: Option<Account>,
}

/// No list is further behind than this. An account that shows an older time for so long was not seen
/// too late: its clock was put right.
const MOST_BEHIND: chrono::Duration = chrono::Duration::minutes(15);
/// How far ahead of a list a read by id may seem to be. What is further was read by a clock that
/// has been put right since, and must not stand in the way of lists until then.
pub(super) const MOST_AHEAD: chrono::Duration = chrono::Duration::days(1);

impl Accounts<'_> {
    /// Keeps accounts, and says which of them are new or show something else than before. `keys`
    /// are the attributes that identify people.
    ///
    /// An older observation never replaces a newer one: what a list shows of an account is left
    /// where its `lastUpdated` is before the one that is stored, or where the account was read by
    /// id after the list had been asked for. Either way the account counts as seen in `cycle`.
    pub(crate) fn upsert(
        &self,
        accounts: &[Account],
        keys: &BTreeSet<String>,
        observed: Observed,
        cycle: i64,
    ) -> Result<Vec<ChangedAccount>> {
        self.0.atomically(|| {
            let mut news = Vec::new();
            for account in accounts {
                let before = self.get(&account.id)?;
                if let (Some(before), Observed::List { asked_at }) = (&before, observed)
                    && self.is_older(account, before, asked_at)?
                {
                    let sql = "UPDATE accounts SET seen = ? WHERE okta_id = ?";
                    self.0.run(sql, params![cycle, account.id])?;
                    continue;
                }
                self.upsert_one(account, keys, observed, cycle)?;
                if before.as_ref() != Some(account) {
                    let (id, now) = (account.id.clone(), Some(account.clone()));
                    news.push(ChangedAccount { id, before, now });
                }
            }
            Ok(news)
        })
    }

    /// Whether a list shows an account as it was before what is stored of it.
    fn is_older(&self, listed: &Account, stored: &Account, asked_at: Timestamp) -> Result<bool> {
        let at =
            |account: &Account| chrono::DateTime::parse_from_rfc3339(&account.last_updated).ok();
        match (at(listed), at(stored)) {
            // By Okta's own clock, as long as a list may be behind.
            (Some(listed), Some(stored)) if listed != stored => {
                Ok(listed < stored && asked_at - stored.to_utc() < MOST_BEHIND)
            }
            _ => {
                let sql = "SELECT read_at FROM accounts WHERE okta_id = ?";
                let read_at = moment(self.0.value(sql, [&stored.id])?);
                Ok(read_at.is_some_and(|at| asked_at < at && at - asked_at < MOST_AHEAD))
            }
        }
    }

    fn upsert_one(
        &self,
        account: &Account,
        keys: &BTreeSet<String>,
        observed: Observed,
        cycle: i64,
    ) -> Result<()> {
        let read_at = match observed {
            Observed::List { .. } => None,
            Observed::ById { at } => Some(At(at)),
        };
        let row = named_params! {
            "okta_id": account.id,
            "status": account.status,
            "transitioning": account.transitioning,
            "profile": Json(&account.profile),
            "provider": account.provider,
            "last_updated": account.last_updated,
            "seen": cycle,
            "read_at": read_at,
        };
        let but = ["read_at = coalesce(excluded.read_at, read_at)"];
        self.0.upsert("accounts", &["okta_id"], row, &but)?;
        let id: i64 = self.0.value("SELECT id FROM accounts WHERE okta_id = ?", [&account.id])?;
        self.0.run("DELETE FROM account_keys WHERE account = ?", [id])?;
        for key in keys {
            let value = account.attribute(key).trim().to_lowercase();
            if !value.is_empty() {
                let sql = "INSERT INTO account_keys (account, attribute, value) VALUES (?, ?, ?)";
                self.0.run(sql, params![id, key, value])?;
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, id: &AccountId) -> Result<Option<Account>> {
        Ok(self.select("okta_id = ?", [id])?.pop())
    }

    /// Accounts whose identifying attribute has a value, without regard to case or to blanks around
    /// it, by id.
    pub(crate) fn having(&self, attribute: &str, value: &str) -> Result<Vec<Account>> {
        let which = "id IN (SELECT account FROM account_keys WHERE attribute = ? AND value = ?)";
        self.select(which, params![attribute, value.trim().to_lowercase()])
    }

    fn select(&self, condition: &str, params: impl Params) -> Result<Vec<Account>> {
        let sql = format!(
            "SELECT okta_id, status, transitioning, profile, provider, last_updated FROM accounts
             WHERE {condition} ORDER BY okta_id"
        );
        self.0.all(&sql, params, |row| {
            Ok(Account {
                id: row.get(0)?,
                status: row.get(1)?,
                transitioning: row.get(2)?,
                profile: row.get::<_, Json<_>>(3)?.0,
                provider: row.get(4)?,
                last_updated: row.get(5)?,
            })
        })
    }

    /// Accounts that were there before a complete read and not in it, by id.
    pub(crate) fn unseen(&self, cycle: i64) -> Result<Vec<AccountId>> {
        self.0.column("SELECT okta_id FROM accounts WHERE seen < ? ORDER BY okta_id", [cycle])
    }

    /// Two linked accounts that could be read by id, the newest such reads.
    pub(crate) fn readable_lately(&self) -> Result<Vec<AccountId>> {
        let sql = "SELECT a.okta_id FROM accounts a JOIN links l ON l.okta_id = a.okta_id
                   WHERE NOT EXISTS (SELECT 1 FROM unreadable u
                       WHERE u.kind = 'account' AND u.id = l.person)
                   ORDER BY a.read_at DESC LIMIT 2";
        self.0.column(sql, [])
    }

    pub(crate) fn unlinked(&self) -> Result<Vec<AccountId>> {
        let sql = "SELECT okta_id FROM accounts WHERE okta_id NOT IN (SELECT okta_id FROM links)
                   ORDER BY okta_id";
        self.0.column(sql, [])
    }

    pub(crate) fn delete(&self, id: &AccountId) -> Result<()> {
        self.0.run("DELETE FROM accounts WHERE okta_id = ?", [id])
    }
}

#[cfg(test)]
mod tests;
