//! Somebody changes Okta by hand, or the two sides cannot be believed.

use goldthread::report::ActionReport;

use super::bed::{Bed, applied};

#[test]
fn a_hand_edit_is_found_with_its_request_and_repaired() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let request = bed.join(&newcomer, &["app-jira"]);
    bed.sync();
    let account = bed.account(&newcomer).unwrap();
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.set_profile(&account.id, &serde_json::json!({"department": "Elsewhere"}));
    pat.remove_member(&bed.okta_group("app-jira"), &account.id);
    pat.add_member(&bed.okta_group("app-jira"), &bed.account(&bed.employee(0)).unwrap().id);

    let items = bed.differences();
    let mine: Vec<_> = items
        .iter()
        .filter(|item| item.request.as_deref() == Some(request.number.as_str()))
        .map(|item| (item.fact, item.name.as_deref().unwrap_or(""), item.cause, item.disposition))
        .collect();
    assert_eq!(
        mine,
        [("profile", "department", "drift", "apply"), ("membership", "app-jira", "drift", "apply")]
    );
    // The other was put there by hand, and no request speaks of that person: somebody must decide.
    assert_eq!(items.len(), 3);
    assert_eq!(items.iter().filter(|item| item.disposition == "hold").count(), 1);

    let report = bed.sync_full();
    let mut done = applied(&report);
    done.sort();
    let number = &request.number;
    assert_eq!(done, [format!("{number} add_member"), format!("{number} update")]);
    assert_eq!(report.summary.held, 1);
}

#[test]
fn a_cycle_of_changes_sees_what_was_changed_in_okta_and_then_is_idle() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let request = bed.join(&newcomer, &["app-jira"]);
    bed.sync();
    let account = bed.account(&newcomer).unwrap();
    bed.pass("1h");
    bed.sync();
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.set_profile(&account.id, &serde_json::json!({"department": "Elsewhere"}));
    pat.remove_member(&bed.okta_group("app-jira"), &account.id);
    let report = bed.sync();
    assert!(!report.full);
    let mut done = applied(&report);
    done.sort();
    let number = &request.number;
    assert_eq!(done, [format!("{number} add_member"), format!("{number} update")]);
    assert!(!report.needs_attention());

    bed.pass("10m");
    bed.sync();
    let idle = bed.sync();
    assert_eq!(applied(&idle), Vec::<String>::new());
    assert!(idle.calls.okta <= 3, "{:?}", idle.calls);
    assert_eq!(bed.differences(), []);
}

#[test]
fn an_account_suspended_by_somebody_else_is_reported_and_left() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &[]);
    bed.sync();
    let account = bed.account(&newcomer).unwrap();
    bed.stage.okta.finish_activation(&account.id);
    bed.stage.okta.set_status(&account.id, goldthread::sim::okta::Status::Suspended);
    bed.forget_calls();
    assert!(!bed.sync_full().needs_attention());
    assert!(bed.stage.okta.writes().is_empty());
    let [item] = bed.differences().try_into().unwrap();
    assert_eq!((item.fact, item.disposition), ("status", "report"));
}

#[test]
fn observing_writes_nothing_at_all_and_says_what_would_be_done() {
    let bed = Bed::of(60).configure("mode = \"enforce\"", "mode = \"observe\"");
    let newcomer = bed.newcomer(0);
    let request = bed.join(&newcomer, &[]);
    bed.forget_calls();
    let report = bed.sync();
    assert_eq!(report.summary.skipped, 1, "{:#?}", report.actions);
    assert!(report.needs_attention());
    assert_eq!(report.actions[0].request.as_deref(), Some(request.number.as_str()));
    assert_eq!(bed.writes(), Vec::<String>::new());
}

#[test]
fn more_leavers_than_the_guard_allows_wait_as_one_set_while_joiners_go_on() {
    let bed = Bed::of(80);
    bed.sync();
    let leaves: Vec<_> = (0..6).map(|place| bed.leave(&bed.employee(place))).collect();
    let join = bed.join(&bed.newcomer(0), &[]);
    let report = bed.sync();
    assert!(report.quarantined.as_deref().is_some_and(|why| why.contains("max_disabled")));
    assert_eq!(applied(&report), [format!("{} create", join.number)]);
    for place in 0..6 {
        assert_eq!(bed.account(&bed.employee(place)).unwrap().status.as_str(), "ACTIVE");
    }
    for leave in &leaves {
        assert!(bed.comments(leave).is_empty(), "quarantine writes no notes");
    }
}

#[test]
fn exactly_as_many_leavers_as_allowed_are_carried_out_and_one_more_in_the_window_is_not() {
    let bed = Bed::of(80);
    bed.sync();
    for place in 0..5 {
        bed.leave(&bed.employee(place));
    }
    assert!(bed.sync().quarantined.is_none());
    bed.leave(&bed.employee(5));
    assert!(bed.sync().quarantined.is_some(), "creeping over the limit is seen");
    assert_eq!(bed.account(&bed.employee(5)).unwrap().status.as_str(), "ACTIVE");
    bed.pass("25h");
    assert!(bed.sync_full().quarantined.is_none());
    assert_eq!(bed.account(&bed.employee(5)).unwrap().status.as_str(), "DEPROVISIONED");
}

#[test]
fn nothing_follows_from_a_list_with_hidden_rows_and_an_approved_leave_goes_on() {
    let bed = Bed::of(60);
    bed.sync();
    let leave = bed.leave(&bed.employee(0));
    // Of whom it is cannot be told: nobody has seen the row before.
    let hidden = bed.hired("Una", "U-1", "una@example.com").sys_id;
    bed.stage.servicenow.set(|switches| {
        switches.hidden_rows.insert(hidden);
    });
    bed.forget_calls();
    let report = bed.sync_full();
    assert!(!report.full);
    let said = |it: &ActionReport| it.error.as_ref().is_some_and(|it| it.contains("hid"));
    assert!(report.actions.iter().any(said), "{:#?}", report.actions);
    assert_eq!(bed.state(&leave), "3");
    assert_eq!(bed.status(&bed.employee(1)), "ACTIVE");
}

#[test]
fn people_who_vanish_in_numbers_are_believed_by_nobody() {
    let bed = Bed::of(100);
    bed.sync();
    for place in 0..20 {
        bed.stage.servicenow.delete_person(&bed.employee(place).sys_id);
    }
    for _ in 0..3 {
        bed.forget_calls();
        let report = bed.sync_full();
        assert!(report.quarantined.is_some());
        assert!(bed.stage.okta.writes().is_empty());
    }
}

#[test]
fn a_store_that_is_lost_and_rebuilt_writes_nothing_to_okta() {
    let bed = Bed::of(100).configure("[guard]\n", "[guard]\nmax_disabled = 100\n");
    for place in 0..4 {
        bed.join(&bed.newcomer(place), &["app-jira"]);
        bed.leave(&bed.employee(place));
        bed.access("Add", &bed.employee(10 + place), &["VPN Users"], "2026-03-20");
    }
    assert!(!bed.sync().needs_attention());
    for entry in std::fs::read_dir(bed.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("goldthread.db") {
            std::fs::remove_file(path).unwrap();
        }
    }
    bed.forget_calls();
    let report = bed.sync_full();
    assert_eq!(bed.stage.okta.writes().len(), 0, "{:#?}", report.actions);
    assert_eq!(bed.differences(), []);
    // What was given for a time ends in time, though nobody remembers giving it.
    bed.stage.clock.freeze("2026-03-21T00:00:30Z".parse().unwrap());
    bed.sync_full();
    let account = bed.account(&bed.employee(10)).unwrap();
    assert!(!account.groups.contains(&"VPN Users".to_owned()));
}

#[test]
fn small_pages_on_every_list_give_the_same_result() {
    let bed = Bed::of(450).configure("[okta]\n", "page_size = 7\n[okta]\n");
    for place in 0..12 {
        bed.join(&bed.newcomer(place), &["app-jira"]);
    }
    let report = bed.sync();
    assert_eq!(report.summary.applied, 12, "{:#?}", report.actions);
    assert!(!report.needs_attention());
    assert_eq!(bed.differences(), []);
}
