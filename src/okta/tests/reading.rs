use super::super::groups::GroupRules;
use super::super::testing::{Org, error, reply, user};
use super::super::{AccountRead, OktaError, OktaReader, SetAside, deleted_in_log};
use crate::http::{ByText, Deletion};
use crate::model::{Account, AccountId, GroupId, GroupKind};

fn list(elements: &[String]) -> String {
    format!("[{}]", elements.join(","))
}

fn page(elements: &[String], next: Option<&str>) -> String {
    let own = ("Link", r#"<{org}/api/v1/users?limit=200>; rel="self""#);
    let link = next.map(|target| format!("<{target}>; rel=\"next\""));
    let headers: Vec<_> = [own].into_iter().chain(link.as_deref().map(|it| ("Link", it))).collect();
    reply(200, &headers, &list(elements))
}

async fn all_accounts(org: &Org) -> Result<Vec<String>, OktaError> {
    let mut ids = Vec::new();
    OktaReader::new(org.connect())
        .accounts(&mut |page: Vec<Account>| {
            ids.extend(page.iter().map(|account| account.id.to_string()));
            Ok::<_, OktaError>(())
        })
        .await?;
    Ok(ids)
}

fn id(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

fn why(error: &OktaError) -> String {
    assert!(matches!(error, OktaError::Unbelievable { .. }), "{error}");
    error.to_string()
}

#[tokio::test]
async fn every_page_is_followed_and_the_deactivated_are_listed_too() {
    let org = Org::answering([
        page(&[user("00u1", "ACTIVE")], Some("{org}/api/v1/users?after=a,b%2B1&limit=200")),
        page(&[user("00u2", "SUSPENDED")], None),
        page(&[user("00u3", "DEPROVISIONED")], None),
    ])
    .await;
    assert_eq!(all_accounts(&org).await.unwrap(), ["00u1", "00u2", "00u3"]);
    assert_eq!(
        org.lines(),
        [
            "GET /api/v1/users?limit=200",
            "GET /api/v1/users?after=a,b%2B1&limit=200",
            "GET /api/v1/users?limit=200&filter=status+eq+%22DEPROVISIONED%22",
        ]
    );
    assert!(!org.seen()[0].header("content-type").contains("omitCredentials,"));
}

#[tokio::test]
async fn credentials_are_never_sent_to_another_host() {
    let org = Org::answering([page(
        &[user("00u1", "ACTIVE")],
        Some("https://evil.example/api/v1/users"),
    )])
    .await;
    assert!(why(&all_accounts(&org).await.unwrap_err()).contains("another host"));
}

#[tokio::test]
async fn pages_that_go_round_in_a_circle_are_not_believed() {
    let next = Some("{org}/api/v1/users?after=1");
    let org = Org::answering([
        page(&[user("00u1", "ACTIVE")], next),
        page(&[user("00u2", "ACTIVE")], next),
    ])
    .await;
    assert!(why(&all_accounts(&org).await.unwrap_err()).contains("read already"));
}

#[tokio::test]
async fn a_cursor_that_went_bad_starts_the_list_once_more() {
    let next = Some("{org}/api/v1/users?after=1");
    let org = Org::answering([
        page(&[user("00u1", "ACTIVE")], next),
        error(400, "E0000031", "Invalid search criteria.", ""),
        page(&[user("00u1", "ACTIVE")], next),
        page(&[user("00u2", "ACTIVE")], None),
        page(&[], None),
    ])
    .await;
    assert_eq!(all_accounts(&org).await.unwrap(), ["00u1", "00u1", "00u2"]);
}

#[tokio::test]
async fn an_org_without_any_account_is_not_believed() {
    let org = Org::answering([page(&[], None)]).await;
    assert!(why(&all_accounts(&org).await.unwrap_err()).contains("no accounts at all"));
}

#[tokio::test]
async fn a_login_page_with_200_is_not_an_answer() {
    let html = reply(200, &[("Content-Type", "text/html")], "<html>Sign in</html>");
    let org = Org::answering([html]).await;
    assert!(why(&all_accounts(&org).await.unwrap_err()).contains("not JSON"));
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_read_again() {
    let cut = reply(200, &[("Content-Length", "5000")], "{\"id\":");
    let org = Org::answering([cut, reply(200, &[], &user("00u1", "ACTIVE"))]).await;
    let account = OktaReader::new(org.connect()).account(&id("00u1")).await.unwrap();
    assert_eq!(account.there().unwrap().unwrap().provider, "OKTA");
    assert_eq!(org.lines().len(), 2);
}

#[tokio::test]
async fn a_call_that_came_too_often_waits_for_the_window_and_succeeds() {
    let headers = [
        ("Date", "Mon, 23 Nov 2026 13:00:00 GMT"),
        ("X-Rate-Limit-Limit", "600"),
        ("X-Rate-Limit-Remaining", "0"),
        ("X-Rate-Limit-Reset", "1795438800"),
    ];
    let limited = reply(429, &headers, r#"{"errorCode":"E0000047","errorSummary":"rate"}"#);
    let org = Org::answering([limited, reply(200, &[], &user("00u1", "ACTIVE"))]).await;
    let connection = org.connect();
    let account = OktaReader::new(connection.clone()).account(&id("00u1")).await.unwrap();
    assert!(account.there().unwrap().is_some());
    let budget = connection.budget();
    assert_eq!((budget[0].limit, &*budget[0].bucket), (600, "/api/v1/users/{id} (read)"));
}

#[tokio::test]
async fn a_window_that_ends_too_late_is_reported_instead_of_waited_for() {
    let headers = [
        ("Date", "Mon, 23 Nov 2026 13:00:00 GMT"),
        ("X-Rate-Limit-Limit", "600"),
        ("X-Rate-Limit-Remaining", "0"),
        ("X-Rate-Limit-Reset", "1795438860"),
    ];
    let org = Org::answering([reply(429, &headers, "{}")]).await;
    let reader = OktaReader::new(org.connect());
    let error = reader.account(&id("00u1")).await.unwrap_err();
    assert!(
        matches!(error, OktaError::RateLimited { retry_after, .. } if retry_after.as_secs() == 60),
        "{error:?}"
    );
    // The next call is not even sent.
    assert!(matches!(reader.account(&id("00u1")).await, Err(OktaError::RateLimited { .. })));
    assert_eq!(org.lines().len(), 1);
}

#[tokio::test]
async fn an_account_is_absent_only_when_okta_says_so() {
    let org = Org::answering([
        error(404, "E0000007", "Not found: Resource not found: 00u1 (User)", ""),
        reply(404, &[("Content-Type", "text/html")], "<html>gateway</html>"),
    ])
    .await;
    let reader = OktaReader::new(org.connect());
    assert!(matches!(reader.account(&id("00u1")).await.unwrap(), AccountRead::NotFound));
    why(&reader.account(&id("00u1")).await.unwrap_err());
}

#[tokio::test]
async fn a_login_is_percent_encoded_and_must_be_the_one_that_was_asked_for() {
    let org = Org::answering([
        reply(200, &[], &user("a#b c", "ACTIVE").replace(r#""id":"a#b c""#, r#""id":"00u1""#)),
        reply(200, &[], &user("00uMe", "ACTIVE")),
    ])
    .await;
    let reader = OktaReader::new(org.connect());
    let found = reader.account_by_login("A#B c@example.com").await.unwrap();
    assert_eq!(found.found().unwrap().id, id("00u1"));
    assert_eq!(reader.account_by_login("me").await.unwrap(), ByText::Found(None));
    assert_eq!(org.lines()[0], "GET /api/v1/users/A%23B%20c@example.com");
}

#[tokio::test]
async fn a_login_with_a_slash_is_searched_for() {
    let org = Org::answering([page(&[], None)]).await;
    let found = OktaReader::new(org.connect()).account_by_login("a/b").await.unwrap();
    assert_eq!(found, ByText::Found(None));
    assert_eq!(org.lines(), ["GET /api/v1/users?search=profile.login+eq+%22a%2Fb%22&limit=200"]);
}

#[tokio::test]
async fn a_search_escapes_its_value_and_keeps_only_true_hits() {
    let org = Org::answering([page(&[user("00u1", "ACTIVE"), user("00u2", "ACTIVE")], None)]).await;
    let reader = OktaReader::new(org.connect());
    let found = reader.accounts_where("login", "00U2@example.com").await.unwrap();
    assert_eq!(found.found().len(), 1);
    for text in ["  ", "x".repeat(2000).as_str(), "a\nb", "a\u{0}"] {
        assert!(reader.accounts_where("employeeNumber", text).await.unwrap().unusable().is_some());
        assert!(reader.account_by_login(text).await.unwrap().unusable().is_some());
        let group = text.trim();
        assert!(reader.groups_named(group).await.unwrap().unusable().is_some());
    }
    assert_eq!(org.lines().len(), 1);
    reader.accounts_where("department", r#"x" or id pr+\"#).await.unwrap_err();
    assert!(org.lines()[1].contains("eq+%22x%5C%22+or+id+pr%2B%5C%5C%22&"), "{:?}", org.lines());
}

fn group(id: &str, kind: &str, name: &str) -> String {
    serde_json::json!({"id": id, "type": kind, "profile": {"name": name}}).to_string()
}

const RULE: &str =
    r#"[{"status":"ACTIVE","actions":{"assignUserToGroups":{"groupIds":["00g1"]}}}]"#;

#[tokio::test]
async fn the_groups_that_a_rule_feeds_are_told_by_the_rules() {
    let groups =
        list(&[group("00g1", "OKTA_GROUP", "Sales"), group("00g2", "APP_GROUP", "Directory")]);
    let org = Org::answering([reply(200, &[], RULE), reply(200, &[], &groups)]).await;
    let reader = OktaReader::new(org.connect());
    let rules = reader.group_rules().await.unwrap().unwrap();
    let read = reader.groups().await.unwrap().found;
    assert!(rules.fed.contains(&read[0].id) && !rules.fed.contains(&read[1].id));
    assert_eq!((rules.count, read[1].kind), (1, GroupKind::App));
}

#[tokio::test]
async fn rules_that_may_not_be_read_are_not_taken_for_none() {
    let org = Org::answering([
        error(403, "E0000006", "You do not have permission", ""),
        reply(200, &[], "[]"),
    ])
    .await;
    let reader = OktaReader::new(org.connect());
    assert_eq!(reader.group_rules().await.unwrap(), None);
    assert_eq!(reader.group_rules().await.unwrap(), Some(GroupRules::default()));
}

#[tokio::test]
async fn a_group_is_found_by_its_exact_name_only() {
    let groups =
        list(&[group("00g1", "OKTA_GROUP", "Sales"), group("00g2", "OKTA_GROUP", "SALES")]);
    let org = Org::answering([reply(200, &[], &groups)]).await;
    let found = OktaReader::new(org.connect()).groups_named("Sales").await.unwrap();
    assert_eq!(found.found().len(), 1);
}

#[tokio::test]
async fn the_groups_of_an_account_are_paged_although_nothing_says_so() {
    let org = Org::answering([
        page(&[group("00g1", "OKTA_GROUP", "A")], Some("{org}/api/v1/users/00u1/groups?after=1")),
        page(&[group("00g2", "OKTA_GROUP", "B")], None),
        error(404, "E0000007", "Not found", ""),
    ])
    .await;
    let reader = OktaReader::new(org.connect());
    assert_eq!(reader.groups_of(&id("00u1")).await.unwrap().len(), 2);
    assert!(matches!(reader.groups_of(&id("00u1")).await, Err(OktaError::NotFound(_))));
}

#[tokio::test]
async fn a_member_of_a_group_needs_an_id_and_nothing_else() {
    let (bare, nobody) = (r#"{"id":"00u2","profile":null}"#, r#"{"status":"ACTIVE"}"#);
    let listed = [user("00u1", "SUSPENDED"), bare.to_owned(), nobody.to_owned()];
    let org = Org::answering([page(&listed, None)]).await;
    let mut members = Vec::new();
    let set_aside = OktaReader::new(org.connect())
        .members(&GroupId::parse("00g1").unwrap(), &mut |page| {
            members.extend(page);
            Ok::<_, OktaError>(())
        })
        .await
        .unwrap();
    assert_eq!(members, [id("00u1"), id("00u2")]);
    assert_eq!(set_aside, [SetAside { id: None, why: "a member without an id".into() }]);
}

#[tokio::test]
async fn an_admin_role_is_seen_and_an_unreadable_one_is_unknown() {
    let org = Org::answering([
        reply(200, &[], r#"[{"type":"SUPER_ADMIN"}]"#),
        reply(200, &[], "[]"),
        error(403, "E0000006", "no", ""),
    ])
    .await;
    let reader = OktaReader::new(org.connect());
    assert_eq!(reader.has_admin_role(&id("00u1")).await.unwrap(), Some(true));
    assert_eq!(reader.has_admin_role(&id("00u1")).await.unwrap(), Some(false));
    assert_eq!(reader.has_admin_role(&id("00u1")).await.unwrap(), None);
}

#[tokio::test]
async fn an_error_among_the_roles_is_no_role() {
    let role = r#"{"id":"ra1","type":"HELP_DESK_ADMIN"}"#.to_owned();
    let error = r#"{"errorCode":"E0000009","errorSummary":"Internal Server Error"}"#.to_owned();
    for listed in [vec![error.clone()], vec![role, error.clone()], vec!["null".to_owned()]] {
        let org = Org::answering([reply(200, &[], &list(&listed))]).await;
        let reader = OktaReader::new(org.connect());
        why(&reader.has_admin_role(&id("00u1")).await.unwrap_err());
    }
    let org = Org::answering([reply(200, &[], &list(&[error]))]).await;
    why(&OktaReader::new(org.connect()).sees_accounts().await.unwrap_err());
}

/// Lists in which one element makes no sense: whose id is known, and why.
#[tokio::test]
async fn an_element_of_a_list_that_makes_no_sense_is_set_aside_by_itself() {
    for (odd, odd_id) in [
        (r#"{"id":"00u9","status":"ACTIVE","profile":null}"#, Some("00u9")),
        (r#"{"id":"00u9","profile":{"login":"x@example.com"}}"#, Some("00u9")),
        (r#"{"id":"00u9","status":["ACTIVE"],"profile":{"login":"x"}}"#, Some("00u9")),
        (r#"{"id":"00u9","status":"ACTIVE","profile":{"login":["x"]}}"#, Some("00u9")),
        (r#"{"status":"ACTIVE","profile":{"login":"x"}}"#, None),
        (r#"["00u9"]"#, None),
        ("null", None),
    ] {
        let listed = [user("00u1", "ACTIVE"), odd.to_owned(), user("00u2", "ACTIVE")];
        let org = Org::answering([page(&listed, None), page(&[], None)]).await;
        let mut accounts = Vec::new();
        let mut keep = |page: Vec<Account>| {
            accounts.extend(page.into_iter().map(|account| account.id));
            Ok::<_, OktaError>(())
        };
        let set_aside = OktaReader::new(org.connect()).accounts(&mut keep).await.unwrap();
        assert_eq!(accounts, [id("00u1"), id("00u2")], "{odd}");
        let ids: Vec<_> = set_aside.iter().map(|it| it.id.as_deref()).collect();
        assert_eq!(ids, [odd_id], "{odd}");
    }
}

#[tokio::test]
async fn a_list_of_which_nothing_makes_sense_is_not_believed() {
    let odd = r#"{"id":"00u9","status":"ACTIVE","profile":null}"#.to_owned();
    let org = Org::answering([page(&[odd.clone(), odd], None)]).await;
    let mut keep = |_: Vec<Account>| Ok::<_, OktaError>(());
    why(&OktaReader::new(org.connect()).accounts(&mut keep).await.unwrap_err());
}

#[tokio::test]
async fn an_account_that_may_fit_and_makes_no_sense_is_not_nobody() {
    let odd = r#"{"id":"00u9","status":"ACTIVE","profile":null}"#.to_owned();
    let org = Org::answering([page(&[odd], None)]).await;
    let found = OktaReader::new(org.connect()).accounts_where("employeeNumber", "7").await.unwrap();
    assert!(found.unusable().unwrap().contains("00u9"), "{found:?}");
}

#[tokio::test]
async fn a_group_without_an_id_leaves_the_memberships_of_that_account_unknown() {
    let nameless = r#"{"id":"00g2","profile":null}"#.to_owned();
    let broken = r#"{"type":"OKTA_GROUP"}"#.to_owned();
    let good = group("00g1", "OKTA_GROUP", "A");
    let org =
        Org::answering([page(&[good.clone(), nameless], None), page(&[good, broken], None)]).await;
    let reader = OktaReader::new(org.connect());
    assert_eq!(reader.groups_of(&id("00u1")).await.unwrap().len(), 2);
    let refused = reader.groups_of(&id("00u1")).await.unwrap_err();
    assert!(refused.is_about_object() && refused.to_string().contains("00u1"), "{refused}");
}

#[tokio::test]
async fn what_an_org_does_not_have_is_no_refused_sign_in() {
    for off in
        [error(401, "E0000015", "no such feature", ""), error(404, "E0000008", "no path", "")]
    {
        let org = Org::answering([off.clone(), off.clone(), off.clone(), off.clone(), off]).await;
        let reader = OktaReader::new(org.connect());
        assert_eq!(reader.group_rules().await.unwrap(), Some(GroupRules::default()));
        assert_eq!(reader.has_admin_role(&id("00u1")).await.unwrap(), None);
        let since = "2026-11-23T09:00:00Z".parse().unwrap();
        assert_eq!(reader.changes_of(&id("00u1"), since).await.unwrap(), None);
        let deleted = deleted_in_log(&reader, &id("00u1")).await.unwrap();
        assert!(matches!(deleted, Deletion::Unreadable(_)));
        assert!(reader.schema().await.unwrap_err().is_withheld());
    }
}
