use super::*;
use crate::model::testing::{done, employee, newcomer, noon, request, with_groups};
use crate::model::{AccountStatus, Operation, PersonState};
use crate::policy::testing::policy;
use crate::reconcile::approve::approve;
use crate::reconcile::approve::tests::limits;
use crate::reconcile::org::OrgState;
use crate::reconcile::past::Past;
use crate::reconcile::person::reconcile_person;

const TODAY: &str = "2026-06-01";

fn plan(state: &PersonState) -> PersonPlan {
    reconcile_person(state, &OrgState::default(), &policy(), noon(TODAY))
}

fn leaver() -> PersonPlan {
    let requests = [
        done(request("R1", Operation::Join, "2026-01-05")),
        request("R2", Operation::Leave, "2026-05-31"),
    ];
    plan(&employee(AccountStatus::Active, &[], &requests))
}

fn seconds(again: Option<Timestamp>) -> Option<i64> {
    again.map(|at| (at - noon(TODAY)).num_seconds())
}

fn again(plan: &PersonPlan, attempted: &Attempted, failures: u32) -> Option<Timestamp> {
    requeue(plan, attempted, noon(TODAY), |_| failures)
}

#[test]
fn nothing_is_left_when_both_sides_agree() {
    let agreed = plan(&employee(AccountStatus::Active, &[], &[]));
    assert!(agreed.is_in_sync());
    assert_eq!(again(&agreed, &Attempted::default(), 0), None);
}

#[test]
fn a_leaver_is_tried_again_soon_however_often_it_failed() {
    let nothing = Attempted::default();
    for (failures, expected) in [(0, 0), (1, 0), (2, 5), (3, 10), (5, 30), (50, 30)] {
        let requeue = again(&leaver(), &nothing, failures);
        assert_eq!(seconds(requeue), Some(expected), "after {failures} failures");
    }
}

#[test]
fn a_joiner_is_tried_again_less_and_less_often() {
    let joiner = plan(&newcomer(&[request("R1", Operation::Join, "2026-01-05")]));
    let nothing = Attempted::default();
    let pauses: Vec<_> =
        [1, 2, 7, 100].map(|failures| seconds(again(&joiner, &nothing, failures))).into();
    assert_eq!(pauses, [Some(0), Some(5), Some(160), Some(300)]);
}

#[test]
fn what_okta_said_is_done_and_does_not_show_is_not_done_again_at_once() {
    let done = Attempted { done: [FactKey::Status].into(), ..Attempted::default() };
    assert_eq!(seconds(again(&leaver(), &done, 0)), Some(LIMIT_PAUSE.num_seconds()));
}

#[test]
fn what_okta_refused_is_left_until_something_changes() {
    let joiner = plan(&newcomer(&[request("R1", Operation::Join, "2026-01-05")]));
    let refused =
        |key| Attempted { refused: [(key, "no".to_owned())].into(), ..Attempted::default() };
    assert_eq!(again(&joiner, &refused(FactKey::Account), 1), None);
}

#[test]
fn what_disables_is_tried_again_whatever_okta_said() {
    let refused =
        Attempted { refused: [(FactKey::Status, "no".to_owned())].into(), ..Attempted::default() };
    for (failures, expected) in [(1, 0), (3, 10), (50, 30)] {
        assert_eq!(seconds(again(&leaver(), &refused, failures)), Some(expected));
    }
    assert!(refused_facts(&leaver(), &refused).is_empty(), "it is never kept");
}

#[test]
fn what_a_limit_holds_waits_for_it_to_slide_and_what_needs_a_decision_for_nobody() {
    let plan = leaver();
    let held = |slides: bool| Attempted {
        held: plan.actions.iter().map(|planned| (planned.fingerprint(), slides)).collect(),
        ..Attempted::default()
    };
    assert_eq!(seconds(again(&plan, &held(true), 0)), Some(LIMIT_PAUSE.num_seconds()));
    assert_eq!(again(&plan, &held(false), 0), None);
}

#[test]
fn whoever_was_not_reached_or_waits_for_something_else() {
    let now = noon(TODAY);
    let plan = leaver();
    assert_eq!(requeue_untouched(&plan, false, false, now), None);
    assert_eq!(requeue_untouched(&plan, true, false, now), Some(now + LIMIT_PAUSE));
    assert_eq!(requeue_untouched(&plan, true, true, now), Some(now));
    let grant = with_groups(request("R5", Operation::Grant, "2026-05-01"), &["g1"]);
    let stuck = super::tests::plan(&newcomer(&[grant]));
    assert_eq!(requeue_untouched(&stuck, false, false, now), Some(now + LIMIT_PAUSE));
    // What changes by itself earlier is decided about earlier.
    let soon = PersonPlan { next: Some(now + chrono::Duration::minutes(1)), ..stuck };
    assert_eq!(
        requeue_untouched(&soon, false, false, now),
        Some(now + chrono::Duration::minutes(1))
    );
}

#[test]
fn a_value_that_okta_takes_and_does_not_show_is_not_sent_again() {
    let mut state =
        employee(AccountStatus::Active, &[], &[request("R1", Operation::Join, "2026-01-05")]);
    state.actual.account.as_mut().unwrap().profile.insert("department".into(), "sales".into());
    let plan = plan(&state);
    let department = FactKey::Profile("department".to_owned());
    let attempted = Attempted { done: [department.clone()].into(), ..Attempted::default() };
    let refused = refused_facts(&plan, &attempted);
    assert_eq!(refused.len(), 1);
    assert!(refused[&department].contains("shows another one"));
    // A creation that is refused is what the status asks for.
    let attempted = Attempted {
        refused: [(FactKey::Account, "a person with that login exists".to_owned())].into(),
        ..Attempted::default()
    };
    let refused = refused_facts(&plan, &attempted);
    assert_eq!(refused.keys().next(), Some(&FactKey::Status));
    assert!(refused[&FactKey::Status].starts_with("Okta refused it: a person"));
}

#[test]
fn what_the_guard_lets_through_is_what_the_plan_asked_for() {
    let approval = approve(leaver().actions, &limits(), &Past::default());
    let steps: Vec<&str> =
        approval.approved.actions().iter().map(|it| it.planned.action.step.name()).collect();
    assert_eq!(steps, ["clear_sessions", "deactivate"]);
}
