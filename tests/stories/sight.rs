//! A role in Okta that reaches only some of the accounts: what is out of sight is not gone, nothing
//! about it is called done, and it is said.

use std::collections::BTreeSet;

use goldthread::sim::company::Person;
use goldthread::sim::faults::Fault;
use goldthread::sim::okta::{OutOfSight, Sight};
use goldthread::sim::servicenow::Ordered;
use goldthread::sync::watch_deadlines;

use super::bed::{Bed, applied, logged};

const BOTH: [OutOfSight; 2] = [OutOfSight::NotFound, OutOfSight::Forbidden];

/// From now on the role does not reach the accounts of these people.
fn hide(bed: &Bed, people: &[Person], how: OutOfSight) {
    let ids: BTreeSet<String> = people.iter().map(|it| bed.account(it).unwrap().id).collect();
    bed.stage.okta.switch(|it| {
        it.sight = Sight::AllBut { users: ids, groups: BTreeSet::new() };
        it.out_of_sight = how;
    });
}

fn show(bed: &Bed) {
    bed.stage.okta.switch(|it| it.sight = Sight::All);
}

/// It is open, nobody called it done, and every report has it.
fn stays_open(bed: &Bed, leave: &Ordered) {
    assert_ne!(bed.state(leave), "3", "{:?}", bed.notes(leave));
    assert!(bed.notes(leave).iter().all(|note| !note.contains("Done in Okta")));
    let drift = bed.drift();
    let waits = |number: &str| drift.requests.iter().any(|it| it.number == number);
    assert!(waits(&leave.number), "{:#?}", drift.requests);
    assert!(drift.summary.stuck > 0);
}

fn a_leaver_out_of_sight(bed: &Bed, leaver: &Person, how: OutOfSight) {
    let id = bed.account(leaver).unwrap().id;
    hide(bed, std::slice::from_ref(leaver), how);
    let leave = bed.leave(leaver);
    bed.forget_calls();
    let (_, log) = logged(|| bed.sync());
    assert!(log.iter().any(|line| line.contains(&leave.number) && line.contains(&id)), "{log:#?}");
    for full in [true, false, true] {
        bed.pass("10m");
        let report = if full { bed.sync_full() } else { bed.sync() };
        assert!(report.needs_attention());
        stays_open(bed, &leave);
    }
    assert_eq!(bed.okta_writes(), Vec::<String>::new());
    assert!(!bed.notes(&leave).is_empty(), "the request says why it waits");
    show(bed);
    bed.pass("30s");
    assert!(!bed.sync().needs_attention());
    assert_eq!(bed.account_of(&id).status.as_str(), "DEPROVISIONED");
    assert_eq!(bed.state(&leave), "3");
    bed.nothing_happens();
}

#[test]
fn the_leave_of_somebody_out_of_sight_stays_open_until_the_account_is_seen() {
    for how in BOTH {
        let bed = Bed::of(40);
        bed.sync_full();
        bed.pass("1h");
        a_leaver_out_of_sight(&bed, &bed.employee(0), how);
    }
}

#[test]
fn a_log_that_fails_does_not_make_an_account_out_of_sight_a_deleted_one() {
    for fault in [Fault::Status(500), Fault::Html200, Fault::CutJson, Fault::Status(400)] {
        let bed = Bed::of(40).impatient();
        bed.sync_full();
        bed.pass("1h");
        let leaver = bed.employee(0);
        hide(&bed, std::slice::from_ref(&leaver), OutOfSight::NotFound);
        bed.stage.okta.faults().on("GET", "/api/v1/logs", fault.clone()).always();
        let leave = bed.leave(&leaver);
        for _ in 0..3 {
            bed.sync();
            stays_open(&bed, &leave);
            bed.pass("10m");
        }
        bed.stage.okta.faults().clear();
        show(&bed);
        bed.sync();
        assert_eq!(bed.status(&leaver), "DEPROVISIONED");
        assert_eq!(bed.state(&leave), "3");
    }
}

#[test]
fn an_administrator_who_was_out_of_sight_is_one_as_soon_as_they_are_seen() {
    for how in BOTH {
        let bed = Bed::of(40);
        bed.sync_full();
        bed.pass("1h");
        let employee = bed.employee(0);
        bed.stage.okta.set_roles(&bed.account(&employee).unwrap().id, &["HELP_DESK_ADMIN"]);
        hide(&bed, std::slice::from_ref(&employee), how);
        let leave = bed.leave(&employee);
        bed.forget_calls();
        bed.sync();
        show(&bed);
        for _ in 0..3 {
            bed.pass("1m");
            bed.sync();
        }
        assert_eq!(bed.okta_writes(), Vec::<String>::new());
        assert_ne!(bed.state(&leave), "3");
    }
}

#[test]
fn so_does_that_of_an_account_that_was_made_here() {
    for how in BOTH {
        let bed = Bed::of(40);
        let joiner = bed.newcomer(0);
        bed.join(&joiner, &["app-jira"]);
        bed.sync_full();
        bed.stage.okta.finish_activation(&bed.account(&joiner).unwrap().id);
        bed.pass("1h");
        bed.sync();
        a_leaver_out_of_sight(&bed, &joiner, how);
    }
}

#[test]
fn whoever_has_no_account_that_is_seen_is_not_called_gone_by_a_role_that_sees_only_some() {
    let bed = Bed::of(40);
    let (person, other) = (bed.employee(0), bed.employee(1));
    hide(&bed, std::slice::from_ref(&person), OutOfSight::NotFound);
    bed.sync_full();
    let leave = bed.leave(&person);
    let others = bed.leave(&other);
    bed.forget_calls();
    bed.sync();
    bed.pass("3m");
    let ((), log) = logged(|| {
        let (deps, writers) = bed.at_work();
        bed.cycle_of(&deps, &writers);
        watch_deadlines(&deps).unwrap();
    });
    let late = |line: &String| line.contains("ERROR") && line.contains(&leave.number);
    assert!(log.iter().any(late), "its target runs: {log:#?}");
    for full in [false, true, false] {
        let report = if full { bed.sync_full() } else { bed.sync() };
        assert!(report.needs_attention());
        stays_open(&bed, &leave);
        bed.pass("10m");
    }
    assert_eq!(bed.state(&others), "3");
    let id = bed.account(&person).unwrap().id;
    assert!(bed.stage.okta.writes().iter().all(|write| !write.path.contains(&id)));
    show(&bed);
    bed.sync_full();
    bed.pass("1m");
    bed.sync();
    assert_eq!(bed.status(&person), "DEPROVISIONED", "{:#?}", bed.drift().requests);
    assert_eq!(bed.state(&leave), "3");
}

#[test]
fn seven_of_eighteen_accounts_out_of_sight_are_no_seven_that_are_gone() {
    for how in BOTH {
        let bed = Bed::of(22).with("attribution", "unattributed = \"apply\"");
        let everybody = bed.stage.company.people().iter().filter(|it| bed.account(it).is_some());
        let everybody: Vec<Person> = everybody.cloned().collect();
        assert_eq!(everybody.len(), 18);
        bed.sync_full();
        bed.pass("1h");
        hide(&bed, &everybody[5..12], how);
        let hidden_leave = bed.leave(&everybody[6]);
        let leave = bed.leave(&everybody[2]);
        let join = bed.join(&bed.newcomer(0), &[]);
        // Somebody who is seen, and whose record says something else.
        bed.record(&everybody[3], &[("active", "false")]);
        bed.forget_calls();
        let (report, log) = logged(|| bed.sync_full());
        let why = report.quarantined.clone().unwrap_or_default();
        assert!(why.contains("max_accounts_drop"), "{how:?} {why}: {:#?}", report.actions);
        assert!(log.iter().any(|line| line.contains("ERROR") && line.contains("quarantine")));
        assert!(applied(&report).contains(&format!("{} create", join.number)));
        bed.pass("5m");
        bed.sync_full();
        // The leave is by its request, of an account that was read by id.
        assert_eq!((bed.state(&leave), bed.state(&join)), ("3".to_owned(), "3".to_owned()));
        let disabled: Vec<&Person> =
            everybody.iter().filter(|it| bed.status(it) != "ACTIVE").collect();
        assert_eq!(disabled, [&everybody[2]]);
        stays_open(&bed, &hidden_leave);
        show(&bed);
        bed.pass("5m");
        let report = bed.sync_full();
        assert_eq!(report.quarantined, None);
        bed.pass("1m");
        let report = bed.sync();
        assert!(!report.needs_attention(), "{:#?}", report.actions);
        assert_eq!(bed.state(&hidden_leave), "3");
        assert_eq!(bed.status(&everybody[3]), "SUSPENDED");
        bed.nothing_happens();
    }
}

#[test]
fn a_deletion_that_okta_s_log_shows_is_a_deletion_also_to_a_role_that_sees_only_some() {
    let bed = Bed::of(40);
    bed.sync_full();
    bed.pass("1h");
    let (leaver, deleted) = (bed.employee(0), bed.employee(1));
    hide(&bed, &[bed.employee(5)], OutOfSight::NotFound);
    for person in [&leaver, &deleted] {
        let pat = bed.stage.okta.acting_as("Pat Admin");
        pat.delete_user(&bed.account(person).unwrap().id);
    }
    let leave = bed.leave(&leaver);
    bed.forget_calls();
    bed.sync();
    bed.sync_full();
    assert_eq!(bed.state(&leave), "3", "{:#?}", bed.drift().requests);
    assert_eq!(bed.okta_writes(), Vec::<String>::new());
    let hidden = bed.account(&bed.employee(5)).unwrap().id;
    let said = bed.differences();
    assert!(said.iter().all(|it| it.disposition != "hold" || it.reason.contains(&hidden)));
    assert!(said.iter().any(|it| it.reason.contains(&hidden)), "{said:#?}");
}
