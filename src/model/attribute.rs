//! Why Okta's profile cannot hold a value.

use serde::{Deserialize, Serialize};

/// Why Okta's profile cannot hold a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum AttributeRefusal {
    #[error("Okta's profile has no attribute {0:?}")]
    Unknown(String),
    #[error("{0} is read-only in Okta")]
    ReadOnly(String),
    #[error("{0} is owned by another system in Okta")]
    OwnedElsewhere(String),
    #[error("{0} cannot be changed in Okta once it is set")]
    Immutable(String),
    #[error("Okta requires {0}, and the record has none")]
    Required(String),
    /// `kind` is Okta's type.
    #[error("{attribute} holds a {kind} in Okta, and the mapping gives text")]
    Type { attribute: String, kind: String },
    #[error("{attribute} would be {length} characters long, and Okta takes {max}")]
    TooLong { attribute: String, length: usize, max: u32 },
    /// A directory does, by `credentials.provider.type`.
    #[error("the profile is owned by {provider} and has to be changed there")]
    Mastered { provider: String },
}
