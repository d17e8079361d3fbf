//! Which account is whose, as far as the store can tell: nothing is written where it is not clear.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AccountId, Origin, ResolvedRequest, SysId};
use crate::policy::derive::identify;
use crate::reconcile::correlate::{Match, assign, correlate, match_account};
use crate::store::StoreError;
use crate::store::snapshot::{all_candidates, person_state};
use crate::sync::in_doubt::{creation_of, record_took_effect};
use crate::sync::log::{LogThread, log_event};
use crate::sync::names::{PersonNames, account_of, names_of};
use crate::sync::{deps::Deps, scope::Cycle};

/// Links people to their accounts. An account that two people would match is linked to neither.
pub(crate) fn link_people(deps: &Deps, cycle: &Cycle, people: &[SysId]) -> Result<(), StoreError> {
    let mut matches: BTreeMap<SysId, AccountId> = BTreeMap::new();
    for id in people {
        if let Some(account) = account_matched_by(deps, id)? {
            matches.insert(id.clone(), account);
        }
    }
    if matches.is_empty() {
        return Ok(());
    }
    // Whoever else matches may not be among those who are decided about now.
    let decided: BTreeSet<&SysId> = people.iter().collect();
    let wanted: BTreeSet<AccountId> = matches.values().cloned().collect();
    for id in deps.store.people().without_account(true)? {
        if !decided.contains(&id)
            && let Some(account) = account_matched_by(deps, &id)?
            && wanted.contains(&account)
        {
            matches.insert(id, account);
        }
    }
    for (person, account) in assign(matches) {
        if decided.contains(&person) {
            link(deps, cycle, &person, &account)?;
        }
    }
    Ok(())
}

fn link(deps: &Deps, cycle: &Cycle, person: &SysId, account: &AccountId) -> Result<(), StoreError> {
    let now = deps.now();
    // It was made here: nothing of what it has was there before.
    if let Some(sent) = creation_of(deps, person, account)? {
        deps.store.links().upsert(person, account, &sent.origin, true, now)?;
        return record_took_effect(deps, &sent, person, account);
    }
    let in_force =
        |request: &ResolvedRequest| request.in_force(now) && request.terms.operation.is_lifecycle();
    let origin = deps
        .store
        .requests()
        .resolved_for(person)?
        .into_iter()
        .filter(in_force)
        .max_by_key(|request| (request.effective, request.created_at))
        .map_or(Origin::Baseline, |request| Origin::Request(request.reference));
    let before = deps.store.links().get(person)?;
    // What another account of theirs was in at take-over, nobody asked for on this one.
    if before.is_some() {
        deps.store.links().end_adoption(person)?;
    }
    deps.store.links().upsert(person, account, &origin, false, now)?;
    adopt(deps, person, account)?;
    if !cycle.groups_whole.borrow().contains(account) {
        deps.store.links().insert_unseen_groups(person, cycle.id)?;
    }
    cycle.linked.borrow_mut().insert(person.clone(), before);
    Ok(())
}

/// What somebody's account is in when it is linked was there at take-over.
fn adopt(deps: &Deps, person: &SysId, account: &AccountId) -> Result<(), StoreError> {
    let groups = deps.store.groups().of_account(account)?;
    groups.iter().try_for_each(|group| deps.store.links().insert_baseline(person, group))
}

/// Whether a link still stands now that its account was read by id. One that was made in this
/// cycle, from a page that was older than the account, goes with what followed from it.
pub(crate) fn link_still_matches(
    deps: &Deps,
    cycle: &Cycle,
    id: &SysId,
    account: &AccountId,
) -> Result<bool, StoreError> {
    let Some(before) = cycle.linked.borrow_mut().remove(id) else { return Ok(true) };
    let policy = &deps.config.policy;
    let Some(mut state) = person_state(&deps.store, policy, id)? else { return Ok(true) };
    // As before it was linked: every account that may be the person's counts.
    state.candidates = all_candidates(&deps.store, policy, &state.person)?;
    let identity = identify(&state.person, policy);
    if correlate(&identity, &state.candidates) == Match::Account(account.clone()) {
        // The lists may have left a group out.
        deps.store.atomically(|| adopt(deps, id, account))?;
        return Ok(true);
    }
    let names =
        PersonNames { okta_id: Some(account.as_str().to_owned()), ..names_of(&deps.store, id)? };
    let thread = LogThread { person: names, ..LogThread::default() };
    log_event!(
        info,
        thread,
        { cycle = cycle.id },
        "the account {account} was listed as {}'s, and is not when it is read by itself",
        state.person.user_name()
    );
    deps.store.atomically(|| deps.store.links().revert(id, before.as_ref()))?;
    Ok(false)
}

pub(crate) fn has_account(deps: &Deps, id: &SysId) -> Result<bool, StoreError> {
    Ok(account_of(&deps.store, id)?.is_some())
}

/// Whether an account turned up for somebody that nobody else matches: the next decision links it.
pub(crate) fn is_about_to_be_linked(deps: &Deps, id: &SysId) -> Result<bool, StoreError> {
    let Some(account) = account_matched_by(deps, id)? else { return Ok(false) };
    for other in deps.store.people().without_account(true)? {
        if other != *id && account_matched_by(deps, &other)?.as_ref() == Some(&account) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn account_matched_by(deps: &Deps, id: &SysId) -> Result<Option<AccountId>, StoreError> {
    if has_account(deps, id)? {
        return Ok(None);
    }
    let policy = &deps.config.policy;
    let state = person_state(&deps.store, policy, id)?;
    Ok(state.and_then(|state| match_account(&state, policy)))
}
