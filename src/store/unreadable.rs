//! Objects that cannot be read: which, why, and when they are tried again.

use rusqlite::params;

use super::columns::At;
use super::{Result, Unreadable};
use crate::model::{SysId, Timestamp};
use crate::reconcile::retry::pause_after;

/// What cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    /// A person's account, or whether there is one; by the person.
    Account,
    /// Whether a person's account, or a group that an action is about, holds an administrator role;
    /// by the person.
    Roles,
    /// A request of a person's, before something is done for it; by the person.
    Request,
    /// The members of a group; by the group.
    Members,
    /// A row of ServiceNow; by its table and id.
    Record,
    /// A list of Okta's in which something has no usable id, so that it cannot be told what it is; by
    /// the list.
    List,
    /// A person's row of ServiceNow that was not read yet, since others were not answered in time; by
    /// the person. Nothing is known to be wrong with it.
    UnreadPerson,
    /// A request whose row is counted and not shown; by the request.
    HiddenRequest,
    /// A group of which Okta's list of what changed does not say when; by the group.
    UndatedGroup,
    /// A group rule of Okta's, of which it cannot be told which groups it feeds; by its id.
    GroupRule,
}

impl Object {
    fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Roles => "roles",
            Self::Request => "request",
            Self::Members => "members",
            Self::Record => "record",
            Self::List => "list",
            Self::UnreadPerson => "unread_person",
            Self::HiddenRequest => "hidden_request",
            Self::UndatedGroup => "undated_group",
            Self::GroupRule => "group_rule",
        }
    }
}

/// An object that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) id: String,
    pub(crate) why: String,
    pub(crate) since: Timestamp,
    pub(crate) next_try: Timestamp,
}

/// What nobody leaves by is tried this many times less often.
const UNHURRIED: u32 = 4;

impl Unreadable<'_> {
    /// Notes that it could not be read once more, and gives when it is tried again. `leaver`: an
    /// account is to be disabled, so it is tried soon whatever happens.
    pub(crate) fn note(
        &self,
        object: Object,
        id: &str,
        why: &str,
        leaver: bool,
        now: Timestamp,
    ) -> Result<Timestamp> {
        let sql = "SELECT tries FROM unreadable WHERE kind = ? AND id = ?";
        let before: Option<u32> =
            self.0.one(sql, params![object.as_str(), id], |row| row.get(0))?;
        let tries = before.unwrap_or(0) + 1;
        let pause = pause_after(tries, leaver) * if leaver { 1 } else { UNHURRIED };
        let next = now + chrono::Duration::from_std(pause).unwrap_or_default();
        let sql = "INSERT INTO unreadable (kind, id, why, since, tries, next_try)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET
             why = excluded.why, tries = excluded.tries, next_try = excluded.next_try";
        let row = params![object.as_str(), id, why, At(now), tries, At(next)];
        self.0.run(sql, row).map(|()| next)
    }

    /// It could be read.
    pub(crate) fn clear(&self, object: Object, id: &str) -> Result<()> {
        self.0.run("DELETE FROM unreadable WHERE kind = ? AND id = ?", [object.as_str(), id])
    }

    /// Nothing of a kind is known to be unreadable any more.
    pub(crate) fn clear_all(&self, object: Object) -> Result<()> {
        self.0.run("DELETE FROM unreadable WHERE kind = ?", [object.as_str()])
    }

    /// No row of a table is known to be unusable any more.
    pub(crate) fn clear_records(&self, table: &str) -> Result<()> {
        let sql = "DELETE FROM unreadable WHERE kind = 'record' AND id LIKE ? || ' %'";
        self.0.run(sql, [table])
    }

    /// Whoever's roles or request could not be read is asked about again where it is time to: they
    /// stand in nobody's way until then. What was not refused since the last time is over.
    pub(crate) fn ask_again(&self, now: Timestamp) -> Result<()> {
        let which = "kind IN ('roles', 'request')";
        let sql = format!("DELETE FROM unreadable WHERE {which} AND next_try = ''");
        self.0.run(&sql, [])?;
        let sql = format!("UPDATE unreadable SET next_try = '' WHERE {which} AND next_try <= ?");
        self.0.run(&sql, [At(now)])
    }

    /// Why nothing can be decided about a person, and when that is tried again.
    pub(crate) fn of_person(&self, id: &SysId) -> Result<Option<Trouble>> {
        let sql = "SELECT id, why, next_try, since FROM unreadable
                   WHERE kind IN ('account', 'roles', 'request') AND id = ? AND next_try <> ''
                   ORDER BY kind";
        self.0.one(sql, [id], read)
    }

    /// Why a row of a table of ServiceNow cannot be read.
    pub(crate) fn of_record(&self, table: &str, id: &SysId) -> Result<Option<Trouble>> {
        self.get(Object::Record, &format!("{table} {id}"))
    }

    /// One object, where it cannot be read.
    pub(crate) fn get(&self, object: Object, id: &str) -> Result<Option<Trouble>> {
        let sql = "SELECT id, why, next_try, since FROM unreadable WHERE kind = ? AND id = ?";
        self.0.one(sql, [object.as_str(), id], read)
    }

    /// Everything of a kind that cannot be read.
    pub(crate) fn all(&self, object: Object) -> Result<Vec<Trouble>> {
        let sql = "SELECT id, why, next_try, since FROM unreadable WHERE kind = ? ORDER BY id";
        self.0.all(sql, [object.as_str()], read)
    }

    /// People whose accounts could not be read and were in a complete list of this cycle.
    pub(crate) fn seen_again(&self, cycle: i64) -> Result<Vec<SysId>> {
        let sql = "SELECT u.id FROM unreadable u JOIN links l ON l.person = u.id
                   JOIN accounts a ON a.okta_id = l.okta_id
                   WHERE u.kind = 'account' AND a.seen >= ?";
        self.0.column(sql, [cycle])
    }

    /// How many linked accounts are out of sight.
    pub(crate) fn linked_accounts(&self) -> Result<u32> {
        let sql = "SELECT count(*) FROM unreadable u JOIN links l ON l.person = u.id
                   WHERE u.kind = 'account'";
        self.0.value(sql, [])
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Trouble> {
    let (At(next_try), At(since)) = (row.get(2)?, row.get(3)?);
    Ok(Trouble { id: row.get(0)?, why: row.get(1)?, since, next_try })
}
