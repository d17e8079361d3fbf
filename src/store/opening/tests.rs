use std::collections::BTreeSet;
use std::path::PathBuf;

use rusqlite::Connection;

use super::*;
use crate::model::{
    AccountId, Cause, FactKey, GroupId, HoldSet, Origin, StepKind, SysId, Timestamp,
};
use crate::reconcile::schema::Schema;
use crate::store::tests::orgs;
use crate::store::{GroupRules, HoldSelection, Quarantine, Replaced, RoleHolder};

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(text: &str) -> SysId {
    SysId::parse(text).unwrap()
}

/// A store as the version before typed facts left it, with every kind of row.
fn of_the_version_before() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let old = Connection::open(&path).unwrap();
    for step in &STEPS[..5] {
        old.execute_batch(step).unwrap();
    }
    old.execute_batch(include_str!("before.sql")).unwrap();
    old.pragma_update(None, "user_version", 5).unwrap();
    (folder, path)
}

fn migrated() -> (tempfile::TempDir, Store) {
    let (folder, path) = of_the_version_before();
    let store = Store::open(&path, &orgs(), Mode::Write { holder: "a test" }).unwrap();
    (folder, store)
}

#[test]
fn a_store_of_the_version_before_is_copied_aside_and_keeps_no_key_value_table() {
    let (folder, store) = migrated();
    assert!(folder.path().join("store.db.v5").exists());
    let left: Vec<String> = store
        .column("SELECT name FROM sqlite_schema WHERE name IN ('meta', 'pins', 'holds')", [])
        .unwrap();
    assert_eq!(left, Vec::<String>::new());
    let broken: Vec<String> = store.column("PRAGMA foreign_key_check", []).unwrap();
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn what_the_store_knew_of_itself_is_in_its_row() {
    let (_folder, store) = migrated();
    let state = store.state();
    let bound: String = store.value("SELECT servicenow || ' ' || okta FROM state", []).unwrap();
    assert_eq!(bound, format!("{} {}", orgs().servicenow, orgs().okta));
    assert_eq!(state.watermark().unwrap(), Some(moment("2026-05-01T00:00:00.500Z")));
    assert_eq!(state.okta_watermark().unwrap(), Some(moment("2026-05-01T00:00:01Z")));
    assert_eq!(state.dirty_since_cycle().unwrap(), Some(17));
    assert_eq!(state.configuration().unwrap().as_deref(), Some("fingerprint"));
    assert_eq!(state.implausible().unwrap().as_deref(), Some("40 of 50 people"));
    let sets = vec![HoldSet::ImplausibleRead, HoldSet::MaxDisabled];
    let reason = Some("40 of 50 people".to_owned());
    assert_eq!(state.quarantine().unwrap(), Quarantine { sets, reason });
    assert_eq!(state.own_account().unwrap(), AccountId::parse("00u9").ok());
    assert_eq!(state.names_tried_at().unwrap(), Some(moment("2026-05-01T00:00:02.123Z")));
    assert_eq!(state.group_rules().unwrap(), Some(GroupRules::NoneOnce));
    let updated = store.groups().members_updated(&GroupId::parse("00g1").unwrap()).unwrap();
    assert_eq!(updated.as_deref(), Some("2026-04-30T00:00:00.000Z"));

    let slots = store.profile_schema().unwrap().0.unwrap();
    let [department, last_name] = ["department", "lastName"].map(|name| &slots[name]);
    assert_eq!((slots.len(), department.max_length), (2, Some(50)));
    assert!(department.required && !department.immutable);
    // It was written before required attributes were known.
    assert_eq!(last_name.other_type.as_deref(), Some("array"));
    assert!(last_name.immutable && !last_name.required);
}

#[test]
fn a_store_that_knew_little_of_itself_knows_no_more_afterwards() {
    let (_folder, path) = of_the_version_before();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "UPDATE meta SET value = '' WHERE key IN ('undecided', 'configuration', 'implausible',
             'quarantined', 'quarantined-sets', 'unusable-rules', 'own-account', 'group rules');
         DELETE FROM meta WHERE key IN ('schema', 'names tried at', 'watermark');",
    )
    .unwrap();
    drop(old);
    let store = Store::open(&path, &orgs(), Mode::Write { holder: "a test" }).unwrap();
    let state = store.state();
    assert_eq!(state.dirty_since_cycle().unwrap(), None);
    assert_eq!(state.configuration().unwrap(), None);
    assert_eq!(state.implausible().unwrap(), None);
    assert_eq!(state.quarantine().unwrap(), Quarantine::default());
    assert_eq!(state.own_account().unwrap(), None);
    assert_eq!(state.group_rules().unwrap(), Some(GroupRules::Read));
    assert_eq!((state.watermark().unwrap(), state.names_tried_at().unwrap()), (None, None));
    assert_eq!(store.profile_schema().unwrap(), Schema(None));
}

#[test]
fn names_roles_and_owed_mails_are_found_where_they_belong() {
    let (_folder, store) = migrated();
    let names = store.names();
    assert_eq!(names.group("Sales").unwrap(), GroupId::parse("00g1").ok());
    assert_eq!(names.items().unwrap().into_iter().next(), Some(("Joiner".to_owned(), id("i1"))));
    let boss = BTreeSet::from(["00u7".to_owned(), "p7".to_owned()]);
    assert_eq!(names.users("the boss").unwrap(), boss);

    let roles = store.roles();
    assert_eq!(roles.accounts().unwrap(), [AccountId::parse("00u5").unwrap()]);
    assert_eq!(roles.groups().unwrap(), [GroupId::parse("00g5").unwrap()]);
    let account = AccountId::parse("00u5").unwrap();
    let (now, within) = (moment("2026-05-01T00:00:00Z"), chrono::Duration::minutes(10));
    // When it was seen is not known: it is asked again.
    assert_eq!(roles.known(RoleHolder::Account(&account), now, within).unwrap(), None);

    assert!(store.history().of(&id("p1")).unwrap().mail_owed);
    assert!(!store.history().of(&id("p2")).unwrap().mail_owed);
}

#[test]
fn the_history_is_what_the_journal_said() {
    let (_folder, store) = migrated();
    let last = |person: &str| {
        let history = store.history().of(&id(person)).unwrap();
        let last = history.last.map(|last| (last.step, last.request, last.cause, last.at));
        (last, history.activated_here)
    };
    let suspended = (
        StepKind::Suspend,
        "RITM0000001".to_owned(),
        Cause::Request,
        moment("2026-04-03T00:00:00Z"),
    );
    assert_eq!(last("p1"), (Some(suspended), true));
    let confirmed = (
        StepKind::Deactivate,
        "unattributed".to_owned(),
        Cause::Record,
        moment("2026-04-05T00:00:00Z"),
    );
    assert_eq!(last("p2"), (Some(confirmed), false));
    // Refused, lost, or about something else.
    assert_eq!(last("p3"), (None, false));

    let took_effect =
        |request: &str| store.requests().get(&id(request)).unwrap().unwrap().took_effect;
    assert!(took_effect("r1"), "something was done for it");
    assert!(took_effect("r2"), "its facts were seen");
    assert!(!took_effect("r3"), "what was tried for it failed");
}

#[test]
fn what_became_of_writing_on_requests_is_beside_the_notes() {
    let (_folder, store) = migrated();
    let writebacks = store.writebacks();
    let (r1, r2) = (id("r1"), id("r2"));
    let at = |second: &str| moment(&format!("2026-04-10T00:00:0{second}Z"));
    let done = "[goldthread:RITM0000001:done]";
    assert_eq!(writebacks.last_note(&r1).unwrap().as_deref(), Some(done));
    assert_eq!(writebacks.state_kept_since(&r1).unwrap(), Some(at("1")));
    assert_eq!(writebacks.state_kept_since(&r2).unwrap(), None, "it was seen not to be kept");
    assert_eq!(writebacks.looked_for_since(&r2, at("9")).unwrap(), at("3"));
    // It was tried at the seventh change, with one open task.
    assert!(!writebacks.changed_since_try(&r1, done, 7, 1).unwrap());
    assert!(writebacks.changed_since_try(&r1, done, 8, 1).unwrap());
    assert!(!writebacks.changed_since_try(&r2, done, 8, 1).unwrap(), "never tried");
    let why = "ServiceNow refused it: no access";
    assert!(!writebacks.insert_unwritten(&r1, why, at("9")).unwrap(), "it was said");
    assert!(writebacks.insert_unwritten(&r2, why, at("9")).unwrap());
    let markers: Vec<String> =
        store.column("SELECT marker FROM notes ORDER BY marker", []).unwrap();
    assert_eq!(markers, [done, "[goldthread:RITM0000002:overtaken]"]);
}

/// What is open and was approved before approvers were kept is asked about once.
#[test]
fn whoever_approved_before_that_was_kept_is_asked_for_once() {
    let (_folder, store) = migrated();
    let r1 = id("r1");
    assert_eq!(store.requests().get(&r1).unwrap().unwrap().request.order, "");
    let unread = store.approvers().unread().unwrap();
    assert!(unread.contains(&r1), "{unread:?}");
    store.approvers().replace(&r1, &[], moment("2026-05-01T00:00:00Z")).unwrap();
    assert!(!store.approvers().unread().unwrap().contains(&r1));
}

#[test]
fn what_waits_keeps_its_number_its_decision_and_its_sentence() {
    let (_folder, store) = migrated();
    let now = moment("2026-04-20T12:00:00Z");
    let held = store.open_items().actions(now).unwrap();
    let [create, update, remove, suspend] = held.try_into().unwrap();
    assert_eq!((create.id, create.action.step), (3, StepKind::Create));
    assert_eq!(create.action.groups, [GroupId::parse("00g1").unwrap()]);
    assert_eq!(create.action.changes["login"].to.as_deref(), Some("zoe@example.com"));
    assert_eq!(create.action.set, Some(HoldSet::MaxChanged));
    assert_eq!(create.said.unwrap().because, "agreed");
    assert_eq!(create.since, moment("2026-04-20T00:00:00Z"));
    assert_eq!(update.origin, Origin::Baseline);
    assert_eq!(update.reason.to_string(), "no request accounts for it");
    assert_eq!(remove.action.group, GroupId::parse("00g1").ok());
    assert_eq!((remove.origin, remove.cause), (Origin::None, Cause::Drift));
    assert_eq!(suspend.origin.request().unwrap().parent.as_ref().unwrap().as_str(), "REQ0000001");
    let kept = store.open_items().all(now).unwrap();
    let facts: Vec<FactKey> = kept.iter().map(|it| it.item.facts[0].key.clone()).collect();
    let group = GroupId::parse("00g1").unwrap();
    let expected = [
        FactKey::Account,
        FactKey::Profile("title".to_owned()),
        FactKey::Membership(group),
        FactKey::Status,
    ];
    assert_eq!(facts, expected);
    assert_eq!(kept[3].item.facts[0].origin, suspend.origin);
    assert_eq!(kept[2].item.facts[0].cause, Cause::Drift);

    // Numbers that were given away and are over by now are not given again.
    let person = BTreeSet::from([id("p9")]);
    let mut next = crate::model::OpenItem {
        subject: crate::model::Subject::Person(id("p9")),
        facts: Vec::new(),
        why: None,
        origin: Origin::None,
        cause: Cause::Record,
        disposition: crate::model::Disposition::Hold(crate::model::HoldReason::Recorded(
            "why".to_owned(),
        )),
        action: Some(suspend.action),
    };
    next.action.as_mut().unwrap().fingerprint = "new".to_owned();
    store.open_items().replace(Replaced::After(&person), &[next], now).unwrap();
    let said = crate::store::HoldDecision {
        word: crate::store::Verdict::Dismiss,
        by: "alice".to_owned(),
        at: now,
        because: "no".to_owned(),
    };
    let which = HoldSelection::Ids(vec![42]);
    assert_eq!(store.open_items().decide(&which, &said).unwrap().unwrap().len(), 1);
}

#[test]
fn a_store_from_before_the_brake_is_not_paused_and_leaves_nobody_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let old = Connection::open(&path).unwrap();
    for step in &STEPS[..6] {
        old.execute_batch(step).unwrap();
    }
    old.execute_batch(
        "INSERT INTO queue (person, due_at) VALUES ('p1', '2026-05-01T00:00:00.000Z')",
    )
    .unwrap();
    old.pragma_update(None, "user_version", 6).unwrap();
    drop(old);
    let store = Store::open(&path, &orgs(), Mode::Write { holder: "a test" }).unwrap();
    assert!(folder.path().join("store.db.v6").exists());
    assert_eq!(store.brake().in_force().unwrap(), None);
    assert_eq!(store.queue().due(moment("2026-05-01T00:00:00Z")).unwrap(), [id("p1")]);
}
