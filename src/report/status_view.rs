//! What `status` shows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::Released;
use crate::sync::names::PersonNames;

/// How it goes, for `status` and for the metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StatusReport {
    /// `observe` or `enforce`, as the configuration says now.
    pub mode: &'static str,
    /// The daemon holds the store's lock; another command that writes does not count.
    pub running: bool,
    /// Writing is paused; `None` where it is not.
    pub paused: Option<Released>,
    /// The unit that runs it, as the file of the configuration tells. For people: the JSON has no
    /// key for it.
    #[serde(skip)]
    pub unit: String,
    /// The last cycle that ended; `None` before the first.
    pub last_cycle: Option<CycleView>,
    /// Since the last cycle that ended well.
    pub lag_seconds: Option<i64>,
    /// Requests that are in force and not done; `None` before the first cycle.
    pub pending: Option<u64>,
    /// What somebody is needed for, worst first.
    pub needs: Vec<NeedView>,
    /// Requests that are not carried out, and no decision about an action would end that.
    pub stuck: Option<u64>,
    /// What is only observed, and would be done or held if everything enforced.
    #[serde(skip)]
    pub observed: u64,
    /// How much is open and counts, by disposition, `observed` among them. For the metrics: the
    /// JSON has no key for it.
    #[serde(skip)]
    pub open: BTreeMap<String, u64>,
    /// Actions that wait for a person's yes.
    pub held: Option<u64>,
    /// Why whole kinds of action are held.
    pub quarantined: Option<String>,
    /// How ServiceNow and Okta were when they were last called.
    pub sides: SidesView,
    /// The use of each rate limit.
    pub budget: Vec<BudgetView>,
    /// How fast joins and leaves were done.
    pub targets: TargetsView,
}

/// Something that somebody is needed for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NeedView {
    /// `quarantine`, `daemon`, `side`, `stale`, `late`, `held`, `blocked`, `request`, `rule` or
    /// `name`.
    pub kind: &'static str,
    /// What is wrong, for a person to read.
    pub text: String,
    /// What to run.
    pub command: String,
    /// Since when, RFC 3339; `None` where that is not known.
    pub since: Option<String>,
    /// The request that it is about, by its number.
    pub request: Option<String>,
    /// Whom it is about, where that is one person.
    pub person: Option<PersonNames>,
}

/// A cycle that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CycleView {
    /// Its number in the store.
    pub n: i64,
    /// When it ended, RFC 3339.
    pub at: String,
    /// It read both sides whole, rather than only what changed.
    pub full: bool,
    /// From its start to its end, in seconds.
    pub seconds: f64,
    /// How it ended: `converged`, `attention`, `quarantined` or `failed`.
    pub outcome: String,
}

/// How the two systems answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SidesView {
    /// Whether ServiceNow answers, and since when.
    pub servicenow: SideView,
    /// Whether Okta answers, and since when.
    pub okta: SideView,
}

/// One of the two systems, as it was last known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SideView {
    /// It answers; `None` before it was asked.
    pub ok: Option<bool>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Why it does not work, in its own or our words; `None` while it does.
    pub error: Option<String>,
}

/// The use of one rate limit in its current window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetView {
    /// What it is for.
    pub bucket: String,
    /// Calls in a window (ServiceNow: an hour, Okta: a minute); `None` where none is announced.
    pub limit: Option<u64>,
    /// The part of it that may be used, 0 to 1.
    pub share: f64,
    /// Our own calls in the current window; 0 once that is over.
    pub used: u64,
    /// Whose limit it is: `servicenow` or `okta`.
    pub side: String,
}

/// How fast joins and leaves of the last 30 days were done.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TargetsView {
    /// From a join in force to the account with its groups.
    pub join: LatencyView,
    /// From a leave in force to the account disabled.
    pub leave: LatencyView,
}

/// Seconds from *in force* to *done*.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LatencyView {
    /// Half of them took no longer.
    pub p50: Option<f64>,
    /// 95 of 100 took no longer.
    pub p95: Option<f64>,
    /// The slowest that is done; `None` where none is.
    pub max: Option<f64>,
    /// How many missed the target.
    pub breaches: u64,
}
