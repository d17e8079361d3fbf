use std::collections::BTreeSet;

use super::{Reply, Responder, failure, html, rows};
use crate::model::{ApproversByTask, SysId};
use crate::servicenow::{ServiceNowError, who_approved};

fn row(id: &str, about: [&str; 2], approver: &str) -> String {
    let [task, document] = about;
    format!(
        r#"{{"sys_id":"{id}","sysapproval":"{task}","document_id":"{document}",
        "approver":"id-of-{approver}","approver.user_name":"{approver}",
        "approver.email":"{approver}@example.com","state":"approved","group":"",
        "sys_updated_on":"2026-11-23 10:00:00","sys_updated_by":"{approver}"}}"#
    )
}

async fn read(
    side: &Responder,
    tasks: &BTreeSet<SysId>,
) -> Result<Result<ApproversByTask, String>, ServiceNowError> {
    who_approved(side.reader().connection(), tasks).await
}

fn ids(ids: &[&str]) -> BTreeSet<SysId> {
    ids.iter().map(|id| SysId::parse(id).unwrap()).collect()
}

/// Task and approver of each row, as "r1 ann".
fn told(found: &ApproversByTask) -> Vec<String> {
    let each = |(task, approvers): (&SysId, &Vec<crate::model::Approver>)| {
        let line = |it: &crate::model::Approver| format!("{task} {}", it.user_name);
        approvers.iter().map(line).collect::<Vec<_>>()
    };
    found.iter().flat_map(each).collect()
}

#[tokio::test]
async fn approvers_are_found_by_either_reference_and_each_row_counts_once() {
    let found = [row("a", ["r1", "r1"], "ann"), row("b", ["", "r2"], "bob")];
    let side = Responder::with(vec![
        rows(2, &found),
        rows(0, &[]),
        rows(1, &[row("c", ["o1", ""], "cy")]),
    ])
    .await;
    let both = read(&side, &ids(&["r1", "r2"])).await.unwrap().unwrap();
    assert_eq!(told(&both), ["r1 ann", "r2 bob"]);
    let ann = &both[&SysId::parse("r1").unwrap()][0];
    assert_eq!((ann.sys_id.as_str(), ann.email.as_str()), ("id-of-ann", "ann@example.com"));
    assert_eq!(ann.at, Some("2026-11-23T10:00:00Z".parse().unwrap()));
    let query =
        "sysparm_query=sysapprovalINr1,r2^ORdocument_idINr1,r2^state=approved^ORDERBYsys_id";
    assert!(side.calls()[0].contains(query), "{}", side.calls()[0]);
    assert_eq!(told(&read(&side, &ids(&["o1"])).await.unwrap().unwrap()), ["o1 cy"]);
}

#[tokio::test]
async fn many_are_asked_about_in_a_few_calls() {
    let many: BTreeSet<SysId> =
        (0..120).map(|n| SysId::parse(&format!("{n:032x}")).unwrap()).collect();
    let side = Responder::with((0..3).map(|_| rows(0, &[])).collect()).await;
    assert_eq!(read(&side, &many).await.unwrap().unwrap(), ApproversByTask::new());
    assert_eq!(side.calls().len(), 3);
    let longest = side.calls().iter().map(|call| call.lines().next().unwrap().len()).max();
    assert!(longest.unwrap() < 4500, "{longest:?}");
}

#[tokio::test]
async fn whoever_may_not_ask_for_the_document_asks_for_the_task_alone() {
    let without = row("a", ["r1", ""], "ann").replace(r#""document_id":"","#, "");
    let lacking = || rows(1, std::slice::from_ref(&without));
    // Where no row has the field, some others are asked for it.
    for refusals in [vec![failure(403, "Insufficient rights")], vec![lacking(), lacking()]] {
        let side = Responder::with(refusals.into_iter().chain([lacking()]).collect()).await;
        let found = read(&side, &ids(&["r1"])).await.unwrap().unwrap();
        assert_eq!(told(&found), ["r1 ann"]);
        let last = side.calls().pop().unwrap();
        assert!(last.contains("sysparm_query=sysapprovalINr1^state=approved^ORDER"), "{last}");
    }
}

#[tokio::test]
async fn a_row_that_names_nobody_or_nothing_we_asked_for_is_nobodys_approval() {
    let rows_of =
        [row("a", ["r1", "r1"], "ann").replace("id-of-ann", ""), row("b", ["r1", "other"], "bob")];
    let side = Responder::with(vec![rows(2, &rows_of), rows(0, &[])]).await;
    assert_eq!(told(&read(&side, &ids(&["r1"])).await.unwrap().unwrap()), ["r1 bob"]);
}

#[tokio::test]
async fn whatever_keeps_them_from_us_is_a_reason_and_no_error() {
    let times =
        |reply: fn() -> Reply, count: usize| (0..count).map(|_| reply()).collect::<Vec<_>>();
    let cases: [(&str, Vec<Reply>, &str); 7] = [
        ("401", times(|| failure(401, "User Not Authenticated"), 1), "refused the sign-in"),
        ("403", times(|| failure(403, "Insufficient rights"), 2), "Insufficient rights"),
        ("400", times(|| failure(400, "Invalid table"), 1), "Invalid table"),
        ("404", times(|| failure(404, "No Record found"), 1), "no such record"),
        ("a page", times(|| html(200), 6), "login or maintenance"),
        ("500 for good", times(|| failure(500, "cancelled"), 5), "cancelled"),
        ("hidden rows", times(|| rows(1, &[]), 4), "hidden from this account"),
    ];
    for (case, replies, why) in cases {
        let side = Responder::with(replies).await;
        let reason = read(&side, &ids(&["r1"])).await.unwrap().unwrap_err();
        assert!(reason.contains(why), "{case}: {reason}");
    }
}

#[tokio::test]
async fn a_side_that_cannot_be_reached_is_the_sides_trouble() {
    let side = Responder::with(Vec::new()).await;
    let reader = side.reader();
    drop(side);
    // Nobody listens there any more.
    let mut error = who_approved(reader.connection(), &ids(&["r1"])).await;
    for _ in 0..50 {
        if error.is_err() {
            break;
        }
        tokio::task::yield_now().await;
        error = who_approved(reader.connection(), &ids(&["r1"])).await;
    }
    assert!(matches!(error, Err(ServiceNowError::Unreachable { .. })), "{error:?}");
}
