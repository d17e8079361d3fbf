//! Writes to Okta, as values.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{Account, AccountId, AccountStatus, Cause, FactKey, GroupId, Origin, SysId, Timestamp};

/// One write to Okta, with its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// For whom.
    pub person: SysId,
    /// The account; `None` only for [`Step::Create`].
    pub account: Option<AccountId>,
    /// What to call.
    pub step: Step,
    /// Where it comes from.
    pub origin: Origin,
    /// Why now.
    pub cause: Cause,
}

/// One call of Okta's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the account with its profile and up to 20 groups.
    Create {
        /// Attribute to value.
        profile: BTreeMap<String, String>,
        /// Groups to be a member of from the start.
        groups: Vec<GroupId>,
        /// Activate it in the same call; otherwise it stays staged.
        activate: bool,
    },
    /// Write only these attributes.
    Update {
        /// Attribute to its change.
        changes: BTreeMap<String, Change>,
    },
    /// Make a staged or deactivated account usable.
    Activate {
        /// Whether Okta sends its activation mail.
        mail: bool,
    },
    /// Send the activation mail of an account that is activated and never used.
    Reactivate {
        /// Whether Okta sends the mail.
        mail: bool,
    },
    /// Suspend an active account.
    Suspend,
    /// Lift a suspension.
    Unsuspend,
    /// Deactivate the account.
    Deactivate,
    /// End its sessions and revoke its tokens.
    ClearSessions,
    /// Add to a group.
    AddMember {
        /// The group.
        group: GroupId,
    },
    /// Remove from a group.
    RemoveMember {
        /// The group.
        group: GroupId,
    },
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

    /// The contract's name for this kind of action.
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

    /// Whether an account and the groups that it is in are as this would make them, or on their
    /// way there. What leaves no trace in them (a creation, the end of sessions in use, a mail)
    /// is never so.
    ///
    /// Activation and deactivation go on for a while after Okta's answer, and show as
    /// `transitioningToStatus` meanwhile:
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
        /// Create the account.
        Create = "create",
        /// Write attributes.
        Update = "update",
        /// Make a staged or deactivated account usable.
        Activate = "activate",
        /// Send the activation mail again.
        Reactivate = "reactivate",
        /// Suspend.
        Suspend = "suspend",
        /// Lift a suspension.
        Unsuspend = "unsuspend",
        /// Deactivate.
        Deactivate = "deactivate",
        /// End sessions.
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
    /// What Okta holds.
    pub from: Option<String>,
    /// What it should hold.
    pub to: Option<String>,
}

/// How one action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Okta took it.
    Applied {
        /// `X-Okta-Request-Id` of the answer.
        okta_request_id: Option<String>,
    },
    /// It was so already: a read confirmed it.
    AlreadySo {
        /// `X-Okta-Request-Id` of the answer.
        okta_request_id: Option<String>,
    },
    /// Okta refused.
    Failed {
        /// What Okta said, in words.
        error: String,
        /// `X-Okta-Request-Id` of the answer.
        okta_request_id: Option<String>,
        /// Whether the same call may succeed later without anything else changing.
        transient: bool,
    },
    /// Sent, no answer: the next read decides.
    Unknown {
        /// What happened to the connection.
        error: String,
    },
}

/// When an action was done, for the sliding window of the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// When.
    pub at: Timestamp,
    /// For whom.
    pub person: SysId,
    /// What was done.
    pub step: StepKind,
    /// Which group, where it was about one.
    pub group: Option<GroupId>,
    /// Why.
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
