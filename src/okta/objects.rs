//! What is read from Okta besides accounts and groups.

use std::collections::BTreeSet;

use crate::model::{Account, AccountId, AccountStatus, GroupId};

/// The group rules of the org.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupRules {
    /// How many there are, those that are not active included.
    pub count: usize,
    /// The groups that active ones assign to.
    pub fed: BTreeSet<GroupId>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub id: AccountId,
    pub status: AccountStatus,
}

/// One attribute of the default user profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Its name in the API, case-sensitive.
    pub name: String,
    /// Whether an account must have it.
    pub required: bool,
    /// Longest value in characters, where there is a limit.
    pub max_length: Option<u32>,
    /// JSON type: `string`, `array`, `boolean`, …
    pub kind: String,
    /// `READ_WRITE`, `READ_ONLY`, `IMMUTABLE`, `WRITE_ONLY`; empty if not said.
    pub mutability: String,
    /// Who owns its value: `PROFILE_MASTER`, `OKTA`, `OVERRIDE`; empty if not said.
    pub master: String,
    /// Whether Okta refuses a value that another account has.
    pub unique: bool,
    /// Whether the org added it.
    pub custom: bool,
}

/// Who Goldthread is at Okta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The administrator that an SSWS token belongs to.
    Account(Box<Account>),
    /// A service app, by its client id.
    App(String),
}
