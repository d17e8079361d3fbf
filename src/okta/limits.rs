//! Keeping to our share of Okta's rate limits, so that people signing in have the rest.
//!
//! Each bucket is learnt from the answers: `X-Rate-Limit-Limit`, `-Remaining` and `-Reset`.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use reqwest::Method;

use crate::http::{self, Answer, LONGEST_WINDOW};

#[derive(Debug, Default)]
pub(super) struct Limits {
    buckets: BTreeMap<&'static str, Bucket>,
    /// Calls sent since the start.
    calls: BTreeMap<&'static str, u64>,
}

/// What is known of one bucket in its current window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    /// Calls in one window, for everybody (or already our part: Okta does not say).
    limit: u32,
    /// Calls that are left, less those sent since it was announced.
    remaining: u32,
    used: u32,
    /// The end of the window as announced (epoch seconds): a new value is a new window.
    reset: i64,
    /// The same on our own clock.
    ends: Instant,
}

/// One bucket's use, for `status`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Budget {
    pub bucket: String,
    /// Calls a minute that Okta announces.
    pub limit: u32,
    /// The part of it that may be used, 0 to 1.
    pub share: f64,
    /// Calls sent in the current window; 0 once it is over.
    pub used: u32,
}

impl Limits {
    pub(crate) fn wait(&self, bucket: &'static str, share: f64, now: Instant) -> Duration {
        self.buckets.get(bucket).map_or(Duration::ZERO, |known| wait(now, known, share))
    }

    pub(crate) fn sent(&mut self, bucket: &'static str) {
        *self.calls.entry(bucket).or_default() += 1;
        if let Some(known) = self.buckets.get_mut(bucket) {
            known.used = known.used.saturating_add(1);
            known.remaining = known.remaining.saturating_sub(1);
        }
    }

    /// Learns from an answer. `margin` is added to the end of the window.
    pub(crate) fn answered(
        &mut self,
        bucket: &'static str,
        answer: &Answer,
        margin: Duration,
        now: Instant,
    ) {
        let (Some(limit), Some(remaining), Some(reset)) = (
            number::<u32>(answer, "x-rate-limit-limit"),
            number::<u32>(answer, "x-rate-limit-remaining"),
            number::<i64>(answer, "x-rate-limit-reset"),
        ) else {
            return;
        };
        // Too many calls at once are answered with 429, a limit of 0, 0 left, and a guess when to
        // come again: https://developer.okta.com/docs/reference/rl2-monitor/
        if limit == 0 {
            return;
        }
        let used = match self.buckets.get(bucket) {
            Some(known) if known.reset == reset => known.used,
            // This call is the first that we know of in a new window.
            _ => 1,
        };
        let ends = now + until_reset(answer) + margin;
        self.buckets.insert(bucket, Bucket { limit, remaining, used, reset, ends });
    }

    pub(crate) fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls.clone()
    }

    pub(crate) fn budget(&self, share: f64, now: Instant) -> Vec<Budget> {
        self.buckets
            .iter()
            .map(|(name, known)| Budget {
                bucket: (*name).to_owned(),
                limit: known.limit,
                share,
                used: if known.ends <= now { 0 } else { known.used },
            })
            .collect()
    }
}

/// Waits for the end of the window when our share is used, or when the part that is left is no
/// larger than what belongs to the others. At least one call a window is always sent: it is how
/// the next window is learnt.
fn wait(now: Instant, bucket: &Bucket, share: f64) -> Duration {
    if bucket.ends <= now {
        return Duration::ZERO;
    }
    let ours = u32::try_from(http::share_of(bucket.limit.into(), share)).unwrap_or(bucket.limit);
    if bucket.used < ours && bucket.remaining > bucket.limit - ours {
        return Duration::ZERO;
    }
    bucket.ends - now
}

fn number<T: FromStr>(answer: &Answer, header: &str) -> Option<T> {
    answer.header(header)?.trim().parse().ok()
}

/// From the answer to the end of its window, by the server's own clock. Zero where it does not say.
pub(super) fn until_reset(answer: &Answer) -> Duration {
    let reset: Option<i64> = number(answer, "x-rate-limit-reset");
    let (Some(reset), Some(date)) = (reset, http::date(answer)) else { return Duration::ZERO };
    let seconds = u64::try_from(reset.saturating_sub(date.timestamp())).unwrap_or(0);
    Duration::from_secs(seconds).min(LONGEST_WINDOW)
}

/// The bucket that a call counts against.
/// An exact path beats the longest prefix (<https://developer.okta.com/docs/reference/rate-limits/>).
/// Which path is in which bucket an org sees in its rate limit dashboard; by default reading and
/// writing one account are different buckets, and everything below an account is in the bucket of the
/// collection
/// (<https://github.com/okta/terraform-provider-okta/blob/e59c130b/okta/internal/apimutex/rate_limit_lines.go>).
pub(super) fn bucket(method: &Method, path: &str) -> &'static str {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        ["oauth2", "v1", "token"] => "/oauth2/v1/token",
        ["api", "v1", "users", _] if *method == Method::GET => "/api/v1/users/{id} (read)",
        ["api", "v1", "users", _] => "/api/v1/users/{id} (write)",
        ["api", "v1", "users"]
        | ["api", "v1", "users", _, "groups" | "lifecycle" | "roles" | "sessions", ..] => {
            "/api/v1/users"
        }
        ["api", "v1", "groups", id] if *id != "rules" => "/api/v1/groups/{id}",
        ["api", "v1", "groups", ..] => "/api/v1/groups",
        ["api", "v1", "logs"] => "/api/v1/logs",
        _ => "/api/v1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket_of(limit: u32, remaining: u32, used: u32, now: Instant) -> Bucket {
        Bucket { limit, remaining, used, reset: 0, ends: now + Duration::from_secs(30) }
    }

    #[test]
    fn nothing_waits_while_our_share_lasts() {
        let now = Instant::now();
        assert_eq!(wait(now, &bucket_of(600, 599, 1, now), 0.5), Duration::ZERO);
        assert_eq!(wait(now, &bucket_of(600, 301, 299, now), 0.5), Duration::ZERO);
    }

    #[test]
    fn a_used_share_waits_for_the_next_window() {
        let now = Instant::now();
        assert_eq!(wait(now, &bucket_of(600, 400, 300, now), 0.5), Duration::from_secs(30));
    }

    #[test]
    fn what_belongs_to_the_others_is_left_to_them() {
        let now = Instant::now();
        assert_eq!(wait(now, &bucket_of(600, 300, 5, now), 0.5), Duration::from_secs(30));
    }

    #[test]
    fn a_window_that_is_over_holds_nobody_up() {
        let now = Instant::now();
        let over = Bucket { ends: now, ..bucket_of(600, 0, 600, now) };
        assert_eq!(wait(now, &over, 0.5), Duration::ZERO);
    }

    #[test]
    fn no_reset_keeps_us_away_for_good() {
        for (date, reset, wait) in [
            ("Mon, 23 Nov 2026 09:00:00 GMT", i64::MAX, 3600),
            ("Mon, 23 Nov 0026 09:00:00 GMT", i64::MAX, 3600),
            ("Mon, 23 Nov 2026 09:00:00 GMT", i64::MIN, 0),
            ("yesterday", i64::MAX, 0),
        ] {
            let mut headers = reqwest::header::HeaderMap::new();
            headers.insert("date", date.parse().unwrap());
            headers.insert("x-rate-limit-reset", reset.into());
            headers.insert("x-rate-limit-limit", 600.into());
            headers.insert("x-rate-limit-remaining", 0.into());
            let answer = Answer { status: 429, headers, body: Vec::new() };
            assert_eq!(until_reset(&answer).as_secs(), wait, "{date} {reset}");
            let mut limits = Limits::default();
            limits.answered("users", &answer, Duration::ZERO, Instant::now());
            let left = limits.wait("users", 0.5, Instant::now());
            assert!(left.as_secs() <= wait, "{date} {reset}: {left:?}");
        }
    }

    #[test]
    fn reading_and_writing_one_account_are_different_buckets() {
        assert_eq!(bucket(&Method::GET, "/api/v1/users/00u1"), "/api/v1/users/{id} (read)");
        assert_eq!(bucket(&Method::POST, "/api/v1/users/00u1"), "/api/v1/users/{id} (write)");
        assert_eq!(bucket(&Method::POST, "/api/v1/users/00u1/lifecycle/suspend"), "/api/v1/users");
        assert_eq!(bucket(&Method::PUT, "/api/v1/groups/00g1/users/00u1"), "/api/v1/groups");
        assert_eq!(bucket(&Method::GET, "/api/v1/groups/00g1"), "/api/v1/groups/{id}");
        assert_eq!(bucket(&Method::GET, "/api/v1/groups/rules"), "/api/v1/groups");
        assert_eq!(bucket(&Method::GET, "/api/v1/meta/schemas/user/default"), "/api/v1");
    }

    #[test]
    fn roles_count_with_their_holders_and_the_log_has_a_bucket_of_its_own() {
        assert_eq!(bucket(&Method::GET, "/api/v1/users/00u1/roles"), "/api/v1/users");
        assert_eq!(bucket(&Method::GET, "/api/v1/groups/00g1/roles"), "/api/v1/groups");
        assert_eq!(bucket(&Method::GET, "/api/v1/logs"), "/api/v1/logs");
    }
}
