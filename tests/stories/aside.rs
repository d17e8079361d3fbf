//! What makes no sense in a list is left out of it, and is not forgotten: it is named, and tried again
//! by itself.

use goldthread::report::RequestFilter;
use goldthread::sim::faults::Fault;
use goldthread::sim::servicenow::Ordered;
use serde_json::{Value, json};

use super::alone::others;
use super::bed::{Bed, applied, logged};

/// Every list of these shows the elements changed that fit.
fn odd(fits: impl Fn(&Value) -> bool + Send + Sync + 'static, name: &'static str) -> Fault {
    Fault::reshaped(move |answer| {
        for element in answer.as_array_mut().into_iter().flatten() {
            if fits(element) {
                element[name] = Value::Null;
            }
        }
    })
}

fn is_named(bed: &Bed, text: &str) -> bool {
    bed.cached_drift().open.iter().any(|it| it.text.contains(text))
}

/// Somebody changes an account by hand, and the list of what changed does not make sense of it.
fn a_change_by_hand(missing: &'static str) -> (Bed, String) {
    let bed = Bed::of(40);
    let id = bed.account(&bed.employee(0)).unwrap().id;
    bed.moved(&bed.employee(0));
    bed.sync_full();
    bed.pass("10m");
    bed.sync();
    let it = id.clone();
    bed.stage.okta.faults().on("GET", "search=", odd(move |row| row["id"] == it, missing)).always();
    bed.stage.okta.acting_as("Pat Admin").set_profile(&id, &json!({"lastName": "Emperor"}));
    (bed, id)
}

#[test]
fn an_account_that_makes_no_sense_in_the_list_of_what_changed_is_read_by_id() {
    let (bed, id) = a_change_by_hand("profile");
    bed.sync();
    assert_ne!(bed.account_of(&id).text("lastName"), "Emperor");
}

#[test]
fn an_account_without_an_id_in_the_list_of_what_changed_is_named_and_found_when_it_has_one() {
    let (bed, id) = a_change_by_hand("id");
    bed.sync();
    assert_eq!(bed.account_of(&id).text("lastName"), "Emperor", "whose it is cannot be told");
    for _ in 0..5 {
        assert!(is_named(&bed, "no usable id"), "{:?}", bed.cached_drift().open);
        bed.pass("3m");
        assert!(bed.sync().needs_attention());
    }
    bed.stage.okta.faults().clear();
    bed.pass("10m");
    bed.sync();
    assert_ne!(bed.account_of(&id).text("lastName"), "Emperor");
    assert!(!is_named(&bed, "no usable id"), "{:?}", bed.cached_drift().open);
    assert!(!bed.sync().needs_attention());
}

#[test]
fn a_group_without_an_id_in_the_list_of_what_changed_is_named_and_found_when_it_has_one() {
    let bed = Bed::of(40);
    let (jira, id) = (bed.okta_group("app-jira"), bed.account(&bed.employee(0)).unwrap().id);
    bed.access("Add", &bed.employee(0), &["app-jira"], "");
    bed.sync_full();
    bed.pass("10m");
    bed.sync();
    let it = jira.clone();
    let changed = odd(move |row| row["id"] == it, "id");
    bed.stage.okta.faults().on("GET", "filter=lastMembershipUpdated", changed).always();
    bed.stage.okta.acting_as("Pat Admin").remove_member(&jira, &id);
    assert!(bed.sync().needs_attention());
    assert!(is_named(&bed, "no usable id"), "{:?}", bed.cached_drift().open);
    bed.pass("10m");
    bed.sync();
    bed.stage.okta.faults().clear();
    bed.pass("10m");
    assert!(!bed.sync().needs_attention());
    assert!(bed.is_in(&bed.employee(0), "app-jira"));
}

#[test]
fn a_group_that_does_not_say_when_its_members_changed_is_named_and_not_read_in_every_look() {
    for missing in [Value::Null, json!("")] {
        let bed = Bed::of(40);
        let (jira, id) = (bed.okta_group("app-jira"), bed.account(&bed.employee(0)).unwrap().id);
        bed.access("Add", &bed.employee(0), &["app-jira"], "");
        bed.sync_full();
        bed.pass("10m");
        bed.sync();
        bed.forget_calls();
        bed.sync();
        let idle = bed.stage.okta.calls();
        let it = jira.clone();
        let undated = Fault::reshaped(move |answer| {
            for element in answer.as_array_mut().into_iter().flatten() {
                if element["id"] == it {
                    element["lastMembershipUpdated"] = missing.clone();
                }
            }
        });
        bed.stage.okta.faults().on("GET", "filter=lastMembershipUpdated", undated).always();
        bed.stage.okta.acting_as("Pat Admin").remove_member(&jira, &id);
        let (_, log) = logged(|| bed.sync());
        assert!(bed.is_in(&bed.employee(0), "app-jira"), "what changed is found all the same");
        let text = "does not say when that was for the members of app-jira";
        assert!(is_named(&bed, text), "{:?}", bed.cached_drift().open);
        assert_eq!(log.iter().filter(|line| line.contains(text)).count(), 1, "{log:#?}");
        for round in 0..5 {
            bed.forget_calls();
            let (report, log) = logged(|| bed.sync());
            // It might have been a passing fault.
            let again = usize::from(round == 0);
            assert_eq!(bed.stage.okta.calls(), idle + again, "{round}: who is in it is read again");
            assert!(report.needs_attention() && is_named(&bed, text));
            assert!(log.iter().all(|line| !line.contains(text)), "{log:#?}");
        }
        bed.stage.okta.faults().clear();
        assert!(!bed.sync().needs_attention(), "{:?}", bed.cached_drift().open);
        assert!(!is_named(&bed, text));
    }
}

#[test]
fn what_makes_no_sense_in_the_list_of_groups_is_named_once_and_the_groups_stand() {
    for (field, value) in [("id", json!("")), ("id", Value::Null), ("profile", Value::Null)] {
        let bed = Bed::of(40);
        let grant = bed.access("Add", &bed.employee(0), &["app-jira"], "");
        bed.sync_full();
        assert_eq!(bed.state(&grant), "3");
        let (jira, figma) = (bed.okta_group("app-jira"), bed.okta_group("app-figma"));
        let odd = Fault::reshaped(move |answer| {
            for element in answer.as_array_mut().into_iter().flatten() {
                if element["id"] == jira || element["id"] == figma {
                    element[field] = value.clone();
                }
            }
        });
        bed.stage.okta.faults().on("GET", "/api/v1/groups?limit=", odd).always();
        let text = "2 in Okta's list of groups make no sense";
        let other = bed.access("Add", &bed.employee(1), &["app-jira"], "");
        for said in [1, 0] {
            let (report, log) = logged(|| bed.sync_full());
            assert!(report.needs_attention() && is_named(&bed, text), "{report:#?}");
            assert_eq!(log.iter().filter(|line| line.contains(text)).count(), said, "{log:#?}");
        }
        assert!(bed.is_in(&bed.employee(0), "app-jira"));
        assert_eq!(bed.state(&other), "3", "the group is what it was");
        bed.stage.okta.faults().clear();
        assert!(!bed.sync_full().needs_attention(), "{:?}", bed.cached_drift().open);
    }
}

#[test]
fn a_member_without_an_id_is_named_and_looked_for_again() {
    let bed = Bed::of(40);
    let (jira, id) = (bed.okta_group("app-jira"), bed.account(&bed.employee(0)).unwrap().id);
    let grant = bed.access("Add", &bed.employee(0), &["app-jira"], "");
    bed.sync_full();
    assert_eq!(bed.state(&grant), "3");
    let it = id.clone();
    let members = format!("/groups/{jira}/users");
    bed.stage.okta.faults().on("GET", &members, odd(move |row| row["id"] == it, "id")).always();
    bed.pass("10m");
    let report = bed.sync_full();
    let of_nobody = report.actions.iter().all(|it| it.person.sys_id.is_none());
    assert!(of_nobody, "they are a member all the same: {:#?}", report.actions);
    assert!(report.needs_attention() && is_named(&bed, "who is in app-jira cannot be read"));
    bed.pass("10m");
    assert!(bed.sync().needs_attention());
    bed.stage.okta.faults().clear();
    bed.pass("20m");
    assert!(!bed.sync().needs_attention(), "{:?}", bed.cached_drift().open);
}

/// One row of somebody who works here is hidden for good.
fn hidden(bed: &Bed) -> String {
    let hidden = bed.employee(1).sys_id;
    bed.stage.servicenow.set(|it| {
        it.hidden_rows.insert(hidden.clone());
    });
    hidden
}

#[test]
fn a_list_of_people_is_believed_but_for_a_row_that_is_hidden() {
    let bed = Bed::of(60);
    bed.sync_full();
    let hidden = hidden(&bed);
    let gone = bed.employee(2);
    bed.stage.servicenow.delete_person(&gone.sys_id);
    let leave = bed.leave(&bed.employee(0));
    for _ in 0..2 {
        let report = bed.sync_full();
        assert!(report.full && report.quarantined.is_none(), "{:#?}", report.actions);
        assert!(is_named(&bed, &hidden), "{:?}", bed.cached_drift().open);
        bed.pass("30m");
    }
    assert_eq!(bed.state(&leave), "3");
    assert_eq!(bed.status(&gone), "SUSPENDED", "the list says that they are not there");
    assert_eq!(bed.status(&bed.employee(1)), "ACTIVE");
    // And a list of changes in which the row would be.
    bed.record(&bed.employee(1), &[("last_name", "Newname")]);
    bed.moved(&bed.employee(3));
    bed.record(&bed.employee(3), &[("last_name", "Othername")]);
    let report = bed.sync();
    assert!(applied(&report).concat().contains("update"), "{:#?}", report.actions);
    assert!(!is_named(&bed, "ServiceNow: people"), "{:?}", bed.cached_drift().open);
    bed.stage.servicenow.set(|it| it.hidden_rows.clear());
    assert!(bed.sync_full().quarantined.is_none());
    assert!(!is_named(&bed, &hidden), "{:?}", bed.cached_drift().open);
}

#[test]
fn a_list_of_people_with_more_hidden_rows_than_are_known_is_not_believed() {
    let bed = Bed::of(60);
    bed.sync_full();
    let known = hidden(&bed);
    let unknown = bed.hired("Una", "U-1", "una@example.com").sys_id;
    bed.stage.servicenow.set(|it| {
        it.hidden_rows.insert(unknown);
    });
    let gone = bed.employee(2);
    bed.stage.servicenow.set(|it| {
        it.ruled_out_rows.insert(gone.sys_id.clone());
    });
    let report = bed.sync_full();
    assert!(!report.full && report.needs_attention(), "{:#?}", report.actions);
    assert!(is_named(&bed, "rows are hidden"), "{:?}", bed.cached_drift().open);
    assert_eq!(bed.status(&gone), "ACTIVE");
    assert!(is_named(&bed, &known), "{:?}", bed.cached_drift().open);
}

/// A request that is done and one whose time has not come, both hidden from now on.
fn hidden_requests(bed: &Bed) -> [Ordered; 2] {
    let done = bed.access("Add", &bed.employee(1), &["app-jira"], "");
    let coming = bed.join_on(&bed.newcomer(0), "2026-03-20", "");
    bed.sync_full();
    assert_eq!(bed.state(&done), "3");
    bed.stage.servicenow.set(|it| {
        it.hidden_rows.extend([done.sys_id.clone(), coming.sys_id.clone()]);
    });
    [done, coming]
}

fn are_stuck(bed: &Bed, requests: &[Ordered]) -> bool {
    let stuck = bed.requests(RequestFilter::Stuck);
    let of = |it: &&Ordered| stuck.iter().any(|row| row.request.number == it.number);
    let listed = bed.cached_drift().requests;
    requests.iter().all(|it| of(&it) && listed.iter().any(|row| row.number == it.number))
}

#[test]
fn a_list_of_requests_is_believed_but_for_rows_that_are_hidden() {
    let bed = Bed::of(60);
    let hidden = hidden_requests(&bed);
    for round in 0..2 {
        let served = others(&bed);
        bed.pass("30m");
        let (report, log) = logged(|| bed.sync_full());
        assert!(report.full && report.quarantined.is_none(), "{:#?}", report.actions);
        for other in &served {
            assert_eq!(bed.state(other), "3", "{:#?}\n{log:#?}", report.actions);
        }
        assert!(are_stuck(&bed, &hidden), "{:#?}", bed.cached_drift().requests);
        let said = log.iter().filter(|line| line.contains("an access rule hides its row"));
        assert_eq!(said.count(), usize::from(round == 0), "once when it begins: {log:#?}");
        let named = |it: &Ordered| log.iter().any(|line| line.contains(&it.number));
        assert_eq!(hidden.iter().all(named), round == 0, "{log:#?}");
    }
    assert!(bed.is_in(&bed.employee(1), "app-jira"), "what it asked for stands");
    // And a list of changes in which one of the rows would be.
    bed.stage.servicenow.edit(&hidden[1].number, &[("short_description", "Soon")]);
    let served = bed.access("Add", &bed.employee(12), &["app-jira"], "");
    bed.sync();
    assert_eq!(bed.state(&served), "3");
    assert!(!is_named(&bed, "ServiceNow: requests"), "{:?}", bed.cached_drift().open);
    // Once they are shown again nothing is open any more, and what was to come comes.
    bed.stage.servicenow.set(|it| it.hidden_rows.clear());
    bed.pass("2h");
    assert!(!bed.sync().needs_attention(), "{:#?}", bed.cached_drift().requests);
    bed.at("2026-03-20T00:00:30Z");
    assert!(!bed.sync_full().needs_attention());
    assert_eq!(bed.state(&hidden[1]), "3");
}

#[test]
fn a_request_that_is_hidden_when_it_changes_stops_nobody_in_the_same_cycle() {
    let bed = Bed::of(60);
    let hidden = hidden_requests(&bed);
    for request in &hidden {
        bed.stage.servicenow.edit(&request.number, &[("short_description", "Soon")]);
    }
    let served = others(&bed);
    let report = bed.sync();
    for other in &served {
        assert_eq!(bed.state(other), "3", "{:#?}", report.actions);
    }
    assert!(are_stuck(&bed, &hidden[1..]), "{:#?}", bed.cached_drift());
    assert!(!is_named(&bed, "ServiceNow: requests"), "{:?}", bed.cached_drift().open);
    // It is called off meanwhile, and then deleted: it is no row that is hidden any more.
    bed.stage.servicenow.set(|it| it.hidden_rows.clear());
    assert!(bed.stage.servicenow.cancel(&hidden[1].number));
    bed.pass("2h");
    assert!(!bed.sync().needs_attention());
}

#[test]
fn a_list_of_requests_with_a_hidden_row_that_nobody_knows_is_not_believed() {
    let bed = Bed::of(60);
    let known = hidden_requests(&bed);
    bed.sync_full();
    let leave = bed.leave_on(&bed.employee(0), "2026-03-02");
    bed.sync();
    let unknown = bed.access("Add", &bed.employee(2), &["app-jira"], "");
    bed.stage.servicenow.set(|it| {
        it.hidden_rows.insert(unknown.sys_id.clone());
    });
    let new = bed.access("Add", &bed.employee(3), &["app-jira"], "");
    for full in [false, true, false] {
        let report = if full { bed.sync_full() } else { bed.sync() };
        assert!(!report.full && report.needs_attention(), "{:#?}", report.actions);
        assert!(is_named(&bed, "rows are hidden"), "{:?}", bed.cached_drift().open);
        assert!(are_stuck(&bed, &known), "{:#?}", bed.cached_drift().requests);
    }
    // What can be read by id goes on.
    bed.at("2026-03-03T00:00:30Z");
    bed.sync();
    assert_eq!((bed.state(&leave), bed.state(&new)), ("3".into(), "3".into()));
    bed.stage.servicenow.set(|it| it.hidden_rows.clear());
    bed.pass("2h");
    bed.sync_full();
    assert_eq!((bed.state(&unknown), bed.state(&new)), ("3".into(), "3".into()));
    assert!(!bed.sync().needs_attention());
}
