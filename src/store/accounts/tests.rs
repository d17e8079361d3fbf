use std::collections::BTreeMap;

use super::*;
use crate::model::AccountStatus;
use crate::store::tests::store;

fn at(second: u32) -> Timestamp {
    format!("2026-06-01T12:00:{second:02}Z").parse().unwrap()
}

fn account(status: AccountStatus, last_updated: &str) -> Account {
    Account {
        id: AccountId::parse("00u1").unwrap(),
        status,
        transitioning: None,
        profile: BTreeMap::from([("login".to_owned(), "Zoe@example.com".to_owned())]),
        provider: "OKTA".to_owned(),
        last_updated: last_updated.to_owned(),
    }
}

/// What stands after what is stored and what is seen then, and whether the account was seen.
fn after(
    stored: (AccountStatus, &str, Observed),
    seen: (AccountStatus, &str, Observed),
) -> (AccountStatus, bool) {
    let (_folder, store) = store();
    let keys = BTreeSet::from(["login".to_owned()]);
    for (cycle, (status, last_updated, observed)) in [(1, stored), (2, seen)] {
        let account = account(status, last_updated);
        store.accounts().upsert(&[account], &keys, observed, cycle).unwrap();
    }
    let found = store.accounts().having("login", " zoe@EXAMPLE.com").unwrap();
    let [kept] = found.try_into().unwrap();
    (kept.status, store.accounts().unseen(2).unwrap().is_empty())
}

#[test]
fn an_older_observation_never_replaces_a_newer_one() {
    use AccountStatus::{Active, Suspended};
    let list = |second| Observed::List { asked_at: at(second) };
    let by_id = |second| Observed::ById { at: at(second) };
    // The same moment is written with and without a fraction, and in another zone.
    let (ten, ten_there, eleven) =
        ("2026-06-01T12:00:10Z", "2026-06-01T13:00:10.000+01:00", "2026-06-01T12:00:10.500Z");
    for (why, stored, seen, stands) in [
        ("its lastUpdated is older", (eleven, by_id(20)), (ten, list(30)), false),
        ("as times, not as texts", (eleven, by_id(20)), (ten_there, list(30)), false),
        ("also of two lists", (eleven, list(20)), (ten, list(30)), false),
        ("it was asked for before", (ten, by_id(20)), (ten, list(19)), false),
        ("the same written in another way", (ten, by_id(20)), (ten_there, list(19)), false),
        ("it was asked for after", (ten, by_id(20)), (ten, list(21)), true),
        ("at the same moment", (ten, by_id(20)), (ten, list(20)), true),
        ("its lastUpdated is newer", (ten, by_id(20)), (eleven, list(19)), true),
        ("of two lists the later counts", (ten, list(20)), (ten, list(30)), true),
        ("by id is as it is now", (eleven, by_id(20)), (ten, by_id(19)), true),
        ("without a time, by when it was asked for", ("", by_id(20)), ("", list(19)), false),
        ("a time that is none", (eleven, by_id(20)), ("soon", list(21)), true),
    ] {
        let stored = (Suspended, stored.0, stored.1);
        let (status, was_seen) = after(stored, (Active, seen.0, seen.1));
        assert_eq!(status == Active, stands, "{why}");
        assert!(was_seen, "{why}: it was in the list");
    }
}

#[test]
fn a_clock_that_was_put_right_keeps_no_list_out() {
    let tomorrow = at(0) + chrono::Duration::days(1);
    let stored = (AccountStatus::Suspended, "", Observed::ById { at: tomorrow });
    let seen = (AccountStatus::Active, "", Observed::List { asked_at: at(0) });
    assert_eq!(after(stored, seen).0, AccountStatus::Active);
}

#[test]
fn no_list_is_behind_for_long_whatever_times_it_shows() {
    let seen_after = |asked_at| {
        let stored =
            (AccountStatus::Suspended, "2026-06-01T12:00:43Z", Observed::ById { at: at(43) });
        let seen = (AccountStatus::Active, "2026-06-01T12:00:01Z", Observed::List { asked_at });
        after(stored, seen).0
    };
    let later = |minutes| at(43) + chrono::Duration::minutes(minutes);
    assert_eq!(seen_after(later(14)), AccountStatus::Suspended);
    assert_eq!(seen_after(later(15)), AccountStatus::Active);
    // A complete read began long before.
    assert_eq!(seen_after(later(-60)), AccountStatus::Suspended);
}

#[test]
fn only_what_is_new_or_shows_something_else_counts_as_changed() {
    let (_folder, store) = store();
    let see = |status: AccountStatus, last_updated: &str| {
        let observed = Observed::List { asked_at: at(0) };
        let account = account(status, last_updated);
        store.accounts().upsert(&[account], &BTreeSet::new(), observed, 1).unwrap().len()
    };
    assert_eq!(see(AccountStatus::Active, "2026-06-01T12:00:10Z"), 1);
    assert_eq!(see(AccountStatus::Active, "2026-06-01T12:00:10Z"), 0);
    assert_eq!(see(AccountStatus::Suspended, "2026-06-01T12:00:11Z"), 1);
    assert_eq!(see(AccountStatus::Active, "2026-06-01T12:00:10Z"), 0);
}
