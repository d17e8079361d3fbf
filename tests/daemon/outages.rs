//! Either side down, or refusing, at the start and in between.

use std::time::{Duration, Instant};

use goldthread::sim::faults::Fault;

use crate::process::{Desk, until};

#[test]
fn servicenow_down_at_the_start_is_no_failure_and_heals_by_itself() {
    let desk = Desk::set();
    desk.stage.servicenow_faults.on("*", "/", Fault::DropBefore).always();
    let mut daemon = desk.start();
    daemon.until_told("READY=1");
    daemon.until_told("STATUS=degraded: ServiceNow is down since ");
    daemon.until_said("WARN", "ServiceNow is down: ");
    desk.stage.servicenow_faults.clear();
    let (_, order) = desk.join(0);
    until("the request is carried out", || desk.is_closed(&order));
    daemon.until_said("INFO", "ServiceNow is back after ");
    daemon.until_told("STATUS=cycle ");
    assert!(daemon.said("ERROR").is_empty(), "{:?}", daemon.said("ERROR"));
    assert_eq!(daemon.stop().0.code(), Some(0));
}

fn an_outage_is_said_once(fault: Fault) {
    let desk = Desk::set();
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 2 ");
    desk.stage.okta.faults().on("*", "/", fault).always();
    daemon.until_said("WARN", "Okta is down: ");
    let hits = desk.stage.okta.faults().hits();
    until("it is tried again and again", || desk.stage.okta.faults().hits() > hits + 10);
    desk.stage.okta.faults().clear();
    daemon.until_said("INFO", "Okta is back after ");
    let said: Vec<String> =
        daemon.said("WARN").into_iter().filter(|text| text.contains("is down")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn an_outage_that_is_answered_with_an_error_is_said_once_and_again_when_it_is_over() {
    an_outage_is_said_once(Fault::Status(503));
}

#[test]
fn an_outage_that_cuts_every_connection_is_said_once_and_again_when_it_is_over() {
    an_outage_is_said_once(Fault::DropBefore);
}

#[test]
fn a_single_refusal_is_no_reason_to_blame_the_credentials() {
    let desk = Desk::set();
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle 2 ");
    desk.stage.okta.faults().on("GET", "/api/v1/users", Fault::Status(401)).times(1);
    let hits = desk.stage.okta.faults().hits();
    until("it is refused once", || desk.stage.okta.faults().hits() > hits);
    daemon.signal("USR1");
    let (_, order) = desk.join(0);
    until("the request is carried out", || {
        daemon.signal("USR1");
        desk.is_closed(&order)
    });
    assert!(daemon.said("ERROR").is_empty(), "{:?}", daemon.said("ERROR"));
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn refused_credentials_at_the_start_are_waited_for_and_put_right_by_a_reload() {
    let desk = Desk::set();
    let secret = desk.path("okta-token");
    let good = std::fs::read(&secret).unwrap();
    std::fs::write(&secret, "00mistyped").unwrap();
    let mut daemon = desk.start();
    daemon.until_said("WARN", "Okta refuses the sign-in");
    daemon.until_told("EXTEND_TIMEOUT_USEC=");
    until("status says so", || {
        let output = desk.run(&["status", "--format", "json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        status["running"] == true && status["sides"]["okta"]["ok"] == false
    });
    // Read again while it is still wrong.
    daemon.signal("HUP");
    daemon.until_said("INFO", "the configuration was read again");
    assert!(!daemon.told().iter().any(|told| told == "READY=1"), "not ready with a refusal");
    std::fs::write(&secret, good).unwrap();
    daemon.signal("HUP");
    let (_, order) = desk.join(0);
    until("the request is carried out", || desk.is_closed(&order));
    daemon.until_told("READY=1");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
#[ignore = "takes the two minutes that it is about"]
fn credentials_refused_for_two_minutes_at_the_start_are_loud_and_end_it_without_locking_the_account()
 {
    let desk = Desk::set();
    std::fs::write(desk.path("okta-token"), "00mistyped").unwrap();
    let mut daemon = desk.start();
    daemon.until_said("WARN", "Okta refuses the sign-in");
    let begun = Instant::now();
    while daemon.is_running() {
        // Whoever is impatient does not make it try more often.
        daemon.signal("USR1");
        assert!(begun.elapsed() < Duration::from_secs(150), "it does not give up");
        std::thread::park_timeout(Duration::from_secs(1));
    }
    assert!(begun.elapsed() > Duration::from_secs(115), "it gave up early");
    assert!(daemon.said("ERROR").iter().any(|text| text.contains("refused for 2m")));
    let sign_ins = desk.stage.okta.calls();
    assert!(sign_ins <= 3, "{sign_ins} refused sign-ins may lock an account");
    assert_eq!(daemon.wait().code(), Some(1));
}

#[test]
fn a_small_rate_rule_stretches_the_poll_and_that_is_said_once() {
    let desk = Desk::set();
    desk.stage.servicenow.set(|switches| switches.hourly_limit = Some(3600));
    let mut daemon = desk.start();
    daemon.until_told("READY=1");
    daemon.until_said("WARN", "so the poll is every 8s instead of every 1s");
    let said = daemon.said("WARN").iter().filter(|text| text.contains("so the poll")).count();
    assert_eq!(said, 1);
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_wrong_clock_of_ours_is_said_once_and_nothing_is_done_until_it_is_right() {
    let desk = Desk::set();
    let last_year = Fault::altered(|mut answer| {
        answer.headers.retain(|(name, _)| name != "Date");
        answer.with_header("Date", "Wed, 01 Jan 2025 09:00:00 GMT")
    });
    for faults in [&*desk.stage.servicenow_faults, desk.stage.okta.faults()] {
        faults.on("*", "", last_year.clone()).always();
    }
    let daemon = desk.start();
    let (_, order) = desk.join(0);
    daemon.until_said("ERROR", "ahead of both ServiceNow's and Okta's");
    let hits = desk.stage.okta.faults().hits();
    until("it looks again", || desk.stage.okta.faults().hits() > hits + 1);
    assert!(!desk.is_closed(&order));
    assert_eq!(daemon.said("ERROR").len(), 1, "{:?}", daemon.said("ERROR"));
    desk.stage.servicenow_faults.clear();
    desk.stage.okta.faults().clear();
    until("the request is carried out", || desk.is_closed(&order));
    assert!(daemon.said("WARN").iter().all(|text| !text.contains("is down")));
    assert_eq!(daemon.stop().0.code(), Some(0));
}
