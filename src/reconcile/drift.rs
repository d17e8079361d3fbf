//! A difference between how Okta should be and how it is: the word that comparing, planning and
//! reporting share.

use crate::model::{Cause, Change, FactKey, Origin};

/// What is to be done about one difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disposition {
    /// Repair it.
    Apply,
    /// It waits for a person's yes.
    Hold,
    /// Only said.
    Report,
    /// Never written to, by configuration or because of what it is.
    Protected,
    /// Nobody's business here.
    Unmanaged,
    /// It cannot be carried out.
    Blocked,
}

impl Disposition {
    /// The word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Hold => "hold",
            Self::Report => "report",
            Self::Protected => "protected",
            Self::Unmanaged => "unmanaged",
            Self::Blocked => "blocked",
        }
    }
}

/// What removes a difference. Several differences of a profile are one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Create the account, activated or staged.
    Create {
        /// Activate it.
        activate: bool,
    },
    /// Activate a staged account.
    Activate,
    /// Bring a deactivated account back: activate without mail, profile, then mail.
    Revive,
    /// Send the mail that was left out when the account was brought back.
    Mail,
    /// Lift the suspension.
    Unsuspend,
    /// Suspend.
    Suspend,
    /// Clear sessions, then deactivate.
    Deactivate,
    /// Only clear the sessions: nothing else is possible in this status.
    ClearSessions,
    /// Write the attribute.
    Update,
    /// Add to the group.
    Add,
    /// Remove from the group.
    Remove,
}

impl Remedy {
    /// The contract's name of the action that it comes down to.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Activate | Self::Revive => "activate",
            Self::Mail => "reactivate",
            Self::Unsuspend => "unsuspend",
            Self::Suspend => "suspend",
            Self::Deactivate => "deactivate",
            Self::ClearSessions => "clear_sessions",
            Self::Update => "update",
            Self::Add => "add_member",
            Self::Remove => "remove_member",
        }
    }
}

/// One difference between a desired and an actual fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Which fact.
    pub key: FactKey,
    /// How it should be; `None` is null.
    pub desired: Option<String>,
    /// How it is; `None` is null.
    pub actual: Option<String>,
    /// Where the desired fact comes from.
    pub origin: Origin,
    /// Why the two differ now.
    pub cause: Cause,
    /// What is to be done.
    pub disposition: Disposition,
    /// What removes it, where something does.
    pub remedy: Option<Remedy>,
    /// Why it is so, for a person to read.
    pub reason: String,
    /// Part of the set of differences that closed requests would explain.
    pub closed_before_first_seen: bool,
    /// Its part of the configuration only observes: this would be done, and is not.
    pub observed: bool,
}

impl Drift {
    /// Whether it waits for something other than a person's yes to an action.
    pub fn is_stuck(&self) -> bool {
        self.disposition == Disposition::Hold && self.remedy.is_none()
    }

    /// Whether it is a status that Okta has no way to, from where the account is.
    pub fn has_no_way(&self) -> bool {
        self.disposition == Disposition::Blocked && self.remedy == Some(Remedy::ClearSessions)
    }

    /// The profile change that removes it, where it is one.
    pub fn change(&self) -> Change {
        Change { from: self.actual.clone(), to: self.desired.clone() }
    }
}
