//! Opening the file: for whom, in which version, and for which two systems.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::error::{StoreError, file_error, unusable};
use super::{Store, file, lock};

/// Append only: a released version has run these on somebody's file.
pub(super) const STEPS: [&str; 6] = [
    include_str!("schema.sql"),
    include_str!("effects.sql"),
    include_str!("holds.sql"),
    include_str!("indexes.sql"),
    include_str!("vitals.sql"),
    include_str!("typed.sql"),
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
    /// Opens a store that belongs to these two systems.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] where it belongs to others, [`StoreError::Newer`] where a newer
    /// version wrote it, [`StoreError::Older`] where [`Mode::Decide`] or [`Mode::Read`] meets a
    /// file of an older one, [`StoreError::Locked`] where [`Mode::Write`] comes second,
    /// [`StoreError::File`] where the file cannot be used.
    pub fn open(path: &Path, orgs: &Orgs, mode: Mode<'_>) -> Result<Self, StoreError> {
        let store = match mode {
            Mode::Write { holder } => to_write(path, holder),
            Mode::Decide => to_decide(path),
            Mode::Read => to_read(path),
            Mode::Scratch => scratch(path),
        }?;
        store.check_orgs(path, orgs).map_err(|error| error.located(path))?;
        Ok(store)
    }

    /// Who may write now, where somebody does: the name given with [`Mode::Write`] and its process.
    pub(crate) fn holder(path: &Path) -> Option<String> {
        lock::holder(path)
    }

    /// Remembers the two systems. Called once both have answered: a mistyped address must not
    /// claim the store.
    pub(crate) fn bind(&self, orgs: &Orgs) -> Result<(), StoreError> {
        self.state().set_orgs(orgs)
    }

    /// Refuses a store that was made for others.
    pub(crate) fn check_orgs(&self, path: &Path, orgs: &Orgs) -> Result<(), StoreError> {
        let (servicenow, okta) = self.state().orgs()?;
        for (theirs, ours) in [(servicenow, &orgs.servicenow), (okta, &orgs.okta)] {
            match theirs {
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
}

fn to_write(path: &Path, holder: &str) -> Result<Store, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| StoreError::File {
            path: folder.to_owned(),
            reason: format!("the folder for the store cannot be made: {error}"),
        })?;
    }
    let lock = lock::take(path, holder)?;
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
    Ok(Store { conn, _lock: Some(lock) })
}

fn to_decide(path: &Path) -> Result<Store, StoreError> {
    let conn = file::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|error| unusable(path, &error))?;
    prepare(&conn).map_err(|error| unusable(path, &error))?;
    // A complete read of a large organization is decided in one transaction.
    conn.busy_timeout(std::time::Duration::from_mins(1))?;
    present(path, conn)
}

fn to_read(path: &Path) -> Result<Store, StoreError> {
    present(path, connect_to_read(path)?)
}

/// A store that is used as it is: of this version, or not at all.
fn present(path: &Path, conn: Connection) -> Result<Store, StoreError> {
    let version = version(&conn).map_err(|error| error.located(path))?;
    check_version(path, version)?;
    if version < STEPS.len() {
        return Err(StoreError::Older { path: path.to_owned() });
    }
    Ok(Store { conn, _lock: None })
}

fn scratch(path: &Path) -> Result<Store, StoreError> {
    // An empty name is a temporary database of SQLite's own, on disk only when it grows.
    let mut conn = Connection::open("")?;
    if path.exists() {
        let source = connect_to_read(path)?;
        check_version(path, version(&source).map_err(|error| error.located(path))?)?;
        let backup = rusqlite::backup::Backup::new(&source, &mut conn)?;
        backup
            .run_to_completion(i32::MAX, std::time::Duration::from_millis(20), None)
            .map_err(|error| unusable(path, &error))?;
    }
    conn.pragma_update(None, "foreign_keys", true)?;
    // The copy ends with the process, so nothing of it has to reach the disk.
    conn.pragma_update(None, "synchronous", "OFF")?;
    migrate(&mut conn, path)?;
    Ok(Store { conn, _lock: None })
}

fn connect_to_read(path: &Path) -> Result<Connection, StoreError> {
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

#[cfg(test)]
mod tests;
