//! What waits for a decision among what is open, and the decisions.

use super::super::decisions::{HoldDecision, Verdict};
use super::super::{OpenItems, Result};
use super::StoredItem;
use crate::model::{
    Cause, Disposition, HoldReason, OpenAction, OpenItem, Origin, SharedCause, Subject, SysId,
    Timestamp, gather,
};

/// An action that waits, or that a person dismissed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAction {
    /// The number to name it by.
    pub id: i64,
    /// Since when it waits.
    pub since: Timestamp,
    /// The `sys_user` row of the person whose account it would change; `None` for an edit of a
    /// request.
    pub person: Option<SysId>,
    /// Where the desired fact comes from.
    pub origin: Origin,
    /// Why the desired fact and Okta's differ now.
    pub cause: Cause,
    /// What keeps it from being done without a decision.
    pub reason: HoldReason,
    /// What would be done, with the fingerprint that a decision is about.
    pub action: OpenAction,
    /// The cause that it shares with others, by which they are one set.
    pub shared: Option<SharedCause>,
    /// What a person said to it, while that stands.
    pub said: Option<HoldDecision>,
    /// When that lapses, by what is known now: it does not age while writing is paused.
    pub expires: Option<Timestamp>,
}

impl HeldAction {
    /// The new values of an edited request cannot be used, so that nothing could be released.
    fn is_unusable_edit(&self) -> bool {
        matches!(self.reason, HoldReason::RequestWaits { .. }) && !self.reason.can_be_released()
    }
}

/// An item that waits, with what it waits with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaitingItem {
    pub(crate) stored: StoredItem,
    /// The cause that it shares with others that wait, by which they are one set.
    pub(crate) set: Option<SharedCause>,
    /// When what was said to it lapses, by what is known now.
    pub(crate) expires: Option<Timestamp>,
}

impl WaitingItem {
    /// The action that a decision can be made about; `None` where only something else can end it.
    pub(crate) fn action(self) -> Option<HeldAction> {
        let Self { stored: StoredItem { id, since, item, said, .. }, set, expires } = self;
        let OpenItem { subject, origin, cause, disposition, action, .. } = item;
        let (Some(action), Disposition::Hold(reason)) = (action, disposition) else {
            return None;
        };
        let person = match subject {
            Subject::Person(person) => Some(person),
            _ => None,
        };
        let shared = set;
        Some(HeldAction { id, since, person, origin, cause, reason, action, shared, said, expires })
    }
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

/// Why nothing at all was recorded of what somebody said to actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDecided {
    /// Nothing waits under these numbers.
    Unknown(Vec<i64>),
    /// An edit of a request, by its number here, whose new values cannot be used, and why: a release
    /// would say yes to nothing.
    Unusable(i64, String),
}

impl OpenItems<'_> {
    /// What waits for a decision or for something else to change, what was dismissed included, in the
    /// order in which it began, with the set that it belongs to; requests only where a decision can
    /// be made about them.
    pub(crate) fn waiting(&self, now: Timestamp) -> Result<Vec<WaitingItem>> {
        let sql = "observed = 0 AND disposition IN ('hold', 'blocked')
            AND (kind <> 'request' OR fingerprint IS NOT NULL)";
        let stored = self.with_decisions(self.select(sql, [])?, now)?;
        let pauses = self.0.brake().spans()?;
        let (sets, alone) = gather(stored, |stored| &stored.item);
        let item = |stored: StoredItem, set| {
            let expires = stored.said.as_ref().and_then(|said| said.expires(&pauses, now));
            WaitingItem { stored, set, expires }
        };
        let mut waiting: Vec<WaitingItem> = alone.into_iter().map(|it| item(it, None)).collect();
        for (cause, members) in sets {
            waiting.extend(members.into_iter().map(|it| item(it, Some(cause.clone()))));
        }
        waiting.sort_by_key(|it| it.stored.id);
        Ok(waiting)
    }

    /// Every action that waits or was dismissed, in the order in which it was held, with what was
    /// said to it and still stands.
    pub fn actions(&self, now: Timestamp) -> Result<Vec<HeldAction>> {
        Ok(self.waiting(now)?.into_iter().filter_map(WaitingItem::action).collect())
    }

    /// Records what a person says to actions that wait: to all of them, or, where that cannot be said
    /// to one that is named, to none. The next cycle looks at whom a release concerns.
    pub(crate) fn decide(
        &self,
        which: &HoldSelection,
        said: &HoldDecision,
    ) -> Result<Result<Vec<HeldAction>, NotDecided>> {
        self.0.atomically(|| {
            let mut held = self.actions(said.at)?;
            if let HoldSelection::Ids(ids) = which {
                let known = |id: &i64| held.iter().any(|held| held.id == *id);
                let unknown: Vec<i64> = ids.iter().copied().filter(|id| !known(id)).collect();
                if !unknown.is_empty() {
                    return Ok(Err(NotDecided::Unknown(unknown)));
                }
            }
            held.retain(|held| match which {
                HoldSelection::Ids(ids) => ids.contains(&held.id),
                HoldSelection::Set(set) => {
                    held.shared.as_ref().is_some_and(|it| it.set == *set) && held.said.is_none()
                }
                HoldSelection::All => held.said.is_none(),
            });
            let unusable = |it: &HeldAction| said.word == Verdict::Release && it.is_unusable_edit();
            if let (HoldSelection::Ids(_), Some(it)) = (which, held.iter().find(|it| unusable(it)))
            {
                return Ok(Err(NotDecided::Unusable(it.id, it.reason.to_string())));
            }
            held.retain(|it| !unusable(it));
            let pauses = self.0.brake().spans()?;
            for held in &mut held {
                let HeldAction { person, origin, action, .. } = &*held;
                self.0.decisions().record(person.as_ref(), origin, action, said)?;
                held.said = Some(said.clone());
                held.expires = said.expires(&pauses, said.at);
            }
            Ok(Ok(held))
        })
    }
}
