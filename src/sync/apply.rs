//! Acting: the journal before and after every call.

use std::collections::{BTreeSet, VecDeque};

use crate::model::{AccountId, Action, Outcome, Pause, Step};
use crate::okta::{self, OktaError, Performed, Refusal};
use crate::reconcile::narrow::{Objection, narrow};
use crate::reconcile::{approve::ApprovedAction, planned::PlannedAction, requeue::Attempted};
use crate::store::{Entry, Observed, StoreError};
use crate::sync::brake::permit;
use crate::sync::deps::{Deps, InFlight};
use crate::sync::in_doubt::{record_mail_owed, settle_mail_owed};
use crate::sync::log::log_action;
use crate::sync::outcome::{ActionResult, CycleOutcome, describe_action};
use crate::sync::{error::Result, scope::Cycle, writers::Writers};

/// What became of one person's actions.
#[derive(Debug, Default)]
pub(crate) struct Acted {
    /// Something was sent, or its release was gone: the person is looked at again.
    pub(crate) touched: bool,
    pub(crate) attempted: Attempted,
    /// How many actions were not begun, because we were told to stop or writing is paused.
    pub(crate) unbegun: u32,
    created: Option<AccountId>,
}

/// Carries out what was approved of one person, in order. One failure ends what depends on it, and no
/// more.
pub(crate) async fn apply(
    deps: &Deps,
    writers: &Writers,
    cycle: &Cycle,
    approved: &[ApprovedAction],
    outcome: &mut CycleOutcome,
) -> Result<Acted> {
    let mut acted = Acted::default();
    let mut failed: Vec<&PlannedAction> = Vec::new();
    for approved in approved {
        if deps.is_stopping() {
            acted.unbegun += 1;
            continue;
        }
        let planned = &approved.planned;
        outcome.told.insert(planned.fingerprint());
        // To the end, whatever is said meanwhile: what comes later may depend on it.
        if let Some(pause) = outcome.paused.clone() {
            skip_paused(deps, planned, pause, outcome)?;
            acted.unbegun += 1;
            continue;
        }
        if failed.iter().any(|earlier| planned.depends_on(earlier)) {
            let reason = Some("what it depends on failed".to_owned());
            outcome.push(describe_action(&deps.store, planned, ActionResult::Skipped, reason)?);
            failed.push(planned);
            continue;
        }
        match attempt(deps, writers, cycle, approved, &mut acted, outcome).await? {
            Attempt::Done => {}
            Attempt::Failed => failed.push(planned),
            Attempt::Paused(pause) => {
                skip_paused(deps, planned, pause, outcome)?;
                acted.unbegun += 1;
            }
        }
    }
    Ok(acted)
}

fn skip_paused(
    deps: &Deps,
    planned: &PlannedAction,
    pause: Pause,
    outcome: &mut CycleOutcome,
) -> Result<(), StoreError> {
    let reason = Some(pause.to_string());
    outcome.push(describe_action(&deps.store, planned, ActionResult::Skipped, reason)?);
    outcome.paused = Some(pause);
    Ok(())
}

enum Attempt {
    /// At least a part of it.
    Done,
    Failed,
    /// Writing is paused, and it was not begun.
    Paused(Pause),
}

enum Sent {
    Performed(Box<Performed>),
    /// The release that it needs no longer stands: nothing was done.
    ReleaseGone,
    /// Nothing was done.
    Paused(Pause),
}

/// Carries out one action, in parts where Okta refuses the whole.
async fn attempt(
    deps: &Deps,
    writers: &Writers,
    cycle: &Cycle,
    approved: &ApprovedAction,
    acted: &mut Acted,
    outcome: &mut CycleOutcome,
) -> Result<Attempt> {
    let mut planned = approved.planned.clone();
    if planned.action.account.is_none() {
        planned.action.account = acted.created.clone();
    }
    // The release that an action needs is used up by its first call, a part of it or the whole.
    let mut release = approved.released.then(|| approved.planned.fingerprint());
    let mut any_done = false;
    let mut parts = VecDeque::from([planned]);
    while let Some(mut part) = parts.pop_front() {
        let sent = send(deps, writers, cycle, &mut part, approved, release.take(), outcome).await?;
        let performed = match sent {
            Sent::Performed(performed) => performed,
            Sent::Paused(pause) => return Ok(Attempt::Paused(pause)),
            Sent::ReleaseGone => {
                acted.touched = true;
                let reason = Some("the yes to it was taken back, or has lapsed".to_owned());
                outcome.push(describe_action(&deps.store, &part, ActionResult::Skipped, reason)?);
                return Ok(Attempt::Failed);
            }
        };
        acted.touched = true;
        let attempted = &mut acted.attempted;
        match performed.outcome {
            Outcome::Applied { .. } | Outcome::AlreadySo { .. } => {
                any_done = true;
                // Without its sessions an account is as usable as before.
                if part.action.step != Step::ClearSessions {
                    attempted.done.extend(part.keys.iter().cloned());
                }
                if let Step::Create { .. } = part.action.step {
                    acted.created.clone_from(&part.action.account);
                }
            }
            Outcome::Failed { transient: false, error, .. } => {
                let objection = performed.error.as_ref().map(objection);
                let narrowed = narrow(&part, objection.as_ref());
                parts.extend(narrowed.rest);
                let refused = narrowed.refused.into_iter().map(|key| (key, error.clone()));
                attempted.refused.extend(refused);
            }
            // Of two steps to one fact the first may be done, and the fact is not.
            Outcome::Failed { .. } | Outcome::Unknown { .. } => {
                attempted.done.retain(|key| !part.keys.contains(key));
            }
        }
    }
    Ok(if any_done { Attempt::Done } else { Attempt::Failed })
}

fn objection(error: &OktaError) -> Objection {
    let attributes: BTreeSet<String> = error.attributes().into_iter().map(str::to_owned).collect();
    Objection {
        is_about_the_profile: !attributes.is_empty()
            || error.refusal().is_some_and(Refusal::is_about_the_profile),
        is_taken: error.taken().is_some(),
        attributes,
    }
}

/// Sends one action, with its intent in the journal before and its outcome after; not where writing
/// is paused, or where the release that it needs, by fingerprint, no longer stands.
async fn send(
    deps: &Deps,
    writers: &Writers,
    cycle: &Cycle,
    planned: &mut PlannedAction,
    approved: &ApprovedAction,
    release: Option<String>,
    outcome: &mut CycleOutcome,
) -> Result<Sent> {
    let permit = match permit(deps)? {
        Ok(permit) => permit,
        Err(pause) => return Ok(Sent::Paused(pause)),
    };
    let intent = planned.action.clone();
    let keys = planned.keys.clone();
    let (leaver, released) = (planned.leaver, approved.released);
    let entry = Entry { action: &intent, cycle: cycle.id, keys, leaver, released };
    let begun = deps.store.atomically(|| {
        let now = deps.now();
        if let Some(fingerprint) = &release
            && deps.store.decisions().release_of(fingerprint, now)?.is_none()
        {
            return Ok(None);
        }
        if planned.rehires {
            deps.store.links().end_adoption(&intent.person)?;
        }
        record_mail_owed(deps, &intent)?;
        let thread = deps.store.journal().intend(&entry, now)?;
        deps.store.facts().mark_unconfirmed(&intent.person, &entry.keys)?;
        if let Some(fingerprint) = &release {
            deps.store.decisions().use_release(fingerprint, thread.action)?;
        }
        Ok(Some(thread))
    })?;
    cycle.begun(&intent.person, &approved.planned.fingerprint());
    let Some(thread) = begun else { return Ok(Sent::ReleaseGone) };
    if let Some(account) = &intent.account {
        cycle.answered.borrow_mut().remove(account);
    }
    let _in_flight = InFlight::begin(deps);
    let on_wire = okta::GoldenThread { request: &thread.request, action: thread.action };
    let okta = writers.okta(permit);
    let performed = okta.perform(&intent.step, intent.account.as_ref(), &on_wire).await;
    if let Some(account) = &performed.account {
        planned.action.account = Some(account.id.clone());
        let (accounts, keys, now) =
            (std::slice::from_ref(account), deps.account_keys(), deps.now());
        deps.store.accounts().upsert(accounts, &keys, Observed::ById { at: now }, cycle.id)?;
        // The answer shows it as it is stored, but for what is still on its way.
        if matches!(performed.outcome, Outcome::Applied { .. }) && account.transitioning.is_none() {
            cycle.answered.borrow_mut().insert(account.id.clone(), now);
        }
        if matches!(intent.step, Step::Create { .. }) {
            let (Action { person, origin, .. }, created_here) = (&intent, true);
            deps.store.links().upsert(person, &account.id, origin, created_here, now)?;
        }
    }
    let done = planned.action.clone();
    let entry = Entry { action: &done, ..entry };
    deps.store.atomically(|| {
        settle_mail_owed(deps, &done, &performed.outcome)?;
        record_membership(deps, &done, &performed.outcome)?;
        deps.store.journal().conclude(&entry, &thread, &performed.outcome, deps.now())
    })?;
    log_action(deps, planned, thread.action, cycle, &performed.outcome, outcome)?;
    Ok(Sent::Performed(Box::new(performed)))
}

/// A list of members that was asked for before this was answered says less than the answer.
fn record_membership(deps: &Deps, action: &Action, outcome: &Outcome) -> Result<(), StoreError> {
    let (Some(account), Outcome::Applied { .. } | Outcome::AlreadySo { .. }, Some(group)) =
        (&action.account, outcome, action.step.group())
    else {
        return Ok(());
    };
    let is_member = matches!(action.step, Step::AddMember { .. });
    deps.store.groups().set_member(group, account, is_member, deps.now())
}
