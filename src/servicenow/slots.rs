//! How many calls are under way to one instance at once, and whose turn is the next.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// API calls have few slots on a node, shared with other integrations; beyond them they are queued,
/// and then refused with 429
/// (<https://www.servicenow.com/docs/r/impact/io-semaphores-performance-metrics.html>).
const IN_FLIGHT: usize = 2;

/// Who goes first when a slot is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Looks, and whatever is for somebody who leaves.
    First,
    /// What is read before something is done for others.
    Second,
    /// What is written on their requests.
    Last,
}

#[derive(Debug)]
pub(super) struct Slots {
    free: Semaphore,
    /// Of those of one rank one at a time waits for a slot, but for the first.
    turns: [Mutex<()>; 3],
    /// How many of each rank wait.
    waiting: [AtomicUsize; 3],
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            free: Semaphore::new(IN_FLIGHT),
            turns: Default::default(),
            waiting: Default::default(),
        }
    }
}

impl Slots {
    /// Waits for room for one call, until it is dropped.
    pub(super) async fn take(&self, rank: Rank) -> SemaphorePermit<'_> {
        let place = rank as usize;
        let _waits = Waits::begin(&self.waiting[place]);
        if rank == Rank::First {
            return self.acquire().await;
        }
        let _turn = self.turns[place].lock().await;
        loop {
            let slot = self.acquire().await;
            if self.waiting[..place].iter().all(|count| count.load(Ordering::Relaxed) == 0) {
                return slot;
            }
            drop(slot);
            // Whoever it goes to takes it now.
            tokio::task::yield_now().await;
        }
    }

    async fn acquire(&self) -> SemaphorePermit<'_> {
        self.free.acquire().await.expect("the semaphore is never closed")
    }
}

/// Counted until it is dropped, whether a slot came or the call was given up.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn whoever_is_of_a_higher_rank_goes_first_and_those_of_one_rank_in_their_order() {
        let (slots, order) = (Slots::default(), RefCell::new(Vec::new()));
        let call = async |name: &'static str, rank| {
            let slot = slots.take(rank).await;
            order.borrow_mut().push(name);
            // As long as a call takes, and longer than it takes to come here.
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            drop(slot);
        };
        let writes = async {
            tokio::join!(
                call("write 1", Rank::Last),
                call("write 2", Rank::Last),
                call("write 3", Rank::Last),
                call("write 4", Rank::Last),
            );
        };
        let reads = async {
            tokio::task::yield_now().await;
            tokio::join!(call("read 1", Rank::Second), call("read 2", Rank::Second));
        };
        let looks = async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            tokio::join!(call("look 1", Rank::First), call("look 2", Rank::First));
        };
        tokio::join!(writes, reads, looks);
        let order = order.into_inner();
        let expected = ["write 1", "write 2", "look 1", "look 2", "read 1", "read 2"];
        assert_eq!(order[..6], expected, "{order:?}");
        assert_eq!(order[6..], ["write 3", "write 4"], "{order:?}");
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_keeps_nobody_waiting() {
        let slots = Slots::default();
        let taken = [slots.take(Rank::First).await, slots.take(Rank::Last).await];
        for rank in [Rank::First, Rank::Second, Rank::Last] {
            let given_up = tokio::time::timeout(Duration::ZERO, slots.take(rank)).await;
            assert!(given_up.is_err());
        }
        drop(taken);
        assert!(tokio::time::timeout(LONG, slots.take(Rank::Last)).await.is_ok());
    }
}
