//! Calls that do not depend on each other, sent together.

use futures_util::stream::{FuturesUnordered, StreamExt};

/// More than this is not begun at once: the calls in flight to each side are bounded as well, and
/// what waits for its turn only takes room.
const AT_ONCE: usize = 20;

/// Carries out everything, some of it at once, and fails with the first failure once all that was
/// begun has ended: what is under way is recorded.
pub(crate) async fn side_by_side<E>(
    work: impl IntoIterator<Item = impl Future<Output = Result<(), E>>>,
) -> Result<(), E> {
    let mut work = work.into_iter();
    let mut running: FuturesUnordered<_> = work.by_ref().take(AT_ONCE).collect();
    let mut failed = None;
    while let Some(ended) = running.next().await {
        match ended {
            Err(error) => failed = failed.or(Some(error)),
            Ok(()) if failed.is_none() => running.extend(work.next()),
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
}
