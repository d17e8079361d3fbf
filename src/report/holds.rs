//! What needs a decision of a person, and what the person decides. Only the store is needed, so
//! this works beside a running daemon and without either system.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::config::Config;
use crate::model::{Change, Origin, SysId, Timestamp};
use crate::report::stamp;
use crate::store::{Hold, HoldDecision, HoldSelection, Store, StoreError, Verdict};
use crate::sync::names::{PersonNames, group_name, names_of};

/// One action that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldView {
    /// The number to name it by.
    pub id: i64,
    /// Since when, RFC 3339.
    pub since: String,
    /// When its release lapses, RFC 3339; `None` while nobody released it.
    pub expires: Option<String>,
    /// The request, `BASELINE`, or `None`.
    pub request: Option<String>,
    /// The order.
    pub parent: Option<String>,
    /// Why now.
    pub cause: &'static str,
    /// The contract's name of the action.
    pub action: String,
    /// For whom.
    pub person: PersonNames,
    /// Which group, by name.
    pub group: Option<String>,
    /// Profile changes.
    pub changes: BTreeMap<String, Change>,
    /// Why it waits.
    pub reason: String,
    /// The set that it belongs to, where a whole kind of action waits.
    pub set: Option<String>,
    /// Who released it, and why.
    pub released: Option<Released>,
    /// Groups that an account would get at its creation, by name. For people: the JSON has no key
    /// for it.
    #[serde(skip)]
    pub groups: Vec<String>,
    /// Who dismissed it, and why. Such a hold is in no list of what waits.
    #[serde(skip)]
    pub dismissed: Option<Released>,
}

/// A person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Released {
    /// The login user.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// Why.
    pub because: String,
}

/// What waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HoldReport {
    /// Each action, oldest first.
    pub holds: Vec<HoldView>,
    /// What was dismissed, and differs as it did then.
    #[serde(skip)]
    pub dismissed: Vec<HoldView>,
    /// Requests that wait for something that no yes can give.
    #[serde(skip)]
    pub other_requests: usize,
}

/// What became of a person's word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    /// What it was said to.
    pub holds: Vec<HoldView>,
    /// What still waits for the same people.
    pub left: Vec<HoldView>,
}

/// Everything that waits. Works on a private copy of the store, which may not exist yet.
pub fn holds(config: &Config, now: Timestamp) -> Result<HoldReport, StoreError> {
    let store = Store::scratch(&config.store.path, &config.orgs())?;
    let views: Vec<HoldView> = store
        .holds()
        .all(now)?
        .into_iter()
        .map(|hold| view(&store, hold))
        .collect::<Result<_, StoreError>>()?;
    let (dismissed, holds) = views.into_iter().partition(|hold| hold.dismissed.is_some());
    let requests = store.requests().open()?;
    let other_requests = requests.iter().filter(|stored| !stored.problems.is_empty()).count();
    Ok(HoldReport { holds, dismissed, other_requests })
}

/// Records what a person says. Nothing is recorded where one of the numbers is not known: these
/// are given back.
pub fn record_decision(
    config: &Config,
    which: &HoldSelection,
    said: &HoldDecision,
) -> Result<Result<Decided, Vec<i64>>, StoreError> {
    let store = Store::beside(&config.store.path, &config.orgs())?;
    let holds = match store.holds().decide(which, said)? {
        Ok(holds) => holds,
        Err(unknown) => return Ok(Err(unknown)),
    };
    let people: BTreeSet<SysId> = holds.iter().map(|hold| hold.hold.person.clone()).collect();
    let views = |holds: Vec<Hold>| holds.into_iter().map(|hold| view(&store, hold)).collect();
    let holds: Result<Vec<HoldView>, StoreError> = views(holds);
    let mut left = store.holds().all(said.at)?;
    left.retain(|hold| hold.said.is_none() && people.contains(&hold.hold.person));
    let left: Result<Vec<HoldView>, StoreError> = views(left);
    Ok(Ok(Decided { holds: holds?, left: left? }))
}

/// What waits, for one person or for all.
pub(crate) fn holds_in(
    store: &Store,
    person: Option<&SysId>,
    now: Timestamp,
) -> Result<Vec<HoldView>, StoreError> {
    let waits = |hold: &Hold| hold.said.as_ref().is_none_or(|said| said.word == Verdict::Release);
    store
        .holds()
        .all(now)?
        .into_iter()
        .filter(|hold| waits(hold) && person.is_none_or(|person| hold.hold.person == *person))
        .map(|hold| view(store, hold))
        .collect()
}

fn view(store: &Store, hold: Hold) -> Result<HoldView, StoreError> {
    let Hold { id, since, hold, said } = hold;
    let expires = said.as_ref().and_then(HoldDecision::expires).map(stamp);
    let changes: BTreeMap<String, Change> = serde_json::from_str(&hold.changes)
        .map_err(|error| StoreError::Corrupt(format!("the changes of hold {id}: {error}")))?;
    let mut person = names_of(store, &hold.person)?;
    if hold.action == "create" {
        person.login = person.login.or_else(|| changes.get("login")?.to.clone());
    }
    let word = |word: Verdict| {
        said.clone().filter(|said| said.word == word).map(|said| Released {
            by: said.by,
            at: stamp(said.at),
            because: said.because,
        })
    };
    Ok(HoldView {
        id,
        since: stamp(since),
        expires,
        request: (hold.request != Origin::None.to_string()).then_some(hold.request),
        parent: hold.parent,
        cause: hold.cause.as_str(),
        action: hold.action,
        person,
        group: hold.group.as_ref().map(|group| group_name(store, group)).transpose()?,
        changes,
        reason: hold.reason,
        set: hold.set,
        released: word(Verdict::Release),
        groups: hold.groups,
        dismissed: word(Verdict::Dismiss),
    })
}
