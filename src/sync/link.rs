//! Which account is whose, as far as the store can tell: nothing is written where it is not clear.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Account, AccountId, Cause, FactKey, Operation, Origin, Person, Presence, Reason,
    ResolvedRequest, SysId, Timestamp,
};
use crate::policy::desire::{Desired, identify};
use crate::policy::timeline::DesiredStatus;
use crate::reconcile::correlate::{Candidate, Match, correlate};
use crate::reconcile::diff::{Actual, Disposition, Drift, Remedy};
use crate::reconcile::plan::is_dormant;
use crate::store::StoreError;
use crate::sync::deps::Deps;
use crate::sync::in_doubt::{creation_of, record_took_effect};
use crate::sync::scope::Cycle;
use crate::sync::surroundings::{Claims, claims_of};

/// Somebody else would get an account that identifies the same person: neither is made.
pub(crate) fn duplicate_identity(
    deps: &Deps,
    person: &Person,
    drifts: &[Drift],
    claims: &Claims,
) -> Option<String> {
    let creates = |drift: &Drift| matches!(drift.remedy, Some(Remedy::Create { .. }));
    if !drifts.iter().any(creates) {
        return None;
    }
    claims_of(person, &deps.config.policy).into_iter().find_map(|claim| {
        let others = claims.get(&claim)?.iter().filter(|id| **id != person.sys_id).count();
        (others > 0)
            .then(|| format!("{} people would get accounts with the same {}", others + 1, claim.0))
    })
}

/// A rename to a login that somebody else has would be refused, or worse.
pub(crate) fn hold_taken_login(
    deps: &Deps,
    actual: &Actual,
    drifts: &mut [Drift],
) -> Result<(), StoreError> {
    let Some(own) = &actual.account else { return Ok(()) };
    let Some(drift) = drifts.iter_mut().find(|drift| {
        matches!(drift.disposition, Disposition::Apply | Disposition::Hold)
            && matches!(&drift.key, FactKey::Profile(attribute) if attribute == "login")
    }) else {
        return Ok(());
    };
    let login = drift.desired.clone().unwrap_or_default();
    let others = deps.store.accounts().having("login", &login)?;
    if others.iter().any(|other| other.id != own.id) {
        hold_without_remedy(drift, "the login is taken by another account");
    }
    Ok(())
}

/// Why it cannot be told which account is the person's, if one is wanted.
pub(crate) fn correlation_conflict(
    deps: &Deps,
    person: &Person,
    desired: &Desired,
    requests: &[ResolvedRequest],
) -> Result<Option<String>, StoreError> {
    let wanted = desired.status.as_ref().is_some_and(|status| {
        matches!(status.value, DesiredStatus::Active | DesiredStatus::Staged)
    });
    let named = requests.iter().any(|resolved| resolved.in_force(deps.now()));
    if !wanted && !named {
        return Ok(None);
    }
    Ok(match find_account(deps, person)? {
        Match::Unclear { kind: "login-taken", text } if wanted => Some(text),
        Match::Unclear { kind: "login-taken", .. } | Match::None => None,
        Match::Unclear { text, .. } => Some(text),
        // It matches, and yet it was not linked.
        Match::Account(_) if person.presence == Presence::Present => {
            Some("the account that matches would be another person's as well".to_owned())
        }
        Match::Account(_) => {
            Some("an account matches, and the person's record is not readable now".to_owned())
        }
    })
}

/// Every account in the store that has anything of what would identify a person.
pub(crate) fn candidates(
    deps: &Deps,
    person: &Person,
) -> Result<BTreeMap<AccountId, Account>, StoreError> {
    let policy = &deps.config.policy;
    let (keys, login) = identify(person, policy);
    let mut accounts = BTreeMap::new();
    let anchor = policy.anchor.as_deref().map(|anchor| (anchor, person.sys_id.as_str()));
    let by_login = login.as_deref().map(|login| ("login", login));
    let searched = keys.iter().map(|(attribute, value)| (attribute.as_str(), value.as_str()));
    for (attribute, value) in searched.chain(anchor).chain(by_login) {
        if value.is_empty() {
            continue;
        }
        for account in deps.store.accounts().having(attribute, value)? {
            accounts.insert(account.id.clone(), account);
        }
    }
    Ok(accounts)
}

fn find_account(deps: &Deps, person: &Person) -> Result<Match, StoreError> {
    let policy = &deps.config.policy;
    let (keys, login) = identify(person, policy);
    let anchor = policy.anchor.as_deref().map(|anchor| (anchor, person.sys_id.as_str()));
    let accounts = candidates(deps, person)?;
    let mut taken = BTreeMap::new();
    for id in accounts.keys() {
        let owner = deps.store.links().person_of(id)?;
        taken.insert(id.clone(), owner.is_some_and(|owner| owner != person.sys_id));
    }
    let candidates: Vec<Candidate<'_>> =
        accounts.values().map(|account| Candidate { account, taken: taken[&account.id] }).collect();
    let keys: Vec<(&str, &str)> =
        keys.iter().map(|(attribute, value)| (attribute.as_str(), value.as_str())).collect();
    Ok(correlate(anchor, &keys, login.as_deref(), &candidates))
}

/// Links people to the accounts that are theirs. An account that two people would match is
/// linked to neither.
pub(crate) fn link_people(deps: &Deps, cycle: &Cycle, people: &[SysId]) -> Result<(), StoreError> {
    let mut claims: BTreeMap<AccountId, BTreeSet<&SysId>> = BTreeMap::new();
    for id in people {
        if let Some(account) = match_account(deps, id)? {
            claims.entry(account).or_default().insert(id);
        }
    }
    if claims.is_empty() {
        return Ok(());
    }
    // Whoever else matches may not be among those who are looked at now.
    let others = deps.store.people().without_account(true)?;
    let looked_at: BTreeSet<&SysId> = people.iter().collect();
    for id in others.iter().filter(|id| !looked_at.contains(id)) {
        if let Some(account) = match_account(deps, id)?
            && let Some(claimants) = claims.get_mut(&account)
        {
            claimants.insert(id);
        }
    }
    let now = deps.now();
    for (account, claimants) in claims {
        let (Some(person), 1) = (claimants.first(), claimants.len()) else { continue };
        // It was made here: nothing of what it has was there before.
        if let Some(sent) = creation_of(deps, person, &account)? {
            deps.store.links().upsert(person, &account, &sent.origin, true, now)?;
            record_took_effect(deps, &sent, person, &account)?;
            continue;
        }
        let origin = deps
            .store
            .requests()
            .resolved_for(person)?
            .into_iter()
            .filter(|resolved| resolved.in_force(now) && resolved.terms.operation.is_lifecycle())
            .max_by_key(|resolved| (resolved.effective, resolved.created_at))
            .map_or(Origin::Baseline, |resolved| Origin::Request(resolved.request));
        let before = deps.store.links().get(person)?;
        // What another account of theirs was in at take-over, nobody asked for on this one.
        if before.is_some() {
            deps.store.links().end_adoption(person)?;
        }
        deps.store.links().upsert(person, &account, &origin, false, now)?;
        adopt(deps, person, &account)?;
        cycle.note_link(person, before);
    }
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
    if !cycle.was_linked(id) {
        return Ok(true);
    }
    let before = cycle.forget_link(id);
    let Some(person) = deps.store.people().get(id)? else { return Ok(true) };
    if find_account(deps, &person)? == Match::Account(account.clone()) {
        // The lists may have left a group out.
        deps.store.atomically(|| adopt(deps, id, account))?;
        return Ok(true);
    }
    tracing::info!(
        sys_id = %id,
        okta_user = %account,
        "the account {account} was listed as {}'s, and is not when it is read by itself",
        person.user_name()
    );
    deps.store.atomically(|| deps.store.links().revert(id, before.as_ref()))?;
    Ok(false)
}

/// Whether somebody is linked to an account that is still there.
pub(crate) fn has_account(deps: &Deps, id: &SysId) -> Result<bool, StoreError> {
    let link = deps.store.links().account_of(id)?;
    Ok(link.map(|account| deps.store.accounts().get(&account)).transpose()?.flatten().is_some())
}

/// Whether an account turned up for somebody that nobody else matches: the next look links it.
pub(crate) fn is_about_to_be_linked(deps: &Deps, id: &SysId) -> Result<bool, StoreError> {
    let Some(account) = match_account(deps, id)? else { return Ok(false) };
    for other in deps.store.people().without_account(true)? {
        if other != *id && match_account(deps, &other)?.as_ref() == Some(&account) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The account that somebody without one matches.
fn match_account(deps: &Deps, id: &SysId) -> Result<Option<AccountId>, StoreError> {
    if has_account(deps, id)? {
        return Ok(None);
    }
    let Some(person) = deps.store.people().get(id)? else { return Ok(None) };
    if person.presence != Presence::Present {
        return Ok(None);
    }
    Ok(match find_account(deps, &person)? {
        Match::Account(account) => Some(account),
        Match::None | Match::Unclear { .. } => None,
    })
}

pub(crate) fn hold_without_remedy(drift: &mut Drift, reason: &str) {
    drift.disposition = Disposition::Hold;
    drift.remedy = None;
    reason.clone_into(&mut drift.reason);
}

fn newest(requests: &[ResolvedRequest]) -> Origin {
    requests
        .iter()
        .max_by_key(|resolved| (resolved.effective, resolved.created_at))
        .map_or(Origin::None, |resolved| Origin::Request(resolved.request.clone()))
}

pub(crate) fn unclear(requests: &[ResolvedRequest], reason: String) -> Drift {
    Drift {
        key: FactKey::Account,
        desired: None,
        actual: None,
        origin: newest(requests),
        cause: Cause::Request,
        disposition: Disposition::Hold,
        remedy: None,
        reason,
        closed_before_first_seen: false,
        observed: false,
    }
}

/// What was asked for somebody who has no account in use and gets none: it can neither be done nor
/// be called done.
pub(crate) fn without_account(
    desired: &Desired,
    requests: &[ResolvedRequest],
    actual: &Actual,
    drifts: &[Drift],
    now: Timestamp,
) -> Vec<Drift> {
    let status = desired.status.as_ref();
    let comes = status
        .is_some_and(|fact| matches!(fact.value, DesiredStatus::Active | DesiredStatus::Staged));
    if comes || !is_dormant(actual.account.as_ref()) || has_account_drift(drifts) {
        return Vec::new();
    }
    // What a later leave ended waits for nothing.
    let place = |resolved: &ResolvedRequest| {
        (resolved.effective, resolved.created_at, resolved.request.number.clone())
    };
    let ended_by = status.filter(|fact| fact.value == DesiredStatus::Deactivated);
    let ended_at = ended_by.and_then(|fact| {
        requests.iter().find(|resolved| fact.origin.request() == Some(&resolved.request)).map(place)
    });
    let waits = |resolved: &&ResolvedRequest| {
        let needs = match resolved.terms.operation {
            Operation::Grant => !resolved.has_ended(now) && is_wanted(resolved, desired),
            Operation::Move | Operation::Resume => true,
            // An account that is deactivated is as suspended as it can be.
            Operation::Suspend => actual.account.is_none(),
            Operation::Join | Operation::Leave | Operation::Revoke => false,
        };
        needs
            && resolved.in_force(now)
            && !resolved.closed
            && ended_at.as_ref().is_none_or(|ended| place(resolved) > *ended)
    };
    let (status, reason) = match &actual.account {
        None => (None, "the person has no account in Okta, and none was asked for"),
        Some(account) => (
            Some(account.status.as_str().to_lowercase()),
            "the person's account in Okta is deactivated",
        ),
    };
    let waiting = requests.iter().filter(waits);
    waiting
        .map(|resolved| Drift {
            desired: Some(DesiredStatus::Active.as_str().to_owned()),
            actual: status.clone(),
            ..unclear(std::slice::from_ref(resolved), reason.to_owned())
        })
        .collect()
}

fn has_account_drift(drifts: &[Drift]) -> bool {
    drifts.iter().any(|drift| drift.key == FactKey::Account)
}

/// Whether any membership that it asks for is still wanted because of it.
fn is_wanted(resolved: &ResolvedRequest, desired: &Desired) -> bool {
    let speaks = |reason: &Reason| matches!(reason, Reason::Request { request, .. } if *request == resolved.request);
    resolved.terms.groups.iter().any(|group| {
        let fact = desired.memberships.get(group);
        fact.is_some_and(|fact| fact.value && fact.reasons.iter().any(speaks))
    })
}
