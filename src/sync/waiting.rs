//! What is not as it should be after a cycle, beside what was tried: it waits, or cannot be done;
//! and where a whole request stands.

use std::collections::BTreeSet;

use crate::model::{Cause, Origin, SysId};
use crate::policy::resolve::rule_for;
use crate::reconcile::fulfillment::{self, RequestStatus, status_for_person, status_of_problems};
use crate::reconcile::{difference::Difference, org::OrgState};
use crate::store::{HeldAction, StoreError, StoredRequest, Verdict};
use crate::sync::names::{PersonNames, group_name, names_of};
use crate::sync::outcome::ActionResult::{Failed, Held, Planned, Skipped};
use crate::sync::outcome::{ActionOutcome, CycleOutcome, describe_action};
use crate::sync::{
    decide::decide_person, deps::Deps, error::Result, link::is_about_to_be_linked, plan::CyclePlan,
};

/// Adds what waits, what is only observed, and requests that cannot be carried out.
pub(crate) fn describe_waiting(
    deps: &Deps,
    plan: &CyclePlan,
    outcome: &mut CycleOutcome,
) -> Result<()> {
    for held in plan.approval.held.iter().filter(|held| held.dismissed.is_none()) {
        let reason = Some(held.reason.to_string());
        outcome.push(describe_action(&deps.store, &held.planned, Held, reason)?);
    }
    for planned in &plan.approval.observed {
        let reason = Some(planned.reason());
        outcome.push(describe_action(&deps.store, planned, Skipped, reason)?);
    }
    let dismissed = dismissed_reasons(deps)?;
    let held = plan.approval.held.iter();
    let held: BTreeSet<(&SysId, String)> =
        held.map(|held| (&held.planned.action.person, held.reason.to_string())).collect();
    for (id, decided) in &plan.decision.differing {
        // What an action waits for is said with the action, and dismissed with it.
        let is_said = |it: &Difference| {
            held.contains(&(id, it.reason())) || dismissed.contains(&(id.clone(), it.reason()))
        };
        let left = |it: &&Difference| it.is_stuck() && !is_said(it) || it.has_no_way();
        for difference in decided.plan.differences.iter().filter(left) {
            let (origin, cause) = (&difference.origin, difference.cause);
            let names = names_of(&deps.store, id)?;
            outcome.push(held_line(origin, cause, names, difference.reason()));
        }
    }
    if !plan.cycle.is_of_one_person() {
        describe_earlier(deps, plan, outcome)?;
    }
    for stored in deps.store.requests().open()? {
        let why = match (stored.problems.first(), request_status(deps, &stored, &plan.org)?) {
            (Some((_, text)), _) => text.clone(),
            (None, RequestStatus::Waits { reason, .. })
                if !outcome.mentions(
                    stored.request.reference.number.as_str(),
                    &[Held, Failed, Planned],
                ) && !is_dismissed(deps, &stored.request.sys_id, &reason, &dismissed)? =>
            {
                reason
            }
            _ => continue,
        };
        outcome.push(waiting_request(&stored, &why));
    }
    Ok(())
}

/// Adds what waits since earlier cycles for people about whom this one did not decide.
fn describe_earlier(deps: &Deps, plan: &CyclePlan, outcome: &mut CycleOutcome) -> Result<()> {
    let people = &plan.decision.people;
    for hold in deps.store.open_items().actions(deps.now())? {
        if said_no(&hold) || people.contains(&hold.person) {
            continue;
        }
        let names = names_of(&deps.store, &hold.person)?;
        let group = hold.action.group.as_ref();
        outcome.push(ActionOutcome {
            step: Some(hold.action.step),
            group: group.map(|id| group_name(&deps.store, id)).transpose()?,
            changes: hold.action.changes,
            ..held_line(&hold.origin, hold.cause, names, hold.reason.to_string())
        });
    }
    for (person, origin, why) in deps.store.facts().refused()? {
        if !people.contains(&person) {
            let names = names_of(&deps.store, &person)?;
            outcome.push(ActionOutcome::new(&origin, Cause::Request, names, Failed, Some(why)));
        }
    }
    Ok(())
}

/// What people said no to: for whom, and what it would have waited for.
pub(crate) fn dismissed_reasons(deps: &Deps) -> Result<BTreeSet<(SysId, String)>, StoreError> {
    let holds = deps.store.open_items().actions(deps.now())?.into_iter();
    Ok(holds.filter(said_no).map(|hold| (hold.person, hold.reason.to_string())).collect())
}

fn said_no(hold: &HeldAction) -> bool {
    hold.said.as_ref().is_some_and(|said| said.word == Verdict::Dismiss)
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

pub(crate) fn add_waiting_request(stored: &StoredRequest, why: &str, outcome: &mut CycleOutcome) {
    if !outcome.mentions(stored.request.reference.number.as_str(), &[Held]) {
        outcome.push(waiting_request(stored, why));
    }
}

fn waiting_request(stored: &StoredRequest, reason: &str) -> ActionOutcome {
    let origin = Origin::Request(stored.request.reference.clone());
    held_line(&origin, Cause::Request, PersonNames::default(), reason.to_owned())
}

fn held_line(origin: &Origin, cause: Cause, person: PersonNames, why: String) -> ActionOutcome {
    ActionOutcome::new(origin, cause, person, Held, Some(why))
}

/// Where a request stands, over everybody whom it names, by what is stored.
pub(crate) fn request_status(
    deps: &Deps,
    stored: &StoredRequest,
    org: &OrgState,
) -> Result<RequestStatus> {
    let now = deps.now();
    if let Ok(Some(rule)) | Err((rule, _)) = rule_for(&deps.config.policy, &stored.request)
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
        let decided = if is_about_to_be_linked(deps, person)? {
            deps.store.queue().enqueue(person, now)?;
            None
        } else {
            decide_person(deps, person, org)?
        };
        people.push(decided.map_or(RequestStatus::Underway, |decided| {
            status_for_person(&resolved, &decided.plan, now)
        }));
    }
    Ok(fulfillment::request_status(&resolved, people))
}
