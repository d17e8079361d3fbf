//! Rows of ServiceNow that could not be read, or made no sense, are read again each by itself: nothing
//! in a list of changes tells when a right comes back.

use std::cell::RefCell;

use crate::http::briefly;
use crate::model::SysId;
use crate::store::{Object, StoreError, Trouble};
use crate::sync::contain::{IN_A_LOOK, ROOM_IN_SERVICENOW, contained};
use crate::sync::error::{Result, SyncError};
use crate::sync::observe::hidden;
use crate::sync::observe::servicenow::confirm_absence;
use crate::sync::side_by_side::in_a_look;
use crate::sync::{deps::Deps, scope::Cycle};

/// More rows than this are not read again in one cycle: it costs a call each.
const MOST: usize = 20;

/// The rows to be read again by now, after those that an earlier look did not come to.
pub(crate) fn due_records(deps: &Deps) -> Result<Vec<(Object, Trouble)>, StoreError> {
    let (mut due, now) = (Vec::new(), deps.now());
    for object in [Object::UnreadPerson, Object::Record, Object::HiddenRequest] {
        let mut troubles = deps.store.unreadable().all(object)?;
        troubles.retain(|trouble| trouble.next_try <= now);
        due.extend(troubles.into_iter().take(MOST).map(|trouble| (object, trouble)));
    }
    Ok(due)
}

/// Reads these rows again, but for those of which a list told something since. Gives the requests among
/// those that can be read.
pub(crate) async fn retry_records(
    deps: &Deps,
    cycle: &Cycle,
    mut due: Vec<(Object, Trouble)>,
) -> Result<Vec<SysId>> {
    let still = due_records(deps)?;
    due.retain(|it| still.contains(it));
    let requests = &RefCell::new(Vec::new());
    // Those whose turn does not come are due still.
    in_a_look(ROOM_IN_SERVICENOW, due, |(object, trouble)| {
        briefly(IN_A_LOOK, async move {
            let read = match object {
                Object::UnreadPerson => retry_unread(deps, cycle, &trouble).await?,
                Object::HiddenRequest => retry_hidden(deps, cycle, &trouble).await?,
                _ => retry_record(deps, cycle, &trouble).await?,
            };
            requests.borrow_mut().extend(read);
            Ok::<_, SyncError>(())
        })
    })
    .await?;
    Ok(requests.take())
}

async fn retry_record(deps: &Deps, cycle: &Cycle, trouble: &Trouble) -> Result<Option<SysId>> {
    let Some((table, id)) = trouble.id.split_once(' ') else { return Ok(None) };
    let Ok(id) = SysId::parse(id) else { return Ok(None) };
    // It is put off before it is tried; what can be read is not in the list any more.
    let Trouble { id: row, why, .. } = trouble;
    deps.store.unreadable().note(Object::Record, row, why, false, deps.now())?;
    match table {
        "sys_user" => {
            confirm_absence(deps, cycle, &id).await?;
            if deps.store.unreadable().of_record(table, &id)?.is_none() {
                deps.store.queue().enqueue_at_once(&id)?;
            }
        }
        "sc_req_item" if retry_request(deps, cycle, &id).await? => return Ok(Some(id)),
        _ => {}
    }
    Ok(None)
}

/// Reads a person's row that an earlier look did not come to.
async fn retry_unread(deps: &Deps, cycle: &Cycle, trouble: &Trouble) -> Result<Option<SysId>> {
    deps.store.unreadable().clear(Object::UnreadPerson, &trouble.id)?;
    let Ok(id) = SysId::parse(&trouble.id) else { return Ok(None) };
    confirm_absence(deps, cycle, &id).await.map(|()| None)
}

/// Asks for a request again whose row is hidden, and gives it where it is shown.
async fn retry_hidden(deps: &Deps, cycle: &Cycle, trouble: &Trouble) -> Result<Option<SysId>> {
    let Ok(id) = SysId::parse(&trouble.id) else { return Ok(None) };
    hidden::note(deps, &trouble.id)?;
    let shown = retry_request(deps, cycle, &id).await?;
    let hidden = !shown && {
        let counted = deps.servicenow.hidden_requests(std::slice::from_ref(&id), 1).await;
        let counted = contained(deps, cycle, counted.map_err(Into::into)).await?;
        counted.map_or(true, |hidden| !hidden.is_empty())
    };
    if !hidden {
        deps.store.unreadable().clear(Object::HiddenRequest, &trouble.id)?;
    }
    Ok(shown.then_some(id))
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
