//! What is counted and measured, in the OpenMetrics format. No label holds anybody's name.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::report::{CycleReport, LatencyView, SideView, StatusReport};

type Labels = Vec<(&'static str, String)>;
type Number = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Upper bounds of the time that a cycle takes, in seconds.
const CYCLE_SECONDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 1800.0];

/// What may be done about what is open; what is only observed is one kind.
const DISPOSITIONS: [&str; 6] = ["apply", "hold", "blocked", "report", "protected", "observed"];

/// Everything that the endpoint tells.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    cycles: Family<Labels, Counter>,
    cycle_seconds: Histogram,
    actions: Family<Labels, Counter>,
    calls: Family<Labels, Counter>,
    seen_calls: Mutex<BTreeMap<(&'static str, String), u64>>,
    /// The lag when it was last known, and when that was: it grows by itself.
    known_lag: Mutex<Option<(f64, Instant)>>,
    lag: Number,
    pending: Number,
    held: Number,
    stuck: Number,
    open: Family<Labels, Number>,
    quarantined: Number,
    paused: Number,
    side_up: Family<Labels, Number>,
    budget_limit: Family<Labels, Number>,
    budget_share: Family<Labels, Number>,
    budget_used: Family<Labels, Number>,
    target_seconds: Family<Labels, Number>,
    target_breaches: Family<Labels, Number>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("goldthread");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        let all = &mut registry;
        Self {
            cycles: added(all, "cycles", "Cycles, by kind and how they ended"),
            cycle_seconds: {
                let (help, took) = ("How long cycles took", Histogram::new(CYCLE_SECONDS));
                all.register_with_unit("cycle", help, Unit::Seconds, took.clone());
                took
            },
            actions: added(all, "actions", "Actions, by kind and how they ended"),
            calls: added(all, "api_calls", "Calls to each side, by rate-limit bucket"),
            lag: {
                let (help, lag) = ("Since the last cycle that ended well", Number::default());
                all.register_with_unit("lag", help, Unit::Seconds, lag.clone());
                lag
            },
            pending: added(all, "pending_requests", "Requests in force and not done"),
            held: added(all, "held_actions", "Actions that wait for a person's yes"),
            stuck: added(
                all,
                "stuck_requests",
                "Requests that are not carried out, and no yes would end that",
            ),
            open: added(all, "open_items", "What is not as it should be, by what is done about it"),
            quarantined: added(all, "quarantined", "1 while whole kinds of action are held"),
            paused: added(all, "paused", "1 while nothing is written, because somebody paused"),
            side_up: added(all, "side_up", "1 while a side answers"),
            budget_limit: added(all, "budget_limit_calls", "Calls in a window that a side allows"),
            budget_share: added(all, "budget_share_ratio", "The part of the limit that is ours"),
            budget_used: added(all, "budget_used_calls", "Our calls in the current window"),
            target_seconds: added(
                all,
                "target_seconds",
                "From in force to done, over 30 days, by quantile (1 is the slowest)",
            ),
            target_breaches: added(all, "target_breaches", "Missed targets in 30 days"),
            seen_calls: Mutex::default(),
            known_lag: Mutex::default(),
            registry,
        }
    }
}

/// A new metric that the registry shows.
fn added<M: Metric + Default + Clone>(all: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    all.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// Counts a cycle that ended well.
    pub(crate) fn cycle(&self, report: &CycleReport) {
        self.ended(report.full, report.outcome());
        self.cycle_seconds.observe(report.seconds);
        for action in &report.actions {
            let Some(name) = action.action else { continue };
            // What waits is a number of now, not something that happens in each cycle.
            if matches!(action.outcome, "applied" | "failed") {
                let labels = [("action", name), ("outcome", action.outcome)];
                self.actions.get_or_create(&owned(labels)).inc();
            }
        }
    }

    /// Counts a cycle that ended early.
    pub(crate) fn failed_cycle(&self, full: bool) {
        self.ended(full, "failed");
    }

    fn ended(&self, full: bool, outcome: &str) {
        let kind = if full { "full" } else { "changes" };
        self.cycles.get_or_create(&owned([("kind", kind), ("outcome", outcome)])).inc();
    }

    /// Takes over how many calls were made since the connections were set up, by side and bucket.
    pub(crate) fn calls(&self, now: Vec<(&'static str, String, u64)>) {
        let mut seen = self.seen_calls.lock().unwrap_or_else(PoisonError::into_inner);
        for (side, bucket, now) in now {
            let before = seen.insert((side, bucket.clone()), now).unwrap_or(0);
            // Fewer than before: a reload made new connections.
            let more = now.checked_sub(before).unwrap_or(now);
            let labels = owned([("side", side), ("bucket", &bucket)]);
            self.calls.get_or_create(&labels).inc_by(more);
        }
    }

    /// Sets the gauges from a status report; an unknown lag, limit or time keeps its last value.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn status(&self, status: &StatusReport) {
        if let Some(lag) = status.lag_seconds {
            let mut known = self.known_lag.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some((lag as f64, Instant::now()));
        }
        self.pending.set(status.pending.unwrap_or(0) as f64);
        self.held.set(status.held.unwrap_or(0) as f64);
        self.stuck.set(status.stuck.unwrap_or(0) as f64);
        for disposition in DISPOSITIONS {
            // What is not open any more is none, and not what it was.
            let number = status.open.get(disposition).copied().unwrap_or(0);
            let labels = owned([("disposition", disposition)]);
            self.open.get_or_create(&labels).set(number as f64);
        }
        self.quarantined.set(f64::from(u8::from(status.quarantined.is_some())));
        self.paused.set(f64::from(u8::from(status.paused.is_some())));
        let up = |view: &SideView| f64::from(u8::from(view.ok == Some(true)));
        let sides = [("servicenow", &status.sides.servicenow), ("okta", &status.sides.okta)];
        for (side, view) in sides {
            self.side_up.get_or_create(&owned([("side", side)])).set(up(view));
        }
        for used in &status.budget {
            let labels = owned([("side", &used.side), ("bucket", &used.bucket)]);
            if let Some(limit) = used.limit {
                self.budget_limit.get_or_create(&labels).set(limit as f64);
            }
            self.budget_share.get_or_create(&labels).set(used.share);
            self.budget_used.get_or_create(&labels).set(used.used as f64);
        }
        let targets = [("join", &status.targets.join), ("leave", &status.targets.leave)];
        for (operation, LatencyView { p50, p95, max, breaches }) in targets {
            let operation = ("operation", operation);
            for (quantile, value) in [("0.5", p50), ("0.95", p95), ("1", max)] {
                if let Some(value) = value {
                    let labels = owned([operation, ("quantile", quantile)]);
                    self.target_seconds.get_or_create(&labels).set(*value);
                }
            }
            self.target_breaches.get_or_create(&owned([operation])).set(*breaches as f64);
        }
    }

    /// Everything as text, in the OpenMetrics format.
    pub(crate) fn text(&self) -> String {
        let known = *self.known_lag.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((lag, at)) = known {
            self.lag.set(lag + at.elapsed().as_secs_f64());
        }
        let mut text = String::new();
        // Writing into memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn owned<const N: usize>(labels: [(&'static str, &str); N]) -> Labels {
    labels.map(|(name, value)| (name, value.to_owned())).to_vec()
}
