//! What decisions about any person share: loaded once a cycle.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::Schema;
use crate::model::{Account, AccountId, Group, GroupId, Person, ProtectedReason, SysId};

#[derive(Debug, Clone, Default)]
pub(crate) struct OrgState {
    /// Those that are managed.
    pub groups: BTreeMap<GroupId, Group>,
    /// Per `[[group]]` block, the group's id; `None` where Okta has no such group.
    pub rule_groups: Vec<Option<GroupId>>,
    pub protected: Protected,
    pub schema: Schema,
    /// By what people without an account would be identified.
    pub identities: Identities,
    /// The credentials do not see every account, so none that is seen proves that there is none.
    pub blind: bool,
}

/// An identifying attribute and its value, in lower case, to the people who would get it.
pub(crate) type Identities = BTreeMap<(String, String), BTreeSet<SysId>>;

/// What is never written to, with names resolved to ids; names and ids both stay protected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Protected {
    /// Lower-case logins, e-mails, user names and ids of people and accounts.
    pub users: BTreeSet<String>,
    /// Accounts: the one that the program signs in as, and holders of an administrator role.
    pub accounts: BTreeMap<AccountId, ProtectedReason>,
    pub groups: BTreeSet<GroupId>,
}

impl Protected {
    pub(crate) fn covers(
        &self,
        person: &Person,
        account: Option<&Account>,
    ) -> Option<ProtectedReason> {
        let listed = |text: &str| !text.is_empty() && self.users.contains(&text.to_lowercase());
        let record = [person.sys_id.as_str(), person.user_name(), person.email()];
        let names = account.map(|it| [it.id.as_str(), it.login(), it.attribute("email")]);
        if record.into_iter().chain(names.into_iter().flatten()).any(listed) {
            return Some(ProtectedReason::Configured);
        }
        account.and_then(|account| self.accounts.get(&account.id)).copied()
    }
}
