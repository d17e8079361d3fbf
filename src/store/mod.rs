//! Memory: what was last seen of both sides, what should be, and everything that was done.
//!
//! One SQLite file with one owner of the writing connection. Calls are short and made directly
//! from the one task that runs a cycle. [`Store`] opens, locks and migrates the file and makes
//! transactions; everything else goes through a door, one small type for each group of tables. A
//! command that only plans works on a private copy ([`Mode::Scratch`]), so it cannot leave a trace.

mod accounts;
mod budgets;
mod columns;
mod copy;
mod cycles;
mod deadlines;
mod decisions;
mod error;
mod facts;
mod file;
mod groups;
mod history;
mod journal;
mod links;
mod lock;
mod names;
mod open_items;
mod opening;
mod people;
mod queue;
mod requests;
mod roles;
mod schema;
mod sides;
pub(crate) mod snapshot;
mod state;
mod writebacks;

pub(crate) use accounts::{Accounts, Observed};
pub(crate) use budgets::{Budgets, Use};
pub use copy::Copied;
pub(crate) use cycles::{CycleRow, Cycles};
pub(crate) use deadlines::{Deadlines, Late};
pub(crate) use decisions::Decisions;
pub use decisions::{HoldDecision, Verdict};
pub use error::StoreError;
pub(crate) use facts::Facts;
pub(crate) use groups::Groups;
pub(crate) use history::History;
pub(crate) use journal::{Entry, InDoubt, Journal};
pub(crate) use links::Links;
pub(crate) use names::Names;
pub use open_items::{HeldAction, HoldSelection, OpenItems, StoredItem, Transitions};
pub use opening::{Mode, Orgs};
pub(crate) use people::People;
pub(crate) use queue::Queue;
pub(crate) use requests::{Requests, StoredRequest};
pub(crate) use roles::{RoleHolder, Roles};
pub use sides::SideState;
pub(crate) use sides::Sides;
pub(crate) use state::{GroupRules, Quarantine, State};
pub(crate) use writebacks::Writebacks;

use std::fs::File;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, TransactionBehavior};

/// The SQLite file, opened in one of the ways of [`Mode`]; its methods are the doors.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    /// Held for as long as this process may run cycles; `None` in every mode but [`Mode::Write`].
    _lock: Option<File>,
}

impl Store {
    /// People as ServiceNow last showed them.
    pub(crate) fn people(&self) -> People<'_> {
        People(self)
    }

    /// Okta accounts as last seen.
    pub(crate) fn accounts(&self) -> Accounts<'_> {
        Accounts(self)
    }

    /// Okta groups, and who is in those under management.
    pub(crate) fn groups(&self) -> Groups<'_> {
        Groups(self)
    }

    /// Who was seen to hold an administrator role.
    pub(crate) fn roles(&self) -> Roles<'_> {
        Roles(self)
    }

    /// Which account is whose, and what was there at take-over.
    pub(crate) fn links(&self) -> Links<'_> {
        Links(self)
    }

    /// Desired facts as last decided.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts(self)
    }

    /// What the names of the configuration mean.
    pub(crate) fn names(&self) -> Names<'_> {
        Names(self)
    }

    /// Who is to be decided about again, and when.
    pub(crate) fn queue(&self) -> Queue<'_> {
        Queue(self)
    }

    /// What the store knows of itself: its systems, how far changes were read.
    pub(crate) fn state(&self) -> State<'_> {
        State(self)
    }

    /// What is not as it should be, and which actions wait.
    pub fn open_items(&self) -> OpenItems<'_> {
        OpenItems(self)
    }

    /// What people said to actions that wait.
    pub(crate) fn decisions(&self) -> Decisions<'_> {
        Decisions(self)
    }

    /// Every write: its intent and its outcome.
    pub(crate) fn journal(&self) -> Journal<'_> {
        Journal(self)
    }

    /// What later decisions need to know of what was done about people's accounts.
    pub(crate) fn history(&self) -> History<'_> {
        History(self)
    }

    /// One row a cycle.
    pub(crate) fn cycles(&self) -> Cycles<'_> {
        Cycles(self)
    }

    /// Requested items as last seen, and what they were resolved to.
    pub(crate) fn requests(&self) -> Requests<'_> {
        Requests(self)
    }

    /// What was written on requests, and what became of it.
    pub(crate) fn writebacks(&self) -> Writebacks<'_> {
        Writebacks(self)
    }

    /// How the two systems are.
    pub(crate) fn sides(&self) -> Sides<'_> {
        Sides(self)
    }

    /// How much of the rate limits is used.
    pub(crate) fn budgets(&self) -> Budgets<'_> {
        Budgets(self)
    }

    /// How long joins and leaves take.
    pub(crate) fn deadlines(&self) -> Deadlines<'_> {
        Deadlines(self)
    }

    /// Runs several changes as one: all of them, or none.
    pub(crate) fn atomically<T>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
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

    /// Changes rows, and says how many.
    fn run(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.conn.prepare_cached(sql)?.execute(params)?)
    }

    /// All rows that a query gives, in its order.
    fn all<T, C: FromIterator<T>>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<C, StoreError> {
        Ok(self.conn.prepare_cached(sql)?.query_map(params, read)?.collect::<Result<C, _>>()?)
    }

    /// The first row that a query gives, if there is one.
    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.conn.prepare_cached(sql)?.query_row(params, read).optional()?)
    }

    /// The first column of all rows.
    fn column<T: FromSql, C: FromIterator<T>>(
        &self,
        sql: &str,
        params: impl Params,
    ) -> Result<C, StoreError> {
        self.all(sql, params, |row| row.get(0))
    }

    /// The one value of a query that always gives one.
    fn value<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<T, StoreError> {
        Ok(self.conn.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
    }
}

#[cfg(test)]
mod tests;
