//! A result in a file: for its owner alone, whole or not at all, and never through a link, because root
//! writes it into folders where others may put one.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::session::Failure;

/// Writes a text, in place of a file that is there already.
pub(crate) fn write(path: &Path, text: &str) -> std::result::Result<(), Failure> {
    let failed = |error| Failure::Failed(format!("{}: {error}", path.display()));
    let part = part_of(path).map_err(failed)?;
    let written = replaceable(path)
        .and_then(|()| fill(&part, text))
        // A rename takes the place of a link that came in between, and does not follow it.
        .and_then(|()| std::fs::rename(&part, path))
        .and_then(|()| File::open(folder_of(path))?.sync_all());
    if written.as_ref().is_err_and(|error| error.kind() != ErrorKind::AlreadyExists) {
        let _ = std::fs::remove_file(&part);
    }
    written.map_err(failed)
}

fn replaceable(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => {
            Err(Error::other("it is a symbolic link, and none is followed here"))
        }
        Ok(found) if !found.is_file() => Err(Error::other("it is no file")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is there under this name already is somebody else's, and left alone.
fn fill(part: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn part_of(path: &Path) -> Result<PathBuf> {
    let mut name = path.file_name().ok_or_else(|| Error::other("it names no file"))?.to_owned();
    name.push(format!(".part-{}", std::process::id()));
    Ok(path.with_file_name(name))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_result_is_for_its_owner_alone_and_takes_the_place_of_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        std::fs::write(&path, "an older and longer one").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, "a report").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a report\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["report"]);
    }

    #[test]
    fn a_link_is_not_followed_and_what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "as it was").unwrap();
        symlink(&precious, folder.path().join("link")).unwrap();
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        let before = names(folder.path());
        for name in ["link", "dangling", "inner", "no folder/report", "inner/.."] {
            write(&folder.path().join(name), "a report").unwrap_err();
        }
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "as it was");
        assert_eq!(names(folder.path()), before);
    }
}
