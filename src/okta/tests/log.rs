use super::super::log::LogEvent;
use super::super::testing::{Org, error, reply};
use super::super::{OktaError, OktaReader};
use crate::model::AccountId;

async fn changes(org: &Org) -> Result<Option<Vec<LogEvent>>, OktaError> {
    let jane = AccountId::parse("00u1").unwrap();
    let since = "2026-11-23T09:00:00Z".parse().unwrap();
    OktaReader::new(org.connect()).changes_of(&jane, since).await
}

fn event(id: &str) -> String {
    serde_json::json!({"uuid": id, "published": "2026-11-23T10:00:00.000Z",
        "eventType": "user.lifecycle.suspend"})
    .to_string()
}

fn page(events: &[String], next: Option<usize>) -> String {
    let link = next.map(|page| format!("<{{org}}/api/v1/logs?after={page}>; rel=\"next\""));
    let headers: Vec<_> = link.as_deref().map(|it| ("Link", it)).into_iter().collect();
    reply(200, &headers, &format!("[{}]", events.join(",")))
}

#[tokio::test]
async fn the_log_is_asked_about_one_account_between_two_moments() {
    let org = Org::answering([page(&[], None)]).await;
    assert_eq!(changes(&org).await.unwrap().unwrap(), []);
    let line = org.lines().remove(0);
    let url = org.url.join(line.strip_prefix("GET ").unwrap()).unwrap();
    assert_eq!(url.path(), "/api/v1/logs");
    let query: Vec<_> = url.query_pairs().into_owned().collect();
    let value = |name: &str| &query.iter().find(|(key, _)| key == name).unwrap().1;
    assert_eq!(value("since"), "2026-11-23T09:00:00.000Z");
    assert!(value("until").as_str() > "2026-11-24T08");
    assert!(value("filter").starts_with(r#"target.id eq "00u1" and ("#));
    assert_eq!((value("sortOrder").as_str(), value("limit").as_str()), ("ASCENDING", "1000"));
}

#[tokio::test]
async fn an_event_that_comes_twice_is_one_event() {
    let org = Org::answering([
        page(&[event("a"), event("b")], Some(1)),
        page(&[event("b"), event("c")], None),
    ])
    .await;
    let ids: Vec<_> =
        changes(&org).await.unwrap().unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
}

#[tokio::test]
async fn pages_that_never_end_are_not_believed() {
    let org = Org::answering((1..100).map(|next| page(&[], Some(next)))).await;
    let error = changes(&org).await.unwrap_err();
    assert!(matches!(error, OktaError::Unbelievable { .. }), "{error}");
    assert_eq!(org.seen().len(), 51);
}

#[tokio::test]
async fn a_log_that_is_no_list_of_events_is_not_believed() {
    for body in [r#"{"events":[]}"#, r#"[{"uuid":"a"},{"uuid":"b"}]"#, "<html>"] {
        let org = Org::answering([reply(200, &[], body)]).await;
        let error = changes(&org).await.unwrap_err();
        assert!(matches!(error, OktaError::Unbelievable { .. }), "{body}: {error}");
    }
}

#[tokio::test]
async fn only_a_missing_permission_makes_the_log_unknown() {
    let challenge = r#"Bearer error="insufficient_scope", scope="okta.logs.read""#;
    let refusals = [
        (reply(403, &[("WWW-Authenticate", challenge)], ""), true),
        (error(403, "E0000006", "You do not have permission", ""), true),
        (error(400, "E0000053", "Invalid filter", ""), false),
    ];
    for (refusal, unknown) in refusals {
        let org = Org::answering([refusal]).await;
        assert_eq!(matches!(changes(&org).await, Ok(None)), unknown);
        assert_eq!(org.seen().len(), 1);
    }
}
