//! Signing in: an SSWS token, or an access token that is fetched and renewed, and the proofs that we
//! hold the key that it is bound to (RFC 9449).

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::Auth;
use super::envelope::from_answer;
use super::error::{OktaError, clean, unbelievable};
use super::key::{KeyError, SigningKey, base64url, unique};
use crate::http::{Answer, Call, Http};

const OPERATION: &str = "sign in";
/// A token is renewed this long before its end. It lives for an hour
/// (<https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/main/>).
const RENEW_AHEAD: Duration = Duration::from_mins(5);
/// How long an assertion is good. Its end may be at most an hour ahead
/// (<https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/main/>).
const ASSERTION_SECONDS: i64 = 300;
/// A clock that runs a little ahead must not put `iat` into Okta's future.
const BACKDATE_SECONDS: i64 = 5;

/// What a connection that may write cannot do without: a `manage` scope includes the reads of its
/// family (<https://developer.okta.com/docs/guides/implement-oauth-for-okta/main/>).
pub(super) const WRITING: &str = "okta.users.manage okta.groups.manage";
pub(super) const READING: &str = "okta.users.read okta.groups.read";

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
    scopes: &'static str,
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
    pub(crate) fn new(auth: &Auth, http: &Http, scopes: &'static str) -> Result<Self, OktaError> {
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

    /// Signs one sending of one call, fetching or renewing the token first where that is due. Gives
    /// the token too, for [`Self::answered`].
    pub(crate) async fn sign(
        &self,
        http: &Http,
        call: Call,
        operation: &'static str,
    ) -> Result<(Call, SecretString), OktaError> {
        let (scheme, secret, proof) = match self {
            Self::Token(token) => ("SSWS", token.clone(), None),
            Self::App(app) => {
                let mut state = app.state.lock().await;
                let Token { secret, bound, .. } = app.token(&mut state, http).await?;
                let key = app.dpop.as_ref().filter(|_| bound);
                let nonce = state.nonce.as_deref();
                let proof =
                    key.map(|key| proof(key, &call.method, &call.url, nonce, Some(&secret)));
                (if proof.is_some() { "DPoP" } else { "Bearer" }, secret, proof.transpose()?)
            }
        };
        let refused = |_| OktaError::SignIn {
            message: format!("the token cannot stand in a header (to {operation})"),
        };
        let authorization = format!("{scheme} {}", secret.expose_secret());
        let mut call = call.secret_header("authorization", &authorization).map_err(refused)?;
        if let Some(proof) = proof {
            call = call.secret_header("dpop", &proof).map_err(refused)?;
        }
        Ok((call, secret))
    }

    /// Learns from the answer to a signed call. Returns whether the same call, signed anew, may
    /// be taken: its token was refused and is dropped now, or its proof lacked a nonce.
    pub(crate) async fn answered(&self, used: &SecretString, answer: &Answer) -> bool {
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
        let used = used.expose_secret();
        state.token.take_if(|token| token.secret.expose_secret() == used);
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
    /// has what its owner may do. Asks for one and throws it away.
    pub(crate) async fn would_get(
        &self,
        http: &Http,
        scope: &str,
    ) -> Result<Option<bool>, OktaError> {
        let Self::App(app) = self else { return Ok(None) };
        let answer = app.ask(&mut *app.state.lock().await, http, scope).await?;
        if answer.is_success() {
            return read_token(&answer).map(|_| Some(true));
        }
        if lacks_a_scope(&answer) { Ok(Some(false)) } else { Err(app.refused(&answer)) }
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

    /// Asks for a token, and for fewer scopes if some were not granted.
    async fn fetch(&self, state: &mut State, http: &Http) -> Result<Token, OktaError> {
        loop {
            let scopes = [&[self.scopes], BESIDES[state.refused_scopes]].concat().join(" ");
            let answer = self.ask(state, http, &scopes).await?;
            if answer.is_success() {
                return read_token(&answer);
            }
            if !lacks_a_scope(&answer) || state.refused_scopes + 1 == BESIDES.len() {
                return Err(self.refused(&answer));
            }
            state.refused_scopes += 1;
        }
    }

    /// Sends a token request, and once more with a nonce if one is wanted.
    async fn ask(&self, state: &mut State, http: &Http, scopes: &str) -> Result<Answer, OktaError> {
        let answer = self.request(state, http, scopes).await?;
        match answer.header("dpop-nonce") {
            Some(nonce) if !answer.is_success() && denied(&answer).error == "use_dpop_nonce" => {
                state.nonce = Some(nonce.to_owned());
                self.request(state, http, scopes).await
            }
            _ => Ok(answer),
        }
    }

    /// Each sending has an assertion of its own, which is good for one use.
    async fn request(&self, state: &State, http: &Http, scopes: &str) -> Result<Answer, OktaError> {
        let now = chrono::Utc::now().timestamp() - BACKDATE_SECONDS;
        let mut header = Map::new();
        if let Some(kid) = &self.key.kid {
            header.insert("kid".to_owned(), kid.as_str().into());
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
            let proof = proof(key, &Method::POST, &self.endpoint, state.nonce.as_deref(), None)?;
            call = call.secret_header("dpop", &proof).map_err(|_| OktaError::SignIn {
                message: "the proof cannot stand in a header".to_owned(),
            })?;
        }
        let answer = http.send(call).await;
        answer.map_err(|error| not_sent(OktaError::from_http(OPERATION, &error)))
    }

    fn refused(&self, answer: &Answer) -> OktaError {
        let Denied { error, error_description } = denied(answer);
        if error == "invalid_dpop_proof" && self.dpop.is_none() {
            return OktaError::SignIn {
                message: "the app demands DPoP (invalid_dpop_proof): set dpop = true under \
                          [okta] auth, or switch off \"require DPoP\" for the app in Okta"
                    .to_owned(),
            };
        }
        if !error.is_empty() && answer.status < 500 && answer.status != 429 {
            let message = format!("{}: {}", clean(&error), clean(&error_description));
            return OktaError::SignIn { message: message.trim_end_matches(": ").to_owned() };
        }
        match from_answer(OPERATION, answer) {
            OktaError::NotFound(_) | OktaError::Forbidden(_) => OktaError::SignIn {
                message: format!("HTTP {} at the token endpoint", answer.status),
            },
            other => not_sent(other),
        }
    }
}

/// Whatever happened to a token request, the call that it was for has not been sent.
fn not_sent(error: OktaError) -> OktaError {
    match error {
        OktaError::NoAnswer { operation, why, .. } => OktaError::Unreachable { operation, why },
        other => other,
    }
}

fn lacks_a_scope(answer: &Answer) -> bool {
    matches!(denied(answer).error.as_str(), "invalid_scope" | "consent_required")
}

fn denied(answer: &Answer) -> Denied {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

pub(super) fn read_token(answer: &Answer) -> Result<Token, OktaError> {
    let granted: Granted = serde_json::from_slice(&answer.body)
        .map_err(|_| unbelievable(OPERATION, "the token endpoint's answer is not a token"))?;
    let bound = match granted.token_type.to_ascii_lowercase().as_str() {
        "bearer" => false,
        "dpop" => true,
        _ => return Err(unbelievable(OPERATION, "the token is of a kind that is not known")),
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

/// One proof, for one sending of one call: one that is seen twice is refused
/// (<https://developer.okta.com/docs/guides/dpop/main/>,
/// <https://github.com/okta/terraform-provider-okta/issues/2421>). `token` is the access token that it
/// goes with; `None` for the token request.
fn proof(
    key: &SigningKey,
    method: &Method,
    url: &Url,
    nonce: Option<&str>,
    token: Option<&SecretString>,
) -> Result<String, KeyError> {
    let mut target = url.clone();
    target.set_query(None);
    target.set_fragment(None);
    let mut header = Map::new();
    header.insert("typ".to_owned(), "dpop+jwt".into());
    header.insert("jwk".to_owned(), key.public_jwk().unwrap_or(Value::Null));
    let mut claims = json!({
        "htm": method.as_str(),
        "htu": target.as_str(),
        "iat": chrono::Utc::now().timestamp() - BACKDATE_SECONDS,
        "jti": unique()?,
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    if let Some(token) = token {
        let hash = digest(&SHA256, token.expose_secret().as_bytes());
        claims["ath"] = base64url(hash.as_ref()).into();
    }
    key.sign(header, &claims)
}
