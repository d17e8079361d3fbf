//! What Okta holds, read and checked. Nothing here can write.

use std::collections::BTreeSet;

use super::connection::Connection;
use super::error::{OktaError, is_attribute_name};
use super::wire::{self, unbelievable};
use crate::model::{Account, AccountId, AccountStatus, Group, GroupId, Timestamp};

/// Okta reference: 200 is the largest page of accounts, and advised for everything else.
const PAGE: &str = "200";

/// Nothing by which people or groups are found is longer, in characters. Okta reference: a login
/// has 100 at most, the name of a group 255. What is longer would not fit into an address, and
/// would be refused in every cycle.
const LONGEST_KEY: usize = 1000;

/// The reading half.
#[derive(Debug, Clone)]
pub struct OktaReader {
    connection: Connection,
}

/// The group rules of the org.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupRules {
    /// How many there are, those that are not active included.
    pub count: usize,
    /// The groups that active ones assign to.
    pub fed: BTreeSet<GroupId>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The account.
    pub id: AccountId,
    /// Its status.
    pub status: AccountStatus,
}

/// One attribute of the default user profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, case-sensitive.
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
pub enum Identity {
    /// The administrator that an SSWS token belongs to.
    Account(Box<Account>),
    /// A service app, by its client id.
    App(String),
}

impl OktaReader {
    /// Reads over this connection.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The connection, for its budget and its count of calls.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The clock of the org, as its last answer said. `None` before the first one.
    pub fn now(&self) -> Option<Timestamp> {
        self.connection.org_time()
    }

    /// Reads all accounts, page by page.
    ///
    /// Okta reference: the plain list leaves out deactivated accounts, so they are listed
    /// after it by a filter, whose index lags by about a second. An account may therefore come
    /// twice (the later one is the newer), and one that is absent should be read by its id before
    /// it is believed to be gone.
    ///
    /// # Errors
    /// Among others [`OktaError::Unbelievable`] for an empty list: the org has at least the
    /// administrator who set this up, so the credentials lack an admin role.
    pub async fn accounts<E: From<OktaError>>(
        &self,
        on_page: &mut dyn FnMut(Vec<Account>) -> Result<(), E>,
    ) -> Result<(), E> {
        const OPERATION: &str = "list the accounts";
        let mut count = 0;
        for filter in [None, Some(("filter", r#"status eq "DEPROVISIONED""#))] {
            let query: Vec<_> = [("limit", PAGE)].into_iter().chain(filter).collect();
            let url = self.connection.url(&["api", "v1", "users"], &query);
            self.connection
                .pages(OPERATION, url, &mut |page| {
                    let accounts = page
                        .into_iter()
                        .map(|value| wire::account(OPERATION, value))
                        .collect::<Result<Vec<_>, _>>()?;
                    count += accounts.len();
                    on_page(accounts)
                })
                .await?;
            if count == 0 {
                return Err(unbelievable(
                    OPERATION,
                    "no accounts at all: the credentials probably lack an admin role that lets \
                     them see people",
                )
                .into());
            }
        }
        Ok(())
    }

    /// Reads one account by its id: the one read that is always up to date. `None` if Okta says
    /// that it does not exist (deleted, or never there).
    pub async fn account(&self, id: &AccountId) -> Result<Option<Account>, OktaError> {
        self.account_at(id.as_str()).await
    }

    /// Reads the account that signs in with this name, in any case of letters.
    pub async fn account_by_login(&self, login: &str) -> Result<Option<Account>, OktaError> {
        let login = login.trim();
        // A path has no room for these; Okta reference: `/` and `?` are found by search only.
        if login.contains(['/', '?', '\\']) || matches!(login, "." | "..") {
            let mut found = self.accounts_where("login", login).await?;
            return Ok(if found.len() == 1 { found.pop() } else { None });
        }
        if is_no_key(login) {
            return Ok(None);
        }
        // Okta also takes ids, short names and `me` here: none of them is this login.
        let found = self.account_at(login).await?;
        Ok(found.filter(|account| same_text(account.login(), login)))
    }

    async fn account_at(&self, id_or_login: &str) -> Result<Option<Account>, OktaError> {
        const OPERATION: &str = "read an account";
        let url = self.connection.url(&["api", "v1", "users", id_or_login], &[]);
        match self.connection.read(OPERATION, url).await {
            Ok(value) => wire::account(OPERATION, value).map(Some),
            Err(OktaError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Searches the accounts, deactivated ones included, whose profile attribute has this value
    /// in any case of letters. An empty value finds nothing, and neither does an absurdly long one.
    ///
    /// Okta reference: `search` reads an index that lags by about a second.
    pub async fn accounts_where(
        &self,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<Account>, OktaError> {
        let value = value.trim();
        if is_no_key(value) {
            return Ok(Vec::new());
        }
        if !is_attribute_name(attribute) {
            return Err(OktaError::Setup(format!("{attribute:?} is no profile attribute")));
        }
        let search = format!("profile.{attribute} eq {}", quoted(value));
        let mut found = self.search_accounts(&search).await?;
        found.retain(|account| same_text(account.attribute(attribute).trim(), value));
        Ok(found)
    }

    /// Searches the accounts whose profile or status changed after a moment, deactivated ones
    /// included. Memberships do not count, and a deleted account is not among them.
    ///
    /// Okta reference: `search` reads an index that lags by about a second.
    pub async fn accounts_changed_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<Account>, OktaError> {
        self.search_accounts(&format!("lastUpdated gt {}", quoted(&stamp(since)))).await
    }

    /// The groups whose membership changed after a moment, each with when it changed last, as
    /// Okta writes it.
    pub async fn groups_changed_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(GroupId, String)>, OktaError> {
        const OPERATION: &str = "list the groups whose members changed";
        let filter = format!("lastMembershipUpdated gt {}", quoted(&stamp(since)));
        let query = [("filter", filter.as_str()), ("limit", PAGE)];
        let url = self.connection.url(&["api", "v1", "groups"], &query);
        let mut found = Vec::new();
        self.connection
            .pages(OPERATION, url, &mut |page| {
                for element in page {
                    let at = element["lastMembershipUpdated"].as_str().unwrap_or("").to_owned();
                    found.push((wire::group(OPERATION, element)?.id, at));
                }
                Ok::<_, OktaError>(())
            })
            .await?;
        Ok(found)
    }

    async fn search_accounts(&self, search: &str) -> Result<Vec<Account>, OktaError> {
        const OPERATION: &str = "search the accounts";
        let query = [("search", search), ("limit", PAGE)];
        let url = self.connection.url(&["api", "v1", "users"], &query);
        let mut found = Vec::new();
        self.connection
            .pages(OPERATION, url, &mut |page| {
                for element in page {
                    found.push(wire::account(OPERATION, element)?);
                }
                Ok::<_, OktaError>(())
            })
            .await?;
        Ok(found)
    }

    /// Reads all groups that the credentials can see. Which of them a rule feeds is read apart, here
    /// and everywhere: see [`Self::group_rules`].
    pub async fn groups(&self) -> Result<Vec<Group>, OktaError> {
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
    pub async fn groups_named(&self, name: &str) -> Result<Vec<Group>, OktaError> {
        if is_no_key(name) {
            return Ok(Vec::new());
        }
        let search = format!("profile.name eq {}", quoted(name));
        let mut found = self.groups_at(&[("search", &search), ("limit", PAGE)]).await?;
        found.retain(|group| group.name == name);
        Ok(found)
    }

    async fn groups_at(&self, query: &[(&str, &str)]) -> Result<Vec<Group>, OktaError> {
        const OPERATION: &str = "list the groups";
        let mut groups = Vec::new();
        self.connection
            .pages(OPERATION, self.connection.url(&["api", "v1", "groups"], query), &mut |page| {
                for element in page {
                    groups.push(wire::group(OPERATION, element)?);
                }
                Ok::<_, OktaError>(())
            })
            .await?;
        Ok(groups)
    }

    /// Reads one group; `None` if Okta says that it does not exist.
    pub async fn group(&self, id: &GroupId) -> Result<Option<Group>, OktaError> {
        const OPERATION: &str = "read a group";
        let url = self.connection.url(&["api", "v1", "groups", id.as_str()], &[]);
        match self.connection.read(OPERATION, url).await {
            Ok(value) => wire::group(OPERATION, value).map(Some),
            Err(OktaError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the group rules; `None` where the credentials may not. Okta reference: only larger
    /// admin roles see them.
    pub async fn group_rules(&self) -> Result<Option<GroupRules>, OktaError> {
        const OPERATION: &str = "list the group rules";
        let url = self.connection.url(&["api", "v1", "groups", "rules"], &[("limit", PAGE)]);
        let mut rules = GroupRules::default();
        let read = self
            .connection
            .pages(OPERATION, url, &mut |page| {
                rules.count += page.len();
                for rule in page {
                    rules.fed.extend(wire::fed_by(OPERATION, rule)?);
                }
                Ok::<_, OktaError>(())
            })
            .await;
        match read {
            Ok(()) => Ok(Some(rules)),
            Err(OktaError::Forbidden(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the members of a group, page by page.
    ///
    /// # Errors
    /// Among others [`OktaError::NotFound`] if the group is gone.
    pub async fn members<E: From<OktaError>>(
        &self,
        group: &GroupId,
        on_page: &mut dyn FnMut(Vec<Member>) -> Result<(), E>,
    ) -> Result<(), E> {
        const OPERATION: &str = "list the members of a group";
        let segments = ["api", "v1", "groups", group.as_str(), "users"];
        let url = self.connection.url(&segments, &[("limit", PAGE)]);
        self.connection
            .pages(OPERATION, url, &mut |page| {
                let members = page
                    .into_iter()
                    .map(|value| wire::member(OPERATION, value))
                    .collect::<Result<Vec<_>, _>>()?;
                on_page(members)
            })
            .await
    }

    /// Reads the groups of an account, Everyone included.
    ///
    /// Okta reference: pages of 200 by `Link`, though its specification shows no paging.
    ///
    /// # Errors
    /// Among others [`OktaError::NotFound`] if the account is gone.
    pub async fn groups_of(&self, account: &AccountId) -> Result<Vec<Group>, OktaError> {
        const OPERATION: &str = "list the groups of an account";
        let url = self.connection.url(&["api", "v1", "users", account.as_str(), "groups"], &[]);
        let mut groups = Vec::new();
        self.connection
            .pages(OPERATION, url, &mut |page| {
                for element in page {
                    groups.push(wire::group(OPERATION, element)?);
                }
                Ok::<_, OktaError>(())
            })
            .await?;
        Ok(groups)
    }

    /// Reads the attributes of the default user type.
    pub async fn schema(&self) -> Result<Vec<Attribute>, OktaError> {
        const OPERATION: &str = "read the user schema";
        let segments = ["api", "v1", "meta", "schemas", "user", "default"];
        let value = self.connection.read(OPERATION, self.connection.url(&segments, &[])).await?;
        wire::schema(OPERATION, value)
    }

    /// Who we are. Asks Okta for the owner of an SSWS token; a service app knows by itself, so
    /// that this does not try its sign-in.
    pub async fn identity(&self) -> Result<Identity, OktaError> {
        const OPERATION: &str = "read the token's owner";
        if let Some(client_id) = self.connection.client_id() {
            return Ok(Identity::App(client_id.to_owned()));
        }
        let url = self.connection.url(&["api", "v1", "users", "me"], &[]);
        let value = self.connection.read(OPERATION, url).await?;
        Ok(Identity::Account(Box::new(wire::account(OPERATION, value)?)))
    }

    /// Signs in and asks something small that every use of this program may ask.
    pub async fn try_sign_in(&self) -> Result<(), OktaError> {
        if let Identity::Account(_) = self.identity().await? {
            return Ok(());
        }
        let url = self.connection.url(&["api", "v1", "groups"], &[("limit", "1")]);
        self.connection.read("list one group", url).await?;
        Ok(())
    }

    /// Whether any account can be seen.
    pub async fn sees_accounts(&self) -> Result<bool, OktaError> {
        const OPERATION: &str = "list one account";
        let url = self.connection.url(&["api", "v1", "users"], &[("limit", "1")]);
        let serde_json::Value::Array(accounts) = self.connection.read(OPERATION, url).await? else {
            return Err(unbelievable(OPERATION, "a list was expected"));
        };
        let accounts = accounts.into_iter().map(|value| wire::account(OPERATION, value));
        Ok(!accounts.collect::<Result<Vec<_>, _>>()?.is_empty())
    }

    /// The administrator roles that we have, by their types such as `SUPER_ADMIN`; `None` where
    /// they cannot be read. Okta's management API: a custom role is of type `CUSTOM`.
    pub async fn own_roles(&self, own: &Identity) -> Result<Option<Vec<String>>, OktaError> {
        const OPERATION: &str = "read our own admin roles";
        let segments = match own {
            Identity::Account(account) => ["api", "v1", "users", account.id.as_str(), "roles"],
            Identity::App(client_id) => ["oauth2", "v1", "clients", client_id, "roles"],
        };
        self.roles_at(OPERATION, &segments).await
    }

    /// Whether an account holds an Okta administrator role, by itself or through a group; `None`
    /// where that cannot be read. Okta's management API: roles that come through a group are
    /// listed with `assignmentType` `GROUP`, and the scope is `okta.roles.read`.
    pub async fn has_admin_role(&self, account: &AccountId) -> Result<Option<bool>, OktaError> {
        self.has_roles("read the admin roles of an account", "users", account.as_str()).await
    }

    /// Whether a group makes its members Okta administrators; `None` where that cannot be read.
    pub async fn group_has_admin_role(&self, group: &GroupId) -> Result<Option<bool>, OktaError> {
        self.has_roles("read the admin roles of a group", "groups", group.as_str()).await
    }

    async fn has_roles(
        &self,
        operation: &'static str,
        family: &str,
        id: &str,
    ) -> Result<Option<bool>, OktaError> {
        let roles = self.roles_at(operation, &["api", "v1", family, id, "roles"]).await?;
        Ok(roles.map(|roles| !roles.is_empty()))
    }

    async fn roles_at(
        &self,
        operation: &'static str,
        segments: &[&str],
    ) -> Result<Option<Vec<String>>, OktaError> {
        match self.connection.read(operation, self.connection.url(segments, &[])).await {
            Ok(serde_json::Value::Array(roles)) => {
                let kinds = roles.into_iter().map(|role| wire::role(operation, role));
                kinds.collect::<Result<_, _>>().map(Some)
            }
            Ok(_) => Err(unbelievable(operation, "a list was expected")),
            Err(error) if error.is_transient() => Err(error),
            Err(OktaError::Forbidden(_) | OktaError::NotFound(_) | OktaError::Refused(_)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a text finds nothing whatever there is.
fn is_no_key(text: &str) -> bool {
    text.is_empty() || text.chars().count() > LONGEST_KEY
}

/// A string of Okta's filter language. Okta reference: it is a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn same_text(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// A moment as Okta writes it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
