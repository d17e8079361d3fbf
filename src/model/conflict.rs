//! Why it cannot be told which account is whose.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why it cannot be told which account is a person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountConflict {
    /// The account that matches is linked to another person.
    LinkedToAnother {
        /// By which attribute it matches.
        by: String,
    },
    /// The account that carries the person's anchor is linked to another person.
    AnchorTaken {
        /// The attribute that `identity.anchor` names.
        anchor: String,
    },
    /// Several accounts carry the person's anchor.
    SeveralAnchored {
        /// The attribute that `identity.anchor` names.
        anchor: String,
    },
    /// The account that matches carries another value of the anchor.
    AnotherAnchor {
        /// By which attribute it matches.
        by: String,
        /// The attribute that `identity.anchor` names.
        anchor: String,
    },
    /// The account that matches has another value of an earlier attribute.
    AnotherValue {
        /// By which attribute it matches.
        by: String,
        /// Which attribute is another.
        attribute: String,
    },
    /// Several accounts have the person's value of the same attribute.
    Several {
        /// The attribute of `identity.match` whose value they share.
        by: String,
        /// How many accounts match: two or more.
        count: usize,
    },
    /// No account matches, and one that does not has the login.
    LoginTaken,
    /// One matches, and would be another person's as well.
    MatchesSeveralPeople,
    /// One matches, and the person's record cannot be read now.
    RecordUnreadable,
    /// Several people would get accounts that identify the same person.
    DuplicateIdentity {
        /// How many people they are, this one included.
        people: usize,
        /// Which attribute they share.
        attribute: String,
    },
}

impl AccountConflict {
    /// Whether it only matters where an account would be made.
    pub fn is_login_taken(&self) -> bool {
        matches!(self, Self::LoginTaken)
    }
}

impl fmt::Display for AccountConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkedToAnother { by } => {
                write!(f, "the account that matches by {by} is linked to another person")
            }
            Self::AnchorTaken { anchor } => {
                write!(f, "the account with this {anchor} is linked to another person")
            }
            Self::SeveralAnchored { anchor } => {
                write!(f, "several accounts carry the same {anchor}")
            }
            Self::AnotherAnchor { by, anchor } => {
                write!(f, "the account that matches by {by} carries another {anchor}")
            }
            Self::AnotherValue { by, attribute } => {
                write!(f, "the account that matches by {by} has another {attribute}")
            }
            Self::Several { by, count } => write!(f, "{count} accounts match by {by}"),
            Self::LoginTaken => f.write_str("the login is taken by an account that does not match"),
            Self::MatchesSeveralPeople => {
                f.write_str("the account that matches would be another person's as well")
            }
            Self::RecordUnreadable => {
                f.write_str("an account matches, and the person's record is not readable now")
            }
            Self::DuplicateIdentity { people, attribute } => {
                write!(f, "{people} people would get accounts with the same {attribute}")
            }
        }
    }
}
