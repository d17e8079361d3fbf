//! What people and programs read: views with the JSON keys of the contract, made from a plan, an
//! outcome and the store. Nothing that acts depends on them.

mod cycle;
mod drift;
mod explanation;
mod holds;
mod person;
mod status;

use chrono::SecondsFormat;

use crate::model::Timestamp;

pub use cycle::{ActionReport, CycleReport, planned};
pub use drift::{DriftItem, DriftReport, DriftSummary, drift};
pub use explanation::{AccountView, Explanation, FactView, ReasonView, explain};
pub use holds::{Decided, HoldReport, HoldView, Released, holds, record_decision};
pub use person::RequestView;
pub(crate) use status::running_status;
pub use status::{
    BudgetView, CycleView, DAEMON, LatencyView, SideView, SidesView, StatusReport, TargetsView,
    status,
};

/// A moment in JSON: RFC 3339, in seconds.
fn stamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
