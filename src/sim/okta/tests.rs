//! The simulated org as a client sees it, over real HTTP.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::*;

struct World {
    okta: Okta,
    server: Server,
    http: reqwest::Client,
}

fn start() -> DateTime<Utc> {
    "2026-11-23T09:00:00Z".parse().expect("a date")
}

fn person(login: &str) -> Value {
    json!({"login": login, "email": login, "firstName": "Zoe", "lastName": "Okafor"})
}

fn world() -> World {
    let okta = Okta::new(Clock::frozen(start()));
    let admin = okta.add_user(&person("root@example.com"), Status::Active);
    okta.set_roles(&admin, &["SUPER_ADMIN"]);
    okta.register_token("secret", &admin);
    let server = okta.serve().expect("a server");
    World { okta, server, http: reqwest::Client::new() }
}

struct Got {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Got {
    fn code(&self) -> (u16, &str) {
        (self.status, self.body["errorCode"].as_str().unwrap_or_default())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    fn next(&self) -> Option<String> {
        let lines = self.headers.get_all("link").iter().filter_map(|it| it.to_str().ok());
        let line = lines.into_iter().find(|line| line.ends_with("rel=\"next\""))?;
        Some(line.split(['<', '>']).nth(1)?.to_owned())
    }
}

async fn send(request: RequestBuilder) -> Got {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    Got { status, headers, body: serde_json::from_str(&text).unwrap_or_default() }
}

impl World {
    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/api/v1{path}", self.server.url)
        };
        self.http.request(method, url).header("Authorization", "SSWS secret")
    }

    async fn get(&self, path: &str) -> Got {
        send(self.ask(Method::GET, path)).await
    }

    async fn find(&self, what: &str, expression: &str) -> Got {
        send(self.ask(Method::GET, "/users").query(&[(what, expression)])).await
    }

    async fn act(&self, method: Method, path: &str) -> Got {
        send(self.ask(method, path).header("Content-Length", "0")).await
    }

    async fn post(&self, path: &str, body: Value) -> Got {
        send(self.ask(Method::POST, path).json(&body)).await
    }

    fn add(&self, login: &str, status: Status) -> String {
        self.okta.add_user(&person(login), status)
    }
}

#[tokio::test]
async fn each_lifecycle_operation_is_refused_from_a_wrong_status_with_its_own_code() {
    let world = world();
    let id = world.add("zoe@example.com", Status::Staged);
    let cases = [
        (Status::Staged, "suspend", 400, "E0000001"),
        (Status::Provisioned, "suspend", 400, "E0000001"),
        (Status::Active, "unsuspend", 400, "E0000001"),
        (Status::Active, "activate", 403, "E0000016"),
        (Status::Active, "reactivate", 403, "E0000038"),
        (Status::Active, "unlock", 403, "E0000032"),
        (Status::Staged, "reset_password?sendEmail=true", 403, "E0000017"),
        (Status::Active, "reset_password", 400, "E0000028"),
        (Status::Deprovisioned, "deactivate", 404, "E0000007"),
    ];
    for (status, operation, answer, code) in cases {
        world.okta.set_status(&id, status);
        let got = world.act(Method::POST, &format!("/users/{id}/lifecycle/{operation}")).await;
        assert_eq!(got.code(), (answer, code), "{operation} from {status:?}");
    }
}

#[tokio::test]
async fn a_user_goes_through_its_life_and_each_step_is_in_the_system_log() {
    let world = world();
    let made =
        world.post("/users?activate=false", json!({"profile": person("zoe@example.com")})).await;
    let id = made.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(made.body["status"], "STAGED");
    let status = || world.okta.find(&id).map(|it| it.status);
    let steps = [
        ("activate", Status::Provisioned),
        ("deactivate", Status::Deprovisioned),
        ("activate?sendEmail=false", Status::Provisioned),
    ];
    for (operation, after) in steps {
        let got = world.act(Method::POST, &format!("/users/{id}/lifecycle/{operation}")).await;
        assert_eq!((got.status, status()), (200, Some(after)), "{operation}");
        assert_eq!(got.body["activationToken"].is_string(), operation.contains("false"));
        let wanted = format!("transaction.id eq \"{}\"", got.header("x-okta-request-id"));
        let log = send(world.ask(Method::GET, "/logs").query(&[("filter", wanted)])).await;
        assert_eq!(log.body.as_array().map(Vec::len), Some(1), "{operation}");
    }
    assert_eq!(world.okta.mails().len(), 1);
    world.okta.finish_activation(&id);
    world.act(Method::POST, &format!("/users/{id}/lifecycle/suspend")).await;
    assert_eq!(status(), Some(Status::Suspended));
    world.act(Method::DELETE, &format!("/users/{id}")).await;
    assert_eq!(status(), Some(Status::Deprovisioned));
    world.act(Method::DELETE, &format!("/users/{id}")).await;
    assert_eq!(status(), None);
}

#[tokio::test]
async fn a_login_is_taken_whatever_its_case_accents_and_owners_status() {
    let world = world();
    world.add("Zoë@example.com", Status::Deprovisioned);
    let got = world.post("/users", json!({"profile": person("zoe@EXAMPLE.com")})).await;
    assert_eq!(got.code(), (400, "E0000001"));
    assert_eq!(got.body["errorSummary"], "Api validation failed: login");
    let cause = got.body["errorCauses"][0]["errorSummary"].as_str().expect("a cause");
    assert!(cause.starts_with("login: An object with this field already exists"), "{cause}");
    assert!(world.okta.mails().is_empty());
}

#[tokio::test]
async fn creation_checks_the_schema_and_the_groups() {
    let world = world();
    world.okta.add_attribute(Attribute::unique("serviceNowSysId"));
    let with = |name: &str, value: &str| {
        let mut profile = person("new@example.com");
        profile[name] = json!(value);
        json!({ "profile": profile })
    };
    let unknown = world.post("/users", with("nope", "x")).await;
    assert_eq!(unknown.body["errorSummary"], "Api validation failed: newUser");
    assert_eq!(world.post("/users", with("title", "🚀")).await.code(), (400, "E0000001"));
    assert_eq!(world.post("/users", with("lastName", "")).await.code(), (400, "E0000001"));
    assert_eq!(world.post("/users", with("login", "short")).await.code(), (400, "E0000001"));
    let everyone = world.okta.group_id("Everyone").expect("Everyone");
    let body = json!({"profile": person("new@example.com"), "groupIds": [everyone]});
    assert_eq!(world.post("/users", body).await.code(), (501, "E0000060"));
    assert_eq!(world.post("/users", with("serviceNowSysId", "a")).await.status, 200);
    let mut other = with("serviceNowSysId", "a");
    other["profile"]["login"] = json!("other@example.com");
    let taken = world.post("/users", other).await;
    assert_eq!(taken.body["errorSummary"], "Api validation failed: serviceNowSysId");
    assert_eq!(world.okta.user_count(), 2);
}

#[tokio::test]
async fn post_changes_what_is_sent_null_clears_and_put_wipes_the_rest() {
    let world = world();
    let id = world.add("zoe@example.com", Status::Active);
    world.okta.set_profile(&id, &json!({"department": "Sales", "title": "Rep"}));
    world.post(&format!("/users/{id}"), json!({"profile": {"title": null}})).await;
    let account = world.okta.find(&id).expect("the user");
    assert_eq!((account.text("department"), account.text("title")), ("Sales", ""));
    let body = json!({"profile": person("zoe@example.com")});
    send(world.ask(Method::PUT, &format!("/users/{id}")).json(&body)).await;
    assert_eq!(world.okta.find(&id).expect("the user").text("department"), "");
    let cleared = world.post(&format!("/users/{id}"), json!({"profile": {"lastName": null}})).await;
    assert_eq!(cleared.code(), (400, "E0000001"));
    world.okta.set_status(&id, Status::Deprovisioned);
    let gone = world.post(&format!("/users/{id}"), json!({"profile": {"title": "x"}})).await;
    assert_eq!(gone.code(), (404, "E0000007"));
}

#[tokio::test]
async fn pages_are_followed_to_the_end_and_only_search_and_filter_show_the_deprovisioned() {
    let world = world();
    for number in 0..450 {
        let status = if number % 10 == 0 { Status::Deprovisioned } else { Status::Active };
        world.add(&format!("user{number}@example.com"), status);
    }
    for (path, expected) in [
        ("/users?limit=1000", 406),
        ("/users?limit=150&search=status+pr", 451),
        ("/users?search=profile.lastName+eq+%22OKAFOR%22&sortBy=profile.login", 451),
        ("/users?filter=profile.lastName+eq+%22OKAFOR%22", 0),
        ("/users?filter=status+eq+%22DEPROVISIONED%22", 45),
    ] {
        let (mut seen, mut next) = (std::collections::HashSet::new(), Some(path.to_owned()));
        while let Some(page) = next {
            let got = world.get(&page).await;
            let users = got.body.as_array().expect("a list");
            assert!(users.len() <= 200);
            seen.extend(users.iter().map(|user| user["id"].to_string()));
            next = got.next();
        }
        assert_eq!(seen.len(), expected, "{path}");
    }
}

#[tokio::test]
async fn search_and_filter_take_only_the_documented_operators() {
    let world = world();
    for (what, expression) in [
        ("search", r#"status ne "ACTIVE""#),
        ("search", r#"profile.department co "Sal""#),
        ("search", r#"profile.nope eq "x""#),
        ("filter", r#"profile.login sw "z""#),
        ("filter", r#"not (status eq "ACTIVE")"#),
        ("filter", "status eq ACTIVE"),
    ] {
        let got = world.find(what, expression).await;
        assert_eq!(got.code(), (400, "E0000031"), "{expression}");
    }
    let both = world.get("/users?search=id+pr&filter=id+eq+%22x%22").await;
    assert_eq!(both.code(), (400, "E0000033"));
    assert_eq!(world.get("/users?after=nonsense").await.code(), (400, "E0000031"));
}

#[tokio::test]
async fn the_search_index_lags_behind_while_reading_by_id_does_not() {
    let world = world();
    world.okta.switch(|it| it.index_lag = Duration::from_secs(5));
    let id = world.add("zoe@example.com", Status::Active);
    let count = async || {
        let got = world.find("search", r#"profile.login eq "zoe@example.com""#).await;
        got.body.as_array().map(Vec::len)
    };
    assert_eq!(count().await, Some(0));
    assert_eq!(world.get(&format!("/users/{id}")).await.status, 200);
    assert_eq!(world.get("/users/zoe").await.status, 200);
    world.okta.clock().advance(Duration::from_secs(5));
    assert_eq!(count().await, Some(1));
}

#[tokio::test]
async fn the_list_of_all_users_lags_like_the_index_where_that_is_switched_on() {
    let world = world();
    world.okta.switch(|it| it.index_lag = Duration::from_secs(5));
    let id = world.add("zoe@example.com", Status::Active);
    let listed = async || {
        let list = world.get("/users").await.body;
        list.as_array().is_some_and(|users| users.iter().any(|user| user["id"] == json!(id)))
    };
    assert!(listed().await);
    world.okta.switch(|it| it.lists_lag = true);
    assert!(!listed().await);
    world.okta.clock().advance(Duration::from_secs(5));
    assert!(listed().await);
}

#[tokio::test]
async fn a_transition_shows_until_the_clock_has_passed_it() {
    let world = world();
    world.okta.switch(|it| it.transition_time = Duration::from_secs(10));
    let id = world.add("zoe@example.com", Status::Staged);
    world.act(Method::POST, &format!("/users/{id}/lifecycle/activate")).await;
    let during = world.get(&format!("/users/{id}")).await.body;
    assert_eq!(
        (&during["status"], &during["transitioningToStatus"]),
        (&json!("STAGED"), &json!("PROVISIONED"))
    );
    let refused = world.post(&format!("/users/{id}"), json!({"profile": {"title": "x"}})).await;
    assert_eq!(refused.code(), (409, "E0000112"));
    world.okta.clock().advance(Duration::from_secs(10));
    let after = world.get(&format!("/users/{id}")).await.body;
    assert_eq!(
        (&after["status"], &after["transitioningToStatus"]),
        (&json!("PROVISIONED"), &Value::Null)
    );
}

#[tokio::test]
async fn memberships_follow_the_kind_of_group_and_rules_take_offence() {
    let world = world();
    let id = world.add("zoe@example.com", Status::Active);
    let (plain, app) =
        (world.okta.add_group("A", "OKTA_GROUP"), world.okta.add_group("B", "APP_GROUP"));
    let everyone = world.okta.group_id("Everyone").expect("Everyone");
    for (group, status) in [(&plain, 204), (&plain, 204), (&app, 403), (&everyone, 501)] {
        let got = world.act(Method::PUT, &format!("/groups/{group}/users/{id}")).await;
        assert_eq!(got.status, status);
    }
    let ruled = world.okta.add_group("Sales", "OKTA_GROUP");
    let rule = world.okta.add_rule("sales", "department", "Sales", &[&ruled]);
    world.post(&format!("/users/{id}"), json!({"profile": {"department": "Sales"}})).await;
    assert_eq!(world.okta.members(&ruled), std::slice::from_ref(&id));
    let got = world.act(Method::DELETE, &format!("/groups/{ruled}/users/{id}")).await;
    assert_eq!((got.status, world.okta.excluded(&rule)), (204, vec![id.clone()]));
    world.post(&format!("/users/{id}"), json!({"profile": {"title": "x"}})).await;
    assert!(world.okta.members(&ruled).is_empty());
    let names: Vec<_> = world.okta.events().iter().map(|it| it["eventType"].clone()).collect();
    assert!(names.contains(&json!("group.user_membership.rule.add_exclusion")));
}

#[tokio::test]
async fn polling_the_log_never_ends_and_a_bounded_query_does() {
    let world = world();
    let id = world.add("zoe@example.com", Status::Active);
    world.okta.acting_as("Sam Helper").set_status(&id, Status::Suspended);
    let first = world.get("/logs?since=2026-11-23T08:00:00Z&limit=10").await;
    assert_eq!(first.body[0]["actor"]["displayName"], "Sam Helper");
    let next = first.next().expect("a next link");
    let second = world.get(&next).await;
    assert_eq!(second.body, json!([]));
    world.okta.set_status(&id, Status::Active);
    let third = world.get(&second.next().expect("still a next link")).await;
    assert_eq!(third.body[0]["eventType"], "user.lifecycle.unsuspend");
    let bounded = world.get("/logs?since=2026-11-23T08:00:00Z&until=2026-11-24T00:00:00Z").await;
    assert_eq!((bounded.body.as_array().map(Vec::len), bounded.next()), (Some(2), None));
    let published = world.get("/logs?filter=published+gt+%222026-11-23T08:00:00Z%22").await;
    assert_eq!(published.code(), (400, "E0000053"));
}

#[tokio::test]
async fn the_log_is_filtered_by_what_was_done_and_to_what() {
    let world = world();
    let (zoe, ada) = (
        world.add("zoe@example.com", Status::Active),
        world.add("ada@example.com", Status::Active),
    );
    let group = world.okta.add_group("Sales", "OKTA_GROUP");
    world.okta.acting_as("Sam Helper").set_status(&zoe, Status::Suspended);
    world.okta.add_member(&group, &zoe);
    world.okta.add_member(&group, &ada);
    let call = world.ask(Method::POST, &format!("/users/{ada}")).header("User-Agent", "tool/1");
    send(call.json(&json!({"profile": {"title": "Rep"}}))).await;

    let all = world.okta.events();
    let of = |kind: &str| all.iter().find(|it| it["eventType"] == kind).expect(kind).clone();
    let (suspended, updated) = (of("user.lifecycle.suspend"), of("user.account.update_profile"));
    assert_eq!(suspended["actor"]["displayName"], "Sam Helper");
    assert_ne!(suspended["actor"]["id"], of("group.user_membership.add")["actor"]["id"]);
    assert_eq!(updated["client"]["userAgent"]["rawUserAgent"], "tool/1");

    let ask = async |filter: &str| {
        send(world.ask(Method::GET, "/logs").query(&[("filter", filter)])).await
    };
    let (zoe, ada) = (format!("target.id eq \"{zoe}\""), format!("target.id eq \"{ada}\""));
    let sales = format!("target.id eq \"{group}\"");
    let added = "eventType eq \"group.user_membership.add\"";
    for (filter, count) in [
        (zoe.clone(), 2),
        (format!("{zoe} and {added}"), 1),
        (format!("{zoe} and {sales}"), 1),
        (format!("{zoe} or {ada}"), 4),
        (format!("{added} and ({zoe} or {ada})"), 2),
        (
            format!(
                "{ada} and (eventType sw \"user.account.\" or eventType sw \"user.lifecycle.\")"
            ),
            1,
        ),
        ("actor.displayName eq \"Sam Helper\"".to_owned(), 1),
    ] {
        let got = ask(&filter).await;
        assert_eq!(got.body.as_array().map(Vec::len), Some(count), "{filter}");
    }
    assert_eq!(ask("some_invalid_field eq \"x\"").await.code(), (400, "E0000053"));
}

#[tokio::test]
async fn limits_are_announced_and_reset_on_the_orgs_clock() {
    let world = world();
    world.okta.limits(Some(1));
    let first = world.get("/users").await;
    assert_eq!((first.status, first.header("x-rate-limit-remaining")), (200, "0"));
    assert_eq!(first.header("date"), "Mon, 23 Nov 2026 09:00:00 GMT");
    let second = world.get("/users").await;
    assert_eq!(second.code(), (429, "E0000047"));
    let reset = (start() + TimeDelta::minutes(1)).timestamp().to_string();
    assert_eq!(second.header("x-rate-limit-reset"), reset);
    world.okta.clock().advance(Duration::from_mins(1));
    assert_eq!(world.get("/users").await.status, 200);
}

const APP_KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtaIMtSmJD3Wd1K3cq99XWckIAUdeF8pSlXoNJY5Ii9WhRANCAAQNhDG5VH+izMQhlkdQAyBLthx3fJqGuPxYv2c9urIeYx4KzuWPt+953iW+krhkKULPpv8B5lPs4lRqdDgXAVin";
const PROOF_KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgC5hlQ5QJ8l+iFf9r5TOCV+DIRnRDytYY7El7UWCgTHOhRANCAARZ8QI5PZw09mpUcEhzGQZI1X5/2huMxHa5wJ0tm4NcZnF/doPiq/zLrB+4cIrX+VsWfaZCm1BAa8vYhZFwzSwe";

/// A client of the token endpoint.
mod client {
    use super::*;
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};

    pub fn key(text: &str) -> EncodingKey {
        EncodingKey::from_ec_der(&STANDARD.decode(text).expect("base64"))
    }

    pub fn jwk(text: &str) -> Jwk {
        Jwk::from_encoding_key(&key(text), Algorithm::ES256).expect("a jwk")
    }

    pub fn assertion(url: &str, jti: &str) -> String {
        let header = Header::new(Algorithm::ES256);
        let expires = start().timestamp() + 300;
        let claims = json!({"iss": "0oa1", "sub": "0oa1", "aud": url, "exp": expires, "jti": jti});
        jsonwebtoken::encode(&header, &claims, &key(APP_KEY)).expect("a JWT")
    }

    pub fn proof(
        verb: &str,
        url: &str,
        jti: &str,
        nonce: Option<&str>,
        token: Option<&str>,
    ) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("dpop+jwt".to_owned());
        header.jwk = Some(jwk(PROOF_KEY));
        let mut claims = json!({"htm": verb, "htu": url, "iat": start().timestamp(), "jti": jti});
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        if let Some(token) = token {
            claims["ath"] = json!(URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())));
        }
        jsonwebtoken::encode(&header, &claims, &key(PROOF_KEY)).expect("a JWT")
    }
}

fn register(world: &World, dpop: bool, roles: &[&str]) {
    let jwk = serde_json::to_value(client::jwk(APP_KEY)).expect("json");
    world.okta.register_app(ServiceApp {
        client_id: "0oa1".to_owned(),
        name: "Goldthread".to_owned(),
        keys: vec![PublicKey::from_jwk(&jwk).expect("a key")],
        dpop,
        scopes: ["okta.users.read", "okta.logs.read"].map(str::to_owned).into(),
        roles: roles.iter().map(|it| (*it).to_owned()).collect(),
    });
}

async fn sign_in(world: &World, assertion: &str, scope: &str, proof: Option<String>) -> Got {
    let url = format!("{}/oauth2/v1/token", world.server.url);
    let mut request = world.http.post(url).form(&[
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ]);
    if let Some(proof) = proof {
        request = request.header("DPoP", proof);
    }
    send(request).await
}

#[tokio::test]
async fn a_service_app_signs_in_with_an_assertion_that_works_once() {
    let world = world();
    register(&world, false, &["READ_ONLY_ADMIN"]);
    let url = format!("{}/oauth2/v1/token", world.server.url);
    let scope = "okta.users.read";
    let got = sign_in(&world, &client::assertion(&url, "1"), scope, None).await;
    assert_eq!((got.status, &got.body["token_type"]), (200, &json!("Bearer")));
    let again = sign_in(&world, &client::assertion(&url, "1"), scope, None).await;
    assert_eq!((again.status, &again.body["error"]), (401, &json!("invalid_client")));
    let other =
        sign_in(&world, &client::assertion("https://x.okta.com/oauth2/v1/token", "2"), scope, None)
            .await;
    assert_eq!(other.body["error"], "invalid_client");
    let ungranted = sign_in(&world, &client::assertion(&url, "3"), "okta.users.manage", None).await;
    assert_eq!((ungranted.status, &ungranted.body["error"]), (400, &json!("consent_required")));

    let token = got.body["access_token"].as_str().expect("a token");
    let ask = |path: &str| {
        world.http.get(format!("{}/api/v1{path}", world.server.url)).bearer_auth(token)
    };
    assert_eq!(send(ask("/users")).await.status, 200);
    let refused = send(ask("/groups")).await;
    assert_eq!(refused.status, 403);
    let why = refused.header("www-authenticate");
    assert!(why.contains("insufficient_scope") && why.contains("okta.groups.read"), "{why}");
    world.okta.clock().advance(Duration::from_hours(1));
    assert_eq!(send(ask("/users")).await.status, 401);
}

#[tokio::test]
async fn dpop_wants_its_nonce_and_a_fresh_proof_for_each_call() {
    let world = world();
    register(&world, true, &["READ_ONLY_ADMIN"]);
    let url = format!("{}/oauth2/v1/token", world.server.url);
    let scope = "okta.users.read";
    let bare = sign_in(&world, &client::assertion(&url, "1"), scope, None).await;
    assert_eq!((bare.status, &bare.body["error"]), (400, &json!("invalid_dpop_proof")));
    let proof = client::proof("POST", &url, "p1", None, None);
    let first = sign_in(&world, &client::assertion(&url, "2"), scope, Some(proof)).await;
    assert_eq!((first.status, &first.body["error"]), (400, &json!("use_dpop_nonce")));
    let proof = client::proof("POST", &url, "p2", Some(first.header("dpop-nonce")), None);
    let got = sign_in(&world, &client::assertion(&url, "3"), scope, Some(proof)).await;
    assert_eq!((got.status, &got.body["token_type"]), (200, &json!("DPoP")));

    let token = got.body["access_token"].as_str().expect("a token");
    let users = format!("{}/api/v1/users", world.server.url);
    let ask = |scheme: &str, proof: Option<&str>| {
        let call = world.http.get(format!("{users}?limit=1"));
        let call = call.header("Authorization", format!("{scheme} {token}"));
        match proof {
            Some(proof) => send(call.header("DPoP", proof)),
            None => send(call),
        }
    };
    assert_eq!(ask("Bearer", None).await.status, 400);
    assert_eq!(ask("DPoP", None).await.status, 400);
    let proof = client::proof("GET", &users, "p3", None, Some(token));
    assert_eq!(ask("DPoP", Some(&proof)).await.status, 200);
    assert_eq!(ask("DPoP", Some(&proof)).await.status, 400);
    let wrong = client::proof("POST", &users, "p4", None, Some(token));
    assert_eq!(ask("DPoP", Some(&wrong)).await.status, 400);
}

#[tokio::test]
async fn without_an_admin_role_calls_are_refused_or_lists_are_empty() {
    let world = world();
    let nobody = world.add("zoe@example.com", Status::Active);
    world.okta.register_token("weak", &nobody);
    let ask = || {
        let url = format!("{}/api/v1/users", world.server.url);
        send(world.http.get(url).header("Authorization", "SSWS weak"))
    };
    assert_eq!(ask().await.code(), (403, "E0000006"));
    world.okta.switch(|it| it.no_admin_role = NoRole::EmptyLists);
    let empty = ask().await;
    assert_eq!((empty.status, empty.body), (200, json!([])));
    world.okta.set_status(&nobody, Status::Deprovisioned);
    assert_eq!(ask().await.code(), (401, "E0000011"));
}

#[tokio::test]
async fn the_roles_of_a_group_are_its_members_too() {
    let world = world();
    let id = world.add("zoe@example.com", Status::Active);
    let group = world.okta.add_group("Admins", "OKTA_GROUP");
    world.okta.register_token("weak", &id);
    let roles = async |path: String| {
        let got = world.get(&path).await;
        let roles = got.body.as_array().cloned().unwrap_or_default();
        roles.iter().map(|it| it["assignmentType"].clone()).collect::<Vec<_>>()
    };
    world.okta.set_group_roles(&group, &["HELP_DESK_ADMIN"]);
    assert!(roles(format!("/users/{id}/roles")).await.is_empty());
    world.okta.add_member(&group, &id);
    world.okta.set_roles(&id, &["READ_ONLY_ADMIN"]);
    assert_eq!(roles(format!("/users/{id}/roles")).await, ["USER", "GROUP"]);
    assert_eq!(roles(format!("/groups/{group}/roles")).await, ["GROUP"]);
    assert_eq!(world.get("/groups/nope/roles").await.code(), (404, "E0000007"));
    world.okta.set_roles(&id, &[]);
    let call = world.http.get(format!("{}/api/v1/users", world.server.url));
    assert_eq!(send(call.header("Authorization", "SSWS weak")).await.status, 200);
}

#[tokio::test]
async fn every_write_is_noted_and_a_bodyless_post_needs_its_length() {
    let world = world();
    let id = world.add("zoe@example.com", Status::Active);
    let path = format!("/users/{id}/lifecycle/suspend");
    let call = world.ask(Method::POST, &path).header("User-Agent", "tool/1 (RITM1)");
    let got = send(call.header("Content-Length", "0")).await;
    let writes = world.okta.writes();
    assert_eq!((writes.len(), writes[0].user_agent.as_str()), (1, "tool/1 (RITM1)"));
    assert_eq!(
        (writes[0].status, writes[0].request_id.as_str()),
        (200, got.header("x-okta-request-id"))
    );
    let bodyless = Request {
        method: "POST".to_owned(),
        segments: format!("api/v1{path}").split('/').map(str::to_owned).collect(),
        headers: vec![("authorization".to_owned(), "SSWS secret".to_owned())],
        ..Request::default()
    };
    assert_eq!(world.okta.handle(&bodyless, &world.server.url).status, 411);
    let kind = world.ask(Method::POST, "/users").header("Content-Type", "text/plain").body("{}");
    assert_eq!(send(kind).await.code(), (400, "E0000021"));
    let broken = world.ask(Method::POST, "/users").header("Content-Type", "application/json");
    assert_eq!(send(broken.body("{")).await.code(), (400, "E0000003"));
}

#[test]
fn listing_ten_thousand_users_is_quick() {
    let okta = Okta::default();
    let admin = okta.add_user(&person("root@example.com"), Status::Active);
    okta.set_roles(&admin, &["SUPER_ADMIN"]);
    okta.register_token("secret", &admin);
    for number in 0..10_000 {
        okta.add_user(&person(&format!("user{number}@example.com")), Status::Active);
    }
    let (mut seen, mut after) = (0, None);
    let began = std::time::Instant::now();
    loop {
        let call = Request {
            method: "GET".to_owned(),
            segments: ["api", "v1", "users"].map(str::to_owned).into(),
            query: after.map(|it| ("after".to_owned(), it)).into_iter().collect(),
            headers: vec![("authorization".to_owned(), "SSWS secret".to_owned())],
            ..Request::default()
        };
        let response = okta.handle(&call, "http://x");
        let page: Vec<Value> = serde_json::from_slice(&response.body).expect("a list");
        seen += page.len();
        let links = response.headers.iter().map(|(_, value)| value);
        let next = links.into_iter().find_map(|it| it.strip_suffix(">; rel=\"next\""));
        let Some(next) = next else { break };
        after = next.split_once("after=").map(|it| it.1.to_owned());
    }
    assert_eq!(seen, 10_001);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_limited_role_sees_its_groups_and_their_members_only() {
    let world = world();
    let (seen, hidden) = (
        world.add("ann@example.com", Status::Active),
        world.add("bob@example.com", Status::Active),
    );
    let sales = world.okta.add_group("Sales", "OKTA_GROUP");
    let board = world.okta.add_group("Board", "OKTA_GROUP");
    world.okta.seed_member(&sales, &seen);
    world.okta.seed_member(&board, &seen);
    world.okta.seed_member(&board, &hidden);
    world.okta.switch(|it| it.sight = Sight::Groups([sales.clone()].into()));
    let ids = |got: &Got| -> Vec<String> {
        let rows = got.body.as_array().cloned().unwrap_or_default();
        rows.iter().map(|it| it["id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(ids(&world.get("/users").await), std::slice::from_ref(&seen));
    assert_eq!(ids(&world.find("search", "profile.login eq \"bob@example.com\"").await), [""; 0]);
    assert_eq!(ids(&world.get("/groups").await), std::slice::from_ref(&sales));
    assert_eq!(
        ids(&world.get(&format!("/users/{seen}/groups")).await),
        std::slice::from_ref(&sales)
    );
    assert_eq!(
        ids(&world.get(&format!("/groups/{sales}/users")).await),
        std::slice::from_ref(&seen)
    );
    let of_others = [format!("/users/{hidden}"), "/users/bob@example.com".into()];
    let of_others = of_others.into_iter().chain([format!("/users/{hidden}/groups")]);
    for path in of_others.chain([format!("/groups/{board}"), format!("/groups/{board}/users")]) {
        world.okta.switch(|it| it.out_of_sight = OutOfSight::NotFound);
        assert_eq!(world.get(&path).await.code(), (404, "E0000007"), "{path}");
        world.okta.switch(|it| it.out_of_sight = OutOfSight::Forbidden);
        assert_eq!(world.get(&path).await.code(), (403, "E0000006"), "{path}");
    }
    let suspend = format!("/users/{hidden}/lifecycle/suspend");
    assert_eq!(world.act(Method::POST, &suspend).await.status, 403);
    assert_eq!(world.get("/users/00unobody").await.code(), (404, "E0000007"));
    assert_eq!(world.get("/users/me").await.status, 200);
    // The role grows while it runs.
    world.okta.switch(|it| it.sight = Sight::All);
    assert_eq!(world.get(&format!("/users/{hidden}")).await.status, 200);
}

#[tokio::test]
async fn single_users_are_out_of_sight_and_so_is_everyone() {
    let world = world();
    let (ann, bob) = (
        world.add("ann@example.com", Status::Active),
        world.add("bob@example.com", Status::Active),
    );
    world.okta.outside_everyone(&ann);
    assert_eq!(world.get(&format!("/users/{ann}/groups")).await.body, json!([]));
    assert_eq!(world.get("/groups").await.body.as_array().map(Vec::len), Some(1));
    world.okta.switch(|it| it.sight = Sight::without_users([&bob]));
    assert_eq!(world.get(&format!("/users/{ann}")).await.status, 200);
    assert_eq!(world.get(&format!("/users/{bob}")).await.status, 404);
    assert_eq!(world.get("/groups").await.body, json!([]));
    assert_eq!(world.get("/users").await.body.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn what_an_org_does_not_have_is_said_in_two_ways() {
    let world = world();
    let id = world.add("ann@example.com", Status::Active);
    for (feature, path) in [
        (Feature::Rules, "/groups/rules".to_owned()),
        (Feature::Roles, format!("/users/{id}/roles")),
        (Feature::Logs, "/logs".to_owned()),
        (Feature::Schema, "/meta/schemas/user/default".to_owned()),
    ] {
        for (how, code) in
            [(FeatureOff::Disabled, (401, "E0000015")), (FeatureOff::NoSuchPath, (404, "E0000008"))]
        {
            world.okta.switch(|it| it.features_off = [(feature, how)].into());
            assert_eq!(world.get(&path).await.code(), code);
            assert_eq!(world.get("/users").await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_deletion_is_in_the_log_with_the_id_of_who_is_gone() {
    let world = world();
    let id = world.add("ann@example.com", Status::Deprovisioned);
    assert_eq!(world.act(Method::DELETE, &format!("/users/{id}")).await.status, 204);
    let filter = format!("target.id eq \"{id}\" and eventType sw \"user.lifecycle.delete.\"");
    let got = send(world.ask(Method::GET, "/logs").query(&[("filter", &filter)])).await;
    let kinds: Vec<_> =
        got.body.as_array().unwrap().iter().map(|it| it["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"]);
}
