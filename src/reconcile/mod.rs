//! What to do: which account is whose, what differs, in which order it is repaired, and whether it
//! may be.

pub mod guard;
