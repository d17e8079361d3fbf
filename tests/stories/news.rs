//! Whom something new concerns is decided about in the same cycle, or in the next one, whatever came
//! between: after every cycle here, all commands say what deciding about everybody anew would give.

use goldthread::sim::faults::Fault;
use goldthread::sim::okta::Status;

use super::bed::{Bed, applied};

fn bed() -> Bed {
    Bed::of(20).with("attribution", "unattributed = \"apply\"")
}

#[test]
fn an_account_that_turns_up_between_two_complete_reads_is_somebody_s_in_the_next_cycle() {
    let bed = bed();
    let zoe = bed.hired("Zoe", "E9001", "zoe@example.com");
    bed.sync_full();
    bed.pass("1h");
    let account = bed.handmade("E9001", "zoe@example.com", Status::Active);
    bed.sync();
    assert!(bed.account_of(&account).groups.contains(&zoe.department), "{:#?}", bed.drift().items);
}

#[test]
fn what_changed_in_okta_is_not_lost_where_the_rest_of_the_cycle_fails() {
    let bed = bed();
    let person = bed.employee(0);
    bed.sync_full();
    bed.pass("1h");
    let account = bed.account(&person).unwrap().id;
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.set_profile(&account, &serde_json::json!({ "department": "Elsewhere" }));
    let _ = bed.stage.okta.faults().on("GET", "lastMembershipUpdated", Fault::Status(400)).always();
    bed.sync();
    bed.stage.okta.faults().clear();
    bed.sync();
    assert_eq!(bed.account_of(&account).text("department"), person.department);
}

#[test]
fn members_that_are_read_again_in_the_same_cycle_are_decided_about_in_it() {
    let bed = bed();
    let person = bed.employee(0);
    bed.access("Add", &bed.employee(5), &["app-jira"], "");
    bed.sync_full();
    bed.pass("1h");
    let group = bed.okta_group("app-jira");
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.add_member(&group, &bed.account(&person).unwrap().id);
    let path = format!("/api/v1/groups/{group}/users");
    let _ = bed.stage.okta.faults().on("GET", &path, Fault::CutJson);
    bed.sync();
    bed.sync();
    assert!(!bed.is_in(&person, "app-jira"));
}

#[test]
fn a_rule_whose_group_cannot_be_read_is_open_to_every_command_and_concerns_everybody_once_it_can() {
    let bed = bed();
    let person = bed.employee(0);
    let account = bed.account(&person).unwrap().id;
    let group = bed.okta_group(&person.department);
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.remove_member(&group, &account);
    bed.moved(&person);
    let path = format!("/api/v1/groups/{group}/users");
    let _ = bed.stage.okta.faults().on("GET", &path, Fault::Status(400)).always();
    assert!(bed.sync().needs_attention());
    assert!(!bed.is_in(&person, &person.department));
    bed.stage.okta.faults().clear();
    bed.pass("10m");
    bed.sync();
    assert!(bed.is_in(&person, &person.department));
    let cycle = bed.sync();
    assert!(!cycle.full && !cycle.needs_attention(), "{:#?}", cycle.actions);
}

#[test]
fn somebody_who_left_is_put_out_of_a_group_that_comes_under_management_later() {
    let bed = bed();
    let leaver = bed.employee(0);
    bed.stage.okta.seed_member(&bed.okta_group("VPN Users"), &bed.account(&leaver).unwrap().id);
    bed.sync_full();
    bed.leave(&leaver);
    bed.sync();
    assert!(bed.is_in(&leaver, "VPN Users"), "nobody speaks of the group yet");
    bed.pass("1h");
    let other = bed.access("Add", &bed.employee(5), &["VPN Users"], "");
    let report = bed.sync();
    assert!(!bed.is_in(&leaver, "VPN Users"), "{:#?}", report.actions);
    assert!(applied(&report).contains(&format!("{} add_member", other.number)));
    assert!(!bed.sync().full, "that was all");
}

#[test]
fn a_request_that_cannot_be_looked_at_before_it_is_closed_is_open_in_every_report() {
    let bed = bed();
    let (person, other) = (bed.employee(0), bed.employee(5));
    bed.access("Add", &other, &["app-jira"], "");
    let account = bed.account(&person).unwrap().id;
    bed.stage.okta.seed_member(&bed.okta_group("app-jira"), &account);
    bed.sync_full();
    bed.pass("1h");
    let request = bed.access("Add", &person, &["app-jira"], "");
    let path = format!("/api/v1/users/{account}/groups");
    let _ = bed.stage.okta.faults().on("GET", &path, Fault::Status(400)).always();
    assert!(bed.sync_full().needs_attention());
    assert_ne!(bed.state(&request), "3");
    bed.stage.okta.faults().clear();
    bed.pass("1h");
    bed.sync();
    assert_eq!(bed.state(&request), "3");
}
