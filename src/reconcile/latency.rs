//! How fast joins and leaves are done, and when to say that one is late.

use std::time::Duration;

use crate::model::Timestamp;

/// The part of a target after which it is said that it will be missed.
const COMING: f64 = 0.8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lateness {
    InTime,
    /// Most of the time is gone.
    AtRisk,
    Breached,
}

/// How late something is that is in force since `in_force` and was done at `until`, or is not done
/// at that time.
pub(crate) fn lateness(in_force: Timestamp, until: Timestamp, target: Duration) -> Lateness {
    let waited = (until - in_force).to_std().unwrap_or_default();
    if waited > target {
        Lateness::Breached
    } else if waited >= target.mul_f64(COMING) {
        Lateness::AtRisk
    } else {
        Lateness::InTime
    }
}

/// How long joins or leaves took, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Latency {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub max: Option<f64>,
    /// How many missed the target, those included that are not done.
    pub breaches: u64,
}

/// Sums up what was measured: when each came into force, and when it was done, if it is.
pub(crate) fn latency(
    measured: &[(Timestamp, Option<Timestamp>)],
    target: Duration,
    now: Timestamp,
) -> Latency {
    let late = |(in_force, done): &&(Timestamp, Option<Timestamp>)| {
        lateness(*in_force, done.unwrap_or(now), target) == Lateness::Breached
    };
    let mut took: Vec<f64> = measured
        .iter()
        .filter_map(|(in_force, done)| Some((*done)? - *in_force))
        .map(|took| took.as_seconds_f64().max(0.0))
        .collect();
    took.sort_by(f64::total_cmp);
    // The smallest that so many per cent do not exceed.
    let rank = |percent: usize| took.get((took.len() * percent).div_ceil(100).saturating_sub(1));
    Latency {
        p50: rank(50).copied(),
        p95: rank(95).copied(),
        max: took.last().copied(),
        breaches: measured.iter().filter(late).count() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_mins(2);

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        noon() + chrono::Duration::seconds(seconds)
    }

    #[test]
    fn a_target_is_coming_after_four_fifths_and_breached_when_it_is_over() {
        assert_eq!(lateness(noon(), after(-5), TARGET), Lateness::InTime, "clocks differ");
        assert_eq!(lateness(noon(), after(95), TARGET), Lateness::InTime);
        assert_eq!(lateness(noon(), after(96), TARGET), Lateness::AtRisk);
        assert_eq!(lateness(noon(), after(120), TARGET), Lateness::AtRisk);
        assert_eq!(lateness(noon(), after(121), TARGET), Lateness::Breached);
    }

    #[test]
    fn of_nothing_there_is_no_pace() {
        assert_eq!(latency(&[], TARGET, noon()), Latency::default());
    }

    #[test]
    fn the_pace_of_twenty_leaves_of_which_one_was_late_and_one_is_not_done() {
        let mut measured: Vec<_> = (1..=19).map(|took| (noon(), Some(after(took)))).collect();
        measured.push((noon(), Some(after(200))));
        measured.push((noon(), None));
        let expected = Latency { p50: Some(10.0), p95: Some(19.0), max: Some(200.0), breaches: 1 };
        assert_eq!(latency(&measured, TARGET, after(60)), expected);
        assert_eq!(latency(&measured, TARGET, after(600)), Latency { breaches: 2, ..expected });
    }
}
