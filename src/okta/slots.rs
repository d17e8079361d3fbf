//! How many calls are under way to Okta at once.

use tokio::sync::{Semaphore, SemaphorePermit};

/// More at once are not welcome: an org has room for 35 to 75, everybody's together, and answers 429
/// beyond (<https://developer.okta.com/docs/reference/rl2-concurrency/>).
const IN_FLIGHT: usize = 10;
/// Of these one is kept free of ordinary calls, so that a leaver and the next look need not wait until one of them
/// is answered.
const ORDINARY: usize = IN_FLIGHT - 1;

#[derive(Debug)]
pub(super) struct Slots {
    all: Semaphore,
    ordinary: Semaphore,
}

/// Room for one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot<'a>(
    #[expect(dead_code, reason = "they are given back when dropped")]
    [Option<SemaphorePermit<'a>>; 2],
);

impl Default for Slots {
    fn default() -> Self {
        Self { all: Semaphore::new(IN_FLIGHT), ordinary: Semaphore::new(ORDINARY) }
    }
}

impl Slots {
    /// Waits for room for one call.
    pub(super) async fn take(&self, urgent: bool) -> Slot<'_> {
        let ordinary = if urgent { None } else { room(&self.ordinary).await };
        Slot([ordinary, room(&self.all).await])
    }
}

async fn room(semaphore: &Semaphore) -> Option<SemaphorePermit<'_>> {
    // An error would say that it is closed, which it never is.
    semaphore.acquire().await.ok()
}
