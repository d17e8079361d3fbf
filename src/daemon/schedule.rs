//! When the next cycle comes, and how much it reads. No clock here: the time is an argument.

use std::time::Duration;

use crate::config::Schedule;
use crate::model::Timestamp;
use crate::sync::Scope;

/// A complete read that failed is tried again after this. Changes are read meanwhile.
const FULL_AGAIN: chrono::Duration = chrono::Duration::minutes(5);

/// How much the next cycle reads: everything, where the schedule says so or said so while nobody
/// was there to do it.
///
/// `last` is when the last complete read ended well, `tried` when one was begun last.
pub(crate) fn scope(
    schedule: &Schedule,
    last: Option<Timestamp>,
    tried: Option<Timestamp>,
    now: Timestamp,
) -> Scope {
    let due = match last {
        None => true,
        // The clock was set back: what it said then means nothing now.
        Some(last) if last > now => true,
        Some(last) => next_full(schedule, last).is_some_and(|at| at <= now),
    };
    let lately = tried.is_some_and(|tried| tried <= now && now - tried < FULL_AGAIN);
    if due && !lately { Scope::Full } else { Scope::Changes }
}

/// The next moment for a complete read after `after`.
pub(crate) fn next_full(schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
    let after = after.with_timezone(&schedule.timezone);
    schedule.full.after(&after).next().map(|at| at.with_timezone(&chrono::Utc))
}

/// How long to wait after a cycle that took so long: cycles begin `poll` apart, and a slow side
/// gets a breath all the same.
pub(crate) fn pause(poll: Duration, took: Duration) -> Duration {
    poll.saturating_sub(took).max(poll / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nightly() -> Schedule {
        Schedule {
            poll: Duration::from_secs(5),
            full: "0 0 3 * * *".parse().unwrap(),
            timezone: chrono_tz::Europe::Berlin,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_cycle_of_all_reads_everything() {
        assert_eq!(scope(&nightly(), None, None, at("2026-11-23T12:00:00Z")), Scope::Full);
    }

    #[test]
    fn three_in_the_morning_is_meant_in_the_configured_zone() {
        let last = Some(at("2026-11-22T02:00:10Z"));
        assert_eq!(scope(&nightly(), last, None, at("2026-11-23T01:59:59Z")), Scope::Changes);
        assert_eq!(scope(&nightly(), last, None, at("2026-11-23T02:00:00Z")), Scope::Full);
    }

    #[test]
    fn a_night_that_was_slept_through_is_made_up_for_once() {
        let last = Some(at("2026-11-20T02:00:10Z"));
        let morning = at("2026-11-23T08:00:00Z");
        assert_eq!(scope(&nightly(), last, None, morning), Scope::Full);
        assert_eq!(scope(&nightly(), Some(morning), None, morning), Scope::Changes);
    }

    #[test]
    fn a_complete_read_that_failed_does_not_stand_in_the_way_of_changes() {
        let last = Some(at("2026-11-22T02:00:10Z"));
        let tried = at("2026-11-23T02:00:00Z");
        let minutes = chrono::Duration::minutes;
        assert_eq!(scope(&nightly(), last, Some(tried), tried + minutes(4)), Scope::Changes);
        assert_eq!(scope(&nightly(), last, Some(tried), tried + minutes(5)), Scope::Full);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_off_the_complete_read_for_years() {
        let last = Some(at("2031-01-01T00:00:00Z"));
        assert_eq!(scope(&nightly(), last, None, at("2026-11-23T12:00:00Z")), Scope::Full);
        let tried = last;
        assert_eq!(scope(&nightly(), last, tried, at("2026-11-23T12:00:00Z")), Scope::Full);
    }

    #[test]
    fn cycles_begin_a_poll_apart_and_a_slow_side_gets_a_breath() {
        let (ms, poll) = (Duration::from_millis, Duration::from_secs(1));
        assert_eq!(pause(poll, ms(0)), ms(1000));
        assert_eq!(pause(poll, ms(300)), ms(700));
        assert_eq!(pause(poll, ms(900)), ms(250));
        assert_eq!(pause(poll, Duration::from_mins(10)), ms(250));
    }
}
