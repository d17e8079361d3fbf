//! What a changed mapping of a whole company costs: 11,400 held actions of one cause.
//!
//! `cargo bench --bench held` prints of each command how many lines it writes, how often it warns
//! and how long it takes, also of one processor, once everything is held. It fails where a command
//! writes more than a page, warns again, or takes longer than a second of both.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use goldthread::sim::clock::Clock;
use goldthread::sim::stage::Stage;

/// Of whom some 11,400 have an account.
const PEOPLE: usize = 12_690;
const PAGE: usize = 40;
const PROMPT: Duration = Duration::from_secs(1);

fn program(config: &Path, arguments: &[&str]) -> (Output, Duration) {
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldthread"));
    let output = command.args(arguments).arg("--config").arg(config).output().unwrap();
    (output, begun.elapsed())
}

/// Processor time of all that was run so far (Linux counts it in hundredths of a second).
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Lines on standard output, and warnings and errors in the log.
fn counted(output: &Output) -> (usize, usize) {
    let [page, log] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    let warned = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
    (page.lines().count(), warned.count())
}

fn main() {
    // Nobody was entered or changed just now.
    let clock = Clock::frozen(chrono::Utc::now() - chrono::Duration::days(1));
    let stage = Stage::open(PEOPLE, 7, clock.clone(), None).unwrap();
    clock.freeze(chrono::Utc::now());
    clock.run();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let config = stage.config(folder.path()).unwrap();
    std::fs::write(&path, &config).unwrap();
    let (first, _) = program(&path, &["sync"]);
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));

    let changed = config.replace("\"user.department.name\"", "\"'Unit ' + user.department.name\"");
    std::fs::write(&path, changed).unwrap();
    let (begins, took) = program(&path, &["sync"]);
    let (lines, warned) = counted(&begins);
    assert_eq!(begins.status.code(), Some(2), "{}", String::from_utf8_lossy(&begins.stderr));
    assert!(lines <= PAGE && warned == 1, "{lines} lines, {warned} warnings");
    let (list, _) = program(&path, &["hold", "list", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let (set, held) = (&list["sets"][0]["id"], &list["sets"][0]["count"]);
    let id = list["holds"][0]["id"].to_string();
    println!("{held} actions held as the set {}", set.as_str().unwrap());
    println!("the sync that finds them: {lines} lines, {warned} warning, {} ms", took.as_millis());

    println!("{:<18} {:>5} {:>8} {:>5} {:>9}", "then", "lines", "warnings", "ms", "processor");
    let mut slow = Vec::new();
    for arguments in [
        &["hold", "list"][..],
        &["hold", "show", &id],
        &["plan"],
        &["sync"],
        &["status"],
        &["drift", "--cached"],
        &["people"],
        &["requests"],
    ] {
        let used = processor();
        let (output, took) = program(&path, arguments);
        let used = processor().saturating_sub(used);
        let (lines, warned) = counted(&output);
        let name = arguments.join(" ");
        let [took, used] = [took.as_millis(), used.as_millis()];
        println!("{name:<18} {lines:>5} {warned:>8} {took:>5} {used:>9}");
        // Where others use the machine as well, the processor time tells.
        if lines > PAGE || warned > 0 || took.min(used) > PROMPT.as_millis() {
            slow.push(name);
        }
    }
    assert!(slow.is_empty(), "more than a page, a warning again, or more than a second: {slow:?}");
}
