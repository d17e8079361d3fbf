//! The store's files, opened with care: root's commands work in a folder that belongs to the
//! service, and must not be led out of it by what lies there.

use std::fs::{File, OpenOptions};
use std::io::{Error, Result};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

/// A link is not followed, and nobody is waited for at what is no file.
const FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

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

/// Opens a file to read.
pub(super) fn open_to_read(path: &Path) -> Result<File> {
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
