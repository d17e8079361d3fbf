use std::collections::BTreeMap;

use super::{ITEM, Reply, Responder, failure, html, json, rows};
use crate::model::{Request, RequestState, SysId, Timestamp};
use crate::servicenow::paging::CompleteRead;
use crate::servicenow::{ServiceNowError, ServiceNowReader, Window};

pub fn request(id: &str, number: &str, change: &[(&str, &str)]) -> String {
    let mut text = format!(
        r#"{{"sys_id":"{id}","number":"{number}","request":{{"link":"l","value":"r1"}},
        "request.number":"REQ1","request.approval":"approved","request.requested_for":"p1",
        "requested_for":"","cat_item":"{ITEM}","cat_item.name":"Okta access","state":"2",
        "active":"true","approval":"approved","opened_at":"2026-11-20 08:00:00",
        "sys_created_on":"2026-11-20 08:00:01","sys_updated_on":"2026-11-23 10:00:00",
        "sys_mod_count":"4","sys_updated_by":"ada","variables.employee":"p2","variables.end":null}}"#
    );
    for (from, to) in change {
        assert!(text.contains(from), "{from} is not in the row");
        text = text.replace(from, to);
    }
    text
}

fn item(name: &str) -> Reply {
    json(200, &format!(r#"{{"result":{{"sys_id":"{ITEM}","name":"{name}"}}}}"#))
}

async fn read(side: &Responder) -> (Result<CompleteRead, ServiceNowError>, Vec<Request>) {
    let mut requests = Vec::new();
    let reader = side.reader();
    let read = reader.requests(None, |page| {
        requests.extend(page);
        Ok(())
    });
    (read.await, requests)
}

#[tokio::test]
async fn a_request_is_read_with_its_order_and_its_variables() {
    let side =
        Responder::with(vec![item("Okta access"), rows(1, &[request("a", "RITM1", &[])])]).await;
    let (end, requests) = read(&side).await;
    assert_eq!(end.unwrap().rows, 1);
    let request = &requests[0];
    assert_eq!(request.reference.number.as_str(), "RITM1");
    assert_eq!(request.reference.parent.as_ref().unwrap().as_str(), "REQ1");
    assert_eq!((request.item.as_str(), request.item_name.as_str()), (ITEM, "Okta access"));
    assert_eq!(request.state, RequestState::Open);
    assert_eq!(request.approval, "approved");
    assert_eq!(request.order_approval, "approved");
    assert_eq!(request.requested_for, "p1", "the order's, since the item has none");
    assert_eq!(request.opened_at, "2026-11-20T08:00:00Z".parse::<Timestamp>().unwrap());
    let variables: Vec<_> = request.variables.iter().collect();
    assert_eq!(variables, [(&"employee".into(), &"p2".into()), (&"end".into(), &String::new())]);
    let call = &side.calls()[1];
    assert!(call.contains(&format!("sysparm_query=cat_itemIN{ITEM}^ORDERBYsys_id")), "{call}");
    assert!(call.contains("variables.employee,variables.end"), "{call}");
}

#[tokio::test]
async fn a_variable_that_was_not_sent_is_left_out_and_not_taken_for_empty() {
    let row = request("a", "RITM1", &[(r#","variables.end":null"#, "")]);
    let side = Responder::with(vec![item("x"), rows(1, &[row])]).await;
    assert!(!read(&side).await.1[0].variables.contains_key("end"));
}

#[tokio::test]
async fn an_item_that_is_there_before_its_order_has_no_parent_yet() {
    let row = request(
        "a",
        "RITM1",
        &[
            (r#"{"link":"l","value":"r1"}"#, r#""""#),
            (
                r#""request.number":"REQ1","request.approval":"approved","request.requested_for":"p1","#,
                "",
            ),
        ],
    );
    let side = Responder::with(vec![item("x"), rows(1, &[row])]).await;
    let (end, requests) = read(&side).await;
    end.unwrap();
    assert_eq!(requests[0].reference.parent, None);
    assert_eq!((requests[0].order_approval.as_str(), requests[0].requested_for.as_str()), ("", ""));
}

#[tokio::test]
async fn an_order_that_may_not_be_read_makes_the_read_fail() {
    let row = request("a", "RITM1", &[(r#""request.approval":"approved","#, "")]);
    let alone = || rows(1, std::slice::from_ref(&row));
    let side = Responder::with(vec![item("x"), alone(), alone()]).await;
    let error = read(&side).await.0.unwrap_err().to_string();
    assert!(error.contains("the field request.approval is missing"), "{error}");
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_set_aside_and_the_others_go_on() {
    let odd = request("a", "RITM1", &[("2026-11-20 08:00:00", "20.11.2026 08:00")]);
    let side =
        Responder::with(vec![item("x"), rows(2, &[odd, request("b", "RITM2", &[])]), rows(0, &[])])
            .await;
    let (end, requests) = read(&side).await;
    assert_eq!(requests.len(), 1);
    let aside = &end.unwrap().set_aside[0];
    assert_eq!(
        (aside.sys_id.as_str(), aside.why.as_str()),
        ("a", "opened_at is not a stored date-time")
    );
}

#[tokio::test]
async fn a_window_also_holds_the_requests_whose_order_changed_each_of_them_once() {
    let with_order = |id: &str, number: &str| {
        request(
            id,
            number,
            &[(
                r#""sys_mod_count""#,
                r#""request.sys_updated_on":"2026-11-23 10:00:00","sys_mod_count""#,
            )],
        )
    };
    let side = Responder::with(vec![
        item("x"),
        rows(1, &[request("a", "RITM1", &[])]),
        rows(2, &[with_order("a", "RITM1"), with_order("b", "RITM2")]),
        rows(0, &[]),
    ])
    .await;
    let reader = ServiceNowReader::new(side.connection(|settings| settings.order_approval = true));
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let window = Window { from: at("2026-11-23T09:00:00Z"), to: at("2026-11-23T11:00:00Z") };
    let mut numbers = Vec::new();
    let read = reader.requests(Some(&window), |page| {
        numbers.extend(page.into_iter().map(|request| request.reference.number.to_string()));
        Ok(())
    });
    read.await.unwrap();
    assert_eq!(numbers, ["RITM1", "RITM2"]);
    assert!(side.calls()[2].contains("^request.sys_updated_on>=2026-11-23 09:00:00^"));
}

#[tokio::test]
async fn an_item_is_found_by_a_name_that_only_it_has() {
    let row = |id: &str, name: &str| format!(r#"{{"sys_id":"{id}","name":"{name}"}}"#);
    let named = |side: &Responder| {
        ServiceNowReader::new(
            side.connection(|settings| settings.items = ["Okta access".to_owned()].into()),
        )
    };
    let side =
        Responder::with(vec![rows(2, &[row("i1", "Okta access"), row("i2", "okta ACCESS")])]).await;
    let reader = named(&side);
    let items = reader.items().await.unwrap();
    let known = items.whole().unwrap();
    assert_eq!((known[0].sys_id.as_str(), known.len()), ("i1", 1));
    reader.items().await.unwrap();
    assert_eq!(side.calls().len(), 1, "items are looked up once");

    let side = Responder::with(vec![rows(0, &[])]).await;
    let error = named(&side).items().await.unwrap().whole().unwrap_err().to_string();
    assert_eq!(error, "ServiceNow: no catalog item is called \"Okta access\"");

    let twins = rows(2, &[row("i1", "Okta access"), row("i2", "Okta access")]);
    let side = Responder::with(vec![twins]).await;
    let error = named(&side).items().await.unwrap().whole().unwrap_err().to_string();
    assert!(error.contains("2 catalog items") && error.contains("i1, i2"), "{error}");
}

#[tokio::test]
async fn an_item_that_means_nothing_spoils_no_other_and_is_looked_for_again() {
    let row = |id: &str, name: &str| format!(r#"{{"sys_id":"{id}","name":"{name}"}}"#);
    for nothing in [
        rows(0, &[]),
        failure(403, "no"),
        html(403),
        rows(2, &[row("i1", "Add"), row("i2", "Add")]),
    ] {
        let side = Responder::with(vec![
            nothing,
            rows(1, &[row("i9", "Leave")]),
            rows(1, &[row("i1", "Add")]),
        ])
        .await;
        let names = ["Add".to_owned(), "Leave".to_owned()];
        let reader = ServiceNowReader::new(side.connection(|it| it.items = names.into()));
        let items = reader.items().await.unwrap();
        assert_eq!(items.known[0].sys_id.as_str(), "i9");
        assert!(items.unknown.contains_key("Add") && items.whole().is_err());
        reader.items().await.unwrap();
        assert_eq!(side.calls().len(), 2);
        let items = reader.items_known(&BTreeMap::new()).await.unwrap();
        assert_eq!((items.known.len(), side.calls().len()), (2, 3));
    }
}

#[tokio::test]
async fn no_item_that_means_anything_is_not_taken_for_no_requests() {
    let side = Responder::with(vec![rows(0, &[])]).await;
    let reader = ServiceNowReader::new(side.connection(|it| it.items = ["Add".to_owned()].into()));
    assert!(reader.requests(None, |_| Ok(())).await.is_err());
}

#[tokio::test]
async fn a_fresh_request_says_who_changed_it_last_and_a_gone_one_is_none() {
    let body = format!(r#"{{"result":{}}}"#, request("a", "RITM1", &[]));
    let side = Responder::with(vec![json(200, &body), failure(404, "No Record found")]).await;
    let (reader, id) = (side.reader(), SysId::parse("a").unwrap());
    let fresh = reader.request(&id).await.unwrap().unwrap();
    assert_eq!(
        (fresh.updated_by.as_str(), fresh.active, fresh.request.mod_count),
        ("ada", true, 4)
    );
    assert_eq!(reader.request(&id).await.unwrap(), None);
}
