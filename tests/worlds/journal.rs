//! The audit journal as somebody reads it who has the file and nothing of the program.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One row.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `intent` or `outcome`.
    pub kind: String,
    pub action_id: i64,
    pub person: String,
    pub okta_id: Option<String>,
    pub action: String,
    pub group: Option<String>,
    pub request: String,
    pub outcome: Option<String>,
    pub okta_request_id: Option<String>,
}

/// All rows in order, and what is wrong with the chain of their hashes.
pub fn read(store: &Path) -> (Vec<Entry>, Vec<String>) {
    let (mut entries, mut wrong) = (Vec::new(), Vec::new());
    if !store.exists() {
        return (entries, wrong);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(store, flags).unwrap();
    let mut statement = conn
        .prepare(
            "SELECT at, entry, action_id, cycle, person, okta_id, action, group_id, request, parent,
                 cause, leaver, released, keys, detail, outcome, okta_request_id, error, hash, id
             FROM journal ORDER BY id",
        )
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let (mut before, mut place) = (String::new(), 0_i64);
    while let Some(row) = rows.next().unwrap() {
        place += 1;
        let text = |at: usize| row.get::<_, Option<String>>(at).unwrap();
        let number = |at: usize| row.get::<_, i64>(at).unwrap();
        let canonical: Vec<Value> = (0..18)
            .map(|at| match at {
                2 | 3 => json!(number(at)),
                11 | 12 => json!(number(at) != 0),
                _ => json!(text(at)),
            })
            .collect();
        let digest = Sha256::digest(format!("{before}\n{}", json!(canonical)));
        let hash = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        before = text(18).unwrap();
        if hash != before || number(19) != place {
            wrong.push(format!("the chain breaks at row {} of the journal", number(19)));
        }
        entries.push(Entry {
            kind: text(1).unwrap(),
            action_id: number(2),
            person: text(4).unwrap(),
            okta_id: text(5),
            action: text(6).unwrap(),
            group: text(7),
            request: text(8).unwrap(),
            outcome: text(15),
            okta_request_id: text(16),
        });
    }
    (entries, wrong)
}

/// What the database itself says of its file.
pub fn integrity(store: &Path) -> String {
    let conn = Connection::open(store).unwrap();
    conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}
