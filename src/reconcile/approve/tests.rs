use std::time::Duration;

use globset::GlobSet;

use super::*;
use crate::model::{AccountId, Change, Done, FactKey, Origin, StepKind, Timestamp, Why};
use crate::reconcile::past::Waiting;

pub(crate) fn limits() -> Limits {
    Limits {
        protected_users: Vec::new(),
        protected_groups: Vec::new(),
        grantable_groups: GlobSet::empty(),
        sentinels: Vec::new(),
        window: Duration::from_hours(24),
        max_disabled: 2,
        max_disabled_share: 0.0,
        max_removed: 2,
        max_group_share: 1.0,
        max_changed: 100,
        max_changed_share: 0.0,
        max_people_drop: 0.05,
        max_accounts_drop: 0.05,
        max_repeats: 3,
    }
}

fn planned(person: &str, step: Step) -> PlannedAction {
    PlannedAction {
        action: Action {
            person: SysId::parse(person).unwrap(),
            account: Some(AccountId::parse(&format!("00u{person}")).unwrap()),
            step,
            origin: Origin::Baseline,
            cause: Cause::Request,
        },
        keys: vec![FactKey::Status],
        before: Some("active".to_owned()),
        leaver: true,
        why: Why::AskedFor(Origin::Baseline),
        disposition: Disposition::Apply,
        rehires: false,
        closed_before_first_seen: false,
        taken_back: false,
    }
}

fn removal() -> Step {
    Step::RemoveMember { group: GroupId::parse("g1").unwrap() }
}

fn add() -> Step {
    Step::AddMember { group: GroupId::parse("g1").unwrap() }
}

fn leave(person: &str) -> Vec<PlannedAction> {
    [Step::ClearSessions, Step::Deactivate, removal()].map(|step| planned(person, step)).to_vec()
}

fn decide(actions: Vec<PlannedAction>, past: &Past) -> PlanApproval {
    approve(actions, &limits(), past)
}

fn done(approval: &PlanApproval) -> Vec<String> {
    let actions = approval.approved.actions().iter().map(|approved| &approved.planned.action);
    actions.map(|action| format!("{} {}", action.step.name(), action.person)).collect()
}

fn yes_to(actions: &[&PlannedAction]) -> Past {
    let released = actions.iter().map(|planned| planned.fingerprint()).collect();
    Past { released, ..Past::default() }
}

#[test]
fn the_same_action_is_the_same_in_person_account_values_and_origin() {
    let change = |from: &str, to: &str| {
        let change = Change { from: Some(from.to_owned()), to: Some(to.to_owned()) };
        planned("p1", Step::Update { changes: [("department".to_owned(), change)].into() })
    };
    let base = change("a", "b");
    assert_eq!(base.fingerprint(), change("a", "b").fingerprint());
    // Why it waits, and why it came up, make no difference.
    let mut same = base.clone();
    same.action.cause = Cause::Drift;
    same.disposition = Disposition::Hold(HoldReason::Unattributed);
    assert_eq!(base.fingerprint(), same.fingerprint());

    let mut others = vec![change("x", "b"), change("a", "x")];
    let mut other = base.clone();
    other.action.person = SysId::parse("p2").unwrap();
    others.push(other);
    let mut other = base.clone();
    other.action.origin = Origin::None;
    others.push(other);
    let mut other = base.clone();
    other.action.account = None;
    others.push(other);
    let mut other = base.clone();
    other.before = Some("suspended".to_owned());
    others.push(other);
    for other in others {
        assert_ne!(base.fingerprint(), other.fingerprint(), "{other:?}");
    }
}

#[test]
fn a_yes_is_for_what_it_names_and_does_not_count() {
    let actions: Vec<PlannedAction> = ["p1", "p2", "p3"].into_iter().flat_map(leave).collect();
    let approval = decide(actions.clone(), &Past::default());
    assert_eq!((done(&approval).len(), approval.held.len()), (0, 9));
    assert!(
        approval
            .held
            .iter()
            .all(|held| held.set() == Some(HoldSet::MaxDisabled) && held.reason.slides())
    );

    let mut past = yes_to(&actions[..3].iter().collect::<Vec<_>>());
    past.undecided.insert(HoldSet::MaxDisabled, Timestamp::default());
    let approval = decide(actions, &past);
    assert_eq!(done(&approval), ["clear_sessions p1", "deactivate p1", "remove_member p1"]);
    assert_eq!(approval.held.len(), 6, "two would be allowed, and are not let through by it");
    assert!(approval.approved.actions().iter().all(|approved| approved.released));
}

#[test]
fn what_waits_elsewhere_is_planned_all_the_same() {
    let waits = |person: &str| Waiting {
        reason: "too many at once".to_owned(),
        fingerprint: person.to_owned(),
        set: HoldSet::MaxDisabled,
        person: SysId::parse(person).unwrap(),
        step: StepKind::Deactivate,
        group: None,
    };
    let waiting = vec![waits("p2"), waits("p3")];
    let past = Past { waiting, ..Past::default() };
    assert_eq!(done(&decide(leave("p1"), &past)), Vec::<String>::new());
    assert_eq!(done(&decide(leave("p1"), &Past::default())).len(), 3);
}

#[test]
fn nothing_overtakes_what_it_follows() {
    let held = |mut planned: PlannedAction| {
        planned.disposition = Disposition::Hold(HoldReason::Unattributed);
        planned
    };
    let waits = |first: PlannedAction, then: PlannedAction| {
        let past = yes_to(&[&then]);
        let approval = decide(vec![first.clone(), then.clone()], &past);
        let both = decide(vec![first.clone(), then.clone()], &yes_to(&[&first, &then]));
        assert_eq!(done(&both).len(), 2);
        let alone = decide(vec![then], &past);
        assert_eq!(done(&alone).len(), 1, "it is done already");
        let reason = approval
            .held
            .iter()
            .find(|held| held.comes_after())
            .map(|held| held.reason.to_string());
        done(&approval).is_empty() && reason.is_some_and(|text| text.contains("waits for"))
    };
    let create = Step::Create { profile: BTreeMap::new(), groups: Vec::new(), activate: true };
    let mut revival = planned("p1", Step::Activate { mail: false });
    revival.before = Some("deprovisioned".to_owned());
    assert!(waits(held(planned("p1", Step::Deactivate)), held(planned("p1", removal()))));
    assert!(waits(held(planned("p1", create)), held(planned("p1", add()))));
    let mut tidying = planned("p1", removal());
    tidying.leaver = false;
    assert!(waits(held(revival.clone()), held(tidying.clone())));
    tidying.action.origin = Origin::None;
    assert!(!waits(held(revival.clone()), held(tidying)), "a revoke of another request");
    assert!(waits(held(revival), held(planned("p1", add()))));
    // An account that is only not activated yet takes memberships, and so do other people's.
    let activation = held(planned("p1", Step::Activate { mail: true }));
    assert!(!waits(activation, held(planned("p1", add()))));
    assert!(!waits(held(planned("p1", Step::Deactivate)), held(planned("p2", removal()))));
}

#[test]
fn a_no_silences_what_only_follows_and_does_not_count() {
    let mut actions: Vec<PlannedAction> = leave("p1");
    let text = "dismissed by alice: wrong person".to_owned();
    let past =
        Past { dismissed: [(actions[1].fingerprint(), text.clone())].into(), ..Past::default() };
    actions.extend(["p2", "p3"].into_iter().flat_map(leave));
    let approval = decide(actions, &past);
    assert_eq!(approval.held.len(), 3);
    assert!(approval.held.iter().all(|held| held.dismissed.as_ref() == Some(&text)));
    assert_eq!(approval.quarantined, None);
    assert_eq!(done(&approval).len(), 6);
}

#[test]
fn what_is_tried_again_without_an_answer_counts_once() {
    let attempt = |person: &str, seen: bool| Done {
        at: Timestamp::default(),
        person: SysId::parse(person).unwrap(),
        step: StepKind::Deactivate,
        group: None,
        cause: Cause::Request,
        leaver: true,
        released: false,
        keys: vec![FactKey::Status],
        seen,
    };
    let tried = |people: &[&str]| {
        let done = people.iter().map(|person| attempt(person, false)).collect();
        decide(leave("p1"), &Past { done, ..Past::default() })
    };
    assert_eq!(done(&tried(&["p1", "p1", "p1", "p2"])).len(), 3, "two accounts in all");
    // It may have been done for every one of them.
    assert!(done(&tried(&["p2", "p3"])).is_empty());
    // What was really done before, and undone by others, was done twice.
    let done_before = vec![attempt("p1", true), attempt("p1", true)];
    let past = Past { done: done_before, ..Past::default() };
    assert!(done(&decide(leave("p1"), &past)).is_empty());
}

#[test]
fn a_correction_that_was_never_answered_is_nobodys_contest() {
    let mut planned = planned("p1", Step::Suspend);
    planned.action.cause = Cause::Drift;
    let corrected = |seen: bool| {
        let attempt = Done {
            at: Timestamp::default(),
            person: SysId::parse("p1").unwrap(),
            step: StepKind::Unsuspend,
            group: None,
            cause: Cause::Drift,
            leaver: false,
            released: false,
            keys: vec![FactKey::Status],
            seen,
        };
        let past = Past { done: vec![attempt; 3], ..Past::default() };
        done(&decide(vec![planned.clone()], &past)).is_empty()
    };
    assert!(corrected(true), "contested");
    assert!(!corrected(false));
}

#[test]
fn what_waits_is_quarantined_still_when_nobody_is_looked_at() {
    let waiting = vec![Waiting {
        fingerprint: "f1".to_owned(),
        set: HoldSet::MaxDisabled,
        person: SysId::parse("p1").unwrap(),
        step: StepKind::Deactivate,
        group: None,
        reason: "too many at once".to_owned(),
    }];
    let mut past = Past { waiting, ..Past::default() };
    assert_eq!(decide(Vec::new(), &past).quarantined.as_deref(), Some("too many at once"));
    // What only closed requests ask for waits as well, and is no quarantine.
    past.waiting[0].set = HoldSet::ClosedRequests;
    assert_eq!(decide(Vec::new(), &past).quarantined, None);
}
