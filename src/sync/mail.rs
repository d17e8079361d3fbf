//! Activation mail that is still to be sent: an account was brought back without it.

use crate::model::{AccountId, Action, Outcome, Step, SysId};
use crate::okta::log::{Changed, LogEvent};
use crate::store::StoreError;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::in_doubt::{TOLD, record_took_effect};

/// How far before a call its event is looked for: clocks differ.
const LOG_OVERLAP: chrono::Duration = chrono::Duration::hours(3);

/// Remembers, together with an intent, that a mail is to follow.
pub(crate) fn record_mail_owed(deps: &Deps, action: &Action) -> Result<(), StoreError> {
    match (&action.step, &action.account) {
        (Step::Activate { mail: false }, Some(account)) if deps.config.policy.activation_mail => {
            deps.store.history().owe_mail(account, &action.person)
        }
        _ => Ok(()),
    }
}

/// Forgets it, together with an outcome: the mail was sent, or there is nothing to send it for.
pub(crate) fn settle_mail_owed(
    deps: &Deps,
    action: &Action,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let over = matches!(
        (&action.step, outcome),
        (
            Step::Reactivate { .. } | Step::Deactivate,
            Outcome::Applied { .. } | Outcome::AlreadySo { .. },
        ) | (Step::Activate { .. }, Outcome::Failed { transient: false, .. })
    );
    match &action.account {
        Some(account) if over => deps.store.history().settle_mail(account),
        _ => Ok(()),
    }
}

/// The mail of somebody who is hired again may have been sent though its answer was lost, which
/// nothing in the account shows. Okta's log does, where it can be read.
pub(crate) async fn resolve_mail_in_doubt(
    deps: &Deps,
    person: &SysId,
    account: &AccountId,
) -> Result<(), SyncError> {
    if !deps.store.history().is_mail_owed(account)? {
        return Ok(());
    }
    let sent = deps
        .store
        .journal()
        .in_doubt(person, deps.now() - TOLD)?
        .into_iter()
        .find(|it| it.action == "reactivate");
    let Some(sent) = sent else { return Ok(()) };
    let events = match deps.okta.changes_of(account, sent.at - LOG_OVERLAP).await {
        Ok(events) => events.unwrap_or_default(),
        // A second mail does less harm than none.
        Err(error) => {
            tracing::debug!("the System Log could not be read: {error}");
            return Ok(());
        }
    };
    let thread = format!("; action {})", sent.action_id);
    let is_it = |event: &LogEvent| {
        event.event_type == "user.lifecycle.reactivate"
            && event.changes(Changed::Status)
            && event.is_ours()
            && event.user_agent.as_ref().is_some_and(|agent| agent.ends_with(&thread))
    };
    if events.iter().any(is_it) {
        deps.store.history().settle_mail(account)?;
        record_took_effect(deps, &sent, person, account)?;
    }
    Ok(())
}
