//! Joining, leaving and being away: dates, withdrawals, and records and hands that say otherwise.

use goldthread::sim::company::Person;
use goldthread::sim::okta::Status;
use goldthread::sim::servicenow::Ordered;

use super::bed::{Bed, applied, causes, held, why_held};

const NOTHING: [String; 0] = [];

/// How a request ends that was approved: each is a way to take it back.
fn takes_back(bed: &Bed, request: &Ordered, way: &str) {
    let servicenow = &bed.stage.servicenow;
    assert!(match way {
        "rejected" => servicenow.reject(&request.number),
        "closed incomplete" => servicenow.cancel(&request.number),
        _ => servicenow.skip(&request.number),
    });
}

const WAYS: [&str; 3] = ["rejected", "closed incomplete", "skipped"];

fn guarded(bed: Bed) -> Bed {
    bed.with("guard", "max_disabled = 0\nmax_disabled_share = \"0%\"")
}

#[test]
fn nothing_is_written_for_a_join_ahead_of_its_start_even_where_everybody_has_an_account() {
    for keys in ["accounts = \"requested\"", "accounts = \"active\""] {
        let bed =
            Bed::of(40).with("lifecycle", keys).with("attribution", "unattributed = \"apply\"");
        bed.sync();
        let joiner = bed.hired("Nora", "880001", "nora@example.com");
        let join = bed.join_on(&joiner, "2026-03-05", "");
        bed.forget_calls();
        bed.sync();
        bed.nothing_happens();
        assert!(bed.account(&joiner).is_none(), "{keys}");
        bed.at("2026-03-05T00:00:30Z");
        assert_eq!(applied(&bed.sync()), [format!("{} create", join.number)]);
    }
}

#[test]
fn somebody_at_work_loses_nothing_while_a_join_is_ahead() {
    let bed = Bed::of(40)
        .with("lifecycle", "create_ahead = \"7 days\"")
        .with("attribution", "unattributed = \"apply\"");
    let employee = bed.employee(20);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    let groups = bed.groups_of(&employee);
    bed.join_on(&employee, "2026-03-05", "");
    bed.sync();
    bed.nothing_happens();
    assert_eq!((bed.status(&employee), bed.groups_of(&employee)), ("ACTIVE", groups));
}

#[test]
fn an_end_date_is_over_at_midnight_of_the_place_also_when_the_clocks_change() {
    for (start, day, before, after) in [
        ("2026-03-27", "2026-03-29", "2026-03-29T21:59:30Z", "2026-03-29T22:00:30Z"),
        ("2026-10-22", "2026-10-25", "2026-10-25T22:59:30Z", "2026-10-25T23:00:30Z"),
    ] {
        let bed = Bed::of(40).with("schedule", "timezone = \"Europe/Berlin\"");
        bed.at(&format!("{start}T09:00:00Z"));
        let (with_access, on_contract, leaver) =
            (bed.employee(20), bed.newcomer(0), bed.employee(21));
        bed.access("Add", &with_access, &["app-jira"], day);
        bed.join_on(&on_contract, start, day);
        bed.leave_on(&leaver, day);
        bed.sync();
        bed.at(before);
        assert_eq!(applied(&bed.sync()), NOTHING);
        let may = |bed: &Bed| bed.groups_of(&with_access).contains(&"app-jira".to_owned());
        assert!(may(&bed) && bed.status(&leaver) == "ACTIVE");
        assert_eq!(bed.status(&on_contract), "PROVISIONED");

        bed.at(after);
        bed.sync();
        assert!(!may(&bed));
        assert_eq!(bed.status(&leaver), "DEPROVISIONED");
        assert_eq!(bed.status(&on_contract), "DEPROVISIONED");
    }
}

/// Activated without a mail, then the profile, and the mail at the very end.
fn comes_back_in_order(bed: &Bed) {
    let writes = bed.okta_writes();
    let place = |line: &str| writes.iter().position(|write| write == line);
    let activate = place("POST users/lifecycle/activate?sendEmail=false").expect("activated");
    let profile = place("POST users").expect("brought up to date");
    let mail = place("POST users/lifecycle/reactivate?sendEmail=true").expect("told");
    assert!(activate < profile && profile < mail && mail == writes.len() - 1, "{writes:?}");
}

#[test]
fn a_rehire_is_activated_quietly_then_brought_up_to_date_and_only_then_told() {
    let bed = Bed::of(40);
    let employee = bed.employee(20);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.leave(&employee);
    bed.sync();
    let old = bed.account(&employee).unwrap();
    bed.pass("1h");
    bed.record(&employee, &[("last_name", "Nachname")]);
    let join = bed.join(&employee, &["app-figma"]);
    bed.forget_calls();
    let report = bed.sync();
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert!(report.actions.iter().all(|action| action.request.as_deref() == Some(&join.number)));
    assert!(
        causes(&report).iter().all(|line| line.ends_with("by request")),
        "{:?}",
        causes(&report)
    );
    comes_back_in_order(&bed);
    assert_eq!(bed.stage.okta.mails().len(), 1);
    let account = bed.account_of(&old.id);
    let mut groups = vec!["app-figma".to_owned(), employee.department.clone()];
    groups.sort();
    assert_eq!((account.status, account.groups), (Status::Provisioned, groups));
    bed.nothing_happens();
}

#[test]
fn somebody_who_left_before_goldthread_came_comes_back_without_the_old_access() {
    for drift in ["apply", "hold", "report"] {
        let bed = Bed::of(40).with("attribution", &format!("drift = \"{drift}\""));
        // A colleague's request brings app-jira under management.
        bed.access("Add", &bed.employee(20), &["app-jira"], "");
        let back = bed.hired("Nora", "880001", "nora@example.com");
        let id = bed.handmade("880001", "nora.old@example.com", Status::Deprovisioned);
        for group in ["app-jira", "Finance", "Sales"] {
            bed.stage.okta.seed_member(&bed.okta_group(group), &id);
        }
        bed.sync();
        assert_eq!(bed.account_of(&id).status, Status::Deprovisioned);
        let join = bed.join(&back, &["app-figma"]);
        bed.forget_calls();
        let report = bed.sync();
        assert!(!report.needs_attention(), "{:#?}", report.actions);
        assert!(
            causes(&report).iter().all(|line| line.ends_with("by request")),
            "{:?}",
            causes(&report)
        );
        let account = bed.account_of(&id);
        assert_eq!(account.groups, ["Sales", "app-figma"]);
        assert_eq!(account.text("login"), "nora@example.com");
        comes_back_in_order(&bed);
        assert_eq!(bed.state(&join), "3");
        bed.nothing_happens();
    }
}

#[test]
fn a_leave_of_absence_with_an_end_lifts_itself() {
    let bed = Bed::of(40);
    let employee = bed.employee(20);
    bed.sync();
    let groups = bed.groups_of(&employee);
    let away = bed.away(&employee, "2026-03-04", "2026-03-06");
    assert_eq!(applied(&bed.sync()), NOTHING);
    bed.at("2026-03-04T00:00:30Z");
    assert_eq!(applied(&bed.sync()), [format!("{} suspend", away.number)]);
    assert_eq!(bed.state(&away), "3");
    assert_eq!(bed.groups_of(&employee), groups);
    bed.at("2026-03-06T23:59:00Z");
    assert_eq!(applied(&bed.sync()), NOTHING);
    bed.at("2026-03-07T00:00:30Z");
    assert_eq!(applied(&bed.sync()), [format!("{} unsuspend", away.number)]);
    assert_eq!(bed.status(&employee), "ACTIVE");
    assert_eq!(bed.work_notes(&away).len(), 1);
    bed.nothing_happens();
}

#[test]
fn a_leave_of_absence_without_an_end_lasts_until_the_return() {
    let bed = Bed::of(40);
    let employee = bed.employee(20);
    bed.away(&employee, "2026-03-02", "");
    bed.sync();
    bed.at("2027-03-02T09:00:00Z");
    bed.nothing_happens();
    assert_eq!(bed.status(&employee), "SUSPENDED");
    bed.back(&employee, "");
    bed.sync();
    assert_eq!(bed.status(&employee), "ACTIVE");
}

#[test]
fn a_join_that_starts_after_the_last_day_brings_the_leaver_back_on_its_own_day() {
    let bed = Bed::of(40);
    let employee = bed.employee(20);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.leave_on(&employee, "2026-03-05");
    bed.sync();
    bed.pass("1 day");
    let join = bed.join_on(&employee, "2026-03-10", "");
    assert_eq!(applied(&bed.sync()), NOTHING);
    bed.at("2026-03-06T00:00:30Z");
    bed.sync();
    assert_eq!(bed.status(&employee), "DEPROVISIONED");
    bed.nothing_happens();
    bed.at("2026-03-10T00:00:30Z");
    bed.sync();
    assert_eq!(bed.status(&employee), "PROVISIONED");
    assert_eq!(bed.groups_of(&employee), [employee.department]);
    assert_eq!(bed.state(&join), "3");
}

#[test]
fn a_join_that_starts_before_the_last_day_does_not_lift_the_leave() {
    let bed = Bed::of(40);
    let employee = bed.employee(20);
    bed.leave_on(&employee, "2026-03-05");
    bed.sync();
    bed.pass("1 day");
    bed.join_on(&employee, "2026-03-02", "");
    bed.sync();
    assert_eq!(bed.status(&employee), "ACTIVE");
    bed.at("2026-03-06T00:00:30Z");
    bed.sync();
    assert_eq!(bed.status(&employee), "DEPROVISIONED");
    bed.nothing_happens();
}

#[test]
fn a_join_opened_after_a_leave_that_was_held_keeps_the_account_and_ends_the_old_access() {
    let bed = guarded(Bed::of(40));
    let employee = bed.employee(20);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    let leave = bed.leave(&employee);
    let report = bed.sync();
    assert!(
        held(&report).contains(&format!("{} deactivate", leave.number)),
        "{:#?}",
        report.actions
    );
    bed.pass("1h");
    let join = bed.join(&employee, &["app-figma"]);
    let report = bed.sync();
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert!(
        causes(&report).iter().all(|line| line.ends_with("by request")),
        "{:?}",
        causes(&report)
    );
    assert_eq!(bed.status(&employee), "ACTIVE");
    let mut groups = vec!["app-figma".to_owned(), employee.department.clone()];
    groups.sort();
    assert_eq!(bed.groups_of(&employee), groups);
    assert_eq!(bed.state(&join), "3");
    // The leave was overtaken: said once, and left open.
    assert_ne!(bed.state(&leave), "3");
    bed.nothing_happens();
    assert_eq!(bed.comments(&leave).len(), 1, "{:?}", bed.comments(&leave));
}

#[test]
fn a_withdrawn_join_takes_its_own_groups_back_and_leaves_the_account_to_somebodys_yes() {
    for way in WAYS {
        let bed = Bed::of(40);
        let newcomer = bed.newcomer(0);
        let join = bed.join(&newcomer, &["app-jira"]);
        bed.sync();
        takes_back(&bed, &join, way);
        let report = bed.sync();
        assert_eq!(applied(&report), [format!("{} remove_member", join.number)], "{way}");
        assert!(
            held(&report).contains(&format!("{} deactivate", join.number)),
            "{:?}",
            held(&report)
        );
        assert!(why_held(&report, &join.number).contains("withdrawn after it took effect"));
        assert_eq!(bed.status(&newcomer), "PROVISIONED");
        bed.nothing_happens();
        assert_eq!(bed.groups_of(&newcomer), [newcomer.department]);
        assert!(bed.sync_full().needs_attention(), "it still waits");
    }
}

#[test]
fn a_withdrawn_join_of_somebody_who_was_there_before_holds_nothing() {
    let bed = Bed::of(40);
    let employee = bed.employee(20);
    let join = bed.join(&employee, &["app-jira"]);
    bed.sync();
    takes_back(&bed, &join, "rejected");
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} remove_member", join.number)]);
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    assert_eq!(bed.status(&employee), "ACTIVE");
    bed.nothing_happens();
}

#[test]
fn a_withdrawn_rehire_is_not_disabled_but_held() {
    for deactivated_here in [true, false] {
        let bed = Bed::of(40);
        let employee = bed.employee(20);
        if deactivated_here {
            bed.leave(&employee);
        } else {
            let id = bed.account(&employee).unwrap().id;
            bed.stage.okta.set_status(&id, Status::Deprovisioned);
        }
        bed.sync();
        bed.pass("1h");
        let join = bed.join(&employee, &[]);
        bed.sync();
        assert_eq!(bed.status(&employee), "PROVISIONED");
        takes_back(&bed, &join, "rejected");
        let report = bed.sync();
        assert!(
            held(&report).contains(&format!("{} deactivate", join.number)),
            "{:#?}",
            report.actions
        );
        bed.nothing_happens();
        assert_eq!(bed.status(&employee), "PROVISIONED");
    }
}

#[test]
fn a_join_withdrawn_before_its_start_leaves_the_staged_account_to_somebodys_yes() {
    let bed = Bed::of(40).with("lifecycle", "create_ahead = \"7 days\"");
    let newcomer = bed.newcomer(0);
    let join = bed.join_on(&newcomer, "2026-03-05", "");
    bed.sync();
    assert_eq!(bed.status(&newcomer), "STAGED");
    takes_back(&bed, &join, "rejected");
    bed.at("2026-03-05T01:00:00Z");
    let report = bed.sync();
    assert!(
        held(&report).contains(&format!("{} deactivate", join.number)),
        "{:#?}",
        report.actions
    );
    bed.nothing_happens();
    assert_eq!(bed.status(&newcomer), "STAGED");
}

#[test]
fn a_withdrawn_second_join_falls_back_to_the_first() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &["app-figma"]);
    bed.sync();
    bed.pass("1h");
    let second = bed.join(&newcomer, &["app-jira"]);
    bed.sync();
    takes_back(&bed, &second, "closed incomplete");
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} remove_member", second.number)]);
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    bed.nothing_happens();
    assert!(bed.groups_of(&newcomer).contains(&"app-figma".to_owned()));
}

#[test]
fn a_withdrawn_move_changes_nothing_because_the_record_decides() {
    for way in WAYS {
        let bed = Bed::of(40);
        let newcomer = bed.newcomer(0);
        bed.join(&newcomer, &[]);
        bed.sync();
        bed.record(&newcomer, &[("last_name", "Nachname")]);
        let change = bed.moved(&newcomer);
        bed.sync();
        assert_eq!(bed.state(&change), "3");
        takes_back(&bed, &change, way);
        let report = bed.sync();
        assert!(!report.needs_attention(), "{:#?}", report.actions);
        bed.nothing_happens();
        assert_eq!(bed.account(&newcomer).unwrap().text("lastName"), "Nachname");
    }
}

#[test]
fn a_withdrawn_leave_reactivates_nobody_and_gives_nothing_back_by_itself() {
    for way in WAYS {
        for joined in [true, false] {
            let bed = Bed::of(40);
            let person = if joined { bed.newcomer(0) } else { bed.employee(20) };
            if joined {
                bed.join(&person, &["app-figma"]);
            }
            bed.access("Add", &person, &["app-jira"], "");
            bed.sync();
            bed.pass("1h");
            let leave = bed.leave(&person);
            bed.sync();
            assert_eq!(bed.status(&person), "DEPROVISIONED");
            takes_back(&bed, &leave, way);
            bed.forget_calls();
            let report = bed.sync();
            assert_eq!(bed.okta_writes(), NOTHING, "{way}");
            let waiting = held(&report);
            assert!(waiting.contains(&format!("{} activate", leave.number)), "{waiting:?}");
            assert!(waiting.contains(&format!("{} add_member", leave.number)), "{waiting:?}");
            assert!(waiting.iter().all(|line| line.starts_with(&leave.number)), "{waiting:?}");
            bed.nothing_happens();
            assert_eq!(bed.status(&person), "DEPROVISIONED");
        }
    }
}

#[test]
fn a_leave_withdrawn_before_it_was_carried_out_never_was() {
    let bed = guarded(Bed::of(40));
    let employee = bed.employee(20);
    let leave = bed.leave(&employee);
    assert!(bed.sync().needs_attention());
    takes_back(&bed, &leave, "rejected");
    assert!(!bed.sync().needs_attention());
    bed.nothing_happens();
    assert_eq!(bed.status(&employee), "ACTIVE");
}

#[test]
fn a_withdrawn_suspension_is_not_lifted_by_itself_and_a_withdrawn_return_suspends_nobody() {
    for way in WAYS {
        for joined in [true, false] {
            let bed = Bed::of(40);
            let employee = bed.employee(20);
            if joined {
                bed.join(&employee, &[]);
            }
            bed.sync();
            bed.pass("1h");
            let away = bed.away(&employee, "2026-03-02", "");
            bed.sync();
            assert_eq!(bed.status(&employee), "SUSPENDED");
            takes_back(&bed, &away, way);
            let report = bed.sync();
            assert_eq!(held(&report), [format!("{} unsuspend", away.number)], "{way}");
            bed.nothing_happens();
            assert_eq!(bed.status(&employee), "SUSPENDED");
        }

        let bed = Bed::of(40);
        let employee = bed.employee(20);
        bed.away(&employee, "2026-03-02", "");
        bed.sync();
        bed.pass("1h");
        let back = bed.back(&employee, "");
        bed.sync();
        takes_back(&bed, &back, way);
        let report = bed.sync();
        assert_eq!(held(&report), [format!("{} suspend", back.number)], "{way}");
        bed.nothing_happens();
        assert_eq!(bed.status(&employee), "ACTIVE");
    }
}

#[test]
fn a_withdrawn_grant_is_taken_away_at_once_and_another_that_still_speaks_for_it_keeps_it() {
    for way in WAYS {
        let bed = Bed::of(40);
        let (employee, other) = (bed.employee(20), bed.employee(21));
        let grant = bed.access("Add", &employee, &["app-jira"], "");
        let doubled = bed.access("Add", &other, &["app-jira"], "");
        bed.access("Add", &other, &["app-jira"], "");
        bed.sync();
        takes_back(&bed, &grant, way);
        takes_back(&bed, &doubled, way);
        let report = bed.sync();
        assert_eq!(applied(&report), [format!("{} remove_member", grant.number)], "{way}");
        assert!(!report.needs_attention(), "{:#?}", report.actions);
        bed.nothing_happens();
        assert_eq!(bed.groups_of(&employee), [employee.department]);
        assert!(bed.groups_of(&other).contains(&"app-jira".to_owned()));
    }
}

#[test]
fn a_withdrawn_revoke_gives_nothing_back_by_itself() {
    for way in WAYS {
        for adopted in [true, false] {
            let bed = Bed::of(40);
            let employee = bed.employee(20);
            if adopted {
                let id = bed.account(&employee).unwrap().id;
                bed.stage.okta.add_member(&bed.okta_group("app-jira"), &id);
                bed.access("Add", &bed.employee(21), &["app-jira"], "");
            } else {
                bed.access("Add", &employee, &["app-jira"], "");
            }
            bed.sync();
            bed.pass("1h");
            let revoke = bed.access("Remove", &employee, &["app-jira"], "");
            bed.sync();
            assert_eq!(bed.groups_of(&employee), std::slice::from_ref(&employee.department));
            takes_back(&bed, &revoke, way);
            let report = bed.sync();
            assert_eq!(held(&report), [format!("{} add_member", revoke.number)], "{way}");
            bed.nothing_happens();
            assert_eq!(bed.groups_of(&employee), [employee.department]);
        }
    }
}

#[test]
fn an_approval_that_is_asked_for_again_changes_nothing_that_took_effect() {
    let bed = Bed::of(40);
    let (newcomer, leaver, away, member) =
        (bed.newcomer(0), bed.employee(20), bed.employee(21), bed.employee(22));
    let requests = [
        bed.join(&newcomer, &["app-figma"]),
        bed.leave(&leaver),
        bed.away(&away, "2026-03-02", ""),
        bed.access("Add", &member, &["app-jira"], ""),
    ];
    bed.sync();
    for request in &requests {
        assert!(bed.stage.servicenow.reset_approval(&request.number));
        bed.stage.servicenow.edit(&request.order, &[("approval", "requested")]);
    }
    assert!(!bed.sync().needs_attention());
    bed.nothing_happens();
    assert_eq!(bed.status(&newcomer), "PROVISIONED");
    assert_eq!(bed.status(&leaver), "DEPROVISIONED");
    assert_eq!(bed.status(&away), "SUSPENDED");
    assert!(bed.groups_of(&member).contains(&"app-jira".to_owned()));
}

#[test]
fn an_approval_that_is_asked_for_again_before_anything_was_done_stops_it() {
    let bed = Bed::of(40);
    let (newcomer, leaver) = (bed.newcomer(0), bed.employee(20));
    let requests = [bed.join_on(&newcomer, "2026-03-05", ""), bed.leave_on(&leaver, "2026-03-04")];
    bed.sync();
    for request in &requests {
        bed.stage.servicenow.reset_approval(&request.number);
    }
    bed.sync();
    bed.at("2026-03-05T01:00:00Z");
    bed.nothing_happens();
    assert!(bed.account(&newcomer).is_none());
    assert_eq!(bed.status(&leaver), "ACTIVE");
}

/// What happens to somebody whose record is inactive or deleted, by `lifecycle.inactive_record`.
fn without_a_record(deleted: bool, person: &Person, bed: &Bed) -> (Vec<String>, Vec<String>) {
    if deleted {
        bed.stage.servicenow.delete_person(&person.sys_id);
        let report = bed.sync_full();
        (causes(&report), held(&report))
    } else {
        bed.record(person, &[("active", "false")]);
        let report = bed.sync();
        (causes(&report), held(&report))
    }
}

#[test]
fn a_record_that_is_inactive_or_deleted_without_a_leave_is_acted_on_as_configured() {
    for deleted in [false, true] {
        for requests in ["none", "join and move"] {
            for (word, status, done, waits) in [
                ("suspend", "SUSPENDED", vec!["suspend by record"], vec![]),
                (
                    "deactivate",
                    "DEPROVISIONED",
                    vec!["clear_sessions by record", "deactivate by record"],
                    vec![],
                ),
                ("hold", "ACTIVE", vec![], vec!["suspend"]),
                ("report", "ACTIVE", vec![], vec![]),
            ] {
                let bed = Bed::of(40).with("lifecycle", &format!("inactive_record = \"{word}\""));
                let employee = bed.employee(20);
                let mut origin = "BASELINE".to_owned();
                if requests != "none" {
                    origin = bed.join(&employee, &[]).number;
                }
                bed.sync();
                bed.pass("1h");
                if requests == "join and move" {
                    origin = bed.moved(&employee).number;
                    bed.sync();
                }
                let case = format!("{word}, deleted: {deleted}, requests: {requests}");
                let (mut causes, mut held) = without_a_record(deleted, &employee, &bed);
                // That the birthright ends with the active record is another story.
                causes.retain(|line| !line.contains("member"));
                held.retain(|line| !line.contains("member"));
                assert_eq!(causes, done, "{case}");
                let waits: Vec<String> =
                    waits.iter().map(|action| format!("{origin} {action}")).collect();
                assert_eq!(held, waits, "{case}");
                bed.nothing_happens();
                assert_eq!(bed.status(&employee), status, "{case}");
                let items = bed.differences();
                let item = items.iter().find(|item| item.fact == "status");
                let found = item.map(|item| (item.disposition, item.cause, item.request.clone()));
                let expected = match word {
                    "hold" => Some(("hold", "record", Some(origin))),
                    "report" => Some(("report", "record", Some(origin))),
                    _ => None,
                };
                assert_eq!(found, expected, "{case}");
            }
        }
    }
}

#[test]
fn a_record_that_is_active_again_lifts_what_its_inactivity_did() {
    for (word, between, after) in
        [("suspend", "SUSPENDED", "ACTIVE"), ("deactivate", "DEPROVISIONED", "PROVISIONED")]
    {
        let bed = Bed::of(40).with("lifecycle", &format!("inactive_record = \"{word}\""));
        let employee = bed.employee(20);
        let join = bed.join(&employee, &["app-jira"]);
        bed.sync();
        let groups = bed.groups_of(&employee);
        bed.record(&employee, &[("active", "false")]);
        bed.sync();
        assert_eq!(bed.status(&employee), between);
        bed.record(&employee, &[("active", "true")]);
        let report = bed.sync();
        assert!(!report.needs_attention(), "{:#?}", report.actions);
        assert!(
            report.actions.iter().all(|action| action.cause == "record"),
            "{:?}",
            causes(&report)
        );
        assert!(
            report.actions.iter().all(|action| action.request.as_deref() == Some(&join.number))
        );
        assert_eq!((bed.status(&employee), bed.groups_of(&employee)), (after, groups));
        bed.nothing_happens();
    }
}

#[test]
fn somebody_without_requests_whose_record_is_active_again_waits_for_a_yes() {
    let bed = Bed::of(40);
    let employee = bed.employee(20);
    bed.sync();
    bed.record(&employee, &[("active", "false")]);
    bed.sync();
    assert_eq!(bed.status(&employee), "SUSPENDED");
    bed.record(&employee, &[("active", "true")]);
    let report = bed.sync();
    assert_eq!(held(&report), ["BASELINE unsuspend"]);
    bed.nothing_happens();
    assert!(bed.sync_full().needs_attention(), "it still waits");
}

#[test]
fn an_approved_leave_of_absence_is_carried_out_whatever_an_inactive_record_does() {
    for word in ["suspend", "hold", "report"] {
        let bed = Bed::of(40).with("lifecycle", &format!("inactive_record = \"{word}\""));
        let employee = bed.employee(20);
        bed.sync();
        bed.record(&employee, &[("active", "false")]);
        let away = bed.away(&employee, "2026-03-02", "");
        let report = bed.sync();
        assert_eq!(applied(&report), [format!("{} suspend", away.number)], "{word}");
        assert_eq!(causes(&report), ["suspend by request"]);
        assert_eq!(bed.state(&away), "3");
    }
}

#[test]
fn an_account_that_somebody_else_suspended_deactivated_or_deleted_is_reported_and_left() {
    for change in ["suspended", "deactivated", "deleted"] {
        let bed = Bed::of(40);
        let newcomer = bed.newcomer(0);
        bed.join(&newcomer, &["app-jira"]);
        bed.sync();
        let accounts = bed.stage.okta.user_count();
        by_somebody_else(&bed, &newcomer, change);
        bed.forget_calls();
        for _ in 0..2 {
            let report = bed.sync_full();
            assert!(!report.needs_attention(), "{change}: {:#?}", report.actions);
        }
        bed.nothing_happens();
        assert!(bed.stage.okta.user_count() <= accounts);
        let items = bed.differences();
        let fact = if change == "deleted" { "account" } else { "status" };
        let item = items.iter().find(|item| item.fact == fact).unwrap();
        assert_eq!((item.disposition, item.cause), ("report", "drift"), "{change}");
        assert!(items.iter().all(|item| item.disposition == "report"), "{items:#?}");
    }
}

#[test]
fn an_account_that_somebody_else_suspended_deactivated_or_deleted_is_put_right_where_configured() {
    for (change, action) in
        [("suspended", "unsuspend"), ("deactivated", "activate"), ("deleted", "create")]
    {
        let bed = Bed::of(40).with("lifecycle", "suspended_elsewhere = \"apply\"");
        let newcomer = bed.newcomer(0);
        let join = bed.join(&newcomer, &["app-jira"]);
        bed.sync();
        let groups = bed.groups_of(&newcomer);
        by_somebody_else(&bed, &newcomer, change);
        let report = bed.sync_full();
        assert!(!report.needs_attention(), "{change}: {:#?}", report.actions);
        assert!(applied(&report).contains(&format!("{} {action}", join.number)), "{report:#?}");
        assert!(causes(&report)[0].ends_with("by drift"), "{:?}", causes(&report));
        assert!(["ACTIVE", "PROVISIONED"].contains(&bed.status(&newcomer)));
        assert_eq!(bed.groups_of(&newcomer), groups);
        bed.nothing_happens();
    }
}

fn by_somebody_else(bed: &Bed, person: &Person, change: &str) {
    let id = bed.account(person).unwrap().id;
    let okta = bed.stage.okta.acting_as("Pat Admin");
    okta.finish_activation(&id);
    bed.sync_full();
    match change {
        "suspended" => okta.set_status(&id, Status::Suspended),
        "deactivated" => okta.set_status(&id, Status::Deprovisioned),
        _ => okta.delete_user(&id),
    }
}

#[test]
fn a_suspension_that_nothing_explains_is_not_lifted_even_where_hand_changes_are() {
    let bed = Bed::of(40).with("lifecycle", "suspended_elsewhere = \"apply\"");
    let employee = bed.employee(20);
    let id = bed.account(&employee).unwrap().id;
    bed.stage.okta.set_status(&id, Status::Suspended);
    bed.sync();
    let join = bed.join(&employee, &[]);
    bed.forget_calls();
    bed.sync();
    bed.nothing_happens();
    assert_eq!(bed.status(&employee), "SUSPENDED");
    assert_ne!(bed.state(&join), "3");
    assert!(bed.comments(&join)[0].contains("no request explains it"), "{:?}", bed.comments(&join));
}

#[test]
fn where_everybody_has_an_account_the_missing_ones_wait_for_a_yes_and_nobody_is_disabled() {
    let bed = Bed::of(40).with("lifecycle", "accounts = \"active\"");
    let newcomers = bed.stage.company.people().iter().filter(|person| person.newcomer).count();
    bed.forget_calls();
    let report = bed.sync();
    assert_eq!(held(&report), vec!["- create"; newcomers]);
    bed.nothing_happens();

    let bed = Bed::of(40)
        .with("lifecycle", "accounts = \"active\"")
        .with("attribution", "unattributed = \"apply\"");
    let id = bed.account(&bed.employee(20)).unwrap().id;
    bed.stage.okta.set_status(&id, Status::Suspended);
    bed.forget_calls();
    let report = bed.sync();
    assert_eq!(applied(&report), vec!["- create"; newcomers]);
    assert_eq!(bed.account_of(&id).status, Status::Suspended, "no request explains it");
    bed.nothing_happens();
}

#[test]
fn where_everybody_has_an_account_an_inactive_record_is_acted_on_whatever_the_origin() {
    let bed = Bed::of(40).with("lifecycle", "accounts = \"active\"");
    let employee = bed.employee(20);
    bed.sync();
    bed.record(&employee, &[("active", "false")]);
    let report = bed.sync();
    assert_eq!(causes(&report), ["suspend by record"]);
    assert_eq!(applied(&report), ["BASELINE suspend"]);
}

#[test]
fn a_record_that_is_no_longer_among_the_people_is_reported_and_nobody_is_disabled() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &["app-jira"]);
    bed.sync();
    let id = bed.account(&newcomer).unwrap().id;
    bed.record(&newcomer, &[("web_service_access_only", "true")]);
    assert!(!bed.sync_full().needs_attention());
    let leave = bed.leave(&newcomer);
    bed.sync();
    bed.nothing_happens();
    assert_eq!(bed.account_of(&id).status, Status::Provisioned);
    assert_ne!(bed.state(&leave), "3");
    assert!(bed.comments(&leave)[0].contains("not among those"), "{:?}", bed.comments(&leave));
    let items = bed.drift().items;
    let item = items.iter().find(|item| {
        item.person.okta_id.as_deref() == Some(&id) && item.disposition == "unmanaged"
    });
    assert!(item.is_some_and(|item| item.reason.contains("outside")), "{items:#?}");
}

#[test]
fn somebody_who_was_outside_for_a_while_is_not_taken_for_a_rehire() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &[]);
    bed.sync();
    let id = bed.account(&newcomer).unwrap().id;
    bed.record(&newcomer, &[("web_service_access_only", "true")]);
    bed.sync_full();
    bed.stage.okta.set_status(&id, Status::Deprovisioned);
    bed.sync_full();
    bed.record(&newcomer, &[("web_service_access_only", "false")]);
    bed.nothing_happens();
    assert_eq!(bed.account_of(&id).status, Status::Deprovisioned);
}

#[test]
fn a_join_whose_record_is_inactive_waits_and_goes_through_once_it_is_active() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    bed.record(&newcomer, &[("active", "false")]);
    let join = bed.join(&newcomer, &[]);
    bed.forget_calls();
    let report = bed.sync();
    assert!(why_held(&report, &join.number).contains("inactive"), "{:#?}", report.actions);
    bed.nothing_happens();
    assert_eq!(bed.comments(&join).len(), 1, "{:?}", bed.comments(&join));
    assert!(bed.comments(&join)[0].contains("inactive"));
    bed.record(&newcomer, &[("active", "true")]);
    assert_eq!(applied(&bed.sync()), [format!("{} create", join.number)]);
    assert_eq!(bed.state(&join), "3");
}

#[test]
fn a_request_that_waits_for_an_inactive_record_keeps_no_account_in_use() {
    for item in ["Return from leave", "Okta onboarding"] {
        let bed = Bed::of(40);
        let employee = bed.employee(20);
        bed.sync();
        bed.record(&employee, &[("active", "false")]);
        let request = match item {
            "Return from leave" => bed.back(&employee, ""),
            _ => bed.join(&employee, &[]),
        };
        let report = bed.sync();
        assert!(applied(&report).contains(&format!("{} suspend", request.number)), "{item}");
        assert_eq!(bed.status(&employee), "SUSPENDED");
        assert!(why_held(&report, &request.number).contains("inactive"), "{:#?}", report.actions);
        assert_ne!(bed.state(&request), "3");
        bed.nothing_happens();
        bed.record(&employee, &[("active", "true")]);
        let report = bed.sync();
        assert!(applied(&report).contains(&format!("{} unsuspend", request.number)), "{item}");
        assert_eq!(bed.state(&request), "3");
    }
}

#[test]
fn a_return_makes_no_account_where_somebody_else_deleted_it() {
    for joined in [false, true] {
        let bed = Bed::of(40);
        let person = if joined { bed.newcomer(0) } else { bed.employee(20) };
        if joined {
            bed.join(&person, &[]);
        }
        bed.sync();
        let id = bed.account(&person).unwrap().id;
        bed.stage.okta.delete_user(&id);
        let back = bed.back(&person, "");
        let report = bed.sync();
        assert!(why_held(&report, &back.number).contains("no account"), "{:#?}", report.actions);
        assert!(bed.account(&person).is_none());
        bed.nothing_happens();
        assert_eq!(bed.comments(&back).len(), 1, "{:?}", bed.comments(&back));
        let join = bed.join(&person, &[]);
        assert_eq!(applied(&bed.sync()), [format!("{} create", join.number)]);
    }
}

#[test]
fn an_account_that_was_deleted_while_its_record_was_inactive_is_not_made_again_with_the_record() {
    for word in ["suspend", "deactivate", "report"] {
        let attribution = "\n[attribution]\nunattributed = \"apply\"\n";
        let lifecycle = format!("\n[lifecycle]\ninactive_record = \"{word}\"\n");
        let bed = Bed::of(40).add_config(attribution).add_config(&lifecycle);
        let employee = bed.employee(20);
        bed.sync();
        let id = bed.account(&employee).unwrap().id;
        bed.record(&employee, &[("active", "false")]);
        bed.sync();
        bed.stage.okta.delete_user(&id);
        bed.sync_full();
        bed.record(&employee, &[("active", "true")]);
        for _ in 0..2 {
            bed.sync();
            bed.sync_full();
        }
        assert!(bed.account(&employee).is_none(), "{word}: nobody asked for it");

        let join = bed.join(&employee, &[]);
        assert_eq!(applied(&bed.sync()), [format!("{} create", join.number)], "{word}");
    }
}

#[test]
fn suspension_of_an_account_that_was_never_used_deactivates_it_and_the_return_brings_it_back() {
    for status in [Status::Staged, Status::Provisioned] {
        let bed = Bed::of(40);
        let employee = bed.employee(20);
        let id = bed.account(&employee).unwrap().id;
        bed.stage.okta.add_member(&bed.okta_group("app-jira"), &id);
        bed.stage.okta.set_status(&id, status);
        bed.access("Add", &bed.employee(21), &["app-jira"], "");
        bed.sync();
        let groups = bed.groups_of(&employee);
        let away = bed.away(&employee, "2026-03-02", "");
        let report = bed.sync();
        assert_eq!(
            applied(&report),
            ["clear_sessions", "deactivate"].map(|action| format!("{} {action}", away.number))
        );
        assert_eq!(bed.status(&employee), "DEPROVISIONED");
        assert_eq!(bed.groups_of(&employee), groups, "nobody left");
        assert_eq!(bed.state(&away), "3");
        bed.nothing_happens();
        bed.pass("1h");
        bed.back(&employee, "");
        bed.sync();
        assert_eq!(bed.status(&employee), "PROVISIONED");
        assert_eq!(bed.groups_of(&employee), groups, "what was there at take-over stays");
        bed.nothing_happens();
    }
}

#[test]
fn an_account_that_okta_cannot_suspend_loses_its_sessions_once_and_the_rest_is_blocked() {
    for status in [Status::LockedOut, Status::Recovery, Status::PasswordExpired] {
        let bed = Bed::of(40);
        let employee = bed.employee(20);
        let id = bed.account(&employee).unwrap().id;
        bed.sync();
        bed.stage.okta.set_status(&id, status);
        let away = bed.away(&employee, "2026-03-02", "");
        bed.forget_calls();
        bed.sync();
        assert_eq!(bed.okta_writes(), ["DELETE users/sessions?oauthTokens=true"]);
        bed.nothing_happens();
        let items = bed.differences();
        let item = items.iter().find(|item| item.fact == "status").unwrap();
        assert_eq!(item.disposition, "blocked");
        assert!(
            bed.comments(&away)[0].contains("suspends only active"),
            "{:?}",
            bed.comments(&away)
        );

        bed.stage.okta.set_status(&id, Status::Active);
        assert!(applied(&bed.sync()).contains(&format!("{} suspend", away.number)));
        assert_eq!(bed.state(&away), "3");
    }
}

#[test]
fn accounts_that_are_locked_or_have_no_password_yet_count_as_active() {
    for status in
        [Status::LockedOut, Status::Recovery, Status::PasswordExpired, Status::Provisioned]
    {
        let bed = Bed::of(40);
        let employee = bed.employee(20);
        let id = bed.account(&employee).unwrap().id;
        bed.stage.okta.set_status(&id, status);
        let join = bed.join(&employee, &[]);
        assert!(!bed.sync().needs_attention());
        assert_eq!(bed.state(&join), "3");
        bed.nothing_happens();
        bed.leave(&employee);
        bed.sync();
        assert_eq!(
            bed.status(&employee),
            "DEPROVISIONED",
            "a leave deactivates every live account"
        );
    }
}

#[test]
fn access_for_an_account_that_cannot_take_it_is_not_said_to_be_done() {
    for change in ["deactivated", "deleted"] {
        let bed = Bed::of(40);
        let employee = bed.employee(20);
        bed.sync();
        by_somebody_else(&bed, &employee, change);
        bed.sync_full();
        let grant = bed.access("Add", &employee, &["app-jira"], "");
        bed.sync();
        bed.nothing_happens();
        assert_ne!(bed.state(&grant), "3", "{change}");
        assert_eq!(bed.comments(&grant).len(), 1, "{change}: {:?}", bed.comments(&grant));
    }
}

#[test]
fn a_request_is_the_cause_of_what_it_asks_for_in_a_group_with_a_rule_too() {
    let bed = Bed::of(40).configure("\"app-*\", \"VPN Users\"", "\"*\"");
    let employee = bed.employee(20);
    let group = if employee.department == "Finance" { "Marketing" } else { "Finance" };
    bed.sync();
    let grant = bed.access("Add", &employee, &[group], "2026-03-03");
    let report = bed.sync();
    assert_eq!(causes(&report), ["add_member by request"]);
    assert_eq!(applied(&report), [format!("{} add_member", grant.number)]);
    bed.at("2026-03-04T00:00:30Z");
    let report = bed.sync();
    assert_eq!(causes(&report), ["remove_member by request"]);
    bed.nothing_happens();
}
