use super::{Responder, failure, html, json, rows};
use crate::servicenow::{Auth, ServiceNowError, ServiceNowReader};

fn me(name: &str) -> super::Reply {
    rows(1, &[format!(r#"{{"user_name":"{name}"}}"#)])
}

fn token(token: &str, lifetime: u64) -> super::Reply {
    json(
        200,
        &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{lifetime}}}"#),
    )
}

fn refused() -> super::Reply {
    failure(401, "User Not Authenticated")
}

fn oauth(side: &Responder) -> ServiceNowReader {
    ServiceNowReader::new(side.connection(|settings| {
        settings.auth = Auth::OAuth { client_id: "id+1".into(), client_secret: "s&cret".into() };
    }))
}

#[tokio::test]
async fn a_password_is_sent_as_basic_and_a_key_in_its_own_header() {
    let side = Responder::with(vec![me("svc"), me("svc")]).await;
    assert_eq!(side.reader().whoami().await.unwrap(), "svc");
    let key = |settings: &mut crate::servicenow::Settings| {
        settings.auth = Auth::ApiKey { key: "k3y".into() };
    };
    ServiceNowReader::new(side.connection(key)).whoami().await.unwrap();
    let calls = side.calls();
    assert!(calls[0].contains("authorization: Basic c3ZjOnMzY3JldA=="), "{}", calls[0]);
    assert!(calls[0].contains("sysparm_query=sys_id=javascript:gs.getUserID()"));
    assert!(calls[1].contains("x-sn-apikey: k3y"));
}

#[tokio::test]
async fn a_guest_is_a_refused_sign_in() {
    let side = Responder::with(vec![rows(0, &[]), me("guest")]).await;
    for _ in 0..2 {
        let error = side.reader().whoami().await.unwrap_err();
        assert!(matches!(error, ServiceNowError::SignIn { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_credential_that_never_worked_is_tried_once() {
    let side = Responder::with(vec![refused()]).await;
    let error = side.reader().whoami().await.unwrap_err();
    assert_eq!(error.to_string(), "ServiceNow refused the sign-in: User Not Authenticated");
    assert_eq!(side.calls().len(), 1);
}

#[tokio::test]
async fn a_credential_that_worked_is_tried_three_times_more_and_then_once_a_call() {
    let side = Responder::with(vec![me("svc"), refused(), me("svc")]).await;
    let reader = side.reader();
    reader.whoami().await.unwrap();
    reader.whoami().await.unwrap();

    let replies = vec![me("svc"), refused(), refused(), refused(), refused(), refused()];
    let side = Responder::with(replies).await;
    let reader = side.reader();
    reader.whoami().await.unwrap();
    let error = reader.whoami().await.unwrap_err();
    assert!(matches!(error, ServiceNowError::SignIn { .. }), "{error}");
    assert_eq!(side.calls().len(), 5);
    reader.whoami().await.unwrap_err();
    assert_eq!(side.calls().len(), 6);
}

#[tokio::test]
async fn a_token_is_asked_for_as_a_form_and_kept() {
    let side = Responder::with(vec![token("t1", 1799), me("svc"), me("svc")]).await;
    let reader = oauth(&side);
    reader.whoami().await.unwrap();
    reader.whoami().await.unwrap();
    let calls = side.calls();
    assert!(calls[0].starts_with("POST /oauth_token.do "), "{}", calls[0]);
    assert!(calls[0].contains("content-type: application/x-www-form-urlencoded"));
    assert!(
        calls[0].ends_with("grant_type=client_credentials&client_id=id%2B1&client_secret=s%26cret")
    );
    assert!(calls[1].contains("authorization: Bearer t1"));
    assert!(calls[2].contains("authorization: Bearer t1"));
}

#[tokio::test]
async fn a_token_that_says_to_live_for_ever_is_used_like_any_other() {
    let side = Responder::with(vec![token("t1", u64::MAX), me("svc"), me("svc")]).await;
    let reader = oauth(&side);
    reader.whoami().await.unwrap();
    reader.whoami().await.unwrap();
    assert!(side.calls()[2].contains("authorization: Bearer t1"));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_an_ended_one_before_the_call() {
    let side = Responder::with(vec![
        token("t1", 0),
        me("svc"),
        token("t2", 1799),
        refused(),
        token("t3", 1799),
        me("svc"),
    ])
    .await;
    let reader = oauth(&side);
    reader.whoami().await.unwrap();
    reader.whoami().await.unwrap();
    assert!(side.calls()[5].contains("authorization: Bearer t3"));
}

#[tokio::test]
async fn a_token_that_is_refused_from_the_start_ends_after_one_renewal() {
    let side = Responder::with(vec![token("t1", 99), refused(), token("t1", 98), refused()]).await;
    let error = oauth(&side).whoami().await.unwrap_err();
    assert!(matches!(error, ServiceNowError::SignIn { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_client_is_explained_without_its_secret() {
    let denied = r#"{"error":"server_error","error_description":"access_denied"}"#;
    let side = Responder::with(vec![json(401, denied)]).await;
    let reader = oauth(&side);
    let error = reader.whoami().await.unwrap_err();
    assert!(matches!(error, ServiceNowError::SignIn { .. }), "{error}");
    assert!(error.to_string().contains("access_denied"), "{error}");
    let shown = format!("{error:?} {reader:?}");
    assert!(!shown.contains("s&cret") && !shown.contains("cret\""), "{shown}");
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_no_refusal() {
    let side = Responder::with(vec![html(503), token("t1", 1799), me("svc")]).await;
    oauth(&side).whoami().await.unwrap();
}

#[tokio::test]
async fn no_token_shows_in_debug_output() {
    let side = Responder::with(vec![token("t0psecret", 1799), me("svc")]).await;
    let reader = oauth(&side);
    reader.whoami().await.unwrap();
    assert!(!format!("{reader:?}").contains("t0psecret"));
}
