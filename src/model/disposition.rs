//! What is to be done about a difference, and if it is not done, why: the one answer that
//! deciding, approving, storing and reporting share. Reasons are data, each beside its sentence.

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{
    AccountConflict, AttributeRefusal, FactKey, GroupOwner, HoldSet, LimitCrossed, Origin,
    StepKind, Unreadable,
};

/// What is to be done about one difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    /// Nothing stands in its way: it is repaired where the limits allow.
    Apply,
    /// It waits: for a person's decision, or for what the reason names.
    Hold(HoldReason),
    /// It is only reported.
    Report(ReportReason),
    /// Never written to, by configuration or because of what it is.
    Protected(ProtectedReason),
    /// It cannot be carried out.
    Blocked(BlockedReason),
}

impl Disposition {
    /// The contract's word, as reports print it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Hold(_) => "hold",
            Self::Report(_) => "report",
            Self::Protected(_) => "protected",
            Self::Blocked(_) => "blocked",
        }
    }

    /// Nothing stands in the way.
    pub fn is_apply(&self) -> bool {
        matches!(self, Self::Apply)
    }

    /// It waits for a person's decision, or for something else to change.
    pub fn is_hold(&self) -> bool {
        matches!(self, Self::Hold(_))
    }

    /// It waits for something else than a person's decision about an action.
    pub fn is_stuck(&self) -> bool {
        matches!(self, Self::Hold(reason) if !reason.can_be_released())
    }

    /// It would be done, or would wait for a decision, if its part of the configuration enforced.
    pub fn is_observed(&self) -> bool {
        matches!(self, Self::Report(ReportReason::Observed(_)))
    }

    /// What enforcing would do about it.
    pub fn enforced(&self) -> &Self {
        match self {
            Self::Report(ReportReason::Observed(observed)) => &observed.would,
            other => other,
        }
    }

    /// Who has to do something before it can end.
    pub fn needs(&self) -> Needs {
        match self {
            Self::Apply | Self::Report(_) | Self::Protected(_) => Needs::Nobody,
            Self::Hold(reason) => reason.needs(),
            Self::Blocked(_) => Needs::Administrator,
        }
    }

    /// The reason for a person to read; `None` where nothing stands in the way.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Apply => None,
            Self::Hold(reason) => Some(reason.to_string()),
            Self::Report(reason) => Some(reason.to_string()),
            Self::Protected(reason) => Some(reason.to_string()),
            Self::Blocked(reason) => Some(reason.to_string()),
        }
    }
}

words! {
    /// Who has to do something before what is open can end.
    #[derive(Serialize, Deserialize)]
    pub enum Needs {
        /// Whoever looks after this program, or after Okta.
        Administrator = "administrator",
        /// Whoever ordered.
        Requester = "requester",
        /// Whoever keeps the records and lists in ServiceNow.
        Servicenow = "servicenow",
        /// It ends by itself, or is meant to be so.
        Nobody = "nobody",
    }
}

/// Why the two sides differ, which is why it would be repaired.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
#[allow(missing_docs)] // The sentences say it.
pub enum Why {
    #[error("asked for by {0}")]
    AskedFor(Origin),
    /// `origin` is the join or move.
    #[error("birthright of group {rule}, by {origin}")]
    Birthright { rule: String, origin: Origin },
    #[error("{0} was withdrawn")]
    Withdrawn(Origin),
    #[error("the record in ServiceNow says so")]
    Record,
    #[error("the configuration says so")]
    Configuration,
    #[error("changed in Okta away from what {0} established")]
    ChangedInOkta(Origin),
    #[error("nothing that was asked for or ruled gives this membership")]
    NothingGivesIt,
    #[error("it was activated again, and its mail was not sent yet")]
    MailOwed,
}

/// Why something waits for a person's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum HoldReason {
    /// `lifecycle.inactive_record = "hold"`.
    #[error("{}", inactive_text(*gone))]
    InactiveRecord { gone: bool },
    /// A join waits for the record.
    #[error("the person's record in ServiceNow is inactive")]
    RecordInactive,
    /// What a withdrawal would enable, disable or give back.
    #[error("{0} was withdrawn after it took effect")]
    WithdrawnAfterEffect(Origin),
    /// It explains what is, and changes nothing.
    #[error("the request was closed before it was first seen, and Okta differs from it")]
    ClosedBeforeFirstSeen,
    /// `attribution.unattributed = "hold"`.
    #[error("no request accounts for it")]
    Unattributed,
    /// `attribution.drift = "hold"`.
    #[error("{0}")]
    Drift(Why),
    #[error("{0}")]
    Undecidable(Undecidable),
    /// No account can be made without an attribute, which itself is not to be had.
    #[error("{}", .0.reason().unwrap_or_default())]
    NeedsAttribute(Box<Disposition>),
    #[error("{0}")]
    Account(AccountConflict),
    /// A rename to a login that another account has.
    #[error("the login is taken by another account")]
    LoginTaken,
    #[error("the person has no account in Okta, and none was asked for")]
    NoAccount,
    #[error("the person's account in Okta is deactivated")]
    AccountDeactivated,
    /// A person decided that it is not to be done.
    #[error("{0}")]
    Dismissed(Why),
    /// `rival` changed it last, where Okta's log tells.
    #[error("contested: corrected {times} times, and changed back each time{}", last_by(rival.as_deref()))]
    Contested { fact: FactKey, times: u32, rival: Option<String> },
    #[error("{0}")]
    Limit(LimitCrossed),
    #[error("{0}")]
    ImplausibleRead(String),
    #[error(
        "the store is new and requests are closed already: what disables an account waits unless \
         an open request asks for it"
    )]
    EmptyStore,
    /// It comes after another action of the same person, which waits for `reason`.
    #[error("{}{reason}", released_for(*step, *released))]
    After { step: StepKind, reason: Box<HoldReason>, released: bool },
    /// It comes after another action of the same person, which is only observed.
    #[error("it is only observed: {0}")]
    AfterObserved(String),
    /// A request cannot be carried out as it stands; `kind` is a word for why.
    #[error("{reason}")]
    RequestWaits { kind: String, reason: String, needs: Needs },
    /// An earlier version of the store kept only the sentence.
    #[error("{0}")]
    Recorded(String),
}

fn inactive_text(gone: bool) -> String {
    format!("the record is {} and no leave says why", if gone { "gone" } else { "inactive" })
}

fn last_by(rival: Option<&str>) -> String {
    rival.map_or_else(String::new, |rival| format!(", last by {rival}"))
}

fn released_for(step: StepKind, released: bool) -> String {
    if released { format!("released, and waits for {}: ", step.as_str()) } else { String::new() }
}

impl HoldReason {
    /// Whether a person's decision about the action can end it. Otherwise something else has to
    /// change first.
    pub fn can_be_released(&self) -> bool {
        !matches!(
            self,
            Self::Undecidable(_)
                | Self::NeedsAttribute(_)
                | Self::Account(_)
                | Self::LoginTaken
                | Self::NoAccount
                | Self::AccountDeactivated
        ) && !matches!(self, Self::RequestWaits { kind, .. } if kind != "changed")
    }

    /// Who can end it.
    pub fn needs(&self) -> Needs {
        match self {
            Self::RequestWaits { needs, .. } => *needs,
            Self::RecordInactive => Needs::Servicenow,
            Self::Undecidable(undecidable) => undecidable.needs(),
            Self::NeedsAttribute(attribute) => attribute.needs(),
            Self::NoAccount | Self::AccountDeactivated => Needs::Requester,
            Self::After { reason, .. } => reason.needs(),
            Self::Dismissed(_) | Self::AfterObserved(_) => Needs::Nobody,
            _ => Needs::Administrator,
        }
    }

    /// Whether time alone may end it: limits slide.
    pub fn slides(&self) -> bool {
        match self {
            Self::Limit(_) => true,
            Self::After { reason, .. } => reason.slides(),
            _ => false,
        }
    }

    /// The set of actions that wait for the same reason, where a whole kind of action does.
    pub fn set(&self) -> Option<HoldSet> {
        match self {
            Self::ClosedBeforeFirstSeen => Some(HoldSet::ClosedRequests),
            Self::Limit(crossed) => Some(crossed.limit.set()),
            Self::ImplausibleRead(_) => Some(HoldSet::ImplausibleRead),
            Self::EmptyStore => Some(HoldSet::EmptyStore),
            Self::After { reason, .. } => reason.set(),
            _ => None,
        }
    }
}

/// What cannot be decided from what the record or the configuration gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum Undecidable {
    /// It is outside `servicenow.users`.
    #[error("the person's record is not among those that are managed here")]
    Outside,
    /// It is refused, out of sight or malformed.
    #[error("how the account is cannot be told: {}", .0.why)]
    Unreadable(Unreadable),
    /// Of somebody without a known account.
    #[error(
        "no account is to be seen, and the credentials do not see every account: there may be one"
    )]
    OutOfSight,
    /// A join waits for the record.
    #[error("the person's record in ServiceNow is inactive")]
    RecordInactive,
    /// Access rules hide a dot-walked field, such as `department.name`.
    #[error("`{field}` is empty although what it refers to is filled")]
    FieldHidden { field: String },
    #[error("`{attribute}` cannot be evaluated: {why}")]
    Attribute { attribute: String, why: String },
    /// Every account needs the attribute.
    #[error("the record gives no {attribute}")]
    Empty { attribute: String },
    /// `rule` is its group's name.
    #[error("`when` of group {rule} cannot be evaluated: {why}")]
    Rule { rule: String, why: String },
}

impl Undecidable {
    fn needs(&self) -> Needs {
        match self {
            Self::Attribute { .. } | Self::Rule { .. } | Self::Unreadable(_) | Self::OutOfSight => {
                Needs::Administrator
            }
            Self::Outside
            | Self::RecordInactive
            | Self::FieldHidden { .. }
            | Self::Empty { .. } => Needs::Servicenow,
        }
    }
}

/// Why something is only reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum ReportReason {
    /// Its part of the configuration only observes: what enforcing would do, and why.
    #[error("only observed: {}", .0.would.reason().unwrap_or_else(|| .0.why.to_string()))]
    Observed(Box<Observed>),
    /// `lifecycle.inactive_record = "report"`.
    #[error("{}", inactive_text(*gone))]
    InactiveRecord { gone: bool },
    /// `attribution.unattributed = "report"`.
    #[error("{0}")]
    Unattributed(Why),
    /// `attribution.drift = "report"`.
    #[error("{0}")]
    Drift(Why),
    /// `lifecycle.suspended_elsewhere = "report"`.
    #[error("suspended, deactivated or deleted in Okta by someone else")]
    DisabledElsewhere,
    /// Neither does the journal.
    #[error("suspended in Okta by someone else, and no request explains it")]
    UnexplainedSuspension,
    #[error("the account is deactivated in Okta and takes no memberships")]
    AccountDeactivated,
    /// The membership was there once.
    #[error("the group does not exist in Okta any more")]
    GroupDeleted,
}

/// What enforcing would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The disposition that enforcing would give it.
    pub would: Disposition,
    /// Why the two sides differ.
    pub why: Why,
}

/// Why something is never written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum ProtectedReason {
    /// `guard.protected_users`.
    #[error("protected by the configuration")]
    Configured,
    #[error("the account holds an Okta administrator role")]
    Administrator,
    #[error("Goldthread signs in as this account")]
    OwnIdentity,
    /// `guard.protected_groups`, or its members are administrators.
    #[error("the group is protected")]
    Group,
}

/// Why something cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[allow(missing_docs)] // The sentences say it.
pub enum BlockedReason {
    /// Okta refused it when it was last tried, or took it and shows something else.
    #[error("{0}")]
    Refused(String),
    #[error("Okta shows a status that is not known")]
    UnknownStatus,
    #[error("Okta suspends only active accounts; its sessions are cleared")]
    OnlyActiveIsSuspended,
    #[error("{0}")]
    Attribute(AttributeRefusal),
    #[error("the group does not exist in Okta any more")]
    GroupDeleted,
    #[error("{0}")]
    GroupOwned(GroupOwner),
    /// A name, a rule or a side that cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// A request revokes it.
    #[error("the birthright rule of group {rule} still gives this membership")]
    Birthright { rule: String },
}
