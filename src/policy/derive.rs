//! What should be, for one person: requests, the record, the rules and the time become desired
//! facts. The composition; each kind of fact has a file of its own.

use std::collections::BTreeSet;

use super::Policy;
use super::expression::Scope;
use super::fact::{Anomaly, Context, Desired, origin_of};
use super::timeline::{DesiredStatus, replay};
use super::withdrawal::{as_if_they_stood, withdraw};
use super::{membership, profile, status};
use crate::model::{
    AccountStatus, FactKey, GroupId, Operation, Person, PersonState, Presence, ResolvedRequest,
    Timestamp, Undecidable,
};

/// Derives how Okta should be for one person.
pub(crate) fn derive(
    state: &PersonState,
    policy: &Policy,
    rule_groups: &[Option<GroupId>],
    now: Timestamp,
) -> Desired {
    // Whoever is hired again gets what is asked for now, not what they once had. Without an active
    // record the join waits, and nothing ends because of it.
    let nothing = BTreeSet::new();
    let rehired = state.is_employed() && is_rehire(state, now);
    let baseline = if rehired { &nothing } else { &state.baseline };
    let from = |requests: &[ResolvedRequest]| {
        let timeline = replay(requests, now);
        derive_from(Context { state, baseline, policy, rule_groups, timeline: &timeline, now })
    };
    let mut desired = from(&state.requests);
    if state.person.presence != Presence::Outside
        && let Some(requests) = as_if_they_stood(&state.requests)
    {
        withdraw(&mut desired, &from(&requests), state);
    }
    desired.may_unsuspend |= state.is_suspended_here();
    // The process was killed before the mail, or its call had no answer.
    desired.owes_mail = policy.activation_mail
        && state.history.mail_owed
        && state.actual.status() == Some(&AccountStatus::Provisioned);
    desired
}

/// Whether a join that has not taken effect yet finds a deactivated account.
pub(crate) fn is_rehire(state: &PersonState, now: Timestamp) -> bool {
    state.actual.is_deactivated()
        && replay(&state.requests, now).status.is_some_and(|(desired, request)| {
            desired == DesiredStatus::Active
                && request.terms.operation == Operation::Join
                && !request.took_effect
        })
}

fn derive_from(context: Context<'_>) -> Desired {
    let Context { state, timeline, now, .. } = context;
    let mut desired = Desired {
        next: timeline.next,
        may_unsuspend: timeline.suspension.is_some(),
        ..Desired::default()
    };
    if state.person.presence == Presence::Outside {
        // What is asked for such a person waits.
        let asked = timeline.order.iter().filter(|it| it.in_force(now) && !it.closed);
        desired.anomalies.extend(asked.map(|request| {
            Anomaly::held(FactKey::Account, origin_of(request), Undecidable::Outside)
        }));
        return desired;
    }
    desired.status = status::derive(context, &mut desired);
    let status = desired.status_value();
    let silent = timeline.grants.is_empty() && timeline.denied.is_empty();
    if status.is_none() && !state.is_linked() && silent {
        return desired;
    }
    if status != Some(DesiredStatus::Deactivated) {
        profile::derive(context, &mut desired);
    }
    membership::derive(context, status, &mut desired);
    desired
}

/// What identifies a person's account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The person's values of the attributes of `identity.match`, in its order. What cannot be
    /// evaluated is empty, and an empty value matches nothing.
    pub keys: Vec<(String, String)>,
    /// The login that a new account would get.
    pub login: Option<String>,
    /// The attribute that keeps the link, and the person's `sys_id`.
    pub anchor: Option<(String, String)>,
}

impl Identity {
    /// Every attribute and value that an account of the person's may have, without empty ones.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        let anchor = self.anchor.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.keys_and_login().chain(anchor)
    }

    /// By what two people who have no account yet would get accounts that cannot be told apart:
    /// attribute and value, in lower case.
    pub(crate) fn claims(&self) -> BTreeSet<(String, String)> {
        let claim = |(name, value): (&str, &str)| (name.to_owned(), value.to_lowercase());
        self.keys_and_login().map(claim).collect()
    }

    fn keys_and_login(&self) -> impl Iterator<Item = (&str, &str)> {
        let keys = self.keys.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let login = self.login.as_deref().map(|login| ("login", login));
        keys.chain(login).filter(|(_, value)| !value.is_empty())
    }
}

/// What identifies a person's account, by the record.
pub(crate) fn identify(person: &Person, policy: &Policy) -> Identity {
    let scope = Scope::person(&person.record);
    let value = |attribute: &str| {
        let expression = policy.profile.get(attribute)?;
        let text = expression.text(&scope).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let keys = policy
        .match_on
        .iter()
        .map(|attribute| (attribute.clone(), value(attribute).unwrap_or_default()))
        .collect();
    let anchor = policy.anchor.clone().map(|anchor| (anchor, person.sys_id.as_str().to_owned()));
    Identity { keys, login: value("login"), anchor }
}

#[cfg(test)]
mod tests;
