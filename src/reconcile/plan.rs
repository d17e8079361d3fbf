//! From differences to actions, in a stable and safe order.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::diff::{Actual, Disposition, Drift, Remedy};
use crate::model::{Account, Action, Cause, Change, FactKey, Origin, Person, Step};
use crate::policy::Policy;
use crate::policy::desire::Desired;
use crate::policy::timeline::DesiredStatus;

/// Okta takes no more groups than this when an account is created.
const MAX_GROUPS_AT_CREATION: usize = 20;

/// An action with the facts that it repairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What to do.
    pub action: Action,
    /// The facts that it brings about.
    pub keys: Vec<FactKey>,
    /// It belongs to a leave: such removals do not count against the limit on removals.
    pub leaver: bool,
    /// Why, for a person to read.
    pub reason: String,
    /// Whether anything stands in its way before any limit was looked at.
    pub gate: Gate,
    /// Part of the set of differences that closed requests would explain.
    pub closed_before_first_seen: bool,
    /// It takes back what a withdrawn request gave, which waits for nothing.
    pub taken_back: bool,
    /// What it would change, as the fact is now. A status that counts as active is `active`: an
    /// expired password makes no other action of it.
    pub before: Option<String>,
}

/// What was decided about an action by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It may be done, as far as the limits allow.
    Open,
    /// It waits for a person's yes, for this reason.
    Held(String),
    /// Its part of the configuration only observes.
    Observed(String),
}

impl Planned {
    /// What makes this action the same as one that was shown before: person, account, call, values
    /// before and after, origin.
    pub fn fingerprint(&self) -> String {
        let Action { person, account, step, origin, cause: _ } = &self.action;
        let (account, before) = (account.as_ref(), self.before.as_deref());
        let mut hash = Sha256::new();
        hash.update(format!("{person}\n{account:?}\n{origin}\n{step:?}\n{before:?}"));
        hash.finalize()[..8].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// Whether this cannot come before another action for the same person: a leaver loses nothing
    /// before the account is disabled, and nothing is given to an account that is not there.
    pub fn follows(&self, first: &Self) -> bool {
        if self.action.person != first.action.person {
            return false;
        }
        let revives = first.before.as_deref() == Some("deprovisioned");
        match (&first.action.step, &self.action.step) {
            // Where the record alone disables, only what was revoked by itself goes.
            (Step::Deactivate, Step::RemoveMember { .. }) => first.leaver && !self.taken_back,
            (Step::Deactivate, Step::ClearSessions)
            | (
                Step::Create { .. },
                Step::Activate { .. }
                | Step::Reactivate { .. }
                | Step::Update { .. }
                | Step::AddMember { .. },
            )
            | (Step::Activate { .. }, Step::Reactivate { .. }) => true,
            (Step::Activate { .. }, Step::Update { .. } | Step::AddMember { .. }) => revives,
            // What somebody had before goes when they come back; a revoke waits for nobody.
            (Step::Activate { .. }, Step::RemoveMember { .. }) => {
                revives && !self.leaver && self.action.origin == first.action.origin
            }
            _ => false,
        }
    }

    /// Leavers first, then suspensions, removals, joins, the rest.
    fn rank(&self) -> u8 {
        match &self.action.step {
            Step::ClearSessions | Step::Deactivate => 0,
            Step::Suspend => 1,
            Step::RemoveMember { .. } => 2,
            Step::Create { .. } | Step::Activate { .. } | Step::Unsuspend => 3,
            Step::Update { .. } | Step::AddMember { .. } => 4,
            Step::Reactivate { .. } => 5,
        }
    }
}

/// Actions in the order in which they are to be carried out. Not approved yet.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The actions.
    pub actions: Vec<Planned>,
}

/// Puts the actions of all people in order: by urgency, and within it by person.
///
/// The order within one person is kept, because ranks never run against it.
pub fn plan(mut actions: Vec<Planned>) -> Plan {
    actions.sort_by(|a, b| (a.rank(), &a.action.person).cmp(&(b.rank(), &b.action.person)));
    Plan { actions }
}

/// The actions that remove one person's differences, those that wait for a yes included.
pub fn actions(
    person: &Person,
    desired: &Desired,
    actual: &Actual,
    drifts: &[Drift],
    policy: &Policy,
) -> Vec<Planned> {
    let mut makers: Vec<Planned> = Vec::new();
    let leaver = desired.status.as_ref().is_some_and(|fact| {
        fact.value == DesiredStatus::Deactivated && fact.cause == Cause::Request
    });
    let account = actual.account.as_ref();
    let make = |drift: &Drift, step: Step| Planned {
        action: Action {
            person: person.sys_id.clone(),
            account: account.map(|account| account.id.clone()),
            step,
            origin: drift.origin.clone(),
            cause: drift.cause,
        },
        keys: vec![drift.key.clone()],
        leaver,
        reason: drift.reason.clone(),
        gate: gate(drift),
        closed_before_first_seen: drift.closed_before_first_seen,
        taken_back: desired.takes_back(&drift.origin),
        before: before(drift, account),
    };
    let todo = |drift: &&Drift| {
        (drift.observed || matches!(drift.disposition, Disposition::Apply | Disposition::Hold))
            && drift.remedy.is_some()
            || drift.remedy == Some(Remedy::ClearSessions)
                && drift.disposition == Disposition::Blocked
    };

    let mut created = None;
    let mut mail_later = None;
    for drift in drifts.iter().filter(todo) {
        match drift.remedy {
            Some(Remedy::Create { activate }) => {
                let mut planned = make(drift, create(desired, drifts, activate, policy));
                planned.keys.push(FactKey::Status);
                planned.keys.extend(desired.profile.keys().cloned().map(FactKey::Profile));
                created = Some(planned);
                if activate && !policy.activation_mail {
                    mail_later = Some(make(drift, Step::Activate { mail: false }));
                }
            }
            Some(Remedy::Activate) => {
                makers.push(make(drift, Step::Activate { mail: policy.activation_mail }));
            }
            Some(Remedy::Revive) => {
                makers.push(make(drift, Step::Activate { mail: false }));
                if policy.activation_mail {
                    mail_later = Some(make(drift, Step::Reactivate { mail: true }));
                }
            }
            Some(Remedy::Mail) => mail_later = Some(make(drift, Step::Reactivate { mail: true })),
            Some(Remedy::Unsuspend) => makers.push(make(drift, Step::Unsuspend)),
            Some(Remedy::Suspend) => makers.push(make(drift, Step::Suspend)),
            Some(Remedy::Deactivate) => {
                makers.push(make(drift, Step::ClearSessions));
                makers.push(make(drift, Step::Deactivate));
            }
            Some(Remedy::ClearSessions) => makers.push(make(drift, Step::ClearSessions)),
            Some(Remedy::Update | Remedy::Add | Remedy::Remove) | None => {}
        }
    }
    if account.is_none() && created.is_none() {
        return Vec::new();
    }

    let mut result = makers;
    for drift in drifts.iter().filter(todo) {
        let FactKey::Membership(group) = &drift.key else {
            continue;
        };
        match (drift.remedy, &mut created) {
            (Some(Remedy::Remove), _) => {
                result.push(make(drift, Step::RemoveMember { group: group.clone() }));
            }
            (Some(Remedy::Add), Some(planned)) if joins_creation(planned, drift) => {
                if let Step::Create { groups, .. } = &mut planned.action.step {
                    groups.push(group.clone());
                }
                planned.keys.push(drift.key.clone());
            }
            (Some(Remedy::Add), _) => {
                result.push(make(drift, Step::AddMember { group: group.clone() }));
            }
            _ => {}
        }
    }
    result.extend(updates(drifts, &make));
    result.extend(created);
    result.extend(mail_later);
    result.sort_by_key(Planned::rank);
    result
}

fn before(drift: &Drift, account: Option<&Account>) -> Option<String> {
    match (&drift.key, account) {
        (FactKey::Status, Some(account)) if account.status.counts_as_active() => {
            Some("active".to_owned())
        }
        _ => drift.actual.clone(),
    }
}

fn gate(drift: &Drift) -> Gate {
    if drift.observed {
        Gate::Observed(drift.reason.clone())
    } else if drift.disposition == Disposition::Hold {
        Gate::Held(drift.reason.clone())
    } else {
        Gate::Open
    }
}

fn create(desired: &Desired, drifts: &[Drift], activate: bool, policy: &Policy) -> Step {
    let left_out = |attribute: &str| {
        drifts.iter().any(|d| matches!(&d.key, FactKey::Profile(name) if name == attribute))
    };
    let profile: BTreeMap<String, String> = desired
        .profile
        .iter()
        .filter(|(attribute, _)| !left_out(attribute))
        .filter_map(|(attribute, fact)| Some((attribute.clone(), fact.value.clone()?)))
        .collect();
    // Creating an account activated always sends the mail, so without it this takes two calls.
    Step::Create { profile, groups: Vec::new(), activate: activate && policy.activation_mail }
}

fn joins_creation(planned: &Planned, drift: &Drift) -> bool {
    let Step::Create { groups, .. } = &planned.action.step else {
        return false;
    };
    groups.len() < MAX_GROUPS_AT_CREATION
        && std::mem::discriminant(&planned.gate) == std::mem::discriminant(&gate(drift))
}

/// One call for all attributes of the same origin, cause and verdict.
fn updates(drifts: &[Drift], make: &impl Fn(&Drift, Step) -> Planned) -> Vec<Planned> {
    type Call<'a> = (Vec<&'a Drift>, BTreeMap<String, Change>);
    let mut calls: BTreeMap<(&Origin, Cause, Disposition), Call<'_>> = BTreeMap::new();
    for drift in drifts {
        let FactKey::Profile(attribute) = &drift.key else {
            continue;
        };
        let wanted =
            drift.observed || matches!(drift.disposition, Disposition::Apply | Disposition::Hold);
        if !wanted || drift.remedy != Some(Remedy::Update) {
            continue;
        }
        let (drifts, changes) =
            calls.entry((&drift.origin, drift.cause, drift.disposition)).or_default();
        drifts.push(drift);
        changes.insert(attribute.clone(), drift.change());
    }
    calls
        .into_values()
        .filter_map(|(drifts, changes)| {
            let mut planned = make(drifts.first()?, Step::Update { changes });
            planned.keys = drifts.iter().map(|drift| drift.key.clone()).collect();
            Some(planned)
        })
        .collect()
}

/// An account in a status that takes no memberships and no profile.
pub fn is_dormant(account: Option<&Account>) -> bool {
    account.is_none_or(|account| account.status == crate::model::AccountStatus::Deprovisioned)
}
