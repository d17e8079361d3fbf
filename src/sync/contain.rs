//! One bad thing concerns what depends on it: an object that a side refuses, hides or sends
//! malformed ends nobody else's cycle, unless another object that was readable before fails as well.

use std::time::Duration;

use crate::model::{AccountId, OpenItem, Subject, SysId, Timestamp};
use crate::okta::OktaError;
use crate::okta::log::LogEvent;
use crate::servicenow::ServiceNowError;
use crate::store::{Object, StoreError};
use crate::sync::error::{Result, Side};
use crate::sync::{deps::Deps, scope::Cycle};

/// After so many more failures a side is tried again.
const TRIED_AGAIN: u32 = 5;
/// A look waits for an answer about one object so long: it keeps everybody waiting.
pub(crate) const IN_A_LOOK: Duration = Duration::from_secs(5);
/// So many reads have room among the calls in flight to each side, and so many people in Okta: each is
/// two calls at once.
pub(crate) const ROOM_IN_SERVICENOW: usize = 2;
pub(crate) const ROOM_IN_OKTA: usize = 9;
pub(crate) const PEOPLE_IN_OKTA: usize = 4;
/// What could be read before is waited for so long: others wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// What reading an object gave, or why it cannot be read. Fails where the side is in trouble, and
/// not the object.
pub(crate) async fn contained<T>(
    deps: &Deps,
    cycle: &Cycle,
    read: Result<T>,
) -> Result<Result<T, String>> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) if error.is_about_object() || error.is_unanswered() => {
            if let Some(side) = error.side() {
                // An outage looks like this, too: each time is asked about, and costs no more.
                let often = if error.is_unanswered() { 1 } else { TRIED_AGAIN };
                let asks = cycle.failure_of(side).is_multiple_of(often);
                // One at a time: what is read side by side fails side by side.
                let _turn = if asks { Some(cycle.control.lock().await) } else { None };
                // It was found out by another one, or where this was part of another read.
                if cycle.down.get() == Some(side) {
                    return Err(error);
                }
                if asks && let Err(control) = read_control(deps, cycle, side).await {
                    let is_outage = error.is_unanswered() || control.side() != Some(side);
                    return Err(if is_outage { control } else { error });
                }
            }
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// Reads something of a side that could be read before. Fails where that fails as well, in words that
/// are the same whatever broke at first, so that an outage is said once.
pub(crate) async fn read_control(deps: &Deps, cycle: &Cycle, side: Side) -> Result<()> {
    let control = match side {
        Side::ServiceNow => {
            let control = tokio::time::timeout(PATIENCE, deps.servicenow.whoami()).await;
            let control = control.unwrap_or_else(|_| Err(ServiceNowError::silent(PATIENCE)));
            control.map(|_| ()).map_err(Into::into)
        }
        Side::Okta => read_other_accounts(deps).await,
    };
    if control.is_err() {
        cycle.down.set(Some(side));
    }
    control
}

/// Reads accounts that could be read before, until one can be: the first of them may be the very one
/// that cannot. Where none is known, or shown any more, only the sign-in is tried.
async fn read_other_accounts(deps: &Deps) -> Result<()> {
    let mut failed = None;
    for id in deps.store.accounts().readable_lately()? {
        let control = tokio::time::timeout(PATIENCE, deps.okta.shows(&id)).await;
        match control.unwrap_or_else(|_| Err(OktaError::silent(PATIENCE))) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(deps.okta.try_sign_in().await?),
    }
}

/// Notes that a list could not be read: nothing follows from it, and whoever can be decided about from
/// reads by id goes on.
pub(crate) fn note_list(cycle: &Cycle, list: &str, why: &str) {
    let text = format!("{list} cannot be read, so nothing follows from it: {why}");
    cycle.incomplete.set(true);
    cycle.lists.borrow_mut().push(OpenItem::unusable(Subject::Side(list.to_owned()), text));
}

/// Notes that a person's account cannot be read: nothing is decided about them until it can.
pub(crate) fn note_unreadable(
    deps: &Deps,
    object: Object,
    person: &SysId,
    why: &str,
) -> Result<(), StoreError> {
    let (now, leaver) = (deps.now(), deps.store.requests().is_leaving(person, deps.now())?);
    let next = deps.store.unreadable().note(object, person.as_str(), why, leaver, now)?;
    deps.store.queue().enqueue(person, next)
}

/// What Okta's log tells of an account, where it can be read.
pub(crate) async fn log_of(deps: &Deps, account: &AccountId, since: Timestamp) -> Vec<LogEvent> {
    match deps.okta.changes_of(account, since).await {
        Ok(events) => events.unwrap_or_default(),
        Err(error) => {
            tracing::debug!("the System Log could not be read: {error}");
            Vec::new()
        }
    }
}
