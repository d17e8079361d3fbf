//! Rows of ServiceNow that could not be read, or made no sense, are read again each by itself: nothing
//! in a list of changes tells when a right comes back.

use crate::model::SysId;
use crate::store::{Object, Trouble};
use crate::sync::contain::contained;
use crate::sync::observe::hidden;
use crate::sync::observe::servicenow::confirm_absence;
use crate::sync::{deps::Deps, error::Result, scope::Cycle};

/// More rows than this are not read again in one cycle: it costs a call each.
const MOST: usize = 20;

/// Reads the rows again whose time has come. Gives the requests among those that can be read.
pub(crate) async fn retry_records(deps: &Deps, cycle: &Cycle) -> Result<Vec<SysId>> {
    let mut due = deps.store.unreadable().all(Object::Record)?;
    due.retain(|trouble| trouble.next_try <= deps.now());
    let mut requests = Vec::new();
    for trouble in due.into_iter().take(MOST) {
        let Some((table, id)) = trouble.id.split_once(' ') else { continue };
        let Ok(id) = SysId::parse(id) else { continue };
        // It is put off before it is tried; what can be read is not in the list any more.
        let Trouble { id: row, why, .. } = &trouble;
        deps.store.unreadable().note(Object::Record, row, why, false, deps.now())?;
        match table {
            "sys_user" => {
                confirm_absence(deps, cycle, &id).await?;
                if deps.store.unreadable().of_record(table, &id)?.is_none() {
                    deps.store.queue().enqueue_at_once(&id)?;
                }
            }
            "sc_req_item" if retry_request(deps, cycle, &id).await? => requests.push(id),
            _ => {}
        }
    }
    requests.extend(retry_hidden(deps, cycle).await?);
    Ok(requests)
}

/// Asks for the requests again whose rows are hidden, where it is time to. Gives those that are shown.
async fn retry_hidden(deps: &Deps, cycle: &Cycle) -> Result<Vec<SysId>> {
    let mut due = deps.store.unreadable().all(Object::HiddenRequest)?;
    due.retain(|trouble| trouble.next_try <= deps.now());
    let mut requests = Vec::new();
    for trouble in due.into_iter().take(MOST) {
        let Ok(id) = SysId::parse(&trouble.id) else { continue };
        // It is put off before it is tried.
        hidden::note(deps, &trouble.id)?;
        let is_hidden = if retry_request(deps, cycle, &id).await? {
            requests.push(id);
            false
        } else {
            let read = deps.servicenow.hidden_requests(std::slice::from_ref(&id), 1).await;
            let counted = contained(deps, cycle, read.map_err(Into::into)).await?;
            counted.map_or(true, |hidden| !hidden.is_empty())
        };
        if !is_hidden {
            deps.store.unreadable().clear(Object::HiddenRequest, &trouble.id)?;
        }
    }
    Ok(requests)
}

/// Reads one request again, and says whether it makes sense now.
async fn retry_request(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<bool> {
    let read = deps.servicenow.request(id).await.map_err(Into::into);
    let Ok(Some(fresh)) = contained(deps, cycle, read).await? else { return Ok(false) };
    let (_, double) = deps.store.requests().upsert(&[fresh.request], cycle.id, deps.now())?;
    if double.is_empty() {
        deps.store.unreadable().clear(Object::Record, &format!("sc_req_item {id}"))?;
    }
    Ok(double.is_empty())
}
