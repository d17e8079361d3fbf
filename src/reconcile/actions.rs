//! From differences to actions: which calls remove one person's differences.

use std::collections::BTreeMap;

use super::difference::Difference;
use super::planned::{PlannedAction, rank};
use crate::model::{
    Action, Cause, Change, Disposition, FactKey, Origin, PersonState, Step, StepKind, Timestamp,
};
use crate::policy::Policy;
use crate::policy::derive::is_rehire;
use crate::policy::fact::Desired;

/// Okta takes no more groups than this when an account is created:
/// <https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/createUser>
const MAX_GROUPS_AT_CREATION: usize = 20;

/// The actions that remove one person's differences, in order, those included that wait for a
/// decision or are only observed.
pub(super) fn actions(
    state: &PersonState,
    desired: &Desired,
    differences: &[Difference],
    policy: &Policy,
    now: Timestamp,
) -> Vec<PlannedAction> {
    let maker = Maker { state, desired, policy, now };
    let todo: Vec<&Difference> =
        differences.iter().filter(|it| it.is_actionable() || it.has_no_way()).collect();
    let (mut found, mut created) = (Vec::new(), Vec::new());
    for difference in &todo {
        match difference.step {
            Some(StepKind::Create) => created = maker.creation(difference, differences),
            Some(step) => found.extend(maker.about_the_account(step, difference)),
            None => {}
        }
    }
    if state.actual.account.is_none() && created.is_empty() {
        return Vec::new();
    }
    for difference in &todo {
        found.extend(maker.membership(difference, created.first_mut()));
    }
    found.extend(maker.updates(&todo));
    found.extend(created);
    found.sort_by_key(|planned| rank(&planned.action.step));
    found
}

struct Maker<'a> {
    state: &'a PersonState,
    desired: &'a Desired,
    policy: &'a Policy,
    now: Timestamp,
}

impl Maker<'_> {
    fn make(&self, difference: &Difference, step: Step) -> PlannedAction {
        // Where Okta has no way to the status, its sessions are ended all the same.
        let disposition = match &difference.disposition {
            _ if difference.has_no_way() => Disposition::Apply,
            disposition => disposition.clone(),
        };
        let rehires = matches!(step, Step::Activate { .. })
            && difference.cause == Cause::Request
            && self.state.join_of(&difference.origin).is_some()
            && is_rehire(self.state, self.now);
        let counts_as_active =
            self.state.actual.account.as_ref().is_some_and(|it| it.status.counts_as_active());
        let before = match difference.key {
            FactKey::Status if counts_as_active => Some("active".to_owned()),
            _ => difference.actual.clone(),
        };
        PlannedAction {
            action: Action {
                person: self.state.person.sys_id.clone(),
                account: self.state.account_id().cloned(),
                step,
                origin: difference.origin.clone(),
                cause: difference.cause,
            },
            keys: vec![difference.key.clone()],
            leaver: self.desired.is_leaver(),
            why: difference.why.clone(),
            disposition,
            closed_before_first_seen: difference.closed_before_first_seen,
            taken_back: self.desired.takes_back(&difference.origin),
            rehires,
            before,
        }
    }

    /// The creation of an account, and its activation where that is a call of its own: creating an
    /// account activated always sends the mail.
    fn creation(&self, difference: &Difference, all: &[Difference]) -> Vec<PlannedAction> {
        let mut profile = BTreeMap::new();
        for (attribute, fact) in &self.desired.profile {
            let key = FactKey::Profile(attribute.clone());
            if let Some(value) = &fact.value
                && all.iter().all(|it| it.key != key)
            {
                profile.insert(attribute.clone(), value.clone());
            }
        }
        let active = difference.desired.as_deref() == Some("active");
        let activate = active && self.policy.activation_mail;
        let mut create =
            self.make(difference, Step::Create { profile, groups: Vec::new(), activate });
        create.keys.push(FactKey::Status);
        create.keys.extend(self.desired.profile.keys().cloned().map(FactKey::Profile));
        let activation =
            (active && !activate).then(|| self.make(difference, Step::Activate { mail: false }));
        [create].into_iter().chain(activation).collect()
    }

    /// The calls that one step about the account itself takes.
    fn about_the_account(&self, step: StepKind, difference: &Difference) -> Vec<PlannedAction> {
        use StepKind as S;
        let mail = self.policy.activation_mail;
        let steps = match step {
            // The mail names the address, so the profile comes before it.
            S::Activate if mail && self.state.actual.is_deactivated() => {
                vec![Step::Activate { mail: false }, Step::Reactivate { mail: true }]
            }
            S::Activate => vec![Step::Activate { mail }],
            S::Reactivate => vec![Step::Reactivate { mail: true }],
            S::Unsuspend => vec![Step::Unsuspend],
            S::Suspend => vec![Step::Suspend],
            S::Deactivate => vec![Step::ClearSessions, Step::Deactivate],
            S::ClearSessions => vec![Step::ClearSessions],
            S::Create | S::Update | S::AddMember | S::RemoveMember => Vec::new(),
        };
        steps.into_iter().map(|step| self.make(difference, step)).collect()
    }

    /// A change of a membership, unless it comes with the creation of the account.
    fn membership(
        &self,
        difference: &Difference,
        created: Option<&mut PlannedAction>,
    ) -> Option<PlannedAction> {
        let FactKey::Membership(group) = &difference.key else { return None };
        let group = group.clone();
        if difference.step? == StepKind::RemoveMember {
            return Some(self.make(difference, Step::RemoveMember { group }));
        }
        if let Some(create) = created
            && create.disposition.as_str() == difference.disposition.as_str()
            && let Step::Create { groups, .. } = &mut create.action.step
            && groups.len() < MAX_GROUPS_AT_CREATION
        {
            groups.push(group);
            create.keys.push(difference.key.clone());
            return None;
        }
        Some(self.make(difference, Step::AddMember { group }))
    }

    /// One call for all attributes of the same origin, cause and disposition.
    fn updates(&self, todo: &[&Difference]) -> Vec<PlannedAction> {
        let mut calls: BTreeMap<(&Origin, Cause, &str), PlannedAction> = BTreeMap::new();
        for difference in todo.iter().filter(|it| it.step == Some(StepKind::Update)) {
            let Difference { key, desired, actual, origin, cause, .. } = difference;
            let call = (origin, *cause, difference.disposition.as_str());
            let planned = calls.entry(call).or_insert_with(|| PlannedAction {
                keys: Vec::new(),
                ..self.make(difference, Step::Update { changes: BTreeMap::new() })
            });
            if let (FactKey::Profile(attribute), Step::Update { changes }) =
                (key, &mut planned.action.step)
            {
                let change = Change { from: actual.clone(), to: desired.clone() };
                changes.insert(attribute.clone(), change);
                planned.keys.push(key.clone());
            }
        }
        calls.into_values().collect()
    }
}
