use super::super::{Entry, Mode, StoreError, Verdict};
use super::super::{Replaced, Store};
use super::*;
use crate::model::{
    Action, BlockedReason, Cause, Disposition, GroupId, HoldReason, HoldSet, RequestNumber,
    RequestRef, Step, StepKind,
};
use crate::store::tests::{orgs, store};

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn hold(fingerprint: &str, person: &str, set: Option<HoldSet>) -> OpenItem {
    let number = RequestNumber::parse("RITM0010001").unwrap();
    OpenItem {
        subject: Subject::Person(id(person)),
        facts: Vec::new(),
        origin: Origin::Request(RequestRef { number, parent: None }),
        cause: Cause::Request,
        why: None,
        disposition: Disposition::Hold(HoldReason::Recorded("too many".to_owned())),
        action: Some(OpenAction {
            fingerprint: fingerprint.to_owned(),
            step: StepKind::Deactivate,
            group: None,
            groups: Vec::new(),
            changes: BTreeMap::new(),
            set,
        }),
    }
}

fn places(changed: &[(usize, OpenItem)]) -> Vec<usize> {
    changed.iter().map(|(place, _)| *place).collect()
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

fn keep(store: &Store, looked_at: &[&str], holds: &[OpenItem]) {
    store.open_items().replace(Replaced::After(&people(looked_at)), holds, now()).unwrap();
}

fn say(store: &Store, word: Verdict) {
    let (by, because) = ("alice".to_owned(), "agreed".to_owned());
    store
        .open_items()
        .decide(&HoldSelection::All, &HoldDecision { word, by, at: now(), because })
        .unwrap()
        .unwrap();
}

fn released(store: &Store, at: Timestamp) -> BTreeSet<String> {
    store.decisions().standing(at).unwrap().into_keys().collect()
}

fn due(store: &Store) -> usize {
    store.queue().due(now()).unwrap().len()
}

#[test]
fn an_id_is_never_given_twice() {
    let (_folder, store) = store();
    keep(&store, &["p1"], &[hold("a", "p1", None)]);
    let first = store.open_items().actions(now()).unwrap()[0].id;
    keep(&store, &["p1"], &[hold("b", "p1", None)]);
    let [second] = store.open_items().actions(now()).unwrap().try_into().unwrap();
    assert_eq!(second.action.fingerprint, "b");
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
    keep(&store, &["p1"], &[hold("a", "p1", Some(HoldSet::MaxDisabled))]);
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
    store.decisions().releases_seen(&people(&["p1"]), &BTreeSet::new(), now()).unwrap();
    assert_eq!(due(&store), 1);
    store.decisions().releases_seen(&people(&["p1"]), &texts(&["a"]), now()).unwrap();
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
            store.decisions().use_release("a", thread.action)?;
            if fail { Err(StoreError::Corrupt("a crash".to_owned())) } else { Ok(thread.action) }
        })
    };
    begin(true).unwrap_err();
    assert!(store.decisions().release_of("a", now()).unwrap().is_some(), "neither is written");
    let action = begin(false).unwrap();
    drop(store);
    let store =
        Store::open(&folder.path().join("store.db"), &orgs(), Mode::Write { holder: "another" })
            .unwrap();
    assert_eq!(store.decisions().release_of("a", now()).unwrap(), None);
    let used = store.decisions().release_used_by(action).unwrap().unwrap();
    assert_eq!((used.by.as_str(), used.because.as_str()), ("alice", "agreed"));
    // It failed, and waits again.
    assert_eq!(store.open_items().actions(now()).unwrap().len(), 1);
}

#[test]
fn a_no_stands_for_good_and_a_whole_set_is_what_nothing_was_said_to() {
    let (_folder, store) = store();
    let set = Some(HoldSet::MaxDisabled);
    keep(&store, &["p1"], &[hold("a", "p1", set)]);
    say(&store, Verdict::Dismiss);
    keep(&store, &["p2"], &[hold("b", "p2", set)]);
    say(&store, Verdict::Release);
    let said = store.decisions().standing(now() + chrono::Duration::days(100)).unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(said["a"].word, Verdict::Dismiss);
}

#[test]
fn beside_a_writer_nothing_is_made_and_nothing_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    Store::open(&path, &orgs(), Mode::Decide).unwrap_err();
    assert!(!path.exists());

    let writer = Store::open(&path, &orgs(), Mode::Write { holder: "a daemon" }).unwrap();
    keep(&writer, &["p1"], &[hold("a", "p1", None)]);
    let beside = Store::open(&path, &orgs(), Mode::Decide).unwrap();
    say(&beside, Verdict::Release);
    assert!(writer.decisions().release_of("a", now()).unwrap().is_some());

    for (version, expected) in [(1, "older version"), (99, "newer version")] {
        beside.conn.pragma_update(None, "user_version", version).unwrap();
        let error = Store::open(&path, &orgs(), Mode::Decide).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn whoever_waited_in_an_older_store_is_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    for step in &super::super::opening::STEPS[..2] {
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
    assert!(matches!(Store::open(&path, &orgs(), Mode::Decide), Err(StoreError::Older { .. })));
    let store = Store::open(&path, &orgs(), Mode::Write { holder: "a test" }).unwrap();
    assert_eq!(store.open_items().actions(now()).unwrap(), []);
    assert_eq!(due(&store), 1);
    assert!(path.with_extension("db.v2").exists(), "a copy is kept of what was");
}

#[test]
fn two_writers_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let writer = Store::open(&path, &orgs(), Mode::Write { holder: "a daemon" }).unwrap();
    keep(&writer, &["p1"], &[hold("a", "p1", None)]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let beside = Store::open(&path, &orgs(), Mode::Decide).unwrap();
            for _ in 0..50 {
                say(&beside, Verdict::Release);
            }
        });
        for at in 0..50 {
            let person = format!("p{}", at + 2);
            keep(&writer, &[&person], &[hold(&person, &person, None)]);
        }
    });
    assert_eq!(writer.open_items().actions(now()).unwrap().len(), 51);
}

#[test]
fn what_no_decision_could_help_is_kept_beside_and_waits_for_nobody() {
    let (_folder, store) = store();
    let blocked = |why: BlockedReason| OpenItem {
        disposition: Disposition::Blocked(why),
        action: None,
        ..hold("", "p1", None)
    };
    let first = [hold("a", "p1", None), blocked(BlockedReason::UnknownStatus)];
    let replace = |items: &[OpenItem]| {
        store.open_items().replace(Replaced::After(&people(&["p1"])), items, now()).unwrap()
    };
    assert_eq!(replace(&first).began, [0, 1]);
    assert_eq!(replace(&first), Transitions::default(), "nothing is said twice");
    assert_eq!(store.open_items().actions(now()).unwrap().len(), 1);

    let other = replace(&[blocked(BlockedReason::GroupDeleted)]);
    assert_eq!((other.began, places(&other.changed)), (vec![], vec![0]));
    let ended: Vec<&OpenItem> = other.ended.iter().map(|stored| &stored.item).collect();
    assert_eq!(ended, [&first[0]]);
    assert_eq!(replace(&[]).ended.len(), 1);
}

#[test]
fn a_reason_is_read_back_as_it_was_whether_typed_or_a_sentence() {
    let (_folder, store) = store();
    let typed = OpenItem {
        disposition: Disposition::Hold(HoldReason::After {
            step: StepKind::Deactivate,
            reason: Box::new(HoldReason::EmptyStore),
            released: true,
        }),
        ..hold("a", "p1", Some(HoldSet::EmptyStore))
    };
    keep(&store, &["p1"], &[typed.clone(), hold("b", "p1", None)]);
    let held = store.open_items().actions(now()).unwrap();
    assert_eq!(Disposition::Hold(held[0].reason.clone()), typed.disposition);
    assert_eq!(held[0].action.set, Some(HoldSet::EmptyStore));
    assert_eq!(held[1].reason.to_string(), "too many");
    // The same action for another reason is the same hold, and news.
    let news = store.open_items().replace(
        Replaced::After(&people(&["p1"])),
        &[hold("a", "p1", None), hold("b", "p1", None)],
        now() + chrono::Duration::hours(1),
    );
    assert_eq!(places(&news.unwrap().changed), [0]);
    let again = store.open_items().actions(now()).unwrap();
    assert_eq!((again[0].id, again[0].since), (held[0].id, held[0].since));
}

#[test]
fn what_is_open_is_counted_by_disposition_and_what_was_dismissed_is_not() {
    let (_folder, store) = store();
    let blocked = Disposition::Blocked(BlockedReason::UnknownStatus);
    let blocked = OpenItem { disposition: blocked, ..hold("c", "p3", None) };
    keep(&store, &["p1", "p2", "p3"], &[hold("a", "p1", None), hold("b", "p2", None), blocked]);
    let counts = |held: u64| {
        let both = [("blocked".to_owned(), 1), ("hold".to_owned(), held)];
        both.into_iter().filter(|(_, number)| *number > 0).collect::<BTreeMap<String, u64>>()
    };
    assert_eq!(store.open_items().by_disposition().unwrap(), counts(2));
    say(&store, Verdict::Dismiss);
    assert_eq!(store.open_items().by_disposition().unwrap(), counts(0));
}
