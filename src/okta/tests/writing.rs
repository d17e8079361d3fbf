use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::testing::{Org, error, reply, user};
use super::super::{GoldenThread, OktaError, OktaReader, OktaWriter, Performed};
use crate::model::{AccountId, Change, GroupId, Outcome, Step};

const THREAD: GoldenThread<'_> = GoldenThread { request: "RITM0010001", action: 4711 };

async fn perform(org: &Org, step: &Step) -> Performed {
    let id = AccountId::parse("00u1").unwrap();
    let account = (!matches!(step, Step::Create { .. })).then_some(&id);
    OktaWriter::new(org.connect()).perform(step, account, &THREAD).await
}

fn create(activate: bool) -> Step {
    Step::Create {
        profile: BTreeMap::from([
            ("login".to_owned(), "00u1@example.com".to_owned()),
            ("department".to_owned(), "Sales".to_owned()),
        ]),
        groups: vec![GroupId::parse("00g1").unwrap()],
        activate,
    }
}

fn update(name: &str, to: Option<&str>) -> Step {
    let change = Change { from: None, to: to.map(str::to_owned) };
    Step::Update { changes: BTreeMap::from([(name.to_owned(), change)]) }
}

fn applied() -> Outcome {
    Outcome::Applied { okta_request_id: Some("reqTest".to_owned()) }
}

fn already_so() -> Outcome {
    Outcome::AlreadySo { okta_request_id: Some("reqTest".to_owned()) }
}

#[tokio::test]
async fn each_step_is_one_call_with_its_query_and_its_thread() {
    let group = GroupId::parse("00g1").unwrap();
    let steps = [
        (
            Step::Activate { mail: false },
            "POST /api/v1/users/00u1/lifecycle/activate?sendEmail=false",
        ),
        (
            Step::Reactivate { mail: true },
            "POST /api/v1/users/00u1/lifecycle/reactivate?sendEmail=true",
        ),
        (Step::Suspend, "POST /api/v1/users/00u1/lifecycle/suspend"),
        (Step::Unsuspend, "POST /api/v1/users/00u1/lifecycle/unsuspend"),
        (Step::Deactivate, "POST /api/v1/users/00u1/lifecycle/deactivate?sendEmail=false"),
        (Step::ClearSessions, "DELETE /api/v1/users/00u1/sessions?oauthTokens=true"),
        (Step::AddMember { group: group.clone() }, "PUT /api/v1/groups/00g1/users/00u1"),
        (Step::RemoveMember { group }, "DELETE /api/v1/groups/00g1/users/00u1"),
    ];
    for (step, line) in steps {
        let org = Org::answering([reply(204, &[], "")]).await;
        assert_eq!(perform(&org, &step).await.outcome, applied(), "{line}");
        assert_eq!(org.lines(), [line]);
        let seen = &org.seen()[0];
        assert!(seen.header("user-agent").ends_with(" (RITM0010001; action 4711)"));
        if !line.starts_with("DELETE") {
            assert_eq!(seen.header("content-length"), "0", "{line}");
        }
    }
}

#[tokio::test]
async fn a_create_carries_profile_and_groups_and_returns_the_account() {
    let org = Org::answering([reply(200, &[], &user("00u1", "STAGED"))]).await;
    let done = perform(&org, &create(false)).await;
    assert_eq!(done.outcome, applied());
    assert_eq!(done.account.unwrap().id.as_str(), "00u1");
    assert_eq!(org.lines(), ["POST /api/v1/users?activate=false"]);
    let body: Value = serde_json::from_str(&org.seen()[0].body).unwrap();
    let wanted = json!({"profile": {"login": "00u1@example.com", "department": "Sales"}, "groupIds": ["00g1"]});
    assert_eq!(body, wanted);
}

#[tokio::test]
async fn an_update_sends_only_what_changes_and_null_to_clear() {
    let org = Org::answering([reply(200, &[], &user("00u1", "ACTIVE"))]).await;
    assert_eq!(perform(&org, &update("title", None)).await.outcome, applied());
    assert_eq!(org.lines(), ["POST /api/v1/users/00u1"]);
    assert_eq!(org.seen()[0].body, r#"{"profile":{"title":null}}"#);
}

#[tokio::test]
async fn a_taken_login_is_a_failure_that_can_be_told_apart() {
    let taken = "login: An object with this field already exists in the current organization";
    let org = Org::answering([error(400, "E0000001", "Api validation failed: login", taken)]).await;
    let done = perform(&org, &create(true)).await;
    assert!(matches!(done.outcome, Outcome::Failed { transient: false, .. }));
    assert_eq!(done.error.unwrap().taken(), Some("login"));
}

#[tokio::test]
async fn a_bad_attribute_is_named_and_its_value_is_not() {
    let cause = "countryCode: 'Atlantis' is not a valid country code";
    let org = Org::answering([
        error(400, "E0000001", "Api validation failed: Atlantis", cause),
        reply(200, &[], &user("00u1", "ACTIVE")),
    ])
    .await;
    let done = perform(&org, &update("countryCode", Some("Atlantis"))).await;
    let Outcome::Failed { error, transient: false, .. } = done.outcome else { panic!() };
    assert!(error.contains("E0000001") && error.contains("countryCode"), "{error}");
    assert!(!error.contains("Atlantis"), "{error}");
    assert_eq!(done.error.unwrap().attributes(), ["countryCode"]);
}

#[tokio::test]
async fn a_create_without_an_answer_is_sent_once_and_looked_for() {
    let broken = || reply(500, &[], "");
    let org = Org::answering([broken(), reply(200, &[], &user("00u1", "STAGED"))]).await;
    let done = perform(&org, &create(false)).await;
    assert!(matches!(done.outcome, Outcome::Unknown { .. }));
    assert!(done.account.is_none(), "it may be somebody else's");
    assert_eq!(
        org.lines(),
        ["POST /api/v1/users?activate=false", "GET /api/v1/users/00u1@example.com"]
    );

    let org = Org::answering([broken(), error(404, "E0000007", "Not found", "")]).await;
    let done = perform(&org, &create(false)).await;
    assert!(matches!(done.outcome, Outcome::Failed { transient: true, .. }));
}

#[tokio::test]
async fn an_org_that_cannot_be_reached_leaves_no_doubt_about_a_write() {
    let org = Org::unreachable().await;
    let done = perform(&org, &create(true)).await;
    assert!(matches!(done.outcome, Outcome::Failed { transient: true, .. }));
    assert!(matches!(done.error, Some(OktaError::Unreachable { .. })));
}

#[tokio::test]
async fn a_lifecycle_call_without_an_answer_is_never_repeated() {
    let org = Org::answering([reply(502, &[], "")]).await;
    let done = perform(&org, &Step::Deactivate).await;
    assert!(matches!(done.outcome, Outcome::Unknown { .. }));
    assert_eq!(org.lines().len(), 1);
}

#[tokio::test]
async fn a_membership_that_had_no_answer_may_be_written_though_the_next_try_is_refused_for_now() {
    let add = Step::AddMember { group: GroupId::parse("00g1").unwrap() };
    let later = error(503, "E0000010", "Service is in read only mode", "");
    let org = Org::answering([reply(500, &[], ""), later]).await;
    let outcome = perform(&org, &add).await.outcome;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_membership_without_an_answer_is_written_again() {
    let org = Org::answering([reply(504, &[], ""), reply(204, &[], "")]).await;
    let step = Step::AddMember { group: GroupId::parse("00g1").unwrap() };
    assert_eq!(perform(&org, &step).await.outcome, applied());
    assert_eq!(org.lines().len(), 2);
}

#[tokio::test]
async fn a_write_that_came_too_often_is_sent_again_because_it_was_not_executed() {
    let org = Org::answering([error(429, "E0000047", "rate", ""), reply(200, &[], "{}")]).await;
    assert_eq!(perform(&org, &Step::Suspend).await.outcome, applied());
}

#[tokio::test]
async fn a_wrong_state_is_looked_at_and_may_be_the_goal() {
    let cases = [
        (Step::Deactivate, error(404, "E0000007", "Not found", ""), "DEPROVISIONED"),
        (Step::Activate { mail: true }, error(403, "E0000016", "Already active", ""), "ACTIVE"),
        (Step::Suspend, error(400, "E0000001", "Api validation failed", ""), "SUSPENDED"),
        (Step::Unsuspend, error(400, "E0000028", "Missing parameter", ""), "ACTIVE"),
        (Step::Reactivate { mail: true }, error(403, "E0000038", "Not allowed", ""), "ACTIVE"),
        (Step::ClearSessions, error(404, "E0000007", "Not found", ""), "DEPROVISIONED"),
        (update("department", Some("Sales")), error(404, "E0000007", "Not found", ""), "ACTIVE"),
    ];
    for (step, refusal, status) in cases {
        let org = Org::answering([refusal, reply(200, &[], &user("00u1", status))]).await;
        assert_eq!(perform(&org, &step).await.outcome, already_so(), "{step:?}");
    }
}

#[tokio::test]
async fn a_wrong_state_that_is_not_the_goal_is_a_failure_in_oktas_words() {
    let org = Org::answering([
        error(400, "E0000001", "Cannot suspend a user that is not active", ""),
        reply(200, &[], &user("00u1", "STAGED")),
    ])
    .await;
    let done = perform(&org, &Step::Suspend).await;
    let Outcome::Failed { error, okta_request_id, transient: false } = done.outcome else {
        panic!()
    };
    assert!(error.contains("Cannot suspend a user that is not active (E0000001)"), "{error}");
    assert_eq!(okta_request_id.as_deref(), Some("reqTest"));
    assert_eq!(done.account.unwrap().status.as_str(), "STAGED");
}

#[tokio::test]
async fn removing_who_is_no_member_is_already_so_and_everyone_is_a_failure() {
    let step = Step::RemoveMember { group: GroupId::parse("00g1").unwrap() };
    let org =
        Org::answering([error(404, "E0000007", "Not found", ""), reply(200, &[], "[]")]).await;
    assert_eq!(perform(&org, &step).await.outcome, already_so());

    let org = Org::answering([error(501, "E0000060", "Unsupported operation.", "")]).await;
    assert!(matches!(perform(&org, &step).await.outcome, Outcome::Failed { transient: false, .. }));
    assert_eq!(org.lines().len(), 1);
}

#[tokio::test]
async fn an_emoji_is_refused_before_anything_is_sent() {
    let org = Org::answering([]).await;
    let done = perform(&org, &update("nickName", Some("Jane 🦊"))).await;
    let Outcome::Failed { error, .. } = done.outcome else { panic!() };
    assert!(error.contains("nickName") && !error.contains("Jane"), "{error}");
    assert_eq!(done.error.unwrap().attributes(), ["nickName"]);
    assert!(org.lines().is_empty());
}

#[tokio::test]
async fn a_captive_portal_is_not_taken_for_a_yes() {
    let group = GroupId::parse("00g1").unwrap();
    let steps = [
        create(true),
        update("department", Some("Sales")),
        Step::Activate { mail: false },
        Step::Suspend,
        Step::Unsuspend,
        Step::Deactivate,
        Step::ClearSessions,
        Step::AddMember { group: group.clone() },
        Step::RemoveMember { group },
    ];
    for step in steps {
        let html = reply(200, &[("Content-Type", "text/html")], "<html>Sign in</html>");
        let org = Org::answering([html]).await;
        let outcome = perform(&org, &step).await.outcome;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{step:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_empty_answer_is_a_yes_where_none_is_due() {
    for answer in [reply(204, &[], ""), reply(200, &[], "{}")] {
        let outcome = perform(&Org::answering([answer]).await, &Step::Suspend).await.outcome;
        assert_eq!(outcome, applied());
    }
}

#[tokio::test]
async fn a_write_that_waits_when_writing_is_paused_is_not_sent_and_reads_are() {
    let org = Org::answering([reply(200, &[], &user("00u1", "ACTIVE"))]).await;
    let connection = org.connect();
    connection.brake().set(true);
    let id = AccountId::parse("00u1").unwrap();
    let writer = OktaWriter::new(connection.clone());
    let outcome = writer.perform(&Step::Suspend, Some(&id), &THREAD).await.outcome;
    let Outcome::Failed { error, transient: true, .. } = outcome else { panic!("{outcome:?}") };
    assert!(error.contains("writing was paused"), "{error}");
    OktaReader::new(connection.clone()).account(&id).await.unwrap();
    assert_eq!(org.seen().len(), 1, "{:?}", org.seen());
}
