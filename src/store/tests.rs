use super::{Orgs, Store};

/// In this mode the file is whole after any crash, and with these settings every commit waits for
/// the disk: no intent can be lost whose call was sent.
#[test]
fn what_is_written_is_on_the_disk_before_anything_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let orgs = Orgs {
        servicenow: "https://example.service-now.com".to_owned(),
        okta: "https://example.okta.com".to_owned(),
    };
    let store = Store::open(&folder.path().join("goldthread.db"), &orgs, "a test").unwrap();
    let mode: String =
        store.conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    let full: i64 = store.conn.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), full), ("wal", 2), "2 is FULL");
}
