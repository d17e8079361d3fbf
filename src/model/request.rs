//! What was asked for, and whether it counts.

use super::words::words;
use super::{GroupId, Record, RequestNumber, RequestRef, SysId, Timestamp};

/// A `sc_req_item` row, with the approval of its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The row's `sys_id`, which people do not see: they know the number.
    pub sys_id: SysId,
    /// Its number and its order's.
    pub reference: RequestRef,
    /// Its order's `sys_id`. Empty until the order is there.
    pub order: String,
    /// The catalog item's `sys_id`.
    pub item: String,
    /// The name that the configuration has for the item: the item's own may change, or be
    /// translated.
    pub item_name: String,
    /// `state`, read as what it means.
    pub state: RequestState,
    /// `approval` of the item itself, as stored: `approved`, `requested`, `rejected`, …
    pub approval: String,
    /// `approval` of its order (`request.approval`), as stored. Empty until the order is there.
    pub order_approval: String,
    /// Whom it is for: the item's own `requested_for`, else the order's. Empty if neither.
    pub requested_for: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When the row was created.
    pub created_at: Timestamp,
    /// Catalog variables that the configuration names, by name, without the `variables.` prefix.
    pub variables: Record,
    /// Further fields of the row that the configuration names, dot-walks spelled as asked for.
    pub fields: Record,
    /// `sys_updated_on`, as sent (`YYYY-MM-DD HH:MM:SS`, UTC).
    pub updated_on: String,
    /// `sys_mod_count`: it grows with every change that ServiceNow stores.
    pub mod_count: u64,
}

words! {
    /// `task.state`, by its stock values: -5, 1 and 2 are open, 3, 4 and 7 are closed.
    pub enum RequestState {
        /// Pending, open or in progress, or a state of the customer's while the row is active.
        Open = "open",
        /// Closed complete (or the configured `state_done`).
        Complete = "closed complete",
        /// Closed without having been done.
        Incomplete = "closed incomplete",
        /// Closed because it was skipped.
        Skipped = "closed skipped",
        /// Cancelled, or inactive in a state of the customer's after a rejection or cancellation.
        Cancelled = "cancelled",
    }
}

impl RequestState {
    /// Whether nobody works on it any more.
    pub fn is_closed(self) -> bool {
        self != Self::Open
    }

    /// Whether it was closed without being carried out.
    pub fn is_withdrawn(self) -> bool {
        matches!(self, Self::Incomplete | Self::Skipped | Self::Cancelled)
    }
}

words! {
    /// What a catalog item means, in the order of the configuration's documentation.
    pub enum Operation {
        /// A joiner or a rehire: an active account with its groups.
        Join = "join",
        /// A mover: profile and birthright groups follow the record.
        Move = "move",
        /// A leaver: sessions cleared, deactivated, memberships removed.
        Leave = "leave",
        /// A leave of absence.
        Suspend = "suspend",
        /// Back from a leave of absence.
        Resume = "resume",
        /// Membership in the groups that the request names.
        Grant = "grant",
        /// No membership in them.
        Revoke = "revoke",
    }
}

impl Operation {
    /// Whether it says something about the account itself, rather than about groups.
    pub fn is_lifecycle(self) -> bool {
        !matches!(self, Self::Grant | Self::Revoke)
    }
}

/// What a request says, as texts, before people and groups are looked up.
///
/// Fixed when the approval is first seen: what is edited afterwards was not approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestText {
    /// What it asks for.
    pub operation: Operation,
    /// People, as `sys_id`, user name or e-mail, comma-separated.
    pub person: String,
    /// Groups, as names, ids or ids of the look-up table, separated by commas or new lines.
    pub groups: String,
    /// When it begins; empty for at once.
    pub starts: String,
    /// When it ends (for a leave: the last day); empty for never.
    pub ends: String,
}

/// What a request asks for, with people and groups looked up and dates read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What it asks for.
    pub operation: Operation,
    /// For whom: at least one person, each of them decided about alone.
    pub people: Vec<SysId>,
    /// Which groups: to grant, to revoke, or to have from the start.
    pub groups: Vec<GroupId>,
    /// In force from then on (for a leave: the end of the last day).
    pub starts: Option<Timestamp>,
    /// No longer in force from then on.
    pub ends: Option<Timestamp>,
}

words! {
    /// Whether a request counts.
    pub enum Approval {
        /// Not approved yet: nothing that it names is looked up.
        Waiting = "waiting",
        /// Approved, or in need of no approval; `starts` may still be to come.
        Approved = "approved",
        /// Rejected, cancelled, closed incomplete or skipped.
        Withdrawn = "withdrawn",
    }
}

/// A request that [`Terms`] could be made of: the unit that policy decides from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRequest {
    /// Its number and its order's: the thread that every action for it carries.
    pub reference: RequestRef,
    /// What it asks for.
    pub terms: Terms,
    /// Whether it counts: what took effect never goes back to waiting.
    pub approval: Approval,
    /// The later of opened and `starts`: its place in the order in which requests are folded.
    pub effective: Timestamp,
    /// Breaks ties of `effective`, before the number does.
    pub created_at: Timestamp,
    /// It was closed before it was first seen: it explains what is, and changes nothing.
    pub closed_before_first_seen: bool,
    /// Nobody works on it any more in ServiceNow, whatever it was closed as.
    pub closed: bool,
    /// Its part only compares and reports (`mode = "observe"`).
    pub observe: bool,
    /// Okta was once seen to be as it says, or was changed for it.
    pub took_effect: bool,
}

impl ResolvedRequest {
    /// Whether it was rejected, cancelled or closed incomplete after it took effect.
    pub fn was_withdrawn(&self) -> bool {
        self.approval == Approval::Withdrawn && self.took_effect
    }

    /// Whether it is approved and its time has come. It stays so after its `ends`, which then
    /// acts at its place. When it was opened does not count: that may be by another clock.
    pub fn in_force(&self, now: Timestamp) -> bool {
        let has_started = self.terms.starts.is_none_or(|starts| starts <= now);
        self.approval == Approval::Approved && has_started
    }

    /// Its place in the order in which requests are replayed.
    pub fn place(&self) -> (Timestamp, Timestamp, &RequestNumber) {
        (self.effective, self.created_at, &self.reference.number)
    }

    /// Whether its `ends` has passed.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.terms.ends.is_some_and(|ends| ends <= now)
    }
}
