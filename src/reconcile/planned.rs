//! An action as it is planned, before any limit is looked at, and the order of actions: the only
//! place that says which cannot come before which.

use std::cmp::Ordering;

use aws_lc_rs::digest::{SHA256, digest};

use crate::model::{Action, Disposition, Done, FactKey, Origin, Step, StepKind, Timestamp, Why};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedAction {
    pub action: Action,
    pub keys: Vec<FactKey>,
    /// It belongs to a leave: such removals do not count against the limit on removals.
    pub leaver: bool,
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

    /// How it will count once it is begun: what others have been allowed leaves less room.
    pub(crate) fn as_done(&self, released: bool, now: Timestamp) -> Done {
        let Action { person, step, cause, .. } = &self.action;
        Done {
            at: now,
            person: person.clone(),
            step: step.kind(),
            group: step.group().cloned(),
            cause: *cause,
            leaver: self.leaver,
            released,
            keys: self.keys.clone(),
            seen: true,
        }
    }

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

/// What the order within one person goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) step: StepKind,
    /// It brings a deactivated account back.
    pub(super) revives: bool,
    pub(super) leaver: bool,
    pub(super) taken_back: bool,
    pub(super) origin: &'a Origin,
}

impl Place<'_> {
    /// Whether this makes no sense, or does harm, before the other one is done.
    pub(super) fn comes_after(self, earlier: Place<'_>) -> bool {
        use StepKind as S;
        match (earlier.step, self.step) {
            // Where the record alone disables, only what was revoked by itself goes.
            (S::Deactivate, S::RemoveMember) => earlier.leaver && !self.taken_back,
            (S::Deactivate, S::ClearSessions)
            | (S::Create, S::Activate | S::Reactivate | S::Update | S::AddMember)
            | (S::Activate, S::Reactivate) => true,
            (S::Activate, S::Update | S::AddMember) => earlier.revives,
            // What somebody had before goes when they come back; a revoke waits for nobody.
            (S::Activate, S::RemoveMember) => {
                earlier.revives && !self.leaver && self.origin == earlier.origin
            }
            _ => false,
        }
    }
}

/// Leavers first, then suspensions, removals, joins, the rest.
pub(super) fn rank(step: &Step) -> u8 {
    match step {
        Step::ClearSessions | Step::Deactivate => 0,
        Step::Suspend => 1,
        Step::RemoveMember { .. } => 2,
        Step::Create { .. } | Step::Activate { .. } | Step::Unsuspend => 3,
        Step::Update { .. } | Step::AddMember { .. } => 4,
        Step::Reactivate { .. } => 5,
    }
}

/// The order of all people's actions. That within one person is kept, because ranks never run
/// against it.
pub(super) fn by_urgency(a: &PlannedAction, b: &PlannedAction) -> Ordering {
    let key = |it: &PlannedAction| rank(&it.action.step);
    (key(a), &a.action.person).cmp(&(key(b), &b.action.person))
}
