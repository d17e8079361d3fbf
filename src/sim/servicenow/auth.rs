//! Who calls: Basic, bearer tokens from the token endpoint, API keys, or a guest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::errors::not_authenticated;
use super::state::{State, derived_id};
use crate::sim::http::{Request, Response};

/// What the API user signs in with.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name, for Basic.
    pub user_name: String,
    /// The password, for Basic.
    pub password: String,
    /// The OAuth client's id.
    pub client_id: String,
    /// The OAuth client's secret.
    pub client_secret: String,
    /// The API key.
    pub api_key: String,
    /// The `sys_id` of the API user's row.
    pub user_id: String,
    pub(super) token: Option<Token>,
    pub(super) tokens_made: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    text: String,
    ends: DateTime<Utc>,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            user_name: "svc-goldthread".to_owned(),
            password: "servicenow-password".to_owned(),
            client_id: "servicenow-client".to_owned(),
            client_secret: "servicenow-secret".to_owned(),
            api_key: "servicenow-key".to_owned(),
            user_id: String::new(),
            token: None,
            tokens_made: 0,
        }
    }
}

/// Who a call is made by.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) user_name: String,
    pub(super) id: String,
    pub(super) guest: bool,
}

impl State {
    /// Finds out who calls.
    pub(super) fn caller(&self, request: &Request) -> Result<Caller, Response> {
        let known = &self.credentials;
        let shown = request.header("authorization").unwrap_or_default();
        let good = if let Some(key) = request.header("x-sn-apikey") {
            key == known.api_key
        } else if let Some(token) = shown.strip_prefix("Bearer ") {
            let live = |it: &&Token| it.ends > self.clock.now();
            known.token.as_ref().filter(live).is_some_and(|it| it.text == token)
        } else if let Some(basic) = shown.strip_prefix("Basic ") {
            let wanted = format!("{}:{}", known.user_name, known.password);
            STANDARD.decode(basic.trim()).is_ok_and(|it| it == wanted.as_bytes())
        } else if self.switches.guests {
            return Ok(Caller {
                user_name: "guest".to_owned(),
                id: "5136503cc611227c0183e96598c4f706".to_owned(),
                guest: true,
            });
        } else {
            false
        };
        if !good {
            return Err(not_authenticated());
        }
        Ok(Caller { user_name: known.user_name.clone(), id: known.user_id.clone(), guest: false })
    }

    /// `POST /oauth_token.do`: the same token as long as it lives.
    pub(super) fn token(&mut self, request: &Request) -> Response {
        let denied = || {
            let body = json!({"error": "server_error", "error_description": "access_denied"});
            Response::json(401, &body)
        };
        let kind = request.header("content-type").unwrap_or_default();
        if request.method != "POST" || !kind.starts_with("application/x-www-form-urlencoded") {
            return denied();
        }
        let form = request.form();
        let field = |name: &str| {
            let found = form.iter().find(|(key, _)| key == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let good = self.switches.client_credentials
            && field("grant_type") == "client_credentials"
            && field("client_id") == self.credentials.client_id
            && field("client_secret") == self.credentials.client_secret;
        if !good {
            return denied();
        }
        let now = self.clock.now();
        let live = self.credentials.token.take().filter(|token| token.ends > now);
        let token = live.unwrap_or_else(|| {
            self.credentials.tokens_made += 1;
            Token {
                text: derived_id(0x70_6b_65_6e, "token", self.credentials.tokens_made),
                ends: now + TimeDelta::seconds(i64::from(self.switches.token_life)),
            }
        });
        let left = (token.ends - now).num_seconds();
        let body = json!({"access_token": token.text, "scope": "useraccount", "token_type": "Bearer", "expires_in": left});
        self.credentials.token = Some(token);
        Response::json(200, &body)
    }
}
