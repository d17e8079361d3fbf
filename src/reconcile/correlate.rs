//! Which account is whose. "Not clear" is an answer, and never a guess.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::Difference;
use super::org::OrgState;
use crate::model::{
    AccountConflict, AccountId, Candidate, PersonState, Presence, StepKind, SysId, Timestamp,
};
use crate::policy::Policy;
use crate::policy::derive::{Identity, identify};
use crate::policy::fact::Desired;
use crate::policy::timeline::DesiredStatus;

/// The account of a person without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Match {
    None,
    Account(AccountId),
    /// There is one, or there are several, and it cannot be told whose.
    Unclear(AccountConflict),
}

/// Finds the account of a person by the attributes that identify people, in order.
///
/// An empty value matches nothing. A later attribute does not match an account whose earlier one
/// is set and differs, nor one linked to another person: whoever recycles a login or an e-mail
/// does not inherit an account.
pub(crate) fn correlate(identity: &Identity, candidates: &[Candidate]) -> Match {
    if let Some((anchor, id)) = &identity.anchor {
        let anchored = candidates.iter().filter(|it| it.account.attribute(anchor) == id);
        let anchor = anchor.clone();
        match anchored.collect::<Vec<_>>().as_slice() {
            [] => {}
            [one] if one.taken => return Match::Unclear(AccountConflict::AnchorTaken { anchor }),
            [one] => return Match::Account(one.account.id.clone()),
            _ => return Match::Unclear(AccountConflict::SeveralAnchored { anchor }),
        }
    }
    for (place, (attribute, value)) in identity.keys.iter().enumerate() {
        let found: Vec<&Candidate> =
            candidates.iter().filter(|it| same(it.account.attribute(attribute), value)).collect();
        if let Some(conflict) = found.iter().find_map(|it| conflict(it, identity, place)) {
            return Match::Unclear(conflict);
        }
        let ids: BTreeSet<&AccountId> = found.iter().map(|it| &it.account.id).collect();
        match (ids.first(), ids.len()) {
            (None, _) => {}
            (Some(id), 1) => return Match::Account((*id).clone()),
            (Some(_), count) => {
                return Match::Unclear(AccountConflict::Several { by: attribute.clone(), count });
            }
        }
    }
    // No key matches, and yet the login that a new account would need is in use.
    let login = identity.login.as_deref().unwrap_or_default();
    if candidates.iter().any(|it| same(it.account.login(), login)) {
        return Match::Unclear(AccountConflict::LoginTaken);
    }
    Match::None
}

/// Why an account that matches by one key is nevertheless not this person's.
fn conflict(candidate: &Candidate, identity: &Identity, place: usize) -> Option<AccountConflict> {
    let by = identity.keys[place].0.clone();
    if candidate.taken {
        return Some(AccountConflict::LinkedToAnother { by });
    }
    if let Some((anchor, id)) = &identity.anchor {
        let held = candidate.account.attribute(anchor);
        if !held.is_empty() && held != id {
            return Some(AccountConflict::AnotherAnchor { by, anchor: anchor.clone() });
        }
    }
    let differs = |(attribute, value): &&(String, String)| {
        let held = candidate.account.attribute(attribute);
        !held.is_empty() && !same(held, value)
    };
    let earlier = identity.keys[..place].iter().find(differs);
    earlier.map(|(attribute, _)| AccountConflict::AnotherValue { by, attribute: attribute.clone() })
}

fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim(), b.trim());
    !a.is_empty() && (a == b || a.to_lowercase() == b.to_lowercase())
}

/// The account that somebody without one matches, as far as the record can be read.
pub(crate) fn match_account(state: &PersonState, policy: &Policy) -> Option<AccountId> {
    let looked_for = state.actual.account.is_none() && state.person.presence == Presence::Present;
    let identity = looked_for.then(|| identify(&state.person, policy))?;
    match correlate(&identity, &state.candidates) {
        Match::Account(account) => Some(account),
        Match::None | Match::Unclear(_) => None,
    }
}

/// Whom to link to which account: whoever matches one that nobody else matches. An account that
/// two people would match is linked to neither.
pub(crate) fn assign(
    matches: impl IntoIterator<Item = (SysId, AccountId)>,
) -> impl Iterator<Item = (SysId, AccountId)> {
    let mut claims: BTreeMap<AccountId, BTreeSet<SysId>> = BTreeMap::new();
    for (person, account) in matches {
        claims.entry(account).or_default().insert(person);
    }
    claims.into_iter().filter_map(|(account, mut people)| match people.len() {
        1 => people.pop_first().map(|person| (person, account)),
        _ => None,
    })
}

/// Why nothing can be written for somebody without an account: it cannot be told which is theirs,
/// or somebody else would get one that identifies the same person, and neither is made.
pub(super) fn account_conflict(
    state: &PersonState,
    desired: &Desired,
    found: &[Difference],
    org: &OrgState,
    policy: &Policy,
    now: Timestamp,
) -> Option<AccountConflict> {
    if state.actual.account.is_some() {
        return None;
    }
    let identity = identify(&state.person, policy);
    let wanted = wants_account(desired);
    if wanted || state.requests.iter().any(|request| request.in_force(now)) {
        match correlate(&identity, &state.candidates) {
            Match::Unclear(conflict) if wanted || !conflict.is_login_taken() => {
                return Some(conflict);
            }
            // It matches, and yet it was not linked.
            Match::Account(_) if state.person.presence == Presence::Present => {
                return Some(AccountConflict::MatchesSeveralPeople);
            }
            Match::Account(_) => return Some(AccountConflict::RecordUnreadable),
            Match::None | Match::Unclear(_) => {}
        }
    }
    if !found.iter().any(|it| it.action() == Some(StepKind::Create)) {
        return None;
    }
    identity.claims().into_iter().find_map(|claim| {
        let claimants = org.identities.get(&claim)?.iter();
        let others = claimants.filter(|id| **id != state.person.sys_id).count();
        let (attribute, _) = claim;
        (others > 0).then_some(AccountConflict::DuplicateIdentity { people: others + 1, attribute })
    })
}

pub(super) fn wants_account(desired: &Desired) -> bool {
    matches!(desired.status_value(), Some(DesiredStatus::Active | DesiredStatus::Staged))
}

/// Whether a login is another account's: a rename to it would be refused, or worse.
pub(super) fn is_login_taken(state: &PersonState, login: &str) -> bool {
    let own = state.account_id();
    state.candidates.iter().any(|it| Some(&it.account.id) != own && same(it.account.login(), login))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Account, AccountStatus};

    fn account(id: &str, number: &str, login: &str) -> Account {
        Account {
            id: AccountId::parse(id).unwrap(),
            status: AccountStatus::Active,
            transitioning: None,
            profile: BTreeMap::from([
                ("employeeNumber".to_owned(), number.to_owned()),
                ("login".to_owned(), login.to_owned()),
            ]),
            provider: "OKTA".to_owned(),
            last_updated: String::new(),
        }
    }

    fn find(accounts: &[(Account, bool)], number: &str, login: &str) -> Match {
        let candidates: Vec<Candidate> = accounts
            .iter()
            .map(|(account, taken)| Candidate { account: account.clone(), taken: *taken })
            .collect();
        let keys = [("employeeNumber", number), ("login", login)];
        let keys = keys.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let login = Some(login.to_owned());
        correlate(&Identity { keys, login, anchor: None }, &candidates)
    }

    #[test]
    fn an_account_is_found_by_its_number_even_after_a_rename() {
        let there = [(account("u1", "0042", "old@example.com"), false)];
        assert_eq!(find(&there, "0042", "new@example.com"), Match::Account(there[0].0.id.clone()));
    }

    #[test]
    fn an_empty_number_matches_nobody() {
        let there = [(account("u1", "", "ada@example.com"), false)];
        assert_eq!(find(&there, "", "grace@example.com"), Match::None);
    }

    #[test]
    fn a_recycled_login_does_not_take_over_somebody_elses_account() {
        let there = [(account("u1", "0001", "jane@example.com"), false)];
        assert!(matches!(
            find(&there, "0002", "jane@example.com"),
            Match::Unclear(AccountConflict::AnotherValue { .. })
        ));
    }

    #[test]
    fn an_account_of_another_person_is_never_matched() {
        let there = [(account("u1", "0042", "ada@example.com"), true)];
        assert!(matches!(
            find(&there, "0042", "ada@example.com"),
            Match::Unclear(AccountConflict::LinkedToAnother { .. })
        ));
    }

    #[test]
    fn two_accounts_with_one_number_are_held() {
        let there = [
            (account("u1", "7", "a@example.com"), false),
            (account("u2", "7", "b@example.com"), false),
        ];
        assert!(matches!(
            find(&there, "7", "a@example.com"),
            Match::Unclear(AccountConflict::Several { count: 2, .. })
        ));
    }
}
