//! Calls that do not depend on each other, sent together.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

/// More than this is not begun at once: the calls in flight to each side are bounded as well, and
/// what waits for its turn only takes room.
const AT_ONCE: usize = 20;

/// Carries out everything, some of it at once, and fails with the first failure once all that was
/// begun has ended: what is under way is recorded.
pub(crate) async fn side_by_side<E>(
    work: impl IntoIterator<Item = impl Future<Output = Result<(), E>>>,
) -> Result<(), E> {
    begun_while(|| true, AT_ONCE, work.into_iter()).await
}

/// How long a look begins with reads by id that others would wait for.
const LOOK: Duration = Duration::from_secs(5);

/// Carries out work that a look waits for, so much of it at once as there is room for calls, and begins
/// nothing more once that has taken long. Gives what was not begun: it is for the next look.
pub(crate) async fn in_a_look<T, F, E>(
    at_once: usize,
    all: Vec<T>,
    work: impl Fn(T) -> F,
) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<(), E>>,
{
    begun_within(LOOK, at_once, all, work).await
}

async fn begun_within<T, F, E>(
    time: Duration,
    at_once: usize,
    all: Vec<T>,
    work: impl Fn(T) -> F,
) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<(), E>>,
{
    let began = Instant::now();
    let mut left = all.into_iter();
    begun_while(|| began.elapsed() < time, at_once, left.by_ref().map(work)).await?;
    Ok(left.collect())
}

async fn begun_while<E>(
    goes_on: impl Fn() -> bool,
    at_once: usize,
    mut work: impl Iterator<Item = impl Future<Output = Result<(), E>>>,
) -> Result<(), E> {
    let mut running: FuturesUnordered<_> = work.by_ref().take(at_once).collect();
    let mut failed = None;
    while let Some(ended) = running.next().await {
        match ended {
            Err(error) => failed = failed.or(Some(error)),
            Ok(()) if failed.is_none() && goes_on() => running.extend(work.next()),
            Ok(()) => {}
        }
    }
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn a_failure_begins_nothing_more_and_lets_end_what_was_begun() {
        let (begun, ended) = (RefCell::new(0), RefCell::new(0));
        let work = (0..100).map(|place| {
            let (begun, ended) = (&begun, &ended);
            async move {
                *begun.borrow_mut() += 1;
                tokio::task::yield_now().await;
                *ended.borrow_mut() += 1;
                if place == 3 { Err("it failed") } else { Ok(()) }
            }
        });
        assert_eq!(side_by_side(work).await, Err("it failed"));
        let (begun, ended) = (*begun.borrow(), *ended.borrow());
        assert!(begun == ended && begun < 100, "{begun} begun, {ended} ended");
    }

    #[tokio::test]
    async fn what_takes_long_lets_end_what_was_begun_and_leaves_the_rest() {
        let ended = RefCell::new(Vec::new());
        let work = async |place: u32| {
            tokio::task::yield_now().await;
            ended.borrow_mut().push(place);
            Ok::<_, ()>(())
        };
        let left = begun_within(Duration::ZERO, 2, (0..5).collect(), work).await;
        assert_eq!((left, ended.take().len()), (Ok(vec![2, 3, 4]), 2));
        let work = async |_: u32| Ok::<_, ()>(());
        assert_eq!(in_a_look(2, (0..5).collect(), work).await, Ok(Vec::new()));
    }
}
