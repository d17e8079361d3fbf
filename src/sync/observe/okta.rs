//! Okta's side: what its profile can hold, all accounts, and what was changed since it was read last.

use std::collections::BTreeSet;

use crate::model::{Account, AccountId, Timestamp};
use crate::okta::log::LogEvent;
use crate::okta::{Attribute, OktaError};
use crate::reconcile::schema::{Schema, Slot};
use crate::store::Observed;
use crate::sync::{deps::Deps, error::Result, observe::groups::read_group_members, scope::Cycle};

/// How far back changes in Okta are asked for again: its index lags, and clocks differ.
const OKTA_OVERLAP: chrono::Duration = chrono::Duration::minutes(5);

/// Up to when Okta is known, where it was asked at `asked` by our clock. Of two clocks the one
/// that is behind is taken, here and for ServiceNow: what is then read twice does no harm, and
/// what lies before a watermark of tomorrow is never read.
pub(crate) fn okta_clock(deps: &Deps, asked: Timestamp) -> Timestamp {
    deps.okta.now().map_or(asked, |okta| okta.min(asked))
}

/// Accounts and memberships that were changed in Okta, whoever changed them. Whose they are is
/// due again; a deleted account is left to the complete read.
pub(crate) async fn observe_okta_changes(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let now = deps.now();
    let since = deps.store.state().okta_watermark()?.unwrap_or(now) - OKTA_OVERLAP;
    let keys = account_keys(deps);
    let mut changed = BTreeSet::new();
    let accounts = deps.okta.accounts_changed_since(since).await?.found;
    let until = okta_clock(deps, now);
    let listed = Observed::List { asked_at: now };
    let mut news = Vec::new();
    for account in accounts {
        // What changed within the overlap comes again in every cycle.
        if deps.store.accounts().get(&account.id)?.as_ref() != Some(&account) {
            news.push(account);
        }
    }
    changed.extend(deps.store.accounts().upsert(&news, &keys, listed, cycle.id)?);
    let managed = deps.store.groups().managed()?;
    let mut read = Vec::new();
    for (group, at) in deps.okta.groups_changed_since(since).await?.found {
        let known = deps.store.groups().members_updated(&group)?;
        if (!at.is_empty() && known.as_deref() == Some(&at)) || !managed.contains_key(&group) {
            continue;
        }
        let before = deps.store.groups().members_of(&group)?;
        let after: BTreeSet<AccountId> =
            read_group_members(deps, &group).await?.into_iter().collect();
        changed.extend(before.symmetric_difference(&after).cloned());
        read.push((group, at));
    }
    for account in changed {
        if let Some(person) = deps.store.links().person_of(&account)? {
            deps.store.queue().enqueue(&person, now)?;
        }
    }
    for (group, at) in read {
        deps.store.groups().set_members_updated(&group, &at)?;
    }
    Ok(deps.store.state().set_okta_watermark(until)?)
}

/// Reads all accounts. One that was in no page is looked up by id before it counts as deleted.
pub(crate) async fn read_accounts(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let keys = account_keys(deps);
    let mut count = 0;
    let listed = Observed::List { asked_at: deps.now() };
    let mut upsert = |page: Vec<Account>| -> Result<()> {
        deps.store.accounts().upsert(&page, &keys, listed, cycle.id)?;
        count += page.len();
        (deps.on_progress)("accounts", count);
        Ok(())
    };
    deps.okta.accounts(&mut upsert).await?;
    // An account can change its list between two pages, so only a read by id proves it gone.
    for id in deps.store.accounts().unseen(cycle.id)? {
        let by_id = Observed::ById { at: deps.now() };
        match deps.okta.account(&id).await?.there()? {
            Some(account) => {
                deps.store.accounts().upsert(&[account], &keys, by_id, cycle.id)?;
            }
            None => deps.store.accounts().delete(&id)?,
        }
    }
    Ok(())
}

pub(crate) fn account_keys(deps: &Deps) -> BTreeSet<String> {
    let policy = &deps.config.policy;
    let mut keys: BTreeSet<String> = policy.match_on.iter().cloned().collect();
    keys.extend(policy.anchor.clone());
    keys.extend(["login".to_owned(), "email".to_owned()]);
    keys
}

pub(crate) async fn read_schema(deps: &Deps) -> Result<()> {
    let schema = match deps.okta.schema().await {
        Ok(attributes) => Schema(Some(attributes.into_iter().map(slot).collect())),
        Err(error) if error.is_withheld() || matches!(error, OktaError::NotFound(_)) => {
            Schema(None)
        }
        Err(error) => return Err(error.into()),
    };
    Ok(deps.store.set_profile_schema(&schema)?)
}

fn slot(attribute: Attribute) -> (String, Slot) {
    let text = attribute.kind.is_empty() || attribute.kind == "string";
    let slot = Slot {
        max_length: attribute.max_length.filter(|max| *max > 0),
        other_type: (!text).then_some(attribute.kind),
        read_only: attribute.mutability == "READ_ONLY",
        immutable: attribute.mutability == "IMMUTABLE",
        mastered_elsewhere: attribute.master == "OVERRIDE",
        required: attribute.required,
    };
    (attribute.name, slot)
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
