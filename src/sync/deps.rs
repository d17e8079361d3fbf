//! What a cycle works with: both systems to read, the store, the time, the configuration.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::OnceCell;

use crate::config::Config;
use crate::http::Progress;
use crate::model::{AccountId, GroupId, GroupKind, SysId, Timestamp};
use crate::okta::{self, OktaReader};
use crate::reconcile::retry::pause_after;
use crate::servicenow::{self, Budget, Rank, ServiceNowReader};
use crate::store::{Mode, Store, StoreError, StoredItem, Use};
use crate::sync::{
    batch::{Batches, RequestReads},
    error::Result,
    writers::Writers,
};

// The sides, among what the store keeps of each.
pub(crate) const SERVICENOW: &str = "servicenow";
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
    batches: Batches,
    urgent_batches: Batches,
    pub(crate) on_progress: OnProgress,
    /// From one look at both sides to the next, where a rate limit does not allow the configured poll.
    pub(crate) stretched: Cell<Option<Duration>>,
    /// Something waits for the end of the cycle.
    end_wanted: Cell<bool>,
    clock: Clock,
    stop: Arc<AtomicBool>,
    writes_under_way: Cell<usize>,
}

impl Deps {
    /// For a command that only reads: it works on a private copy of the store.
    pub fn reading(config: Arc<Config>, clock: Clock, on_progress: OnProgress) -> Result<Self> {
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
    ) -> Result<(Self, Writers)> {
        let store = Store::open(&config.store.path, &config.orgs(), Mode::Write { holder })?;
        let okta = okta::Connection::new(config.okta.clone())?;
        let servicenow = servicenow::Connection::new(config.servicenow.clone())?;
        let kept = store.budgets().all().map_err(|error| error.located(&config.store.path))?;
        // A rule about rates counts on when a process starts anew.
        if let Some(kept) = kept.into_iter().find(|kept| kept.side == SERVICENOW) {
            let Use { bucket, limit, share, used, at, .. } = kept;
            servicenow.go_on_counting(&Budget { bucket, limit, share, used }, at);
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
            batches: Batches::default(),
            urgent_batches: Batches::default(),
            servicenow: ServiceNowReader::new(servicenow),
            okta: OktaReader::new(okta),
            config,
            store,
            memory: Memory::default(),
            on_progress,
            stretched: Cell::default(),
            end_wanted: Cell::default(),
            clock,
            stop: Arc::default(),
            writes_under_way: Cell::default(),
        }
    }

    /// No write is begun any more once this flag is set.
    pub fn stop_when(&mut self, stop: Arc<AtomicBool>) {
        self.stop = stop;
    }

    /// Everything that is open now, as it is kept.
    pub fn open_items(&self, now: Timestamp) -> Result<Vec<StoredItem>> {
        Ok(self.store.open_items().all(now)?)
    }

    /// From one look at both sides to the next.
    pub(crate) fn poll(&self) -> Duration {
        self.stretched.get().unwrap_or(self.config.schedule.poll)
    }

    pub(crate) fn want_end(&self, wanted: bool) {
        self.end_wanted.set(wanted);
    }

    pub(crate) fn is_end_wanted(&self) -> bool {
        self.end_wanted.get()
    }

    /// How requests are read by id; `urgent` for somebody who leaves.
    pub(crate) fn reads(&self, urgent: bool) -> RequestReads<'_> {
        if urgent {
            self.urgent_batches.over(self.servicenow.clone())
        } else {
            self.batches.over(self.servicenow.ranked(Rank::Second))
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How many writes were begun whose outcome is not recorded yet: at 0, a cycle may be
    /// abandoned.
    pub(crate) fn writes_under_way(&self) -> usize {
        self.writes_under_way.get()
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// When the last complete read ended well.
    pub(crate) fn last_full(&self) -> Result<Option<Timestamp>> {
        Ok(self.store.cycles().last_full()?)
    }

    /// Whether the credentials do not see every account: the group to which each one belongs is not
    /// shown to a role over a part of the org.
    pub(crate) fn is_blind(&self) -> Result<bool, StoreError> {
        Ok(self.everyone()?.is_none())
    }

    /// The group to which each account belongs, where it was shown when all groups were read last.
    pub(crate) fn everyone(&self) -> Result<Option<GroupId>, StoreError> {
        let mut named = self.store.groups().called("Everyone")?.into_iter();
        Ok(named.find(|group| group.kind == GroupKind::BuiltIn).map(|group| group.id))
    }

    /// The attributes by which accounts are found.
    pub(crate) fn account_keys(&self) -> BTreeSet<String> {
        let policy = &self.config.policy;
        let mut keys: BTreeSet<String> = policy.match_on.iter().cloned().collect();
        keys.extend(policy.anchor.clone());
        keys.extend(["login".to_owned(), "email".to_owned()]);
        keys
    }

    /// Both tick while a cycle makes progress, waits for a rate window included.
    pub(crate) fn progress_counters(&self) -> [Progress; 2] {
        [self.servicenow.connection().progress().clone(), self.okta.connection().progress().clone()]
    }

    pub(crate) fn calls(&self) -> Calls {
        Calls {
            servicenow: self.servicenow.connection().calls(),
            okta: self.okta.connection().calls(),
        }
    }

    pub(crate) fn calls_by_bucket(&self) -> Vec<(&'static str, String, u64)> {
        let servicenow = self.servicenow.connection();
        let okta = self.okta.connection().calls_by_bucket();
        okta.into_iter()
            .map(|(bucket, calls)| (OKTA, bucket.to_owned(), calls))
            .chain([(SERVICENOW, servicenow.budget().bucket, servicenow.calls())])
            .collect()
    }
}

/// What only this process knows. The next one finds it out anew, and nothing is wrong until then.
#[derive(Default)]
pub(crate) struct Memory {
    /// The Okta account that we sign in as, if it is one: asked once for each connection.
    pub(crate) own_account: OnceCell<Option<AccountId>>,
    /// How often in a row a complete read could not be believed, and when that was.
    full_failed: Cell<Option<(u32, Timestamp)>>,
    /// How often in a row hidden requests were looked for and not all found, and when that was.
    search_failed: Cell<Option<(u32, Timestamp)>>,
    /// Requests that could not be written on: how often in a row, and when that was tried last.
    unwritten: RefCell<BTreeMap<SysId, (u32, Timestamp)>>,
}

impl Memory {
    /// Whether another complete read is left alone for a while, because the last one failed.
    pub(crate) fn full_backs_off(&self, now: Timestamp) -> bool {
        self.full_failed.get().is_some_and(|(times, at)| {
            (now - at).to_std().is_ok_and(|waited| waited < pause_after(times + 4, false))
        })
    }

    pub(crate) fn note_full(&self, failed_at: Option<Timestamp>) {
        let times = self.full_failed.get().map_or(0, |(times, _)| times);
        self.full_failed.set(failed_at.map(|at| (times + 1, at)));
    }

    /// Whether hidden requests are not looked for again for a while, because not all were found.
    pub(crate) fn search_backs_off(&self, now: Timestamp) -> bool {
        self.search_failed.get().is_some_and(|(times, at)| {
            (now - at).to_std().is_ok_and(|waited| waited < pause_after(times + 4, false))
        })
    }

    pub(crate) fn note_search(&self, failed_at: Option<Timestamp>) {
        let times = self.search_failed.get().map_or(0, |(times, _)| times);
        self.search_failed.set(failed_at.map(|at| (times + 1, at)));
    }

    /// Whether a request is left alone for a while, because writing on it failed.
    pub(crate) fn backs_off(&self, request: &SysId, now: Timestamp) -> bool {
        self.unwritten.borrow().get(request).is_some_and(|(times, at)| {
            (now - *at).to_std().is_ok_and(|waited| waited < pause_after(*times, false))
        })
    }

    pub(crate) fn note_written(&self, request: &SysId) {
        self.unwritten.borrow_mut().remove(request);
    }

    pub(crate) fn note_unwritten(&self, request: &SysId, now: Timestamp) {
        let mut unwritten = self.unwritten.borrow_mut();
        let (times, at) = unwritten.entry(request.clone()).or_insert((0, now));
        (*times, *at) = (*times + 1, now);
    }
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
    /// Calls sent to ServiceNow, failed ones included.
    pub servicenow: u64,
    /// Calls sent to Okta, failed ones and those for tokens included.
    pub okta: u64,
}

impl Calls {
    pub(crate) fn since(self, before: &Self) -> Self {
        Self { servicenow: self.servicenow - before.servicenow, okta: self.okta - before.okta }
    }
}
