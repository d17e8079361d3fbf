//! Sets of actions that wait for one reason, and the limits that make them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of actions that wait for one reason and are decided about together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HoldSet {
    /// What takes away while a complete read is not believed.
    ImplausibleRead,
    /// What disables in the first cycle over an empty store.
    EmptyStore,
    /// What disables accounts, beyond `guard.max_disabled` and its share.
    MaxDisabled,
    /// Removals from groups, those of a leave not counted, beyond `guard.max_removed`.
    MaxRemoved,
    /// Removals from one group without a request, beyond `guard.max_group_share`.
    MaxGroupShare,
    /// Changes without a request, to more people than `guard.max_changed` and its share allow.
    MaxChanged,
    /// What only requests ask for that were closed before they were first seen. It waits, and
    /// nothing is wrong.
    ClosedRequests,
}

impl HoldSet {
    /// All of them, the one that is said first in front.
    pub const ALL: [Self; 7] = [
        Self::ImplausibleRead,
        Self::EmptyStore,
        Self::MaxDisabled,
        Self::MaxRemoved,
        Self::MaxGroupShare,
        Self::MaxChanged,
        Self::ClosedRequests,
    ];

    /// The name to decide about it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImplausibleRead => "implausible-read",
            Self::EmptyStore => "empty-store",
            Self::MaxDisabled => "max-disabled",
            Self::MaxRemoved => "max-removed",
            Self::MaxGroupShare => "max-group-share",
            Self::MaxChanged => "max-changed",
            Self::ClosedRequests => "closed-requests",
        }
    }

    /// Reads the name back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.as_str() == word)
    }

    /// Whether holding it means that something is wrong.
    pub fn is_quarantine(self) -> bool {
        self != Self::ClosedRequests
    }
}

/// A limit of `[guard]` that counts in a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Limit {
    /// Suspensions and deactivations, whatever asks for them.
    MaxDisabled,
    /// Membership removals, those of a leave not counted.
    MaxRemoved,
    /// Members of one group who leave it without a request.
    MaxGroupShare,
    /// People changed for another cause than a request.
    MaxChanged,
}

impl Limit {
    /// The set of what it holds.
    pub fn set(self) -> HoldSet {
        match self {
            Self::MaxDisabled => HoldSet::MaxDisabled,
            Self::MaxRemoved => HoldSet::MaxRemoved,
            Self::MaxGroupShare => HoldSet::MaxGroupShare,
            Self::MaxChanged => HoldSet::MaxChanged,
        }
    }

    /// Its key under `[guard]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::MaxDisabled => "max_disabled",
            Self::MaxRemoved => "max_removed",
            Self::MaxGroupShare => "max_group_share",
            Self::MaxChanged => "max_changed",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::MaxDisabled => "accounts would be disabled",
            Self::MaxRemoved => "memberships would be removed",
            Self::MaxGroupShare => "members would leave one group",
            Self::MaxChanged => "people would be changed without a request",
        }
    }
}

/// By how much a limit would be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCrossed {
    /// Which limit it is, whose key the sentence names.
    pub limit: Limit,
    /// What is planned or waits.
    pub planned: u32,
    /// What was done in the window.
    pub before: u32,
    /// How many are allowed.
    pub allowed: u32,
}

impl fmt::Display for LimitCrossed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.planned, self.limit.what())?;
        if self.before > 0 {
            write!(f, " besides {} in the window", self.before)?;
        }
        write!(f, ", and guard.{} allows {}", self.limit.key(), self.allowed)
    }
}
