//! What a request means: whose approval counts, from when to when, for whom, and what becomes of
//! it when it is edited, closed by somebody else, or gone.

use goldthread::sim::company::Person;
use goldthread::sim::servicenow::Ordered;
use goldthread::store::{HoldSelection, Verdict};

use super::bed::{Bed, applied, logged, told};

/// Somebody asks for access without anybody having approved it yet.
fn asks(bed: &Bed, person: &Person, group: &str) -> Ordered {
    let groups = bed.groups(&[group]);
    let variables = [("action", "Add"), ("employee", &person.sys_id), ("groups", &groups)];
    bed.ordered("Okta group access", person, &variables)
}

/// An approved onboarding with these answers.
fn onboarding(bed: &Bed, person: &Person, answers: &[(&str, &str)]) -> Ordered {
    let mut variables = vec![("employee", person.sys_id.as_str()), ("action", "Add")];
    variables.retain(|(name, _)| answers.iter().all(|(answer, _)| answer != name));
    variables.extend(answers);
    bed.approved("Okta onboarding", person, &variables)
}

fn at(bed: &Bed, moment: &str) {
    bed.stage.clock.freeze(moment.parse().unwrap());
}

fn status(bed: &Bed, person: &Person) -> String {
    bed.account(person).unwrap().status.as_str().to_owned()
}

/// Held, with these words on the request, once however often it is looked at.
fn held_and_said_once(bed: &Bed, request: &Ordered, words: &str) {
    for scope in 0..3 {
        let report = if scope == 1 { bed.sync_full() } else { bed.sync() };
        assert!(report.needs_attention(), "{words}: {:#?}", bed.notes(request));
        let told = told(&report, request);
        assert!(!told.is_empty() && told.iter().all(|(outcome, _)| *outcome == "held"), "{told:?}");
    }
    let notes = bed.notes(request);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains(words), "{notes:?}");
    assert_ne!(bed.state(request), "3");
}

// Approval.

#[test]
fn the_configured_approval_decides_and_a_rejection_of_either_ends_it() {
    for (configured, cases) in [
        (
            "item",
            vec![
                ("approved", "requested", true),
                ("requested", "approved", false),
                ("not requested", "approved", false),
                ("approved", "rejected", false),
                ("rejected", "approved", false),
            ],
        ),
        (
            "order",
            vec![
                ("not requested", "approved", true),
                ("requested", "approved", true),
                ("approved", "requested", false),
                ("rejected", "approved", false),
                ("approved", "rejected", false),
            ],
        ),
        (
            "none",
            vec![
                ("not requested", "requested", true),
                ("rejected", "requested", false),
                ("not requested", "rejected", false),
                ("cancelled", "requested", false),
            ],
        ),
    ] {
        let to = format!("approval = \"{configured}\"");
        let bed = Bed::of(60).configure("approval = \"order\"", &to);
        let mut orders = Vec::new();
        for (place, (item, order, _)) in cases.iter().enumerate() {
            let request = asks(&bed, &bed.employee(place), "app-jira");
            let servicenow = &bed.stage.servicenow;
            servicenow.update_silently("sc_req_item", &request.sys_id, &[("approval", item)]);
            servicenow.update_silently("sc_request", &request.order_id, &[("approval", order)]);
            orders.push(request);
        }
        assert!(!bed.sync().needs_attention());
        for (place, (item, order, counts)) in cases.iter().enumerate() {
            let case = format!("{configured}: item {item}, order {order}");
            assert_eq!(bed.is_in(&bed.employee(place), "app-jira"), *counts, "{case}");
            assert_eq!(bed.state(&orders[place]) == "3", *counts, "{case}");
            assert_eq!(bed.notes(&orders[place]).len(), usize::from(*counts), "{case}");
        }
    }
}

#[test]
fn of_several_blocks_for_one_item_the_first_whose_when_holds_counts() {
    let bed = Bed::of(60).configure(
        "[[request]]\nitem = \"Okta group access\"\n",
        "[[request]]\nitem = \"Okta group access\"\n\
         when = \"variables.action == 'Add' && variables.end_date != ''\"\n\
         operation = \"grant\"\napproval = \"none\"\nperson = \"variables.employee\"\n\
         groups = \"variables.groups\"\nends = \"variables.end_date\"\n\
         lookup = { table = \"u_okta_group\", column = \"u_okta_id\" }\n\n\
         [[request]]\nitem = \"Okta group access\"\n",
    );
    let order = |place: usize, action: &str, end: &str| {
        let person = bed.employee(place);
        let groups = bed.groups(&["app-jira"]);
        let variables = [
            ("action", action),
            ("employee", person.sys_id.as_str()),
            ("groups", &groups),
            ("end_date", end),
        ];
        bed.ordered("Okta group access", &person, &variables)
    };
    let short = order(0, "Add", "2026-03-20");
    let lasting = order(1, "Add", "");
    let other = order(2, "Ask", "");
    bed.stage.servicenow.approve(&other.number);

    assert!(!bed.sync().needs_attention());
    assert_eq!((bed.state(&short), bed.is_in(&bed.employee(0), "app-jira")), ("3".into(), true));
    assert!(!bed.is_in(&bed.employee(1), "app-jira"), "nobody has approved it");
    assert!(!bed.is_in(&bed.employee(2), "app-jira"), "no block speaks of it");
    assert!(bed.notes(&lasting).is_empty() && bed.notes(&other).is_empty());
}

#[test]
fn a_when_that_cannot_be_evaluated_is_held_and_what_took_effect_before_stands() {
    let mut bed = Bed::of(60);
    let before = bed.access("Add", &bed.employee(0), &["app-jira"], "");
    bed.sync();
    assert_eq!(bed.state(&before), "3");

    for _ in 0..2 {
        bed.reconfigure("when = \"variables.action", "when = \"variables.acton");
    }
    let after = bed.access("Add", &bed.employee(1), &["app-jira"], "");
    bed.sync_full();
    assert!(bed.is_in(&bed.employee(0), "app-jira"));
    assert!(!bed.is_in(&bed.employee(1), "app-jira"));
    assert_eq!(bed.notes(&before).len(), 1);
    held_and_said_once(&bed, &after, "when");
}

// Several people.

#[test]
fn a_request_for_several_people_of_whom_one_is_unknown_waits_for_all_of_them() {
    let bed = Bed::of(60);
    let people = [bed.newcomer(0), bed.newcomer(1)];
    let names = format!("{},{},not.there.yet", people[0].sys_id, people[1].user_name);
    let request = bed.approved(
        "Bulk onboarding order",
        &people[0],
        &[("employees", &names), ("start_date", "2026-03-02")],
    );
    assert_eq!(told(&bed.sync(), &request).len(), 1);
    assert!(people.iter().all(|person| bed.account(person).is_none()));
    assert!(bed.notes(&request).is_empty(), "too early to say so");

    bed.pass("61m");
    held_and_said_once(&bed, &request, "not.there.yet");
    assert!(people.iter().all(|person| bed.account(person).is_none()));

    let late = [
        ("user_name", "not.there.yet"),
        ("email", "late@example.com"),
        ("first_name", "Late"),
        ("last_name", "Comer"),
        ("active", "true"),
    ];
    bed.stage.servicenow.add_person(&late);
    bed.sync();
    assert!(people.iter().all(|person| bed.account(person).is_some()));
    assert!(bed.stage.okta.find("late@example.com").is_some());
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_request_for_several_people_is_closed_only_when_it_holds_for_everybody() {
    let bed = Bed::of(60);
    let people = [bed.newcomer(0), bed.newcomer(1)];
    let namesake = serde_json::json!({
        "login": people[1].email, "email": people[1].email, "firstName": "Some",
        "lastName": "Body", "employeeNumber": "999999",
    });
    let other = bed.stage.okta.create_user(&namesake, goldthread::sim::okta::Status::Active);
    let ids = format!("{},{}", people[0].sys_id, people[1].sys_id);
    let request = bed.approved(
        "Bulk onboarding order",
        &people[0],
        &[("employees", &ids), ("start_date", "2026-03-02")],
    );
    bed.sync();
    held_and_said_once(&bed, &request, "employeeNumber");

    bed.stage.okta.delete_user(&other);
    bed.sync_full();
    bed.sync_full();
    assert_eq!(bed.state(&request), "3");
    let done = bed.work_notes(&request);
    assert!(people.iter().all(|person| done[0].contains(&bed.account(person).unwrap().id)));
}

#[test]
fn a_request_of_which_one_person_left_meanwhile_is_said_and_left_open() {
    let bed = Bed::of(60);
    let people = [bed.employee(0), bed.employee(1)];
    let groups = bed.groups(&["app-jira"]);
    let ids = format!("{},{}", people[0].sys_id, people[1].sys_id);
    let answers = [("action", "Add"), ("employee", &ids), ("groups", &groups)];
    let request = bed.ordered("Okta group access", &people[0], &answers);
    bed.pass("1h");
    bed.leave(&people[1]);
    bed.stage.servicenow.approve(&request.number);

    for _ in 0..3 {
        bed.sync();
    }
    assert!(bed.is_in(&people[0], "app-jira"));
    assert!(!bed.is_in(&people[1], "app-jira"));
    assert_ne!(bed.state(&request), "3");
    let notes = bed.notes(&request);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("later request"), "{notes:?}");
}

// Look-up tables and groups.

#[test]
fn a_row_of_the_look_up_table_that_is_gone_is_held_and_said() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let request = asks(&bed, &employee, "app-jira");
    bed.stage.servicenow.delete("u_okta_group", &bed.groups(&["app-jira"]));
    bed.stage.servicenow.approve(&request.number);
    held_and_said_once(&bed, &request, "no entry");
    assert!(!bed.is_in(&employee, "app-jira"));
}

#[test]
fn a_row_that_names_a_group_which_okta_does_not_have_waits_until_it_has() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let row = bed.groups(&["app-jira"]);
    bed.stage.servicenow.update("u_okta_group", &row, &[("u_okta_id", "app-soon")]);
    let request = bed.access("Add", &employee, &["app-jira"], "");
    held_and_said_once(&bed, &request, "app-soon");

    bed.pass("10m");
    bed.stage.okta.create_group("app-soon");
    bed.sync();
    assert!(bed.is_in(&employee, "app-soon"));
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_row_that_is_deleted_after_the_access_was_given_changes_nothing() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    bed.stage.servicenow.delete("u_okta_group", &bed.groups(&["app-jira"]));
    bed.forget_calls();
    assert!(!bed.sync_full().needs_attention());
    assert_eq!(bed.writes(), Vec::<String>::new());
}

#[test]
fn a_revoke_that_a_birthright_overrules_is_blocked_with_the_reason() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let group = employee.department.as_str();
    let id = bed.okta_group(group);
    let values = [("u_name", group), ("u_okta_id", id.as_str())];
    let row = bed.stage.servicenow.insert("u_okta_group", &values);
    let request = bed.approved(
        "Okta group access",
        &employee,
        &[("action", "Remove"), ("employee", &employee.sys_id), ("groups", &row)],
    );
    for _ in 0..3 {
        assert!(bed.sync().needs_attention());
    }
    assert!(bed.is_in(&employee, group));
    let notes = bed.notes(&request);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("birthright"), "{notes:?}");
    assert_ne!(bed.state(&request), "3");
    let items = bed.differences();
    let mine: Vec<_> = items
        .iter()
        .filter(|item| item.request.as_deref() == Some(request.number.as_str()))
        .map(|item| item.disposition)
        .collect();
    assert_eq!(mine, ["blocked"]);
}

// The order in which requests count.

#[test]
fn a_request_that_is_approved_late_counts_where_it_was_opened_and_not_after_newer_ones() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let groups = bed.groups(&["app-jira"]);
    let answers = [("action", "Remove"), ("employee", &employee.sys_id), ("groups", &groups)];
    let early = bed.ordered("Okta group access", &employee, &answers);
    bed.pass("1h");
    let late = bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    assert_eq!(bed.state(&late), "3");

    bed.pass("1h");
    bed.stage.servicenow.approve(&early.number);
    bed.sync();
    assert!(bed.is_in(&employee, "app-jira"));
    let notes = bed.notes(&early);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("later request"), "{notes:?}");
    assert_ne!(bed.state(&early), "3");
}

#[test]
fn requests_in_force_at_the_same_moment_count_in_the_order_in_which_they_were_made() {
    for leave_first in [false, true] {
        let bed = Bed::of(60);
        let employee = bed.employee(0);
        let leave = || {
            let answers = [("employee", employee.sys_id.as_str()), ("last_day", "2026-03-09")];
            bed.approved("Okta offboarding", &employee, &answers);
            bed.pass("1h");
        };
        if leave_first {
            leave();
        }
        onboarding(&bed, &employee, &[("start_date", "2026-03-10")]);
        bed.pass("1h");
        if !leave_first {
            leave();
        }
        bed.sync();
        at(&bed, "2026-03-10T00:00:30Z");
        bed.sync();
        let expected = if leave_first { "ACTIVE" } else { "DEPROVISIONED" };
        assert_eq!(status(&bed, &employee), expected);
    }
}

#[test]
fn items_of_one_order_count_in_the_order_of_their_numbers() {
    for (first, second, member) in [("Add", "Remove", false), ("Remove", "Add", true)] {
        let bed = Bed::of(60);
        let employee = bed.employee(0);
        let line = |action: &str| {
            let groups = bed.groups(&["app-jira"]);
            let answers = [("action", action), ("employee", &employee.sys_id), ("groups", &groups)];
            let answers = answers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            ("Okta group access", employee.sys_id.as_str(), answers.into())
        };
        let order = bed.stage.servicenow.order_several(&[line(first), line(second)]).unwrap();
        bed.stage.servicenow.approve(&order.number);
        bed.sync();
        assert_eq!(bed.is_in(&employee, "app-jira"), member, "{first}, then {second}");
    }
}

#[test]
fn a_leave_ends_the_grants_before_it_and_none_of_them_comes_back() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    // Approved only after the leave, but opened before it.
    let pending = asks(&bed, &employee, "app-figma");
    bed.pass("1h");
    bed.leave(&employee);
    bed.sync();
    bed.pass("1h");
    bed.stage.servicenow.approve(&pending.number);
    bed.join(&employee, &["VPN Users"]);
    bed.sync();
    assert!(bed.is_in(&employee, "VPN Users"));
    assert!(!bed.is_in(&employee, "app-jira") && !bed.is_in(&employee, "app-figma"));
}

// Dates.

#[test]
fn a_last_day_is_over_at_midnight_of_the_configured_zone() {
    let bed =
        Bed::of(40).configure("[schedule]\n", "[schedule]\ntimezone = \"America/New_York\"\n");
    let employee = bed.employee(0);
    let answers = [("employee", employee.sys_id.as_str()), ("last_day", "2026-03-05")];
    let request = bed.approved("Okta offboarding", &employee, &answers);
    bed.sync();
    at(&bed, "2026-03-06T04:59:00Z");
    bed.sync();
    assert_eq!(status(&bed, &employee), "ACTIVE");
    at(&bed, "2026-03-06T05:00:01Z");
    bed.sync();
    assert_eq!(status(&bed, &employee), "DEPROVISIONED");
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn an_end_date_includes_its_day_in_the_configured_zone() {
    let bed =
        Bed::of(40).configure("[schedule]\n", "[schedule]\ntimezone = \"America/New_York\"\n");
    let employee = bed.employee(0);
    bed.access("Add", &employee, &["app-jira"], "2026-03-05");
    bed.sync();
    at(&bed, "2026-03-06T04:59:00Z");
    bed.sync();
    assert!(bed.is_in(&employee, "app-jira"));
    at(&bed, "2026-03-06T05:00:01Z");
    bed.sync();
    assert!(!bed.is_in(&employee, "app-jira"));
}

#[test]
fn a_date_with_a_time_is_utc_whatever_the_zone() {
    let bed =
        Bed::of(40).configure("[schedule]\n", "[schedule]\ntimezone = \"America/New_York\"\n");
    let (newcomer, employee) = (bed.newcomer(0), bed.employee(0));
    onboarding(&bed, &newcomer, &[("start_date", "2026-03-03 08:00:00")]);
    bed.access("Add", &employee, &["app-jira"], "2026-03-03 08:00:00");
    bed.sync();
    at(&bed, "2026-03-03T07:59:00Z");
    bed.sync();
    assert!(bed.account(&newcomer).is_none() && bed.is_in(&employee, "app-jira"));
    at(&bed, "2026-03-03T08:00:00Z");
    bed.sync();
    assert!(bed.account(&newcomer).is_some() && !bed.is_in(&employee, "app-jira"));
}

#[test]
fn a_request_that_cannot_be_read_is_held_and_said_once_in_words() {
    for (answers, words) in [
        (vec![("start_date", "03.04.2026")], "03.04.2026"),
        (vec![("start_date", "2026-02-30")], "2026-02-30"),
        (vec![("start_date", "2026-03-02"), ("end_date", "soon")], "soon"),
        (vec![("start_date", "2026-03-10"), ("end_date", "2026-03-09")], "ends before it starts"),
        (vec![("start_date", "2026-03-02"), ("employee", "")], "names no person"),
        (vec![("start_date", "2026-03-02"), ("employee", " , ")], "names no person"),
    ] {
        let bed = Bed::of(40);
        let newcomer = bed.newcomer(0);
        let request = onboarding(&bed, &newcomer, &answers);
        bed.forget_calls();
        held_and_said_once(&bed, &request, words);
        assert!(bed.stage.okta.writes().is_empty(), "{answers:?}");
        let note = &bed.notes(&request)[0];
        assert!(!note.contains('`'), "a key of the configuration says nothing to her: {note}");
    }
}

#[test]
fn a_last_day_that_cannot_be_read_disables_nobody() {
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    let answers = [("employee", employee.sys_id.as_str()), ("last_day", "end of March")];
    let request = bed.approved("Okta offboarding", &employee, &answers);
    held_and_said_once(&bed, &request, "end of March");
    assert_eq!(status(&bed, &employee), "ACTIVE");
}

#[test]
fn a_start_and_an_end_on_the_same_day_are_one_whole_day() {
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    let answers =
        [("employee", employee.sys_id.as_str()), ("starts", "2026-03-03"), ("ends", "2026-03-03")];
    bed.approved("Leave of absence", &employee, &answers);
    bed.sync();
    at(&bed, "2026-03-03T12:00:00Z");
    bed.sync();
    assert_eq!(status(&bed, &employee), "SUSPENDED");
    at(&bed, "2026-03-04T00:00:01Z");
    bed.sync();
    assert_eq!(status(&bed, &employee), "ACTIVE");
}

// Edits after the approval.

/// An approved join from March 10 to 20, and an edit of it.
fn edited_join(variable: &str) -> (Bed, Person, Person, Ordered) {
    let bed = Bed::of(60);
    let (newcomer, other) = (bed.newcomer(0), bed.newcomer(1));
    let groups = bed.groups(&["app-jira"]);
    let answers = [("start_date", "2026-03-10"), ("end_date", "2026-03-20"), ("groups", &groups)];
    let request = onboarding(&bed, &newcomer, &answers);
    assert!(!bed.sync().needs_attention(), "{variable}");
    let value = match variable {
        "employee" => other.sys_id.clone(),
        "groups" => bed.groups(&["app-jira", "app-figma"]),
        "start_date" => "2026-03-02".to_owned(),
        _ => "2027-12-31".to_owned(),
    };
    bed.edit(&request, variable, &value);
    bed.pass("1h");
    (bed, newcomer, other, request)
}

#[test]
fn of_what_is_edited_after_the_approval_only_what_the_edit_touches_waits() {
    for variable in ["employee", "groups", "start_date", "end_date"] {
        let (bed, newcomer, other, request) = edited_join(variable);
        let report = bed.sync_full();
        let changed = "changed after approval: it needs a decision, or a new order";
        assert_eq!(told(&report, &request), [("held", changed.to_owned())], "{variable}");
        bed.sync();
        let notes = bed.notes(&request);
        assert_eq!(notes.len(), 1, "{variable}: {notes:?}");
        assert!(notes[0].contains(changed), "{notes:?}");

        at(&bed, "2026-03-10T00:00:30Z");
        bed.sync();
        assert!(bed.account(&other).is_none(), "{variable}");
        let joined = bed.is_in(&newcomer, "app-jira");
        assert_eq!(joined, variable == "groups", "{variable}: the first group was not touched");
        assert!(!bed.is_in(&newcomer, "app-figma"), "{variable}");
        assert_ne!(bed.state(&request), "3", "{variable}");
        let waiting = bed.waiting();
        let [edit] = waiting.as_slice() else { panic!("{waiting:#?}") };
        assert_eq!(edit.request.as_deref(), Some(request.number.as_str()));
        assert_eq!(edit.changes.len(), 1, "both values are shown: {:?}", edit.changes);
    }
}

#[test]
fn a_released_edit_counts_and_a_dismissed_one_does_not() {
    for variable in ["employee", "groups", "start_date", "end_date"] {
        for released in [true, false] {
            let (bed, newcomer, other, request) = edited_join(variable);
            bed.sync();
            let id = bed.waiting()[0].id;
            let verdict = if released { Verdict::Release } else { Verdict::Dismiss };
            bed.say(&HoldSelection::Ids(vec![id]), verdict).unwrap();
            let report = bed.sync();
            assert!(!report.needs_attention(), "{variable} {released}: {report:#?}");
            assert_eq!(bed.waiting().len(), 0, "{variable}");
            at(&bed, "2026-03-10T00:00:30Z");
            assert!(!bed.sync().needs_attention(), "{variable}");
            let joins = if released && variable == "employee" { &other } else { &newcomer };
            assert!(bed.is_in(joins, "app-jira"), "{variable} {released}");
            assert_eq!(bed.is_in(joins, "app-figma"), released && variable == "groups");
            assert_eq!(bed.state(&request), "3", "{variable} {released}");
        }
    }
}

#[test]
fn a_new_approval_fixes_the_values_anew() {
    let (bed, newcomer, _, request) = edited_join("start_date");
    bed.sync();
    assert!(bed.account(&newcomer).is_none());
    bed.stage.servicenow.reset_approval(&request.number);
    bed.sync();
    assert_eq!(bed.waiting().len(), 0);
    bed.stage.servicenow.approve(&request.number);
    assert!(!bed.sync().needs_attention());
    assert!(bed.is_in(&newcomer, "app-jira"), "the new date has come");
}

#[test]
fn a_date_that_could_not_be_read_and_was_mended_waits_for_a_decision() {
    let bed = Bed::of(60);
    bed.sync();
    let leaver = bed.employee(0);
    let leave = bed.leave_on(&leaver, "30.11.2026");
    assert!(bed.sync().needs_attention());
    bed.edit(&leave, "last_day", "2026-03-01");
    bed.sync_full();
    assert_eq!(bed.status(&leaver), "ACTIVE");
    let id = bed.waiting()[0].id;
    bed.release(&HoldSelection::Ids(vec![id]));
    bed.sync();
    assert_eq!((bed.status(&leaver), bed.state(&leave)), ("DEPROVISIONED", "3".into()));
}

/// A join for somebody whom nobody knows by what the form says, mended after the approval.
fn mended_join() -> (Bed, Person, Ordered) {
    let bed = Bed::of(60);
    bed.sync_full();
    let newcomer = bed.newcomer(0);
    let request = onboarding(&bed, &newcomer, &[("employee", "nobody.here")]);
    bed.sync();
    bed.pass("61m");
    bed.sync();
    let said = |text: &str| {
        let notes = bed.notes(&request);
        assert!(notes.last().is_some_and(|note| note.contains(text)), "{notes:?}");
        let open = bed.stuck();
        let waiting = bed.waiting();
        let open = format!("{open:?} {waiting:?}");
        assert!(open.contains(text), "{open}");
    };
    said("an approved request that is changed needs a decision, or a new order");
    bed.edit(&request, "employee", &newcomer.sys_id);
    bed.sync();
    said("changed after approval: it needs a decision, or a new order");
    assert!(bed.account(&newcomer).is_none());
    (bed, newcomer, request)
}

#[test]
fn who_mends_a_request_is_told_that_it_needs_a_decision_and_the_decision_is_enough() {
    let (bed, newcomer, request) = mended_join();
    let id = bed.waiting()[0].id;
    bed.release(&HoldSelection::Ids(vec![id]));
    assert!(!bed.sync().needs_attention());
    assert_eq!((bed.status(&newcomer), bed.state(&request)), ("PROVISIONED", "3".into()));
}

#[test]
fn who_mends_a_request_is_told_that_it_needs_a_new_order_and_the_new_order_is_enough() {
    let (bed, newcomer, request) = mended_join();
    let anew = onboarding(&bed, &newcomer, &[]);
    bed.sync();
    assert_eq!((bed.status(&newcomer), bed.state(&anew)), ("PROVISIONED", "3".into()));
    assert!(bed.stage.servicenow.cancel(&request.number));
    assert!(!bed.sync().needs_attention());
    assert_eq!(bed.status(&newcomer), "PROVISIONED");
}

#[test]
fn a_request_goes_on_once_the_edit_is_taken_back() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let groups = bed.groups(&["app-jira"]);
    let request = onboarding(&bed, &newcomer, &[("start_date", "2026-03-03"), ("groups", &groups)]);
    bed.sync();
    bed.edit(&request, "groups", &bed.groups(&["app-jira", "app-netsuite"]));
    assert!(bed.sync_full().needs_attention());
    bed.edit(&request, "groups", &groups);
    assert!(!bed.sync_full().needs_attention());
    at(&bed, "2026-03-03T00:00:30Z");
    assert!(!bed.sync().needs_attention());
    assert!(bed.is_in(&newcomer, "app-jira") && !bed.is_in(&newcomer, "app-netsuite"));
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_name_that_changed_hands_while_an_edit_stood_still_means_whom_it_meant() {
    let bed = Bed::of(60);
    let (meant, other) = (bed.newcomer(0), bed.newcomer(1));
    let answers = [("employee", meant.user_name.as_str()), ("start_date", "2026-03-03")];
    let request = onboarding(&bed, &meant, &answers);
    bed.sync();
    bed.edit(&request, "start_date", "2026-03-02");
    bed.sync_full();
    let servicenow = &bed.stage.servicenow;
    servicenow.update_person(&meant.sys_id, &[("user_name", "renamed")]);
    servicenow.update_person(&other.sys_id, &[("user_name", &meant.user_name)]);
    bed.edit(&request, "start_date", "2026-03-03");
    at(&bed, "2026-03-03T00:00:30Z");
    bed.sync_full();
    assert!(bed.account(&meant).is_some() && bed.account(&other).is_none());
}

#[test]
fn an_edit_of_what_nobody_reads_changes_nothing() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let answers = [("employee", employee.sys_id.as_str()), ("reason", "New team")];
    let request = bed.ordered("Change of position", &employee, &answers);
    bed.sync();
    bed.stage.servicenow.approve(&request.number);
    bed.edit(&request, "reason", "Another team");
    assert!(!bed.sync_full().needs_attention());
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn what_is_edited_before_the_approval_is_what_was_approved() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let request = asks(&bed, &employee, "app-jira");
    bed.sync();
    bed.edit(&request, "groups", &bed.groups(&["app-figma"]));
    bed.stage.servicenow.approve(&request.number);
    assert!(!bed.sync().needs_attention());
    assert!(bed.is_in(&employee, "app-figma") && !bed.is_in(&employee, "app-jira"));
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_request_that_is_edited_after_it_was_closed_gives_nothing_more() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let request = bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    assert_eq!(bed.state(&request), "3");
    bed.edit(&request, "groups", &bed.groups(&["app-jira", "app-netsuite"]));
    bed.forget_calls();
    bed.sync_full();
    assert!(!bed.is_in(&employee, "app-netsuite") && bed.is_in(&employee, "app-jira"));
    assert_eq!(bed.writes(), Vec::<String>::new());

    // Even where nobody remembers what was approved.
    bed.lose_store();
    let report = bed.sync_full();
    assert_eq!(told(&report, &request).len(), 1, "{:#?}", report.actions);
    assert!(!bed.is_in(&employee, "app-netsuite"));
    assert_eq!(bed.writes(), Vec::<String>::new());
}

// Requests from before, and requests that are gone.

#[test]
fn a_request_that_was_closed_before_it_was_first_seen_explains_what_agrees_with_it() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let request = bed.access("Add", &employee, &["app-jira"], "");
    bed.stage.servicenow.close(&request.number);
    let id = bed.account(&employee).unwrap().id;
    bed.stage.okta.seed_member(&bed.okta_group("app-jira"), &id);
    bed.forget_calls();
    assert!(!bed.sync().needs_attention());
    assert_eq!(bed.writes(), Vec::<String>::new());
    assert!(bed.notes(&request).is_empty());
}

#[test]
fn what_requests_from_before_would_change_is_held_as_one_set_with_their_numbers() {
    let bed = Bed::of(60);
    let mut requests = vec![
        bed.access("Add", &bed.employee(0), &["app-jira"], ""),
        bed.leave(&bed.employee(1)),
        bed.join(&bed.newcomer(0), &[]),
    ];
    for request in &requests {
        bed.stage.servicenow.close(&request.number);
    }
    // Called off before anybody looked: it never meant anything.
    let off = bed.leave(&bed.employee(2));
    bed.stage.servicenow.cancel(&off.number);
    bed.forget_calls();
    let (report, lines) = logged(|| bed.sync());
    assert_eq!(bed.writes(), Vec::<String>::new());
    let held: Vec<_> = report.actions.iter().filter_map(|action| action.request.clone()).collect();
    requests.sort_by(|a, b| a.number.cmp(&b.number));
    for request in &requests {
        assert!(held.contains(&request.number), "{held:?}");
        assert!(told(&report, request).iter().all(|(outcome, _)| *outcome == "held"));
        assert!(bed.notes(request).is_empty());
    }
    assert!(!held.contains(&off.number));
    let sets = lines.iter().filter(|line| line.contains("set closed-requests")).count();
    assert_eq!(sets, 1, "a set is one warning: {lines:#?}");
}

#[test]
fn a_request_that_is_deleted_leaves_what_it_gave_and_is_reported_once() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let request = bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    bed.stage.servicenow.delete("sc_req_item", &request.sys_id);
    bed.forget_calls();
    let (report, lines) = logged(|| bed.sync_full());
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert_eq!(bed.writes(), Vec::<String>::new());
    let said = |lines: &[String]| lines.iter().filter(|it| it.contains(&request.number)).count();
    assert_eq!(said(&lines), 1, "{lines:#?}");
    let (_, lines) = logged(|| bed.sync_full());
    assert_eq!(said(&lines), 0, "{lines:#?}");

    // It still stands behind what it gave.
    let account = bed.account(&employee).unwrap();
    bed.stage.okta.acting_as("Pat").remove_member(&bed.okta_group("app-jira"), &account.id);
    assert_eq!(applied(&bed.sync_full()), [format!("{} add_member", request.number)]);
}

#[test]
fn of_two_requests_with_one_number_the_first_keeps_it_and_the_other_holds_nobody_up() {
    let bed = Bed::of(60);
    let first = bed.access("Add", &bed.employee(0), &["app-jira"], "");
    bed.sync();
    let second = bed.access("Add", &bed.employee(1), &["app-jira"], "");
    let third = bed.access("Add", &bed.employee(2), &["app-jira"], "");
    let number = [("number", first.number.as_str())];
    assert!(bed.stage.servicenow.update_silently("sc_req_item", &second.sys_id, &number));

    let (report, lines) = logged(|| bed.sync());
    assert_eq!(applied(&report), [format!("{} add_member", third.number)]);
    let said: Vec<_> = lines.iter().filter(|line| line.contains("was set aside")).collect();
    assert_eq!(said.len(), 1, "{lines:#?}");
    assert!(said[0].contains(&second.sys_id) && said[0].contains(&first.number), "{said:?}");
    assert_ne!(bed.state(&second), "3");
    bed.sync_full();
    let in_jira = |place| bed.groups_of(&bed.employee(place)).contains(&"app-jira".to_owned());
    assert!(in_jira(0), "what the first gave stays");
    assert!(!in_jira(1));

    // Once somebody has put it right, it is carried out.
    let number = [("number", second.number.as_str())];
    assert!(bed.stage.servicenow.update_silently("sc_req_item", &second.sys_id, &number));
    assert_eq!(applied(&bed.sync_full()), [format!("{} add_member", second.number)]);
}

#[test]
fn a_request_whose_item_is_no_longer_configured_leaves_what_it_gave() {
    let mut bed = Bed::of(60);
    let employee = bed.employee(0);
    let request = bed.access("Add", &employee, &["app-jira"], "");
    let away = bed.approved(
        "Leave of absence",
        &bed.employee(1),
        &[("employee", &bed.employee(1).sys_id), ("starts", "2026-03-01")],
    );
    bed.sync();
    assert_eq!((bed.state(&request), bed.state(&away)), ("3".to_owned(), "3".to_owned()));
    for _ in 0..2 {
        bed.reconfigure("item = \"Okta group access\"", "item = \"New laptop\"");
    }
    bed.reconfigure("item = \"Leave of absence\"", "item = \"New laptop\"");
    bed.forget_calls();
    let (report, lines) = logged(|| bed.sync_full());
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert_eq!(bed.writes(), Vec::<String>::new());
    assert!(lines.iter().any(|line| line.contains(&request.number)), "{lines:#?}");
    assert_eq!(bed.differences(), []);
}

#[test]
fn a_request_that_is_hidden_from_the_account_undoes_nothing() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let request = bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    bed.stage.servicenow.set(|switches| {
        switches.hidden_rows.insert(request.sys_id.clone());
    });
    bed.forget_calls();
    assert!(bed.sync_full().needs_attention());
    assert_eq!(bed.writes(), Vec::<String>::new());
    assert!(bed.is_in(&employee, "app-jira"));
}

// Requests that are called off.

#[test]
fn access_goes_when_its_request_is_called_off_and_stays_when_the_approval_starts_again() {
    let bed = Bed::of(60).add_config("\n[writeback]\nclose = \"none\"\n");
    let (one, two) = (bed.employee(0), bed.employee(1));
    let off = bed.access("Add", &one, &["app-jira"], "");
    let again = bed.access("Add", &two, &["app-jira"], "");
    bed.sync();
    bed.stage.servicenow.cancel(&off.number);
    bed.stage.servicenow.edit(&again.order, &[("approval", "requested")]);
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} remove_member", off.number)]);
    assert!(!bed.is_in(&one, "app-jira") && bed.is_in(&two, "app-jira"));
    bed.forget_calls();
    bed.sync_full();
    assert_eq!(bed.writes(), Vec::<String>::new());
}

#[test]
fn an_account_does_not_come_back_by_itself_when_its_leave_is_called_off() {
    let bed = Bed::of(60).add_config("\n[writeback]\nclose = \"none\"\n");
    let employee = bed.employee(0);
    let leave = bed.leave(&employee);
    bed.sync();
    assert_eq!(status(&bed, &employee), "DEPROVISIONED");
    bed.stage.servicenow.reject(&leave.number);
    let report = bed.sync();
    assert_eq!(applied(&report), Vec::<String>::new());
    assert!(told(&report, &leave).iter().any(|(outcome, _)| *outcome == "held"));
    assert_eq!(status(&bed, &employee), "DEPROVISIONED");
}

// Requests that only a part of the configuration observes.

#[test]
fn requests_of_a_part_that_only_observes_are_reported_and_neither_noted_nor_closed() {
    let bed = Bed::of(60).configure(
        "item = \"Okta offboarding\"\n",
        "item = \"Okta offboarding\"\nmode = \"observe\"\n",
    );
    let (leaver, newcomer) = (bed.employee(0), bed.newcomer(0));
    let leave = bed.leave(&leaver);
    let unreadable = bed.approved(
        "Okta offboarding",
        &bed.employee(1),
        &[("employee", &bed.employee(1).sys_id), ("last_day", "some day")],
    );
    let join = bed.join(&newcomer, &[]);
    for _ in 0..2 {
        let report = bed.sync_full();
        assert!(report.needs_attention());
        let told = told(&report, &leave);
        assert!(told.iter().any(|(outcome, _)| *outcome == "skipped"), "{told:?}");
    }
    assert_eq!(status(&bed, &leaver), "ACTIVE");
    assert!(bed.account(&newcomer).is_some());
    assert_eq!(bed.state(&join), "3");
    for request in [&leave, &unreadable] {
        assert_eq!(bed.notes(request), Vec::<String>::new());
        assert_ne!(bed.state(request), "3");
    }
}

#[test]
fn a_group_that_is_only_observed_is_reported_and_the_others_are_kept() {
    let bed =
        Bed::of(100).configure("name = \"Sales\"\n", "name = \"Sales\"\nmode = \"observe\"\n");
    let of = |department: &str| {
        let people = bed.stage.company.people().iter();
        people.clone().find(|p| !p.newcomer && p.department == department).unwrap().clone()
    };
    let (seller, engineer) = (of("Sales"), of("Engineering"));
    for person in [&seller, &engineer] {
        bed.join(person, &[]);
    }
    bed.sync();
    for person in [&seller, &engineer] {
        let id = bed.account(person).unwrap().id;
        let group = bed.okta_group(&person.department);
        bed.stage.okta.acting_as("Pat").remove_member(&group, &id);
    }
    let report = bed.sync_full();
    assert!(report.needs_attention());
    assert_eq!(report.summary.skipped, 1, "{:#?}", report.actions);
    assert!(!bed.is_in(&seller, "Sales"));
    assert!(bed.is_in(&engineer, "Engineering"));
}

// Requests for people whose account is not there, or not in use.

#[test]
fn access_for_somebody_who_has_left_is_held_and_not_called_done() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let leave = bed.leave(&employee);
    bed.sync();
    bed.pass("1h");
    let request = bed.access("Add", &employee, &["app-jira"], "");
    held_and_said_once(&bed, &request, "deactivated");
    assert_eq!(bed.notes(&leave).len(), 1, "the leave is done all the same");
    assert!(!bed.is_in(&employee, "app-jira"));

    bed.pass("1h");
    bed.join(&employee, &[]);
    bed.sync();
    bed.sync();
    assert_eq!(status(&bed, &employee), "PROVISIONED");
    assert!(bed.is_in(&employee, "app-jira"));
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn access_or_a_move_for_somebody_without_an_account_is_held() {
    let bed = Bed::of(60);
    let (one, two) = (bed.newcomer(0), bed.newcomer(1));
    let grant = bed.access("Add", &one, &["app-jira"], "");
    let change = bed.approved("Change of position", &two, &[("employee", &two.sys_id)]);
    held_and_said_once(&bed, &grant, "no account");
    let notes = bed.notes(&change);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("no account"), "{notes:?}");
    assert_ne!(bed.state(&change), "3");
}

#[test]
fn a_return_from_leave_makes_no_account_for_somebody_who_never_joined() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let answers = [("employee", newcomer.sys_id.as_str()), ("starts", "2026-03-01")];
    let request = bed.ordered("Return from leave", &newcomer, &answers);
    for _ in 0..2 {
        bed.sync();
    }
    assert!(bed.account(&newcomer).is_none());
    assert_ne!(bed.state(&request), "3");
    let notes = bed.notes(&request);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("no account"), "{notes:?}");
}

#[test]
fn a_join_waits_until_the_record_is_active() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("active", "false")]);
    let request = bed.join(&newcomer, &["app-jira"]);
    held_and_said_once(&bed, &request, "inactive");
    assert!(bed.account(&newcomer).is_none());
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("active", "true")]);
    bed.sync();
    assert!(bed.is_in(&newcomer, "app-jira"));
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_join_for_somebody_outside_the_managed_records_is_held_and_not_called_overtaken() {
    let bed = Bed::of(60).configure("^web_service_access_only=false", "^employee_number!=777777");
    let newcomer = bed.newcomer(0);
    bed.sync();
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("employee_number", "777777")]);
    bed.sync_full();
    let request = bed.join(&newcomer, &[]);
    held_and_said_once(&bed, &request, "not among those that are managed");
    assert!(bed.account(&newcomer).is_none());
}
