//! What a cycle would do, before it does it: both sides are looked at, and everybody who is due is
//! decided about by what is stored. What it rests on is read by id before anything is done.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::model::{FactKey, HoldReason, SysId};
use crate::okta::log::{Changed, rival};
use crate::reconcile::approve::{ApprovedAction, PlanApproval, approve};
use crate::reconcile::{org::OrgState, past::Past};
use crate::store::{CycleRow, StoreError};
use crate::sync::brake::call_left_by_pause;
use crate::sync::clock::{check_clock, check_clock_first};
use crate::sync::closely::look_closely;
use crate::sync::contain::log_of;
use crate::sync::decide::{Decision, decide, past};
use crate::sync::error::{Result, SyncError};
use crate::sync::items::pin_items;
use crate::sync::names::{people_called, the_one};
use crate::sync::observe::by_id::refresh_each;
use crate::sync::observe::{Observation, observe};
use crate::sync::org::load_org;
use crate::sync::outcome::CycleOutcome;
use crate::sync::scope::{Cycle, Scope};
use crate::sync::{deps::Deps, side_by_side::side_by_side};

/// More people than this who were linked to an account at once are not all read again by id.
const MOST_LINKED: usize = 200;
/// What is read may make room under a limit for somebody else, and for few after that.
const ROUNDS: usize = 3;

/// What a cycle would do, before it does it.
#[derive(Debug)]
pub struct CyclePlan {
    pub(crate) cycle: Rc<Cycle>,
    /// Read from both sides just now, rather than from the last observed state.
    pub(crate) live: bool,
    pub(crate) org: OrgState,
    pub(crate) decision: Decision,
    pub(crate) past: Past,
    pub(crate) approval: PlanApproval,
    /// People read, in a complete read.
    pub(crate) people: Option<u32>,
    /// By what is stored, because a group came under management.
    pub(crate) decided_everybody: bool,
    /// The complete read was implausible, so it is no baseline for the next.
    pub(crate) implausible: Option<String>,
}

/// Reads both sides and decides, changing neither.
pub async fn plan(deps: &Deps, scope: &Scope) -> Result<CyclePlan> {
    let plan = match call_left_by_pause(deps) {
        Ok(()) => read_and_plan(deps, scope).await,
        Err(error) => Err(error),
    };
    plan.map_err(|error| error.located(&deps.config.store.path))
}

/// Decides about everybody by what was last observed, without asking either side: what the last
/// cycle left open is the same.
pub async fn plan_from_store(deps: &Deps) -> Result<CyclePlan> {
    decide_from_store(deps, &deps.store.people().all()?).await
}

/// Decides about one person, by what both sides say now, or by what was last observed where one of
/// them cannot be read.
pub async fn plan_person(deps: &Deps, text: &str) -> Result<CyclePlan> {
    let observed_before = deps.last_full()?.is_some();
    match plan(deps, &Scope::Person(text.to_owned())).await {
        Err(error @ (SyncError::ServiceNow(_) | SyncError::Okta(_))) if observed_before => {
            tracing::warn!(
                "this is the last observed state, because it cannot be read now: {error}"
            );
            let person = the_one(text, &people_called(&deps.store, text)?)?;
            decide_from_store(deps, std::slice::from_ref(&person)).await
        }
        planned => planned,
    }
}

async fn read_and_plan(deps: &Deps, scope: &Scope) -> Result<CyclePlan> {
    let cycle = Rc::new(Cycle::begin(deps, scope)?);
    let planned = async {
        let mut plan = look(deps, &cycle).await?;
        read_closely(deps, &mut plan).await?;
        Ok(plan)
    };
    let planned = planned.await;
    if planned.is_err() {
        end_failed(deps, &cycle)?;
    }
    planned
}

/// Writes down that a cycle ended before it was through.
pub(crate) fn end_failed(deps: &Deps, cycle: &Cycle) -> Result<(), StoreError> {
    let row = CycleRow { outcome: "failed".to_owned(), people: None, believed: false };
    deps.store.cycles().end(cycle.id, &row, deps.now())
}

/// Looks at both sides, and decides about everybody who is due. The first look of a cycle reads as
/// much as its scope says, a later one what changed since.
pub(crate) async fn look(deps: &Deps, cycle: &Rc<Cycle>) -> Result<CyclePlan> {
    check_clock_first(deps).await?;
    cycle.down.set(None);
    let observed = observe(deps, cycle).await?;
    conclude_look(deps, cycle, observed).await
}

/// Decides about everybody who is due by what a look has read.
pub(crate) async fn conclude_look(
    deps: &Deps,
    cycle: &Rc<Cycle>,
    observed: Observation,
) -> Result<CyclePlan> {
    let first = !cycle.looked.get();
    if let Err(error) = check_clock(deps) {
        // Whoever is due has been put down for a wrong day.
        deps.store.state().set_configuration(None)?;
        return Err(error);
    }
    if first {
        deps.store.unreadable().ask_again(deps.now())?;
    }
    let Observation { people, count, implausible } = observed;
    deps.store.bind(&deps.config.orgs())?;
    pin_items(deps).await?;
    let mut plan = decide_about(deps, cycle, &people).await?;
    // From here on nothing is waited for until the plan is taken on: what comes meanwhile would be
    // settled with it.
    (plan.people, plan.implausible) = (count, implausible);
    if !cycle.incomplete.get() {
        deps.store.state().set_dirty_since_cycle(None)?;
    }
    let everybody = first && cycle.is_full() || plan.decided_everybody;
    if everybody && !cycle.took_over.get() {
        deps.store.state().set_configuration(Some(&deps.config.fingerprint))?;
    }
    cycle.looked.set(true);
    Ok(plan)
}

/// Decides about these people by what is stored.
pub(crate) async fn decide_about(
    deps: &Deps,
    cycle: &Rc<Cycle>,
    people: &[SysId],
) -> Result<CyclePlan> {
    let org = load_org(deps, cycle, true).await?;
    // A group that comes under management concerns others than those who are due. While everything is
    // being read, that is for the end of it.
    let everybody = !cycle.beside.get() && cycle.took_over.take() && !cycle.is_of_one_person();
    let people = if everybody {
        deps.store.people().all()?
    } else if people.is_empty() || cycle.is_of_one_person() {
        people.to_vec()
    } else {
        // One more or one less may change for all of these whether a limit holds them.
        let together = deps.store.open_items().counted_together()?;
        let all: BTreeSet<SysId> = people.iter().cloned().chain(together).collect();
        all.into_iter().collect()
    };
    let may_be_another = deps.last_full()?.is_some() || cycle.looked.get();
    let (mut org, mut rivals, mut looked_up) = (org, Rivals::new(), false);
    loop {
        // Until this plan is taken on nobody else is begun with by an older one.
        cycle.planning.set(true);
        let mut plan = CyclePlan::of(deps, Rc::clone(cycle), &people, org)?;
        plan.decided_everybody = everybody;
        let is_everything = cycle.is_full() && !cycle.looked.get() && !cycle.beside.get();
        if everybody || is_everything {
            *cycle.left_out.borrow_mut() = cycle.at_work.borrow().keys().cloned().collect();
        }
        name_rivals(&mut plan.approval, &rivals);
        // A page of a list may be old, and whose account it is decides everything: not at take-over,
        // when that is everybody. Who is not decided about now is read when their turn comes.
        let mut linked = cycle.linked_by_lists(deps.now());
        linked.retain(|person| people.contains(person));
        let doubted = may_be_another && !linked.is_empty() && linked.len() <= MOST_LINKED;
        if looked_up || !doubted && !has_nameless_rivals(&plan.approval) {
            return Ok(plan);
        }
        cycle.planning.set(false);
        if doubted {
            refresh_each(deps, cycle, &linked).await?;
        }
        rivals = find_rivals(deps, &plan.approval).await;
        (org, looked_up) = (plan.org, true);
    }
}

async fn decide_from_store(deps: &Deps, people: &[SysId]) -> Result<CyclePlan> {
    let cycle = Cycle::without_reading(deps);
    let org = load_org(deps, &cycle, false).await?;
    let plan = CyclePlan::of(deps, Rc::new(cycle), people, org)?;
    Ok(CyclePlan { live: false, ..plan })
}

/// Reads what each action rests on by id, as it is read before acting, and decides again.
async fn read_closely(deps: &Deps, plan: &mut CyclePlan) -> Result<()> {
    let mut looked_at = BTreeSet::new();
    for _ in 0..ROUNDS {
        let mut approved = plan.approved();
        approved.retain(|person, _| !looked_at.contains(person));
        if approved.is_empty() {
            break;
        }
        let look = |(person, actions): (&SysId, &Vec<ApprovedAction>)| {
            let (person, actions) = (person.clone(), actions.clone());
            let plan = &*plan;
            async move {
                look_closely(deps, &plan.cycle, plan.is_doubtful(), &person, &actions)
                    .await
                    .map(|_| ())
            }
        };
        side_by_side(approved.iter().map(look)).await?;
        let people: Vec<SysId> = approved.into_keys().collect();
        plan.org = load_org(deps, &plan.cycle, true).await?;
        plan.decide_again(deps, &people)?;
        looked_at.extend(people);
    }
    if !looked_at.is_empty() {
        let rivals = find_rivals(deps, &plan.approval).await;
        name_rivals(&mut plan.approval, &rivals);
    }
    Ok(())
}

/// Who keeps changing contested facts back, by the action that is held for it.
type Rivals = BTreeMap<String, String>;

fn has_nameless_rivals(approval: &PlanApproval) -> bool {
    approval.held.iter().any(|it| matches!(it.reason, HoldReason::Contested { rival: None, .. }))
}

/// Looks up who keeps changing a contested fact back, where Okta's log tells.
async fn find_rivals(deps: &Deps, approval: &PlanApproval) -> Rivals {
    let now = deps.now();
    let window =
        chrono::Duration::from_std(deps.config.limits.window).unwrap_or(chrono::Duration::days(1));
    let mut rivals = Rivals::new();
    for held in &approval.held {
        let HoldReason::Contested { fact, rival: None, .. } = &held.reason else { continue };
        let Some(account) = &held.planned.action.account else { continue };
        // Who it is helps a person; that nobody can tell holds nothing up.
        let events = log_of(deps, account, now - window).await;
        let what = match fact {
            FactKey::Account | FactKey::Status => Changed::Status,
            FactKey::Profile(_) => Changed::Profile,
            FactKey::Membership(group) => Changed::Membership(group),
        };
        rivals.extend(rival(&events, what).map(|name| (held.planned.fingerprint(), name)));
    }
    rivals
}

fn name_rivals(approval: &mut PlanApproval, rivals: &Rivals) {
    for held in &mut approval.held {
        if let HoldReason::Contested { rival, .. } = &mut held.reason {
            *rival = rivals.get(&held.planned.fingerprint()).cloned();
        }
    }
}

impl CyclePlan {
    fn of(deps: &Deps, cycle: Rc<Cycle>, people: &[SysId], org: OrgState) -> Result<Self> {
        let decision = decide(deps, &cycle, people, &org)?;
        let past = past(deps, &cycle, &decision)?;
        let approval = approve(decision.actions(), &deps.config.limits, &past);
        Ok(Self {
            cycle,
            live: true,
            org,
            decision,
            past,
            approval,
            people: None,
            decided_everybody: false,
            implausible: None,
        })
    }

    /// The one person whom this is about, where it is about one.
    pub(crate) fn only(&self) -> Option<&SysId> {
        self.decision.people.first().filter(|_| self.cycle.is_of_one_person())
    }

    /// A list that cannot be read, or believed, does not say what was called off or who has left.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.cycle.incomplete.get() || self.past.implausible.is_some()
    }

    /// What there is to say before anything was done.
    pub(crate) fn outcome(&self) -> CycleOutcome {
        CycleOutcome {
            cycle: self.cycle.id,
            full: self.cycle.is_full(),
            quarantined: self.approval.quarantined.clone(),
            only: self.only().cloned(),
            ..CycleOutcome::default()
        }
    }

    /// What may be done, by person, each in the order in which it is done.
    pub(crate) fn approved(&self) -> BTreeMap<SysId, Vec<ApprovedAction>> {
        let mut approved: BTreeMap<SysId, Vec<ApprovedAction>> = BTreeMap::new();
        for action in self.approval.approved.actions() {
            let person = action.planned.action.person.clone();
            approved.entry(person).or_default().push(action.clone());
        }
        approved
    }

    /// Decides about these people once more, and about the whole batch what of it may be done.
    fn decide_again(&mut self, deps: &Deps, people: &[SysId]) -> Result<()> {
        let newer = decide(deps, &self.cycle, people, &self.org)?;
        self.decision.differing.retain(|person, _| !newer.people.contains(person));
        self.decision.people.extend(newer.people);
        self.decision.differing.extend(newer.differing);
        self.past = past(deps, &self.cycle, &self.decision)?;
        self.approval = approve(self.decision.actions(), &deps.config.limits, &self.past);
        Ok(())
    }
}
