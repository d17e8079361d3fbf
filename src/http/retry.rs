//! Trying a call again: how often, and after which wait.
//!
//! Whether a call may be repeated at all is the business of the client that sends it: a write that
//! may have been carried out is not.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::brief::no_longer_than;

/// Longer than the 60 s after which ServiceNow ends a call of the Table API, so that the server
/// gives up before we do
/// (<https://www.servicenow.com/docs/r/platform-administration/platform-performance/c_DefaultQuotaRules.html>).
const CALL_TIMEOUT: Duration = Duration::from_secs(75);

/// How often a call is tried, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Tries in all, the first included.
    pub attempts: usize,
    /// Wait after the first failure; doubled each time, with jitter.
    pub first_wait: Duration,
    /// No single wait is longer, an announced one included: beyond it the call fails.
    pub longest_wait: Duration,
    /// No single call lasts longer, its whole answer included.
    pub longest_call: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(90),
            longest_call: CALL_TIMEOUT,
        }
    }
}

/// What a failure says about sending the same call once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It would fail again until something else changes.
    Never,
    /// After a wait of our choice, longer each time.
    Later,
    /// After the wait that the other side, or our own pace, announced.
    After(Duration),
}

impl RetryPolicy {
    /// The waits of one call, from its first failure on.
    pub(crate) fn backoff(self) -> Backoff {
        let delays = ExponentialBuilder::default()
            .with_min_delay(self.first_wait)
            .with_max_delay(self.longest_wait)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter()
            .build();
        let patience = no_longer_than(self.longest_call.saturating_mul(3) / 2);
        Backoff {
            delays,
            longest: self.longest_wait,
            margin: None,
            patience,
            began: Instant::now(),
        }
    }
}

/// Says how long to wait before each further try of one call.
#[derive(Debug)]
pub(crate) struct Backoff {
    delays: ExponentialBackoff,
    longest: Duration,
    margin: Option<Duration>,
    /// What is not announced is waited for no longer than that: a call that is never answered is
    /// tried once more, over another connection, and others wait meanwhile.
    patience: Duration,
    began: Instant,
}

impl Backoff {
    /// Prolongs announced waits by this and by what would have been waited without an announcement,
    /// so that not everybody who was told the same moment comes back at it.
    pub(crate) fn prolonging_announced_waits(mut self, margin: Duration) -> Self {
        self.margin = Some(margin);
        self
    }

    /// The wait before the next try; `None` where there is to be none: the failure is final, the
    /// tries are used up, or the announced wait is longer than any should be.
    pub(crate) fn next_wait(&mut self, retry: Retry) -> Option<Duration> {
        let late = self.began.elapsed() >= self.patience;
        if retry == Retry::Never || (retry == Retry::Later && late) {
            return None;
        }
        let delay = self.delays.next()?.min(self.longest);
        match retry {
            Retry::After(announced) if announced > self.longest => None,
            Retry::After(announced) => {
                Some(announced + self.margin.map_or(Duration::ZERO, |margin| margin + delay))
            }
            Retry::Later | Retry::Never => Some(delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy(attempts: usize) -> RetryPolicy {
        let (first_wait, longest_wait) = (SECOND, SECOND * 30);
        RetryPolicy { attempts, first_wait, longest_wait, ..RetryPolicy::default() }
    }

    #[test]
    fn a_call_is_tried_so_often_and_the_wait_grows_up_to_the_longest() {
        let mut backoff = policy(8).backoff();
        let waits: Vec<_> = std::iter::from_fn(|| backoff.next_wait(Retry::Later)).collect();
        assert_eq!(waits.len(), 7);
        assert!(waits[0] >= SECOND && waits[0] < waits[4], "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= SECOND * 30), "{waits:?}");
    }

    #[test]
    fn a_final_failure_is_not_tried_again() {
        assert_eq!(policy(5).backoff().next_wait(Retry::Never), None);
        assert_eq!(policy(1).backoff().next_wait(Retry::Later), None);
    }

    #[test]
    fn what_is_never_answered_is_tried_once_more_and_an_announced_wait_is_kept_all_the_same() {
        let mut backoff = RetryPolicy { longest_call: SECOND * 75, ..policy(5) }.backoff();
        backoff.patience -= SECOND * 75;
        assert!(backoff.next_wait(Retry::Later).is_some());
        backoff.patience = backoff.patience.saturating_sub(SECOND * 76);
        assert_eq!(backoff.next_wait(Retry::Later), None);
        assert_eq!(backoff.next_wait(Retry::After(SECOND)), Some(SECOND));
    }

    #[test]
    fn an_announced_wait_is_kept_unless_it_is_longer_than_any_should_be() {
        let mut backoff = policy(5).backoff();
        assert_eq!(backoff.next_wait(Retry::After(SECOND * 20)), Some(SECOND * 20));
        assert_eq!(backoff.next_wait(Retry::After(SECOND * 31)), None);
        let mut with_margin = policy(5).backoff().prolonging_announced_waits(SECOND * 2);
        assert!(with_margin.next_wait(Retry::After(SECOND * 20)).unwrap() >= SECOND * 23);
    }
}
