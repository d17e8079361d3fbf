//! A folder that is gone when the program ends.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder for this process alone, removed with everything in it when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one among the temporary files that only this user may look into.
    pub fn temporary(purpose: &str) -> std::io::Result<Self> {
        let process = std::process::id();
        let mut attempt = 0;
        loop {
            let name = match attempt {
                0 => format!("goldthread-{purpose}-{process}"),
                more => format!("goldthread-{purpose}-{process}-{more}"),
            };
            let path = std::env::temp_dir().join(name);
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                // Left by a process that was killed and had the same number.
                Err(error)
                    if error.kind() == std::io::ErrorKind::AlreadyExists && attempt < 100 =>
                {
                    attempt += 1;
                }
                result => return result.map(|()| Self(path)),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
