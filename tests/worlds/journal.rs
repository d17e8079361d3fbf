//! The audit journal as somebody reads it who has the file and nothing of the program.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use goldthread::sim::okta::Write;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

/// One row.
#[derive(Debug, Clone)]
pub struct Entry {
    pub at: String,
    /// `intent` or `outcome`.
    pub kind: String,
    pub action_id: i64,
    pub person: String,
    pub okta_id: Option<String>,
    pub action: String,
    pub group: Option<String>,
    pub request: String,
    pub cause: String,
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
        let hash = digest(&SHA256, format!("{before}\n{}", json!(canonical)).as_bytes());
        let hash =
            hash.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        before = text(18).unwrap();
        if hash != before || number(19) != place {
            wrong.push(format!("the chain breaks at row {} of the journal", number(19)));
        }
        entries.push(Entry {
            at: text(0).unwrap(),
            kind: text(1).unwrap(),
            action_id: number(2),
            person: text(4).unwrap(),
            okta_id: text(5),
            action: text(6).unwrap(),
            group: text(7),
            request: text(8).unwrap(),
            cause: text(10).unwrap(),
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

/// The request and the action that a write names: `goldthread/1.0 (RITM0010001; action 7)`.
pub fn thread(user_agent: &str) -> Option<(&str, i64)> {
    let (_, rest) = user_agent.strip_prefix("goldthread/")?.split_once(" (")?;
    let (request, action) = rest.strip_suffix(')')?.split_once("; action ")?;
    Some((request, action.parse().ok()?))
}

/// Where the journal and what Okta was sent contradict each other, of the actions after `since`:
/// each write has its intent, each intent ends with one outcome, and what the outcome says is so.
///
/// So often the program was killed: in the middle of one action of each person who was acted on then,
/// of whom there are a dozen at most.
pub fn belied(entries: &[Entry], writes: &[Write], since: i64, killed: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut actions: BTreeMap<i64, Vec<&Entry>> = BTreeMap::new();
    for entry in entries.iter().filter(|it| it.action_id > since) {
        actions.entry(entry.action_id).or_default().push(entry);
    }
    let mut sent: BTreeMap<i64, Vec<&Write>> = BTreeMap::new();
    for write in writes {
        match thread(&write.user_agent) {
            Some((_, action)) if actions.contains_key(&action) => {
                sent.entry(action).or_default().push(write);
            }
            Some((_, action)) if action <= since => {}
            _ => {
                wrong.push(format!("the journal does not tell of {} {}", write.method, write.path));
            }
        }
    }
    let mut open = Vec::new();
    for (id, rows) in &actions {
        let kinds: Vec<&str> =
            rows.iter().map(|row| row.outcome.as_deref().unwrap_or(&row.kind)).collect();
        match kinds.as_slice() {
            ["intent"] => open.push(*id),
            // What had no answer may be seen later.
            ["intent", "unknown", "confirmed"] => {}
            ["intent", outcome] if *outcome != "intent" => {}
            _ => wrong.push(format!("action {id} has the rows {kinds:?}")),
        }
        if rows.iter().any(|row| row.request != rows[0].request || row.action != rows[0].action) {
            wrong.push(format!("the two rows of action {id} tell of different things"));
        }
        let taken = |write: &&&Write| write.status < 300;
        let calls = sent.get(id).map(Vec::as_slice).unwrap_or_default();
        let outcome = rows.last().and_then(|row| row.outcome.as_deref());
        let answer = rows.last().and_then(|row| row.okta_request_id.as_deref());
        let answered = |write: &&&Write| Some(write.request_id.as_str()) == answer;
        let so = match outcome {
            // By the very call whose id it names.
            Some("applied") => calls.iter().filter(taken).any(|write| answered(&write)),
            Some("failed") => !calls.iter().any(|write| taken(&write)),
            // What was confirmed may have been done by somebody else meanwhile.
            _ => true,
        };
        if !so {
            wrong.push(format!("action {id} is not {outcome:?}: {:?} by {calls:?}", rows[0]));
        }
    }
    let mut of_people: BTreeMap<&str, usize> = BTreeMap::new();
    for id in &open {
        *of_people.entry(&actions[id][0].person).or_default() += 1;
    }
    if open.len() > killed * 12 || of_people.values().any(|count| *count > killed) {
        wrong.push(format!("no outcome is told of the actions {open:?}"));
    }
    wrong
}
