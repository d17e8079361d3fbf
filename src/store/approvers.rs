//! Who approved requests.

use std::collections::BTreeSet;

use rusqlite::{named_params, params};

use super::columns::{At, moment};
use super::{Approvers, Result};
use crate::model::{Approver, RequestNumber, SysId, Timestamp};

/// What is known of who approved a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KnownApprovers {
    /// These; nobody where a script, a due date or a rule approved it.
    Read(Vec<Approver>),
    /// ServiceNow did not let them be read, for this reason.
    Unreadable(String),
    /// They were not asked for: it is not approved yet, needs no approval, or is history.
    NotAsked,
}

/// A read that went well and one that did not, as the newest one tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastRead {
    pub(crate) unreadable: Option<String>,
    /// Some read that went well gave nobody.
    pub(crate) nobody_before: bool,
}

impl Approvers<'_> {
    /// Requests that may have been approved without their approvers having been asked for since.
    /// What was closed before it was first seen is not among them: its approvers change nothing.
    pub(crate) fn unread(&self) -> Result<BTreeSet<SysId>> {
        let sql = "SELECT sys_id FROM requests r
             WHERE history = 0 AND finished = 0 AND NOT EXISTS
                 (SELECT 1 FROM approver_reads a WHERE a.request = r.sys_id AND a.stale = 0)";
        self.0.column(sql, [])
    }

    /// The newest requests whose approvers could not be read, at most so many.
    pub(crate) fn unreadable(&self, most: u32) -> Result<Vec<SysId>> {
        let sql = "SELECT request FROM approver_reads WHERE unreadable IS NOT NULL
             ORDER BY at DESC, request LIMIT ?";
        self.0.column(sql, [most])
    }

    /// How the newest read went; `None` before the first.
    pub(crate) fn last_read(&self) -> Result<Option<LastRead>> {
        let sql = "SELECT unreadable, EXISTS (SELECT 1 FROM approver_reads b
                 WHERE b.unreadable IS NULL AND NOT EXISTS
                     (SELECT 1 FROM approvers p WHERE p.request = b.request))
             FROM approver_reads ORDER BY at DESC, unreadable IS NULL LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(LastRead { unreadable: row.get(0)?, nobody_before: row.get(1)? })
        };
        self.0.one(sql, [], read)
    }

    /// Keeps who approved a request, in place of what was known before.
    pub(crate) fn replace(
        &self,
        request: &SysId,
        approvers: &[Approver],
        now: Timestamp,
    ) -> Result<()> {
        self.0.atomically(|| {
            self.record_read(request, None, now)?;
            self.0.run("DELETE FROM approvers WHERE request = ?", [request])?;
            for approver in approvers {
                let row = named_params! {
                    "request": request,
                    "row": approver.row,
                    "sys_id": approver.sys_id,
                    "user_name": approver.user_name,
                    "email": approver.email,
                    "state": approver.state,
                    "at": approver.at.map(At),
                    "updated_by": approver.updated_by,
                    "of_group": approver.group,
                };
                self.0.insert("approvers", row, "")?;
            }
            Ok(())
        })
    }

    /// Keeps that who approved a request could not be read. What was known before stands.
    pub(crate) fn set_unreadable(&self, request: &SysId, why: &str, now: Timestamp) -> Result<()> {
        self.record_read(request, Some(why), now)
    }

    fn record_read(&self, request: &SysId, unreadable: Option<&str>, now: Timestamp) -> Result<()> {
        let row = named_params! { "request": request, "at": At(now), "unreadable": unreadable, "stale": false };
        self.0.upsert("approver_reads", &["request"], row, &[])
    }

    /// The approval was taken back: with a new one the approvers are asked for again. Until then
    /// those known explain what took effect.
    pub(crate) fn mark_stale(&self, request: &SysId) -> Result<()> {
        self.0.run("UPDATE approver_reads SET stale = 1 WHERE request = ?", [request])
    }

    /// What is known of who approved a request.
    pub(crate) fn of(&self, request: &SysId) -> Result<KnownApprovers> {
        let sql = "SELECT unreadable FROM approver_reads WHERE request = ?";
        let read: Option<Option<String>> = self.0.one(sql, [request], |row| row.get(0))?;
        let found = self.select("a.request = ?", request)?;
        Ok(match read {
            None => KnownApprovers::NotAsked,
            Some(Some(why)) if found.is_empty() => KnownApprovers::Unreadable(why),
            Some(_) => KnownApprovers::Read(found),
        })
    }

    /// Who approved the request of this number, as far as that is known.
    pub(crate) fn of_number(&self, number: &RequestNumber) -> Result<Vec<Approver>> {
        self.select("a.request IN (SELECT sys_id FROM requests WHERE number = ?)", number)
    }

    fn select(&self, condition: &str, value: &impl rusqlite::ToSql) -> Result<Vec<Approver>> {
        let sql = format!(
            "SELECT row, sys_id, user_name, email, state, at, updated_by, of_group
             FROM approvers a WHERE {condition} ORDER BY at, row"
        );
        self.0.all(&sql, params![value], |row| {
            Ok(Approver {
                row: row.get(0)?,
                sys_id: row.get(1)?,
                user_name: row.get(2)?,
                email: row.get(3)?,
                state: row.get(4)?,
                at: moment(row.get(5)?),
                updated_by: row.get(6)?,
                group: row.get(7)?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{approver, ordered_item};
    use crate::store::Store;
    use crate::store::tests::store;

    fn at(second: u32) -> Timestamp {
        format!("2026-06-01T12:00:{second:02}Z").parse().unwrap()
    }

    fn ordered(store: &Store, number: &str) -> SysId {
        let request = ordered_item(&number.to_lowercase(), number, "o1");
        store.requests().upsert(std::slice::from_ref(&request), 1, at(0)).unwrap();
        assert_eq!(store.requests().get(&request.sys_id).unwrap().unwrap().request, request);
        request.sys_id
    }

    #[test]
    fn who_approved_is_asked_once_and_again_with_a_new_approval() {
        let (_folder, store) = store();
        let id = ordered(&store, "RITM1");
        let approvers = store.approvers();
        assert_eq!(approvers.of(&id).unwrap(), KnownApprovers::NotAsked);
        assert_eq!(approvers.unread().unwrap(), BTreeSet::from([id.clone()]));

        let found = [approver("ann", 1), approver("bob", 2)];
        approvers.replace(&id, &found, at(3)).unwrap();
        assert_eq!(approvers.unread().unwrap(), BTreeSet::new());
        assert_eq!(approvers.of(&id).unwrap(), KnownApprovers::Read(found.to_vec()));
        let number = RequestNumber::parse("RITM1").unwrap();
        assert_eq!(approvers.of_number(&number).unwrap(), found);

        approvers.mark_stale(&id).unwrap();
        assert_eq!(approvers.unread().unwrap(), BTreeSet::from([id.clone()]));
        assert_eq!(approvers.of_number(&number).unwrap().len(), 2, "what took effect is explained");
        approvers.replace(&id, &[approver("zoe", 4)], at(5)).unwrap();
        assert_eq!(approvers.of_number(&number).unwrap(), [approver("zoe", 4)]);
    }

    #[test]
    fn what_could_not_be_read_is_found_again_and_forgets_nobody() {
        let (_folder, store) = store();
        let [one, two] = ["RITM1", "RITM2"].map(|number| ordered(&store, number));
        let approvers = store.approvers();
        assert_eq!(approvers.last_read().unwrap(), None);
        let last = |unreadable: Option<&str>, nobody_before| {
            Some(LastRead { unreadable: unreadable.map(str::to_owned), nobody_before })
        };
        approvers.set_unreadable(&one, "403", at(1)).unwrap();
        assert_eq!(approvers.last_read().unwrap(), last(Some("403"), false));
        assert_eq!(approvers.of(&one).unwrap(), KnownApprovers::Unreadable("403".to_owned()));
        assert_eq!(approvers.unread().unwrap(), BTreeSet::from([two.clone()]));
        approvers.replace(&two, &[], at(2)).unwrap();
        assert_eq!(approvers.last_read().unwrap(), last(None, true));
        assert_eq!(approvers.of(&two).unwrap(), KnownApprovers::Read(Vec::new()));
        assert_eq!(approvers.unreadable(10).unwrap(), std::slice::from_ref(&one));

        approvers.replace(&one, &[approver("ann", 1)], at(3)).unwrap();
        approvers.set_unreadable(&one, "403", at(4)).unwrap();
        assert_eq!(approvers.of(&one).unwrap(), KnownApprovers::Read(vec![approver("ann", 1)]));
    }
}
