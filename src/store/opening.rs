//! Opening the file: for whom, in which version, and for which two systems.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::rights::{Right, is_there};
use super::{Result, Store, StoreError, file};

/// Append only: a released version has run these on somebody's file.
pub(super) const STEPS: [&str; 10] = [
    include_str!("schema.sql"),
    include_str!("effects.sql"),
    include_str!("holds.sql"),
    include_str!("indexes.sql"),
    include_str!("vitals.sql"),
    include_str!("typed.sql"),
    include_str!("items.sql"),
    include_str!("approvers.sql"),
    include_str!("paused.sql"),
    include_str!("unseen.sql"),
];

static MIGRATIONS: LazyLock<Migrations<'static>> =
    LazyLock::new(|| Migrations::new(STEPS.into_iter().map(M::up).collect()));

/// The two systems that a store belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orgs {
    /// ServiceNow's base address, without a slash at its end.
    pub servicenow: String,
    /// Okta's base address, without a slash at its end.
    pub okta: String,
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode<'a> {
    /// To run cycles: makes the file or brings it up to date where needed, and keeps every other
    /// writer of this kind out for as long as it is open.
    Write {
        /// Who we are, for whoever comes second.
        holder: &'a str,
    },
    /// For one small change beside whoever runs cycles. Neither makes nor migrates a file.
    Decide,
    /// To read a few things beside whoever runs cycles. Leaves no trace.
    Read,
    /// A private copy that disappears with the process, empty where there is no file yet: for
    /// cycles that only plan and write nothing to either side.
    Scratch,
}

impl Store {
    /// Opens a store that belongs to these two systems; to any two where it is not known to which.
    pub fn open<'a>(
        path: &Path,
        orgs: impl Into<Option<&'a Orgs>>,
        mode: Mode<'_>,
    ) -> Result<Self> {
        let opened = match mode {
            Mode::Write { holder } => to_write(path, holder),
            Mode::Decide => to_decide(path),
            Mode::Read => connect_to_read(path).and_then(|conn| present(path, conn)),
            Mode::Scratch => scratch(path),
        };
        let checked = opened.and_then(|store| {
            // More than there are: a cycle comes to nearly all of them, one after the other.
            store.conn.set_prepared_statement_cache_capacity(256);
            orgs.into().map_or(Ok(()), |orgs| store.check_orgs(path, orgs)).map(|()| store)
        });
        checked.map_err(|error| error.located(path))
    }

    /// Whether a store is there. That it may not be looked at is an error, as with every way to
    /// open it.
    pub(crate) fn is_there(path: &Path) -> Result<bool> {
        is_there(path, Right::Read)
    }

    /// The same for whoever is going to write to it; fails where that may not be done.
    pub(crate) fn is_there_to_write(path: &Path) -> Result<bool> {
        is_there(path, Right::Write)
    }

    /// Who may write now, where somebody does: the name given with [`Mode::Write`] and its process.
    pub(crate) fn holder(path: &Path) -> Result<Option<String>> {
        file::lock_holder(path)
    }

    /// Remembers the two systems. Called once both have answered: a mistyped address must not
    /// claim the store.
    pub(crate) fn bind(&self, orgs: &Orgs) -> Result<()> {
        let sql = "UPDATE state SET servicenow = ?, okta = ?";
        self.run(sql, [&orgs.servicenow, &orgs.okta])
    }

    /// Refuses a store that was made for others.
    pub(crate) fn check_orgs(&self, path: &Path, orgs: &Orgs) -> Result<()> {
        let sql = "SELECT servicenow, okta FROM state";
        let bound = self.one(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let gone = || StoreError::Corrupt("its row of state is gone".to_owned());
        let (servicenow, okta): (Option<String>, Option<String>) = bound.ok_or_else(gone)?;
        for (theirs, ours) in [(servicenow, &orgs.servicenow), (okta, &orgs.okta)] {
            if let Some(theirs) = theirs.filter(|theirs| theirs != ours) {
                let (path, ours) = (path.to_owned(), ours.clone());
                return Err(StoreError::Foreign { path, theirs, ours });
            }
        }
        Ok(())
    }
}

fn to_write(path: &Path, holder: &str) -> Result<Store> {
    std::fs::create_dir_all(file::folder_of(path)).map_err(|error| {
        let reason = format!("the folder for the store cannot be made: {error}");
        StoreError::file(&file::folder_of(path), reason)
    })?;
    let lock = file::lock(path, holder)?;
    let existed = path.metadata().is_ok_and(|file| file.len() > 0);
    if !existed {
        // SQLite gives the files beside it the same owner and rights.
        file::open(path).map_err(|error| StoreError::file(path, error))?;
    }
    let mut conn = file::connect(path, OpenFlags::default())?;
    prepare(&conn)?;
    let before = version(path, &conn)?;
    if existed && before < STEPS.len() {
        copy_aside(&conn, &file::extended(path, &format!(".v{before}")))?;
    }
    migrate(&mut conn, path)?;
    Ok(Store { conn, _lock: Some(lock) })
}

fn to_decide(path: &Path) -> Result<Store> {
    // SQLite would open it to read only, and fail later in other words.
    is_there(path, Right::Write)?;
    let conn = file::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&conn)?;
    // A complete read of a large organization is decided in one transaction.
    conn.busy_timeout(Duration::from_mins(1))?;
    present(path, conn)
}

/// A store that is used as it is: of this version, or not at all.
fn present(path: &Path, conn: Connection) -> Result<Store> {
    if version(path, &conn)? < STEPS.len() {
        return Err(StoreError::Older(path.to_owned()));
    }
    Ok(Store { conn, _lock: None })
}

fn scratch(path: &Path) -> Result<Store> {
    // An empty name is a temporary database of SQLite's own, on disk only when it grows.
    let mut conn = Connection::open("")?;
    if is_there(path, Right::Read)? {
        let source = connect_to_read(path)?;
        version(path, &source)?;
        file::copy(&source, &mut conn)?;
    }
    conn.pragma_update(None, "foreign_keys", true)?;
    // The copy ends with the process, so nothing of it has to reach the disk.
    conn.pragma_update(None, "synchronous", "OFF")?;
    migrate(&mut conn, path)?;
    Ok(Store { conn, _lock: None })
}

fn connect_to_read(path: &Path) -> Result<Connection> {
    is_there(path, Right::Read)?;
    let conn = file::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .or_else(|_| file::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    conn.busy_timeout(Duration::from_secs(5))?;
    Ok(conn)
}

fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // An intent must be on the disk before its call is sent.
    conn.pragma_update(None, "synchronous", "FULL")?;
    // In KiB; the system's own cache has the rest.
    conn.pragma_update(None, "cache_size", -1024)?;
    conn.pragma_update(None, "foreign_keys", true)
}

/// How many of the steps were run, where no newer version wrote it.
fn version(path: &Path, conn: &Connection) -> Result<usize> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match usize::try_from(version) {
        Err(_) => Err(StoreError::Corrupt("its version is negative".to_owned())),
        Ok(version) if version > STEPS.len() => Err(StoreError::Newer(path.to_owned())),
        Ok(version) => Ok(version),
    }
}

fn migrate(conn: &mut Connection, path: &Path) -> Result<()> {
    let failed =
        |error| StoreError::file(path, format!("it cannot be brought up to date: {error}"));
    MIGRATIONS.to_latest(conn).map_err(failed)
}

/// Keeps the file as it was before a migration touches it.
fn copy_aside(conn: &Connection, to: &Path) -> Result<()> {
    file::open(to).map_err(|error| StoreError::file(to, error))?;
    file::connect(to, OpenFlags::default())
        .and_then(|mut copy| file::copy(conn, &mut copy))
        .map_err(|error| StoreError::from(error).located(to))
}

#[cfg(test)]
mod tests;
