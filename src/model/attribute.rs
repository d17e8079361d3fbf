//! Why Okta's profile cannot hold a value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why Okta's profile cannot hold a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeRefusal {
    /// The schema does not know the attribute.
    Unknown(String),
    /// Nobody may write it.
    ReadOnly(String),
    /// Another system owns its value.
    OwnedElsewhere(String),
    /// It can be set once.
    Immutable(String),
    /// Every account must have it, and the record gives none.
    Required(String),
    /// It holds something else than text.
    Type {
        /// The attribute's name in Okta.
        attribute: String,
        /// Okta's type of it, such as `array`.
        kind: String,
    },
    /// The value is too long.
    TooLong {
        /// The attribute's name in Okta.
        attribute: String,
        /// Its length in characters.
        length: usize,
        /// The longest that Okta's schema allows, in characters.
        max: u32,
    },
    /// A directory owns the whole profile.
    Mastered {
        /// `credentials.provider.type`: `ACTIVE_DIRECTORY` or `LDAP`.
        provider: String,
    },
}

impl fmt::Display for AttributeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "Okta's profile has no attribute {name:?}"),
            Self::ReadOnly(name) => write!(f, "{name} is read-only in Okta"),
            Self::OwnedElsewhere(name) => {
                write!(f, "{name} is owned by another system in Okta")
            }
            Self::Immutable(name) => write!(f, "{name} cannot be changed in Okta once it is set"),
            Self::Required(name) => write!(f, "Okta requires {name}, and the record has none"),
            Self::Type { attribute, kind } => {
                write!(f, "{attribute} holds a {kind} in Okta, and the mapping gives text")
            }
            Self::TooLong { attribute, length, max } => {
                write!(f, "{attribute} would be {length} characters long, and Okta takes {max}")
            }
            Self::Mastered { provider } => {
                write!(f, "the profile is owned by {provider} and has to be changed there")
            }
        }
    }
}
