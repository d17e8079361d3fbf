//! Signals, and what the service manager is told.

use std::time::Duration;

use goldthread::sim::faults::Fault;

use crate::process::{Desk, until};

#[test]
fn ready_is_said_once_both_sign_ins_are_good_and_stopping_when_told_to_stop() {
    let desk = Desk::set();
    let mut daemon = desk.start();
    daemon.until_told("READY=1");
    assert!(!desk.stage.servicenow.calls().is_empty(), "ServiceNow was asked before");
    assert!(desk.stage.okta.calls() > 0, "Okta was asked before");
    let (_, order) = desk.join(0);
    until("the request is carried out", || desk.is_closed(&order));
    daemon.until_told("STATUS=cycle ");
    let (status, _, log) = daemon.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(log.last().unwrap()["message"], "stopped");
}

#[test]
fn a_signal_brings_a_cycle_now_and_another_a_complete_one() {
    let desk = Desk::polling("1h");
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 1 ");
    let (_, order) = desk.join(0);
    daemon.signal("USR1");
    until("the request is carried out", || desk.is_closed(&order));
    daemon.until_told("STATUS=cycle 2 ");
    let unfiltered = || {
        let whole = |query: &[(String, String)]| {
            !query.iter().any(|(_, value)| value.contains("sys_updated_on>"))
        };
        let calls = desk.stage.servicenow.calls();
        let people = calls.iter().filter(|call| call.path == "/api/now/table/sys_user");
        people.filter(|call| whole(&call.query)).count()
    };
    let before = unfiltered();
    daemon.signal("USR2");
    daemon.until_told("STATUS=cycle 3 ");
    assert!(unfiltered() > before, "everybody was read again");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_changed_configuration_is_taken_over_on_reload_and_a_bad_one_is_refused() {
    let desk = Desk::polling("1h");
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 1 ");
    daemon.forget();

    desk.rewrite_key("poll", "\"often\"");
    daemon.signal("HUP");
    daemon.until_told("RELOADING=1");
    daemon.until_told("READY=1");
    daemon.until_said("ERROR", "the old one stays in force");
    let refused = daemon.said("ERROR");
    assert!(refused[0].contains("often") && refused[0].contains("config.toml:"), "{refused:?}");

    desk.rewrite_key("poll", "\"1s\"");
    daemon.signal("HUP");
    daemon.until_said("INFO", "it is in force");
    assert!(daemon.told().iter().any(|told| told.starts_with("MONOTONIC_USEC=")));
    let (_, order) = desk.join(0);
    until("the request is carried out by the new poll", || desk.is_closed(&order));
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_changed_rule_reaches_everybody_on_reload() {
    let desk = Desk::polling("1h");
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 1 ");
    desk.rewrite("department = \"user.department.name\"", "department = \"'Everything'\"");
    daemon.signal("HUP");
    daemon.until_told("STATUS=cycle 2 at");
    let report = desk.run(&["drift", "--cached", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    let items = report["items"].as_array().unwrap();
    assert!(items.iter().any(|item| item["name"] == "department"), "{report}");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_configuration_for_other_systems_or_another_store_needs_a_restart() {
    let desk = Desk::polling("1h");
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 1 ");
    for (from, to, why) in [
        (desk.stage.okta_url(), "https://other.okta.com", "belongs to"),
        ("goldthread.db", "other.db", "another store needs a restart"),
        (
            "[schedule]",
            "[metrics]\nlisten = \"127.0.0.1:1\"\n\n[schedule]",
            "metrics.listen needs a restart",
        ),
    ] {
        desk.rewrite(from, to);
        daemon.signal("HUP");
        daemon.until_said("ERROR", why);
        desk.rewrite(to, from);
    }
    assert!(!desk.path("other.db").exists());
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_new_password_is_used_after_a_reload_and_a_refused_one_leaves_the_old_in_use() {
    let desk = Desk::set();
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 1 ");
    let secret = desk.path("servicenow-password");

    std::fs::write(&secret, "mistyped").unwrap();
    daemon.signal("HUP");
    daemon.until_said("ERROR", "ServiceNow refused the sign-in");
    let (_, order) = desk.join(0);
    until("the old one is in use", || desk.is_closed(&order));

    std::fs::write(&secret, "rotated").unwrap();
    desk.stage.servicenow.set_credentials(|it| it.password = "rotated".to_owned());
    daemon.signal("HUP");
    daemon.until_said("INFO", "its credentials were read again");
    let (_, order) = desk.join(1);
    until("the new one is in use", || desk.is_closed(&order));
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_stop_does_not_wait_for_a_side_that_hangs() {
    let desk = Desk::set();
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 2 ");
    let hangs = Fault::Delay(Duration::from_mins(5));
    desk.stage.servicenow_faults.on("GET", "sys_user", hangs).always();
    let before = desk.stage.servicenow_faults.hits();
    until("it hangs", || desk.stage.servicenow_faults.hits() > before);
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn the_write_in_flight_is_finished_and_recorded_before_the_end() {
    let desk = Desk::set();
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 2 ");
    let slow = Fault::Delay(Duration::from_secs(4));
    desk.stage.okta.faults().on("POST", "/api/v1/users?", slow);
    let (_, order) = desk.join(0);
    until("the account is being created", || desk.stage.okta.faults().hits() > 0);
    let (status, took, log) = daemon.stop();
    assert_eq!(status.code(), Some(0));
    assert!(took > Duration::from_secs(2), "it waited for the answer: {took:?}");
    let applied = log.iter().find(|event| event["action"] == "create").expect("an outcome");
    assert_eq!(applied["outcome"], "applied", "{applied}");

    let daemon = desk.start();
    until("the rest is done by the next process", || desk.is_closed(&order));
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_second_daemon_says_who_holds_the_store_and_a_killed_one_leaves_it_free() {
    let desk = Desk::set();
    let mut daemon = desk.start();
    daemon.until_told("READY=1");
    let second = desk.run(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("in use by goldthread run (process "), "{said}");
    daemon.kill();
    let mut daemon = desk.start();
    daemon.until_told("READY=1");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn the_watchdog_is_fed_while_there_is_progress_and_starves_when_there_is_none() {
    let desk = Desk::set();
    let mut daemon = desk.start_with(&[("WATCHDOG_USEC", "2000000")]);
    daemon.until_told("STATUS=cycle 2 ");
    daemon.until_told("WATCHDOG=1");
    let hangs = Fault::Delay(Duration::from_mins(5));
    desk.stage.servicenow_faults.on("GET", "sys_user", hangs).always();
    let before = desk.stage.servicenow_faults.hits();
    until("it hangs", || desk.stage.servicenow_faults.hits() > before);
    // What was under way when it began to hang comes to its end.
    let mut quiet = std::time::Instant::now();
    until("nothing is fed any more for as long as the watchdog waits", || {
        let fed = daemon.told().iter().any(|told| told == "WATCHDOG=1");
        if fed {
            daemon.forget();
            quiet = std::time::Instant::now();
        }
        quiet.elapsed() > Duration::from_secs(2)
    });
    assert!(daemon.is_running());
}
