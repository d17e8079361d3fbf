//! Who waits decides how long a call may take, and not who sends it: a look at both systems keeps
//! everybody waiting, a lane only its own person.

use std::time::Duration;

tokio::task_local! {
    static LONGEST: Duration;
}

/// Lets no call of this work last longer once it is sent, and repeats none after that. What is waited
/// for before, a rate window or room among the calls in flight, does not count.
pub(crate) async fn briefly<T>(longest: Duration, work: impl Future<Output = T>) -> T {
    LONGEST.scope(longest, work).await
}

/// The longest that a call of this work may last, where the settings allow this.
pub(super) fn no_longer_than(usual: Duration) -> Duration {
    LONGEST.try_with(|longest| usual.min(*longest)).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_shortens_what_is_waited_for_and_never_prolongs_it() {
        let [short, usual, long] = [1, 10, 100].map(Duration::from_secs);
        assert_eq!(no_longer_than(usual), usual);
        assert_eq!(briefly(short, async { no_longer_than(usual) }).await, short);
        assert_eq!(briefly(long, async { no_longer_than(usual) }).await, usual);
    }
}
