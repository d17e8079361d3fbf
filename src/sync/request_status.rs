//! How far a whole request is, over everybody whom it names.

use crate::model::{Approval, SysId, Timestamp};
use crate::policy::resolve::rule_for;
use crate::reconcile::fulfillment::{RequestProgress, request_progress};
use crate::store::StoredRequest;
use crate::sync::decide::judge;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::link::is_about_to_be_linked;
use crate::sync::surroundings::Surroundings;

/// How long somebody who is not found may still turn up before the request says so.
pub(crate) const PATIENCE: chrono::Duration = chrono::Duration::hours(1);
/// Kept like a note, for when the search began.
const SEARCHED: &str = "looked for somebody";

/// How far a whole request is, over everybody whom it names.
pub(crate) enum RequestStatus {
    /// Each of its facts holds.
    Done,
    Underway,
    /// A word for the kind of obstacle, and the reason.
    Waits(String, String),
    /// A later request says otherwise, before it was done for everybody.
    Overtaken,
}

pub(crate) fn request_status(
    deps: &Deps,
    stored: &StoredRequest,
    surroundings: &Surroundings,
) -> Result<RequestStatus, SyncError> {
    let now = deps.now();
    let rule = rule_for(&deps.config.policy, &stored.request);
    if let Ok(Some(rule)) | Err((rule, _)) = rule
        && rule.observe
    {
        return Ok(RequestStatus::Underway);
    }
    if !stored.problems.is_empty() {
        let unknown = stored.problems.iter().all(|(kind, _)| kind == "person-unknown");
        if unknown && now - searched_since(deps, &stored.request.sys_id)? < PATIENCE {
            return Ok(RequestStatus::Underway);
        }
        // How many people or groups it is about is no other kind of reason.
        let mut kinds: Vec<&str> = stored.problems.iter().map(|(kind, _)| kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let texts: Vec<&str> = stored.problems.iter().map(|(_, text)| text.as_str()).collect();
        return Ok(RequestStatus::Waits(kinds.join("+"), texts.join("; ")));
    }
    let Some(resolved) = deps.store.requests().resolved(&stored.request.sys_id)? else {
        return Ok(RequestStatus::Underway);
    };
    if resolved.observe || resolved.approval != Approval::Approved {
        return Ok(RequestStatus::Underway);
    }
    let mut overtaken = false;
    let mut underway = false;
    for person in &resolved.terms.people {
        if is_about_to_be_linked(deps, person)? {
            deps.store.queue().enqueue(person, now)?;
            return Ok(RequestStatus::Underway);
        }
        let Some(judged) = judge(deps, person, surroundings)? else {
            return Ok(RequestStatus::Underway);
        };
        match request_progress(&resolved, &judged.desired, &judged.drifts, now) {
            RequestProgress::Done => {}
            RequestProgress::Underway => underway = true,
            RequestProgress::Overtaken => overtaken = true,
            RequestProgress::Waits { kind, reason } => {
                return Ok(RequestStatus::Waits(kind, reason));
            }
        }
    }
    if underway {
        return Ok(RequestStatus::Underway);
    }
    // For whom it was overtaken it was never done, so it is not for us to close.
    Ok(if overtaken { RequestStatus::Overtaken } else { RequestStatus::Done })
}

/// Since when somebody is looked for: nobody is before the approval.
fn searched_since(deps: &Deps, id: &SysId) -> Result<Timestamp, SyncError> {
    deps.store.notes().insert(id, SEARCHED, deps.now())?;
    Ok(deps.store.notes().at(id, SEARCHED)?.unwrap_or_else(|| deps.now()))
}
