//! From an approval in ServiceNow to the closed request: 200 joins, polled every second.
//!
//! `cargo bench --bench approval` prints the distribution. Each join is approved by itself at a
//! moment of its own, while the daemon runs as a process between the simulators.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use goldthread::sim::clock::Clock;
use goldthread::sim::stage::Stage;

const PEOPLE: usize = 2_500;
const JOINS: usize = 200;
/// Between two approvals, on average; not in step with the poll.
const APART: Duration = Duration::from_millis(317);

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let stage = Stage::open(PEOPLE, 7, Clock::new(), None).unwrap();
    stage.servicenow.set(|switches| {
        switches.approval_delay = Duration::ZERO;
        switches.order_delay = Duration::ZERO;
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let config = stage.config(folder.path()).unwrap();
    assert!(config.contains("poll = \"1s\""), "{config}");
    std::fs::write(&path, config).unwrap();
    let _daemon = Daemon(
        Command::new(env!("CARGO_BIN_EXE_goldthread"))
            .arg("--config")
            .arg(&path)
            .arg("run")
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    // The first cycle reads everything; the second is like all that follow.
    let groups = stage.company.group_id("app-jira");
    let newcomers: Vec<_> = stage.company.people().iter().filter(|p| p.newcomer).collect();
    assert!(newcomers.len() > JOINS, "{} newcomers", newcomers.len());
    let order = |nth: usize| {
        let person = newcomers[nth];
        let variables = [
            ("employee", person.sys_id.as_str()),
            ("start_date", "2020-01-01"),
            ("groups", &groups),
            ("action", "Add"),
        ];
        stage.servicenow.order("Okta onboarding", &person.sys_id, &variables).unwrap().number
    };
    let is_closed = |number: &str| stage.servicenow.request(number).unwrap().state == "3";
    let first = order(JOINS);
    stage.servicenow.approve(&first);
    while !is_closed(&first) {
        std::thread::park_timeout(Duration::from_millis(5));
    }

    let orders: Vec<String> = (0..JOINS).map(order).collect();
    let begun = Instant::now();
    let mut open: BTreeMap<usize, Instant> = BTreeMap::new();
    let mut next = 0;
    let mut took = Vec::new();
    while took.len() < JOINS {
        let due = APART * u32::try_from(next).unwrap_or(0);
        if next < JOINS && begun.elapsed() >= due {
            assert!(stage.servicenow.approve(&orders[next]));
            open.insert(next, Instant::now());
            next += 1;
        }
        open.retain(|nth, since| {
            let closed = is_closed(&orders[*nth]);
            if closed {
                took.push(since.elapsed());
            }
            !closed
        });
        assert!(begun.elapsed() < Duration::from_mins(5), "{} are still open", open.len());
        std::thread::park_timeout(Duration::from_millis(2));
    }

    took.sort();
    println!("from approval to closed request, {JOINS} joins, poll every second:");
    for percent in [0, 10, 25, 50, 75, 90, 95, 99, 100] {
        let at = ((JOINS - 1) * percent).div_ceil(100);
        println!("  p{percent:<3} {:>5} ms", took[at].as_millis());
    }
    println!("milliseconds  joins");
    for bucket in 0..=took[JOINS - 1].as_millis() / 250 {
        let count = took.iter().filter(|time| time.as_millis() / 250 == bucket).count();
        println!(
            "  {:>5}-{:<5} {count:>3} {}",
            bucket * 250,
            bucket * 250 + 249,
            "#".repeat(count)
        );
    }
}
