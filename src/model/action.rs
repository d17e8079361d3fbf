//! Writes to Okta, as values.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{Account, AccountId, AccountStatus, Cause, FactKey, GroupId, Origin, SysId, Timestamp};

/// One write to Okta, with its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The person whose account it changes, by the id of their row.
    pub person: SysId,
    /// The account; `None` until it is made: for [`Step::Create`] and what comes after it.
    pub account: Option<AccountId>,
    /// The one call that is made, with everything that it sends.
    pub step: Step,
    /// The request that the journal and the log put it down to, where there is one.
    pub origin: Origin,
    /// What changed to make it due; two limits do not count what a request caused.
    pub cause: Cause,
}

/// One call of Okta's API: a [`StepKind`], with what is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // The fields say it.
pub enum Step {
    /// With up to 20 groups. Without `activate` the account stays staged.
    Create { profile: BTreeMap<String, String>, groups: Vec<GroupId>, activate: bool },
    /// Only these attributes are written.
    Update { changes: BTreeMap<String, Change> },
    /// `mail`: Okta sends its activation mail.
    Activate { mail: bool },
    /// `mail`: as for an activation.
    Reactivate { mail: bool },
    /// Until the suspension is lifted.
    Suspend,
    /// It lifts a suspension.
    Unsuspend,
    /// The account cannot be used until it is activated again.
    Deactivate,
    /// Its tokens are revoked as well.
    ClearSessions,
    /// Puts the account into one group.
    AddMember { group: GroupId },
    /// Takes the account out of one group.
    RemoveMember { group: GroupId },
}

impl Step {
    /// Which call it is, without what is sent.
    pub fn kind(&self) -> StepKind {
        match self {
            Self::Create { .. } => StepKind::Create,
            Self::Update { .. } => StepKind::Update,
            Self::Activate { .. } => StepKind::Activate,
            Self::Reactivate { .. } => StepKind::Reactivate,
            Self::Suspend => StepKind::Suspend,
            Self::Unsuspend => StepKind::Unsuspend,
            Self::Deactivate => StepKind::Deactivate,
            Self::ClearSessions => StepKind::ClearSessions,
            Self::AddMember { .. } => StepKind::AddMember,
            Self::RemoveMember { .. } => StepKind::RemoveMember,
        }
    }

    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    /// Whether it makes an account unusable.
    pub fn disables(&self) -> bool {
        matches!(self, Self::Suspend | Self::Deactivate | Self::ClearSessions)
    }

    /// Whether it takes anything away from anybody.
    pub fn takes_away(&self) -> bool {
        self.disables() || matches!(self, Self::RemoveMember { .. })
    }

    /// Whether an account and its groups are as this would make them, or on their way there. What
    /// leaves no trace (a creation, the end of sessions in use, a mail) is never so.
    ///
    /// Activation and deactivation go on after Okta's answer, shown by `transitioningToStatus`:
    /// <https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/getUser>
    pub fn is_reached(&self, account: &Account, groups: &BTreeSet<GroupId>) -> bool {
        let status = account.transitioning.as_ref().unwrap_or(&account.status);
        match self {
            Self::Update { changes } => changes.iter().all(|(name, change)| {
                account.attribute(name) == change.to.as_deref().unwrap_or("")
            }),
            Self::Activate { .. } | Self::Unsuspend => status.counts_as_active(),
            // In use already: there is nothing left to send an activation for.
            Self::Reactivate { .. } => {
                status.counts_as_active() && *status != AccountStatus::Provisioned
            }
            Self::Suspend => *status == AccountStatus::Suspended,
            // A deactivated account has no sessions either.
            Self::Deactivate | Self::ClearSessions => *status == AccountStatus::Deprovisioned,
            Self::AddMember { group } => groups.contains(group),
            Self::RemoveMember { group } => !groups.contains(group),
            Self::Create { .. } => false,
        }
    }

    /// The groups whose members it changes.
    pub fn groups(&self) -> &[GroupId] {
        match self {
            Self::Create { groups, .. } => groups,
            Self::AddMember { group } | Self::RemoveMember { group } => std::slice::from_ref(group),
            _ => &[],
        }
    }

    /// The group it is about.
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::AddMember { group } | Self::RemoveMember { group } => Some(group),
            _ => None,
        }
    }
}

words! {
    /// The kinds of [`Step`], by their names in documentation, reports, the journal and the log.
    #[derive(Serialize, Deserialize)]
    pub enum StepKind {
        /// Makes the account, with its profile.
        Create = "create",
        /// Writes attributes of the profile.
        Update = "update",
        /// Make a staged or deactivated account usable.
        Activate = "activate",
        /// Send the activation mail of an account that is activated and never used.
        Reactivate = "reactivate",
        /// Suspends an account that counts as active.
        Suspend = "suspend",
        /// Lifts a suspension that was set here.
        Unsuspend = "unsuspend",
        /// Deactivates the account of a leaver.
        Deactivate = "deactivate",
        /// End its sessions and revoke its tokens.
        ClearSessions = "clear_sessions",
        /// Add to a group.
        AddMember = "add_member",
        /// Remove from a group.
        RemoveMember = "remove_member",
    }
}

/// One attribute's change; `None` is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What Okta held when it was compared; an empty text counts as null.
    pub from: Option<String>,
    /// What it should hold.
    pub to: Option<String>,
}

/// How one action ended. `okta_request_id` is `X-Okta-Request-Id` of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // Its head says it.
pub enum Outcome {
    /// Okta answered that it took it.
    Applied { okta_request_id: Option<String> },
    /// It was so already: a read confirmed it.
    AlreadySo { okta_request_id: Option<String> },
    /// Okta refused. `transient`: the same call may succeed later without anything else changing.
    Failed { error: String, okta_request_id: Option<String>, transient: bool },
    /// Sent, no answer: the next read decides.
    Unknown { error: String },
}

/// When an action was done, for the sliding window of the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// When the call was begun, by our clock.
    pub at: Timestamp,
    /// Whose account it was, by the id of their row.
    pub person: SysId,
    /// Which call it was; what it sent stands in the journal only.
    pub step: StepKind,
    /// Which group, where it was about one.
    pub group: Option<GroupId>,
    /// What had made it due: some limits do not count what a request caused.
    pub cause: Cause,
    /// It belonged to a leave.
    pub leaver: bool,
    /// A person released it, so it does not count.
    pub released: bool,
    /// The facts that it brought about.
    pub keys: Vec<FactKey>,
    /// It was answered well, or seen to have taken effect. Otherwise it may have.
    pub seen: bool,
}
