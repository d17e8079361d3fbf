//! What the service manager is told. Without one, nothing is sent anywhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::http::Progress;
use crate::model::shown;
use crate::sync::Deps;

/// How much longer a reload may wait, in microseconds: sent every second for as long as it waits.
const RELOAD_WAITS: u32 = 60_000_000;

/// In characters; nobody reads more in one line.
const LONGEST_STATUS: usize = 400;

/// The start, or a reload, is over.
pub(crate) fn ready() {
    send(&[NotifyState::Ready]);
}

/// A reload begins: the manager waits for [`ready`]. Where it `waits` for its turn, that takes no
/// time of those that a reload has.
pub(crate) fn reloading(waits: bool) {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now());
    states.extend(waits.then_some(NotifyState::ExtendTimeoutUsec(RELOAD_WAITS)));
    send(&states);
}

/// The stop begins: no cycle follows.
pub(crate) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// The start takes longer, for a reason that is known.
pub(crate) fn still_starting(more: Duration) {
    let more = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::ExtendTimeoutUsec(more)]);
}

/// How it goes: the line that `systemctl status` shows.
#[derive(Debug, Default)]
pub(crate) struct Status(String);

impl Status {
    pub(crate) fn set(&mut self, text: &str) {
        let line = text.lines().collect::<Vec<_>>().join(" ");
        let text: String = shown::line(&line).chars().take(LONGEST_STATUS).collect();
        if text != self.0 {
            send(&[NotifyState::Status(&text)]);
            self.0 = text;
        }
    }
}

/// Nobody can be told that this failed, and nothing depends on it.
fn send(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

/// What shows that the daemon does not hang: all counters of progress.
#[derive(Debug, Default)]
pub(crate) struct Watchdog(Mutex<Vec<Progress>>);

impl Watchdog {
    /// Watches these connections and what drives them, and no others.
    pub(crate) fn watch(&self, deps: &Deps, own: &Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            deps.progress_counters().into_iter().chain([own.clone()]).collect();
    }

    /// The ticks of each counter: while any of them changes, the daemon is alive.
    pub(crate) fn ticks(&self) -> Vec<u64> {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(Progress::count).collect()
    }
}

/// Tells the service manager's watchdog that we are alive for as long as there is progress. Ends at
/// once where it has none.
pub(crate) async fn feed(watchdog: Arc<Watchdog>) {
    let Some(timeout) = sd_notify::watchdog_enabled().filter(|it| !it.is_zero()) else { return };
    let mut before = None;
    loop {
        let now = watchdog.ticks();
        if before.as_ref() != Some(&now) {
            send(&[NotifyState::Watchdog]);
            before = Some(now);
        }
        tokio::time::sleep(timeout / 4).await;
    }
}
