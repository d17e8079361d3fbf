//! What is to be done about a difference, and if it is not done, why: the one answer that
//! deciding, approving, storing and reporting share. Reasons are data; the sentence is made when
//! it is shown.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    AccountConflict, AttributeRefusal, FactKey, GroupOwner, HoldSet, LimitCrossed, Origin, StepKind,
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

/// Why the two sides differ, which is why it would be repaired.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Why {
    /// A request asks for it.
    AskedFor(Origin),
    /// A birthright rule gives it, by a join or move.
    Birthright {
        /// The rule, by its group's name.
        rule: String,
        /// The join or move.
        origin: Origin,
    },
    /// The request that it came from was withdrawn.
    Withdrawn(Origin),
    /// The record says so.
    Record,
    /// The configuration says so.
    Configuration,
    /// Somebody changed it in Okta.
    ChangedInOkta(Origin),
    /// Somebody was put into a managed group that nothing gives them.
    NothingGivesIt,
    /// The account was brought back and its activation mail is still owed.
    MailOwed,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AskedFor(origin) => write!(f, "asked for by {origin}"),
            Self::Birthright { rule, origin } => {
                write!(f, "birthright of group {rule}, by {origin}")
            }
            Self::Withdrawn(origin) => write!(f, "{origin} was withdrawn"),
            Self::Record => f.write_str("the record in ServiceNow says so"),
            Self::Configuration => f.write_str("the configuration says so"),
            Self::ChangedInOkta(origin) => {
                write!(f, "changed in Okta away from what {origin} established")
            }
            Self::NothingGivesIt => {
                f.write_str("nothing that was asked for or ruled gives this membership")
            }
            Self::MailOwed => f.write_str("it was activated again, and its mail was not sent yet"),
        }
    }
}

/// Why something waits, as it is stored; the sentence is made when it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldReason {
    /// The record is inactive or gone without a leave (`lifecycle.inactive_record = "hold"`).
    InactiveRecord {
        /// The record is gone, rather than inactive.
        gone: bool,
    },
    /// A join whose record is inactive: it waits for the record.
    RecordInactive,
    /// What a withdrawal would enable, disable or give back.
    WithdrawnAfterEffect(Origin),
    /// The request was closed before it was first seen: it explains what is, and changes nothing.
    ClosedBeforeFirstSeen,
    /// No request accounts for it (`attribution.unattributed = "hold"`).
    Unattributed,
    /// Somebody changed it in Okta (`attribution.drift = "hold"`).
    Drift(Why),
    /// A fact that cannot be decided from what the record or the configuration gives.
    Undecidable(Undecidable),
    /// No account can be made without this attribute.
    NeedsAttribute(Box<Disposition>),
    /// It cannot be told which account is the person's.
    Account(AccountConflict),
    /// A rename to a login that another account has.
    LoginTaken,
    /// What was asked for needs an account, and none was asked for.
    NoAccount,
    /// What was asked for needs an account in use.
    AccountDeactivated,
    /// A person decided that it is not to be done.
    Dismissed(Why),
    /// It was corrected often enough: somebody keeps changing it back.
    Contested {
        /// The first fact of the action that was corrected so often.
        fact: FactKey,
        /// Corrections in the window.
        times: u32,
        /// Who changed it last, where Okta's log tells.
        rival: Option<String>,
    },
    /// A limit would be exceeded.
    Limit(LimitCrossed),
    /// The complete read is implausible, for this reason.
    ImplausibleRead(String),
    /// The store is new while requests are closed already.
    EmptyStore,
    /// It comes after another action of the same person, which waits.
    After {
        /// The action of the same person that has to come first.
        step: StepKind,
        /// What that action waits for.
        reason: Box<HoldReason>,
        /// A person released this one.
        released: bool,
    },
    /// It comes after another action of the same person, which is only observed.
    AfterObserved(String),
    /// An earlier version of the store kept only the sentence.
    Recorded(String),
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
        )
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

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InactiveRecord { gone } => write!(f, "{}", inactive_text(*gone)),
            Self::RecordInactive => f.write_str("the person's record in ServiceNow is inactive"),
            Self::WithdrawnAfterEffect(origin) => {
                write!(f, "{origin} was withdrawn after it took effect")
            }
            Self::ClosedBeforeFirstSeen => f.write_str(
                "the request was closed before it was first seen, and Okta differs from it",
            ),
            Self::Unattributed => f.write_str("no request accounts for it"),
            Self::Drift(why) | Self::Dismissed(why) => why.fmt(f),
            Self::Undecidable(what) => what.fmt(f),
            Self::NeedsAttribute(inner) => f.write_str(&inner.reason().unwrap_or_default()),
            Self::Account(conflict) => conflict.fmt(f),
            Self::LoginTaken => f.write_str("the login is taken by another account"),
            Self::NoAccount => {
                f.write_str("the person has no account in Okta, and none was asked for")
            }
            Self::AccountDeactivated => f.write_str("the person's account in Okta is deactivated"),
            Self::Contested { times, rival, .. } => {
                write!(f, "contested: corrected {times} times, and changed back each time")?;
                rival.as_ref().map_or(Ok(()), |rival| write!(f, ", last by {rival}"))
            }
            Self::Limit(crossed) => crossed.fmt(f),
            Self::ImplausibleRead(why) | Self::Recorded(why) => f.write_str(why),
            Self::EmptyStore => f.write_str(
                "the store is new and requests are closed already: what disables an account \
                 waits unless an open request asks for it",
            ),
            Self::After { step, reason, released: true } => {
                write!(f, "released, and waits for {}: {reason}", step.as_str())
            }
            Self::After { reason, released: false, .. } => reason.fmt(f),
            Self::AfterObserved(why) => write!(f, "it is only observed: {why}"),
        }
    }
}

pub(super) fn inactive_text(gone: bool) -> String {
    format!("the record is {} and no leave says why", if gone { "gone" } else { "inactive" })
}

/// What cannot be decided from what the record or the configuration gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Undecidable {
    /// The person's record is outside `servicenow.users`.
    Outside,
    /// The join waits for the record to be active.
    RecordInactive,
    /// A dot-walked field is empty although its reference is filled: access rules hide it.
    FieldHidden {
        /// The dot-walked field, such as `department.name`.
        field: String,
    },
    /// The expression of an attribute fails on this record.
    Attribute {
        /// The Okta attribute, as `[profile]` names it.
        attribute: String,
        /// What the evaluation said.
        why: String,
    },
    /// The record gives none of what every account needs.
    Empty {
        /// The Okta attribute: `login` or `email`.
        attribute: String,
    },
    /// The `when` of a birthright rule fails on this record.
    Rule {
        /// The rule, by its group's name.
        rule: String,
        /// What the evaluation said.
        why: String,
    },
}

impl fmt::Display for Undecidable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => {
                f.write_str("the person's record is not among those that are managed here")
            }
            Self::RecordInactive => f.write_str("the person's record in ServiceNow is inactive"),
            Self::FieldHidden { field } => {
                write!(f, "`{field}` is empty although what it refers to is filled")
            }
            Self::Attribute { attribute, why } => {
                write!(f, "`{attribute}` cannot be evaluated: {why}")
            }
            Self::Empty { attribute } => write!(f, "the record gives no {attribute}"),
            Self::Rule { rule, why } => {
                write!(f, "`when` of group {rule} cannot be evaluated: {why}")
            }
        }
    }
}

/// Why something is only reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportReason {
    /// Its part of the configuration only observes: what enforcing would do, and why.
    Observed(Box<Observed>),
    /// The record is inactive or gone without a leave (`lifecycle.inactive_record = "report"`).
    InactiveRecord {
        /// The record is gone, rather than inactive.
        gone: bool,
    },
    /// No request accounts for it (`attribution.unattributed = "report"`).
    Unattributed(Why),
    /// Somebody changed it in Okta (`attribution.drift = "report"`).
    Drift(Why),
    /// Somebody else put the account out of use (`lifecycle.suspended_elsewhere = "report"`).
    DisabledElsewhere,
    /// A suspension that neither the journal nor a readable request explains.
    UnexplainedSuspension,
    /// A membership for an account that is deactivated and stays so.
    AccountDeactivated,
    /// The group is gone, and the membership was there once.
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

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.would.reason() {
            Some(reason) => f.write_str(&reason),
            None => self.why.fmt(f),
        }
    }
}

impl fmt::Display for ReportReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observed(observed) => write!(f, "only observed: {observed}"),
            Self::InactiveRecord { gone } => write!(f, "{}", inactive_text(*gone)),
            Self::Unattributed(why) | Self::Drift(why) => why.fmt(f),
            Self::DisabledElsewhere => {
                f.write_str("suspended, deactivated or deleted in Okta by someone else")
            }
            Self::UnexplainedSuspension => {
                f.write_str("suspended in Okta by someone else, and no request explains it")
            }
            Self::AccountDeactivated => {
                f.write_str("the account is deactivated in Okta and takes no memberships")
            }
            Self::GroupDeleted => f.write_str(GROUP_DELETED),
        }
    }
}

const GROUP_DELETED: &str = "the group does not exist in Okta any more";

/// Why something is never written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProtectedReason {
    /// Listed in `guard.protected_users`, by login, e-mail, user name or id.
    Configured,
    /// The account was seen to hold an Okta administrator role.
    Administrator,
    /// Goldthread signs in as this account.
    OwnIdentity,
    /// `guard.protected_groups`, or a group whose members are administrators.
    Group,
}

impl fmt::Display for ProtectedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured => "protected by the configuration",
            Self::Administrator => "the account holds an Okta administrator role",
            Self::OwnIdentity => "Goldthread signs in as this account",
            Self::Group => "the group is protected",
        })
    }
}

/// Why something cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockedReason {
    /// Okta refused it when it was last tried, or took it and shows something else.
    Refused(String),
    /// Okta shows a status that is not known here.
    UnknownStatus,
    /// Okta suspends only `ACTIVE` accounts; the sessions of others are cleared.
    OnlyActiveIsSuspended,
    /// Okta's profile cannot hold it.
    Attribute(AttributeRefusal),
    /// The group is gone.
    GroupDeleted,
    /// Who is in the group is decided elsewhere.
    GroupOwned(GroupOwner),
    /// A birthright rule still gives what a request revokes.
    Birthright {
        /// The rule, by its group's name.
        rule: String,
    },
}

impl fmt::Display for BlockedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::UnknownStatus => f.write_str("Okta shows a status that is not known"),
            Self::OnlyActiveIsSuspended => {
                f.write_str("Okta suspends only active accounts; its sessions are cleared")
            }
            Self::Attribute(refusal) => refusal.fmt(f),
            Self::GroupDeleted => f.write_str(GROUP_DELETED),
            Self::GroupOwned(owner) => owner.fmt(f),
            Self::Birthright { rule } => {
                write!(f, "the birthright rule of group {rule} still gives this membership")
            }
        }
    }
}
