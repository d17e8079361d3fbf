//! Memory: what was last seen of both sides, what should be, and everything that was done.
//!
//! One SQLite file with one owner of the writing connection. Calls are short and made directly
//! from the one task that runs a cycle. [`Store`] opens, locks and migrates the file and makes
//! transactions; everything else goes through a door, one small type for each group of tables. A
//! command that only plans works on a private copy ([`Mode::Scratch`]), so it cannot leave a trace.

mod accounts;
mod approvers;
mod brake;
mod columns;
mod copy;
mod cycles;
mod deadlines;
mod decisions;
mod edits;
mod error;
mod facts;
mod file;
mod groups;
mod history;
mod journal;
mod links;
mod lists;
mod names;
mod open_items;
mod opening;
mod people;
mod requests;
mod rights;
mod roles;
mod sides;
pub(crate) mod snapshot;
mod state;
mod unreadable;
mod writebacks;

pub(crate) use accounts::{ChangedAccount, Observed};
pub(crate) use approvers::KnownApprovers;

pub(crate) use brake::News;
pub use brake::Resumed;
pub use copy::Copied;
pub(crate) use cycles::CycleRow;
pub(crate) use deadlines::Late;
pub use decisions::{HoldDecision, Verdict};
pub use error::StoreError;
pub(crate) use journal::{Entry, InDoubt};
pub(crate) use lists::{PersonRow, RequestProgress};
pub(crate) use open_items::Replaced;
pub(crate) use open_items::WaitingItem;
pub use open_items::{HeldAction, HoldSelection, NotDecided, OpenCounts, StoredItem, Transitions};
pub use opening::{Mode, Orgs};
pub(crate) use requests::StoredRequest;
pub(crate) use rights::{Right, denied};
pub(crate) use roles::RoleHolder;
pub use sides::SideState;
pub(crate) use sides::Use;
pub(crate) use state::{GroupRules, Quarantine};
pub(crate) use unreadable::{Object, Trouble};

use std::fs::File;

use rusqlite::types::{FromSql, ToSql};
use rusqlite::{
    Connection, OptionalExtension, Params, Row, Transaction, TransactionBehavior, params_from_iter,
};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The SQLite file, opened in one of the ways of [`Mode`]; its methods are the doors.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    /// Held for as long as this process may run cycles; `None` in every mode but [`Mode::Write`].
    _lock: Option<File>,
}

/// The doors: for each group of tables a type, and the method that gives it.
macro_rules! doors {
    ($($visible:vis $method:ident: $Door:ident, $what:literal;)+) => {
        $(
            #[doc = $what]
            #[derive(Debug)]
            $visible struct $Door<'a>(&'a Store);
        )+

        impl Store {
            $(
                #[doc = $what]
                $visible fn $method(&self) -> $Door<'_> {
                    $Door(self)
                }
            )+
        }
    };
}

doors! {
    pub(crate) people: People, "People as ServiceNow last showed them.";
    pub(crate) accounts: Accounts, "Okta accounts as last seen.";
    pub(crate) groups: Groups, "Okta groups, and who is in those under management.";
    pub(crate) roles: Roles, "Who was seen to hold an administrator role.";
    pub(crate) links: Links, "Which account is whose, and what was there at take-over.";
    pub(crate) facts: Facts, "Desired facts as last decided.";
    pub(crate) names: Names, "What the names of the configuration mean.";
    pub(crate) queue: Queue, "Who is to be decided about again, and when.";
    pub(crate) state: State, "What the store knows of itself: one row.";
    pub open_items: OpenItems, "What is not as it should be, and which actions wait.";
    pub brake: Brake, "Whether writing to either side is paused, and when it was.";
    pub(crate) decisions: Decisions, "What people said to actions that wait.";
    pub(crate) journal: Journal, "Every write: its intent and its outcome.";
    pub(crate) history: History, "What later decisions need to know of what was done.";
    pub(crate) cycles: Cycles, "One row a cycle.";
    pub(crate) edits: Edits, "Edits of requests after their approval, and what was decided about them.";
    pub(crate) requests: Requests, "Requested items as last seen, and what they were resolved to.";
    pub(crate) approvers: Approvers, "Who approved requests, as it was when that was first seen.";
    pub(crate) writebacks: Writebacks, "What was written on requests, and what became of it.";
    pub(crate) sides: Sides, "How the two systems are.";
    pub(crate) budgets: Budgets, "How much of the rate limits is used.";
    pub(crate) unreadable: Unreadable, "Objects that cannot be read.";
    pub(crate) deadlines: Deadlines, "How long joins and leaves take.";
}

/// Columns by name, each with its value.
type Columns<'a> = &'a [(&'a str, &'a dyn ToSql)];

impl Store {
    /// Runs several changes as one: all of them, or none.
    pub(crate) fn atomically<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        // Already inside one: its fate decides.
        if !self.conn.is_autocommit() {
            return work();
        }
        // At once, because somebody may decide about a hold beside us: a transaction that has read
        // before it writes would fail instead of waiting.
        let transaction = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)?;
        let result = work()?;
        transaction.commit()?;
        Ok(result)
    }

    /// Runs a statement that changes rows.
    fn run(&self, sql: &str, params: impl Params) -> Result<()> {
        self.conn.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    /// Puts a row into a table. `conflict` says what becomes of it where it is there already.
    fn insert(&self, table: &str, row: Columns<'_>, conflict: &str) -> Result<()> {
        let names: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
        let (names, places) = (names.join(", "), vec!["?"; row.len()].join(", "));
        let sql = format!("INSERT INTO {table} ({names}) VALUES ({places}) {conflict}");
        self.run(&sql, params_from_iter(row.iter().map(|(_, value)| value)))
    }

    /// Puts a row into a table, or into the place of the one with the same key, where `but`, in
    /// SQL, says what a column holds then instead.
    fn upsert(&self, table: &str, key: &[&str], row: Columns<'_>, but: &[&str]) -> Result<()> {
        let others = row.iter().map(|(name, _)| name).filter(|name| !key.contains(name));
        // Of two values for one column, the last counts.
        let set: Vec<String> = others
            .map(|name| format!("{name} = excluded.{name}"))
            .chain(but.iter().map(ToString::to_string))
            .collect();
        let (key, set) = (key.join(", "), set.join(", "));
        self.insert(table, row, &format!("ON CONFLICT ({key}) DO UPDATE SET {set}"))
    }

    /// All rows that a query gives, in its order.
    fn all<T, C: FromIterator<T>>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<C> {
        Ok(self.conn.prepare_cached(sql)?.query_map(params, read)?.collect::<Result<C, _>>()?)
    }

    /// The first row that a query gives, if there is one.
    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.conn.prepare_cached(sql)?.query_row(params, read).optional()?)
    }

    /// The first column of all rows.
    fn column<T: FromSql, C: FromIterator<T>>(&self, sql: &str, params: impl Params) -> Result<C> {
        self.all(sql, params, |row| row.get(0))
    }

    /// The one value of a query that always gives one.
    fn value<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<T> {
        Ok(self.conn.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
    }
}

#[cfg(test)]
mod tests;
