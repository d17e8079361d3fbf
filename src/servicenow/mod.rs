//! The ServiceNow side: people, requests, catalog variables, and the write-back.

use std::collections::BTreeSet;

use secrecy::SecretString;

/// What the client needs to know, checked by `config`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base address, without a trailing slash.
    pub url: url::Url,
    /// How to sign in.
    pub auth: Auth,
    /// Encoded query: which `sys_user` rows are people.
    pub users: String,
    /// Encoded query: which `sc_req_item` rows are read at all. May be empty.
    pub requests: String,
    /// Rows asked for in one page.
    pub page_size: u32,
    /// Part of an announced rate limit that may be used, 0 to 1.
    pub share: f64,
    /// `sys_user` fields that the configuration's expressions name, dot-walks included.
    pub person_fields: BTreeSet<String>,
    /// Catalog variables that they name, without the `variables.` prefix.
    pub variables: BTreeSet<String>,
    /// Further `sc_req_item` fields that they name.
    pub request_fields: BTreeSet<String>,
    /// Catalog items under `[[request]]`, each a `sys_id` or a name.
    pub items: BTreeSet<String>,
    /// Whether an order's approval decides for any of them, so that orders must be watched too.
    pub order_approval: bool,
    /// `writeback.state_done`: the `state` that means closed complete.
    pub state_done: String,
}

/// How to sign in to ServiceNow.
#[derive(Debug, Clone)]
pub enum Auth {
    /// User name and password.
    Basic {
        /// The integration user.
        username: String,
        /// Its password.
        password: SecretString,
    },
    /// OAuth 2.0 client credentials.
    OAuth {
        /// The application's client id.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
    },
    /// An API key, sent as `x-sn-apikey`.
    ApiKey {
        /// The key.
        key: SecretString,
    },
}
