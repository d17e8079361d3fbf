//! `status`: how it goes, from the store alone.

use std::path::Path;

use crate::config::Offline;
use crate::model::{Operation, Timestamp};
use crate::reconcile::latency::{Latency, latency};
use crate::report::needs::needs;
use crate::report::status_view::{
    BudgetView, CycleView, LatencyView, SideView, SidesView, StatusReport, TargetsView,
};
use crate::report::{Released, stamp};
use crate::store::{Mode, SideState, Store, StoreError, Use};
use crate::sync::deadlines::MEASURED;
use crate::sync::deps::{Deps, OKTA, SERVICENOW};
use crate::sync::error::SyncError;

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
