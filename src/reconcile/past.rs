//! What counts beside a plan when it is approved: what was done, what waits, what a person said.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Done, GroupId, HoldSet, StepKind, SysId, Timestamp};

#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    /// How many accounts are managed, of which shares are taken.
    pub managed: u32,
    /// What was done in the window, released actions included.
    pub done: Vec<Done>,
    /// How many members each managed group has now.
    pub group_sizes: BTreeMap<GroupId, u32>,
    /// Fingerprints of actions that a person released.
    pub released: BTreeSet<String>,
    /// Fingerprints of actions that a person dismissed, with who did and why: not carried out, and
    /// not said again.
    pub dismissed: BTreeMap<String, String>,
    /// What waits already and is not decided now: a set is no smaller because only a part of it
    /// is decided again.
    pub waiting: Vec<Waiting>,
    /// Sets of which something still waits for a decision, and since when. What was released out
    /// of such a set counts with the rest of it: a release of some must not let the others through.
    pub undecided: BTreeMap<HoldSet, Timestamp>,
    pub implausible: Option<String>,
    /// The first cycle over an empty store while requests are already closed.
    pub empty_store: bool,
}

/// An action that waits as part of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub fingerprint: String,
    pub set: HoldSet,
    pub person: SysId,
    pub step: StepKind,
    pub group: Option<GroupId>,
    pub reason: String,
}
