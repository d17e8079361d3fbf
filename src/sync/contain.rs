//! One bad thing concerns what depends on it: an object that a side refuses, hides or sends
//! malformed ends nobody else's cycle, unless another object that was readable before fails as well.

use crate::http::Deletion;
use crate::model::{AccountId, OpenItem, Subject, SysId, Timestamp};
use crate::okta::AccountRead;
use crate::okta::log::LogEvent;
use crate::store::{Object, StoreError};
use crate::sync::error::{Result, Side, SyncError};
use crate::sync::{deps::Deps, scope::Cycle};

/// After so many more failures a side is tried again.
const TRIED_AGAIN: u32 = 5;

/// What reading an object gave, or why it cannot be read. Fails where the side is in trouble, and
/// not the object.
pub(crate) async fn contained<T>(
    deps: &Deps,
    cycle: &Cycle,
    read: Result<T>,
) -> Result<Result<T, String>> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) if error.is_about_object() => {
            let text = error.to_string();
            match error.side() {
                Some(side) if fails(deps, cycle, side).await? => Err(error),
                _ => Ok(Err(text)),
            }
        }
        Err(error) => Err(error),
    }
}

/// Whether something of a side fails that could be read before.
async fn fails(deps: &Deps, cycle: &Cycle, side: Side) -> Result<bool> {
    let failures = cycle.failure_of(side);
    if !failures.is_multiple_of(TRIED_AGAIN) {
        return Ok(false);
    }
    let control = match side {
        Side::ServiceNow => deps.servicenow.whoami().await.map(|_| ()).map_err(Into::into),
        Side::Okta => read_another_account(deps).await,
    };
    match control {
        Ok(()) => Ok(false),
        Err(error @ SyncError::Store(_)) => Err(error),
        Err(_) => Ok(true),
    }
}

/// Reads an account that could be read before; where none is known, only the sign-in.
async fn read_another_account(deps: &Deps) -> Result<()> {
    for id in deps.store.accounts().readable_lately()? {
        if let AccountRead::There(_) = deps.okta.account(&id).await? {
            return Ok(());
        }
    }
    Ok(deps.okta.try_sign_in().await?)
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

/// Whether an account that is not there any more is known to be deleted. A role that sees only a
/// part of the org is answered as if the rest were not there.
pub(crate) async fn is_deleted(deps: &Deps, account: &AccountId) -> Result<bool> {
    Ok(match deps.okta.deleted_in_log(account).await? {
        Deletion::Shown(_) => true,
        Deletion::NotShown => false,
        Deletion::Unreadable(_) => !deps.is_blind()?,
    })
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
