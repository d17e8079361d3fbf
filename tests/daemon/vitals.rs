//! `status`, `backup`, targets and metrics: how it goes, told beside the daemon and without it.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::time::Duration;

use goldthread::sim::faults::Fault;
use serde_json::Value;

use crate::process::{Daemon, Desk, until};

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn status(desk: &Desk) -> (i32, Value) {
    let output = desk.run(&["status", "--format", "json"]);
    (output.status.code().unwrap(), json(&output))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn sample(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Nobody may be disabled without a yes, and somebody leaves.
fn held_leave(desk: &Desk) -> String {
    let person = desk.stage.company.people().iter().skip(1).find(|p| !p.newcomer).unwrap();
    let variables = [("employee", person.sys_id.as_str()), ("last_day", "2020-01-01")];
    let servicenow = &desk.stage.servicenow;
    let order = servicenow.order("Okta offboarding", &person.sys_id, &variables).unwrap();
    assert!(servicenow.approve(&order.number));
    order.number
}

fn late(daemon: &Daemon, level: &str, what: &str) -> usize {
    daemon.said(level).iter().filter(|text| text.contains(what)).count()
}

#[test]
fn status_before_the_first_cycle_says_so_and_asks_for_somebody() {
    let desk = Desk::set();
    let (code, report) = status(&desk);
    assert_eq!(code, 2);
    let keys: BTreeSet<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "mode",
        "running",
        "paused",
        "needs",
        "stuck",
        "last_cycle",
        "lag_seconds",
        "pending",
        "held",
        "quarantined",
        "sides",
        "budget",
        "targets",
    ];
    assert_eq!(keys, BTreeSet::from(expected));
    assert_eq!(report["mode"], "enforce");
    assert_eq!(report["running"], false);
    for key in ["paused", "last_cycle", "lag_seconds", "pending", "held", "quarantined"] {
        assert!(report[key].is_null(), "{key}: {report}");
    }
    for side in ["servicenow", "okta"] {
        assert_eq!(
            report["sides"][side],
            serde_json::json!({"ok": null, "since": null, "error": null})
        );
    }
    let output = desk.run(&["status"]);
    assert!(text(&output.stdout).contains("! the daemon does not run"), "{}", text(&output.stdout));
    assert!(!desk.path("goldthread.db").exists(), "looking makes nothing");
    assert!(!desk.path("goldthread.db.lock").exists());
}

#[test]
fn status_beside_the_daemon_is_well_and_needs_no_credentials() {
    let desk = Desk::set();
    let mut daemon = desk.start();
    let (_, order) = desk.join(0);
    until("the request is carried out", || desk.is_closed(&order));
    daemon.until_told("STATUS=cycle 2 ");
    std::fs::rename(desk.path("okta-token"), desk.path("elsewhere")).unwrap();
    until("status is well", || status(&desk).0 == 0);
    let (_, report) = status(&desk);
    assert_eq!(report["running"], true);
    assert_eq!(report["sides"]["okta"]["ok"], true);
    assert_eq!((&report["pending"], &report["held"]), (&0.into(), &0.into()));
    let cycle = &report["last_cycle"];
    assert!(cycle["n"].as_i64().unwrap() >= 2 && cycle["at"].is_string());
    assert!(cycle["full"].is_boolean() && cycle["seconds"].is_number());
    assert_eq!(cycle["outcome"], "converged");
    let join = &report["targets"]["join"];
    assert!(join["p50"].as_f64().unwrap() < 30.0, "{join}");
    assert_eq!(join["breaches"], 0);
    assert_eq!(report["targets"]["leave"]["p50"], Value::Null);
    let budget = report["budget"].as_array().unwrap();
    assert!(budget.iter().any(|used| used["bucket"] == "ServiceNow REST"), "{report}");

    std::fs::rename(desk.path("elsewhere"), desk.path("okta-token")).unwrap();
    assert_eq!(daemon.stop().0.code(), Some(0));
    let (code, report) = status(&desk);
    assert_eq!((code, &report["running"]), (2, &false.into()), "it is down");
    assert!(report["last_cycle"]["n"].is_number(), "and what it knew is still told");
}

#[test]
fn a_pause_stops_the_daemon_at_once_and_resume_wakes_it() {
    let desk = Desk::polling("1h");
    let address = free_address();
    desk.rewrite("[schedule]", &format!("[metrics]\nlisten = \"{address}\"\n\n[schedule]"));
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 1 ");
    let output = desk.run(&["pause", "--because", "the mapping looks wrong"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("resume"), "{}", text(&output.stdout));
    daemon.until_told("STATUS=paused by ");
    daemon.until_said("WARN", "the mapping looks wrong; nothing is written");
    let (_, order) = desk.join(0);
    daemon.forget();
    daemon.signal("USR1");
    daemon.until_told("STATUS=paused by ");
    until("the join is seen", || status(&desk).1["pending"] == 1);

    let (code, report) = status(&desk);
    assert_eq!((code, report["running"].as_bool()), (2, Some(true)));
    let paused = &report["paused"];
    assert_eq!(paused["because"], "the mapping looks wrong");
    assert!(paused["by"].is_string() && paused["at"].as_str().unwrap().ends_with('Z'), "{paused}");
    let said = text(&desk.run(&["status", "--quiet"]).stdout);
    let first = said.lines().next().unwrap();
    assert!(first.starts_with("! paused by ") && first.contains("goldthread resume"), "{said}");
    until("it is measured", || {
        sample(&get(address, "/metrics").1, "goldthread_paused") == Some(1.0)
    });
    assert!(!desk.is_closed(&order));
    assert_eq!(desk.stage.okta.writes().len(), 0);

    let output = desk.run(&["resume", "--because", "it was right"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(said.contains("by goldthread run (process "), "{said}");
    until("what was left is done at once", || desk.is_closed(&order));
    daemon.until_said("INFO", "it was right");
    until("it is over", || sample(&get(address, "/metrics").1, "goldthread_paused") == Some(0.0));
    assert_eq!(status(&desk).1["paused"], Value::Null);
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_quiet_status_says_nothing_where_all_is_well_and_else_what_needs_somebody_alone() {
    let desk = Desk::set();
    let said = text(&desk.run(&["status", "--quiet"]).stdout);
    assert!(said.lines().count() > 0 && said.lines().all(|line| line.starts_with("! ")), "{said}");
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 1 ");
    until("all is well", || status(&desk).0 == 0);
    let output = desk.run(&["status", "--quiet"]);
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(0), 0),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn status_names_the_side_that_is_down() {
    let desk = Desk::set();
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 1 ");
    desk.stage.okta.faults().on("*", "/", Fault::Status(503)).always();
    until("the outage is known", || status(&desk).1["sides"]["okta"]["ok"] == false);
    let (code, report) = status(&desk);
    assert_eq!(code, 2);
    assert_eq!(report["sides"]["servicenow"]["ok"], true);
    assert!(report["sides"]["okta"]["error"].as_str().unwrap().contains("Okta"));
    let said = text(&desk.run(&["status"]).stdout);
    assert!(said.contains("! Okta has not worked since "), "{said}");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_backup_beside_the_daemon_is_a_store_that_works_and_overwrites_nothing() {
    let desk = Desk::set();
    let output = desk.run(&["backup", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no store yet"));

    let mut daemon = desk.start();
    let (_, order) = desk.join(0);
    until("the request is carried out", || desk.is_closed(&order));
    daemon.until_told("STATUS=cycle 2 ");
    let copy = desk.path("copy.db");
    let name = copy.to_str().unwrap();
    let output = desk.run(&["backup", name]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("entries of the journal, head "));
    let rights = std::os::unix::fs::PermissionsExt::mode(&copy.metadata().unwrap().permissions());
    assert_eq!(rights & 0o777, 0o600);

    let before = std::fs::read(&copy).unwrap();
    let again = desk.run(&["backup", name]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("exists already"), "{}", text(&again.stderr));
    assert_eq!(std::fs::read(&copy).unwrap(), before);
    let parts = std::fs::read_dir(desk.folder.path()).unwrap();
    let parts = parts
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("part"));
    assert_eq!(parts.count(), 0, "nothing half-written stays");
    assert_eq!(daemon.stop().0.code(), Some(0));

    let store = desk.path("goldthread.db");
    for name in ["goldthread.db", "goldthread.db-wal", "goldthread.db-shm"] {
        let _ = std::fs::remove_file(desk.path(name));
    }
    std::fs::rename(&copy, store).unwrap();
    let drift = desk.run(&["drift", "--cached"]);
    assert_eq!(drift.status.code(), Some(0), "{}", text(&drift.stderr));
    assert_eq!(desk.run(&["sync"]).status.code(), Some(0));
}

#[test]
fn a_leave_that_waits_is_an_error_before_its_target_and_when_it_is_missed_once_each() {
    let desk = Desk::set();
    desk.rewrite("[guard]\n", "[targets]\nleave = \"5s\"\n\n[guard]\nmax_disabled = 0\n");
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 1 ");
    let number = held_leave(&desk);
    daemon.until_said("ERROR", "is about to miss its target of 5s");
    daemon.until_said("ERROR", "has missed its target of 5s");
    let missed: Vec<String> =
        daemon.said("ERROR").into_iter().filter(|text| text.contains("has missed")).collect();
    assert!(missed[0].starts_with(&format!("{number}: the leave of ")), "{missed:?}");
    assert!(missed[0].contains("held: "), "it says why: {missed:?}");
    assert_eq!(status(&desk).1["targets"]["leave"]["breaches"], 1);
    assert_eq!(daemon.stop().0.code(), Some(0));

    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle ");
    assert_eq!(late(&daemon, "ERROR", "its target"), 0, "not again by the next process");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn what_was_closed_before_it_was_first_seen_is_not_measured() {
    let desk = Desk::set();
    let (_, order) = desk.join(0);
    assert!(desk.stage.servicenow.close(&order.number));
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 2 ");
    let targets = &status(&desk).1["targets"];
    assert_eq!(targets["join"]["p50"], Value::Null);
    assert_eq!(targets["join"]["breaches"], 0);
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn metrics_and_health_are_told_over_http() {
    let desk = Desk::set();
    let address = free_address();
    desk.rewrite("[schedule]", &format!("[metrics]\nlisten = \"{address}\"\n\n[schedule]"));
    let mut daemon = desk.start();
    let (_, order) = desk.join(0);
    until("the request is carried out", || desk.is_closed(&order));
    daemon.until_told("STATUS=cycle 2 ");
    until("it is ready", || get(address, "/readyz").0 == 200);
    assert_eq!(get(address, "/livez"), (200, "alive\n".to_owned()));
    assert_eq!(get(address, "/elsewhere").0, 404);

    let (status, metrics) = get(address, "/metrics");
    assert_eq!(status, 200);
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    let created = "goldthread_actions_total{action=\"create\",outcome=\"applied\"}";
    assert_eq!(sample(&metrics, created), Some(1.0), "{metrics}");
    let full = sample(&metrics, "goldthread_cycles_total{kind=\"full\",outcome=\"converged\"}")
        .or(sample(&metrics, "goldthread_cycles_total{kind=\"full\",outcome=\"attention\"}"));
    assert_eq!(full, Some(1.0), "{metrics}");
    assert_eq!(sample(&metrics, "goldthread_side_up{side=\"okta\"}"), Some(1.0));
    for nothing in ["held_actions", "stuck_requests", "open_items{disposition=\"hold\"}"] {
        assert_eq!(sample(&metrics, &format!("goldthread_{nothing}")), Some(0.0), "{nothing}");
    }
    assert!(
        sample(&metrics, "goldthread_api_calls_total{side=\"okta\",bucket=\"/api/v1/users\"}")
            .unwrap()
            > 0.0
    );
    assert!(sample(&metrics, "goldthread_lag_seconds").is_some(), "{metrics}");
    let person = &desk.stage.company.people()[0];
    assert!(!metrics.contains(&person.email) && !metrics.contains("RITM"), "nobody's name");

    desk.stage.okta.faults().on("*", "/", Fault::Status(503)).always();
    until("it is not ready while a side is down", || get(address, "/readyz").0 == 503);
    assert!(get(address, "/readyz").1.contains("Okta is down"));
    assert_eq!(get(address, "/livez").0, 200, "and alive all the same");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_said_with_its_address() {
    let desk = Desk::set();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    desk.rewrite("[schedule]", &format!("[metrics]\nlisten = \"{address}\"\n\n[schedule]"));
    let output = desk.run(&["run"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(&format!("metrics.listen = \"{address}\" cannot be used")), "{said}");
}
