//! Who calls: SSWS tokens, and OAuth 2.0 service apps with `private_key_jwt` and DPoP.

use std::collections::{BTreeSet, HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::errors::{Problem, oauth};
use super::state::{Context, State};
use super::{PublicKey, ServiceApp, Status};
use crate::sim::http::{Request, Response};

/// Credentials of the org.
#[derive(Debug, Default)]
pub(super) struct Auth {
    pub apps: HashMap<String, ServiceApp>,
    pub tokens: HashMap<String, ApiToken>,
    grants: HashMap<String, Grant>,
    used: HashSet<String>,
    /// Added to the nonce so that a test can make the old ones stale.
    pub nonce_salt: u64,
}

/// An SSWS token.
#[derive(Clone, Debug)]
pub(super) struct ApiToken {
    pub id: String,
    pub owner: String,
    pub last_used: DateTime<Utc>,
}

#[derive(Clone, Debug)]
struct Grant {
    client: String,
    scopes: BTreeSet<String>,
    key: Option<String>,
    expires: DateTime<Utc>,
}

/// Who calls and what the call may do.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub context: Context,
    /// The user id that an SSWS token belongs to.
    pub user: Option<String>,
    /// Scopes of an OAuth token; none for SSWS, which needs none.
    pub scopes: Option<BTreeSet<String>>,
    pub has_role: bool,
    /// `Bearer` or `DPoP`, for challenges.
    pub scheme: &'static str,
}

type Refused = (u16, &'static str, String);

impl State {
    /// Finds out who calls.
    pub fn authenticate(&mut self, call: &Request, base: &str) -> Result<Caller, Problem> {
        let header = call.header("authorization").unwrap_or_default();
        let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "ssws" => self.by_api_token(token),
            "bearer" | "dpop" => self.by_grant(call, base, scheme, token),
            _ => Err(Problem::new("E0000011")),
        }
    }

    fn by_api_token(&mut self, token: &str) -> Result<Caller, Problem> {
        let now = self.now();
        let refused = || Problem::new("E0000011");
        let known = self.auth.tokens.get(token).ok_or_else(refused)?;
        let owner = self.users.get(&known.owner).ok_or_else(refused)?;
        // A token dies with its owner, and after 30 days without use.
        if owner.status == Status::Deprovisioned || now - known.last_used > TimeDelta::days(30) {
            self.auth.tokens.remove(token);
            return Err(refused());
        }
        let has_role = !self.roles_of(owner).is_empty();
        let context = Context {
            actor_id: owner.id.clone(),
            actor_type: "User",
            actor_name: owner.display_name(),
            actor_login: owner.text("login").to_owned(),
            token_id: Some(known.id.clone()),
            ..Context::default()
        };
        let user = Some(owner.id.clone());
        if let Some(known) = self.auth.tokens.get_mut(token) {
            known.last_used = now;
        }
        Ok(Caller { context, user, scopes: None, has_role, scheme: "SSWS" })
    }

    fn by_grant(
        &mut self,
        call: &Request,
        base: &str,
        scheme: &str,
        token: &str,
    ) -> Result<Caller, Problem> {
        let dpop = scheme.eq_ignore_ascii_case("dpop");
        let scheme = if dpop { "DPoP" } else { "Bearer" };
        let challenge = |status, error: &str, text: &str| {
            let header = format!(
                "{scheme} realm=\"{base}\", error=\"{error}\", error_description=\"{text}\""
            );
            Problem::challenge(status, header)
        };
        let stale = challenge(401, "invalid_token", "The access token is invalid or has expired.");
        let grant = self.auth.grants.get(token).cloned().ok_or_else(|| stale.clone())?;
        let app = self.auth.apps.get(&grant.client).cloned().ok_or_else(|| stale.clone())?;
        if grant.expires <= self.now() {
            return Err(stale);
        }
        match (&grant.key, dpop) {
            (Some(_), false) => {
                let text = "The resource must be accessed with the DPoP scheme.";
                return Err(challenge(400, "invalid_request", text));
            }
            (None, true) => {
                let text = "The access token is not bound to a DPoP key.";
                return Err(challenge(401, "invalid_token", text));
            }
            (Some(key), true) => {
                let urls = urls(call, base);
                let proof = self.proof(call, &urls, Some(token));
                match proof {
                    Ok(used) if used.thumbprint == *key => {}
                    Ok(_) => return Err(challenge(401, "invalid_token", "Wrong DPoP key.")),
                    Err(why) => return Err(challenge(400, "invalid_dpop_proof", &why)),
                }
            }
            (None, false) => {}
        }
        let context = Context {
            actor_id: app.client_id.clone(),
            actor_type: "PublicClientApp",
            actor_name: app.name.clone(),
            actor_login: app.client_id.clone(),
            ..Context::default()
        };
        let has_role = self.switches.public_client_app_admins || !app.roles.is_empty();
        Ok(Caller { context, user: None, scopes: Some(grant.scopes), has_role, scheme })
    }

    /// `POST /oauth2/v1/token`.
    pub fn token(&mut self, call: &Request, base: &str, request_id: &str) -> Response {
        match self.grant(call, base, request_id) {
            Ok(response) => response,
            Err((status, error, text)) => {
                let response = oauth(status, error, &text);
                if error == "use_dpop_nonce" {
                    return response.with_header("DPoP-Nonce", self.nonce(0));
                }
                response
            }
        }
    }

    fn grant(&mut self, call: &Request, base: &str, request_id: &str) -> Result<Response, Refused> {
        let form = call.form();
        let field = |name: &str| {
            let found = form.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let refuse = |status, error, text: &str| Err((status, error, text.to_owned()));
        if field("grant_type") != "client_credentials" {
            return refuse(400, "unsupported_grant_type", "The grant type is not supported.");
        }
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        if field("client_assertion_type") != kind {
            let text = "Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.";
            return refuse(401, "invalid_client", text);
        }
        let urls = urls(call, base);
        let assertion = field("client_assertion");
        let client =
            self.assertion(assertion, &urls).map_err(|why| (401, "invalid_client", why))?;
        let app = self.auth.apps[&client].clone();

        let key = if call.header("dpop").is_some() {
            let proof = self.proof(call, &urls, None);
            let proof = proof.map_err(|why| (400, "invalid_dpop_proof", why))?;
            let known = (0..3).any(|age| proof.nonce.as_ref() == Some(&self.nonce(age)));
            if !known {
                let text = "Authorization server requires nonce in DPoP proof.";
                return refuse(400, "use_dpop_nonce", text);
            }
            Some(proof.thumbprint)
        } else if app.dpop {
            return refuse(400, "invalid_dpop_proof", "The DPoP proof JWT header is missing.");
        } else {
            None
        };

        let scopes: BTreeSet<String> =
            field("scope").split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() {
            return refuse(400, "invalid_scope", "The scope must not be empty.");
        }
        if let Some(unknown) = scopes
            .iter()
            .find(|it| !it.starts_with("okta.") || it.split('.').next_back() == Some("self"))
        {
            let text = format!("The scope {unknown} is not allowed.");
            return Err((400, "invalid_scope", text));
        }
        if scopes.iter().any(|it| !app.scopes.contains(it)) {
            return refuse(
                400,
                "consent_required",
                "The requested scope was never granted to the client.",
            );
        }

        let now = self.now();
        let claims = json!({"cid": client, "scp": scopes, "iat": now.timestamp()}).to_string();
        let signature = self.secret("access token");
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"org"}"#);
        let token = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims));
        let scope = scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let token_type = if key.is_some() { "DPoP" } else { "Bearer" };
        let expires = now + TimeDelta::hours(1);
        self.auth.grants.insert(token.clone(), Grant { client, scopes, key, expires });
        let context = Context {
            request_id: request_id.to_owned(),
            actor_id: app.client_id.clone(),
            actor_type: "PublicClientApp",
            actor_name: app.name,
            actor_login: app.client_id,
            user_agent: call.header("user-agent").unwrap_or_default().to_owned(),
            uri: call.path.clone(),
            token_id: None,
        };
        self.event(&context, "app.oauth2.token.grant.access_token", &[], &json!({}));
        let body = json!({
            "token_type": token_type, "expires_in": 3600, "access_token": token, "scope": scope});
        Ok(Response::json(200, &body).with_header("Cache-Control", "no-cache, no-store"))
    }

    /// Checks a client assertion; gives the client id.
    fn assertion(&mut self, text: &str, urls: &[String]) -> Result<String, String> {
        let header = decode_header(text).map_err(|_| "The client_assertion is not a JWT.")?;
        let unverified: Value = claims_of(text).ok_or("The client_assertion is not a JWT.")?;
        let client = unverified["sub"].as_str().unwrap_or_default().to_owned();
        let app = self.auth.apps.get(&client).ok_or("The client is unknown.")?;
        let key = match header.kid {
            Some(kid) => app.keys.iter().find(|it| it.kid == kid),
            None if app.keys.len() == 1 => app.keys.first(),
            None => None,
        };
        let key = key.ok_or("The client_assertion was signed with an unknown key (kid).")?;
        if !is_asymmetric(header.alg) || !key.fits(header.alg) {
            return Err("The signing algorithm is not allowed.".to_owned());
        }
        let claims = decode::<Value>(text, &key.key, &validation(header.alg))
            .map_err(|_| "The client_assertion signature is invalid.")?
            .claims;
        let now = self.now().timestamp();
        if claims["iss"].as_str() != Some(client.as_str()) {
            return Err("The iss and sub claims must both be the client id.".to_owned());
        }
        let named =
            |audience: &Value| audience.as_str().is_some_and(|it| urls.iter().any(|url| url == it));
        let audience = &claims["aud"];
        if !named(audience) && !audience.as_array().is_some_and(|all| all.iter().any(named)) {
            return Err("The audience claim must be the endpoint that is invoked.".to_owned());
        }
        let expires = claims["exp"].as_i64().ok_or("The exp claim is missing.")?;
        if expires <= now {
            return Err("The client_assertion token is expired.".to_owned());
        }
        if expires > now + 3600 {
            return Err(
                "The client_assertion token has an expiration too far into the future.".to_owned()
            );
        }
        if claims["iat"].as_i64().is_some_and(|it| it > now) {
            return Err("The client_assertion token was issued in the future.".to_owned());
        }
        if let Some(jti) = claims["jti"].as_str()
            && !self.auth.used.insert(format!("assertion {client} {jti}"))
        {
            return Err("The client_assertion token has already been used.".to_owned());
        }
        Ok(client)
    }

    /// Checks the DPoP proof of a call against its verb, address and access token.
    fn proof(
        &mut self,
        call: &Request,
        urls: &[String],
        token: Option<&str>,
    ) -> Result<Proof, String> {
        let text = call.header("dpop").ok_or("The DPoP proof JWT header is missing.")?;
        let header = decode_header(text).map_err(|_| "The DPoP proof is not a JWT.")?;
        if header.typ.as_deref() != Some("dpop+jwt") || !is_asymmetric(header.alg) {
            return Err("The DPoP proof has a wrong typ or alg.".to_owned());
        }
        let jwk = header.jwk.ok_or("The DPoP proof has no jwk.")?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| "The DPoP proof has a bad jwk.")?;
        let claims = decode::<Value>(text, &key, &validation(header.alg))
            .map_err(|_| "The DPoP proof signature is invalid.")?
            .claims;
        if claims["htm"].as_str() != Some(call.method.as_str()) {
            return Err("The DPoP proof has a wrong htm.".to_owned());
        }
        let address = claims["htu"].as_str().unwrap_or_default();
        let address = address.split(['?', '#']).next().unwrap_or_default();
        if !urls.iter().any(|url| url == address) {
            return Err("The DPoP proof has a wrong htu.".to_owned());
        }
        let (now, issued) = (self.now().timestamp(), claims["iat"].as_i64().unwrap_or(0));
        if issued > now {
            return Err("The DPoP proof was issued in the future.".to_owned());
        }
        if issued < now - 300 {
            return Err("The DPoP proof is too old.".to_owned());
        }
        if let Some(token) = token {
            let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
            if claims["ath"].as_str() != Some(hash.as_str()) {
                return Err("The DPoP proof has a wrong ath.".to_owned());
            }
        }
        let jti = claims["jti"].as_str().ok_or("The DPoP proof has no jti.")?;
        if !self.auth.used.insert(format!("proof {jti}")) {
            return Err("The DPoP proof has already been used.".to_owned());
        }
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|it| it.to_string())?;
        Ok(Proof { thumbprint, nonce: claims["nonce"].as_str().map(str::to_owned) })
    }

    /// The nonce of today, or of `age` days ago.
    fn nonce(&self, age: i64) -> String {
        let day = self.now().timestamp() / 86_400 - age;
        let text = format!("nonce {} {day}", self.auth.nonce_salt);
        URL_SAFE_NO_PAD.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16])
    }
}

struct Proof {
    thumbprint: String,
    nonce: Option<String>,
}

/// The address of a call: under the name the server knows, and under the one the caller used.
fn urls(call: &Request, base: &str) -> Vec<String> {
    let path = &call.path;
    let host = call.header("host").unwrap_or_default();
    vec![format!("{base}{path}"), format!("http://{host}{path}")]
}

/// Only the signature is checked by the library: times are the simulator's.
fn validation(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules
}

fn is_asymmetric(algorithm: Algorithm) -> bool {
    use Algorithm::{ES256, ES384, RS256, RS384, RS512};
    matches!(algorithm, RS256 | RS384 | RS512 | ES256 | ES384)
}

fn claims_of(token: &str) -> Option<Value> {
    let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&body).ok()
}

impl PublicKey {
    /// A new key pair, as Okta's console makes one: the private half as PEM, and the public half.
    pub fn pair() -> Result<(String, Self), String> {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
        let failed = |what: &dyn std::fmt::Display| format!("no key: {what}");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|error| failed(&error))?;
        let der = pair.to_pkcs8v1().map_err(|error| failed(&error))?;
        let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
        for line in STANDARD.encode(der).as_bytes().chunks(64) {
            pem.extend(line.iter().map(|&letter| char::from(letter)));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        // A point without compression: a mark, then x and y.
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "x": x, "y": y});
        Ok((pem, Self::from_jwk(&jwk)?))
    }

    /// From a JWK (RSA, or EC on P-256 or P-384), with the `kid` in it or else an empty one.
    pub fn from_jwk(jwk: &Value) -> Result<Self, String> {
        let parsed: Jwk = serde_json::from_value(jwk.clone()).map_err(|it| it.to_string())?;
        let key = DecodingKey::from_jwk(&parsed).map_err(|it| it.to_string())?;
        Ok(Self { kid: parsed.common.key_id.unwrap_or_default(), key })
    }

    /// From a PEM public key (RSA or EC).
    pub fn from_pem(kid: &str, pem: &str) -> Result<Self, String> {
        let key = DecodingKey::from_rsa_pem(pem.as_bytes())
            .or_else(|_| DecodingKey::from_ec_pem(pem.as_bytes()))
            .map_err(|it| it.to_string())?;
        Ok(Self { kid: kid.to_owned(), key })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.key.family().algorithms().contains(&algorithm)
    }
}
