//! The golden thread in the log: each event says whose it is, and why an account was disabled.

use goldthread::sync::watch_deadlines;

use super::bed::{Bed, logged};

/// The value of a field in a line of the log.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = line.split_once(&format!(" {name}="))?;
    match after.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => after.split(' ').next(),
    }
}

#[test]
fn each_group_that_comes_with_a_new_account_is_an_event_of_its_own() {
    let bed = Bed::of(60);
    bed.sync();
    let newcomer = bed.newcomer(0);
    let join = bed.join(&newcomer, &["app-jira", "app-gitlab"]);
    let (_, lines) = logged(|| bed.sync());
    let mine = |line: &&String| field(line, "request") == Some(join.number.as_str());
    let mine: Vec<&String> = lines.iter().filter(mine).collect();
    let created = mine.iter().find(|line| field(line, "action") == Some("create")).unwrap();
    let mut groups: Vec<&str> = Vec::new();
    for line in mine.iter().filter(|line| field(line, "action") == Some("add_member")) {
        for name in ["action_id", "okta_request_id", "okta_user", "approver", "cycle", "parent"] {
            assert!(field(line, name).is_some(), "no {name} in {line}");
            assert_eq!(field(line, name), field(created, name), "{name}: {line}");
        }
        let group = field(line, "group").unwrap();
        let text = format!("{}: added {} to {group}", join.number, newcomer.email);
        assert!(line.contains("INFO") && line.contains(&text), "{line}");
        groups.push(group);
    }
    groups.sort_unstable();
    let mut expected = bed.groups_of(&newcomer);
    expected.retain(|group| group != "Everyone");
    expected.sort();
    assert_eq!(groups, expected);
    for line in &mine {
        assert_eq!(field(line, "sys_id"), Some(newcomer.sys_id.as_str()), "{line}");
    }
    // Whoever has no account yet has no login there either; from its making on it is said.
    let last = mine.last().unwrap();
    assert_eq!(field(last, "outcome"), Some("written_back"));
    assert_eq!(field(last, "login"), Some(newcomer.email.as_str()));
    assert_eq!(field(last, "okta_user"), field(created, "okta_user"));
}

#[test]
fn an_account_that_the_record_alone_disables_says_so_and_since_when() {
    let bed = Bed::of(60);
    bed.sync();
    let person = bed.employee(0);
    bed.at("2026-03-02T12:16:30Z");
    bed.record(&person, &[("active", "false")]);
    let (_, lines) = logged(|| bed.sync());
    let suspended = lines.iter().find(|line| field(line, "action") == Some("suspend")).unwrap();
    let text = format!(
        "suspended {}: the record became inactive at 12:16, no leave request",
        person.email
    );
    assert!(suspended.contains(&text), "{suspended}");
}

#[test]
fn a_leave_that_waits_and_is_late_says_whose_it_is_each_time() {
    let bed = Bed::of(60).with("guard", "max_disabled = 0");
    bed.sync();
    let (leaver, boss) = (bed.employee(0), bed.employee(1));
    let variables = [("employee", leaver.sys_id.as_str()), ("last_day", "2026-03-01")];
    let leave = bed.ordered("Okta offboarding", &leaver, &variables);
    assert!(bed.stage.servicenow.approve_as(&leave.number, &boss.sys_id));
    let okta_user = bed.account(&leaver).unwrap().id;
    let ((), lines) = logged(|| {
        let (deps, writers) = bed.at_work();
        bed.cycle_of(&deps, &writers);
        bed.pass("110s");
        watch_deadlines(&deps).unwrap();
        bed.pass("1m");
        watch_deadlines(&deps).unwrap();
    });
    let of_leave = |line: &&String| line.contains(&format!("{}: ", leave.number));
    let of_leave: Vec<&String> = lines.iter().filter(of_leave).collect();
    let outcomes: Vec<&str> = of_leave.iter().filter_map(|line| field(line, "outcome")).collect();
    assert_eq!(outcomes, ["approved", "late", "breached"], "{lines:#?}");
    for line in of_leave {
        for (name, value) in [
            ("request", &leave.number),
            ("parent", &leave.order),
            ("approver", &boss.user_name),
            ("login", &leaver.email),
            ("sys_id", &leaver.sys_id),
            ("okta_user", &okta_user),
        ] {
            assert_eq!(field(line, name), Some(value.as_str()), "{name} in {line}");
        }
    }
}

#[test]
fn what_fails_and_what_is_held_says_whose_it_is() {
    let bed = Bed::of(60);
    bed.sync();
    let person = bed.employee(0);
    let refused = goldthread::sim::faults::Fault::Status(403);
    bed.stage.okta.faults().on("PUT", "/groups/", refused).always();
    let grant = bed.access("Add", &person, &["app-jira"], "");
    let (_, lines) = logged(|| bed.sync());
    let failed = lines.iter().find(|line| field(line, "outcome") == Some("failed")).unwrap();
    // A rename waits where the login belongs to somebody else.
    let other = bed.employee(1);
    bed.record(&other, &[("email", &bed.employee(2).email)]);
    let (_, held) = logged(|| bed.sync());
    let held = held.iter().find(|line| line.contains("WARN") && line.contains(&other.sys_id));
    for (line, person) in [(Some(failed), &person), (held, &other)] {
        let line = line.unwrap();
        for name in ["login", "sys_id", "okta_user", "cause", "outcome", "cycle"] {
            assert!(field(line, name).is_some(), "no {name} in {line}");
        }
        assert_eq!(field(line, "sys_id"), Some(person.sys_id.as_str()), "{line}");
    }
    assert_eq!(field(failed, "request"), Some(grant.number.as_str()));
    assert!(field(failed, "approver").is_some() && field(failed, "group") == Some("app-jira"));
}
