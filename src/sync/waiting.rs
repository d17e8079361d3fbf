//! Where each open request stands, over everybody whom it names, by what is stored.

use crate::model::{Operation, SysId};
use crate::policy::change::{RequestChange, edit, read};
use crate::policy::resolve::rule_for;
use crate::reconcile::fulfillment::{self, RequestStatus, status_for_person, status_of_problems};
use crate::reconcile::org::OrgState;
use crate::store::StoredRequest;
use crate::sync::{
    decide::decide_person, deps::Deps, error::Result, link::is_about_to_be_linked, terms::is_edited,
};

/// An open request, and where it stands.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) stored: StoredRequest,
    pub(crate) status: RequestStatus,
    /// The edit after the approval that it waits for a decision about.
    pub(crate) change: Option<RequestChange>,
    /// What it asks for and whom it names, where that is known.
    pub(crate) operation: Option<Operation>,
    pub(crate) people: Vec<SysId>,
}

pub(crate) fn is_leave(standing: &Standing) -> bool {
    standing.operation == Some(Operation::Leave)
}

/// Where every request stands that is open, approved and not finished.
pub(crate) fn standing(deps: &Deps, org: &OrgState) -> Result<Vec<Standing>> {
    deps.store.requests().open(None)?.into_iter().map(|it| stands(deps, it, org)).collect()
}

/// Those of a person's requests that are done, and not said to be.
pub(crate) fn done_for(deps: &Deps, org: &OrgState, person: &SysId) -> Result<Vec<Standing>> {
    let open = deps.store.requests().open(Some(person))?.into_iter();
    let standing: Result<Vec<Standing>> = open.map(|it| stands(deps, it, org)).collect();
    let mut standing = standing?;
    standing.retain(|it| it.status == RequestStatus::Done);
    Ok(standing)
}

fn stands(deps: &Deps, stored: StoredRequest, org: &OrgState) -> Result<Standing> {
    let status = request_status(deps, &stored, org)?;
    let change = change_of(deps, &stored);
    let resolved = deps.store.requests().resolved(&stored.request.sys_id)?;
    let (operation, people) = match resolved {
        Some(resolved) => (Some(resolved.terms.operation), resolved.terms.people),
        None => (None, Vec::new()),
    };
    Ok(Standing { stored, status, change, operation, people })
}

/// What was edited after the approval, where a request waits for a decision about that.
fn change_of(deps: &Deps, stored: &StoredRequest) -> Option<RequestChange> {
    let approved = stored.request_text.as_ref().filter(|_| is_edited(stored))?;
    let (rule, now) = read(&deps.config.policy, &stored.request, Some(approved))?;
    Some(edit(rule, &stored.request, approved, &now))
}

/// Where a request stands, over everybody whom it names, by what is stored.
pub(crate) fn request_status(
    deps: &Deps,
    stored: &StoredRequest,
    org: &OrgState,
) -> Result<RequestStatus> {
    let now = deps.now();
    let rule = match rule_for(&deps.config.policy, &stored.request) {
        Ok(rule) => rule,
        Err((rule, _)) => Some(rule),
    };
    if rule.is_some_and(|rule| rule.observe) {
        return Ok(RequestStatus::Underway);
    }
    if !stored.problems.is_empty() {
        // Nobody is looked for before the approval.
        let since = deps.store.writebacks().looked_for_since(&stored.request.sys_id, now)?;
        let operation = rule.map(|rule| rule.operation);
        return Ok(status_of_problems(&stored.problems, operation, now - since));
    }
    let Some(resolved) = deps.store.requests().resolved(&stored.request.sys_id)? else {
        return Ok(RequestStatus::Underway);
    };
    let mut people = Vec::new();
    for person in &resolved.terms.people {
        let decided = if is_about_to_be_linked(deps, person)? {
            deps.store.queue().enqueue_at_once(person)?;
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
