//! Edits of requests after their approval: which values count, and what of the request waits until
//! somebody decides about that.

use crate::model::RequestText;
use crate::policy::RequestRule;
use crate::policy::change::{RequestChange, edit, untouched};
use crate::policy::resolve::{Problem, resolved};
use crate::store::{StoredRequest, Verdict};
use crate::sync::terms::{LookupRows, resolve_terms, terms_before};
use crate::sync::{deps::Deps, error::Result, scope::Cycle};

/// The values that count of a request that does not say any more what was approved, `fixed`: these,
/// where the edit was dismissed, or the new ones, where it was released. Until then what the edit
/// touches waits, and the rest of what was approved goes on: gives what there is to say. New values
/// that cannot be used count for nothing, whoever released them.
pub(crate) async fn values_that_count(
    deps: &Deps,
    cycle: &Cycle,
    stored: &StoredRequest,
    fixed: &RequestText,
    (rule, now): (&RequestRule, std::result::Result<RequestText, Problem>),
    rows: &LookupRows,
) -> Result<std::result::Result<RequestText, Vec<Problem>>> {
    let change = edit(rule, &stored.request, fixed, &now);
    let released = match verdict(deps, stored, &change)? {
        Some(Verdict::Dismiss) => return Ok(Ok(fixed.clone())),
        Some(Verdict::Release) => true,
        None => false,
    };
    let terms = match &now {
        Ok(now) => resolve_terms(deps, cycle, now, rule, rows).await?,
        Err(problem) => Err(vec![problem.clone()]),
    };
    if let (true, Ok(_), Ok(now)) = (released, &terms, now) {
        deps.store.decisions().end(&change.fingerprint)?;
        return Ok(Ok(now));
    }
    // What took effect stands.
    if let Some(approved) = terms_before(deps, stored)?.filter(|_| !stored.took_effect) {
        let id = &stored.request.sys_id;
        deps.store.edits().keep_first_terms(id, &approved)?;
        let left = untouched(&change, &approved, terms.as_ref().ok());
        let history = stored.closed_before_first_seen;
        let resolved = resolved(&stored.request, rule, left, history, stored.took_effect);
        deps.store.requests().set_resolved(id, &resolved)?;
        for person in &approved.people {
            deps.store.queue().enqueue_at_once(person)?;
        }
    }
    Ok(Err(match terms {
        Ok(_) => vec![Problem::ChangedAfterApproval],
        Err(problems) => [vec![Problem::ChangedUnusably], problems].concat(),
    }))
}

/// What was said to an edit.
fn verdict(deps: &Deps, stored: &StoredRequest, change: &RequestChange) -> Result<Option<Verdict>> {
    let (id, fingerprint) = (&stored.request.sys_id, &change.fingerprint);
    if deps.store.edits().is_dismissed(id, fingerprint)? {
        return Ok(Some(Verdict::Dismiss));
    }
    let said = deps.store.decisions().standing(deps.now())?.remove(fingerprint);
    let verdict = said.map(|said| said.word);
    if verdict == Some(Verdict::Dismiss) {
        deps.store.edits().dismiss(id, fingerprint)?;
    }
    Ok(verdict)
}
