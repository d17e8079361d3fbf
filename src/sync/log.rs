//! The golden thread in the log: whatever is logged of a request or of a person carries the fields
//! of both, so that `REQUEST=RITM0010001` finds all of it.

use crate::model::{Action, Origin, Outcome, Request, SysId, approver_names};
use crate::reconcile::disabling::reason_for_disabling;
use crate::reconcile::{planned::PlannedAction, retry::FORGOTTEN, retry::gist, wording::sentence};
use crate::store::{HoldDecision, Store, StoreError};
use crate::sync::deps::Deps;
use crate::sync::names::{PersonNames, names_of};
use crate::sync::outcome::{
    ActionOutcome, ActionResult, CycleOutcome, describe_action, parent_word, request_word,
};
use crate::sync::scope::Cycle;

/// What an event says of its request and of its person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogThread {
    /// The number, `BASELINE`, or `None`.
    pub(crate) request: Option<String>,
    /// The number of its order.
    pub(crate) parent: Option<String>,
    /// Who approved it, as `ann, bob`.
    pub(crate) approver: Option<String>,
    pub(crate) person: PersonNames,
}

impl LogThread {
    pub(crate) fn of(
        store: &Store,
        origin: &Origin,
        person: PersonNames,
    ) -> Result<Self, StoreError> {
        let request = origin.request();
        let approvers = request.map(|request| store.approvers().of_number(&request.number));
        let approver = approvers.transpose()?.and_then(|found| approver_names(&found));
        let (request, parent) = (request_word(origin), parent_word(origin));
        Ok(Self { request, parent, approver, person })
    }

    /// Of a request by itself: with the person, where it is for one alone.
    pub(crate) fn of_request(store: &Store, request: &Request) -> Result<Self, StoreError> {
        let resolved = store.requests().resolved(&request.sys_id)?;
        let person = match resolved.as_ref().map(|resolved| resolved.terms.people.as_slice()) {
            Some([person]) => names_of(store, person)?,
            _ => PersonNames::default(),
        };
        Self::of(store, &Origin::Request(request.reference.clone()), person)
    }

    pub(crate) fn of_person(store: &Store, person: &SysId) -> Result<Self, StoreError> {
        Ok(Self { person: names_of(store, person)?, ..Self::default() })
    }
}

/// Logs an event with the fields of a [`LogThread`], further ones in braces, and a sentence.
macro_rules! log_event {
    ($level:ident, $thread:expr, { $($field:tt)* }, $($sentence:tt)+) => {{
        let thread = &$thread;
        tracing::$level!(
            request = thread.request.as_deref(),
            parent = thread.parent.as_deref(),
            approver = thread.approver.as_deref(),
            login = thread.person.login.as_deref(),
            sys_id = thread.person.sys_id.as_deref(),
            okta_user = thread.person.okta_id.as_deref(),
            $($field)*,
            $($sentence)+
        );
    }};
}
pub(crate) use log_event;

/// Logs how an action ended, once for each thing that it did, and adds it to what the cycle did.
pub(crate) fn log_action(
    deps: &Deps,
    planned: &PlannedAction,
    id: i64,
    cycle: &Cycle,
    result: &Outcome,
    outcome: &mut CycleOutcome,
) -> Result<(), StoreError> {
    let (word, okta_request_id, error, transient) = match result {
        Outcome::Applied { okta_request_id } | Outcome::AlreadySo { okta_request_id } => {
            (ActionResult::Applied, okta_request_id.clone(), None, false)
        }
        Outcome::Failed { error, okta_request_id, transient, .. } => {
            (ActionResult::Failed, okta_request_id.clone(), Some(error), *transient)
        }
        Outcome::Unknown { error } => (ActionResult::Failed, None, Some(error), true),
    };
    let described = describe_action(&deps.store, planned, word, error.cloned())?;
    let action = ActionOutcome { id: Some(id), okta_request_id, transient, ..described };
    let text = told(deps, planned, id, &action)?;
    // In a warning once when it begins and once when it changes, not each time that it is tried.
    let mut warns = false;
    if let Some(error) = error {
        let since = deps.now() - FORGOTTEN;
        let (_, before) = deps.store.journal().failures_before(&planned.action, id, since)?;
        warns = before.is_none_or(|before| gist(&before) != gist(error));
    }
    let thread = LogThread::of(&deps.store, &planned.action.origin, action.person.clone())?;
    macro_rules! event {
        ($level:ident) => {
            log_event!(
                $level,
                thread,
                {
                    action = planned.action.step.name(),
                    outcome = word.as_str(),
                    cause = action.cause,
                    group = action.group.as_deref(),
                    okta_request_id = action.okta_request_id.as_deref(),
                    action_id = id,
                    cycle = cycle.id
                },
                "{text}"
            )
        };
    }
    if warns {
        event!(warn);
    } else {
        event!(info);
    }
    if word == ActionResult::Applied {
        let made = Made {
            action_id: id,
            okta_request_id: action.okta_request_id.as_deref(),
            cycle: Some(cycle.id),
        };
        let origin = &planned.action.origin;
        action.groups.iter().for_each(|group| log_made_member(&thread, origin, group, &made));
    }
    outcome.push(action);
    Ok(())
}

/// The call that made an account.
#[derive(Debug, Default)]
pub(crate) struct Made<'a> {
    pub(crate) action_id: i64,
    pub(crate) okta_request_id: Option<&'a str>,
    pub(crate) cycle: Option<i64>,
}

/// Logs a membership that came with the making of an account: whoever looks for the group finds it
/// like any other.
pub(crate) fn log_made_member(thread: &LogThread, origin: &Origin, group: &str, made: &Made<'_>) {
    log_event!(
        info,
        thread,
        {
            action = "add_member",
            outcome = "applied",
            group,
            okta_request_id = made.okta_request_id,
            action_id = made.action_id,
            cycle = made.cycle
        },
        "{origin}: added {} to {group}, with the making of the account",
        thread.person.name()
    );
}

/// How an action ended, as a sentence: what it did, why where it disables, who released it, and
/// what went wrong.
fn told(
    deps: &Deps,
    planned: &PlannedAction,
    id: i64,
    action: &ActionOutcome,
) -> Result<String, StoreError> {
    let mut text = sentence(&planned.action, action.person.name(), action.group.as_deref());
    if let Some(why) = why_disabled(deps, planned)? {
        text = format!("{text}: {why}");
    }
    if let Some(HoldDecision { by, because, .. }) = deps.store.decisions().release_used_by(id)? {
        text = format!("{text}, released by {by}: {because}");
    }
    Ok(match &action.error {
        Some(error) => format!("{text}: failed: {error}"),
        None => text,
    })
}

fn why_disabled(deps: &Deps, planned: &PlannedAction) -> Result<Option<String>, StoreError> {
    let Action { person, step, origin, .. } = &planned.action;
    if !step.disables() {
        return Ok(None);
    }
    let mut requests = deps.store.requests().resolved_for(person)?.into_iter();
    let request = requests.find(|request| origin.request() == Some(&request.reference));
    let record = deps.store.people().get(person)?;
    Ok(reason_for_disabling(planned, request.as_ref(), record.as_ref(), deps.now()))
}
