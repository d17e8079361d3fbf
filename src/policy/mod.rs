//! What should be: requests, records, rules and the time become desired facts.

pub(crate) mod change;
pub mod dates;
pub mod derive;
pub mod dot_walk;
pub mod expression;
pub mod fact;
mod membership;
mod profile;
pub mod resolve;
pub mod status;
pub mod timeline;
mod withdrawal;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;

use crate::model::Operation;
use expression::Expression;

/// The configured policy, compiled.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Okta attribute to the expression over the record that gives its value.
    pub profile: BTreeMap<String, Expression>,
    /// What catalog items mean, in the order of the file.
    pub requests: Vec<RequestRule>,
    /// Birthright groups, in the order of the file.
    pub groups: Vec<GroupRule>,
    /// Okta attributes tried in order to find an existing account.
    pub match_on: Vec<String>,
    /// Custom Okta attribute that keeps the link.
    pub anchor: Option<String>,
    /// Which people have an account.
    pub accounts: Accounts,
    /// What an inactive record without a leave does.
    pub inactive_record: InactiveRecord,
    /// Somebody else suspended, deactivated or deleted the account.
    pub suspended_elsewhere: SuspendedElsewhere,
    /// How long before `starts` the account is made, staged.
    pub create_ahead: Duration,
    /// Whether Okta mails its activation link.
    pub activation_mail: bool,
    /// What is done about a fact that no request accounts for.
    pub unattributed: Disposal,
    /// What is done about a fact that a request established and somebody changed.
    pub drift: Disposal,
    /// Zone of dates without a time.
    pub timezone: Tz,
    /// The whole program only compares and reports.
    pub observe: bool,
}

/// One `[[request]]` block: what a catalog item asks for.
#[derive(Debug, Clone)]
pub struct RequestRule {
    /// The catalog item, by `sys_id` or name.
    pub item: String,
    /// Whether this block is meant, over `variables` and `request`.
    pub when: Option<Expression>,
    /// What the item asks for.
    pub operation: Operation,
    /// Whose approval makes the request count.
    pub approval: ApprovalSource,
    /// For whom; `None` means `requested_for` (only grant and revoke).
    pub person: Option<Expression>,
    /// Names or ids of groups, or rows of `lookup`, in one text; `None` gives none.
    pub groups: Option<Expression>,
    /// The table whose rows `groups` holds.
    pub lookup: Option<Lookup>,
    /// In force from then on.
    pub starts: Option<Expression>,
    /// No longer in force after it.
    pub ends: Option<Expression>,
    /// The last day, for a leave.
    pub last_day: Option<Expression>,
    /// This part only compares and reports.
    pub observe: bool,
}

impl RequestRule {
    /// Everything in it that is evaluated.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let Self { when, person, groups, starts, ends, last_day, .. } = self;
        [when, person, groups, starts, ends, last_day].into_iter().flatten()
    }
}

/// A customer's table that catalog variables refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The table's name in ServiceNow, such as `u_okta_group`.
    pub table: String,
    /// The column that holds a group's name or Okta id.
    pub column: String,
}

/// One `[[group]]` block: a birthright that the record gives.
#[derive(Debug, Clone)]
pub struct GroupRule {
    /// The group, by name or id.
    pub name: String,
    /// Who belongs, over `user`.
    pub when: Expression,
    /// Whoever does not belong is removed, unless a request gives it (`members = "exact"`).
    pub exact: bool,
    /// This part only compares and reports.
    pub observe: bool,
}

/// Whose approval makes a request count, by its block's `approval` key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalSource {
    /// The item's own `approval` field; this is the default.
    Item,
    /// The `approval` field of the item's order.
    Order,
    /// Nobody's: it counts unless it is rejected or cancelled.
    None,
}

/// `lifecycle.accounts`: who gets an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounts {
    /// A join request makes the account.
    Requested,
    /// Every active person has one.
    Active,
}

/// `lifecycle.inactive_record`: what an inactive record does that no leave explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InactiveRecord {
    /// Suspend the account until the record is active again.
    Suspend,
    /// Deactivate the account until the record is active again.
    Deactivate,
    /// Wait for a person's yes.
    Hold,
    /// Change nothing, and say so in the reports.
    Report,
}

/// `lifecycle.suspended_elsewhere`: what is done where somebody else disabled an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuspendedElsewhere {
    /// Leave the account as it is, and say so in the reports.
    Report,
    /// Bring the account back, or make a deleted one again.
    Apply,
}

/// `attribution.*`: what is done about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    /// Repair it, where the limits allow.
    Apply,
    /// Wait for a person's yes.
    Hold,
    /// Change nothing, and say so in the reports.
    Report,
}

#[cfg(test)]
pub(crate) mod testing;
