//! What a call is signed with, and the OAuth token where one is needed.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::clean;
use super::{Auth, ServiceNowError, wire};
use crate::http::{Answer, Call, Http};

const OPERATION: &str = "asking for a token";
/// Where an answer does not say how long its token lives.
const UNSAID_LIFETIME: u64 = 300;
/// No token is believed to live longer than a day.
const LONGEST_LIFETIME: u64 = 24 * 3600;
/// A token is renewed this long before it ends.
const LEAD: u64 = 60;

/// A header that proves who calls. Never shown by `Debug`.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub header: &'static str,
    pub value: SecretString,
}

#[derive(Debug)]
pub(super) enum SignIn {
    /// The same header for ever.
    Fixed(Credential),
    /// A token that is fetched and renewed
    /// (<https://www.servicenow.com/docs/r/platform-security/authentication/configure-an-oauth-client-credential-grant.html>).
    OAuth { client_id: String, client_secret: SecretString, token: Mutex<Option<Token>> },
}

#[derive(Debug)]
pub(super) struct Token {
    credential: Credential,
    renew_at: Instant,
}

impl SignIn {
    pub(crate) fn new(auth: &Auth) -> Self {
        match auth {
            Auth::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose_secret());
                let value = format!("Basic {}", STANDARD.encode(pair)).into();
                Self::Fixed(Credential { header: "authorization", value })
            }
            Auth::ApiKey { key } => {
                Self::Fixed(Credential { header: "x-sn-apikey", value: key.clone() })
            }
            Auth::OAuth { client_id, client_secret } => Self::OAuth {
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
                token: Mutex::new(None),
            },
        }
    }

    /// The header for the next call; fetches a token where there is none or it is about to end.
    pub(crate) async fn credential(&self, http: &Http) -> Result<Credential, ServiceNowError> {
        let (client_id, client_secret, token) = match self {
            Self::Fixed(credential) => return Ok(credential.clone()),
            Self::OAuth { client_id, client_secret, token } => (client_id, client_secret, token),
        };
        // Held while a token is fetched, so that two calls do not fetch two.
        let mut token = token.lock().await;
        if let Some(token) = token.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.credential.clone());
        }
        let fresh = fetch(http, client_id, client_secret).await?;
        let credential = fresh.credential.clone();
        *token = Some(fresh);
        Ok(credential)
    }

    /// Forgets a token that was refused. Whether there is another one to be had.
    pub(crate) async fn drop_token(&self, refused: &Credential) -> bool {
        let Self::OAuth { token, .. } = self else { return false };
        let refused = refused.value.expose_secret();
        token.lock().await.take_if(|token| token.credential.value.expose_secret() == refused);
        true
    }
}

async fn fetch(
    http: &Http,
    client_id: &str,
    client_secret: &SecretString,
) -> Result<Token, ServiceNowError> {
    let call = Call::form(
        http.url(&["oauth_token.do"]),
        &[
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", client_secret.expose_secret()),
        ],
    );
    let asked_at = Instant::now();
    let answer = http.send(call).await;
    read_token(&answer.map_err(|error| ServiceNowError::from_http(OPERATION, error))?, asked_at)
}

pub(super) fn read_token(answer: &Answer, asked_at: Instant) -> Result<Token, ServiceNowError> {
    if matches!(answer.status, 400 | 401 | 403) {
        return Err(ServiceNowError::SignIn { message: why_no_token(answer) });
    }
    wire::check_answer(OPERATION, answer)?;
    let body = wire::json(OPERATION, answer)?;
    let token = body.get("access_token").and_then(Value::as_str).unwrap_or("");
    if token.is_empty() {
        return Err(ServiceNowError::SignIn { message: why_no_token(answer) });
    }
    let lifetime = match body.get("expires_in") {
        Some(Value::Number(seconds)) => seconds.as_u64(),
        Some(Value::String(seconds)) => seconds.parse().ok(),
        _ => None,
    };
    let lifetime = lifetime.unwrap_or(UNSAID_LIFETIME).min(LONGEST_LIFETIME);
    // Asked early, the instance gives the same token again with what is left of it, so near its
    // end each renewal halves the rest instead of asking before every call.
    let lead = LEAD.min(lifetime / 2);
    Ok(Token {
        credential: Credential { header: "authorization", value: format!("Bearer {token}").into() },
        renew_at: asked_at + Duration::from_secs(lifetime - lead),
    })
}

/// The token endpoint gives the same two words for most faults, so the usual ones are named.
fn why_no_token(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| clean(body[name].as_str().unwrap_or(""));
    format!(
        "no token, status {} {} {}: wrong client id or secret, client credentials not switched on \
         in the instance, or no user set on the application",
        answer.status,
        text("error"),
        text("error_description")
    )
}
