//! Notes on requests: what they say, and that none is written twice.

use crate::config::{Close, JournalField};
use crate::model::{AccountId, Approval, SysId};
use crate::policy::resolve::{approval, rule_for};
use crate::servicenow::{Closing, ServiceNowError, Task};
use crate::store::StoredRequest;
use crate::sync::deps::{Deps, InFlight, Writers};
use crate::sync::error::Result;
use crate::sync::names::{group_name, names_of};

/// A requester reads no more of why something waits, in characters.
const LONGEST_REASON: usize = 2000;

/// Says on the request why it waits, once for each kind of reason.
pub(crate) async fn post_held_note(
    deps: &Deps,
    writers: &Writers,
    stored: &StoredRequest,
    kind: &str,
    reason: &str,
) -> Result<()> {
    let id = &stored.request.sys_id;
    let marker = marker(stored, kind);
    if deps.store.writebacks().last_note(id)?.as_deref() == Some(&marker) {
        return Ok(());
    }
    if !may_write(deps, stored, &marker, &[]).await? {
        return Ok(());
    }
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    let note = format!("This request has not been carried out yet: {reason}.\n{marker}");
    let field = field(deps.config.writeback.held_note);
    let _in_flight = InFlight::begin(deps);
    writers.servicenow.close(id, &Closing { note_field: field, note: &note, state: None }).await?;
    deps.store.writebacks().insert_note(id, &marker, deps.now())?;
    Ok(())
}

/// Reads the request once more. What is closed or called off by now, or carries the note, itself
/// or on one of its tasks, is left alone.
pub(crate) async fn may_write(
    deps: &Deps,
    stored: &StoredRequest,
    marker: &str,
    tasks: &[Task],
) -> Result<bool> {
    let id = &stored.request.sys_id;
    let done = marker.ends_with(":done]");
    if deps.store.writebacks().has_note(id, marker)? {
        if done {
            deps.store.requests().finish(id)?;
        }
        return Ok(false);
    }
    let Some(now) = deps.servicenow.request(id).await? else {
        // It is deleted or hidden, which only a complete read can tell: until then nobody has
        // heard of what was done.
        let operation = "reading a request before it is written on".to_owned();
        return Err(ServiceNowError::NotFound { operation }.into());
    };
    if now.request.state.is_closed() {
        deps.store.requests().finish(id)?;
        return Ok(false);
    }
    let called_off = |rule| approval(rule, &now.request) == Approval::Withdrawn;
    if rule_for(&deps.config.policy, &now.request).is_ok_and(|rule| rule.is_some_and(called_off)) {
        return Ok(false);
    }
    // Where notes cannot be read, one that was tried counts as written once the row has changed
    // since: a missing note does less harm than a second one.
    let mod_count = now.request.mod_count;
    let open = tasks.iter().filter(|task| task.open).count();
    let written = match is_noted(deps, id, tasks, marker).await? {
        Some(written) => written,
        None => deps.store.writebacks().changed_since_try(id, marker, mod_count, open)?,
    };
    if written {
        deps.store.writebacks().insert_note(id, marker, deps.now())?;
        if done {
            deps.store.requests().finish(id)?;
            if deps.config.writeback.close == Close::Item && open == 0 {
                // The note and the state came in one call whose answer was lost.
                log_unkept(deps, stored);
            }
        }
        return Ok(false);
    }
    deps.store.writebacks().insert_try(id, marker, mod_count, open)?;
    Ok(true)
}

/// Whether the note stands on the request or one of its tasks; `None` where nobody can tell.
async fn is_noted(deps: &Deps, id: &SysId, tasks: &[Task], marker: &str) -> Result<Option<bool>> {
    let mut noted = Some(false);
    for place in [id].into_iter().chain(tasks.iter().map(|task| &task.sys_id)) {
        match deps.servicenow.has_note(place, marker).await? {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => noted = None,
        }
    }
    Ok(noted)
}

/// Names the Okta user id and each action; what stands in Okta's profile stays there.
pub(crate) fn closing_note(deps: &Deps, stored: &StoredRequest) -> Result<String> {
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
    Ok(lines.join("\n"))
}

/// What makes a note unique.
pub(crate) fn marker(stored: &StoredRequest, kind: &str) -> String {
    format!("[goldthread:{}:{kind}]", stored.request.reference.number)
}

pub(crate) fn field(field: JournalField) -> &'static str {
    match field {
        JournalField::WorkNotes => "work_notes",
        JournalField::Comments => "comments",
    }
}

pub(crate) fn log_unkept(deps: &Deps, stored: &StoredRequest) {
    let number = &stored.request.reference.number;
    let parent = stored.request.reference.parent.as_ref().map_or("", |parent| parent.as_str());
    tracing::error!(
        request = %number,
        parent,
        outcome = "written_back",
        "{number}: done, but ServiceNow did not keep the state {}; close it by hand",
        deps.config.writeback.state_done
    );
}
