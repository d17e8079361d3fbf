//! One cycle: how much it reads, and what it knows of people beside what is stored.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Link, OpenItem, SysId, Timestamp};
use crate::store::StoreError;
use crate::sync::deps::{Calls, Deps};
use crate::sync::error::Side;

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
    /// Whose accounts were read by id, and not written to since by anybody here.
    pub(crate) by_id: RefCell<BTreeSet<SysId>>,
    /// It was begun as a complete read, and a list of it could not be read: it is one of changes.
    pub(crate) fell_back: Cell<bool>,
    /// A list could not be read: what came of it before has had no decision yet.
    pub(crate) incomplete: Cell<bool>,
    /// How many objects of each side could not be read.
    failures: RefCell<BTreeMap<Side, u32>>,
    /// A side of which nothing could be read, not even what could be before.
    pub(crate) down: Cell<Option<Side>>,
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
            fell_back: Cell::default(),
            incomplete: Cell::default(),
            failures: RefCell::default(),
            down: Cell::default(),
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

    pub(crate) fn was_read_by_id(&self, person: &SysId) -> bool {
        self.by_id.borrow().contains(person)
    }

    /// Who was linked in this cycle by what the lists said alone.
    pub(crate) fn linked_by_lists(&self) -> BTreeSet<SysId> {
        let linked = self.linked.borrow();
        linked.keys().filter(|person| !self.was_read_by_id(person)).cloned().collect()
    }
}
