use reqwest::Method;
use serde_json::{Value, json};

use super::super::testing::{Org, Seen, error, reply, user};
use super::super::{Auth, Connection, OktaError, OktaReader, Settings};
use super::keys::{ec_pem, part};
use crate::http::RetryPolicy;
use crate::model::AccountId;

fn app(dpop: bool) -> Auth {
    Auth::ServiceApp { client_id: "0oaTest".to_owned(), key: ec_pem().into(), dpop }
}

fn token(name: &str, kind: &str) -> String {
    let body = json!({"token_type": kind, "expires_in": 3600, "access_token": name,
        "scope": "okta.users.manage okta.groups.manage"});
    reply(200, &[], &body.to_string())
}

fn denied(name: &str) -> String {
    reply(400, &[], &json!({"error": name, "error_description": "no"}).to_string())
}

fn nonce_wanted(nonce: &str) -> String {
    reply(400, &[("DPoP-Nonce", nonce)], r#"{"error":"use_dpop_nonce"}"#)
}

fn form(seen: &Seen, name: &str) -> String {
    url::form_urlencoded::parse(seen.body.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn proof(seen: &Seen) -> Value {
    part(seen.header("dpop"), 1)
}

fn jane() -> AccountId {
    AccountId::parse("00u1").unwrap()
}

#[tokio::test]
async fn a_token_of_the_ssws_kind_is_sent_and_never_shown() {
    let org = Org::answering([reply(200, &[], &user("00u1", "ACTIVE"))]).await;
    let connection = org.connect();
    OktaReader::new(connection.clone()).account(&jane()).await.unwrap();
    assert_eq!(org.seen()[0].header("authorization"), "SSWS s3cret-token");
    assert!(org.seen()[0].header("user-agent").starts_with("goldthread/"));
    assert!(!format!("{connection:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_service_app_fetches_one_token_and_uses_it_again() {
    let org = Org::answering([
        token("tok1", "Bearer"),
        reply(200, &[], &user("00u1", "ACTIVE")),
        reply(200, &[], &user("00u1", "ACTIVE")),
    ])
    .await;
    let reader = OktaReader::new(org.connect_with(app(false)));
    reader.account(&jane()).await.unwrap();
    reader.account(&jane()).await.unwrap();
    let seen = org.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2].header("authorization"), "Bearer tok1");
    let claims = part(&form(&seen[0], "client_assertion"), 1);
    assert_eq!(claims["aud"], format!("{}oauth2/v1/token", org.url));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("0oaTest"), &json!("0oaTest")));
    assert!(form(&seen[0], "scope").contains("okta.users.manage"));
    let granted = reader.connection().granted_scopes().await.unwrap();
    assert_eq!(granted, ["okta.users.manage", "okta.groups.manage"]);
}

#[tokio::test]
async fn a_read_only_connection_asks_for_no_scope_to_write() {
    let org =
        Org::answering([token("tok1", "Bearer"), reply(200, &[], &user("00u1", "ACTIVE"))]).await;
    let retry = RetryPolicy::default();
    let settings = Settings { url: org.url.clone(), auth: app(false), share: 0.5, retry };
    OktaReader::new(Connection::read_only(settings).unwrap()).account(&jane()).await.unwrap();
    let scope = form(&org.seen()[0], "scope");
    assert!(scope.contains("okta.users.read") && !scope.contains("manage"), "{scope}");
}

#[tokio::test]
async fn scopes_that_were_not_granted_are_left_out() {
    let refusals = ["consent_required", "invalid_scope"].into_iter().cycle().take(7);
    let replies = refusals
        .map(denied)
        .chain([token("tok1", "Bearer"), reply(200, &[], &user("00u1", "ACTIVE"))]);
    let org = Org::answering(replies).await;
    OktaReader::new(org.connect_with(app(false))).account(&jane()).await.unwrap();
    let seen = org.seen();
    let besides = |seen: &Seen| {
        let scope = form(seen, "scope");
        scope.strip_prefix("okta.users.manage okta.groups.manage").unwrap().trim().to_owned()
    };
    assert_eq!(besides(&seen[0]), "okta.schemas.read okta.logs.read okta.roles.read");
    assert_eq!(besides(&seen[1]), "okta.schemas.read okta.logs.read");
    assert_eq!(besides(&seen[7]), "");
    let jti = |seen: &Seen| part(&form(seen, "client_assertion"), 1)["jti"].clone();
    assert_ne!(jti(&seen[0]), jti(&seen[1]));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_only_once() {
    let expired = || error(401, "E0000011", "Invalid token provided", "");
    let org = Org::answering([
        token("tok1", "Bearer"),
        expired(),
        token("tok2", "Bearer"),
        reply(200, &[], &user("00u1", "ACTIVE")),
        expired(),
        token("tok3", "Bearer"),
        expired(),
    ])
    .await;
    let reader = OktaReader::new(org.connect_with(app(false)));
    reader.account(&jane()).await.unwrap();
    assert_eq!(org.seen()[3].header("authorization"), "Bearer tok2");
    let refused = reader.account(&jane()).await.unwrap_err();
    assert!(matches!(refused, OktaError::SignIn { .. }), "{refused}");
    assert_eq!(org.seen().len(), 7);
}

#[tokio::test]
async fn a_feature_that_is_off_is_no_reason_for_a_new_token() {
    let org =
        Org::answering([token("tok1", "Bearer"), error(401, "E0000015", "Feature off", "")]).await;
    let refused = OktaReader::new(org.connect_with(app(false))).account(&jane()).await.unwrap_err();
    assert!(matches!(refused, OktaError::Refused(_)), "{refused}");
    assert_eq!(org.seen().len(), 2);
}

#[tokio::test]
async fn a_bound_token_takes_the_nonce_dance_and_a_new_proof_for_each_sending() {
    let org = Org::answering([
        nonce_wanted("n1"),
        token("tok1", "DPoP"),
        reply(503, &[], ""),
        reply(200, &[], &user("00u1", "ACTIVE")),
    ])
    .await;
    let reader = OktaReader::new(org.connect_with(app(true)));
    reader.accounts_where("login", "00u1@example.com").await.unwrap_err(); // not a list, but sent
    let seen = org.seen();

    assert_eq!(proof(&seen[0])["nonce"], Value::Null);
    assert_eq!(proof(&seen[1])["nonce"], "n1");
    let assertion = |seen: &Seen| part(&form(seen, "client_assertion"), 1)["jti"].clone();
    assert_ne!(assertion(&seen[0]), assertion(&seen[1]));

    let header = part(seen[2].header("dpop"), 0);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
    assert_eq!(header["jwk"]["crv"], "P-256");
    assert_eq!(header["jwk"]["d"], Value::Null);
    assert_eq!(seen[2].header("authorization"), "DPoP tok1");
    let claims = proof(&seen[2]);
    assert_eq!(
        (&claims["htm"], &claims["htu"]),
        (&json!("GET"), &json!(format!("{}api/v1/users", org.url)))
    );
    // base64url(SHA-256("tok1"))
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"tok1");
    assert_eq!(claims["ath"], super::super::key::base64url(hash.as_ref()));
    assert!(claims["iat"].as_i64().unwrap() < chrono::Utc::now().timestamp());
    assert_ne!(claims["jti"], proof(&seen[3])["jti"]);
}

#[tokio::test]
async fn an_app_that_turns_out_not_to_be_bound_is_used_without_proofs() {
    let org =
        Org::answering([token("tok1", "Bearer"), reply(200, &[], &user("00u1", "ACTIVE"))]).await;
    OktaReader::new(org.connect_with(app(true))).account(&jane()).await.unwrap();
    assert_eq!(org.seen()[1].header("dpop"), "");
}

#[tokio::test]
async fn an_app_that_demands_proofs_says_which_setting_to_change() {
    let org = Org::answering([denied("invalid_dpop_proof")]).await;
    let refused = OktaReader::new(org.connect_with(app(false))).account(&jane()).await.unwrap_err();
    assert!(refused.to_string().contains("set dpop = true"), "{refused}");
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_an_outage_and_not_a_refusal() {
    let down = || reply(502, &[("Content-Type", "text/html")], "<html>");
    let org = Org::answering([down(), down(), down(), down()]).await;
    let connection = org.connect_with(app(false));
    let url = connection.url(&["api", "v1", "users", "00u1", "lifecycle", "suspend"], &[]);
    let request = super::super::connection::Request {
        operation: "suspend the account",
        call: crate::http::Call::new(Method::POST, url),
        idempotency: super::super::connection::Idempotency::OnceOnly,
    };
    let error = connection.send(&request).await.unwrap_err();
    assert!(matches!(error, OktaError::Unreachable { .. }), "{error}");
    assert_eq!(org.seen().len(), 4);
}

#[tokio::test]
async fn the_identity_is_the_tokens_owner_or_the_app() {
    let org = Org::answering([reply(200, &[], &user("00uAdmin", "ACTIVE"))]).await;
    let owner = OktaReader::new(org.connect()).identity().await.unwrap();
    assert!(
        matches!(owner, super::super::Identity::Account(account) if account.id.as_str() == "00uAdmin")
    );
    let app = OktaReader::new(org.connect_with(app(true))).identity().await.unwrap();
    assert_eq!(app, super::super::Identity::App("0oaTest".to_owned()));
}
