//! What people and programs read: views with the JSON keys of the contract, made from a plan, an
//! outcome and the store. Nothing that acts depends on them.

mod cycle;
mod drift;
mod explanation;
mod holds;
mod last_decided;
mod needs;
mod people;
mod person;
mod request_explanation;
mod request_list;
mod requests;
mod status;
mod status_view;

use chrono::SecondsFormat;

use crate::model::{FactKey, Timestamp};
use crate::store::{Store, StoreError};
use crate::sync::names::group_name;

pub use cycle::{ActionReport, CycleReport, done, planned};
pub use drift::{DriftItem, DriftReport, DriftSummary, OpenView, drift, drift_cached};
pub use explanation::{
    AccountView, Explanation, Explanations, FactView, ReasonView, explain, several_called,
};
pub(crate) use holds::pause_in_force;
pub use holds::{
    Decided, HoldFilter, HoldReport, HoldView, Released, SetView, hold, holds, record_decision,
};
pub use last_decided::{LastDecided, explain_last_decided};
pub use people::{ListedPerson, PeopleFilter, PeopleList, people};
pub use person::RequestView;
pub use request_explanation::{
    ApproverView, ExplainedRequest, RequestExplanation, explain_request,
};
pub use request_list::{ListedRequest, RequestFilter, RequestList, requests};
pub use requests::WaitingRequest;
pub(crate) use status::running_status;
pub use status::{DAEMON, status};
pub use status_view::{
    BudgetView, CycleView, LatencyView, NeedView, SideView, SidesView, StatusReport, TargetsView,
};

/// The attribute or the group's name that a fact is about.
fn fact_name(store: &Store, key: &FactKey) -> Result<Option<String>, StoreError> {
    Ok(match key {
        FactKey::Account | FactKey::Status => None,
        FactKey::Profile(attribute) => Some(attribute.clone()),
        FactKey::Membership(group) => Some(group_name(store, group)?),
    })
}

/// A moment in JSON: RFC 3339, in seconds.
fn stamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
