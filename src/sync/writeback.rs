//! Telling ServiceNow: a request whose facts all hold gets its one PATCH. It is read again right
//! before, so a crash after the PATCH cannot write a second note.

use crate::config::{Close, JournalField};
use crate::model::{AccountId, Pause, RequestState, SysId, shown};
use crate::reconcile::fulfillment::RequestStatus;
use crate::servicenow::{Closing, ServiceNowError, Task};
use crate::store::StoredRequest;
use crate::sync::before_writing::{
    MayWrite, ToWrite, log_unkept, marker, may_write, read_before_closing,
};
use crate::sync::contain::contained;
use crate::sync::deps::{Deps, InFlight};
use crate::sync::error::{Result, SyncError};
use crate::sync::log::{LogThread, log_event};
use crate::sync::names::{group_name, names_of};
use crate::sync::outcome::{ActionOutcome, ActionResult, CycleOutcome};
use crate::sync::record::record_again;
use crate::sync::waiting::{Standing, is_leave, request_status};
use crate::sync::writers::Writers;
use crate::sync::{
    deadlines::update_deadlines, observe::by_id::refresh_each, plan::CyclePlan, scope::Cycle,
};

/// A requester reads no more of why something waits, in characters.
const LONGEST_REASON: usize = 2000;
/// The kind of note on a request that a later one has overtaken.
const OVERTAKEN: &str = "overtaken";
/// A state that does not stick is noticed this long after it was written.
const STATE_WATCHED: chrono::Duration = chrono::Duration::hours(1);

/// Writes on an open request what is to be said of it, and closes it where it is done. What cannot be
/// written is said, and tried again. Gives whom is to be decided about again, where it is not done
/// after all.
pub(crate) async fn write_on(
    deps: &Deps,
    writers: &Writers,
    standing: &Standing,
    plan: &CyclePlan,
    outcome: &mut CycleOutcome,
) -> Result<Vec<SysId>> {
    let Standing { stored, status, .. } = standing;
    let id = &stored.request.sys_id;
    if deps.memory.backs_off(id, deps.now()) {
        update_deadlines(deps, stored, status)?;
        outcome.summary.failed += 1;
        return Ok(Vec::new());
    }
    match say_on(deps, writers, standing, plan, outcome).await {
        Ok(Said::All) => deps.memory.note_written(id),
        Ok(Said::NotDone(people)) => return Ok(people),
        // The store is ours: without it nothing more is written.
        Err(SyncError::Store(error)) => return Err(error.into()),
        Err(SyncError::ServiceNow(ServiceNowError::Paused { .. })) => {
            outcome.summary.skipped += 1;
        }
        Err(error) => {
            let (number, now) = (&stored.request.reference.number, deps.now());
            // Once for each reason.
            if deps.store.writebacks().insert_unwritten(id, &error.to_string(), now)? {
                let thread = LogThread::of_request(&deps.store, &stored.request)?;
                log_event!(
                    warn,
                    thread,
                    { outcome = "failed", cycle = plan.cycle.id },
                    "{number}: could not be written back: {error}"
                );
            }
            deps.memory.note_unwritten(id, now);
            outcome.summary.failed += 1;
        }
    }
    Ok(Vec::new())
}

enum Said {
    All,
    /// It is not done after all, as it showed when these people were read by id.
    NotDone(Vec<SysId>),
}

async fn say_on(
    deps: &Deps,
    writers: &Writers,
    standing: &Standing,
    plan: &CyclePlan,
    outcome: &mut CycleOutcome,
) -> Result<Said> {
    let Standing { stored, status, people, .. } = standing;
    let to_write = &ToWrite { deps, writers, plan, stored, urgent: is_leave(standing) };
    let enabled = deps.config.writeback.enabled;
    let paused = deps.store.brake().in_force()?.filter(|_| enabled);
    let closes = matches!(status, RequestStatus::Done) && enabled && paused.is_none();
    if closes && !verify_and_read(to_write, people).await? {
        // What differs after all is open until it is decided.
        people.iter().try_for_each(|person| deps.store.queue().enqueue_at_once(person))?;
        return Ok(Said::NotDone(people.clone()));
    }
    update_deadlines(deps, stored, status)?;
    let paused = match status {
        _ if !enabled || paused.is_some() => paused,
        RequestStatus::Underway | RequestStatus::Waits { too_soon_to_say: true, .. } => None,
        RequestStatus::Done => close_request(to_write).await?,
        RequestStatus::Overtaken => {
            let text = "a later request says otherwise, so this one is left as it is";
            post_held_note(to_write, OVERTAKEN, text).await?
        }
        RequestStatus::Waits { kind, reason, .. } => post_held_note(to_write, kind, reason).await?,
    };
    if let Some(pause) = paused {
        leave_unwritten(deps, stored, status, pause, outcome)?;
    }
    Ok(Said::All)
}

/// Adds what a pause left unsaid on a request. Why one waits is said in the outcome as it is.
fn leave_unwritten(
    deps: &Deps,
    stored: &StoredRequest,
    status: &RequestStatus,
    pause: Pause,
    outcome: &mut CycleOutcome,
) -> Result<()> {
    let what = match status {
        RequestStatus::Done => "done in Okta, and not written on the request yet",
        RequestStatus::Overtaken if !is_said(deps, stored, OVERTAKEN)? => {
            "overtaken, and not written on the request yet"
        }
        _ => return Ok(()),
    };
    let reference = &stored.request.reference;
    outcome.push(ActionOutcome {
        request: Some(reference.number.as_str().to_owned()),
        request_sys_id: Some(stored.request.sys_id.as_str().to_owned()),
        parent: reference.parent.as_ref().map(|it| it.as_str().to_owned()),
        cause: "request",
        result: ActionResult::Skipped,
        error: Some(format!("{what}: {pause}")),
        ..ActionOutcome::default()
    });
    outcome.paused = Some(pause);
    Ok(())
}

/// Whether the newest note on a request is of this kind.
fn is_said(deps: &Deps, stored: &StoredRequest, kind: &str) -> Result<bool> {
    let last = deps.store.writebacks().last_note(&stored.request.sys_id)?;
    Ok(last.as_deref() == Some(&marker(stored, kind)))
}

/// Looks whether a request is done, and reads meanwhile what writing on it needs.
async fn verify_and_read(to_write: &ToWrite<'_>, people: &[SysId]) -> Result<bool> {
    let ToWrite { deps, plan, stored, urgent, .. } = *to_write;
    let ahead = read_before_closing(deps, &plan.cycle, stored, urgent);
    let verified = verify_request(deps, plan, stored, people);
    let (verified, ()) = tokio::join!(verified, ahead);
    verified
}

/// A list may be older than what it shows: before a request is called done, whom it names is
/// read by id. Says whether it is done then as well.
async fn verify_request(
    deps: &Deps,
    plan: &CyclePlan,
    stored: &StoredRequest,
    people: &[SysId],
) -> Result<bool> {
    let now = deps.now();
    let unread = people.iter().filter(|person| !plan.cycle.was_read_by_id(person, now));
    let unread: Vec<SysId> = unread.cloned().collect();
    if !unread.is_empty() {
        refresh_each(deps, &plan.cycle, &unread).await?;
        // What else was seen of them is open.
        record_again(deps, plan, unread)?;
    }
    // It may have waited for its turn meanwhile.
    Ok(request_status(deps, stored, &plan.org)? == RequestStatus::Done)
}

/// Closes it, or gives the pause that came in between.
async fn close_request(to_write: &ToWrite<'_>) -> Result<Option<Pause>> {
    let ToWrite { deps, writers, stored, urgent, .. } = *to_write;
    let id = &stored.request.sys_id;
    let number = &stored.request.reference.number;
    let settings = &deps.config.writeback;
    let marker = marker(stored, "done");
    let (permit, tasks) = match may_write(to_write, &marker).await? {
        MayWrite::Yes(permit, tasks) => (permit, tasks),
        MayWrite::No => return Ok(None),
        MayWrite::Paused(pause) => return Ok(Some(pause)),
    };
    let servicenow = writers.servicenow(permit, urgent);
    let open: Vec<&Task> = tasks.iter().filter(|task| task.open).collect();
    let note = format!("{}\n{marker}", closing_note(deps, stored)?);
    let state = Some(settings.state_done.as_str());
    let only_note = Closing { note_field: field(settings.note), note: &note, state: None };
    let closing = Closing { state, ..only_note };
    let _in_flight = InFlight::begin(deps);
    let state_written = settings.close == Close::Item && open.is_empty();
    let written = match (settings.close, open.as_slice()) {
        (Close::Task, [task]) => servicenow.close_task(&task.sys_id, &closing).await,
        (Close::Item, []) => servicenow.close(id, &closing).await,
        // Its flow closes an item with open tasks; closing it here would run past the flow.
        _ => servicenow.close(id, &only_note).await,
    };
    // Without an answer it may have been written: the next cycle reads before it writes.
    let echo = written?;
    deps.store.writebacks().insert_note(id, &marker, deps.now())?;
    deps.store.requests().finish(id)?;
    if state_written && echo.state_taken {
        deps.store.requests().set_state(id, RequestState::Complete)?;
        deps.store.writebacks().state_written(id, deps.now())?;
    }
    if echo.state_taken {
        let thread = LogThread::of_request(&deps.store, &stored.request)?;
        log_event!(
            info,
            thread,
            { outcome = "written_back" },
            "{number}: done, and said so in ServiceNow"
        );
    } else {
        log_unkept(deps, stored)?;
    }
    Ok(None)
}

/// A flow may set the state again at once. Who opens a request again later knows why.
pub(crate) async fn check_closed_states(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let now = deps.now();
    for stored in deps.store.requests().open_again()? {
        let id = &stored.request.sys_id;
        let kept_since = deps.store.writebacks().state_kept_since(id)?;
        if kept_since.is_none_or(|at| now - at >= STATE_WATCHED) {
            continue;
        }
        let read = deps.servicenow.request(id).await.map_err(Into::into);
        let Ok(fresh) = contained(deps, cycle, read).await? else { continue };
        if fresh.is_some_and(|fresh| !fresh.request.state.is_closed()) {
            deps.store.writebacks().state_unkept(id, now)?;
            log_unkept(deps, &stored)?;
        }
    }
    Ok(())
}

/// Says on the request why it waits, once for each kind of reason; or gives the pause that came in
/// between.
async fn post_held_note(to_write: &ToWrite<'_>, kind: &str, reason: &str) -> Result<Option<Pause>> {
    let ToWrite { deps, writers, stored, urgent, .. } = *to_write;
    if is_said(deps, stored, kind)? {
        return Ok(None);
    }
    let id = &stored.request.sys_id;
    let marker = marker(stored, kind);
    let permit = match may_write(to_write, &marker).await? {
        MayWrite::Yes(permit, _) => permit,
        MayWrite::No => return Ok(None),
        MayWrite::Paused(pause) => return Ok(Some(pause)),
    };
    let reason: String = shown::line(reason).chars().take(LONGEST_REASON).collect();
    let note = format!("This request has not been carried out yet: {reason}.\n{marker}");
    let field = field(deps.config.writeback.held_note);
    let _in_flight = InFlight::begin(deps);
    let closing = Closing { note_field: field, note: &note, state: None };
    writers.servicenow(permit, urgent).close(id, &closing).await?;
    deps.store.writebacks().insert_note(id, &marker, deps.now())?;
    Ok(None)
}

/// Names the Okta user id and each action; what stands in Okta's profile stays there.
fn closing_note(deps: &Deps, stored: &StoredRequest) -> Result<String> {
    let mut lines = vec!["Done in Okta by Goldthread.".to_owned()];
    if let Some(resolved) = deps.store.requests().resolved(&stored.request.sys_id)? {
        for person in &resolved.terms.people {
            let view = names_of(&deps.store, person)?;
            lines.push(format!(
                "Okta user {} ({})",
                view.okta_id.as_deref().unwrap_or("none"),
                view.user_name.as_deref().unwrap_or("unknown")
            ));
        }
    }
    let applied = deps.store.journal().applied_for(&stored.request.reference.number)?;
    if applied.is_empty() {
        lines.push("It was so already; nothing had to be changed.".to_owned());
    }
    for done in applied {
        let group = match &done.group {
            Some(group) => format!(" {}", group_name(&deps.store, group)?),
            None => String::new(),
        };
        lines.push(format!(
            "action {}: {}{group} (Okta user {}, Okta request {})",
            done.action_id,
            done.action,
            done.okta_id.as_ref().map_or("none", AccountId::as_str),
            done.okta_request_id.as_deref().unwrap_or("unknown")
        ));
    }
    lines.push(format!("Journal {}", deps.store.journal().head()?));
    // A name must not begin a line of its own.
    let lines: Vec<_> = lines.iter().map(|line| shown::line(line)).collect();
    Ok(lines.join("\n"))
}

fn field(field: JournalField) -> &'static str {
    match field {
        JournalField::WorkNotes => "work_notes",
        JournalField::Comments => "comments",
    }
}
