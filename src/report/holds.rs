//! What needs a decision of a person, and what the person decides. Only the store is needed, so
//! this works beside a running daemon and without either system.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::config::Offline;
use crate::model::{Change, GroupId, Pause, StepKind, SysId, Timestamp};
use crate::report::stamp;
use crate::store::{HeldAction, HoldDecision, HoldSelection, Mode, Store, StoreError, Verdict};
use crate::sync::names::{PersonNames, group_name, names_of};
use crate::sync::outcome::{parent_word, request_word};

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
    /// The number of the request's order, `REQ0010001`; `None` where none is known.
    pub parent: Option<String>,
    /// Why the two sides differ now: `request`, `record`, `drift` or `rule`.
    pub cause: &'static str,
    /// The contract's name of the action.
    pub action: String,
    /// Whose account it would change; of a new one, the login that it would get.
    pub person: PersonNames,
    /// Which group, by name.
    pub group: Option<String>,
    /// By attribute, Okta's value and the new one; empty unless a profile would be written.
    pub changes: BTreeMap<String, Change>,
    /// Why it is not done without a person's decision, as a sentence.
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

/// A person's decision: about one action, a release or a dismissal; or to pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Released {
    /// The login name of who decided, also behind `sudo`.
    pub by: String,
    /// When it was decided, RFC 3339 in UTC.
    pub at: String,
    /// The text given with `--because`.
    pub because: String,
}

/// Everything that needs a person's decision.
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

/// Everything that waits; nothing where there is no store yet.
pub fn holds(config: &Offline, now: Timestamp) -> Result<HoldReport, StoreError> {
    if !Store::is_there(&config.store)? {
        return Ok(HoldReport::default());
    }
    let store = Store::open(&config.store, config.orgs.as_ref(), Mode::Read)?;
    let views = views(&store, store.open_items().actions(now)?)?;
    let (dismissed, holds) = views.into_iter().partition(|hold| hold.dismissed.is_some());
    let requests = store.requests().open()?;
    let other_requests = requests.iter().filter(|stored| !stored.problems.is_empty()).count();
    Ok(HoldReport { holds, dismissed, other_requests })
}

/// Records what a person says. Nothing is recorded where one of the numbers is not known: these
/// are given back.
pub fn record_decision(
    config: &Offline,
    which: &HoldSelection,
    said: &HoldDecision,
) -> Result<Result<Decided, Vec<i64>>, StoreError> {
    let store = Store::open(&config.store, config.orgs.as_ref(), Mode::Decide)?;
    let holds = match store.open_items().decide(which, said)? {
        Ok(holds) => holds,
        Err(unknown) => return Ok(Err(unknown)),
    };
    let people: BTreeSet<SysId> = holds.iter().map(|hold| hold.person.clone()).collect();
    let holds = views(&store, holds)?;
    let mut left = store.open_items().actions(said.at)?;
    left.retain(|hold| hold.said.is_none() && people.contains(&hold.person));
    Ok(Ok(Decided { holds, left: views(&store, left)? }))
}

/// The pause that is in force; none where there is no store yet.
pub(crate) fn pause_in_force(config: &Offline) -> Result<Option<Pause>, StoreError> {
    if !Store::is_there(&config.store)? {
        return Ok(None);
    }
    Store::open(&config.store, config.orgs.as_ref(), Mode::Read)?.brake().in_force()
}

/// What waits for one person.
pub(crate) fn holds_of(
    store: &Store,
    person: &SysId,
    now: Timestamp,
) -> Result<Vec<HoldView>, StoreError> {
    let mut holds = store.open_items().actions(now)?;
    let waits = |said: &HoldDecision| said.word == Verdict::Release;
    holds.retain(|hold| hold.person == *person && hold.said.as_ref().is_none_or(waits));
    views(store, holds)
}

fn views(store: &Store, holds: Vec<HeldAction>) -> Result<Vec<HoldView>, StoreError> {
    holds.into_iter().map(|hold| view(store, hold)).collect()
}

fn view(store: &Store, hold: HeldAction) -> Result<HoldView, StoreError> {
    let HeldAction { id, since, person, origin, cause, reason, action, said, expires } = hold;
    let mut person = names_of(store, &person)?;
    if action.step == StepKind::Create {
        person.login = person.login.or_else(|| action.changes.get("login")?.to.clone());
    }
    let word = |word: Verdict| {
        said.clone().filter(|said| said.word == word).map(|said| Released {
            by: said.by,
            at: stamp(said.at),
            because: said.because,
        })
    };
    let named = |group: &GroupId| group_name(store, group);
    Ok(HoldView {
        id,
        since: stamp(since),
        expires: expires.map(stamp),
        request: request_word(&origin),
        parent: parent_word(&origin),
        cause: cause.as_str(),
        action: action.step.as_str().to_owned(),
        person,
        group: action.group.as_ref().map(named).transpose()?,
        changes: action.changes,
        reason: reason.to_string(),
        set: action.set.map(|set| set.as_str().to_owned()),
        released: word(Verdict::Release),
        groups: action.groups.iter().map(named).collect::<Result<_, _>>()?,
        dismissed: word(Verdict::Dismiss),
    })
}
