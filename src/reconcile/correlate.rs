//! Which account is whose. "Not clear" is an answer, and never a guess.

use std::collections::BTreeSet;

use crate::model::{Account, AccountId};

/// An account and the person whom it is linked to, if any.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The account.
    pub account: &'a Account,
    /// It is linked to another person than the one in question.
    pub taken: bool,
}

/// The account of a person without a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// There is none: one may be created.
    None,
    /// This one.
    Account(AccountId),
    /// There is one, or there are several, and it cannot be told whose.
    Unclear {
        /// A word for the kind of doubt.
        kind: &'static str,
        /// What is unclear, for a person to read.
        text: String,
    },
}

/// Finds the account of a person by the attributes that identify people, in order.
///
/// `keys` are the person's values of `identity.match`, in its order; `anchor` is the name of the
/// attribute that keeps the link and the person's `sys_id`. `login` is the name that a new account
/// would get, which nobody else may hold.
///
/// An empty value matches nothing. A later attribute does not match an account whose earlier one
/// is set and differs, nor one linked to another person: whoever recycles a login or an e-mail
/// does not inherit an account.
pub fn correlate(
    anchor: Option<(&str, &str)>,
    keys: &[(&str, &str)],
    login: Option<&str>,
    candidates: &[Candidate<'_>],
) -> Match {
    if let Some((attribute, id)) = anchor {
        let anchored: Vec<_> =
            candidates.iter().filter(|c| c.account.attribute(attribute) == id).collect();
        match anchored.as_slice() {
            [] => {}
            [one] if one.taken => {
                return unclear(
                    "account-of-another",
                    format!("the account with this {attribute} is linked to another person"),
                );
            }
            [one] => return Match::Account(one.account.id.clone()),
            _ => {
                return unclear(
                    "several-accounts",
                    format!("several accounts carry the same {attribute}"),
                );
            }
        }
    }
    for (place, (attribute, value)) in keys.iter().enumerate() {
        if value.is_empty() {
            continue;
        }
        let found: Vec<_> =
            candidates.iter().filter(|c| same(c.account.attribute(attribute), value)).collect();
        if found.is_empty() {
            continue;
        }
        if let Some(other) = found.iter().find_map(|c| belongs_elsewhere(c, anchor, &keys[..place]))
        {
            return unclear(
                "account-of-another",
                format!("the account that matches by {attribute} {other}"),
            );
        }
        let ids: BTreeSet<&AccountId> = found.iter().map(|c| &c.account.id).collect();
        return match ids.first() {
            Some(id) if ids.len() == 1 => Match::Account((*id).clone()),
            _ => {
                unclear("several-accounts", format!("{} accounts match by {attribute}", ids.len()))
            }
        };
    }
    // No key matches, and yet the login that a new account would need is in use.
    if let Some(login) = login
        && candidates.iter().any(|c| same(c.account.login(), login))
    {
        return unclear(
            "login-taken",
            "the login is taken by an account that does not match".to_owned(),
        );
    }
    Match::None
}

fn unclear(kind: &'static str, text: String) -> Match {
    Match::Unclear { kind, text }
}

/// Why an account that matches by one key is nevertheless not this person's.
fn belongs_elsewhere(
    candidate: &Candidate<'_>,
    anchor: Option<(&str, &str)>,
    earlier: &[(&str, &str)],
) -> Option<String> {
    if candidate.taken {
        return Some("is linked to another person".to_owned());
    }
    if let Some((attribute, id)) = anchor {
        let held = candidate.account.attribute(attribute);
        if !held.is_empty() && held != id {
            return Some(format!("carries another {attribute}"));
        }
    }
    earlier
        .iter()
        .find(|(attribute, value)| {
            let held = candidate.account.attribute(attribute);
            !held.is_empty() && !same(held, value)
        })
        .map(|(attribute, _)| format!("has another {attribute}"))
}

fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim(), b.trim());
    !a.is_empty() && (a == b || a.to_lowercase() == b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::AccountStatus;

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
        let candidates: Vec<_> =
            accounts.iter().map(|(account, taken)| Candidate { account, taken: *taken }).collect();
        let keys = [("employeeNumber", number), ("login", login)];
        correlate(None, &keys, Some(login), &candidates)
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
            Match::Unclear { kind: "account-of-another", .. }
        ));
    }

    #[test]
    fn an_account_of_another_person_is_never_matched() {
        let there = [(account("u1", "0042", "ada@example.com"), true)];
        assert!(matches!(find(&there, "0042", "ada@example.com"), Match::Unclear { .. }));
    }

    #[test]
    fn two_accounts_with_one_number_are_held() {
        let there = [
            (account("u1", "7", "a@example.com"), false),
            (account("u2", "7", "b@example.com"), false),
        ];
        assert!(matches!(
            find(&there, "7", "a@example.com"),
            Match::Unclear { kind: "several-accounts", .. }
        ));
    }
}
