//! What to do: which account is whose, what differs, in which order it is repaired, and whether it
//! may be.
//!
//! Pure: the same values give the same plan. Nothing here reads a clock, a network or a database.

pub(crate) mod org;

pub(crate) mod correlate;
mod diff;
pub(crate) mod difference;
pub(crate) mod schema;

mod rules;

pub(crate) mod actions;
pub(crate) mod person;
pub(crate) mod planned;

pub(crate) mod approve;
pub(crate) mod limits;
pub(crate) mod open;
pub(crate) mod past;
pub(crate) mod unchanged;

pub(crate) mod narrow;
pub(crate) mod requeue;
pub(crate) mod retry;

pub(crate) mod disabling;
pub(crate) mod explain;
pub(crate) mod fulfillment;
pub(crate) mod latency;
pub(crate) mod wording;

#[cfg(test)]
mod properties;
