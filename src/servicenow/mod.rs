//! The ServiceNow side: people, requests, catalog variables, and the write-back.
//!
//! [`ServiceNowReader`] yields what was believed or an error, nothing in between;
//! [`ServiceNowWriter`] is the only type that writes. Below them, `paging` reads a whole list and
//! checks every row against the `query`, `connection` sends one call signed, paced and repeated,
//! and `wire` says which answers are answers.

use std::collections::BTreeSet;

use secrecy::SecretString;

use crate::http::RetryPolicy;
use crate::model::{SysId, Timestamp};

mod absence;
mod approvers;
mod catalog;
mod fresh;
mod hidden;
mod inspect;
mod items;
mod notes;
mod people;
mod requests;
mod tasks;
mod writer;

mod checked;
mod condition;
mod paging;
pub mod query;
mod rows;

mod auth;
mod connection;
mod error;
mod limits;
mod slots;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use absence::{deleted_at, shows_inactive};
pub(crate) use approvers::who_approved;
pub(crate) use catalog::LookedUp;
pub use connection::Connection;
pub use error::ServiceNowError;
pub(crate) use fresh::FreshRequest;
pub(crate) use inspect::Sample;
pub(crate) use limits::Budget;
pub(crate) use notes::Note;
pub(crate) use paging::CompleteRead;
pub(crate) use people::Lookup;
pub use people::ServiceNowReader;
pub(crate) use rows::SetAside;
pub(crate) use slots::Rank;
pub(crate) use tasks::Task;
pub(crate) use writer::{Closing, ServiceNowWriter};

/// Reads an answer in every way in which one is read, for whoever feeds this nonsense.
#[doc(hidden)]
pub fn fuzz_answer(reader: &ServiceNowReader, answer: &crate::http::Answer) {
    let operation = "reading nonsense";
    let _ = (
        wire::check_answer(operation, answer),
        crate::http::date(answer),
        auth::read_token(answer, tokio::time::Instant::now()),
    );
    let rows = wire::page(operation, answer).map_or_else(|_| Vec::new(), |page| page.rows);
    for row in rows.iter().chain(&wire::row(operation, answer).ok()) {
        reader.fuzz_row(row);
    }
}

/// A closed span of `sys_updated_on`, whole seconds: rows changed at `from` or later and before
/// `to`. End it a little before the instance's clock, and let spans overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Window {
    fn on(&self, field: &str) -> query::Filter {
        let (from, to) = (wire::stored(self.from), wire::stored(self.to));
        query::Filter::parse(&format!("{field}>={from}^{field}<{to}"))
            .expect("a field name and two dates are a query")
    }
}

/// A catalog item that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub sys_id: SysId,
    /// Its name now, which may have changed since it was configured.
    pub name: String,
    /// How the configuration spells it: its id or its name.
    pub configured_as: String,
}

/// What the client needs to know, checked by `config`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base address, without a trailing slash.
    pub url: url::Url,
    /// How to sign in.
    pub auth: Auth,
    /// Encoded query: which `sys_user` rows are people.
    pub users: String,
    /// Encoded query: which `sc_req_item` rows are read at all. May be empty.
    pub requests: String,
    /// Rows asked for in one page.
    pub page_size: u32,
    /// Part of an announced rate limit that may be used, 0 to 1.
    pub share: f64,
    /// `sys_user` fields that the configuration's expressions name, dot-walks included.
    pub person_fields: BTreeSet<String>,
    /// Catalog variables that they name, without the `variables.` prefix.
    pub variables: BTreeSet<String>,
    /// `sc_req_item` fields that they name, and `requested_for` where a block names no person.
    pub request_fields: BTreeSet<String>,
    /// Catalog items under `[[request]]`, each a `sys_id` or a name.
    pub items: BTreeSet<String>,
    /// Whether an order's approval decides for any of them, so that orders must be watched too.
    pub order_approval: bool,
    /// `writeback.state_done`: the `state` that means closed complete.
    pub state_done: String,
    /// How long a call is tried.
    pub retry: RetryPolicy,
}

/// How to sign in to ServiceNow.
#[derive(Debug, Clone)]
pub enum Auth {
    /// User name and password.
    Basic {
        /// The integration user's `user_name`.
        username: String,
        /// That user's password, sent with every call and never shown.
        password: SecretString,
    },
    /// OAuth 2.0 client credentials.
    OAuth {
        /// The application's client id.
        client_id: String,
        /// The application's client secret.
        client_secret: SecretString,
    },
    /// An API key, sent as `x-sn-apikey`.
    ApiKey {
        /// The token of the key, sent as it is.
        key: SecretString,
    },
}
