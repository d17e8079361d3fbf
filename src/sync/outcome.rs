//! What a cycle did, and what is left: the lines that reports are made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{Change, Origin, Pause, Step, StepKind, SysId};
use crate::reconcile::planned::PlannedAction;
use crate::store::{OpenCounts, Store, StoreError};
use crate::sync::deps::Calls;
use crate::sync::names::{PersonNames, group_name, names_of};

/// What one cycle did and found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CycleOutcome {
    pub(crate) cycle: i64,
    pub(crate) full: bool,
    /// Why whole kinds of action are held.
    pub(crate) quarantined: Option<String>,
    /// Writing is paused.
    pub(crate) paused: Option<Pause>,
    pub(crate) actions: Vec<ActionOutcome>,
    pub(crate) summary: Summary,
    pub(crate) calls: Calls,
    pub(crate) seconds: f64,
    /// Who alone is shown and counted, where the cycle was about one person.
    pub(crate) only: Option<SysId>,
    /// What was planned or tried, by fingerprint: it is among `actions`.
    pub(crate) told: BTreeSet<String>,
}

/// One action, done or not; or something that is open without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ActionOutcome {
    /// Its id in the journal, once it was begun.
    pub(crate) id: Option<i64>,
    /// The request, `BASELINE`, or `None`.
    pub(crate) request: Option<String>,
    /// The request's row.
    pub(crate) request_sys_id: Option<String>,
    pub(crate) parent: Option<String>,
    /// Why the two sides differ: `request`, `record`, `drift` or `rule`.
    pub(crate) cause: &'static str,
    /// `None` for what cannot be carried out.
    pub(crate) step: Option<StepKind>,
    pub(crate) person: PersonNames,
    /// Its name now, or its id where it is gone.
    pub(crate) group: Option<String>,
    /// Groups that an account gets at its creation, by name.
    pub(crate) groups: Vec<String>,
    pub(crate) changes: BTreeMap<String, Change>,
    pub(crate) result: ActionResult,
    pub(crate) okta_request_id: Option<String>,
    /// What went wrong, or why it waits.
    pub(crate) error: Option<String>,
    /// It failed, and the same call may succeed later.
    pub(crate) transient: bool,
    /// The set that it waits in.
    pub(crate) set: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ActionResult {
    /// It would be done.
    #[default]
    Planned,
    Applied,
    /// Okta refused it, or gave no answer.
    Failed,
    /// It waits for a decision, or for something else to change.
    Held,
    /// Left by `observe`, by a pause, or because something before it failed.
    Skipped,
}

impl ActionResult {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Skipped => "skipped",
        }
    }
}

/// How many actions ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Would be done, or is still to do although nothing stands in its way.
    pub planned: usize,
    /// Done, or found to be so already.
    pub applied: usize,
    /// Refused by Okta or without an answer, or not to be read or written on afterwards.
    pub failed: usize,
    /// Waiting for a person's decision, or for something else to change.
    pub held: usize,
    /// Left by `observe`, by a pause, or because something before them failed.
    pub skipped: usize,
}

impl Summary {
    /// Whether somebody is needed, or something is left to do.
    pub(crate) fn needs_attention(&self) -> bool {
        let Self { planned, applied: _, failed, held, skipped } = self;
        planned + failed + held + skipped > 0
    }

    fn add(&mut self, other: Self) {
        self.planned += other.planned;
        self.applied += other.applied;
        self.failed += other.failed;
        self.held += other.held;
        self.skipped += other.skipped;
    }

    pub(crate) fn word(&self, quarantined: bool) -> &'static str {
        if quarantined {
            "quarantined"
        } else if self.needs_attention() {
            "attention"
        } else {
            "converged"
        }
    }
}

impl CycleOutcome {
    pub(crate) fn push(&mut self, action: ActionOutcome) {
        let count = match action.result {
            ActionResult::Planned => &mut self.summary.planned,
            ActionResult::Applied => &mut self.summary.applied,
            ActionResult::Failed => &mut self.summary.failed,
            ActionResult::Held => &mut self.summary.held,
            ActionResult::Skipped => &mut self.summary.skipped,
        };
        *count += 1;
        self.actions.push(action);
    }

    /// Goes by a newer plan, beside what was done by an older one.
    pub(crate) fn begin(&mut self, plan: Self) {
        let Self { cycle, full, quarantined, only, .. } = plan;
        (self.cycle, self.full, self.quarantined) = (cycle, full, quarantined);
        self.only = only.or(self.only.take());
    }

    /// Adds what one person's or one request's turn came to.
    pub(crate) fn add(&mut self, part: Self) {
        self.actions.extend(part.actions);
        self.summary.add(part.summary);
        self.told.extend(part.told);
        self.paused = part.paused.or(self.paused.take());
    }

    /// Adds how much is open beside what was done now.
    pub(crate) fn count_open(&mut self, open: &OpenCounts) {
        self.summary.planned += open.apply;
        self.summary.held += open.held;
        self.summary.skipped += open.observed;
    }

    pub(crate) fn finish(&mut self, calls: Calls, took: chrono::Duration) {
        self.calls = calls;
        self.seconds = took.as_seconds_f64();
    }

    pub(crate) fn word(&self) -> &'static str {
        self.summary.word(self.quarantined.is_some())
    }
}

pub(crate) fn describe_action(
    store: &Store,
    planned: &PlannedAction,
    result: ActionResult,
    error: Option<String>,
) -> Result<ActionOutcome, StoreError> {
    let action = &planned.action;
    let mut person = names_of(store, &action.person)?;
    let mut changes = BTreeMap::new();
    let mut groups = Vec::new();
    match &action.step {
        Step::Create { profile, groups: ids, activate: _ } => {
            person.login = person.login.or_else(|| profile.get("login").cloned());
            let set = |to: &String| Change { from: None, to: Some(to.clone()) };
            changes.extend(profile.iter().map(|(attribute, to)| (attribute.clone(), set(to))));
            for id in ids {
                groups.push(group_name(store, id)?);
            }
        }
        Step::Update { changes: updates } => changes.clone_from(updates),
        _ => {}
    }
    Ok(ActionOutcome {
        step: Some(action.step.kind()),
        group: action.step.group().map(|group| group_name(store, group)).transpose()?,
        groups,
        changes,
        request: request_word(&action.origin),
        request_sys_id: request_sys_id(store, &action.origin)?,
        parent: parent_word(&action.origin),
        cause: action.cause.as_str(),
        person,
        result,
        error,
        ..ActionOutcome::default()
    })
}

/// The request, or `BASELINE`; `None` where nobody asked.
pub(crate) fn request_word(origin: &Origin) -> Option<String> {
    match origin {
        Origin::None => None,
        Origin::Baseline | Origin::Request(_) => Some(origin.to_string()),
    }
}

/// The row of the request that something comes from: numbers are not always unique.
pub(crate) fn request_sys_id(store: &Store, origin: &Origin) -> Result<Option<String>, StoreError> {
    let Some(request) = origin.request() else { return Ok(None) };
    let id = store.requests().called(&request.number)?;
    Ok(id.map(|id| id.as_str().to_owned()))
}

pub(crate) fn parent_word(origin: &Origin) -> Option<String> {
    Some(origin.request()?.parent.as_ref()?.as_str().to_owned())
}
