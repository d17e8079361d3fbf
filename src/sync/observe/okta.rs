//! Okta's side: accounts and memberships that were changed since they were read last, whoever
//! changed them.

use std::collections::BTreeSet;

use crate::model::{AccountId, Timestamp};
use crate::store::Observed;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::observe::accounts::account_keys;
use crate::sync::observe::groups::read_group_members;
use crate::sync::scope::Cycle;

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
pub(crate) async fn observe_okta_changes(deps: &Deps, cycle: &Cycle) -> Result<(), SyncError> {
    let now = deps.now();
    let since = deps.store.state().okta_watermark()?.unwrap_or(now) - OKTA_OVERLAP;
    let keys = account_keys(deps);
    let mut changed = BTreeSet::new();
    let accounts = deps.okta.accounts_changed_since(since).await?;
    let until = okta_clock(deps, now);
    let listed = Observed::List { asked_at: now };
    changed.extend(deps.store.accounts().upsert(&accounts, &keys, listed, cycle.id)?);
    let managed = deps.store.groups().managed()?;
    let mut read = Vec::new();
    for (group, at) in deps.okta.groups_changed_since(since).await? {
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
    deps.store.state().set_okta_watermark(until)?;
    Ok(())
}
