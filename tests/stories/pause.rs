//! The brake: somebody says stop, and nothing is written until somebody says go on.

use goldthread::sim::faults::Fault;
use goldthread::sim::okta::Status;
use goldthread::store::HoldSelection;
use goldthread::sync::{Scope, watch_deadlines};

use super::bed::{Bed, applied, logged, told};

#[test]
fn while_paused_everything_is_said_and_nothing_is_written_and_afterwards_it_is_done() {
    let bed = Bed::of(60);
    bed.sync();
    let (newcomer, leaver) = (bed.newcomer(0), bed.employee(0));
    let join = bed.join(&newcomer, &["app-jira"]);
    let leave = bed.leave(&leaver);
    bed.pause();
    bed.forget_calls();
    // Also when nobody is due any more: what is left is said by every cycle, in full or not.
    for scope in [Scope::Changes, Scope::Changes, Scope::Full, Scope::Changes] {
        let report = bed.try_sync(&scope).unwrap();
        assert!(report.needs_attention());
        assert_eq!(applied(&report), [""; 0]);
        for request in [&join, &leave] {
            let why = told(&report, request);
            assert!(
                !why.is_empty() && why.iter().all(|(outcome, _)| *outcome == "skipped"),
                "{why:?}"
            );
            assert!(why[0].1.starts_with("paused by pat since 2026-"), "{why:?}");
        }
        let plan = bed.plan();
        assert!(plan.paused.is_some());
        assert!(told(&plan, &leave).iter().all(|(outcome, _)| *outcome == "planned"));
        assert!(!told(&plan, &join).is_empty(), "a plan shows what will be done");
    }
    assert_eq!(bed.writes(), [""; 0]);
    assert!(bed.account(&newcomer).is_none());
    assert_eq!(bed.account(&leaver).unwrap().status, Status::Active);

    bed.resume();
    let report = bed.sync();
    assert!(!report.needs_attention() && report.paused.is_none(), "{:#?}", report.actions);
    assert_eq!(bed.account(&leaver).unwrap().status, Status::Deprovisioned);
    assert!(bed.is_in(&newcomer, "app-jira"));
    assert_eq!([bed.state(&join), bed.state(&leave)], ["3", "3"]);
    bed.nothing_happens();
}

#[test]
fn the_daemon_counts_what_is_left_in_each_of_its_cycles_and_loses_nobody() {
    let bed = Bed::of(60);
    bed.sync();
    let leaver = bed.employee(0);
    bed.leave(&leaver);
    bed.pause();
    let (deps, writers) = bed.at_work();
    let cycle = || bed.cycle_beside(&deps, &writers, || ());
    assert_eq!(cycle().summary.applied, 0);
    bed.forget_calls();
    for _ in 0..3 {
        assert!(cycle().needs_attention(), "it is left, although nobody is due");
    }
    let asked = bed.stage.okta.calls();
    assert!(asked <= 6, "nobody is read again and again for what may not be done: {asked} calls");
    let other = Scope::Person(bed.employee(1).user_name);
    drop((deps, writers));
    assert!(!bed.try_sync(&other).unwrap().needs_attention(), "nothing is left of somebody else");
    let (deps, writers) = bed.at_work();
    let cycle = || bed.cycle_beside(&deps, &writers, || ());
    bed.pass("20m");
    assert!(cycle().needs_attention());
    bed.resume();
    assert!(!cycle().needs_attention());
    assert_eq!(bed.account(&leaver).unwrap().status, Status::Deprovisioned);
}

#[test]
fn a_pause_stops_the_next_call_of_a_cycle_that_is_under_way() {
    let bed = Bed::of(300);
    bed.sync();
    let orders: Vec<_> =
        (0..20).map(|place| bed.join(&bed.newcomer(place), &["app-jira"])).collect();
    bed.forget_calls();
    let (deps, writers) = bed.at_work();
    // It is typed while the first call is under way.
    let pause = Fault::meanwhile(bed.pausing());
    bed.stage.okta.faults().on("POST", "/api/v1/users?", pause);
    let report = bed.cycle_of(&deps, &writers);
    // What was sent beside it is under way as well, and no more than that.
    let sent = bed.okta_writes().len();
    assert!((1..=12).contains(&sent), "these were the last ones: {:?}", bed.okta_writes());
    assert_eq!(bed.written_back(), [""; 0]);
    assert_eq!(report.summary.applied, sent, "and they are recorded: {:#?}", report.actions);
    assert!(report.needs_attention() && report.paused.is_some());

    bed.resume();
    assert!(!bed.cycle_of(&deps, &writers).needs_attention());
    assert!(orders.iter().all(|order| bed.state(order) == "3"));
}

#[test]
fn a_pause_between_the_last_change_and_the_note_leaves_the_note_for_later() {
    // While the account is made; and while it is looked at once more.
    for at_the_last_moment in [false, true] {
        let bed = Bed::of(60);
        bed.sync();
        let order = bed.join(&bed.newcomer(0), &[]);
        let pause = Fault::meanwhile(bed.pausing());
        if at_the_last_moment {
            bed.stage.okta.faults().on("GET", "/api/v1/users/00u", pause);
        } else {
            bed.stage.okta.faults().on("POST", "/api/v1/users?", pause);
        }
        let report = bed.sync();
        assert!(report.summary.applied > 0 && report.needs_attention(), "{:#?}", report.actions);
        let told = told(&report, &order);
        assert!(told.iter().any(|(_, why)| why.contains("not written on the request")), "{told:?}");
        assert_ne!(bed.state(&order), "3");
        assert_eq!(bed.notes(&order), [""; 0]);
        bed.resume();
        assert!(!bed.sync().needs_attention());
        assert_eq!((bed.state(&order), bed.notes(&order).len()), ("3".to_owned(), 1));
    }
}

#[test]
fn what_is_done_already_is_closed_after_the_pause() {
    let bed = Bed::of(60);
    bed.sync();
    let employee = bed.employee(0);
    bed.pause();
    // Nothing is to be changed in Okta for it.
    let order = bed.access("Remove", &employee, &["app-jira"], "");
    assert!(!bed.is_in(&employee, "app-jira"));
    bed.forget_calls();
    let report = bed.sync();
    let [(outcome, why)] = told(&report, &order).try_into().unwrap();
    assert_eq!(outcome, "skipped");
    assert!(
        why.starts_with("done in Okta, and not written on the request yet: paused by"),
        "{why}"
    );
    assert_eq!(bed.writes(), [""; 0]);
    bed.resume();
    assert!(!bed.sync().needs_attention());
    assert_eq!((bed.state(&order), bed.notes(&order).len()), ("3".to_owned(), 1));
}

#[test]
fn why_a_request_waits_is_written_on_it_after_the_pause() {
    let bed = Bed::of(60);
    bed.sync();
    bed.pause();
    let order = bed.access("Add", &bed.employee(0), &["Okta Administrators"], "");
    bed.forget_calls();
    let report = bed.sync();
    assert!(told(&report, &order).iter().any(|(outcome, _)| *outcome == "held"), "{report:#?}");
    assert_eq!(bed.writes(), [""; 0]);
    bed.resume();
    bed.sync();
    assert_eq!(bed.notes(&order).len(), 1);
}

/// Six leave at once, one more than may, and are released.
fn released() -> Bed {
    let bed = Bed::of(80);
    bed.sync();
    for place in 0..6 {
        bed.leave(&bed.employee(place));
    }
    assert!(bed.sync().quarantined.is_some());
    bed
}

#[test]
fn a_release_does_not_age_while_writing_is_paused_whenever_it_was_given() {
    for given_before in [true, false] {
        let bed = released();
        if given_before {
            bed.release(&HoldSelection::All);
            bed.pass("20h");
            bed.pause();
        } else {
            bed.pause();
            bed.pass("20h");
            bed.release(&HoldSelection::All);
        }
        bed.pass("30h");
        assert_eq!(applied(&bed.sync()), [""; 0]);
        assert!(bed.waiting().iter().all(|hold| hold.released.is_some()));
        bed.resume();
        bed.pass(if given_before { "3h" } else { "23h" });
        bed.sync();
        for place in 0..6 {
            let account = bed.account(&bed.employee(place)).unwrap();
            assert_eq!(account.status, Status::Deprovisioned);
        }
    }
}

#[test]
fn a_release_lapses_a_day_after_it_was_given_the_pause_not_counted() {
    let bed = released();
    bed.release(&HoldSelection::All);
    bed.pause();
    bed.pass("30h");
    bed.resume();
    bed.pass("25h");
    assert!(bed.waiting().iter().all(|hold| hold.released.is_none()));
    assert!(bed.sync().quarantined.is_some());
    assert_eq!(bed.account(&bed.employee(0)).unwrap().status, Status::Active);
}

#[test]
fn targets_run_while_writing_is_paused_and_a_leaver_who_is_late_is_an_error_that_says_why() {
    let bed = Bed::of(60);
    bed.sync();
    let order = bed.leave(&bed.employee(0));
    bed.pause();
    let (deps, writers) = bed.at_work();
    bed.cycle_of(&deps, &writers);
    bed.pass("5m");
    let ((), log) = logged(|| watch_deadlines(&deps).unwrap());
    let late: Vec<_> = log.iter().filter(|line| line.contains("has missed its target")).collect();
    let [late] = late.try_into().unwrap();
    assert!(late.contains("ERROR") && late.contains(&order.number), "{late}");
    assert!(late.contains("paused by pat"), "{late}");
}

#[test]
fn a_pause_and_its_end_are_logged_once_each() {
    let bed = Bed::of(60);
    bed.sync();
    let said = |log: &[String], what: &str| log.iter().filter(|line| line.contains(what)).count();
    bed.pause();
    let (_, log) = logged(|| (bed.sync(), bed.sync()));
    assert_eq!(said(&log, "nothing is written to Okta or ServiceNow"), 1, "{log:?}");
    assert!(!bed.sync().needs_attention(), "nothing is left to do");
    bed.resume();
    let (_, log) = logged(|| (bed.sync(), bed.sync()));
    assert_eq!(said(&log, "resumed by sam: mended"), 1, "{log:?}");
}
