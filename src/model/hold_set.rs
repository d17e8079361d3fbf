//! Sets of actions that wait for one reason, and the limits that make them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::words;

words! {
    /// A set of actions that wait for one reason and are decided about together, by its name. The
    /// one that is said first stands in front.
    #[derive(Serialize, Deserialize)]
    pub enum HoldSet {
        /// What takes away while a complete read is not believed.
        ImplausibleRead = "implausible-read",
        /// What disables in the first cycle over an empty store.
        EmptyStore = "empty-store",
        /// `guard.max_disabled`.
        MaxDisabled = "max-disabled",
        /// `guard.max_removed`.
        MaxRemoved = "max-removed",
        /// `guard.max_group_share`.
        MaxGroupShare = "max-group-share",
        /// `guard.max_changed`.
        MaxChanged = "max-changed",
        /// What only requests ask for that were closed before they were first seen. It waits, and
        /// nothing is wrong.
        ClosedRequests = "closed-requests",
    }
}

impl HoldSet {
    /// Whether a limit holds it that counts several together, in a window that slides.
    pub fn slides(self) -> bool {
        match self {
            Self::MaxDisabled | Self::MaxRemoved | Self::MaxGroupShare | Self::MaxChanged => true,
            Self::ImplausibleRead | Self::EmptyStore | Self::ClosedRequests => false,
        }
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
        self.texts().0
    }

    /// Its set, its key under `[guard]`, and what exceeds it.
    fn texts(self) -> (HoldSet, &'static str, &'static str) {
        match self {
            Self::MaxDisabled => {
                (HoldSet::MaxDisabled, "max_disabled", "accounts would be disabled")
            }
            Self::MaxRemoved => {
                (HoldSet::MaxRemoved, "max_removed", "memberships would be removed")
            }
            Self::MaxGroupShare => {
                (HoldSet::MaxGroupShare, "max_group_share", "members would leave one group")
            }
            Self::MaxChanged => {
                (HoldSet::MaxChanged, "max_changed", "people would be changed without a request")
            }
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
        let (_, key, what) = self.limit.texts();
        write!(f, "{} {what}", self.planned)?;
        if self.before > 0 {
            write!(f, " besides {} in the window", self.before)?;
        }
        write!(f, ", and guard.{key} allows {}", self.allowed)
    }
}
