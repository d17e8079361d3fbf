//! What a decision needs to know of what was done here before.

use super::{Cause, StepKind, Timestamp};

/// What was done here about one person's account, as far as later decisions depend on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountHistory {
    /// The newest step about the account's status that ended well: a creation, an activation, a
    /// suspension or its lifting, a deactivation, an end of its sessions.
    pub last: Option<StatusChange>,
    /// An activation ended well, however long ago.
    pub activated_here: bool,
    /// The linked account was brought back without its activation mail, which is to follow.
    pub mail_owed: bool,
}

/// One step about the status of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// What was done.
    pub step: StepKind,
    /// The request's number, `BASELINE`, or `unattributed`.
    pub request: String,
    /// Why.
    pub cause: Cause,
    /// When it was answered, or seen to have taken effect.
    pub at: Timestamp,
}
