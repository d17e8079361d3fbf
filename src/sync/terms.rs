//! Whom and what requests name: their texts looked up in the store and on both sides. A text that is not
//! answered soon is the business of its request: others are looked up after it.

use std::collections::{BTreeMap, BTreeSet};

use crate::http::{ByText, briefly};
use crate::model::{Approval, Group, GroupId, RequestText, SysId, Terms};
use crate::policy::RequestRule;
use crate::policy::resolve::{Directory, Problem, approval, names, resolve, rule_for, word};
use crate::reconcile::{approve::check_groups, org::Protected};
use crate::servicenow::LookedUp;
use crate::store::StoredRequest;
use crate::sync::contain::{IN_A_LOOK, contained};
use crate::sync::observe::groups::upsert_found_groups;
use crate::sync::{deps::Deps, error::Result, scope::Cycle};

/// Per table and row of a look-up table, the text that names the group, or why it cannot be read.
pub(crate) type LookupRows = BTreeMap<(String, String), Result<String, String>>;

/// What approved requests name by look-up tables and was not looked up before, a table at a time.
pub(crate) async fn lookup_rows(
    deps: &Deps,
    cycle: &Cycle,
    requests: &[SysId],
) -> Result<LookupRows> {
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
        let read = briefly(IN_A_LOOK, deps.servicenow.lookup(table, column, &ids)).await;
        let read = read.map_err(Into::into);
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

/// Whether a request waits for a decision about an edit, by what is wrong with it.
pub(crate) fn is_edited(stored: &StoredRequest) -> bool {
    let kind = Problem::ChangedAfterApproval.kind();
    stored.problems.iter().any(|(problem, _)| problem == kind)
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
            let read = briefly(IN_A_LOOK, deps.servicenow.people_by(text)).await;
            let read = read.map_err(Into::into);
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
        let read = briefly(IN_A_LOOK, groups_called(deps, cycle, &text)).await;
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
