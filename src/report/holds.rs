//! What needs a decision of a person, and what the person decides. Only the store is needed, so
//! this works beside a running daemon and without either system.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::config::Offline;
use crate::model::{Change, GroupId, Pause, StepKind, SysId, Timestamp};
use crate::report::requests::{WaitingRequest, stuck};
use crate::report::stamp;
use crate::store::{HeldAction, HoldDecision, HoldSelection, Mode, Store, StoreError, Verdict};
use crate::sync::error::SyncError;
use crate::sync::names::{PersonNames, group_name, names_of, people_called, the_one};
use crate::sync::outcome::{parent_word, request_sys_id, request_word};

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
    /// The request's row; `None` where it comes from none.
    pub request_sys_id: Option<String>,
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
    /// Who dismissed it, and why.
    pub dismissed: Option<Released>,
    /// What its set is about, where that is one attribute or group.
    #[serde(skip)]
    pub(crate) about: Option<String>,
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

/// Actions that wait for one cause, and are decided about together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetView {
    /// The name to call it by.
    pub id: String,
    /// How many actions wait in it, released ones included.
    pub count: usize,
    /// Why the two sides differ now.
    pub cause: &'static str,
    /// The contract's name of the action, where all have one.
    pub action: String,
    /// The attributes or the group that all are about; `None` where that is no single one.
    pub name: Option<String>,
    /// Why they are not done without a decision.
    pub reason: String,
    /// Since when the oldest waits, RFC 3339.
    pub since: String,
    /// The oldest of them.
    pub first: HoldView,
}

/// Everything that needs a person's decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HoldReport {
    /// Each action, oldest first.
    pub holds: Vec<HoldView>,
    /// Those that wait for one cause, as one.
    pub sets: Vec<SetView>,
    /// How many more actions there are than were asked for.
    #[serde(skip)]
    pub left_out: usize,
    /// Requests for which no decision about an action would do.
    pub stuck: Vec<WaitingRequest>,
}

/// Which of what waits is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoldFilter {
    /// Only of this set.
    pub set: Option<String>,
    /// Dismissed ones as well.
    pub dismissed: bool,
    /// Only of this person.
    pub person: Option<String>,
    /// Only from this request, by its number.
    pub request: Option<String>,
    /// Only about this group, by name or id.
    pub group: Option<String>,
    /// No more than so many.
    pub limit: Option<usize>,
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
pub fn holds(
    config: &Offline,
    filter: &HoldFilter,
    now: Timestamp,
) -> Result<HoldReport, SyncError> {
    if !Store::is_there(&config.store)? {
        return Ok(HoldReport::default());
    }
    let store = Store::open(&config.store, config.orgs.as_ref(), Mode::Read)?;
    let only = filter.person.as_deref();
    let only = only.map(|text| the_one(text, &people_called(&store, text)?)).transpose()?;
    let group = filter.group.as_deref().map(|text| groups_called(&store, text)).transpose()?;
    let mut held = store.open_items().actions(now)?;
    // What is left out is not described: thousands may wait.
    let same =
        |wanted: &Option<String>, is: Option<&String>| wanted.is_none() || wanted.as_ref() == is;
    held.retain(|it| {
        (filter.dismissed || !said_no(it))
            && only.as_ref().is_none_or(|only| it.person.as_ref() == Some(only))
            && same(&filter.set, it.shared.as_ref().map(|(set, _)| set))
            && same(&filter.request, request_word(&it.origin).as_ref())
            && group.as_ref().is_none_or(|group| is_about_group(it, group))
    });
    let sets = sets(&store, &held)?;
    let left_out = held.len().saturating_sub(filter.limit.unwrap_or(usize::MAX));
    held.truncate(held.len() - left_out);
    let holds = views(&store, held)?;
    let narrowed = only.is_some() || filter.group.is_some() || filter.set.is_some();
    let mut stuck = if narrowed { Vec::new() } else { stuck(&store, config.observe)? };
    stuck.retain(|it| filter.request.as_ref().is_none_or(|number| it.number == *number));
    Ok(HoldReport { holds, sets, left_out, stuck })
}

/// One action that waits or was dismissed, by its number.
pub fn hold(config: &Offline, id: i64, now: Timestamp) -> Result<Option<HoldView>, SyncError> {
    if !Store::is_there(&config.store)? {
        return Ok(None);
    }
    let store = Store::open(&config.store, config.orgs.as_ref(), Mode::Read)?;
    let held = store.open_items().actions(now)?.into_iter().find(|held| held.id == id);
    Ok(held.map(|held| view(&store, held)).transpose()?)
}

/// Groups that a text names; what is gone is called by its id.
fn groups_called(store: &Store, text: &str) -> Result<BTreeSet<GroupId>, StoreError> {
    let mut ids: BTreeSet<GroupId> =
        store.groups().called(text)?.into_iter().map(|group| group.id).collect();
    ids.extend(GroupId::parse(text).ok());
    Ok(ids)
}

fn is_about_group(held: &HeldAction, ids: &BTreeSet<GroupId>) -> bool {
    held.action.groups.iter().chain(&held.action.group).any(|id| ids.contains(id))
}

fn sets(store: &Store, held: &[HeldAction]) -> Result<Vec<SetView>, StoreError> {
    let mut members: BTreeMap<&str, Vec<&HeldAction>> = BTreeMap::new();
    for held in held {
        if let Some((set, _)) = &held.shared {
            members.entry(set).or_default().push(held);
        }
    }
    members.into_iter().map(|(id, members)| set_view(store, id, &members)).collect()
}

fn set_view(store: &Store, id: &str, members: &[&HeldAction]) -> Result<SetView, StoreError> {
    // A set is made with its first member.
    let first = view(store, members[0].clone())?;
    let same = members.iter().all(|it| it.action.step == members[0].action.step);
    Ok(SetView {
        id: id.to_owned(),
        count: members.len(),
        cause: first.cause,
        action: if same { first.action.clone() } else { "several".to_owned() },
        name: first.group.clone().filter(|_| first.about.is_some()).or(first.about.clone()),
        reason: first.reason.clone(),
        since: first.since.clone(),
        first,
    })
}

fn said_no(held: &HeldAction) -> bool {
    held.said.as_ref().is_some_and(|said| said.word == Verdict::Dismiss)
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
    let people: BTreeSet<SysId> = holds.iter().filter_map(|hold| hold.person.clone()).collect();
    let holds = views(&store, holds)?;
    let mut left = store.open_items().actions(said.at)?;
    let of_them = |hold: &HeldAction| hold.person.as_ref().is_some_and(|it| people.contains(it));
    left.retain(|hold| hold.said.is_none() && of_them(hold));
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
    holds.retain(|hold| {
        hold.person.as_ref() == Some(person) && hold.said.as_ref().is_none_or(waits)
    });
    views(store, holds)
}

fn views(store: &Store, holds: Vec<HeldAction>) -> Result<Vec<HoldView>, StoreError> {
    holds.into_iter().map(|hold| view(store, hold)).collect()
}

fn view(store: &Store, hold: HeldAction) -> Result<HoldView, StoreError> {
    let HeldAction { id, since, person, origin, cause, reason, action, shared, said, expires } =
        hold;
    let (set, about) = shared.unzip();
    let person = person.map(|id| names_of(store, &id)).transpose()?;
    let mut person = person.unwrap_or_default();
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
        request_sys_id: request_sys_id(store, &origin)?,
        parent: parent_word(&origin),
        cause: cause.as_str(),
        action: action.step.as_str().to_owned(),
        person,
        group: action.group.as_ref().map(named).transpose()?,
        changes: action.changes,
        reason: reason.to_string(),
        set,
        about: about.flatten(),
        released: word(Verdict::Release),
        groups: action.groups.iter().map(named).collect::<Result<_, _>>()?,
        dismissed: word(Verdict::Dismiss),
    })
}
