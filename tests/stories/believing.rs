//! Answers that say too little, or come from a moment ago: nothing is taken away because of them,
//! and nothing is called done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goldthread::report::ActionReport;
use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use goldthread::sim::okta::Status;
use goldthread::sync::Scope;
use serde_json::{Value, json};

use super::bed::{Bed, applied, told};

const RULES: &str = "/api/v1/groups/rules";
const NOTHING: [String; 0] = [];

/// What a fault leaves of a list.
fn rows(change: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) -> Fault {
    Fault::altered(move |mut answer: Response| {
        let mut list: Vec<Value> = serde_json::from_slice(&answer.body).expect("a list");
        change(&mut list);
        answer.body = json!(list).to_string().into_bytes();
        answer
    })
}

/// A company in which a rule of Okta's fills `VPN Users`, which is asked for all the same.
fn fed_by_a_rule() -> (Bed, String) {
    let bed = Bed::of(40);
    let rule =
        bed.stage.okta.add_rule("feeder", "department", "Nowhere", &[&bed.okta_group("VPN Users")]);
    let grant = bed.access("Add", &bed.employee(0), &["VPN Users"], "");
    assert!(told(&bed.sync_full(), &grant)[0].1.contains("group rule"));
    (bed, rule)
}

#[test]
fn group_rules_that_may_not_be_read_any_more_leave_their_groups_alone() {
    let (bed, _) = fed_by_a_rule();
    bed.stage.okta.faults().on("GET", RULES, Fault::Status(403)).always();
    bed.forget_calls();
    for full in [true, false, true, true] {
        if full {
            bed.sync_full()
        } else {
            bed.sync()
        };
    }
    assert_eq!(bed.okta_writes(), NOTHING);
    assert!(!bed.is_in(&bed.employee(0), "VPN Users"));
}

#[test]
fn a_group_that_is_met_while_the_rules_may_not_be_read_is_left_alone_until_they_may() {
    let (bed, _) = fed_by_a_rule();
    bed.stage.okta.faults().on("GET", RULES, Fault::Status(403)).always();
    let late = bed.stage.okta.add_group("app-late", "OKTA_GROUP");
    bed.stage.okta.add_rule("late feeder", "department", "Nowhere", &[&late]);
    let row = [("u_name", "app-late"), ("u_okta_id", late.as_str())];
    let row = bed.stage.servicenow.insert("u_okta_group", &row);
    let person = bed.employee(1);
    let variables = [("action", "Add"), ("employee", &person.sys_id), ("groups", &row)];
    bed.approved("Okta group access", &person, &variables);
    bed.forget_calls();
    bed.sync();
    bed.sync_full();
    assert_eq!(bed.okta_writes(), NOTHING);
    bed.stage.okta.faults().clear();
    bed.sync_full();
    assert_eq!(bed.okta_writes(), NOTHING);
}

#[test]
fn no_group_rules_at_all_are_believed_when_two_complete_reads_in_a_row_say_so() {
    let (bed, _) = fed_by_a_rule();
    let none = || bed.stage.okta.faults().on("GET", RULES, rows(Vec::clear));
    bed.forget_calls();
    for _ in 0..2 {
        none().always();
        bed.sync_full();
        bed.sync();
        bed.stage.okta.faults().clear();
        bed.sync_full();
    }
    assert_eq!(bed.okta_writes(), NOTHING);
    // The rules are really gone.
    none().always();
    bed.sync_full();
    assert_eq!(bed.okta_writes(), NOTHING);
    bed.sync_full();
    assert!(bed.is_in(&bed.employee(0), "VPN Users"));
}

#[test]
fn a_rule_that_is_switched_off_frees_its_group_at_once() {
    let (bed, rule) = fed_by_a_rule();
    bed.stage.okta.stop_rule(&rule);
    bed.sync_full();
    assert!(bed.is_in(&bed.employee(0), "VPN Users"));
}

#[test]
fn members_that_are_said_not_to_be_there_while_their_group_is_leave_it_as_it_was() {
    let bed = Bed::of(40);
    bed.sync_full();
    let members = format!("/groups/{}/users", bed.okta_group("Sales"));
    bed.stage.okta.faults().on("GET", &members, Fault::Status(404)).always();
    bed.forget_calls();
    let leave = bed.leave(&bed.employee(3));
    let report = bed.sync_full();
    let said = |it: &ActionReport| it.error.as_ref().is_some_and(|it| it.contains("members"));
    assert!(report.actions.iter().any(said), "{:#?}", report.actions);
    assert_eq!(bed.state(&leave), "3", "nobody else waits");
    bed.stage.okta.faults().clear();
    bed.pass("5m");
    assert!(!bed.sync().needs_attention());
}

#[test]
fn a_group_that_is_deleted_before_its_members_are_read_stops_nothing() {
    let bed = Bed::of(40);
    bed.access("Add", &bed.employee(0), &["app-jira"], "");
    bed.sync_full();
    let (okta, group) = (bed.stage.okta.clone(), bed.okta_group("app-jira"));
    let deleted = {
        let group = group.clone();
        Fault::meanwhile(move || okta.delete_group(&group))
    };
    bed.stage.okta.faults().on("GET", "/api/v1/groups?", deleted);
    let leave = bed.leave(&bed.employee(1));
    let report = bed.sync_full();
    assert_eq!(bed.state(&leave), "3", "{:#?}", report.actions);
}

#[test]
fn whoever_one_page_leaves_out_when_a_group_is_taken_over_keeps_the_membership() {
    let bed = Bed::of(40);
    let (old, new) = (bed.employee(0), bed.employee(1));
    let jira = bed.okta_group("app-jira");
    bed.moved(&old);
    bed.sync_full();
    let id = bed.account(&old).unwrap().id;
    bed.stage.okta.seed_member(&jira, &id);
    // The first request that speaks of the group puts it under management.
    let members = format!("/groups/{jira}/users");
    bed.stage.okta.faults().on("GET", &members, rows(Vec::clear));
    bed.access("Add", &new, &["app-jira"], "");
    assert_eq!(applied(&bed.sync()).len(), 1);
    bed.nothing_happens();
    assert!(bed.is_in(&old, "app-jira") && bed.is_in(&new, "app-jira"));
}

#[test]
fn a_request_called_off_while_a_cycle_dies_is_withdrawn_by_the_next() {
    let bed = Bed::of(40);
    let person = bed.employee(0);
    let grant = bed.access("Add", &person, &["app-jira"], "");
    bed.sync();
    assert_eq!(bed.state(&grant), "3");
    bed.pass("1h");
    bed.sync();
    bed.stage.servicenow.cancel(&grant.number);
    // The items are kept by then, and their orders cannot be read.
    let orders = "request.sys_updated_on";
    bed.stage.servicenow_faults.on("GET", orders, Fault::Status(403)).always();
    for _ in 0..2 {
        assert!(bed.sync().needs_attention());
    }
    bed.stage.servicenow_faults.clear();
    bed.sync();
    assert!(!bed.is_in(&person, "app-jira"));
}

#[test]
fn a_request_whose_person_is_hidden_is_not_carried_out_for_whoever_ordered_it() {
    let bed = Bed::of(40).configure(
        "operation = \"grant\"\napproval = \"order\"\nperson = \"variables.employee\"\n",
        "operation = \"grant\"\napproval = \"order\"\n",
    );
    bed.sync();
    let (first, second) = (bed.employee(0), bed.employee(1));
    let row = bed.groups(&["app-jira"]);
    let lines = [&first, &second].map(|person| {
        let variables = [("action", "Add"), ("groups", row.as_str())];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        ("Okta group access", person.sys_id.as_str(), variables.into())
    });
    let placed = bed.stage.servicenow.order_several(&lines).unwrap();
    assert!(bed.stage.servicenow.approve(&placed.number));
    let hidden = "sc_req_item.requested_for".to_owned();
    bed.stage.servicenow.set(|it| {
        it.hidden_fields.insert(hidden);
    });
    bed.forget_calls();
    for scope in [Scope::Changes, Scope::Full] {
        let report = bed.try_sync(&scope).unwrap();
        let why = report.actions.iter().find_map(|it| it.error.clone()).unwrap();
        assert!(why.contains("requested_for") && why.contains("nothing follows"), "{why}");
    }
    assert_eq!(bed.writes(), NOTHING);
    bed.stage.servicenow.set(|it| it.hidden_fields.clear());
    bed.sync();
    assert!(bed.is_in(&first, "app-jira") && bed.is_in(&second, "app-jira"));
}

#[test]
fn no_request_is_called_done_by_a_list_that_is_older_than_the_account() {
    let bed = Bed::of(40);
    let (person, leaver) = (bed.employee(0), bed.employee(1));
    bed.sync_full();
    let id = bed.account(&person).unwrap().id;
    let listed = json!({"id": id, "status": "ACTIVE", "profile": {"login": person.email}});
    let members = format!("/groups/{}/users", bed.okta_group("app-jira"));
    let okta = bed.stage.okta.faults();
    okta.on("GET", &members, rows(move |list| list.push(listed.clone()))).always();
    let login = leaver.email.clone();
    let left = rows(move |list| {
        for account in list.iter_mut().filter(|it| it["profile"]["login"] == login.as_str()) {
            account["status"] = json!("DEPROVISIONED");
        }
    });
    okta.on("GET", "/api/v1/users?limit", left).always();
    let (grant, leave) = (bed.access("Add", &person, &["app-jira"], ""), bed.leave(&leaver));
    bed.sync_full();
    // It is done by now, and was not when the list said so.
    assert!(bed.is_in(&person, "app-jira"));
    let notes = bed.notes(&grant);
    assert!(notes.iter().all(|note| note.contains("add_member app-jira")), "{notes:?}");
    // Something was to be done for this one, so that the account was looked at in time.
    assert_eq!((bed.status(&leaver), bed.state(&leave).as_str()), ("DEPROVISIONED", "3"));
    okta.clear();
    bed.sync();
    assert!(bed.is_in(&person, "app-jira"));
    assert_eq!(bed.state(&grant), "3");
}

/// The list of accounts shows this one with somebody else's number.
fn listed_as(bed: &Bed, account: &str, number: &str) {
    let (account, number) = (account.to_owned(), number.to_owned());
    let fault = rows(move |list| {
        for it in list.iter_mut().filter(|it| it["id"] == account.as_str()) {
            it["profile"]["employeeNumber"] = json!(number);
        }
    });
    bed.stage.okta.faults().on("GET", "/api/v1/users?limit", fault).always();
}

#[test]
fn an_account_that_only_a_list_shows_as_somebodys_is_not_taken_for_it() {
    let bed = Bed::of(40);
    bed.sync_full();
    let hand = bed.handmade("Z-1", "hand@example.com", Status::Active);
    let joiner = bed.hired("Ada", "A-1", "ada@example.com");
    let idle = bed.hired("Ida", "A-2", "ida@example.com");
    let other = bed.handmade("Z-2", "other@example.com", Status::Active);
    listed_as(&bed, &hand, "A-1");
    listed_as(&bed, &other, "A-2");
    let join = bed.join(&joiner, &[]);
    bed.sync_full();
    assert_eq!(bed.account_of(&hand).text("login"), "hand@example.com");
    bed.stage.okta.faults().clear();
    bed.sync();
    assert_eq!(bed.account_of(&hand).text("employeeNumber"), "Z-1");
    assert_eq!(bed.account(&joiner).unwrap().text("employeeNumber"), "A-1");
    assert_eq!(bed.state(&join), "3");
    // Nobody asked for anything for the other one.
    assert!(bed.explain(&idle).account.is_none());
    bed.nothing_happens();
}

#[test]
fn an_account_that_okta_deleted_is_nobodys() {
    let bed = Bed::of(40);
    let ghost = bed.handmade("N-77", "ghost@example.com", Status::Active);
    bed.sync_full();
    bed.stage.okta.delete_user(&ghost);
    let joiner = bed.hired("Nora", "N-77", "nora@example.com");
    let join = bed.join(&joiner, &[]);
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} create", join.number)]);
    assert_eq!((bed.status(&joiner), bed.state(&join).as_str()), ("PROVISIONED", "3"));
}

/// Somebody who left and is hired again.
fn hired_again(bed: &Bed) -> (goldthread::sim::company::Person, String) {
    let person = bed.employee(0);
    bed.leave(&person);
    bed.sync();
    bed.pass("1h");
    let join = bed.join(&person, &[]);
    (person, join.number)
}

#[test]
fn a_rehire_gets_the_mail_though_a_call_before_it_had_no_answer() {
    for (call, fault) in [
        ("/lifecycle/activate", Fault::DropAfter),
        ("/lifecycle/reactivate", Fault::DropBefore),
        // It was sent, as Okta's log tells.
        ("/lifecycle/reactivate", Fault::DropAfter),
        ("/lifecycle/reactivate", Fault::Status(500)),
    ] {
        let bed = Bed::of(40);
        let (person, join) = hired_again(&bed);
        bed.stage.okta.faults().on("POST", call, fault.clone()).always();
        bed.sync();
        bed.stage.okta.faults().clear();
        for _ in 0..2 {
            bed.sync();
        }
        assert_eq!(bed.status(&person), "PROVISIONED");
        assert_eq!(bed.stage.okta.mails().len(), 1, "{call} {fault:?}");
        assert_eq!(bed.stage.servicenow.request(&join).unwrap().state, "3");
        bed.nothing_happens();
    }
}

#[test]
fn a_rehire_gets_the_mail_though_the_program_is_stopped_before_it() {
    let bed = Bed::of(40);
    let (_, join) = hired_again(&bed);
    let stop = Arc::new(AtomicBool::new(false));
    let (mut deps, writers) = bed.at_work();
    deps.stop_when(Arc::clone(&stop));
    let stops = Fault::meanwhile(move || stop.store(true, Ordering::Relaxed));
    bed.stage.okta.faults().on("POST", "/lifecycle/activate", stops);
    bed.cycle_of(&deps, &writers);
    drop((deps, writers));
    assert_eq!(bed.stage.okta.mails().len(), 0);
    for _ in 0..2 {
        bed.sync();
    }
    assert_eq!(bed.stage.okta.mails().len(), 1);
    assert_eq!(bed.stage.servicenow.request(&join).unwrap().state, "3");
    bed.nothing_happens();
}

#[test]
fn what_is_called_off_while_okta_is_read_is_not_begun() {
    for scope in [Scope::Full, Scope::Changes] {
        let bed = Bed::of(40);
        bed.sync_full();
        let (joiner, leaver) = (bed.newcomer(0), bed.employee(0));
        let off = [bed.join(&joiner, &[]), bed.leave(&leaver)];
        let still = bed.join(&bed.newcomer(1), &[]);
        let (servicenow, clock) = (bed.stage.servicenow.clone(), bed.stage.clock.clone());
        let called_off = Fault::meanwhile(move || {
            clock.advance(std::time::Duration::from_mins(1));
            for request in &off {
                servicenow.cancel(&request.number);
            }
        });
        bed.stage.okta.faults().on("GET", "/api/v1/users", called_off);
        bed.forget_calls();
        let report = bed.try_sync(&scope).unwrap();
        assert_eq!((bed.status(&joiner), bed.status(&leaver)), ("", "ACTIVE"), "{scope:?}");
        assert_eq!(applied(&report), [format!("{} create", still.number)], "{scope:?}");
        bed.nothing_happens();
    }
}

#[test]
fn nothing_is_done_by_a_clock_that_both_systems_contradict() {
    const DAY: i64 = 24 * 3600;
    for days in [-30, 30] {
        let mut bed = Bed::with_clocks(40, 7, 0, 0);
        let (leaver, grantee) = (bed.employee(0), bed.employee(1));
        bed.leave_on(&leaver, "2026-03-20");
        bed.access("Add", &grantee, &["app-jira"], "2026-03-20");
        bed.sync_full();
        bed.clock = bed.stage.clock.ahead(chrono::TimeDelta::seconds(days * DAY));
        bed.forget_calls();
        for scope in [Scope::Changes, Scope::Full] {
            let why = bed.try_sync(&scope).unwrap_err().to_string();
            assert!(why.contains("clock"), "{why}");
        }
        assert_eq!(bed.writes(), NOTHING);
        bed.clock = bed.stage.clock.clone();
        bed.sync();
        assert_eq!((bed.status(&leaver), bed.is_in(&grantee, "app-jira")), ("ACTIVE", true));
    }
    // One of the two alone may be wrong itself.
    let bed = Bed::with_clocks(40, 7, 3 * DAY, 0);
    let join = bed.join(&bed.newcomer(0), &[]);
    bed.sync_full();
    assert_eq!(bed.state(&join), "3");
}

#[test]
fn whoever_a_limit_lets_through_after_all_is_looked_at_closely_first() {
    let bed = Bed::of(80);
    bed.sync_full();
    let leaves: Vec<_> = (0..6).map(|place| bed.leave(&bed.employee(place))).collect();
    bed.access("Add", &bed.employee(10), &["app-jira"], "");
    let last = bed.account(&bed.employee(5)).unwrap().id;
    let disabled = format!("/users/{last}/lifecycle/deactivate");
    let order = Arc::new(Mutex::new(Vec::new()));
    let (read, done) = (Arc::clone(&order), Arc::clone(&order));
    let reading = Fault::meanwhile(move || read.lock().unwrap().push("read"));
    let doing = Fault::meanwhile(move || done.lock().unwrap().push("disabled"));
    bed.stage.okta.faults().on("POST", &disabled, doing).always();
    bed.stage.okta.faults().on("GET", &format!("/users/{last}/groups"), reading).always();
    // While Okta is read one of the six is called off.
    let (servicenow, clock) = (bed.stage.servicenow.clone(), bed.stage.clock.clone());
    let off = leaves[0].number.clone();
    let called_off = Fault::meanwhile(move || {
        clock.advance(std::time::Duration::from_mins(1));
        servicenow.cancel(&off);
    });
    bed.stage.okta.faults().on("GET", "/api/v1/users", called_off);
    let report = bed.sync_full();
    assert_eq!(report.quarantined, None, "five leavers are allowed");
    assert_eq!(bed.status(&bed.employee(5)), "DEPROVISIONED");
    assert_eq!(bed.status(&bed.employee(0)), "ACTIVE");
    let order = order.lock().unwrap();
    let disabled = order.iter().position(|it| *it == "disabled").unwrap();
    assert!(order[..disabled].contains(&"read"), "{order:?}");
}

#[test]
fn a_list_that_has_not_caught_up_with_our_suspension_makes_nobody_look_active() {
    let bed = Bed::of(40);
    bed.sync_full();
    bed.stage.okta.switch(|it| (it.index_lag, it.lists_lag) = (Duration::from_secs(10), true));
    let person = bed.employee(0);
    let away = bed.away(&person, "", "");
    assert_eq!(applied(&bed.sync()), [format!("{} suspend", away.number)]);
    // The list still says that the account is active, which is what is asked for now.
    bed.pass("2s");
    let back = bed.back(&person, "");
    assert_eq!(applied(&bed.sync_full()), [format!("{} unsuspend", back.number)]);
    bed.pass("1m");
    let report = bed.sync_full();
    assert_eq!(bed.status(&person), "ACTIVE", "{:#?}", report.actions);
    assert_eq!((bed.state(&away), bed.state(&back)), ("3".to_owned(), "3".to_owned()));
    assert_eq!(bed.differences(), []);
    bed.nothing_happens();
}
