//! Why it cannot be told which account is whose.

use serde::{Deserialize, Serialize};

/// Why it cannot be told which account is a person's. `by` is the attribute by which one matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum AccountConflict {
    #[error("the account that matches by {by} is linked to another person")]
    LinkedToAnother { by: String },
    #[error("the account with this {anchor} is linked to another person")]
    AnchorTaken { anchor: String },
    #[error("several accounts carry the same {anchor}")]
    SeveralAnchored { anchor: String },
    #[error("the account that matches by {by} carries another {anchor}")]
    AnotherAnchor { by: String, anchor: String },
    /// `attribute` is an earlier one of `identity.match`.
    #[error("the account that matches by {by} has another {attribute}")]
    AnotherValue { by: String, attribute: String },
    #[error("{count} accounts match by {by}")]
    Several { by: String, count: usize },
    #[error("the login is taken by an account that does not match")]
    LoginTaken,
    #[error("the account that matches would be another person's as well")]
    MatchesSeveralPeople,
    #[error("an account matches, and the person's record is not readable now")]
    RecordUnreadable,
    #[error("{people} people would get accounts with the same {attribute}")]
    DuplicateIdentity { people: usize, attribute: String },
}

impl AccountConflict {
    /// Whether it only matters where an account would be made.
    pub fn is_login_taken(&self) -> bool {
        matches!(self, Self::LoginTaken)
    }
}
