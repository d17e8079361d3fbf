//! What is not as it should be of one person, as open items: what waits, what is blocked or only
//! observed, and what is still to do.

use std::collections::BTreeMap;

use super::approve::{HeldAction, PlanApproval};
use super::difference::Difference;
use super::person::PersonPlan;
use super::planned::PlannedAction;
use crate::model::{
    BlockedReason, Change, Disposition, FactKey, GroupId, HoldReason, Observed, OpenAction,
    OpenFact, OpenItem, ReportReason, Step, Subject, SysId,
};

/// What was said of a plan's actions when it was approved, by fingerprint, and what Okta refused
/// since, by person and fact.
#[derive(Debug, Default)]
pub(crate) struct Judgement<'a> {
    held: BTreeMap<String, &'a HeldAction>,
    observed: BTreeMap<String, &'a HoldReason>,
    refused: BTreeMap<&'a SysId, &'a BTreeMap<FactKey, String>>,
}

impl<'a> Judgement<'a> {
    pub(crate) fn of(approval: &'a PlanApproval) -> Self {
        Self::about(approval, |_| true)
    }

    /// The same about some people.
    pub(crate) fn about(approval: &'a PlanApproval, is_one: impl Fn(&SysId) -> bool) -> Self {
        let concerns = |planned: &PlannedAction| is_one(&planned.action.person);
        let held = approval.held.iter().filter(|held| concerns(&held.planned));
        let held = held.map(|held| (held.planned.fingerprint(), held));
        let observed = approval.observed.iter().filter(|observed| concerns(&observed.planned));
        let observed = observed.filter_map(|observed| {
            Some((observed.planned.fingerprint(), observed.would_wait.as_ref()?))
        });
        Self { held: held.collect(), observed: observed.collect(), refused: BTreeMap::new() }
    }

    pub(crate) fn with_refusals(
        self,
        refused: impl IntoIterator<Item = (&'a SysId, &'a BTreeMap<FactKey, String>)>,
    ) -> Self {
        Self { refused: refused.into_iter().collect(), ..self }
    }

    /// Why Okta refused what is tried again all the same.
    fn refusal(&self, person: &SysId, planned: &PlannedAction) -> Option<Disposition> {
        let refused = self.refused.get(person)?;
        let why = planned.keys.iter().find_map(|key| refused.get(key))?;
        let text = format!("Okta refused it, and it is tried again: {why}");
        Some(Disposition::Blocked(BlockedReason::Refused(text)))
    }

    /// What becomes of an action, and the set that it waits in.
    fn item(&self, person: &SysId, planned: &PlannedAction, plan: &PersonPlan) -> OpenItem {
        let fingerprint = planned.fingerprint();
        let held = self.held.get(&fingerprint);
        let disposition = match (held, &planned.disposition) {
            // What comes after a dismissed action waits for nobody.
            (Some(held), _) if held.comes_after() && held.dismissed.is_some() => {
                Disposition::Hold(HoldReason::Dismissed(planned.why.clone()))
            }
            (Some(held), _) => Disposition::Hold(held.reason.clone()),
            (None, Disposition::Apply) => {
                self.refusal(person, planned).unwrap_or(Disposition::Apply)
            }
            (None, disposition) => match self.observed.get(&fingerprint) {
                Some(reason) => {
                    let would = Disposition::Hold((*reason).clone());
                    let observed = Observed { would, why: planned.why.clone() };
                    Disposition::Report(ReportReason::Observed(Box::new(observed)))
                }
                None => disposition.clone(),
            },
        };
        let fact = |key: &FactKey| plan.differences.iter().find(|it| it.key == *key).map(fact_of);
        let action = &planned.action;
        let (groups, changes) = what_it_writes(&action.step);
        let after_dismissed = held.is_some_and(|it| it.comes_after() && it.dismissed.is_some());
        let waiting = OpenAction {
            fingerprint,
            step: action.step.kind(),
            group: action.step.group().cloned(),
            groups,
            changes,
            set: held.and_then(|held| held.set()),
        };
        OpenItem {
            subject: Subject::Person(person.clone()),
            facts: planned.keys.iter().filter_map(fact).collect(),
            origin: action.origin.clone(),
            cause: action.cause,
            why: Some(planned.why.clone()),
            disposition,
            action: (!after_dismissed).then_some(waiting),
        }
    }
}

/// Everything that is open about one person: an item for each action, and one for each difference
/// that no action would remove.
pub(crate) fn open_items(
    person: &SysId,
    plan: &PersonPlan,
    judgement: &Judgement<'_>,
) -> Vec<OpenItem> {
    let covers = |planned: &PlannedAction, it: &Difference| {
        let same = it.key != FactKey::Account || it.origin == planned.action.origin;
        planned.keys.contains(&it.key) && same
    };
    let left = plan.differences.iter().filter(|it| !plan.actions.iter().any(|a| covers(a, it)));
    let actions = plan.actions.iter().map(|planned| judgement.item(person, planned, plan));
    actions.chain(left.map(|it| without_action(person, it))).collect()
}

fn without_action(person: &SysId, difference: &Difference) -> OpenItem {
    OpenItem {
        subject: Subject::Person(person.clone()),
        facts: vec![fact_of(difference)],
        origin: difference.origin.clone(),
        cause: difference.cause,
        why: Some(difference.why.clone()),
        disposition: difference.disposition.clone(),
        action: None,
    }
}

fn fact_of(difference: &Difference) -> OpenFact {
    let Difference { key, desired, actual, origin, cause, .. } = difference;
    OpenFact {
        key: key.clone(),
        desired: desired.clone(),
        actual: actual.clone(),
        origin: origin.clone(),
        cause: *cause,
        step: difference.action(),
    }
}

fn what_it_writes(step: &Step) -> (Vec<GroupId>, BTreeMap<String, Change>) {
    match step {
        Step::Create { profile, groups, .. } => {
            let change = |to: &String| Change { from: None, to: Some(to.clone()) };
            let changes = profile.iter().map(|(name, to)| (name.clone(), change(to)));
            (groups.clone(), changes.collect())
        }
        Step::Update { changes } => (Vec::new(), changes.clone()),
        _ => (Vec::new(), BTreeMap::new()),
    }
}
