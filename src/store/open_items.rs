//! What is not as it should be: the one list that every report reads. And the actions that wait for a
//! decision among it.

mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Params, Row, named_params};

use super::columns::{At, Count, Json, origin_columns, read_origin};
use super::decisions::HoldDecision;
use super::{OpenItems, Result};
use crate::model::{Disposition, HoldSet, OpenAction, OpenItem, Origin, Subject, SysId, Timestamp};

pub(crate) use waiting::WaitingItem;
pub use waiting::{HeldAction, HoldSelection, NotDecided};

/// An open item as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its number, never given twice: what somebody read in a list must not mean another item by
    /// the time it is typed.
    pub id: i64,
    /// Since when it is open.
    pub since: Timestamp,
    /// Since when it is open for this reason.
    pub changed_at: Timestamp,
    /// What is open, as the last decision about it found it.
    pub item: OpenItem,
    /// What a person said to its action, while that stands.
    pub said: Option<HoldDecision>,
}

/// Which of the items that were handed over are news, by their places, and which are over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transitions {
    /// Those that were not open before.
    pub began: Vec<usize>,
    /// Those that are open for another reason than before, with how they were.
    pub changed: Vec<(usize, OpenItem)>,
    /// What was open before and is not any more.
    pub ended: Vec<StoredItem>,
}

/// How much is open that counts: what was dismissed does not, and of a request that waits for what
/// one of its people waits for, only the latter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenCounts {
    /// Still to do although nothing stands in its way.
    pub apply: usize,
    /// Waits for a person's decision, for something else to change, or cannot be done.
    pub held: usize,
    /// Only observed.
    pub observed: usize,
    /// Actions that wait for a decision, among those held.
    pub actions: usize,
    /// Requests that are not carried out, among those held.
    pub requests: usize,
    /// What somebody who administers is needed for, among all of it.
    pub administrator: usize,
}

/// Whose items are replaced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Replaced<'a> {
    /// These people's, before anything is done about them: what nothing stands in the way of is
    /// left as it is, and so are the items of actions, by fingerprint, that are about to be done.
    Before(&'a BTreeSet<SysId>, &'a BTreeSet<String>),
    /// These people's, after everything that this cycle does about them.
    After(&'a BTreeSet<SysId>),
    /// All of these kinds.
    Kinds(&'a [&'static str]),
}

/// The item counts: nobody dismissed it, somebody is needed for it or it is about a person, and nobody
/// else's item says the same.
pub(super) const COUNTS: &str = "o.silenced = 0 AND NOT (o.kind = 'request' AND o.needs = 'nobody')
    AND NOT EXISTS (SELECT 1 FROM decisions d
        WHERE d.fingerprint = o.fingerprint AND d.over = 0 AND d.verdict = 'dismiss')
    AND NOT (o.kind = 'request' AND EXISTS (SELECT 1 FROM open_items p
        WHERE p.origin = o.origin AND p.kind = 'person'
            AND (p.disposition IN ('apply', 'hold', 'blocked') OR p.observed = 1)))";

impl OpenItems<'_> {
    /// Keeps what was found open, in place of what was found before of the same people, or of the
    /// same kinds: that is over where it is not found any more, and what was said to it with it.
    pub(crate) fn replace(
        &self,
        replaced: Replaced<'_>,
        items: &[OpenItem],
        now: Timestamp,
    ) -> Result<Transitions> {
        self.0.atomically(|| {
            let mut before = self.concerned(replaced, items)?;
            let mut transitions = Transitions::default();
            let mut found = BTreeSet::new();
            for (place, item) in items.iter().enumerate() {
                let identity = item.identity();
                match before.remove(&identity) {
                    // The same item twice in one decision: the first stands.
                    _ if !found.insert(identity) => {}
                    None => {
                        self.insert(item, now)?;
                        transitions.began.push(place);
                    }
                    // Its turn did not come: what a person said to it stands until it does.
                    Some(known) if self.is_released_still(&known, item, now)? => {}
                    Some(known) if known.item.disposition != item.disposition => {
                        self.update(known.id, item, now)?;
                        transitions.changed.push((place, known.item));
                    }
                    Some(known) if known.item != *item => {
                        self.update(known.id, item, known.changed_at)?;
                    }
                    Some(_) => {}
                }
            }
            for stored in before.into_values() {
                if replaced.ends(&stored.item) {
                    self.end(&stored)?;
                    transitions.ended.push(stored);
                }
            }
            Ok(transitions)
        })
    }

    fn is_released_still(
        &self,
        known: &StoredItem,
        found: &OpenItem,
        now: Timestamp,
    ) -> Result<bool> {
        let held = matches!(known.item.disposition, Disposition::Hold(_));
        let Some(action) = found.action.as_ref().filter(|_| held) else { return Ok(false) };
        let open = found.disposition.is_apply();
        Ok(open && self.0.decisions().release_of(&action.fingerprint, now)?.is_some())
    }

    fn concerned(
        &self,
        replaced: Replaced<'_>,
        items: &[OpenItem],
    ) -> Result<BTreeMap<String, StoredItem>> {
        let found = match replaced {
            Replaced::Before(people, _) | Replaced::After(people) => {
                let named = items.iter().filter_map(OpenItem::person);
                let people: BTreeSet<&SysId> = people.iter().chain(named).collect();
                let sql = "o.kind = 'person' AND o.subject IN (SELECT value FROM json_each(?))";
                self.select(sql, [Json(people)])?
            }
            Replaced::Kinds(kinds) => {
                self.select("o.kind IN (SELECT value FROM json_each(?))", [Json(kinds)])?
            }
        };
        Ok(found.into_iter().map(|stored| (stored.item.identity(), stored)).collect())
    }

    fn select(&self, condition: &str, params: impl Params) -> Result<Vec<StoredItem>> {
        let sql = format!(
            "SELECT id, kind, subject, facts, origin, parent, cause, why, reason, fingerprint, step,
                 group_id, groups, changes, in_set, since, changed_at
             FROM open_items o WHERE {condition} ORDER BY id"
        );
        self.0.all(&sql, params, read)
    }

    fn insert(&self, item: &OpenItem, now: Timestamp) -> Result<()> {
        let (origin, parent) = origin_columns(&item.origin);
        let (kind, subject) = item.subject.words();
        let action = item.action.as_ref();
        let (groups, changes) =
            action.map(|it| (it.groups.clone(), it.changes.clone())).unwrap_or_default();
        let row = named_params! {
            "kind": kind,
            "subject": subject,
            "identity": item.identity(),
            "facts": Json(&item.facts),
            "origin": origin,
            "parent": parent,
            "cause": item.cause,
            "why": item.why.as_ref().map(Json),
            "disposition": item.disposition.enforced().as_str(),
            "observed": item.disposition.is_observed(),
            "reason": Json(&item.disposition),
            "needs": item.disposition.needs().as_str(),
            "silenced": item.is_dismissed(),
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
        let OpenItem { subject: _, facts, origin: _, cause, why, disposition, action } = item;
        let row = named_params! {
            ":id": id,
            ":facts": Json(facts),
            ":cause": cause,
            ":why": why.as_ref().map(Json),
            ":disposition": disposition.enforced().as_str(),
            ":observed": disposition.is_observed(),
            ":reason": Json(disposition),
            ":needs": disposition.needs().as_str(),
            ":silenced": item.is_dismissed(),
            ":in_set": action.as_ref().and_then(|action| action.set),
            ":changed_at": At(changed_at),
        };
        self.0.run(
            "UPDATE open_items SET facts = :facts, cause = :cause, why = :why,
                 disposition = :disposition, observed = :observed, reason = :reason,
                 needs = :needs, silenced = :silenced, in_set = :in_set, changed_at = :changed_at
             WHERE id = :id",
            row,
        )
    }

    fn end(&self, stored: &StoredItem) -> Result<()> {
        if let Some(action) = &stored.item.action {
            self.0.decisions().end(&action.fingerprint)?;
        }
        self.0.run("DELETE FROM open_items WHERE id = ?", [stored.id])
    }

    /// Everything that is open, in the order in which it began, with what was said to it.
    pub fn all(&self, now: Timestamp) -> Result<Vec<StoredItem>> {
        self.with_decisions(self.select("true", [])?, now)
    }

    /// What is open of one kind of subject.
    pub(crate) fn of_kind(&self, kind: &str) -> Result<Vec<StoredItem>> {
        self.select("o.kind = ?", [kind])
    }

    /// What is open and counts of all, or of one person and the requests that name them.
    pub(crate) fn counting(
        &self,
        person: Option<&SysId>,
        now: Timestamp,
    ) -> Result<Vec<StoredItem>> {
        let sql = format!("{COUNTS} AND {}", of_whom(person));
        let params: Vec<&SysId> = person.into_iter().collect();
        self.with_decisions(self.select(&sql, rusqlite::params_from_iter(params))?, now)
    }

    fn with_decisions(
        &self,
        mut items: Vec<StoredItem>,
        now: Timestamp,
    ) -> Result<Vec<StoredItem>> {
        let mut said = self.0.decisions().standing(now)?;
        for stored in &mut items {
            let action = stored.item.action.as_ref();
            stored.said = action.and_then(|action| said.remove(&action.fingerprint));
        }
        Ok(items)
    }

    /// How much is open and counts, of all, or of one person and the requests that name them.
    pub fn counts(&self, person: Option<&SysId>) -> Result<OpenCounts> {
        let sql = format!(
            "SELECT kind, disposition, observed, needs, fingerprint IS NOT NULL, count(*)
             FROM open_items o WHERE {COUNTS} AND {} GROUP BY 1, 2, 3, 4, 5",
            of_whom(person)
        );
        let params: Vec<&SysId> = person.into_iter().collect();
        let rows: Vec<(String, String, bool, String, bool, Count)> =
            self.0.all(&sql, rusqlite::params_from_iter(params), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            })?;
        let mut counts = OpenCounts::default();
        for (kind, disposition, observed, needs, is_action, Count(number)) in rows {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let place = match &*disposition {
                _ if observed => &mut counts.observed,
                "apply" => &mut counts.apply,
                "hold" | "blocked" => {
                    counts.actions += if is_action { number } else { 0 };
                    counts.requests += if kind == "request" { number } else { 0 };
                    &mut counts.held
                }
                _ => continue,
            };
            *place += number;
            counts.administrator += if needs == "administrator" { number } else { 0 };
        }
        Ok(counts)
    }

    /// Requests that are not carried out, and no decision about an action would end that.
    pub(crate) fn stuck(&self) -> Result<Vec<StoredItem>> {
        self.select(
            "o.kind = 'request' AND o.fingerprint IS NULL AND NOT EXISTS (SELECT 1 FROM open_items p
                 WHERE p.origin = o.origin AND p.kind = 'person' AND p.fingerprint IS NOT NULL
                     AND p.disposition = 'hold')",
            [],
        )
    }

    /// Whoever is held by a limit that counts several together, or would be if what is only observed
    /// enforced: how many there are decides about each of them.
    pub(crate) fn counted_together(&self) -> Result<Vec<SysId>> {
        let sql = "SELECT DISTINCT subject, observed, in_set FROM open_items
            WHERE kind = 'person' AND fingerprint IS NOT NULL
                AND (observed = 1 OR in_set IS NOT NULL) ORDER BY subject";
        let rows: Vec<(SysId, bool, Option<HoldSet>)> =
            self.0.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let counted = |(_, observed, set): &(SysId, bool, Option<HoldSet>)| {
            *observed || set.is_some_and(HoldSet::slides)
        };
        let mut people: Vec<SysId> = rows.into_iter().filter(counted).map(|row| row.0).collect();
        people.dedup();
        Ok(people)
    }

    /// Whether a person's item that counts comes from the same request.
    pub(crate) fn is_said_with_a_person(&self, origin: &Origin) -> Result<bool> {
        let (origin, _) = origin_columns(origin);
        let sql = "SELECT EXISTS (SELECT 1 FROM open_items WHERE origin = ? AND kind = 'person'
            AND (disposition IN ('apply', 'hold', 'blocked') OR observed = 1))";
        self.0.value(sql, [origin])
    }
}

impl Replaced<'_> {
    /// Whether an item that is not found any more is over.
    fn ends(self, item: &OpenItem) -> bool {
        let of = |people: &BTreeSet<SysId>| item.person().is_some_and(|it| people.contains(it));
        match self {
            Self::Kinds(_) => true,
            Self::After(people) => of(people),
            Self::Before(people, kept) => {
                let action = item.action.as_ref();
                let kept = action.is_some_and(|action| kept.contains(&action.fingerprint));
                of(people) && !kept && !item.disposition.is_apply()
            }
        }
    }
}

fn of_whom(person: Option<&SysId>) -> &'static str {
    match person {
        None => "true",
        Some(_) => {
            "(o.kind = 'person' AND o.subject = ?1 OR o.kind = 'request' AND o.subject IN
                (SELECT request FROM request_people WHERE person = ?1))"
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredItem> {
    let (kind, name): (String, String) = (row.get(1)?, row.get(2)?);
    let subject = Subject::from_words(&kind, &name)
        .ok_or_else(|| rusqlite::Error::InvalidColumnName(format!("{kind} {name}")))?;
    let action = match row.get(9)? {
        None => None,
        Some(fingerprint) => Some(OpenAction {
            fingerprint,
            step: row.get(10)?,
            group: row.get(11)?,
            groups: row.get::<_, Json<_>>(12)?.0,
            changes: row.get::<_, Json<_>>(13)?.0,
            set: row.get(14)?,
        }),
    };
    let item = OpenItem {
        subject,
        facts: row.get::<_, Json<_>>(3)?.0,
        origin: read_origin(row, 4, 5)?,
        cause: row.get(6)?,
        why: row.get::<_, Option<Json<_>>>(7)?.map(|why| why.0),
        disposition: row.get::<_, Json<_>>(8)?.0,
        action,
    };
    let (At(since), At(changed_at)) = (row.get(15)?, row.get(16)?);
    Ok(StoredItem { id: row.get(0)?, since, changed_at, item, said: None })
}

#[cfg(test)]
mod tests;
