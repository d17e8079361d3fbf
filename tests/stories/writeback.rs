//! What ServiceNow is told: one note and one state for what is done, one note for what waits.

use goldthread::sim::company::Person;
use goldthread::sim::faults::Fault;
use goldthread::sim::okta::Status;
use goldthread::sim::servicenow::{ApprovalBy, FlowState, Item, Ordered, Variable};

use super::bed::{Bed, logged, told};

/// The calls that wrote on a request, or on its tasks.
fn written_on(bed: &Bed, request: &Ordered) -> usize {
    let calls = bed.written_back();
    let path = format!("/sc_req_item/{}", request.sys_id);
    calls.iter().filter(|call| call.contains(&path) || call.contains("/sc_task/")).count()
}

/// Access for somebody, approved.
fn access(bed: &Bed, person: &Person) -> Ordered {
    bed.access("Add", person, &["app-jira"], "")
}

/// Access that waits: the group may not be granted.
fn waiting(bed: &Bed, person: &Person) -> Ordered {
    bed.access("Add", person, &["app-netsuite"], "")
}

/// A bed in which `app-netsuite` may not be granted.
fn careful(people: usize) -> Bed {
    let some = "\"app-jira\", \"app-figma\", \"VPN Users\"";
    Bed::of(people).configure("\"app-*\", \"VPN Users\"", some)
}

fn writeback(text: &str) -> String {
    format!("\n[writeback]\n{text}\n")
}

fn hide_notes(bed: &Bed, hide: bool) {
    bed.stage.servicenow.set(|switches| {
        if hide {
            switches.hidden_tables.insert("sys_journal_field".to_owned());
        } else {
            switches.hidden_tables.clear();
        }
    });
}

// Once, whatever happens.

#[test]
fn a_done_request_gets_one_call_with_one_note_and_the_state() {
    let bed = Bed::of(60);
    let request = access(&bed, &bed.employee(0));
    for _ in 0..3 {
        bed.sync();
        bed.sync_full();
    }
    assert_eq!(written_on(&bed, &request), 1);
    assert_eq!(bed.notes(&request).len(), 1);
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_request_that_is_not_found_before_it_is_written_on_is_unwritten_until_it_is() {
    let bed = Bed::of(60);
    let request = access(&bed, &bed.employee(0));
    let by_id = format!("/api/now/table/sc_req_item/{}", request.sys_id);
    bed.stage.servicenow_faults.on("GET", &by_id, Fault::Status(404)).always();
    let ((), log) = logged(|| {
        for _ in 0..3 {
            let report = bed.sync();
            assert_eq!((report.summary.failed, report.needs_attention()), (1, true));
        }
    });
    let warned: Vec<_> = log.iter().filter(|line| line.contains("could not be written")).collect();
    assert_eq!(warned.len(), 1, "{log:?}");
    assert!(warned[0].contains("WARN") && warned[0].contains(&request.number), "{warned:?}");
    assert!(bed.is_in(&bed.employee(0), "app-jira"), "it was done all the same");
    assert_eq!(written_on(&bed, &request), 0);

    bed.stage.servicenow_faults.clear();
    assert!(!bed.sync().needs_attention());
    assert_eq!((written_on(&bed, &request), bed.state(&request)), (1, "3".into()));
}

#[test]
fn a_request_that_is_deleted_before_it_is_written_on_is_given_up_by_a_complete_read() {
    let bed = Bed::of(60);
    let request = access(&bed, &bed.employee(0));
    // The list still had it.
    let (servicenow, id) = (bed.stage.servicenow.clone(), request.sys_id.clone());
    let deleted = Fault::meanwhile(move || assert!(servicenow.delete("sc_req_item", &id)));
    bed.stage.okta.faults().on("PUT", "/api/v1/groups", deleted);
    assert!(bed.sync().needs_attention());
    assert!(!bed.sync_full().needs_attention(), "it has vanished, and what it gave stands");
    assert!(!bed.sync().needs_attention());
    assert!(bed.is_in(&bed.employee(0), "app-jira"));
}

#[test]
fn the_closing_note_names_each_action_with_its_okta_request_and_no_value_of_the_profile() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let request = bed.join(&newcomer, &["app-jira", "VPN Users"]);
    let report = bed.sync();
    let note = &bed.work_notes(&request)[0];
    let account = bed.account(&newcomer).unwrap();
    assert!(note.contains(&account.id) && note.contains(&newcomer.user_name), "{note}");
    for action in report.actions.iter().filter(|action| action.outcome == "applied") {
        assert!(note.contains(action.action.unwrap()), "{note}");
        assert!(note.contains(action.okta_request_id.as_deref().unwrap()), "{note}");
        assert!(note.contains(&format!("action {}", action.id.unwrap())), "{note}");
    }
    let values = ["login", "email", "lastName", "employeeNumber", "department", "manager"];
    for value in values.map(|attribute| account.text(attribute)) {
        assert!(value.is_empty() || !note.contains(value), "{value}: {note}");
    }
}

#[test]
fn an_answer_that_is_lost_after_the_call_was_carried_out_makes_no_second_note() {
    for close in ["close = \"item\"", "close = \"none\""] {
        for hidden in [false, true] {
            let bed = Bed::of(60).add_config(&writeback(close));
            hide_notes(&bed, hidden);
            let request = access(&bed, &bed.employee(0));
            bed.stage.servicenow_faults.on("PATCH", "/sc_req_item/", Fault::DropAfter);
            assert!(bed.sync().needs_attention());
            for _ in 0..3 {
                assert!(!bed.sync().needs_attention(), "{close}, hidden: {hidden}");
            }
            assert_eq!(written_on(&bed, &request), 1, "{close}, hidden: {hidden}");
            assert_eq!(bed.notes(&request).len(), 1, "{close}, hidden: {hidden}");
            assert_eq!(bed.state(&request) == "3", close.contains("item"));
        }
    }
}

#[test]
fn a_call_that_was_never_carried_out_is_made_again() {
    for fault in [Fault::DropBefore, Fault::Status(503), Fault::Status(500)] {
        for hidden in [false, true] {
            let bed = Bed::of(60);
            hide_notes(&bed, hidden);
            let request = access(&bed, &bed.employee(0));
            bed.stage.servicenow_faults.on("PATCH", "/sc_req_item/", fault.clone());
            bed.sync();
            bed.sync();
            assert_eq!(bed.state(&request), "3", "{fault:?}, hidden: {hidden}");
            assert_eq!(bed.notes(&request).len(), 1);
        }
    }
}

#[test]
fn a_right_that_is_missing_is_warned_of_once_and_the_request_closed_when_it_is_given() {
    for hidden in [false, true] {
        let bed = Bed::of(60);
        hide_notes(&bed, hidden);
        let request = access(&bed, &bed.employee(0));
        bed.stage.servicenow.set(|switches| {
            switches.read_only_tables.insert("sc_req_item".to_owned());
        });
        let ((), lines) = logged(|| {
            for _ in 0..3 {
                assert!(bed.sync().needs_attention());
            }
        });
        let said = lines.iter().filter(|line| line.contains("written back")).count();
        assert_eq!(said, 1, "{lines:#?}");
        assert!(bed.notes(&request).is_empty());

        bed.stage.servicenow.set(|switches| switches.read_only_tables.clear());
        assert!(!bed.sync().needs_attention());
        assert_eq!((bed.state(&request), bed.notes(&request).len()), ("3".to_owned(), 1));
    }
}

#[test]
fn a_program_that_dies_between_the_call_and_the_record_writes_no_second_note() {
    for close in ["close = \"item\"", "close = \"none\""] {
        let bed = careful(60).add_config(&writeback(close));
        let done = access(&bed, &bed.employee(0));
        let held = waiting(&bed, &bed.employee(1));
        bed.sync();
        assert_eq!((bed.notes(&done).len(), bed.notes(&held).len()), (1, 1));
        let calls = bed.written_back().len();

        let forget = "DELETE FROM notes; DELETE FROM note_tries; DELETE FROM writebacks;
                      UPDATE requests SET finished = 0";
        bed.store().execute_batch(forget).unwrap();
        bed.sync();
        bed.sync_full();
        assert_eq!(bed.written_back().len(), calls, "{close}");

        bed.lose_store();
        bed.sync();
        bed.sync();
        assert_eq!(bed.written_back().len(), calls, "{close}, with an empty store");
        assert_eq!((bed.notes(&done).len(), bed.notes(&held).len()), (1, 1));
    }
}

// What waits.

#[test]
fn a_request_that_waits_says_why_to_its_requester_once() {
    let bed = careful(60);
    let request = waiting(&bed, &bed.employee(0));
    for _ in 0..3 {
        bed.sync();
        bed.sync_full();
    }
    let comments = bed.comments(&request);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains("app-netsuite"), "{comments:?}");
    assert!(bed.work_notes(&request).is_empty(), "the requester does not read those");
    assert_eq!(written_on(&bed, &request), 1);
}

#[test]
fn a_second_note_comes_only_with_another_kind_of_reason() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let rows = ["app-one", "app-two"].map(|name| {
        bed.stage.servicenow.insert("u_okta_group", &[("u_name", name), ("u_okta_id", name)])
    });
    let request = bed.approved(
        "Okta group access",
        &employee,
        &[("action", "Add"), ("employee", &employee.sys_id), ("groups", &rows.join(","))],
    );
    bed.sync();
    assert_eq!(bed.comments(&request).len(), 1);

    // One of the two is found: the text changes, and not what kind of thing it says.
    bed.pass("10m");
    bed.stage.okta.create_group("app-one");
    let report = bed.sync();
    let told = told(&report, &request);
    assert!(told[0].1.contains("app-two") && !told[0].1.contains("app-one"), "{told:?}");
    assert_eq!(bed.comments(&request).len(), 1);

    // Two groups of that name: another kind.
    bed.pass("10m");
    bed.stage.okta.create_group("app-two");
    bed.stage.okta.add_group("app-two", "OKTA_GROUP");
    bed.sync();
    let comments = bed.comments(&request);
    assert_eq!(comments.len(), 2, "{comments:?}");
    assert!(comments[1].contains("more than one"), "{comments:?}");
    for _ in 0..2 {
        bed.pass("10m");
        bed.sync();
    }
    assert_eq!(bed.comments(&request).len(), 2);
}

#[test]
fn what_okta_refuses_for_good_is_said_once_and_what_passes_by_is_not() {
    for (fault, times, notes) in
        [(Fault::Status(503), 100, 0), (Fault::DropBefore, 100, 0), (Fault::Status(400), 100, 1)]
    {
        let bed = Bed::of(60);
        bed.sync();
        let request = access(&bed, &bed.employee(0));
        bed.stage.okta.faults().on("PUT", "/users/", fault.clone()).times(times);
        for _ in 0..3 {
            assert!(bed.sync().needs_attention(), "{fault:?}");
            bed.pass("20m");
        }
        assert_eq!(bed.notes(&request).len(), notes, "{fault:?}: {:?}", bed.notes(&request));
        assert_ne!(bed.state(&request), "3");

        bed.stage.okta.faults().clear();
        bed.sync_full();
        bed.sync_full();
        assert_eq!(bed.state(&request), "3", "{fault:?}");
    }
}

#[test]
fn somebody_who_is_not_found_is_given_an_hour_from_the_approval() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let request = bed.ordered(
        "Okta onboarding",
        &employee,
        &[("employee", "new.hire"), ("start_date", "2026-03-02"), ("action", "Add")],
    );
    bed.sync();
    bed.pass("2 days");
    bed.stage.servicenow.approve(&request.number);
    bed.sync();
    bed.pass("50m");
    bed.sync();
    assert!(bed.comments(&request).is_empty());
    bed.pass("15m");
    bed.sync();
    let comments = bed.comments(&request);
    assert_eq!(comments.len(), 1);
    assert!(comments[0].contains("new.hire"), "{comments:?}");
}

// What a person did in ServiceNow.

#[test]
fn a_request_that_a_person_closed_meanwhile_is_left_as_it_is() {
    let mut bed = careful(60);
    let employee = bed.employee(0);
    let request = waiting(&bed, &employee);
    bed.sync();
    let calls = bed.written_back().len();
    bed.stage.servicenow.close(&request.number);
    bed.reconfigure("\"app-jira\", ", "\"app-*\", ");
    for _ in 0..2 {
        bed.sync();
        bed.sync_full();
    }
    assert_eq!(bed.written_back().len(), calls);
    assert_eq!(bed.notes(&request).len(), 1);
}

#[test]
fn a_request_that_was_closed_or_called_off_while_it_was_done_gets_no_note() {
    for change in [("state", "3"), ("state", "4"), ("approval", "rejected")] {
        let bed = careful(60);
        let done = access(&bed, &bed.employee(0));
        let held = waiting(&bed, &bed.employee(1));
        bed.stage.servicenow_faults.on("PATCH", "/sc_req_item/", Fault::Status(503)).always();
        bed.sync();
        bed.pass("10m");
        bed.sync();
        bed.stage.servicenow_faults.clear();
        // Nothing on the rows shows it, so only a look right before the call does.
        for request in [&done, &held] {
            let servicenow = &bed.stage.servicenow;
            servicenow.update_silently("sc_req_item", &request.sys_id, &[change]);
        }
        bed.sync();
        for request in [&done, &held] {
            assert_eq!(bed.notes(request), Vec::<String>::new(), "{change:?}");
        }
    }
}

#[test]
fn a_request_that_was_rejected_gets_no_note() {
    let bed = careful(60);
    let held = waiting(&bed, &bed.employee(0));
    bed.stage.servicenow.reject(&held.number);
    bed.stage.servicenow.edit(&held.number, &[("approval", "rejected"), ("state", "1")]);
    for _ in 0..2 {
        assert!(!bed.sync_full().needs_attention());
    }
    assert_eq!(bed.notes(&held), Vec::<String>::new());
}

// How requests are closed.

/// Access by a catalog item whose flow makes a task.
fn by_task(bed: &Bed, person: &Person) -> Ordered {
    bed.stage.servicenow.add_item(&Item {
        sys_id: None,
        name: "Access by task".to_owned(),
        approval: ApprovalBy::Item,
        task: true,
        variables: vec![Variable::new("group", 6)],
    });
    bed.approved("Access by task", person, &[("group", "app-jira")])
}

fn with_tasks(close: &str) -> Bed {
    Bed::of(60).add_config(&format!(
        "\n[[request]]\nitem = \"Access by task\"\noperation = \"grant\"\napproval = \"item\"\n\
         groups = \"variables.group\"\n{}",
        writeback(close)
    ))
}

fn tasks(bed: &Bed, request: &Ordered) -> Vec<(String, String)> {
    bed.stage.servicenow.request(&request.number).unwrap().tasks
}

/// A colleague has something to do for the request as well.
fn second_task(bed: &Bed, request: &Ordered) -> String {
    let values = [
        ("number", "SCTASK0099999"),
        ("request_item", request.sys_id.as_str()),
        ("parent", request.sys_id.as_str()),
        ("state", "1"),
        ("active", "true"),
    ];
    bed.stage.servicenow.insert("sc_task", &values)
}

#[test]
fn an_item_with_an_open_task_is_noted_and_left_to_its_flow() {
    let bed = with_tasks("close = \"item\"");
    let request = by_task(&bed, &bed.employee(0));
    for _ in 0..3 {
        bed.sync();
    }
    assert!(bed.is_in(&bed.employee(0), "app-jira"));
    assert_ne!(bed.state(&request), "3");
    assert_eq!(bed.work_notes(&request).len(), 1);
    let [(task, state)] = tasks(&bed, &request).try_into().unwrap();
    assert_eq!(state, "1");

    bed.stage.servicenow.edit(&task, &[("state", "3")]);
    assert_eq!(bed.state(&request), "3", "the flow closes it");
    bed.sync();
    assert_eq!(written_on(&bed, &request), 1);
}

#[test]
fn the_open_task_is_closed_where_the_flow_closes_the_item_with_it() {
    let bed = with_tasks("close = \"task\"\nnote = \"comments\"");
    let request = by_task(&bed, &bed.employee(0));
    for _ in 0..3 {
        bed.sync();
    }
    let [(_, state)] = tasks(&bed, &request).try_into().unwrap();
    assert_eq!((state.as_str(), bed.state(&request).as_str()), ("3", "3"));
    assert_eq!(written_on(&bed, &request), 1);
    assert!(bed.notes(&request).is_empty());
    assert_eq!(bed.stage.servicenow.count("sys_journal_field"), 1, "it stands on the task");
}

#[test]
fn an_answer_that_is_lost_after_the_task_was_closed_makes_no_second_note() {
    for hidden in [false, true] {
        let bed = with_tasks("close = \"task\"");
        hide_notes(&bed, hidden);
        let request = by_task(&bed, &bed.employee(0));
        // Its flow is slow: the item stays open after its only task was closed.
        bed.stage.servicenow_faults.on("PATCH", "/sc_task/", Fault::DropAfter);
        bed.sync();
        bed.stage.servicenow.update_silently(
            "sc_req_item",
            &request.sys_id,
            &[("state", "2"), ("active", "true")],
        );
        for _ in 0..3 {
            bed.sync();
        }
        assert_eq!(written_on(&bed, &request), 1, "hidden: {hidden}");
        assert_eq!(bed.stage.servicenow.count("sys_journal_field"), 1, "hidden: {hidden}");
    }
}

#[test]
fn of_several_open_tasks_none_is_closed_because_nobody_can_tell_which_is_ours() {
    let bed = with_tasks("close = \"task\"");
    let request = by_task(&bed, &bed.employee(0));
    second_task(&bed, &request);
    for _ in 0..3 {
        bed.sync();
    }
    let [(_, state)] = tasks(&bed, &request).try_into().unwrap();
    assert_eq!(state, "1");
    assert_ne!(bed.state(&request), "3");
    assert_eq!(bed.work_notes(&request).len(), 1);
    assert_eq!(written_on(&bed, &request), 1);
}

#[test]
fn a_note_without_a_state_is_written_where_requests_are_closed_by_others() {
    let bed = Bed::of(60).add_config(&writeback("close = \"none\""));
    let request = access(&bed, &bed.employee(0));
    for _ in 0..3 {
        bed.sync();
        bed.sync_full();
    }
    assert_eq!((bed.state(&request), bed.work_notes(&request).len()), ("2".to_owned(), 1));
}

#[test]
fn the_configured_fields_and_state_are_used() {
    let fields = "note = \"comments\"\nheld_note = \"work_notes\"\nstate_done = \"107\"";
    let bed = careful(60).add_config(&writeback(fields));
    bed.stage.servicenow.add_choice("task", "state", "107", "Delivered");
    let done = access(&bed, &bed.employee(0));
    let held = waiting(&bed, &bed.employee(1));
    for _ in 0..2 {
        bed.sync();
        bed.sync_full();
    }
    assert_eq!((bed.comments(&done).len(), bed.work_notes(&done).len()), (1, 0));
    assert_eq!((bed.comments(&held).len(), bed.work_notes(&held).len()), (0, 1));
    assert_eq!(bed.state(&done), "107");
    assert_eq!(written_on(&bed, &done), 1);
}

#[test]
fn nothing_is_written_where_writing_back_is_switched_off() {
    let bed = careful(60).add_config(&writeback("enabled = false"));
    let done = access(&bed, &bed.employee(0));
    let held = waiting(&bed, &bed.employee(1));
    for _ in 0..2 {
        assert!(bed.sync().needs_attention(), "what waits is reported all the same");
    }
    assert!(bed.is_in(&bed.employee(0), "app-jira"));
    assert_eq!(bed.written_back(), Vec::<String>::new());
    assert_ne!(bed.state(&done), "3");
    assert!(bed.notes(&held).is_empty());
}

#[test]
fn a_state_that_does_not_stick_is_an_error_once_and_never_written_again() {
    for after in ["0s", "20s"] {
        for lost in [false, true] {
            let bed = Bed::of(60);
            bed.stage.servicenow.set(|switches| {
                let after = humantime::parse_duration(after).unwrap();
                switches.flow_state = Some(FlowState { after, state: "2".to_owned() });
            });
            let request = access(&bed, &bed.employee(0));
            if lost {
                bed.stage.servicenow_faults.on("PATCH", "/sc_req_item/", Fault::DropAfter);
            }
            let ((), lines) = logged(|| {
                for _ in 0..4 {
                    bed.sync();
                    bed.pass("30s");
                }
                bed.sync_full();
            });
            let case = format!("after {after}, answer lost: {lost}");
            let errors = lines.iter().filter(|line| line.contains("ERROR")).count();
            assert_eq!(errors, 1, "{case}: {lines:#?}");
            assert_eq!(written_on(&bed, &request), 1, "{case}");
            assert_eq!(bed.notes(&request).len(), 1, "{case}");
            assert_eq!(bed.state(&request), "2", "{case}");
        }
    }
}

#[test]
fn a_request_that_a_person_opens_again_days_later_wakes_nobody() {
    let bed = Bed::of(60);
    let request = access(&bed, &bed.employee(0));
    bed.sync();
    bed.pass("2 days");
    bed.stage.servicenow.edit(&request.number, &[("state", "2")]);
    let ((), lines) = logged(|| {
        bed.sync();
        bed.sync_full();
    });
    assert!(!lines.iter().any(|line| line.contains("ERROR")), "{lines:#?}");
    assert_eq!(written_on(&bed, &request), 1);
}

// What was overtaken.

#[test]
fn a_request_that_was_overtaken_before_it_was_done_gets_one_note_and_stays_open() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    bed.sync();
    let grant = bed.ordered(
        "Okta group access",
        &employee,
        &[
            ("action", "Add"),
            ("employee", &employee.sys_id),
            ("groups", &bed.groups(&["app-jira"])),
        ],
    );
    let change = bed.ordered("Change of position", &employee, &[("employee", &employee.sys_id)]);
    bed.pass("1h");
    let leave = bed.leave(&employee);
    bed.stage.servicenow.approve(&grant.number);
    bed.stage.servicenow.approve(&change.number);
    for _ in 0..3 {
        bed.sync();
        bed.sync_full();
    }
    assert_eq!(bed.state(&leave), "3");
    for request in [&grant, &change] {
        let notes = bed.notes(request);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("later request"), "{notes:?}");
        assert_ne!(bed.state(request), "3");
    }
}

#[test]
fn a_quarantine_writes_no_note_and_the_requests_are_closed_when_it_is_over() {
    let bed = Bed::of(80).configure("[guard]\n", "[guard]\nmax_disabled = 1\n");
    bed.sync();
    let leaves = [bed.leave(&bed.employee(0)), bed.leave(&bed.employee(1))];
    for _ in 0..2 {
        assert!(bed.sync().quarantined.is_some());
        bed.pass("20m");
    }
    assert!(leaves.iter().all(|leave| bed.notes(leave).is_empty()));
    let account = bed.account(&bed.employee(1)).unwrap();
    bed.stage.okta.set_status(&account.id, Status::Deprovisioned);
    bed.sync_full();
    assert!(leaves.iter().any(|leave| bed.state(leave) == "3"));
}
