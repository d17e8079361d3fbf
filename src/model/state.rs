//! Everything stored about one person, as one value: what a decision about the person is made from.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Account, AccountId, AccountStatus, Cause, FactKey, GroupId, Operation, Origin, Person,
    Presence, ResolvedRequest, StepKind, Timestamp,
};

/// Everything stored about one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonState {
    /// The row of `sys_user`.
    pub person: Person,
    /// Every resolved request that names the person, whether it is approved or not.
    pub requests: Vec<ResolvedRequest>,
    /// Which account is the person's; it may be deleted in Okta.
    pub link: Option<Link>,
    /// How Okta is, as it was last read.
    pub actual: Actual,
    /// Accounts that have anything of what identifies the person. Of somebody with an account:
    /// those that have the login which the record gives.
    pub candidates: Vec<Candidate>,
    /// Managed groups that the account was in when it, or the group, came under management.
    pub baseline: BTreeSet<GroupId>,
    /// What was desired when the facts were last decided.
    pub known: Facts,
    /// What was done here about the account.
    pub history: AccountHistory,
    /// Why it cannot be told how the account is, or whether there is one; `None` where it can.
    pub unreadable: Option<Unreadable>,
    /// Why the record cannot be read any more; what it said last stands.
    pub record_unreadable: Option<Unreadable>,
}

/// Something of a person that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Why not, for a person to read.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// The account that is a person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The Okta account that it leads to.
    pub account: AccountId,
    /// The request that it was linked by, or `BASELINE`.
    pub origin: Origin,
    /// When it was linked.
    pub since: Timestamp,
    /// It was made here, rather than found.
    pub created_here: bool,
}

/// How Okta is, for one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// The linked account; `None` without a link, or where it was deleted.
    pub account: Option<Account>,
    /// The managed groups that it is in.
    pub groups: BTreeSet<GroupId>,
}

/// An account that may be a person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The account with its profile, as it was last read.
    pub account: Account,
    /// It is linked to another person.
    pub taken: bool,
}

/// What was desired when a fact was last decided, and whether Okta was ever seen to agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFact {
    /// The desired value as reports print it; `None` is null.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// The text of the configuration that it followed from; empty for none.
    pub basis: String,
    /// Okta was seen to agree with it.
    pub in_sync_once: bool,
    /// Why Okta refused this value when it was last tried.
    pub refused: Option<String>,
}

/// What is known of one person's facts, by fact.
pub type Facts = BTreeMap<FactKey, KnownFact>;

/// What was done here about a person's account, as far as later decisions need it. Kept apart
/// from the journal, whose entries have an end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountHistory {
    /// The last thing that was done about its status, and ended well.
    pub last: Option<StatusChange>,
    /// An activation ended well at some time.
    pub activated_here: bool,
    /// The account was brought back without its activation mail, which is to follow.
    pub mail_owed: bool,
}

/// Something that was done about the status of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// The step that ended well.
    pub step: StepKind,
    /// The request's number, `BASELINE`, or `unattributed`.
    pub request: String,
    /// Why it was done.
    pub cause: Cause,
    /// When its answer came.
    pub at: Timestamp,
}

impl Actual {
    /// No account, or a deactivated one: it takes neither memberships nor a profile.
    pub fn is_dormant(&self) -> bool {
        self.account.is_none() || self.is_deactivated()
    }

    /// There is an account, and it is deactivated.
    pub fn is_deactivated(&self) -> bool {
        self.status() == Some(&AccountStatus::Deprovisioned)
    }

    /// The status of the account, where there is one.
    pub fn status(&self) -> Option<&AccountStatus> {
        self.account.as_ref().map(|account| &account.status)
    }
}

impl PersonState {
    /// Whether an account is linked, deleted or not.
    pub fn is_linked(&self) -> bool {
        self.link.is_some()
    }

    /// Whether the linked account is in nobody's use: deactivated, or never activated.
    pub fn is_unused(&self) -> bool {
        matches!(self.actual.status(), Some(AccountStatus::Staged | AccountStatus::Deprovisioned))
    }

    /// Whether the linked account was deleted in Okta.
    pub fn is_deleted(&self) -> bool {
        self.is_linked() && self.actual.account.is_none()
    }

    /// Whether the linked account was made for the person, or activated by a request that was
    /// withdrawn since, rather than found in use.
    pub fn is_created_here(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.created_here)
            || self.history.activated_here
                && self.requests.iter().any(ResolvedRequest::was_withdrawn)
    }

    /// Whether the record is there and active.
    pub fn is_employed(&self) -> bool {
        let gone = matches!(self.person.presence, Presence::Gone | Presence::Vanished);
        self.person.is_active() && !gone
    }

    /// The request whose status the account was last seen to have.
    pub fn effective_status_origin(&self) -> Option<&Origin> {
        let fact = self.known.get(&FactKey::Status).filter(|fact| fact.in_sync_once)?;
        Some(&fact.origin)
    }

    /// Whether the account is suspended, and that was done here and nothing was done since.
    pub fn is_suspended_here(&self) -> bool {
        self.disabled_here().is_some_and(|last| last.step == StepKind::Suspend)
    }

    /// What put the account out of use, where it was done here and nothing was done since.
    pub fn disabled_here(&self) -> Option<&StatusChange> {
        let step = match self.actual.status()? {
            AccountStatus::Suspended => StepKind::Suspend,
            AccountStatus::Deprovisioned => StepKind::Deactivate,
            _ => return None,
        };
        self.history.last.as_ref().filter(|last| last.step == step)
    }

    /// The newest request that names the person, in the order in which requests are replayed.
    pub fn newest_request(&self) -> Option<&ResolvedRequest> {
        self.requests.iter().max_by_key(|request| (request.effective, request.created_at))
    }

    /// The account that is the person's, if there is one.
    pub fn account_id(&self) -> Option<&AccountId> {
        self.actual.account.as_ref().map(|account| &account.id)
    }

    /// The join that a request number stands for, unless it was withdrawn after it took effect.
    pub fn join_of(&self, origin: &Origin) -> Option<&ResolvedRequest> {
        self.requests.iter().find(|request| {
            origin.request() == Some(&request.reference)
                && request.terms.operation == Operation::Join
                && !request.was_withdrawn()
        })
    }
}
