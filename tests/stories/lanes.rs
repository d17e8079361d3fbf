//! People side by side: nobody waits for somebody else's calls, and what was called off or has become
//! too much meanwhile is not begun.

use std::time::Duration;

use goldthread::sim::company::Person;
use goldthread::sim::faults::{Fault, Faults};
use goldthread::sim::line::Latency;
use goldthread::sim::servicenow::Ordered;
use goldthread::sync::Scope;

use super::bed::{Bed, applied, held, logged};

const MOMENT: Duration = Duration::from_millis(200);
/// More people than have their turn at once.
const MANY: usize = 80;

fn busy(bed: &Bed) -> Vec<(Person, Ordered)> {
    let newcomers = (0..MANY).map(|place| bed.newcomer(place));
    let joins =
        newcomers.map(|person| (person.clone(), bed.join(&person, &["app-jira"]))).collect();
    bed.stage.set_latency(Latency::of(MOMENT));
    joins
}

#[test]
fn a_call_that_takes_long_keeps_only_its_own_person_waiting() {
    let bed = Bed::of(60).with("guard", "max_disabled = 100");
    bed.sync();
    let line = bed.stage.okta.faults().line();
    for (place, (method, what)) in [
        ("GET", ""),
        ("GET", "/groups"),
        ("GET", "/roles"),
        ("DELETE", "/sessions"),
        ("POST", "/lifecycle/deactivate"),
    ]
    .into_iter()
    .enumerate()
    {
        let (slow, other) = (bed.employee(2 * place), bed.employee(2 * place + 1));
        let id = bed.account(&slow).unwrap().id;
        let (late, first) = (bed.leave(&slow), bed.leave(&other));
        let path = format!("/users/{id}{what}");
        line.set_at(method, &path, Latency::of(Duration::from_millis(700)));
        let done = applied(&bed.sync());
        let place = |number: &str| {
            let line = format!("{number} deactivate");
            done.iter().position(|it| *it == line).unwrap_or_else(|| panic!("{path}: {done:?}"))
        };
        assert!(place(&first.number) < place(&late.number), "{method} {path}: {done:?}");
        assert_eq!((bed.state(&first), bed.state(&late)), ("3".to_owned(), "3".to_owned()));
        line.clear_endpoints();
    }
}

#[test]
fn a_join_that_is_rejected_while_others_are_carried_out_is_not_begun() {
    let bed = Bed::of(1000);
    bed.sync();
    let mut joins = busy(&bed);
    // Whose turn comes last.
    joins.sort_by_key(|(person, _)| person.sys_id.clone());
    let (person, last) = joins.pop().unwrap();
    let (servicenow, off) = (bed.stage.servicenow.clone(), last.number.clone());
    let rejected = Fault::meanwhile(move || assert!(servicenow.reject(&off)));
    bed.stage.okta.faults().on("POST", "/api/v1/users?", rejected).times(1);
    let report = bed.try_sync(&Scope::Changes).unwrap();
    assert_eq!(applied(&report).len(), MANY - 1, "{:#?}", applied(&report));
    assert!(bed.account(&person).is_none());
    assert_eq!(bed.notes(&last), [""; 0]);
    assert!(joins.iter().all(|(_, join)| bed.state(join) == "3"));
}

#[test]
fn a_leaver_who_is_approved_while_others_join_does_not_wait_for_them() {
    let bed = Bed::of(1000);
    bed.sync();
    busy(&bed);
    let leaver = bed.employee(0);
    let (servicenow, leave) = (
        bed.stage.servicenow.clone(),
        bed.ordered(
            "Okta offboarding",
            &leaver,
            &[("employee", &leaver.sys_id), ("last_day", "2026-03-01")],
        ),
    );
    let number = leave.number.clone();
    let approved = Fault::meanwhile(move || assert!(servicenow.approve(&number)));
    bed.stage.okta.faults().on("POST", "/api/v1/users?", approved).times(1);
    let done = applied(&bed.sync());
    let disabled = format!("{} deactivate", leave.number);
    let place = done.iter().position(|line| *line == disabled).unwrap();
    let after = done[place..].iter().filter(|line| line.ends_with(" create")).count();
    assert!(after >= 10, "the leave came nearly last: {done:?}");
    assert_eq!(bed.state(&leave), "3");
}

#[test]
fn what_is_under_way_counts_when_more_is_asked_for() {
    let bed = Bed::of(200).with("guard", "max_disabled = 5\nmax_disabled_share = \"0%\"");
    bed.sync();
    bed.stage.set_latency(Latency::of(Duration::from_millis(300)));
    for place in 0..4 {
        bed.leave(&bed.employee(place));
    }
    let more: Vec<_> = (4..8)
        .map(|place| {
            let leaver = bed.employee(place);
            let said = [("employee", &*leaver.sys_id), ("last_day", "2026-03-01")];
            bed.ordered("Okta offboarding", &leaver, &said).number
        })
        .collect();
    let servicenow = bed.stage.servicenow.clone();
    let approved = Fault::meanwhile(move || {
        assert!(more.iter().all(|number| servicenow.approve(number)));
    });
    bed.stage.okta.faults().on("DELETE", "/sessions", approved).times(1);
    let first = bed.sync();
    let second = bed.sync();
    let disabled = (0..8).filter(|place| bed.status(&bed.employee(*place)) == "DEPROVISIONED");
    assert_eq!(disabled.count(), 4, "{:#?} {:#?}", applied(&first), applied(&second));
    let waits = held(&second).into_iter().filter(|line| line.ends_with(" deactivate")).count();
    assert_eq!(waits, 4, "{:#?}", held(&second));
}

#[test]
fn whoever_waits_for_a_limit_is_decided_about_again_without_a_call() {
    let bed = Bed::of(200).with("guard", "max_disabled = 5\nmax_disabled_share = \"0%\"");
    bed.sync();
    for place in 0..30 {
        bed.leave(&bed.employee(place));
    }
    assert!(bed.sync().quarantined.is_some());
    bed.pass("16m");
    bed.forget_calls();
    assert!(bed.try_sync_alone(&Scope::Changes).unwrap().quarantined.is_some());
    let asked = bed.stage.okta.calls();
    assert!(asked <= 6, "as many as where nobody waits: {asked}");
}

#[test]
fn writes_that_outlast_a_look_are_each_written_once() {
    let bed = Bed::of(600);
    bed.sync();
    let joins: Vec<_> = (0..26).map(|place| bed.join(&bed.newcomer(place), &[])).collect();
    let slow = Latency::of(Duration::from_millis(400));
    bed.stage.servicenow_faults.line().set_at("PATCH", "/sc_req_item/", slow);
    bed.try_sync(&Scope::Changes).unwrap();
    for join in &joins {
        assert_eq!(bed.notes(join).len(), 1, "{:?}", bed.notes(join));
        assert_eq!(bed.state(join), "3");
    }
}

#[test]
fn what_a_look_has_read_as_rejected_is_not_begun_before_it_is_through() {
    let bed = Bed::of(1000);
    bed.sync();
    let mut joins = busy(&bed);
    joins.sort_by_key(|(person, _)| person.sys_id.clone());
    let (person, last) = joins.pop().unwrap();
    let (servicenow, off) = (bed.stage.servicenow.clone(), last.number.clone());
    let rejected = Fault::meanwhile(move || assert!(servicenow.reject(&off)));
    bed.stage.okta.faults().on("POST", "/api/v1/users?", rejected).times(1);
    // The list of people keeps the look from coming to what follows from the list of requests.
    let slow = Latency::of(Duration::from_secs(4));
    bed.stage.servicenow_faults.line().set_at("GET", "/sys_user?", slow);
    bed.try_sync(&Scope::Changes).unwrap();
    assert!(bed.account(&person).is_none());
    assert_eq!(bed.notes(&last), [""; 0]);
}

#[test]
fn a_set_stays_held_while_some_of_its_people_are_served_otherwise() {
    let bed = Bed::of(200)
        .with("guard", "max_changed = 5\nmax_changed_share = \"0%\"")
        .add_config("\n[attribution]\nunattributed = \"apply\"\n");
    bed.sync();
    // Eight records change, which is more than anybody allowed, and four of the people get access.
    for place in 0..8 {
        bed.record(&bed.employee(place), &[("last_name", &format!("Newname{place}"))]);
    }
    assert!(bed.sync().quarantined.is_some());
    bed.stage.set_latency(Latency::of(Duration::from_millis(400)));
    for place in 0..4 {
        bed.access("Add", &bed.employee(place), &["app-jira"], "");
    }
    let report = bed.try_sync(&Scope::Changes).unwrap();
    let changed = applied(&report).into_iter().filter(|line| line.ends_with(" update")).count();
    assert_eq!(changed, 0, "{:#?}", applied(&report));
    assert!((0..4).all(|place| bed.is_in(&bed.employee(place), "app-jira")));
}

#[test]
fn a_person_who_is_asked_for_alone_is_reported_alone_however_long_it_takes() {
    let bed = Bed::of(60).with("guard", "max_disabled = 0\nmax_disabled_share = \"0%\"");
    bed.sync();
    bed.leave(&bed.employee(0));
    assert!(bed.sync().needs_attention());
    let person = bed.employee(1);
    bed.access("Add", &person, &["app-jira"], "");
    let slow = Latency::of(Duration::from_millis(2500));
    bed.stage.okta.faults().line().set_at("PUT", "/groups/", slow);
    let report = bed.try_sync(&Scope::Person(person.user_name.clone())).unwrap();
    assert!(bed.is_in(&person, "app-jira"));
    let summary = report.summary;
    assert_eq!((summary.applied, summary.held), (1, 0), "{:#?}", report.actions);
    assert!(report.actions.iter().all(|it| it.person.sys_id.as_ref() == Some(&person.sys_id)));
}

#[test]
fn an_account_that_cannot_be_looked_at_after_a_change_is_looked_at_again_soon() {
    let bed = Bed::of(60);
    bed.sync();
    let person = bed.employee(0);
    let id = bed.account(&person).unwrap().id;
    let grant = bed.access("Add", &person, &["app-jira"], "");
    let groups = format!("/users/{id}/groups");
    bed.stage.okta.faults().on("GET", &groups, Fault::Status(403)).after(1).times(1);
    bed.sync();
    for _ in 0..3 {
        bed.pass("1m");
        bed.sync();
    }
    assert_eq!(bed.state(&grant), "3");
}

#[test]
fn twenty_who_are_refused_side_by_side_are_one_error() {
    let bed = Bed::of(80).with("guard", "max_disabled = 100");
    bed.sync();
    bed.stage.okta.faults().on("POST", "/lifecycle/deactivate", Fault::Status(403)).always();
    let leaves: Vec<_> = (0..20).map(|place| bed.leave(&bed.employee(place))).collect();
    let (_, lines) = logged(|| bed.sync());
    let errors: Vec<_> = lines.iter().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let grew: Vec<_> = lines.iter().filter(|line| line.contains("grew from")).collect();
    assert_eq!(grew.len(), 0, "{grew:#?}");
    assert!(leaves.iter().all(|leave| bed.state(leave) != "3"));
}

/// The calls of a cycle to a side, those left out that ask what changed, without ids.
fn heard(faults: &Faults) -> Vec<String> {
    let looks = ["sys_updated_on%3E%3D", "lastUpdated", "lastMembershipUpdated"];
    let calls = faults.heard().into_iter();
    let calls = calls.filter(|(_, call)| !looks.iter().any(|it| call.contains(it)));
    let shape = |(method, call): (String, String)| {
        let path = call.split('?').next().unwrap_or_default();
        let path = path.trim_start_matches("/api/now/table/").trim_start_matches("/api/v1/");
        let is_id = |part: &&str| part.len() > 17 && part.contains(|c: char| c.is_ascii_digit());
        let words = path.split('/').filter(|part| !is_id(part) && !part.contains('@'));
        format!("{method} {}", words.collect::<Vec<_>>().join("/"))
    };
    // Each cycle is a process of its own here: it learns what the items of the catalog are, and who it is,
    // and asks again whether a group makes administrators.
    let once = ["GET sc_cat_item", "GET users/me", "GET groups/roles", "GET users/roles"];
    let mut calls: Vec<String> = calls.map(shape).filter(|it| !once.contains(&&**it)).collect();
    calls.sort();
    calls
}

#[test]
fn a_join_a_leave_and_a_grant_take_no_more_calls_than_they_need() {
    let bed = Bed::of(60);
    bed.sync();
    // The group comes under management with the first one.
    bed.join(&bed.newcomer(1), &["app-jira"]);
    bed.sync();
    let servicenow = &bed.stage.servicenow_faults;
    let okta = bed.stage.okta.faults();
    let calls = |what: &dyn Fn() -> Ordered| {
        // What came before has come to rest.
        bed.sync();
        let ordered = what();
        servicenow.listen();
        okta.listen();
        bed.sync();
        assert_eq!(bed.state(&ordered), "3");
        (heard(servicenow), heard(okta))
    };
    // Who approved, which group is meant, the row before anything is done, what stands on it, the note.
    let written = |names_groups: bool| {
        let lookup = names_groups.then_some("GET u_okta_group");
        let mut calls = vec!["GET sc_req_item", "GET sc_task", "GET sys_journal_field"];
        calls.extend(["GET sysapproval_approver", "PATCH sc_req_item"].into_iter().chain(lookup));
        calls.sort_unstable();
        calls
    };

    // Whether there is an account, by login and by number; which groups it has in the end.
    let (on_servicenow, on_okta) = calls(&|| bed.join(&bed.newcomer(0), &["app-jira"]));
    assert_eq!(on_servicenow, written(true));
    assert_eq!(on_okta, ["GET users", "GET users", "GET users/groups", "POST users"]);

    let (on_servicenow, on_okta) =
        calls(&|| bed.access("Add", &bed.employee(0), &["app-jira"], ""));
    assert_eq!(on_servicenow, written(true));
    let looked_at = ["GET users", "GET users", "GET users/groups", "GET users/groups"];
    assert_eq!(on_okta, [&looked_at[..], &["PUT groups/users"]].concat());

    let (on_servicenow, _) = calls(&|| bed.leave(&bed.employee(1)));
    assert_eq!(on_servicenow, written(false));
}

#[test]
fn whoever_leaves_does_not_wait_for_the_end_of_a_complete_read() {
    let bed = Bed::of(60);
    bed.sync_full();
    let leaver = bed.employee(0);
    let leave = bed.ordered(
        "Okta offboarding",
        &leaver,
        &[("employee", &leaver.sys_id), ("last_day", "2026-03-01")],
    );
    // It is approved when all requests have been read, and the accounts are being read.
    let (servicenow, number) = (bed.stage.servicenow.clone(), leave.number.clone());
    let approved = Fault::meanwhile(move || assert!(servicenow.approve(&number)));
    let okta = bed.stage.okta.faults();
    okta.on("GET", "/api/v1/users?limit", approved).times(1);
    okta.line().set_at("GET", "/api/v1/users?limit", Latency::of(Duration::from_secs(4)));
    okta.listen();
    let report = bed.sync_full();
    assert_eq!(bed.status(&leaver), "DEPROVISIONED");
    assert_eq!(bed.state(&leave), "3");
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    let calls = okta.heard();
    let disabled = calls.iter().position(|(_, call)| call.contains("/lifecycle/deactivate"));
    let last_list = calls.iter().position(|(_, call)| call.contains("eq+%22DEPROVISIONED"));
    assert!(disabled.is_some() && disabled < last_list, "{calls:#?}");
    // And everything was read all the same.
    okta.line().clear_endpoints();
    bed.nothing_happens();
}

#[test]
fn a_look_beside_the_first_lanes_reads_nobody_by_id_who_is_not_decided_about() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let grant = bed.access("Add", &employee, &["app-jira"], "");
    let okta = bed.stage.okta.faults();
    // Longer than from one look to the next.
    okta.line().set_at("PUT", "/groups/", Latency::of(Duration::from_millis(1500)));
    okta.listen();
    bed.sync();
    assert_eq!(bed.state(&grant), "3");
    let account = bed.account(&employee).unwrap().id;
    let calls = okta.heard().into_iter().filter(|(method, _)| method == "GET");
    let by_id = calls.filter(|(_, call)| call.starts_with("/api/v1/users/00u"));
    let others: Vec<_> = by_id.filter(|(_, call)| !call.contains(&account)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn what_a_complete_read_shows_of_records_counts_when_it_is_through() {
    let bed = Bed::of(60);
    bed.sync_full();
    let (gone, id) = (bed.employee(0), bed.employee(0).sys_id);
    let servicenow = bed.stage.servicenow.clone();
    let deactivated =
        Fault::meanwhile(move || assert!(servicenow.update_person(&id, &[("active", "false")])));
    let okta = bed.stage.okta.faults();
    okta.on("GET", "/api/v1/groups?limit", deactivated).times(1);
    okta.line().set_at("GET", "/api/v1/users?limit", Latency::of(Duration::from_secs(2)));
    okta.listen();
    bed.sync_full();
    assert_ne!(bed.status(&gone), "ACTIVE");
    let account = bed.account(&gone).unwrap().id;
    let calls = okta.heard();
    let last_list = calls.iter().position(|(_, call)| call.contains("eq+%22DEPROVISIONED"));
    let first_write =
        calls.iter().position(|(method, call)| method != "GET" && call.contains(&account));
    assert!(last_list.is_some() && last_list < first_write, "{calls:#?}");
}
