//! Proofs that we hold the key that a token is bound to (RFC 9449).

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;
use serde_json::{Map, Value, json};
use url::Url;

use super::key::{KeyError, SigningKey, base64url, unique};

/// A clock that runs a little ahead must not put `iat` into Okta's future.
pub(super) const BACKDATE_SECONDS: i64 = 5;

/// One proof, for one sending of one call: one that is seen twice is refused
/// (<https://developer.okta.com/docs/guides/dpop/main/>,
/// <https://github.com/okta/terraform-provider-okta/issues/2421>).
///
/// `token` is the access token that it goes with; `None` for the token request.
pub(super) fn proof(
    key: &SigningKey,
    method: &Method,
    url: &Url,
    nonce: Option<&str>,
    token: Option<&str>,
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
        claims["ath"] = base64url(digest(&SHA256, token.as_bytes()).as_ref()).into();
    }
    key.sign(header, &claims)
}
