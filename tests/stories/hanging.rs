//! Many objects of which no answer ever comes: a look gives up on them soon, each is named and tried
//! again by itself, and everybody else is served in the same cycle.

use std::time::{Duration, Instant};

use goldthread::report::CycleReport;
use goldthread::sim::faults::Fault;
use goldthread::sim::servicenow::Ordered;
use goldthread::sync::Scope;
use serde_json::{Value, json};

use super::alone::{account_id, named_by, others};
use super::bed::Bed;

/// A look that waited for any of them until its call ends would take more than a minute.
const SOON: Duration = Duration::from_secs(40);

/// The next cycle, in which these are served and which ends soon all the same.
fn served_soon(bed: &Bed, served: &[Ordered]) -> CycleReport {
    let began = Instant::now();
    let report = bed.try_sync_alone(&Scope::Changes).unwrap();
    let took = began.elapsed();
    for other in served {
        let why = bed.cached_drift();
        assert_eq!(bed.state(other), "3", "{} {:#?} {:?}", other.number, why.requests, why.open);
    }
    assert!(took < SOON, "{took:?}");
    assert!(report.needs_attention(), "{report:#?}");
    report
}

fn named(bed: &Bed, names: &[String]) -> usize {
    let drift = bed.cached_drift();
    let said = json!([drift.requests, drift.items, drift.open]).to_string();
    names.iter().filter(|name| said.contains(name.as_str())).count()
}

#[test]
fn accounts_that_never_answer_are_given_up_soon_and_nobody_else_waits() {
    let bed = Bed::of(60);
    bed.sync_full();
    bed.pass("10m");
    bed.sync();
    let ids: Vec<String> = (0..8).map(|place| account_id(&bed, place)).collect();
    let (odd, pat) = (ids.clone(), bed.stage.okta.acting_as("Pat Admin"));
    for id in &ids {
        pat.set_profile(id, &json!({"nickName": "Emperor"}));
        bed.stage.okta.faults().on("GET", &format!("/users/{id}"), Fault::Silence).always();
    }
    let without_profile = Fault::reshaped(move |answer| {
        for element in answer.as_array_mut().into_iter().flatten() {
            if odd.iter().any(|id| element["id"] == id.as_str()) {
                element["profile"] = Value::Null;
            }
        }
    });
    bed.stage.okta.faults().on("GET", "search=", without_profile).always();
    // A list in which nothing at all makes sense is not believed.
    pat.set_profile(&account_id(&bed, 20), &json!({"nickName": "Sunny"}));
    served_soon(&bed, &others(&bed));
    assert_eq!(named(&bed, &ids), ids.len(), "{:#?}", bed.cached_drift());
    bed.stage.okta.faults().clear();
    bed.pass("20m");
    assert!(!bed.sync().needs_attention(), "{:#?}", bed.cached_drift());
}

#[test]
fn groups_whose_members_never_come_are_given_up_soon_and_nobody_else_waits() {
    let bed = Bed::of(60);
    let groups = ["app-figma", "app-netsuite", "VPN Users"];
    let grants = groups.map(|group| bed.access("Add", &bed.employee(0), &[group], ""));
    bed.sync_full();
    assert!(grants.iter().all(|grant| bed.state(grant) == "3"));
    bed.pass("10m");
    bed.sync();
    let (id, pat) = (account_id(&bed, 1), bed.stage.okta.acting_as("Pat Admin"));
    for group in groups.map(|group| bed.okta_group(group)) {
        pat.add_member(&group, &id);
        let members = format!("/groups/{group}/users");
        bed.stage.okta.faults().on("GET", &members, Fault::Silence).always();
    }
    let names = groups.map(|group| format!("who is in {group} cannot be read"));
    served_soon(&bed, &others(&bed));
    assert_eq!(named(&bed, &names), 2);
    // And when it is time to try them again.
    bed.pass("2m");
    served_soon(&bed, &[bed.access("Add", &bed.employee(12), &["app-jira"], "")]);
    assert_eq!(named(&bed, &names), groups.len());
    bed.stage.okta.faults().clear();
    bed.pass("20m");
    bed.sync();
    assert_eq!(named(&bed, &names), 0, "{:#?}", bed.cached_drift());
}

#[test]
fn rows_that_never_come_are_given_up_soon_and_nobody_else_waits() {
    let bed = Bed::of(60);
    bed.sync_full();
    bed.pass("10m");
    bed.sync();
    // What is shown of them may change with their manager's row.
    let manager = bed.stage.company.people()[0].clone();
    let people = bed.stage.company.people().iter();
    let theirs = people.filter(|person| person.manager == Some(0) && !person.newcomer);
    let ids: Vec<String> = theirs.map(|person| person.sys_id.clone()).collect();
    assert!(ids.len() > 5, "{ids:?}");
    for id in &ids {
        let row = format!("/sys_user/{id}");
        bed.stage.servicenow_faults.on("GET", &row, Fault::Silence).always();
    }
    bed.record(&manager, &[("last_name", "Newname")]);
    bed.moved(&manager);
    served_soon(&bed, &others(&bed));
    assert_eq!(named(&bed, &ids), 2, "{:#?}", bed.cached_drift().open);
    bed.pass("2m");
    served_soon(&bed, &[bed.access("Add", &bed.employee(12), &["app-jira"], "")]);
    assert!(named(&bed, &ids) > 2, "{:#?}", bed.cached_drift().open);
    bed.stage.servicenow_faults.clear();
    for _ in 0..3 {
        bed.pass("20m");
        bed.sync();
    }
    assert_eq!(named(&bed, &ids), 0, "{:#?}", bed.cached_drift());
}

#[test]
fn texts_that_are_never_answered_are_given_up_soon_and_nobody_else_waits() {
    let bed = Bed::of(60);
    bed.sync_full();
    bed.pass("10m");
    bed.sync();
    bed.stage.servicenow_faults.on("GET", "union", Fault::Silence).always();
    let texts = ["union.one@example.com", "union.two@example.com"];
    let numbers = texts.map(|text| named_by(&bed, text).number);
    served_soon(&bed, &others(&bed));
    assert_eq!(named(&bed, &numbers), 2, "{:#?}", bed.cached_drift());
}
