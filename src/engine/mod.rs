//! One cycle: observe, desire, diff, guard, apply, record, write back.
//!
//! The only place where the clients, the store and the pure core meet. What woke a cycle is a
//! label; what it does follows from what is.

mod apply;
mod check;
mod clock;
mod cycle;
mod decide;
mod describe;
mod explain;
mod groups;
mod held;
mod holds;
mod in_doubt;
mod interpret;
mod link;
mod narrow;
mod observe;
mod report;
mod sides;
mod status;
mod surroundings;
mod targets;
mod writeback;

pub use check::{Check, CheckReport, Found, check};
pub use cycle::{Preview, Scope};
pub use explain::{AccountView, Explanation, FactView, ReasonView, RequestView};
pub use holds::{Decided, HoldReport, HoldView, Released, say, waiting};
pub use report::{
    ActionReport, Calls, ChangeView, CycleReport, DriftItem, DriftReport, DriftSummary, PersonView,
    Summary,
};

pub use sides::{Renewed, Side};
pub use status::{
    BudgetView, CycleView, DAEMON, LatencyView, SideView, SidesView, StatusReport, TargetsView,
    backup, status,
};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::config::Config;
use crate::model::{AccountId, SysId, Timestamp};
use crate::okta::{self, OktaError, OktaReader, OktaWriter};
use crate::servicenow::{self, ServiceNowError, ServiceNowReader, ServiceNowWriter};
use crate::store::{Link, Orgs, Store, StoreError};

/// Where the time comes from: the only clock of a cycle.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Told what is being read and how much of it came, so that a long read can be shown.
pub type OnProgress = Arc<dyn Fn(&str, usize) + Send + Sync>;

/// Why a cycle ended before it compared anything.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// ServiceNow did not answer, or could not be believed.
    #[error(transparent)]
    ServiceNow(ServiceNowError),
    /// Okta did not answer, or could not be believed.
    #[error(transparent)]
    Okta(#[from] OktaError),
    /// The store failed: nothing is done without a record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own clock is wrong, and what begins or ends by it would be wrong with it.
    #[error(
        "this machine's clock is {0} of both ServiceNow's and Okta's, so nothing is done that \
         begins or ends by it; set it by the network: timedatectl set-ntp true"
    )]
    Clock(String),
    /// Somebody asked for is not known.
    #[error("{0}")]
    Unknown(String),
}

impl From<ServiceNowError> for EngineError {
    fn from(error: ServiceNowError) -> Self {
        match error {
            // A page that came well and could not be kept is no fault of ServiceNow's.
            ServiceNowError::Taker(inner) => match inner.downcast::<StoreError>() {
                Ok(error) => Self::Store(*error),
                Err(inner) => Self::ServiceNow(ServiceNowError::Taker(inner)),
            },
            other => Self::ServiceNow(other),
        }
    }
}

/// The reading half of the program: it can look and decide, and cannot write to either system.
pub struct Engine {
    config: Arc<Config>,
    servicenow: ServiceNowReader,
    okta: OktaReader,
    store: Store,
    clock: Clock,
    progress: OnProgress,
    stop: Arc<AtomicBool>,
    /// How many writes were begun whose outcome is not recorded yet.
    writing: Arc<AtomicUsize>,
    /// The Okta account that we sign in as, if it is one: asked once.
    own_account: OnceCell<Option<AccountId>>,
    /// Whether accounts and groups hold an administrator role, by id, and when that was asked.
    roles: Mutex<BTreeMap<String, (Timestamp, bool)>>,
    /// The rows that were set aside, by id, and what was said of each: it is said once.
    set_aside: Mutex<BTreeMap<String, String>>,
    /// Requests that could not be written on: how often in a row, and when that was tried last.
    unwritten: Mutex<BTreeMap<SysId, (u32, Timestamp)>>,
    /// What the cycle that is under way knows of people beside what is stored.
    this_cycle: Mutex<ThisCycle>,
}

/// What one cycle knows of people beside what is stored.
#[derive(Debug, Default)]
struct ThisCycle {
    /// Their accounts were read by id, and not written to since by anybody here.
    by_id: BTreeSet<SysId>,
    /// They were linked to an account, each with the link before it, if there was one.
    linked: BTreeMap<SysId, Option<Link>>,
}

/// The writing half. A command that only looks never has one.
pub struct Writers {
    okta: OktaWriter,
    servicenow: ServiceNowWriter,
}

impl Writers {
    fn over(servicenow: &servicenow::Connection, okta: &okta::Connection) -> Self {
        Self {
            okta: OktaWriter::new(okta.clone()),
            servicenow: ServiceNowWriter::new(servicenow.clone()),
        }
    }
}

impl Engine {
    /// An engine that only looks: it works on a private copy of the store.
    pub fn looking(
        config: Arc<Config>,
        clock: Clock,
        progress: OnProgress,
    ) -> Result<Self, EngineError> {
        let store = Store::scratch(&config.store.path, &orgs(&config))?;
        let okta = okta::Connection::read_only(config.okta.clone())?;
        let servicenow = servicenow::Connection::new(config.servicenow.clone())?;
        Ok(Self::over(config, store, servicenow, okta, clock, progress))
    }

    /// An engine with hands. `holder` says who we are to whoever wants the store too.
    pub fn acting(
        config: Arc<Config>,
        holder: &str,
        clock: Clock,
        progress: OnProgress,
    ) -> Result<(Self, Writers), EngineError> {
        let store = Store::open(&config.store.path, &orgs(&config), holder)?;
        let okta = okta::Connection::new(config.okta.clone())?;
        let servicenow = servicenow::Connection::new(config.servicenow.clone())?;
        if let Some((budget, at)) =
            status::last_budget(&store).map_err(|error| error.located(&config.store.path))?
        {
            servicenow.go_on_counting(&budget, at);
        }
        let writers = Writers::over(&servicenow, &okta);
        Ok((Self::over(config, store, servicenow, okta, clock, progress), writers))
    }

    fn over(
        config: Arc<Config>,
        store: Store,
        servicenow: servicenow::Connection,
        okta: okta::Connection,
        clock: Clock,
        progress: OnProgress,
    ) -> Self {
        Self {
            servicenow: ServiceNowReader::new(servicenow),
            okta: OktaReader::new(okta),
            config,
            store,
            clock,
            progress,
            stop: Arc::default(),
            writing: Arc::default(),
            own_account: OnceCell::new(),
            roles: Mutex::default(),
            unwritten: Mutex::default(),
            this_cycle: Mutex::default(),
            set_aside: Mutex::default(),
        }
    }

    /// No write is begun any more once this flag is set.
    pub fn stop_when(&mut self, stop: Arc<AtomicBool>) {
        self.stop = stop;
    }

    /// How many writes were begun whose outcome is not recorded yet: at 0, a cycle may be abandoned.
    pub fn writing(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.writing)
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn this_cycle(&self) -> MutexGuard<'_, ThisCycle> {
        self.this_cycle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write that is under way, for as long as this lives.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn begin(engine: &Engine) -> Self {
        engine.writing.fetch_add(1, Ordering::Relaxed);
        Self(engine.writing())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn orgs(config: &Config) -> Orgs {
    let base = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
    Orgs { servicenow: base(&config.servicenow.url), okta: base(&config.okta.url) }
}
