//! Answers that are no errors of a read, and no "nothing" either.

use crate::model::Timestamp;

/// What a side knows by a text that somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ByText<T> {
    /// Whoever or whatever the text fits: it was looked for, and every fit could be read.
    Found(T),
    /// Nothing can be looked up by this text, for this reason: it cannot stand in a query, or what
    /// it fits is hidden or makes no sense. Not the same as nobody. Without the text itself.
    Unusable(String),
}

impl<T> ByText<T> {
    /// Why nothing can be looked up by it.
    #[cfg(test)]
    pub(crate) fn unusable(&self) -> Option<&str> {
        match self {
            Self::Found(_) => None,
            Self::Unusable(why) => Some(why),
        }
    }
}

impl<T: Default> ByText<T> {
    /// What was found; nothing where nothing could be looked up.
    pub(crate) fn found(self) -> T {
        match self {
            Self::Found(found) => found,
            Self::Unusable(_) => T::default(),
        }
    }
}

/// What a side's own record of deletions says of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// It was deleted then, at the latest.
    Shown(Timestamp),
    /// The record can be read and has nothing about it.
    NotShown,
    /// The record cannot be read, for this reason, so nothing follows.
    Unreadable(String),
}
