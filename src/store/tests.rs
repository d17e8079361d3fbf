use super::{Mode, Orgs, Store};

pub(super) fn orgs() -> Orgs {
    Orgs {
        servicenow: "https://example.service-now.com".to_owned(),
        okta: "https://example.okta.com".to_owned(),
    }
}

/// An empty store in a folder of its own.
pub(super) fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Store::open(&path, &orgs(), Mode::Write { holder: "a test" }).unwrap();
    (folder, store)
}

/// In this mode the file is whole after any crash, and with these settings every commit waits for
/// the disk: no intent can be lost whose call was sent.
#[test]
fn what_is_written_is_on_the_disk_before_anything_goes_on() {
    let (_folder, store) = store();
    let mode: String =
        store.conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    let full: i64 = store.conn.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), full), ("wal", 2), "2 is FULL");
}

#[test]
fn a_copy_that_only_looks_is_made_without_a_file_and_what_reads_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    Store::open(&path, &orgs(), Mode::Scratch).unwrap().queue().due(chrono::Utc::now()).unwrap();
    Store::open(&path, &orgs(), Mode::Read).unwrap_err();
    assert!(!path.exists());
}

#[test]
fn who_only_reads_changes_nothing() {
    let (folder, store) = store();
    store.bind(&orgs()).unwrap();
    let path = folder.path().join("store.db");
    let reading = Store::open(&path, &orgs(), Mode::Read).unwrap();
    assert!(reading.state().set_implausible(Some("why")).is_err());
    let others = Orgs { okta: "https://another.okta.com".to_owned(), ..orgs() };
    let error = Store::open(&path, &others, Mode::Read).unwrap_err().to_string();
    assert!(error.contains("belongs to https://example.okta.com"), "{error}");
}

/// Whoever is due at once is due at any time, also where the clock is set back before the next cycle.
#[test]
fn whoever_is_due_at_once_is_due_by_any_clock() {
    let (_folder, store) = store();
    let [one, other] = ["p1", "p2"].map(|id| crate::model::SysId::parse(id).unwrap());
    let at = |text: &str| text.parse::<crate::model::Timestamp>().unwrap();
    store.queue().enqueue(&one, at("2026-06-01T12:00:00Z")).unwrap();
    store.queue().enqueue_at_once(&other).unwrap();
    assert_eq!(store.queue().due(at("2026-06-01T11:00:00Z")).unwrap(), [other]);
}
