use super::super::Store;
use super::*;
use crate::model::{Account, AccountStatus, GroupKind};
use crate::store::Observed;
use crate::store::tests::store;

fn at(second: u32) -> Timestamp {
    format!("2026-06-01T12:00:{second:02}Z").parse().unwrap()
}

fn id(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

fn group(text: &str) -> GroupId {
    GroupId::parse(text).unwrap()
}

/// Three accounts, the first in the managed group `00g1`; `00g2` is managed and empty.
fn world() -> (tempfile::TempDir, Store) {
    let (folder, store) = store();
    for name in ["00u1", "00u2", "00u3"] {
        let account = Account {
            id: id(name),
            status: AccountStatus::Active,
            transitioning: None,
            profile: BTreeMap::new(),
            provider: String::new(),
            last_updated: String::new(),
        };
        let observed = Observed::List { asked_at: at(0) };
        store.accounts().upsert(&[account], &BTreeSet::new(), observed, 1).unwrap();
    }
    for name in ["00g1", "00g2"] {
        let group =
            Group { id: group(name), name: name.into(), kind: GroupKind::Okta, rule_fed: false };
        store.groups().upsert_one(&group, false, 1).unwrap();
    }
    store.groups().take_over(&group("00g1"), &[id("00u1")]).unwrap();
    store.groups().take_over(&group("00g2"), &[]).unwrap();
    (folder, store)
}

fn members(store: &Store, name: &str) -> Vec<String> {
    let members = store.groups().members_of(&group(name)).unwrap();
    members.into_iter().map(|id| id.as_str().to_owned()).collect()
}

#[test]
fn a_list_of_members_does_not_overrule_groups_that_were_read_by_id_since() {
    let (_folder, store) = world();
    let groups = store.groups();
    // Since the list was asked for, the first was seen outside and the second in the group.
    groups.replace_groups_of(&id("00u1"), &[], at(20)).unwrap();
    groups.replace_groups_of(&id("00u2"), &[group("00g1")], at(20)).unwrap();
    groups.replace_members(&group("00g1"), &[id("00u1"), id("00u3")], at(19)).unwrap();
    assert_eq!(members(&store, "00g1"), ["00u2", "00u3"]);
    // One that was asked for afterwards tells of everybody.
    groups.replace_members(&group("00g1"), &[id("00u1")], at(20)).unwrap();
    assert_eq!(members(&store, "00g1"), ["00u1"]);
}

#[test]
fn a_list_of_members_does_not_overrule_what_was_written_here_since() {
    let (_folder, store) = world();
    let groups = store.groups();
    groups.set_member(&group("00g1"), &id("00u2"), true, at(20)).unwrap();
    groups.set_member(&group("00g1"), &id("00u1"), false, at(20)).unwrap();
    assert_eq!(members(&store, "00g1"), ["00u2"]);
    groups.replace_members(&group("00g1"), &[id("00u1"), id("00u3")], at(19)).unwrap();
    assert_eq!(members(&store, "00g1"), ["00u2", "00u3"]);
    // Of another group the list counts.
    groups.replace_members(&group("00g2"), &[id("00u1"), id("00u2")], at(19)).unwrap();
    assert_eq!(members(&store, "00g2"), ["00u1", "00u2"]);
    groups.replace_members(&group("00g1"), &[id("00u1")], at(21)).unwrap();
    assert_eq!(members(&store, "00g1"), ["00u1"]);
}

#[test]
fn what_was_read_by_id_says_nothing_of_a_group_that_comes_under_management_later() {
    let (_folder, store) = world();
    let late =
        Group { id: group("00g3"), name: "late".into(), kind: GroupKind::Okta, rule_fed: false };
    store.groups().upsert_one(&late, false, 1).unwrap();
    store.groups().replace_groups_of(&id("00u1"), &[group("00g3")], at(20)).unwrap();
    assert_eq!(members(&store, "00g3"), Vec::<String>::new());
    store.groups().take_over(&group("00g3"), &[id("00u1")]).unwrap();
    assert_eq!(members(&store, "00g3"), ["00u1"]);
}

#[test]
fn a_clock_that_was_put_right_keeps_no_list_out() {
    let (_folder, store) = world();
    let tomorrow = at(0) + chrono::Duration::days(1);
    store.groups().replace_groups_of(&id("00u1"), &[], tomorrow).unwrap();
    store.groups().set_member(&group("00g1"), &id("00u2"), false, tomorrow).unwrap();
    store.groups().replace_members(&group("00g1"), &[id("00u1"), id("00u2")], at(0)).unwrap();
    assert_eq!(members(&store, "00g1"), ["00u1", "00u2"]);
}
