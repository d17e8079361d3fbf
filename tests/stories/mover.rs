//! Somebody changes position or name, or gets and loses access.

use super::bed::{Bed, applied};

#[test]
fn a_mover_gets_the_new_department_and_its_group_and_loses_the_old_one() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    bed.sync();
    let old = employee.department.clone();
    let new = if old == "Finance" { "Marketing" } else { "Finance" };
    let id = bed.stage.company.department_id(new);
    bed.stage.servicenow.update_person(&employee.sys_id, &[("department", &id)]);
    let request = bed.approved("Change of position", &employee, &[("employee", &employee.sys_id)]);
    let report = bed.sync();
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    let number = &request.number;
    let mut done = applied(&report);
    done.sort();
    assert_eq!(
        done,
        [
            format!("{number} add_member"),
            format!("{number} remove_member"),
            format!("{number} update"),
        ]
    );
    let account = bed.account(&employee).unwrap();
    assert_eq!(account.text("department"), new);
    assert_eq!(account.groups, [new.to_owned()]);
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_changed_record_follows_with_the_join_as_its_origin_and_record_as_its_cause() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let request = bed.join(&newcomer, &[]);
    bed.sync();
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("last_name", "Nachname")]);
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} update", request.number)]);
    assert_eq!(report.actions[0].cause, "record");
    assert_eq!(bed.account(&newcomer).unwrap().text("lastName"), "Nachname");
}

#[test]
fn a_changed_address_renames_the_login_of_the_same_account() {
    let bed = Bed::of(100);
    // Somebody who is nobody's manager: the address would follow into other profiles.
    let newcomer = bed.newcomer(5);
    bed.join(&newcomer, &[]);
    bed.sync();
    let before = bed.account(&newcomer).unwrap();
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("email", "married@example.com")]);
    bed.sync();
    assert_eq!(bed.stage.okta.find("married@example.com").unwrap().id, before.id);
    assert!(!bed.sync_full().needs_attention());
}

#[test]
fn access_is_given_until_its_end_and_taken_by_a_revoke() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let short = bed.access("Add", &employee, &["app-jira"], "2026-03-03");
    let lasting = bed.access("Add", &employee, &["VPN Users"], "");
    assert!(!bed.sync().needs_attention());
    let groups = || bed.account(&employee).unwrap().groups;
    assert!(
        groups().contains(&"app-jira".to_owned()) && groups().contains(&"VPN Users".to_owned())
    );
    assert_eq!((bed.state(&short), bed.state(&lasting)), ("3".to_owned(), "3".to_owned()));

    bed.stage.clock.freeze("2026-03-04T00:00:30Z".parse().unwrap());
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} remove_member", short.number)]);

    let revoke = bed.access("Remove", &employee, &["VPN Users"], "");
    bed.sync();
    assert_eq!(groups(), [employee.department]);
    assert_eq!(bed.state(&revoke), "3");
}

#[test]
fn an_access_request_needs_the_approval_of_its_order() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let groups = bed.groups(&["app-jira"]);
    let request = bed.ordered(
        "Okta group access",
        &employee,
        &[("action", "Add"), ("employee", &employee.sys_id), ("groups", &groups)],
    );
    bed.sync();
    assert!(!bed.account(&employee).unwrap().groups.contains(&"app-jira".to_owned()));
    bed.pass("10m");
    bed.stage.servicenow.approve(&request.number);
    bed.sync();
    assert!(bed.account(&employee).unwrap().groups.contains(&"app-jira".to_owned()));
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_group_that_no_request_may_grant_is_held_and_said_once() {
    let bed = Bed::of(60).configure("\"app-*\", \"VPN Users\"", "\"VPN Users\"");
    let employee = bed.employee(0);
    let request = bed.access("Add", &employee, &["app-jira"], "");
    bed.forget_calls();
    for _ in 0..3 {
        assert!(bed.sync().needs_attention());
    }
    assert!(bed.stage.okta.writes().is_empty());
    let comments = bed.comments(&request);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains("app-jira"), "{comments:?}");
    assert_ne!(bed.state(&request), "3");
}

#[test]
fn what_was_edited_after_the_approval_was_seen_is_not_carried_out() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let groups = bed.groups(&["app-jira"]);
    let request = bed.approved(
        "Okta onboarding",
        &employee,
        &[
            ("employee", &employee.sys_id),
            ("start_date", "2026-03-10"),
            ("groups", &groups),
            ("action", "Add"),
        ],
    );
    bed.sync();
    let more = bed.groups(&["app-jira", "app-netsuite"]);
    bed.stage.servicenow.edit_variable(&request.number, "groups", &more);
    bed.pass("9 days");
    bed.sync_full();
    assert!(!bed.account(&employee).unwrap().groups.contains(&"app-netsuite".to_owned()));
}
