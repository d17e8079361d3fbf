//! The requests of one person, as `explain` shows them.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::{Approval, Operation, SysId};
use crate::policy::resolve::{approval_with_effect, names, rule_for, word};
use crate::report::stamp;
use crate::store::{StoreError, StoredRequest};
use crate::sync::deps::Deps;

/// One request of the person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestView {
    /// The number of the requested item, `RITM0010001`.
    pub number: String,
    /// Its order's number, `REQ0010001`; `None` while ServiceNow shows no order yet.
    pub parent: Option<String>,
    /// What it asks for.
    pub operation: Option<&'static str>,
    /// Its state in ServiceNow, in words.
    pub state: &'static str,
    /// `approved`, `waiting` or `withdrawn`.
    pub approval: &'static str,
    /// It is approved, has begun and has not ended.
    pub in_force: bool,
    /// In force from then on, RFC 3339.
    pub starts: Option<String>,
    /// No longer in force from then on, RFC 3339.
    pub ends: Option<String>,
    /// Why it cannot be carried out.
    pub problem: Option<String>,
    /// It can no longer be read in ServiceNow; what it asked for stands.
    pub vanished: bool,
}

/// Every request that names the person, those that nobody approved or that cannot be carried
/// out included.
pub(crate) fn requests_of(deps: &Deps, id: &SysId) -> Result<Vec<RequestView>, StoreError> {
    let mut found = deps.store.requests().naming(id)?;
    let known: BTreeSet<SysId> = found.iter().map(|it| it.request.sys_id.clone()).collect();
    for stored in deps.store.requests().unresolved_or_waiting()? {
        if !known.contains(&stored.request.sys_id) && is_named_by(deps, &stored, id)? {
            found.push(stored);
        }
    }
    found.sort_by(|a, b| {
        let key = |it: &StoredRequest| (it.request.opened_at, it.request.reference.number.clone());
        key(a).cmp(&key(b))
    });
    found.iter().map(|stored| request_view(deps, stored)).collect()
}

fn is_named_by(deps: &Deps, stored: &StoredRequest, id: &SysId) -> Result<bool, StoreError> {
    let Ok(Some(rule)) = rule_for(&deps.config.policy, &stored.request) else { return Ok(false) };
    let known = stored.request_text.clone().or_else(|| word(rule, &stored.request).ok());
    let Some(request_text) = known else { return Ok(false) };
    for text in names(&request_text.person) {
        if deps.store.people().called(text)?.contains(id) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn request_view(deps: &Deps, stored: &StoredRequest) -> Result<RequestView, StoreError> {
    let (request, now) = (&stored.request, deps.now());
    let resolved = deps.store.requests().resolved(&request.sys_id)?;
    let rule = rule_for(&deps.config.policy, request).ok().flatten();
    let approval = match (&resolved, rule) {
        (Some(resolved), _) => resolved.approval,
        (None, Some(rule)) => approval_with_effect(rule, request, stored.took_effect),
        (None, None) => Approval::Waiting,
    };
    let problems: Vec<&str> = stored.problems.iter().map(|(_, text)| text.as_str()).collect();
    let terms = resolved.as_ref().map(|resolved| &resolved.terms);
    let operation = terms.map(|terms| terms.operation).or(rule.map(|rule| rule.operation));
    Ok(RequestView {
        number: request.reference.number.as_str().to_owned(),
        parent: request.reference.parent.as_ref().map(|it| it.as_str().to_owned()),
        operation: operation.map(Operation::as_str),
        state: request.state.as_str(),
        approval: approval.as_str(),
        in_force: resolved.as_ref().is_some_and(|it| it.in_force(now) && !it.has_ended(now)),
        starts: terms.and_then(|terms| terms.starts).map(stamp),
        ends: terms.and_then(|terms| terms.ends).map(stamp),
        problem: (!problems.is_empty()).then(|| problems.join("; ")),
        vanished: stored.vanished,
    })
}
