//! The Okta side: a reading half, a writing half, and how they sign in.

mod absence;
mod connection;
mod envelope;
mod error;
mod groups;
mod key;
mod limits;
pub(crate) mod log;
mod reader;
mod roles;
mod sign_in;
mod slots;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wire;
mod writer;

pub(crate) use absence::deleted_in_log;
pub(crate) use connection::Connection;
pub(crate) use connection::{Listed, SetAside};
pub use error::OktaError;
pub(crate) use error::Refusal;
pub(crate) use reader::{AccountRead, Identity, OktaReader};
pub(crate) use wire::Attribute;
pub(crate) use writer::{GoldenThread, OktaWriter, Performed};

use secrecy::SecretString;

use crate::http::RetryPolicy;

/// Reads an answer in every way in which one is read, for whoever feeds this nonsense.
#[doc(hidden)]
pub fn fuzz_answer(answer: &crate::http::Answer) {
    const OPERATION: &str = "reading nonsense";
    let now = std::time::Instant::now();
    limits::Limits::default().answered("nonsense", answer, std::time::Duration::ZERO, now);
    let error = envelope::from_answer(OPERATION, answer);
    let _ = (error.to_string(), error.taken(), error.attributes(), error.is_transient());
    let _ = (connection::next_page(&answer.headers), sign_in::read_token(answer));
    let _ = error.without(&["nonsense"]);
    let Ok(value) = connection::json(OPERATION, answer) else { return };
    let _ = wire::schema(OPERATION, value.clone());
    let several = value.as_array().cloned().unwrap_or_default();
    for value in several.into_iter().chain([value]) {
        let _ = wire::account(OPERATION, value.clone());
        let _ = wire::member(OPERATION, value.clone());
        let _ = wire::group(OPERATION, value.clone());
        let _ = wire::group_ref(OPERATION, value.clone());
        let _ = wire::rule(OPERATION, value.clone());
        let _ = log::event(value);
    }
}

/// What the client needs to know, checked by `config`.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) url: url::Url,
    pub(crate) auth: Auth,
    /// Part of each rate-limit bucket that may be used, 0 to 1.
    pub share: f64,
    /// How long a call is tried. A wait for a rate window is prolonged by twice `first_wait`, by
    /// default the second that Okta's own clients add.
    pub retry: RetryPolicy,
}

/// How to sign in to Okta.
#[derive(Debug, Clone)]
pub(crate) enum Auth {
    /// An SSWS API token.
    Token { token: SecretString },
    /// An OAuth 2.0 service app with `private_key_jwt`.
    ServiceApp {
        /// The app's client id, which is also its identity.
        client_id: String,
        /// The private key, PEM or JWK, RSA or EC.
        key: SecretString,
        /// Bind tokens to a key of our own (RFC 9449).
        dpop: bool,
    },
}
