//! When: cycles by the schedule and by signals, through outages, until told to stop.

mod endpoint;
mod health;
mod metrics;
mod notify;
mod reload;
mod schedule;
mod signals;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::config::Config;
use crate::engine::{Clock, CycleReport, Engine, EngineError, Scope, Side, Writers};
use crate::http::{PRODUCT, Progress};
use crate::model::Timestamp;
use crate::store::SideState;
use endpoint::{Endpoint, Shown};
use health::{FailureKind, Level, Notice, UpstreamHealth};
use notify::{Status, Watchdog};
use signals::Signals;

/// Credentials that are refused this long at the start end the program.
const REFUSED_AT_START: Duration = Duration::from_mins(2);
/// Between two sign-ins at the start that are refused: a handful in a row locks an account.
const SIGN_IN_AGAIN: Duration = Duration::from_mins(1);
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
/// How often a wait looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// Reads the configuration again.
pub type Load = Box<dyn Fn() -> Result<Arc<Config>, String>>;

/// Why the daemon ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The credentials were refused for so long that waiting is no use.
    #[error(
        "the sign-in was refused for {}: {reason}",
        humantime::format_duration(REFUSED_AT_START)
    )]
    Refused {
        /// By whom, in its words.
        reason: String,
    },
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
    /// The endpoint for metrics cannot be opened.
    #[error("metrics.listen = \"{listen}\" cannot be used: {reason}")]
    Metrics {
        /// Where it should listen.
        listen: std::net::SocketAddr,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The store failed: nothing is done without a record.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Runs cycles until `SIGTERM` or `SIGINT`. A write that is under way is finished and recorded.
///
/// `progress` ticks with the engine's progress. A side that is down is no failure of ours: it is said
/// once and tried again.
pub async fn run(
    engine: Engine,
    writers: Writers,
    load: Load,
    clock: Clock,
    progress: Progress,
) -> Result<(), DaemonError> {
    let signals = Signals::listen().map_err(DaemonError::Signals)?;
    let watchdog = Arc::new(Mutex::new(Watchdog::new(&engine, &progress)));
    let shown = Arc::new(Shown::new(Arc::clone(&watchdog)));
    let _endpoint = match engine.config().metrics {
        None => None,
        Some(listen) => {
            let opened = Endpoint::open(listen, Arc::clone(&shown)).await;
            Some(opened.map_err(|reason| DaemonError::Metrics { listen, reason })?)
        }
    };
    let mut daemon = Daemon {
        health: UpstreamHealth::new(clock()),
        status: Status::default(),
        watchdog: Arc::clone(&watchdog),
        shown,
        backoff: None,
        wrong_clock: false,
        wait: Duration::ZERO,
        idle_calls: VecDeque::new(),
        stretched: None,
        full_tried: None,
        full_requested: false,
        last: None,
        engine,
        writers,
        load,
        clock,
        progress,
        signals,
    };
    daemon.engine.stop_when(daemon.signals.stop());
    let feeding = tokio::spawn(notify::feed(watchdog));
    let ended = daemon.run_cycles().await;
    feeding.abort();
    match &ended {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!("stopped: {error}"),
    }
    ended
}

struct Daemon {
    engine: Engine,
    writers: Writers,
    load: Load,
    clock: Clock,
    signals: Signals,
    status: Status,
    health: UpstreamHealth,
    progress: Progress,
    watchdog: Arc<Mutex<Watchdog>>,
    shown: Arc<Shown>,
    /// Goes on for as long as cycles fail.
    backoff: Option<ExponentialBackoff>,
    /// Our own clock is wrong, and that was logged.
    wrong_clock: bool,
    /// Until the next cycle.
    wait: Duration,
    /// Calls that the last cycles without anything to do asked ServiceNow.
    idle_calls: VecDeque<u64>,
    /// The wait between two cycles, where ServiceNow's rule makes it longer than configured.
    stretched: Option<Duration>,
    /// When a complete read was begun last.
    full_tried: Option<Timestamp>,
    /// A signal asked for a complete read, and none has ended well since.
    full_requested: bool,
    last: Option<Last>,
}

/// Which signals end a wait before its time.
#[derive(Debug, Clone, Copy)]
enum WakeOn {
    AnySignal,
    StopOrReload,
}

/// The last cycle that ended well.
struct Last {
    at: Timestamp,
    cycle: i64,
    outcome: &'static str,
}

impl Daemon {
    async fn run_cycles(&mut self) -> Result<(), DaemonError> {
        let config = Arc::clone(self.engine.config());
        tracing::info!(
            "{PRODUCT} starts: {}, {} and {}, store {}, polling every {}",
            if config.policy.observe { "only observing" } else { "enforcing" },
            config.servicenow.url.host_str().unwrap_or("?"),
            config.okta.url.host_str().unwrap_or("?"),
            config.store.path.display(),
            humantime::format_duration(config.schedule.poll),
        );
        self.sign_in().await?;
        if !self.signals.is_stopping() {
            notify::ready();
        }
        while !self.signals.is_stopping() {
            let requested = self.signals.take_cycle();
            self.full_requested |= requested == Some(Scope::Full);
            let scope = match requested {
                Some(scope) => scope,
                None => self.next_scope()?,
            };
            self.run_cycle(&scope).await?;
            self.show_status();
            self.publish_health()?;
            self.sleep(self.wait, WakeOn::AnySignal).await?;
            if self.signals.take_reload() {
                self.reload().await;
            }
        }
        notify::stopping();
        Ok(())
    }

    /// Waits until each side has answered, or is down for a reason that is not ours. A refusal
    /// is tried again for a while: an instance that starts refuses good credentials too.
    async fn sign_in(&mut self) -> Result<(), DaemonError> {
        let mut refused_since = None;
        loop {
            notify::still_starting(SIGN_IN_AGAIN * 2);
            self.status.set("signing in");
            let refused = self.try_sides(&[Side::ServiceNow, Side::Okta]).await;
            self.publish_health()?;
            let Some(reason) = refused else { return Ok(()) };
            let since = *refused_since.get_or_insert_with(tokio::time::Instant::now);
            if since.elapsed() >= REFUSED_AT_START {
                return Err(DaemonError::Refused { reason });
            }
            self.status.set(&format!("{reason}; trying again"));
            // A cycle is on its way as it is, so a signal that asks for one can wait.
            self.sleep(SIGN_IN_AGAIN, WakeOn::StopOrReload).await?;
            if self.signals.is_stopping() {
                return Ok(());
            }
            if self.signals.take_reload() {
                self.renew().await;
            }
        }
    }

    /// Asks sides how they are. Gives what one of them said that refuses the credentials.
    async fn try_sides(&mut self, sides: &[Side]) -> Option<String> {
        let mut refused = None;
        for side in sides {
            let answer = tokio::select! {
                answer = self.engine.try_side(*side) => answer,
                () = self.signals.stopped() => break,
            };
            match answer {
                Ok(()) => self.record_success(*side),
                Err(error) => {
                    if error.is_refused_sign_in() {
                        refused = Some(error.to_string());
                    }
                    self.record_failure(*side, &error);
                }
            }
        }
        refused
    }

    /// The scope of the next cycle, where no signal asks for another.
    fn next_scope(&self) -> Result<Scope, DaemonError> {
        let schedule = &self.engine.config().schedule;
        let last = self.engine.last_full()?.filter(|_| !self.full_requested);
        Ok(schedule::scope(schedule, last, self.full_tried, (self.clock)()))
    }

    /// One cycle, what it tells about the two sides, and the wait until the next.
    async fn run_cycle(&mut self, scope: &Scope) -> Result<(), DaemonError> {
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
                let (cycle, outcome) = (report.cycle, report.outcome());
                self.last = Some(Last { at: (self.clock)(), cycle, outcome });
                self.full_requested &= !report.full;
                if !report.full && report.actions.is_empty() {
                    if self.idle_calls.len() == IDLE_CYCLES {
                        self.idle_calls.pop_front();
                    }
                    self.idle_calls.push_back(report.calls.servicenow);
                }
                self.shown.metrics.cycle(&report);
                self.wait = schedule::pause(self.poll(), begun.elapsed());
            }
            Err(EngineError::Clock(text)) => {
                self.record_success(Side::ServiceNow);
                self.record_success(Side::Okta);
                self.shown.metrics.failed_cycle(*scope == Scope::Full);
                // Only whoever looks after this machine can put it right.
                if !std::mem::replace(&mut self.wrong_clock, true) {
                    tracing::error!("{}", EngineError::Clock(text));
                }
                self.wait = self.back_off(None);
            }
            Err(error) => {
                let Some(side) = error.side() else { return Err(error.into()) };
                self.shown.metrics.failed_cycle(*scope == Scope::Full);
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
    async fn cycle_or_stop(&mut self, scope: &Scope) -> Option<Result<CycleReport, EngineError>> {
        let writing = self.engine.writing();
        let Self { engine, writers, health, clock, signals, .. } = self;
        let signals = &*signals;
        let beside = |engine: &Engine| {
            health.overdue(clock()).iter().for_each(log_notice);
            if signals.is_to_reload() {
                notify::reload_waits();
            }
            // Where the store fails, the cycle says so.
            let _ = engine.watch_targets();
        };
        tokio::select! {
            ended = engine.cycle_beside(writers, scope, beside) => Some(ended),
            () = last_write(signals, &writing) => {
                if writing.load(Ordering::Relaxed) > 0 {
                    tracing::warn!("a write has no answer yet; the next start looks what became of it");
                }
                None
            }
        }
    }

    /// From the start of one cycle to the next. Logs where ServiceNow's rule makes it longer.
    fn poll(&mut self) -> Duration {
        let configured = self.engine.config().schedule.poll;
        let budget = self.engine.servicenow_budget();
        // Now and then one looks a name up; it is the rule that counts.
        let calls = self.idle_calls.iter().min().copied().unwrap_or_default();
        let poll = budget.poll(configured, calls);
        let stretched = (poll > configured).then_some(poll);
        if stretched != self.stretched {
            self.stretched = stretched;
            if stretched.is_some() {
                tracing::warn!(
                    "ServiceNow's rate rule leaves us {:.0} calls an hour, so the poll is every {} \
                     instead of every {}; a larger rule or servicenow.share makes it faster",
                    budget.calls_an_hour().unwrap_or_default(),
                    humantime::format_duration(poll),
                    humantime::format_duration(configured)
                );
            } else {
                tracing::info!(
                    "the poll is every {} again",
                    humantime::format_duration(configured)
                );
            }
        }
        poll
    }

    /// The wait after a cycle that failed.
    fn back_off(&mut self, announced: Option<Duration>) -> Duration {
        let poll = self.engine.config().schedule.poll;
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
        [next, announced, poll, self.health.sign_in_pause().unwrap_or_default()]
            .into_iter()
            .max()
            .unwrap_or(LONGEST_BACKOFF)
    }

    /// Waits until the time is over or a signal comes, and logs meanwhile what becomes overdue.
    async fn sleep(&mut self, wait: Duration, wake_on: WakeOn) -> Result<(), DaemonError> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let slice = until.duration_since(tokio::time::Instant::now()).min(TICK);
            let woken = async {
                match wake_on {
                    WakeOn::AnySignal => self.signals.arrived().await,
                    WakeOn::StopOrReload => self.signals.urgent().await,
                }
            };
            let over = tokio::select! {
                biased;
                () = woken => true,
                () = tokio::time::sleep(slice) => slice < TICK,
            };
            self.progress.tick();
            self.health.overdue((self.clock)()).iter().for_each(log_notice);
            self.engine.watch_targets()?;
            if over {
                return Ok(());
            }
        }
    }

    /// Stores for `status` how both sides are, and hands it to the endpoint for metrics.
    fn publish_health(&self) -> Result<(), DaemonError> {
        let state = |side| {
            let (since, error) = self.health.state(side);
            SideState { since, error: error.map(str::to_owned) }
        };
        self.engine.watch_targets()?;
        self.engine.keep_vitals(&state(Side::ServiceNow), &state(Side::Okta))?;
        self.shown.set_unready(self.health.degraded());
        if self.engine.config().metrics.is_some() {
            self.shown.metrics.calls(self.engine.calls_by_bucket());
            self.shown.metrics.status(&self.engine.status()?);
        }
        Ok(())
    }

    fn record_success(&mut self, side: Side) {
        self.progress.tick();
        if let Some(notice) = self.health.success(side, (self.clock)()) {
            log_notice(&notice);
        }
    }

    fn record_failure(&mut self, side: Side, error: &EngineError) {
        self.progress.tick();
        let kind = match error {
            error if error.is_refused_sign_in() => FailureKind::Refused,
            error if error.is_outage() => FailureKind::Down,
            _ => FailureKind::Unworkable,
        };
        if let Some(notice) = self.health.failure(side, kind, &error.to_string(), (self.clock)()) {
            log_notice(&notice);
        }
    }

    /// One line for `systemctl status`.
    fn show_status(&mut self) {
        let mode = if self.engine.config().policy.observe { "observing only; " } else { "" };
        let last = self.last.as_ref().map_or_else(String::new, |Last { at, cycle, outcome }| {
            format!("cycle {cycle} at {} UTC: {outcome}", at.format("%Y-%m-%d %H:%M:%S"))
        });
        let text = match self.health.degraded() {
            Some(why) if last.is_empty() => format!("degraded: {why}"),
            Some(why) => format!("degraded: {why}; last good {last}"),
            None => format!("{mode}{last}"),
        };
        self.status.set(&text);
    }

    fn watchdog(&self) -> std::sync::MutexGuard<'_, Watchdog> {
        self.watchdog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until told to stop, and then until no write is under way.
async fn last_write(signals: &Signals, writing: &AtomicUsize) {
    signals.stopped().await;
    tokio::time::sleep(GRACE).await;
    let mut waited = GRACE;
    while writing.load(Ordering::Relaxed) > 0 && waited < LAST_WRITE {
        tokio::time::sleep(TICK / 20).await;
        waited += TICK / 20;
    }
}

fn log_notice(notice: &Notice) {
    match notice.level {
        Level::Info => tracing::info!("{}", notice.text),
        Level::Warn => tracing::warn!("{}", notice.text),
        Level::Error => tracing::error!("{}", notice.text),
    }
}
