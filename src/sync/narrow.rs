//! What Okta may take after it refused a whole: one attribute must not stand in the way of a person.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Change, FactKey, GroupId, Step};
use crate::okta::{OktaError, Refusal};
use crate::reconcile::plan::Planned;

/// Okta reference: no account is made without these.
const NECESSARY: [&str; 4] = ["login", "email", "firstName", "lastName"];

/// What is left of an action.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Narrowed {
    /// What to try instead.
    pub(crate) rest: Vec<Planned>,
    /// The facts that Okta refused.
    pub(crate) refused: Vec<FactKey>,
}

/// Leaves out the attributes that the refusal names; where it names none, tries one by one.
pub(crate) fn narrow(planned: &Planned, error: Option<&OktaError>) -> Narrowed {
    let all = Narrowed { rest: Vec::new(), refused: planned.keys.clone() };
    let Some(error) = error else { return all };
    let named: BTreeSet<&str> = error.attributes().into_iter().collect();
    let is_about_the_profile =
        !named.is_empty() || error.refusal().is_some_and(Refusal::is_about_the_profile);
    // A login that is taken is no attribute to be left out.
    if !is_about_the_profile || error.taken().is_some() {
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
    planned: &Planned,
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
    planned: &Planned,
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
fn only(planned: &Planned, step: Step) -> Planned {
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
    let mut rest = Planned { keys, ..planned.clone() };
    rest.action.step = step;
    rest
}
