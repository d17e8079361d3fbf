//! Which account is whose.

use super::{AccountId, Origin, Timestamp};

/// The account that is a person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The account, by Okta's id; it may be deleted by now.
    pub account: AccountId,
    /// The request that it was linked by, or `BASELINE`.
    pub origin: Origin,
    /// When the link was made, by our clock.
    pub since: Timestamp,
    /// It was made here, rather than found.
    pub created_here: bool,
}
