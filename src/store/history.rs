//! What later decisions need to know of what was done about people's accounts: kept beside the
//! journal and written with it, so that no decision reads the journal.

use rusqlite::params;

use super::columns::At;
use super::{Store, StoreError};
use crate::model::{AccountHistory, AccountId, StatusChange, StepKind, SysId};

/// What later decisions need to know of what was done about people's accounts.
#[derive(Debug)]
pub(crate) struct History<'a>(pub(super) &'a Store);

impl History<'_> {
    /// What was done about one person's account.
    pub(crate) fn of(&self, person: &SysId) -> Result<AccountHistory, StoreError> {
        let sql = "SELECT step, request, cause, at, activated_here FROM account_history
                   WHERE person = ?";
        let known = self.0.one(sql, [person], |row| {
            let change = StatusChange {
                step: row.get(0)?,
                request: row.get(1)?,
                cause: row.get(2)?,
                at: row.get::<_, At>(3)?.0,
            };
            Ok((change, row.get(4)?))
        })?;
        let sql = "SELECT EXISTS (SELECT 1 FROM owed_mails m JOIN links l ON l.okta_id = m.account
                   WHERE l.person = ?)";
        let mail_owed = self.0.value(sql, [person])?;
        let (last, activated_here) =
            known.map_or((None, false), |(change, activated)| (Some(change), activated));
        Ok(AccountHistory { last, activated_here, mail_owed })
    }

    /// Remembers a step that ended well; what is not about a status is none of the history. Written
    /// in one transaction with the journal's outcome.
    pub(super) fn record(&self, person: &SysId, change: &StatusChange) -> Result<(), StoreError> {
        let StatusChange { step, request, cause, at } = change;
        // Ending the sessions counts: it stands in for a suspension that Okta has no way to.
        let about_the_status = match step {
            StepKind::Create
            | StepKind::Activate
            | StepKind::Suspend
            | StepKind::Unsuspend
            | StepKind::Deactivate
            | StepKind::ClearSessions => true,
            StepKind::Update
            | StepKind::Reactivate
            | StepKind::AddMember
            | StepKind::RemoveMember => false,
        };
        if !about_the_status {
            return Ok(());
        }
        self.0.run(
            "INSERT INTO account_history (person, step, request, cause, at, activated_here)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (person) DO UPDATE SET step = ?2, request = ?3, cause = ?4, at = ?5,
                 activated_here = activated_here OR ?6",
            params![person, step, request, cause, At(*at), *step == StepKind::Activate],
        )?;
        Ok(())
    }

    /// Remembers, together with the intent of an activation without it, that a mail is to follow.
    pub(crate) fn owe_mail(&self, account: &AccountId, person: &SysId) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO owed_mails (account, person) VALUES (?, ?)";
        self.0.run(sql, params![account, person])?;
        Ok(())
    }

    /// The mail was sent, or there is nothing to send it for.
    pub(crate) fn settle_mail(&self, account: &AccountId) -> Result<(), StoreError> {
        self.0.run("DELETE FROM owed_mails WHERE account = ?", [account])?;
        Ok(())
    }

    /// Whether an account was brought back and its mail is still to follow.
    pub(crate) fn is_mail_owed(&self, account: &AccountId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM owed_mails WHERE account = ?)";
        self.0.value(sql, [account])
    }
}

#[cfg(test)]
mod tests;
