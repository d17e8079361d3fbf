//! Tables of cases: a person's state in, the plan out. Each line of a plan is an action, or a
//! difference without one, with what is done about it.

use super::*;
use crate::model::testing::{
    account_id, at, candidate, done, employee, group, jane, last, newcomer, noon, origin, request,
    sys_id, until, with_groups,
};
use crate::model::{
    AccountHistory, AccountStatus, Actual, Approval, Cause, Group, GroupKind, HoldSet,
    ProtectedReason, Step, SysId, Unreadable,
};
use crate::policy::testing::{policy, rule, user};
use crate::policy::{Accounts, Disposal, InactiveRecord, SuspendedElsewhere};
use crate::reconcile::approve::approve;
use crate::reconcile::approve::tests::limits;
use crate::reconcile::open::{Judgement, open_items};
use crate::reconcile::past::Past;
use crate::reconcile::schema::{Schema, Slot};

const TODAY: &str = "2026-06-01";

fn org() -> OrgState {
    let named = ["gs", "g1", "g2"].map(|id| {
        let group =
            Group { id: group(id), name: id.to_owned(), kind: GroupKind::Okta, rule_fed: false };
        (group.id.clone(), group)
    });
    OrgState { groups: named.into(), rule_groups: vec![Some(group("gs"))], ..OrgState::default() }
}

fn decide(state: &PersonState, policy: &Policy) -> PersonPlan {
    reconcile_person(state, &org(), policy, noon(TODAY))
}

/// A plan as lines: first its actions, then the differences that no action removes.
fn lines(plan: &PersonPlan) -> Vec<String> {
    let action = |planned: &PlannedAction| {
        let group = planned.action.step.group().map(|id| format!(" {id}")).unwrap_or_default();
        let step = planned.action.step.name();
        let cause = planned.action.cause.as_str();
        let word = planned.disposition.as_str();
        format!("{step}{group} for {} ({cause}): {word}", planned.action.origin)
    };
    let without = plan.differences.iter().filter(|it| {
        let acted = plan.actions.iter().any(|planned| planned.keys.contains(&it.key));
        !acted
    });
    let difference =
        |it: &Difference| format!("{} {}: {}", it.key, it.disposition.as_str(), it.reason());
    plan.actions.iter().map(action).chain(without.map(difference)).collect()
}

fn today(state: &PersonState) -> Vec<String> {
    lines(&decide(state, &policy()))
}

fn inactive(mut state: PersonState) -> PersonState {
    state.person.record.insert("active".to_owned(), "false".to_owned());
    state
}

/// What was decided is remembered as seen.
fn settled(mut state: PersonState) -> PersonState {
    let mut facts = decide(&state, &policy()).facts.expect("facts");
    for known in facts.values_mut() {
        known.in_sync_once = true;
    }
    state.known = facts;
    state
}

fn join() -> ResolvedRequest {
    request("R1", Operation::Join, "2026-01-05")
}

fn leave() -> ResolvedRequest {
    request("R2", Operation::Leave, "2026-05-31")
}

#[test]
fn joiners() {
    assert_eq!(today(&newcomer(&[join()])), ["create for R1 (request): apply"]);
    let plan = decide(&newcomer(&[with_groups(join(), &["g1"])]), &policy());
    let Step::Create { profile, groups, activate } = &plan.actions[0].action.step else {
        panic!("{plan:?}")
    };
    assert_eq!(profile["department"], "Sales");
    assert_eq!(*groups, [group("g1"), group("gs")], "asked for, and by birthright");
    assert!(activate);

    let ahead = request("R1", Operation::Join, "2026-07-01");
    assert_eq!(today(&newcomer(&[ahead])), Vec::<String>::new());
    let waiting = ResolvedRequest { approval: Approval::Waiting, ..join() };
    assert_eq!(today(&newcomer(&[waiting])), Vec::<String>::new());
}

#[test]
fn without_a_mail_a_creation_takes_two_calls() {
    let policy = Policy { activation_mail: false, ..policy() };
    let plan = decide(&newcomer(&[join()]), &policy);
    assert_eq!(
        lines(&plan),
        ["create for R1 (request): apply", "activate for R1 (request): apply"]
    );
    let Step::Create { activate, .. } = plan.actions[0].action.step else { panic!() };
    assert!(!activate);
}

#[test]
fn a_join_waits_for_what_an_account_cannot_be_without() {
    let mut state = newcomer(&[join()]);
    state.person.record.insert("email".to_owned(), String::new());
    let plan = decide(&state, &policy());
    assert!(plan.actions.is_empty(), "{plan:?}");
    let account = plan.differences.iter().find(|it| it.key == FactKey::Account).expect("waits");
    assert!(account.is_stuck() && account.action().is_none());
    assert_eq!(account.reason(), "the record gives no email");

    let mut org = org();
    let required = Slot { required: true, ..Slot::default() };
    let slots = ["login", "email", "department"].map(|name| (name.to_owned(), required.clone()));
    org.schema = Schema(Some(slots.into()));
    let mut state = newcomer(&[join()]);
    for field in ["department", "department.name"] {
        state.person.record.insert(field.to_owned(), String::new());
    }
    let plan = reconcile_person(&state, &org, &policy(), noon(TODAY));
    assert!(plan.actions.is_empty());
    let reasons: Vec<String> = plan.differences.iter().map(Difference::reason).collect();
    assert!(reasons.iter().any(|it| it.contains("Okta requires department")), "{reasons:?}");
}

#[test]
fn leavers_from_every_status() {
    use AccountStatus as A;
    let whole = ["clear_sessions for R2 (request): apply", "deactivate for R2 (request): apply"];
    for status in [
        A::Staged,
        A::Provisioned,
        A::Active,
        A::Recovery,
        A::PasswordExpired,
        A::LockedOut,
        A::Suspended,
    ] {
        let state = employee(status.clone(), &[], &[done(join()), leave()]);
        assert_eq!(today(&state), whole, "{status:?}");
    }
    let gone = employee(A::Deprovisioned, &[], &[done(join()), leave()]);
    assert_eq!(today(&gone), Vec::<String>::new());
    let odd = employee(A::Other("FROZEN".to_owned()), &[], &[done(join()), leave()]);
    assert_eq!(today(&odd), ["status blocked: Okta shows a status that is not known"]);
}

/// Without its groups an account that cannot be disabled is as usable, and nobody sees whose it was.
#[test]
fn a_leaver_whose_account_has_a_status_that_is_not_known_keeps_the_memberships_until_it_is_disabled()
 {
    let frozen = || AccountStatus::Other("FROZEN".to_owned());
    let waits = "Okta shows a status that is not known";
    let mut state = employee(frozen(), &["g1", "g2"], &[done(join()), leave()]);
    state.baseline.insert(group("g2"));
    let expected = ["status", "membership:g1", "membership:g2"];
    assert_eq!(today(&state), expected.map(|fact| format!("{fact} blocked: {waits}")));
    // Nobody can decide about them past the account.
    let mut policy = policy();
    policy.unattributed = Disposal::Hold;
    assert_eq!(
        lines(&decide(&state, &policy)),
        expected.map(|fact| format!("{fact} blocked: {waits}"))
    );
    // Whoever stays loses what was revoked.
    let revoke = with_groups(request("R2", Operation::Revoke, "2026-05-31"), &["g1"]);
    let state = employee(frozen(), &["g1"], &[done(join()), revoke]);
    assert!(today(&state).contains(&"remove_member g1 for R2 (request): apply".to_owned()));
}

#[test]
fn a_leaver_loses_every_managed_membership_after_the_account_whoever_gave_it() {
    let mut state = employee(AccountStatus::Active, &["g1", "g2"], &[done(join()), leave()]);
    state.baseline.insert(group("g2"));
    assert_eq!(
        today(&state),
        [
            "clear_sessions for R2 (request): apply",
            "deactivate for R2 (request): apply",
            "remove_member g1 for R2 (request): apply",
            "remove_member g2 for R2 (request): apply",
        ]
    );
    state.actual.account.as_mut().unwrap().status = AccountStatus::Deprovisioned;
    assert_eq!(
        today(&state),
        ["remove_member g1 for R2 (request): apply", "remove_member g2 for R2 (request): apply",],
        "what was interrupted goes on"
    );
}

#[test]
fn somebody_who_leaves_tomorrow_is_left_alone_today_and_decided_about_in_time() {
    let tomorrow = request("R2", Operation::Leave, "2026-06-02");
    let plan =
        decide(&settled(employee(AccountStatus::Active, &["gs"], &[done(join())])), &policy());
    assert_eq!(plan.next, None);
    let state = employee(AccountStatus::Active, &["gs"], &[done(join()), tomorrow]);
    let plan = decide(&state, &policy());
    assert!(plan.is_in_sync());
    assert_eq!(plan.next, Some(at("2026-06-02T08:00:00Z")));
}

#[test]
fn a_join_that_ended_and_a_newer_one_that_lifts_it() {
    let ended = done(until(join(), "2026-05-01"));
    let state = employee(AccountStatus::Active, &[], std::slice::from_ref(&ended));
    assert_eq!(
        today(&state),
        ["clear_sessions for R1 (request): apply", "deactivate for R1 (request): apply"]
    );
    let renewed = request("R3", Operation::Join, "2026-04-20");
    let state = employee(AccountStatus::Active, &["gs"], &[ended, renewed]);
    assert_eq!(today(&state), Vec::<String>::new());
}

#[test]
fn absences_and_returns() {
    use AccountStatus as A;
    let away = request("R2", Operation::Suspend, "2026-05-01");
    let back = request("R3", Operation::Resume, "2026-05-20");
    let on_leave = |status| employee(status, &["gs"], &[done(join()), away.clone()]);
    assert_eq!(today(&on_leave(A::Active)), ["suspend for R2 (request): apply"]);
    assert_eq!(today(&on_leave(A::Suspended)), Vec::<String>::new());
    assert_eq!(
        today(&on_leave(A::Provisioned)),
        ["clear_sessions for R2 (request): apply", "deactivate for R2 (request): apply"],
        "Okta suspends only active accounts"
    );
    assert_eq!(today(&on_leave(A::LockedOut)), ["clear_sessions for R2 (request): apply"]);

    let all = [done(join()), done(away), back];
    let returned = employee(A::Suspended, &["gs"], &all);
    assert_eq!(today(&returned), ["unsuspend for R3 (request): apply"]);
}

#[test]
fn the_sessions_of_an_account_that_cannot_be_suspended_are_cleared_once() {
    let away = request("R2", Operation::Suspend, "2026-05-01");
    let mut state = employee(AccountStatus::LockedOut, &["gs"], &[done(join()), away]);
    let plan = decide(&state, &policy());
    let status = &plan.differences[0];
    assert!(status.has_no_way() && plan.actions[0].is_open());

    state.history = last(StepKind::ClearSessions, "R2", Cause::Request);
    state.known = plan.facts.expect("facts");
    assert_eq!(
        today(&state),
        ["status blocked: Okta suspends only active accounts; its sessions are cleared"]
    );
    state.history = last(StepKind::ClearSessions, "R9", Cause::Request);
    assert_eq!(today(&state).len(), 1, "for another request they are cleared again");
    assert!(today(&state)[0].starts_with("clear_sessions"));
}

#[test]
fn a_suspension_is_lifted_only_where_something_of_ours_explains_it() {
    let suspended = employee(AccountStatus::Suspended, &["gs"], &[join()]);
    assert_eq!(
        today(&suspended),
        ["status report: suspended in Okta by someone else, and no request explains it"]
    );
    let ours =
        PersonState { history: last(StepKind::Suspend, "R1", Cause::Record), ..suspended.clone() };
    assert_eq!(today(&ours), ["unsuspend for R1 (request): apply"]);
    // Something else was done since: the suspension is somebody else's.
    let later =
        PersonState { history: last(StepKind::Unsuspend, "R1", Cause::Record), ..suspended };
    assert!(today(&later)[0].starts_with("status report"));
}

#[test]
fn who_asks_anew_for_what_was_undone_by_hand_gets_it_however_often_it_is_decided() {
    let policy = Policy { drift: Disposal::Hold, ..policy() };
    let lines = |plan: &PersonPlan| super::tests::lines(plan);
    let grant = |number, day| with_groups(request(number, Operation::Grant, day), &["g1"]);
    let requests = [done(join()), done(grant("R2", "2026-02-01"))];
    let mut state = settled(employee(AccountStatus::Active, &["g1", "gs"], &requests));
    state.actual.groups.remove(&group("g1"));
    assert_eq!(lines(&decide(&state, &policy)), ["add_member g1 for R2 (drift): hold"]);

    state.requests.push(grant("R3", "2026-05-01"));
    for _ in 0..2 {
        let plan = decide(&state, &policy);
        assert_eq!(lines(&plan), ["add_member g1 for R3 (request): apply"]);
        state.known = plan.facts.unwrap();
    }
}

#[test]
fn what_was_made_ahead_of_a_join_waits_for_its_start_whatever_absence_ended_before() {
    let policy = Policy { create_ahead: std::time::Duration::from_hours(48), ..policy() };
    let ahead = request("R1", Operation::Join, "2026-06-02");
    let absence = done(until(request("R2", Operation::Suspend, "2026-05-05"), "2026-05-06"));
    let state = employee(AccountStatus::Staged, &[], &[ahead, absence]);
    assert_eq!(lines(&decide(&state, &policy)), Vec::<String>::new());
}

#[test]
fn what_the_record_alone_does() {
    for (setting, lines) in [
        (InactiveRecord::Suspend, &["suspend for R1 (record): apply"][..]),
        (
            InactiveRecord::Deactivate,
            &["clear_sessions for R1 (record): apply", "deactivate for R1 (record): apply"],
        ),
        (InactiveRecord::Hold, &["suspend for R1 (record): hold"]),
        (InactiveRecord::Report, &["status report: the record is inactive and no leave says why"]),
    ] {
        let policy = Policy { inactive_record: setting, ..policy() };
        let state = settled(employee(AccountStatus::Active, &["gs"], &[done(join())]));
        let plan = decide(&inactive(state), &policy);
        assert_eq!(super::tests::lines(&plan), lines, "{setting:?}");
    }
}

#[test]
fn an_inactive_record_is_acted_on_whatever_the_origin_and_what_it_did_is_undone_with_it() {
    let found = settled(employee(AccountStatus::Active, &["gs"], &[]));
    let taken_over = PersonState {
        link: found.link.clone().map(|link| crate::model::Link { created_here: false, ..link }),
        ..found
    };
    assert_eq!(today(&inactive(taken_over.clone())), ["suspend for BASELINE (record): apply"]);

    let mut back = taken_over;
    back.actual.account.as_mut().unwrap().status = AccountStatus::Suspended;
    back.history = last(StepKind::Suspend, "BASELINE", Cause::Record);
    let lines = today(&back);
    assert!(lines[0].starts_with("unsuspend for BASELINE"), "{lines:?}");
}

#[test]
fn a_join_for_an_inactive_record_waits_and_makes_nothing() {
    let plan = decide(&inactive(newcomer(&[join()])), &policy());
    assert!(plan.actions.iter().all(|planned| !planned.is_open()), "{plan:?}");
    let status = plan.differences.iter().find(|it| it.key == FactKey::Status).expect("said");
    assert_eq!(status.reason(), "the person's record in ServiceNow is inactive");
    assert!(status.is_stuck());
}

#[test]
fn movers_follow_the_record() {
    let moved = request("R2", Operation::Move, "2026-05-01");
    let mut state = settled(employee(AccountStatus::Active, &["gs"], &[done(join())]));
    state.person.record.insert("department.name".to_owned(), "Legal".to_owned());
    assert_eq!(
        today(&state),
        ["remove_member gs for R1 (record): apply", "update for R1 (record): apply"]
    );
    state.requests.push(moved);
    assert_eq!(
        today(&state),
        ["remove_member gs for R2 (request): apply", "update for R2 (request): apply"]
    );
}

#[test]
fn whoever_is_hired_again_gets_what_is_asked_for_now() {
    let again = request("R3", Operation::Join, "2026-05-20");
    let mut state = employee(
        AccountStatus::Deprovisioned,
        &["g1"],
        &[done(join()), done(leave()), with_groups(again, &["g2"])],
    );
    state.requests[1] = done(request("R2", Operation::Leave, "2026-03-01"));
    state.baseline.insert(group("g1"));
    let plan = decide(&state, &policy());
    assert_eq!(
        lines(&plan),
        [
            "remove_member g1 for R3 (request): apply",
            "activate for R3 (request): apply",
            "add_member g2 for R3 (request): apply",
            "add_member gs for R3 (request): apply",
            "reactivate for R3 (request): apply",
        ]
    );
    let activation = plan.actions.iter().find(|it| it.action.step.kind() == StepKind::Activate);
    assert!(activation.unwrap().rehires, "what was there at take-over ends with it");
    let others = plan.actions.iter().filter(|it| it.rehires).count();
    assert_eq!(others, 1);
}

#[test]
fn a_mail_that_is_owed_follows_and_only_while_nobody_has_signed_in() {
    let again = request("R3", Operation::Join, "2026-05-20");
    let mut state = employee(AccountStatus::Provisioned, &["gs"], &[again]);
    state.history = AccountHistory { mail_owed: true, ..AccountHistory::default() };
    let plan = decide(&state, &policy());
    assert_eq!(lines(&plan), ["reactivate for R3 (request): apply"]);
    assert!(plan.actions[0].reason().contains("mail was not sent yet"));
    state.actual.account.as_mut().unwrap().status = AccountStatus::Active;
    assert_eq!(today(&state), Vec::<String>::new());
    let silent = Policy { activation_mail: false, ..policy() };
    state.actual.account.as_mut().unwrap().status = AccountStatus::Provisioned;
    assert!(decide(&state, &silent).is_in_sync());
}

#[test]
fn changes_by_hand() {
    let state = settled(employee(AccountStatus::Active, &["gs"], &[done(join())]));
    let mut by_hand = state.clone();
    by_hand.actual.groups = [group("g1")].into();
    by_hand.actual.account.as_mut().unwrap().profile.insert("department".into(), "Zoo".into());
    for (setting, word) in
        [(Disposal::Apply, "apply"), (Disposal::Hold, "hold"), (Disposal::Report, "report")]
    {
        let policy = Policy { drift: setting, unattributed: Disposal::Apply, ..policy() };
        let plan = decide(&by_hand, &policy);
        assert_eq!(plan.differences.len(), 3);
        for difference in &plan.differences {
            assert_eq!(difference.cause, Cause::Drift, "{difference:?}");
            assert_eq!(difference.disposition.as_str(), word, "{difference:?}");
        }
        let acted = if word == "report" { 0 } else { 3 };
        assert_eq!(plan.actions.len(), acted);
    }
    let reasons: Vec<String> =
        decide(&by_hand, &policy()).differences.iter().map(Difference::reason).collect();
    assert_eq!(
        reasons,
        [
            "changed in Okta away from what R1 established",
            "nothing that was asked for or ruled gives this membership",
            "changed in Okta away from what R1 established",
        ]
    );
}

#[test]
fn what_somebody_else_suspended_deactivated_or_deleted() {
    use AccountStatus as A;
    let state = settled(employee(A::Active, &["gs"], &[done(join())]));
    let mut deleted = state.clone();
    deleted.actual = Actual::default();
    let with = |status| {
        let mut state = state.clone();
        state.actual.account.as_mut().unwrap().status = status;
        state
    };
    let apply = Policy { suspended_elsewhere: SuspendedElsewhere::Apply, ..policy() };
    for (state, step) in [
        (with(A::Suspended), "unsuspend"),
        (with(A::Deprovisioned), "activate"),
        (deleted, "create"),
    ] {
        let reported = decide(&state, &policy());
        assert!(reported.actions.is_empty(), "{step}: {reported:?}");
        assert!(reported.differences[0].reason().contains("by someone else"));
        let applied = lines(&decide(&state, &apply));
        assert!(applied[0].starts_with(&format!("{step} for R1 (drift)")), "{applied:?}");
    }
}

#[test]
fn what_no_request_accounts_for() {
    let mut state = employee(AccountStatus::Active, &[], &[]);
    state.link.as_mut().unwrap().created_here = false;
    for (setting, expected) in [
        (Disposal::Apply, "add_member gs for BASELINE (record): apply"),
        (Disposal::Hold, "add_member gs for BASELINE (record): hold"),
        (Disposal::Report, "membership:gs report: the record in ServiceNow says so"),
    ] {
        let policy = Policy { unattributed: setting, ..policy() };
        assert_eq!(lines(&decide(&state, &policy)), [expected]);
    }
    let held = decide(&state, &policy());
    assert_eq!(held.differences[0].reason(), "no request accounts for it");
}

#[test]
fn what_closed_requests_explain_is_held_as_one_set() {
    let closed = ResolvedRequest { closed_before_first_seen: true, ..done(join()) };
    let state = employee(AccountStatus::Suspended, &[], &[closed]);
    let plan = decide(&state, &policy());
    let held = &plan.actions[0];
    assert_eq!(held.disposition, Disposition::Hold(HoldReason::ClosedBeforeFirstSeen));
    let approval = approve(plan.actions.clone(), &limits(), &Past::default());
    let items = open_items(&state.person.sys_id, &plan, &Judgement::of(&approval));
    assert_eq!(items[0].action.as_ref().unwrap().set, Some(HoldSet::ClosedRequests));
    assert!(plan.actions.iter().all(|planned| !planned.is_open()));
}

#[test]
fn nobody_protected_is_touched() {
    let leaver = employee(AccountStatus::Active, &["g1"], &[done(join()), leave()]);
    let mut listed = org();
    listed.protected.users.insert("jane@example.com".to_owned());
    let mut admin = org();
    admin.protected.accounts.insert(account_id("u1"), ProtectedReason::Administrator);
    for org in [listed, admin] {
        let plan = reconcile_person(&leaver, &org, &policy(), noon(TODAY));
        assert!(plan.actions.is_empty());
        assert!(plan.differences.iter().all(|it| it.disposition.as_str() == "protected"));
    }
    let mut org = org();
    org.protected.groups.insert(group("g1"));
    let plan = reconcile_person(&leaver, &org, &policy(), noon(TODAY));
    let words: Vec<&str> = plan.differences.iter().map(|it| it.disposition.as_str()).collect();
    assert_eq!(words, ["apply", "protected"], "the group stays, the leaver goes");
}

#[test]
fn groups_that_others_decide_about() {
    for (kind, rule_fed) in
        [(GroupKind::App, false), (GroupKind::BuiltIn, false), (GroupKind::Okta, true)]
    {
        let mut org = org();
        let owned = Group { id: group("g1"), name: "g1".to_owned(), kind, rule_fed };
        org.groups.insert(group("g1"), owned);
        let join = with_groups(join(), &["g1"]);
        let state = employee(AccountStatus::Active, &["gs"], &[join]);
        let plan = reconcile_person(&state, &org, &policy(), noon(TODAY));
        assert!(plan.actions.is_empty(), "{kind:?}");
        assert_eq!(plan.differences[0].disposition.as_str(), "blocked");
        // What it is in there for no reason is nobody's business.
        let state = employee(AccountStatus::Active, &["gs", "g1"], &[]);
        let plan = reconcile_person(&state, &org, &policy(), noon(TODAY));
        assert!(plan.differences.iter().all(|it| it.key != FactKey::Membership(group("g1"))));
    }
}

#[test]
fn a_group_that_is_gone() {
    let asked = with_groups(join(), &["g9"]);
    let mut state = employee(AccountStatus::Active, &["gs"], &[asked]);
    assert_eq!(today(&state), ["membership:g9 blocked: the group does not exist in Okta any more"]);
    let known = KnownFact {
        value: Some(member(true)),
        origin: origin("R1"),
        basis: String::new(),
        in_sync_once: true,
        refused: None,
    };
    state.known.insert(FactKey::Membership(group("g9")), known);
    assert!(today(&state)[0].starts_with("membership:g9 report"));
}

#[test]
fn only_observed_means_that_nothing_at_all_is_done() {
    let leaver = employee(AccountStatus::Active, &["g1"], &[done(join()), leave()]);
    let away = request("R2", Operation::Suspend, "2026-05-01");
    let locked = employee(AccountStatus::LockedOut, &["gs"], &[done(join()), away]);
    let observing = Policy { observe: true, ..policy() };
    for state in [newcomer(&[join()]), leaver, locked] {
        let plan = decide(&state, &observing);
        assert!(!plan.differences.is_empty());
        assert!(plan.actions.iter().all(|planned| planned.disposition.is_observed()), "{plan:?}");
        let applied = super::super::approve::approve(
            plan.actions,
            &crate::reconcile::approve::tests::limits(),
            &super::super::past::Past::default(),
        );
        assert!(applied.approved.actions().is_empty());
    }
}

#[test]
fn one_part_of_the_configuration_may_only_observe() {
    let mut policy = policy();
    policy.groups[0].observe = true;
    let state = employee(AccountStatus::Active, &[], &[with_groups(join(), &["g1"])]);
    let plan = decide(&state, &policy);
    assert_eq!(
        lines(&plan),
        ["add_member g1 for R1 (request): apply", "add_member gs for R1 (request): report"]
    );
    assert_eq!(plan.actions[1].reason(), "only observed: birthright of group Sales, by R1");
}

#[test]
fn what_okta_refused_is_not_sent_again_until_it_changes() {
    let mut state = settled(employee(AccountStatus::Active, &["gs"], &[done(join())]));
    state.person.record.insert("department.name".to_owned(), "Sales ☃".to_owned());
    let key = FactKey::Profile("department".to_owned());
    let refused = KnownFact {
        value: Some("Sales ☃".to_owned()),
        refused: Some("Okta refused it: no snowmen".to_owned()),
        ..state.known[&key].clone()
    };
    state.known.insert(key.clone(), refused);
    let lines = today(&state);
    assert!(lines.contains(&format!("{key} blocked: Okta refused it: no snowmen")), "{lines:?}");
    state.person.record.insert("department.name".to_owned(), "Sales".to_owned());
    assert_eq!(today(&state), Vec::<String>::new());
}

#[test]
fn whose_account_it_is_must_be_clear() {
    let login = [("login", "jane@example.com")];
    let with = |candidates: Vec<crate::model::Candidate>| PersonState {
        candidates,
        ..newcomer(&[join()])
    };
    for (state, reason) in [
        (
            with(vec![candidate("u1", &login, true)]),
            "the account that matches by login is linked to another person",
        ),
        (
            with(vec![candidate("u1", &login, false), candidate("u2", &login, false)]),
            "2 accounts match by login",
        ),
        (
            with(vec![candidate("u1", &login, false)]),
            "the account that matches would be another person's as well",
        ),
    ] {
        let plan = decide(&state, &policy());
        assert!(plan.actions.is_empty());
        assert_eq!(lines(&plan), [format!("account hold: {reason}")]);
        assert!(plan.differences[0].is_stuck());
    }
    let mut hidden = with(vec![candidate("u1", &login, false)]);
    hidden.person.presence = Presence::Missing;
    let lines = today(&hidden);
    assert_eq!(
        lines,
        ["account hold: an account matches, and the person's record is not readable now"]
    );
}

#[test]
fn two_joiners_who_would_get_the_same_login_are_both_held() {
    let mut org = org();
    let both: std::collections::BTreeSet<SysId> = [sys_id("p1"), sys_id("p2")].into();
    org.identities.insert(("login".to_owned(), "jane@example.com".to_owned()), both);
    let plan = reconcile_person(&newcomer(&[join()]), &org, &policy(), noon(TODAY));
    assert!(plan.actions.is_empty());
    assert_eq!(plan.differences[0].reason(), "2 people would get accounts with the same login");
    org.identities.values_mut().for_each(|people| {
        people.remove(&sys_id("p2"));
    });
    let alone = reconcile_person(&newcomer(&[join()]), &org, &policy(), noon(TODAY));
    assert_eq!(alone.actions.len(), 1);
}

#[test]
fn a_rename_to_a_login_that_is_taken_waits_and_the_rest_is_written() {
    let mut state = settled(employee(AccountStatus::Active, &["gs"], &[done(join())]));
    state.person.record.insert("email".to_owned(), "jd@example.com".to_owned());
    let mut policy = policy();
    policy.profile.insert("title".to_owned(), user("'Dr'"));
    assert_eq!(decide(&state, &policy).differences.len(), 3);
    state.candidates = vec![candidate("u7", &[("login", "JD@example.com")], true)];
    let plan = decide(&state, &policy);
    let login = plan.differences.iter().find(|it| it.key == FactKey::Profile("login".into()));
    assert_eq!(login.unwrap().reason(), "the login is taken by another account");
    let Step::Update { changes } = &plan.actions[0].action.step else { panic!("{plan:?}") };
    assert!(!changes.contains_key("login"));
}

#[test]
fn what_needs_an_account_waits_for_one() {
    let grant = with_groups(request("R5", Operation::Grant, "2026-05-01"), &["g1"]);
    assert_eq!(
        today(&newcomer(std::slice::from_ref(&grant))),
        ["account hold: the person has no account in Okta, and none was asked for"]
    );
    let left = [done(join()), done(leave()), request("R6", Operation::Move, "2026-06-01")];
    let state = employee(AccountStatus::Deprovisioned, &[], &left);
    assert_eq!(today(&state), ["account hold: the person's account in Okta is deactivated"]);
    // What the leave itself ended waits for nothing.
    let before = [done(join()), grant, done(leave())];
    let state = employee(AccountStatus::Deprovisioned, &[], &before);
    assert_eq!(today(&state), Vec::<String>::new());
}

#[test]
fn memberships_wait_for_the_account_that_they_are_for() {
    let again = request("R3", Operation::Join, "2026-05-20");
    let closed = ResolvedRequest { closed_before_first_seen: true, ..again };
    let state = employee(AccountStatus::Deprovisioned, &[], &[closed]);
    let plan = decide(&state, &policy());
    assert!(plan.actions.iter().all(|planned| !planned.is_open()), "{:?}", lines(&plan));

    let held = Policy { inactive_record: InactiveRecord::Hold, ..policy() };
    let state = inactive(employee(AccountStatus::Active, &["g1"], &[]));
    let plan = decide(&state, &held);
    let words: Vec<&str> = plan.actions.iter().map(|it| it.disposition.as_str()).collect();
    assert!(words.iter().all(|word| *word == "hold"), "{:?}", lines(&plan));
}

#[test]
fn somebody_outside_is_only_spoken_of() {
    let mut state = employee(AccountStatus::Active, &["g1"], &[leave()]);
    state.person.presence = Presence::Outside;
    let plan = decide(&state, &policy());
    assert!(plan.actions.is_empty() && plan.facts.is_none());
    assert_eq!(
        lines(&plan),
        ["account hold: the person's record is not among those that are managed here"]
    );
}

#[test]
fn everybody_active_has_an_account_where_that_is_configured() {
    let policy = Policy { accounts: Accounts::Active, unattributed: Disposal::Apply, ..policy() };
    let plan = decide(&newcomer(&[]), &policy);
    assert_eq!(lines(&plan), ["create for unattributed (record): apply"]);
    assert!(decide(&inactive(newcomer(&[])), &policy).is_in_sync());
}

#[test]
fn a_withdrawn_join_proposes_the_end_of_the_account_that_it_made() {
    let withdrawn = ResolvedRequest { approval: Approval::Withdrawn, took_effect: true, ..join() };
    let state = employee(AccountStatus::Active, &["gs"], &[withdrawn]);
    let plan = decide(&state, &policy());
    assert!(plan.actions.iter().all(|planned| !planned.is_open()), "{:?}", lines(&plan));
    let deactivation = plan.actions.iter().find(|it| it.action.step == Step::Deactivate).unwrap();
    assert_eq!(deactivation.reason(), "R1 was withdrawn after it took effect");
}

#[test]
fn a_withdrawn_leave_gives_the_account_back_on_a_decision() {
    let withdrawn = ResolvedRequest { approval: Approval::Withdrawn, took_effect: true, ..leave() };
    let mut state = employee(AccountStatus::Deprovisioned, &[], &[done(join()), withdrawn]);
    state.history = AccountHistory { activated_here: true, ..AccountHistory::default() };
    let plan = decide(&state, &policy());
    assert!(!plan.actions.is_empty());
    assert!(plan.actions.iter().all(|planned| !planned.is_open()), "{:?}", lines(&plan));
    assert!(plan.actions.iter().all(|planned| !planned.rehires), "nobody is hired again");
}

#[test]
fn what_is_open_and_needs_no_decision_is_listed_with_its_reason() {
    let grant = with_groups(request("R5", Operation::Grant, "2026-05-01"), &["g1"]);
    let state = newcomer(&[grant]);
    let open = |state: &PersonState| {
        let plan = decide(state, &policy());
        open_items(&state.person.sys_id, &plan, &Judgement::default())
    };
    let items = open(&state);
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(item.facts[0].key, FactKey::Account);
    assert_eq!(item.disposition, Disposition::Hold(HoldReason::NoAccount));
    assert_eq!(item.origin, origin("R5"));
    assert!(item.action.is_none());
    // What will be repaired is one item, with its action.
    let items = open(&newcomer(&[join()]));
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(item.disposition, Disposition::Apply);
    assert_eq!(item.action.as_ref().unwrap().step, StepKind::Create);
}

#[test]
fn what_is_remembered() {
    let state = employee(AccountStatus::Active, &["gs"], &[join()]);
    let facts = decide(&state, &policy()).facts.expect("facts");
    assert!(facts.values().all(|known| known.in_sync_once));
    assert_eq!(facts.len(), 5, "status, three attributes, one membership: {facts:?}");

    let mut differs = state.clone();
    differs.actual.groups.clear();
    let facts = decide(&differs, &policy()).facts.expect("facts");
    assert!(!facts[&FactKey::Membership(group("gs"))].in_sync_once);
    // What agreed once is known to have, while it is desired for the same reason.
    let seen = PersonState { known: decide(&state, &policy()).facts.unwrap(), ..differs };
    let facts = decide(&seen, &policy()).facts.expect("facts");
    assert!(facts[&FactKey::Membership(group("gs"))].in_sync_once);
    // Without an account nothing agrees.
    let facts = decide(&newcomer(&[join()]), &policy()).facts.expect("facts");
    assert!(facts.values().all(|known| !known.in_sync_once));
}

#[test]
fn another_configuration_is_the_cause_where_it_changes_something() {
    let state = settled(employee(AccountStatus::Active, &["gs"], &[done(join())]));
    let mut other = policy();
    other.groups = vec![rule("Sales", "user.department.name == 'Law'", true)];
    other.profile.insert("department".to_owned(), user("'The ' + user.department.name"));
    let plan = decide(&state, &other);
    assert!(plan.differences.iter().all(|it| it.cause == Cause::Rule), "{plan:?}");
    assert_eq!(plan.differences.len(), 2);
    assert_eq!(plan.differences[0].reason(), "the configuration says so");
}

#[test]
fn jane_herself_needs_nothing() {
    let state = employee(AccountStatus::Active, &["gs"], &[done(join())]);
    assert_eq!(state.person, jane());
    assert!(decide(&state, &policy()).is_in_sync());
}

#[test]
fn while_the_record_cannot_be_read_what_follows_it_waits_and_a_leave_or_a_grant_goes_on() {
    let unreadable = |state: PersonState| {
        let since = at("2026-06-01T00:00:00Z");
        let why = "an access rule hides it".to_owned();
        PersonState { record_unreadable: Some(Unreadable { why, since }), ..state }
    };
    let employee = |request| employee(AccountStatus::Active, &["gs"], &[request]);
    let moved = request("R3", Operation::Move, "2026-05-01");
    for state in [newcomer(&[join()]), employee(moved)] {
        let plan = decide(&unreadable(state), &policy());
        assert!(plan.actions.iter().all(|it| !it.disposition.is_apply()), "{:?}", plan.actions);
        let account = plan.differences.iter().find(|it| it.key == FactKey::Account).unwrap();
        assert!(account.is_stuck() && account.reason().contains("an access rule hides it"));
    }
    let grant = with_groups(request("R4", Operation::Grant, "2026-05-01"), &["g1"]);
    for request in [leave(), grant] {
        let plan = decide(&unreadable(employee(request)), &policy());
        assert!(plan.differences.iter().all(|it| it.key != FactKey::Account));
        assert!(plan.actions.iter().any(|it| it.disposition.is_apply()));
    }
}
