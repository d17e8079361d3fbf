//! Sizes that no organization has: nothing waits for ever, nothing grows without an end, and one
//! absurd record is one person's business.

use std::io::Write;

use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use goldthread::sim::okta::Status;
use goldthread::sync::Scope;
use serde_json::json;

use super::bed::{Bed, logged};
use super::day::Day;

const NOTHING: [String; 0] = [];
const MIB: u64 = 1024 * 1024;

#[test]
fn a_body_of_300_mb_is_refused_while_it_comes() {
    for (okta, path) in [(true, "/api/v1/users?"), (false, "/table/sys_user?")] {
        let mut day = Day::new();
        day.faults(okta).on("GET", path, Fault::Flood(300 * MIB));
        // ServiceNow is asked once more, for half of it: a page can be too long.
        if okta {
            assert!(day.doubts(&Scope::Full).contains("more than 64 MiB"));
        } else {
            day.sync(&Scope::Full).unwrap();
        }
        let taken = day.faults(okta).flooded();
        assert!(taken < 80 * MIB, "{} MiB were taken", taken / MIB);
        assert_eq!(day.wrong(), NOTHING);
        assert_eq!(day.survive(&Scope::Full), NOTHING);
    }
}

#[test]
fn a_small_body_that_unpacks_to_300_mb_is_refused_while_it_unpacks() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..300 {
        packed.write_all(&vec![b'['; 1024 * 1024]).unwrap();
    }
    let body = packed.finish().unwrap();
    assert!(body.len() < 4 * 1024 * 1024);
    let bomb = Response { body, ..Response::json(200, &json!([])) };
    let bomb = Fault::Custom(bomb.with_header("Content-Encoding", "gzip"));
    let mut day = Day::new();
    day.faults(true).on("GET", "/api/v1/users?", bomb);
    let why = day.doubts(&Scope::Full);
    assert!(why.contains("more than 64 MiB"), "{why}");
    assert_eq!(day.survive(&Scope::Full), NOTHING);
}

#[test]
fn an_answer_to_a_write_that_does_not_end_is_a_write_without_an_answer() {
    for (okta, method, path) in [
        (true, "POST", "/api/v1/users?activate"),
        (true, "PUT", "/groups/"),
        (false, "PATCH", "/sc_req_item/"),
    ] {
        let mut day = Day::new();
        day.faults(okta).on(method, path, Fault::Flood(80 * MIB));
        assert_eq!(day.survive(&Scope::Changes), NOTHING, "{method} {path}");
    }
}

#[test]
fn brackets_without_an_end_are_no_json() {
    for okta in [true, false] {
        let mut day = Day::new();
        let nested = Response { body: vec![b'['; 1024 * 1024], ..Response::json(200, &json!([])) };
        day.faults(okta).on("GET", "/api/", Fault::Custom(nested)).always();
        let why = day.sync(&Scope::Full).expect_err("no JSON").to_string();
        assert!(why.contains("JSON is broken"), "{why}");
        assert_eq!(day.survive(&Scope::Full), NOTHING);
    }
}

#[test]
fn a_count_that_makes_no_sense_is_not_believed() {
    for count in ["18446744073709551615", "-1", "many", "", "99999999999999999999999"] {
        let mut day = Day::new();
        let counted = Fault::altered(move |mut answer| {
            answer.headers.retain(|(name, _)| name != "X-Total-Count");
            answer.with_header("X-Total-Count", count)
        });
        day.faults(false).on("GET", "/table/sc_req_item?", counted).always();
        let why = day.doubts(&Scope::Changes);
        assert!(why.contains("cannot be believed"), "{why}");
        assert_eq!(day.survive(&Scope::Changes), NOTHING);
    }
}

#[test]
fn a_name_of_100_000_characters_is_one_persons_business() {
    let long = "x".repeat(100_000);
    let bed = Bed::of(40);
    let (wordy, plain) = (bed.newcomer(0), bed.newcomer(1));
    let servicenow = &bed.stage.servicenow;
    for field in ["last_name", "user_name", "employee_number"] {
        bed.record(&wordy, &[(field, &long)]);
    }
    bed.stage.okta.create_group(&long);
    let joins = [&wordy, &plain].map(|person| bed.join(person, &["app-jira"]));
    // Somebody asks for a person, a group and a day that are as long.
    let asked =
        [("employee", &*long), ("start_date", &*long), ("groups", &*long), ("action", "Add")];
    let nonsense = servicenow.order("Okta onboarding", &plain.sys_id, &asked).unwrap();
    servicenow.approve(&nonsense.number);
    for scope in [Scope::Changes, Scope::Full, Scope::Changes] {
        bed.try_sync(&scope).unwrap_or_else(|error| panic!("{:.300}", error.to_string()));
        bed.pass("2h");
    }
    assert_eq!(bed.status(&plain), "PROVISIONED");
    assert_eq!(bed.state(&joins[1]), "3");
    assert_ne!(bed.state(&joins[0]), "3");
    assert_ne!(bed.state(&nonsense), "3");
    for request in [&joins[0], &nonsense] {
        for note in bed.notes(request) {
            assert!(note.len() < 2000, "a note of {} characters", note.len());
        }
    }
    bed.leave(&plain);
    bed.sync();
    assert_eq!(bed.status(&plain), "DEPROVISIONED");
}

#[test]
fn ten_thousand_groups_are_read_and_one_of_them_is_given() {
    let bed = Bed::of(40);
    for nth in 0..10_000 {
        bed.stage.okta.add_group(&format!("app-{nth:05}"), "OKTA_GROUP");
    }
    let employee = bed.employee(0);
    let row =
        bed.stage.servicenow.insert("u_okta_group", &[("u_name", "x"), ("u_okta_id", "app-09876")]);
    let request = bed.approved(
        "Okta group access",
        &employee,
        &[("action", "Add"), ("employee", &employee.sys_id), ("groups", &row)],
    );
    let report = bed.sync();
    assert!(bed.is_in(&employee, "app-09876"), "{:#?}", report.actions);
    assert_eq!(bed.state(&request), "3");
    assert!(report.calls.okta < 100, "{:?}", report.calls);
}

#[test]
fn somebody_in_a_thousand_groups_loses_only_those_that_are_ours() {
    let bed = Bed::of(40);
    let leaver = bed.employee(0);
    let id = bed.account(&leaver).unwrap().id;
    for nth in 0..1000 {
        let group = bed.stage.okta.add_group(&format!("other-{nth:04}"), "OKTA_GROUP");
        bed.stage.okta.seed_member(&group, &id);
    }
    bed.access("Add", &leaver, &["app-jira"], "");
    bed.sync();
    let leave = bed.leave(&leaver);
    bed.sync();
    assert_eq!(bed.state(&leave), "3");
    let left = bed.account_of(&id);
    assert_eq!((left.status, left.groups.len()), (Status::Deprovisioned, 1000));
}

#[test]
fn waits_without_an_end_are_not_waited_for() {
    for (okta, path) in [(true, "/api/v1/"), (false, "/api/now/")] {
        let mut day = Day::new();
        let seconds = 10_u64.pow(15);
        let fault = Fault::TooManyRequests { reset_after_seconds: Some(seconds) };
        let fault = if okta {
            fault
        } else {
            let refusal = Response::json(429, &json!({"error": {"message": "slow down"}}));
            Fault::Custom(refusal.with_header("Retry-After", u64::MAX.to_string()))
        };
        day.faults(okta).on("*", path, fault);
        let why = day.sync(&Scope::Changes).expect_err("refused").to_string();
        assert!(why.contains("rate limit"), "{why}");
        // An hour later at the latest it is worth another try.
        assert!(
            ["3599", "3600", "3601", "3602"].iter().any(|it| why.contains(&format!(" {it} s"))),
            "{why}"
        );
        assert_eq!(day.wrong(), NOTHING);
    }
}

#[test]
fn a_call_that_is_not_answered_in_time_counts_as_not_answered() {
    for (okta, path) in [(true, "/api/v1/users?"), (false, "/table/sc_req_item?")] {
        let mut day = Day::new();
        // Each list of requests is asked for once more: those that changed, and those of whose orders
        // that is so.
        day.faults(okta).on("GET", path, Fault::Silence).times(if okta { 2 } else { 4 });
        let (report, log) = logged(|| day.sync(&Scope::Changes));
        assert!(report.unwrap().needs_attention(), "{path}: a list that was not read is believed");
        // Whoever can be read by id goes on; what only the list would have told does not begin.
        let writes = day.bed.writes();
        let any = |what: &str| writes.iter().any(|it| it.ends_with(what));
        let begun = ["/lifecycle/deactivate", "POST /api/v1/users"].map(any);
        assert_eq!(begun, [okta, okta], "{path}: {writes:#?}");
        let said = log.iter().any(|it| it.contains("no answer") && it.contains("timed out"));
        assert!(said, "{path}: {log:#?}");
        assert_eq!(day.survive(&Scope::Changes), NOTHING);
    }
    for (okta, method, path) in [
        (true, "POST", "/api/v1/users?activate"),
        (true, "POST", "/lifecycle/deactivate"),
        (false, "PATCH", "/sc_req_item/"),
    ] {
        let mut day = Day::new();
        day.faults(okta).on(method, path, Fault::Silence);
        assert_eq!(day.survive(&Scope::Changes), NOTHING, "{method} {path}");
    }
}
