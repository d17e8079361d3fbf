//! The requests of one person, as `explain` shows them.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::{Approval, Operation, SysId, Timestamp};
use crate::policy::Policy;
use crate::policy::resolve::{approval_with_effect, names, rule_for, word};
use crate::report::stamp;
use crate::store::{Store, StoreError, StoredRequest};

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
/// out included. Without a policy, as the requests were understood last.
pub(crate) fn requests_of(
    store: &Store,
    policy: Option<&Policy>,
    id: &SysId,
    now: Timestamp,
) -> Result<Vec<RequestView>, StoreError> {
    let mut found = store.requests().naming(id)?;
    let known: BTreeSet<SysId> = found.iter().map(|it| it.request.sys_id.clone()).collect();
    for stored in store.requests().unresolved_or_waiting()? {
        if !known.contains(&stored.request.sys_id) && is_named_by(store, policy, &stored, id)? {
            found.push(stored);
        }
    }
    found.sort_by(|a, b| {
        let key = |it: &StoredRequest| (it.request.opened_at, it.request.reference.number.clone());
        key(a).cmp(&key(b))
    });
    found.iter().map(|stored| request_view(store, policy, stored, now)).collect()
}

fn is_named_by(
    store: &Store,
    policy: Option<&Policy>,
    stored: &StoredRequest,
    id: &SysId,
) -> Result<bool, StoreError> {
    let request_text = match policy.map(|policy| rule_for(policy, &stored.request)) {
        None => stored.request_text.clone(),
        Some(Ok(Some(rule))) => {
            stored.request_text.clone().or_else(|| word(rule, &stored.request).ok())
        }
        Some(_) => None,
    };
    let Some(request_text) = request_text else { return Ok(false) };
    for text in names(&request_text.person) {
        if store.people().called(text)?.contains(id) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn request_view(
    store: &Store,
    policy: Option<&Policy>,
    stored: &StoredRequest,
    now: Timestamp,
) -> Result<RequestView, StoreError> {
    let request = &stored.request;
    let resolved = store.requests().resolved(&request.sys_id)?;
    let rule = policy.and_then(|policy| rule_for(policy, request).ok().flatten());
    let approval = match (&resolved, rule) {
        (Some(resolved), _) => resolved.approval,
        (None, Some(rule)) => approval_with_effect(rule, request, stored.took_effect),
        (None, None) => {
            let known = store.requests().progress_of(&request.sys_id, now)?;
            known.map_or(Approval::Waiting, |known| known.approval)
        }
    };
    let problems: Vec<&str> = stored.problems.iter().map(|(_, text)| text.as_str()).collect();
    let terms = resolved.as_ref().map(|resolved| &resolved.terms);
    let said = stored.request_text.as_ref().map(|text| text.operation);
    let operation = terms.map(|terms| terms.operation).or(rule.map(|rule| rule.operation)).or(said);
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
