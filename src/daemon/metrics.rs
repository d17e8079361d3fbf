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
use prometheus_client::registry::{Registry, Unit};

use crate::report::{CycleReport, SideView, StatusReport};

type Labels = Vec<(&'static str, String)>;
type Number = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Upper bounds of the time that a cycle takes, in seconds.
const CYCLE_SECONDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 1800.0];

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
    quarantined: Number,
    side_up: Family<Labels, Number>,
    budget_limit: Family<Labels, Number>,
    budget_share: Family<Labels, Number>,
    budget_used: Family<Labels, Number>,
    target_seconds: Family<Labels, Number>,
    target_breaches: Family<Labels, Number>,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("goldthread"),
            cycles: Family::default(),
            cycle_seconds: Histogram::new(CYCLE_SECONDS),
            actions: Family::default(),
            calls: Family::default(),
            seen_calls: Mutex::default(),
            known_lag: Mutex::default(),
            lag: Number::default(),
            pending: Number::default(),
            held: Number::default(),
            quarantined: Number::default(),
            side_up: Family::default(),
            budget_limit: Family::default(),
            budget_share: Family::default(),
            budget_used: Family::default(),
            target_seconds: Family::default(),
            target_breaches: Family::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        registry.register("cycles", "Cycles, by kind and how they ended", self.cycles.clone());
        registry.register_with_unit(
            "cycle",
            "How long cycles took",
            Unit::Seconds,
            self.cycle_seconds.clone(),
        );
        registry.register("actions", "Actions, by kind and how they ended", self.actions.clone());
        registry.register(
            "api_calls",
            "Calls to each side, by rate-limit bucket",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "lag",
            "Since the last cycle that ended well",
            Unit::Seconds,
            self.lag.clone(),
        );
        let gauges = [
            ("pending_requests", "Requests in force and not done", &self.pending),
            ("held_actions", "Actions that wait for a person's yes", &self.held),
            ("quarantined", "1 while whole kinds of action are held", &self.quarantined),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        let families = [
            ("side_up", "1 while a side answers", &self.side_up),
            ("budget_limit_calls", "Calls in a window that a side allows", &self.budget_limit),
            ("budget_share_ratio", "The part of the limit that is ours", &self.budget_share),
            ("budget_used_calls", "Our calls in the current window", &self.budget_used),
            (
                "target_seconds",
                "From in force to done, over 30 days, by quantile (1 is the slowest)",
                &self.target_seconds,
            ),
            ("target_breaches", "Missed targets in 30 days", &self.target_breaches),
        ];
        for (name, help, family) in families {
            registry.register(name, help, family.clone());
        }
        self
    }

    /// Counts a cycle that ended well.
    pub(crate) fn cycle(&self, report: &CycleReport) {
        self.count_cycle(report.full, report.outcome());
        self.cycle_seconds.observe(report.seconds);
        for action in &report.actions {
            let Some(name) = action.action else { continue };
            // What waits is a number of now, not something that happens in each cycle.
            if matches!(action.outcome, "applied" | "failed") {
                let labels =
                    vec![("action", name.to_owned()), ("outcome", action.outcome.to_owned())];
                self.actions.get_or_create(&labels).inc();
            }
        }
    }

    /// Counts a cycle that ended early.
    pub(crate) fn failed_cycle(&self, full: bool) {
        self.count_cycle(full, "failed");
    }

    fn count_cycle(&self, full: bool, outcome: &str) {
        let kind = if full { "full" } else { "changes" };
        let labels = vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())];
        self.cycles.get_or_create(&labels).inc();
    }

    /// Takes over how many calls were made since the connections were set up, by side and bucket.
    pub(crate) fn calls(&self, now: Vec<(&'static str, String, u64)>) {
        let mut seen = self.seen_calls.lock().unwrap_or_else(PoisonError::into_inner);
        for (side, bucket, now) in now {
            let before = seen.insert((side, bucket.clone()), now).unwrap_or(0);
            // Fewer than before: a reload made new connections.
            let more = now.checked_sub(before).unwrap_or(now);
            let labels = vec![("side", side.to_owned()), ("bucket", bucket)];
            self.calls.get_or_create(&labels).inc_by(more);
        }
    }

    /// Sets the gauges from a status report; an unknown lag, limit or time keeps its last value.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn status(&self, status: &StatusReport) {
        if let Some(lag) = status.lag_seconds {
            *self.known_lag.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((lag as f64, Instant::now()));
        }
        self.pending.set(status.pending.unwrap_or(0) as f64);
        self.held.set(status.held.unwrap_or(0) as f64);
        self.quarantined.set(f64::from(u8::from(status.quarantined.is_some())));
        let up = |view: &SideView| f64::from(u8::from(view.ok == Some(true)));
        let sides = [("servicenow", &status.sides.servicenow), ("okta", &status.sides.okta)];
        for (side, view) in sides {
            self.side_up.get_or_create(&vec![("side", side.to_owned())]).set(up(view));
        }
        for used in &status.budget {
            let labels = vec![("side", used.side.clone()), ("bucket", used.bucket.clone())];
            if let Some(limit) = used.limit {
                self.budget_limit.get_or_create(&labels).set(limit as f64);
            }
            self.budget_share.get_or_create(&labels).set(used.share);
            self.budget_used.get_or_create(&labels).set(used.used as f64);
        }
        for (operation, latency) in
            [("join", &status.targets.join), ("leave", &status.targets.leave)]
        {
            let operation = ("operation", operation.to_owned());
            for (quantile, value) in
                [("0.5", latency.p50), ("0.95", latency.p95), ("1", latency.max)]
            {
                let labels = vec![operation.clone(), ("quantile", quantile.to_owned())];
                if let Some(value) = value {
                    self.target_seconds.get_or_create(&labels).set(value);
                }
            }
            self.target_breaches.get_or_create(&vec![operation]).set(latency.breaches as f64);
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
