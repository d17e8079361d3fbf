//! What becomes of calls that Okta does not answer, or not well, and who is told how often.

use goldthread::sim::faults::{Fault, Hook, Onward};
use goldthread::store::{HoldSelection, SideState};
use goldthread::sync::{Deps, record_health, watch_deadlines};

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
fn a_crossed_limit_stands_while_nobody_is_looked_at_and_leaves_in_it_are_an_error_once() {
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
    assert_eq!(said(&lines, "ERROR", "actions are held as the set max-disabled"), 1, "{lines:#?}");
    let ((), lines) = logged(|| {
        bed.release(&HoldSelection::Set("max-disabled".to_owned()));
        assert!(bed.sync().quarantined.is_none());
    });
    assert_eq!(said(&lines, "INFO", "the quarantine is over"), 1, "{lines:#?}");
}

#[test]
fn a_leave_that_okta_keeps_waiting_is_an_error_before_its_target_and_again_while_that_lasts() {
    let bed = Bed::of(60);
    bed.sync();
    let (deps, writers) = bed.at_work();
    let leave = bed.leave(&bed.employee(0));
    bed.stage.okta.faults().on("*", "/", Fault::Status(400)).always();
    let up = SideState { since: bed.clock.now(), error: None };
    let cycle = |deps: &Deps| {
        let ended = bed.try_cycle_of(deps, &writers);
        watch_deadlines(deps).unwrap();
        record_health(deps, &up, &up).unwrap();
        ended.is_ok()
    };
    let errors = |lines: &[String]| said(lines, "ERROR", &leave.number);
    for (time, text, count) in [
        ("1s", "", 0),
        ("100s", "is about to miss its target", 1),
        ("30s", "has missed its target", 1),
        ("14m", "", 0),
        ("1m", "has missed its target", 1),
        ("a month", "has missed its target", 1),
        ("1s", "", 0),
    ] {
        match time {
            "a month" => bed.at("2026-04-15T09:00:00Z"),
            time => bed.pass(time),
        }
        let ((), lines) = logged(|| assert!(!cycle(&deps), "Okta does not answer"));
        assert_eq!(errors(&lines), count, "after {time}: {lines:#?}");
        assert_eq!(said(&lines, "ERROR", text), count, "{lines:#?}");
    }
    // It goes on where it was once Okta answers.
    bed.stage.okta.faults().clear();
    assert!(cycle(&deps));
    assert_eq!(bed.state(&leave), "3");
}

#[test]
fn late_leaves_that_one_refusal_stands_in_the_way_of_are_one_error() {
    let bed = Bed::of(60);
    bed.sync();
    for place in 0..4 {
        bed.leave(&bed.employee(place));
    }
    bed.stage.okta.faults().on("POST", "/api/v1/users", Fault::Status(403)).always();
    let (deps, writers) = bed.at_work();
    bed.cycle_of(&deps, &writers);
    for _ in 0..2 {
        bed.pass("16m");
        let ((), lines) = logged(|| watch_deadlines(&deps).unwrap());
        assert_eq!(said(&lines, "ERROR", "4 leaves have missed their target"), 1, "{lines:#?}");
        assert_eq!(said(&lines, "ERROR", ""), 1, "{lines:#?}");
    }
}

/// What is said of targets in a cycle that Okta ends early, and after it.
fn cut_short(bed: &Bed) -> Vec<String> {
    let (deps, writers) = bed.at_work();
    bed.stage.okta.faults().on("*", "/", Fault::Status(400)).always();
    let ((), lines) = logged(|| {
        bed.pass("5m");
        bed.try_cycle_of(&deps, &writers).unwrap_err();
        watch_deadlines(&deps).unwrap();
    });
    lines
}

#[test]
fn nobody_is_late_where_goldthread_only_observes() {
    let bed = Bed::of(60).configure("mode = \"enforce\"", "mode = \"observe\"");
    let leave = bed.leave(&bed.employee(0));
    bed.sync();
    let lines = cut_short(&bed);
    assert_eq!(said(&lines, "target", &leave.number), 0, "{lines:#?}");
}

#[test]
fn a_leave_that_a_later_join_overtook_is_never_late_again() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    bed.sync();
    let leave = bed.leave(&employee);
    bed.pass("1m");
    bed.join(&employee, &[]);
    bed.sync();
    assert_ne!(bed.status(&employee), "DEPROVISIONED");
    bed.sync();
    bed.sync_full();
    let lines = cut_short(&bed);
    assert_eq!(said(&lines, "target", &leave.number), 0, "{lines:#?}");
}

#[test]
fn a_leave_that_is_done_is_not_late_while_the_same_cycle_goes_on() {
    let bed = Bed::of(60);
    bed.sync();
    let leave = bed.leave(&bed.employee(0));
    bed.access("Add", &bed.employee(1), &["app-jira"], "");
    let (deps, writers) = bed.at_work();
    let (watched, watch) = std::sync::mpsc::channel();
    let (clock, watch) = (bed.stage.clock.clone(), std::sync::Mutex::new(watch));
    let slow = Fault::meanwhile(move || {
        let watch = watch.lock().unwrap();
        while watch.try_recv().is_ok() {}
        clock.advance(std::time::Duration::from_mins(5));
        watch.recv().unwrap();
    });
    bed.stage.servicenow_faults.on("PATCH", "/sc_req_item/", slow).times(1);
    let (report, lines) = logged(|| {
        bed.cycle_beside(&deps, &writers, || {
            watch_deadlines(&deps).unwrap();
            let _ = watched.send(());
        })
    });
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert_eq!(bed.status(&bed.employee(0)), "DEPROVISIONED");
    assert_eq!(said(&lines, "target", &leave.number), 0, "{lines:#?}");
}

#[test]
fn a_leaver_does_not_wait_for_what_else_fails_for_the_same_person() {
    let bed = Bed::of(60);
    let leaver = bed.employee(0);
    bed.sync();
    bed.access("Add", &leaver, &["app-jira"], "");
    let faults = bed.stage.okta.faults();
    faults.on("PUT", "/groups/", Fault::DropBefore).always();
    for _ in 0..5 {
        bed.sync();
        bed.pass("1m");
    }
    faults.on("POST", "/lifecycle/deactivate", Fault::DropBefore).always();
    bed.leave(&leaver);
    bed.sync();
    faults.clear();
    faults.on("PUT", "/groups/", Fault::DropBefore).always();
    bed.sync();
    assert_eq!(bed.status(&leaver), "DEPROVISIONED");
}

#[test]
fn trouble_that_comes_back_after_months_is_a_warning_again() {
    let bed = Bed::of(60);
    bed.sync();
    let employee = bed.employee(0);
    let request = bed.access("Add", &employee, &["app-jira"], "");
    bed.stage.okta.faults().on("PUT", "/groups/", Fault::DropBefore).always();
    let warned = || {
        let (_, lines) = logged(|| bed.sync());
        said(&lines, "WARN", &request.number)
    };
    assert_eq!([warned(), warned()], [1, 0]);
    bed.at("2026-06-02T09:00:00Z");
    assert_eq!(warned(), 1);
}

#[test]
fn two_quarantines_at_once_are_an_error_each_and_no_more() {
    let bed = Bed::of(80)
        .with("guard", "max_changed = 2\nmax_changed_share = \"0%\"")
        .with("attribution", "unattributed = \"apply\"");
    bed.sync();
    (0..6).for_each(|place| drop(bed.leave(&bed.employee(place))));
    let ((), lines) = logged(|| {
        bed.sync();
        for place in 10..14 {
            bed.record(&bed.employee(place), &[("last_name", "Nachname")]);
        }
        for _ in 0..4 {
            bed.sync();
            bed.pass("16m");
        }
        bed.sync_full();
    });
    assert_eq!(said(&lines, "ERROR", "as the set max-disabled"), 1, "{lines:#?}");
    assert_eq!(said(&lines, "WARN", "as the set max-changed"), 1, "{lines:#?}");
}

#[test]
fn a_note_that_cannot_be_written_is_not_tried_at_every_look() {
    let bed = Bed::of(60);
    bed.sync();
    let request = bed.access("Add", &bed.employee(0), &["app-jira"], "");
    bed.stage.servicenow_faults.on("PATCH", "/sc_req_item/", Fault::Status(403)).always();
    let (deps, writers) = bed.at_work();
    let tries = [0; 9].map(|_| {
        let before = bed.stage.servicenow_faults.hits();
        assert!(bed.cycle_of(&deps, &writers).needs_attention());
        bed.stage.servicenow_faults.hits() - before
    });
    assert_eq!(tries, [1, 1, 0, 0, 0, 0, 1, 0, 0]);
    bed.stage.servicenow_faults.clear();
    bed.pass("5m");
    bed.cycle_of(&deps, &writers);
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_suspension_by_the_record_is_lifted_though_nobody_saw_it_take_effect() {
    for answer in [Onward::Answer, Onward::Cut] {
        let bed = Bed::of(60).with("attribution", "unattributed = \"apply\"");
        let employee = bed.employee(0);
        bed.sync();
        bed.record(&employee, &[("active", "false")]);
        // Its account cannot be looked at from then on.
        let okta = bed.stage.okta.clone();
        let dark = Fault::After(Hook::new(move || {
            okta.faults().on("GET", "/api/v1/users/", Fault::Status(400)).always();
            answer
        }));
        bed.stage.okta.faults().on("POST", "/lifecycle/suspend", dark);
        bed.sync();
        assert_eq!(bed.status(&employee), "SUSPENDED");
        bed.stage.okta.faults().clear();
        bed.record(&employee, &[("active", "true")]);
        bed.sync();
        bed.sync();
        assert_eq!(bed.status(&employee), "ACTIVE", "{answer:?}");
    }
}

#[test]
fn a_joiner_whom_the_record_put_out_of_use_comes_back_though_nobody_saw_it() {
    let lifecycle = "suspended_elsewhere = \"apply\"";
    let bed = Bed::of(60).with("attribution", "drift = \"hold\"").with("lifecycle", lifecycle);
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &[]);
    bed.sync();
    // Nobody can be suspended before the first sign-in.
    bed.record(&newcomer, &[("active", "false")]);
    let okta = bed.stage.okta.clone();
    let dark = Fault::meanwhile(move || {
        okta.faults().on("GET", "/api/v1/users/", Fault::Status(400)).always();
    });
    bed.stage.okta.faults().on("POST", "/lifecycle/deactivate", dark);
    bed.sync();
    assert_eq!(bed.status(&newcomer), "DEPROVISIONED");
    bed.stage.okta.faults().clear();
    bed.record(&newcomer, &[("active", "true")]);
    bed.sync();
    bed.sync();
    assert_eq!(bed.status(&newcomer), "PROVISIONED");
    assert_eq!(bed.groups_of(&newcomer), std::slice::from_ref(&newcomer.department));
}

#[test]
fn whoever_is_made_an_account_again_gets_the_groups_of_the_request_with_it() {
    let bed = Bed::of(60).with("attribution", "drift = \"hold\"");
    let employee = bed.employee(0);
    bed.sync();
    let id = bed.account(&employee).unwrap().id;
    let pat = bed.stage.okta.acting_as("Pat");
    pat.delete_user(&id);
    bed.sync_full();
    let join = bed.join(&employee, &[]);
    let report = bed.sync();
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert_eq!(bed.groups_of(&employee), std::slice::from_ref(&employee.department));
    assert_eq!(bed.state(&join), "3");
}
