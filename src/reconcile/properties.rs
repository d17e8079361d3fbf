//! What holds for every person, every set of requests and every account: checked on the pure core
//! over generated ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::approve::approve;
use super::difference::member;
use super::limits::Limits;
use super::org::{OrgState, Protected};
use super::past::{Past, Waiting};
use super::person::{PersonPlan, reconcile_person};
use super::planned::PlannedAction;
use crate::model::testing::{account, account_id, newcomer, sys_id};
use crate::model::{
    Account, AccountStatus, Actual, Approval, Cause, Done, FactKey, Facts, Group, GroupId,
    GroupKind, HoldSet, KnownFact, Link, Operation, Origin, Person, PersonState, Presence, Record,
    RequestNumber, RequestRef, ResolvedRequest, Step, StepKind, SysId, Terms, Timestamp,
};
use crate::policy::derive::derive;
use crate::policy::fact::Desired;
use crate::policy::testing::rule;
use crate::policy::{Disposal, Policy, SuspendedElsewhere};

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn group(number: u8) -> GroupId {
    GroupId::parse(&format!("g{number}")).unwrap()
}

fn policy() -> Policy {
    Policy {
        groups: vec![
            rule("exact", "user.department.name == 'A'", true),
            rule("additive", "user.department.name != ''", false),
        ],
        suspended_elsewhere: SuspendedElsewhere::Apply,
        create_ahead: Duration::from_hours(48),
        unattributed: Disposal::Apply,
        ..crate::policy::testing::policy()
    }
}

/// Everything about one person that a cycle would have read, and what is protected.
#[derive(Debug, Clone)]
struct World {
    state: PersonState,
    protected: bool,
    blocked: BTreeSet<GroupId>,
}

fn resolved() -> impl Strategy<Value = ResolvedRequest> {
    let operation = prop::sample::select(Operation::ALL.to_vec());
    let groups = prop::collection::btree_set(0u8..5, 0..3);
    let approval = prop_oneof![
        8 => Just(Approval::Approved),
        1 => Just(Approval::Waiting),
        1 => Just(Approval::Withdrawn)
    ];
    let (day, length) = (-60i64..6, prop::option::of(1i64..90));
    let flags = (any::<bool>(), any::<bool>());
    (operation, groups, approval, day, length, 1u32..9_999, flags).prop_map(
        |(operation, groups, approval, day, length, number, (closed, took_effect))| {
            let effective = now() + chrono::Duration::days(day);
            let ends = length.map(|length| effective + chrono::Duration::days(length));
            ResolvedRequest {
                reference: RequestRef {
                    number: RequestNumber::parse(&format!("RITM{number:07}")).unwrap(),
                    parent: None,
                },
                terms: Terms {
                    operation,
                    people: vec![SysId::parse("p1").unwrap()],
                    groups: groups.into_iter().map(group).collect(),
                    starts: Some(effective),
                    ends: ends.filter(|_| operation != Operation::Leave),
                },
                approval,
                effective,
                created_at: effective,
                closed_before_first_seen: false,
                closed,
                observe: false,
                took_effect,
            }
        },
    )
}

fn status() -> impl Strategy<Value = AccountStatus> {
    prop::sample::select(vec![
        AccountStatus::Staged,
        AccountStatus::Provisioned,
        AccountStatus::Active,
        AccountStatus::Recovery,
        AccountStatus::LockedOut,
        AccountStatus::Suspended,
        AccountStatus::Deprovisioned,
        AccountStatus::Other("NEW".to_owned()),
    ])
}

fn world() -> impl Strategy<Value = World> {
    let some_groups =
        |ids: std::ops::Range<u8>| prop::collection::btree_set(ids.prop_map(group), 0..4);
    (
        prop::collection::vec(resolved(), 0..6),
        prop::option::weighted(0.8, status()),
        (prop::sample::select(vec!["A", "B", ""]), prop::sample::select(vec!["A", "B", "hand"])),
        (some_groups(0..9), some_groups(0..7), some_groups(0..7)),
        (prop::bool::weighted(0.85), prop::bool::weighted(0.1), any::<bool>()),
        prop::sample::select(vec![
            Presence::Present,
            Presence::Present,
            Presence::Gone,
            Presence::Outside,
        ]),
    )
        .prop_map(
            |(
                requests,
                account,
                (department, held),
                (groups, baseline, blocked),
                (active, protected, created_here),
                presence,
            )| {
                let record: Record = [
                    ("user_name", "ada"),
                    ("email", "ada@example.com"),
                    ("name", "Ada"),
                    ("active", if active { "true" } else { "false" }),
                    ("department", if department.is_empty() { "" } else { "d" }),
                    ("department.name", department),
                ]
                .into_iter()
                .map(|(field, value)| (field.to_owned(), value.to_owned()))
                .collect();
                // The store keeps no two requests with one number.
                let numbered = requests.into_iter().enumerate().map(|(at, mut request)| {
                    let number = format!("RITM{at:07}");
                    request.reference.number = RequestNumber::parse(&number).unwrap();
                    request
                });
                let requests: Vec<ResolvedRequest> = numbered.collect();
                let person = Person {
                    sys_id: sys_id("p1"),
                    presence,
                    record,
                    updated_on: String::new(),
                    mod_count: 0,
                };
                let account = account.map(|status| account_with(status, held));
                let link = account.is_some().then(|| link(created_here));
                let linked = link.is_some();
                let groups = if linked { groups } else { BTreeSet::new() };
                let state = PersonState {
                    person,
                    link,
                    actual: Actual { account, groups },
                    baseline: if linked { baseline } else { BTreeSet::new() },
                    ..newcomer(&requests)
                };
                World { state, protected, blocked }
            },
        )
}

fn account_with(status: AccountStatus, department: &str) -> Account {
    let mut account = account("u1", status);
    for (name, value) in
        [("login", "ada@example.com"), ("email", "ada@example.com"), ("department", department)]
    {
        account.profile.insert(name.to_owned(), value.to_owned());
    }
    account
}

fn link(created_here: bool) -> Link {
    Link { account: account_id("u1"), origin: Origin::Baseline, since: now(), created_here }
}

impl World {
    fn all_groups(&self) -> BTreeMap<GroupId, Group> {
        (0u8..7)
            .map(|number| {
                let id = group(number);
                let kind =
                    if self.blocked.contains(&id) { GroupKind::App } else { GroupKind::Okta };
                (id.clone(), Group { name: id.to_string(), id, kind, rule_fed: false })
            })
            .collect()
    }

    fn org(&self) -> OrgState {
        let mut protected = Protected::default();
        if self.protected {
            protected.users.insert("ada@example.com".to_owned());
        }
        OrgState {
            groups: self.all_groups(),
            rule_groups: vec![Some(group(5)), Some(group(6))],
            protected,
            ..OrgState::default()
        }
    }

    /// ServiceNow shows the person, and as active.
    fn is_usable(&self) -> bool {
        let person = &self.state.person;
        person.presence == Presence::Present && person.is_active()
    }

    /// Okta does what it is asked.
    fn carry_out(&mut self, planned: &PlannedAction) {
        if matches!(planned.action.step, Step::Create { .. }) {
            self.state.link = Some(link(true));
        }
        if planned.rehires {
            self.state.baseline.clear();
        }
        take(&mut self.state.actual, &planned.action.step);
    }

    fn remembering(&self, known: Facts) -> Self {
        let state = PersonState { known, ..self.state.clone() };
        Self { state, ..self.clone() }
    }

    fn desired_at(&self, moment: Timestamp) -> Desired {
        derive(&self.state, &policy(), &[Some(group(5)), Some(group(6))], moment)
    }

    fn plan(&self) -> PersonPlan {
        reconcile_person(&self.state, &self.org(), &policy(), now())
    }
}

/// What Okta would make of a step.
fn take(actual: &mut Actual, step: &Step) {
    let status = |actual: &mut Actual, status| {
        actual.account.as_mut().unwrap().status = status;
    };
    match step {
        Step::Create { profile, groups, activate } => {
            let status = if *activate { AccountStatus::Provisioned } else { AccountStatus::Staged };
            actual.account = Some(Account { profile: profile.clone(), ..account("u1", status) });
            actual.groups = groups.iter().cloned().collect();
        }
        Step::Update { changes } => {
            let profile = &mut actual.account.as_mut().unwrap().profile;
            for (attribute, change) in changes {
                match &change.to {
                    Some(value) => profile.insert(attribute.clone(), value.clone()),
                    None => profile.remove(attribute),
                };
            }
        }
        Step::Activate { .. } => status(actual, AccountStatus::Provisioned),
        Step::Unsuspend => status(actual, AccountStatus::Active),
        Step::Suspend => status(actual, AccountStatus::Suspended),
        Step::Deactivate => status(actual, AccountStatus::Deprovisioned),
        Step::Reactivate { .. } | Step::ClearSessions => {}
        Step::AddMember { group } => {
            actual.groups.insert(group.clone());
        }
        Step::RemoveMember { group } => {
            actual.groups.remove(group);
        }
    }
}

/// The facts that are remembered once both sides agree.
fn in_sync_once(desired: &Desired) -> Facts {
    let known = |value: Option<String>, origin: &Origin, basis: &str| KnownFact {
        value,
        origin: origin.clone(),
        basis: basis.to_owned(),
        in_sync_once: true,
        refused: None,
    };
    let mut facts = Facts::new();
    if let Some(fact) = &desired.status {
        let value = Some(fact.value.as_str().to_owned());
        facts.insert(FactKey::Status, known(value, &fact.origin, &fact.basis));
    }
    for (attribute, fact) in &desired.profile {
        let fact = known(fact.value.clone(), &fact.origin, &fact.basis);
        facts.insert(FactKey::Profile(attribute.clone()), fact);
    }
    for (group, fact) in &desired.memberships {
        let fact = known(Some(member(fact.value)), &fact.origin, &fact.basis);
        facts.insert(FactKey::Membership(group.clone()), fact);
    }
    facts
}

fn open(plan: &PersonPlan) -> Vec<PlannedAction> {
    plan.actions.iter().filter(|planned| planned.is_open()).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_plan_applied_and_compared_again_leaves_nothing_to_do(mut world in world()) {
        let plan = world.plan();
        for planned in open(&plan) {
            world.carry_out(&planned);
        }
        // What was seen to agree is remembered; what still differs is not.
        let mut known = in_sync_once(&plan.desired);
        for difference in world.plan().differences {
            known.remove(&difference.key);
        }
        let again = world.remembering(known).plan();
        // Clearing the sessions of a locked account is repeated until it can be suspended.
        let left = open(&again);
        let mut left = left.iter().filter(|it| it.action.step != Step::ClearSessions);
        prop_assert!(left.next().is_none(), "{again:#?}");
    }

    #[test]
    fn two_sides_that_agree_need_nothing_whatever_is_remembered(mut world in world()) {
        let plan = world.plan();
        // An account made for an inactive record would be disabled at once.
        let usable = world.is_usable();
        for planned in plan.actions.iter().filter(|planned| planned.is_open() || usable) {
            world.carry_out(planned);
        }
        let again = world.plan();
        if again.is_in_sync() {
            for known in [Facts::new(), in_sync_once(&again.desired)] {
                let plan = world.remembering(known).plan();
                prop_assert!(plan.is_in_sync() && plan.actions.is_empty(), "{:?} {:?}", plan.differences, plan.desired.status);
            }
        } else {
            // What is left waits for a person, or cannot be done at all.
            let left = open(&again);
            let clears = |it: &PlannedAction| it.action.step == Step::ClearSessions;
            prop_assert!(left.iter().all(clears), "{again:#?}");
        }
    }

    #[test]
    fn what_is_remembered_of_a_person_is_what_was_compared(world in world()) {
        let plan = world.plan();
        let Some(facts) = &plan.facts else {
            prop_assert_eq!(world.state.person.presence, Presence::Outside);
            return Ok(());
        };
        for (key, fact) in facts {
            let differs = plan.differences.iter().any(|it| it.key == *key);
            prop_assert!(!fact.in_sync_once || !differs, "{key} differs, and was seen to agree");
            prop_assert!(!fact.in_sync_once || world.state.actual.account.is_some());
        }
        // Deciding again with it comes to the same.
        let again = world.remembering(facts.clone()).plan();
        let steps = |plan: &PersonPlan| -> Vec<Step> {
            plan.actions.iter().map(|it| it.action.step.clone()).collect()
        };
        if plan.is_in_sync() {
            prop_assert_eq!(steps(&again), Vec::new());
        }
    }

    #[test]
    fn nothing_is_only_observed_and_done_all_the_same(world in world()) {
        let observing = Policy { observe: true, ..policy() };
        let plan = reconcile_person(&world.state, &world.org(), &observing, now());
        prop_assert!(open(&plan).is_empty(), "{plan:#?}");
        let approval = approve(plan.actions, &limits(5), &Past::default());
        prop_assert!(approval.approved.actions().is_empty());
    }

    #[test]
    fn desired_state_rebuilt_from_servicenow_is_the_one_that_was_built_step_by_step(
        mut world in world(),
    ) {
        // What was withdrawn after it took effect, and what was there at take-over, is remembered
        // nowhere but in the store.
        world.state.baseline.clear();
        world.state.person.presence = Presence::Present;
        world.state.person.record.insert("active".to_owned(), "true".to_owned());
        for resolved in &mut world.state.requests {
            resolved.took_effect = false;
            resolved.closed = false;
        }
        // Whether an absence took effect that ends at the moment at which it begins, closed requests
        // do not tell.
        let begins = |request: &ResolvedRequest| {
            request.terms.operation.is_lifecycle().then_some(request.effective)
        };
        let all: Vec<Timestamp> = world.state.requests.iter().filter_map(begins).collect();
        prop_assume!(all.iter().collect::<BTreeSet<_>>().len() == all.len());
        let mut moments: Vec<Timestamp> = world
            .state
            .requests
            .iter()
            .flat_map(|resolved| [Some(resolved.effective), resolved.terms.ends])
            .flatten()
            .filter(|moment| *moment < now())
            .collect();
        moments.push(now());
        moments.sort();
        let mut step_by_step = Desired::default();
        for moment in moments {
            step_by_step = world.desired_at(moment);
            world.state.known = in_sync_once(&step_by_step);
        }

        for resolved in &mut world.state.requests {
            resolved.closed = resolved.in_force(now());
        }
        world.state.requests.reverse();
        world.state.known.clear();
        let rebuilt = world.desired_at(now());
        let memberships = |desired: &Desired| -> Vec<(GroupId, bool, Origin)> {
            let facts = desired.memberships.iter();
            facts.map(|(group, fact)| (group.clone(), fact.value, fact.origin.clone())).collect()
        };
        let profile = |desired: &Desired| -> Vec<(String, Option<String>, Origin)> {
            let facts = desired.profile.iter();
            facts.map(|(name, fact)| (name.clone(), fact.value.clone(), fact.origin.clone())).collect()
        };
        let status = |desired: &Desired| {
            desired.status.as_ref().map(|fact| (fact.value, fact.origin.clone()))
        };
        prop_assert_eq!(status(&step_by_step), status(&rebuilt));
        prop_assert_eq!(profile(&step_by_step), profile(&rebuilt));
        prop_assert_eq!(memberships(&step_by_step), memberships(&rebuilt));
    }

    #[test]
    fn nothing_is_written_that_is_not_managed(world in world()) {
        let planned = world.plan().actions;
        let policy = policy();
        let mut managed: BTreeSet<GroupId> = [group(5), group(6)].into();
        managed.extend(world.state.requests.iter().flat_map(|resolved| resolved.terms.groups.clone()));
        managed.extend(world.state.actual.groups.union(&world.state.baseline).cloned());
        // The last two exist in Okta and are nobody's business here.
        managed.retain(|id| world.all_groups().contains_key(id));
        for planned in &planned {
            match &planned.action.step {
                Step::Update { changes } => {
                    prop_assert!(changes.keys().all(|name| policy.profile.contains_key(name)));
                }
                Step::Create { profile, groups, .. } => {
                    prop_assert!(profile.keys().all(|name| policy.profile.contains_key(name)));
                    prop_assert!(groups.iter().all(|group| managed.contains(group)));
                }
                Step::AddMember { group } | Step::RemoveMember { group } => {
                    prop_assert!(managed.contains(group));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn creeping_up_on_a_limit_over_many_cycles_does_not_get_past_it(
        batches in prop::collection::vec((0usize..7, any::<bool>()), 1..8), limit in 0u32..8,
    ) {
        let limits = limits(limit);
        let (mut done_before, mut waiting, mut leavers) = (Vec::new(), Vec::new(), 0);
        for (size, look_again) in batches {
            // New leavers, and now and then one of those who wait, looked at alone.
            let mut people: BTreeSet<usize> = (leavers..leavers + size).collect();
            leavers += size;
            if look_again {
                people.extend(waiting.first().copied());
            }
            waiting.retain(|person| !people.contains(person));
            let planned = people.iter().flat_map(|at| leaver(*at)).collect();
            let past = Past {
                done: done_before.clone(),
                waiting: waiting.iter().map(|at| held_leaver(*at)).collect(),
                ..Past::default()
            };
            let verdict = approve(planned, &limits, &past);
            let disabled: BTreeSet<SysId> = verdict
                .approved
                .actions()
                .iter()
                .filter(|approved| approved.planned.action.step == Step::Deactivate)
                .map(|approved| approved.planned.action.person.clone())
                .collect();
            done_before.extend(disabled.iter().map(done));
            let is_done = |at: &usize| disabled.contains(&person(*at));
            waiting.extend(people.into_iter().filter(|at| !is_done(at)));
            prop_assert!(done_before.len() <= limit as usize);
        }
    }

    #[test]
    fn nothing_protected_is_touched_and_no_blocked_group_is_written(world in world()) {
        let planned = world.plan().actions;
        if world.protected {
            prop_assert!(planned.is_empty(), "{planned:#?}");
        }
        for planned in &planned {
            if let Some(group) = planned.action.step.group() {
                prop_assert!(!world.blocked.contains(group));
            }
            if let Step::Create { groups, .. } = &planned.action.step {
                prop_assert!(groups.iter().all(|group| !world.blocked.contains(group)));
            }
        }
    }

    #[test]
    fn nobody_outside_the_configured_people_is_touched(mut world in world()) {
        world.state.person.presence = Presence::Outside;
        let plan = world.plan();
        // What is open for them is said, and that is all.
        prop_assert!(plan.actions.is_empty(), "{plan:#?}");
        prop_assert!(plan.differences.iter().all(|it| it.step.is_none()), "{plan:#?}");
    }

    #[test]
    fn nobody_is_disabled_without_a_request_or_a_record_that_says_so(world in world()) {
        let plan = world.plan();
        let ended = |resolved: &ResolvedRequest| match resolved.terms.operation {
            Operation::Leave | Operation::Suspend => true,
            Operation::Join => resolved.has_ended(now()),
            _ => false,
        };
        let asked = world.state.requests.iter().any(|m| m.in_force(now()) && ended(m));
        let inactive = !world.state.is_employed();
        // What a withdrawn request would leave is held: somebody has to say yes.
        let disables = open(&plan).iter().any(|planned| planned.action.step.disables());
        prop_assert!(!disables || asked || inactive, "{plan:#?}");
    }

    #[test]
    fn every_action_has_a_reason_and_the_order_of_requests_makes_no_difference(world in world()) {
        let plan = world.plan();
        prop_assert!(plan.actions.iter().all(|planned| !planned.reason().is_empty()));
        let mut turned = world.clone();
        turned.state.requests.reverse();
        prop_assert_eq!(plan, turned.plan());
    }

    #[test]
    fn the_guard_never_lets_more_be_disabled_than_it_allows(
        leavers in 0usize..20, limit in 0u32..10, before in 0usize..6,
    ) {
        let planned: Vec<PlannedAction> = (0..leavers).flat_map(leaver).collect();
        let limits = limits(limit);
        let done = (100..100 + before).map(|at| done(&person(at))).collect();
        let verdict = approve(planned, &limits, &Past { done, ..Past::default() });
        let disabled = verdict
            .approved
            .actions()
            .iter()
            .filter(|approved| matches!(approved.planned.action.step, Step::Deactivate))
            .count();
        let all = disabled + before;
        prop_assert!(disabled == 0 || all <= limits.max_disabled as usize);
        // All or none: a set is decided as a whole, memberships included.
        prop_assert!(disabled == 0 || disabled == leavers);
        prop_assert_eq!(verdict.approved.actions().is_empty(), disabled == 0);
    }
}

fn person(at: usize) -> SysId {
    SysId::parse(&format!("p{at}")).unwrap()
}

/// What a leave does to somebody with one group.
fn leaver(at: usize) -> Vec<PlannedAction> {
    let state = PersonState {
        person: Person {
            sys_id: person(at),
            presence: Presence::Present,
            record: Record::from([("active".to_owned(), "true".to_owned())]),
            updated_on: String::new(),
            mod_count: 0,
        },
        link: Some(link(true)),
        actual: Actual {
            account: Some(account_with(AccountStatus::Active, "")),
            groups: BTreeSet::from([group(1)]),
        },
        ..newcomer(&[leave()])
    };
    World { state, protected: false, blocked: BTreeSet::new() }.plan().actions
}

fn held_leaver(at: usize) -> Waiting {
    Waiting {
        reason: "too many at once".to_owned(),
        fingerprint: format!("f{at}"),
        set: HoldSet::MaxDisabled,
        person: person(at),
        step: StepKind::Deactivate,
        group: None,
    }
}

fn leave() -> ResolvedRequest {
    ResolvedRequest {
        reference: RequestRef {
            number: RequestNumber::parse("RITM0000001").unwrap(),
            parent: None,
        },
        terms: Terms {
            operation: Operation::Leave,
            people: Vec::new(),
            groups: Vec::new(),
            starts: None,
            ends: None,
        },
        approval: Approval::Approved,
        effective: now(),
        created_at: now(),
        closed_before_first_seen: false,
        closed: false,
        observe: false,
        took_effect: false,
    }
}

fn limits(max_disabled: u32) -> Limits {
    Limits {
        protected_users: Vec::new(),
        protected_groups: Vec::new(),
        grantable_groups: globset::GlobSet::empty(),
        sentinels: Vec::new(),
        window: Duration::from_hours(24),
        max_disabled,
        max_disabled_share: 0.0,
        max_removed: 200,
        max_group_share: 1.0,
        max_changed: 200,
        max_changed_share: 0.0,
        max_people_drop: 0.05,
        max_accounts_drop: 0.05,
        max_repeats: 3,
    }
}

fn done(person: &SysId) -> Done {
    Done {
        at: now(),
        person: person.clone(),
        step: StepKind::Deactivate,
        group: None,
        cause: Cause::Request,
        leaver: true,
        released: false,
        keys: Vec::new(),
        seen: true,
    }
}
