//! Reading both sides into the store, everything or what changed. A list that is not complete is not
//! believed: nothing follows from it, and whoever can be decided about from reads by id goes on.

pub(crate) mod accounts;
pub(crate) mod by_id;
pub(crate) mod groups;
pub(crate) mod hidden;
pub(crate) mod okta;
pub(crate) mod records;
pub(crate) mod servicenow;

use std::collections::BTreeSet;

use crate::model::{SysId, Timestamp};
use crate::reconcile::limits::implausible_people;
use crate::servicenow::ServiceNowError;
use crate::store::StoreError;
use crate::sync::contain::{contained, note_list};
use crate::sync::items::{check_items, resolve_items};
use crate::sync::names::pin_groups;
use crate::sync::observe::by_id::{is_unclear, refresh_all};
use crate::sync::observe::groups::{
    read_groups, replace_group_members, retry_members, unread_members,
};
use crate::sync::observe::okta::{
    implausible_sight, observe_okta_changes, okta_clock, read_accounts, read_schema,
};
use crate::sync::observe::records::{due_records, retry_records};
use crate::sync::observe::servicenow::{
    account_for_hidden, confirm_absence, find_person, log_vanished, read_changes, read_people,
    read_requests, servicenow_clock,
};
use crate::sync::open_items::{record_configuration, record_records};
use crate::sync::scope::{Cycle, Scope};
use crate::sync::{deps::Deps, error::Result, org::release_admins, resolve::resolve_requests};

#[derive(Debug, Default)]
pub(crate) struct Observation {
    /// People to decide about.
    pub(crate) people: Vec<SysId>,
    /// People in a complete read.
    pub(crate) count: Option<u32>,
    pub(crate) implausible: Option<String>,
}

/// What ServiceNow said is not decided by any more when it is older than this.
const STALE: chrono::Duration = chrono::Duration::seconds(10);
/// How often names that were not found are looked up again.
const RETRY: chrono::Duration = chrono::Duration::minutes(1);

pub(crate) async fn observe(deps: &Deps, cycle: &Cycle) -> Result<Observation> {
    let observed = observe_scope(deps, cycle).await;
    record_configuration(deps, &["side"], &cycle.lists.take())?;
    record_records(deps)?;
    observed
}

async fn observe_scope(deps: &Deps, cycle: &Cycle) -> Result<Observation> {
    resolve_items(deps).await?;
    if cycle.is_full() && !cycle.looked.get() {
        let read = observe_everything(deps, cycle).await;
        // Without anything read before there is nothing to go on with.
        if cycle.empty_store || read.is_ok() || deps.last_full()?.is_none() {
            deps.memory.note_full(None);
            return read;
        }
        match contained(deps, cycle, read).await? {
            Ok(observation) => return Ok(observation),
            Err(why) => {
                note_list(cycle, "everything", &why);
                deps.memory.note_full(Some(deps.now()));
                cycle.fell_back.set(true);
                deps.store.cycles().set_changes_only(cycle.id)?;
            }
        }
    }
    observe_changes(deps, cycle, Unfinished::Resolved).await?;
    let (people, unclear) = match &cycle.scope {
        Scope::Full | Scope::Changes => due(deps, cycle)?,
        Scope::Person(text) => {
            let person = find_person(deps, cycle, text).await?;
            if cycle.looked.get() {
                let mut due = deps.store.queue().due(deps.now())?;
                due.retain(|it| *it == person);
                (due, Vec::new())
            } else {
                // Asked for by hand: once, whatever was refused before.
                deps.store.facts().forget_refusals(Some(&person))?;
                (vec![person.clone()], vec![person])
            }
        }
    };
    let people = without_unread(deps, cycle, people, unclear).await?;
    Ok(Observation { people, ..Observation::default() })
}

/// Reads what changed while everything is being read, and gives whoever is due by what is asked for
/// meanwhile, and whoever leaves. Nothing else follows from pages of a read that is not believed yet.
pub(crate) async fn observe_beside(deps: &Deps, cycle: &Cycle) -> Result<Vec<SysId>> {
    observe_changes(deps, cycle, Unfinished::Left).await?;
    let (mut people, mut unclear) = due(deps, cycle)?;
    let mut waits = BTreeSet::new();
    for person in &people {
        let asked_for = cycle.asked_beside.borrow().contains(person);
        if !asked_for && !deps.store.requests().is_leaving(person, deps.now())? {
            waits.insert(person.clone());
        }
    }
    people.retain(|person| !waits.contains(person));
    unclear.retain(|person| !waits.contains(person));
    without_unread(deps, cycle, people, unclear).await
}

/// Whoever is due, and those of them of whom too little is known.
fn due(deps: &Deps, cycle: &Cycle) -> Result<(Vec<SysId>, Vec<SysId>)> {
    let people = deps.store.queue().due(deps.now())?;
    let mut unclear = Vec::new();
    for person in people.iter().filter(|person| !cycle.is_at_work(person)) {
        if is_unclear(deps, person)? {
            unclear.push(person.clone());
        }
    }
    Ok((people, unclear))
}

/// Nothing is decided about whoever could not be read yet: they stay due.
async fn without_unread(
    deps: &Deps,
    cycle: &Cycle,
    mut people: Vec<SysId>,
    unclear: Vec<SysId>,
) -> Result<Vec<SysId>> {
    let unread = refresh_all(deps, cycle, unclear).await?;
    people.retain(|person| !unread.contains(person));
    Ok(people)
}

/// What becomes of rows that were stored and that no decision has followed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfinished {
    Resolved,
    /// They are those of a read that is under way, and it resolves them.
    Left,
}

async fn observe_changes(deps: &Deps, cycle: &Cycle, unfinished: Unfinished) -> Result<()> {
    let unread = unread_members(deps)?;
    // Neither side waits for the other.
    let (servicenow, okta) = tokio::join!(
        Box::pin(observe_servicenow_changes(deps, cycle, unfinished)),
        Box::pin(observe_okta_changes(deps, cycle))
    );
    servicenow?;
    okta?;
    retry_members(deps, cycle, unread).await
}

async fn observe_servicenow_changes(
    deps: &Deps,
    cycle: &Cycle,
    unfinished: Unfinished,
) -> Result<()> {
    let now = deps.now();
    let until = servicenow_clock(deps).await?;
    let dirty_since = mark_dirty(deps, cycle)?;
    let from = deps.store.state().watermark()?.unwrap_or(until);
    let due = due_records(deps)?;
    let (changed, mut requests, complete) = read_changes(deps, cycle, from, until).await?;
    requests.extend(retry_records(deps, cycle, due).await?);
    if let Some(since) = dirty_since.filter(|_| unfinished == Unfinished::Resolved) {
        requests.extend(deps.store.requests().dirty_since(since)?);
    } else if !changed.is_empty() || !requests.is_empty() || is_time_to_retry_names(deps, now)? {
        requests.extend(deps.store.requests().unresolved()?);
    }
    requests.extend(deps.store.edits().decided()?);
    requests.sort();
    requests.dedup();
    for person in resolve_requests(deps, cycle, &requests).await? {
        deps.store.queue().enqueue_at_once(&person)?;
        if unfinished == Unfinished::Left {
            cycle.asked_beside.borrow_mut().insert(person);
        }
    }
    // What was in a list that could not be read is asked for again.
    if complete {
        deps.store.state().set_watermark(until.min(now))?;
    }
    Ok(())
}

async fn observe_everything(deps: &Deps, cycle: &Cycle) -> Result<Observation> {
    let until = servicenow_clock(deps).await?;
    let began = deps.now();
    deps.servicenow.probe_filter().await?;
    mark_dirty(deps, cycle)?;
    // What Okta refused is tried once more, now and then.
    deps.store.facts().forget_refusals(None)?;
    release_admins(deps, cycle).await?;
    check_items(deps, cycle).await?;
    read_groups(deps, cycle).await?;
    let okta_until = okta_clock(deps, began);
    pin_groups(deps)?;
    read_schema(deps, cycle).await?;

    let (_, read) = read_people(deps, cycle, None).await?;
    let count = deps.store.people().seen_count(cycle.id)?;
    if count == 0 && deps.store.cycles().believed_people()?.is_some_and(|before| before > 0) {
        return Err(ServiceNowError::Unbelievable {
            operation: "reading people".to_owned(),
            why: "nobody at all came, and there were people before: is `servicenow.users` \
                  right, and may the account still read them?"
                .to_owned(),
        }
        .into());
    }
    let implausible = implausible(deps, cycle, count)?;
    for person in deps.store.people().unseen(cycle.id)? {
        confirm_absence(deps, cycle, &person).await?;
    }
    account_for_hidden(deps, None, &read).await?;

    read_requests(deps, cycle, None).await?;
    log_vanished(deps, &deps.store.requests().mark_vanished(cycle.id)?)?;

    read_accounts(deps, cycle).await?;
    let implausible = match implausible {
        Some(why) => Some(why),
        None => implausible_sight(deps)?,
    };
    // It stands until a complete read is believed again.
    deps.store.state().set_implausible(implausible.as_deref())?;
    // Those that come under management by what is read now are read with it.
    let managed = deps.store.groups().managed()?;
    let changed = deps.store.state().configuration()?.as_ref() != Some(&deps.config.fingerprint);
    let all = if changed {
        deps.store.requests().all()?
    } else {
        deps.store.requests().all_but_settled()?
    };
    resolve_requests(deps, cycle, &all).await?;
    catch_up(deps, cycle, until).await?;
    for group in managed.into_keys() {
        replace_group_members(deps, cycle, &group).await?;
    }
    deps.store.state().set_watermark(until.min(began))?;
    deps.store.state().set_okta_watermark(okta_until)?;
    let people = deps.store.people().all()?;
    Ok(Observation { people, count: Some(count), implausible })
}

/// Reading Okta takes its time, and somebody may have called something off meanwhile: what changed
/// since is read once more, so that it is not decided by what was.
async fn catch_up(deps: &Deps, cycle: &Cycle, since: Timestamp) -> Result<()> {
    if deps.now() - cycle.started <= STALE {
        return Ok(());
    }
    let until = servicenow_clock(deps).await?;
    let (_, requests, _) = read_changes(deps, cycle, since, until).await?;
    resolve_requests(deps, cycle, &requests).await.map(|_| ())
}

/// Rows may be stored from now on that no decision has followed yet. Says since which cycle that
/// has been so, where one ended before it decided.
pub(crate) fn mark_dirty(deps: &Deps, cycle: &Cycle) -> Result<Option<i64>, StoreError> {
    let since = deps.store.state().dirty_since_cycle()?;
    if since.is_none() {
        deps.store.state().set_dirty_since_cycle(Some(cycle.id))?;
    }
    Ok(since)
}

/// A group that is made in Okta changes nothing in ServiceNow.
fn is_time_to_retry_names(deps: &Deps, now: Timestamp) -> Result<bool, StoreError> {
    let last = deps.store.state().names_tried_at()?;
    let due = last.is_none_or(|last| (now - last).abs() >= RETRY);
    if due {
        deps.store.state().set_names_tried_at(now)?;
    }
    Ok(due)
}

fn implausible(deps: &Deps, cycle: &Cycle, count: u32) -> Result<Option<String>> {
    let mut missing = Vec::new();
    for sentinel in &deps.config.limits.sentinels {
        let mut present = false;
        for id in deps.store.people().called(sentinel)? {
            present |= deps.store.people().was_seen(&id, cycle.id)?;
        }
        if !present {
            missing.push(sentinel.clone());
        }
    }
    let before = deps.store.cycles().believed_people()?;
    Ok(implausible_people(before, count, &missing, &deps.config.limits))
}
