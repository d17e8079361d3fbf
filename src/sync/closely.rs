//! What somebody's actions rest on, read by id right before they are carried out.

use std::collections::BTreeSet;

use crate::model::SysId;
use crate::reconcile::approve::ApprovedAction;
use crate::servicenow::Lookup;
use crate::store::{Object, StoredRequest};
use crate::sync::contain::{contained, note_unreadable};
use crate::sync::observe::by_id::refresh;
use crate::sync::observe::mark_dirty;
use crate::sync::observe::servicenow::set_aside;
use crate::sync::resolve::resolve_requests;
use crate::sync::{deps::Deps, error::Result, org::find_admins, scope::Cycle};

/// Reads by id what somebody's actions rest on: account and groups, the rows of the requests that ask
/// for them, administrator roles; and the record, where a list that would tell of it cannot be
/// believed (`doubtful`). Says whether nothing of it is in the way.
pub(crate) async fn look_closely(
    deps: &Deps,
    cycle: &Cycle,
    doubtful: bool,
    person: &SysId,
    approved: &[ApprovedAction],
) -> Result<bool> {
    let account = async {
        if cycle.is_fresh(person, deps.now()) {
            return Ok(());
        }
        refresh(deps, cycle, person).await
    };
    let (account, requests, record, roles) = tokio::join!(
        Box::pin(account),
        Box::pin(reread_requests(deps, cycle, doubtful, person, approved)),
        Box::pin(reread_record(deps, cycle, doubtful, person)),
        Box::pin(find_admins(deps, cycle, person, approved))
    );
    account?;
    let free = [requests?, record?, roles?];
    Ok(free.into_iter().all(|free| free))
}

async fn reread_requests(
    deps: &Deps,
    cycle: &Cycle,
    doubtful: bool,
    person: &SysId,
    approved: &[ApprovedAction],
) -> Result<bool> {
    let origins = approved.iter().filter_map(|it| it.planned.action.origin.request());
    let numbers: BTreeSet<_> = origins.map(|request| &request.number).collect();
    let mut free = true;
    for number in numbers {
        let Some(id) = deps.store.requests().called(number)? else { continue };
        let Some(stored) = deps.store.requests().get(&id)? else { continue };
        let mut of_it = approved.iter().map(|it| &it.planned.action);
        let disables = of_it.any(|action| {
            let origin = action.origin.request().map(|request| &request.number);
            origin == Some(number) && action.step.disables()
        });
        let why = match reread_request(deps, cycle, doubtful, &stored, disables).await? {
            Reread::Known => {
                resolve_again(deps, cycle, &id).await?;
                continue;
            }
            // Only a complete list tells that it is gone, and what it asked for stands.
            Reread::Missing if !doubtful => continue,
            Reread::Missing => format!("{number} is not to be read any more"),
            // The list that said so is believed, and nobody stays enabled for it.
            Reread::Unreadable(why) if !doubtful && disables => {
                set_aside(deps, "sc_req_item", id.as_str(), &why)?;
                continue;
            }
            Reread::Unreadable(why) => why,
        };
        note_unreadable(deps, Object::Request, person, &why)?;
        free = false;
    }
    Ok(free)
}

enum Reread {
    /// Its row is in the store as it is, or was closed there before.
    Known,
    Missing,
    Unreadable(String),
}

async fn reread_request(
    deps: &Deps,
    cycle: &Cycle,
    doubtful: bool,
    stored: &StoredRequest,
    urgent: bool,
) -> Result<Reread> {
    if !doubtful && !is_open(stored) {
        return Ok(if stored.vanished { Reread::Missing } else { Reread::Known });
    }
    let (id, asked_at) = (&stored.request.sys_id, deps.now());
    let row = deps.reads(urgent).request(id).await.map_err(Into::into);
    Ok(match contained(deps, cycle, row).await? {
        Ok(Some(fresh)) => {
            if fresh.request != stored.request {
                // It is resolved again however this ends.
                mark_dirty(deps, cycle)?;
                let read = std::slice::from_ref(&fresh.request);
                deps.store.requests().upsert(read, cycle.id, asked_at)?;
            }
            cycle.rows.borrow_mut().insert(id.clone(), (asked_at, fresh));
            Reread::Known
        }
        Ok(None) => Reread::Missing,
        Err(why) => Reread::Unreadable(why),
    })
}

/// A look may have stored the row before, and not have come to what follows from it.
async fn resolve_again(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<()> {
    let before = deps.store.requests().resolved(id)?;
    let concerned = resolve_requests(deps, cycle, std::slice::from_ref(id)).await?;
    if deps.store.requests().resolved(id)? != before {
        concerned.iter().try_for_each(|person| deps.store.queue().enqueue_at_once(person))?;
    }
    Ok(())
}

fn is_open(stored: &StoredRequest) -> bool {
    !stored.vanished && !stored.finished && !stored.request.state.is_closed()
}

/// The list that tells who became inactive could not be read. A leave does not depend on the record.
async fn reread_record(deps: &Deps, cycle: &Cycle, doubtful: bool, person: &SysId) -> Result<bool> {
    if !doubtful {
        return Ok(true);
    }
    let row = deps.servicenow.person(person).await.map_err(Into::into);
    let why = match contained(deps, cycle, row).await? {
        Ok(Lookup::Found(found) | Lookup::Outside(found)) => {
            deps.store.people().upsert(&[found], cycle.id)?;
            return Ok(true);
        }
        Ok(Lookup::Unusable(why)) | Err(why) => why,
        Ok(Lookup::Hidden | Lookup::Absent) => "the record is not to be read".to_owned(),
    };
    if deps.store.requests().is_leaving(person, deps.now())? {
        return Ok(true);
    }
    note_unreadable(deps, Object::Request, person, &why)?;
    Ok(false)
}
