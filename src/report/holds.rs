//! What needs a decision of a person, and what the person decides. Only the store is needed, so
//! this works beside a running daemon and without either system.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::config::Offline;
use crate::model::{
    Change, Disposition, FactKey, GroupId, OpenItem, Pause, SharedCause, StepKind, SysId,
    Timestamp, tally,
};
use crate::report::requests::{WaitingRequest, stuck};
use crate::report::stamp;
use crate::store::{
    HoldDecision, HoldSelection, Mode, NotDecided, Store, StoreError, StoredItem, Verdict,
    WaitingItem,
};
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
    /// The contract's name of the action; `None` where there is none that a decision could let go.
    pub action: Option<&'static str>,
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
    /// It is an action that a decision is made about. For people: the JSON has no key for it.
    #[serde(skip)]
    pub is_action: bool,
    /// A release could let it go. For people: the JSON has no key for it.
    #[serde(skip)]
    pub can_be_released: bool,
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

/// What waits for one cause: actions, which are decided about together, or what only something else
/// can end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetView {
    /// The name to call it by.
    pub id: String,
    /// How much waits in it, released actions included.
    pub count: usize,
    /// Why the two sides differ now.
    pub cause: &'static str,
    /// `hold`, or `blocked` where it cannot be done at all.
    pub disposition: &'static str,
    /// Who is needed: `administrator`, `requester`, `servicenow` or `nobody`.
    pub needs: &'static str,
    /// The contract's name of the action; `several` where they differ, `None` where none has one.
    pub action: Option<&'static str>,
    /// A decision ends it.
    #[serde(skip)]
    pub can_be_released: bool,
    /// What it comes to, in words.
    #[serde(skip)]
    pub tally: String,
    /// The attributes or the group that all are about; `None` where that is no single one.
    pub name: Option<String>,
    /// Why they wait.
    pub reason: String,
    /// Since when the oldest waits, RFC 3339.
    pub since: String,
    /// The oldest of them.
    pub first: HoldView,
}

/// Everything that needs a person's decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HoldReport {
    /// Each action, oldest first; of a set that is asked for, also what no decision ends.
    pub holds: Vec<HoldView>,
    /// What waits for one cause, as one.
    pub sets: Vec<SetView>,
    /// How many actions wait, and how many are released and not carried out yet; what is left out
    /// counts as well.
    #[serde(skip)]
    pub waiting: usize,
    /// See there.
    #[serde(skip)]
    pub released: usize,
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
    /// Sets of more than so many are told as one, without their members.
    pub folded: Option<usize>,
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
    let mut waiting = store.open_items().waiting(now)?;
    // What is left out is not described: thousands may wait.
    let same =
        |wanted: &Option<String>, is: Option<&String>| wanted.is_none() || wanted.as_ref() == is;
    waiting.retain(|it| {
        let item = &it.stored.item;
        (filter.dismissed || !said_no(&it.stored))
            && only.as_ref().is_none_or(|only| item.person() == Some(only))
            && same(&filter.set, it.set.as_ref().map(|cause| &cause.set))
            && same(&filter.request, request_word(&item.origin).as_ref())
            && group.as_ref().is_none_or(|group| is_about_group(item, group))
    });
    let sets = sets(&store, &waiting)?;
    // What no decision ends is shown as its set, and one by one where that is asked for.
    waiting.retain(|it| filter.set.is_some() || is_held_action(&it.stored.item));
    let undecided = |it: &&WaitingItem| it.stored.said.is_none() && is_held_action(&it.stored.item);
    let yes =
        |it: &&WaitingItem| it.stored.said.as_ref().is_some_and(|it| it.word == Verdict::Release);
    let (open, released) =
        (waiting.iter().filter(undecided).count(), waiting.iter().filter(yes).count());
    if let Some(most) = filter.folded {
        let many = sets.iter().filter(|set| set.count > most);
        let many: BTreeSet<&str> = many.map(|set| set.id.as_str()).collect();
        let is_told = |it: &WaitingItem| it.set.as_ref().is_some_and(|it| many.contains(&*it.set));
        waiting.retain(|it| said_no(&it.stored) || !is_told(it));
    }
    let left_out = waiting.len().saturating_sub(filter.limit.unwrap_or(usize::MAX));
    waiting.truncate(waiting.len() - left_out);
    let holds = waiting.iter().map(|it| view(&store, it)).collect::<Result<_, _>>()?;
    let narrowed = only.is_some() || filter.group.is_some() || filter.set.is_some();
    let mut stuck = if narrowed { Vec::new() } else { stuck(&store, config.observe)? };
    stuck.retain(|it| filter.request.as_ref().is_none_or(|number| it.number == *number));
    Ok(HoldReport { holds, sets, waiting: open, released, left_out, stuck })
}

/// A decision can be made about it.
fn is_held_action(item: &OpenItem) -> bool {
    item.action.is_some() && matches!(item.disposition, Disposition::Hold(_))
}

/// One action that waits or was dismissed, by its number.
pub fn hold(config: &Offline, id: i64, now: Timestamp) -> Result<Option<HoldView>, SyncError> {
    if !Store::is_there(&config.store)? {
        return Ok(None);
    }
    let store = Store::open(&config.store, config.orgs.as_ref(), Mode::Read)?;
    let waiting = store.open_items().waiting(now)?;
    let held = waiting.iter().find(|it| it.stored.id == id && is_held_action(&it.stored.item));
    Ok(held.map(|held| view(&store, held)).transpose()?)
}

/// Groups that a text names; what is gone is called by its id.
fn groups_called(store: &Store, text: &str) -> Result<BTreeSet<GroupId>, StoreError> {
    let mut ids: BTreeSet<GroupId> =
        store.groups().called(text)?.into_iter().map(|group| group.id).collect();
    ids.extend(GroupId::parse(text).ok());
    Ok(ids)
}

fn is_about_group(item: &OpenItem, ids: &BTreeSet<GroupId>) -> bool {
    let of_action = item.action.iter().flat_map(|it| it.groups.iter().chain(&it.group));
    let of_facts = item.facts.iter().filter_map(|fact| match &fact.key {
        FactKey::Membership(group) => Some(group),
        _ => None,
    });
    of_action.chain(of_facts).any(|id| ids.contains(id))
}

fn sets(store: &Store, waiting: &[WaitingItem]) -> Result<Vec<SetView>, StoreError> {
    let mut members: BTreeMap<&SharedCause, Vec<&WaitingItem>> = BTreeMap::new();
    for item in waiting {
        if let Some(cause) = &item.set {
            members.entry(cause).or_default().push(item);
        }
    }
    members.into_iter().map(|(cause, members)| set_view(store, cause, &members)).collect()
}

fn set_view(
    store: &Store,
    cause: &SharedCause,
    members: &[&WaitingItem],
) -> Result<SetView, StoreError> {
    // A set is made with its first member.
    let item = &members[0].stored.item;
    let first = view(store, members[0])?;
    let action = |it: &WaitingItem| it.stored.item.action.as_ref().map(|action| action.step);
    let same = members.iter().all(|it| action(it) == action(members[0]));
    let group = first.group.clone().filter(|_| cause.about.is_some());
    Ok(SetView {
        id: cause.set.clone(),
        count: members.len(),
        cause: first.cause,
        disposition: item.disposition.as_str(),
        needs: item.disposition.needs().as_str(),
        action: if same { action(members[0]).map(StepKind::as_str) } else { Some("several") },
        can_be_released: members.iter().any(|it| can_be_released(&it.stored.item)),
        tally: tally(members.len(), item, None),
        name: group.or(cause.about.clone()),
        reason: first.reason.clone(),
        since: first.since.clone(),
        first,
    })
}

fn can_be_released(item: &OpenItem) -> bool {
    match &item.disposition {
        Disposition::Hold(reason) => item.action.is_some() && reason.can_be_released(),
        _ => false,
    }
}

fn said_no(stored: &StoredItem) -> bool {
    stored.said.as_ref().is_some_and(|said| said.word == Verdict::Dismiss)
}

/// Records what a person says; nothing where it cannot be said to one of the numbers.
pub fn record_decision(
    config: &Offline,
    which: &HoldSelection,
    said: &HoldDecision,
) -> Result<Result<Decided, NotDecided>, StoreError> {
    let store = Store::open(&config.store, config.orgs.as_ref(), Mode::Decide)?;
    let holds = match store.open_items().decide(which, said)? {
        Ok(holds) => holds,
        Err(why) => return Ok(Err(why)),
    };
    let people: BTreeSet<SysId> = holds.iter().filter_map(|hold| hold.person.clone()).collect();
    let decided: BTreeSet<i64> = holds.iter().map(|hold| hold.id).collect();
    let mut report = Decided::default();
    for it in store.open_items().waiting(said.at)? {
        let StoredItem { id, item, said, .. } = &it.stored;
        let of_them = || item.person().is_some_and(|person| people.contains(person));
        if decided.contains(id) {
            report.holds.push(view(&store, &it)?);
        } else if is_held_action(item) && said.is_none() && of_them() {
            report.left.push(view(&store, &it)?);
        }
    }
    Ok(Ok(report))
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
    let mut waiting = store.open_items().waiting(now)?;
    waiting.retain(|it| {
        let item = &it.stored.item;
        item.person() == Some(person) && is_held_action(item) && !said_no(&it.stored)
    });
    waiting.iter().map(|it| view(store, it)).collect()
}

/// One item that waits; of one that no decision ends, the fact that it is about.
fn view(store: &Store, waiting: &WaitingItem) -> Result<HoldView, StoreError> {
    let WaitingItem { stored: StoredItem { id, since, item, said, .. }, set, expires } = waiting;
    let OpenItem { origin, action, .. } = item;
    let person = item.person().map(|id| names_of(store, id)).transpose()?;
    let mut person = person.unwrap_or_default();
    if let Some(action) = action.as_ref().filter(|action| action.step == StepKind::Create) {
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
    let groups = action.iter().flat_map(|it| &it.groups).map(named).collect::<Result<_, _>>()?;
    let (group, changes) = match (action, item.facts.first().filter(|_| action.is_none())) {
        (Some(action), _) => {
            (action.group.as_ref().map(named).transpose()?, action.changes.clone())
        }
        (None, Some(fact)) => match &fact.key {
            FactKey::Membership(group) => (Some(named(group)?), BTreeMap::new()),
            FactKey::Profile(name) => {
                let change = Change { from: fact.actual.clone(), to: fact.desired.clone() };
                (None, BTreeMap::from([(name.clone(), change)]))
            }
            FactKey::Account | FactKey::Status => (None, BTreeMap::new()),
        },
        (None, None) => (None, BTreeMap::new()),
    };
    let step = item.facts.first().and_then(|fact| fact.step);
    let step = action.as_ref().map(|action| action.step).or(step);
    Ok(HoldView {
        id: *id,
        since: stamp(*since),
        expires: expires.map(stamp),
        request: request_word(origin),
        request_sys_id: request_sys_id(store, origin)?,
        parent: parent_word(origin),
        cause: item.cause.as_str(),
        action: step.map(StepKind::as_str),
        person,
        group,
        changes,
        reason: item.reason(),
        set: set.as_ref().map(|cause| cause.set.clone()),
        released: word(Verdict::Release),
        groups,
        dismissed: word(Verdict::Dismiss),
        is_action: is_held_action(item),
        can_be_released: can_be_released(item),
    })
}
