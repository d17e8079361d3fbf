//! The time that a simulator lives in: real time plus an offset, or standing still.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// A clock that tests can stop and move. Clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    mode: Arc<Mutex<Mode>>,
    /// How far it is ahead of those that it is moved with.
    ahead: TimeDelta,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Running(TimeDelta),
    Frozen(DateTime<Utc>),
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock that shows the real time.
    pub fn new() -> Self {
        Self::of(Mode::Running(TimeDelta::zero()))
    }

    /// A clock that stands still at `at` until it is advanced.
    pub fn frozen(at: DateTime<Utc>) -> Self {
        Self::of(Mode::Frozen(at))
    }

    fn of(mode: Mode) -> Self {
        Self { mode: Arc::new(Mutex::new(mode)), ahead: TimeDelta::zero() }
    }

    /// A wrong clock: it is moved with this one, and always shows so much more.
    #[must_use]
    pub fn ahead(&self, by: TimeDelta) -> Self {
        Self { mode: Arc::clone(&self.mode), ahead: self.ahead + by }
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        let now = self.with(|mode| match mode {
            Mode::Running(offset) => Utc::now() + *offset,
            Mode::Frozen(at) => *at,
        });
        now + self.ahead
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        self.with(|mode| match mode {
            Mode::Running(offset) => *offset += by,
            Mode::Frozen(at) => *at += by,
        });
    }

    /// Stops the clock at `at`.
    pub fn freeze(&self, at: DateTime<Utc>) {
        self.with(|mode| *mode = Mode::Frozen(at - self.ahead));
    }

    /// Lets the clock run on from what it shows now.
    pub fn run(&self) {
        self.with(|mode| {
            if let Mode::Frozen(at) = *mode {
                *mode = Mode::Running(at - Utc::now());
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Mode) -> T) -> T {
        act(&mut self.mode.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_advanced_and_clones_share_it() {
        let start = "2026-11-23T09:00:00Z".parse().expect("a date");
        let clock = Clock::frozen(start);
        let other = clock.clone();
        other.advance(Duration::from_mins(1));
        assert_eq!(clock.now(), start + TimeDelta::seconds(60));
        assert_eq!(clock.now(), other.now());
    }

    #[test]
    fn a_wrong_clock_is_moved_with_the_right_one() {
        let start = "2026-11-23T09:00:00Z".parse().expect("a date");
        let clock = Clock::frozen(start);
        let wrong = clock.ahead(TimeDelta::minutes(-5));
        assert_eq!(wrong.now(), start - TimeDelta::minutes(5));
        clock.advance(Duration::from_mins(1));
        assert_eq!(wrong.now(), clock.now() - TimeDelta::minutes(5));
        wrong.freeze(start);
        assert_eq!((wrong.now(), clock.now()), (start, start + TimeDelta::minutes(5)));
    }
}
