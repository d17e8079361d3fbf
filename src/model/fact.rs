//! Facts: statements of how Okta should be, each with where it comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{GroupId, RequestRef, Timestamp};

/// Which statement about one person is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FactKey {
    /// That there is an account at all.
    Account,
    /// The account's status, such as `active` or `suspended`.
    Status,
    /// One profile attribute, by its name in Okta, such as `department`.
    Profile(String),
    /// Membership of one group.
    Membership(GroupId),
}

impl fmt::Display for FactKey {
    /// As the store and the journal spell it: `status`, `profile:department`, `membership:00g1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account | Self::Status => f.write_str(self.kind()),
            Self::Profile(attribute) => write!(f, "profile:{attribute}"),
            Self::Membership(group) => write!(f, "membership:{group}"),
        }
    }
}

impl FactKey {
    /// Reads back what [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "account" => Some(Self::Account),
            None if text == "status" => Some(Self::Status),
            Some(("profile", attribute)) => Some(Self::Profile(attribute.to_owned())),
            Some(("membership", group)) => GroupId::parse(group).ok().map(Self::Membership),
            _ => None,
        }
    }

    /// The word that reports use for this kind of fact.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Status => "status",
            Self::Profile(_) => "profile",
            Self::Membership(_) => "membership",
        }
    }
}

/// The request that a fact comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Origin {
    /// No request accounts for it.
    None,
    /// It was so when Goldthread took the account over.
    Baseline,
    /// The request that asked for it, or the join or move that placed the person.
    Request(RequestRef),
}

impl Origin {
    /// The request, where there is one.
    pub fn request(&self) -> Option<&RequestRef> {
        if let Self::Request(request) = self { Some(request) } else { None }
    }

    /// Whether no request accounts for the fact.
    pub fn is_unattributed(&self) -> bool {
        self.request().is_none()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("unattributed"),
            Self::Baseline => f.write_str("BASELINE"),
            Self::Request(request) => request.number.fmt(f),
        }
    }
}

words! {
    /// Why the two sides differ now.
    #[derive(Serialize, Deserialize)]
    pub enum Cause {
        /// A request took effect, ended or was withdrawn.
        Request = "request",
        /// The person's record changed.
        Record = "record",
        /// Okta was changed away from what had been established.
        Drift = "drift",
        /// The configuration says something else than before.
        Rule = "rule",
    }
}

/// One thing that speaks for a fact. A membership goes only when none is left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A request, until a moment where it has an end.
    Request {
        /// The requested item that gives it, with its order.
        request: RequestRef,
        /// When it stops speaking for the fact.
        until: Option<Timestamp>,
    },
    /// A birthright rule of the configuration, by its group's name.
    Rule(String),
    /// What the record says, by the profile mapping or `lifecycle`.
    Record,
    /// It was so when Goldthread took the account over.
    Baseline,
}
