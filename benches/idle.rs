//! What the daemon costs when there is nothing to do: 10,000 people, polled every five seconds.
//!
//! `cargo bench --bench idle` prints resident memory and processor time, after the complete read
//! of the start and a minute of looking.
#![allow(clippy::print_stdout)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use goldthread::sim::clock::Clock;
use goldthread::sim::stage::Stage;

const PEOPLE: usize = 10_000;
const WATCHED: Duration = Duration::from_mins(1);

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Processor time so far, in hundredths of a second (Linux counts it so for programs).
fn ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn memory(id: u32, kind: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(kind)).unwrap();
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

fn main() {
    // Nobody was entered or changed just now.
    let yesterday = chrono::Utc::now() - chrono::Duration::days(1);
    let clock = Clock::frozen(yesterday);
    let stage = Stage::open(PEOPLE, 7, clock.clone(), None).unwrap();
    clock.freeze(chrono::Utc::now());
    clock.run();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let config = stage.config(folder.path()).unwrap();
    std::fs::write(&path, config.replace("poll = \"1s\"", "poll = \"5s\"")).unwrap();
    let daemon = Daemon(
        Command::new(env!("CARGO_BIN_EXE_goldthread"))
            .arg("--config")
            .arg(&path)
            .arg("run")
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let id = daemon.0.id();
    // An idle cycle asks for the requests that changed; the start asks so never.
    let polls = || {
        let calls = stage.servicenow.calls();
        let requests = calls.iter().filter(|call| call.path.ends_with("/sc_req_item"));
        let windows =
            requests.filter(|call| call.query.iter().any(|(_, v)| v.contains("sys_updated_on>=")));
        windows.count()
    };
    while polls() < 2 {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let (before, polled, begun) = (ticks(id), polls(), Instant::now());
    std::thread::sleep(WATCHED);
    let used = ticks(id) - before;
    let share = f64::from(u32::try_from(used).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64();
    println!("idle daemon, {PEOPLE} people, poll every 5 s, watched for {WATCHED:?}:");
    println!("  looks at both systems   {}", polls() - polled);
    println!("  resident memory         {}", memory(id, "VmRSS"));
    println!("  resident at the most    {}", memory(id, "VmHWM"));
    println!("  of one processor        {share:.2} %");
}
