//! Calls whose answer was lost: what became of them shows in the next read.

use std::collections::BTreeSet;

use super::{Engine, EngineError};
use crate::model::{Account, AccountId, AccountStatus, GroupId, RequestNumber, SysId};
use crate::okta::log::{Changed, LogEvent};
use crate::store::{InDoubt, StoreError};

/// How far before a call its event is looked for: clocks differ.
const LOG_OVERLAP: chrono::Duration = chrono::Duration::hours(3);

/// What was sent longer ago than this is not put down to what is seen now: others had the time to
/// do the same.
const TOLD: chrono::Duration = chrono::Duration::days(1);

impl Engine {
    /// Writes down which calls about somebody took effect, though nobody was told.
    pub(super) fn resolve_in_doubt(&self, person: &SysId) -> Result<(), StoreError> {
        let in_doubt = self.store.journal().in_doubt(person, self.now() - TOLD)?;
        if in_doubt.is_empty() {
            return Ok(());
        }
        let Some(id) = self.store.links().account_of(person)? else { return Ok(()) };
        let Some(account) = self.store.accounts().get(&id)? else { return Ok(()) };
        let groups = self.store.groups().of_account(&id)?;
        for sent in in_doubt.iter().filter(|sent| took_effect(sent, &account, &groups)) {
            self.confirm(sent, person, &id)?;
        }
        Ok(())
    }

    /// The call that made an account, where its answer was lost and the account was found now.
    pub(super) fn creation_of(
        &self,
        person: &SysId,
        account: &AccountId,
    ) -> Result<Option<InDoubt>, StoreError> {
        let Some(found) = self.store.accounts().get(account)? else { return Ok(None) };
        let created_here = |sent: &InDoubt| {
            let login = sent.detail.pointer("/profile/login").and_then(|login| login.as_str());
            sent.action == "create" && login == Some(found.login())
        };
        Ok(self.store.journal().in_doubt(person, self.now() - TOLD)?.into_iter().find(created_here))
    }

    /// The mail of somebody who is hired again may have been sent though its answer was lost, which
    /// nothing in the account shows. Okta's log does, where it can be read.
    pub(super) async fn look_for_mail(
        &self,
        person: &SysId,
        account: &AccountId,
    ) -> Result<(), EngineError> {
        if !self.store.history().is_mail_owed(account)? {
            return Ok(());
        }
        let sent = self
            .store
            .journal()
            .in_doubt(person, self.now() - TOLD)?
            .into_iter()
            .find(|it| it.action == "reactivate");
        let Some(sent) = sent else { return Ok(()) };
        let events = match self.okta.changes_of(account, sent.at - LOG_OVERLAP).await {
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
            self.store.history().settle_mail(account)?;
            self.confirm(&sent, person, account)?;
        }
        Ok(())
    }

    pub(super) fn confirm(
        &self,
        sent: &InDoubt,
        person: &SysId,
        account: &AccountId,
    ) -> Result<(), StoreError> {
        self.store.journal().resolve_in_doubt(sent.action_id, self.now())?;
        let number = sent.origin.request().map(|request| &request.number);
        let parent = sent.origin.request().and_then(|request| request.parent.as_ref());
        let group = sent.group.as_ref().map(|group| self.group_name(group)).transpose()?;
        tracing::info!(
            request = number.map(RequestNumber::as_str),
            parent = parent.map(RequestNumber::as_str),
            action = sent.action,
            outcome = "applied",
            sys_id = %person,
            okta_user = %account,
            group,
            action_id = sent.action_id,
            "{}: {} of {} took effect; its answer had been lost",
            sent.origin,
            sent.action,
            self.view_of(person)?.name()
        );
        Ok(())
    }
}

/// Whether an account is as something that was sent would have made it. What leaves no trace in
/// the account cannot be told.
fn took_effect(sent: &InDoubt, account: &Account, groups: &BTreeSet<GroupId>) -> bool {
    let is_member = sent.group.as_ref().is_some_and(|group| groups.contains(group));
    match sent.action.as_str() {
        "update" => {
            let changes = sent.detail.as_object();
            changes.is_some_and(|changes| {
                changes.iter().all(|(name, change)| {
                    change["to"].as_str().unwrap_or_default() == account.attribute(name)
                })
            })
        }
        "activate" => account.status.counts_as_active(),
        "suspend" => account.status == AccountStatus::Suspended,
        "unsuspend" => account.status == AccountStatus::Active,
        "deactivate" => account.status == AccountStatus::Deprovisioned,
        "add_member" => is_member,
        "remove_member" => sent.group.is_some() && !is_member,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::model::Origin;

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
