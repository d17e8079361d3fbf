use super::super::{Entry, Orgs, StoreError};
use super::*;
use crate::model::{Action, Cause, GroupId, Origin, Step};

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn orgs() -> Orgs {
    Orgs { servicenow: "https://s".to_owned(), okta: "https://o".to_owned() }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db"), &orgs(), "a test").unwrap();
    (folder, store)
}

fn hold(fingerprint: &str, person: &str, set: Option<&str>) -> NewHold {
    NewHold {
        fingerprint: fingerprint.to_owned(),
        person: id(person),
        action: "deactivate".to_owned(),
        group: None,
        groups: Vec::new(),
        request: "RITM0010001".to_owned(),
        parent: None,
        cause: Cause::Request,
        changes: "{}".to_owned(),
        reason: "too many".to_owned(),
        set: set.map(str::to_owned),
    }
}

fn id(text: &str) -> SysId {
    SysId::parse(text).unwrap()
}

fn people(names: &[&str]) -> BTreeSet<SysId> {
    names.iter().map(|name| id(name)).collect()
}

fn texts(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn keep(store: &Store, looked_at: &[&str], holds: &[NewHold]) {
    store.holds().replace(&people(looked_at), holds, &BTreeSet::new(), now()).unwrap();
}

fn say(store: &Store, word: Verdict) {
    let (by, because) = ("alice".to_owned(), "agreed".to_owned());
    store
        .holds()
        .decide(&HoldSelection::All, &HoldDecision { word, by, at: now(), because })
        .unwrap()
        .unwrap();
}

fn released(store: &Store, at: Timestamp) -> BTreeSet<String> {
    store.holds().decisions(at).unwrap().into_keys().collect()
}

fn due(store: &Store) -> usize {
    store.queue().due(now()).unwrap().len()
}

#[test]
fn an_id_is_never_given_twice() {
    let (_folder, store) = store();
    keep(&store, &["p1"], &[hold("a", "p1", None)]);
    let first = store.holds().all(now()).unwrap()[0].id;
    keep(&store, &["p1"], &[hold("b", "p1", None)]);
    let [second] = store.holds().all(now()).unwrap().try_into().unwrap();
    assert_eq!(second.hold.fingerprint, "b");
    assert!(second.id > first);
}

#[test]
fn a_release_stands_for_a_day_and_goes_with_its_hold() {
    let (_folder, store) = store();
    keep(&store, &["p1", "p2"], &[hold("a", "p1", None), hold("b", "p2", None)]);
    say(&store, Verdict::Release);
    let later = |hours| now() + chrono::Duration::hours(hours);
    assert_eq!(released(&store, later(23)), texts(&["a", "b"]));
    assert_eq!(released(&store, later(24)), BTreeSet::new());

    // Still found, it keeps its release; somebody not looked at keeps everything.
    keep(&store, &["p1"], &[hold("a", "p1", Some("max-disabled"))]);
    assert_eq!(released(&store, now()), texts(&["a", "b"]));
    keep(&store, &["p1"], &[]);
    keep(&store, &["p1"], &[hold("a", "p1", None)]);
    assert_eq!(released(&store, now()), texts(&["b"]));
}

#[test]
fn whoever_is_released_is_due_until_a_cycle_has_seen_it() {
    let (_folder, store) = store();
    keep(&store, &["p1"], &[hold("a", "p1", None)]);
    assert_eq!(due(&store), 0);
    say(&store, Verdict::Release);
    assert_eq!(due(&store), 1);
    // A cycle that had begun before does not know of it.
    store.queue().complete(&id("p1"), None).unwrap();
    store.holds().releases_seen(&people(&["p1"]), &BTreeSet::new(), now()).unwrap();
    assert_eq!(due(&store), 1);
    store.holds().releases_seen(&people(&["p1"]), &texts(&["a"]), now()).unwrap();
    assert_eq!(due(&store), 0);
}

#[test]
fn a_release_is_used_up_together_with_the_intent_and_remembered_with_its_action() {
    let (folder, store) = store();
    keep(&store, &["p1"], &[hold("a", "p1", None)]);
    say(&store, Verdict::Release);
    let action = Action {
        person: id("p1"),
        account: None,
        step: Step::RemoveMember { group: GroupId::parse("g1").unwrap() },
        origin: Origin::None,
        cause: Cause::Drift,
    };
    let entry =
        Entry { action: &action, cycle: 1, keys: Vec::new(), leaver: false, released: true };
    let begin = |fail: bool| {
        store.atomically(|| {
            let thread = store.journal().intend(&entry, now())?;
            store.holds().use_release("a", thread.action)?;
            if fail { Err(StoreError::Corrupt("a crash".to_owned())) } else { Ok(thread.action) }
        })
    };
    begin(true).unwrap_err();
    assert!(store.holds().release_of("a", now()).unwrap().is_some(), "neither is written");
    let action = begin(false).unwrap();
    drop(store);
    let store = Store::open(&folder.path().join("store.db"), &orgs(), "another").unwrap();
    assert_eq!(store.holds().release_of("a", now()).unwrap(), None);
    let used = store.holds().release_used_by(action).unwrap().unwrap();
    assert_eq!((used.by.as_str(), used.because.as_str()), ("alice", "agreed"));
    // It failed, and waits again.
    assert_eq!(store.holds().all(now()).unwrap().len(), 1);
}

#[test]
fn a_no_stands_for_good_and_a_whole_set_is_what_nothing_was_said_to() {
    let (_folder, store) = store();
    let set = Some("max-disabled");
    keep(&store, &["p1"], &[hold("a", "p1", set)]);
    say(&store, Verdict::Dismiss);
    keep(&store, &["p2"], &[hold("b", "p2", set)]);
    say(&store, Verdict::Release);
    let said = store.holds().decisions(now() + chrono::Duration::days(100)).unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(said["a"].word, Verdict::Dismiss);
}

#[test]
fn beside_a_writer_nothing_is_made_and_nothing_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    Store::beside(&path, &orgs()).unwrap_err();
    assert!(!path.exists());

    let writer = Store::open(&path, &orgs(), "a daemon").unwrap();
    keep(&writer, &["p1"], &[hold("a", "p1", None)]);
    let beside = Store::beside(&path, &orgs()).unwrap();
    say(&beside, Verdict::Release);
    assert!(writer.holds().release_of("a", now()).unwrap().is_some());

    for (version, expected) in [(1, "older version"), (99, "newer version")] {
        beside.conn.pragma_update(None, "user_version", version).unwrap();
        let error = Store::beside(&path, &orgs()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn whoever_waited_in_an_older_store_is_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    for step in &super::super::STEPS[..2] {
        old.execute_batch(step).unwrap();
    }
    old.execute_batch(
        "INSERT INTO holds (fingerprint, since, person, action, request, cause, changes, reason)
         VALUES ('a', '2026-05-01T00:00:00.000Z', 'p1', 'suspend', 'RITM1', 'record', '{}', 'why');
         INSERT INTO agenda (person, due) VALUES ('p2', '2026-07-01T00:00:00.000Z');
         PRAGMA user_version = 2;",
    )
    .unwrap();
    drop(old);
    assert!(matches!(Store::beside(&path, &orgs()), Err(StoreError::Older { .. })));
    let store = Store::open(&path, &orgs(), "a test").unwrap();
    assert_eq!(store.holds().all(now()).unwrap(), []);
    assert_eq!(due(&store), 1);
    assert!(path.with_extension("db.v2").exists(), "a copy is kept of what was");
}

#[test]
fn two_writers_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let writer = Store::open(&path, &orgs(), "a daemon").unwrap();
    keep(&writer, &["p1"], &[hold("a", "p1", None)]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let beside = Store::beside(&path, &orgs()).unwrap();
            for _ in 0..50 {
                say(&beside, Verdict::Release);
            }
        });
        for at in 0..50 {
            let person = format!("p{}", at + 2);
            keep(&writer, &[&person], &[hold(&person, &person, None)]);
        }
    });
    assert_eq!(writer.holds().all(now()).unwrap().len(), 51);
}
