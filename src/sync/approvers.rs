//! Who approved: read when an approval is first seen and kept with the request. It is good to know
//! and nothing waits for it: where it cannot be read the request is carried out all the same.

use std::collections::BTreeSet;

use crate::model::{Approval, Approver, ApproversByTask, SysId, approvers_of};
use crate::policy::ApprovalSource;
use crate::policy::resolve::{approval, rule_for};
use crate::servicenow::who_approved;
use crate::store::{StoreError, StoredRequest};
use crate::sync::log::{LogThread, log_event};
use crate::sync::{deps::Deps, error::Result, scope::Cycle};

/// So many that could not be read are tried again with the next ones.
const AGAIN: u32 = 100;

/// Reads who approved those among these requests that are newly seen to be approved, and with them
/// those of which it could not be read before. No call where there is nothing new.
pub(crate) async fn read_approvers(deps: &Deps, cycle: &Cycle, requests: &[SysId]) -> Result<()> {
    let wanted = wanted(deps, cycle, requests)?;
    if wanted.is_empty() {
        return Ok(());
    }
    let tasks = wanted.iter().flat_map(|stored| {
        let order = SysId::parse(&stored.request.order).ok();
        [Some(stored.request.sys_id.clone()), order].into_iter().flatten()
    });
    let found = who_approved(deps.servicenow.connection(), &tasks.collect()).await?;
    log_transition(deps, cycle, &wanted, found.as_ref())?;
    let now = deps.now();
    Ok(deps.store.atomically(|| {
        wanted.iter().try_for_each(|stored| {
            let id = &stored.request.sys_id;
            match &found {
                Ok(found) => {
                    let approvers = named(deps, approvers_of(&stored.request, found))?;
                    deps.store.approvers().replace(id, &approvers, now)
                }
                Err(why) => deps.store.approvers().set_unreadable(id, why, now),
            }
        })
    })?)
}

fn wanted(
    deps: &Deps,
    cycle: &Cycle,
    requests: &[SysId],
) -> Result<Vec<StoredRequest>, StoreError> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let unread = deps.store.approvers().unread()?;
    let mut wanted = Vec::new();
    for id in requests.iter().filter(|id| unread.contains(id)) {
        wanted.extend(deps.store.requests().get(id)?.filter(|stored| is_approved(deps, stored)));
    }
    if wanted.is_empty() && !cycle.is_full() {
        return Ok(wanted);
    }
    let new: BTreeSet<SysId> = wanted.iter().map(|it| it.request.sys_id.clone()).collect();
    for id in deps.store.approvers().unreadable(AGAIN)?.iter().filter(|id| !new.contains(id)) {
        wanted.extend(deps.store.requests().get(id)?);
    }
    Ok(wanted)
}

/// Whether somebody has approved it, where somebody has to.
fn is_approved(deps: &Deps, stored: &StoredRequest) -> bool {
    let (Ok(Some(rule)) | Err((rule, _))) = rule_for(&deps.config.policy, &stored.request) else {
        return false;
    };
    rule.approval != ApprovalSource::None && approval(rule, &stored.request) == Approval::Approved
}

/// Approvers are people, too: their names are known where ServiceNow did not send them along.
fn named(deps: &Deps, mut approvers: Vec<Approver>) -> Result<Vec<Approver>, StoreError> {
    for approver in approvers.iter_mut().filter(|it| it.user_name.is_empty()) {
        let Ok(id) = SysId::parse(&approver.sys_id) else { continue };
        if let Some(person) = deps.store.people().get(&id)? {
            person.user_name().clone_into(&mut approver.user_name);
            person.email().clone_into(&mut approver.email);
        }
    }
    Ok(approvers)
}

/// Says once when who approved cannot be read any more, or for the first time is nobody, and once
/// when it can be read again.
fn log_transition(
    deps: &Deps,
    cycle: &Cycle,
    wanted: &[StoredRequest],
    found: Result<&ApproversByTask, &String>,
) -> Result<()> {
    let before = deps.store.approvers().last_read()?;
    let unreadable_before = before.as_ref().and_then(|before| before.unreadable.as_ref());
    match (unreadable_before, found) {
        (None, Err(why)) => tracing::warn!(
            "who approved cannot be read, and requests are carried out all the same: {why}; give \
             this account read access to sysapproval_approver, rows and fields"
        ),
        (Some(_), Ok(_)) => tracing::info!("who approved can be read again"),
        _ => {}
    }
    let nobody_before = before.is_some_and(|before| before.nobody_before);
    let nobody = |found: &ApproversByTask| {
        wanted.iter().find(|stored| approvers_of(&stored.request, found).is_empty())
    };
    if let (false, Some(stored)) = (nobody_before, found.ok().and_then(nobody)) {
        let number = &stored.request.reference.number;
        let thread = LogThread::of_request(&deps.store, &stored.request)?;
        log_event!(
            warn,
            thread,
            { cycle = cycle.id },
            "{number}: nobody is named who approved it, as where a script or a due date did; it is \
             carried out all the same, and this is not said again of others"
        );
    }
    Ok(())
}
