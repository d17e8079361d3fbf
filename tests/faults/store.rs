//! What can become of the file that everything is remembered in: each time one clear message, no
//! call to Okta that could not be recorded, and nothing lost.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use goldthread::sim::faults::Fault;
use goldthread::sim::okta::Status;
use goldthread::sim::servicenow::Ordered;
use goldthread::store::StoreError;
use goldthread::sync::{Scope, SyncError};

use super::bed::Bed;
use super::journal;

const NOTHING: [String; 0] = [];
/// The program, called by hand.
const GOLDTHREAD: &str = env!("CARGO_BIN_EXE_goldthread");

/// A company that was synced once, and a join that waits.
struct Office {
    bed: Bed,
    join: Ordered,
}

impl Office {
    fn new() -> Self {
        let bed = Bed::of(40);
        // The binary lives in the real time.
        bed.at(&chrono::Utc::now().to_rfc3339());
        bed.access("Add", &bed.employee(0), &["app-jira"], "");
        bed.sync_full();
        let join = bed.join(&bed.newcomer(0), &[]);
        bed.forget_calls();
        Self { bed, join }
    }

    fn store(&self) -> PathBuf {
        self.bed.folder.path().join("goldthread.db")
    }

    /// Runs the binary behind a shell's preparation.
    fn run(&self, preparation: &str, arguments: &str) -> Output {
        let config = self.bed.write_config();
        let line =
            format!("{preparation} exec {GOLDTHREAD} --config {} {arguments}", config.display());
        Command::new("sh").arg("-c").arg(line).env_remove("RUST_LOG").output().unwrap()
    }

    /// It says what is wrong in one line, ends so, and nothing reaches Okta.
    fn refuses(&self, preparation: &str, arguments: &str, code: i32, words: &[&str]) {
        let output = self.run(preparation, arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {told}");
        assert_eq!(told.lines().count(), 1, "{arguments}: {told}");
        for word in words {
            assert!(told.contains(word), "{arguments}: no {word:?} in {told}");
        }
        assert_eq!(self.bed.writes(), NOTHING, "{arguments}");
    }

    /// Every row is there, the journal's chain of hashes included.
    fn rows(&self) -> Vec<(String, i64)> {
        let store = self.bed.store();
        let sound: String =
            store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        ["people", "accounts", "links", "facts", "journal", "requests", "notes", "baseline"]
            .map(|table| {
                let sql = format!("SELECT count(*) FROM {table}");
                (table.to_owned(), store.query_row(&sql, [], |row| row.get(0)).unwrap())
            })
            .into()
    }

    /// Once nothing is wrong any more, the join is carried out and recorded.
    fn recovers(&self) {
        self.bed.sync();
        assert_eq!(self.bed.state(&self.join), "3");
        assert_eq!(self.bed.status(&self.bed.newcomer(0)), "PROVISIONED");
        self.rows();
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// The file as SQLite leaves it, without a log beside it.
fn settle(office: &Office) {
    let store = office.bed.store();
    store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

#[test]
fn a_full_disk_lets_nothing_be_done_that_cannot_be_recorded() {
    // Neither the file nor its log may grow beyond so many blocks.
    let mut failed = 0;
    for blocks in [0, 64, 400, 900] {
        let office = Office::new();
        settle(&office);
        let rows = office.rows();
        let limit = format!("trap '' XFSZ; ulimit -f {blocks};");
        let output = office.run(&limit, "sync --full");
        let told = String::from_utf8_lossy(&output.stderr);
        failed += usize::from(output.status.code() == Some(1));
        if output.status.code() == Some(1) {
            assert!(told.contains("goldthread.db"), "{blocks}: {told}");
            let why = ["is the disk full", "the disk is full", "File too large"];
            assert!(why.iter().any(|it| told.contains(it)), "{blocks}: {told}");
        } else {
            assert!(output.status.success(), "{blocks}: {told}");
        }
        // What reached Okta is in the journal, whatever became of the rest.
        let intents: i64 = office
            .bed
            .store()
            .query_row("SELECT count(*) FROM journal WHERE entry = 'intent'", [], |row| row.get(0))
            .unwrap();
        let begun = usize::try_from(intents).unwrap() - 1;
        assert!(
            office.bed.okta_writes().len() <= begun,
            "{blocks}: {:?}",
            office.bed.okta_writes()
        );
        for (before, after) in rows.iter().zip(office.rows()) {
            assert!(after.1 >= before.1, "{blocks}: rows of {} are lost", before.0);
        }
        office.recovers();
    }
    assert!((2..=3).contains(&failed), "{failed} of 4 had no room");
}

#[test]
fn nothing_is_sent_that_the_journal_cannot_take() {
    for entry in ["intent", "outcome"] {
        let office = Office::new();
        let full = format!(
            "CREATE TRIGGER full BEFORE INSERT ON journal WHEN NEW.entry = '{entry}'
             BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        );
        office.bed.store().execute_batch(&full).unwrap();
        let error = office.bed.try_sync(&Scope::Changes).unwrap_err().to_string();
        assert!(error.contains("goldthread.db") && error.contains("full"), "{error}");
        // An outcome can only be missing of what was sent: one call, and none after it.
        let sent = usize::from(entry == "outcome");
        assert_eq!(office.bed.writes().len(), sent, "{entry}: {:?}", office.bed.writes());
        office.bed.store().execute_batch("DROP TRIGGER full").unwrap();
        office.recovers();
        let mails = office.bed.stage.okta.mails();
        assert_eq!(mails.len(), 1, "{entry}: one account, one mail");
    }
}

#[test]
fn a_full_disk_is_the_stores_fault_and_not_servicenows() {
    let bed = Bed::of(40);
    bed.sync_full();
    // Whatever is kept of people fails as on a disk without room.
    bed.store()
        .execute_batch(
            "CREATE TRIGGER full BEFORE UPDATE ON people BEGIN SELECT RAISE(FAIL, 'full'); END",
        )
        .unwrap();
    let error = bed.try_sync(&Scope::Full).unwrap_err();
    assert!(matches!(error, SyncError::Store(_)), "{error}");
    assert!(error.to_string().contains("goldthread.db"), "{error}");
}

#[test]
fn a_file_that_may_not_be_written_is_said_with_whose_it_must_be() {
    let office = Office::new();
    settle(&office);
    let folder = office.bed.folder.path();
    let before = bytes(&office.store());
    office.bed.write_config();
    let modes = |file: &str, folder_mode: &str| {
        let all = format!(
            "chmod a+r {0}/*; chmod {file} {0}/goldthread.db*; chmod {folder_mode} {0}",
            folder.display()
        );
        assert!(Command::new("sh").arg("-c").arg(all).status().unwrap().success());
    };
    // Modes do not bind root, so root becomes somebody else.
    let is_root = folder.metadata().unwrap().uid() == 0;
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups true";
    let becomes = Command::new("sh").arg("-c").arg(nobody).status().is_ok_and(|it| it.success());
    let reachable = Command::new("sh")
        .arg("-c")
        .arg(format!("setpriv --reuid=65534 --regid=65534 --clear-groups test -x {GOLDTHREAD}"))
        .status()
        .is_ok_and(|it| it.success());
    if is_root && !(becomes && reachable) {
        #[expect(clippy::print_stderr, reason = "a test that is passed over says so")]
        {
            eprintln!("skipped: nobody else than root can be had here");
        }
        return;
    }
    let preparation = if is_root {
        "exec setpriv --reuid=65534 --regid=65534 --clear-groups env -- "
    } else {
        ""
    };
    let line = |arguments: &str| {
        let config = folder.join("config.toml");
        let line = format!("{preparation} {GOLDTHREAD} --config {} {arguments}", config.display());
        Command::new("sh").arg("-c").arg(line).env_remove("RUST_LOG").output().unwrap()
    };
    for (file, folder_mode) in [("a=r", "a=rx"), ("a=r", "a=rwx")] {
        modes(file, folder_mode);
        let output = line("sync");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        modes("u=rw", "u=rwx");
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("goldthread.db"), "{told}");
        assert!(told.contains("ermission denied") || told.contains("belong to the user"), "{told}");
        assert_eq!(office.bed.writes(), NOTHING);
        assert_eq!(bytes(&office.store()), before, "the file is as it was");
    }
    office.recovers();
}

#[test]
fn a_path_where_no_file_can_be_is_said() {
    let office = Office::new();
    let folder = office.bed.folder.path();
    let path = |name: &str| folder.join(name).display().to_string();
    std::fs::create_dir(folder.join("folder.db")).unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    let config = std::fs::read_to_string(office.bed.write_config()).unwrap();
    let usual = path("goldthread.db");
    for (store, words) in [
        (path("folder.db"), &["folder.db", "directory"][..]),
        (path("file/goldthread.db"), &["file", "the folder for the store cannot be made"]),
    ] {
        std::fs::write(folder.join("other.toml"), config.replace(&usual, &store)).unwrap();
        let arguments = format!("--config {} sync", path("other.toml"));
        let output = Command::new(GOLDTHREAD).args(arguments.split(' ')).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
        assert_eq!(office.bed.writes(), NOTHING);
    }
    office.recovers();
}

#[test]
fn a_file_that_is_no_store_is_left_as_it_is() {
    let office = Office::new();
    settle(&office);
    let good = bytes(&office.store());
    let mut broken_header = good.clone();
    broken_header[..16].copy_from_slice(b"this is no store");
    for (name, content) in [
        ("another header", broken_header),
        ("a text", b"people,accounts\n".repeat(1000)),
        ("half of it", good[..good.len() / 2].to_vec()),
    ] {
        std::fs::write(office.store(), &content).unwrap();
        for verb in ["sync", "plan", "status", "hold list", "backup copy.db"] {
            // Half a file may still answer what is in its first half.
            if name == "half of it" && verb != "sync" {
                continue;
            }
            office.refuses("", verb, 1, &["goldthread.db", "goldthread backup"]);
        }
        assert!(!Path::new("copy.db").exists());
        if name != "half of it" {
            assert_eq!(bytes(&office.store()), content, "{name} is as it was");
        }
    }
    for name in ["goldthread.db-wal", "goldthread.db-shm"] {
        let _ = std::fs::remove_file(office.bed.folder.path().join(name));
    }
    std::fs::write(office.store(), good).unwrap();
    office.recovers();
}

#[test]
fn a_damaged_page_is_an_error_or_makes_no_difference() {
    let office = Office::new();
    settle(&office);
    let good = bytes(&office.store());
    let size = usize::from(u16::from_be_bytes([good[16], good[17]]));
    let leaver = office.bed.employee(3);
    office.bed.leave(&leaver);
    let allowed = [
        "DELETE users/sessions",
        "POST users/lifecycle/deactivate",
        "DELETE groups/users",
        "POST users",
    ];
    let (mut errors, mut harmless) = (0, 0);
    for page in 1..good.len() / size {
        let mut damaged = good.clone();
        damaged[page * size..(page + 1) * size].fill(0x5a);
        std::fs::write(office.store(), damaged).unwrap();
        office.bed.forget_calls();
        match office.bed.try_sync_alone(&Scope::Changes) {
            Ok(_) => harmless += 1,
            Err(SyncError::Store(error)) => {
                let told = error.to_string();
                assert!(told.contains("goldthread.db"), "page {page}: {told}");
                assert!(told.contains("goldthread backup"), "page {page}: {told}");
                errors += 1;
            }
            Err(error) => panic!("page {page}: {error}"),
        }
        for write in office.bed.okta_writes() {
            let right = allowed.iter().any(|it| write.starts_with(it));
            assert!(right, "page {page}: {write}");
        }
        for name in ["goldthread.db-wal", "goldthread.db-shm"] {
            let _ = std::fs::remove_file(office.bed.folder.path().join(name));
        }
    }
    let others = office.bed.stage.okta.accounts();
    let disabled = others.iter().filter(|it| it.status == Status::Deprovisioned);
    assert!(disabled.map(|it| it.text("login")).all(|login| login == leaver.email));
    let created_here = others.iter().filter(|it| it.text("login") == office.bed.newcomer(0).email);
    assert!(created_here.count() <= 1);
    assert!(errors > 10, "{errors} pages were missed, {harmless} were not");
}

#[test]
fn a_locked_file_is_said_and_waited_for_only_for_a_while() {
    let office = Office::new();
    let holder = office.bed.store();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    office.refuses("", "sync", 1, &["goldthread.db", "locked", "sqlite3"]);
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    office.recovers();
}

#[test]
fn a_store_that_is_in_use_names_who_uses_it() {
    let office = Office::new();
    let (deps, writers) = office.bed.at_work();
    office.refuses("", "sync", 1, &["goldthread.db", "in use by a daemon", "only one process"]);
    drop((deps, writers));
    office.recovers();
}

#[test]
fn a_file_from_a_newer_version_is_refused_and_left_as_it_is() {
    let office = Office::new();
    let store = office.bed.store();
    let version: i64 = store.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    store.pragma_update(None, "user_version", 1000).unwrap();
    drop(store);
    settle(&office);
    let before = bytes(&office.store());
    for verb in ["sync", "plan", "drift --cached", "status", "hold list", "backup copy.db"] {
        office.refuses("", verb, 1, &["goldthread.db", "newer version", "install that version"]);
        assert_eq!(bytes(&office.store()), before, "{verb}");
    }
    office.bed.store().pragma_update(None, "user_version", version).unwrap();
    office.recovers();
}

#[test]
fn a_store_of_other_systems_is_refused_and_left_as_it_is() {
    let mut office = Office::new();
    settle(&office);
    let before = bytes(&office.store());
    let other = Bed::of(10);
    let (ours, theirs) =
        (office.bed.stage.okta_url().to_owned(), other.stage.okta_url().to_owned());
    office.bed.reconfigure(&ours, &theirs);
    for verb in ["sync", "plan", "status", "hold list", "backup copy.db"] {
        office.refuses("", verb, 78, &["goldthread.db", "belongs to", &ours, &theirs]);
        assert_eq!(bytes(&office.store()), before, "{verb}");
    }
    assert_eq!(other.writes(), NOTHING);
    office.bed.reconfigure(&theirs, &ours);
    office.recovers();
}

/// The store as a loss of power in the middle of a cycle leaves it: the file, and its log cut to so
/// many bytes, by how many bytes there were.
struct Wreck {
    file: Vec<u8>,
    log: Vec<u8>,
}

/// Takes a copy of the store at a call in the middle of a cycle: the first that matches.
fn wreck(office: &Office, okta: bool, method: &str, path: &str) -> Wreck {
    let folder = office.bed.folder.path().to_owned();
    let taken = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&taken);
    let copy = Fault::meanwhile(move || {
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
        let wreck = Wreck { file: read("goldthread.db"), log: read("goldthread.db-wal") };
        keep.lock().unwrap().get_or_insert(wreck);
    });
    let stage = &office.bed.stage;
    let faults = if okta { stage.okta.faults() } else { &*stage.servicenow_faults };
    faults.on(method, path, copy);
    office.bed.sync();
    faults.clear();
    taken.lock().unwrap().take().expect("the cycle makes this call")
}

/// Puts a wreck in the place of the store.
fn put(office: &Office, file: &[u8], log: &[u8]) {
    let folder = office.bed.folder.path();
    let _ = std::fs::remove_file(folder.join("goldthread.db-shm"));
    std::fs::write(office.store(), file).unwrap();
    std::fs::write(folder.join("goldthread.db-wal"), log).unwrap();
}

/// One cycle. Between its fork and its exec, the child of another test has our lock open too.
fn sync(office: &Office) {
    for _ in 0..50 {
        match office.bed.try_sync(&Scope::Changes) {
            Ok(_) => return,
            Err(SyncError::Store(StoreError::Locked { .. })) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays locked");
}

/// The rows of the journal, oldest first; its chain is whole.
fn journal_of(office: &Office) -> Vec<String> {
    let (entries, broken) = journal::read(&office.store());
    assert_eq!(broken, NOTHING);
    entries.into_iter().map(|entry| format!("{entry:?}")).collect()
}

#[test]
fn a_store_that_lost_power_opens_as_it_was_at_some_moment() {
    for (okta, method, path) in [
        (true, "POST", "/api/v1/users?activate"),
        (true, "GET", "/api/v1/users/00u"),
        (false, "GET", "/table/sys_journal_field"),
        (false, "PATCH", "/table/sc_req_item/"),
    ] {
        let office = Office::new();
        let wreck = wreck(&office, okta, method, path);
        let whole = journal_of(&office);
        let sends_at_most = office.bed.okta_writes().len();
        // Whatever had not reached the disk is gone: the log ends anywhere.
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut lengths = vec![0, wreck.log.len() / 2, wreck.log.len()];
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            lengths.push(usize::try_from(seed >> 33).unwrap() % (wreck.log.len() + 1));
        }
        for length in lengths {
            put(&office, &wreck.file, &wreck.log[..length]);
            let told = format!("{method} {path}, {length} of {} bytes", wreck.log.len());
            let before = journal_of(&office);
            assert!(whole.starts_with(&before), "{told}: {before:?} is no beginning of {whole:?}");
            office.rows();
            office.bed.forget_calls();
            sync(&office);
            sync(&office);
            // The join is done already, or is done now, and nothing else.
            assert_eq!(office.bed.status(&office.bed.newcomer(0)), "PROVISIONED", "{told}");
            assert_eq!(office.bed.state(&office.join), "3", "{told}");
            assert!(office.bed.okta_writes().len() <= sends_at_most, "{told}");
            assert_eq!(office.bed.stage.okta.mails().len(), 1, "{told}");
        }
    }
}

#[test]
fn a_log_with_a_broken_page_ends_before_it() {
    let office = Office::new();
    let wreck = wreck(&office, false, "PATCH", "/table/sc_req_item/");
    let whole = journal_of(&office);
    for at in [40, wreck.log.len() / 3, wreck.log.len() - 5] {
        let mut log = wreck.log.clone();
        log[at] ^= 0xff;
        put(&office, &wreck.file, &log);
        assert!(whole.starts_with(&journal_of(&office)), "byte {at}");
        office.recovers();
    }
}

#[test]
fn a_store_without_a_byte_is_a_new_one() {
    let office = Office::new();
    office.bed.sync();
    let before = office.bed.stage.okta.accounts();
    office.bed.lose_store();
    std::fs::write(office.store(), b"").unwrap();
    office.bed.forget_calls();
    for verb in ["plan", "status", "hold list"] {
        let output = office.run("", verb);
        assert!(matches!(output.status.code(), Some(0..=2)), "{verb}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("panicked"), "{verb}: {told}");
    }
    office.bed.sync_full();
    assert_eq!(office.bed.okta_writes(), NOTHING, "nothing is made or taken away twice");
    assert_eq!(office.bed.stage.okta.accounts(), before);
    office.rows();
}
