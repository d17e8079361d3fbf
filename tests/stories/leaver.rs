//! Somebody leaves, is away for a while, or comes back.

use goldthread::sim::faults::Fault;

use super::bed::{Bed, applied, held};

#[test]
fn a_leaver_loses_sessions_account_and_groups_in_one_cycle_and_the_second_does_nothing() {
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    let request = bed.leave(&employee);
    let report = bed.sync();
    let number = &request.number;
    assert_eq!(
        applied(&report),
        [
            format!("{number} clear_sessions"),
            format!("{number} deactivate"),
            format!("{number} remove_member"),
            format!("{number} remove_member"),
        ]
    );
    let account = bed.account(&employee).unwrap();
    assert_eq!(account.status.as_str(), "DEPROVISIONED");
    assert_eq!(account.groups, Vec::<String>::new());
    assert_eq!(bed.state(&request), "3");

    bed.forget_calls();
    assert!(!bed.sync().needs_attention());
    assert!(!bed.sync_full().needs_attention());
    assert_eq!(bed.writes(), Vec::<String>::new());
}

#[test]
fn a_leaver_loses_what_was_given_by_hand_whatever_becomes_of_other_changes_by_hand() {
    for word in ["apply", "hold", "report"] {
        let bed = Bed::of(40).with("attribution", &format!("drift = \"{word}\""));
        let employee = bed.employee(0);
        bed.access("Add", &employee, &["app-jira"], "");
        bed.sync();
        bed.access("Remove", &employee, &["app-jira"], "");
        bed.sync();
        let account = bed.account(&employee).unwrap().id;
        bed.stage.okta.add_member(&bed.okta_group("app-jira"), &account);
        let request = bed.leave(&employee);
        let report = bed.sync();
        let done = applied(&report);
        assert!(done.contains(&format!("{} remove_member", request.number)), "{word}: {done:?}");
        assert_eq!(bed.groups_of(&employee), Vec::<String>::new(), "{word}");
        assert_eq!(bed.state(&request), "3", "{word}");
        bed.nothing_happens();
    }
}

#[test]
fn a_leaver_whose_account_could_not_be_disabled_keeps_the_groups_until_it_is() {
    for fault in [Fault::Status(403), Fault::Status(500), Fault::DropBefore] {
        let bed = Bed::of(40);
        let employee = bed.employee(0);
        bed.access("Add", &employee, &["app-jira"], "");
        bed.sync();
        let request = bed.leave(&employee);
        bed.stage.okta.faults().on("POST", "/lifecycle/deactivate", fault.clone()).always();
        bed.forget_calls();
        let report = bed.sync();
        assert!(report.needs_attention());
        assert_eq!(bed.groups_of(&employee).len(), 2, "{fault:?}: {:?}", bed.okta_writes());

        bed.stage.okta.faults().clear();
        bed.sync_full();
        assert_eq!(bed.groups_of(&employee), Vec::<String>::new());
        assert_eq!((bed.status(&employee), bed.state(&request).as_str()), ("DEPROVISIONED", "3"));
    }
}

#[test]
fn a_last_day_in_the_future_disables_nobody_before_it_is_over() {
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    let request = bed.approved(
        "Okta offboarding",
        &employee,
        &[("employee", &employee.sys_id), ("last_day", "2026-03-05")],
    );
    bed.sync();
    bed.stage.clock.freeze("2026-03-05T23:59:00Z".parse().unwrap());
    assert_eq!(applied(&bed.sync()), Vec::<String>::new());
    assert_eq!(bed.account(&employee).unwrap().status.as_str(), "ACTIVE");
    bed.stage.clock.freeze("2026-03-06T00:00:30Z".parse().unwrap());
    bed.sync();
    assert_eq!(bed.account(&employee).unwrap().status.as_str(), "DEPROVISIONED");
    assert_eq!(bed.state(&request), "3");
}

#[test]
fn a_rehire_gets_the_same_account_back_without_the_old_access() {
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.leave(&employee);
    bed.sync();
    let old = bed.account(&employee).unwrap();
    assert_eq!(old.status.as_str(), "DEPROVISIONED");

    bed.pass("1h");
    let request = bed.join(&employee, &["app-figma"]);
    let report = bed.sync();
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    let account = bed.account(&employee).unwrap();
    assert_eq!(account.id, old.id);
    assert_eq!(account.status.as_str(), "PROVISIONED");
    let mut groups = account.groups.clone();
    groups.sort();
    let mut expected = vec!["app-figma".to_owned(), employee.department.clone()];
    expected.sort();
    assert_eq!(groups, expected);
    assert_eq!(bed.state(&request), "3");
    assert_eq!(bed.stage.okta.mails().len(), 1, "one mail, once the profile is right");
}

#[test]
fn a_leave_of_absence_suspends_and_the_return_lifts_it() {
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    let away = bed.approved(
        "Leave of absence",
        &employee,
        &[("employee", &employee.sys_id), ("starts", "2026-03-01")],
    );
    assert_eq!(applied(&bed.sync()), [format!("{} suspend", away.number)]);
    assert_eq!(bed.account(&employee).unwrap().status.as_str(), "SUSPENDED");
    assert_eq!(bed.state(&away), "3");

    bed.pass("1 day");
    let back = bed.ordered(
        "Return from leave",
        &employee,
        &[("employee", &employee.sys_id), ("starts", "2026-03-03")],
    );
    assert_eq!(applied(&bed.sync()), [format!("{} unsuspend", back.number)]);
    assert_eq!(bed.account(&employee).unwrap().status.as_str(), "ACTIVE");
    assert_eq!(bed.state(&back), "3");
}

#[test]
fn an_inactive_record_without_a_leave_is_suspended_and_a_returning_one_is_not_a_rehire() {
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    bed.join(&employee, &[]);
    bed.sync();
    bed.stage.servicenow.update_person(&employee.sys_id, &[("active", "false")]);
    bed.sync();
    assert_eq!(bed.account(&employee).unwrap().status.as_str(), "SUSPENDED");
    bed.forget_calls();
    let report = bed.sync_full();
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert_eq!(bed.writes(), Vec::<String>::new());
}

#[test]
fn a_person_whose_record_was_deleted_is_disabled_once_the_audit_shows_it() {
    let bed = Bed::of(40);
    let (employee, other) = (bed.employee(0), bed.employee(1));
    bed.join(&employee, &[]);
    bed.join(&other, &[]);
    bed.sync();
    bed.stage.servicenow.set(|it| {
        it.hidden_tables.insert("sys_audit_delete".to_owned());
    });
    bed.stage.servicenow.delete_person(&employee.sys_id);
    bed.record(&bed.employee(5), &[("active", "false")]);
    bed.sync();
    bed.forget_calls();
    // Without the audit it could be a rule that takes the row out of every query.
    for _ in 0..3 {
        let report = bed.sync_full();
        assert!(bed.writes().is_empty(), "{:#?}", report.actions);
        bed.pass("11m");
    }
    assert!(held(&bed.sync_full()).contains(&"RITM0010001 suspend".to_owned()));
    assert_eq!(bed.status(&employee), "ACTIVE");
    bed.stage.servicenow.set(|it| it.hidden_tables.clear());
    bed.stage.servicenow.delete_person(&other.sys_id);
    bed.sync_full();
    assert_eq!((bed.status(&employee), bed.status(&other)), ("SUSPENDED", "SUSPENDED"));
}

#[test]
fn leavers_come_before_joiners() {
    let bed = Bed::of(300);
    bed.sync();
    let joiners: Vec<_> = (0..25).map(|place| bed.newcomer(place)).collect();
    for joiner in &joiners {
        bed.join(joiner, &[]);
    }
    // By their rows the leaver would come last.
    let last = joiners.iter().map(|it| &it.sys_id).max().unwrap();
    let mut leavers = (0..).map(|place| bed.employee(place));
    let leave = bed.leave(&leavers.find(|it| it.sys_id > *last).unwrap());
    let done = applied(&bed.sync());
    let disabled = format!("{} deactivate", leave.number);
    let place = done.iter().position(|line| *line == disabled).unwrap();
    // Others go on beside a leaver, and nobody before: some dozen at once.
    let before = done[..place].iter().filter(|line| line.ends_with(" create")).count();
    assert!(before < 12, "{done:?}");
}

#[test]
fn a_leave_that_was_rejected_while_nothing_could_be_read_for_days_disables_nobody() {
    let bed = Bed::of(40);
    let employee = bed.employee(3);
    let (deps, writers) = bed.at_work();
    bed.cycle_of(&deps, &writers);
    let leave = bed.leave_on(&employee, "2026-03-03");
    bed.cycle_of(&deps, &writers);
    // The machine sleeps over the weekend; its last answer from ServiceNow is from before that.
    bed.pass("3days");
    assert!(bed.stage.servicenow.reject(&leave.number));
    let report = bed.cycle_of(&deps, &writers);
    assert_eq!(report.actions, [], "the leave is in force by now, and rejected");
    assert_eq!(bed.status(&employee), "ACTIVE");
}

/// Okta may come to have statuses that nobody knows yet.
#[test]
fn a_leaver_whose_account_has_a_status_that_is_not_known_keeps_the_groups_until_it_is_disabled() {
    let bed = Bed::of(20);
    let leaver = bed.employee(0);
    bed.access("Add", &leaver, &["app-jira"], "");
    bed.sync_full();
    let groups = bed.groups_of(&leaver);
    assert!(groups.contains(&"app-jira".to_owned()));
    let id = bed.account(&leaver).unwrap().id;
    let hibernate = move |answer: &mut serde_json::Value| {
        let alone = answer.get("id").is_some_and(|it| it == id.as_str()).then_some(&mut *answer);
        if let Some(account) = alone {
            account["status"] = "HIBERNATING".into();
        } else if let Some(all) = answer.as_array_mut() {
            let mine = all.iter_mut().filter(|it| it["id"] == id.as_str());
            mine.filter(|it| it.get("status").is_some())
                .for_each(|it| it["status"] = "HIBERNATING".into());
        }
    };
    let _ = bed.stage.okta.faults().on("GET", "/api/v1/users", Fault::reshaped(hibernate)).always();
    let leave = bed.leave(&leaver);
    bed.forget_calls();
    for full in [false, true] {
        let report = if full { bed.sync_full() } else { bed.sync() };
        assert!(report.needs_attention());
        let why = "Okta shows a status that is not known";
        let blocked = bed.cached_drift().items;
        let blocked = blocked.iter().filter(|it| it.disposition == "blocked" && it.reason == why);
        let facts: Vec<&str> = blocked.map(|it| it.fact).collect();
        assert!(facts.contains(&"status") && facts.contains(&"membership"), "{facts:?}");
        bed.pass("10m");
    }
    assert_eq!(bed.groups_of(&leaver), groups);
    assert_ne!(bed.state(&leave), "3");
    bed.stage.okta.faults().clear();
    bed.pass("10m");
    bed.sync_full();
    assert_eq!(bed.status(&leaver), "DEPROVISIONED");
    assert!(!bed.is_in(&leaver, "app-jira"));
    bed.pass("1m");
    bed.sync();
    assert_eq!(bed.state(&leave), "3");
}
