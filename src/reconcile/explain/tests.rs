use super::*;
use crate::model::testing::{done, employee, group, newcomer, noon, request, until, with_groups};
use crate::model::{AccountStatus, GroupKind};
use crate::policy::testing::policy;
use crate::reconcile::person::reconcile_person;

const TODAY: &str = "2026-06-01";

fn org() -> OrgState {
    let named = ["gs", "g1", "g2"].map(|id| {
        let (id, name, kind) = (group(id), id.to_owned(), GroupKind::Okta);
        (id.clone(), Group { id, name, kind, rule_fed: false })
    });
    OrgState { groups: named.into(), rule_groups: vec![Some(group("gs"))], ..OrgState::default() }
}

fn facts(state: &PersonState) -> Vec<Explained> {
    let plan = reconcile_person(state, &org(), &policy(), noon(TODAY));
    explain(state, &plan, &org(), &policy(), noon(TODAY))
}

fn fact(state: &PersonState, key: &FactKey) -> Explained {
    facts(state).into_iter().find(|fact| fact.key == *key).expect("it is explained")
}

fn texts(fact: &Explained) -> Vec<&str> {
    fact.reasons.iter().map(|reason| reason.text.as_str()).collect()
}

fn member_of(id: &str) -> FactKey {
    FactKey::Membership(group(id))
}

fn join() -> ResolvedRequest {
    done(request("R1", Operation::Join, "2026-01-05"))
}

#[test]
fn a_membership_names_all_that_gives_it() {
    let grant =
        until(with_groups(request("R2", Operation::Grant, "2026-02-01"), &["gs"]), "2026-12-01");
    let state = employee(AccountStatus::Active, &["gs"], &[join(), grant]);
    let sales = fact(&state, &member_of("gs"));
    assert!(sales.in_sync && sales.against.is_empty(), "{sales:?}");
    assert_eq!(
        texts(&sales),
        [
            "grant R2 until 2026-12-01T00:00:00Z",
            "birthright of Sales: user.department.name == 'Sales'",
        ]
    );
    assert_eq!(sales.reasons[0].request.as_ref().unwrap().number.as_str(), "R2");
    assert_eq!(sales.reasons[1].rule.as_deref(), Some("Sales"));
}

#[test]
fn what_does_not_count_says_why() {
    let waiting = ResolvedRequest {
        approval: Approval::Waiting,
        ..with_groups(request("R2", Operation::Grant, "2026-02-01"), &["g1"])
    };
    let withdrawn = ResolvedRequest {
        approval: Approval::Withdrawn,
        ..with_groups(request("R3", Operation::Grant, "2026-02-01"), &["g1"])
    };
    let ahead = with_groups(request("R4", Operation::Grant, "2026-07-01"), &["g1"]);
    let ended =
        until(with_groups(request("R5", Operation::Grant, "2026-02-01"), &["g1"]), "2026-03-01");
    let state =
        employee(AccountStatus::Active, &["gs"], &[join(), waiting, withdrawn, ahead, ended]);
    let against = fact(&state, &member_of("g1")).against;
    for text in [
        "grant R2 does not count: it is not approved",
        "grant R3 does not count: it was rejected, cancelled or closed incomplete",
        "grant R4 does not count: it begins on 2026-07-01T08:00:00Z",
    ] {
        assert!(against.iter().any(|it| it == text), "{text}: {against:?}");
    }
    assert_eq!(texts(&fact(&state, &member_of("g1"))), ["grant R5 ended on 2026-03-01T00:00:00Z"]);
}

#[test]
fn a_revoke_that_ended_a_grant_is_named() {
    let grant = with_groups(request("R2", Operation::Grant, "2026-02-01"), &["g1"]);
    let revoke = with_groups(request("R3", Operation::Revoke, "2026-03-01"), &["g1"]);
    let state = employee(AccountStatus::Active, &["gs"], &[join(), grant, revoke]);
    let fact = fact(&state, &member_of("g1"));
    assert_eq!(texts(&fact), ["revoke R3"]);
    assert_eq!(fact.against, ["grant R2 does not count: revoke R3 ended it"]);
}

#[test]
fn a_rule_that_does_not_hold_and_what_was_there_at_take_over() {
    let mut state = employee(AccountStatus::Active, &["gs", "g1"], &[join()]);
    state.baseline = [group("gs"), group("g1")].into();
    state.person.record.insert("department.name".to_owned(), "Law".to_owned());
    let sales = fact(&state, &member_of("gs"));
    assert_eq!(sales.desired.as_deref(), Some("not a member"));
    assert!(sales.against.iter().any(|it| it.starts_with("the rule of Sales does not hold")));
    assert!(sales.against.iter().any(|it| it.starts_with("it was so at take-over")));
    let adopted = fact(&state, &member_of("g1"));
    assert_eq!(texts(&adopted), ["it was so when Goldthread took the account over"]);
    assert_eq!(adopted.origin, Origin::Baseline);
}

#[test]
fn the_status_names_its_request_and_those_that_it_overtook() {
    let leave = request("R2", Operation::Leave, "2026-05-01");
    let state = employee(AccountStatus::Active, &[], &[join(), leave]);
    let status = fact(&state, &FactKey::Status);
    assert_eq!(status.desired.as_deref(), Some("deactivated"));
    assert_eq!(status.actual.as_deref(), Some("active"));
    assert_eq!(texts(&status), ["leave R2"]);
    assert_eq!(
        status.against,
        [
            "differs, and will be repaired: asked for by R2",
            "join R1 does not count: a later request counts",
        ]
    );
}

#[test]
fn of_somebody_nobody_speaks_of() {
    let status = fact(&newcomer(&[]), &FactKey::Status);
    assert_eq!((status.desired.as_deref(), status.actual.as_deref()), (None, None));
    assert_eq!(status.against, ["no request and no rule speaks of the account: it stays as it is"]);
}

#[test]
fn an_attribute_names_the_text_that_it_follows_from() {
    let state = employee(AccountStatus::Active, &["gs"], &[join()]);
    let department = fact(&state, &FactKey::Profile("department".to_owned()));
    assert_eq!(texts(&department), ["the record says so: user.department.name"]);
    assert_eq!(department.desired.as_deref(), Some("Sales"));
    assert!(department.in_sync);
}

#[test]
fn what_differs_without_being_desired_is_told_as_well() {
    let mut state = employee(AccountStatus::Active, &["gs"], &[join()]);
    state.person.record.insert("department.name".to_owned(), String::new());
    let department = fact(&state, &FactKey::Profile("department".to_owned()));
    assert!(department.against[0].starts_with("held: `department.name` is empty"));
    assert!(!department.in_sync);
}
