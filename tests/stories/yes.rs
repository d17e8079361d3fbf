//! What a yes or a no lets happen, and what it does not.

use goldthread::report::CycleReport;
use goldthread::sim::company::Person;
use goldthread::sim::faults::Fault;
use goldthread::sim::okta::Status;
use goldthread::store::{HoldSelection, NotDecided, Verdict};
use goldthread::sync::Scope;

use super::bed::{Bed, applied};

/// Six leavers where five are allowed: everything of theirs waits as one set.
fn six_leavers() -> (Bed, Vec<Person>) {
    let bed = Bed::of(80);
    bed.sync();
    let leavers: Vec<Person> = (0..6).map(|place| bed.employee(place)).collect();
    for person in &leavers {
        bed.leave(person);
    }
    assert!(bed.sync().quarantined.is_some());
    assert_eq!(bed.waiting().len(), 18);
    (bed, leavers)
}

/// Somebody was put into a group by hand: nothing accounts for it, so the removal waits.
fn put_by_hand() -> (Bed, Person) {
    let bed = Bed::of(60);
    bed.access("Add", &bed.employee(1), &["app-jira"], "");
    bed.sync();
    let person = bed.employee(0);
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.add_member(&bed.okta_group("app-jira"), &bed.account(&person).unwrap().id);
    assert_eq!(bed.sync_full().summary.held, 1);
    (bed, person)
}

fn status(bed: &Bed, person: &Person) -> Status {
    bed.account(person).unwrap().status
}

/// What waits for one person, by action; all of it where no action is named.
fn of(bed: &Bed, person: &Person, actions: &[&str]) -> HoldSelection {
    let holds = bed.waiting();
    let mine = holds.iter().filter(|hold| hold.person.sys_id.as_deref() == Some(&person.sys_id));
    HoldSelection::Ids(
        mine.filter(|hold| {
            actions.is_empty() || hold.action.is_some_and(|it| actions.contains(&it))
        })
        .map(|hold| hold.id)
        .collect(),
    )
}

fn names(report: &CycleReport) -> Vec<&'static str> {
    let done = report.actions.iter().filter(|action| action.outcome == "applied");
    done.filter_map(|action| action.action).collect()
}

#[test]
fn a_yes_to_one_of_a_set_never_lets_the_others_through() {
    let (bed, leavers) = six_leavers();
    bed.release(&of(&bed, &leavers[0], &[]));
    for _ in 0..2 {
        bed.sync();
        bed.sync_full();
        assert_eq!(status(&bed, &leavers[0]), Status::Deprovisioned);
        for person in &leavers[1..] {
            assert_eq!(status(&bed, person), Status::Active, "only one was released");
        }
        assert_eq!(bed.waiting().len(), 15);
        bed.pass("1h");
    }
    // As without any release, the window decides: five a day.
    bed.pass("1 day");
    assert!(bed.sync_full().quarantined.is_none());
    assert_eq!(status(&bed, &leavers[1]), Status::Deprovisioned);
}

#[test]
fn limits_that_are_crept_up_to_are_not_lifted_by_releases() {
    let bed = Bed::of(80);
    bed.sync();
    for place in 0..5 {
        bed.leave(&bed.employee(place));
    }
    assert!(bed.sync().quarantined.is_none());
    for place in 5..8 {
        bed.leave(&bed.employee(place));
        assert!(bed.sync().quarantined.is_some());
        assert_eq!(status(&bed, &bed.employee(place)), Status::Active);
        bed.release(&HoldSelection::All);
        bed.sync();
        assert_eq!(status(&bed, &bed.employee(place)), Status::Deprovisioned);
    }
}

#[test]
fn the_groups_of_a_leaver_wait_for_the_account_and_their_yes_waits_with_them() {
    let (bed, leavers) = six_leavers();
    let leaver = &leavers[0];
    bed.release(&of(&bed, leaver, &["remove_member"]));
    assert_eq!(applied(&bed.sync()), Vec::<String>::new());
    assert_eq!(bed.account(leaver).unwrap().groups, [leaver.department.as_str()]);
    let held = bed.waiting().into_iter().find(|hold| hold.released.is_some()).unwrap();
    assert_eq!(held.action, Some("remove_member"));
    assert!(held.reason.contains("waits for"), "{}", held.reason);
    bed.forget_calls();
    bed.sync();
    assert!(bed.stage.okta.writes().is_empty());

    bed.release(&of(&bed, leaver, &["deactivate"]));
    assert_eq!(names(&bed.sync()), ["deactivate", "remove_member"]);
    assert_eq!(bed.account(leaver).unwrap().groups, Vec::<String>::new());
    assert_eq!(bed.waiting().len(), 15, "nothing of this leaver's is left to wait");
}

#[test]
fn a_yes_to_the_account_alone_brings_the_groups_with_it() {
    let (bed, leavers) = six_leavers();
    bed.release(&of(&bed, &leavers[0], &["deactivate"]));
    assert_eq!(names(&bed.sync()), ["deactivate", "remove_member"]);
    let left = bed.waiting();
    assert_eq!(left.len(), 15);
    assert!(left.iter().all(|hold| hold.person.sys_id.as_deref() != Some(&leavers[0].sys_id)));
}

#[test]
fn a_release_survives_until_its_action_is_begun() {
    let (bed, _) = put_by_hand();
    bed.release(&HoldSelection::All);
    // Told to stop before the first write, a cycle has decided and not begun.
    bed.try_stopped(&Scope::Changes);
    bed.try_stopped(&Scope::Full);
    assert_eq!(names(&bed.sync()), ["remove_member"]);
}

#[test]
fn a_release_is_used_once_also_where_okta_refuses() {
    let (bed, person) = put_by_hand();
    let id = bed.waiting()[0].id;
    bed.release(&HoldSelection::All);
    bed.stage.okta.faults().on("DELETE", "/api/v1/groups", Fault::Status(503)).always();
    let report = bed.sync();
    assert_eq!((report.summary.applied, report.summary.failed), (0, 1), "{:#?}", report.actions);
    bed.stage.okta.faults().clear();
    // It waits as before, under the same number.
    let [hold] = bed.waiting().try_into().unwrap();
    assert_eq!((hold.id, hold.released), (id, None));
    for report in [bed.sync(), bed.sync_full()] {
        assert_eq!((report.summary.applied, report.summary.held), (0, 1), "{:#?}", report.actions);
    }
    assert!(bed.account(&person).unwrap().groups.contains(&"app-jira".to_owned()));
}

#[test]
fn a_yes_may_be_taken_back_and_a_no_may_become_a_yes() {
    let (bed, _) = put_by_hand();
    bed.release(&HoldSelection::All);
    let [hold] = bed.waiting().try_into().unwrap();
    bed.dismiss(hold.id);
    assert_eq!(applied(&bed.sync_full()), Vec::<String>::new());
    bed.release(&HoldSelection::Ids(vec![hold.id]));
    assert_eq!(names(&bed.sync()), ["remove_member"]);
}

#[test]
fn a_number_never_comes_to_mean_another_action() {
    let (bed, person) = put_by_hand();
    let seen = bed.waiting()[0].id;
    // What somebody saw is over, and something else waits by the time that they type.
    let okta = bed.stage.okta.acting_as("Pat Admin");
    let account = bed.account(&person).unwrap();
    okta.remove_member(&bed.okta_group("app-jira"), &account.id);
    okta.set_profile(&account.id, &serde_json::json!({ "department": "Elsewhere" }));
    bed.sync_full();
    assert_ne!(bed.waiting()[0].id, seen);
    let unknown = bed.say(&HoldSelection::Ids(vec![seen]), Verdict::Release).unwrap_err();
    assert_eq!(unknown, NotDecided::Unknown(vec![seen]));
}

#[test]
fn a_dismissal_survives_expired_passwords_and_ends_with_another_request() {
    let bed = Bed::of(60).with("guard", "max_disabled = 0");
    bed.sync();
    let employee = bed.employee(0);
    bed.leave(&employee);
    assert_eq!(bed.sync().summary.held, 3);
    bed.say(&of(&bed, &employee, &["deactivate"]), Verdict::Dismiss).unwrap();
    let report = bed.sync_full();
    assert!(!report.needs_attention(), "what follows is as silent: {:#?}", report.actions);
    assert_eq!(bed.waiting(), []);
    let account = bed.account(&employee).unwrap();
    bed.stage.okta.set_status(&account.id, Status::PasswordExpired);
    assert!(!bed.sync_full().needs_attention(), "it still counts as active");
    bed.pass("1h");
    bed.leave(&employee);
    assert_eq!(bed.sync_full().summary.held, 3);
    assert_eq!(status(&bed, &employee), Status::PasswordExpired);
}

#[test]
fn a_request_is_told_once_that_it_waits_and_not_again_when_that_is_dismissed() {
    let bed = Bed::of(80).with("attribution", "drift = \"hold\"");
    let (one, other) = (bed.newcomer(0), bed.newcomer(1));
    // The other's record keeps the order open.
    bed.stage.servicenow.update_person(&other.sys_id, &[("active", "false")]);
    let both = format!("{},{}", one.sys_id, other.sys_id);
    let variables = [("employees", both.as_str()), ("start_date", "2026-03-02")];
    let request = bed.approved("Bulk onboarding order", &one, &variables);
    bed.sync();
    let account = bed.account(&one).unwrap();
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.set_profile(&account.id, &serde_json::json!({ "department": "Elsewhere" }));
    bed.sync_full();
    let said = bed.comments(&request);
    assert!(said.last().unwrap().contains("changed in Okta away"), "{said:?}");
    let ids = bed.waiting().iter().map(|hold| hold.id).collect();
    bed.say(&HoldSelection::Ids(ids), Verdict::Dismiss).unwrap();
    for _ in 0..2 {
        let report = bed.sync_full();
        assert!(!report.needs_attention(), "{:#?}", report.actions);
    }
    assert_eq!(bed.comments(&request), said);
}
