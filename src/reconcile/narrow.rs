//! What Okta may take after it refused a whole call: one attribute must not stand in the way of a
//! person.

use std::collections::{BTreeMap, BTreeSet};

use super::planned::PlannedAction;
use crate::model::{Change, FactKey, GroupId, Step};

/// No account is made without these:
/// <https://developer.okta.com/docs/reference/api/users/#default-profile-properties>
const NECESSARY: [&str; 4] = ["login", "email", "firstName", "lastName"];

/// What Okta's refusal of a whole call says about its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Objection {
    /// The attributes that it names.
    pub attributes: BTreeSet<String>,
    /// It is about the profile, whether it names an attribute or not.
    pub is_about_the_profile: bool,
    /// Another account has the login: no attribute to be left out.
    pub is_taken: bool,
}

/// What is left of an action.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Narrowed {
    /// What to try instead.
    pub rest: Vec<PlannedAction>,
    /// The facts that Okta refused.
    pub refused: Vec<FactKey>,
}

/// Leaves out the attributes that the refusal names; where it names none, tries one by one.
pub(crate) fn narrow(planned: &PlannedAction, objection: Option<&Objection>) -> Narrowed {
    let all = Narrowed { rest: Vec::new(), refused: planned.keys.clone() };
    let Some(objection) = objection.filter(|it| !it.is_taken) else { return all };
    let named: BTreeSet<&str> = objection.attributes.iter().map(String::as_str).collect();
    if named.is_empty() && !objection.is_about_the_profile {
        return all;
    }
    match &planned.action.step {
        Step::Update { changes } => narrow_update(planned, changes, &named),
        Step::Create { profile, groups, activate } => {
            narrow_creation(planned, profile, groups, *activate, &named)
        }
        _ => all,
    }
}

fn narrow_update(
    planned: &PlannedAction,
    changes: &BTreeMap<String, Change>,
    named: &BTreeSet<&str>,
) -> Narrowed {
    let (refused, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
        changes.clone().into_iter().partition(|(name, _)| named.contains(name.as_str()));
    let update = |changes| only(planned, Step::Update { changes });
    if refused.is_empty() && rest.len() > 1 {
        let single = |(name, change)| update(BTreeMap::from([(name, change)]));
        return Narrowed { rest: rest.into_iter().map(single).collect(), refused: Vec::new() };
    }
    if refused.is_empty() || rest.is_empty() {
        return Narrowed { rest: Vec::new(), refused: planned.keys.clone() };
    }
    let refused = refused.into_keys().map(FactKey::Profile).collect();
    Narrowed { rest: vec![update(rest)], refused }
}

/// Where nothing is named, the account is made with what it cannot be without; the other
/// attributes follow one by one as differences of their own.
fn narrow_creation(
    planned: &PlannedAction,
    profile: &BTreeMap<String, String>,
    groups: &[GroupId],
    activate: bool,
    named: &BTreeSet<&str>,
) -> Narrowed {
    let stays = |name: &String| {
        NECESSARY.contains(&name.as_str()) || (!named.is_empty() && !named.contains(name.as_str()))
    };
    let rest: BTreeMap<String, String> =
        profile.clone().into_iter().filter(|(name, _)| stays(name)).collect();
    if rest.len() == profile.len() {
        return Narrowed { rest: Vec::new(), refused: planned.keys.clone() };
    }
    let refused = named
        .iter()
        .filter(|name| profile.contains_key(**name) && !rest.contains_key(**name))
        .map(|name| FactKey::Profile((*name).to_owned()))
        .collect();
    let step = Step::Create { profile: rest, groups: groups.to_vec(), activate };
    Narrowed { rest: vec![only(planned, step)], refused }
}

/// The same action with less in it.
fn only(planned: &PlannedAction, step: Step) -> PlannedAction {
    let writes = |attribute: &str| match &step {
        Step::Update { changes } => changes.contains_key(attribute),
        Step::Create { profile, .. } => profile.contains_key(attribute),
        _ => true,
    };
    let keys = planned
        .keys
        .iter()
        .filter(|key| !matches!(key, FactKey::Profile(name) if !writes(name)))
        .cloned()
        .collect();
    let mut rest = PlannedAction { keys, ..planned.clone() };
    rest.action.step = step;
    rest
}

#[cfg(test)]
mod tests;
