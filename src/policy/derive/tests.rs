//! Stories about one person: what was asked for, what the record says, and what should follow.

use std::time::Duration;

use super::*;
use crate::model::testing::{at, employee, group, newcomer, noon, request, until, with_groups};
use crate::model::{Approval, Cause, Disposition, KnownFact, Link, Origin};
use crate::policy::InactiveRecord;
use crate::policy::dot_walk::beside_walk;
use crate::policy::expression::Expression;
use crate::policy::testing::policy;

/// One person, and the policy that decides about her.
struct Case {
    state: PersonState,
    policy: Policy,
}

/// Jane with an account that was made for her.
fn case() -> Case {
    Case { state: employee(AccountStatus::Active, &[], &[]), policy: policy() }
}

/// Jane before she has one.
fn new() -> Case {
    Case { state: newcomer(&[]), policy: policy() }
}

impl Case {
    fn on(&self, day: &str, requests: &[ResolvedRequest]) -> Desired {
        let state = PersonState { requests: requests.to_vec(), ..self.state.clone() };
        derive(&state, &self.policy, &[Some(group("gs"))], noon(day))
    }

    fn field(mut self, name: &str, value: &str) -> Self {
        self.state.person.record.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The account was seen to have the status that a request asks for.
    fn seen(mut self, request: &ResolvedRequest) -> Self {
        let known = KnownFact {
            value: None,
            origin: origin_of(request),
            basis: String::new(),
            in_sync_once: true,
            refused: None,
        };
        self.state.known.insert(FactKey::Status, known);
        self
    }
}

fn status(desired: &Desired) -> Option<(DesiredStatus, String)> {
    desired.status.as_ref().map(|fact| (fact.value, fact.origin.to_string()))
}

fn is_member(desired: &Desired, id: &str) -> Option<(bool, String)> {
    desired.memberships.get(&group(id)).map(|fact| (fact.value, fact.origin.to_string()))
}

#[test]
fn a_joiner_gets_an_active_account_with_profile_birthright_and_requested_groups() {
    let join = with_groups(request("R1", Operation::Join, "2026-01-05"), &["g1"]);
    let desired = case().on("2026-01-06", &[join]);
    assert_eq!(status(&desired), Some((DesiredStatus::Active, "R1".to_owned())));
    assert_eq!(desired.profile["department"].value.as_deref(), Some("Sales"));
    assert_eq!(is_member(&desired, "gs"), Some((true, "R1".to_owned())));
    assert_eq!(is_member(&desired, "g1"), Some((true, "R1".to_owned())));
}

#[test]
fn an_unapproved_or_withdrawn_request_says_nothing() {
    for approval in [Approval::Waiting, Approval::Withdrawn] {
        let mut join = request("R1", Operation::Join, "2026-01-05");
        join.approval = approval;
        let desired = new().on("2026-01-06", &[join]);
        assert_eq!(status(&desired), None);
        assert!(desired.profile.is_empty() && desired.memberships.is_empty());
    }
}

#[test]
fn a_join_ahead_of_its_start_makes_nothing_until_the_configured_lead() {
    let join = request("R1", Operation::Join, "2026-02-10");
    let mut case = new();
    let desired = case.on("2026-02-01", std::slice::from_ref(&join));
    assert_eq!(status(&desired), None);
    assert_eq!(desired.next, Some(at("2026-02-10T08:00:00Z")));

    case.policy.create_ahead = Duration::from_hours(72);
    assert_eq!(
        case.on("2026-02-01", std::slice::from_ref(&join)).next,
        Some(at("2026-02-07T08:00:00Z"))
    );
    let desired = case.on("2026-02-08", &[join]);
    assert_eq!(status(&desired), Some((DesiredStatus::Staged, "R1".to_owned())));
    assert_eq!(is_member(&desired, "gs"), None);
}

#[test]
fn a_leave_deactivates_and_takes_every_membership_and_a_new_join_starts_afresh() {
    let join = with_groups(request("R1", Operation::Join, "2026-01-05"), &["g1"]);
    let leave = request("R2", Operation::Leave, "2026-03-01");
    let again = request("R3", Operation::Join, "2026-05-01");
    let left = case().on("2026-03-02", &[join.clone(), leave.clone()]);
    assert_eq!(status(&left), Some((DesiredStatus::Deactivated, "R2".to_owned())));
    assert!(left.memberships.is_empty() && left.profile.is_empty());
    assert_eq!(
        left.other_memberships.as_ref().map(|f| f.origin.to_string()),
        Some("R2".to_owned())
    );

    let back = case().on("2026-05-02", &[again, leave, join]);
    assert_eq!(status(&back), Some((DesiredStatus::Active, "R3".to_owned())));
    assert_eq!(is_member(&back, "g1"), Some((false, "R3".to_owned())));
    assert_eq!(is_member(&back, "gs"), Some((true, "R3".to_owned())));
}

#[test]
fn a_join_whose_end_has_passed_acts_like_a_leave_and_a_newer_join_lifts_it() {
    let join = until(request("R1", Operation::Join, "2026-01-05"), "2026-02-01");
    let renewed = request("R2", Operation::Join, "2026-01-20");
    assert_eq!(
        status(&case().on("2026-02-02", std::slice::from_ref(&join))),
        Some((DesiredStatus::Deactivated, "R1".to_owned()))
    );
    assert_eq!(
        status(&case().on("2026-02-02", &[join, renewed])),
        Some((DesiredStatus::Active, "R2".to_owned()))
    );
}

#[test]
fn a_leave_of_absence_suspends_and_the_return_lifts_it() {
    let join = request("R1", Operation::Join, "2026-01-05");
    let away = request("R2", Operation::Suspend, "2026-02-01");
    let back = request("R3", Operation::Resume, "2026-03-01");
    let all = [join, away, back];
    assert_eq!(
        status(&case().on("2026-02-02", &all)),
        Some((DesiredStatus::Suspended, "R2".to_owned()))
    );
    let returned = case().on("2026-03-02", &all);
    assert_eq!(status(&returned), Some((DesiredStatus::Active, "R3".to_owned())));
    assert!(returned.may_unsuspend);
}

#[test]
fn what_nobody_asked_for_was_there_at_take_over_unless_the_account_was_made_here() {
    let mut join = request("R1", Operation::Join, "2026-01-05");
    join.approval = Approval::Withdrawn;
    for (created_here, origin) in [(false, Origin::Baseline), (true, Origin::None)] {
        let mut case = case();
        let link = case.state.link.take().expect("an account");
        case.state.link = Some(Link { created_here, ..link });
        let desired = case.on("2026-01-06", std::slice::from_ref(&join));
        assert_eq!(desired.profile["department"].origin, origin);
        assert_eq!(desired.memberships[&group("gs")].origin, origin);
        let case = case.field("active", "false");
        let inactive = case.on("2026-01-06", std::slice::from_ref(&join));
        assert_eq!(inactive.status.map(|fact| fact.origin), Some(origin));
    }
}

#[test]
fn a_mover_follows_the_record_and_the_move_is_the_origin() {
    let join = request("R1", Operation::Join, "2026-01-05");
    let moved = request("R2", Operation::Move, "2026-02-01");
    let case = case().field("department.name", "Finance");
    let desired = case.on("2026-02-02", &[join, moved]);
    assert_eq!(desired.profile["department"].value.as_deref(), Some("Finance"));
    assert_eq!(desired.profile["department"].origin.to_string(), "R2");
    assert_eq!(is_member(&desired, "gs"), Some((false, "R2".to_owned())));
    assert_eq!(status(&desired), Some((DesiredStatus::Active, "R1".to_owned())));
}

#[test]
fn a_grant_with_an_end_stops_speaking_for_the_membership() {
    let join = request("R1", Operation::Join, "2026-01-05");
    let grant =
        until(with_groups(request("R2", Operation::Grant, "2026-01-10"), &["g1"]), "2026-02-01");
    let all = [join, grant];
    assert_eq!(is_member(&case().on("2026-01-11", &all), "g1"), Some((true, "R2".to_owned())));
    assert_eq!(is_member(&case().on("2026-02-02", &all), "g1"), Some((false, "R2".to_owned())));
}

#[test]
fn a_membership_stands_while_one_of_its_reasons_does() {
    let join = request("R1", Operation::Join, "2026-01-05");
    let short =
        until(with_groups(request("R2", Operation::Grant, "2026-01-10"), &["g1"]), "2026-02-01");
    let long = with_groups(request("R3", Operation::Grant, "2026-01-09"), &["g1"]);
    let all = [join, short, long];
    assert_eq!(case().on("2026-01-11", &all).memberships[&group("g1")].reasons.len(), 2);
    assert_eq!(is_member(&case().on("2026-02-02", &all), "g1"), Some((true, "R3".to_owned())));
}

#[test]
fn a_revoke_ends_earlier_grants_and_what_was_there_at_take_over() {
    let join = request("R1", Operation::Join, "2026-01-05");
    let grant = with_groups(request("R2", Operation::Grant, "2026-01-10"), &["g1"]);
    let revoke = with_groups(request("R3", Operation::Revoke, "2026-01-20"), &["g1", "g2"]);
    let mut case = case();
    case.state.baseline = BTreeSet::from([group("g2")]);
    let all = [join, grant, revoke];
    assert_eq!(is_member(&case.on("2026-01-15", &all), "g2"), Some((true, "BASELINE".to_owned())));
    let after = case.on("2026-01-21", &all);
    assert_eq!(is_member(&after, "g1"), Some((false, "R3".to_owned())));
    assert_eq!(is_member(&after, "g2"), Some((false, "R3".to_owned())));
}

#[test]
fn a_revoke_stands_where_the_record_alone_puts_the_account_out_of_use() {
    let join = with_groups(request("R1", Operation::Join, "2026-01-05"), &["g1", "g2"]);
    let revoke = with_groups(request("R2", Operation::Revoke, "2026-01-20"), &["g1"]);
    let mut case = case().seen(&join).field("active", "false");
    case.policy.inactive_record = InactiveRecord::Deactivate;
    let desired = case.on("2026-01-21", &[join, revoke]);
    assert_eq!(status(&desired), Some((DesiredStatus::Deactivated, "R1".to_owned())));
    assert_eq!(is_member(&desired, "g1"), Some((false, "R2".to_owned())));
    assert_eq!(is_member(&desired, "g2"), None, "nothing ended it");
}

#[test]
fn a_revoke_against_a_birthright_is_blocked_with_the_rule_named() {
    let join = request("R1", Operation::Join, "2026-01-05");
    let revoke = with_groups(request("R2", Operation::Revoke, "2026-01-20"), &["gs"]);
    let desired = case().on("2026-01-21", &[join, revoke]);
    assert_eq!(is_member(&desired, "gs"), Some((true, "R1".to_owned())));
    let [anomaly] = desired.anomalies.as_slice() else { panic!("{:?}", desired.anomalies) };
    assert!(matches!(anomaly.disposition, Disposition::Blocked(_)));
    assert!(anomaly.disposition.reason().unwrap().contains("Sales"));
    assert_eq!(anomaly.origin.to_string(), "R2");
}

#[test]
fn an_inactive_record_holds_a_join_that_never_took_effect_and_suspends_one_that_did() {
    let join = request("R1", Operation::Join, "2026-01-05");
    let fresh = new().field("active", "false").on("2026-01-06", std::slice::from_ref(&join));
    assert!(fresh.status.as_ref().is_some_and(|fact| fact.disposition.is_hold()));

    let known = case().seen(&join).field("active", "false");
    let known = known.on("2026-01-06", &[join]);
    assert_eq!(status(&known), Some((DesiredStatus::Suspended, "R1".to_owned())));
    assert_eq!(known.status.unwrap().cause, Cause::Record);
}

#[test]
fn somebody_outside_the_configured_people_is_left_alone_whatever_was_asked_for() {
    let mut case = case();
    case.state.person.presence = Presence::Outside;
    let leave = request("R1", Operation::Leave, "2026-01-05");
    let desired = case.on("2026-01-06", &[leave]);
    assert!(desired.status.is_none() && desired.other_memberships.is_none());
}

#[test]
fn a_field_hidden_behind_a_filled_reference_is_an_anomaly_and_clears_nothing() {
    let case = case().field("department.name", "");
    let desired = case.on("2026-01-06", &[request("R1", Operation::Join, "2026-01-05")]);
    assert!(!desired.profile.contains_key("department"));
    let reason = desired.anomalies[0].disposition.reason();
    assert!(reason.unwrap().starts_with("`department.name` is empty"));

    let case = case.field("department", "");
    let desired = case.on("2026-01-06", &[request("R1", Operation::Join, "2026-01-05")]);
    assert_eq!(desired.profile["department"].value, None);
}

#[test]
fn a_field_two_steps_away_is_told_from_a_hidden_one_by_what_lies_on_the_way() {
    let field = "manager.manager.email";
    assert_eq!(beside_walk(field), ["manager", "manager.sys_id", "manager.manager"]);
    assert_eq!(beside_walk("department.name"), ["department"]);
    assert!(beside_walk("email").is_empty());
    // The manager, whether that record can be read, the manager's manager, and that one's address.
    for (read, value, anomalies) in [
        (["m1", "m1", "m2", "grace@example.com"], Some("grace@example.com"), 0),
        (["m1", "m1", "m2", ""], None, 1),
        (["m1", "", "", ""], None, 1),
        (["m1", "m1", "", ""], None, 0),
        (["", "", "", ""], None, 0),
    ] {
        let mut case = case();
        let source = format!("user.{field}");
        let boss = Expression::compile(&source, &["user"]).unwrap();
        case.policy.profile.insert("boss".to_owned(), boss);
        let way = ["manager", "manager.sys_id", "manager.manager", field];
        let read = way.into_iter().zip(read).map(|(name, text)| (name.to_owned(), text.to_owned()));
        case.state.person.record.extend(read);
        let desired = case.on("2026-01-06", &[request("R1", Operation::Join, "2026-01-05")]);
        assert_eq!(desired.anomalies.len(), anomalies, "{:?}", case.state.person.record);
        let boss = desired.profile.get("boss").map(|fact| fact.value.as_deref());
        assert_eq!(boss, (anomalies == 0).then_some(value));
    }
}

#[test]
fn the_order_in_which_requests_are_read_makes_no_difference() {
    let all = [
        with_groups(request("R1", Operation::Join, "2026-01-05"), &["g1"]),
        request("R2", Operation::Suspend, "2026-02-01"),
        with_groups(request("R3", Operation::Revoke, "2026-02-02"), &["g1"]),
        request("R4", Operation::Resume, "2026-03-01"),
    ];
    let mut reversed = all.clone();
    reversed.reverse();
    for day in ["2026-01-06", "2026-02-03", "2026-03-02"] {
        let (one, other) = (case().on(day, &all), case().on(day, &reversed));
        assert_eq!(status(&one), status(&other));
        assert_eq!(one.memberships, other.memberships);
    }
}

#[test]
fn a_join_that_waits_for_an_active_record_ends_nothing_that_was_there_at_take_over() {
    let stays = |active: &str| {
        let mut jane = case().field("active", active);
        jane.state.actual.account =
            Some(crate::model::testing::account("00u1", AccountStatus::Deprovisioned));
        jane.state.actual.groups = BTreeSet::from([group("g1")]);
        jane.state.baseline = BTreeSet::from([group("g1")]);
        let desired = jane.on("2026-06-02", &[request("RITM1", Operation::Join, "2026-06-01")]);
        desired.memberships.get(&group("g1")).is_some_and(|fact| fact.value)
    };
    assert!(stays("false"));
    assert!(!stays("true"), "who is hired again begins anew");
}
