//! `drift`: is Okta right, and where not. Made from the list of open items alone.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::config::Offline;
use crate::model::{
    Account, AccountId, Disposition, FactKey, Needs, OpenFact, OpenItem, StepKind, Subject, SysId,
    Timestamp,
};
use crate::report::requests::{WaitingRequest, in_force};
use crate::report::{fact_name, stamp};
use crate::store::{Mode, Store, StoreError, StoredItem, Verdict};
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::names::{PersonNames, names_of, people_called, the_one};
use crate::sync::outcome::{parent_word, request_sys_id, request_word};
use crate::sync::plan::CyclePlan;
use crate::sync::record::record_planned;

/// One difference, or one account that is nobody's business here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DriftItem {
    /// Whose fact it is; an account without a person has only its Okta names.
    pub person: PersonNames,
    /// `status`, `profile`, `membership` or `account`.
    pub fact: &'static str,
    /// The attribute or the group's name.
    pub name: Option<String>,
    /// How it should be.
    pub desired: Option<String>,
    /// What Okta holds; `None` is null there.
    pub actual: Option<String>,
    /// The request that it comes from, or `BASELINE`.
    pub request: Option<String>,
    /// The request's row; `None` where it comes from none.
    pub request_sys_id: Option<String>,
    /// The number of the request's order, `REQ0010001`; `None` where none is known.
    pub parent: Option<String>,
    /// Why the two differ.
    pub cause: &'static str,
    /// Its part of the configuration only observes.
    pub observed: bool,
    /// What is to be done, or would be if that part enforced.
    pub disposition: &'static str,
    /// The action that would remove it.
    pub action: Option<&'static str>,
    /// Why, for a person to read.
    pub reason: String,
    /// The set that its action waits in. For people: the JSON has no key for it.
    #[serde(skip)]
    pub set: Option<String>,
}

/// Totals of a drift report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DriftSummary {
    /// People with a managed account, or for whom one is wanted.
    pub people: usize,
    /// Of these, those in agreement.
    pub in_sync: usize,
    /// Of these, those who are not.
    pub drifted: usize,
    /// Actions that the next cycle would take.
    pub actions: usize,
    /// Actions that wait for a decision; dismissed ones do not count.
    pub held: usize,
    /// Requests that are not carried out, and no decision about an action would end that.
    pub stuck: usize,
    /// Accounts without a person.
    pub unmanaged: usize,
    /// Why whole kinds of action are held.
    pub quarantined: Option<String>,
}

/// A name or a rule of the configuration that cannot be used, or a side in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenView {
    /// `rule`, `name` or `side`.
    pub kind: &'static str,
    /// What it is called in the configuration, or which side.
    pub name: String,
    /// What is wrong with it.
    pub text: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// Who is needed.
    pub needs: &'static str,
    /// What to run.
    pub command: &'static str,
}

/// Whether Okta is right, and where not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftReport {
    /// When the report was made, RFC 3339 in UTC.
    pub generated_at: String,
    /// Read from both sides just now, rather than from the last observed state.
    pub live: bool,
    /// Counts, also of what a report on one group leaves out of `items`.
    pub summary: DriftSummary,
    /// Requests that are in force and not done.
    pub requests: Vec<WaitingRequest>,
    /// The differences by person, then the accounts that are nobody's business here.
    pub items: Vec<DriftItem>,
    /// What of the configuration or of a side cannot be used.
    pub open: Vec<OpenView>,
}

impl DriftReport {
    /// Whether anything differs that is somebody's business.
    pub fn differs(&self) -> bool {
        let counts = |item: &DriftItem| !matches!(item.disposition, "unmanaged" | "protected");
        self.summary.quarantined.is_some()
            || self.requests.iter().any(|it| it.needs != Needs::Nobody.as_str())
            || !self.open.is_empty()
            || self.items.iter().any(counts)
    }
}

const NOTHING_YET: &str =
    "nothing has been observed yet: run `goldthread sync`, or leave out --cached";

/// Of whom or what a report is.
struct Only {
    /// Both sides were read just now.
    live: bool,
    person: Option<SysId>,
    group: Option<String>,
}

/// What is open; where asked for, of one person only, or memberships of one group only. By a plan
/// that was made just now, or by what the last cycle found.
pub fn drift(
    deps: &Deps,
    plan: Option<&CyclePlan>,
    person: Option<&str>,
    group: Option<&str>,
) -> Result<DriftReport, SyncError> {
    if let Some(plan) = plan {
        record_planned(deps, plan)?;
    }
    let of = Only::of(&deps.store, plan.is_some(), person, group)?;
    report(&deps.store, deps.config.policy.observe, &of, deps.now())
}

/// The same by what the last cycle found, from the store alone.
pub fn drift_cached(
    config: &Offline,
    person: Option<&str>,
    group: Option<&str>,
    now: Timestamp,
) -> Result<DriftReport, SyncError> {
    if !Store::is_there(&config.store)? {
        return Err(SyncError::Unknown(NOTHING_YET.to_owned()));
    }
    let store = Store::open(&config.store, config.orgs.as_ref(), Mode::Read)?;
    let of = Only::of(&store, false, person, group)?;
    report(&store, config.observe, &of, now)
}

fn report(
    store: &Store,
    observe: bool,
    only: &Only,
    now: Timestamp,
) -> Result<DriftReport, SyncError> {
    let all: Vec<StoredItem> =
        store.open_items().all(now)?.into_iter().filter(|it| only.is_about(&it.item)).collect();
    let mut items = Vec::new();
    let mut drifted: BTreeSet<&SysId> = BTreeSet::new();
    let mut people: BTreeSet<SysId> = store.links().people()?.into_iter().collect();
    for stored in &all {
        let Subject::Person(id) = &stored.item.subject else { continue };
        people.insert(id.clone());
        if !matches!(stored.item.disposition, Disposition::Protected(_)) {
            drifted.insert(id);
        }
        items.extend(drift_items(store, id, stored, only)?);
    }
    people.retain(|id| only.person.as_ref().is_none_or(|only| only == id));
    items.sort_by(|a, b| key_of(a).cmp(&key_of(b)));
    let (unmanaged, views) = unmanaged_items(store, &people, only)?;
    items.extend(views);
    let waits = |it: &&StoredItem| {
        it.item.action.is_some()
            && matches!(it.item.disposition, Disposition::Hold(_))
            && it.said.as_ref().is_none_or(|said| said.word == Verdict::Release)
    };
    let whole = only.person.is_none() && only.group.is_none();
    let requests = in_force(store, observe, now)?;
    let requests: Vec<_> = requests.into_iter().filter(|it| only.is_for(it)).collect();
    let stuck: BTreeSet<SysId> = store
        .open_items()
        .stuck()?
        .into_iter()
        .filter_map(|it| match it.item.subject {
            Subject::Request(id) => Some(id),
            _ => None,
        })
        .collect();
    let is_stuck = |it: &&WaitingRequest| stuck.iter().any(|id| id.as_str() == it.request_sys_id);
    Ok(DriftReport {
        generated_at: stamp(now),
        live: only.live,
        summary: DriftSummary {
            people: people.len(),
            in_sync: people.len() - drifted.len(),
            drifted: drifted.len(),
            actions: all.iter().filter(|it| it.item.disposition.is_apply()).count(),
            held: all.iter().filter(waits).count(),
            stuck: requests.iter().filter(is_stuck).count(),
            unmanaged,
            quarantined: store.state().quarantine()?.reason,
        },
        requests,
        items,
        open: if whole { all.iter().filter_map(open_view).collect() } else { Vec::new() },
    })
}

impl Only {
    fn of(
        store: &Store,
        live: bool,
        person: Option<&str>,
        group: Option<&str>,
    ) -> Result<Self, SyncError> {
        if !live && store.cycles().last_full()?.is_none() {
            return Err(SyncError::Unknown(NOTHING_YET.to_owned()));
        }
        let person = person.map(|text| the_one(text, &people_called(store, text)?)).transpose()?;
        if let Some(group) = group
            && store.groups().called(group)?.is_empty()
        {
            return Err(SyncError::Unknown(format!(
                "no group in Okta is called {group:?}: give its name or its id"
            )));
        }
        Ok(Self { live, person, group: group.map(str::to_owned) })
    }

    fn is_about(&self, item: &OpenItem) -> bool {
        match (&self.person, item.person()) {
            (Some(only), Some(person)) => only == person,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    fn is_for(&self, request: &WaitingRequest) -> bool {
        let named = request.person.as_ref().and_then(|it| it.sys_id.as_deref());
        self.group.is_none() && self.person.as_ref().is_none_or(|only| named == Some(only.as_str()))
    }
}

fn key_of(item: &DriftItem) -> (Option<&str>, Option<usize>, Option<&str>) {
    let kinds = ["account", "status", "profile", "membership"];
    let kind = kinds.iter().position(|kind| *kind == item.fact);
    (item.person.sys_id.as_deref(), kind, item.name.as_deref())
}

fn open_view(stored: &StoredItem) -> Option<OpenView> {
    let (kind, name) = stored.item.subject.words();
    let command = match &stored.item.subject {
        Subject::Rule(_) | Subject::Name(_) | Subject::Record(_) => "goldthread check",
        Subject::Side(_) => "goldthread status",
        Subject::Person(_) | Subject::Request(_) => return None,
    };
    Some(OpenView {
        kind,
        name: name.to_owned(),
        text: stored.item.reason(),
        since: stamp(stored.since),
        needs: stored.item.disposition.needs().as_str(),
        command,
    })
}

/// Accounts that are nobody's business here: how many there are without a person, and a line for
/// each and for everybody outside.
fn unmanaged_items(
    store: &Store,
    people: &BTreeSet<SysId>,
    only: &Only,
) -> Result<(usize, Vec<DriftItem>), StoreError> {
    let mut items = Vec::new();
    let unlinked = store.accounts().unlinked()?;
    let count = unlinked.len();
    if only.group.is_some() {
        return Ok((count, items));
    }
    if only.person.is_none() {
        for id in unlinked {
            items.extend(unmanaged_item(store, &id)?);
        }
    }
    for id in store.people().outside_with_link()?.iter().filter(|id| people.contains(*id)) {
        items.extend(outside_item(store, id)?);
    }
    Ok((count, items))
}

/// An account that is nobody's.
fn unmanaged_item(store: &Store, id: &AccountId) -> Result<Option<DriftItem>, StoreError> {
    let Some(account) = store.accounts().get(id)? else { return Ok(None) };
    let person = PersonNames {
        login: Some(account.login().to_owned()),
        okta_id: Some(id.as_str().to_owned()),
        ..PersonNames::default()
    };
    Ok(Some(unmanaged(person, &account, "no person in ServiceNow matches this account")))
}

/// Somebody with an account whose record is no longer among those that are managed.
fn outside_item(store: &Store, id: &SysId) -> Result<Option<DriftItem>, StoreError> {
    let link = store.links().account_of(id)?;
    let account = link.map(|link| store.accounts().get(&link)).transpose()?.flatten();
    let Some(account) = account else { return Ok(None) };
    let reason = "the person's record is outside `servicenow.users`";
    Ok(Some(unmanaged(names_of(store, id)?, &account, reason)))
}

fn unmanaged(person: PersonNames, account: &Account, reason: &str) -> DriftItem {
    DriftItem {
        person,
        fact: "account",
        actual: Some(account.status.as_str().to_lowercase()),
        cause: "record",
        disposition: "unmanaged",
        reason: reason.to_owned(),
        ..DriftItem::default()
    }
}

/// A line for each fact that one open item is about.
fn drift_items(
    store: &Store,
    person: &SysId,
    stored: &StoredItem,
    only: &Only,
) -> Result<Vec<DriftItem>, StoreError> {
    let item = &stored.item;
    let mut names = names_of(store, person)?;
    // Somebody without an account is called by the login that a new one would get.
    let login = item.action.as_ref().and_then(|action| action.changes.get("login"));
    names.login = names.login.or_else(|| login?.to.clone());
    let mut reason = item.reason();
    if let Some(said) = stored.said.as_ref().filter(|said| said.word == Verdict::Dismiss) {
        reason = format!("{reason}; dismissed by {}: {}", said.by, said.because);
    }
    let mut lines = Vec::new();
    for OpenFact { key, desired, actual, origin, cause, step } in &item.facts {
        let name = fact_name(store, key)?;
        if only.group.as_ref().is_some_and(|group| !is_about_group(key, name.as_deref(), group)) {
            continue;
        }
        lines.push(DriftItem {
            person: names.clone(),
            fact: key.kind(),
            name,
            desired: desired.clone(),
            actual: actual.clone(),
            request: request_word(origin),
            request_sys_id: request_sys_id(store, origin)?,
            parent: parent_word(origin),
            cause: cause.as_str(),
            observed: item.disposition.is_observed(),
            disposition: item.disposition.enforced().as_str(),
            action: step.map(StepKind::as_str),
            reason: reason.clone(),
            set: item.shared_cause().map(|cause| cause.set),
        });
    }
    Ok(lines)
}

fn is_about_group(key: &FactKey, name: Option<&str>, group: &str) -> bool {
    matches!(key, FactKey::Membership(id) if id.as_str() == group || name == Some(group))
}
