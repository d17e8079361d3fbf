//! Why the store cannot be used, and what to do about it.

use std::path::{Path, PathBuf};

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite failed, and which file it was about is not said.
    #[error("the store failed: {}", in_words(.0))]
    Sqlite(#[source] rusqlite::Error),
    /// The file cannot be opened, read or made.
    #[error("{path}: {reason}")]
    File {
        /// The store's file, or one beside it: its folder, its lock or a copy.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file, or a folder above it, is there and may not be used.
    #[error(
        "{path}: {who} may not {what}, which belongs to {owner}; run the command with sudo, or as \
         that user"
    )]
    Denied {
        /// Where the right is missing.
        path: PathBuf,
        /// The user that we run as.
        who: String,
        /// What may not be done there.
        what: &'static str,
        /// Whom it belongs to.
        owner: String,
    },
    /// The file was written by a newer version.
    #[error(
        "{0} was written by a newer version of goldthread; install that version or restore an older copy"
    )]
    Newer(PathBuf),
    /// The file was written by an older version.
    #[error(
        "{0} was written by an older version of goldthread; `run` and `sync` bring it up to date"
    )]
    Older(PathBuf),
    /// The file belongs to other systems.
    #[error(
        "{path} belongs to {theirs}, and the configuration names {ours}; \
         give each pair of systems a store of its own"
    )]
    Foreign {
        /// The store's file, `store.path` of the configuration.
        path: PathBuf,
        /// The address that the store was made for.
        theirs: String,
        /// The address that the configuration names.
        ours: String,
    },
    /// Another process has the store open to run cycles.
    #[error("{path} is in use by {holder}; only one process at a time may write")]
    Locked {
        /// The store's file; the lock is on one beside it, `….lock`.
        path: PathBuf,
        /// The other process by its own name, `goldthread run (process 4711)`.
        holder: String,
    },
    /// What is in it makes no sense.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

impl From<rusqlite::Error> for StoreError {
    /// SQLite gave a value, and it is none that may stand in its column.
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::FromSqlConversionFailure(_, _, why) => Self::Corrupt(why.to_string()),
            rusqlite::Error::InvalidColumnType(_, column, kind) => {
                Self::Corrupt(format!("{column} holds a value of the type {kind}"))
            }
            other => Self::Sqlite(other),
        }
    }
}

impl StoreError {
    #[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
    pub(super) fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }

    /// The same with the file that it is about.
    pub(crate) fn located(self, path: &Path) -> Self {
        match self {
            Self::Sqlite(error) => Self::file(path, in_words(&error)),
            Self::Corrupt(what) => {
                Self::file(path, format!("it holds something unreadable ({what}): {DAMAGED}"))
            }
            other => other,
        }
    }
}

const DAMAGED: &str = "nothing was changed; keep it aside and put the newest `goldthread backup` \
                       in its place, or let `goldthread sync` begin a new one";

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
             goldthread runs as; run the command with sudo, or as that user"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program keeps it locked; close whatever has it open, such as sqlite3 or a copy \
             in progress"
        }
        _ => return error.to_string(),
    };
    format!("{error}: {advice}")
}
