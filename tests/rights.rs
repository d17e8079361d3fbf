//! What is told where somebody may not look: never that all is calm.
#![cfg(feature = "sim")]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use goldthread::sim::clock::Clock;
use goldthread::sim::stage::Stage;

/// A user without any right of their own: `nobody` on every distribution.
const NOBODY: u32 = 65534;

/// A machine on which the service has run once, and an ordinary user beside it.
struct Desk {
    _stage: Stage,
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Desk {
    fn set() -> Self {
        let stage = Stage::open(20, 7, Clock::new(), None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let config = stage.config(folder.path()).unwrap();
        let config = config.replace("goldthread.db", "state/goldthread.db");
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        // Where the tests are built, others may not come. Copied by another process: a file that
        // this one has open to write would be open in what its other tests start, too, and could
        // not be started itself ("Text file busy").
        let program = folder.path().join("goldthread");
        let copied =
            Command::new("cp").arg(env!("CARGO_BIN_EXE_goldthread")).arg(&program).status();
        assert!(copied.unwrap().success());
        let desk = Self { _stage: stage, folder, program };
        desk.allow("", 0o755);
        for secret in ["servicenow-password", "okta-token"] {
            desk.allow(secret, 0o644);
        }
        let output = desk.run(&["sync"], false);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn allow(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, arguments: &[&str], as_nobody: bool) -> Output {
        let mut command = Command::new(&self.program);
        command.env_remove("GOLDTHREAD_CONFIG").env_remove("RUST_LOG").current_dir("/");
        command.args(arguments).arg("--config").arg(self.path("config.toml"));
        // Whoever runs the tests without being root has no more rights than that.
        if as_nobody && is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }

    /// What an ordinary user is told by a command that fails for that.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, true);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        said
    }
}

fn is_root() -> bool {
    Path::new("/proc/self").metadata().unwrap().uid() == 0
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const STORE: &str = "state/goldthread.db";

const READERS: [&[&str]; 13] = [
    &["status"],
    &["status", "--quiet"],
    &["status", "--format", "json"],
    &["hold", "list"],
    &["hold", "list", "--format", "json"],
    &["requests", "--stuck"],
    &["people"],
    &["hold", "dismiss", "1", "--because", "a test"],
    &["drift", "--cached"],
    &["plan"],
    &["backup", "copy.db"],
    &["pause", "--because", "a test"],
    &["resume"],
];

#[test]
fn whoever_may_not_look_is_told_where_and_what_to_do() {
    let desk = Desk::set();
    for (closed, place, what) in [
        ("state", "state: ", "may not enter this folder"),
        (STORE, "state/goldthread.db: ", "may not read it"),
        ("config.toml", "config.toml: ", "may not read it"),
    ] {
        let before = desk.path(closed).metadata().unwrap().permissions().mode();
        desk.allow(STORE, 0o644);
        desk.allow("state/goldthread.db.lock", 0o644);
        desk.allow(closed, 0);
        for arguments in READERS.into_iter().chain([&["explain", "ceo"][..]]) {
            let said = desk.refused(arguments);
            // A decision is written.
            let what = if closed == STORE { "may not" } else { what };
            assert!(said.contains(place) && said.contains(what), "{arguments:?}: {said}");
            assert!(said.contains("sudo"), "{arguments:?}: {said}");
        }
        desk.allow(closed, before & 0o777);
    }
}

#[test]
fn whoever_may_only_read_the_file_decides_nothing() {
    if !is_root() {
        // The owner may write to what is theirs.
        return;
    }
    let desk = Desk::set();
    desk.allow(STORE, 0o644);
    for arguments in [
        &["pause", "--because", "a test"][..],
        &["hold", "release", "--all", "--because", "a test"],
    ] {
        let said = desk.refused(arguments);
        assert!(said.contains("may not write to it"), "{arguments:?}: {said}");
    }
    // Reading takes a right to the folder as well.
    let said = desk.refused(&["status"]);
    assert!(said.contains("goldthread.db: ") && said.contains("sudo"), "{said}");
}

#[test]
fn what_is_no_store_is_said_to_be_none() {
    let desk = Desk::set();
    let store = desk.path(STORE);
    let aside = desk.path("aside");
    std::fs::rename(&store, &aside).unwrap();
    let wrong: [(&str, &dyn Fn()); 3] = [
        ("it is no file", &|| std::fs::create_dir(&store).unwrap()),
        ("symbolic link", &|| symlink(&aside, &store).unwrap()),
        ("symbolic link", &|| symlink("nowhere", &store).unwrap()),
    ];
    for (why, put) in wrong {
        put();
        for arguments in READERS {
            let said = desk.refused(arguments);
            assert!(said.contains(why) && said.contains("goldthread.db"), "{arguments:?}: {said}");
        }
        std::fs::remove_file(&store).or_else(|_| std::fs::remove_dir(&store)).unwrap();
    }
}

#[test]
fn a_mistake_in_the_configuration_is_a_warning_to_whoever_only_needs_the_store() {
    let desk = Desk::set();
    let config = std::fs::read_to_string(desk.path("config.toml")).unwrap();
    std::fs::write(desk.path("config.toml"), format!("colour = \"red\"\n{config}")).unwrap();
    for (arguments, expected) in [
        (&["status"][..], 2),
        (&["hold", "list"], 0),
        (&["pause", "--because", "a test"], 0),
        (&["resume"], 0),
        (&["backup", desk.path("copy.db").to_str().unwrap()], 0),
    ] {
        let output = desk.run(arguments, false);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {said}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
        assert!(said.contains("config.toml:1:1: unknown key `colour`"), "{arguments:?}: {said}");
    }
    for arguments in [&["plan"][..], &["sync"], &["run"]] {
        assert_eq!(desk.run(arguments, false).status.code(), Some(78), "{arguments:?}");
    }
}
