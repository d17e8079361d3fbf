//! Memory: what was last seen of both sides, what should be, and everything that was done.
//!
//! One SQLite file with one owner of the writing connection. Calls are short and made directly
//! from the one task that runs a cycle. A command that only looks works on a [`Store::scratch`]
//! copy, so it cannot leave a trace.

mod accounts;
mod budgets;
mod copy;
mod cycles;
mod deadlines;
mod facts;
mod file;
mod groups;
mod holds;
mod journal;
mod links;
mod names;
mod notes;
mod people;
mod queue;
mod requests;
mod sides;
pub(crate) mod snapshot;
mod state;

pub use accounts::Accounts;
pub use budgets::{Budgets, Use};
pub use copy::Copied;
pub use cycles::{CycleRow, Cycles, EndedCycle, LastCycle};
pub use deadlines::{Deadlines, Late};
pub use facts::{FactRow, Facts};
pub use groups::Groups;
pub use holds::{Hold, HoldDecision, HoldSelection, Holds, NewHold, Verdict};
pub use journal::{Applied, Entry, InDoubt, Journal, StatusAction, Thread};
pub use links::{Link, Links};
pub use names::Names;
pub use notes::Notes;
pub use people::People;
pub use queue::Queue;
pub use requests::{KeptRequests, Requests, StoredRequest};
pub use sides::{SideState, Sides};
pub use state::State;

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use self::people::sys_id;
use crate::model::{SysId, Timestamp};

/// Append only: a released version has run these on somebody's file.
const STEPS: [&str; 5] = [
    include_str!("schema.sql"),
    include_str!("effects.sql"),
    include_str!("holds.sql"),
    include_str!("indexes.sql"),
    include_str!("vitals.sql"),
];

/// How often a lock that is taken is tried again, and after how long.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

static MIGRATIONS: LazyLock<Migrations<'static>> =
    LazyLock::new(|| Migrations::new(STEPS.into_iter().map(M::up).collect()));

/// The two systems that a store belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orgs {
    /// ServiceNow's base address.
    pub servicenow: String,
    /// Okta's base address.
    pub okta: String,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said no.
    #[error("the store failed: {}", in_words(.0))]
    Sqlite(#[from] rusqlite::Error),
    /// The file cannot be opened, read or made.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file was written by a newer version.
    #[error(
        "{path} was written by a newer version of goldthread; install that version or restore an older copy"
    )]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by an older version.
    #[error(
        "{path} was written by an older version of goldthread; `run` and `sync` bring it up to date"
    )]
    Older {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to other systems.
    #[error(
        "{path} belongs to {theirs}, and the configuration names {ours}; \
         give each pair of systems a store of its own"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The address that the store was made for.
        theirs: String,
        /// The address that the configuration names.
        ours: String,
    },
    /// Another process writes.
    #[error("{path} is in use by {holder}; only one process at a time may write")]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// What is in it makes no sense.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// The same with the file that it is about.
    #[must_use]
    pub fn located(self, path: &Path) -> Self {
        match self {
            Self::Sqlite(error) => unusable(path, &error),
            Self::Corrupt(what) => Self::File {
                path: path.to_owned(),
                reason: format!("it holds something unreadable ({what}): {DAMAGED}"),
            },
            other => other,
        }
    }
}

/// What to do about a file that SQLite cannot make sense of.
const DAMAGED: &str = "nothing was changed; keep it aside and put the newest `goldthread backup` \
                       in its place, or let `goldthread sync` begin a new one";

/// What SQLite says, and what to do about it.
fn in_words(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode;
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            "the disk is full; make room, nothing is done that cannot be recorded"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "it cannot be read or written; is the disk full, over its quota, or broken? Nothing is \
             done that cannot be recorded"
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => DAMAGED,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "it must be a file, not a directory or a link, and with its folder belong to the user that \
             goldthread runs as"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program keeps it locked; close whatever has it open, such as sqlite3 or a copy \
             in progress"
        }
        _ => return error.to_string(),
    };
    format!("{error}: {advice}")
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    /// Held for as long as this process may write; a look has none.
    _lock: Option<File>,
}

impl Store {
    /// Opens the store for writing, and makes or migrates it where needed. `holder` says who we
    /// are to whoever comes second.
    pub fn open(path: &Path, orgs: &Orgs, holder: &str) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| StoreError::File {
                path: folder.to_owned(),
                reason: format!("the folder for the store cannot be made: {error}"),
            })?;
        }
        let lock = lock(path, holder)?;
        let existed = path.metadata().is_ok_and(|file| file.len() > 0);
        if !existed {
            // SQLite gives the files beside it the same owner and rights.
            file::open(path).map_err(|error| file_error(path, &error))?;
        }
        let mut conn =
            file::connect(path, OpenFlags::default()).map_err(|error| unusable(path, &error))?;
        prepare(&conn).map_err(|error| unusable(path, &error))?;
        let before = version(&conn).map_err(|error| error.located(path))?;
        check_version(path, before)?;
        if existed && before < STEPS.len() {
            copy_aside(&conn, path, before)?;
        }
        migrate(&mut conn, path)?;
        let store = Self { conn, _lock: Some(lock) };
        store.check_orgs(path, orgs).map_err(|error| error.located(path))?;
        Ok(store)
    }

    /// A private copy that disappears with the process, empty where there is no store yet.
    pub fn scratch(path: &Path, orgs: &Orgs) -> Result<Self, StoreError> {
        // An empty name is a temporary database of SQLite's own, on disk only when it grows.
        let mut conn = Connection::open("")?;
        if path.exists() {
            let source = open_to_read(path)?;
            check_version(path, version(&source).map_err(|error| error.located(path))?)?;
            let backup = rusqlite::backup::Backup::new(&source, &mut conn)?;
            backup
                .run_to_completion(i32::MAX, std::time::Duration::from_millis(20), None)
                .map_err(|error| unusable(path, &error))?;
        }
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "synchronous", "OFF")?;
        migrate(&mut conn, path)?;
        let store = Self { conn, _lock: None };
        store.check_orgs(path, orgs).map_err(|error| error.located(path))?;
        Ok(store)
    }

    /// Opens a store that is there to look at a few things, beside whoever may be at work with it.
    /// Leaves no trace.
    pub fn reading(path: &Path, orgs: &Orgs) -> Result<Self, StoreError> {
        let conn = open_to_read(path)?;
        let version = version(&conn).map_err(|error| error.located(path))?;
        check_version(path, version)?;
        if version < STEPS.len() {
            return Err(StoreError::Older { path: path.to_owned() });
        }
        let store = Self { conn, _lock: None };
        store.check_orgs(path, orgs).map_err(|error| error.located(path))?;
        Ok(store)
    }

    /// Copies the store as it is at one moment, also while another process writes to it.
    ///
    /// `to` must not exist. It appears whole or not at all.
    pub fn copy(path: &Path, orgs: &Orgs, to: &Path) -> Result<Copied, StoreError> {
        let store = Self::reading(path, orgs)?;
        copy::copy(&store.conn, to)
    }

    /// Who may write now, where somebody does.
    pub fn holder(path: &Path) -> Option<String> {
        let mut file = file::open_to_read(&lock_name(path)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(read_holder(&mut file)),
            // Given back at once, with the file.
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }

    /// Opens a store that is there for one small change beside whoever may be at work with it.
    /// Neither makes nor migrates one.
    pub fn beside(path: &Path, orgs: &Orgs) -> Result<Self, StoreError> {
        let conn = file::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(|error| unusable(path, &error))?;
        prepare(&conn).map_err(|error| unusable(path, &error))?;
        // A complete read of a large organization is decided in one transaction.
        conn.busy_timeout(std::time::Duration::from_mins(1))?;
        let version = version(&conn).map_err(|error| error.located(path))?;
        check_version(path, version)?;
        if version < STEPS.len() {
            return Err(StoreError::Older { path: path.to_owned() });
        }
        let store = Self { conn, _lock: None };
        store.check_orgs(path, orgs).map_err(|error| error.located(path))?;
        Ok(store)
    }

    /// Remembers the two systems. Called once both have answered: a mistyped address must not
    /// claim the store.
    pub fn bind(&self, orgs: &Orgs) -> Result<(), StoreError> {
        self.state().set("servicenow", &orgs.servicenow)?;
        self.state().set("okta", &orgs.okta)
    }

    /// Refuses a store that was made for others.
    pub fn check_orgs(&self, path: &Path, orgs: &Orgs) -> Result<(), StoreError> {
        for (key, ours) in [("servicenow", &orgs.servicenow), ("okta", &orgs.okta)] {
            match self.state().get(key)? {
                Some(theirs) if theirs != *ours => {
                    return Err(StoreError::Foreign {
                        path: path.to_owned(),
                        theirs,
                        ours: ours.clone(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// People as ServiceNow last showed them.
    pub fn people(&self) -> People<'_> {
        People(self)
    }

    /// Okta accounts as last seen.
    pub fn accounts(&self) -> Accounts<'_> {
        Accounts(self)
    }

    /// Okta groups, and who is in those under management.
    pub fn groups(&self) -> Groups<'_> {
        Groups(self)
    }

    /// Which account is whose, and what was there at take-over.
    pub fn links(&self) -> Links<'_> {
        Links(self)
    }

    /// Desired facts as last decided.
    pub fn facts(&self) -> Facts<'_> {
        Facts(self)
    }

    /// What the names of the configuration mean.
    pub fn names(&self) -> Names<'_> {
        Names(self)
    }

    /// Who is to be decided about again, and when.
    pub fn queue(&self) -> Queue<'_> {
        Queue(self)
    }

    /// What the store knows of itself: its systems, how far changes were read.
    pub fn state(&self) -> State<'_> {
        State(self)
    }

    /// Actions that wait for a decision.
    pub fn holds(&self) -> Holds<'_> {
        Holds(self)
    }

    /// Every write: its intent and its outcome.
    pub fn journal(&self) -> Journal<'_> {
        Journal(self)
    }

    /// One row a cycle.
    pub fn cycles(&self) -> Cycles<'_> {
        Cycles(self)
    }

    /// Requested items as last seen, and what they were resolved to.
    pub fn requests(&self) -> Requests<'_> {
        Requests(self)
    }

    /// What was written on requests.
    pub fn notes(&self) -> Notes<'_> {
        Notes(self)
    }

    /// How the two systems are.
    pub fn sides(&self) -> Sides<'_> {
        Sides(self)
    }

    /// How much of the rate limits is used.
    pub fn budgets(&self) -> Budgets<'_> {
        Budgets(self)
    }

    /// How long joins and leaves take.
    pub fn deadlines(&self) -> Deadlines<'_> {
        Deadlines(self)
    }

    /// The people whom a query gives, in its order.
    fn ids(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<SysId>, StoreError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(sys_id(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
        }
        Ok(ids)
    }

    /// Runs several changes as one: all of them, or none.
    pub fn atomically<T>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Already inside one: its fate decides.
        if !self.conn.is_autocommit() {
            return work();
        }
        // At once, because somebody may decide about a hold beside us: a transaction that has read
        // before it writes would fail instead of waiting.
        let transaction = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)?;
        let result = work()?;
        transaction.commit()?;
        Ok(result)
    }
}

fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let conn = file::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .or_else(|_| file::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE))
        .map_err(|error| unusable(path, &error))?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(conn)
}

fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // An intent must be on the disk before its call is sent.
    conn.pragma_update(None, "synchronous", "FULL")?;
    // In KiB; the system's own cache has the rest.
    conn.pragma_update(None, "cache_size", -1024)?;
    conn.pragma_update(None, "foreign_keys", true)
}

fn version(conn: &Connection) -> Result<usize, StoreError> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    usize::try_from(version).map_err(|_| StoreError::Corrupt("its version is negative".to_owned()))
}

fn check_version(path: &Path, version: usize) -> Result<(), StoreError> {
    if version > STEPS.len() { Err(StoreError::Newer { path: path.to_owned() }) } else { Ok(()) }
}

fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    MIGRATIONS.to_latest(conn).map_err(|error| StoreError::File {
        path: path.to_owned(),
        reason: format!("it cannot be brought up to date: {error}"),
    })
}

/// Keeps the file as it was before a migration touches it.
fn copy_aside(conn: &Connection, path: &Path, version: usize) -> Result<(), StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".v{version}"));
    let name = PathBuf::from(name);
    file::open(&name).map_err(|error| file_error(&name, &error))?;
    let copied = file::connect(&name, OpenFlags::default()).and_then(|mut copy| {
        let backup = rusqlite::backup::Backup::new(conn, &mut copy)?;
        backup.run_to_completion(i32::MAX, std::time::Duration::from_millis(20), None)
    });
    copied.map_err(|error| unusable(&name, &error))
}

fn file_error(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::File { path: path.to_owned(), reason: error.to_string() }
}

fn unusable(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::File { path: path.to_owned(), reason: in_words(error) }
}

fn lock_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Takes the lock beside the store, or says who has it. The lock goes with the process.
fn lock(path: &Path, holder: &str) -> Result<File, StoreError> {
    let name = lock_name(path);
    let failed = |error: std::io::Error| file_error(&name, &error);
    let mut file = file::open(&name).map_err(failed)?;
    let mut tries = LOCK_TRIES;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            // Whoever only asks who holds it holds it for a moment.
            Err(TryLockError::WouldBlock) if tries > 0 => {
                tries -= 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut file);
                return Err(StoreError::Locked { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    writeln!(file, "{holder} (process {})", std::process::id()).map_err(failed)?;
    Ok(file)
}

fn read_holder(file: &mut File) -> String {
    let mut holder = String::new();
    let _ = file.read_to_string(&mut holder);
    let holder = holder.trim();
    if holder.is_empty() { "another process" } else { holder }.to_owned()
}

/// Times are stored as RFC 3339 in UTC with milliseconds, so that they sort as text.
fn stamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn moment(text: &str) -> Result<Timestamp, StoreError> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|at| at.with_timezone(&chrono::Utc))
        .map_err(|_| StoreError::Corrupt(format!("{text:?} is not a time")))
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("maps of strings always serialise")
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

#[cfg(test)]
mod tests;
