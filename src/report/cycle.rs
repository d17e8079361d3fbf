//! `sync` and `plan`: what a cycle did, or would do.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Change, Pause, StepKind};
use crate::sync::deps::{Calls, Deps};
use crate::sync::error::SyncError;
use crate::sync::names::PersonNames;
use crate::sync::outcome::{ActionOutcome, ActionResult, CycleOutcome, Summary, describe_action};
use crate::sync::plan::CyclePlan;
use crate::sync::waiting::describe_waiting;

/// What one cycle did or, for a plan, would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CycleReport {
    /// Its number in the store; a plan's is given again to the next cycle.
    pub cycle: i64,
    /// It read both sides whole, rather than only what changed.
    pub full: bool,
    /// Why whole kinds of action are held.
    pub quarantined: Option<String>,
    /// Writing is paused: who did that, since when and why. For people: the JSON has no key for it.
    #[serde(skip)]
    pub paused: Option<Pause>,
    /// The actions, in order.
    pub actions: Vec<ActionReport>,
    /// How many of `actions` ended in each way.
    pub summary: Summary,
    /// HTTP calls that the cycle sent to each side, failed ones included.
    pub calls: Calls,
    /// From its start to its end, in seconds.
    pub seconds: f64,
}

/// One action, done or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionReport {
    /// Its id in the journal, once it was begun.
    pub id: Option<i64>,
    /// The request, `BASELINE`, or `None`.
    pub request: Option<String>,
    /// The number of the request's order, `REQ0010001`; `None` where none is known.
    pub parent: Option<String>,
    /// Why the two sides differ now: `request`, `record`, `drift` or `rule`.
    pub cause: &'static str,
    /// The contract's name of the action; `None` for a request that cannot be carried out.
    pub action: Option<&'static str>,
    /// Whose account it is about; without an account some names are `None`.
    pub person: PersonNames,
    /// Which group, by name.
    pub group: Option<String>,
    /// Groups that an account gets at its creation, by name. For people: the JSON has no key for
    /// it.
    #[serde(skip)]
    pub groups: Vec<String>,
    /// By attribute, Okta's value and the new one; empty unless a profile is written.
    pub changes: BTreeMap<String, Change>,
    /// `planned`, `applied`, `failed`, `held` or `skipped`.
    pub outcome: &'static str,
    /// The answer's `X-Okta-Request-Id`; `None` where no answer with one came.
    pub okta_request_id: Option<String>,
    /// What went wrong, or why it waits.
    pub error: Option<String>,
    /// It failed, and the same call may succeed later.
    #[serde(skip)]
    pub transient: bool,
}

/// What would be done, what waits, and what is only observed.
pub fn planned(deps: &Deps, plan: &CyclePlan) -> Result<CycleReport, SyncError> {
    let mut outcome = CycleOutcome::of(plan);
    for approved in plan.approval.approved.actions() {
        let planned = ActionResult::Planned;
        outcome.push(describe_action(&deps.store, &approved.planned, planned, None)?);
    }
    describe_waiting(deps, plan, &mut outcome)?;
    outcome.paused = deps.store.brake().in_force()?;
    let took = deps.now() - plan.cycle.started;
    outcome.finish(deps.calls().since(&plan.cycle.calls_before), took);
    Ok(outcome.into())
}

impl CycleReport {
    /// Whether somebody is needed, or something is left to do.
    pub fn needs_attention(&self) -> bool {
        self.quarantined.is_some() || self.summary.needs_attention()
    }

    /// How it ended, in a word.
    pub fn outcome(&self) -> &'static str {
        self.summary.word(self.quarantined.is_some())
    }
}

impl From<CycleOutcome> for CycleReport {
    fn from(outcome: CycleOutcome) -> Self {
        let CycleOutcome { cycle, full, quarantined, paused, actions, summary, calls, seconds } =
            outcome;
        let actions = actions.into_iter().map(ActionReport::from).collect();
        Self { cycle, full, quarantined, paused, actions, summary, calls, seconds }
    }
}

impl From<ActionOutcome> for ActionReport {
    fn from(action: ActionOutcome) -> Self {
        Self {
            id: action.id,
            request: action.request,
            parent: action.parent,
            cause: action.cause.as_str(),
            action: action.step.map(StepKind::as_str),
            person: action.person,
            group: action.group,
            groups: action.groups,
            changes: action.changes,
            outcome: action.result.as_str(),
            okta_request_id: action.okta_request_id,
            error: action.error,
            transient: action.transient,
        }
    }
}
