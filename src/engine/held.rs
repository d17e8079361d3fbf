//! Remembering what waits for a person's yes, and saying what of it is new.

use std::collections::{BTreeMap, BTreeSet};

use super::cycle::Preview;
use super::report::ChangeView;
use super::{Engine, EngineError};
use crate::model::{Action, Change, HoldSet, OpenAction, Step};
use crate::reconcile::guard::Held;
use crate::store::{ItemReason, NewItem, Quarantine};

impl Engine {
    /// Keeps what waits, and warns of what is new among it.
    pub(super) fn keep_holds(&self, preview: &Preview) -> Result<(), EngineError> {
        let mut holds = Vec::new();
        // What follows a dismissed action was not dismissed itself, and waits for nobody.
        let silent = |held: &&Held| held.follows && held.dismissed.is_some();
        for held in preview.verdict.held.iter().filter(|held| !silent(held)) {
            let view = self.action_report(&held.planned, "held", Some(held.reason.clone()))?;
            let Action { person, step, origin, cause, .. } = &held.planned.action;
            let change = |(name, it): (&String, &ChangeView)| {
                (name.clone(), Change { from: it.from.clone(), to: it.to.clone() })
            };
            let action = OpenAction {
                fingerprint: held.planned.fingerprint(),
                step: step.kind(),
                group: step.group().cloned(),
                groups: match step {
                    Step::Create { groups, .. } => groups.clone(),
                    _ => Vec::new(),
                },
                changes: view.changes.iter().map(change).collect(),
                set: held.set.and_then(HoldSet::from_word),
            };
            let hold = NewItem {
                person: person.clone(),
                facts: held.planned.keys.clone(),
                desired: None,
                actual: held.planned.before.clone(),
                origin: origin.clone(),
                cause: *cause,
                reason: ItemReason::Text { text: held.reason.clone() },
                action: Some(action),
            };
            holds.push((hold, view, held.dismissed.is_some()));
        }
        let looked_at = &preview.decision.looked_at;
        let rows: Vec<NewItem> = holds.iter().map(|(hold, ..)| hold.clone()).collect();
        // A release goes when its action is begun, not before.
        let approved = preview.verdict.approved.actions().iter().filter(|action| action.released);
        let kept: BTreeSet<String> =
            approved.map(|approved| approved.planned.fingerprint()).collect();
        let now = self.now();
        let news: BTreeSet<usize> = self.store.atomically(|| {
            let news = self.store.open_items().replace(looked_at, &rows, &kept, now)?;
            self.store.decisions().releases_seen(looked_at, &preview.released, now)?;
            Ok(news.began.into_iter().chain(news.changed).collect())
        })?;

        let mut sets: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, (hold, view, quiet)) in holds.iter().enumerate() {
            let Some(action) = hold.action.as_ref().filter(|_| news.contains(&place) && !quiet)
            else {
                continue;
            };
            if let Some(set) = action.set {
                *sets.entry(set.as_str()).or_default() += 1;
                continue;
            }
            tracing::warn!(
                request = hold.origin.to_string(),
                parent = view.parent.as_deref(),
                action = action.step.as_str(),
                outcome = "held",
                cause = hold.cause.as_str(),
                login = view.person.login.as_deref(),
                sys_id = %hold.person,
                group = view.group.as_deref(),
                cycle = preview.cycle,
                "{}: held: {} of {}: {}",
                hold.origin,
                action.step.as_str(),
                view.person.name(),
                hold.reason
            );
        }
        for (set, count) in sets {
            tracing::warn!(
                outcome = "held",
                cycle = preview.cycle,
                "{count} actions are held as the set {set}"
            );
        }
        self.keep_quarantine(preview)
    }

    /// Keeps whether whole kinds of action are held, and says when that begins, changes and ends.
    fn keep_quarantine(&self, preview: &Preview) -> Result<(), EngineError> {
        let cycle = preview.cycle;
        let before = self.store.state().quarantine()?.sets;
        let sets: Vec<HoldSet> =
            preview.verdict.sets.iter().filter_map(|set| HoldSet::from_word(set)).collect();
        let reason = preview.verdict.quarantined.clone();
        if sets.iter().any(|set| !before.contains(set)) {
            tracing::error!(cycle, "quarantine: {}", reason.as_deref().unwrap_or_default());
        } else if sets.is_empty() && !before.is_empty() {
            tracing::info!(cycle, "the quarantine is over");
        }
        Ok(self.store.state().set_quarantine(&Quarantine { sets, reason })?)
    }
}
