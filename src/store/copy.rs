//! A consistent copy of the store in a file of its own.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::columns::Count;
use super::{Result, Store, StoreError, file};

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
    /// not exist, and appears whole or not at all.
    pub(crate) fn copy_to(&self, to: &Path) -> Result<Copied> {
        let failed = |error: Error| StoreError::file(to, error);
        if to.symlink_metadata().is_ok() {
            return Err(StoreError::file(to, "it exists already; a backup overwrites nothing"));
        }
        let part = file::extended(to, &format!(".part-{}", std::process::id()));
        let copied = fill(&self.conn, &part).and_then(|copied| {
            // A link, unlike a rename, does not replace what somebody put there meanwhile.
            if let Err(error) = std::fs::hard_link(&part, to) {
                if error.kind() == ErrorKind::AlreadyExists {
                    return Err(failed(error));
                }
                // A file system without links: the name is taken first.
                OpenOptions::new().write(true).create_new(true).open(to).map_err(failed)?;
                std::fs::rename(&part, to).map_err(failed)?;
            }
            File::open(file::folder_of(to)).and_then(|it| it.sync_all()).map_err(failed)?;
            Ok(copied)
        });
        let _ = std::fs::remove_file(&part);
        copied
    }
}

fn fill(source: &Connection, part: &Path) -> Result<Copied> {
    let failed = |error: Error| StoreError::file(part, error);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(failed)?;
    let mut conn = Connection::open(part)?;
    file::copy(source, &mut conn)?;
    // One file, whatever the original does with a log beside it.
    conn.pragma_update(None, "journal_mode", "DELETE")?;
    let copy = Store { conn, _lock: None };
    let sound: String = copy.value("PRAGMA integrity_check(1)", [])?;
    if sound != "ok" {
        return Err(StoreError::Corrupt(format!("the copy is not sound: {sound}")));
    }
    let Count(entries) = copy.value("SELECT count(*) FROM journal", [])?;
    let head = copy.journal().head()?;
    copy.conn.close().map_err(|(_, error)| error)?;
    let file = File::open(part).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(Copied { entries, head, bytes: file.metadata().map_err(failed)?.len() })
}
