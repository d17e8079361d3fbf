//! Right before a request is written on: how it stands in ServiceNow, read ahead where that saves time, and
//! whether it may be written on at all.

use crate::config::Close;
use crate::model::{Approval, Pause, SysId};
use crate::policy::resolve::{approval, rule_for};
use crate::servicenow::{ServiceNowError, Task};
use crate::store::StoredRequest;
use crate::sync::batch::{OnRequest, RequestReads};
use crate::sync::brake::permit;
use crate::sync::error::Result;
use crate::sync::log::{LogThread, log_event};
use crate::sync::writers::{Permit, Writers};
use crate::sync::{deps::Deps, plan::CyclePlan, scope::Cycle};

/// How the marker of a closing note ends.
const DONE_MARK: &str = ":done]";

/// A request that is written on.
#[derive(Clone, Copy)]
pub(crate) struct ToWrite<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) writers: &'a Writers,
    pub(crate) plan: &'a CyclePlan,
    pub(crate) stored: &'a StoredRequest,
    /// Somebody leaves: it goes before others.
    pub(crate) urgent: bool,
}

async fn read_on_request(deps: &Deps, id: &SysId, marker: &str, urgent: bool) -> Result<OnRequest> {
    let reads = deps.reads(urgent);
    let tasks = async {
        match deps.config.writeback.close {
            Close::Item | Close::Task if marker.ends_with(DONE_MARK) => reads.tasks(id).await,
            _ => Ok(Vec::new()),
        }
    };
    let (tasks, noted) = tokio::join!(tasks, reads.has_note(id, marker));
    Ok(OnRequest { tasks: tasks?, noted: noted? })
}

/// Reads what closing somebody's requests needs while it is done. What cannot be read now, or is old
/// by then, is read when it is written.
pub(crate) async fn read_ahead(deps: &Deps, plan: &CyclePlan, person: &SysId) -> Result<()> {
    if !deps.config.writeback.enabled || !plan.cycle.may_read_ahead() {
        return Ok(());
    }
    let urgent = deps.store.requests().is_leaving(person, deps.now())?;
    for stored in deps.store.requests().open(Some(person))? {
        read_on_request_ahead(deps, &plan.cycle, &stored, urgent).await;
    }
    Ok(())
}

async fn read_on_request_ahead(deps: &Deps, cycle: &Cycle, stored: &StoredRequest, urgent: bool) {
    let (id, asked_at) = (&stored.request.sys_id, deps.now());
    if let Ok(found) = read_on_request(deps, id, &marker(stored, "done"), urgent).await {
        cycle.read_ahead.borrow_mut().insert(id.clone(), (asked_at, found));
    }
}

/// Reads ahead what is not known yet of a request that is to be closed now.
pub(crate) async fn read_before_closing(
    deps: &Deps,
    cycle: &Cycle,
    stored: &StoredRequest,
    urgent: bool,
) {
    let (id, now) = (&stored.request.sys_id, deps.now());
    let row = async {
        if !cycle.has_row(&stored.request, now)
            && let Ok(Some(row)) = deps.reads(urgent).request(id).await
        {
            cycle.rows.borrow_mut().insert(id.clone(), (now, row));
        }
    };
    let found = async {
        if !cycle.has_read_ahead(id, now) {
            read_on_request_ahead(deps, cycle, stored, urgent).await;
        }
    };
    tokio::join!(row, found);
}

pub(crate) enum MayWrite {
    /// With the request's tasks, where it is to be closed.
    Yes(Permit, Vec<Task>),
    /// It is closed or called off by now, or carries the note.
    No,
    Paused(Pause),
}

/// Reads the request once more. What is closed or called off by now, or carries the note, itself
/// or on one of its tasks, is left alone.
pub(crate) async fn may_write(to_write: &ToWrite<'_>, marker: &str) -> Result<MayWrite> {
    let ToWrite { deps, plan, stored, urgent, .. } = *to_write;
    let id = &stored.request.sys_id;
    let done = marker.ends_with(DONE_MARK);
    if deps.store.writebacks().has_note(id, marker)? {
        if done {
            deps.store.requests().finish(id)?;
        }
        return Ok(MayWrite::No);
    }
    let known = deps.store.requests().get(id)?;
    let now = deps.now();
    let row = known.and_then(|known| plan.cycle.take_row(&known.request, now)).filter(|_| done);
    let row = async {
        match row {
            Some(row) => Ok(Some(row)),
            None => deps.reads(urgent).request(id).await,
        }
    };
    let ahead = plan.cycle.take_read_ahead(id, now).filter(|_| done);
    let before = async {
        match ahead {
            Some(before) => Ok(before),
            None => read_on_request(deps, id, marker, urgent).await,
        }
    };
    let (row, before) = tokio::join!(row, before);
    let (row, OnRequest { tasks, noted }) = (row?, before?);
    let Some(now) = row else {
        // It is deleted or hidden, which only a complete read can tell: until then nobody has
        // heard of what was done.
        let operation = "reading a request before it is written on".to_owned();
        return Err(ServiceNowError::NotFound { operation }.into());
    };
    if now.request.state.is_closed() {
        deps.store.requests().finish(id)?;
        return Ok(MayWrite::No);
    }
    let called_off = |rule| approval(rule, &now.request) == Approval::Withdrawn;
    if rule_for(&deps.config.policy, &now.request).is_ok_and(|rule| rule.is_some_and(called_off)) {
        return Ok(MayWrite::No);
    }
    // Where notes cannot be read, one that was tried counts as written once the row has changed
    // since: a missing note does less harm than a second one.
    let mod_count = now.request.mod_count;
    let open = tasks.iter().filter(|task| task.open).count();
    let written = match is_noted(&deps.reads(urgent), noted, &tasks, marker).await? {
        Some(written) => written,
        None => deps.store.writebacks().changed_since_try(id, marker, mod_count, open)?,
    };
    if written {
        deps.store.writebacks().insert_note(id, marker, deps.now())?;
        if done {
            deps.store.requests().finish(id)?;
            if deps.config.writeback.close == Close::Item && open == 0 {
                // The note and the state came in one call whose answer was lost.
                log_unkept(deps, stored)?;
            }
        }
        return Ok(MayWrite::No);
    }
    // Before the try is remembered: what was not tried must not count as written.
    match permit(deps)? {
        Ok(permit) => {
            deps.store.writebacks().insert_try(id, marker, mod_count, open)?;
            Ok(MayWrite::Yes(permit, tasks))
        }
        Err(pause) => Ok(MayWrite::Paused(pause)),
    }
}

/// Whether the note stands on the request, as was just read, or on one of its tasks; `None` where
/// nobody can tell.
async fn is_noted(
    reads: &RequestReads<'_>,
    on_request: Option<bool>,
    tasks: &[Task],
    marker: &str,
) -> Result<Option<bool>> {
    let mut noted = on_request;
    for task in tasks {
        if noted == Some(true) {
            break;
        }
        match reads.has_note(&task.sys_id, marker).await? {
            Some(false) => {}
            other => noted = other,
        }
    }
    Ok(noted)
}

/// What makes a note unique.
pub(crate) fn marker(stored: &StoredRequest, kind: &str) -> String {
    format!("[goldthread:{}:{kind}]", stored.request.reference.number)
}

pub(crate) fn log_unkept(deps: &Deps, stored: &StoredRequest) -> Result<()> {
    let number = &stored.request.reference.number;
    let thread = LogThread::of_request(&deps.store, &stored.request)?;
    log_event!(
        error,
        thread,
        { outcome = "written_back" },
        "{number}: done, but ServiceNow did not keep the state {}; close it by hand",
        deps.config.writeback.state_done
    );
    Ok(())
}
