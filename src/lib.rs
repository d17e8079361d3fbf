//! Goldthread keeps Okta in step with ServiceNow and ties every change to the request that asked
//! for it.
//!
//! ```text
//!              config.toml
//!                  |
//!   ServiceNow --\ v
//!                 observe --> store --> snapshot --> reconcile_person --> approve --> apply --> Okta
//!         Okta --/                                        |                             |
//!                                                    open items                         write back --> ServiceNow
//!   |--- async, IO ---|         |------------ pure ------------|       |------ async, IO ------|
//! ```
//!
//! The modules, in reading order. Imports run down only: `cli` and `daemon` use `report`, `sync` and
//! `check`; these use `config`, the `store` and the clients; these use `reconcile`, `policy` and
//! `model`, which are pure and read no clock. The tests in `layout` hold that.

pub mod model;

pub mod policy;

pub mod reconcile;

pub mod http;
pub mod okta;
pub mod servicenow;

pub mod store;

pub mod config;

pub mod sync;

pub mod report;

pub mod check;

pub mod daemon;

pub mod cli;

#[cfg(feature = "sim")]
pub mod sim;

#[cfg(test)]
mod layout;
