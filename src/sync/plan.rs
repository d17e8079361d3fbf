//! What a cycle would do, before it does it: both sides are read, everybody who is due is decided
//! about, and whoever would be acted on is read once more, by id.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{FactKey, HoldReason, RequestNumber, SysId, Timestamp};
use crate::okta::log::{Changed, rival};
use crate::reconcile::approve::{PlanApproval, approve};
use crate::reconcile::{org::OrgState, past::Past};
use crate::servicenow::Lookup;
use crate::store::{CycleRow, Object, StoreError};
use crate::sync::brake::call_left_by_pause;
use crate::sync::contain::{contained, log_of, note_unreadable};
use crate::sync::decide::{Decision, decide, past};
use crate::sync::error::{Result, SyncError};
use crate::sync::items::pin_items;
use crate::sync::names::{people_called, the_one};
use crate::sync::observe::{Observation, catch_up, observe};
use crate::sync::org::{find_admins, load_org};
use crate::sync::outcome::CycleOutcome;
use crate::sync::resolve::resolve_requests;
use crate::sync::scope::{Cycle, Scope};
use crate::sync::{deps::Deps, observe::by_id::refresh};

/// More people than this who were linked to an account at once are not all read again by id.
const MOST_LINKED: usize = 200;
/// What ServiceNow said is not acted on any more when it is older than this.
const STALE: chrono::Duration = chrono::Duration::seconds(10);
/// What a wrong summer time makes is lived with; more would begin and end requests of other days.
const MOST_APART: chrono::Duration = chrono::Duration::hours(2);
/// A date further off than this is nobody's clock.
const NONSENSE: chrono::Duration = chrono::Duration::days(100 * 365);

/// What a cycle would do, before it does it.
#[derive(Debug)]
pub struct CyclePlan {
    pub(crate) cycle: Cycle,
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

pub(crate) async fn read_and_plan(deps: &Deps, scope: &Scope) -> Result<CyclePlan> {
    let cycle = Cycle::begin(deps, scope)?;
    let id = cycle.id;
    match observe_and_decide(deps, cycle).await {
        Ok(plan) => {
            deps.store.bind(&deps.config.orgs())?;
            pin_items(deps).await?;
            if !plan.cycle.incomplete.get() {
                deps.store.state().set_dirty_since_cycle(None)?;
            }
            if plan.cycle.is_full() || plan.decided_everybody {
                deps.store.state().set_configuration(Some(&deps.config.fingerprint))?;
            }
            Ok(plan)
        }
        Err(error) => {
            let row = CycleRow { outcome: "failed".to_owned(), people: None, believed: false };
            deps.store.cycles().end(id, &row, deps.now())?;
            Err(error)
        }
    }
}

async fn observe_and_decide(deps: &Deps, cycle: Cycle) -> Result<CyclePlan> {
    let started = cycle.started;
    check_clock_first(deps).await?;
    let observed = observe(deps, &cycle).await?;
    if let Err(error) = check_clock(deps) {
        // Whoever is due has been put down for a wrong day.
        deps.store.state().set_configuration(None)?;
        return Err(error);
    }
    deps.store.unreadable().ask_again(deps.now())?;
    let org = load_org(deps, &cycle, true).await?;
    let Observation { mut people, mut fresh, count, implausible } = observed;
    let everybody = cycle.took_over.get() && !cycle.is_of_one_person();
    if everybody {
        (people, fresh) = (deps.store.people().all()?, false);
    }
    let mut plan = CyclePlan::of(deps, cycle, &people, org)?;
    (plan.people, plan.implausible, plan.decided_everybody) = (count, implausible, everybody);

    if !fresh {
        // Whose account it is counts as well: not at take-over, when that is everybody.
        let linked = plan.cycle.linked_by_lists();
        let few = linked.len() <= MOST_LINKED && deps.last_full()?.is_some();
        read_again(deps, &mut plan, if few { linked } else { BTreeSet::new() }).await?;
    }
    // Reading Okta takes its time, and somebody may have called something off meanwhile.
    let late = !fresh || deps.now() - started > STALE;
    if late && !plan.approval.approved.actions().is_empty() {
        let mut again: Vec<SysId> = catch_up(deps, &plan.cycle).await?.into_iter().collect();
        if plan.cycle.is_of_one_person() {
            again.retain(|person| people.contains(person));
        }
        if !again.is_empty() {
            plan.org = load_org(deps, &plan.cycle, true).await?;
            plan.decide_again(deps, &again)?;
            plan.past = past(deps, plan.cycle.empty_store, &plan.decision)?;
            plan.approve(deps);
        }
        // With what was called off, a limit may let through somebody who was not read by id.
        read_again(deps, &mut plan, BTreeSet::new()).await?;
    }
    // A list that cannot be read, or believed, does not say what was called off.
    if plan.cycle.incomplete.get() || plan.past.implausible.is_some() {
        let mut concerned = reread_origins(deps, &plan).await?;
        concerned.extend(reread_people(deps, &plan).await?);
        plan.decide_again(deps, &concerned.into_iter().collect::<Vec<SysId>>())?;
        plan.approve(deps);
    }
    // Looked for among those only whom something would be done to: it costs a call each.
    let admins = find_admins(deps, &plan.cycle, &plan.approval, &mut plan.org.protected).await?;
    if !admins.is_empty() {
        plan.decide_again(deps, &admins.into_iter().collect::<Vec<SysId>>())?;
        plan.approve(deps);
    }
    name_rivals(deps, &mut plan.approval).await;
    Ok(plan)
}

async fn decide_from_store(deps: &Deps, people: &[SysId]) -> Result<CyclePlan> {
    let cycle = Cycle::without_reading(deps);
    let org = load_org(deps, &cycle, false).await?;
    let plan = CyclePlan::of(deps, cycle, people, org)?;
    Ok(CyclePlan { live: false, ..plan })
}

/// A page of a list may be old: whoever would be acted on, and these others, are read by id and
/// decided again.
async fn read_again(deps: &Deps, plan: &mut CyclePlan, others: BTreeSet<SysId>) -> Result<()> {
    let mut unread = others;
    // What is read may make room under a limit for somebody else, and for few after that.
    for _ in 0..3 {
        let approved = plan.approval.approved.actions().iter();
        unread.extend(approved.map(|approved| approved.planned.action.person.clone()));
        unread.retain(|person| !plan.cycle.was_read_by_id(person));
        if unread.is_empty() {
            break;
        }
        let again: Vec<SysId> = std::mem::take(&mut unread).into_iter().collect();
        for person in &again {
            refresh(deps, &plan.cycle, person).await?;
        }
        plan.decide_again(deps, &again)?;
        plan.past.group_sizes = deps.store.groups().sizes()?;
        plan.approve(deps);
    }
    Ok(())
}

/// Reads the requests again, each by itself, for which something would be done. Gives whom they
/// concern; whose request cannot be read is left alone.
async fn reread_origins(deps: &Deps, plan: &CyclePlan) -> Result<BTreeSet<SysId>> {
    let mut of_people: BTreeMap<RequestNumber, BTreeSet<SysId>> = BTreeMap::new();
    for approved in plan.approval.approved.actions() {
        let action = &approved.planned.action;
        if let Some(request) = action.origin.request() {
            let people = of_people.entry(request.number.clone()).or_default();
            people.insert(action.person.clone());
        }
    }
    let (mut read, mut concerned) = (Vec::new(), BTreeSet::new());
    for (number, people) in of_people {
        let Some(id) = deps.store.requests().called(&number)? else { continue };
        let row = deps.servicenow.request(&id).await.map_err(Into::into);
        let why = match contained(deps, &plan.cycle, row).await? {
            Ok(Some(fresh)) => {
                deps.store.requests().upsert(&[fresh.request], plan.cycle.id, deps.now())?;
                read.push(id);
                continue;
            }
            Ok(None) => format!("{number} is not to be read any more"),
            Err(why) => why,
        };
        for person in &people {
            note_unreadable(deps, Object::Request, person, &why)?;
        }
        concerned.extend(people);
    }
    concerned.extend(resolve_requests(deps, &plan.cycle, &read).await?);
    Ok(concerned)
}

/// Reads the records again, each by itself, of those to whom something would be done: the list that
/// tells who became inactive could not be read. A leave does not depend on the record.
async fn reread_people(deps: &Deps, plan: &CyclePlan) -> Result<BTreeSet<SysId>> {
    let approved = plan.approval.approved.actions().iter();
    let people: BTreeSet<SysId> = approved.map(|it| it.planned.action.person.clone()).collect();
    for person in &people {
        let row = deps.servicenow.person(person).await.map_err(Into::into);
        let why = match contained(deps, &plan.cycle, row).await? {
            Ok(Lookup::Found(found) | Lookup::Outside(found)) => {
                deps.store.people().upsert(&[found], plan.cycle.id)?;
                continue;
            }
            Ok(Lookup::Unusable(why)) | Err(why) => why,
            Ok(Lookup::Hidden | Lookup::Absent) => "the record is not to be read".to_owned(),
        };
        if !deps.store.requests().is_leaving(person, deps.now())? {
            note_unreadable(deps, Object::Request, person, &why)?;
        }
    }
    Ok(people)
}

/// Names in the reason who keeps changing a contested fact back, where Okta's log tells.
async fn name_rivals(deps: &Deps, approval: &mut PlanApproval) {
    let now = deps.now();
    let window =
        chrono::Duration::from_std(deps.config.limits.window).unwrap_or(chrono::Duration::days(1));
    for held in &mut approval.held {
        let HoldReason::Contested { fact, rival: name, .. } = &mut held.reason else { continue };
        let Some(account) = &held.planned.action.account else { continue };
        // Who it is helps a person; that nobody can tell holds nothing up.
        let events = log_of(deps, account, now - window).await;
        let what = match fact {
            FactKey::Account | FactKey::Status => Changed::Status,
            FactKey::Profile(_) => Changed::Profile,
            FactKey::Membership(group) => Changed::Membership(group),
        };
        *name = rival(&events, what);
    }
}

/// Fails where both systems say that it is another time: one of them alone may be wrong itself.
fn check_clock(deps: &Deps) -> Result<()> {
    let theirs = [deps.servicenow.connection().server_date(), deps.okta.now()];
    how_wrong(deps.now(), theirs).map_or(Ok(()), |text| Err(SyncError::Clock(text)))
}

/// The same by what they said last, before much is asked. That may be from before an outage, so
/// they are asked again where it looks wrong.
async fn check_clock_first(deps: &Deps) -> Result<()> {
    if check_clock(deps).is_ok() {
        return Ok(());
    }
    deps.servicenow.whoami().await?;
    deps.okta.try_sign_in().await?;
    check_clock(deps)
}

fn how_wrong(ours: Timestamp, theirs: [Option<Timestamp>; 2]) -> Option<String> {
    let [Some(one), Some(other)] = theirs.map(|it| it.map(|it| ours - it)) else { return None };
    let nearer = if one.abs() < other.abs() { one } else { other };
    let agree = (one > chrono::Duration::zero()) == (other > chrono::Duration::zero());
    if !agree || nearer.abs() <= MOST_APART || nearer.abs() > NONSENSE {
        return None;
    }
    let way = if nearer > chrono::Duration::zero() { "ahead" } else { "behind" };
    let minutes = std::time::Duration::from_secs(nearer.num_minutes().unsigned_abs() * 60);
    Some(format!("{} {way}", humantime::format_duration(minutes)))
}

impl CyclePlan {
    fn of(deps: &Deps, cycle: Cycle, people: &[SysId], org: OrgState) -> Result<Self> {
        let decision = decide(deps, &cycle, people, &org)?;
        let past = past(deps, cycle.empty_store, &decision)?;
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

    fn decide_again(&mut self, deps: &Deps, people: &[SysId]) -> Result<(), StoreError> {
        let newer = decide(deps, &self.cycle, people, &self.org)?;
        self.decision.differing.retain(|person, _| !newer.people.contains(person));
        self.decision.people.extend(newer.people);
        self.decision.differing.extend(newer.differing);
        Ok(())
    }

    fn approve(&mut self, deps: &Deps) {
        self.approval = approve(self.decision.actions(), &deps.config.limits, &self.past);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_is_wrong_when_both_others_say_so() {
        let now = at("2026-03-02T09:00:00Z");
        let wrong = |one: &str, other: &str| how_wrong(now, [Some(at(one)), Some(at(other))]);
        let (back, ahead) = ("2026-03-01T08:00:00Z", "2026-03-05T09:00:00Z");
        assert_eq!(wrong(back, back).as_deref(), Some("1day 1h ahead"));
        assert_eq!(wrong(ahead, ahead).as_deref(), Some("3days behind"));
        for (one, other) in [
            ("2026-03-02T10:00:00Z", ahead),
            (ahead, back),
            ("2026-03-02T07:30:00Z", "2026-03-02T07:30:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(wrong(one, other), None, "{one} {other}");
        }
        assert_eq!(how_wrong(now, [None, Some(at(back))]), None);
    }
}
