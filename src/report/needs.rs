//! What somebody is needed for, worst first, each with the command to run.

use crate::config::Offline;
use crate::model::{
    Disposition, Needs, OpenItem, Operation, RequestNumber, Subject, Timestamp, gather, tally,
};
use crate::report::{NeedView, Released, SidesView, StatusReport, stamp};
use crate::store::{Store, StoreError, StoredItem};
use crate::sync::error::Side;
use crate::sync::names::{PersonNames, group_name, names_of};

/// Without a good cycle for longer than this, somebody is needed.
const STALE: chrono::Duration = chrono::Duration::minutes(15);

/// Everything that somebody is needed for; empty where all is well. `store`: what is kept, and by
/// which configuration, where there is a store.
pub(super) fn needs(
    report: &StatusReport,
    store: Option<(&Offline, &Store)>,
    now: Timestamp,
) -> Result<Vec<NeedView>, StoreError> {
    let mut needs = Vec::new();
    if let Some(Released { by, at, because }) = &report.paused {
        let text =
            format!("paused by {by} since {at}, nothing is written to either side: {because}");
        let since = Some(at.clone());
        needs.push(NeedView { since, ..need("paused", text, "goldthread resume") });
    }
    if let Some((config, store)) = store {
        needs.extend(late(config, store, now)?);
    }
    if let Some(reason) = &report.quarantined {
        needs.push(need("quarantine", format!("quarantined: {reason}"), "goldthread hold list"));
    }
    needs.extend(vitals(report));
    if let Some((_, store)) = store {
        needs.extend(open(store, now)?);
    }
    Ok(needs)
}

fn need(kind: &'static str, text: String, command: impl Into<String>) -> NeedView {
    NeedView { kind, text, command: command.into(), ..NeedView::default() }
}

fn vitals(report: &StatusReport) -> Vec<NeedView> {
    let mut needs = Vec::new();
    if !report.running {
        let command = format!("systemctl start {}", report.unit);
        needs.push(need("daemon", "the daemon does not run".to_owned(), command));
    }
    let log = format!("journalctl -u {} -e", report.unit);
    let SidesView { servicenow, okta } = &report.sides;
    for (side, view) in [(Side::ServiceNow, servicenow), (Side::Okta, okta)] {
        if view.ok == Some(false) {
            let error = view.error.as_deref().unwrap_or("no answer");
            let since = view.since.as_deref().unwrap_or("?");
            let text = format!("{side} has not worked since {since}: {error}");
            let since = view.since.clone();
            needs.push(NeedView { since, ..need("side", text, "goldthread check") });
        }
    }
    match report.lag_seconds {
        None => needs.push(need("stale", "no cycle has ended well yet".to_owned(), log)),
        Some(lag) if lag > STALE.num_seconds() => {
            needs.push(need("stale", format!("no cycle has ended well for {lag} s"), log));
        }
        Some(_) => {}
    }
    needs
}

/// Leaves past their target, whoever is needed.
fn late(config: &Offline, store: &Store, now: Timestamp) -> Result<Vec<NeedView>, StoreError> {
    let target = chrono::Duration::from_std(config.targets.leave).unwrap_or_default();
    let mut needs = Vec::new();
    for late in store.deadlines().open()? {
        if late.operation != Operation::Leave || now - late.in_force <= target {
            continue;
        }
        let Some(stored) = store.requests().get(&late.request)? else { continue };
        let number = stored.request.reference.number.as_str().to_owned();
        let person = late.person.as_ref().map(|id| names_of(store, id)).transpose()?;
        let name = person.as_ref().map_or("somebody who is not known", PersonNames::name);
        let text = format!("the leave of {name} is past its target");
        needs.push(NeedView {
            since: Some(stamp(late.in_force)),
            request: Some(number.clone()),
            person,
            ..need("late", text, format!("goldthread explain {number}"))
        });
    }
    Ok(needs)
}

/// What is open and needs whoever administers: one for each set, and one for each other item.
fn open(store: &Store, now: Timestamp) -> Result<Vec<NeedView>, StoreError> {
    let mut counting = store.open_items().counting(None, now)?;
    // What was released is on its way.
    counting.retain(|it| it.item.disposition.needs() == Needs::Administrator && it.said.is_none());
    let (sets, mut alone) = gather(counting, |stored| &stored.item);
    let mut needs = Vec::new();
    for (cause, members) in sets {
        let Some(StoredItem { since, item, .. }) = members.first() else { continue };
        let text = format!("{}: {}", tally(members.len(), item, None), item.reason());
        let command = match (&item.subject, &item.action) {
            (Subject::Request(_), None) => "goldthread requests --stuck".to_owned(),
            _ => format!("goldthread hold list {}", cause.set),
        };
        let kind = match (&item.subject, &item.disposition) {
            (Subject::Request(_), _) => "request",
            (_, Disposition::Blocked(_)) => "blocked",
            _ => "held",
        };
        needs.push(NeedView { since: Some(stamp(*since)), ..need(kind, text, command) });
    }
    alone.sort_by_key(|stored| stored.id);
    for stored in alone {
        needs.push(single(store, &stored)?);
    }
    Ok(needs)
}

fn single(store: &Store, stored: &StoredItem) -> Result<NeedView, StoreError> {
    let StoredItem { id, item, since, .. } = stored;
    let number = item.origin.request().map(|it| it.number.as_str().to_owned());
    let person = item.person().map(|id| names_of(store, id)).transpose()?;
    let reason = item.reason();
    let (kind, text, command) = match &item.subject {
        Subject::Person(_) => {
            let name = person.as_ref().map_or("somebody", PersonNames::name);
            let what = what(store, item)?;
            let explain = || format!("goldthread explain {name}");
            match (&item.disposition, &item.action) {
                (Disposition::Hold(reason), Some(_)) if reason.can_be_released() => (
                    "held",
                    format!("{what} of {name} is held: {reason}"),
                    format!("goldthread hold show {id}"),
                ),
                (Disposition::Hold(_), _) => {
                    ("held", format!("{what} of {name} is held: {reason}"), explain())
                }
                _ => ("blocked", format!("{what} of {name} cannot be done: {reason}"), explain()),
            }
        }
        Subject::Request(_) => {
            let number =
                item.origin.request().map_or("a request", |it| RequestNumber::as_str(&it.number));
            (
                "request",
                format!("{number} is not carried out: {reason}"),
                format!("goldthread explain {number}"),
            )
        }
        Subject::Rule(_) => ("rule", reason, "goldthread check".to_owned()),
        Subject::Name(_) => ("name", reason, "goldthread check".to_owned()),
        Subject::Side(_) => ("side", reason, "goldthread check".to_owned()),
        Subject::Record(_) => ("record", reason, "goldthread check".to_owned()),
    };
    Ok(NeedView {
        since: Some(stamp(*since)),
        request: number,
        person,
        ..need(kind, text, command)
    })
}

/// The action, or the fact, that an item of a person is about.
fn what(store: &Store, item: &OpenItem) -> Result<String, StoreError> {
    use crate::model::FactKey;
    if let Some(action) = &item.action {
        let group = action.group.as_ref().map(|id| group_name(store, id)).transpose()?;
        let group = group.map_or_else(String::new, |group| format!(" ({group})"));
        return Ok(format!("{}{group}", action.step.as_str()));
    }
    Ok(match item.facts.first().map(|fact| &fact.key) {
        Some(FactKey::Membership(id)) => format!("membership in {}", group_name(store, id)?),
        Some(FactKey::Profile(attribute)) => attribute.clone(),
        Some(key) => key.kind().to_owned(),
        None => "something".to_owned(),
    })
}
