//! An action as it is planned, before any limit is looked at.

use aws_lc_rs::digest::{SHA256, digest};

use super::order::{self, Place};
use crate::model::{Action, Disposition, FactKey, Why};

/// An action with the facts that it repairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedAction {
    pub action: Action,
    /// The facts that it brings about.
    pub keys: Vec<FactKey>,
    /// It belongs to a leave: such removals do not count against the limit on removals.
    pub leaver: bool,
    /// Why it would be done.
    pub why: Why,
    /// What was decided about it by itself, before any limit was looked at.
    pub disposition: Disposition,
    /// Part of the set of differences that closed requests would explain.
    pub closed_before_first_seen: bool,
    /// It takes back what a withdrawn request gave, which waits for nothing.
    pub taken_back: bool,
    /// It brings somebody back who is hired again: what was there at take-over ends with it.
    pub rehires: bool,
    /// What it would change, as the fact is now. A status that counts as active is `active`: an
    /// expired password makes no other action of it.
    pub before: Option<String>,
}

impl PlannedAction {
    /// What makes this action the same as one that was shown before: person, account, call, values
    /// before and after, origin. Sixteen hexadecimal digits.
    pub(crate) fn fingerprint(&self) -> String {
        // A decision stands although the cause becomes another: the call is the same.
        let Action { person, account, step, origin, cause: _ } = &self.action;
        let (account, before) = (account.as_ref(), self.before.as_deref());
        let text = format!("{person}\n{account:?}\n{origin}\n{step:?}\n{before:?}");
        let hash = digest(&SHA256, text.as_bytes());
        hash.as_ref()[..8].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// Why it is as it is, for a person to read.
    pub(crate) fn reason(&self) -> String {
        self.disposition.reason().unwrap_or_else(|| self.why.to_string())
    }

    /// Nothing stands in its way before any limit is looked at.
    pub(crate) fn is_open(&self) -> bool {
        self.disposition.is_apply()
    }

    /// Whether this cannot come before another action: a leaver loses nothing before the account is
    /// disabled, and nothing is given to an account that is not there.
    pub(crate) fn depends_on(&self, earlier: &Self) -> bool {
        self.action.person == earlier.action.person && self.place().comes_after(earlier.place())
    }

    fn place(&self) -> Place<'_> {
        Place {
            step: self.action.step.kind(),
            revives: self.before.as_deref() == Some("deprovisioned"),
            leaver: self.leaver,
            taken_back: self.taken_back,
            origin: &self.action.origin,
        }
    }
}

/// Puts the actions of all people in order: by urgency, and within it by person.
///
/// The order within one person is kept, because ranks never run against it.
pub(super) fn by_urgency(actions: &mut [PlannedAction]) {
    actions.sort_by(|a, b| {
        let key = |it: &PlannedAction| order::rank(&it.action.step);
        (key(a), &a.action.person).cmp(&(key(b), &b.action.person))
    });
}
