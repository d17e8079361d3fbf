//! `[targets]`: how long joins and leaves take from *in force* to *done*, and a word when one is
//! late.

use std::time::Duration;

use super::writeback::Stand;
use super::{Engine, EngineError};
use crate::model::{
    AccountStatus, Approval, Operation, Request, RequestNumber, ResolvedRequest, SysId, Timestamp,
};
use crate::policy::ApprovalSource;
use crate::reconcile::latency::{Lateness, lateness};
use crate::store::{Late, StoredRequest};

/// What was measured is kept and summed up this long.
pub(super) const MEASURED: chrono::Duration = chrono::Duration::days(30);

impl Engine {
    /// When a request was approved that was just seen to be. The row tells it, where it is the
    /// row's own approval: nothing else changed it since, or it would have been seen before.
    pub(super) fn note_approval(
        &self,
        request: &Request,
        approval: ApprovalSource,
    ) -> Result<(), EngineError> {
        let now = self.now();
        let changed =
            chrono::NaiveDateTime::parse_from_str(&request.updated_on, "%Y-%m-%d %H:%M:%S")
                .map(|at| at.and_utc());
        let at = match (approval, changed) {
            (ApprovalSource::Item, Ok(at)) => at.min(now),
            _ => now,
        };
        Ok(self.store.requests().set_approved_at(&request.sys_id, at)?)
    }

    /// Begins to measure a join or leave, from the moment on when it is known: what takes long
    /// because a side is down is late all the same.
    pub(super) fn start_timer(
        &self,
        id: &SysId,
        resolved: &ResolvedRequest,
    ) -> Result<(), EngineError> {
        let operation = resolved.terms.operation;
        if resolved.observe || self.config.policy.observe {
            return Ok(self.store.deadlines().cancel(id)?);
        }
        if !matches!(operation, Operation::Join | Operation::Leave)
            || resolved.approval != Approval::Approved
            || resolved.closed_before_first_seen
        {
            return Ok(());
        }
        let Some(approved) = self.store.requests().approved_at(id)? else { return Ok(()) };
        let in_force = approved.max(resolved.terms.starts.unwrap_or(approved));
        for person in &resolved.terms.people {
            self.store.deadlines().start(id, person, operation, in_force)?;
        }
        Ok(())
    }

    /// Looks how far an open join or leave is for each of its people.
    pub(super) fn measure(&self, stored: &StoredRequest, stand: &Stand) -> Result<(), EngineError> {
        let id = &stored.request.sys_id;
        if matches!(stand, Stand::Overtaken) {
            return Ok(self.store.deadlines().cancel(id)?);
        }
        let now = self.now();
        for late in self.store.deadlines().of(id)?.into_iter().filter(|late| late.in_force <= now) {
            let number = stored.request.reference.number.as_str();
            let done = match late.operation {
                Operation::Leave => self.is_disabled(&late.person)?,
                _ => {
                    matches!(stand, Stand::Done)
                        || self.store.facts().were_in_sync(number, &late.person)?
                }
            };
            if done {
                let at = self.store.journal().last_applied(number, &late.person, late.in_force)?;
                self.store.deadlines().stop(id, &late.person, at.unwrap_or(now))?;
            }
        }
        Ok(())
    }

    fn is_disabled(&self, person: &SysId) -> Result<bool, EngineError> {
        let Some(link) = self.store.links().account_of(person)? else { return Ok(true) };
        let account = self.store.accounts().get(&link)?;
        Ok(account.is_none_or(|account| account.status == AccountStatus::Deprovisioned))
    }

    /// Says of each join and leave that is not done when its target is about to be missed, and
    /// when it is: an ERROR for a leave, a WARN for a join, once each. Costs nothing where nothing
    /// is open.
    pub fn watch_targets(&self) -> Result<(), EngineError> {
        let now = self.now();
        for late in self.store.deadlines().open()? {
            let target = self.target(late.operation);
            let said = match lateness(late.in_force, now, target) {
                Lateness::InTime => 0,
                Lateness::AtRisk => 1,
                Lateness::Breached => 2,
            };
            if said > late.said && !self.is_through(&late)? {
                self.say_late(&late, said == 2, target, now)?;
                self.store.deadlines().set_warned(&late, said)?;
            }
        }
        Ok(())
    }

    /// Whether somebody's account was disabled already by a cycle that still works on others.
    fn is_through(&self, late: &Late) -> Result<bool, EngineError> {
        let Some(stored) = self.store.requests().get(&late.request)? else { return Ok(true) };
        let number = &stored.request.reference.number;
        Ok(late.operation == Operation::Leave
            && self.store.journal().was_deactivated(number, &late.person, late.in_force)?)
    }

    pub(super) fn target(&self, operation: Operation) -> Duration {
        let targets = &self.config.targets;
        if operation == Operation::Leave { targets.leave } else { targets.join }
    }

    fn say_late(
        &self,
        late: &Late,
        breached: bool,
        target: Duration,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let Some(stored) = self.store.requests().get(&late.request)? else { return Ok(()) };
        let reference = &stored.request.reference;
        let number = &reference.number;
        let person = self.view_of(&late.person)?;
        let waits = self.store.open_items().actions(now)?.into_iter().find(|hold| {
            let request = hold.origin.request();
            hold.person == late.person && request.is_some_and(|it| it.number == *number)
        });
        let why = match (waits, stored.problems.first()) {
            (Some(hold), _) => format!("held: {}", hold.reason),
            (None, Some((_, problem))) => format!("held: {problem}"),
            (None, None) => "not done yet".to_owned(),
        };
        let whole =
            |span: Duration| humantime::format_duration(Duration::from_secs(span.as_secs()));
        let waited = whole((now - late.in_force).to_std().unwrap_or_default());
        let text = format!(
            "{number}: the {} of {} {} its target of {}: in force for {waited}, {why}",
            late.operation.as_str(),
            person.name(),
            if breached { "has missed" } else { "is about to miss" },
            whole(target)
        );
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    request = %number,
                    parent = reference.parent.as_ref().map(RequestNumber::as_str),
                    outcome = if breached { "breached" } else { "late" },
                    login = person.login.as_deref(),
                    sys_id = %late.person,
                    okta_user = person.okta_id.as_deref(),
                    "{text}"
                )
            };
        }
        if late.operation == Operation::Leave {
            event!(error);
        } else {
            event!(warn);
        }
        Ok(())
    }
}
