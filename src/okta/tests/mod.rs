//! The whole client against canned answers, and against the simulated org, over real HTTP.

mod keys;
mod log;
mod reading;
mod signing_in;
#[cfg(feature = "sim")]
mod simulated;
mod writing;
