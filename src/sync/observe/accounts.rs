//! All accounts, and what they are found by.

use std::collections::BTreeSet;

use crate::store::Observed;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::scope::Cycle;

/// Reads all accounts. One that was in no page is looked up by id before it counts as deleted.
pub(crate) async fn read_accounts(deps: &Deps, cycle: &Cycle) -> Result<(), SyncError> {
    let keys = account_keys(deps);
    let store = &deps.store;
    let progress = &deps.on_progress;
    let mut count = 0;
    let listed = Observed::List { asked_at: deps.now() };
    deps.okta
        .accounts(&mut |page| -> Result<(), SyncError> {
            store.accounts().upsert(&page, &keys, listed, cycle.id)?;
            count += page.len();
            progress("accounts", count);
            Ok(())
        })
        .await?;
    // An account can change its list between two pages, so only a read by id proves it gone.
    for id in deps.store.accounts().unseen(cycle.id)? {
        let by_id = Observed::ById { at: deps.now() };
        match deps.okta.account(&id).await? {
            Some(account) => {
                deps.store.accounts().upsert(&[account], &keys, by_id, cycle.id)?;
            }
            None => deps.store.accounts().delete(&id)?,
        }
    }
    Ok(())
}

/// Attributes that accounts are found by.
pub(crate) fn account_keys(deps: &Deps) -> BTreeSet<String> {
    let policy = &deps.config.policy;
    let mut keys: BTreeSet<String> = policy.match_on.iter().cloned().collect();
    keys.extend(policy.anchor.clone());
    keys.extend(["login".to_owned(), "email".to_owned()]);
    keys
}
