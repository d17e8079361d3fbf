//! Identifiers: opaque, case-sensitive texts that are checked once, where they enter.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that cannot be an identifier, because it could change the meaning of a query or a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} is not usable: {why}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
    why: &'static str,
}

/// `ServiceNow` ids are not always 32 hex digits, so they stay opaque; what would alter an encoded
/// query is refused. Okta ids are letters, digits, `-` and `_`, so one rule serves both.
fn check(kind: &'static str, text: &str) -> Result<String, InvalidId> {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > 100 {
        "it is longer than 100 characters"
    } else if text.chars().any(|c| !(c.is_ascii_alphanumeric() || "-_.:".contains(c))) {
        "only letters, digits and - _ . : may stand in it"
    } else if text.chars().all(|c| c == '.') {
        "it would change the meaning of a path"
    } else {
        return Ok(text.to_owned());
    };
    Err(InvalidId { kind, text: text.chars().take(40).collect(), why })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal,)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl $name {
            /// Takes a text as this identifier, or says why it cannot be one.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check($kind, text).map(Self)
            }

            /// The identifier as text, as the other system spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// The `sys_id` of a ServiceNow row (a person, a request, a catalog item).
    SysId = "sys_id",
    /// The id of an Okta user, such as `00u1ab…`.
    AccountId = "Okta user id",
    /// The id of an Okta group, such as `00g1ab…`.
    GroupId = "Okta group id",
    /// The number of a requested item (`RITM0010001`) or of its order (`REQ0010001`).
    RequestNumber = "request number",
}

/// A requested item and the order that it belongs to: the thread that every action carries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestRef {
    /// The requested item, `RITM…`.
    pub number: RequestNumber,
    /// Its order, `REQ…`. `None` for the moment in which ServiceNow has not committed it yet.
    pub parent: Option<RequestNumber>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_not_hex_is_kept_as_it_is() {
        assert_eq!(SysId::parse("glean_user_Role").unwrap().as_str(), "glean_user_Role");
    }

    #[test]
    fn an_id_that_would_change_a_query_or_a_path_is_refused() {
        for text in ["", "a^b", "a=b", "a,b", "a b", "../x", "..", "a/b", "javascript:gs.x()"] {
            assert!(SysId::parse(text).is_err(), "{text} was accepted");
        }
    }
}
