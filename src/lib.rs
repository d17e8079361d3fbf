//! Goldthread keeps Okta in step with ServiceNow and ties every change to the request that asked
//! for it.
//!
//! ```text
//!              config.toml
//!                  |
//!   ServiceNow --> observe --> desired --\
//!                     |                   diff --> plan --> guard --> apply --> Okta
//!         Okta -------+-----> actual ----/                    |          |
//!                                                           held      journal --> write back --> ServiceNow
//!    |---- async, IO ----|------------ pure, sync ------------|------- async, IO -------|
//! ```
//!
//! The modules, in reading order. `model` imports nothing; `policy` and `reconcile` import `model`
//! and are pure; the clients import `model` and `http`; `store` imports `model`; `engine` is the
//! only place where all of these meet; `daemon` and `cli` call `engine`.

pub mod model;

pub mod policy;

pub mod reconcile;

pub mod http;
pub mod okta;
pub mod servicenow;

pub mod store;

pub mod check;
pub mod report;
pub mod sync;

pub mod config;
pub mod daemon;

pub mod cli;

#[cfg(feature = "sim")]
pub mod sim;
