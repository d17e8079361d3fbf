//! Somebody joins.

use goldthread::sim::company::Person;

use super::bed::{Bed, applied};

#[test]
fn an_approved_join_becomes_an_active_account_and_a_closed_request_and_then_nothing_happens() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    let request = bed.join(&newcomer, &["app-gitlab", "VPN Users"]);

    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} create", request.number)]);
    let account = bed.account(&newcomer).expect("an account");
    assert_eq!(account.text("department"), newcomer.department);
    for group in ["app-gitlab", "VPN Users", newcomer.department.as_str()] {
        assert!(account.groups.iter().any(|name| name == group), "{:?}", account.groups);
    }
    assert_eq!(bed.state(&request), "3");
    let notes = bed.work_notes(&request);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains(&account.id) && notes[0].contains("create"), "{notes:?}");

    bed.forget_calls();
    let idle = bed.sync();
    assert!(!idle.needs_attention());
    assert_eq!(bed.writes(), Vec::<String>::new());
    assert_eq!(bed.differences(), []);
}

#[test]
fn a_request_placed_after_the_first_sync_is_acted_on_by_the_next() {
    let bed = Bed::of(40);
    assert!(!bed.sync().needs_attention());
    bed.pass("10m");
    bed.sync();
    let newcomer = bed.newcomer(0);
    let request = bed.join(&newcomer, &["app-jira"]);
    bed.pass("30s");

    let report = bed.sync();
    assert!(!report.full);
    assert_eq!(applied(&report), [format!("{} create", request.number)]);
    assert_eq!(bed.state(&request), "3");
    assert!(report.calls.okta < 14 && report.calls.servicenow < 20, "{:?}", report.calls);
}

#[test]
fn an_approval_that_comes_later_is_seen_when_it_comes() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    let request = bed.ordered(
        "Okta onboarding",
        &newcomer,
        &[("employee", &newcomer.sys_id), ("start_date", "2026-03-01"), ("action", "Add")],
    );
    assert!(!bed.sync().needs_attention());
    assert!(bed.account(&newcomer).is_none());

    bed.pass("1h");
    bed.stage.servicenow.approve(&request.number);
    bed.sync();
    assert!(bed.account(&newcomer).is_some());
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn an_unapproved_a_rejected_and_a_cancelled_request_change_nothing() {
    let bed = Bed::of(60);
    let order = |place| {
        let person = bed.newcomer(place);
        let variables =
            [("employee", person.sys_id.as_str()), ("start_date", "2026-03-01"), ("action", "Add")];
        bed.ordered("Okta onboarding", &person, &variables)
    };
    let (waiting, rejected, cancelled) = (order(0), order(1), order(2));
    bed.stage.servicenow.reject(&rejected.number);
    bed.stage.servicenow.approve(&cancelled.number);
    bed.stage.servicenow.cancel(&cancelled.number);
    bed.forget_calls();

    assert!(!bed.sync().needs_attention());
    assert!(!bed.sync_full().needs_attention());
    assert_eq!(bed.writes(), Vec::<String>::new());
    for request in [waiting, rejected, cancelled] {
        assert!(bed.work_notes(&request).is_empty() && bed.comments(&request).is_empty());
    }
}

#[test]
fn a_join_ahead_of_its_start_waits_for_the_day_in_the_configured_zone() {
    let bed =
        Bed::of(40).configure("[schedule]\n", "[schedule]\ntimezone = \"America/New_York\"\n");
    let newcomer = bed.newcomer(0);
    let request = bed.approved(
        "Okta onboarding",
        &newcomer,
        &[("employee", &newcomer.sys_id), ("start_date", "2026-03-03"), ("action", "Add")],
    );
    bed.sync();
    bed.stage.clock.freeze("2026-03-03T04:59:00Z".parse().unwrap());
    assert_eq!(applied(&bed.sync()), Vec::<String>::new());
    bed.stage.clock.freeze("2026-03-03T05:00:30Z".parse().unwrap());
    assert_eq!(applied(&bed.sync()), [format!("{} create", request.number)]);
}

#[test]
fn an_account_made_ahead_is_staged_and_activated_on_the_day() {
    let bed =
        Bed::of(40).configure("[guard]\n", "[lifecycle]\ncreate_ahead = \"2 days\"\n[guard]\n");
    let newcomer = bed.newcomer(0);
    let request = bed.approved(
        "Okta onboarding",
        &newcomer,
        &[
            ("employee", &newcomer.sys_id),
            ("start_date", "2026-03-03"),
            ("groups", &bed.groups(&["app-jira"])),
            ("action", "Add"),
        ],
    );
    bed.sync();
    assert_eq!(bed.account(&newcomer).unwrap().status.as_str(), "STAGED");
    assert_eq!(bed.account(&newcomer).unwrap().groups, Vec::<String>::new());
    assert_ne!(bed.state(&request), "3");
    assert!(bed.stage.okta.mails().is_empty());

    bed.stage.clock.freeze("2026-03-03T00:00:30Z".parse().unwrap());
    bed.sync();
    let account = bed.account(&newcomer).unwrap();
    assert_eq!(account.status.as_str(), "PROVISIONED");
    assert!(account.groups.contains(&"app-jira".to_owned()), "{:?}", account.groups);
    assert_eq!(bed.state(&request), "3");
    assert_eq!(bed.stage.okta.mails().len(), 1);
}

#[test]
fn an_account_that_was_there_before_is_linked_and_not_made_again() {
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    let before = bed.account(&employee).unwrap();
    let request = bed.join(&employee, &["app-figma"]);
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} add_member", request.number)]);
    assert_eq!(bed.account(&employee).unwrap().id, before.id);
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn one_order_for_several_people_is_closed_when_everybody_has_an_account() {
    let bed = Bed::of(80);
    let people = [bed.newcomer(0), bed.newcomer(1), bed.newcomer(2)];
    let ids: Vec<&str> = people.iter().map(|person| person.sys_id.as_str()).collect();
    let request = bed.approved(
        "Bulk onboarding order",
        &people[0],
        &[("employees", &ids.join(",")), ("start_date", "2026-03-02")],
    );
    let report = bed.sync();
    assert_eq!(applied(&report).len(), 3);
    assert!(people.iter().all(|person| bed.account(person).is_some()));
    assert_eq!(bed.state(&request), "3");
    let note = &bed.work_notes(&request)[0];
    assert!(people.iter().all(|person| note.contains(&bed.account(person).unwrap().id)));
}

#[test]
fn more_groups_than_okta_takes_at_creation_are_added_after_it() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    let mut ids = Vec::new();
    for at in 0..25 {
        let name = format!("app-extra-{at}");
        let id = bed.stage.okta.add_group(&name, "OKTA_GROUP");
        let values = [("u_name", name.as_str()), ("u_okta_id", id.as_str())];
        ids.push(bed.stage.servicenow.insert("u_okta_group", &values));
    }
    let request = bed.approved(
        "Okta onboarding",
        &newcomer,
        &[
            ("employee", &newcomer.sys_id),
            ("start_date", "2026-03-02"),
            ("groups", &ids.join(",")),
            ("action", "Add"),
        ],
    );
    let report = bed.sync();
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert_eq!(bed.account(&newcomer).unwrap().groups.len(), 26);
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn names_with_accents_apostrophes_and_plus_signs_arrive_as_they_are() {
    let bed = Bed::of(400);
    let odd = |person: &&Person| {
        let text = format!("{}{}{}", person.first_name, person.last_name, person.email);
        person.newcomer && (text.contains(['+', '\'', '’']) || !text.is_ascii())
    };
    let people: Vec<_> = bed.stage.company.people().iter().filter(odd).cloned().collect();
    for mark in ["+", "'", "é"] {
        let has = |person: &Person| {
            let text = format!("{}{}{}", person.first_name, person.last_name, person.email);
            text.contains(mark)
        };
        assert!(people.iter().any(has), "nobody with {mark}");
    }
    for person in &people {
        bed.join(person, &[]);
    }
    assert!(!bed.sync().needs_attention());
    for person in &people {
        let account = bed.account(person).unwrap_or_else(|| panic!("{person:?}"));
        assert_eq!(account.text("lastName"), person.last_name);
        assert_eq!(account.text("login"), person.email);
    }
    bed.forget_calls();
    assert!(!bed.sync_full().needs_attention());
    assert_eq!(bed.writes(), Vec::<String>::new());
}

#[test]
fn a_login_that_somebody_elses_account_holds_is_held_and_said_on_the_request() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    bed.stage.okta.create_user(
        &serde_json::json!({
            "login": newcomer.email, "email": newcomer.email, "firstName": "Some",
            "lastName": "Body", "employeeNumber": "999999",
        }),
        goldthread::sim::okta::Status::Active,
    );
    let request = bed.join(&newcomer, &[]);
    bed.forget_calls();
    let report = bed.sync();
    assert_eq!(report.summary.held, 1, "{:#?}", report.actions);
    assert!(bed.stage.okta.writes().is_empty());
    assert_ne!(bed.state(&request), "3");
    let comments = bed.comments(&request);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains("employeeNumber"), "{comments:?}");

    bed.sync_full();
    bed.sync();
    assert_eq!(bed.comments(&request).len(), 1, "said once");
}

#[test]
fn a_person_who_is_not_found_is_said_on_the_request_after_an_hour_and_tried_meanwhile() {
    let bed = Bed::of(40);
    let somebody = bed.employee(0);
    let request = bed.approved(
        "Okta onboarding",
        &somebody,
        &[("employee", "nobody.at.all"), ("start_date", "2026-03-02"), ("action", "Add")],
    );
    bed.sync();
    assert!(bed.comments(&request).is_empty());
    bed.pass("61m");
    let report = bed.sync();
    assert!(report.needs_attention());
    assert_eq!(bed.comments(&request).len(), 1);

    bed.stage.servicenow.add_person(&[
        ("user_name", "nobody.at.all"),
        ("email", "nobody@example.com"),
        ("first_name", "No"),
        ("last_name", "Body"),
        ("active", "true"),
    ]);
    bed.sync();
    assert!(bed.stage.okta.find("nobody@example.com").is_some());
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn what_is_for_an_account_that_cannot_be_made_waits_with_it() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    bed.record(&newcomer, &[("email", "")]);
    bed.join(&newcomer, &["app-jira"]);
    bed.sync();
    let differences = bed.differences();
    assert!(differences.iter().any(|item| item.fact == "membership"), "{differences:#?}");
    assert!(differences.iter().all(|item| item.disposition == "hold"), "{differences:#?}");
}
