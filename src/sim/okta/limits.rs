//! Rate limits: one bucket per group of paths, one-minute windows on the simulator's clock.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

/// Last published defaults of a workforce org, per minute.
const PUBLISHED: &[(&str, u32)] = &[
    ("/api/v1/users", 600),
    ("/api/v1/users/{id} write", 600),
    ("/api/v1/users/{id} read", 2000),
    ("/api/v1/groups", 500),
    ("/api/v1/groups/{id}", 1000),
    ("/api/v1/logs", 120),
    ("/api/v1", 1200),
    ("/oauth2/v1/token", 2000),
];

/// What is allowed when a test does not care.
const GENEROUS: u32 = 100_000;

/// The buckets of one org.
#[derive(Debug, Default)]
pub(super) struct Limits {
    allowed: HashMap<&'static str, u32>,
    all: Option<u32>,
    windows: HashMap<&'static str, (DateTime<Utc>, u32)>,
}

/// Where a bucket stands after a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub limit: u32,
    pub remaining: u32,
    pub reset: DateTime<Utc>,
    pub exceeded: bool,
}

impl Limits {
    /// The same limit for every bucket; none is a generous one.
    pub fn set_all(&mut self, limit: Option<u32>) {
        *self = Self { all: limit, ..Self::default() };
    }

    /// The limits that Okta published.
    pub fn set_published(&mut self) {
        *self = Self { allowed: PUBLISHED.iter().copied().collect(), ..Self::default() };
    }

    /// The limit of one bucket; says whether there is such a bucket.
    pub fn set(&mut self, bucket: &str, limit: u32) -> bool {
        let known = PUBLISHED.iter().find(|(name, _)| *name == bucket);
        if let Some((name, _)) = known {
            self.allowed.insert(name, limit);
        }
        known.is_some()
    }

    /// Counts one call.
    pub fn count(&mut self, bucket: &'static str, now: DateTime<Utc>) -> Standing {
        let limit = self.allowed.get(bucket).copied().or(self.all).unwrap_or(GENEROUS);
        let window = self.windows.entry(bucket).or_insert((now, 0));
        if now - window.0 >= TimeDelta::minutes(1) {
            *window = (now, 0);
        }
        let exceeded = window.1 >= limit;
        window.1 = window.1.saturating_add(1);
        let reset = window.0 + TimeDelta::minutes(1);
        Standing { limit, remaining: limit.saturating_sub(window.1), reset, exceeded }
    }
}

/// The bucket of a call, by its path segments.
pub(super) fn bucket(method: &str, path: &[&str]) -> &'static str {
    match path {
        ["oauth2", "v1", "token"] => "/oauth2/v1/token",
        ["api", "v1", "users", _] if method == "GET" => "/api/v1/users/{id} read",
        ["api", "v1", "users", _] => "/api/v1/users/{id} write",
        ["api", "v1", "users", ..] => "/api/v1/users",
        ["api", "v1", "groups", id] if *id != "rules" => "/api/v1/groups/{id}",
        ["api", "v1", "groups", ..] => "/api/v1/groups",
        ["api", "v1", "logs", ..] => "/api/v1/logs",
        _ => "/api/v1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_refuses_after_its_limit_and_opens_again_a_minute_after_its_first_call() {
        let mut limits = Limits::default();
        limits.set_all(Some(2));
        let start = DateTime::UNIX_EPOCH;
        let mut refused =
            |seconds| limits.count("/api/v1", start + TimeDelta::seconds(seconds)).exceeded;
        assert_eq!(
            [refused(0), refused(30), refused(59), refused(60)],
            [false, false, true, false]
        );
    }

    #[test]
    fn reading_and_writing_one_user_are_different_buckets_and_members_count_as_groups() {
        let path = ["api", "v1", "users", "x"];
        assert_ne!(bucket("GET", &path), bucket("POST", &path));
        let members = ["api", "v1", "groups", "g", "users", "u"];
        assert_eq!(bucket("PUT", &members), "/api/v1/groups");
    }
}
