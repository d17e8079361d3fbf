//! What Okta holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AccountId, GroupId};

/// An Okta user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Okta's id.
    pub id: AccountId,
    /// Where it stands in Okta's life cycle.
    pub status: AccountStatus,
    /// The status that an asynchronous change is on its way to, while it is.
    pub transitioning: Option<AccountStatus>,
    /// Profile attributes that are set; an absent one is null. Values that are not strings are
    /// kept as their JSON text.
    pub profile: BTreeMap<String, String>,
    /// `credentials.provider.type`: `OKTA`, `ACTIVE_DIRECTORY`, … Empty where it was not sent.
    pub provider: String,
    /// `lastUpdated` as sent (RFC 3339).
    pub last_updated: String,
}

impl Account {
    /// One profile attribute; empty where it is null.
    pub fn attribute(&self, name: &str) -> &str {
        self.profile.get(name).map_or("", String::as_str)
    }

    /// The name that the person signs in with.
    pub fn login(&self) -> &str {
        self.attribute("login")
    }
}

/// Okta's user status.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountStatus {
    /// Created, never activated.
    Staged,
    /// Activated, waiting for the person's first sign-in.
    Provisioned,
    /// In use.
    Active,
    /// The password is being reset.
    Recovery,
    /// The password has expired.
    PasswordExpired,
    /// Too many wrong passwords.
    LockedOut,
    /// Suspended.
    Suspended,
    /// Deactivated.
    Deprovisioned,
    /// A status that Okta added later, kept as sent and never acted on.
    Other(String),
}

impl AccountStatus {
    /// Reads Okta's spelling. Never fails: what is unknown becomes [`AccountStatus::Other`].
    pub fn from_okta(text: &str) -> Self {
        match text {
            "STAGED" => Self::Staged,
            "PROVISIONED" => Self::Provisioned,
            "ACTIVE" => Self::Active,
            "RECOVERY" => Self::Recovery,
            "PASSWORD_EXPIRED" => Self::PasswordExpired,
            "LOCKED_OUT" => Self::LockedOut,
            "SUSPENDED" => Self::Suspended,
            "DEPROVISIONED" => Self::Deprovisioned,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Okta's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Staged => "STAGED",
            Self::Provisioned => "PROVISIONED",
            Self::Active => "ACTIVE",
            Self::Recovery => "RECOVERY",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::LockedOut => "LOCKED_OUT",
            Self::Suspended => "SUSPENDED",
            Self::Deprovisioned => "DEPROVISIONED",
            Self::Other(text) => text,
        }
    }

    /// Whether the account can be used, or could be as soon as its owner does something about it.
    pub fn counts_as_active(&self) -> bool {
        use AccountStatus as S;
        matches!(self, S::Active | S::Provisioned | S::Recovery | S::PasswordExpired | S::LockedOut)
    }
}

/// An Okta group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Okta's id.
    pub id: GroupId,
    /// Its name now; it may be renamed.
    pub name: String,
    /// Who owns its membership.
    pub kind: GroupKind,
    /// An active group rule assigns to it, so its membership follows attributes. A group as Okta
    /// shows it does not say so, and has it false: the store knows.
    pub rule_fed: bool,
}

/// Okta's group type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKind {
    /// `OKTA_GROUP`: membership can be written.
    Okta,
    /// `APP_GROUP`: fed by a directory or an application.
    App,
    /// `BUILT_IN` (Everyone), or a type that is not known: never written.
    BuiltIn,
}

impl Group {
    /// Who decides about its members, where we never do.
    pub fn owner(&self) -> Option<GroupOwner> {
        match (self.kind, self.rule_fed) {
            (GroupKind::App, _) => Some(GroupOwner::Application),
            (GroupKind::BuiltIn, _) => Some(GroupOwner::Okta),
            (GroupKind::Okta, true) => Some(GroupOwner::GroupRule),
            (GroupKind::Okta, false) => None,
        }
    }
}

/// Who decides about the members of a group that is never written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum GroupOwner {
    #[error("the group is fed by an application (APP_GROUP)")]
    Application,
    #[error("the group is built in and kept by Okta itself")]
    Okta,
    #[error("an Okta group rule decides who is in it")]
    GroupRule,
}
