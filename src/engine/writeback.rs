//! Telling ServiceNow: a request whose facts all hold gets its one PATCH.
//!
//! Decided from what is, like everything else: the request is read again right before it is
//! written to, so a crash after the PATCH cannot write a second note.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::report::CycleReport;
use super::surroundings::Surroundings;
use super::{Engine, EngineError, InFlight, Writers};
use crate::config::{Close, JournalField};
use crate::model::{Approval, RequestState, SysId, Timestamp};
use crate::policy::resolve::{approval, rule_for};
use crate::reconcile::fulfillment::{RequestProgress, request_progress};
use crate::reconcile::retry::pause_after;
use crate::servicenow::{Closing, ServiceNowError, Task};
use crate::store::StoredRequest;

/// A requester reads no more of why something waits, in characters.
const LONGEST_REASON: usize = 2000;

/// How long somebody who is not found may still turn up before the request says so.
const PATIENCE: chrono::Duration = chrono::Duration::hours(1);

/// Where a whole request stands, over everybody whom it names.
pub(super) enum Stand {
    Done,
    Underway,
    /// A word for the kind of obstacle, and the reason.
    Waits(String, String),
    Overtaken,
}

impl Engine {
    pub(super) async fn write_back(
        &self,
        writers: &Writers,
        surroundings: &Surroundings,
        report: &mut CycleReport,
    ) -> Result<(), EngineError> {
        if self.config.policy.observe {
            return Ok(());
        }
        // Where ServiceNow does not answer, the next cycle looks again.
        if let Err(EngineError::Store(error)) = self.look_at_states().await {
            return Err(error.into());
        }
        let silent = self.dismissed_reasons()?;
        for stored in self.store.requests().open()? {
            if self.is_stopping() {
                break;
            }
            let id = &stored.request.sys_id;
            let stand = self.stand(&stored, surroundings)?;
            if self.rests(id) {
                self.measure(&stored, &stand)?;
                report.summary.failed += 1;
                continue;
            }
            match self.write_on(writers, &stored, stand, surroundings, &silent, report).await {
                Ok(()) => self.let_rest(id, None),
                // The store is ours: without it nothing more is written.
                Err(EngineError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    self.say_unwritten(&stored, &error)?;
                    self.let_rest(id, Some(self.now()));
                    report.summary.failed += 1;
                }
            }
        }
        Ok(())
    }

    /// Writes on one request what is to be said of where it stands.
    async fn write_on(
        &self,
        writers: &Writers,
        stored: &StoredRequest,
        mut stand: Stand,
        surroundings: &Surroundings,
        silent: &BTreeSet<(SysId, String)>,
        report: &mut CycleReport,
    ) -> Result<(), EngineError> {
        let enabled = self.config.writeback.enabled;
        if matches!(stand, Stand::Done) && enabled {
            let closer = self.look_closer(stored, surroundings, report.cycle).await?;
            stand = closer.unwrap_or(stand);
        }
        self.measure(stored, &stand)?;
        if let Stand::Waits(_, reason) = &stand
            && !self.is_silent(&stored.request.sys_id, reason, silent)?
        {
            // It waits in every cycle, also where nobody had to be looked at.
            self.report_waiting(stored, reason, report);
        }
        match stand {
            _ if !enabled => Ok(()),
            Stand::Underway => Ok(()),
            Stand::Done => self.close(writers, stored).await,
            Stand::Overtaken => {
                let text = "a later request says otherwise, so this one is left as it is";
                self.say_held(writers, stored, "overtaken", text).await
            }
            Stand::Waits(kind, reason) => self.say_held(writers, stored, &kind, &reason).await,
        }
    }

    /// What cannot be written is tried again, and not at every look.
    fn rests(&self, id: &SysId) -> bool {
        let unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        unwritten.get(id).is_some_and(|(times, at)| {
            let waited = (self.now() - *at).to_std();
            waited.is_ok_and(|waited| waited < pause_after(*times, false))
        })
    }

    fn let_rest(&self, id: &SysId, failed: Option<Timestamp>) {
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        match failed {
            None => drop(unwritten.remove(id)),
            Some(now) => {
                let (times, at) = unwritten.entry(id.clone()).or_insert((0, now));
                (*times, *at) = (*times + 1, now);
            }
        }
    }

    /// A list may be older than what it shows: before a request is called done, whom it names is
    /// read by id. Gives where it stands then; `None` where everybody had been read so already.
    async fn look_closer(
        &self,
        stored: &StoredRequest,
        surroundings: &Surroundings,
        cycle: i64,
    ) -> Result<Option<Stand>, EngineError> {
        let Some(resolved) = self.store.requests().resolved(&stored.request.sys_id)? else {
            return Ok(None);
        };
        let mut people = resolved.terms.people;
        people.retain(|person| !self.this_cycle().by_id.contains(person));
        if people.is_empty() {
            return Ok(None);
        }
        for person in &people {
            self.refresh(person, cycle).await?;
        }
        let stand = self.stand(stored, surroundings)?;
        if !matches!(stand, Stand::Done) {
            // What differs after all is for the next cycle to decide.
            people.iter().try_for_each(|person| self.store.queue().enqueue(person, self.now()))?;
        }
        Ok(Some(stand))
    }

    /// Says that a request could not be written on, once for each reason.
    fn say_unwritten(
        &self,
        stored: &StoredRequest,
        error: &EngineError,
    ) -> Result<(), EngineError> {
        let number = &stored.request.reference.number;
        let (id, said) = (&stored.request.sys_id, error.to_string());
        if self.store.writebacks().insert_unwritten(id, &said, self.now())? {
            tracing::warn!(request = %number, "{number}: could not be written back: {error}");
        }
        Ok(())
    }

    pub(super) fn stand(
        &self,
        stored: &StoredRequest,
        surroundings: &Surroundings,
    ) -> Result<Stand, EngineError> {
        let now = self.now();
        let rule = rule_for(&self.config.policy, &stored.request);
        if let Ok(Some(rule)) | Err((rule, _)) = rule
            && rule.observe
        {
            return Ok(Stand::Underway);
        }
        if !stored.problems.is_empty() {
            let unknown = stored.problems.iter().all(|(kind, _)| kind == "person-unknown");
            if unknown && now - self.looked_for_since(&stored.request.sys_id)? < PATIENCE {
                return Ok(Stand::Underway);
            }
            // How many people or groups it is about is no other kind of reason.
            let mut kinds: Vec<&str> =
                stored.problems.iter().map(|(kind, _)| kind.as_str()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            let texts: Vec<&str> = stored.problems.iter().map(|(_, text)| text.as_str()).collect();
            return Ok(Stand::Waits(kinds.join("+"), texts.join("; ")));
        }
        let Some(resolved) = self.store.requests().resolved(&stored.request.sys_id)? else {
            return Ok(Stand::Underway);
        };
        if resolved.observe || resolved.approval != Approval::Approved {
            return Ok(Stand::Underway);
        }
        let mut overtaken = false;
        let mut underway = false;
        for person in &resolved.terms.people {
            if self.is_about_to_be_linked(person)? {
                self.store.queue().enqueue(person, now)?;
                return Ok(Stand::Underway);
            }
            let Some(judged) = self.judge(person, surroundings)? else {
                return Ok(Stand::Underway);
            };
            match request_progress(&resolved, &judged.desired, &judged.drifts, now) {
                RequestProgress::Done => {}
                RequestProgress::Underway => underway = true,
                RequestProgress::Overtaken => overtaken = true,
                RequestProgress::Waits { kind, reason } => return Ok(Stand::Waits(kind, reason)),
            }
        }
        if underway {
            return Ok(Stand::Underway);
        }
        // For whom it was overtaken it was never done, so it is not for us to close.
        Ok(if overtaken { Stand::Overtaken } else { Stand::Done })
    }

    /// Since when somebody is looked for: nobody is before the approval.
    fn looked_for_since(&self, id: &SysId) -> Result<Timestamp, EngineError> {
        Ok(self.store.writebacks().looked_for_since(id, self.now())?)
    }

    /// Writes the closing note and the state, in one PATCH, once.
    async fn close(&self, writers: &Writers, stored: &StoredRequest) -> Result<(), EngineError> {
        let id = &stored.request.sys_id;
        let number = &stored.request.reference.number;
        let settings = &self.config.writeback;
        let marker = marker(stored, "done");
        let tasks = match settings.close {
            Close::None => Vec::new(),
            Close::Item | Close::Task => self.servicenow.tasks(id).await?,
        };
        if !self.may_write(stored, &marker, &tasks).await? {
            return Ok(());
        }
        let open: Vec<&Task> = tasks.iter().filter(|task| task.open).collect();
        let note = format!("{}\n{marker}", self.closing_note(stored)?);
        let state = Some(settings.state_done.as_str());
        let only_note = Closing { note_field: field(settings.note), note: &note, state: None };
        let closing = Closing { state, ..only_note };
        let _in_flight = InFlight::begin(self);
        let state_written = settings.close == Close::Item && open.is_empty();
        let written = match (settings.close, open.as_slice()) {
            (Close::Task, [task]) => writers.servicenow.close_task(&task.sys_id, &closing).await,
            (Close::Item, []) => writers.servicenow.close(id, &closing).await,
            // Its flow closes an item with open tasks; closing it here would run past the flow.
            _ => writers.servicenow.close(id, &only_note).await,
        };
        // Without an answer it may have been written: the next cycle reads before it writes.
        let echo = written?;
        self.store.writebacks().insert_note(id, &marker, self.now())?;
        self.store.requests().finish(id)?;
        if state_written && echo.state_taken {
            self.store.requests().set_state(id, &RequestState::Complete)?;
            self.store.writebacks().state_written(id, self.now())?;
        }
        let parent = stored.request.reference.parent.as_ref().map_or("", |parent| parent.as_str());
        if echo.state_taken {
            tracing::info!(
                request = %number,
                parent,
                outcome = "written_back",
                "{number}: done, and said so in ServiceNow"
            );
        } else {
            self.say_unkept(stored);
        }
        Ok(())
    }

    fn say_unkept(&self, stored: &StoredRequest) {
        let number = &stored.request.reference.number;
        let parent = stored.request.reference.parent.as_ref().map_or("", |parent| parent.as_str());
        tracing::error!(
            request = %number,
            parent,
            outcome = "written_back",
            "{number}: done, but ServiceNow did not keep the state {}; close it by hand",
            self.config.writeback.state_done
        );
    }

    /// A flow may set the state again a moment after it was written. Who opens a request again
    /// later knows why.
    async fn look_at_states(&self) -> Result<(), EngineError> {
        let now = self.now();
        for stored in self.store.requests().open_again()? {
            let id = &stored.request.sys_id;
            let written = self.store.writebacks().state_kept_since(id)?;
            if written.is_none_or(|at| now - at >= PATIENCE) {
                continue;
            }
            let fresh = self.servicenow.request(id).await?;
            if fresh.is_some_and(|fresh| !fresh.request.state.is_closed()) {
                self.store.writebacks().state_unkept(id, now)?;
                self.say_unkept(&stored);
            }
        }
        Ok(())
    }

    /// Says on the request why it waits, once for each kind of reason.
    async fn say_held(
        &self,
        writers: &Writers,
        stored: &StoredRequest,
        kind: &str,
        reason: &str,
    ) -> Result<(), EngineError> {
        let id = &stored.request.sys_id;
        let marker = marker(stored, kind);
        if self.store.writebacks().last_note(id)?.as_deref() == Some(&marker) {
            return Ok(());
        }
        if !self.may_write(stored, &marker, &[]).await? {
            return Ok(());
        }
        let reason: String = reason.chars().take(LONGEST_REASON).collect();
        let note = format!("This request has not been carried out yet: {reason}.\n{marker}");
        let field = field(self.config.writeback.held_note);
        let _in_flight = InFlight::begin(self);
        writers
            .servicenow
            .close(id, &Closing { note_field: field, note: &note, state: None })
            .await?;
        self.store.writebacks().insert_note(id, &marker, self.now())?;
        Ok(())
    }

    /// Reads the request once more. What is closed or called off by now, or carries the note, itself
    /// or on one of its tasks, is left alone.
    async fn may_write(
        &self,
        stored: &StoredRequest,
        marker: &str,
        tasks: &[Task],
    ) -> Result<bool, EngineError> {
        let id = &stored.request.sys_id;
        let done = marker.ends_with(":done]");
        if self.store.writebacks().has_note(id, marker)? {
            if done {
                self.store.requests().finish(id)?;
            }
            return Ok(false);
        }
        let Some(now) = self.servicenow.request(id).await? else {
            // It is deleted or hidden, which only a complete read can tell: until then nobody has
            // heard of what was done.
            let operation = "reading a request before it is written on".to_owned();
            return Err(ServiceNowError::NotFound { operation }.into());
        };
        if now.request.state.is_closed() {
            self.store.requests().finish(id)?;
            return Ok(false);
        }
        let called_off = |rule| approval(rule, &now.request) == Approval::Withdrawn;
        if rule_for(&self.config.policy, &now.request)
            .is_ok_and(|rule| rule.is_some_and(called_off))
        {
            return Ok(false);
        }
        // Where notes cannot be read, one that was tried counts as written once the row has changed
        // since: a missing note does less harm than a second one.
        let open = tasks.iter().filter(|task| task.open).count();
        let (writebacks, mod_count) = (self.store.writebacks(), now.request.mod_count);
        let written = match self.is_noted(id, tasks, marker).await? {
            Some(written) => written,
            None => writebacks.changed_since_try(id, marker, mod_count, open)?,
        };
        if written {
            self.store.writebacks().insert_note(id, marker, self.now())?;
            if done {
                self.store.requests().finish(id)?;
                if self.config.writeback.close == Close::Item && open == 0 {
                    // The note and the state came in one call whose answer was lost.
                    self.say_unkept(stored);
                }
            }
            return Ok(false);
        }
        writebacks.insert_try(id, marker, mod_count, open)?;
        Ok(true)
    }

    /// Whether the note stands on the request or on one of its tasks; `None` where that cannot be
    /// told.
    async fn is_noted(
        &self,
        id: &SysId,
        tasks: &[Task],
        marker: &str,
    ) -> Result<Option<bool>, EngineError> {
        let mut noted = Some(false);
        for place in [id].into_iter().chain(tasks.iter().map(|task| &task.sys_id)) {
            match self.servicenow.has_note(place, marker).await? {
                Some(true) => return Ok(Some(true)),
                Some(false) => {}
                None => noted = None,
            }
        }
        Ok(noted)
    }

    /// Names the Okta user id and each action with its Okta request id. What stands in Okta's
    /// profile stays there.
    fn closing_note(&self, stored: &StoredRequest) -> Result<String, EngineError> {
        let mut lines = vec!["Done in Okta by Goldthread.".to_owned()];
        if let Some(resolved) = self.store.requests().resolved(&stored.request.sys_id)? {
            for person in &resolved.terms.people {
                let view = self.view_of(person)?;
                lines.push(format!(
                    "Okta user {} ({})",
                    view.okta_id.as_deref().unwrap_or("none"),
                    view.user_name.as_deref().unwrap_or("unknown")
                ));
            }
        }
        let applied = self.store.journal().applied_for(&stored.request.reference.number)?;
        if applied.is_empty() {
            lines.push("It was so already; nothing had to be changed.".to_owned());
        }
        for done in applied {
            let group = match &done.group {
                Some(group) => format!(" {}", self.group_name(group)?),
                None => String::new(),
            };
            lines.push(format!(
                "action {}: {}{group} (Okta user {}, Okta request {})",
                done.action_id,
                done.action,
                done.okta_id.as_ref().map_or("none", |id| id.as_str()),
                done.okta_request_id.as_deref().unwrap_or("unknown")
            ));
        }
        lines.push(format!("Journal {}", self.store.journal().head()?));
        Ok(lines.join("\n"))
    }
}

/// A note carries what makes it unique: the request and the kind of outcome.
fn marker(stored: &StoredRequest, kind: &str) -> String {
    format!("[goldthread:{}:{kind}]", stored.request.reference.number)
}

fn field(field: JournalField) -> &'static str {
    match field {
        JournalField::WorkNotes => "work_notes",
        JournalField::Comments => "comments",
    }
}
