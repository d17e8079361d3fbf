//! Reads by id of which many are asked for at the same moment: they go out as one call.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};

use crate::model::SysId;
use crate::servicenow::{FreshRequest, Note, ServiceNowError, ServiceNowReader, Task};

/// What is read of requests right before something is done for them or written on them. Each answer
/// is as the read of that one alone would give it.
///
/// Those for somebody who leaves go out by themselves: they wait for no call of others.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    rows: Batch<SysId, Result<FreshRequest, ServiceNowError>>,
    tasks: Batch<SysId, Vec<Task>>,
    notes: Batch<Note, Option<bool>>,
}

/// What is known of what stands on a request right before it is written on.
#[derive(Debug)]
pub(crate) struct OnRequest {
    /// Where it is to be closed.
    pub(crate) tasks: Vec<Task>,
    /// Whether the note stands on it; `None` where nobody can tell.
    pub(crate) noted: Option<bool>,
}

impl Batches {
    /// Reads over the connection that is in use now: its credentials may be renewed between two cycles.
    pub(crate) fn over(&self, servicenow: ServiceNowReader) -> RequestReads<'_> {
        RequestReads { batches: self, servicenow }
    }
}

#[derive(Debug)]
pub(crate) struct RequestReads<'a> {
    batches: &'a Batches,
    servicenow: ServiceNowReader,
}

impl RequestReads<'_> {
    pub(crate) async fn request(
        &self,
        id: &SysId,
    ) -> Result<Option<FreshRequest>, ServiceNowError> {
        let servicenow = &self.servicenow;
        let all = async |ids: Vec<SysId>| servicenow.requests_by_id(&ids).await;
        let alone = async || servicenow.request(id).await;
        match self.batches.rows.read(id.clone(), all, alone).await {
            Read::With(row) => row.transpose(),
            Read::Alone(row) => row,
        }
    }

    pub(crate) async fn tasks(&self, id: &SysId) -> Result<Vec<Task>, ServiceNowError> {
        let servicenow = &self.servicenow;
        let all = async |ids: Vec<SysId>| servicenow.tasks_of(&ids).await;
        let alone = async || servicenow.tasks(id).await;
        match self.batches.tasks.read(id.clone(), all, alone).await {
            Read::With(tasks) => Ok(tasks.unwrap_or_default()),
            Read::Alone(tasks) => tasks,
        }
    }

    pub(crate) async fn has_note(
        &self,
        place: &SysId,
        marker: &str,
    ) -> Result<Option<bool>, ServiceNowError> {
        let servicenow = &self.servicenow;
        let all = async |notes: Vec<Note>| servicenow.noted(&notes).await;
        let alone = async || servicenow.has_note(place, marker).await;
        match self.batches.notes.read((place.clone(), marker.to_owned()), all, alone).await {
            Read::With(noted) => Ok(noted.flatten()),
            Read::Alone(noted) => noted,
        }
    }
}

/// What is asked for many is waited for so long; then each reads alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was read for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Read<V, T> {
    /// With others, where there is something.
    With(Option<V>),
    /// By itself: nobody else asked, or reading for several failed, and it is not known for whom.
    Alone(T),
}

type Asked<K, V> = RefCell<Vec<(K, oneshot::Sender<Option<Option<V>>>)>>;

/// Whoever comes first reads for everybody who has asked by then; who comes meanwhile is in the next.
#[derive(Debug)]
struct Batch<K, V> {
    asked: Asked<K, V>,
    turn: Mutex<()>,
}

impl<K, V> Default for Batch<K, V> {
    fn default() -> Self {
        Self { asked: RefCell::default(), turn: Mutex::default() }
    }
}

impl<K: Ord + Clone, V> Batch<K, V> {
    async fn read<T, E>(
        &self,
        key: K,
        all: impl AsyncFnOnce(Vec<K>) -> Result<BTreeMap<K, V>, E>,
        alone: impl AsyncFnOnce() -> T,
    ) -> Read<V, T> {
        let (tell, mut told) = oneshot::channel();
        self.asked.borrow_mut().push((key, tell));
        let turn = self.turn.lock().await;
        // Whoever goes on at the same moment asks now.
        tokio::task::yield_now().await;
        if let Ok(answer) = told.try_recv() {
            drop(turn);
            return match answer {
                Some(read) => Read::With(read),
                None => Read::Alone(Box::pin(alone()).await),
            };
        }
        let asked = self.asked.take();
        if let [_] = asked.as_slice() {
            let mut read = Box::pin(alone());
            // Who asks meanwhile is read for together afterwards, unless this one takes too long.
            let soon = tokio::time::timeout(PATIENCE, &mut read).await;
            drop(turn);
            return Read::Alone(match soon {
                Ok(read) => read,
                Err(_) => read.await,
            });
        }
        let keys = asked.iter().map(|(key, _)| key.clone()).collect();
        // What takes so long is one of them, and the others do not wait for it.
        let read = tokio::time::timeout(PATIENCE, Box::pin(all(keys))).await;
        let mut read = read.ok().and_then(Result::ok);
        let mut answered = BTreeSet::new();
        for (key, tell) in asked {
            // Of two who ask for the same the second one reads alone.
            let first = answered.insert(key.clone());
            let answer = read.as_mut().filter(|_| first).map(|read| read.remove(&key));
            // Whoever asked may be gone.
            let _ = tell.send(answer);
        }
        drop(turn);
        match told.try_recv().ok().flatten() {
            Some(read) => Read::With(read),
            None => Read::Alone(Box::pin(alone()).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;

    async fn squares(calls: &Cell<u32>, keys: Vec<u32>) -> Result<BTreeMap<u32, u32>, ()> {
        calls.set(calls.get() + 1);
        tokio::task::yield_now().await;
        if keys.contains(&13) {
            Err(())
        } else {
            Ok(keys.iter().map(|it| (*it, it * it)).collect())
        }
    }

    /// What each of these reads, and how many calls for several that took.
    async fn read(keys: impl IntoIterator<Item = u32>) -> (Vec<Read<u32, ()>>, u32) {
        let (batch, calls) = (Batch::default(), Cell::new(0));
        let reads = keys.into_iter().map(|key| {
            let (batch, calls) = (&batch, &calls);
            batch.read(key, async |keys| squares(calls, keys).await, async || ())
        });
        (join_all(reads).await, calls.get())
    }

    #[tokio::test]
    async fn who_asks_at_the_same_moment_is_answered_by_one_call() {
        let expected = (0..10).map(|key| Read::With(Some(key * key))).collect();
        assert_eq!(read(0..10).await, (expected, 1));
    }

    #[tokio::test]
    async fn who_asks_alone_or_beside_a_failure_reads_alone() {
        assert_eq!(read([1]).await, (vec![Read::Alone(())], 0));
        assert_eq!(read([12, 13, 14]).await, (vec![Read::Alone(()); 3], 1));
    }

    #[tokio::test]
    async fn who_asks_while_somebody_reads_alone_is_read_for_with_the_others() {
        let (batch, calls) = (Batch::default(), Cell::new(0));
        let first = batch.read(
            1,
            async |keys| squares(&calls, keys).await,
            async || {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            },
        );
        let later = async {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            let reads = (2..5)
                .map(|key| batch.read(key, async |keys| squares(&calls, keys).await, async || ()));
            join_all(reads).await
        };
        let (first, later) = tokio::join!(first, later);
        assert_eq!(first, Read::Alone(()));
        assert_eq!(later, [4, 9, 16].map(|square| Read::With(Some(square))));
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test]
    async fn a_key_that_two_ask_for_is_missing_for_neither() {
        let (read, _) = read([5, 5]).await;
        assert!(read.iter().all(|it| *it != Read::With(None)), "{read:?}");
    }
}
