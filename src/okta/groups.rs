//! Groups, their members, and the rules that feed them, read and checked.

use std::collections::BTreeSet;

use super::error::{OktaError, unbelievable};
use super::reader::{OktaReader, PAGE, is_no_key, quoted, stamp};
use super::wire::{self, Member};
use crate::model::{AccountId, Group, GroupId, Timestamp};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupRules {
    /// How many there are, those that are not active included.
    pub count: usize,
    /// The groups that active ones assign to.
    pub fed: BTreeSet<GroupId>,
}

impl OktaReader {
    /// The groups whose membership changed after a moment, each with when it changed last, as
    /// Okta writes it.
    pub(crate) async fn groups_changed_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(GroupId, String)>, OktaError> {
        let filter = format!("lastMembershipUpdated gt {}", quoted(&stamp(since)));
        let query = [("filter", filter.as_str()), ("limit", PAGE)];
        let url = self.connection().url(&["api", "v1", "groups"], &query);
        self.list("list the groups whose members changed", url, |operation, element| {
            let at = element["lastMembershipUpdated"].as_str().unwrap_or("").to_owned();
            Ok((wire::group(operation, element)?.id, at))
        })
        .await
    }

    /// Reads all groups that the credentials can see. Which of them a rule feeds is read apart,
    /// here and everywhere: see [`Self::group_rules`].
    pub(crate) async fn groups(&self) -> Result<Vec<Group>, OktaError> {
        let groups = self.groups_at(&[("limit", PAGE)]).await?;
        // Every org has its Everyone group.
        if groups.is_empty() {
            return Err(unbelievable(
                "list the groups",
                "no groups at all: the credentials probably lack an admin role that lets them \
                 see groups",
            ));
        }
        Ok(groups)
    }

    /// Searches the groups with exactly this name, in the same case of letters.
    pub(crate) async fn groups_named(&self, name: &str) -> Result<Vec<Group>, OktaError> {
        if is_no_key(name) {
            return Ok(Vec::new());
        }
        let search = format!("profile.name eq {}", quoted(name));
        let mut found = self.groups_at(&[("search", &search), ("limit", PAGE)]).await?;
        found.retain(|group| group.name == name);
        Ok(found)
    }

    async fn groups_at(&self, query: &[(&str, &str)]) -> Result<Vec<Group>, OktaError> {
        let url = self.connection().url(&["api", "v1", "groups"], query);
        self.list("list the groups", url, wire::group).await
    }

    /// Reads one group; `None` if Okta says that it does not exist.
    pub(crate) async fn group(&self, id: &GroupId) -> Result<Option<Group>, OktaError> {
        let url = self.connection().url(&["api", "v1", "groups", id.as_str()], &[]);
        self.one("read a group", url, wire::group).await
    }

    /// Reads the group rules; `None` where the credentials may not: only larger admin roles see
    /// them
    /// (<https://help.okta.com/okta_help.htm?type=oie&id=ext-administrators-admin-comparison>).
    pub(crate) async fn group_rules(&self) -> Result<Option<GroupRules>, OktaError> {
        let url = self.connection().url(&["api", "v1", "groups", "rules"], &[("limit", PAGE)]);
        match self.list("list the group rules", url, wire::fed_by).await {
            Ok(rules) => Ok(Some(GroupRules {
                count: rules.len(),
                fed: rules.into_iter().flatten().collect(),
            })),
            Err(OktaError::Forbidden(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the members of a group, page by page; [`OktaError::NotFound`] if it is gone.
    pub(crate) async fn members<E: From<OktaError>>(
        &self,
        group: &GroupId,
        on_page: &mut dyn FnMut(Vec<Member>) -> Result<(), E>,
    ) -> Result<(), E> {
        let segments = ["api", "v1", "groups", group.as_str(), "users"];
        let url = self.connection().url(&segments, &[("limit", PAGE)]);
        self.connection().pages("list the members of a group", url, wire::member, on_page).await
    }

    /// Reads the groups of an account, Everyone included; [`OktaError::NotFound`] if it is gone.
    /// They come in pages of 200 by `Link`, though the API's specification shows no paging
    /// (<https://github.com/okta/okta-sdk-java/issues/1286>,
    /// <https://github.com/okta/okta-developer-docs/pull/368>).
    pub(crate) async fn groups_of(&self, account: &AccountId) -> Result<Vec<Group>, OktaError> {
        let url = self.connection().url(&["api", "v1", "users", account.as_str(), "groups"], &[]);
        self.list("list the groups of an account", url, wire::group).await
    }
}
