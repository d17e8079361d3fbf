//! Keeping what was observed of accounts, with whom that concerns in the queue: both or neither, so
//! that no end of the process comes between.

use std::collections::BTreeSet;

use crate::model::{Account, AccountId, SysId};
use crate::policy::derive::identify;
use crate::store::{ChangedAccount, Observed, StoreError};
use crate::sync::{deps::Deps, scope::Cycle};

/// Attributes by which people are told apart, each with a value in lower case.
type Claims = BTreeSet<(String, String)>;

/// Keeps accounts as they were observed.
pub(crate) fn keep_accounts(
    deps: &Deps,
    accounts: &[Account],
    observed: Observed,
    cycle: &Cycle,
) -> Result<(), StoreError> {
    let keys = deps.account_keys();
    deps.store.atomically(|| {
        let news = deps.store.accounts().upsert(accounts, &keys, observed, cycle.id)?;
        enqueue_concerned(deps, cycle, &keys, news)
    })
}

/// Forgets an account that is not there any more.
pub(crate) fn forget_account(deps: &Deps, cycle: &Cycle, id: &AccountId) -> Result<(), StoreError> {
    deps.store.atomically(|| {
        let Some(before) = deps.store.accounts().get(id)? else { return Ok(()) };
        deps.store.accounts().delete(id)?;
        let news = ChangedAccount { id: id.clone(), before: Some(before), now: None };
        enqueue_concerned(deps, cycle, &deps.account_keys(), vec![news])
    })
}

/// Puts accounts' people into the queue, those of whom it is not known yet included.
pub(crate) fn enqueue_owners<'a>(
    deps: &Deps,
    accounts: impl IntoIterator<Item = &'a AccountId>,
) -> Result<(), StoreError> {
    for account in accounts {
        if let Some(person) = deps.store.links().person_of(account)? {
            deps.store.queue().enqueue_at_once(&person)?;
        }
    }
    Ok(())
}

fn enqueue_concerned(
    deps: &Deps,
    cycle: &Cycle,
    keys: &BTreeSet<String>,
    news: Vec<ChangedAccount>,
) -> Result<(), StoreError> {
    // Before anything was decided, everybody is due.
    if news.is_empty() || !cycle.looked.get() && deps.store.cycles().last_full()?.is_none() {
        return Ok(());
    }
    enqueue_owners(deps, news.iter().map(|it| &it.id))?;
    let mut claims = Claims::new();
    for ChangedAccount { id, before, now } in news {
        let of =
            |account: Option<&Account>| account.map_or(Claims::new(), |it| claims_of(it, keys));
        let (before, now) = (of(before.as_ref()), of(now.as_ref()));
        // Whom somebody's account may be concerns others only where that is news.
        if before != now || deps.store.links().person_of(&id)?.is_none() {
            claims.extend(before);
            claims.extend(now);
        }
    }
    for person in claimants(deps, &claims)? {
        deps.store.queue().enqueue_at_once(&person)?;
    }
    Ok(())
}

fn claims_of(account: &Account, keys: &BTreeSet<String>) -> Claims {
    let claim = |key: &String| (key.clone(), account.attribute(key).trim().to_lowercase());
    keys.iter().map(claim).filter(|(_, value)| !value.is_empty()).collect()
}

/// Those without an account who may be meant by what identifies one, and those whose login it is to
/// become.
fn claimants(deps: &Deps, claims: &Claims) -> Result<BTreeSet<SysId>, StoreError> {
    let mut found = BTreeSet::new();
    if claims.is_empty() {
        return Ok(found);
    }
    for id in deps.store.people().without_known_account()? {
        let Some(person) = deps.store.people().get(&id)? else { continue };
        let identity = identify(&person, &deps.config.policy);
        let claim = |(name, value): (&str, &str)| (name.to_owned(), value.to_lowercase());
        if identity.values().map(claim).any(|claim| claims.contains(&claim)) {
            found.insert(id);
        }
    }
    for (person, login) in deps.store.facts().new_logins()? {
        if claims.contains(&("login".to_owned(), login.to_lowercase())) {
            found.insert(person);
        }
    }
    Ok(found)
}
