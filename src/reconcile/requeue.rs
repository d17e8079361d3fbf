//! After somebody was acted on: what is refused and not sent again for now, and when the person is
//! decided about again.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::Difference;
use super::person::PersonPlan;
use super::planned::PlannedAction;
use super::retry::pause_after;
use crate::model::{FactKey, Step, Timestamp};

/// Limits slide with time, so whoever waits for one is decided about again after this.
pub(crate) const LIMIT_PAUSE: chrono::Duration = chrono::Duration::minutes(15);

/// What became of one person's actions in this cycle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempted {
    /// Facts that Okta said were brought about.
    pub done: BTreeSet<FactKey>,
    /// Facts that Okta refused for good, and what it said.
    pub refused: BTreeMap<FactKey, String>,
    /// Fingerprints of the actions that were held though nothing stood in their own way, with
    /// whether time alone may end that.
    pub held: BTreeMap<String, bool>,
}

/// The facts that are not sent again until something changes: what Okta refused, and what it took
/// and does not show. Sent again, it would end the same way. A refusal of what disables an account
/// is never kept: a role that was taken away for ten minutes must not leave anybody enabled.
pub(crate) fn refused_facts(plan: &PersonPlan, attempted: &Attempted) -> BTreeMap<FactKey, String> {
    let not_shown = plan.differences.iter().filter(|it| {
        let profile = matches!(it.key, FactKey::Profile(_));
        profile && it.disposition.is_apply() && attempted.done.contains(&it.key)
    });
    let not_shown = not_shown.map(|it| (&it.key, "Okta took the value and shows another one"));
    let disabled: BTreeSet<&FactKey> = plan
        .actions
        .iter()
        .filter(|planned| planned.action.step.disables())
        .flat_map(|planned| &planned.keys)
        .collect();
    let said = attempted.refused.iter().filter(|(key, _)| !disabled.contains(key));
    let said = said.map(|(key, why)| (key, why.as_str()));
    let refused = |(key, why): (&FactKey, &str)| {
        // Making an account is what its status asks for.
        let key = if *key == FactKey::Account { &FactKey::Status } else { key };
        (key.clone(), format!("Okta refused it: {why}"))
    };
    not_shown.chain(said).map(refused).collect()
}

/// When somebody who was acted on is decided about again; `None` where only a change brings it
/// about. `failures` says how often in a row an
/// action has failed lately.
pub(crate) fn requeue(
    plan: &PersonPlan,
    attempted: &Attempted,
    now: Timestamp,
    mut failures: impl FnMut(&PlannedAction) -> u32,
) -> Option<Timestamp> {
    let is_held = |planned: &PlannedAction| attempted.held.get(&planned.fingerprint()).copied();
    let is_left = |planned: &&PlannedAction| {
        // Sessions are cleared once: doing it over and over would not suspend anybody.
        planned.is_open()
            && planned.action.step != Step::ClearSessions
            && is_held(planned).is_none()
            && (planned.action.step.disables()
                || !planned.keys.iter().any(|key| attempted.refused.contains_key(key)))
    };
    let left: Vec<&PlannedAction> = plan.actions.iter().filter(is_left).collect();
    let is_done =
        |planned: &&PlannedAction| planned.keys.iter().any(|key| attempted.done.contains(key));
    if left.is_empty() {
        let slides = plan.actions.iter().any(|planned| is_held(planned) == Some(true));
        slides.then(|| now + LIMIT_PAUSE)
    } else if left.iter().all(is_done) {
        // It was done and does not show: now would be too soon to do it again.
        Some(now + LIMIT_PAUSE)
    } else {
        // What only waits for another step has not failed.
        let failed = left.iter().map(|it| (failures(it), it)).filter(|(times, _)| *times > 0);
        let pauses = failed.map(|(times, it)| pause_after(times, it.action.step.disables()));
        Some(now + pauses.min().unwrap_or_default())
    }
}

/// When somebody who was not acted on is decided about again. `limited`: a limit holds one of the
/// actions; `unbegun`: it was approved, and its turn did not come.
pub(crate) fn requeue_untouched(
    plan: &PersonPlan,
    limited: bool,
    unbegun: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    // Limits slide, and what somebody waits for elsewhere may be gone.
    let waits = limited || plan.differences.iter().any(Difference::is_stuck);
    let again = if unbegun { Some(now) } else { waits.then(|| now + LIMIT_PAUSE) };
    [plan.next, again].into_iter().flatten().min()
}

#[cfg(test)]
mod tests;
