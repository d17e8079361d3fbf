//! When something that failed is tried again, and when it is news that it failed.

use std::time::Duration;

/// The first wait; the first retry of all waits for nothing.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(5);
/// The longest for what disables an account: somebody may be at it while we wait.
const LONGEST_TO_DISABLE: Duration = Duration::from_secs(30);
/// A failure that is longer ago than this is another story.
pub(crate) const FORGOTTEN: Duration = Duration::from_hours(1);

/// How long to wait before something is tried again that has failed so many times in a row, each
/// time for a reason that may pass.
pub(crate) fn pause_after(failures: u32, disables: bool) -> Duration {
    let longest = if disables { LONGEST_TO_DISABLE } else { LONGEST };
    match failures.checked_sub(2) {
        None => Duration::ZERO,
        Some(doublings) => FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(longest),
    }
}

/// What an error says but for its numbers, by which the same trouble is known again.
pub(crate) fn gist(error: &str) -> String {
    error.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_failure_is_made_up_for_at_once_and_a_lasting_one_is_tried_every_few_minutes() {
        let seconds: Vec<u64> =
            [0, 1, 2, 3, 4, 7, 8, 9, 1000].map(|times| pause_after(times, false).as_secs()).into();
        assert_eq!(seconds, [0, 0, 5, 10, 20, 160, 300, 300, 300]);
        assert_eq!([4, 5, 1000].map(|times| pause_after(times, true).as_secs()), [20, 30, 30]);
    }

    #[test]
    fn the_same_trouble_with_other_numbers_is_no_news() {
        assert_eq!(gist("no answer within 20 s"), gist("no answer within 3 s"));
        assert_ne!(gist("Okta answered 500"), gist("the connection was reset"));
    }
}
