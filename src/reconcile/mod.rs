//! What to do: which account is whose, what differs, in which order it is repaired, and whether it
//! may be.
//!
//! Pure: the same values give the same plan. Nothing here reads a clock, a network or a database.

pub mod org;

pub mod correlate;
mod diff;
pub mod difference;
pub mod schema;

mod rules;

pub mod actions;
mod order;
pub mod person;
pub mod planned;

pub mod approve;
pub mod limits;
pub mod past;

pub mod narrow;
pub mod requeue;
pub mod retry;

pub mod explain;
pub mod fulfillment;
pub mod latency;

#[cfg(test)]
mod properties;
