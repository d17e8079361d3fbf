//! What is not as it should be, by person, and the actions that wait for a decision among it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Params, named_params, params};

use super::columns::{At, Json, origin_columns, read_origin};
use super::decisions::HoldDecision;
use super::{OpenItems, Result};
use crate::model::{
    Cause, Disposition, FactKey, HoldReason, OpenAction, OpenItem, Origin, SysId, Timestamp,
};

/// An open item as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its number, never given twice.
    pub id: i64,
    /// Since when it is open.
    pub since: Timestamp,
    /// Since when it is open for this reason.
    pub changed_at: Timestamp,
    /// What is open, as the last decision about the person found it.
    pub item: OpenItem,
}

/// An action that waits, or that a person dismissed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAction {
    /// The number to name it by.
    pub id: i64,
    /// Since when it waits.
    pub since: Timestamp,
    /// The `sys_user` row of the person whose account it would change.
    pub person: SysId,
    /// Where the desired fact comes from.
    pub origin: Origin,
    /// Why the desired fact and Okta's differ now.
    pub cause: Cause,
    /// What keeps it from being done without a decision.
    pub reason: HoldReason,
    /// What would be done, with the fingerprint that a decision is about.
    pub action: OpenAction,
    /// What a person said to it, while that stands.
    pub said: Option<HoldDecision>,
    /// When that lapses, by what is known now: it does not age while writing is paused.
    pub expires: Option<Timestamp>,
}

/// Which of the items that were handed over are news, by their places, and which are over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transitions {
    /// Those that were not open before.
    pub began: Vec<usize>,
    /// Those that are open for another reason than before.
    pub changed: Vec<usize>,
    /// What was open before and is not any more.
    pub ended: Vec<StoredItem>,
}

/// Which actions that wait are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldSelection {
    /// These, by [`HeldAction::id`]; one that is not known spoils the whole choice.
    Ids(Vec<i64>),
    /// Those of one set that nothing was said to.
    Set(String),
    /// Everything that nothing was said to.
    All,
}

/// What makes an item the same as one that was open before: the action that waits, or whose which
/// facts are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Action(String),
    Facts(SysId, Vec<FactKey>),
}

impl Identity {
    fn of(item: &OpenItem) -> Self {
        match &item.action {
            Some(action) => Self::Action(action.fingerprint.clone()),
            None => Self::Facts(item.person.clone(), item.facts.clone()),
        }
    }
}

impl OpenItems<'_> {
    /// Keeps what a decision about these people found open. What was open of them and is not found
    /// any more is over, and what was said to it with it, but for the actions, by fingerprint, that
    /// are `kept`: they are released and about to be done.
    pub(crate) fn replace(
        &self,
        people: &BTreeSet<SysId>,
        items: &[OpenItem],
        kept: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Transitions> {
        self.0.atomically(|| {
            let concerned: BTreeSet<&SysId> =
                people.iter().chain(items.iter().map(|item| &item.person)).collect();
            let mut before = self.of(&concerned)?;
            let mut transitions = Transitions::default();
            let mut found = BTreeSet::new();
            for (place, item) in items.iter().enumerate() {
                let identity = Identity::of(item);
                match before.remove(&identity) {
                    // The same item twice in one decision: the first stands.
                    _ if !found.insert(identity) => {}
                    None => {
                        self.insert(item, now)?;
                        transitions.began.push(place);
                    }
                    Some(known) if known.item.disposition != item.disposition => {
                        self.update(known.id, item, now)?;
                        transitions.changed.push(place);
                    }
                    Some(known) => self.update(known.id, item, known.changed_at)?,
                }
            }
            for stored in before.into_values() {
                let action = stored.item.action.as_ref();
                let is_kept = action.is_some_and(|action| kept.contains(&action.fingerprint));
                if people.contains(&stored.item.person) && !is_kept {
                    self.end(&stored)?;
                    transitions.ended.push(stored);
                }
            }
            Ok(transitions)
        })
    }

    fn of(&self, people: &BTreeSet<&SysId>) -> Result<BTreeMap<Identity, StoredItem>> {
        let found = self.select("person IN (SELECT value FROM json_each(?))", [Json(people)])?;
        Ok(found.into_iter().map(|stored| (Identity::of(&stored.item), stored)).collect())
    }

    fn select(&self, condition: &str, params: impl Params) -> Result<Vec<StoredItem>> {
        let sql = format!(
            "SELECT id, since, changed_at, person, facts, desired, actual, origin, parent, cause,
                 reason, fingerprint, step, group_id, groups, changes, in_set
             FROM open_items WHERE {condition} ORDER BY id"
        );
        self.0.all(&sql, params, |row| {
            let action = match row.get(11)? {
                None => None,
                Some(fingerprint) => Some(OpenAction {
                    fingerprint,
                    step: row.get(12)?,
                    group: row.get(13)?,
                    groups: row.get::<_, Json<_>>(14)?.0,
                    changes: row.get::<_, Json<_>>(15)?.0,
                    set: row.get(16)?,
                }),
            };
            let item = OpenItem {
                person: row.get(3)?,
                facts: row.get::<_, Json<_>>(4)?.0,
                desired: row.get(5)?,
                actual: row.get(6)?,
                origin: read_origin(row, 7, 8)?,
                cause: row.get(9)?,
                disposition: row.get::<_, Json<_>>(10)?.0,
                action,
            };
            let (At(since), At(changed_at)) = (row.get(1)?, row.get(2)?);
            Ok(StoredItem { id: row.get(0)?, since, changed_at, item })
        })
    }

    fn insert(&self, item: &OpenItem, now: Timestamp) -> Result<()> {
        let (origin, parent) = origin_columns(&item.origin);
        let action = item.action.as_ref();
        let (groups, changes) =
            action.map(|it| (it.groups.clone(), it.changes.clone())).unwrap_or_default();
        let row = named_params! {
            "person": item.person,
            "facts": Json(&item.facts),
            "desired": item.desired,
            "actual": item.actual,
            "origin": origin,
            "parent": parent,
            "cause": item.cause,
            "disposition": item.disposition.as_str(),
            "reason": Json(&item.disposition),
            "fingerprint": action.map(|action| &action.fingerprint),
            "step": action.map(|action| action.step),
            "group_id": action.and_then(|action| action.group.as_ref()),
            "groups": Json(groups),
            "changes": Json(changes),
            "in_set": action.and_then(|action| action.set),
            "since": At(now),
            "changed_at": At(now),
        };
        self.0.insert("open_items", row, "")
    }

    /// What is the same in every cycle stays: whose it is, the action, its origin, since when.
    fn update(&self, id: i64, item: &OpenItem, changed_at: Timestamp) -> Result<()> {
        let OpenItem { person: _, facts, desired, actual, origin: _, cause, disposition, action } =
            item;
        self.0.run(
            "UPDATE open_items SET facts = ?2, desired = ?3, actual = ?4, cause = ?5,
                 disposition = ?6, reason = ?7, in_set = ?8, changed_at = ?9 WHERE id = ?1",
            params![
                id,
                Json(facts),
                desired,
                actual,
                cause,
                disposition.as_str(),
                Json(disposition),
                action.as_ref().and_then(|action| action.set),
                At(changed_at)
            ],
        )
    }

    fn end(&self, stored: &StoredItem) -> Result<()> {
        if let Some(action) = &stored.item.action {
            self.0.decisions().end(&action.fingerprint)?;
        }
        self.0.run("DELETE FROM open_items WHERE id = ?", [stored.id])
    }

    /// Ends what waits of a person's actions, but for those, by fingerprint, that there is still
    /// cause for.
    pub(crate) fn end_other_actions(&self, person: &SysId, left: &BTreeSet<String>) -> Result<()> {
        self.0.atomically(|| {
            for stored in self.of(&BTreeSet::from([person]))?.into_values() {
                let action = stored.item.action.as_ref();
                if action.is_some_and(|action| !left.contains(&action.fingerprint)) {
                    self.end(&stored)?;
                }
            }
            Ok(())
        })
    }

    /// Every action that waits or was dismissed, in the order in which it was held, with what was
    /// said to it and still stands.
    pub fn actions(&self, now: Timestamp) -> Result<Vec<HeldAction>> {
        let mut said = self.0.decisions().standing(now)?;
        let pauses = self.0.brake().spans()?;
        let stored = self.select("fingerprint IS NOT NULL", [])?;
        let held = stored.into_iter().filter_map(|StoredItem { id, since, item, .. }| {
            let OpenItem { person, origin, cause, disposition, action, .. } = item;
            let (Some(action), Disposition::Hold(reason)) = (action, disposition) else {
                return None;
            };
            let said = said.remove(&action.fingerprint);
            let expires = said.as_ref().and_then(|said| said.expires(&pauses, now));
            Some(HeldAction { id, since, person, origin, cause, reason, action, said, expires })
        });
        Ok(held.collect())
    }

    /// Records what a person says to actions that wait: to all of them, or, where one of the
    /// numbers is not known, to none, and gives these numbers. The next cycle looks at whom a
    /// release concerns.
    pub(crate) fn decide(
        &self,
        which: &HoldSelection,
        said: &HoldDecision,
    ) -> Result<Result<Vec<HeldAction>, Vec<i64>>> {
        self.0.atomically(|| {
            let mut held = self.actions(said.at)?;
            if let HoldSelection::Ids(ids) = which {
                let known = |id: &i64| held.iter().any(|held| held.id == *id);
                let unknown: Vec<i64> = ids.iter().copied().filter(|id| !known(id)).collect();
                if !unknown.is_empty() {
                    return Ok(Err(unknown));
                }
            }
            held.retain(|held| match which {
                HoldSelection::Ids(ids) => ids.contains(&held.id),
                HoldSelection::Set(set) => {
                    held.action.set.is_some_and(|it| it.as_str() == set) && held.said.is_none()
                }
                HoldSelection::All => held.said.is_none(),
            });
            let pauses = self.0.brake().spans()?;
            for held in &mut held {
                let HeldAction { person, origin, action, .. } = &*held;
                self.0.decisions().record(person, origin, action, said)?;
                held.said = Some(said.clone());
                held.expires = said.expires(&pauses, said.at);
            }
            Ok(Ok(held))
        })
    }
}

#[cfg(test)]
mod tests;
