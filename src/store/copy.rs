//! A consistent copy of the store in a file of its own.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use super::error::file_error;
use super::file::folder_of;
use super::{Store, StoreError};

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Rows of the journal.
    pub entries: u64,
    /// The hash of the journal's newest row; empty before the first.
    pub head: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Store {
    /// Copies the store as it is at one moment, also while another process writes to it. `to` must
    /// not exist. It appears whole or not at all.
    pub(crate) fn copy_to(&self, to: &Path) -> Result<Copied, StoreError> {
        copy(&self.conn, to)
    }
}

/// Copies beside the place first, and puts the copy there once it is whole and on the disk.
fn copy(source: &Connection, to: &Path) -> Result<Copied, StoreError> {
    let failed = |error: std::io::Error| file_error(to, &error);
    if to.symlink_metadata().is_ok() {
        let reason = "it exists already; a backup overwrites nothing".to_owned();
        return Err(StoreError::File { path: to.to_owned(), reason });
    }
    let mut part = to.as_os_str().to_owned();
    part.push(format!(".part-{}", std::process::id()));
    let part = PathBuf::from(part);
    let copied = fill(source, &part).and_then(|copied| {
        // A link, unlike a rename, does not replace what somebody put there meanwhile.
        if let Err(error) = std::fs::hard_link(&part, to) {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                return Err(failed(error));
            }
            // A file system without links: the name is taken first.
            OpenOptions::new().write(true).create_new(true).open(to).map_err(failed)?;
            std::fs::rename(&part, to).map_err(failed)?;
        }
        File::open(folder_of(to)).and_then(|it| it.sync_all()).map_err(failed)?;
        Ok(copied)
    });
    let _ = std::fs::remove_file(&part);
    copied
}

fn fill(source: &Connection, part: &Path) -> Result<Copied, StoreError> {
    let failed = |error: std::io::Error| file_error(part, &error);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(failed)?;
    let mut copy = Connection::open(part)?;
    rusqlite::backup::Backup::new(source, &mut copy)?.run_to_completion(
        i32::MAX,
        std::time::Duration::from_millis(20),
        None,
    )?;
    // One file, whatever the original does with a log beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    let sound: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(StoreError::Corrupt(format!("the copy is not sound: {sound}")));
    }
    let entries: i64 = copy.query_row("SELECT count(*) FROM journal", [], |row| row.get(0))?;
    let head: Option<String> = copy
        .query_row("SELECT hash FROM journal ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
        .optional()?;
    copy.close().map_err(|(_, error)| error)?;
    let file = File::open(part).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(Copied {
        entries: u64::try_from(entries).unwrap_or(0),
        head: head.unwrap_or_default(),
        bytes: file.metadata().map_err(failed)?.len(),
    })
}
