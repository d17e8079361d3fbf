//! What is not as it should be after a cycle, beside what was tried: it waits, or cannot be done;
//! and where a whole request stands.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Cause, SysId};
use crate::policy::resolve::rule_for;
use crate::reconcile::difference::Difference;
use crate::reconcile::fulfillment::{self, RequestStatus, status_for_person, status_of_problems};
use crate::reconcile::org::OrgState;
use crate::store::{StoreError, StoredRequest, Verdict};
use crate::sync::decide::decide_person;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::link::is_about_to_be_linked;
use crate::sync::names::{PersonNames, group_name, names_of};
use crate::sync::outcome::{
    ActionOutcome, ActionResult, CycleOutcome, describe_action, parent_word, request_word,
};
use crate::sync::plan::CyclePlan;

/// Adds what waits, what is only observed, and requests that cannot be carried out.
pub(crate) fn describe_waiting(
    deps: &Deps,
    plan: &CyclePlan,
    outcome: &mut CycleOutcome,
) -> Result<(), SyncError> {
    for held in plan.approval.held.iter().filter(|held| held.dismissed.is_none()) {
        outcome.push(describe_action(
            &deps.store,
            &held.planned,
            ActionResult::Held,
            Some(held.reason.to_string()),
        )?);
    }
    for planned in &plan.approval.observed {
        let reason = Some(planned.reason());
        outcome.push(describe_action(&deps.store, planned, ActionResult::Skipped, reason)?);
    }
    let dismissed = dismissed_reasons(deps)?;
    let held: BTreeSet<(&SysId, String)> = plan
        .approval
        .held
        .iter()
        .map(|held| (&held.planned.action.person, held.reason.to_string()))
        .collect();
    for (id, decided) in &plan.decision.differing {
        // What an action waits for is said with the action, and dismissed with it.
        let is_said = |it: &Difference| {
            held.contains(&(id, it.reason())) || dismissed.contains(&(id.clone(), it.reason()))
        };
        let left = |it: &&Difference| it.is_stuck() && !is_said(it) || it.has_no_way();
        for difference in decided.plan.differences.iter().filter(left) {
            outcome.push(held_without_action(difference, names_of(&deps.store, id)?));
        }
    }
    if !plan.cycle.is_of_one_person() {
        describe_earlier(deps, plan, outcome)?;
    }
    for stored in deps.store.requests().open()? {
        let reference = &stored.request.reference;
        let why = match (stored.problems.first(), request_status(deps, &stored, &plan.org)?) {
            (Some((_, text)), _) => text.clone(),
            (None, RequestStatus::Waits { reason, .. })
                if !outcome.mentions(reference.number.as_str())
                    && !is_dismissed(deps, &stored.request.sys_id, &reason, &dismissed)? =>
            {
                reason
            }
            _ => continue,
        };
        outcome.push(ActionOutcome {
            request: Some(reference.number.as_str().to_owned()),
            parent: reference.parent.as_ref().map(|parent| parent.as_str().to_owned()),
            ..waiting_line(Cause::Request, PersonNames::default(), why)
        });
    }
    Ok(())
}

/// Adds what waits since earlier cycles for people about whom this one did not decide.
fn describe_earlier(
    deps: &Deps,
    plan: &CyclePlan,
    outcome: &mut CycleOutcome,
) -> Result<(), SyncError> {
    let people = &plan.decision.people;
    for hold in deps.store.open_items().actions(deps.now())? {
        let dismissed = hold.said.as_ref().is_some_and(|said| said.word == Verdict::Dismiss);
        if dismissed || people.contains(&hold.person) {
            continue;
        }
        let names = names_of(&deps.store, &hold.person)?;
        let group = hold.action.group.as_ref();
        outcome.push(ActionOutcome {
            request: request_word(&hold.origin),
            parent: parent_word(&hold.origin),
            step: Some(hold.action.step),
            group: group.map(|id| group_name(&deps.store, id)).transpose()?,
            changes: hold.action.changes,
            ..waiting_line(hold.cause, names, hold.reason.to_string())
        });
    }
    for (person, origin, why) in deps.store.facts().refused()? {
        if !people.contains(&person) {
            outcome.push(ActionOutcome {
                request: request_word(&origin),
                parent: parent_word(&origin),
                result: ActionResult::Failed,
                ..waiting_line(Cause::Request, names_of(&deps.store, &person)?, why)
            });
        }
    }
    Ok(())
}

/// What people said no to: for whom, and what it would have waited for.
pub(crate) fn dismissed_reasons(deps: &Deps) -> Result<BTreeSet<(SysId, String)>, StoreError> {
    let holds = deps.store.open_items().actions(deps.now())?.into_iter();
    Ok(holds
        .filter(|hold| hold.said.as_ref().is_some_and(|said| said.word == Verdict::Dismiss))
        .map(|hold| (hold.person, hold.reason.to_string()))
        .collect())
}

/// Whether what a request waits for was dismissed for one of those whom it names.
pub(crate) fn is_dismissed(
    deps: &Deps,
    request: &SysId,
    reason: &str,
    dismissed: &BTreeSet<(SysId, String)>,
) -> Result<bool, StoreError> {
    if dismissed.is_empty() {
        return Ok(false);
    }
    let people = deps.store.requests().resolved(request)?.map(|resolved| resolved.terms.people);
    Ok(people.into_iter().flatten().any(|person| dismissed.contains(&(person, reason.to_owned()))))
}

/// Adds a request that waits, where nothing says so yet.
pub(crate) fn add_waiting_request(
    stored: &StoredRequest,
    reason: &str,
    outcome: &mut CycleOutcome,
) {
    let reference = &stored.request.reference;
    let number = reference.number.as_str();
    let is_said = |action: &ActionOutcome| {
        action.request.as_deref() == Some(number) && action.result == ActionResult::Held
    };
    if !outcome.actions.iter().any(is_said) {
        outcome.push(ActionOutcome {
            request: Some(number.to_owned()),
            parent: reference.parent.as_ref().map(|parent| parent.as_str().to_owned()),
            ..waiting_line(Cause::Request, PersonNames::default(), reason.to_owned())
        });
    }
}

fn held_without_action(difference: &Difference, person: PersonNames) -> ActionOutcome {
    ActionOutcome {
        request: request_word(&difference.origin),
        parent: parent_word(&difference.origin),
        ..waiting_line(difference.cause, person, difference.reason())
    }
}

fn waiting_line(cause: Cause, person: PersonNames, error: String) -> ActionOutcome {
    ActionOutcome {
        id: None,
        request: None,
        parent: None,
        cause,
        step: None,
        person,
        group: None,
        groups: Vec::new(),
        changes: BTreeMap::new(),
        result: ActionResult::Held,
        okta_request_id: None,
        error: Some(error),
        transient: false,
    }
}

/// Where a request stands, over everybody whom it names, by what is stored.
pub(crate) fn request_status(
    deps: &Deps,
    stored: &StoredRequest,
    org: &OrgState,
) -> Result<RequestStatus, SyncError> {
    let now = deps.now();
    let rule = rule_for(&deps.config.policy, &stored.request);
    if let Ok(Some(rule)) | Err((rule, _)) = rule
        && rule.observe
    {
        return Ok(RequestStatus::Underway);
    }
    if !stored.problems.is_empty() {
        // Nobody is looked for before the approval.
        let searched =
            now - deps.store.writebacks().looked_for_since(&stored.request.sys_id, now)?;
        return Ok(status_of_problems(&stored.problems, searched));
    }
    let Some(resolved) = deps.store.requests().resolved(&stored.request.sys_id)? else {
        return Ok(RequestStatus::Underway);
    };
    let mut people = Vec::new();
    for person in &resolved.terms.people {
        let linking = is_about_to_be_linked(deps, person)?;
        if linking {
            deps.store.queue().enqueue(person, now)?;
        }
        let decided = if linking { None } else { decide_person(deps, person, org)? };
        people.push(match decided {
            None => RequestStatus::Underway,
            Some(decided) => status_for_person(&resolved, &decided.plan, now),
        });
    }
    Ok(fulfillment::request_status(&resolved, people))
}
