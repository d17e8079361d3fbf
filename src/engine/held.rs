//! Remembering what waits for a person's yes, and saying what of it is new.

use std::collections::{BTreeMap, BTreeSet};

use super::cycle::Preview;
use super::{Engine, EngineError};
use crate::model::Action;
use crate::reconcile::guard::Held;
use crate::store::NewHold;

impl Engine {
    /// Keeps what waits, and warns of what is new among it.
    pub(super) fn keep_holds(&self, preview: &Preview) -> Result<(), EngineError> {
        let mut holds = Vec::new();
        // What follows a dismissed action was not dismissed itself, and waits for nobody.
        let silent = |held: &&Held| held.follows && held.dismissed.is_some();
        for held in preview.verdict.held.iter().filter(|held| !silent(held)) {
            let view = self.action_report(&held.planned, "held", Some(held.reason.clone()))?;
            let Action { person, step, origin, cause, .. } = &held.planned.action;
            let hold = NewHold {
                fingerprint: held.planned.fingerprint(),
                person: person.clone(),
                action: step.name().to_owned(),
                group: step.group().cloned(),
                groups: view.groups.clone(),
                request: origin.to_string(),
                parent: view.parent.clone(),
                cause: *cause,
                changes: serde_json::to_string(&view.changes).unwrap_or_default(),
                reason: held.reason.clone(),
                set: held.set.map(str::to_owned),
            };
            holds.push((hold, view, held.dismissed.is_some()));
        }
        let looked_at = &preview.decision.looked_at;
        let rows: Vec<NewHold> = holds.iter().map(|(hold, ..)| hold.clone()).collect();
        // A release goes when its action is begun, not before.
        let approved = preview.verdict.approved.actions().iter().filter(|action| action.released);
        let kept: BTreeSet<String> =
            approved.map(|approved| approved.planned.fingerprint()).collect();
        let now = self.now();
        let news: BTreeSet<String> = self.store.atomically(|| {
            let news = self.store.holds().replace(looked_at, &rows, &kept, now)?;
            self.store.holds().releases_seen(looked_at, &preview.released, now)?;
            Ok(news.into_iter().collect())
        })?;
        let is_new = |hold: &NewHold| news.contains(&hold.fingerprint);

        let mut sets: BTreeMap<&str, usize> = BTreeMap::new();
        for (hold, view, _) in holds.iter().filter(|(hold, _, quiet)| is_new(hold) && !quiet) {
            if let Some(set) = &hold.set {
                *sets.entry(set).or_default() += 1;
                continue;
            }
            tracing::warn!(
                request = hold.request,
                parent = hold.parent.as_deref(),
                action = hold.action,
                outcome = "held",
                cause = hold.cause.as_str(),
                login = view.person.login.as_deref(),
                sys_id = %hold.person,
                group = view.group.as_deref(),
                cycle = preview.cycle,
                "{}: held: {} of {}: {}",
                hold.request,
                hold.action,
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
        let now = preview.verdict.quarantined.as_deref().unwrap_or("");
        let before = self.store.state().get("quarantined-sets")?.unwrap_or_default();
        let sets = &preview.verdict.sets;
        if sets.iter().any(|set| before.split(' ').all(|known| known != set)) {
            tracing::error!(cycle, "quarantine: {now}");
        } else if sets.is_empty() && !before.is_empty() {
            tracing::info!(cycle, "the quarantine is over");
        }
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        self.store.state().set("quarantined-sets", &sets.join(" "))?;
        Ok(self.store.state().set("quarantined", now)?)
    }
}
