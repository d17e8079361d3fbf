use super::*;
use crate::model::testing::{employee, newcomer, noon, request};
use crate::model::{AccountStatus, Operation};
use crate::policy::testing::{policy, user};
use crate::reconcile::org::OrgState;
use crate::reconcile::person::reconcile_person;

fn join() -> Vec<crate::model::ResolvedRequest> {
    vec![request("R1", Operation::Join, "2026-01-05")]
}

/// An update of department and title.
fn update() -> PlannedAction {
    let mut policy = policy();
    policy.profile.insert("department".to_owned(), user("'Law'"));
    policy.profile.insert("title".to_owned(), user("'Dr'"));
    let state = employee(AccountStatus::Active, &[], &join());
    let plan = reconcile_person(&state, &OrgState::default(), &policy, noon("2026-06-01"));
    plan.actions.into_iter().next().expect("an update")
}

fn creation() -> PlannedAction {
    let state = newcomer(&join());
    let plan = reconcile_person(&state, &OrgState::default(), &policy(), noon("2026-06-01"));
    plan.actions.into_iter().next().expect("a creation")
}

fn names(attributes: &[&str]) -> Objection {
    let attributes: BTreeSet<String> = attributes.iter().map(|it| (*it).to_owned()).collect();
    Objection { attributes, is_about_the_profile: true, is_taken: false }
}

fn written(planned: &PlannedAction) -> Vec<&str> {
    match &planned.action.step {
        Step::Update { changes } => changes.keys().map(String::as_str).collect(),
        Step::Create { profile, .. } => profile.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

fn profile(name: &str) -> FactKey {
    FactKey::Profile(name.to_owned())
}

#[test]
fn an_attribute_that_is_named_is_left_out_and_the_rest_is_written() {
    let narrowed = narrow(&update(), Some(&names(&["title"])));
    assert_eq!(narrowed.refused, [profile("title")]);
    let [rest] = narrowed.rest.as_slice() else { panic!("{narrowed:?}") };
    assert_eq!(written(rest), ["department"]);
    assert_eq!(rest.keys, [profile("department")]);
}

#[test]
fn where_none_is_named_they_are_tried_one_by_one() {
    let narrowed = narrow(&update(), Some(&names(&[])));
    assert!(narrowed.refused.is_empty());
    let tried: Vec<_> = narrowed.rest.iter().map(written).collect();
    assert_eq!(tried, [["department"], ["title"]]);
    // One alone that is refused is refused.
    let narrowed = narrow(&narrowed.rest[0], Some(&names(&[])));
    assert!(narrowed.rest.is_empty());
    assert_eq!(narrowed.refused, [profile("department")]);
}

#[test]
fn an_account_is_made_with_what_it_cannot_be_without() {
    let narrowed = narrow(&creation(), Some(&names(&["department"])));
    assert_eq!(narrowed.refused, [profile("department")]);
    assert_eq!(written(&narrowed.rest[0]), ["email", "login"]);
    let unnamed = narrow(&creation(), Some(&names(&[])));
    assert_eq!(written(&unnamed.rest[0]), ["email", "login"]);
    assert!(unnamed.refused.is_empty(), "the others follow as differences of their own");
    // Named or not, what is necessary stays, and what is left out beside it is tried without.
    let bare = narrow(&unnamed.rest[0], Some(&names(&["login"])));
    assert!(bare.rest.is_empty());
    assert_eq!(bare.refused, unnamed.rest[0].keys);
}

#[test]
fn what_is_not_about_the_profile_is_refused_as_a_whole() {
    let other = Objection::default();
    let taken = Objection { is_taken: true, ..names(&["login"]) };
    for objection in [None, Some(&other), Some(&taken)] {
        let narrowed = narrow(&creation(), objection);
        assert!(narrowed.rest.is_empty(), "{objection:?}");
        assert_eq!(narrowed.refused, creation().keys);
    }
}
