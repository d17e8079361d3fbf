//! One cycle: how much it reads, and what it knows of people beside what is stored.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Mutex;

use crate::model::{AccountId, Link, OpenItem, Request, SysId, Timestamp};
use crate::reconcile::approve::ApprovedAction;
use crate::servicenow::FreshRequest;
use crate::store::StoreError;
use crate::sync::batch::OnRequest;
use crate::sync::deps::{Calls, Deps};
use crate::sync::error::Side;
use crate::sync::unsaid::Unsaid;

/// What was read by id is acted on for so long without being read again.
const FRESH: chrono::Duration = chrono::Duration::seconds(2);

/// What was read by id is no proof any more when it is older than this.
const STALE: chrono::Duration = chrono::Duration::seconds(30);
/// Who changed is asked for after so long, however much is to be written.
const PEOPLE_LATELY: chrono::Duration = chrono::Duration::seconds(3);
/// With no more requests than this to be written on, the next one is written on at once.
const FEW_WRITES: usize = 2;

/// How much of the two sides a cycle reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What changed since the last cycle.
    Changes,
    /// Everything, so that what is missing from the lists is noticed.
    Full,
    /// One person: by login, e-mail, user name, `sys_id` or Okta id.
    Person(String),
}

/// What was approved of somebody who is being acted on.
#[derive(Debug)]
pub(crate) struct AtWork {
    /// All of it, by fingerprint.
    approved: BTreeSet<String>,
    /// What is not begun yet.
    left: Vec<ApprovedAction>,
}

impl AtWork {
    pub(crate) fn on(approved: &[ApprovedAction]) -> Self {
        let fingerprints = approved.iter().map(|it| it.planned.fingerprint());
        Self { approved: fingerprints.collect(), left: approved.to_vec() }
    }
}

/// One cycle, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Cycle {
    /// 0 for a comparison that reads neither side.
    pub(crate) id: i64,
    pub(crate) scope: Scope,
    pub(crate) started: Timestamp,
    /// It reads everything, and nothing was ever read before.
    pub(crate) empty_store: bool,
    pub(crate) calls_before: Calls,
    /// Whose accounts were read by id, and when; not written to since by anybody here.
    pub(crate) by_id: RefCell<BTreeMap<SysId, Timestamp>>,
    /// Who is being acted on.
    pub(crate) at_work: RefCell<BTreeMap<SysId, AtWork>>,
    /// Who was being acted on when everybody else was decided about, and is still to be.
    pub(crate) left_out: RefCell<BTreeSet<SysId>>,
    /// Both sides were looked at once: what is read from now on is what changed since.
    pub(crate) looked: Cell<bool>,
    /// Everything is being read, and what changed is looked at beside it; for whom something was asked
    /// for meanwhile.
    pub(crate) beside: Cell<bool>,
    pub(crate) asked_beside: RefCell<BTreeSet<SysId>>,
    /// When it was asked last which people changed.
    pub(crate) people_asked: Cell<Option<Timestamp>>,
    /// When it was asked last which requests changed, and told.
    pub(crate) requests_asked: Cell<Option<Timestamp>>,
    /// How many requests are being written on or wait for that, and what was read of some before.
    pub(crate) writes_waiting: Cell<usize>,
    pub(crate) read_ahead: RefCell<BTreeMap<SysId, (Timestamp, OnRequest)>>,
    /// Accounts as a call that changed them was answered, and when.
    pub(crate) answered: RefCell<BTreeMap<AccountId, Timestamp>>,
    /// Rows of requests as they were read by id, and when.
    pub(crate) rows: RefCell<BTreeMap<SysId, (Timestamp, FreshRequest)>>,
    /// What is new among the open items and not logged yet.
    pub(crate) unsaid: RefCell<Unsaid>,
    /// A plan is being made: nobody else is begun with until it is known what it says.
    pub(crate) planning: Cell<bool>,
    /// How often somebody was looked at closely and put back, because it was not as it had been
    /// decided by.
    pub(crate) put_back: RefCell<BTreeMap<SysId, u32>>,
    /// Accounts of which every group was seen when their groups were read by id.
    pub(crate) groups_whole: RefCell<BTreeSet<AccountId>>,
    /// A group came under management, which concerns others than those who are due.
    pub(crate) took_over: Cell<bool>,
    /// It was begun as a complete read, and a list of it could not be read: it is one of changes.
    pub(crate) fell_back: Cell<bool>,
    /// A list could not be read: what came of it before has had no decision yet.
    pub(crate) incomplete: Cell<bool>,
    /// How many objects of each side could not be read.
    failures: RefCell<BTreeMap<Side, u32>>,
    /// A side of which nothing could be read, not even what could be before.
    pub(crate) down: Cell<Option<Side>>,
    /// Whoever asks whether a side is down.
    pub(crate) control: Mutex<()>,
    /// Lists that could not be read, as open items.
    pub(crate) lists: RefCell<Vec<OpenItem>>,
    /// Who was linked to an account by what was read, each with the link before, if there was one.
    pub(crate) linked: RefCell<BTreeMap<SysId, Option<Link>>>,
}

impl Cycle {
    /// Begins one. It reads everything where nothing was read before, or where the configuration is
    /// another one: whoever was decided about by the old one is decided about again.
    pub(crate) fn begin(deps: &Deps, scope: &Scope) -> Result<Self, StoreError> {
        let mut cycle = Self::without_reading(deps);
        let never_read = deps.store.cycles().last_full()?.is_none();
        let everything = match scope {
            Scope::Full => true,
            // A complete read that failed lately would fail again.
            Scope::Changes if !never_read && deps.memory.full_backs_off(deps.now()) => false,
            Scope::Changes => {
                let configuration = deps.store.state().configuration()?;
                never_read || configuration.as_ref() != Some(&deps.config.fingerprint)
            }
            Scope::Person(_) => never_read,
        };
        cycle.scope = if everything { Scope::Full } else { scope.clone() };
        cycle.empty_store = everything && never_read;
        cycle.id = deps.store.cycles().begin(everything, cycle.started)?;
        Ok(cycle)
    }

    pub(crate) fn without_reading(deps: &Deps) -> Self {
        Self {
            id: 0,
            scope: Scope::Changes,
            started: deps.now(),
            empty_store: false,
            calls_before: deps.calls(),
            by_id: RefCell::default(),
            at_work: RefCell::default(),
            left_out: RefCell::default(),
            looked: Cell::default(),
            beside: Cell::default(),
            asked_beside: RefCell::default(),
            people_asked: Cell::default(),
            requests_asked: Cell::default(),
            writes_waiting: Cell::default(),
            read_ahead: RefCell::default(),
            answered: RefCell::default(),
            rows: RefCell::default(),
            unsaid: RefCell::default(),
            planning: Cell::default(),
            put_back: RefCell::default(),
            groups_whole: RefCell::default(),
            took_over: Cell::default(),
            fell_back: Cell::default(),
            incomplete: Cell::default(),
            failures: RefCell::default(),
            down: Cell::default(),
            control: Mutex::default(),
            lists: RefCell::default(),
            linked: RefCell::default(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.scope == Scope::Full && !self.fell_back.get()
    }

    /// Counts a failure of a side, and gives how many came before it.
    pub(crate) fn failure_of(&self, side: Side) -> u32 {
        let mut failures = self.failures.borrow_mut();
        let count = failures.entry(side).or_default();
        *count += 1;
        *count - 1
    }

    pub(crate) fn is_of_one_person(&self) -> bool {
        matches!(self.scope, Scope::Person(_))
    }

    /// Whether somebody was read by id so lately that a list does not know better.
    pub(crate) fn was_read_by_id(&self, person: &SysId, now: Timestamp) -> bool {
        self.by_id.borrow().get(person).is_some_and(|at| now - *at <= STALE)
    }

    /// Whether what was read by id is so new that it need not be read again before acting.
    pub(crate) fn is_fresh(&self, person: &SysId, now: Timestamp) -> bool {
        self.by_id.borrow().get(person).is_some_and(|at| now - *at <= FRESH)
    }

    /// Reading ahead of one write saves time only where others do not read for many.
    pub(crate) fn may_read_ahead(&self) -> bool {
        self.writes_waiting.get() + self.at_work.borrow().len() <= FEW_WRITES
    }

    /// Whether an account is stored as the last call that changed it was answered just now.
    pub(crate) fn take_answered(&self, account: &AccountId, now: Timestamp) -> bool {
        self.answered.borrow_mut().remove(account).is_some_and(|at| now - at <= FRESH)
    }

    /// While many requests are to be written on, which takes most of what ServiceNow has room for, people
    /// are not asked for in every look.
    pub(crate) fn may_pass_over_people(&self, now: Timestamp) -> bool {
        let lately = self.people_asked.get().is_some_and(|at| now - at < PEOPLE_LATELY);
        lately && self.writes_waiting.get() > FEW_WRITES
    }

    /// What was read of what stands on a request before it is written on, where that is new.
    pub(crate) fn take_read_ahead(&self, id: &SysId, now: Timestamp) -> Option<OnRequest> {
        let has = self.has_read_ahead(id, now);
        self.read_ahead.borrow_mut().remove(id).filter(|_| has).map(|(_, found)| found)
    }

    pub(crate) fn has_read_ahead(&self, id: &SysId, now: Timestamp) -> bool {
        self.read_ahead.borrow().get(id).is_some_and(|(at, _)| now - *at <= FRESH)
    }

    /// The row of a request, where it was read by id, and a look just now showed no other version.
    pub(crate) fn take_row(&self, stored: &Request, now: Timestamp) -> Option<FreshRequest> {
        let has = self.has_row(stored, now);
        self.rows.borrow_mut().remove(&stored.sys_id).filter(|_| has).map(|(_, row)| row)
    }

    pub(crate) fn has_row(&self, stored: &Request, now: Timestamp) -> bool {
        let rows = self.rows.borrow();
        rows.get(&stored.sys_id).is_some_and(|(at, row)| {
            let last = self.requests_asked.get().map_or(*at, |asked| asked.max(*at));
            now - *at <= STALE && now - last <= FRESH && row.request == *stored
        })
    }

    pub(crate) fn is_at_work(&self, person: &SysId) -> bool {
        self.at_work.borrow().contains_key(person)
    }

    /// Counts that somebody was put back, and gives how often that was.
    pub(crate) fn put_back(&self, person: &SysId) -> u32 {
        let mut times = self.put_back.borrow_mut();
        let times = times.entry(person.clone()).or_default();
        *times += 1;
        *times
    }

    /// What is approved of others and not begun yet counts as done when a plan is approved.
    pub(crate) fn under_way(&self) -> Vec<ApprovedAction> {
        self.at_work.borrow().values().flat_map(|it| &it.left).cloned().collect()
    }

    /// Whether an action is approved and its person being acted on: it waits for nobody any more.
    pub(crate) fn is_under_way(&self, person: &SysId, fingerprint: &str) -> bool {
        self.at_work.borrow().get(person).is_some_and(|it| it.approved.contains(fingerprint))
    }

    /// An action is in the journal from now on.
    pub(crate) fn begun(&self, person: &SysId, fingerprint: &str) {
        if let Some(at_work) = self.at_work.borrow_mut().get_mut(person) {
            at_work.left.retain(|it| it.planned.fingerprint() != fingerprint);
        }
    }

    /// Who was linked in this cycle by what the lists said alone.
    pub(crate) fn linked_by_lists(&self, now: Timestamp) -> Vec<SysId> {
        let linked = self.linked.borrow();
        linked.keys().filter(|person| !self.is_fresh(person, now)).cloned().collect()
    }
}
