//! Joiner, mover, leaver: a person's requests, folded in order into where that leaves them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{GroupId, Instant, Mandate, Operation};

/// Where the account should stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// Made, but not usable before the start.
    Staged,
    /// Usable.
    Active,
    /// Not usable for now.
    Suspended,
    /// Not usable any more.
    Deactivated,
}

impl Wish {
    /// The word that reports use.
    pub fn as_str(self) -> &'static str {
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
pub struct Folded<'a> {
    /// The status that they ask for, and the request that says so last.
    pub status: Option<(Wish, &'a Mandate)>,
    /// The newest join or move in force: profile and birthright come from it.
    pub placement: Option<&'a Mandate>,
    /// A join that is approved and not in force yet.
    pub ahead: Option<&'a Mandate>,
    /// A join in force that no leave has ended.
    pub joined: bool,
    /// The newest request that explains a suspension, or asks to lift it.
    pub suspension: Option<&'a Mandate>,
    /// Requests that speak for a membership.
    pub grants: BTreeMap<GroupId, BTreeSet<usize>>,
    /// The newest request that took a membership away.
    pub denied: BTreeMap<GroupId, &'a Mandate>,
    /// Groups whose revoke still stands, for the message that a birthright overrules it.
    pub revoked: BTreeMap<GroupId, &'a Mandate>,
    /// Groups in which a revoke ended what was there at take-over.
    pub unadopted: BTreeSet<GroupId>,
    /// Groups that an earlier request gave and a leave ended.
    pub ended: BTreeSet<GroupId>,
    /// What was there at take-over still counts, because no leave has ended it.
    pub adoption_stands: bool,
    /// The mandates, in the order in which they were folded; `grants` points into it.
    pub order: Vec<&'a Mandate>,
    /// The next moment at which this changes by itself.
    pub next: Option<Instant>,
}

/// Folds requests in the order of their effective time, then creation, then number.
pub fn fold(mandates: &[Mandate], now: Instant) -> Folded<'_> {
    let mut folded = Folded { adoption_stands: true, ..Folded::default() };
    let mut order: Vec<&Mandate> = mandates
        .iter()
        .filter(|mandate| mandate.standing == crate::model::Standing::Approved)
        .collect();
    order.sort_by(|a, b| {
        (a.effective, a.created_at, &a.request.number).cmp(&(
            b.effective,
            b.created_at,
            &b.request.number,
        ))
    });
    folded.next = order
        .iter()
        .flat_map(|mandate| [Some(mandate.effective), mandate.terms.ends])
        .flatten()
        .filter(|moment| *moment > now)
        .min();
    for (place, mandate) in order.iter().copied().enumerate() {
        if mandate.in_force(now) {
            folded.take(place, mandate, now);
        } else if mandate.terms.operation == Operation::Join && folded.ahead.is_none() {
            folded.ahead = Some(mandate);
        }
    }
    folded.order = order;
    folded
}

impl<'a> Folded<'a> {
    fn take(&mut self, place: usize, mandate: &'a Mandate, now: Instant) {
        let ended = mandate.has_ended(now);
        match mandate.terms.operation {
            Operation::Join if ended => self.leave(mandate),
            Operation::Join => {
                self.status = Some((Wish::Active, mandate));
                self.joined = true;
                self.placement = Some(mandate);
                self.grant(place, mandate);
            }
            Operation::Move => {
                self.placement = Some(mandate);
                if !ended {
                    self.grant(place, mandate);
                }
            }
            Operation::Leave => self.leave(mandate),
            Operation::Suspend => {
                if !self.is_gone() {
                    let wish = if ended { Wish::Active } else { Wish::Suspended };
                    self.status = Some((wish, mandate));
                    self.suspension = Some(mandate);
                }
            }
            Operation::Resume => {
                if !self.is_gone() {
                    self.status = Some((Wish::Active, mandate));
                    self.suspension = Some(mandate);
                }
            }
            Operation::Grant if ended => {
                for group in &mandate.terms.groups {
                    self.denied.insert(group.clone(), mandate);
                }
            }
            Operation::Grant => self.grant(place, mandate),
            Operation::Revoke => {
                for group in &mandate.terms.groups {
                    self.grants.remove(group);
                    self.denied.insert(group.clone(), mandate);
                    self.revoked.insert(group.clone(), mandate);
                    self.unadopted.insert(group.clone());
                }
            }
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self.status, Some((Wish::Deactivated, _)))
    }

    fn leave(&mut self, mandate: &'a Mandate) {
        self.status = Some((Wish::Deactivated, mandate));
        self.joined = false;
        self.placement = None;
        self.ended.extend(std::mem::take(&mut self.grants).into_keys());
        self.denied.clear();
        self.revoked.clear();
        self.adoption_stands = false;
    }

    fn grant(&mut self, place: usize, mandate: &'a Mandate) {
        for group in &mandate.terms.groups {
            self.grants.entry(group.clone()).or_default().insert(place);
            self.revoked.remove(group);
        }
    }
}
