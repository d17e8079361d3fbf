//! What somebody's actions rest on, read by id right before they are carried out.

use std::collections::BTreeSet;

use crate::model::SysId;
use crate::reconcile::approve::ApprovedAction;
use crate::servicenow::Lookup;
use crate::store::{Object, StoredRequest};
use crate::sync::contain::{contained, note_unreadable};
use crate::sync::observe::by_id::refresh;
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
    let (mut changed, mut free) = (Vec::new(), true);
    let disables = approved.iter().any(|it| it.planned.action.step.disables());
    for number in numbers {
        let Some(id) = deps.store.requests().called(number)? else { continue };
        let Some(stored) = deps.store.requests().get(&id)? else { continue };
        let known = !is_open(&stored) || cycle.knows_requests(deps.now());
        if !doubtful && known {
            continue;
        }
        let servicenow =
            if disables { deps.servicenow.clone() } else { deps.servicenow.patiently() };
        let row = deps.reads.request(&servicenow, &id).await.map_err(Into::into);
        let why = match contained(deps, cycle, row).await? {
            Ok(Some(fresh)) => {
                let fresh = [fresh.request];
                changed.extend(deps.store.requests().upsert(&fresh, cycle.id, deps.now())?.0);
                continue;
            }
            // Only a complete list tells that it is gone, and what it asked for stands.
            Ok(None) if !doubtful => continue,
            Ok(None) => format!("{number} is not to be read any more"),
            // The list that said so is believed, and nobody stays enabled for it.
            Err(_) if !doubtful && disables => continue,
            Err(why) => why,
        };
        note_unreadable(deps, Object::Request, person, &why)?;
        free = false;
    }
    if !changed.is_empty() {
        for concerned in resolve_requests(deps, cycle, &changed).await? {
            deps.store.queue().enqueue_at_once(&concerned)?;
        }
    }
    Ok(free)
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
