//! What a cycle did or would do, and what differs: the shapes of the JSON that commands print.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cycle::Preview;

/// Calls made to each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// To ServiceNow.
    pub servicenow: u64,
    /// To Okta.
    pub okta: u64,
}

impl Calls {
    pub(super) fn since(self, before: &Self) -> Self {
        Self { servicenow: self.servicenow - before.servicenow, okta: self.okta - before.okta }
    }
}

/// Who is meant, in every report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PersonView {
    /// The row of `sys_user`; `None` for an account without a person.
    pub sys_id: Option<String>,
    /// The ServiceNow login.
    pub user_name: Option<String>,
    /// The Okta login.
    pub login: Option<String>,
    /// The Okta id.
    pub okta_id: Option<String>,
}

impl PersonView {
    /// The name to call the person by: the Okta login, else the best there is.
    pub fn name(&self) -> &str {
        [&self.login, &self.user_name, &self.sys_id, &self.okta_id]
            .into_iter()
            .find_map(|name| name.as_deref().filter(|name| !name.is_empty()))
            .unwrap_or("somebody")
    }
}

/// From what to what one attribute goes; `None` is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// Before.
    pub from: Option<String>,
    /// After.
    pub to: Option<String>,
}

/// One action, done or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionReport {
    /// Its id in the journal, once it was begun.
    pub id: Option<i64>,
    /// The request, `BASELINE`, or `None`.
    pub request: Option<String>,
    /// The order.
    pub parent: Option<String>,
    /// Why now.
    pub cause: &'static str,
    /// The contract's name of the action; `None` for a request that cannot be carried out.
    pub action: Option<&'static str>,
    /// For whom.
    pub person: PersonView,
    /// Which group, by name.
    pub group: Option<String>,
    /// Groups that an account gets at its creation, by name. For people: the JSON has no key for it.
    #[serde(skip)]
    pub groups: Vec<String>,
    /// Profile changes.
    pub changes: BTreeMap<String, ChangeView>,
    /// `planned`, `applied`, `failed`, `held` or `skipped`.
    pub outcome: &'static str,
    /// `X-Okta-Request-Id`.
    pub okta_request_id: Option<String>,
    /// What went wrong, or why it waits.
    pub error: Option<String>,
    /// It failed, and the same call may succeed later.
    #[serde(skip)]
    pub transient: bool,
}

/// How many actions ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Would be done.
    pub planned: usize,
    /// Done.
    pub applied: usize,
    /// Refused by Okta, or without an answer.
    pub failed: usize,
    /// Waiting for a person.
    pub held: usize,
    /// Left by `observe`, or because something before them failed.
    pub skipped: usize,
}

/// One cycle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CycleReport {
    /// Its number.
    pub cycle: i64,
    /// It read everything.
    pub full: bool,
    /// Why whole kinds of action are held.
    pub quarantined: Option<String>,
    /// The actions, in order.
    pub actions: Vec<ActionReport>,
    /// Counts of them.
    pub summary: Summary,
    /// Calls made.
    pub calls: Calls,
    /// How long it took.
    pub seconds: f64,
}

impl CycleReport {
    pub(super) fn new(preview: &Preview) -> Self {
        Self {
            cycle: preview.cycle,
            full: preview.full,
            quarantined: preview.verdict.quarantined.clone(),
            actions: Vec::new(),
            summary: Summary::default(),
            calls: Calls::default(),
            seconds: 0.0,
        }
    }

    pub(super) fn push(&mut self, action: ActionReport) {
        let count = match action.outcome {
            "planned" => &mut self.summary.planned,
            "applied" => &mut self.summary.applied,
            "failed" => &mut self.summary.failed,
            "held" => &mut self.summary.held,
            _ => &mut self.summary.skipped,
        };
        *count += 1;
        self.actions.push(action);
    }

    /// Whether it is said already that something of a request waits or failed.
    pub(super) fn mentions(&self, request: &str) -> bool {
        self.actions.iter().any(|action| {
            matches!(action.outcome, "held" | "failed" | "planned")
                && action.request.as_deref() == Some(request)
        })
    }

    pub(super) fn finish(&mut self, calls: Calls, took: chrono::Duration) {
        self.calls = calls;
        self.seconds = took.as_seconds_f64();
    }

    /// Whether somebody is needed, or something is left to do.
    pub fn needs_attention(&self) -> bool {
        let Summary { planned, applied: _, failed, held, skipped } = self.summary;
        self.quarantined.is_some() || planned + failed + held + skipped > 0
    }

    /// How it ended, in a word.
    pub fn outcome(&self) -> &'static str {
        if self.quarantined.is_some() {
            "quarantined"
        } else if self.needs_attention() {
            "attention"
        } else {
            "converged"
        }
    }
}

/// One difference, or one account that is nobody's business here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftItem {
    /// Whose.
    pub person: PersonView,
    /// `status`, `profile`, `membership` or `account`.
    pub fact: &'static str,
    /// The attribute or the group's name.
    pub name: Option<String>,
    /// How it should be.
    pub desired: Option<String>,
    /// How it is.
    pub actual: Option<String>,
    /// The request that it comes from, or `BASELINE`.
    pub request: Option<String>,
    /// The order.
    pub parent: Option<String>,
    /// Why the two differ.
    pub cause: &'static str,
    /// What is to be done.
    pub disposition: &'static str,
    /// The action that would remove it.
    pub action: Option<&'static str>,
    /// Why, for a person to read.
    pub reason: String,
}

/// Totals of a drift report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DriftSummary {
    /// People with a managed account, or for whom one is wanted.
    pub people: usize,
    /// Of these, those in agreement.
    pub in_sync: usize,
    /// Of these, those who are not.
    pub drifted: usize,
    /// Actions that the next cycle would take.
    pub actions: usize,
    /// Actions that wait.
    pub held: usize,
    /// Accounts without a person.
    pub unmanaged: usize,
    /// Whole kinds of action are held.
    pub quarantined: bool,
}

/// Whether Okta is right, and where not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftReport {
    /// When, RFC 3339.
    pub generated_at: String,
    /// Read from both sides just now, rather than from the last observed state.
    pub live: bool,
    /// Totals.
    pub summary: DriftSummary,
    /// Every difference.
    pub items: Vec<DriftItem>,
}

impl DriftReport {
    /// Whether anything differs that is somebody's business.
    pub fn differs(&self) -> bool {
        self.summary.quarantined
            || self.items.iter().any(|item| !matches!(item.disposition, "unmanaged" | "protected"))
    }
}
