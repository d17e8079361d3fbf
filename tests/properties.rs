//! What holds for every person, every set of requests and every account: checked on the pure core
//! over generated ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use goldthread::model::{
    Account, AccountId, AccountStatus, Approval, FactKey, Group, GroupId, GroupKind, Operation,
    Origin, Person, Presence, Record, RequestNumber, RequestRef, ResolvedRequest, Step, SysId,
    Terms, Timestamp,
};
use goldthread::policy::desire::{Desired, Subject, desire};
use goldthread::policy::expression::Expression;
use goldthread::policy::{
    Accounts, Disposal, GroupRule, InactiveRecord, Policy, SuspendedElsewhere,
};
use goldthread::reconcile::diff::{Actual, Drift, Facts, Known, Setting, diff, member};
use goldthread::reconcile::guard::{Context, Limits, Protected, Waiting, approve};
use goldthread::reconcile::plan::{Gate, Planned, actions, plan};
use goldthread::reconcile::schema::Schema;
use proptest::prelude::*;

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn group(number: u8) -> GroupId {
    GroupId::parse(&format!("g{number}")).unwrap()
}

fn policy() -> Policy {
    let user = |source: &str| Expression::compile(source, &["user"]).unwrap();
    let rule = |name: &str, when: &str, exact| GroupRule {
        name: name.to_owned(),
        when: user(when),
        exact,
        observe: false,
    };
    Policy {
        profile: BTreeMap::from([
            ("login".to_owned(), user("user.email")),
            ("email".to_owned(), user("user.email")),
            ("department".to_owned(), user("user.department.name")),
        ]),
        requests: Vec::new(),
        groups: vec![
            rule("exact", "user.department.name == 'A'", true),
            rule("additive", "user.department.name != ''", false),
        ],
        match_on: vec!["login".to_owned()],
        anchor: None,
        accounts: Accounts::Requested,
        inactive_record: InactiveRecord::Suspend,
        suspended_elsewhere: SuspendedElsewhere::Apply,
        create_ahead: Duration::from_hours(48),
        activation_mail: true,
        unattributed: Disposal::Apply,
        drift: Disposal::Apply,
        timezone: chrono_tz::UTC,
        observe: false,
    }
}

/// Everything about one person that a cycle would have read.
#[derive(Debug, Clone)]
struct World {
    person: Person,
    requests: Vec<ResolvedRequest>,
    account: Option<AccountStatus>,
    department: String,
    groups: BTreeSet<GroupId>,
    baseline: BTreeSet<GroupId>,
    protected: bool,
    blocked: BTreeSet<GroupId>,
    created_here: bool,
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
                request: RequestRef {
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
                World {
                    person: Person {
                        sys_id: SysId::parse("p1").unwrap(),
                        presence,
                        record,
                        updated_on: String::new(),
                        mod_count: 0,
                    },
                    groups: if account.is_some() { groups } else { BTreeSet::new() },
                    requests,
                    department: held.to_owned(),
                    baseline: if account.is_some() { baseline } else { BTreeSet::new() },
                    account,
                    protected,
                    blocked,
                    created_here,
                }
            },
        )
}

impl World {
    fn actual(&self) -> Actual {
        let account = self.account.clone().map(|status| Account {
            id: AccountId::parse("u1").unwrap(),
            status,
            transitioning: None,
            profile: BTreeMap::from([
                ("login".to_owned(), "ada@example.com".to_owned()),
                ("email".to_owned(), "ada@example.com".to_owned()),
                ("department".to_owned(), self.department.clone()),
            ]),
            provider: "OKTA".to_owned(),
            last_updated: String::new(),
        });
        Actual { account, groups: self.groups.clone() }
    }

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

    fn protection(&self) -> Protected {
        let mut protected = Protected::default();
        if self.protected {
            protected.users.insert("ada@example.com".to_owned());
        }
        protected
    }

    /// ServiceNow shows the person, and as active.
    fn is_usable(&self) -> bool {
        self.person.presence == Presence::Present && self.person.record["active"] == "true"
    }

    /// It is remembered that an account was made here.
    fn remember_creation(&mut self, planned: &Planned) {
        self.created_here |= matches!(planned.action.step, Step::Create { .. });
    }

    fn desired(&self, actual: &Actual, known: &Facts) -> Desired {
        self.desired_at(actual, known, now())
    }

    fn desired_at(&self, actual: &Actual, known: &Facts, moment: Timestamp) -> Desired {
        let took_effect = known.get(&FactKey::Status).filter(|k| k.in_sync_once).map(|k| &k.origin);
        let subject = Subject {
            person: &self.person,
            requests: &self.requests,
            linked: actual.account.is_some(),
            unused: actual.account.as_ref().is_some_and(|account| {
                matches!(account.status, AccountStatus::Staged | AccountStatus::Deprovisioned)
            }),
            deleted: false,
            created_here: self.created_here,
            by_record: false,
            took_effect,
            baseline: &self.baseline,
        };
        desire(&subject, &policy(), &[Some(group(5)), Some(group(6))], moment)
    }

    fn compare(&self, actual: &Actual, known: &Facts) -> (Desired, Vec<Drift>, Vec<Planned>) {
        let policy = policy();
        let (protected, groups) = (self.protection(), self.all_groups());
        let schema = Schema(None);
        let setting =
            Setting { policy: &policy, protected: &protected, groups: &groups, schema: &schema };
        let desired = self.desired(actual, known);
        let drifts = diff(&self.person, &desired, actual, known, &setting);
        let planned = actions(&self.person, &desired, actual, &drifts, &policy);
        (desired, drifts, plan(planned).actions)
    }
}

/// What Okta would make of a step.
fn take(actual: &mut Actual, step: &Step) {
    let status = |actual: &mut Actual, status| {
        actual.account.as_mut().unwrap().status = status;
    };
    match step {
        Step::Create { profile, groups, activate } => {
            actual.account = Some(Account {
                id: AccountId::parse("u1").unwrap(),
                status: if *activate { AccountStatus::Provisioned } else { AccountStatus::Staged },
                transitioning: None,
                profile: profile.clone(),
                provider: "OKTA".to_owned(),
                last_updated: String::new(),
            });
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
    let known = |value: Option<String>, origin: &Origin, basis: &str| Known {
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

fn open(planned: &[Planned]) -> Vec<&Planned> {
    planned.iter().filter(|planned| planned.gate == Gate::Open).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_plan_applied_and_compared_again_leaves_nothing_to_do(mut world in world()) {
        let mut actual = world.actual();
        let (desired, _, planned) = world.compare(&actual, &Facts::new());
        for planned in open(&planned) {
            world.remember_creation(planned);
            take(&mut actual, &planned.action.step);
        }
        // What was seen to agree is remembered; what still differs is not.
        let mut known = in_sync_once(&desired);
        for drift in world.compare(&actual, &Facts::new()).1 {
            known.remove(&drift.key);
        }
        let (_, drifts, again) = world.compare(&actual, &known);
        // Clearing the sessions of a locked account is repeated until it can be suspended.
        let again: Vec<_> = open(&again)
            .into_iter()
            .filter(|planned| planned.action.step != Step::ClearSessions)
            .collect();
        prop_assert!(again.is_empty(), "{again:#?}\n{drifts:#?}");
    }

    #[test]
    fn two_sides_that_agree_need_nothing_whatever_is_remembered(mut world in world()) {
        let mut actual = world.actual();
        let (_, _, planned) = world.compare(&actual, &Facts::new());
        // An account made for an inactive record would be disabled at once.
        let done = planned.iter().filter(|planned| planned.gate == Gate::Open || world.is_usable());
        for planned in done.cloned().collect::<Vec<_>>() {
            world.remember_creation(&planned);
            take(&mut actual, &planned.action.step);
        }
        let (desired, drifts, again) = world.compare(&actual, &Facts::new());
        if drifts.is_empty() {
            for known in [Facts::new(), in_sync_once(&desired)] {
                let (_, drifts, planned) = world.compare(&actual, &known);
                prop_assert!(planned.is_empty() && drifts.is_empty(), "{drifts:#?}");
            }
        } else {
            // What is left waits for a person, or cannot be done at all.
            let left = again.iter().filter(|p| p.gate == Gate::Open);
            prop_assert!(left.clone().all(|p| p.action.step == Step::ClearSessions), "{again:#?}");
        }
    }

    #[test]
    fn desired_state_rebuilt_from_servicenow_is_the_one_that_was_built_step_by_step(
        mut world in world(),
    ) {
        // What was withdrawn after it took effect, and what was there at take-over, is remembered
        // nowhere but in the store.
        world.baseline.clear();
        world.person.presence = Presence::Present;
        world.person.record.insert("active".to_owned(), "true".to_owned());
        for resolved in &mut world.requests {
            resolved.took_effect = false;
            resolved.closed = false;
        }
        let actual = world.actual();
        let mut moments: Vec<Timestamp> = world
            .requests
            .iter()
            .flat_map(|resolved| [Some(resolved.effective), resolved.terms.ends])
            .flatten()
            .filter(|moment| *moment < now())
            .collect();
        moments.push(now());
        moments.sort();
        let mut known = Facts::new();
        let mut step_by_step = Desired::default();
        for moment in moments {
            step_by_step = world.desired_at(&actual, &known, moment);
            known = in_sync_once(&step_by_step);
        }

        for resolved in &mut world.requests {
            resolved.closed = resolved.in_force(now());
        }
        world.requests.reverse();
        let rebuilt = world.desired_at(&actual, &Facts::new(), now());
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
        let (_, _, planned) = world.compare(&world.actual(), &Facts::new());
        let policy = policy();
        let mut managed: BTreeSet<GroupId> = [group(5), group(6)].into();
        managed.extend(world.requests.iter().flat_map(|resolved| resolved.terms.groups.clone()));
        managed.extend(world.groups.union(&world.baseline).cloned());
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
        let (mut past, mut waiting, mut leavers) = (Vec::new(), Vec::new(), 0);
        for (size, look_again) in batches {
            // New leavers, and now and then one of those who wait, looked at alone.
            let mut people: BTreeSet<usize> = (leavers..leavers + size).collect();
            leavers += size;
            if look_again {
                people.extend(waiting.first().copied());
            }
            waiting.retain(|person| !people.contains(person));
            let planned = people.iter().flat_map(|at| leaver(*at)).collect();
            let context = Context {
                done: past.clone(),
                waiting: waiting.iter().map(|at| held_leaver(*at)).collect(),
                ..Context::default()
            };
            let verdict = approve(plan(planned), &limits, &context);
            let disabled: BTreeSet<SysId> = verdict
                .approved
                .actions()
                .iter()
                .filter(|approved| approved.planned.action.step == Step::Deactivate)
                .map(|approved| approved.planned.action.person.clone())
                .collect();
            past.extend(disabled.iter().map(|person| done(person, "deactivate")));
            let is_done = |at: &usize| disabled.contains(&person(*at));
            waiting.extend(people.into_iter().filter(|at| !is_done(at)));
            prop_assert!(past.len() <= limit as usize);
        }
    }

    #[test]
    fn nothing_protected_is_touched_and_no_blocked_group_is_written(world in world()) {
        let (_, _, planned) = world.compare(&world.actual(), &Facts::new());
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
        world.person.presence = Presence::Outside;
        let (_, drifts, planned) = world.compare(&world.actual(), &Facts::new());
        prop_assert!(planned.is_empty(), "{planned:#?}");
        // What is open for them is said, and that is all.
        prop_assert!(drifts.iter().all(|drift| drift.remedy.is_none()), "{drifts:#?}");
    }

    #[test]
    fn nobody_is_disabled_without_a_request_or_a_record_that_says_so(world in world()) {
        let (_, _, planned) = world.compare(&world.actual(), &Facts::new());
        let ended = |resolved: &ResolvedRequest| match resolved.terms.operation {
            Operation::Leave | Operation::Suspend => true,
            Operation::Join => resolved.has_ended(now()),
            _ => false,
        };
        let asked = world.requests.iter().any(|m| m.in_force(now()) && ended(m));
        let inactive = !world.person.is_active() || world.person.presence == Presence::Gone;
        // What a withdrawn request would leave is held: somebody has to say yes.
        let disables = open(&planned).iter().any(|planned| planned.action.step.disables());
        prop_assert!(!disables || asked || inactive, "{planned:#?}");
    }

    #[test]
    fn every_action_has_a_reason_and_the_order_of_requests_makes_no_difference(world in world()) {
        let (_, _, planned) = world.compare(&world.actual(), &Facts::new());
        prop_assert!(planned.iter().all(|planned| !planned.reason.is_empty()));
        let mut turned = world.clone();
        turned.requests.reverse();
        let (_, _, other) = turned.compare(&world.actual(), &Facts::new());
        prop_assert_eq!(planned, other);
    }

    #[test]
    fn the_guard_never_lets_more_be_disabled_than_it_allows(
        leavers in 0usize..20, limit in 0u32..10, before in 0usize..6,
    ) {
        let planned: Vec<Planned> = (0..leavers).flat_map(leaver).collect();
        let limits = limits(limit);
        let done = (100..100 + before).map(|at| done(&person(at), "deactivate")).collect();
        let verdict = approve(plan(planned), &limits, &Context { done, ..Context::default() });
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
fn leaver(at: usize) -> Vec<Planned> {
    let world = World {
        person: Person {
            sys_id: person(at),
            presence: Presence::Present,
            record: Record::from([("active".to_owned(), "true".to_owned())]),
            updated_on: String::new(),
            mod_count: 0,
        },
        requests: vec![leave()],
        account: Some(AccountStatus::Active),
        department: String::new(),
        groups: BTreeSet::from([group(1)]),
        baseline: BTreeSet::new(),
        protected: false,
        blocked: BTreeSet::new(),
        created_here: true,
    };
    world.compare(&world.actual(), &Facts::new()).2
}

fn held_leaver(at: usize) -> Waiting {
    Waiting {
        reason: "too many at once".to_owned(),
        fingerprint: format!("f{at}"),
        set: "max-disabled".to_owned(),
        person: person(at),
        action: "deactivate".to_owned(),
        group: None,
    }
}

fn leave() -> ResolvedRequest {
    ResolvedRequest {
        request: RequestRef { number: RequestNumber::parse("RITM0000001").unwrap(), parent: None },
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
        max_repeats: 3,
    }
}

fn done(person: &SysId, action: &str) -> goldthread::model::Done {
    goldthread::model::Done {
        at: now(),
        person: person.as_str().to_owned(),
        action: action.to_owned(),
        group: None,
        cause: goldthread::model::Cause::Request,
        leaver: true,
        released: false,
        keys: Vec::new(),
        seen: true,
    }
}
