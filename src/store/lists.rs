//! What the lists behind the numbers are made of: everybody and every request in one query each, so
//! that thousands cost no more than a page does.

use std::collections::BTreeMap;

use rusqlite::{Params, named_params};

use super::columns::{At, Count, moment};
use super::deadlines::WANTED;
use super::open_items::COUNTS;
use super::{Accounts, OpenItems, People, Requests, Result};
use crate::model::{
    AccountId, AccountStatus, Approval, Presence, RequestNumber, RequestState, SysId, Timestamp,
};

/// How far a request is, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestProgress {
    pub(crate) id: SysId,
    pub(crate) number: RequestNumber,
    pub(crate) state: RequestState,
    pub(crate) approval: Approval,
    /// In force from then on, and until then, where it says so.
    pub(crate) starts: Option<Timestamp>,
    pub(crate) ends: Option<Timestamp>,
    /// The later of opened and `starts`; `None` where it could not be resolved.
    pub(crate) effective: Option<Timestamp>,
    pub(crate) opened_at: Timestamp,
    /// It is counted as pending: approved, in force, open, not done and not overtaken.
    pub(crate) pending: bool,
    pub(crate) overtaken: bool,
    pub(crate) finished: bool,
    pub(crate) vanished: bool,
}

/// A person with the account, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PersonRow {
    pub(crate) id: SysId,
    pub(crate) presence: Presence,
    pub(crate) user_name: String,
    pub(crate) active: bool,
    /// The account that the person is linked to, also where it is gone.
    pub(crate) link: Option<AccountId>,
    /// Of the account; `None` where there is none, or it is not to be seen any more.
    pub(crate) status: Option<AccountStatus>,
    pub(crate) login: Option<String>,
    /// When the first approved join that is still ahead comes into force.
    pub(crate) joins: Option<Timestamp>,
}

impl Requests<'_> {
    /// Every request that a `[[request]]` block speaks of, by number.
    pub(crate) fn progress(&self, now: Timestamp) -> Result<Vec<RequestProgress>> {
        self.progress_where("true", named_params! { ":now": At(now) })
    }

    /// One of them; `None` where no block speaks of it.
    pub(crate) fn progress_of(
        &self,
        id: &SysId,
        now: Timestamp,
    ) -> Result<Option<RequestProgress>> {
        let params = named_params! { ":now": At(now), ":id": id };
        Ok(self.progress_where("sys_id = :id", params)?.pop())
    }

    fn progress_where(&self, condition: &str, params: impl Params) -> Result<Vec<RequestProgress>> {
        let sql = format!(
            "SELECT sys_id, number, state, standing, starts, ends, effective, opened_at,
                 {WANTED} AND overtaken = 0 AND coalesce(effective, '') <= :now,
                 overtaken, finished, vanished
             FROM requests r WHERE standing IS NOT NULL AND {condition} ORDER BY number"
        );
        self.0.all(&sql, params, |row| {
            Ok(RequestProgress {
                id: row.get(0)?,
                number: row.get(1)?,
                state: row.get(2)?,
                approval: row.get(3)?,
                starts: moment(row.get(4)?),
                ends: moment(row.get(5)?),
                effective: moment(row.get(6)?),
                opened_at: row.get::<_, At>(7)?.0,
                pending: row.get(8)?,
                overtaken: row.get(9)?,
                finished: row.get(10)?,
                vanished: row.get(11)?,
            })
        })
    }
}

impl People<'_> {
    /// Everybody, by user name.
    pub(crate) fn with_accounts(&self, now: Timestamp) -> Result<Vec<PersonRow>> {
        let sql = "SELECT p.sys_id, p.presence, trim(json_extract(p.record, '$.user_name')),
                 coalesce(json_extract(p.record, '$.active') = 'true', 0),
                 l.okta_id, a.status, json_extract(a.profile, '$.login'),
                 (SELECT min(r.effective) FROM request_people rp
                      JOIN requests r ON r.sys_id = rp.request
                  WHERE rp.person = p.sys_id AND r.operation = 'join'
                      AND r.standing = 'approved' AND r.effective > :now)
             FROM people p LEFT JOIN links l ON l.person = p.sys_id
                 LEFT JOIN accounts a ON a.okta_id = l.okta_id
             ORDER BY p.user_name, p.sys_id";
        self.0.all(sql, named_params! { ":now": At(now) }, |row| {
            Ok(PersonRow {
                id: row.get(0)?,
                presence: row.get(1)?,
                user_name: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
                active: row.get(3)?,
                link: row.get(4)?,
                status: row.get(5)?,
                login: row.get(6)?,
                joins: moment(row.get(7)?),
            })
        })
    }
}

impl OpenItems<'_> {
    /// How much is open and counts, by what enforcing would do about it; what is only observed is
    /// one kind of its own.
    pub(crate) fn by_disposition(&self) -> Result<BTreeMap<String, u64>> {
        let sql = format!(
            "SELECT CASE WHEN observed THEN 'observed' ELSE disposition END, count(*)
             FROM open_items o WHERE {COUNTS} GROUP BY 1"
        );
        self.0.all(&sql, [], |row| Ok((row.get(0)?, row.get::<_, Count>(1)?.0)))
    }
}

impl Accounts<'_> {
    /// Accounts that no person is linked to, by login: id, status and login.
    pub(crate) fn of_nobody(&self) -> Result<Vec<(AccountId, AccountStatus, Option<String>)>> {
        let sql = "SELECT okta_id, status, json_extract(profile, '$.login') AS login FROM accounts
             WHERE okta_id NOT IN (SELECT okta_id FROM links) ORDER BY login, okta_id";
        self.0.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }
}
