//! What the configured names of catalog items mean.

use std::collections::{BTreeMap, BTreeSet};

use super::{Item, ServiceNowError};

/// What the configured names of catalog items mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Items {
    /// In the order of the configured names.
    pub known: Vec<Item>,
    /// By the configured name, why it means nothing.
    pub unknown: BTreeMap<String, String>,
}

impl Items {
    /// All of them, or why one means nothing.
    pub(crate) fn whole(&self) -> Result<&[Item], ServiceNowError> {
        match self.unknown.values().next() {
            Some(why) => Err(ServiceNowError::Unresolved { why: why.clone() }),
            None => Ok(&self.known),
        }
    }

    /// The configured names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        let known: BTreeSet<_> = self.known.iter().map(|item| &item.configured_as).collect();
        known.into_iter().chain(self.unknown.keys()).collect::<BTreeSet<_>>().into_iter()
    }
}
