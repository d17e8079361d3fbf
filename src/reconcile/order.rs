//! The order in which actions are carried out, and which of them cannot come before which: the only
//! place that says so.

use crate::model::{Origin, Step, StepKind};

/// What the order goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) step: StepKind,
    /// It brings a deactivated account back.
    pub(super) revives: bool,
    /// It belongs to a leave.
    pub(super) leaver: bool,
    /// It takes back what a withdrawn request gave, which waits for nothing.
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
