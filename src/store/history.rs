//! What later decisions need to know of what was done about people's accounts: kept beside the
//! journal and written with it, so that no decision reads the journal.

use rusqlite::params;

use super::columns::At;
use super::{History, Result};
use crate::model::{AccountHistory, AccountId, StatusChange, StepKind, SysId};

impl History<'_> {
    pub(crate) fn of(&self, person: &SysId) -> Result<AccountHistory> {
        let sql = "SELECT step, request, cause, at, activated_here FROM account_history
                   WHERE person = ?";
        let known = self.0.one(sql, [person], |row| {
            let (step, request, cause) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((StatusChange { step, request, cause, at: row.get::<_, At>(3)?.0 }, row.get(4)?))
        })?;
        let (last, activated_here): (_, Option<bool>) = known.unzip();
        let sql = "SELECT EXISTS (SELECT 1 FROM owed_mails m JOIN links l ON l.okta_id = m.account
                   WHERE l.person = ?)";
        let mail_owed = self.0.value(sql, [person])?;
        Ok(AccountHistory { last, activated_here: activated_here == Some(true), mail_owed })
    }

    /// Remembers a step that ended well, in one transaction with its outcome in the journal.
    pub(super) fn record(&self, person: &SysId, change: &StatusChange) -> Result<()> {
        let StatusChange { step, request, cause, at } = change;
        match step {
            StepKind::Create
            | StepKind::Activate
            | StepKind::Suspend
            | StepKind::Unsuspend
            | StepKind::Deactivate
            | StepKind::ClearSessions => {}
            StepKind::Update
            | StepKind::Reactivate
            | StepKind::AddMember
            | StepKind::RemoveMember => return Ok(()),
        }
        let sql = "INSERT INTO account_history (person, step, request, cause, at, activated_here)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (person) DO UPDATE SET step = ?2, request = ?3, cause = ?4, at = ?5,
                 activated_here = activated_here OR ?6";
        self.0.run(sql, params![person, step, request, cause, At(*at), *step == StepKind::Activate])
    }

    /// Remembers, together with the intent of an activation without it, that a mail is to follow.
    pub(crate) fn owe_mail(&self, account: &AccountId, person: &SysId) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO owed_mails (account, person) VALUES (?, ?)";
        self.0.run(sql, params![account, person])
    }

    /// The mail was sent, or there is nothing to send it for.
    pub(crate) fn settle_mail(&self, account: &AccountId) -> Result<()> {
        self.0.run("DELETE FROM owed_mails WHERE account = ?", [account])
    }

    /// Whether an account was brought back and its mail is still to follow.
    pub(crate) fn is_mail_owed(&self, account: &AccountId) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM owed_mails WHERE account = ?)";
        self.0.value(sql, [account])
    }
}

#[cfg(test)]
mod tests;
