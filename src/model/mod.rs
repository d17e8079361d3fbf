//! The words of the program: plain values, without input or output.
//!
//! A [`Person`] is a row of ServiceNow's `sys_user`, an [`Account`] and a [`Group`] are Okta's, a
//! [`Request`] is a requested item (`sc_req_item`). "User" is avoided: it could be either side's.

pub mod account;
pub mod action;
pub mod approver;
pub mod attribute;
pub mod conflict;
pub mod disposition;
pub mod fact;
pub mod hold_set;
pub mod id;
pub mod open_item;
pub mod pause;
pub mod person;
pub mod request;
pub mod shared_cause;
pub(crate) mod shown;
pub mod state;
mod words;

pub use account::{Account, AccountStatus, Group, GroupKind, GroupOwner};
pub use action::{Action, Change, Done, Outcome, Step, StepKind};
pub use approver::{Approver, ApproversByTask, approver_names, approvers_of};
pub use attribute::AttributeRefusal;
pub use conflict::AccountConflict;
pub use disposition::{
    BlockedReason, Disposition, HoldReason, Needs, Observed, ProtectedReason, ReportReason,
    Undecidable, Why,
};
pub use fact::{Cause, FactKey, Origin, Reason};
pub use hold_set::{HoldSet, Limit, LimitCrossed};
pub use id::{AccountId, GroupId, InvalidId, RequestNumber, RequestRef, SysId};
pub use open_item::{OpenAction, OpenFact, OpenItem, Subject};
pub use pause::Pause;
pub use person::{Person, Presence, Record};
pub use request::{
    Approval, Operation, Request, RequestState, RequestText, ResolvedRequest, Terms,
};
pub use shared_cause::SharedCause;
pub(crate) use shared_cause::{gather, tally};
pub use state::{
    AccountHistory, Actual, Candidate, Facts, KnownFact, Link, PersonState, StatusChange,
    Unreadable,
};

/// A moment in UTC. Never read from a clock inside the pure core: it is always an argument.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

#[cfg(test)]
pub(crate) mod testing;
