//! "Why is this person in this group?", and "why not?".

use goldthread::report::FactView;

use super::bed::Bed;

fn reasons(fact: &FactView) -> Vec<(&str, &str)> {
    fact.reasons
        .iter()
        .map(|it| (it.kind, it.request.as_deref().or(it.rule.as_deref()).unwrap_or("")))
        .collect()
}

fn against(fact: &FactView) -> String {
    fact.against.join(" / ")
}

#[test]
fn an_account_is_explained_by_its_join_its_record_and_its_rules() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let join = bed.join(&newcomer, &["app-jira"]);
    bed.sync();
    let told = bed.explain(&newcomer);
    assert_eq!(told.status, "active");
    assert_eq!(told.person.okta_id, Some(bed.account(&newcomer).unwrap().id));
    let account = told.account.unwrap();
    assert!(account.created);
    assert_eq!((account.origin.as_str(), account.status.as_str()), (&*join.number, "provisioned"));
    assert!(told.facts.iter().all(|fact| fact.in_sync), "{:#?}", told.facts);
    let fact = |name: &str| told.facts.iter().find(|fact| fact.name.as_deref() == Some(name));

    let department = fact("department").unwrap();
    assert_eq!((department.fact, department.cause), ("profile", "request"));
    assert_eq!(department.origin.as_deref(), Some(&*join.number));
    assert!(department.reasons[0].text.contains("user.department.name"));
    assert!(department.since.is_some());
    assert_eq!(reasons(fact("app-jira").unwrap()), [("request", &*join.number)]);
    assert_eq!(
        reasons(fact(&newcomer.department).unwrap()),
        [("rule", newcomer.department.as_str())]
    );
    let other = if newcomer.department == "Finance" { "Marketing" } else { "Finance" };
    let other = fact(other).unwrap();
    assert_eq!(other.desired.as_deref(), Some("not a member"));
    assert!(against(other).contains("does not hold for the record"), "{other:#?}");

    let [request] = told.requests.try_into().unwrap();
    assert_eq!((request.number.as_str(), request.operation), (&*join.number, Some("join")));
    assert!(request.in_force);
    assert_eq!((request.state, request.approval), ("closed complete", "approved"));
}

#[test]
fn every_reason_for_a_membership_is_named_and_each_that_ended_as_well() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let short = bed.access("Add", &employee, &["app-jira"], "2026-03-03");
    let long = bed.access("Add", &employee, &["app-jira"], "2026-03-20");
    bed.sync();
    let both = bed.why(&employee, "app-jira");
    assert_eq!(reasons(&both), [("request", &*short.number), ("request", &*long.number)]);
    assert_eq!(both.reasons[0].until.as_deref(), Some("2026-03-04T00:00:00Z"));

    bed.stage.clock.freeze("2026-03-05T09:00:00Z".parse().unwrap());
    bed.sync();
    let one = bed.why(&employee, "app-jira");
    assert_eq!(reasons(&one), [("request", &*long.number)]);
    assert!(
        against(&one)
            .contains(&format!("grant {} does not count: it ended on 2026-03-04", short.number))
    );

    let revoke = bed.access("Remove", &employee, &["app-jira"], "");
    bed.sync();
    let none = bed.why(&employee, "app-jira");
    assert_eq!(none.desired.as_deref(), Some("not a member"));
    assert_eq!(none.origin.as_deref(), Some(&*revoke.number));
    assert!(against(&none).contains(&format!("revoke {} ended it", revoke.number)), "{none:#?}");
}

#[test]
fn a_request_that_waits_for_its_approval_or_its_day_says_why_not_yet() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let groups = bed.groups(&["app-jira"]);
    let waiting = bed.ordered(
        "Okta group access",
        &employee,
        &[("action", "Add"), ("employee", &employee.sys_id), ("groups", &groups)],
    );
    bed.sync();
    let told = bed.explain(&employee);
    let request = told.requests.iter().find(|it| it.number == waiting.number).unwrap();
    assert_eq!((request.approval, request.in_force), ("waiting", false));

    let newcomer = bed.newcomer(0);
    let ahead = bed.approved(
        "Okta onboarding",
        &newcomer,
        &[
            ("employee", &newcomer.sys_id),
            ("start_date", "2026-03-10"),
            ("groups", &groups),
            ("action", "Add"),
        ],
    );
    bed.sync();
    let why = bed.why(&newcomer, "app-jira");
    let text = format!("join {} does not count: it begins on 2026-03-10T00:00:00Z", ahead.number);
    assert!(against(&why).contains(&text), "{why:#?}");
    assert_eq!(bed.explain(&newcomer).status, "none");
}

#[test]
fn a_leaver_lost_the_groups_by_the_leave() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let grant = bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    bed.pass("1h");
    let leave = bed.leave(&employee);
    bed.sync();
    let why = bed.why(&employee, "app-jira");
    assert_eq!(why.origin.as_deref(), Some(&*leave.number));
    let text = format!("grant {} does not count: leave {} ended it", grant.number, leave.number);
    assert!(against(&why).contains(&text), "{why:#?}");
    let told = bed.explain(&employee);
    assert_eq!(told.status, "deactivated");
    assert!(told.facts.iter().all(|fact| fact.in_sync));
}

#[test]
fn what_was_there_at_take_over_is_a_reason_until_a_revoke_ends_it() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    let account = bed.account(&employee).unwrap();
    bed.stage.okta.seed_member(&bed.okta_group("VPN Users"), &account.id);
    // Somebody else's request brings the group under management.
    bed.access("Add", &bed.employee(1), &["VPN Users"], "");
    bed.sync();
    let why = bed.why(&employee, "VPN Users");
    assert_eq!(reasons(&why), [("baseline", "")]);
    assert_eq!(why.origin.as_deref(), Some("BASELINE"));
    bed.pass("1m");
    bed.access("Remove", &employee, &["VPN Users"], "");
    bed.sync();
    let why = bed.why(&employee, "VPN Users");
    assert_eq!(why.actual.as_deref(), Some("not a member"));
    assert!(against(&why).contains("at take-over"), "{why:#?}");
}

#[test]
fn a_birthright_that_overrules_a_revoke_is_said_on_both_sides() {
    let bed = Bed::of(60);
    let employee = bed.employee(0);
    bed.sync();
    let department = employee.department.clone();
    let revoke = bed.access("Remove", &employee, &[&department], "");
    bed.sync();
    let why = bed.why(&employee, &department);
    assert_eq!(reasons(&why), [("rule", department.as_str())]);
    assert!(against(&why).contains("blocked: the birthright rule"), "{why:#?}");
    assert!(against(&why).contains(&*revoke.number), "{why:#?}");
}

#[test]
fn what_is_held_or_blocked_is_said_with_the_reason() {
    let bed = Bed::of(60);
    bed.sync();
    let employee = bed.employee(0);
    let account = bed.account(&employee).unwrap();
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.add_member(&bed.okta_group("app-jira"), &account.id);
    bed.access("Add", &bed.employee(1), &["app-jira"], "");
    bed.sync();
    // There when the group came under management.
    assert_eq!(reasons(&bed.why(&employee, "app-jira")), [("baseline", "")]);
    pat.set_profile(&account.id, &serde_json::json!({"department": "Elsewhere"}));
    bed.sync_full();
    let why = bed.why(&employee, "department");
    assert!(!why.in_sync);
    assert_eq!(why.cause, "drift");
    assert!(against(&why).contains("held: no request accounts for it"), "{why:#?}");
    let told = bed.explain(&employee);
    assert_eq!(told.holds.len(), 1);
    assert_eq!(told.holds[0].action, Some("update"));
}

#[test]
fn an_attribute_that_okta_does_not_know_is_explained() {
    let bed = Bed::of(60).configure(
        "department = \"user",
        "costCentre = \"user.department.name\"\ndepartment = \"user",
    );
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &[]);
    bed.sync();
    let why = bed.why(&newcomer, "costCentre");
    assert!(against(&why).contains("no attribute \"costCentre\""), "{why:#?}");
}

#[test]
fn with_a_side_down_the_last_observed_state_is_explained() {
    let bed = Bed::of(60);
    bed.sync();
    bed.stage.servicenow.set_credentials(|known| known.password = "another one".to_owned());
    let told = bed.explain(&bed.employee(0));
    assert!(!told.live);
    assert!(told.facts.len() > 5);
}
