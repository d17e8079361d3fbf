//! Requests as resolved requests: what they say is fixed at approval, whom and what they name is
//! looked up, and what cannot be resolved is kept as a problem.

use std::collections::BTreeSet;

use crate::model::{Approval, ResolvedRequest, SysId};
use crate::policy::RequestRule;
use crate::policy::change::read;
use crate::policy::resolve::{Problem, approval, approval_with_effect, resolved};
use crate::store::{KnownApprovers, StoredRequest};
use crate::sync::approvers::read_approvers;
use crate::sync::deadlines::{record_approval, start_timer, start_timer_unresolved};
use crate::sync::edit::values_that_count;
use crate::sync::log::{LogThread, log_event};
use crate::sync::names::{group_name, names_of};
use crate::sync::observe::groups::manage;
use crate::sync::terms::{LookupRows, lookup_rows, resolve_terms, terms_before};
use crate::sync::{deps::Deps, error::Result, scope::Cycle};

/// Gives whom the requests name. Names that the store does not know are looked up on both sides.
pub(crate) async fn resolve_requests(
    deps: &Deps,
    cycle: &Cycle,
    requests: &[SysId],
) -> Result<BTreeSet<SysId>> {
    let mut people = BTreeSet::new();
    let (approvers, rows) =
        tokio::join!(read_approvers(deps, cycle, requests), lookup_rows(deps, cycle, requests));
    approvers?;
    let rows = rows?;
    for id in requests {
        let Some(stored) = deps.store.requests().get(id)? else { continue };
        if let Some(resolved) = deps.store.requests().resolved(id)? {
            people.extend(resolved.terms.people);
        }
        people.extend(resolve_request(deps, cycle, &stored, &rows).await?);
    }
    Ok(people)
}

/// Resolves one request as far as it is approved, and gives whom it names.
async fn resolve_request(
    deps: &Deps,
    cycle: &Cycle,
    stored: &StoredRequest,
    rows: &LookupRows,
) -> Result<Vec<SysId>> {
    let request = &stored.request;
    let known = stored.request_text.as_ref();
    let Some((rule, now)) = read(&deps.config.policy, request, known) else {
        return Ok(Vec::new());
    };
    // What took effect before still stands.
    let approval = approval_with_effect(rule, request, stored.took_effect);
    let approved = approval == Approval::Approved;
    if self::approval(rule, request) == Approval::Waiting {
        deps.store.approvers().mark_stale(&request.sys_id)?;
    }
    let request_text = match (known, now) {
        (None, Ok(request_text)) => request_text,
        (None, Err(problem)) => return record_problems(deps, stored, rule, approval, &[problem]),
        (Some(fixed), now)
            if approved && now.as_ref() != Ok(fixed) && !request.state.is_closed() =>
        {
            match values_that_count(deps, cycle, stored, fixed, (rule, now), rows).await? {
                Ok(request_text) => request_text,
                Err(problems) => return record_problems(deps, stored, rule, approval, &problems),
            }
        }
        (Some(fixed), _) => fixed.clone(),
    };
    let anew = stored.request_text.as_ref().is_some_and(|fixed| *fixed != request_text);
    let newly_approved = approved && (stored.request_text.is_none() || anew);
    if newly_approved {
        deps.store.requests().freeze_text(&request.sys_id, &request_text)?;
        record_approval(deps, request, rule.approval)?;
    }
    // Nothing is looked up for what nobody has approved yet, or not any more.
    if approval == Approval::Waiting {
        deps.store.requests().unfreeze(&request.sys_id)?;
        deps.store.requests().set_approval(&request.sys_id, approval)?;
        return Ok(Vec::new());
    }
    let terms = match terms_before(deps, stored)?.filter(|_| !anew) {
        Some(terms) => terms,
        None => match resolve_terms(deps, cycle, &request_text, rule, rows).await? {
            Ok(terms) => terms,
            Err(problems) => return record_problems(deps, stored, rule, approval, &problems),
        },
    };
    let mut unmanaged = Vec::new();
    for group in &terms.groups {
        if let Err(why) = manage(deps, cycle, group).await? {
            let text = group_name(&deps.store, group)?;
            unmanaged.push(Problem::GroupUnreadable { text, why });
        }
    }
    if !unmanaged.is_empty() {
        return record_problems(deps, stored, rule, approval, &unmanaged);
    }
    deps.store.edits().forget_first_terms(&request.sys_id)?;
    let people = terms.people.clone();
    let resolved =
        resolved(request, rule, terms, stored.closed_before_first_seen, stored.took_effect);
    let known = stored.problems.is_empty()
        && deps.store.requests().resolved(&request.sys_id)?.as_ref() == Some(&resolved);
    if !known {
        deps.store.requests().set_resolved(&request.sys_id, &resolved)?;
        start_timer(deps, &request.sys_id, &resolved)?;
    }
    if newly_approved && !stored.closed_before_first_seen {
        log_approved(deps, stored, &resolved)?;
    }
    Ok(people)
}

fn log_approved(deps: &Deps, stored: &StoredRequest, resolved: &ResolvedRequest) -> Result<()> {
    let number = &resolved.reference.number;
    let mut names = Vec::new();
    for person in &resolved.terms.people {
        names.push(names_of(&deps.store, person)?.name().to_owned());
    }
    let when = match resolved.terms.starts.filter(|starts| *starts > deps.now()) {
        Some(starts) => format!("from {} UTC on", starts.format("%Y-%m-%d %H:%M:%S")),
        None => "in force".to_owned(),
    };
    let thread = LogThread::of_request(&deps.store, &stored.request)?;
    let by = match (&thread.approver, deps.store.approvers().of(&stored.request.sys_id)?) {
        (Some(names), _) => format!(" by {names}"),
        (None, KnownApprovers::Read(_)) => " (nobody is named who did it)".to_owned(),
        (None, KnownApprovers::Unreadable(_)) => " (by whom cannot be read)".to_owned(),
        (None, KnownApprovers::NotAsked) => String::new(),
    };
    log_event!(
        info,
        thread,
        { outcome = "approved" },
        "{number}: approved{by}, a {} for {}, {when}",
        resolved.terms.operation.as_str(),
        names.join(", ")
    );
    Ok(())
}

/// Records what is wrong with a request: nobody is named by it.
fn record_problems(
    deps: &Deps,
    stored: &StoredRequest,
    rule: &RequestRule,
    approval: Approval,
    problems: &[Problem],
) -> Result<Vec<SysId>> {
    let texts: Vec<(String, String)> =
        problems.iter().map(|problem| (problem.kind().to_owned(), problem.to_string())).collect();
    deps.store.requests().set_problems(&stored.request.sys_id, approval, &texts)?;
    if approval == Approval::Approved {
        record_approval(deps, &stored.request, rule.approval)?;
        start_timer_unresolved(deps, stored, rule)?;
    }
    Ok(Vec::new())
}
