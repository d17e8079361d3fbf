//! Joiner, mover, leaver: a person's requests, replayed in order into where that leaves them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Approval, GroupId, Operation, ResolvedRequest, Timestamp};

/// Where the account should stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DesiredStatus {
    /// Made, but not usable before the start.
    Staged,
    Active,
    Suspended,
    Deactivated,
}

impl DesiredStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deactivated => "deactivated",
        }
    }
}

/// Where a person's requests leave them at a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline<'a> {
    /// The status that they ask for, and the request that says so last.
    pub status: Option<(DesiredStatus, &'a ResolvedRequest)>,
    /// The newest join or move in force: profile and birthright come from it.
    pub placement: Option<&'a ResolvedRequest>,
    /// A join that is approved and not in force yet.
    pub ahead: Option<&'a ResolvedRequest>,
    /// A join in force that no leave has ended.
    pub joined: bool,
    /// The newest request that explains a suspension, or asks to lift it.
    pub suspension: Option<&'a ResolvedRequest>,
    /// The requests that speak for a membership, the newest last.
    pub grants: BTreeMap<GroupId, Vec<&'a ResolvedRequest>>,
    /// The newest request that took a membership away.
    pub denied: BTreeMap<GroupId, &'a ResolvedRequest>,
    /// Groups whose revoke still stands, for the message that a birthright overrules it.
    pub revoked: BTreeMap<GroupId, &'a ResolvedRequest>,
    /// Groups in which a revoke ended what was there at take-over.
    pub unadopted: BTreeSet<GroupId>,
    /// Groups that an earlier request gave and a leave ended.
    pub ended: BTreeSet<GroupId>,
    /// What was there at take-over still counts, because no leave has ended it.
    pub adoption_stands: bool,
    /// The requests, in the order in which they were replayed.
    pub order: Vec<&'a ResolvedRequest>,
    /// The next moment at which this changes by itself.
    pub next: Option<Timestamp>,
}

/// Replays requests in the order of their effective time, then creation, then number.
pub(crate) fn replay(requests: &[ResolvedRequest], now: Timestamp) -> Timeline<'_> {
    let mut timeline = Timeline { adoption_stands: true, ..Timeline::default() };
    let approved = |request: &&ResolvedRequest| request.approval == Approval::Approved;
    let mut order: Vec<_> = requests.iter().filter(approved).collect();
    order.sort_by_key(|request| request.place());
    timeline.next = order
        .iter()
        .flat_map(|resolved| [Some(resolved.effective), resolved.terms.ends])
        .flatten()
        .filter(|moment| *moment > now)
        .min();
    for resolved in order.iter().copied() {
        if resolved.in_force(now) {
            timeline.apply(resolved, now);
        } else if resolved.terms.operation == Operation::Join && timeline.ahead.is_none() {
            timeline.ahead = Some(resolved);
        }
    }
    timeline.order = order;
    timeline
}

impl<'a> Timeline<'a> {
    fn apply(&mut self, resolved: &'a ResolvedRequest, now: Timestamp) {
        let ended = resolved.has_ended(now);
        match resolved.terms.operation {
            Operation::Join if ended => self.leave(resolved),
            Operation::Join => {
                self.status = Some((DesiredStatus::Active, resolved));
                self.joined = true;
                self.placement = Some(resolved);
                self.grant(resolved);
            }
            Operation::Move => {
                self.placement = Some(resolved);
                if !ended {
                    self.grant(resolved);
                }
            }
            Operation::Leave => self.leave(resolved),
            // Who has left comes back by a join only.
            Operation::Suspend | Operation::Resume
                if matches!(self.status, Some((DesiredStatus::Deactivated, _))) => {}
            Operation::Suspend if !ended => self.absence(DesiredStatus::Suspended, resolved),
            Operation::Suspend | Operation::Resume => self.absence(DesiredStatus::Active, resolved),
            Operation::Grant if ended => {
                for group in &resolved.terms.groups {
                    self.denied.insert(group.clone(), resolved);
                }
            }
            Operation::Grant => self.grant(resolved),
            Operation::Revoke => {
                for group in &resolved.terms.groups {
                    self.grants.remove(group);
                    self.denied.insert(group.clone(), resolved);
                    self.revoked.insert(group.clone(), resolved);
                    self.unadopted.insert(group.clone());
                }
            }
        }
    }

    fn absence(&mut self, status: DesiredStatus, resolved: &'a ResolvedRequest) {
        self.status = Some((status, resolved));
        self.suspension = Some(resolved);
    }

    fn leave(&mut self, resolved: &'a ResolvedRequest) {
        self.status = Some((DesiredStatus::Deactivated, resolved));
        self.joined = false;
        self.placement = None;
        self.ended.extend(std::mem::take(&mut self.grants).into_keys());
        self.denied.clear();
        self.revoked.clear();
        self.adoption_stands = false;
    }

    fn grant(&mut self, resolved: &'a ResolvedRequest) {
        for group in &resolved.terms.groups {
            self.grants.entry(group.clone()).or_default().push(resolved);
            self.revoked.remove(group);
        }
    }
}

#[cfg(test)]
mod tests;
