//! Limits, and what is done about changes that nobody asked for.

use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use goldthread::sync::Scope;
use serde_json::json;

use super::bed::{Bed, applied};

/// Somebody in Okta changes this person's department.
fn changes_by_hand(bed: &Bed, place: usize) {
    let account = bed.account(&bed.employee(place)).unwrap();
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.set_profile(&account.id, &json!({"department": "Elsewhere"}));
}

fn attribution(bed: Bed, text: &str) -> Bed {
    bed.configure("[guard]\n", &format!("[attribution]\n{text}\n\n[guard]\n"))
}

#[test]
fn a_change_that_no_request_accounts_for_is_held_applied_or_reported_as_configured() {
    for (word, disposition, writes) in
        [("hold", "hold", 0), ("apply", "apply", 1), ("report", "report", 0)]
    {
        let bed = attribution(Bed::of(60), &format!("unattributed = \"{word}\""));
        bed.sync();
        changes_by_hand(&bed, 0);
        let [item] = bed.differences().try_into().unwrap();
        assert_eq!((item.disposition, item.request.as_deref()), (disposition, Some("BASELINE")));
        bed.forget_calls();
        let report = bed.sync_full();
        assert_eq!(bed.stage.okta.writes().len(), writes, "{word}");
        // What is only reported is the report's business.
        assert_eq!(report.needs_attention(), word == "hold", "{word}");
    }
}

#[test]
fn a_change_away_from_what_a_request_established_is_repaired_held_or_reported_as_configured() {
    for (word, writes) in [("apply", 1), ("hold", 0), ("report", 0)] {
        let bed = attribution(Bed::of(60), &format!("drift = \"{word}\""));
        let newcomer = bed.newcomer(0);
        let join = bed.join(&newcomer, &[]);
        bed.sync();
        let id = bed.account(&newcomer).unwrap().id;
        bed.stage.okta.acting_as("Pat Admin").set_profile(&id, &json!({"department": "Elsewhere"}));
        bed.forget_calls();
        bed.sync_full();
        assert_eq!(bed.stage.okta.writes().len(), writes, "{word}");
        if word != "apply" {
            let [item] = bed.differences().try_into().unwrap();
            assert_eq!((item.disposition, item.cause), (word, "drift"));
            assert_eq!(item.request.as_deref(), Some(&*join.number));
        }
    }
}

#[test]
fn whoever_is_protected_is_never_written_to_whatever_a_request_says() {
    let bed = Bed::of(60);
    let (employee, other) = (bed.employee(0), bed.employee(1));
    let list =
        format!("[guard]\nprotected_users = [\"{}\", \"{}\"]\n", employee.email, other.user_name);
    let bed = bed.configure("[guard]\n", &list);
    bed.sync();
    let leave = bed.leave(&employee);
    let grant = bed.access("Add", &other, &["app-jira"], "");
    changes_by_hand(&bed, 0);
    bed.forget_calls();
    for _ in 0..2 {
        bed.sync_full();
    }
    assert!(bed.stage.okta.writes().is_empty());
    for request in [&leave, &grant] {
        assert_eq!(bed.comments(request).len(), 1, "{:?}", bed.comments(request));
        assert!(bed.comments(request)[0].contains("protected"));
    }
    assert!(bed.differences().iter().all(|item| item.disposition == "protected"));
    assert!(!bed.drift().differs(), "what is protected is no difference that anybody waits for");
}

#[test]
fn an_administrator_of_okta_is_never_disabled() {
    let bed = Bed::of(60);
    bed.sync();
    let employee = bed.employee(0);
    let id = bed.account(&employee).unwrap().id;
    bed.stage.okta.set_roles(&id, &["HELP_DESK_ADMIN"]);
    let leave = bed.leave(&employee);
    bed.forget_calls();
    for _ in 0..2 {
        bed.sync();
    }
    assert!(bed.stage.okta.writes().is_empty());
    assert!(bed.comments(&leave)[0].contains("administrator"), "{:?}", bed.comments(&leave));
    // The role is taken away: the next complete read asks again, and the leave goes through.
    bed.stage.okta.set_roles(&id, &[]);
    bed.pass("1h");
    bed.sync_full();
    assert_eq!(bed.account(&employee).unwrap().status.as_str(), "DEPROVISIONED");
}

#[test]
fn an_error_in_the_place_of_roles_makes_nobody_an_administrator() {
    let bed = Bed::of(60);
    bed.sync();
    let employee = bed.employee(0);
    let leave = bed.leave(&employee);
    let roles = format!("/api/v1/users/{}/roles", bed.account(&employee).unwrap().id);
    let error = json!([{"errorCode": "E0000009", "errorSummary": "Internal Server Error"}]);
    let fault = Fault::Custom(Response::json(200, &error));
    bed.stage.okta.faults().on("GET", &roles, fault).always();
    bed.forget_calls();
    let other = bed.leave(&bed.employee(1));
    let report = bed.sync();
    assert!(report.needs_attention());
    // It might have passed within a minute.
    bed.pass("1m");
    bed.sync();
    let why = bed.comments(&leave).concat();
    assert!(why.contains("cannot be told") && why.contains("role"), "{why}");
    assert_eq!((bed.status(&employee), bed.state(&other)), ("ACTIVE", "3".into()));

    bed.stage.okta.faults().clear();
    bed.pass("30s");
    assert!(!bed.sync().needs_attention());
    assert_eq!((bed.status(&employee), bed.state(&leave)), ("DEPROVISIONED", "3".into()));
}

#[test]
fn a_group_that_makes_administrators_is_given_to_nobody() {
    let bed = Bed::of(60);
    bed.stage.okta.set_group_roles(&bed.okta_group("app-jira"), &["APP_ADMIN"]);
    let (employee, newcomer) = (bed.employee(0), bed.newcomer(0));
    let grant = bed.access("Add", &employee, &["app-jira"], "");
    let join = bed.join(&newcomer, &["app-jira", "VPN Users"]);
    for _ in 0..2 {
        bed.sync();
    }
    assert!(bed.stage.okta.members(&bed.okta_group("app-jira")).is_empty());
    assert!(bed.account(&newcomer).unwrap().groups.contains(&"VPN Users".to_owned()));
    for request in [&grant, &join] {
        assert_eq!(bed.comments(request).len(), 1, "{:?}", bed.comments(request));
        assert_ne!(bed.state(request), "3");
    }
}

#[test]
fn a_sentinel_that_is_missing_stops_what_the_read_takes_away_and_nothing_else() {
    let bed = Bed::of(60);
    let boss = bed.employee(0);
    let list = format!("[guard]\nsentinels = [\"{}\"]\n", boss.email);
    let bed = bed.configure("[guard]\n", &list);
    assert!(bed.sync().quarantined.is_none());
    bed.stage.servicenow.delete_person(&boss.sys_id);
    bed.record(&bed.employee(2), &[("active", "false")]);
    let leave = bed.leave(&bed.employee(1));
    let join = bed.join(&bed.newcomer(0), &[]);
    let report = bed.sync_full();
    assert!(report.quarantined.as_deref().is_some_and(|why| why.contains("sentinel")));
    assert!(applied(&report).contains(&format!("{} create", join.number)));
    // A leave is by its request, and not because of that read.
    assert_eq!((bed.state(&leave), bed.status(&bed.employee(2))), ("3".to_owned(), "ACTIVE"));
    let held = bed.waiting();
    assert!(!held.is_empty());
    let doubted = held.iter().filter(|hold| hold.set.as_deref() == Some("implausible-read"));
    assert!(doubted.clone().any(|hold| hold.action == Some("suspend")), "{held:#?}");
    assert!(doubted.clone().all(|hold| hold.request != Some(leave.number.clone())), "{held:#?}");
}

#[test]
fn over_an_empty_store_nobody_is_disabled_by_the_record_until_somebody_says_yes() {
    let bed = Bed::of(60);
    // A past: a request that was closed before the first cycle, and somebody whose record is
    // inactive while the account is in use.
    let done = bed.access("Add", &bed.employee(1), &["app-jira"], "");
    bed.stage
        .okta
        .seed_member(&bed.okta_group("app-jira"), &bed.account(&bed.employee(1)).unwrap().id);
    assert!(bed.stage.servicenow.close(&done.number));
    let gone = bed.employee(0);
    bed.stage.servicenow.update_person(&gone.sys_id, &[("active", "false")]);
    // What an open request asks for is done at once.
    let leaver = bed.employee(2);
    bed.leave(&leaver);
    for _ in 0..3 {
        bed.sync_full();
        assert_eq!(bed.account(&gone).unwrap().status.as_str(), "ACTIVE");
    }
    assert_eq!(bed.account(&leaver).unwrap().status.as_str(), "DEPROVISIONED");
    let released = bed.release(&goldthread::store::HoldSelection::Set("empty-store".to_owned()));
    assert_eq!(released.len(), 1, "{released:#?}");
    assert_eq!(released[0].action, Some("suspend"));
    bed.sync();
    assert_eq!(bed.account(&gone).unwrap().status.as_str(), "SUSPENDED");
}

#[test]
fn a_changed_rule_that_touches_too_many_is_held_as_one_set() {
    let bed = Bed::of(80)
        .configure("[guard]\n", "[guard]\nmax_changed = 5\nmax_changed_share = \"1%\"\n");
    let bed = attribution(bed, "unattributed = \"apply\"");
    bed.sync();
    let everybody = bed.configure(
        "department = \"user.department.name\"",
        "department = \"'Dept. ' + user.department.name\"",
    );
    everybody.forget_calls();
    let report = everybody.sync_full();
    assert!(report.quarantined.as_deref().is_some_and(|why| why.contains("max_changed")));
    assert!(everybody.stage.okta.writes().is_empty());
    let held = everybody.waiting();
    assert!(held.len() > 50);
    assert!(
        held.iter().all(|hold| hold.cause == "rule" && hold.set.as_deref() == Some("max-changed"))
    );
    everybody.release(&goldthread::store::HoldSelection::Set("max-changed".to_owned()));
    let report = everybody.sync();
    assert_eq!(report.summary.applied, held.len(), "{:?}", report.summary);
    assert!(!everybody.sync_full().needs_attention());
}

#[test]
fn a_rule_that_would_empty_a_group_is_held_by_the_share_of_its_members() {
    let bed = attribution(Bed::of(120), "unattributed = \"apply\"");
    bed.sync();
    let department = bed.employee(0).department;
    let members = bed.stage.okta.members(&bed.okta_group(&department)).len();
    assert!(members >= 10, "{members}");
    let bed = bed.configure(
        &format!("when = \"user.department.name == '{department}' && user.active == 'true'\""),
        "when = \"user.department.name == 'Nobody'\"",
    );
    bed.forget_calls();
    let report = bed.sync_full();
    assert!(report.quarantined.as_deref().is_some_and(|why| why.contains("max_group_share")));
    assert!(bed.stage.okta.writes().is_empty());
    assert_eq!(bed.waiting().len(), members);
}

#[test]
fn more_removals_than_allowed_wait_together() {
    let bed = attribution(Bed::of(60), "unattributed = \"apply\"");
    let bed = bed.configure("[guard]\n", "[guard]\nmax_removed = 3\nmax_group_share = \"100%\"\n");
    let jira = bed.okta_group("app-jira");
    bed.access("Add", &bed.employee(9), &["app-jira"], "");
    bed.sync();
    for place in 0..4 {
        let id = bed.account(&bed.employee(place)).unwrap().id;
        bed.stage.okta.acting_as("Pat Admin").add_member(&jira, &id);
    }
    bed.forget_calls();
    let report = bed.sync_full();
    assert!(report.quarantined.as_deref().is_some_and(|why| why.contains("max_removed")));
    assert!(bed.stage.okta.writes().is_empty());
}

#[test]
fn a_quarantine_of_one_kind_does_not_stop_the_others_and_ends_with_its_cause() {
    let bed = Bed::of(80);
    bed.sync();
    for place in 0..6 {
        bed.leave(&bed.employee(place));
    }
    bed.sync();
    bed.pass("1m");
    let grant = bed.access("Add", &bed.employee(10), &["app-jira"], "");
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} add_member", grant.number)]);
    // One of the six comes to nothing: five may leave.
    let number = bed.waiting()[0].request.clone().unwrap();
    assert!(bed.stage.servicenow.cancel(&number));
    bed.pass("20m");
    let report = bed.sync();
    assert!(report.quarantined.is_none(), "{:?}", report.quarantined);
    let gone = (0..6)
        .filter(|at| bed.account(&bed.employee(*at)).unwrap().status.as_str() == "DEPROVISIONED");
    assert_eq!(gone.count(), 5);
}

#[test]
fn one_person_is_handled_on_demand_and_nobody_else() {
    let bed = Bed::of(60);
    bed.sync();
    let (first, second) = (bed.newcomer(0), bed.newcomer(1));
    let mine = bed.join(&first, &[]);
    let other = bed.join(&second, &[]);
    let report = bed.try_sync(&Scope::Person(first.email.clone())).unwrap();
    assert_eq!(applied(&report), [format!("{} create", mine.number)]);
    assert!(bed.account(&second).is_none());
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} create", other.number)]);
}
