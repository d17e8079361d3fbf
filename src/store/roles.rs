//! Who was seen to hold an administrator role in Okta, and when that was asked.

use rusqlite::params;

use super::columns::At;
use super::{Result, Roles};
use crate::model::{AccountId, GroupId, Timestamp};

#[derive(Debug, Clone, Copy)]
pub(crate) enum RoleHolder<'a> {
    /// An account, by itself or by a group.
    Account(&'a AccountId),
    /// A group, whose members hold it by being in it.
    Group(&'a GroupId),
}

impl RoleHolder<'_> {
    fn columns(&self) -> (&'static str, &str) {
        match self {
            Self::Account(account) => ("account", account.as_str()),
            Self::Group(group) => ("group", group.as_str()),
        }
    }
}

impl Roles<'_> {
    /// `None` where that was not asked less than `within` before or after `now`.
    pub(crate) fn known(
        &self,
        holder: RoleHolder<'_>,
        now: Timestamp,
        within: chrono::Duration,
    ) -> Result<Option<bool>> {
        let (kind, id) = holder.columns();
        let sql = "SELECT holds, asked_at FROM admin_roles WHERE holder = ? AND okta_id = ?";
        let known: Option<(bool, At)> =
            self.0.one(sql, params![kind, id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(known.filter(|(_, At(asked))| (now - *asked).abs() < within).map(|(holds, _)| holds))
    }

    /// Keeps an answer. One that does not say (`None`) is none: who was seen to hold a role still
    /// does, and anybody else is asked about again. An account out of sight is answered like that.
    pub(crate) fn set(
        &self,
        holder: RoleHolder<'_>,
        holds: Option<bool>,
        now: Timestamp,
    ) -> Result<()> {
        let (kind, id) = holder.columns();
        let Some(holds) = holds else {
            let sql = "UPDATE admin_roles SET asked_at = ?
                       WHERE holder = ? AND okta_id = ? AND holds = 1";
            return self.0.run(sql, params![At(now), kind, id]);
        };
        let sql = "INSERT INTO admin_roles (holder, okta_id, holds, asked_at)
             VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (holder, okta_id) DO UPDATE SET holds = ?3, asked_at = ?4";
        self.0.run(sql, params![kind, id, holds, At(now)])
    }

    /// The accounts that were seen to hold one when that was last asked.
    pub(crate) fn accounts(&self) -> Result<Vec<AccountId>> {
        let which = "holder = 'account' AND holds = 1 ORDER BY okta_id";
        self.0.column(&format!("SELECT okta_id FROM admin_roles WHERE {which}"), [])
    }

    /// The groups whose members were seen to hold one by them when that was last asked.
    pub(crate) fn groups(&self) -> Result<Vec<GroupId>> {
        let which = "holder = 'group' AND holds = 1 ORDER BY okta_id";
        self.0.column(&format!("SELECT okta_id FROM admin_roles WHERE {which}"), [])
    }

    /// Forgets who held none, of what was asked before a moment: it has to be asked again anyway.
    pub(crate) fn forget(&self, before: Timestamp) -> Result<()> {
        self.0.run("DELETE FROM admin_roles WHERE holds = 0 AND asked_at < ?", [At(before)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store;

    #[test]
    fn an_answer_is_believed_for_a_while_and_one_that_does_not_say_takes_nothing_back() {
        let (_folder, store) = store();
        let roles = store.roles();
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let within = chrono::Duration::minutes(10);
        let account = AccountId::parse("00u1").unwrap();
        let holder = RoleHolder::Account(&account);
        assert_eq!(roles.known(holder, now, within).unwrap(), None);
        roles.set(holder, None, now).unwrap();
        assert_eq!(roles.known(holder, now, within).unwrap(), None);
        roles.set(holder, Some(true), now).unwrap();
        roles.set(holder, None, now).unwrap();
        assert_eq!(roles.accounts().unwrap(), std::slice::from_ref(&account));
        assert_eq!(roles.known(holder, now + within, within).unwrap(), None);
        // A group of the same id is somebody else.
        let group = GroupId::parse("00u1").unwrap();
        assert_eq!(roles.known(RoleHolder::Group(&group), now, within).unwrap(), None);
        assert!(roles.groups().unwrap().is_empty());
        roles.forget(now + within).unwrap();
        assert_eq!(roles.accounts().unwrap(), [account]);
    }
}
