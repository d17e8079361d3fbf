//! What a cycle works with: both systems to read, the store, the time, the configuration; and, for
//! whoever may write, the writing half.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::config::Config;
use crate::http::Progress;
use crate::model::Timestamp;
use crate::okta::{self, OktaReader, OktaWriter};
use crate::servicenow::{self, Budget, ServiceNowReader, ServiceNowWriter};
use crate::store::{Mode, Store, StoreError, Use};
use crate::sync::error::SyncError;
use crate::sync::memory::Memory;

/// ServiceNow among what the store keeps of each side.
pub(crate) const SERVICENOW: &str = "servicenow";
/// Okta there.
pub(crate) const OKTA: &str = "okta";

/// Where the time comes from: the only clock of a cycle.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Told what is being read and how much of it came, so that a long read can be shown.
pub type OnProgress = Arc<dyn Fn(&str, usize) + Send + Sync>;

/// What a cycle works with. It can read and decide, and cannot write to either system.
pub struct Deps {
    pub(crate) config: Arc<Config>,
    pub(crate) servicenow: ServiceNowReader,
    pub(crate) okta: OktaReader,
    pub(crate) store: Store,
    pub(crate) memory: Memory,
    pub(crate) on_progress: OnProgress,
    clock: Clock,
    stop: Arc<AtomicBool>,
    writes_under_way: Cell<usize>,
}

/// The writing half. A command that only reads never has one.
pub struct Writers {
    pub(crate) okta: OktaWriter,
    pub(crate) servicenow: ServiceNowWriter,
}

impl Writers {
    pub(crate) fn over(servicenow: &servicenow::Connection, okta: &okta::Connection) -> Self {
        Self {
            okta: OktaWriter::new(okta.clone()),
            servicenow: ServiceNowWriter::new(servicenow.clone()),
        }
    }
}

impl Deps {
    /// For a command that only reads: it works on a private copy of the store.
    pub fn reading(
        config: Arc<Config>,
        clock: Clock,
        on_progress: OnProgress,
    ) -> Result<Self, SyncError> {
        let store = Store::open(&config.store.path, &config.orgs(), Mode::Scratch)?;
        let okta = okta::Connection::read_only(config.okta.clone())?;
        let servicenow = servicenow::Connection::new(config.servicenow.clone())?;
        Ok(Self::over(config, store, servicenow, okta, clock, on_progress))
    }

    /// For whoever writes: the store is ours alone from here on, and `holder` says who we are to
    /// whoever wants it too.
    pub fn writing(
        config: Arc<Config>,
        holder: &str,
        clock: Clock,
        on_progress: OnProgress,
    ) -> Result<(Self, Writers), SyncError> {
        let store = Store::open(&config.store.path, &config.orgs(), Mode::Write { holder })?;
        let okta = okta::Connection::new(config.okta.clone())?;
        let servicenow = servicenow::Connection::new(config.servicenow.clone())?;
        let budget = last_budget(&store).map_err(|error| error.located(&config.store.path))?;
        if let Some((budget, at)) = budget {
            servicenow.go_on_counting(&budget, at);
        }
        let writers = Writers::over(&servicenow, &okta);
        Ok((Self::over(config, store, servicenow, okta, clock, on_progress), writers))
    }

    fn over(
        config: Arc<Config>,
        store: Store,
        servicenow: servicenow::Connection,
        okta: okta::Connection,
        clock: Clock,
        on_progress: OnProgress,
    ) -> Self {
        Self {
            servicenow: ServiceNowReader::new(servicenow),
            okta: OktaReader::new(okta),
            config,
            store,
            memory: Memory::default(),
            on_progress,
            clock,
            stop: Arc::default(),
            writes_under_way: Cell::default(),
        }
    }

    /// No write is begun any more once this flag is set.
    pub fn stop_when(&mut self, stop: Arc<AtomicBool>) {
        self.stop = stop;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How many writes were begun whose outcome is not recorded yet: at 0, a cycle may be abandoned.
    pub(crate) fn writes_under_way(&self) -> usize {
        self.writes_under_way.get()
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// When the last complete read ended well.
    pub(crate) fn last_full(&self) -> Result<Option<Timestamp>, SyncError> {
        Ok(self.store.cycles().last_full()?)
    }

    /// Both tick while a cycle makes progress, waits for a rate window included.
    pub(crate) fn progress_counters(&self) -> [Progress; 2] {
        [self.servicenow.connection().progress().clone(), self.okta.connection().progress().clone()]
    }

    /// Calls made over the connections that are in use.
    pub(crate) fn calls(&self) -> Calls {
        Calls {
            servicenow: self.servicenow.connection().calls(),
            okta: self.okta.connection().calls(),
        }
    }

    /// The same by side and rate-limit bucket.
    pub(crate) fn calls_by_bucket(&self) -> Vec<(&'static str, String, u64)> {
        let servicenow = self.servicenow.connection();
        let okta = self.okta.connection().calls_by_bucket();
        okta.into_iter()
            .map(|(bucket, calls)| (OKTA, bucket.to_owned(), calls))
            .chain([(SERVICENOW, servicenow.budget().bucket, servicenow.calls())])
            .collect()
    }
}

/// How much of ServiceNow's rate rule was used when that was last kept, and when that was: a rule
/// counts on when a process starts anew.
fn last_budget(store: &Store) -> Result<Option<(Budget, Timestamp)>, StoreError> {
    let kept = store.budgets().all()?.into_iter().find(|used| used.side == SERVICENOW);
    Ok(kept.map(|Use { bucket, limit, share, used, at, .. }| {
        (Budget { bucket, limit, share, used }, at)
    }))
}

/// A write that is under way, for as long as this lives.
pub(crate) struct InFlight<'a>(&'a Cell<usize>);

impl<'a> InFlight<'a> {
    pub(crate) fn begin(deps: &'a Deps) -> Self {
        deps.writes_under_way.set(deps.writes_under_way.get() + 1);
        Self(&deps.writes_under_way)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Calls made to each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// To ServiceNow.
    pub servicenow: u64,
    /// To Okta.
    pub okta: u64,
}

impl Calls {
    pub(crate) fn since(self, before: &Self) -> Self {
        Self { servicenow: self.servicenow - before.servicenow, okta: self.okta - before.okta }
    }
}
