//! What both clients share: one way to send a call, to try it again, to keep to a rate limit, and
//! to read what came.
//!
//! What an answer means is the business of the two clients.

mod answers;
mod brief;
mod pace;
mod retry;
mod send;
mod text;

pub use retry::RetryPolicy;
pub use send::Answer;

pub(crate) use answers::{ByText, Deletion};
pub(crate) use brief::briefly;
pub(crate) use pace::{Brake, LONGEST_WINDOW, Progress, share_of, unpoisoned, wait_for_turn};
pub(crate) use retry::Retry;
pub(crate) use send::{Call, Http, HttpError, PRODUCT};
pub(crate) use text::{NotJson, ServerClock, date, json, one_line, says_json};
