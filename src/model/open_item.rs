//! What is not as it should be, and why: a difference that waits, is blocked or only reported, with
//! the action that would remove it where there is one.

use std::collections::BTreeMap;

use super::{Cause, Change, Disposition, FactKey, GroupId, HoldSet, Origin, StepKind, SysId};

/// One thing about a person that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenItem {
    /// The person whom it is about, with an account or without.
    pub person: SysId,
    /// Which facts it is about, the most telling first.
    pub facts: Vec<FactKey>,
    /// How the first of them should be; `None` is null.
    pub desired: Option<String>,
    /// How it is; `None` is null.
    pub actual: Option<String>,
    /// Where the desired fact comes from.
    pub origin: Origin,
    /// Why the two differ now.
    pub cause: Cause,
    /// What is done about it, and if nothing is, why.
    pub disposition: Disposition,
    /// The action that waits; `None` where no decision about an action could help.
    pub action: Option<OpenAction>,
}

/// An action that waits for a person's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAction {
    /// What makes it the same action in every cycle: a decision is about this.
    pub fingerprint: String,
    /// What it would do.
    pub step: StepKind,
    /// The group whose members it would change.
    pub group: Option<GroupId>,
    /// Groups that an account would get at its creation.
    pub groups: Vec<GroupId>,
    /// Profile attributes that it would write.
    pub changes: BTreeMap<String, Change>,
    /// The set that it waits in, where a whole kind of action does.
    pub set: Option<HoldSet>,
}
