//! Who is in which group, for which reasons, and which groups are never touched.

use goldthread::sim::company::Person;

use super::bed::{Bed, applied};

fn groups(bed: &Bed, person: &Person) -> Vec<String> {
    bed.account(person).unwrap().groups
}

fn is_in(bed: &Bed, person: &Person, group: &str) -> bool {
    groups(bed, person).iter().any(|name| name == group)
}

/// A configuration whose department groups only ever add.
fn additive(bed: Bed, group: &str) -> Bed {
    let exact = format!("{group}' && user.active == 'true'\"\nmembers = \"exact\"");
    let adds = format!("{group}' && user.active == 'true'\"\nmembers = \"additive\"");
    bed.configure(&exact, &adds)
}

#[test]
fn a_membership_goes_only_when_its_last_reason_is_gone() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let first = bed.access("Add", &employee, &["app-jira"], "2026-03-03");
    let second = bed.access("Add", &employee, &["app-jira"], "2026-03-05");
    bed.sync();
    assert!(is_in(&bed, &employee, "app-jira"));
    bed.stage.clock.freeze("2026-03-04T00:00:30Z".parse().unwrap());
    assert_eq!(applied(&bed.sync()), Vec::<String>::new());
    assert!(is_in(&bed, &employee, "app-jira"), "{} ended, {} not", first.number, second.number);
    bed.stage.clock.freeze("2026-03-06T00:00:30Z".parse().unwrap());
    assert_eq!(applied(&bed.sync()), [format!("{} remove_member", second.number)]);
}

#[test]
fn a_grant_after_a_revoke_stands() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    bed.pass("1m");
    bed.access("Remove", &employee, &["app-jira"], "");
    bed.pass("1m");
    bed.access("Add", &employee, &["app-jira"], "");
    bed.forget_calls();
    assert!(!bed.sync().needs_attention() || bed.stage.okta.writes().is_empty());
    assert!(is_in(&bed, &employee, "app-jira"));
}

#[test]
fn a_requested_group_that_the_rule_gives_too_outlives_the_end_of_the_request() {
    let bed = Bed::of(60).configure("\"app-*\", \"VPN Users\"", "\"*\"");
    let employee = bed.employee(0);
    let department = employee.department.clone();
    bed.access("Add", &employee, &[&department], "2026-03-03");
    bed.sync();
    bed.stage.clock.freeze("2026-03-04T00:00:30Z".parse().unwrap());
    bed.sync();
    assert!(is_in(&bed, &employee, &department));
}

#[test]
fn a_revoke_of_a_birthright_is_blocked_and_says_so_on_the_request() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    bed.sync();
    let revoke = bed.access("Remove", &employee, &[&employee.department], "");
    bed.sync();
    bed.sync();
    assert!(is_in(&bed, &employee, &employee.department));
    let comments = bed.comments(&revoke);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains("birthright"), "{comments:?}");
    assert_ne!(bed.state(&revoke), "3");
    let item = bed.differences().pop().unwrap();
    assert_eq!(item.disposition, "blocked");
    assert_eq!(item.request.as_deref(), Some(&*revoke.number));
}

#[test]
fn an_exact_group_loses_who_was_put_in_by_hand_and_an_additive_one_does_not() {
    for (adds, stays) in [(false, false), (true, true)] {
        let bed = Bed::of(60)
            .configure("[guard]\n", "[attribution]\nunattributed = \"apply\"\n\n[guard]\n");
        let employee = bed.employee(0);
        let other = if employee.department == "Finance" { "Marketing" } else { "Finance" };
        let bed = if adds { additive(bed, other) } else { bed };
        bed.sync();
        let account = bed.account(&employee).unwrap();
        bed.stage.okta.acting_as("Pat Admin").add_member(&bed.okta_group(other), &account.id);
        bed.sync_full();
        assert_eq!(is_in(&bed, &employee, other), stays, "additive: {adds}");
    }
}

#[test]
fn a_mover_keeps_an_additive_group_and_what_was_asked_for() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let bed = additive(bed, &employee.department);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    let new = if employee.department == "Finance" { "Marketing" } else { "Finance" };
    let id = bed.stage.company.department_id(new);
    bed.pass("1m");
    bed.stage.servicenow.update_person(&employee.sys_id, &[("department", &id)]);
    bed.approved("Change of position", &employee, &[("employee", &employee.sys_id)]);
    assert!(!bed.sync().needs_attention());
    let mut expected = vec!["app-jira".to_owned(), new.to_owned(), employee.department.clone()];
    expected.sort();
    assert_eq!(groups(&bed, &employee), expected);
}

#[test]
fn a_group_that_is_renamed_in_okta_goes_on_under_its_new_name() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let newcomer = bed.newcomer(0);
    bed.access("Add", &employee, &["app-jira"], "2026-03-03");
    bed.sync();
    let jira = bed.okta_group("app-jira");
    let department = bed.okta_group(&newcomer.department);
    bed.stage.okta.rename_group(&jira, "tickets");
    bed.stage.okta.rename_group(&department, "renamed department");
    bed.forget_calls();
    assert!(!bed.sync_full().needs_attention());
    assert!(bed.stage.okta.writes().is_empty());
    // The rule and the end of the grant still mean the groups that they meant.
    bed.join(&newcomer, &[]);
    bed.stage.clock.freeze("2026-03-04T00:00:30Z".parse().unwrap());
    bed.sync();
    assert!(is_in(&bed, &newcomer, "renamed department"));
    assert!(!is_in(&bed, &employee, "tickets"));
}

#[test]
fn a_group_that_takes_the_name_of_a_renamed_one_is_another_group() {
    let bed = Bed::of(60);
    bed.sync();
    let newcomer = bed.newcomer(0);
    let department = bed.okta_group(&newcomer.department);
    bed.stage.okta.rename_group(&department, "the real one");
    bed.stage.okta.create_group(&newcomer.department);
    bed.join(&newcomer, &[]);
    bed.sync_full();
    assert_eq!(groups(&bed, &newcomer), ["the real one"]);
}

#[test]
fn a_group_that_is_deleted_in_okta_holds_the_request_for_it_and_nobody_else() {
    let bed = Bed::of(60);
    let (first, second) = (bed.employee(0), bed.employee(1));
    bed.access("Add", &first, &["app-jira"], "");
    bed.sync();
    bed.stage.okta.delete_group(&bed.okta_group("app-jira"));
    bed.forget_calls();
    bed.sync_full();
    assert!(bed.stage.okta.writes().is_empty());
    let [item] = bed.differences().try_into().unwrap();
    assert_eq!((item.fact, item.disposition), ("membership", "report"));
    let request = bed.access("Add", &second, &["app-jira"], "");
    for _ in 0..2 {
        bed.sync();
    }
    let comments = bed.comments(&request);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert_ne!(bed.state(&request), "3");
    // Somebody else's business goes on.
    let join = bed.join(&bed.newcomer(0), &[]);
    bed.sync();
    assert_eq!(bed.state(&join), "3");
}

#[test]
fn groups_that_okta_keeps_itself_are_never_written() {
    let bed = Bed::of(60).configure("\"app-*\", \"VPN Users\"", "\"*\"");
    let directory = bed.stage.okta.add_group("Directory staff", "APP_GROUP");
    let fed = bed.stage.okta.add_group("By rule", "OKTA_GROUP");
    bed.stage.okta.add_rule("feeder", "department", "Nowhere", &[&fed]);
    let people = [bed.employee(0), bed.employee(1), bed.employee(2)];
    let mut requests = Vec::new();
    for (person, (name, id)) in people.iter().zip([
        ("Directory staff", directory),
        ("By rule", fed),
        ("Everyone", bed.okta_group("Everyone")),
    ]) {
        let row =
            bed.stage.servicenow.insert("u_okta_group", &[("u_name", name), ("u_okta_id", &id)]);
        requests.push(bed.approved(
            "Okta group access",
            person,
            &[("action", "Add"), ("employee", &person.sys_id), ("groups", &row)],
        ));
    }
    bed.forget_calls();
    for _ in 0..2 {
        assert!(bed.sync().needs_attention());
    }
    assert!(bed.stage.okta.writes().is_empty());
    for request in &requests[..2] {
        let comments = bed.comments(request);
        assert_eq!(comments.len(), 1, "{comments:?}");
        assert_ne!(bed.state(request), "3");
    }
}

#[test]
fn a_protected_group_is_never_changed_whatever_it_is_called_now() {
    let bed = Bed::of(60).configure("[guard]\n", "[guard]\nprotected_groups = [\"VPN Users\"]\n");
    let (first, second) = (bed.employee(0), bed.employee(1));
    bed.sync();
    let refused = bed.access("Add", &first, &["VPN Users"], "");
    bed.sync();
    bed.stage.okta.rename_group(&bed.okta_group("VPN Users"), "Remote access");
    bed.sync_full();
    let row = bed.groups(&["VPN Users"]);
    let again = bed.approved(
        "Okta group access",
        &second,
        &[("action", "Add"), ("employee", &second.sys_id), ("groups", &row)],
    );
    bed.sync();
    for (person, request) in [(&first, &refused), (&second, &again)] {
        assert!(!is_in(&bed, person, "Remote access") && !is_in(&bed, person, "VPN Users"));
        assert!(bed.comments(request)[0].contains("protected"), "{:?}", bed.comments(request));
    }
}

#[test]
fn a_group_that_nobody_knows_is_held_and_said_and_other_groups_of_other_requests_are_given() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let row = bed
        .stage
        .servicenow
        .insert("u_okta_group", &[("u_name", "gone"), ("u_okta_id", "00g0000000000000none")]);
    let request = bed.approved(
        "Okta group access",
        &employee,
        &[("action", "Add"), ("employee", &employee.sys_id), ("groups", &row)],
    );
    let other = bed.access("Add", &employee, &["app-jira"], "");
    for _ in 0..2 {
        bed.sync();
    }
    assert_eq!(bed.comments(&request).len(), 1);
    assert_eq!(bed.state(&other), "3");
    assert!(is_in(&bed, &employee, "app-jira"));
}

#[test]
fn a_revoke_is_carried_out_on_an_account_that_its_record_puts_out_of_use() {
    for at_once in [false, true] {
        let bed = Bed::of(40).with("lifecycle", "inactive_record = \"deactivate\"");
        let employee = bed.employee(0);
        bed.access("Add", &employee, &["app-jira", "app-figma"], "");
        bed.sync();
        bed.record(&employee, &[("active", "false")]);
        if !at_once {
            bed.sync();
        }
        let revoke = bed.access("Remove", &employee, &["app-jira"], "");
        bed.sync();
        assert_eq!(bed.status(&employee), "DEPROVISIONED");
        assert!(!bed.is_in(&employee, "app-jira") && bed.is_in(&employee, "app-figma"));
        assert_eq!(bed.state(&revoke), "3");
        bed.nothing_happens();
    }
}

#[test]
fn a_revoke_waits_for_nobody_where_the_record_would_disable_and_that_is_held() {
    let bed = Bed::of(40)
        .with("lifecycle", "inactive_record = \"deactivate\"")
        .with("guard", "max_disabled = 0\nmax_disabled_share = \"0%\"");
    let employee = bed.employee(0);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    bed.record(&employee, &[("active", "false")]);
    let revoke = bed.access("Remove", &employee, &["app-jira"], "");
    bed.sync();
    assert_eq!((bed.status(&employee), bed.state(&revoke)), ("ACTIVE", "3".into()));
    assert!(!bed.is_in(&employee, "app-jira"));
}
