//! The shell: reads both sides into the store, lets the pure core decide, carries out what was
//! approved, and writes back. Free functions over [`Deps`]; [`cycle`] is the whole on one screen.

pub(crate) mod approvers;
pub(crate) mod clock;
pub(crate) mod closely;
pub(crate) mod contain;
pub(crate) mod cycle;
pub(crate) mod decide;
pub(crate) mod edit;
pub(crate) mod items;
pub(crate) mod link;
pub(crate) mod observe;
pub(crate) mod of_request;
pub(crate) mod org;
pub(crate) mod plan;
pub(crate) mod resolve;

pub(crate) mod apply;
pub(crate) mod batch;
mod before_writing;
pub(crate) mod brake;
pub(crate) mod deadlines;
pub(crate) mod in_doubt;
pub(crate) mod lane;
pub(crate) mod lanes;
pub(crate) mod open_items;
pub(crate) mod outcome;
pub(crate) mod record;
mod set_log;
mod settle;
pub(crate) mod waiting;
pub(crate) mod writeback;

pub(crate) mod deps;
pub(crate) mod error;
pub(crate) mod log;
pub(crate) mod names;
pub(crate) mod scope;
pub(crate) mod side_by_side;
pub(crate) mod subject;
mod terms;
pub(crate) mod unsaid;
pub(crate) mod upstream;
pub(crate) mod writers;

pub use cycle::{run, run_beside};
pub use deadlines::watch_deadlines;
pub use deps::{Calls, Clock, Deps, OnProgress};
pub use error::{Side, SyncError};
pub use names::PersonNames;
pub use of_request::{RequestPlans, plan_request};
pub use outcome::{CycleOutcome, Summary};
pub use plan::{CyclePlan, plan, plan_from_store, plan_person};
pub use scope::Scope;
pub use upstream::record_health;
pub use writers::Writers;
