//! The store's files, opened with care: root's commands work in a folder that belongs to the
//! service, and must not be led out of it by what lies there. And the lock that lets one process write.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, Read, Result, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::rights::{FLAGS, Right, is_there};

/// How often a lock that is taken is tried again, and after how long.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens a file to read and write, and makes it where it is not there. What root makes belongs to
/// whom the folder belongs to, or the service could not open it.
pub(super) fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(FLAGS).open(path).map_err(in_words)?;
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() > 1 {
        return Err(Error::other("it is no file of its own, and nothing is written through it"));
    }
    if uzers::get_effective_uid() == 0 {
        let owner = folder_of(path).metadata()?;
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(file)
}

fn open_to_read(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).custom_flags(FLAGS).open(path).map_err(in_words)
}

/// Opens a database. Neither it nor a file beside it may be a symbolic link; its folder may.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let folder = folder_of(path);
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let place = path.file_name().map_or(folder.clone(), |name| folder.join(name));
    let flags = flags | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(place, flags)
}

pub(super) fn copy(source: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    Backup::new(source, to)?.run_to_completion(i32::MAX, Duration::from_millis(20), None)
}

/// A path with this at its end.
pub(super) fn extended(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

pub(super) fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

fn in_words(error: Error) -> Error {
    if error.raw_os_error() == Some(libc::ELOOP) {
        Error::other("it is a symbolic link, and none is followed here")
    } else {
        error
    }
}

/// Takes the lock, or says who has it. It goes with the process.
pub(super) fn lock(path: &Path, holder: &str) -> std::result::Result<File, StoreError> {
    let name = extended(path, ".lock");
    let failed = |error: Error| StoreError::file(&name, error);
    let mut file = open(&name).map_err(failed)?;
    let mut tries = TRIES;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            // Whoever only asks who holds it holds it for a moment.
            Err(TryLockError::WouldBlock) if tries > 0 => {
                tries -= 1;
                std::thread::sleep(PAUSE);
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

/// Who has the lock, where somebody does.
pub(super) fn lock_holder(path: &Path) -> std::result::Result<Option<String>, StoreError> {
    let name = extended(path, ".lock");
    if !is_there(&name, Right::Read)? {
        return Ok(None);
    }
    let failed = |error: Error| StoreError::file(&name, error);
    let mut file = open_to_read(&name).map_err(failed)?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file))),
        // Given back at once, with the file.
        Ok(()) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn read_holder(file: &mut File) -> String {
    let mut holder = String::new();
    let _ = file.read_to_string(&mut holder);
    let holder = holder.trim();
    if holder.is_empty() { "another process" } else { holder }.to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("goldthread.db");
        open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_not_followed_and_what_it_leads_to_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "as it was").unwrap();
        let by_name = folder.path().join("by-name");
        symlink(&precious, &by_name).unwrap();
        let hard = folder.path().join("hard");
        std::fs::hard_link(&precious, &hard).unwrap();
        for path in [&by_name, &hard] {
            assert!(open(path).is_err(), "{}", path.display());
        }
        assert!(open_to_read(&by_name).unwrap_err().to_string().contains("symbolic link"));
        assert!(connect(&by_name, OpenFlags::default()).is_err());
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "as it was");
    }

    #[test]
    fn a_log_that_leads_elsewhere_is_not_followed_either() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "as it was").unwrap();
        let path = folder.path().join("store.db");
        let write = || {
            let conn = connect(&path, OpenFlags::default())?;
            conn.pragma_update(None, "journal_mode", "WAL")?;
            conn.execute_batch("CREATE TABLE IF NOT EXISTS t (a); INSERT INTO t VALUES (1)")
        };
        write().unwrap();
        symlink(&precious, folder.path().join("store.db-wal")).unwrap();
        assert!(write().is_err());
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "as it was");
    }

    #[test]
    fn the_folder_may_be_a_link_as_systemd_makes_one() {
        let folder = tempfile::tempdir().unwrap();
        let private = folder.path().join("private");
        std::fs::create_dir(&private).unwrap();
        let public = folder.path().join("public");
        symlink(&private, &public).unwrap();
        connect(&public.join("store.db"), OpenFlags::default()).unwrap();
        assert!(private.join("store.db").exists());
    }
}
