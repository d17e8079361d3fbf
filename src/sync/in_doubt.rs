//! Calls whose answer was lost: what became of them shows in the next read. And activation mail that
//! is still to be sent: an account was brought back without it.

use std::collections::BTreeSet;

use crate::model::{Account, AccountId, Action, GroupId, Outcome, Step, StepKind, SysId};
use crate::okta::log::{Changed, LogEvent};
use crate::store::{InDoubt, StoreError};
use crate::sync::log::{LogThread, Made, log_event, log_made_member};
use crate::sync::names::{PersonNames, account_of, group_name, names_of};
use crate::sync::{contain::log_of, deps::Deps, error::Result};

/// What is seen now is not put down to what was sent longer ago: others may have done the same.
const TOLD: chrono::Duration = chrono::Duration::days(1);

/// How far before a call its event is looked for: clocks differ.
const LOG_OVERLAP: chrono::Duration = chrono::Duration::hours(3);

/// Writes down which calls about somebody took effect, though nobody was told.
pub(crate) fn resolve_in_doubt(deps: &Deps, person: &SysId) -> Result<(), StoreError> {
    let in_doubt = deps.store.journal().in_doubt(person, deps.now() - TOLD)?;
    if in_doubt.is_empty() {
        return Ok(());
    }
    let Some(account) = account_of(&deps.store, person)? else { return Ok(()) };
    let groups = deps.store.groups().of_account(&account.id)?;
    for sent in in_doubt.iter().filter(|sent| took_effect(sent, &account, &groups)) {
        record_took_effect(deps, sent, person, &account.id)?;
    }
    Ok(())
}

/// Whether a call about somebody had no answer, and is not known to have taken effect.
pub(crate) fn is_in_doubt(deps: &Deps, person: &SysId) -> Result<bool, StoreError> {
    Ok(!deps.store.journal().in_doubt(person, deps.now() - TOLD)?.is_empty())
}

/// The call that made an account, where its answer was lost and the account was found now.
pub(crate) fn creation_of(
    deps: &Deps,
    person: &SysId,
    account: &AccountId,
) -> Result<Option<InDoubt>, StoreError> {
    let Some(found) = deps.store.accounts().get(account)? else { return Ok(None) };
    let created_here = |sent: &InDoubt| {
        let login = sent.detail.pointer("/profile/login").and_then(|login| login.as_str());
        sent.action == "create" && login == Some(found.login())
    };
    Ok(deps.store.journal().in_doubt(person, deps.now() - TOLD)?.into_iter().find(created_here))
}

pub(crate) fn record_took_effect(
    deps: &Deps,
    sent: &InDoubt,
    person: &SysId,
    account: &AccountId,
) -> Result<(), StoreError> {
    deps.store.journal().resolve_in_doubt(sent.action_id, deps.now())?;
    let names = PersonNames {
        okta_id: Some(account.as_str().to_owned()),
        ..names_of(&deps.store, person)?
    };
    let thread = LogThread::of(&deps.store, &sent.origin, names)?;
    let group = sent.group.as_ref().map(|group| group_name(&deps.store, group)).transpose()?;
    log_event!(
        info,
        thread,
        { action = sent.action, outcome = "applied", group, action_id = sent.action_id },
        "{}: {} of {} took effect; its answer had been lost",
        sent.origin,
        sent.action,
        thread.person.name()
    );
    let groups = sent.detail.get("groups").and_then(|groups| groups.as_array());
    for group in groups.into_iter().flatten().filter_map(|id| GroupId::parse(id.as_str()?).ok()) {
        let group = group_name(&deps.store, &group)?;
        log_made_member(
            &thread,
            &sent.origin,
            &group,
            &Made { action_id: sent.action_id, ..Made::default() },
        );
    }
    Ok(())
}

/// Whether an account is as this would have made it. What leaves no trace there cannot be told.
fn took_effect(sent: &InDoubt, account: &Account, groups: &BTreeSet<GroupId>) -> bool {
    step_of(sent).is_some_and(|step| step.is_reached(account, groups))
}

/// The step that was sent, as far as the journal tells. A creation is looked for by its login.
fn step_of(sent: &InDoubt) -> Option<Step> {
    let group = sent.group.clone();
    Some(match StepKind::from_word(&sent.action)? {
        StepKind::Create => return None,
        StepKind::Update => {
            Step::Update { changes: serde_json::from_value(sent.detail.clone()).ok()? }
        }
        // Whether a mail went with it leaves no trace.
        StepKind::Activate => Step::Activate { mail: false },
        StepKind::Reactivate => Step::Reactivate { mail: true },
        StepKind::Suspend => Step::Suspend,
        StepKind::Unsuspend => Step::Unsuspend,
        StepKind::Deactivate => Step::Deactivate,
        StepKind::ClearSessions => Step::ClearSessions,
        StepKind::AddMember => Step::AddMember { group: group? },
        StepKind::RemoveMember => Step::RemoveMember { group: group? },
    })
}

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

/// The mail of somebody who is hired again may have been sent though its answer was lost. Okta's log
/// shows it, where it can be read.
pub(crate) async fn resolve_mail_in_doubt(
    deps: &Deps,
    person: &SysId,
    account: &AccountId,
) -> Result<()> {
    if !deps.store.history().is_mail_owed(account)? {
        return Ok(());
    }
    let mut in_doubt = deps.store.journal().in_doubt(person, deps.now() - TOLD)?.into_iter();
    let Some(sent) = in_doubt.find(|it| it.action == "reactivate") else { return Ok(()) };
    // Where nobody can tell, a second mail does less harm than none.
    let events = log_of(deps, account, sent.at - LOG_OVERLAP).await;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::model::{AccountStatus, Origin};

    fn sent(action: &str, group: Option<&str>, detail: serde_json::Value) -> InDoubt {
        InDoubt {
            action_id: 1,
            at: "2026-11-23T12:00:00Z".parse().unwrap(),
            action: action.to_owned(),
            group: group.map(|id| GroupId::parse(id).unwrap()),
            origin: Origin::Baseline,
            detail,
        }
    }

    #[test]
    fn what_took_effect_shows_in_the_account_and_what_leaves_no_trace_stays_open() {
        let account = Account {
            id: AccountId::parse("00u1").unwrap(),
            status: AccountStatus::Suspended,
            transitioning: None,
            profile: BTreeMap::from([("department".to_owned(), "Sales".to_owned())]),
            provider: String::new(),
            last_updated: String::new(),
        };
        let groups = BTreeSet::from([GroupId::parse("00g1").unwrap()]);
        let change = |to: serde_json::Value| json!({"department": {"from": "Legal", "to": to}});
        for (action, group, detail, seen) in [
            ("suspend", None, json!({}), true),
            ("unsuspend", None, json!({}), false),
            ("activate", None, json!({}), false),
            ("deactivate", None, json!({}), false),
            ("reactivate", None, json!({}), false),
            ("clear_sessions", None, json!({}), false),
            ("add_member", Some("00g1"), json!({}), true),
            ("add_member", Some("00g2"), json!({}), false),
            ("remove_member", Some("00g1"), json!({}), false),
            ("remove_member", Some("00g2"), json!({}), true),
            ("update", None, change(json!("Sales")), true),
            ("update", None, change(json!("Law")), false),
            ("update", None, change(json!(null)), false),
            ("update", None, json!({"title": {"from": "Clerk", "to": null}}), true),
        ] {
            let sent = sent(action, group, detail);
            assert_eq!(took_effect(&sent, &account, &groups), seen, "{sent:?}");
        }
    }
}
