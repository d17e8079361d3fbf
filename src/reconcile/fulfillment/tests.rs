use super::*;
use crate::model::testing::{done, employee, group, newcomer, noon, request, until, with_groups};
use crate::model::{AccountStatus, Group, GroupKind, PersonState};
use crate::policy::testing::policy;
use crate::reconcile::org::OrgState;
use crate::reconcile::person::reconcile_person;

const TODAY: &str = "2026-06-01";

fn org() -> OrgState {
    let named = ["gs", "g1", "g2"].map(|id| {
        let (id, name, kind) = (group(id), id.to_owned(), GroupKind::Okta);
        (id.clone(), Group { id, name, kind, rule_fed: false })
    });
    OrgState { groups: named.into(), rule_groups: vec![Some(group("gs"))], ..OrgState::default() }
}

/// Where the request of a number stands for the person.
fn status_of(number: &str, state: &PersonState) -> RequestStatus {
    let plan = reconcile_person(state, &org(), &policy(), noon(TODAY));
    let request = state.requests.iter().find(|it| it.reference.number.as_str() == number).unwrap();
    status_for_person(request, &plan, noon(TODAY))
}

fn join() -> ResolvedRequest {
    request("R1", Operation::Join, "2026-01-05")
}

fn active(groups: &[&str], requests: &[ResolvedRequest]) -> PersonState {
    employee(AccountStatus::Active, groups, requests)
}

#[test]
fn each_operation_done_and_underway() {
    use AccountStatus as A;
    use RequestStatus::{Done, Underway};
    let with = |operation| request("R2", operation, "2026-05-01");
    let grant = with_groups(with(Operation::Grant), &["g1"]);
    let revoke = with_groups(with(Operation::Revoke), &["g1"]);
    let gone = |groups: &[&str]| {
        employee(A::Deprovisioned, groups, &[done(join()), with(Operation::Leave)])
    };
    let back = [
        done(join()),
        done(with(Operation::Suspend)),
        request("R3", Operation::Resume, "2026-05-02"),
    ];
    for (number, state, expected) in [
        ("R1", newcomer(&[join()]), Underway),
        ("R1", active(&["gs"], &[join()]), Done),
        ("R1", active(&[], &[join()]), Underway),
        ("R2", active(&["gs"], &[join(), grant.clone()]), Underway),
        ("R2", active(&["gs", "g1"], &[join(), grant]), Done),
        ("R2", active(&["gs", "g1"], &[join(), revoke.clone()]), Underway),
        ("R2", active(&["gs"], &[join(), revoke]), Done),
        ("R2", active(&["gs"], &[done(join()), with(Operation::Leave)]), Underway),
        ("R2", gone(&["gs"]), Underway),
        ("R2", gone(&[]), Done),
        ("R2", active(&["gs"], &[done(join()), with(Operation::Suspend)]), Underway),
        ("R2", employee(A::Suspended, &["gs"], &[done(join()), with(Operation::Suspend)]), Done),
        ("R3", employee(A::Suspended, &["gs"], &back), Underway),
        ("R3", active(&["gs"], &back), Done),
        ("R2", active(&["gs"], &[done(join()), with(Operation::Move)]), Done),
        ("R2", active(&[], &[done(join()), with(Operation::Move)]), Underway),
    ] {
        let operations: Vec<&str> =
            state.requests.iter().map(|it| it.terms.operation.as_str()).collect();
        assert_eq!(status_of(number, &state), expected, "{number} of {operations:?}");
    }
}

#[test]
fn what_is_not_in_force_is_never_done() {
    let ahead = with_groups(request("R2", Operation::Revoke, "2026-07-01"), &["g1"]);
    assert_eq!(status_of("R2", &active(&["gs"], &[join(), ahead])), RequestStatus::Underway);
}

#[test]
fn a_later_request_that_says_otherwise() {
    use RequestStatus::{Done, Overtaken};
    let grant = with_groups(request("R2", Operation::Grant, "2026-04-01"), &["g1"]);
    let revoke = with_groups(request("R3", Operation::Revoke, "2026-05-01"), &["g1"]);
    let both = [done(join()), grant.clone(), revoke.clone()];
    assert_eq!(status_of("R2", &active(&["gs"], &both)), Overtaken);
    assert_eq!(status_of("R3", &active(&["gs"], &both)), Done);
    // Only a part of it.
    let wide = with_groups(request("R2", Operation::Grant, "2026-04-01"), &["g1", "g2"]);
    let both = [done(join()), wide, revoke];
    assert_eq!(status_of("R2", &active(&["gs", "g2"], &both)), Overtaken);

    let leave = request("R4", Operation::Leave, "2026-05-10");
    let moved = request("R5", Operation::Move, "2026-05-01");
    let all = [join(), moved, leave];
    assert_eq!(status_of("R1", &active(&["gs"], &all)), Overtaken);
    assert_eq!(status_of("R5", &active(&["gs"], &all)), Overtaken);

    let ended = until(grant, "2026-05-01");
    assert_eq!(status_of("R2", &active(&["gs"], &[done(join()), ended])), Done, "its end is done");
}

#[test]
fn a_revoke_against_a_birthright_waits_and_says_why() {
    let revoke = with_groups(request("R2", Operation::Revoke, "2026-05-01"), &["gs"]);
    let status = status_of("R2", &active(&["gs"], &[done(join()), revoke]));
    let RequestStatus::Waits { kind, reason, needs, .. } = status else { panic!("{status:?}") };
    assert_eq!((kind.as_str(), needs), ("blocked-membership", Needs::Administrator));
    assert!(reason.contains("birthright rule of group Sales"), "{reason}");
}

#[test]
fn a_join_waits_for_its_own_obstacle_and_for_nobody_elses() {
    let closed = ResolvedRequest { closed_before_first_seen: true, ..join() };
    let RequestStatus::Waits { kind, .. } = status_of("R1", &newcomer(&[closed])) else { panic!() };
    assert_eq!(kind, "hold-account");
    // A grant beside it waits for the same account.
    let grant = with_groups(request("R2", Operation::Grant, "2026-05-01"), &["g1"]);
    let RequestStatus::Waits { reason, .. } = status_of("R2", &newcomer(&[grant])) else {
        panic!()
    };
    assert!(reason.contains("has no account in Okta"));
}

#[test]
fn somebody_who_has_left_needs_no_account_for_what_else_was_asked() {
    let leave = request("R2", Operation::Leave, "2026-05-01");
    let late = request("R3", Operation::Move, "2026-05-20");
    let state = employee(AccountStatus::Deprovisioned, &[], &[done(join()), leave, late]);
    assert_eq!(status_of("R2", &state), RequestStatus::Done);
}

#[test]
fn the_whole_of_a_request_for_several_people() {
    use RequestStatus::{Done, Overtaken, Underway};
    let waits = || RequestStatus::Waits {
        kind: "k".to_owned(),
        reason: "r".to_owned(),
        needs: Needs::Requester,
        too_soon_to_say: false,
    };
    let whole = |people: Vec<RequestStatus>| request_status(&join(), people);
    assert_eq!(whole(vec![Done, Done]), Done);
    assert_eq!(whole(vec![Done, Underway]), Underway);
    assert_eq!(whole(vec![Underway, waits()]), waits());
    assert_eq!(whole(vec![Done, Overtaken]), Overtaken, "it was never done for one of them");
    assert_eq!(whole(vec![Overtaken, Underway]), Underway);
    assert_eq!(whole(vec![Underway, Overtaken]), Underway);
    for (approval, observe) in [(Approval::Waiting, false), (Approval::Approved, true)] {
        let request = ResolvedRequest { approval, observe, ..join() };
        assert_eq!(request_status(&request, vec![Done]), Underway);
    }
}

#[test]
fn somebody_may_still_turn_up_for_an_hour_and_a_leaver_for_a_minute() {
    let problem = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
    let unknown = [problem("person-unknown", "a"), problem("person-unknown", "b")];
    let (soon, late) = (chrono::Duration::minutes(59), chrono::Duration::minutes(61));
    let waits = |kind: &str, reason: &str, too_soon_to_say| RequestStatus::Waits {
        kind: kind.to_owned(),
        reason: reason.to_owned(),
        needs: Needs::Requester,
        too_soon_to_say,
    };
    let join = |problems: &[(String, String)], searched| {
        status_of_problems(problems, Some(Operation::Join), searched)
    };
    // How many it is about is no other kind of obstacle.
    let mend = "an approved request that is changed needs a decision, or a new order";
    let (both, other) = (format!("a; b; {mend}"), format!("a; c; {mend}"));
    assert_eq!(join(&unknown, soon), waits("person-unknown", &both, true));
    assert_eq!(join(&unknown, late), waits("person-unknown", &both, false));
    let mixed = [problem("person-unknown", "a"), problem("date", "c")];
    assert_eq!(join(&mixed, soon), waits("date+person-unknown", &other, false));
    let leave = |seconds| {
        let searched = chrono::Duration::seconds(seconds);
        status_of_problems(&unknown, Some(Operation::Leave), searched)
    };
    assert_eq!(leave(59), waits("person-unknown", &both, true));
    assert_eq!(leave(61), waits("person-unknown", &both, false));
    // Where it is for others to mend, nothing is said of changing it.
    let changed = [problem("changed", "d")];
    let RequestStatus::Waits { reason, .. } = join(&changed, late) else { panic!("it waits") };
    assert_eq!(reason, "d");
}
