use super::*;
use crate::model::testing::{at, group, noon, request, until, with_groups};
use crate::model::{Approval, ResolvedRequest};

fn names(requests: &BTreeMap<GroupId, &ResolvedRequest>) -> Vec<String> {
    requests.iter().map(|(group, it)| format!("{group} {}", it.reference.number)).collect()
}

fn status(timeline: &Timeline<'_>) -> Option<(DesiredStatus, String)> {
    timeline.status.map(|(status, request)| (status, request.reference.number.to_string()))
}

/// A life: what each request makes of the status, in the order of time.
#[test]
fn each_operation_in_turn() {
    use DesiredStatus as D;
    let life = [
        request("R1", Operation::Join, "2026-01-01"),
        request("R2", Operation::Suspend, "2026-02-01"),
        request("R3", Operation::Resume, "2026-03-01"),
        request("R4", Operation::Move, "2026-04-01"),
        request("R5", Operation::Leave, "2026-05-01"),
        request("R6", Operation::Resume, "2026-06-01"),
        request("R7", Operation::Join, "2026-07-01"),
    ];
    for (day, expected, placement, joined) in [
        ("2025-12-31", None, None, false),
        ("2026-01-02", Some((D::Active, "R1")), Some("R1"), true),
        ("2026-02-02", Some((D::Suspended, "R2")), Some("R1"), true),
        ("2026-03-02", Some((D::Active, "R3")), Some("R1"), true),
        ("2026-04-02", Some((D::Active, "R3")), Some("R4"), true),
        ("2026-05-02", Some((D::Deactivated, "R5")), None, false),
        // Who has left comes back by a join, and by nothing else.
        ("2026-06-02", Some((D::Deactivated, "R5")), None, false),
        ("2026-07-02", Some((D::Active, "R7")), Some("R7"), true),
    ] {
        let timeline = replay(&life, noon(day));
        let expected = expected.map(|(status, number)| (status, number.to_owned()));
        assert_eq!(status(&timeline), expected, "{day}");
        let placed = timeline.placement.map(|request| request.reference.number.as_str());
        assert_eq!(placed, placement, "{day}");
        assert_eq!(timeline.joined, joined, "{day}");
    }
}

#[test]
fn only_what_is_approved_counts() {
    for approval in [Approval::Waiting, Approval::Withdrawn] {
        let leave = ResolvedRequest { approval, ..request("R2", Operation::Leave, "2026-02-01") };
        let all = [request("R1", Operation::Join, "2026-01-01"), leave];
        let timeline = replay(&all, noon("2026-03-01"));
        assert_eq!(status(&timeline), Some((DesiredStatus::Active, "R1".to_owned())));
        assert_eq!(timeline.order.len(), 1);
    }
}

#[test]
fn requests_count_in_the_order_of_effect_then_of_creation_then_of_number() {
    let join = request("R2", Operation::Join, "2026-01-01");
    let mut leave = request("R1", Operation::Leave, "2026-01-01");
    let last = |requests: &[ResolvedRequest]| {
        let timeline = replay(requests, noon("2026-02-01"));
        timeline.order.last().unwrap().reference.number.to_string()
    };
    assert_eq!(last(&[join.clone(), leave.clone()]), "R2", "by number");
    leave.created_at = at("2026-01-01T08:00:01Z");
    assert_eq!(last(&[join.clone(), leave.clone()]), "R1", "by creation");
    leave.effective = at("2026-01-01T07:00:00Z");
    assert_eq!(last(&[join, leave]), "R2", "by effect");
}

#[test]
fn an_end_acts_at_its_own_place() {
    let join = until(request("R1", Operation::Join, "2026-01-01"), "2026-02-01");
    let ended = replay(std::slice::from_ref(&join), noon("2026-02-01"));
    assert_eq!(status(&ended), Some((DesiredStatus::Deactivated, "R1".to_owned())));
    let before = replay(std::slice::from_ref(&join), noon("2026-01-31"));
    assert_eq!(before.next, Some(at("2026-02-01T00:00:00Z")));
    // A newer join lifts it, though the end came later than it.
    let all = [join, request("R2", Operation::Join, "2026-01-15")];
    let renewed = replay(&all, noon("2026-02-02"));
    assert_eq!(status(&renewed), Some((DesiredStatus::Active, "R2".to_owned())));
}

#[test]
fn an_absence_with_an_end_is_over_by_itself() {
    let away = until(request("R2", Operation::Suspend, "2026-02-01"), "2026-03-01");
    let all = [request("R1", Operation::Join, "2026-01-01"), away];
    let status_on = |day: &str| status(&replay(&all, noon(day))).unwrap();
    assert_eq!(status_on("2026-02-02"), (DesiredStatus::Suspended, "R2".to_owned()));
    assert_eq!(status_on("2026-03-02"), (DesiredStatus::Active, "R2".to_owned()));
    assert!(replay(&all, noon("2026-03-02")).suspension.is_some(), "it explains the suspension");
}

#[test]
fn grants_revokes_and_what_ends_them() {
    let all = [
        with_groups(request("R1", Operation::Join, "2026-01-01"), &["g1"]),
        with_groups(request("R2", Operation::Grant, "2026-01-10"), &["g1", "g2"]),
        with_groups(request("R3", Operation::Revoke, "2026-02-01"), &["g1"]),
        with_groups(request("R4", Operation::Grant, "2026-03-01"), &["g1"]),
        request("R5", Operation::Leave, "2026-04-01"),
    ];
    let on = |day: &str| replay(&all, noon(day));
    assert_eq!(on("2026-01-11").grants[&group("g1")].len(), 2, "two reasons");

    let revoked = on("2026-02-02");
    assert!(!revoked.grants.contains_key(&group("g1")));
    assert_eq!(names(&revoked.denied), ["g1 R3"]);
    assert_eq!(names(&revoked.revoked), ["g1 R3"]);
    assert!(revoked.unadopted.contains(&group("g1")));

    let again = on("2026-03-02");
    assert!(again.grants.contains_key(&group("g1")) && again.revoked.is_empty());
    assert!(again.unadopted.contains(&group("g1")), "what was there at take-over stays ended");

    let left = on("2026-04-02");
    assert!(left.grants.is_empty() && left.denied.is_empty());
    assert_eq!(left.ended.len(), 2);
    assert!(!left.adoption_stands);
}

#[test]
fn a_grant_that_ended_denies_until_something_gives_the_group_again() {
    let short =
        until(with_groups(request("R2", Operation::Grant, "2026-01-10"), &["g1"]), "2026-02-01");
    let long = with_groups(request("R3", Operation::Grant, "2026-01-09"), &["g1"]);
    let alone = [request("R1", Operation::Join, "2026-01-01"), short.clone()];
    let timeline = replay(&alone, noon("2026-02-02"));
    assert_eq!(names(&timeline.denied), ["g1 R2"]);
    let both = [request("R1", Operation::Join, "2026-01-01"), long, short];
    assert!(replay(&both, noon("2026-02-02")).grants.contains_key(&group("g1")));
}

#[test]
fn what_is_ahead_and_when_to_decide_again() {
    let all = [
        request("R1", Operation::Join, "2026-02-01"),
        request("R2", Operation::Join, "2026-03-01"),
        until(request("R3", Operation::Suspend, "2026-04-01"), "2026-05-01"),
    ];
    let timeline = replay(&all, noon("2026-01-01"));
    assert_eq!(timeline.ahead.unwrap().reference.number.as_str(), "R1", "the next one");
    assert_eq!(timeline.next, Some(at("2026-02-01T08:00:00Z")));
    assert_eq!(replay(&all, noon("2026-04-02")).next, Some(at("2026-05-01T00:00:00Z")));
    assert_eq!(replay(&all, noon("2026-05-02")).next, None);
}
