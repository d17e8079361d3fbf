//! One cycle: how much it reads, what it tells about both sides, and the wait until the next.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use humantime::format_duration;

use super::signals::Signals;
use super::{Daemon, DaemonError, TICK, log_notice, notify, schedule};
use crate::report::CycleReport;
use crate::sync::{Deps, Scope, Side, SyncError, run_beside, watch_deadlines};

/// A side that is down is asked at least this often.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);
/// A longer wait that is announced by a side is cut to this.
const LONGEST_ANNOUNCED: Duration = Duration::from_mins(15);
/// A cycle that is left is given this long to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// A write that is under way is given this long in all, to be recorded before the program ends.
const LAST_WRITE: Duration = Duration::from_secs(8);
/// So many cycles tell what one costs that has nothing to do.
const IDLE_CYCLES: usize = 8;

impl Daemon {
    /// The scope of the next cycle, where no signal asks for another.
    pub(super) fn next_scope(&self) -> Result<Scope, DaemonError> {
        let schedule = &self.deps.config.schedule;
        let last = self.deps.last_full()?.filter(|_| !self.full_requested);
        Ok(schedule::scope(schedule, last, self.full_tried, (self.clock)()))
    }

    /// One cycle, what it tells about the two sides, and the wait until the next.
    pub(super) async fn run_cycle(&mut self, scope: &Scope) -> Result<(), DaemonError> {
        if *scope == Scope::Full {
            self.full_tried = Some((self.clock)());
        }
        let begun = tokio::time::Instant::now();
        let Some(ended) = self.cycle_or_stop(scope).await else { return Ok(()) };
        match ended {
            Ok(report) => {
                self.record_success(Side::ServiceNow);
                self.record_success(Side::Okta);
                self.backoff = None;
                self.wrong_clock = false;
                let (at, cycle, outcome) = ((self.clock)(), report.cycle, report.outcome());
                let at = at.format("%Y-%m-%d %H:%M:%S");
                self.last = Some(format!("cycle {cycle} at {at} UTC: {outcome}"));
                self.full_requested &= !report.full;
                if !report.full && report.actions.is_empty() {
                    if self.idle_calls.len() == IDLE_CYCLES {
                        self.idle_calls.pop_front();
                    }
                    self.idle_calls.push_back(report.calls.servicenow);
                }
                self.published.metrics.cycle(&report);
                self.wait = schedule::pause(self.poll(), begun.elapsed());
            }
            Err(SyncError::Clock(text)) => {
                self.record_success(Side::ServiceNow);
                self.record_success(Side::Okta);
                self.published.metrics.failed_cycle(*scope == Scope::Full);
                // Only whoever looks after this machine can put it right.
                if !std::mem::replace(&mut self.wrong_clock, true) {
                    tracing::error!("{}", SyncError::Clock(text));
                }
                self.wait = self.back_off(None);
            }
            Err(error) => {
                let Some(side) = error.side() else { return Err(error.into()) };
                self.published.metrics.failed_cycle(*scope == Scope::Full);
                self.record_failure(side, &error);
                // The cycle ended before it came to the other one, or after.
                let other = match side {
                    Side::ServiceNow => Side::Okta,
                    Side::Okta => Side::ServiceNow,
                };
                self.try_sides(&[other]).await;
                self.wait = self.back_off(error.retry_after());
            }
        }
        Ok(())
    }

    /// Runs a cycle. Told to stop, it is left as soon as no write is under way: what was only read
    /// is read again by the next process.
    async fn cycle_or_stop(&mut self, scope: &Scope) -> Option<Result<CycleReport, SyncError>> {
        let Self { deps, writers, health, clock, signals, full_tried, .. } = self;
        let (deps, signals) = (&*deps, &*signals);
        let beside = || {
            health.overdue(clock()).iter().for_each(log_notice);
            if signals.is_to_reload() {
                notify::reloading(true);
            }
            // Where the store fails, the cycle says so.
            let _ = watch_deadlines(deps);
            let last = deps.last_full().ok().flatten();
            let next = schedule::scope(&deps.config.schedule, last, *full_tried, clock());
            signals.any() || next == Scope::Full && *scope != Scope::Full
        };
        tokio::select! {
            ended = run_beside(deps, writers, scope, beside) => Some(ended.map(CycleReport::from)),
            () = last_write(signals, deps) => {
                if deps.writes_under_way() > 0 {
                    tracing::warn!("a write has no answer yet; the next start looks what became of it");
                }
                None
            }
        }
    }

    /// From the start of one cycle to the next. Logs where ServiceNow's rule makes it longer.
    fn poll(&mut self) -> Duration {
        let configured = self.deps.config.schedule.poll;
        let budget = self.deps.servicenow.connection().budget();
        // Now and then one looks a name up; it is the rule that counts.
        let calls = self.idle_calls.iter().min().copied().unwrap_or_default();
        let poll = budget.poll(configured, calls);
        let stretched = (poll > configured).then_some(poll);
        self.deps.stretched.set(stretched);
        if stretched != self.stretched {
            self.stretched = stretched;
            let (now, usual) = (format_duration(poll), format_duration(configured));
            if stretched.is_some() {
                tracing::warn!(
                    "ServiceNow's rate rule leaves us {:.0} calls an hour, so the poll is every \
                     {now} instead of every {usual}; a larger rule or servicenow.share makes it \
                     faster",
                    budget.calls_an_hour().unwrap_or_default(),
                );
            } else {
                tracing::info!("the poll is every {usual} again");
            }
        }
        poll
    }

    fn back_off(&mut self, announced: Option<Duration>) -> Duration {
        let poll = self.deps.config.schedule.poll;
        let backoff = self.backoff.get_or_insert_with(|| {
            ExponentialBuilder::default()
                .with_min_delay(poll.min(LONGEST_BACKOFF / 4))
                .with_max_delay(LONGEST_BACKOFF / 2)
                .without_max_times()
                .with_jitter()
                .build()
        });
        let next = backoff.next().unwrap_or(LONGEST_BACKOFF);
        let announced = announced.unwrap_or_default().min(LONGEST_ANNOUNCED);
        next.max(announced).max(poll).max(self.health.sign_in_pause().unwrap_or_default())
    }
}

/// Waits until told to stop, and then until no write is under way.
async fn last_write(signals: &Signals, deps: &Deps) {
    signals.stopped().await;
    tokio::time::sleep(GRACE).await;
    let mut waited = GRACE;
    while deps.writes_under_way() > 0 && waited < LAST_WRITE {
        tokio::time::sleep(TICK / 20).await;
        waited += TICK / 20;
    }
}
