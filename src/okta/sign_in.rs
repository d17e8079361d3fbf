//! Signing in: an SSWS token, or an access token that is fetched and renewed.

use std::time::{Duration, Instant};

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, json};
use tokio::sync::Mutex;
use url::Url;

use super::Auth;
use super::dpop;
use super::envelope::from_answer;
use super::error::{OktaError, clean};
use super::key::{KeyError, SigningKey, unique};
use crate::http::{Answer, Call, Http, HttpError};

const OPERATION: &str = "sign in";
/// A token is renewed this long before its end. It lives for an hour
/// (<https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/main/>).
const RENEW_AHEAD: Duration = Duration::from_mins(5);
/// How long an assertion is good. Its end may be at most an hour ahead
/// (<https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/main/>).
const ASSERTION_SECONDS: i64 = 300;

/// The scopes that a connection cannot do without.
pub(super) type Scopes = &'static str;

/// For a connection that may write: a `manage` scope includes the reads of its family
/// (<https://developer.okta.com/docs/guides/implement-oauth-for-okta/main/>).
pub(super) const WRITING: Scopes = "okta.users.manage okta.groups.manage";
/// For a connection that only reads.
pub(super) const READING: Scopes = "okta.users.read okta.groups.read";

const SCHEMAS: &str = "okta.schemas.read";
const LOGS: &str = "okta.logs.read";
const ROLES: &str = "okta.roles.read";

/// What is asked for besides, largest set first. Okta refuses a whole set for one scope that was
/// not granted and does not name it, so every combination has its turn, once a process.
const BESIDES: [&[&str]; 8] = [
    &[SCHEMAS, LOGS, ROLES],
    &[SCHEMAS, LOGS],
    &[SCHEMAS, ROLES],
    &[LOGS, ROLES],
    &[SCHEMAS],
    &[LOGS],
    &[ROLES],
    &[],
];

/// How this connection signs in, and the token that it has now.
#[derive(Debug)]
pub(super) enum SignIn {
    Token(SecretString),
    App(Box<App>),
}

/// An OAuth 2.0 service app.
#[derive(Debug)]
pub(super) struct App {
    pub client_id: String,
    key: SigningKey,
    dpop: Option<SigningKey>,
    scopes: Scopes,
    endpoint: Url,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// Renewed by Okta every 24 hours and good for three days, so it is kept
    /// (<https://developer.okta.com/docs/guides/dpop/main/>).
    nonce: Option<String>,
    /// How many sets of scopes were refused.
    refused_scopes: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    secret: SecretString,
    bound: bool,
    renew_at: Instant,
    ends: Instant,
    scope: String,
}

/// The headers that sign one call.
pub(super) struct Signed {
    pub authorization: String,
    pub proof: Option<String>,
}

#[derive(Deserialize)]
struct Granted {
    token_type: String,
    expires_in: u64,
    access_token: String,
    #[serde(default)]
    scope: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Denied {
    error: String,
    error_description: String,
}

impl SignIn {
    pub(crate) fn new(auth: &Auth, http: &Http, scopes: Scopes) -> Result<Self, OktaError> {
        match auth {
            Auth::Token { token } => Ok(Self::Token(token.clone())),
            Auth::ServiceApp { client_id, key, dpop } => Ok(Self::App(Box::new(App {
                client_id: client_id.clone(),
                key: SigningKey::parse(key.expose_secret())?,
                dpop: dpop.then(SigningKey::ephemeral).transpose()?,
                scopes,
                endpoint: http.url(&["oauth2", "v1", "token"]),
                state: Mutex::default(),
            }))),
        }
    }

    /// Signs one sending of one call, fetching or renewing the token first where that is due.
    pub(crate) async fn sign(
        &self,
        http: &Http,
        method: &Method,
        url: &Url,
    ) -> Result<Signed, OktaError> {
        let app = match self {
            Self::Token(token) => {
                let authorization = format!("SSWS {}", token.expose_secret());
                return Ok(Signed { authorization, proof: None });
            }
            Self::App(app) => app,
        };
        let mut state = app.state.lock().await;
        let token = app.token(&mut state, http).await?;
        let secret = token.secret.expose_secret();
        let Some(key) = app.dpop.as_ref().filter(|_| token.bound) else {
            return Ok(Signed { authorization: format!("Bearer {secret}"), proof: None });
        };
        let proof = dpop::proof(key, method, url, state.nonce.as_deref(), Some(secret))?;
        Ok(Signed { authorization: format!("DPoP {secret}"), proof: Some(proof) })
    }

    /// Learns from the answer to a signed call. Returns whether the same call, signed anew, may
    /// be taken: its token was refused and is dropped now, or its proof lacked a nonce.
    pub(crate) async fn answered(&self, signed: &Signed, answer: &Answer) -> bool {
        let Self::App(app) = self else { return false };
        let mut state = app.state.lock().await;
        let nonce = answer.header("dpop-nonce").map(str::to_owned);
        let nonce_wanted = nonce.is_some()
            && matches!(answer.status, 400 | 401)
            && (answer.header("www-authenticate").is_some_and(|it| it.contains("use_dpop_nonce"))
                || denied(answer).error == "use_dpop_nonce");
        if nonce.is_some() {
            state.nonce = nonce;
        }
        if nonce_wanted {
            return true;
        }
        if !matches!(from_answer(OPERATION, answer), OktaError::SignIn { .. }) {
            return false;
        }
        // Another call may have renewed it meanwhile.
        let used = signed.authorization.split_once(' ').map_or("", |(_, token)| token);
        if state.token.as_ref().is_some_and(|token| token.secret.expose_secret() == used) {
            state.token = None;
        }
        true
    }

    /// The scopes of the token, as granted; `None` for an SSWS token or before the first call.
    pub(crate) async fn granted(&self) -> Option<Vec<String>> {
        let Self::App(app) = self else { return None };
        let state = app.state.lock().await;
        let token = state.token.as_ref()?;
        Some(token.scope.split_whitespace().map(str::to_owned).collect())
    }

    /// Whether a token would carry this scope if it were asked for; `None` for an SSWS token, which
    /// carries none.
    pub(crate) async fn would_get(
        &self,
        http: &Http,
        scope: &str,
    ) -> Result<Option<bool>, OktaError> {
        match self {
            Self::Token(_) => Ok(None),
            Self::App(app) => app.would_get(http, scope).await.map(Some),
        }
    }
}

impl App {
    async fn token(&self, state: &mut State, http: &Http) -> Result<Token, OktaError> {
        let now = Instant::now();
        if let Some(token) = state.token.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.clone());
        }
        match self.fetch(state, http).await {
            Ok(token) => {
                state.token = Some(token.clone());
                Ok(token)
            }
            // The token endpoint is down while the old token still has minutes to go.
            Err(error) if error.is_transient() => {
                state.token.as_ref().filter(|token| now < token.ends).cloned().ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks for a token: plainly, with a nonce if one is wanted, and for fewer scopes if some were
    /// not granted. Each sending has an assertion of its own, which is good for one use.
    async fn fetch(&self, state: &mut State, http: &Http) -> Result<Token, OktaError> {
        let mut nonce_tried = false;
        loop {
            let scopes = [&[self.scopes], BESIDES[state.refused_scopes]].concat().join(" ");
            let answer = self.request(state, http, &scopes).await?;
            if answer.is_success() {
                return read_token(&answer);
            }
            let denied = denied(&answer);
            let nonce = answer.header("dpop-nonce").map(str::to_owned);
            match denied.error.as_str() {
                "use_dpop_nonce" if nonce.is_some() && !nonce_tried => {
                    nonce_tried = true;
                    state.nonce = nonce;
                }
                "invalid_scope" | "consent_required"
                    if state.refused_scopes + 1 < BESIDES.len() =>
                {
                    state.refused_scopes += 1;
                    nonce_tried = false;
                }
                _ => return Err(self.refused(&answer, &denied)),
            }
        }
    }

    /// Whether the app would get this scope if it asked.
    async fn would_get(&self, http: &Http, scope: &str) -> Result<bool, OktaError> {
        let mut state = self.state.lock().await;
        let mut nonce_tried = false;
        loop {
            let answer = self.request(&state, http, scope).await?;
            let denied = denied(&answer);
            let nonce = answer.header("dpop-nonce").map(str::to_owned);
            match denied.error.as_str() {
                _ if answer.is_success() => return read_token(&answer).map(|_| true),
                "use_dpop_nonce" if nonce.is_some() && !nonce_tried => {
                    nonce_tried = true;
                    state.nonce = nonce;
                }
                "invalid_scope" | "consent_required" => return Ok(false),
                _ => return Err(self.refused(&answer, &denied)),
            }
        }
    }

    async fn request(&self, state: &State, http: &Http, scopes: &str) -> Result<Answer, OktaError> {
        let now = chrono::Utc::now().timestamp() - dpop::BACKDATE_SECONDS;
        let mut header = Map::new();
        if let Some(kid) = self.key.kid() {
            header.insert("kid".to_owned(), kid.into());
        }
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.endpoint.as_str(),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": unique()?,
        });
        let assertion = self.key.sign(header, &claims)?;
        let mut call = Call::form(
            self.endpoint.clone(),
            &[
                ("grant_type", "client_credentials"),
                ("scope", scopes),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", &assertion),
            ],
        );
        if let Some(key) = &self.dpop {
            let proof =
                dpop::proof(key, &Method::POST, &self.endpoint, state.nonce.as_deref(), None)?;
            call = call.secret_header("dpop", &proof).map_err(|_| OktaError::SignIn {
                message: "the proof cannot stand in a header".to_owned(),
            })?;
        }
        // Whatever happened to this call, the one that it was for has not been sent.
        http.send(call).await.map_err(|error| match error {
            HttpError::Unreachable { .. } | HttpError::NoAnswer { .. } => {
                OktaError::Unreachable { operation: OPERATION, why: error.to_string() }
            }
            HttpError::TooLarge { .. } | HttpError::ForeignHost { .. } | HttpError::Setup(_) => {
                OktaError::Unbelievable { operation: OPERATION, why: error.to_string() }
            }
        })
    }

    fn refused(&self, answer: &Answer, denied: &Denied) -> OktaError {
        if denied.error == "invalid_dpop_proof" && self.dpop.is_none() {
            return OktaError::SignIn {
                message: "the app demands DPoP (invalid_dpop_proof): set dpop = true under \
                          [okta] auth, or switch off \"require DPoP\" for the app in Okta"
                    .to_owned(),
            };
        }
        if !denied.error.is_empty() && answer.status < 500 && answer.status != 429 {
            let message = format!("{}: {}", clean(&denied.error), clean(&denied.error_description));
            return OktaError::SignIn { message: message.trim_end_matches(": ").to_owned() };
        }
        match from_answer(OPERATION, answer) {
            OktaError::NoAnswer { operation, why } => OktaError::Unreachable { operation, why },
            OktaError::NotFound(_) | OktaError::Forbidden(_) => OktaError::SignIn {
                message: format!("HTTP {} at the token endpoint", answer.status),
            },
            other => other,
        }
    }
}

fn denied(answer: &Answer) -> Denied {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

pub(super) fn read_token(answer: &Answer) -> Result<Token, OktaError> {
    let unbelievable =
        |why: &str| OktaError::Unbelievable { operation: OPERATION, why: why.to_owned() };
    let granted: Granted = serde_json::from_slice(&answer.body)
        .map_err(|_| unbelievable("the token endpoint's answer is not a token"))?;
    let bound = match granted.token_type.to_ascii_lowercase().as_str() {
        "bearer" => false,
        "dpop" => true,
        _ => return Err(unbelievable("the token is of a kind that is not known")),
    };
    let lifetime = Duration::from_secs(granted.expires_in.min(24 * 3600));
    let now = Instant::now();
    Ok(Token {
        secret: granted.access_token.into(),
        bound,
        // A short-lived token is used for half its life.
        renew_at: now + lifetime.saturating_sub(RENEW_AHEAD).max(lifetime / 2),
        ends: now + lifetime,
        scope: granted.scope,
    })
}

impl From<KeyError> for OktaError {
    fn from(error: KeyError) -> Self {
        Self::Setup(error.to_string())
    }
}

impl Signed {
    /// Adds the headers to a call.
    pub(crate) fn put_on(&self, call: Call, operation: &'static str) -> Result<Call, OktaError> {
        let refused = |_| OktaError::SignIn {
            message: format!("the token cannot stand in a header (to {operation})"),
        };
        let call = call.secret_header("authorization", &self.authorization).map_err(refused)?;
        match &self.proof {
            Some(proof) => call.secret_header("dpop", proof).map_err(refused),
            None => Ok(call),
        }
    }
}
