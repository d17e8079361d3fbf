//! Lists whose pages come twice, are left out, change while they are read, or are behind the times;
//! and clocks that differ.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use goldthread::sim::okta::Status;
use goldthread::sync::Scope;
use serde_json::{Value, json};

use super::bed::Bed;
use super::day::{Day, Program};

const NOTHING: [String; 0] = [];
/// The list of people: other calls to their table ask for fewer fields.
const PEOPLE: &str = "/table/sys_user?sysparm_fields=active%2C";

/// What a fault makes of the rows of an answer.
fn rows(change: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) -> Fault {
    Fault::altered(move |mut answer: Response| {
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
        let list = match &mut body {
            Value::Object(body) => body.get_mut("result").and_then(Value::as_array_mut),
            other => other.as_array_mut(),
        };
        change(list.expect("a list"));
        answer.body = body.to_string().into_bytes();
        answer
    })
}

/// Every row of `sys_user`, as a day's own complete read gets them.
fn every_row(day: &mut Day) -> Vec<Value> {
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let keep = Arc::clone(&seen);
    let listen = rows(move |list| keep.lock().unwrap().extend(list.clone()));
    day.faults(false).on("GET", PEOPLE, listen).always();
    day.sync(&Scope::Full).unwrap();
    day.clear_faults();
    let mut rows = seen.lock().unwrap().clone();
    let id = |row: &Value| row["sys_id"].as_str().unwrap_or_default().to_owned();
    rows.sort_by_key(id);
    rows.dedup_by_key(|row| id(row));
    rows.retain(|row| row["web_service_access_only"] == "false");
    rows
}

#[test]
fn a_page_that_comes_twice_is_not_believed() {
    for scope in [Scope::Full, Scope::Changes] {
        let mut day = Day::new();
        let first = Mutex::new(None::<Response>);
        let again =
            Fault::altered(move |answer| first.lock().unwrap().get_or_insert(answer).clone());
        // Everybody is changed, so that a cycle of changes has several pages, too.
        for person in day.bed.stage.company.people() {
            day.bed.record(person, &[("title", "Somebody")]);
        }
        day.faults(false).on("GET", PEOPLE, again).always();
        let why = day.doubts(&scope);
        assert!(why.contains("twice"), "{why}");
        assert_eq!(day.survive(&scope), NOTHING);
    }
}

#[test]
fn a_page_that_is_left_out_is_not_believed() {
    let mut day = Day::new();
    let all = every_row(&mut day);
    day = Day::new();
    // The second page begins five rows too late, and is as full as any other.
    let late = all[20..35].to_vec();
    day.faults(false).on("GET", PEOPLE, rows(move |list| list.clone_from(&late))).after(1);
    let why = day.doubts(&Scope::Full);
    assert!(why.contains("announced"), "{why}");
    assert_eq!(day.survive(&Scope::Full), NOTHING);
}

#[test]
fn a_row_that_stands_in_a_page_twice_is_not_believed() {
    for scope in [Scope::Full, Scope::Changes] {
        let mut day = Day::new();
        let twice = rows(|list| {
            if let [first, .., last] = list.as_mut_slice() {
                last.clone_from(first);
            }
        });
        day.faults(false).on("GET", "/table/sc_req_item?", twice).always();
        let why = day.doubts(&scope);
        assert!(why.contains("twice"), "{why}");
        assert_eq!(day.survive(&scope), NOTHING);
    }
}

#[test]
fn rows_that_okta_lists_twice_or_leaves_out_change_nothing() {
    let doubled = || rows(|list| list.extend(list.clone()));
    let halved = || rows(|list| list.truncate(list.len() / 2));
    for list in ["/api/v1/users?", "/api/v1/groups?", "/groups/00g", "/api/v1/groups/rules"] {
        for (name, fault) in [("doubled", doubled()), ("halved", halved())] {
            let mut day = Day::new();
            day.faults(true).on("GET", list, fault).always();
            assert_eq!(day.survive(&Scope::Full), NOTHING, "{list} {name}");
        }
    }
}

#[test]
fn a_group_that_one_list_leaves_out_keeps_what_is_known_of_it() {
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    bed.access("Add", &employee, &["app-jira"], "2026-03-05");
    bed.sync();
    let without = rows(|list| list.retain(|group| group["profile"]["name"] != "app-jira"));
    bed.stage.okta.faults().on("GET", "/api/v1/groups?", without).always();
    assert!(!bed.sync_full().needs_attention());
    bed.stage.okta.faults().clear();
    bed.sync_full();
    // Nobody takes the membership for one that was there from the start.
    bed.at("2026-03-06T00:00:30Z");
    bed.sync();
    assert!(!bed.is_in(&employee, "app-jira"));
}

#[test]
fn a_leaver_whose_groups_are_not_shown_is_not_called_done() {
    let bed = Bed::of(40);
    let leaver = bed.employee(0);
    bed.access("Add", &leaver, &["app-jira"], "");
    bed.sync();
    let leave = bed.leave(&leaver);
    // As Okta answers lists for a credential that has just lost its role.
    let none = rows(Vec::clear);
    bed.stage.okta.faults().on("GET", "/groups", none).always();
    let program = &mut Program::start(&bed);
    let outcome = program.sync(&bed, &Scope::Changes);
    let told = outcome.is_ok_and(|report| !report.needs_attention());
    assert!(!told && bed.state(&leave) != "3", "{:?}", bed.groups_of(&leaver));
    bed.stage.okta.faults().clear();
    program.sync(&bed, &Scope::Changes).unwrap();
    assert_eq!((bed.status(&leaver), bed.groups_of(&leaver).len()), ("DEPROVISIONED", 0));
    assert_eq!(bed.state(&leave), "3");
}

#[test]
fn nobody_at_all_where_there_were_people_is_an_error() {
    let bed = Bed::of(40);
    bed.sync_full();
    bed.leave(&bed.employee(0));
    bed.stage
        .servicenow_faults
        .on(
            "GET",
            "/table/sys_user?",
            Fault::Custom(
                Response::json(200, &json!({"result": []})).with_header("X-Total-Count", "0"),
            ),
        )
        .always();
    bed.forget_calls();
    let why = bed.try_sync(&Scope::Full).unwrap_err().to_string();
    assert!(why.contains("nobody at all"), "{why}");
    assert_eq!(bed.writes(), NOTHING);
}

#[test]
fn rows_that_change_while_they_are_paged_are_met_by_this_cycle_or_the_next() {
    // Between the pages somebody is hired, somebody's record is deleted, somebody moves out of the
    // list, and somebody's name changes.
    for scope in [Scope::Full, Scope::Changes] {
        // Whoever is deleted is only reported, so that nobody else's account is to be touched.
        let bed = Bed::of(40).with("lifecycle", "inactive_record = \"report\"");
        let mut day = Day::of(bed);
        let bed = &day.bed;
        for person in bed.stage.company.people() {
            bed.record(person, &[("title", "Somebody")]);
        }
        let servicenow = bed.stage.servicenow.clone();
        let [gone, outside, renamed] = [10, 11, 12].map(|place| bed.employee(place).sys_id);
        let joined = day.edited.sys_id.clone();
        let happens = Fault::meanwhile(move || {
            servicenow.add_person(&[
                ("sys_id", "00000000000000000000000000000001"),
                ("user_name", "early"),
                ("email", "early@example.com"),
                ("first_name", "Early"),
                ("last_name", "Bird"),
                ("active", "true"),
            ]);
            servicenow.delete_person(&gone);
            servicenow.update_person(&outside, &[("user_name", "")]);
            servicenow.update_person(&renamed, &[("last_name", "Nachname")]);
            servicenow.update_person(&joined, &[("last_name", "Nachname")]);
        });
        day.faults(false).on("GET", PEOPLE, happens).after(1);
        // It is believed or not; what is written is right in either case.
        let outcome = day.sync(&scope);
        assert_eq!(day.wrong(), NOTHING, "{outcome:?}");
        day.sync(&Scope::Changes).unwrap();
        assert_eq!(day.withdrawn(), NOTHING);
        assert_eq!(day.bed.account(&day.edited).unwrap().text("lastName"), "Nachname");
        day.sync(&Scope::Full).unwrap();
        assert_eq!(day.wrong(), NOTHING);
    }
}

#[test]
fn clocks_that_differ_delay_nothing_and_lose_nothing() {
    for (okta, ours, scope) in [
        (0, 240, Scope::Changes),
        (0, -240, Scope::Changes),
        (240, -60, Scope::Changes),
        (-240, 60, Scope::Changes),
        (-120, 3000, Scope::Full),
        (120, -3000, Scope::Full),
    ] {
        let mut day = Day::of(Bed::with_clocks(40, 7, okta, ours));
        let problems = day.survive(&scope);
        assert_eq!(problems, NOTHING, "Okta {okta} s and we {ours} s ahead, {scope:?}");
    }
}

#[test]
fn changes_are_seen_though_a_clock_is_an_hour_off() {
    for (okta, ours) in [(3600, 0), (-3600, 0), (0, 3600), (0, -3600), (-3600, 3600)] {
        let bed = Bed::with_clocks(40, 7, okta, ours);
        let (joiner, employee) = (bed.newcomer(0), bed.employee(0));
        let join = bed.join(&joiner, &["app-jira"]);
        bed.sync();
        bed.pass("10m");
        bed.sync();
        let id = bed.account(&joiner).expect("an account").id;
        bed.stage.okta.remove_member(&bed.okta_group("app-jira"), &id);
        bed.stage.okta.set_profile(&id, &json!({"department": "Elsewhere"}));
        let leave = bed.leave(&employee);
        let report = bed.sync();
        assert!(!report.full);
        let told = format!("Okta {okta} s and we {ours} s ahead");
        assert_eq!(bed.account_of(&id).text("department"), joiner.department, "{told}");
        assert!(bed.is_in(&joiner, "app-jira"), "{told}");
        assert_eq!((bed.state(&join).as_str(), bed.state(&leave).as_str()), ("3", "3"), "{told}");
    }
}

#[test]
fn an_answer_from_the_year_9999_makes_nobody_blind() {
    let bed = Bed::of(40);
    bed.sync_full();
    for (scope, place) in [(Scope::Changes, 0), (Scope::Full, 1)] {
        let late = Fault::altered(|mut answer| {
            answer.headers.retain(|(name, _)| name != "Date");
            answer.with_header("Date", "Fri, 31 Dec 9999 23:59:59 GMT")
        });
        for faults in [&*bed.stage.servicenow_faults, bed.stage.okta.faults()] {
            faults.on("*", "", late.clone()).always();
        }
        bed.try_sync(&scope).unwrap();
        bed.stage.servicenow_faults.clear();
        bed.stage.okta.faults().clear();
        bed.pass("5m");
        bed.sync();
        bed.pass("5m");
        let leave = bed.leave(&bed.employee(place));
        bed.sync();
        assert_eq!(bed.state(&leave), "3", "{scope:?}");
    }
}

#[test]
fn a_search_that_is_behind_makes_no_second_account_and_loses_no_change() {
    let bed = Bed::of(40);
    bed.sync_full();
    bed.stage.okta.switch(|it| it.index_lag = Duration::from_mins(4));
    let joiner = bed.newcomer(0);
    let join = bed.join(&joiner, &["app-jira"]);
    bed.sync();
    let (id, count) = (bed.account(&joiner).unwrap().id, bed.stage.okta.user_count());
    // Nothing that is searched for shows the account yet.
    bed.record(&joiner, &[("email", "renamed@example.com"), ("last_name", "Nachname")]);
    for _ in 0..3 {
        bed.sync();
    }
    let account = bed.account_of(&id);
    assert_eq!(
        (account.text("login"), account.text("lastName")),
        ("renamed@example.com", "Nachname")
    );
    assert_eq!((bed.stage.okta.user_count(), bed.state(&join).as_str()), (count, "3"));
    // What is changed by hand shows when the index does.
    bed.stage.okta.set_profile(&id, &json!({"department": "Elsewhere"}));
    for _ in 0..5 {
        bed.pass("1m");
        bed.sync();
    }
    assert_eq!(bed.account_of(&id).text("department"), joiner.department);
    bed.sync_full();
    assert_eq!(bed.stage.okta.user_count(), count);
    bed.nothing_happens();
}

#[test]
fn ids_that_are_not_32_hex_digits_are_ids_like_any_other() {
    let bed = Bed::of(40);
    let people = bed.stage.company.people();
    let odd = people.iter().filter(|it| it.sys_id.len() != 32 && !it.newcomer);
    let odd: Vec<_> = odd.skip_while(|it| it.email == people[0].email).collect();
    assert!(!odd.is_empty(), "the company has such rows");
    bed.sync_full();
    for person in odd {
        let grant = bed.access("Add", person, &["app-jira"], "");
        bed.sync();
        assert!(bed.is_in(person, "app-jira"), "{}", person.sys_id);
        let leave = bed.leave(person);
        bed.sync();
        let account = bed.account(person).unwrap();
        assert_eq!(account.status, Status::Deprovisioned, "{}", person.sys_id);
        assert_eq!((bed.state(&grant).as_str(), bed.state(&leave).as_str()), ("3", "3"));
    }
    bed.nothing_happens();
}
