//! The brake: a time in which nothing is written to either side, and what that means for how long
//! a decision lasts.

use super::Timestamp;

/// A person's word that nothing is to be written to either side from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The login name of who said it, also behind `sudo`.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// The reason that was given, for people to read.
    pub because: String,
}

impl std::fmt::Display for Pause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { by, at, because } = self;
        write!(f, "paused by {by} since {}: {because}", at.format("%Y-%m-%d %H:%M:%S UTC"))
    }
}

/// From when to when writing was paused; without an end where it still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PausedSpan {
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

/// When what was said `at` a moment lapses that lasts so long, by what is known `now`: it does not age
/// while writing is paused. The pauses are those of all times, in their order.
pub(crate) fn lapses(
    at: Timestamp,
    lasts: chrono::Duration,
    pauses: &[PausedSpan],
    now: Timestamp,
) -> Timestamp {
    let mut lapses = at + lasts;
    for PausedSpan { from, until } in pauses {
        let (from, until) = ((*from).max(at), until.unwrap_or(now));
        // What had lapsed before a pause does not come back with it.
        if from < lapses && from < until {
            lapses += until - from;
        }
    }
    lapses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hour: i64) -> Timestamp {
        let midnight: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        midnight + chrono::Duration::hours(hour)
    }

    fn span(from: i64, until: impl Into<Option<i64>>) -> PausedSpan {
        PausedSpan { from: hour(from), until: until.into().map(hour) }
    }

    #[test]
    fn what_was_said_does_not_age_while_writing_is_paused() {
        let day = chrono::Duration::hours(24);
        let said_at = 10;
        for (pauses, now, expected) in [
            (vec![], 20, 34),
            (vec![span(2, 8)], 20, 34),
            (vec![span(2, 12)], 20, 36),
            (vec![span(12, 15)], 20, 37),
            (vec![span(2, 12), span(30, 32)], 40, 38),
            // The first makes room for the second.
            (vec![span(12, 32), span(40, 41)], 50, 55),
            (vec![span(34, 50)], 60, 34),
            (vec![span(12, None)], 90, 112),
            (vec![span(2, None)], 90, 114),
            // The clock was set back.
            (vec![span(20, 15), span(30, None)], 25, 34),
        ] {
            assert_eq!(
                lapses(hour(said_at), day, &pauses, hour(now)),
                hour(expected),
                "{pauses:?}"
            );
        }
    }

    #[test]
    fn a_pause_names_who_since_when_and_why() {
        let pause =
            Pause { by: "pat".to_owned(), at: hour(9), because: "wrong mapping".to_owned() };
        assert_eq!(pause.to_string(), "paused by pat since 2026-11-23 09:00:00 UTC: wrong mapping");
    }
}
