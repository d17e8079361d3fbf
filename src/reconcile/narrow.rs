//! What Okta may take after it refused a whole call: one attribute must not stand in the way of a
//! person.

use std::collections::{BTreeMap, BTreeSet};

use super::planned::PlannedAction;
use crate::model::{Change, FactKey, Step};

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

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Narrowed {
    /// What to try instead.
    pub rest: Vec<PlannedAction>,
    pub refused: Vec<FactKey>,
}

/// Leaves out the attributes that the refusal names; where it names none, tries one by one.
pub(crate) fn narrow(planned: &PlannedAction, objection: Option<&Objection>) -> Narrowed {
    let objection = objection
        .filter(|it| !it.is_taken && (it.is_about_the_profile || !it.attributes.is_empty()));
    let narrowed =
        objection.and_then(|Objection { attributes, .. }| match planned.action.step.clone() {
            Step::Update { changes } => narrow_update(planned, changes, attributes),
            Step::Create { profile, groups, activate } => {
                let (profile, refused) = narrow_profile(profile, attributes)?;
                let step = Step::Create { profile, groups, activate };
                Some(Narrowed { rest: vec![only(planned, step)], refused })
            }
            _ => None,
        });
    narrowed.unwrap_or_else(|| Narrowed { rest: Vec::new(), refused: planned.keys.clone() })
}

fn narrow_update(
    planned: &PlannedAction,
    changes: BTreeMap<String, Change>,
    named: &BTreeSet<String>,
) -> Option<Narrowed> {
    let (refused, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
        changes.into_iter().partition(|(name, _)| named.contains(name));
    let update = |changes| only(planned, Step::Update { changes });
    let rest: Vec<PlannedAction> = match (refused.is_empty(), rest.len()) {
        (_, 0) | (true, 1) => return None,
        (true, _) => rest.into_iter().map(|change| update(BTreeMap::from([change]))).collect(),
        (false, _) => vec![update(rest)],
    };
    Some(Narrowed { rest, refused: refused.into_keys().map(FactKey::Profile).collect() })
}

/// Where nothing is named, the account is made with what it cannot be without; the other
/// attributes follow one by one as differences of their own.
fn narrow_profile(
    profile: BTreeMap<String, String>,
    named: &BTreeSet<String>,
) -> Option<(BTreeMap<String, String>, Vec<FactKey>)> {
    let stays = |name: &String| {
        NECESSARY.contains(&name.as_str()) || (!named.is_empty() && !named.contains(name))
    };
    let (rest, left_out): (BTreeMap<_, _>, BTreeMap<_, _>) =
        profile.into_iter().partition(|(name, _)| stays(name));
    if left_out.is_empty() {
        return None;
    }
    let refused = left_out.into_keys().filter(|name| named.contains(name));
    Some((rest, refused.map(FactKey::Profile).collect()))
}

/// The same action with less in it.
fn only(planned: &PlannedAction, step: Step) -> PlannedAction {
    let writes = |attribute: &str| match &step {
        Step::Update { changes } => changes.contains_key(attribute),
        Step::Create { profile, .. } => profile.contains_key(attribute),
        _ => true,
    };
    let left_out = |key: &FactKey| matches!(key, FactKey::Profile(name) if !writes(name));
    let keys = planned.keys.iter().filter(|key| !left_out(key)).cloned().collect();
    let mut rest = PlannedAction { keys, ..planned.clone() };
    rest.action.step = step;
    rest
}

#[cfg(test)]
mod tests;
