//! What the service manager is told. Without one, nothing is sent anywhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::http::Pulse;
use crate::sync::Deps;

/// In microseconds: said every second for as long as it lasts.
const WAITING: u32 = 60_000_000;

/// In characters; nobody reads more in one line.
const LONGEST_STATUS: usize = 400;

/// The start, or a reload, is over.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins.
pub fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now());
    tell(&states);
}

/// A reload waits for its turn: it takes no time of those that a reload has.
pub fn reload_waits() {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now());
    states.push(NotifyState::ExtendTimeoutUsec(WAITING));
    tell(&states);
}

/// The stop begins.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The start takes longer, for a reason that is known.
pub fn still_starting(more: Duration) {
    let more = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(more)]);
}

/// How it goes, in the line that `systemctl status` shows.
#[derive(Debug, Default)]
pub struct Status(String);

impl Status {
    /// Says it, where that is news.
    pub fn say(&mut self, text: &str) {
        let text: String =
            text.lines().collect::<Vec<_>>().join(" ").chars().take(LONGEST_STATUS).collect();
        if text != self.0 {
            tell(&[NotifyState::Status(&text)]);
            self.0 = text;
        }
    }
}

/// Nobody can be told that this failed, and nothing depends on it.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

/// Everything that beats while there is progress.
#[derive(Debug)]
pub struct Heart(Vec<Pulse>);

impl Heart {
    /// Of the connections and of what drives them.
    pub fn new(deps: &Deps, own: &Pulse) -> Self {
        Self(deps.pulses().into_iter().chain([own.clone()]).collect())
    }

    /// How often each of its parts has beaten.
    pub fn beats(&self) -> Vec<u64> {
        self.0.iter().map(Pulse::count).collect()
    }
}

/// Feeds the watchdog for as long as the heart beats. Ends at once where there is no watchdog.
pub async fn feed_watchdog(heart: Arc<Mutex<Heart>>) {
    let patience = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero());
    let Some(patience) = patience else { return };
    let mut before = None;
    loop {
        let now = heart.lock().unwrap_or_else(PoisonError::into_inner).beats();
        if before.as_ref() != Some(&now) {
            tell(&[NotifyState::Watchdog]);
            before = Some(now);
        }
        tokio::time::sleep(patience / 4).await;
    }
}
