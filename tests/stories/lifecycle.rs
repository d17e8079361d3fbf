//! Joining, leaving and being away, with dates, withdrawals and records that say otherwise.
