//! Staying inside ServiceNow's rate rules.
//!
//! A rule allows so many calls in a clock hour and says so in `X-RateLimit-Limit`
//! (<https://www.servicenow.com/docs/r/api-reference/rest-api-explorer/inbound-REST-API-rate-limiting.html>).
//! What is left is never said, so calls are counted here. Which calls a rule covers is not said
//! either: all of ours are held against the smallest limit announced. Without a rule there is
//! nothing to keep.

use std::time::Duration;

use crate::http::share_of;

const HOUR: i64 = 3600;

/// How much of the rate limit is used, for reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    pub bucket: String,
    /// Calls an hour that the instance allows; `None` while it announces no rule.
    pub limit: Option<u64>,
    /// The part of it that is ours, 0 to 1.
    pub share: f64,
    /// Calls made in this clock hour.
    pub used: u64,
}

/// The part of the calls that may go into looking, so that the rest is there for doing.
const FOR_LOOKING: f64 = 0.75;
/// The least that an idle cycle asks.
const IDLE_CALLS: u64 = 3;

impl Budget {
    /// Calls an hour that the rule leaves us, where the instance announced one.
    #[expect(clippy::cast_precision_loss, reason = "a limit is far below 2^52")]
    pub(crate) fn calls_an_hour(&self) -> Option<f64> {
        self.limit.map(|limit| limit as f64 * self.share)
    }

    /// The wait between two looks at what changed: the configured one, or longer where the rule
    /// leaves us fewer calls than it would take. `calls` is what one look costs.
    pub(crate) fn poll(&self, configured: Duration, calls: u64) -> Duration {
        let Some(allowed) = self.calls_an_hour() else { return configured };
        let allowed = (allowed * FOR_LOOKING).max(1.0);
        #[expect(clippy::cast_precision_loss, reason = "a handful of calls")]
        let needed = 3600.0 * calls.max(IDLE_CALLS) as f64 / allowed;
        configured.max(Duration::from_secs_f64(needed.ceil()))
    }
}

/// Counts calls and says when the next may be made. Times are seconds since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct Pacer {
    share: f64,
    limit: Option<u64>,
    /// The hour in which `limit` was last announced.
    learned_in: i64,
    hour: i64,
    used: u64,
    last_call: i64,
    denied_until: i64,
}

impl Pacer {
    pub(crate) fn new(share: f64) -> Self {
        Self { share, ..Self::default() }
    }

    /// Goes on counting where somebody else was at a moment.
    pub(crate) fn go_on(&mut self, from: &Budget, at: i64) {
        (self.hour, self.used) = (at / HOUR, from.used);
        (self.limit, self.learned_in) = (from.limit, at / HOUR);
    }

    /// Goes on where another one is, with a share of its own.
    pub(crate) fn go_on_with(&mut self, other: &Self) {
        let share = self.share;
        *self = Self { share, ..other.clone() };
    }

    /// How long to wait before the next call.
    /// The first half of our share is free, so that a burst is answered at once. The second half
    /// is spread over what is left of the hour; when it is used up, the next hour is waited for.
    pub(crate) fn wait(&self, now: i64) -> Duration {
        // Further away than any refusal reaches: the clock was set back since.
        let denied = Some(self.denied_until - now).filter(|wait| *wait <= HOUR).unwrap_or(0);
        seconds(denied.max(self.spread(now)))
    }

    fn spread(&self, now: i64) -> i64 {
        let Some(ours) = self.ours() else { return 0 };
        let used = self.used_by(now);
        if used * 2 < ours {
            return 0;
        }
        let rest_of_hour = HOUR - now % HOUR;
        let left = i64::try_from(ours - used.min(ours)).unwrap_or(i64::MAX);
        if left == 0 {
            return rest_of_hour;
        }
        self.last_call + rest_of_hour / (left + 1) - now
    }

    /// Calls an hour that are ours, at least one.
    fn ours(&self) -> Option<u64> {
        self.limit.map(|limit| share_of(limit, self.share))
    }

    /// Calls made in the hour of this moment.
    fn used_by(&self, now: i64) -> u64 {
        if now / HOUR == self.hour { self.used } else { 0 }
    }

    /// A call is being made.
    pub(crate) fn sent(&mut self, now: i64) {
        (self.used, self.hour, self.last_call) = (self.used_by(now) + 1, now / HOUR, now);
    }

    /// An answer carries `X-RateLimit-Limit`. What is not a number is no limit, and no fault.
    pub(crate) fn announced(&mut self, header: &str, now: i64) {
        let Ok(limit) = header.trim().parse::<u64>() else { return };
        let known = self.limit.filter(|_| self.learned_in == now / HOUR);
        self.limit = Some(known.map_or(limit, |known| known.min(limit)));
        self.learned_in = now / HOUR;
    }

    /// A good answer names no rule: one of an earlier hour is gone.
    pub(crate) fn not_announced(&mut self, now: i64) {
        if self.learned_in < now / HOUR {
            self.limit = None;
        }
    }

    /// The instance refused a call and said for how long.
    pub(crate) fn denied(&mut self, wait: Duration, now: i64) {
        let until = now.saturating_add(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX));
        self.denied_until = self.denied_until.max(until);
    }

    pub(crate) fn budget(&self, now: i64) -> Budget {
        let bucket = "ServiceNow REST".to_owned();
        Budget { bucket, limit: self.limit, share: self.share, used: self.used_by(now) }
    }
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_poll_is_stretched_to_what_the_hourly_rule_leaves_us() {
        let five = Duration::from_secs(5);
        let half_of =
            |limit| Budget { bucket: String::new(), limit, share: 0.5, used: 0 }.poll(five, 3);
        assert_eq!(half_of(None), five);
        assert_eq!(half_of(Some(20_000)), five);
        // 3 calls a look, 450 of 600 an hour for looking: one look in 24 s.
        assert_eq!(half_of(Some(1200)), Duration::from_secs(24));
        assert_eq!(half_of(Some(0)), Duration::from_hours(3));
        let six = Budget { bucket: String::new(), limit: Some(1200), share: 0.5, used: 0 };
        assert_eq!(six.poll(five, 6), Duration::from_secs(48));
    }

    const NINE: i64 = 9 * HOUR;

    fn pacer_with(limit: &str, calls: u64, at: i64) -> Pacer {
        let mut pacer = Pacer::new(0.5);
        for _ in 0..calls {
            pacer.sent(at);
        }
        pacer.announced(limit, at);
        pacer
    }

    #[test]
    fn without_a_rule_nothing_waits() {
        assert_eq!(pacer_with("unlimited", 10_000, NINE).wait(NINE), Duration::ZERO);
    }

    #[test]
    fn whoever_starts_again_within_the_hour_goes_on_counting() {
        let before = pacer_with("100", 50, NINE).budget(NINE);
        let mut pacer = Pacer::new(0.5);
        pacer.go_on(&before, NINE);
        assert_eq!(pacer.wait(NINE + 10), Duration::from_secs(3590), "our share is used up");
        assert_eq!(pacer.wait(NINE + HOUR), Duration::ZERO, "a new hour");
    }

    #[test]
    fn a_rule_that_was_taken_away_is_forgotten_with_the_hour() {
        let mut pacer = pacer_with("100", 50, NINE);
        pacer.not_announced(NINE + 60);
        assert!(!pacer.wait(NINE + 60).is_zero(), "not every call is under the rule");
        pacer.not_announced(NINE + HOUR);
        assert_eq!(pacer.budget(NINE + HOUR).limit, None);
    }

    #[test]
    fn the_first_half_of_our_share_is_free_and_the_second_is_spread() {
        assert_eq!(pacer_with("100", 24, NINE).wait(NINE), Duration::ZERO);
        assert_eq!(pacer_with("100", 25, NINE).wait(NINE), Duration::from_secs(3600 / 26));
        assert_eq!(pacer_with("100", 25, NINE).wait(NINE + 200), Duration::ZERO);
    }

    #[test]
    fn a_used_up_share_waits_for_the_next_hour() {
        let pacer = pacer_with("100", 50, NINE + 600);
        assert_eq!(pacer.wait(NINE + 600), Duration::from_mins(50));
        assert_eq!(pacer.wait(NINE + HOUR), Duration::ZERO);
        assert_eq!(pacer.budget(NINE + 600).used, 50);
        assert_eq!(pacer.budget(NINE + HOUR).used, 0);
    }

    #[test]
    fn over_an_hour_of_calls_as_fast_as_allowed_the_share_is_kept() {
        let mut pacer = pacer_with("200", 0, NINE);
        let (mut now, mut calls) = (NINE, 0);
        loop {
            now += i64::try_from(pacer.wait(now).as_secs()).unwrap();
            if now >= NINE + HOUR {
                break;
            }
            pacer.sent(now);
            calls += 1;
        }
        assert!((90..=100).contains(&calls), "{calls}");
    }

    #[test]
    fn the_smallest_limit_of_an_hour_counts_and_a_raised_one_is_learned_in_the_next() {
        let mut pacer = pacer_with("500", 0, NINE);
        pacer.announced("100", NINE);
        pacer.announced("500", NINE);
        assert_eq!(pacer.budget(NINE).limit, Some(100));
        pacer.announced("500", NINE + HOUR);
        assert_eq!(pacer.budget(NINE + HOUR).limit, Some(500));
    }

    #[test]
    fn a_refusal_holds_every_call_back_until_its_time() {
        let mut pacer = Pacer::new(0.5);
        pacer.denied(Duration::from_secs(30), NINE);
        assert_eq!(pacer.wait(NINE + 10), Duration::from_secs(20));
    }

    #[test]
    fn no_clock_that_is_set_back_keeps_us_away() {
        let mut pacer = Pacer::new(0.5);
        pacer.denied(Duration::from_hours(1), NINE);
        assert_eq!(pacer.wait(NINE), Duration::from_hours(1));
        assert_eq!(pacer.wait(NINE + HOUR), Duration::ZERO);
        assert_eq!(pacer.wait(NINE - 24 * HOUR), Duration::ZERO);
    }
}
