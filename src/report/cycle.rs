//! `sync` and `plan`: what a cycle did, or would do.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{
    Change, Disposition, GroupId, OpenAction, Pause, ReportReason, StepKind, Subject,
};
use crate::store::StoredItem;
use crate::sync::deps::{Calls, Deps};
use crate::sync::error::SyncError;
use crate::sync::names::{PersonNames, group_name, names_of};
use crate::sync::outcome::{
    ActionOutcome, ActionResult, CycleOutcome, Summary, describe_action, parent_word,
    request_sys_id, request_word,
};
use crate::sync::plan::CyclePlan;
use crate::sync::record::record_planned;

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
    /// The request's row; `None` where it comes from none.
    pub request_sys_id: Option<String>,
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
    /// The set that it waits in. For people: the JSON has no key for it.
    #[serde(skip)]
    pub set: Option<String>,
}

/// What would be done, what waits, and what is only observed.
pub fn planned(deps: &Deps, plan: &CyclePlan) -> Result<CycleReport, SyncError> {
    record_planned(deps, plan)?;
    let mut outcome = plan.outcome();
    for approved in plan.approval.approved.actions() {
        let planned = &approved.planned;
        outcome.told.insert(planned.fingerprint());
        outcome.push(describe_action(&deps.store, planned, ActionResult::Planned, None)?);
    }
    add_open(deps, &mut outcome, ActionResult::Planned)?;
    outcome.paused = deps.store.brake().in_force()?;
    let took = deps.now() - plan.cycle.started;
    outcome.finish(deps.calls().since(&plan.cycle.calls_before), took);
    Ok(outcome.into())
}

/// What a cycle did, and what is open after it.
pub fn done(deps: &Deps, mut outcome: CycleOutcome) -> Result<CycleReport, SyncError> {
    let summary = outcome.summary;
    let added = add_open(deps, &mut outcome, ActionResult::Skipped);
    added.map_err(|error| error.located(&deps.config.store.path))?;
    // It was counted when the cycle ended.
    outcome.summary = summary;
    Ok(outcome.into())
}

/// Adds a line for everything that is open and was not told yet. `observed` says how what is only
/// observed counts: it would be done, or is left.
fn add_open(
    deps: &Deps,
    outcome: &mut CycleOutcome,
    observed: ActionResult,
) -> Result<(), SyncError> {
    let now = deps.now();
    let only = outcome.only.clone();
    for stored in deps.store.open_items().counting(only.as_ref(), now)? {
        let told = |action: &OpenAction| outcome.told.contains(&action.fingerprint);
        let result = match &stored.item.disposition {
            Disposition::Report(ReportReason::Observed(would)) if would.would.is_apply() => {
                observed
            }
            Disposition::Report(ReportReason::Observed(_)) => match observed {
                ActionResult::Planned => ActionResult::Held,
                other => other,
            },
            Disposition::Report(_) | Disposition::Protected(_) => continue,
            Disposition::Apply => ActionResult::Planned,
            Disposition::Hold(_) | Disposition::Blocked(_) => ActionResult::Held,
        };
        if !stored.item.action.as_ref().is_some_and(told) {
            outcome.push(open_line(deps, &stored, result)?);
        }
    }
    Ok(())
}

fn open_line(
    deps: &Deps,
    stored: &StoredItem,
    result: ActionResult,
) -> Result<ActionOutcome, SyncError> {
    let StoredItem { item, .. } = stored;
    let mut person = match &item.subject {
        Subject::Person(id) => names_of(&deps.store, id)?,
        _ => PersonNames::default(),
    };
    let named = |id: &GroupId| group_name(&deps.store, id);
    let (mut group, mut groups, mut changes) = (None, Vec::new(), BTreeMap::new());
    if let Some(action) = &item.action {
        group = action.group.as_ref().map(named).transpose()?;
        groups = action.groups.iter().map(named).collect::<Result<_, _>>()?;
        changes.clone_from(&action.changes);
        let login = action.changes.get("login").and_then(|change| change.to.clone());
        person.login = person.login.or(login);
    }
    Ok(ActionOutcome {
        request: request_word(&item.origin),
        request_sys_id: request_sys_id(&deps.store, &item.origin)?,
        parent: parent_word(&item.origin),
        cause: item.cause.as_str(),
        step: item.action.as_ref().map(|action| action.step),
        person,
        group,
        groups,
        changes,
        result,
        error: Some(item.reason()),
        set: item.shared_cause().map(|cause| cause.set),
        ..ActionOutcome::default()
    })
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
        let CycleOutcome {
            cycle, full, quarantined, paused, actions, summary, calls, seconds, ..
        } = outcome;
        let actions = actions.into_iter().map(ActionReport::from).collect();
        Self { cycle, full, quarantined, paused, actions, summary, calls, seconds }
    }
}

impl From<ActionOutcome> for ActionReport {
    fn from(action: ActionOutcome) -> Self {
        Self {
            id: action.id,
            request: action.request,
            request_sys_id: action.request_sys_id,
            parent: action.parent,
            cause: action.cause,
            action: action.step.map(StepKind::as_str),
            person: action.person,
            group: action.group,
            groups: action.groups,
            changes: action.changes,
            outcome: action.result.as_str(),
            okta_request_id: action.okta_request_id,
            error: action.error,
            transient: action.transient,
            set: action.set,
        }
    }
}
