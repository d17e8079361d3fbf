//! Where a whole request stands, over everybody whom it names, by what is stored.

use crate::policy::resolve::rule_for;
use crate::reconcile::fulfillment::{self, RequestStatus, status_for_person, status_of_problems};
use crate::reconcile::org::OrgState;
use crate::store::StoredRequest;
use crate::sync::decide::decide_person;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::link::is_about_to_be_linked;

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
