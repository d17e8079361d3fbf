//! Who may write: one process at a time, by a lock on a file beside the store.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::{StoreError, file_error};
use super::file;

/// How often a lock that is taken is tried again, and after how long.
const TRIES: u32 = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Takes the lock, or says who has it. It goes with the process.
pub(super) fn take(path: &Path, holder: &str) -> Result<File, StoreError> {
    let name = name(path);
    let failed = |error: std::io::Error| file_error(&name, &error);
    let mut file = file::open(&name).map_err(failed)?;
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

/// Who has it, where somebody does.
pub(super) fn holder(path: &Path) -> Option<String> {
    let mut file = file::open_to_read(&name(path)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(read_holder(&mut file)),
        // Given back at once, with the file.
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn read_holder(file: &mut File) -> String {
    let mut holder = String::new();
    let _ = file.read_to_string(&mut holder);
    let holder = holder.trim();
    if holder.is_empty() { "another process" } else { holder }.to_owned()
}
