//! Requests that are in force and not done: which, for whom, why, and who is needed.

use serde::Serialize;

use crate::model::{Disposition, HoldReason, Needs, Operation, Subject, Timestamp};
use crate::report::stamp;
use crate::store::{Store, StoreError, StoredItem, StoredRequest};
use crate::sync::names::{PersonNames, names_of};

/// A request that is in force and not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingRequest {
    /// The number of the requested item.
    pub number: String,
    /// Its row: numbers are not always unique.
    pub request_sys_id: String,
    /// Its order's number; `None` while ServiceNow shows no order.
    pub parent: Option<String>,
    /// What it asks for; `None` where the configuration does not say.
    pub operation: Option<&'static str>,
    /// For whom, where that is one person who is known.
    pub person: Option<PersonNames>,
    /// Since when it waits for this, RFC 3339 in UTC.
    pub since: String,
    /// Why, for a person to read.
    pub reason: String,
    /// Who is needed: `administrator`, `requester`, `servicenow` or `nobody`.
    pub needs: &'static str,
}

/// Every request that is in force and not done, or will not be done as it stands.
pub(crate) fn in_force(
    store: &Store,
    observe: bool,
    now: Timestamp,
) -> Result<Vec<WaitingRequest>, StoreError> {
    let open = store.open_items().of_kind("request")?;
    let mut waiting = Vec::new();
    let mut in_force = store.requests().in_force(now)?;
    // What cannot be carried out is said before its time comes.
    for item in &open {
        if let Subject::Request(id) = &item.item.subject
            && in_force.iter().all(|it| it.request.sys_id != *id)
        {
            in_force.extend(store.requests().get(id)?);
        }
    }
    for stored in in_force {
        let subject = Subject::Request(stored.request.sys_id.clone());
        let item = open.iter().find(|it| it.item.subject == subject);
        waiting.push(view(store, observe, &stored, item)?);
    }
    Ok(waiting)
}

/// Those for which no decision about an action would do.
pub(crate) fn stuck(store: &Store, observe: bool) -> Result<Vec<WaitingRequest>, StoreError> {
    let mut waiting = Vec::new();
    for item in store.open_items().stuck()? {
        if let Subject::Request(id) = &item.item.subject
            && let Some(stored) = store.requests().get(id)?
        {
            waiting.push(view(store, observe, &stored, Some(&item))?);
        }
    }
    Ok(waiting)
}

pub(super) fn view(
    store: &Store,
    observe: bool,
    stored: &StoredRequest,
    item: Option<&StoredItem>,
) -> Result<WaitingRequest, StoreError> {
    let request = &stored.request;
    let resolved = store.requests().resolved(&request.sys_id)?;
    let terms = resolved.as_ref().map(|resolved| &resolved.terms);
    // What it said when its approval was first seen tells, where it could not be resolved.
    let said = stored.request_text.as_ref().map(|text| text.operation);
    let operation = terms.map(|terms| terms.operation).or(said);
    let person = match terms.map(|terms| terms.people.as_slice()) {
        Some([person]) => Some(names_of(store, person)?),
        _ => None,
    };
    let needs = match item.map(|it| &it.item.disposition) {
        Some(Disposition::Hold(HoldReason::RequestWaits { needs, .. })) => *needs,
        _ => Needs::Nobody,
    };
    let observed = observe || resolved.as_ref().is_some_and(|resolved| resolved.observe);
    let reason = match item {
        Some(item) => item.item.reason(),
        None if observed => "only observed".to_owned(),
        None => "it is being carried out".to_owned(),
    };
    let since = item.map(|it| it.changed_at);
    let since = since.or(resolved.as_ref().map(|it| it.effective)).unwrap_or(stored.first_seen);
    Ok(WaitingRequest {
        number: request.reference.number.as_str().to_owned(),
        request_sys_id: request.sys_id.as_str().to_owned(),
        parent: request.reference.parent.as_ref().map(|it| it.as_str().to_owned()),
        operation: operation.map(Operation::as_str),
        person,
        since: stamp(since),
        reason,
        needs: needs.as_str(),
    })
}
