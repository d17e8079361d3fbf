//! The whole client against canned answers over real HTTP.

mod keys;
mod reading;
mod signing_in;
mod writing;
