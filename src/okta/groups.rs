//! Groups, their members, and the rules that feed them, read and checked.

use std::collections::BTreeSet;

use super::connection::{Listed, SetAside};
use super::error::{OktaError, unbelievable};
use super::reader::{OktaReader, PAGE, fitting, quoted, stamp, unaskable};
use super::wire;
use crate::http::ByText;
use crate::model::{AccountId, Group, GroupId, Timestamp};

/// As many as there may be
/// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Group/#tag/Group/operation/listGroupUsers>);
/// Okta advises 200, and a page that takes it too long ends with a 500.
const MEMBERS_A_PAGE: &str = "1000";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupRules {
    /// How many there are, those that are not active included.
    pub count: usize,
    /// The groups that active ones assign to.
    pub fed: BTreeSet<GroupId>,
    /// Rules that cannot be read, and active ones that name no group: they feed nothing that could
    /// be told.
    pub set_aside: Vec<SetAside>,
}

impl OktaReader {
    /// The groups whose membership changed after a moment, each with when it changed last, as
    /// Okta writes it.
    pub(crate) async fn groups_changed_since(
        &self,
        since: Timestamp,
    ) -> Result<Listed<(GroupId, String)>, OktaError> {
        let filter = format!("lastMembershipUpdated gt {}", quoted(&stamp(since)));
        let query = [("filter", filter.as_str()), ("limit", PAGE)];
        let url = self.connection().url(&["api", "v1", "groups"], &query);
        self.list("list the groups whose members changed", url, |operation, element| {
            let at = element["lastMembershipUpdated"].as_str().unwrap_or("").to_owned();
            Ok((wire::group_ref(operation, element)?, at))
        })
        .await
    }

    /// Reads all groups that the credentials can see. Which of them a rule feeds is read apart,
    /// here and everywhere: see [`Self::group_rules`].
    pub(crate) async fn groups(&self) -> Result<Listed<Group>, OktaError> {
        let groups = self.groups_at(&[("limit", PAGE)]).await?;
        // Every org has its Everyone group.
        if groups.found.is_empty() {
            return Err(unbelievable(
                "list the groups",
                "no groups at all: the credentials probably lack an admin role that lets them \
                 see groups",
            ));
        }
        Ok(groups)
    }

    /// Searches the groups with exactly this name, in the same case of letters. As
    /// [`OktaReader::accounts_where`], nothing can be looked up by some texts.
    pub(crate) async fn groups_named(&self, name: &str) -> Result<ByText<Vec<Group>>, OktaError> {
        if let Some(why) = unaskable(name) {
            return Ok(ByText::Unusable(why.into()));
        }
        let search = format!("profile.name eq {}", quoted(name));
        let found = self.groups_at(&[("search", &search), ("limit", PAGE)]).await;
        let found = found.map_err(|error| error.about("by name"))?;
        Ok(fitting(found, "group", |group: &Group| group.name == name))
    }

    async fn groups_at(&self, query: &[(&str, &str)]) -> Result<Listed<Group>, OktaError> {
        let url = self.connection().url(&["api", "v1", "groups"], query);
        self.list("list the groups", url, wire::group).await
    }

    /// How many accounts are in Everyone, as Okta counts them and as it shows them to us: a role over
    /// a part of the org is shown less, or not the group at all (`None`).
    pub(crate) async fn everyone(&self) -> Result<Option<(u64, u64)>, OktaError> {
        let query = [("filter", "type eq \"BUILT_IN\""), ("expand", "stats"), ("limit", PAGE)];
        let url = self.connection().url(&["api", "v1", "groups"], &query);
        let built_in = self.list("look at Everyone", url, |operation, element| {
            let counted = element["_embedded"]["stats"]["usersCount"].as_u64();
            Ok((wire::group(operation, element)?, counted))
        });
        let built_in = built_in.await?.found;
        let everyone = built_in.into_iter().find(|(group, _)| group.name == "Everyone");
        let Some((group, counted)) = everyone else { return Ok(None) };
        let mut shown = 0;
        self.members::<OktaError>(&group.id, &mut |page| {
            shown += page.len() as u64;
            Ok(())
        })
        .await?;
        Ok(Some((counted.unwrap_or(shown), shown)))
    }

    /// Reads one group; `None` if Okta says that it does not exist.
    pub(crate) async fn group(&self, id: &GroupId) -> Result<Option<Group>, OktaError> {
        let url = self.connection().url(&["api", "v1", "groups", id.as_str()], &[]);
        let group = self.one("read the group", url, wire::group).await;
        group.map_err(|error| error.about(id.as_str()))
    }

    /// Reads the group rules; `None` where the credentials may not: only larger admin roles see
    /// them
    /// (<https://help.okta.com/okta_help.htm?type=oie&id=ext-administrators-admin-comparison>).
    /// An org without the feature has none.
    pub(crate) async fn group_rules(&self) -> Result<Option<GroupRules>, OktaError> {
        let url = self.connection().url(&["api", "v1", "groups", "rules"], &[("limit", PAGE)]);
        let read = match self.list("list the group rules", url, wire::rule).await {
            Ok(read) => read,
            Err(OktaError::Forbidden(_)) => return Ok(None),
            Err(error) if error.is_feature_off() => return Ok(Some(GroupRules::default())),
            Err(error) => return Err(error),
        };
        let mut rules = GroupRules {
            count: read.found.len() + read.set_aside.len(),
            set_aside: read.set_aside,
            ..GroupRules::default()
        };
        for rule in read.found {
            rules.fed.extend(rule.fed);
            let odd = rule.odd.map(|why| SetAside { id: rule.id, why: why.to_owned() });
            rules.set_aside.extend(odd);
        }
        Ok(Some(rules))
    }

    /// Reads the members of a group, page by page; [`OktaError::NotFound`] if it is gone. Gives
    /// those without a usable id: the list is complete but for them. `on_page` may see some twice:
    /// large pages that take Okta too long are asked for again as small ones.
    pub(crate) async fn members<E: From<OktaError>>(
        &self,
        group: &GroupId,
        on_page: &mut dyn FnMut(Vec<AccountId>) -> Result<(), E>,
    ) -> Result<Vec<SetAside>, E> {
        let segments = ["api", "v1", "groups", group.as_str(), "users"];
        let [large, small] = [MEMBERS_A_PAGE, PAGE]
            .map(|limit| self.connection().url(&segments, &[("limit", limit)]));
        // What the caller fails with is not told apart from what the read fails with by its type.
        let mut refused = None;
        let mut keep = |page| {
            on_page(page).map_err(|error| {
                refused = Some(error);
                unbelievable("keep a page", "the caller failed")
            })
        };
        let operation = "list the members of the group";
        let mut read = self.connection().pages(operation, large, wire::member, &mut keep).await;
        if matches!(read, Err(OktaError::NoAnswer { status: Some(_), .. })) {
            read = self.connection().pages(operation, small, wire::member, &mut keep).await;
        }
        match (read, refused) {
            (_, Some(error)) => Err(error),
            (read, None) => read.map_err(|error| error.about(group.as_str()).into()),
        }
    }

    /// Reads the groups of an account, Everyone included; [`OktaError::NotFound`] if it is gone.
    /// They come in pages of 200 by `Link`, though the API's specification shows no paging
    /// (<https://github.com/okta/okta-sdk-java/issues/1286>,
    /// <https://github.com/okta/okta-developer-docs/pull/368>). One without a usable id makes it
    /// [`OktaError::Unbelievable`]: of which group it is a member could not be told.
    pub(crate) async fn groups_of(&self, account: &AccountId) -> Result<Vec<GroupId>, OktaError> {
        const OPERATION: &str = "list the groups of the account";
        let url = self.connection().url(&["api", "v1", "users", account.as_str(), "groups"], &[]);
        let groups = self.list(OPERATION, url, wire::group_ref).await;
        let groups = groups.and_then(|groups| groups.whole(OPERATION));
        groups.map_err(|error| error.about(account.as_str()))
    }
}
