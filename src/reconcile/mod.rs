//! What to do: which account is whose, what differs, in which order it is repaired, and whether it
//! may be.
//!
//! Pure: the same values give the same plan. Nothing here reads a clock, a network or a database.

pub mod correlate;
pub mod diff;
mod drift;
pub mod explain;
pub mod fulfillment;
pub mod guard;
pub mod latency;
pub mod plan;
pub mod retry;
pub mod schema;
