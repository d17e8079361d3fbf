//! Requests as resolved requests: what they say is fixed at approval, whom and what they name is
//! looked up, and what cannot be resolved is kept as a problem.

use std::collections::{BTreeMap, BTreeSet};

use crate::http::ByText;
use crate::model::{Approval, Group, GroupId, RequestText, ResolvedRequest, SysId, Terms};
use crate::policy::RequestRule;
use crate::policy::change::read;
use crate::policy::resolve::{
    Directory, Problem, approval, approval_with_effect, names, resolve, resolved, rule_for, word,
};
use crate::reconcile::{approve::check_groups, org::Protected};
use crate::servicenow::LookedUp;
use crate::store::{KnownApprovers, StoredRequest};
use crate::sync::approvers::read_approvers;
use crate::sync::contain::contained;
use crate::sync::deadlines::{record_approval, start_timer, start_timer_unresolved};
use crate::sync::edit::{is_edited, values_that_count};
use crate::sync::log::{LogThread, log_event};
use crate::sync::names::{group_name, names_of};
use crate::sync::observe::groups::{manage, upsert_found_groups};
use crate::sync::{deps::Deps, error::Result, scope::Cycle};

/// Per table and row of a look-up table, the text that names the group, or why it cannot be read.
pub(crate) type LookupRows = BTreeMap<(String, String), Result<String, String>>;

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

/// Whom and what a request names is looked up once: names may change hands afterwards.
pub(crate) fn terms_before(deps: &Deps, stored: &StoredRequest) -> Result<Option<Terms>> {
    // Before and after an edit it is for the same people.
    let known = stored.problems.is_empty() || is_edited(stored);
    if stored.request_text.is_none() || !known {
        return Ok(None);
    }
    let id = &stored.request.sys_id;
    let Some(resolved) = deps.store.requests().resolved(id)? else { return Ok(None) };
    let first = deps.store.edits().first_terms(id, resolved.terms.operation)?;
    Ok(Some(first.unwrap_or(resolved.terms)))
}

/// Whom and what a request's texts name now, or everything that is wrong with them.
pub(crate) async fn resolve_terms(
    deps: &Deps,
    cycle: &Cycle,
    request_text: &RequestText,
    rule: &RequestRule,
    rows: &LookupRows,
) -> Result<Result<Terms, Vec<Problem>>> {
    let directory = load_directory(deps, cycle, request_text, rule, rows).await?;
    let terms = match resolve(request_text, rule, &deps.config.policy, &directory) {
        Ok(terms) => terms,
        Err(problems) => return Ok(Err(problems)),
    };
    let mut named: Vec<(GroupId, String)> = directory.groups.into_values().flatten().collect();
    named.retain(|(id, _)| terms.groups.contains(id));
    let mut protected = Protected::default();
    for name in &deps.config.limits.protected_groups {
        protected.groups.extend(deps.store.names().group(name)?);
        protected.groups.extend(deps.store.groups().called(name)?.into_iter().map(|it| it.id));
    }
    let refused = check_groups(terms.operation, &named, &deps.config.limits, &protected);
    Ok(if refused.is_empty() { Ok(terms) } else { Err(refused) })
}

/// What approved requests name by look-up tables and was not looked up before, a table at a time.
async fn lookup_rows(deps: &Deps, cycle: &Cycle, requests: &[SysId]) -> Result<LookupRows> {
    let mut wanted: BTreeMap<(&str, &str), BTreeSet<SysId>> = BTreeMap::new();
    for id in requests {
        let Some(stored) = deps.store.requests().get(id)? else { continue };
        let Ok(Some(rule)) = rule_for(&deps.config.policy, &stored.request) else { continue };
        let Some(lookup) = &rule.lookup else { continue };
        if approval(rule, &stored.request) == Approval::Waiting {
            continue;
        }
        let now = word(rule, &stored.request).ok();
        let texts = match (stored.request_text.clone(), now) {
            // An edit is looked up beside what was approved.
            (Some(fixed), Some(now)) if now != fixed => vec![fixed, now],
            (Some(fixed), _) if terms_before(deps, &stored)?.is_none() => vec![fixed],
            (Some(_), _) => continue,
            (None, now) => now.into_iter().collect(),
        };
        let named = texts.iter().flat_map(|text| names(&text.groups));
        // A text that cannot be an id has no row, and is reported as such.
        let ids = named.filter_map(|text| SysId::parse(text).ok());
        wanted.entry((&lookup.table, &lookup.column)).or_default().extend(ids);
    }
    let mut rows = LookupRows::new();
    for ((table, column), ids) in wanted.into_iter().filter(|(_, ids)| !ids.is_empty()) {
        let read = deps.servicenow.lookup(table, column, &ids).await.map_err(Into::into);
        let key = |id: &str| (table.to_owned(), id.to_owned());
        match contained(deps, cycle, read).await? {
            Ok(LookedUp { found, unusable }) => {
                rows.extend(found.iter().map(|(id, name)| (key(id), Ok(name.trim().to_owned()))));
                rows.extend(unusable.into_iter().map(|(id, why)| (key(&id), Err(why))));
            }
            Err(why) => rows.extend(ids.iter().map(|id| (key(id.as_str()), Err(why.clone())))),
        }
    }
    Ok(rows)
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

async fn load_directory(
    deps: &Deps,
    cycle: &Cycle,
    request_text: &RequestText,
    rule: &RequestRule,
    rows: &LookupRows,
) -> Result<Directory> {
    let mut directory = Directory::default();
    for text in names(&request_text.person) {
        let mut found = deps.store.people().called(text)?;
        if found.is_empty() {
            let read = deps.servicenow.people_by(text).await.map_err(Into::into);
            match contained(deps, cycle, read).await? {
                Ok(ByText::Found(people)) => {
                    deps.store.people().upsert(&people, cycle.id)?;
                    found.extend(people.into_iter().map(|person| person.sys_id));
                }
                Ok(ByText::Unusable(why)) | Err(why) => {
                    directory.unreadable.insert(text.to_owned(), why);
                }
            }
        }
        directory.people.insert(text.to_owned(), found.into_iter().collect());
    }
    let mut groups: BTreeSet<String> = names(&request_text.groups).map(str::to_owned).collect();
    if let Some(lookup) = &rule.lookup {
        for id in &groups {
            let key = (lookup.table.clone(), id.clone());
            match rows.get(&key) {
                Some(Ok(name)) => drop(directory.lookups.insert(key, name.clone())),
                Some(Err(why)) => drop(directory.unreadable.insert(id.clone(), why.clone())),
                None => {}
            }
        }
        groups = directory.lookups.values().cloned().collect();
    }
    for text in groups {
        let read = groups_called(deps, cycle, &text).await;
        match contained(deps, cycle, read).await? {
            Ok(ByText::Found(found)) => {
                let found = found.into_iter().map(|group| (group.id, group.name)).collect();
                directory.groups.insert(text, found);
            }
            Ok(ByText::Unusable(why)) | Err(why) => {
                directory.unreadable.insert(text, why);
            }
        }
    }
    Ok(directory)
}

async fn groups_called(deps: &Deps, cycle: &Cycle, text: &str) -> Result<ByText<Vec<Group>>> {
    let found = deps.store.groups().called(text)?;
    if !found.is_empty() || text.is_empty() {
        return Ok(ByText::Found(found));
    }
    let mut found = match deps.okta.groups_named(text).await? {
        ByText::Found(found) => found,
        unusable @ ByText::Unusable(_) => return Ok(unusable),
    };
    if found.is_empty()
        && let Ok(id) = GroupId::parse(text)
    {
        found.extend(deps.okta.group(&id).await?);
    }
    upsert_found_groups(deps, cycle, &found).await?;
    Ok(ByText::Found(found))
}
