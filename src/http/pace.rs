//! Keeping to a rate limit: waiting for a turn, and showing meanwhile that nothing stands still.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A wait is cut into pieces this long, so that it can be told from standing still.
const SLICE: Duration = Duration::from_secs(1);

/// No announced end of a rate window is believed that is further away: Okta's windows last a minute
/// (<https://developer.okta.com/docs/reference/rate-limits/>), ServiceNow's rules count by the hour
/// (<https://www.servicenow.com/docs/r/api-reference/rest-api-explorer/inbound-REST-API-rate-limiting.html>).
/// Nonsense in a header must not keep us away for good.
pub(crate) const LONGEST_WINDOW: Duration = Duration::from_hours(1);

/// Counts up while there is progress: an answer arrives, a wait for a rate window runs off. Clones
/// count together. What stands still for too long is taken to hang (the service's watchdog).
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(crate) fn tick(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits, and ticks every second meanwhile.
    pub(crate) async fn sleep(&self, wait: Duration) {
        let mut left = wait;
        while !left.is_zero() {
            let slice = left.min(SLICE);
            tokio::time::sleep(slice).await;
            self.tick();
            left -= slice;
        }
    }
}

/// Keeps back the writes that still wait for their turn, or to be tried again. Clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Brake(Arc<AtomicBool>);

impl Brake {
    pub(crate) fn set(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Waits until `wait` says zero, asking it again after each wait. Fails with the wait where that is
/// longer than `longest`: nothing was waited for then.
pub(crate) async fn wait_for_turn(
    progress: &Progress,
    longest: Duration,
    mut wait: impl FnMut() -> Duration,
) -> Result<(), Duration> {
    loop {
        let wait = wait();
        if wait.is_zero() {
            return Ok(());
        }
        if wait > longest {
            return Err(wait);
        }
        tracing::debug!(?wait, "our share of a rate limit is used");
        progress.sleep(wait).await;
    }
}

/// Calls of a limit that are ours, for a `share` of 0 to 1. At least one: it is how the next window
/// is learnt.
pub(crate) fn share_of(limit: u64, share: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of a limit is not negative, and a call more or less does not matter"
    )]
    ((limit as f64 * share.clamp(0.0, 1.0)) as u64).max(1)
}

/// Locks what is whole at any moment, so that a panic elsewhere does not spoil it.
pub(crate) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_share_still_sends_one_call_a_window() {
        assert_eq!(share_of(20, 0.0), 1);
        assert_eq!(share_of(20, 1.0), 20);
        assert_eq!(share_of(600, 0.5), 300);
    }

    #[tokio::test]
    async fn a_turn_is_waited_for_only_where_that_is_not_too_long() {
        let (progress, bit) = (Progress::default(), Duration::from_millis(1));
        let mut waits = [bit * 3, bit, Duration::ZERO].into_iter();
        let turn = wait_for_turn(&progress, bit * 5, || waits.next().unwrap()).await;
        assert_eq!((turn, progress.count()), (Ok(()), 2));
        let refused = wait_for_turn(&progress, bit * 5, || bit * 6).await;
        assert_eq!((refused, progress.count()), (Err(bit * 6), 2));
    }
}
