//! Keeps the shape that `lib.rs` draws: who may use whom, where anything waits for an answer, and
//! where the clock is read.

use std::path::{Path, PathBuf};

/// From the bottom up: a folder may use those that stand lower, and not its neighbours.
const LEVELS: [&[&str]; 9] = [
    &["model"],
    &["policy"],
    &["reconcile", "http"],
    &["store", "okta", "servicenow"],
    &["config"],
    &["sync", "check"],
    &["report"],
    &["daemon"],
    &["cli"],
];
const CORE: [&str; 3] = ["model", "policy", "reconcile"];
const ASYNC: [&str; 8] = ["http", "okta", "servicenow", "sync", "check", "daemon", "cli", "sim"];

/// Every source file in one of the folders, as folder, path and code without comments.
fn sources() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![root.clone()], Vec::<PathBuf>::new());
    while let Some(folder) = folders.pop() {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let (inner, found): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
        folders.extend(inner);
        files.extend(found.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")));
    }
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let folder = name.split(['/', '.']).next().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
        (folder, name, code.join("\n"))
    };
    files.into_iter().map(read).filter(|(folder, ..)| level(folder).is_some()).collect()
}

/// `sim` stands beside everything: only `cli`, and tests, use it.
fn level(folder: &str) -> Option<usize> {
    let beside = (folder == "sim").then_some(LEVELS.len() - 2);
    LEVELS.iter().position(|folders| folders.contains(&folder)).or(beside)
}

/// The folders that a file names: `crate::okta::…`, and each of `crate::{okta, servicenow}`.
fn used(code: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for after in code.split("crate::").skip(1) {
        let list = after.strip_prefix('{').map_or(after, |list| list.split("};").next().unwrap());
        let names = if list.len() < after.len() { list.split(',').collect() } else { vec![list] };
        let end = |name: &str| name.find(|c: char| !c.is_alphanumeric() && c != '_');
        used.extend(names.into_iter().map(str::trim).map(|it| &it[..end(it).unwrap_or(it.len())]));
    }
    used
}

#[test]
fn imports_run_down_only() {
    for (folder, file, code) in sources() {
        for other in used(&code).into_iter().filter(|other| *other != folder) {
            let is_test = file.contains("tests") && other == "sim";
            let down = level(other) < level(&folder) && folder != "sim";
            assert!(down || is_test, "{file} uses crate::{other}, which does not stand below it");
        }
    }
}

#[test]
fn only_the_shell_waits_and_the_core_reads_no_clock() {
    for (folder, file, code) in sources() {
        let waits = code.contains("async ") || code.contains(".await");
        assert!(!waits || ASYNC.contains(&&*folder), "{file} is async, and {folder}/ is not");
        let clock = ["Utc::now", "Local::now", "SystemTime::now", "Instant::now"];
        let read = clock.into_iter().find(|clock| code.contains(clock));
        assert!(read.is_none() || !CORE.contains(&&*folder), "{file} reads {read:?}");
    }
}
