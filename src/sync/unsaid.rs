//! What is new among the open items and not said yet: a hundred people who are refused side by side are
//! one set, so it is said once for all of them.

use std::collections::BTreeSet;

use crate::model::{OpenItem, SysId};
use crate::store::Transitions;

#[derive(Debug, Default)]
pub(crate) struct Unsaid {
    pub(crate) items: Vec<OpenItem>,
    /// By their places among the items.
    pub(crate) transitions: Transitions,
    /// Who was acted on: what ended with that was said with the action.
    pub(crate) touched: BTreeSet<SysId>,
}

impl Unsaid {
    pub(crate) fn add(
        &mut self,
        items: Vec<OpenItem>,
        transitions: Transitions,
        touched: &BTreeSet<SysId>,
    ) {
        let Transitions { began, changed, ended } = transitions;
        let first = self.items.len();
        self.items.extend(items);
        self.transitions.began.extend(began.into_iter().map(|place| first + place));
        let changed = changed.into_iter().map(|(place, before)| (first + place, before));
        self.transitions.changed.extend(changed);
        self.transitions.ended.extend(ended);
        self.touched.extend(touched.iter().cloned());
    }
}
