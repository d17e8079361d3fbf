//! What becomes of calls that Okta does not answer, or not well, and who is told how often.

use goldthread::engine::Engine;
use goldthread::sim::faults::Fault;
use goldthread::store::{SideState, Which};

use super::bed::{Bed, applied, logged};

/// How many of the lines are this loud and say this.
fn said(lines: &[String], level: &str, text: &str) -> usize {
    lines.iter().filter(|line| line.contains(level) && line.contains(text)).count()
}

#[test]
fn a_grant_whose_answer_was_lost_is_confirmed_by_the_next_read_and_named_in_its_note() {
    let bed = Bed::of(60);
    bed.sync();
    let request = bed.access("Add", &bed.employee(0), &["app-jira"], "");
    bed.stage.okta.faults().on("PUT", "/groups/", Fault::DropAfter).always();
    let ((), lines) = logged(|| {
        bed.sync();
        bed.stage.okta.faults().clear();
        bed.sync();
    });
    assert_eq!(said(&lines, "INFO", "took effect; its answer had been lost"), 1, "{lines:#?}");
    assert_eq!(bed.state(&request), "3");
    let notes = bed.notes(&request);
    assert!(notes[0].contains("action 1: add_member app-jira"), "{notes:?}");
}

#[test]
fn an_account_whose_creation_was_never_answered_was_made_here_and_keeps_nothing_for_good() {
    let bed = Bed::of(60);
    bed.sync();
    let newcomer = bed.newcomer(0);
    let join = bed.join(&newcomer, &[]);
    bed.stage.okta.faults().on("POST", "/api/v1/users?activate", Fault::DropAfter).always();
    bed.sync();
    bed.stage.okta.faults().clear();
    bed.sync();
    assert_eq!(bed.state(&join), "3");
    assert_eq!(bed.account(&newcomer).unwrap().groups, std::slice::from_ref(&newcomer.department));

    // Had the group counted as held from before, it would stay.
    let new = if newcomer.department == "Finance" { "Marketing" } else { "Finance" };
    bed.record(&newcomer, &[("department", &bed.stage.company.department_id(new))]);
    bed.moved(&newcomer);
    bed.sync();
    assert_eq!(bed.account(&newcomer).unwrap().groups, [new.to_owned()]);
}

#[test]
fn a_write_that_keeps_failing_is_a_warning_once_and_is_tried_less_and_less() {
    let bed = Bed::of(60);
    bed.sync();
    let request = bed.access("Add", &bed.employee(0), &["app-jira"], "");
    bed.stage.okta.faults().on("PUT", "/groups/", Fault::DropBefore).always();
    let (tries, lines) = logged(|| [0; 9].map(|_| bed.sync().summary.failed));
    // At once, then after five seconds, then after ten; a second passes between two cycles.
    assert_eq!(tries, [1, 1, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(said(&lines, "WARN", &request.number), 1, "{lines:#?}");
    assert!(said(&lines, "INFO", &request.number) >= 2, "each try is told: {lines:#?}");

    bed.stage.okta.faults().clear();
    bed.pass("5m");
    assert_eq!(applied(&bed.sync()), [format!("{} add_member", request.number)]);
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn leavers_whose_deactivation_fails_again_and_again_do_not_use_up_the_limit() {
    let bed = Bed::of(80);
    bed.sync();
    bed.leave(&bed.employee(0));
    let faults = bed.stage.okta.faults();
    faults.on("POST", "/lifecycle/deactivate", Fault::DropBefore).always();
    for _ in 0..4 {
        bed.sync();
        bed.pass("5m");
    }
    faults.clear();
    for place in 1..5 {
        bed.leave(&bed.employee(place));
    }
    let report = bed.sync();
    assert_eq!(report.quarantined, None, "five leavers are allowed");
    assert!((0..5).all(|place| bed.status(&bed.employee(place)) == "DEPROVISIONED"));
}

#[test]
fn a_quarantine_stands_while_nobody_is_looked_at_and_is_an_error_once() {
    let bed = Bed::of(80);
    bed.sync();
    for place in 0..6 {
        bed.leave(&bed.employee(place));
    }
    let ((), lines) = logged(|| {
        for _ in 0..4 {
            assert!(bed.sync().quarantined.is_some());
        }
        assert!(bed.sync_full().quarantined.is_some());
    });
    assert_eq!(said(&lines, "ERROR", "quarantine: "), 1, "{lines:#?}");
    let ((), lines) = logged(|| {
        bed.release(&Which::Set("max-disabled".to_owned()));
        assert!(bed.sync().quarantined.is_none());
    });
    assert_eq!(said(&lines, "INFO", "the quarantine is over"), 1, "{lines:#?}");
}

#[test]
fn a_leave_that_okta_keeps_waiting_is_an_error_before_its_target_and_once() {
    let bed = Bed::of(60);
    bed.sync();
    let (mut engine, hands) = bed.at_work();
    let leave = bed.leave(&bed.employee(0));
    bed.stage.okta.faults().on("*", "/", Fault::Status(400)).always();
    let up = SideState { since: bed.clock.now(), error: None };
    let cycle = |engine: &mut Engine| {
        let ended = bed.try_cycle_of(engine, &hands);
        engine.watch_targets().unwrap();
        engine.keep_vitals(&up, &up).unwrap();
        ended.is_ok()
    };
    let errors = |lines: &[String]| said(lines, "ERROR", &leave.number);
    for (time, text, count) in [
        ("1s", "", 0),
        ("100s", "is about to miss its target", 1),
        ("30s", "has missed its target", 1),
        ("a month", "", 0),
        ("1s", "", 0),
    ] {
        match time {
            "a month" => bed.at("2026-04-15T09:00:00Z"),
            time => bed.pass(time),
        }
        let ((), lines) = logged(|| assert!(!cycle(&mut engine), "Okta does not answer"));
        assert_eq!(errors(&lines), count, "after {time}: {lines:#?}");
        assert_eq!(said(&lines, "ERROR", text), count, "{lines:#?}");
    }
    // It goes on where it was once Okta answers.
    bed.stage.okta.faults().clear();
    assert!(cycle(&mut engine));
    assert_eq!(bed.state(&leave), "3");
}
