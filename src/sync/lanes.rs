//! People side by side, leavers first, while both sides are looked at again: nobody waits for somebody
//! else's calls. Requests that are done are written on beside them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::{Pin, pin};
use std::rc::Rc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use crate::model::SysId;
use crate::reconcile::approve::ApprovedAction;
use crate::reconcile::fulfillment::RequestStatus;
use crate::sync::error::{Result, SyncError};
use crate::sync::lane::{Turn, lane};
use crate::sync::record::{
    record_again, record_before, record_requests, say_what_is_new, wake_waiting,
};
use crate::sync::settle::{Left, settle_untouched};
use crate::sync::waiting::{Standing, done_for, is_leave, standing};
use crate::sync::writeback::write_on;
use crate::sync::{
    deps::Deps,
    outcome::CycleOutcome,
    plan::CyclePlan,
    scope::{AtWork, Cycle},
    writers::Writers,
};

/// More people than this are not acted on at once: the calls in flight to Okta are bounded as well,
/// and a leaver who comes later waits for one of these to end.
const LANES: usize = 12;
/// So many requests are written on together: what is read of them before comes in the same calls.
const WRITES: usize = 20;
/// The next ones begin when so few are left of the last ones that what is read of them before does not
/// keep the writing waiting.
const FEW_LEFT: usize = 8;
/// Fewer than this are written on when nothing else is.
const MANY_WRITES: usize = 6;
/// Whoever was put back more often in one cycle is left to the next.
const MOST_PUT_BACK: u32 = 3;

type Running<'a> = Pin<Box<dyn Future<Output = Ended> + 'a>>;

struct Ended {
    whose: Whose,
    outcome: CycleOutcome,
    result: Result<()>,
}

enum Whose {
    /// A person, what became of their turn, and the requests that are done by it.
    Person(SysId, Option<Turn>, Vec<Standing>),
    /// A request, and whoever is to be decided about again because of it.
    Request(SysId, Vec<SysId>),
}

/// Why the work stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Nothing is under way, and nothing waits for its turn.
    Idle,
    /// It is time for something else; what is under way stays so.
    Time,
}

/// What one cycle does, beside its looks at the two sides.
pub(crate) struct Lanes<'a> {
    deps: &'a Deps,
    writers: &'a Writers,
    cycle: Rc<Cycle>,
    running: FuturesUnordered<Running<'a>>,
    /// The newest plan, and whose turn comes by it, leavers first.
    plan: Option<Rc<CyclePlan>>,
    waiting: VecDeque<(SysId, Vec<ApprovedAction>)>,
    /// Whoever is to be decided about again.
    put_back: BTreeSet<SysId>,
    /// Whoever is left to the next cycle.
    left_over: BTreeSet<SysId>,
    /// Requests to be written on, leaves first, each as it stood last; and those that are being written
    /// on.
    unwritten: BTreeMap<(bool, SysId), Standing>,
    writing: BTreeSet<SysId>,
    /// How those stood that were written on since the last look.
    written: BTreeMap<SysId, RequestStatus>,
    failed: Option<SyncError>,
    /// Something waits for the end of the cycle: nobody is begun with any more who can wait.
    closing: bool,
    pub(crate) outcome: CycleOutcome,
}

impl<'a> Lanes<'a> {
    pub(crate) fn new(deps: &'a Deps, writers: &'a Writers, cycle: &Rc<Cycle>) -> Self {
        Self {
            deps,
            writers,
            cycle: Rc::clone(cycle),
            running: FuturesUnordered::new(),
            plan: None,
            waiting: VecDeque::new(),
            put_back: BTreeSet::new(),
            left_over: BTreeSet::new(),
            unwritten: BTreeMap::new(),
            writing: BTreeSet::new(),
            written: BTreeMap::new(),
            failed: None,
            closing: false,
            outcome: CycleOutcome::default(),
        }
    }

    /// Goes by a newer plan: whoever's turn has not come by the older one is in it, or is due later.
    pub(crate) fn take_on(&mut self, plan: CyclePlan) -> Result<()> {
        record_before(self.deps, &plan)?;
        let mut approved = plan.approved();
        let mut others = plan.decision.people.clone();
        others.retain(|person| !approved.contains_key(person));
        settle_untouched(self.deps, &plan, &others, Left::default())?;
        say_what_is_new(self.deps, &self.cycle)?;
        self.outcome.begin(plan.outcome());
        // In the order of the plan: whoever comes first in it is the most urgent.
        let order = plan.approval.approved.actions().iter().map(|it| &it.planned.action.person);
        self.waiting =
            order.filter_map(|person| Some((person.clone(), approved.remove(person)?))).collect();
        self.plan = Some(Rc::new(plan));
        self.cycle.planning.set(false);
        self.begin();
        Ok(())
    }

    /// Writes on every open request what is to be said of it, but for those of whom somebody is
    /// being acted on.
    pub(crate) fn write_standing(&mut self, halt: Halt) -> Result<()> {
        let Some(plan) = self.plan.clone() else { return Ok(()) };
        say_what_is_new(self.deps, &self.cycle)?;
        if halt == Halt::Idle {
            wake_waiting(self.deps, &plan)?;
        }
        let standing = standing(self.deps, &plan.org)?;
        record_requests(self.deps, self.cycle.id, &standing)?;
        self.write(standing);
        Ok(())
    }

    /// Both sides were looked at again: what could not be written may be tried once more.
    pub(crate) fn looked(&mut self) {
        self.written.clear();
    }

    /// Whoever was put back and is decided about again in this cycle.
    pub(crate) fn take_put_back(&mut self, halt: Halt) -> Option<Vec<SysId>> {
        if halt == Halt::Time {
            // They are due, and the next look decides about everybody who is.
            return None;
        }
        let people = std::mem::take(&mut self.put_back);
        (!people.is_empty()).then(|| people.into_iter().collect())
    }

    /// Begins nothing more: whoever's turn has not come stays due, and what is to be done is open.
    pub(crate) fn cut(&mut self) -> Result<()> {
        self.unwritten.clear();
        let Some(plan) = self.plan.clone() else { return Ok(()) };
        let left = Left { unbegun: 1, by_pause: false };
        let people: BTreeSet<SysId> = self.waiting.drain(..).map(|(person, _)| person).collect();
        if !people.is_empty() {
            settle_untouched(self.deps, &plan, &people, left)?;
        }
        self.left_over.append(&mut self.put_back);
        let left_over = std::mem::take(&mut self.left_over);
        if left_over.is_empty() { Ok(()) } else { record_again(self.deps, &plan, left_over) }
    }

    /// Comes to an end as soon as what is under way has: only leavers are begun with.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        self.unwritten.retain(|(late, _), _| !*late);
    }

    /// Whether nothing more is to be begun: we were told to stop, or a side or the store failed.
    pub(crate) fn is_ending(&self) -> bool {
        self.failed.is_some() || self.deps.is_stopping()
    }

    /// Goes on beside something else.
    pub(crate) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        loop {
            tokio::select! {
                biased;
                done = &mut other => return done,
                Some(ended) = self.running.next() => self.ended(ended),
            }
        }
    }

    /// Goes on until nothing is left to do, or until then.
    pub(crate) async fn work_until(&mut self, then: Instant) -> Halt {
        loop {
            self.begin();
            if self.running.is_empty() {
                return Halt::Idle;
            }
            tokio::select! {
                biased;
                Some(ended) = self.running.next() => self.ended(ended),
                () = tokio::time::sleep_until(then) => return Halt::Time,
            }
        }
    }

    /// Something failed on which all depends: nothing more is begun.
    pub(crate) fn fail(&mut self, error: SyncError) {
        self.failed.get_or_insert(error);
    }

    /// Waits for the end of what is under way.
    pub(crate) async fn finish(&mut self) {
        while let Some(ended) = self.running.next().await {
            self.ended(ended);
        }
    }

    /// What was done, once nothing is under way.
    pub(crate) fn end(self) -> Result<CycleOutcome> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.outcome),
        }
    }

    fn begin(&mut self) {
        if self.is_ending() {
            return;
        }
        while let Some(plan) = self.plan.clone().filter(|_| !self.cycle.planning.get())
            && self.cycle.at_work.borrow().len() < LANES
            && let Some((person, approved)) =
                self.waiting.pop_front_if(|it| !self.closing || leaves(&it.1))
        {
            self.cycle.at_work.borrow_mut().insert(person.clone(), AtWork::on(&approved));
            self.running.push(Box::pin(one_person(
                self.deps,
                self.writers,
                plan,
                person,
                approved,
            )));
        }
        let many = self.unwritten.len() >= MANY_WRITES && self.writing.len() <= FEW_LEFT;
        let together = self.writing.is_empty() || many;
        while let Some(plan) = self.plan.clone()
            && self.writing.len() < WRITES + FEW_LEFT
            && let Some(first) = self.unwritten.first_entry()
            && (together || is_leave(first.get()))
        {
            let standing = first.remove();
            // Somebody's turn may have come since: with its end it is looked at again.
            if standing.people.iter().any(|person| self.cycle.is_at_work(person)) {
                self.written.remove(&standing.stored.request.sys_id);
                continue;
            }
            self.writing.insert(standing.stored.request.sys_id.clone());
            self.running.push(Box::pin(one_request(self.deps, self.writers, plan, standing)));
        }
        self.note_writes();
    }

    /// Reading ahead of a write is of no use while many are in front of it.
    fn note_writes(&self) {
        self.cycle.writes_waiting.set(self.writing.len() + self.unwritten.len());
    }

    fn ended(&mut self, ended: Ended) {
        let Ended { whose, outcome, result } = ended;
        self.outcome.add(outcome);
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
        match whose {
            Whose::Person(person, turn, done) => {
                self.cycle.at_work.borrow_mut().remove(&person);
                if turn == Some(Turn::PutBack) {
                    self.decide_again(person);
                }
                self.write(done);
            }
            Whose::Request(request, again) => {
                self.writing.remove(&request);
                if !again.is_empty() {
                    self.written.remove(&request);
                }
                for person in again {
                    self.decide_again(person);
                }
            }
        }
        self.begin();
    }

    /// Puts somebody down for another decision in this cycle, or for the next one: then what is to be
    /// done is open meanwhile.
    fn decide_again(&mut self, person: SysId) {
        if self.cycle.put_back(&person) < MOST_PUT_BACK {
            self.put_back.insert(person);
        } else {
            self.left_over.insert(person);
        }
    }

    fn write(&mut self, standing: Vec<Standing>) {
        if self.deps.config.policy.observe {
            return;
        }
        for it in standing {
            let id = &it.stored.request.sys_id;
            let busy = it.people.iter().any(|person| self.cycle.is_at_work(person));
            if busy || self.writing.contains(id) || self.written.get(id) == Some(&it.status) {
                continue;
            }
            self.written.insert(id.clone(), it.status.clone());
            let id = id.clone();
            let late = !is_leave(&it);
            self.unwritten.remove(&(!late, id.clone()));
            self.unwritten.insert((late, id), it);
        }
    }
}

fn leaves(approved: &[ApprovedAction]) -> bool {
    approved.iter().any(|it| it.planned.leaver || it.planned.action.step.disables())
}

async fn one_person(
    deps: &Deps,
    writers: &Writers,
    plan: Rc<CyclePlan>,
    person: SysId,
    approved: Vec<ApprovedAction>,
) -> Ended {
    let mut outcome = CycleOutcome::default();
    let turn = lane(deps, writers, &plan, &person, &approved, &mut outcome).await;
    let ended = turn.and_then(|turn| match turn {
        Turn::Taken => Ok((turn, done_for(deps, &plan.org, &person)?)),
        Turn::PutBack => Ok((turn, Vec::new())),
    });
    let (turn, done, result) = match ended {
        Ok((turn, done)) => (Some(turn), done, Ok(())),
        Err(error) => (None, Vec::new(), Err(error)),
    };
    Ended { whose: Whose::Person(person, turn, done), outcome, result }
}

async fn one_request(
    deps: &Deps,
    writers: &Writers,
    plan: Rc<CyclePlan>,
    standing: Standing,
) -> Ended {
    let mut outcome = CycleOutcome::default();
    let request = standing.stored.request.sys_id.clone();
    let (again, result) = match write_on(deps, writers, &standing, &plan, &mut outcome).await {
        Ok(again) => (again, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    Ended { whose: Whose::Request(request, again), outcome, result }
}
