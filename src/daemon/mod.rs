//! When: cycles by the schedule and by signals, through outages, until told to stop.

mod endpoint;
mod metrics;
mod notify;
mod reload;
mod schedule;
mod sides;
mod signals;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::config::Config;
use crate::http::{PRODUCT, Pulse};
use crate::model::Timestamp;
use crate::report::{CycleReport, running_status};
use crate::store::SideState;
use crate::sync::upstream::try_side;
use crate::sync::{
    Clock, Deps, Scope, Side, SyncError, Writers, record_health, run_beside, watch_deadlines,
};
use endpoint::{Endpoint, Shown};
use notify::{Heart, Status, feed_watchdog};
use sides::{Kind, Level, Notice, Sides};
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
    Sync(#[from] SyncError),
}

/// Runs cycles until `SIGTERM` or `SIGINT`. A write that is under way is finished and recorded.
///
/// `pulse` beats with the progress of reads. A side that is down is no failure of ours: it is said
/// once and tried again.
pub async fn run(
    deps: Deps,
    writers: Writers,
    load: Load,
    clock: Clock,
    pulse: Pulse,
) -> Result<(), DaemonError> {
    let signals = Signals::listen().map_err(DaemonError::Signals)?;
    let heart = Arc::new(Mutex::new(Heart::new(&deps, &pulse)));
    let shown = Arc::new(Shown::new(Arc::clone(&heart)));
    let _endpoint = match deps.config.metrics {
        None => None,
        Some(listen) => {
            let opened = Endpoint::open(listen, Arc::clone(&shown)).await;
            Some(opened.map_err(|reason| DaemonError::Metrics { listen, reason })?)
        }
    };
    let mut daemon = Daemon {
        sides: Sides::new(clock()),
        status: Status::default(),
        heart: Arc::clone(&heart),
        shown,
        backoff: None,
        wrong_clock: false,
        wait: Duration::ZERO,
        idle_calls: VecDeque::new(),
        stretched: None,
        full_tried: None,
        full_wished: false,
        last: None,
        deps,
        writers,
        load,
        clock,
        pulse,
        signals,
    };
    daemon.deps.stop_when(daemon.signals.stop());
    let watchdog = tokio::spawn(feed_watchdog(heart));
    let ended = daemon.live().await;
    watchdog.abort();
    match &ended {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!("stopped: {error}"),
    }
    ended
}

struct Daemon {
    deps: Deps,
    writers: Writers,
    load: Load,
    clock: Clock,
    signals: Signals,
    status: Status,
    sides: Sides,
    pulse: Pulse,
    heart: Arc<Mutex<Heart>>,
    shown: Arc<Shown>,
    /// Goes on for as long as cycles fail.
    backoff: Option<ExponentialBackoff>,
    /// Our own clock is wrong, and that was said.
    wrong_clock: bool,
    /// Until the next cycle.
    wait: Duration,
    /// Calls that the last cycles without anything to do asked ServiceNow.
    idle_calls: VecDeque<u64>,
    /// The wait between two cycles, where ServiceNow's rule makes it longer than configured.
    stretched: Option<Duration>,
    /// When a complete read was begun last.
    full_tried: Option<Timestamp>,
    /// Somebody wants a complete read that has not ended well yet.
    full_wished: bool,
    last: Option<Last>,
}

/// What ends a wait before its time.
#[derive(Debug, Clone, Copy)]
enum Wakes {
    /// Any signal.
    ByAnySignal,
    /// To stop, or to read the configuration again.
    ByOrders,
}

/// The last cycle that ended well.
struct Last {
    at: Timestamp,
    cycle: i64,
    outcome: &'static str,
}

impl Daemon {
    async fn live(&mut self) -> Result<(), DaemonError> {
        let config = Arc::clone(&self.deps.config);
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
            let desired_status = self.signals.take_cycle();
            self.full_wished |= desired_status == Some(Scope::Full);
            let scope = match desired_status {
                Some(scope) => scope,
                None => self.next_scope()?,
            };
            self.turn(&scope).await?;
            self.say_status();
            self.record_health()?;
            self.rest(self.wait, Wakes::ByAnySignal).await?;
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
            self.status.say("signing in");
            let refused = self.try_sides(&[Side::ServiceNow, Side::Okta]).await;
            self.record_health()?;
            let Some(reason) = refused else { return Ok(()) };
            let since = *refused_since.get_or_insert_with(tokio::time::Instant::now);
            if since.elapsed() >= REFUSED_AT_START {
                return Err(DaemonError::Refused { reason });
            }
            self.status.say(&format!("{reason}; trying again"));
            // A cycle is on its way as it is, so a wish for one keeps.
            self.rest(SIGN_IN_AGAIN, Wakes::ByOrders).await?;
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
                answer = try_side(&self.deps, *side) => answer,
                () = self.signals.stopped() => break,
            };
            match answer {
                Ok(()) => self.good(*side),
                Err(error) => {
                    if error.is_refused_sign_in() {
                        refused = Some(error.to_string());
                    }
                    self.bad(*side, &error);
                }
            }
        }
        refused
    }

    /// The scope of the next cycle, where nobody wishes for another.
    fn next_scope(&self) -> Result<Scope, DaemonError> {
        let schedule = &self.deps.config.schedule;
        let last = self.deps.last_full()?.filter(|_| !self.full_wished);
        Ok(schedule::scope(schedule, last, self.full_tried, (self.clock)()))
    }

    /// One cycle, what it tells about the two sides, and the wait until the next.
    async fn turn(&mut self, scope: &Scope) -> Result<(), DaemonError> {
        if *scope == Scope::Full {
            self.full_tried = Some((self.clock)());
        }
        let begun = tokio::time::Instant::now();
        let Some(ended) = self.cycle(scope).await else { return Ok(()) };
        match ended {
            Ok(report) => {
                self.good(Side::ServiceNow);
                self.good(Side::Okta);
                self.backoff = None;
                self.wrong_clock = false;
                let (cycle, outcome) = (report.cycle, report.outcome());
                self.last = Some(Last { at: (self.clock)(), cycle, outcome });
                self.full_wished &= !report.full;
                if !report.full && report.actions.is_empty() {
                    if self.idle_calls.len() == IDLE_CYCLES {
                        self.idle_calls.pop_front();
                    }
                    self.idle_calls.push_back(report.calls.servicenow);
                }
                self.shown.metrics.cycle(&report);
                self.wait = schedule::rest(self.poll(), begun.elapsed());
            }
            Err(SyncError::Clock(text)) => {
                self.good(Side::ServiceNow);
                self.good(Side::Okta);
                self.shown.metrics.failed_cycle(*scope == Scope::Full);
                // Only whoever looks after this machine can put it right.
                if !std::mem::replace(&mut self.wrong_clock, true) {
                    tracing::error!("{}", SyncError::Clock(text));
                }
                self.wait = self.back_off(None);
            }
            Err(error) => {
                let Some(side) = error.side() else { return Err(error.into()) };
                self.shown.metrics.failed_cycle(*scope == Scope::Full);
                self.bad(side, &error);
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
    async fn cycle(&mut self, scope: &Scope) -> Option<Result<CycleReport, SyncError>> {
        let Self { deps, writers, sides, clock, signals, .. } = self;
        let (deps, signals) = (&*deps, &*signals);
        let beside = || {
            sides.tick(clock()).iter().for_each(say);
            if signals.is_to_reload() {
                notify::reload_waits();
            }
            // Where the store fails, the cycle says so.
            let _ = watch_deadlines(deps);
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

    /// From one look to the next. Says so where ServiceNow's rule makes it longer.
    fn poll(&mut self) -> Duration {
        let configured = self.deps.config.schedule.poll;
        let budget = self.deps.servicenow.connection().budget();
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
        [next, announced, poll, self.sides.pause().unwrap_or_default()]
            .into_iter()
            .max()
            .unwrap_or(LONGEST_BACKOFF)
    }

    /// Lets time pass until it is over or a signal comes, and says what becomes of it.
    async fn rest(&mut self, wait: Duration, wakes: Wakes) -> Result<(), DaemonError> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let slice = until.duration_since(tokio::time::Instant::now()).min(TICK);
            let woken = async {
                match wakes {
                    Wakes::ByAnySignal => self.signals.arrived().await,
                    Wakes::ByOrders => self.signals.ordered().await,
                }
            };
            let over = tokio::select! {
                biased;
                () = woken => true,
                () = tokio::time::sleep(slice) => slice < TICK,
            };
            self.pulse.beat();
            self.sides.tick((self.clock)()).iter().for_each(say);
            watch_deadlines(&self.deps)?;
            if over {
                return Ok(());
            }
        }
    }

    /// Records for `status` how it goes, and shows it to whoever collects metrics.
    fn record_health(&self) -> Result<(), DaemonError> {
        let state = |side| {
            let (since, error) = self.sides.condition(side);
            SideState { since, error: error.map(str::to_owned) }
        };
        watch_deadlines(&self.deps)?;
        record_health(&self.deps, &state(Side::ServiceNow), &state(Side::Okta))?;
        self.shown.set_unready(self.sides.degraded());
        if self.deps.config.metrics.is_some() {
            self.shown.metrics.calls(self.deps.calls_by_bucket());
            self.shown.metrics.status(&running_status(&self.deps)?);
        }
        Ok(())
    }

    fn good(&mut self, side: Side) {
        self.pulse.beat();
        if let Some(notice) = self.sides.good(side, (self.clock)()) {
            say(&notice);
        }
    }

    fn bad(&mut self, side: Side, error: &SyncError) {
        self.pulse.beat();
        let kind = match error {
            error if error.is_refused_sign_in() => Kind::Refused,
            error if error.is_outage() => Kind::Down,
            _ => Kind::Unworkable,
        };
        if let Some(notice) = self.sides.bad(side, kind, &error.to_string(), (self.clock)()) {
            say(&notice);
        }
    }

    /// One line for `systemctl status`.
    fn say_status(&mut self) {
        let mode = if self.deps.config.policy.observe { "observing only; " } else { "" };
        let last = self.last.as_ref().map_or_else(String::new, |Last { at, cycle, outcome }| {
            format!("cycle {cycle} at {} UTC: {outcome}", at.format("%Y-%m-%d %H:%M:%S"))
        });
        let text = match self.sides.degraded() {
            Some(trouble) if last.is_empty() => format!("degraded: {trouble}"),
            Some(trouble) => format!("degraded: {trouble}; last good {last}"),
            None => format!("{mode}{last}"),
        };
        self.status.say(&text);
    }

    fn heart(&self) -> std::sync::MutexGuard<'_, Heart> {
        self.heart.lock().unwrap_or_else(PoisonError::into_inner)
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

fn say(notice: &Notice) {
    match notice.level {
        Level::Info => tracing::info!("{}", notice.text),
        Level::Warn => tracing::warn!("{}", notice.text),
        Level::Error => tracing::error!("{}", notice.text),
    }
}
