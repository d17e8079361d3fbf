//! Whether a file is there and may be used. That something may not be looked at is said, and never
//! taken for its absence.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::error::StoreError;

/// A link is not followed, and nobody is waited for at what is no file.
pub(super) const FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// What somebody wants to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    Read,
    Write,
}

/// Whether a file is there, which may then be used in this way. Fails where it may not, where nobody can
/// tell, and where something else than a file of its own is in its place.
pub(crate) fn is_there(path: &Path, right: Right) -> Result<bool, StoreError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(denied(path, right));
        }
        Err(error) => return Err(StoreError::file(path, error)),
        Ok(found) if found.is_symlink() => {
            return Err(StoreError::file(path, "it is a symbolic link, and none is followed here"));
        }
        Ok(found) if !found.is_file() => return Err(StoreError::file(path, "it is no file")),
        Ok(_) => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(right == Right::Write).custom_flags(FLAGS);
    match options.open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(denied(path, right)),
        Err(error) => Err(StoreError::file(path, error)),
    }
}

/// Which right is missing for a file that may not be used: to the file, or to a folder above it.
pub(crate) fn denied(path: &Path, right: Right) -> StoreError {
    let closed = path.ancestors().find_map(|place| Some((place, place.symlink_metadata().ok()?)));
    let (place, owner) = closed.map_or((path, None), |(place, it)| (place, Some(it.uid())));
    let what = match right {
        _ if place != path => "enter this folder",
        Right::Read => "read it",
        Right::Write => "write to it",
    };
    let name = |uid| {
        let user = uzers::get_user_by_uid(uid);
        user.map_or_else(|| format!("uid {uid}"), |user| user.name().to_string_lossy().into_owned())
    };
    let (path, who) = (place.to_owned(), name(uzers::get_effective_uid()));
    StoreError::Denied { path, who, what, owner: owner.map_or_else(|| "root".to_owned(), name) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn absence_is_only_what_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(!is_there(&path("store.db"), Right::Read).unwrap());
        assert!(!is_there(&path("no folder/store.db"), Right::Read).unwrap());
        std::fs::write(path("store.db"), "").unwrap();
        assert!(is_there(&path("store.db"), Right::Write).unwrap());

        std::fs::create_dir(path("folder")).unwrap();
        symlink("nowhere", path("link")).unwrap();
        for (name, why) in [
            ("folder", "it is no file"),
            ("link", "it is a symbolic link"),
            ("store.db/in/a/file", "Not a directory"),
        ] {
            let error = is_there(&path(name), Right::Read).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_right_that_is_missing_is_named_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        std::fs::write(&file, "").unwrap();
        let said = |path: &Path, right| denied(path, right).to_string();
        assert!(said(&file, Right::Read).contains("store.db: "));
        assert!(said(&file, Right::Write).contains("may not write to it"));
        let above = said(&folder.path().join("a/b"), Right::Read);
        assert!(above.starts_with(&*folder.path().to_string_lossy()), "{above}");
        assert!(above.contains("may not enter this folder") && above.contains("sudo"), "{above}");
    }
}
