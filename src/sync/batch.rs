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

/// What is known of a request right before it is written on.
#[derive(Debug)]
pub(crate) struct BeforeWriting {
    pub(crate) row: Option<FreshRequest>,
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
        match self.batches.rows.read(id.clone(), all).await {
            Some(row) => row.transpose(),
            None => servicenow.request(id).await,
        }
    }

    pub(crate) async fn tasks(&self, id: &SysId) -> Result<Vec<Task>, ServiceNowError> {
        let servicenow = &self.servicenow;
        let all = async |ids: Vec<SysId>| servicenow.tasks_of(&ids).await;
        match self.batches.tasks.read(id.clone(), all).await {
            Some(tasks) => Ok(tasks.unwrap_or_default()),
            None => servicenow.tasks(id).await,
        }
    }

    pub(crate) async fn has_note(
        &self,
        place: &SysId,
        marker: &str,
    ) -> Result<Option<bool>, ServiceNowError> {
        let servicenow = &self.servicenow;
        let all = async |notes: Vec<Note>| servicenow.noted(&notes).await;
        match self.batches.notes.read((place.clone(), marker.to_owned()), all).await {
            Some(noted) => Ok(noted.flatten()),
            None => servicenow.has_note(place, marker).await,
        }
    }
}

/// What is asked for many is waited for so long; then each reads alone.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// What was read for a key, where there is something; `None` where it has to be read alone:
    /// nobody else asked, or reading for several failed, and it is not known for whom.
    async fn read<E>(
        &self,
        key: K,
        all: impl AsyncFnOnce(Vec<K>) -> Result<BTreeMap<K, V>, E>,
    ) -> Option<Option<V>> {
        let (tell, mut told) = oneshot::channel();
        self.asked.borrow_mut().push((key, tell));
        let turn = self.turn.lock().await;
        // Whoever goes on at the same moment asks now.
        tokio::task::yield_now().await;
        if let Ok(answer) = told.try_recv() {
            return answer;
        }
        let asked = self.asked.take();
        let keys: Vec<K> = asked.iter().map(|(key, _)| key.clone()).collect();
        let mut read = match keys.as_slice() {
            [_] => None,
            // What takes so long is one of them, and the others do not wait for it.
            _ => tokio::time::timeout(PATIENCE, all(keys)).await.ok().and_then(Result::ok),
        };
        let mut answered = BTreeSet::new();
        for (key, tell) in asked {
            // Of two who ask for the same the second one reads alone.
            let first = answered.insert(key.clone());
            let answer = read.as_mut().filter(|_| first).map(|read| read.remove(&key));
            // Whoever asked may be gone.
            let _ = tell.send(answer);
        }
        drop(turn);
        told.try_recv().ok().flatten()
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

    #[tokio::test]
    async fn who_asks_at_the_same_moment_is_answered_by_one_call() {
        let (batch, calls) = (Batch::default(), Cell::new(0));
        let reads = (0..10).map(|key| batch.read(key, async |keys| squares(&calls, keys).await));
        let read: Vec<_> = join_all(reads).await;
        assert_eq!(read, (0..10).map(|key| Some(Some(key * key))).collect::<Vec<_>>());
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test]
    async fn who_asks_alone_or_beside_a_failure_reads_alone() {
        let (batch, calls) = (Batch::default(), Cell::new(0));
        assert_eq!(batch.read(1, async |keys| squares(&calls, keys).await).await, None);
        assert_eq!(calls.get(), 0);
        let reads =
            [12, 13, 14].map(|key| batch.read(key, async |keys| squares(&calls, keys).await));
        assert_eq!(join_all(reads).await, [None, None, None]);
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test]
    async fn a_key_that_two_ask_for_is_missing_for_neither() {
        let (batch, calls) = (Batch::default(), Cell::new(0));
        let reads = [5, 5].map(|key| batch.read(key, async |keys| squares(&calls, keys).await));
        let read = join_all(reads).await;
        assert!(read.iter().all(|it| *it != Some(None)), "{read:?}");
    }
}
