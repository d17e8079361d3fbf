//! When: cycles by the schedule and by signals, through outages, until told to stop.

mod cycle;
mod endpoint;
mod health;
mod metrics;
mod notify;
mod reload;
mod schedule;
mod signals;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use humantime::format_duration;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::http::{PRODUCT, Progress};
use crate::model::Timestamp;
use crate::report::running_status;
use crate::sync::brake::{has_news, pause_in_force};
use crate::sync::upstream::try_side;
use crate::sync::{Clock, Deps, Scope, Side, SyncError, Writers, record_health, watch_deadlines};
use endpoint::Published;
use health::{FailureKind, Notice, UpstreamHealth};
use notify::{Status, Watchdog};
use signals::Signals;

/// Credentials that are refused this long at the start end the program.
const REFUSED_AT_START: Duration = Duration::from_mins(2);
/// Between two sign-ins at the start that are refused: a handful in a row locks an account.
const SIGN_IN_AGAIN: Duration = Duration::from_mins(1);
/// How often a wait looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// Reads the configuration again.
pub(crate) type Load = Box<dyn Fn() -> Result<Arc<Config>, String>>;

/// Why the daemon ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// The credentials were refused for so long that waiting is no use.
    #[error("the sign-in was refused for {}: {reason}", format_duration(REFUSED_AT_START))]
    Refused { reason: String },
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
    #[error("metrics.listen = \"{listen}\" cannot be used: {reason}")]
    Metrics { listen: std::net::SocketAddr, reason: std::io::Error },
    /// The store failed: nothing is done without a record.
    #[error(transparent)]
    Sync(#[from] SyncError),
}

/// Runs cycles until `SIGTERM` or `SIGINT`. A write that is under way is finished and recorded.
///
/// `progress` ticks with the progress of reads. A side that is down is no failure of ours: it is
/// said once and tried again.
pub(crate) async fn run(
    deps: Deps,
    writers: Writers,
    load: Load,
    clock: Clock,
    progress: Progress,
) -> Result<(), DaemonError> {
    let signals = Signals::listen().map_err(DaemonError::Signals)?;
    let watchdog = Arc::new(Watchdog::default());
    watchdog.watch(&deps, &progress);
    let published = Arc::new(Published::new(Arc::clone(&watchdog)));
    // These end with us.
    let mut tasks = JoinSet::new();
    if let Some(listen) = deps.config.metrics {
        let opened = endpoint::open(listen, &published, &mut tasks).await;
        opened.map_err(|reason| DaemonError::Metrics { listen, reason })?;
    }
    tasks.spawn(notify::feed(Arc::clone(&watchdog)));
    let mut daemon = Daemon {
        health: UpstreamHealth::new(clock()),
        status: Status::default(),
        watchdog,
        published,
        backoff: None,
        wrong_clock: false,
        wait: Duration::ZERO,
        idle_calls: VecDeque::new(),
        stretched: None,
        full_tried: None,
        full_requested: false,
        last: None,
        deps,
        writers,
        load,
        clock,
        progress,
        signals,
    };
    daemon.deps.stop_when(daemon.signals.stop());
    let ended = daemon.run_cycles().await;
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
    signals: Arc<Signals>,
    status: Status,
    health: UpstreamHealth,
    progress: Progress,
    watchdog: Arc<Watchdog>,
    published: Arc<Published>,
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
    /// The last cycle that ended well, in words.
    last: Option<String>,
}

impl Daemon {
    async fn run_cycles(&mut self) -> Result<(), DaemonError> {
        let config = Arc::clone(&self.deps.config);
        tracing::info!(
            "{PRODUCT} starts: {}, {} and {}, store {}, polling every {}",
            if config.policy.observe { "only observing" } else { "enforcing" },
            config.servicenow.url.host_str().unwrap_or("?"),
            config.okta.url.host_str().unwrap_or("?"),
            config.store.path.display(),
            format_duration(config.schedule.poll),
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
            self.show_status()?;
            self.publish_health()?;
            self.sleep(self.wait, Signals::arrived).await?;
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
            self.sleep(SIGN_IN_AGAIN, Signals::urgent).await?;
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
                answer = try_side(*side, &self.deps.servicenow, &self.deps.okta) => answer,
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

    /// Waits until the time is over or `woken`, and logs meanwhile what becomes overdue.
    async fn sleep(
        &mut self,
        wait: Duration,
        woken: impl AsyncFn(&Signals),
    ) -> Result<(), DaemonError> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let slice = until.duration_since(tokio::time::Instant::now()).min(TICK);
            let over = tokio::select! {
                biased;
                () = woken(&self.signals) => true,
                () = tokio::time::sleep(slice) => slice < TICK,
            };
            self.progress.tick();
            self.health.overdue((self.clock)()).iter().for_each(log_notice);
            watch_deadlines(&self.deps)?;
            if has_news(&self.deps)? {
                self.signals.ask_for_cycle();
            }
            if over {
                return Ok(());
            }
        }
    }

    /// Stores for `status` how both sides are, and hands it to the endpoint for metrics.
    fn publish_health(&self) -> Result<(), DaemonError> {
        watch_deadlines(&self.deps)?;
        let [servicenow, okta] = [Side::ServiceNow, Side::Okta].map(|it| self.health.state(it));
        record_health(&self.deps, &servicenow, &okta)?;
        self.published.set_unready(self.health.degraded());
        if self.deps.config.metrics.is_some() {
            self.published.metrics.calls(self.deps.calls_by_bucket());
            self.published.metrics.status(&running_status(&self.deps)?);
        }
        Ok(())
    }

    fn record_success(&mut self, side: Side) {
        self.progress.tick();
        self.health.success(side, (self.clock)()).iter().for_each(log_notice);
    }

    fn record_failure(&mut self, side: Side, error: &SyncError) {
        self.progress.tick();
        let kind = match error {
            error if error.is_refused_sign_in() => FailureKind::Refused,
            error if error.is_outage() => FailureKind::Down,
            _ => FailureKind::Unworkable,
        };
        let said = (&*error.to_string(), error.asked());
        let notice = self.health.failure(side, kind, said, (self.clock)());
        notice.iter().for_each(log_notice);
    }

    /// One line for `systemctl status`.
    fn show_status(&mut self) -> Result<(), DaemonError> {
        let mode = if self.deps.config.policy.observe { "observing only; " } else { "" };
        let text = match (self.health.degraded(), &self.last) {
            (Some(why), None) => format!("degraded: {why}"),
            (Some(why), Some(last)) => format!("degraded: {why}; last good {last}"),
            (None, last) => format!("{mode}{}", last.as_deref().unwrap_or_default()),
        };
        let paused =
            pause_in_force(&self.deps)?.map(|pause| format!("{pause}; ")).unwrap_or_default();
        self.status.set(&format!("{paused}{text}"));
        Ok(())
    }
}

fn log_notice(notice: &Notice) {
    match notice {
        Notice::Info(text) => tracing::info!("{text}"),
        Notice::Warn(text) => tracing::warn!("{text}"),
        Notice::Error(text) => tracing::error!("{text}"),
    }
}
