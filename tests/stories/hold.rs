//! Actions that wait for a person's yes, and what the person says.

use goldthread::sim::okta::Status;
use goldthread::store::{HoldSelection, NotDecided, Verdict};
use goldthread::sync::Scope;

use super::bed::{Bed, applied};

/// A company of 80 in which six people leave at once, one more than may.
fn six_leavers() -> Bed {
    let bed = Bed::of(80);
    bed.sync();
    for place in 0..6 {
        bed.leave(&bed.employee(place));
    }
    assert!(bed.sync().quarantined.is_some());
    bed
}

fn status(bed: &Bed, place: usize) -> Status {
    bed.account(&bed.employee(place)).unwrap().status
}

#[test]
fn a_released_set_goes_through_once_and_the_next_leaver_is_held_again_by_the_window() {
    let bed = six_leavers();
    let held = bed.waiting();
    assert!(held.iter().all(|hold| hold.set.as_deref() == Some("max-disabled")));
    assert_eq!(held.iter().filter(|hold| hold.action == Some("deactivate")).count(), 6);

    let released = bed.release(&HoldSelection::Set("max-disabled".to_owned()));
    assert_eq!(released.len(), held.len());
    let waiting = bed.waiting();
    let said = waiting[0].released.as_ref().unwrap();
    assert_eq!((said.by.as_str(), said.because.as_str()), ("pat", "HR called"));

    assert!(!bed.sync().needs_attention());
    assert!((0..6).all(|place| status(&bed, place) == Status::Deprovisioned));
    assert_eq!(bed.waiting(), []);
    // What was released does not count in the window, and releases nothing else.
    for place in 6..12 {
        bed.leave(&bed.employee(place));
    }
    assert!(bed.sync().quarantined.is_some());
    assert!((6..12).all(|place| status(&bed, place) == Status::Active));
}

#[test]
fn one_leaver_of_a_set_is_let_go_by_number_and_the_others_stay() {
    let bed = six_leavers();
    let leaver = bed.employee(2);
    let mine = |hold: &&goldthread::report::HoldView| {
        hold.person.user_name.as_deref() == Some(leaver.user_name.as_str())
    };
    let ids: Vec<i64> = bed.waiting().iter().filter(mine).map(|hold| hold.id).collect();
    bed.release(&HoldSelection::Ids(ids));
    let report = bed.sync();
    assert!(report.summary.applied >= 2, "{:#?}", report.actions);
    for place in 0..6 {
        let gone = status(&bed, place) == Status::Deprovisioned;
        assert_eq!(gone, place == 2, "leaver {place}");
    }
}

#[test]
fn part_of_a_set_that_is_looked_at_alone_is_no_smaller_set() {
    let bed = six_leavers();
    // The record of one of them changes, so this one comes up without the other five.
    let leaver = bed.employee(0);
    bed.pass("1m");
    bed.stage.servicenow.update_person(&leaver.sys_id, &[("last_name", "Changed")]);
    bed.sync();
    assert_eq!(status(&bed, 0), Status::Active);
    let report = bed.try_sync(&Scope::Person(leaver.user_name.clone())).unwrap();
    assert!(report.needs_attention());
    assert_eq!(status(&bed, 0), Status::Active);
}

#[test]
fn membership_removals_of_a_leaver_wait_for_the_account_even_if_they_are_released() {
    let bed = six_leavers();
    let leaver = bed.employee(0);
    let before = bed.account(&leaver).unwrap().groups;
    let removals: Vec<i64> = bed
        .waiting()
        .iter()
        .filter(|hold| hold.action == Some("remove_member"))
        .map(|hold| hold.id)
        .collect();
    assert!(!removals.is_empty());
    bed.release(&HoldSelection::Ids(removals));
    bed.sync();
    assert_eq!(bed.account(&leaver).unwrap().groups, before);
    assert_eq!(status(&bed, 0), Status::Active);
}

#[test]
fn a_release_lapses_after_a_day() {
    let bed = six_leavers();
    bed.release(&HoldSelection::All);
    bed.pass("24h");
    // The window has slid as well, but nothing counts in it: six are still more than five.
    assert!(bed.sync().quarantined.is_some());
    assert!((0..6).all(|place| status(&bed, place) == Status::Active));
    assert!(bed.waiting().iter().all(|hold| hold.released.is_none()));
}

#[test]
fn a_release_is_for_the_values_that_were_shown() {
    let bed = Bed::of(60);
    bed.sync();
    let employee = bed.employee(0);
    let account = bed.account(&employee).unwrap();
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.set_profile(&account.id, &serde_json::json!({"department": "Elsewhere"}));
    bed.sync_full();
    let [hold] = bed.waiting().try_into().unwrap();
    assert_eq!(hold.action, Some("update"));
    bed.release(&HoldSelection::Ids(vec![hold.id]));
    // Before it is used, the attribute changes once more: that is another action.
    pat.set_profile(&account.id, &serde_json::json!({"department": "Somewhere"}));
    bed.sync_full();
    assert_eq!(bed.account(&employee).unwrap().text("department"), "Somewhere");
    let [hold] = bed.waiting().try_into().unwrap();
    assert!(hold.released.is_none());
    bed.release(&HoldSelection::Ids(vec![hold.id]));
    let report = bed.sync();
    assert_eq!(applied(&report), ["BASELINE update"]);
    assert_eq!(bed.account(&employee).unwrap().text("department"), employee.department);
}

#[test]
fn a_dismissed_action_is_silent_until_its_value_changes() {
    let bed = Bed::of(60);
    bed.sync();
    let employee = bed.employee(0);
    let account = bed.account(&employee).unwrap();
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.set_profile(&account.id, &serde_json::json!({"department": "Elsewhere"}));
    assert!(bed.sync_full().needs_attention());
    let [hold] = bed.waiting().try_into().unwrap();
    bed.dismiss(hold.id);
    assert_eq!(bed.waiting(), []);
    for _ in 0..2 {
        assert!(!bed.sync_full().needs_attention());
    }
    assert!(!bed.sync().needs_attention());
    // The report still tells of it, and who did not want to hear of it.
    let [item] = bed.differences().try_into().unwrap();
    assert_eq!(item.disposition, "hold");
    assert!(item.reason.contains("dismissed by pat"), "{}", item.reason);

    pat.set_profile(&account.id, &serde_json::json!({"department": "Somewhere"}));
    assert!(bed.sync_full().needs_attention());
    assert_eq!(bed.waiting().len(), 1);
}

#[test]
fn a_number_that_does_not_exist_releases_nothing_at_all() {
    let bed = six_leavers();
    let real = bed.waiting()[0].id;
    let unknown = bed.say(&HoldSelection::Ids(vec![real, 4711]), Verdict::Release).unwrap_err();
    assert_eq!(unknown, NotDecided::Unknown(vec![4711]));
    assert!(bed.waiting().iter().all(|hold| hold.released.is_none()));
}

#[test]
fn a_yes_can_be_said_while_the_daemon_holds_the_store() {
    let bed = six_leavers();
    let (deps, writers) = bed.at_work();
    bed.release(&HoldSelection::Set("max-disabled".to_owned()));
    let report = bed.cycle_of(&deps, &writers);
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert!((0..6).all(|place| status(&bed, place) == Status::Deprovisioned));
}

#[test]
fn what_waits_is_said_by_every_sync_until_somebody_decides() {
    let bed = six_leavers();
    let report = bed.sync();
    assert!(report.needs_attention(), "nobody was looked at, and yet six people wait");
    assert_eq!(report.actions.iter().filter(|it| it.action == Some("deactivate")).count(), 6);
}
