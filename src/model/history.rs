//! What was done here about a person's account, as far as later decisions need it. Kept apart
//! from the journal, whose entries have an end.

use super::{Cause, StepKind, Timestamp};

/// The past of one person's account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountHistory {
    /// The last thing that was done about its status, and ended well.
    pub last: Option<StatusChange>,
    /// An activation ended well at some time.
    pub activated_here: bool,
    /// The account was brought back without its activation mail, which is to follow.
    pub mail_owed: bool,
}

/// Something that was done about the status of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// What was done: a creation, an activation, a suspension or its end, a deactivation, or the
    /// end of its sessions.
    pub step: StepKind,
    /// The request's number, `BASELINE`, or `unattributed`.
    pub request: String,
    /// Why it was done.
    pub cause: Cause,
    /// When its good end was recorded, by our clock.
    pub at: Timestamp,
}
