//! Acting: the journal before and after every call.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::{
    AccountId, AccountStatus, Action, Cause, FactKey, Operation, Outcome, ResolvedRequest, Step,
    SysId,
};
use crate::okta::{self, Performed};
use crate::reconcile::guard::key_text;
use crate::reconcile::plan::Planned;
use crate::reconcile::retry::gist;
use crate::store::{Entry, HoldDecision, StoreError};
use crate::sync::deps::{Deps, InFlight, Writers};
use crate::sync::error::SyncError;
use crate::sync::mail::{record_mail_owed, settle_mail_owed};
use crate::sync::narrow::narrow;
use crate::sync::observe::accounts::account_keys;
use crate::sync::outcome::{ActionResult, CycleOutcome, describe_action};
use crate::sync::plan::CyclePlan;
use crate::sync::scope::Cycle;

/// A failure that is longer ago than this is another story.
const FORGOTTEN: chrono::Duration = chrono::Duration::hours(1);

/// Who was acted on, what was done, and what Okta refused for good.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) people: BTreeSet<SysId>,
    pub(crate) done: BTreeSet<(SysId, FactKey)>,
    pub(crate) refused: BTreeMap<SysId, Vec<(FactKey, String)>>,
}

/// Carries out what was approved, in order. One failure ends what depends on it, and no more.
pub(crate) async fn apply(
    deps: &Deps,
    writers: &Writers,
    plan: &CyclePlan,
    outcome: &mut CycleOutcome,
) -> Result<Touched, SyncError> {
    let mut touched = Touched::default();
    let mut created: BTreeMap<SysId, AccountId> = BTreeMap::new();
    let mut left_alone: BTreeSet<SysId> = BTreeSet::new();
    let mut not_disabled: Vec<&Planned> = Vec::new();
    for approved in plan.verdict.approved.actions() {
        if deps.is_stopping() {
            break;
        }
        let mut planned = approved.planned.clone();
        let person = planned.action.person.clone();
        if planned.action.account.is_none() {
            planned.action.account = created.get(&person).cloned();
        }
        if left_alone.contains(&person) || not_disabled.iter().any(|first| planned.follows(first)) {
            let reason = Some("what it depends on failed".to_owned());
            outcome.push(describe_action(&deps.store, &planned, ActionResult::Skipped, reason)?);
            continue;
        }
        touched.people.insert(person.clone());
        let mut open = false;
        let mut release = if approved.released {
            Release::Needed(approved.planned.fingerprint())
        } else {
            Release::NotNeeded
        };
        let mut queue = VecDeque::from([planned]);
        while let Some(mut planned) = queue.pop_front() {
            let Some(performed) =
                carry_out(deps, writers, &plan.cycle, &mut planned, &mut release, outcome).await?
            else {
                let reason = Some("the yes to it was taken back, or has lapsed".to_owned());
                outcome.push(describe_action(
                    &deps.store,
                    &planned,
                    ActionResult::Skipped,
                    reason,
                )?);
                left_alone.insert(person.clone());
                break;
            };
            match performed.outcome {
                Outcome::Applied { .. } | Outcome::AlreadySo { .. } => {
                    open = true;
                    // Without its sessions an account is as usable as before.
                    if planned.action.step != Step::ClearSessions {
                        let keys = planned.keys.iter().map(|key| (person.clone(), key.clone()));
                        touched.done.extend(keys);
                    }
                    if let (Step::Create { .. }, Some(account)) =
                        (&planned.action.step, &planned.action.account)
                    {
                        created.insert(person.clone(), account.clone());
                    }
                }
                Outcome::Failed { transient: false, error, .. } => {
                    let narrowed = narrow(&planned, performed.error.as_ref());
                    queue.extend(narrowed.rest);
                    let refused = narrowed.refused.into_iter().map(|key| (key, error.clone()));
                    touched.refused.entry(person.clone()).or_default().extend(refused);
                }
                // Of two steps to one fact the first may be done, and the fact is not.
                Outcome::Failed { .. } | Outcome::Unknown { .. } => {
                    let keys = planned.keys.iter().map(|key| (person.clone(), key.clone()));
                    touched.done.retain(|it| keys.clone().all(|key| key != *it));
                }
            }
        }
        let step = &approved.planned.action.step;
        if !open && opens_the_way(step) {
            left_alone.insert(person);
        } else if !open && *step == Step::Deactivate {
            // A leaver loses nothing before the account is disabled.
            not_disabled.push(&approved.planned);
        }
    }
    Ok(touched)
}

/// Sends one action, with its intent in the journal before and its outcome after. `None` where
/// it needs a release that is no longer in force: then nothing was done.
async fn carry_out(
    deps: &Deps,
    writers: &Writers,
    cycle: &Cycle,
    planned: &mut Planned,
    release: &mut Release,
    outcome: &mut CycleOutcome,
) -> Result<Option<Performed>, SyncError> {
    let intent = planned.action.clone();
    let keys = planned.keys.iter().map(key_text).collect();
    let released = !matches!(release, Release::NotNeeded);
    let entry = Entry { action: &intent, cycle: cycle.id, keys, leaver: planned.leaver, released };
    let begun = deps.store.atomically(|| {
        let now = deps.now();
        if let Release::Needed(fingerprint) = &*release
            && deps.store.holds().release_of(fingerprint, now)?.is_none()
        {
            return Ok(None);
        }
        if rehires(deps, &intent)? {
            deps.store.links().end_adoption(&intent.person)?;
        }
        record_mail_owed(deps, &intent)?;
        let thread = deps.store.journal().intend(&entry, now)?;
        deps.store.facts().mark_unconfirmed(&intent.person, &entry.keys)?;
        if let Release::Needed(fingerprint) = &*release {
            deps.store.holds().use_release(fingerprint, thread.action)?;
        }
        Ok(Some(thread))
    })?;
    let Some(thread) = begun else { return Ok(None) };
    if released {
        *release = Release::Used;
    }
    let _in_flight = InFlight::begin(deps);
    let on_wire = okta::Thread { request: &thread.request, action: thread.action };
    let performed = writers.okta.perform(&intent.step, intent.account.as_ref(), &on_wire).await;
    if let Some(account) = &performed.account {
        planned.action.account = Some(account.id.clone());
        deps.store.accounts().upsert(
            std::slice::from_ref(account),
            &account_keys(deps),
            cycle.id,
        )?;
        if matches!(intent.step, Step::Create { .. }) {
            let created_here = true;
            deps.store.links().upsert(
                &intent.person,
                &account.id,
                &intent.origin,
                created_here,
                deps.now(),
            )?;
        }
    }
    let done = planned.action.clone();
    let entry = Entry { action: &done, ..entry };
    deps.store.atomically(|| {
        settle_mail_owed(deps, &done, &performed.outcome)?;
        deps.store.journal().conclude(&entry, &thread, &performed.outcome, deps.now())
    })?;
    log_action(deps, planned, thread.action, cycle, &performed.outcome, outcome)?;
    Ok(Some(performed))
}

/// Whether somebody is hired again by this, rather than back from a leave of absence, or from
/// a leave that was withdrawn.
fn rehires(deps: &Deps, action: &Action) -> Result<bool, StoreError> {
    let (Step::Activate { .. }, Some(account), Cause::Request) =
        (&action.step, &action.account, action.cause)
    else {
        return Ok(false);
    };
    let account = deps.store.accounts().get(account)?;
    let dormant = account.is_some_and(|a| a.status == AccountStatus::Deprovisioned);
    let join = |resolved: &ResolvedRequest| {
        action.origin.request() == Some(&resolved.request)
            && resolved.terms.operation == Operation::Join
            && !resolved.was_withdrawn()
    };
    Ok(dormant && deps.store.requests().resolved_for(&action.person)?.iter().any(join))
}

/// One event in the log and one line in the report for each action.
fn log_action(
    deps: &Deps,
    planned: &Planned,
    id: i64,
    cycle: &Cycle,
    result: &Outcome,
    outcome: &mut CycleOutcome,
) -> Result<(), StoreError> {
    let (word, okta_request_id, error) = match result {
        Outcome::Applied { okta_request_id } | Outcome::AlreadySo { okta_request_id } => {
            (ActionResult::Applied, okta_request_id.clone(), None)
        }
        Outcome::Failed { error, okta_request_id, .. } => {
            (ActionResult::Failed, okta_request_id.clone(), Some(error.clone()))
        }
        Outcome::Unknown { error } => (ActionResult::Failed, None, Some(error.clone())),
    };
    let mut action = describe_action(&deps.store, planned, word, error.clone())?;
    action.id = Some(id);
    action.okta_request_id = okta_request_id;
    action.transient =
        matches!(result, Outcome::Failed { transient: true, .. } | Outcome::Unknown { .. });
    let mut text = sentence(&planned.action, action.person.name(), action.group.as_deref());
    if let Some(HoldDecision { by, because, .. }) = deps.store.holds().release_used_by(id)? {
        text = format!("{text}, released by {by}: {because}");
    }
    let text = match &error {
        None => text,
        Some(error) => format!("{text}: failed: {error}"),
    };
    // In a warning once when it begins and once when it changes, not each time that it is tried.
    let is_news = match &error {
        None => true,
        Some(error) => {
            let (_, before) = failures_before(deps, &planned.action, id)?;
            before.is_none_or(|before| gist(&before) != gist(error))
        }
    };
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                request = action.request.as_deref(),
                parent = action.parent.as_deref(),
                action = planned.action.step.name(),
                outcome = word.as_str(),
                cause = action.cause.as_str(),
                login = action.person.login.as_deref(),
                sys_id = %planned.action.person,
                okta_user = action.person.okta_id.as_deref(),
                group = action.group.as_deref(),
                okta_request_id = action.okta_request_id.as_deref(),
                action_id = id,
                cycle = cycle.id,
                "{text}"
            )
        };
    }
    if error.is_none() {
        event!(info);
    } else if is_news {
        event!(warn);
    } else {
        event!(info);
    }
    outcome.push(action);
    Ok(())
}

/// How often in a row something has failed lately, and how it did last.
pub(crate) fn failures_before(
    deps: &Deps,
    action: &Action,
    id: i64,
) -> Result<(u32, Option<String>), StoreError> {
    deps.store.journal().failures_before(action, id, deps.now() - FORGOTTEN)
}

/// Whether an action needs a release.
#[derive(Debug)]
enum Release {
    NotNeeded,
    /// The one for this fingerprint, which its first call uses up.
    Needed(String),
    /// What is sent now is a part of what was released.
    Used,
}

/// Whether later steps for the same person make no sense without this one.
fn opens_the_way(step: &Step) -> bool {
    matches!(step, Step::Create { .. } | Step::Activate { .. })
}

/// What an action did, as a sentence that begins with its request.
pub(crate) fn sentence(action: &Action, name: &str, group: Option<&str>) -> String {
    let group = group.unwrap_or("a group");
    let did = match &action.step {
        Step::Create { activate: true, .. } => format!("created {name} and activated it"),
        Step::Create { activate: false, .. } => format!("created {name}, not activated yet"),
        Step::Update { changes } => {
            let attributes: Vec<&str> = changes.keys().map(String::as_str).collect();
            format!("changed {} of {name}", attributes.join(", "))
        }
        Step::Activate { .. } => format!("activated {name}"),
        Step::Reactivate { .. } => format!("sent {name} a new activation mail"),
        Step::Suspend => format!("suspended {name}"),
        Step::Unsuspend => format!("lifted the suspension of {name}"),
        Step::Deactivate => format!("deactivated {name}"),
        Step::ClearSessions => format!("ended the sessions of {name}"),
        Step::AddMember { .. } => format!("added {name} to {group}"),
        Step::RemoveMember { .. } => format!("removed {name} from {group}"),
    };
    format!("{}: {did}", action.origin)
}
