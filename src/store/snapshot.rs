//! Everything stored about one person, loaded in one go: what a decision is made from.

use std::collections::BTreeMap;

use super::{Result, Store, Trouble};
use crate::model::{Account, Actual, Candidate, Person, PersonState, SysId, Unreadable};
use crate::policy::Policy;
use crate::policy::derive::identify;

/// Loads everything stored about one person; `None` for somebody unknown.
pub(crate) fn person_state(
    store: &Store,
    policy: &Policy,
    id: &SysId,
) -> Result<Option<PersonState>> {
    let Some(person) = store.people().get(id)? else { return Ok(None) };
    let link = store.links().get(id)?;
    let account =
        link.as_ref().map(|link| store.accounts().get(&link.account)).transpose()?.flatten();
    let groups = account.as_ref().map(|account| store.groups().of_account(&account.id));
    let groups = groups.transpose()?.unwrap_or_default();
    let actual = Actual { account, groups };
    Ok(Some(PersonState {
        candidates: candidates(store, policy, &person, &actual)?,
        requests: store.requests().resolved_for(id)?,
        baseline: store.links().baseline_of(id)?,
        known: store.facts().of(id)?,
        history: store.history().of(id)?,
        unreadable: store.unreadable().of_person(id)?.map(why_unreadable),
        record_unreadable: store.unreadable().of_record("sys_user", id)?.map(why_unreadable),
        person,
        link,
        actual,
    }))
}

fn why_unreadable(trouble: Trouble) -> Unreadable {
    Unreadable { why: trouble.why, since: trouble.since }
}

/// Accounts that have anything of what identifies the person. Of somebody with an account only
/// those matter that have the login which the record gives.
fn candidates(
    store: &Store,
    policy: &Policy,
    person: &Person,
    actual: &Actual,
) -> Result<Vec<Candidate>> {
    let identity = identify(person, policy);
    let wanted: Vec<(&str, &str)> = match &actual.account {
        Some(account) => {
            let login = identity.login.as_deref().filter(|login| !login.is_empty());
            let other = |login: &&str| account.login().to_lowercase() != login.to_lowercase();
            login.filter(other).map(|login| ("login", login)).into_iter().collect()
        }
        None => identity.values().collect(),
    };
    let mut found = BTreeMap::new();
    for (attribute, value) in wanted {
        let having = store.accounts().having(attribute, value)?;
        found.extend(having.into_iter().map(|it| (it.id.clone(), it)));
    }
    let candidate = |account: Account| {
        let owner = store.links().person_of(&account.id)?;
        let taken = owner.is_some_and(|owner| owner != person.sys_id);
        Ok(Candidate { account, taken })
    };
    found.into_values().map(candidate).collect()
}

/// Every account in the store that has anything of what identifies a person, linked or not.
pub(crate) fn all_candidates(
    store: &Store,
    policy: &Policy,
    person: &Person,
) -> Result<Vec<Candidate>> {
    candidates(store, policy, person, &Actual::default())
}
