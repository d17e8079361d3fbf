//! What every kind of fact is derived from.

use std::collections::BTreeSet;

use super::Policy;
use super::timeline::Timeline;
use crate::model::{GroupId, PersonState, Timestamp};

/// The groups that birthright rules speak of, resolved to ids, in the order of `Policy::groups`.
/// `None` where a rule's group is not known.
pub(crate) type RuleGroups = [Option<GroupId>];

/// What every kind of fact is derived from.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) state: &'a PersonState,
    /// Memberships that still count as there at take-over.
    pub(super) baseline: &'a BTreeSet<GroupId>,
    pub(super) policy: &'a Policy,
    pub(super) rule_groups: &'a RuleGroups,
    pub(super) timeline: &'a Timeline<'a>,
    pub(super) now: Timestamp,
}
