use std::collections::BTreeMap;

use super::super::Store;
use super::*;
use crate::model::{Account, AccountStatus, Group, GroupKind};
use crate::store::tests::store;
use crate::store::{Object, Observed};

fn at(minute: u32) -> Timestamp {
    format!("2026-06-01T12:{minute:02}:00Z").parse().unwrap()
}

fn id(nth: u32) -> AccountId {
    AccountId::parse(&format!("00u{nth}")).unwrap()
}

fn person(nth: u32) -> SysId {
    SysId::parse(&format!("p{nth}")).unwrap()
}

fn group(name: &str) -> GroupId {
    GroupId::parse(name).unwrap()
}

/// An account that was seen in this cycle.
fn seen(store: &Store, nth: u32, cycle: i64) {
    let account = Account {
        id: id(nth),
        status: AccountStatus::Active,
        transitioning: None,
        profile: BTreeMap::new(),
        provider: String::new(),
        last_updated: String::new(),
    };
    let observed = Observed::List { asked_at: at(0) };
    store.accounts().upsert(&[account], &BTreeSet::new(), observed, cycle).unwrap();
}

/// Three people with their accounts, of which the first two are seen in the second cycle, and a
/// group that is read in it.
fn world() -> (tempfile::TempDir, Store) {
    let (folder, store) = store();
    for nth in 1..=3 {
        seen(&store, nth, 1);
        store.links().upsert(&person(nth), &id(nth), &Origin::Baseline, false, at(0)).unwrap();
    }
    let found =
        Group { id: group("00g1"), name: "one".into(), kind: GroupKind::Okta, rule_fed: false };
    store.groups().upsert_one(&found, false, 2).unwrap();
    seen(&store, 1, 2);
    seen(&store, 2, 2);
    (folder, store)
}

/// The group comes under management in the second cycle, with the first as its only shown member.
fn managed(blind: bool) -> (tempfile::TempDir, Store) {
    let (folder, store) = world();
    store.groups().take_over(&group("00g1"), &[id(1)]).unwrap();
    store.links().insert_group_baseline(&group("00g1")).unwrap();
    store.links().insert_unseen_members(&group("00g1"), blind, 2).unwrap();
    (folder, store)
}

/// Of whom it was never seen whether they are in the group.
fn unseen(store: &Store) -> Vec<u32> {
    (1..=3).filter(|nth| !store.links().unseen_groups_of(&id(*nth)).unwrap().is_empty()).collect()
}

fn baseline(store: &Store) -> Vec<u32> {
    let had =
        |nth: &u32| store.links().baseline_of(&person(*nth)).unwrap().contains(&group("00g1"));
    (1..=3).filter(had).collect()
}

#[test]
fn a_list_of_members_tells_of_those_who_are_in_sight() {
    let (_folder, store) = managed(false);
    assert_eq!((baseline(&store), unseen(&store)), (vec![1], vec![]));
    // To credentials that see a part, the third was not there when the accounts were read.
    let (_folder, store) = managed(true);
    assert_eq!((baseline(&store), unseen(&store)), (vec![1], vec![3]));
    // Whose account is known to be unreadable is in doubt to any credentials.
    let (_folder, store) = world();
    store.unreadable().note(Object::Account, "p2", "why", false, at(0)).unwrap();
    store.links().insert_unseen_members(&group("00g1"), false, 2).unwrap();
    assert_eq!(unseen(&store), Vec::<u32>::new(), "the group is not managed yet");
    store.groups().take_over(&group("00g1"), &[]).unwrap();
    assert_eq!(unseen(&store), [2]);
}

#[test]
fn what_is_found_when_it_is_first_seen_was_there_at_take_over() {
    let (_folder, store) = managed(true);
    store.groups().replace_groups_of(&id(3), &[group("00g1")], at(1)).unwrap();
    store.links().settle_unseen(&id(3), &group("00g1")).unwrap();
    assert_eq!((baseline(&store), unseen(&store)), (vec![1, 3], vec![]));

    let (_folder, store) = managed(true);
    store.groups().replace_members(&group("00g1"), &[id(1)], at(1)).unwrap();
    store.links().settle_unseen_members(&group("00g1"), 3).unwrap();
    assert_eq!(unseen(&store), [3], "it is out of sight in the third cycle, too");
    store.groups().replace_members(&group("00g1"), &[id(1), id(3)], at(1)).unwrap();
    store.links().settle_unseen_members(&group("00g1"), 3).unwrap();
    assert_eq!((baseline(&store), unseen(&store)), (vec![1, 3], vec![]));
}

#[test]
fn who_was_seen_outside_is_in_it_from_before_no_more() {
    let (_folder, store) = managed(true);
    seen(&store, 3, 3);
    store.links().settle_unseen_members(&group("00g1"), 3).unwrap();
    assert_eq!((baseline(&store), unseen(&store)), (vec![1], vec![]));
    let (_folder, store) = managed(true);
    store.links().settle_unseen(&id(3), &group("00g1")).unwrap();
    assert_eq!((baseline(&store), unseen(&store)), (vec![1], vec![]));
}

#[test]
fn what_was_done_here_was_not_there_and_a_leave_ends_all_of_it() {
    let (_folder, store) = managed(true);
    store.groups().set_member(&group("00g1"), &id(3), true, at(1)).unwrap();
    assert_eq!(unseen(&store), Vec::<u32>::new());
    let (_folder, store) = managed(true);
    store.links().end_adoption(&person(3)).unwrap();
    assert_eq!(unseen(&store), Vec::<u32>::new());
}

#[test]
fn of_whom_is_linked_those_groups_are_in_doubt_that_were_not_read_in_the_cycle() {
    let (_folder, store) = managed(false);
    store.links().insert_unseen_groups(&person(3), 2).unwrap();
    assert_eq!(unseen(&store), Vec::<u32>::new());
    store.unreadable().note(Object::Members, "00g1", "why", false, at(0)).unwrap();
    for nth in [1, 3] {
        store.links().insert_unseen_groups(&person(nth), 2).unwrap();
    }
    assert_eq!(unseen(&store), [3], "the first is a member");
    store.unreadable().clear(Object::Members, "00g1").unwrap();
    store.links().insert_unseen_groups(&person(2), 3).unwrap();
    assert_eq!(unseen(&store), [2, 3]);
}
