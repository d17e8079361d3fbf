//! What Okta holds, read and checked. Nothing here can write.

use serde_json::Value;
use url::Url;

use super::connection::{Connection, Listed, SetAside};
use super::error::{OktaError, is_attribute_name, unbelievable};
use super::wire::{self, Attribute};
use crate::http::ByText;
use crate::model::{Account, AccountId, Timestamp};

/// The largest page of accounts, and what Okta advises for groups
/// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/listUsers>,
/// <https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Group/#tag/Group/operation/listGroups>).
pub(super) const PAGE: &str = "200";

/// Nothing by which people or groups are found is longer, in characters: a login has 100 at most,
/// the name of a group 255
/// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/createUser>,
/// <https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Group/>). What is
/// longer would not fit into an address, and would be refused in every cycle.
const LONGEST_KEY: usize = 1000;

/// Who Goldthread is at Okta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The administrator that an SSWS token belongs to.
    Account(Box<Account>),
    /// A service app, by its client id.
    App(String),
}

/// What became of one account that was asked for by its id.
#[derive(Debug)]
pub(crate) enum AccountRead {
    There(Box<Account>),
    /// 404 `E0000007`: it was deleted, or it is out of the credentials' sight, and both look the same.
    NotFound,
    /// 403: it is out of the credentials' sight.
    Forbidden(OktaError),
}

impl AccountRead {
    /// The account where it is there; `None` where Okta says that there is none.
    pub(crate) fn there(self) -> Result<Option<Account>, OktaError> {
        match self {
            Self::There(account) => Ok(Some(*account)),
            Self::NotFound => Ok(None),
            Self::Forbidden(error) => Err(error),
        }
    }
}

/// What reads from Okta. Its methods stand in this file, `groups`, `roles` and `log`.
#[derive(Debug, Clone)]
pub(crate) struct OktaReader {
    connection: Connection,
}

impl OktaReader {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The same for reads that should wait for nobody else's, as a leaver's.
    #[must_use]
    pub(crate) fn urgently(&self) -> Self {
        Self::new(self.connection.urgently())
    }

    /// The clock of the org, as its last answer said. `None` before the first one.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        self.connection.org_time()
    }

    /// Reads all accounts, page by page.
    /// The plain list leaves out deactivated accounts, so they are listed after it by a filter, whose
    /// index lags by about a second
    /// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/listUsers>).
    /// An account may therefore come twice (the later one is the newer), and one that is absent should
    /// be read by its id before it is believed to be gone.
    /// An empty list is [`OktaError::Unbelievable`]: the org has at least the administrator who set
    /// this up, so the credentials lack an admin role.
    /// Gives those that are there and make no sense: they are not gone.
    pub(crate) async fn accounts<E: From<OktaError>>(
        &self,
        on_page: &mut dyn FnMut(Vec<Account>) -> Result<(), E>,
    ) -> Result<Vec<SetAside>, E> {
        const OPERATION: &str = "list the accounts";
        let (mut count, mut set_aside) = (0, Vec::new());
        for filter in [None, Some(("filter", r#"status eq "DEPROVISIONED""#))] {
            let query: Vec<_> = [("limit", PAGE)].into_iter().chain(filter).collect();
            let url = self.connection.url(&["api", "v1", "users"], &query);
            let mut counted = |accounts: Vec<_>| {
                count += accounts.len();
                on_page(accounts)
            };
            let odd = self.connection.pages(OPERATION, url, wire::account, &mut counted).await?;
            set_aside.extend(odd);
            if count == 0 {
                return Err(unbelievable(
                    OPERATION,
                    "no accounts at all: the credentials probably lack an admin role that lets \
                     them see people",
                )
                .into());
            }
        }
        Ok(set_aside)
    }

    /// Reads one account by its id: the one read that is always up to date.
    pub(crate) async fn account(&self, id: &AccountId) -> Result<AccountRead, OktaError> {
        let read = self.account_at(id.as_str()).await;
        match read.map_err(|error| error.about(id.as_str())) {
            Ok(Some(account)) => Ok(AccountRead::There(Box::new(account))),
            Ok(None) => Ok(AccountRead::NotFound),
            Err(error @ OktaError::Forbidden(_)) => Ok(AccountRead::Forbidden(error)),
            Err(error) => Err(error),
        }
    }

    /// Whether an account is shown. Unlike [`OktaReader::account`] it names none where that fails.
    pub(crate) async fn shows(&self, id: &AccountId) -> Result<bool, OktaError> {
        Ok(self.account_at(id.as_str()).await?.is_some())
    }

    /// Reads the account that signs in with this name, in any case of letters.
    pub(crate) async fn account_by_login(
        &self,
        login: &str,
    ) -> Result<ByText<Option<Account>>, OktaError> {
        let login = login.trim();
        if let Some(why) = unaskable(login) {
            return Ok(ByText::Unusable(why.into()));
        }
        // A path has no room for these: `/` and `?` are found by search only, see
        // https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/getUser
        if login.contains(['/', '?', '\\']) || matches!(login, "." | "..") {
            return Ok(match self.accounts_where("login", login).await? {
                ByText::Found(found) => {
                    ByText::Found(<[_; 1]>::try_from(found).ok().map(|[account]| account))
                }
                ByText::Unusable(why) => ByText::Unusable(why),
            });
        }
        // Okta also takes ids, short names and `me` here: none of them is this login.
        let found = self.account_at(login).await.map_err(|error| error.about("by its login"))?;
        Ok(ByText::Found(found.filter(|account| same_text(account.login(), login))))
    }

    async fn account_at(&self, id_or_login: &str) -> Result<Option<Account>, OktaError> {
        let url = self.connection.url(&["api", "v1", "users", id_or_login], &[]);
        self.one("read the account", url, wire::account).await
    }

    /// Searches the accounts, deactivated ones included, whose profile attribute has this value
    /// in any case of letters. An empty value finds nothing, and neither does an absurdly long one
    /// or one of control characters: nothing can be looked up by them. Nor can it where one that
    /// fits makes no sense: it could be the one that is meant.
    /// `search` reads an index that lags by about a second
    /// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/listUsers>).
    pub(crate) async fn accounts_where(
        &self,
        attribute: &str,
        value: &str,
    ) -> Result<ByText<Vec<Account>>, OktaError> {
        let value = value.trim();
        if let Some(why) = unaskable(value) {
            return Ok(ByText::Unusable(why.into()));
        }
        if !is_attribute_name(attribute) {
            return Err(OktaError::Setup(format!("{attribute:?} is no profile attribute")));
        }
        let search = format!("profile.{attribute} eq {}", quoted(value));
        let found = self.search_accounts(&search).await;
        let found = found.map_err(|error| error.about(&format!("by {attribute}")))?;
        let fits = |account: &Account| same_text(account.attribute(attribute).trim(), value);
        Ok(fitting(found, "account", fits))
    }

    /// The same for those whose profile or status changed after a moment. Memberships do not count, and
    /// a deleted account is not among them.
    pub(crate) async fn accounts_changed_since(
        &self,
        since: Timestamp,
    ) -> Result<Listed<Account>, OktaError> {
        self.search_accounts(&format!("lastUpdated gt {}", quoted(&stamp(since)))).await
    }

    async fn search_accounts(&self, search: &str) -> Result<Listed<Account>, OktaError> {
        let query = [("search", search), ("limit", PAGE)];
        let url = self.connection.url(&["api", "v1", "users"], &query);
        self.list("search the accounts", url, wire::account).await
    }

    /// Reads a whole list that fits into memory.
    pub(super) async fn list<T>(
        &self,
        operation: &'static str,
        first: Url,
        read: fn(&'static str, Value) -> Result<T, OktaError>,
    ) -> Result<Listed<T>, OktaError> {
        let mut found = Vec::new();
        let mut keep = |page| {
            found.extend(page);
            Ok::<_, OktaError>(())
        };
        let set_aside = self.connection.pages(operation, first, read, &mut keep).await?;
        Ok(Listed { found, set_aside })
    }

    /// Reads one object by its id; `None` if Okta says that it does not exist.
    pub(super) async fn one<T>(
        &self,
        operation: &'static str,
        url: Url,
        read: fn(&'static str, Value) -> Result<T, OktaError>,
    ) -> Result<Option<T>, OktaError> {
        match self.connection.read(operation, url).await {
            Ok(value) => read(operation, value).map(Some),
            Err(OktaError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the attributes of the default user type. With a small admin role this is forbidden,
    /// and not every org has it: [`OktaError::is_withheld`].
    pub(crate) async fn schema(&self) -> Result<Vec<Attribute>, OktaError> {
        const OPERATION: &str = "read the user schema";
        let segments = ["api", "v1", "meta", "schemas", "user", "default"];
        let value = self.connection.read(OPERATION, self.connection.url(&segments, &[])).await?;
        wire::schema(OPERATION, value)
    }

    /// Who we are. Asks Okta for the owner of an SSWS token; a service app knows by itself, so
    /// that this does not try its sign-in.
    pub(crate) async fn identity(&self) -> Result<Identity, OktaError> {
        const OPERATION: &str = "read the token's owner";
        if let Some(client_id) = self.connection.client_id() {
            return Ok(Identity::App(client_id.to_owned()));
        }
        let url = self.connection.url(&["api", "v1", "users", "me"], &[]);
        let value = self.connection.read(OPERATION, url).await?;
        Ok(Identity::Account(Box::new(wire::account(OPERATION, value)?)))
    }

    /// Signs in and asks something small that every use of this program may ask.
    pub(crate) async fn try_sign_in(&self) -> Result<(), OktaError> {
        if let Identity::Account(_) = self.identity().await? {
            return Ok(());
        }
        let url = self.connection.url(&["api", "v1", "groups"], &[("limit", "1")]);
        self.connection.read("list one group", url).await?;
        Ok(())
    }

    pub(crate) async fn sees_accounts(&self) -> Result<bool, OktaError> {
        let url = self.connection.url(&["api", "v1", "users"], &[("limit", "1")]);
        let Listed { found, set_aside } =
            self.connection.page("list one account", url, wire::account).await?;
        // One that makes no sense is seen all the same.
        Ok(!(found.is_empty() && set_aside.is_empty()))
    }
}

/// Why nothing can be looked up by a text, whatever there is.
pub(super) fn unaskable(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.chars().count() > LONGEST_KEY {
        Some("it is longer than anything that Okta can hold")
    } else if text.chars().any(char::is_control) {
        Some("it holds control characters")
    } else {
        None
    }
}

/// What a search found that really fits.
pub(super) fn fitting<T>(
    found: Listed<T>,
    what: &str,
    fits: impl Fn(&T) -> bool,
) -> ByText<Vec<T>> {
    if let Some(SetAside { id, why }) = found.set_aside.into_iter().next() {
        let id = id.unwrap_or_else(|| "without an id".to_owned());
        return ByText::Unusable(format!("the {what} {id} may fit and cannot be read: {why}"));
    }
    let mut found = found.found;
    found.retain(fits);
    ByText::Found(found)
}

/// A string of Okta's filter language, which is a JSON string
/// (<https://developer.okta.com/docs/reference/core-okta-api/>).
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn same_text(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// A moment as Okta writes it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
