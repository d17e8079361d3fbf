//! `status`: how it goes, from the store alone.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::config::Offline;
use crate::model::{Operation, Timestamp};
use crate::reconcile::latency::{Latency, latency};
use crate::report::needs::needs;
use crate::report::{Released, stamp};
use crate::store::{Mode, SideState, Store, StoreError, Use};
use crate::sync::deadlines::MEASURED;
use crate::sync::deps::{Deps, OKTA, SERVICENOW};
use crate::sync::error::SyncError;
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

/// How it goes, also beside a running daemon and where there is no store yet.
pub fn status(config: &Offline, now: Timestamp) -> Result<StatusReport, StoreError> {
    let path = &config.store;
    let opened = || Store::open(path, config.orgs.as_ref(), Mode::Read);
    let store = Store::is_there(path)?.then(opened).transpose()?;
    let running = Store::holder(path)?.is_some_and(|holder| holder.starts_with(DAEMON));
    report(config, store.as_ref(), running, now)
}

/// The same as [`status`], from the open store of the daemon.
pub(crate) fn running_status(deps: &Deps) -> Result<StatusReport, SyncError> {
    Ok(report(&deps.config.offline(), Some(&deps.store), true, deps.now())?)
}

/// How the daemon names itself to whoever wants the store too.
pub const DAEMON: &str = "goldthread run";

fn report(
    config: &Offline,
    store: Option<&Store>,
    running: bool,
    now: Timestamp,
) -> Result<StatusReport, StoreError> {
    let mode = if config.observe { "observe" } else { "enforce" };
    let unit = unit(&config.file);
    let nothing = StatusReport { mode, running, unit, ..StatusReport::default() };
    let Some(store) = store else {
        return Ok(StatusReport { needs: needs(&nothing, None, now)?, ..nothing });
    };
    let last = store.cycles().last_ended()?.map(|cycle| CycleView {
        n: cycle.n,
        at: stamp(cycle.finished),
        full: cycle.full,
        seconds: (cycle.finished - cycle.started).as_seconds_f64(),
        outcome: cycle.outcome,
    });
    let side = |name: &str| -> Result<SideView, StoreError> {
        Ok(store.sides().get(name)?.map_or_else(SideView::default, |SideState { since, error }| {
            SideView { ok: Some(error.is_none()), since: Some(stamp(since)), error }
        }))
    };
    let paced = |operation, target| -> Result<LatencyView, StoreError> {
        let measured = store.deadlines().measured(operation, now - MEASURED)?;
        let Latency { p50, p95, max, breaches } = latency(&measured, target, now);
        Ok(LatencyView { p50, p95, max, breaches })
    };
    let held = store.open_items().actions(now)?.iter().filter(|hold| hold.said.is_none()).count();
    let paused = store.brake().in_force()?.map(|pause| Released {
        by: pause.by,
        at: stamp(pause.at),
        because: pause.because,
    });
    let mut report = StatusReport {
        paused,
        stuck: Some(store.open_items().stuck()?.len() as u64),
        open: store.open_items().by_disposition()?,
        observed: store.open_items().counts(None)?.observed as u64,
        pending: last.is_some().then(|| store.requests().pending(now)).transpose()?,
        held: Some(held as u64),
        last_cycle: last,
        lag_seconds: store.cycles().last_good()?.map(|at| (now - at).num_seconds().max(0)),
        quarantined: store.state().quarantine()?.reason,
        sides: SidesView { servicenow: side(SERVICENOW)?, okta: side(OKTA)? },
        budget: store.budgets().all()?.into_iter().map(|used| budget(used, now)).collect(),
        targets: TargetsView {
            join: paced(Operation::Join, config.targets.join)?,
            leave: paced(Operation::Leave, config.targets.leave)?,
        },
        ..nothing
    };
    report.needs = needs(&report, Some((config, store)), now)?;
    Ok(report)
}

/// The unit whose configuration a file is: each instance has one of its name.
fn unit(file: &Path) -> String {
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some(name) if file.parent() == Some(Path::new("/etc/goldthread")) && name != "config" => {
            format!("goldthread@{name}")
        }
        _ => "goldthread".to_owned(),
    }
}

/// A window that is over has nothing used of it: ServiceNow's are the hours of the clock, Okta's a
/// minute.
fn budget(kept: Use, now: Timestamp) -> BudgetView {
    let Use { side, bucket, limit, share, used, at } = kept;
    let over = if side == SERVICENOW {
        at.timestamp().div_euclid(3600) != now.timestamp().div_euclid(3600)
    } else {
        now - at >= chrono::Duration::minutes(1)
    };
    BudgetView { bucket, limit, share, used: if over { 0 } else { used }, side }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_a_unit_of_its_own() {
        assert_eq!(unit(Path::new("/etc/goldthread/config.toml")), "goldthread");
        assert_eq!(unit(Path::new("/etc/goldthread/emea.toml")), "goldthread@emea");
        assert_eq!(unit(Path::new("/home/pat/try.toml")), "goldthread");
    }
}
