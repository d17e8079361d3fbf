//! What waits for a person's yes, and what the person says to it. Only the store is needed, so
//! this works beside a running daemon and without either system.

use std::collections::BTreeMap;

use serde::Serialize;

use super::describe::{group_name, view_of};
use super::report::{ChangeView, PersonView};
use crate::config::Config;
use crate::model::{Instant, SysId};
use crate::store::{Hold, Said, Store, StoreError, Which, Word};

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
    pub person: PersonView,
    /// Which group, by name.
    pub group: Option<String>,
    /// Profile changes.
    pub changes: BTreeMap<String, ChangeView>,
    /// Why it waits.
    pub reason: String,
    /// The set that it belongs to, where a whole kind of action waits.
    pub set: Option<String>,
    /// Who released it, and why.
    pub released: Option<Released>,
}

/// A person's yes.
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
}

/// Everything that waits. Works on a private copy of the store, which may not exist yet.
pub fn waiting(config: &Config, now: Instant) -> Result<HoldReport, StoreError> {
    let store = Store::scratch(&config.store.path, &super::orgs(config))?;
    Ok(HoldReport { holds: holds_in(&store, None, now)? })
}

/// Records what a person says. Nothing is recorded where one of the numbers is not known: these
/// are given back.
pub fn say(
    config: &Config,
    which: &Which,
    said: &Said,
) -> Result<Result<Vec<HoldView>, Vec<i64>>, StoreError> {
    let store = Store::beside(&config.store.path, &super::orgs(config))?;
    match store.say(which, said)? {
        Ok(holds) => {
            let views = holds.into_iter().map(|hold| view(&store, hold));
            Ok(Ok(views.collect::<Result<_, _>>()?))
        }
        Err(unknown) => Ok(Err(unknown)),
    }
}

/// What waits, for one person or for all.
pub(super) fn holds_in(
    store: &Store,
    person: Option<&SysId>,
    now: Instant,
) -> Result<Vec<HoldView>, StoreError> {
    let waits = |hold: &Hold| hold.said.as_ref().is_none_or(|said| said.word == Word::Release);
    store
        .holds(now)?
        .into_iter()
        .filter(|hold| waits(hold) && person.is_none_or(|person| hold.hold.person == *person))
        .map(|hold| view(store, hold))
        .collect()
}

fn view(store: &Store, hold: Hold) -> Result<HoldView, StoreError> {
    let Hold { id, since, hold, said } = hold;
    let expires = said.as_ref().and_then(Said::expires).map(stamp);
    let changes: BTreeMap<String, ChangeView> = serde_json::from_str(&hold.changes)
        .map_err(|error| StoreError::Corrupt(format!("the changes of hold {id}: {error}")))?;
    Ok(HoldView {
        id,
        since: stamp(since),
        expires,
        request: (hold.request != crate::model::Origin::None.to_string()).then_some(hold.request),
        parent: hold.parent,
        cause: hold.cause.as_str(),
        action: hold.action,
        person: view_of(store, &hold.person)?,
        group: hold.group.as_ref().map(|group| group_name(store, group)).transpose()?,
        changes,
        reason: hold.reason,
        set: hold.set,
        released: said.filter(|said| said.word == Word::Release).map(|said| Released {
            by: said.by,
            at: stamp(said.at),
            because: said.because,
        }),
    })
}

fn stamp(at: Instant) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
