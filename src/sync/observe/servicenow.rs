//! ServiceNow's side: people and requests, all of them or those that changed.

use std::cell::RefCell;

use crate::http::{Deletion, briefly};
use crate::model::{Person, Presence, Request, SysId, Timestamp};
use crate::servicenow::{CompleteRead, Lookup, SetAside, Window, deleted_at, shows_inactive};
use crate::store::{Object, StoreError};
use crate::sync::approvers::read_approvers;
use crate::sync::contain::{IN_A_LOOK, ROOM_IN_SERVICENOW, contained, note_list};
use crate::sync::error::{Result, SyncError};
use crate::sync::log::{LogThread, log_event};
use crate::sync::names::{people_called, the_one};
use crate::sync::observe::hidden::account_for_hidden_requests;
use crate::sync::side_by_side::in_a_look;
use crate::sync::{deps::Deps, scope::Cycle};

/// How far before the watermark a window starts: transactions commit late, and clocks differ.
const OVERLAP: chrono::Duration = chrono::Duration::minutes(2);
/// How far two clocks may be apart that say nothing of each other.
const SKEW: chrono::Duration = chrono::Duration::minutes(10);
/// A window has no real end: what is changed while it is read comes again with the next one.
const AHEAD: chrono::Duration = chrono::Duration::days(1);
/// More records than this that show something of others are left to the complete read.
const MOST_REFERRING: usize = 100;
/// A row that stays away for so long is more than a passing fault.
const AWAY: chrono::Duration = chrono::Duration::minutes(10);
/// More requests than this that vanish together are counted, not named.
const FEW_VANISHED: usize = 20;

/// Up to when a window that is read now is complete.
pub(crate) async fn servicenow_clock(deps: &Deps) -> Result<Timestamp> {
    Ok(deps.servicenow.now().await?.unwrap_or_else(|| deps.now() - SKEW))
}

/// Gives whose rows and which requests changed, and whether both lists were read.
pub(crate) async fn read_changes(
    deps: &Deps,
    cycle: &Cycle,
    since: Timestamp,
    until: Timestamp,
) -> Result<(Vec<SysId>, Vec<SysId>, bool)> {
    // The instance may have been out of reach for days: its last answer is from before them.
    let window = Window { from: since - OVERLAP, to: until.max(deps.now()) + AHEAD };
    // An approved leave does not wait for a list of people, and who approved is asked for beside it.
    let requests = async {
        let asked_at = deps.now();
        let changed = read_requests(deps, cycle, Some(&window)).await?;
        if deps.servicenow.lists_every_request() {
            cycle.requests_asked.set(Some(asked_at));
        }
        read_approvers(deps, cycle, &changed).await?;
        Ok(changed)
    };
    let passed_over = cycle.may_pass_over_people(deps.now());
    let people = async {
        if passed_over {
            return Ok(Vec::new());
        }
        cycle.people_asked.set(Some(deps.now()));
        read_changed_people(deps, cycle, &window).await
    };
    let (requests, people) = tokio::join!(requests, people);
    let requests = contained(deps, cycle, requests).await?;
    let people = contained(deps, cycle, people).await?;
    let complete = requests.is_ok() && people.is_ok() && !passed_over;
    let listed = |read: std::result::Result<Vec<SysId>, String>, list: &str| {
        read.unwrap_or_else(|why| {
            note_list(cycle, list, &why);
            Vec::new()
        })
    };
    let requests = listed(requests, "ServiceNow: requests");
    Ok((listed(people, "ServiceNow: people"), requests, complete))
}

async fn read_changed_people(deps: &Deps, cycle: &Cycle, window: &Window) -> Result<Vec<SysId>> {
    let (mut people, read) = read_people(deps, cycle, Some(window)).await?;
    account_for_hidden(deps, Some(window), &read).await?;
    people.extend(read_referring(deps, cycle, &people).await?);
    Ok(people)
}

/// Fails where rows of a list of people are hidden, and not only those of people who are known to be
/// hidden: each of them is held by itself, and the list says the truth of everybody else.
pub(crate) async fn account_for_hidden(
    deps: &Deps,
    window: Option<&Window>,
    read: &CompleteRead,
) -> Result<()> {
    let hidden = deps.store.people().hidden()?;
    Ok(deps.servicenow.account_for_hidden(window, read, &hidden).await?)
}

/// Reads people, all of them or those of a window, and gives those whose rows changed. Rows that are
/// hidden are still to be accounted for.
pub(crate) async fn read_people(
    deps: &Deps,
    cycle: &Cycle,
    window: Option<&Window>,
) -> Result<(Vec<SysId>, CompleteRead)> {
    let (mut changed, mut count) = (Vec::new(), 0);
    let upsert = |page: Vec<Person>| {
        changed.extend(upsert_people(deps, cycle, &page)?);
        count += page.len();
        (deps.on_progress)("people", count);
        Ok(())
    };
    let read = deps.servicenow.people(window, upsert).await?;
    if window.is_none() {
        forget_set_aside(deps, "sys_user")?;
    }
    for SetAside { sys_id, why } in &read.set_aside {
        set_aside(deps, "sys_user", sys_id, why)?;
    }
    for id in &changed {
        deps.store.unreadable().clear(Object::Record, &format!("sys_user {id}"))?;
    }
    Ok((changed, read))
}

/// Reads those again whose records show something of whoever changed, such as a manager's address.
async fn read_referring(deps: &Deps, cycle: &Cycle, changed: &[SysId]) -> Result<Vec<SysId>> {
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let referring = deps.store.people().referring_to(changed)?;
    if referring.len() > MOST_REFERRING {
        tracing::debug!("{} referring records are left to the complete read", referring.len());
        return Ok(Vec::new());
    }
    let found = &RefCell::new(Vec::new());
    let left = in_a_look(ROOM_IN_SERVICENOW, referring, |id: SysId| async move {
        let read = briefly(IN_A_LOOK, deps.servicenow.person(&id)).await.map_err(Into::into);
        match contained(deps, cycle, read).await? {
            Ok(Lookup::Found(person)) => found.borrow_mut().push(person),
            Ok(_) => {}
            Err(why) => note_record(deps, &id, &why)?,
        }
        Ok::<_, SyncError>(())
    });
    for id in left.await? {
        let why = "others were not answered in time";
        deps.store.unreadable().note(Object::UnreadPerson, id.as_str(), why, false, deps.now())?;
    }
    Ok(upsert_people(deps, cycle, &found.take())?)
}

/// Whoever changed is in the queue as soon as the change is stored.
fn upsert_people(deps: &Deps, cycle: &Cycle, people: &[Person]) -> Result<Vec<SysId>, StoreError> {
    deps.store.atomically(|| {
        let changed = deps.store.people().upsert(people, cycle.id)?;
        changed.iter().try_for_each(|person| deps.store.queue().enqueue_at_once(person))?;
        Ok(changed)
    })
}

pub(crate) async fn read_requests(
    deps: &Deps,
    cycle: &Cycle,
    window: Option<&Window>,
) -> Result<Vec<SysId>> {
    let (mut changed, mut doubles) = (Vec::new(), Vec::new());
    let (mut count, now) = (0, deps.now());
    let upsert = |page: Vec<Request>| {
        let (new, double) = deps.store.requests().upsert(&page, cycle.id, now)?;
        changed.extend(new);
        doubles.extend(double);
        count += page.len();
        (deps.on_progress)("requests", count);
        Ok(())
    };
    let read = deps.servicenow.requests(window, upsert).await?;
    if window.is_none() {
        forget_set_aside(deps, "sc_req_item")?;
    }
    for SetAside { sys_id, why } in &read.set_aside {
        set_aside(deps, "sc_req_item", sys_id, why)?;
    }
    for (id, number) in doubles {
        let why = format!("another request has its number, {number}, and keeps it");
        set_aside(deps, "sc_req_item", id.as_str(), &why)?;
    }
    for id in &changed {
        deps.store.unreadable().clear(Object::Record, &format!("sc_req_item {id}"))?;
        deps.store.unreadable().clear(Object::HiddenRequest, id.as_str())?;
    }
    account_for_hidden_requests(deps, cycle, window, &read).await?;
    Ok(changed)
}

/// A row that makes no sense holds nobody up, and is open until it makes sense.
pub(crate) fn set_aside(deps: &Deps, table: &str, id: &str, why: &str) -> Result<(), StoreError> {
    let (row, now) = (format!("{table} {id}"), deps.now());
    let why = format!("the row {id} of {table} was set aside: {why}");
    deps.store.unreadable().note(Object::Record, &row, &why, false, now).map(|_| ())
}

/// Before a complete list says anew which rows make no sense.
fn forget_set_aside(deps: &Deps, table: &str) -> Result<(), StoreError> {
    deps.store.unreadable().clear_records(table)
}

/// Somebody who was not in a complete read: outside the filter, or really gone?
pub(crate) async fn confirm_absence(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<()> {
    let read = deps.servicenow.person(id).await.map_err(Into::into);
    let lookup = match contained(deps, cycle, read).await? {
        Ok(lookup) => lookup,
        Err(why) => return Ok(note_record(deps, id, &why)?),
    };
    let presence = match lookup {
        Lookup::Found(found) | Lookup::Outside(found) => {
            upsert_people(deps, cycle, &[found])?;
            let row = format!("sys_user {id}");
            return Ok(deps.store.unreadable().clear(Object::Record, &row)?);
        }
        // It was set aside, and named, when the list was read: what it said last stands.
        Lookup::Unusable(_) => return Ok(()),
        Lookup::Hidden => Presence::Hidden,
        Lookup::Absent => absence(deps, cycle, id).await?,
    };
    let why = match presence {
        Presence::Hidden => Some("an access rule hides it"),
        Presence::Vanished => {
            Some("it is not counted any more, and nothing shows that it was deleted")
        }
        _ => None,
    };
    if let Some(why) = why {
        let text =
            format!("the row {id} of sys_user cannot be read: {why}; what it said last stands");
        note_record(deps, id, &text)?;
    }
    Ok(deps.store.atomically(|| {
        let before = deps.store.people().get(id)?.map(|person| person.presence);
        deps.store.people().set_presence(id, presence, deps.now())?;
        if before == Some(presence) { Ok(()) } else { deps.store.queue().enqueue_at_once(id) }
    })?)
}

/// A person's row cannot be read: what it said last stands.
fn note_record(deps: &Deps, id: &SysId, why: &str) -> Result<(), StoreError> {
    let row = format!("sys_user {id}");
    deps.store.unreadable().note(Object::Record, &row, why, false, deps.now()).map(|_| ())
}

/// What follows from a row that is not counted: it is gone where its deletion is shown, and not to be
/// found where it stays away and a rule that hides inactive people can be ruled out.
async fn absence(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<Presence> {
    let shown = deleted_at(deps.servicenow.connection(), id).await.map_err(Into::into);
    if let Ok(Deletion::Shown(_)) = contained(deps, cycle, shown).await? {
        return Ok(Presence::Gone);
    }
    let since = deps.store.people().absent_since(id)?;
    if since.is_none_or(|since| deps.now() - since < AWAY) {
        return Ok(Presence::Missing);
    }
    let inactive = shows_inactive(deps.servicenow.connection()).await.map_err(Into::into);
    let shows_inactive = contained(deps, cycle, inactive).await?.unwrap_or(false);
    Ok(if shows_inactive { Presence::Vanished } else { Presence::Hidden })
}

pub(crate) async fn find_person(deps: &Deps, cycle: &Cycle, text: &str) -> Result<SysId> {
    let mut found = people_called(&deps.store, text)?;
    if found.is_empty() {
        let people = deps.servicenow.people_by(text).await?.found();
        deps.store.people().upsert(&people, cycle.id)?;
        found.extend(people.into_iter().map(|person| person.sys_id));
    }
    the_one(text, &found)
}

pub(crate) fn log_vanished(deps: &Deps, vanished: &[SysId]) -> Result<()> {
    if vanished.len() > FEW_VANISHED {
        let count = vanished.len();
        tracing::warn!("{count} requests are no longer readable; what they asked for stands");
        return Ok(());
    }
    for id in vanished {
        let Some(stored) = deps.store.requests().get(id)? else { continue };
        let number = &stored.request.reference.number;
        let thread = LogThread::of_request(&deps.store, &stored.request)?;
        log_event!(
            warn,
            thread,
            { outcome = "vanished" },
            "{number}: the request is no longer readable; what it asked for stands"
        );
    }
    Ok(())
}
