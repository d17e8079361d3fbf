//! Many rows in one call: each for itself, and never fewer without a word.

use std::collections::BTreeMap;

use super::requests::request;
use super::{Reply, Responder, failure, html, json, rows};
use crate::model::SysId;
use crate::servicenow::ServiceNowError;
use crate::servicenow::fresh::FreshRequests;

fn ids(ids: &[&str]) -> Vec<SysId> {
    ids.iter().map(|id| SysId::parse(id).unwrap()).collect()
}

fn many(count: u32) -> Vec<SysId> {
    (0..count).map(|n| SysId::parse(&format!("{n:032x}")).unwrap()).collect()
}

fn row(id: &str) -> String {
    request(id, &format!("RITM{id}"), &[])
}

fn longest_address(side: &Responder) -> usize {
    side.calls().iter().map(|call| call.lines().next().unwrap().len()).max().unwrap()
}

/// Of each that came its number, or why it cannot be read.
fn told(fresh: &FreshRequests) -> Vec<String> {
    let each = |(id, read): (&SysId, &Result<_, ServiceNowError>)| match read {
        Ok(super::super::fresh::FreshRequest { request, .. }) => {
            format!("{id} {}", request.reference.number)
        }
        Err(error) => format!("{id}: {error}"),
    };
    fresh.iter().map(each).collect()
}

#[tokio::test]
async fn many_requests_are_read_afresh_in_one_call_and_who_is_not_counted_is_gone() {
    let side = Responder::with(vec![rows(2, &[row("a"), row("c")])]).await;
    let fresh = side.reader().requests_by_id(&ids(&["c", "a", "b", "a"])).await.unwrap();
    assert_eq!(told(&fresh), ["a RITMa", "c RITMc"]);
    let a = fresh[&ids(&["a"])[0]].as_ref().unwrap();
    assert_eq!((a.updated_by.as_str(), a.active, a.request.mod_count), ("ada", true, 4));
    let call = &side.calls()[0];
    assert!(call.contains("sysparm_query=sys_idINa,b,c^ORDERBYsys_id & sysparm_limit=3"), "{call}");
    assert!(call.contains("sys_updated_by") && call.contains("variables.end"), "{call}");
}

#[tokio::test]
async fn more_than_a_hundred_requests_are_read_in_a_few_calls() {
    let side = Responder::with((0..3).map(|_| rows(0, &[])).collect()).await;
    assert!(side.reader().requests_by_id(&many(250)).await.unwrap().is_empty());
    assert_eq!(side.calls().len(), 3);
    assert!(longest_address(&side) < 4500, "{}", longest_address(&side));
    let none = Responder::with(vec![]).await;
    assert!(none.reader().requests_by_id(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_request_that_is_counted_and_does_not_come_is_asked_for_by_itself() {
    let gone = || failure(404, "No Record found");
    let one = |id: &str| json(200, &format!(r#"{{"result":{}}}"#, row(id)));
    // Hidden: of those that are left, nothing comes.
    let side = Responder::with(vec![rows(3, &[row("a")]), rows(2, &[]), gone(), gone(), gone()]);
    let side = side.await;
    let fresh = side.reader().requests_by_id(&ids(&["a", "b", "c", "d"])).await.unwrap();
    assert_eq!(told(&fresh), ["a RITMa"]);
    assert!(side.calls()[1].contains("sys_idINb,c,d^"), "{}", side.calls()[1]);
    assert_eq!(side.calls().len(), 5);

    // Cut: the rest comes with the next list, or by itself.
    let side =
        Responder::with(vec![rows(4, &[row("a")]), rows(3, &[row("b"), row("c")]), one("d")]).await;
    let fresh = side.reader().requests_by_id(&ids(&["a", "b", "c", "d"])).await.unwrap();
    assert_eq!(told(&fresh), ["a RITMa", "b RITMb", "c RITMc", "d RITMd"]);
}

#[tokio::test]
async fn a_request_that_did_not_come_and_cannot_be_read_is_never_called_gone() {
    let forbidden = vec![rows(2, &[row("a")]), failure(403, "Insufficient rights")];
    let side = Responder::with(forbidden).await;
    let fresh = side.reader().requests_by_id(&ids(&["a", "b"])).await.unwrap();
    assert!(told(&fresh)[1].contains("Insufficient rights"), "{:?}", told(&fresh));

    let refused = vec![rows(2, &[row("a")]), failure(401, "User Not Authenticated")];
    let refused = refused.into_iter().chain((0..3).map(|_| failure(401, "no"))).collect();
    let side = Responder::with(refused).await;
    let error = side.reader().requests_by_id(&ids(&["a", "b"])).await.unwrap_err();
    assert!(matches!(error, ServiceNowError::SignIn { .. }), "{error}");
}

#[tokio::test]
async fn a_row_that_makes_no_sense_concerns_that_request_alone() {
    let odd = request("b", "RITMb", &[("2026-11-20 08:00:00", "20.11.2026 08:00")]);
    let lacking =
        request("c", "RITMc", &[(r#""approval":"approved","opened_at""#, r#""opened_at""#)]);
    let side = Responder::with(vec![rows(3, &[row("a"), odd, lacking])]).await;
    let fresh = side.reader().requests_by_id(&ids(&["a", "b", "c"])).await.unwrap();
    let told = told(&fresh);
    assert_eq!(told[0], "a RITMa");
    assert!(told[1].contains("reading the request b") && told[1].contains("opened_at is not"));
    assert!(told[2].contains("the field approval is missing"), "{}", told[2]);

    // A row whose id cannot be read may be anybody's.
    let nameless = row("b").replace(r#""sys_id":"b""#, r#""sys_id":"""#);
    let again = || rows(2, std::slice::from_ref(&nameless));
    let side = Responder::with(vec![
        rows(3, &[row("a"), nameless.clone()]),
        again(),
        failure(404, "No Record found"),
        json(200, &format!(r#"{{"result":{nameless}}}"#)),
        json(200, &format!(r#"{{"result":{nameless}}}"#)),
        json(200, &format!(r#"{{"result":{nameless}}}"#)),
    ])
    .await;
    let fresh = side.reader().requests_by_id(&ids(&["a", "b", "c"])).await.unwrap();
    assert_eq!(fresh.len(), 2);
    assert!(fresh[&ids(&["c"])[0]].is_err(), "{fresh:?}");
}

#[tokio::test]
async fn a_list_that_cannot_be_believed_tells_of_nobody() {
    let lacking =
        |id: &str| row(id).replace(r#""approval":"approved","opened_at""#, r#""opened_at""#);
    let none_has_it = || rows(2, &[lacking("a"), lacking("b")]);
    let uncounted = json(200, &format!(r#"{{"result":[{},{}]}}"#, row("a"), row("b")));
    let cases: [(&str, Vec<Reply>, &str); 7] = [
        ("another row", vec![rows(2, &[row("a"), row("x")])], "does not fit \"sys_idINa,b\""),
        ("the whole table", vec![rows(900, &[])], "the condition was dropped"),
        ("twice", vec![rows(2, &[row("a"), row("a")])], "came twice"),
        ("no count", vec![uncounted], "no X-Total-Count"),
        ("a lost column", vec![none_has_it(), none_has_it()], "the field approval is missing"),
        ("a page", (0..3).map(|_| html(200)).collect(), "login or maintenance"),
        ("forbidden", vec![failure(403, "Insufficient rights")], "Insufficient rights"),
    ];
    for (case, replies, why) in cases {
        let side = Responder::with(replies).await;
        let error = side.reader().requests_by_id(&ids(&["a", "b"])).await.unwrap_err().to_string();
        assert!(error.contains(why), "{case}: {error}");
    }
}

fn task(id: &str, of: &str, active: bool) -> String {
    format!(r#"{{"sys_id":"{id}","number":"SC{id}","request_item":"{of}","active":"{active}"}}"#)
}

#[tokio::test]
async fn the_tasks_of_many_requests_are_listed_by_the_request() {
    let side = Responder::with(vec![
        rows(3, &[task("t1", "a", true), task("t2", "b", false)]),
        rows(1, &[task("t3", "a", false)]),
    ])
    .await;
    let tasks = side.reader().tasks_of(&ids(&["a", "b", "c"])).await.unwrap();
    let told: Vec<_> = tasks
        .iter()
        .map(|(id, tasks)| {
            let tasks: Vec<_> = tasks.iter().map(|it| (it.number.as_str(), it.open)).collect();
            (id.as_str(), tasks)
        })
        .collect();
    let a = vec![("SCt1", true), ("SCt3", false)];
    assert_eq!(told, [("a", a), ("b", vec![("SCt2", false)]), ("c", vec![])]);
    let call = &side.calls()[0];
    assert!(call.contains("sysparm_query=request_itemINa,b,c^ORDERBYsys_id"), "{call}");

    let side = Responder::with((0..3).map(|_| rows(0, &[])).collect()).await;
    assert_eq!(side.reader().tasks_of(&many(250)).await.unwrap().len(), 250);
    assert_eq!(side.calls().len(), 3);
    assert!(longest_address(&side) < 4500);
}

#[tokio::test]
async fn fewer_tasks_than_there_are_is_an_error_and_no_table_of_tasks_is_none() {
    let hidden = || rows(2, &[task("t1", "a", true)]);
    let malformed = rows(1, &[r#"{"sys_id":"t1","number":"SC1","request_item":"a"}"#.to_owned()]);
    let others = rows(1, &[task("t1", "a", true)]);
    let foreign = rows(1, &[task("t1", "x", true)]);
    for (replies, why) in [
        (vec![hidden(), hidden()], "hidden from this account"),
        (vec![malformed, others], "the field active is missing"),
        (vec![foreign], "the condition was dropped"),
    ] {
        let side = Responder::with(replies).await;
        let error = side.reader().tasks_of(&ids(&["a", "b"])).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let side = Responder::with(vec![failure(400, "Invalid table sc_task")]).await;
    let tasks = side.reader().tasks_of(&ids(&["a", "b"])).await.unwrap();
    assert_eq!(tasks.into_values().map(|it| it.len()).collect::<Vec<_>>(), [0, 0]);
}

fn entry(id: &str, place: &str, text: &str) -> String {
    format!(r#"{{"sys_id":"{id}","element_id":"{place}","value":"{text}"}}"#)
}

async fn noted(side: &Responder, wanted: &[(&str, &str)]) -> Vec<(String, Option<bool>)> {
    let asked: Vec<_> =
        wanted.iter().map(|(id, mark)| (SysId::parse(id).unwrap(), (*mark).to_owned())).collect();
    let told: BTreeMap<_, _> = side.reader().noted(&asked).await.unwrap();
    told.into_iter().map(|((id, marker), it)| (format!("{id} {marker}"), it)).collect()
}

#[tokio::test]
async fn many_notes_are_looked_for_in_one_call_each_on_its_own_place() {
    let found = [entry("j1", "a", "said [gt:1] before"), entry("j2", "b", "[gt:1]")];
    let side = Responder::with(vec![rows(2, &found)]).await;
    let told = noted(&side, &[("a", "[gt:1]"), ("b", "[gt:2]"), ("c", "[gt:3]")]).await;
    let expected = [("a [gt:1]", Some(true)), ("b [gt:2]", Some(false)), ("c [gt:3]", Some(false))];
    assert_eq!(told, expected.map(|(note, it)| (note.to_owned(), it)));
    let query = "element_idINa,b,c^valueLIKE[gt:1]^ORvalueLIKE[gt:2]^ORvalueLIKE[gt:3]^ORDERBY";
    assert!(side.calls()[0].contains(query), "{}", side.calls()[0]);
}

#[tokio::test]
async fn what_one_list_of_notes_does_not_tell_is_asked_of_each_place() {
    let two = [("a", "[gt:1]"), ("b", "[gt:2]"), ("c", "[gt:3]")];
    let of =
        |told: Vec<(String, Option<bool>)>| told.into_iter().map(|it| it.1).collect::<Vec<_>>();
    // One came, and one is hidden: of b or of c.
    let one = || rows(2, &[entry("j1", "a", "[gt:1]")]);
    let side = Responder::with(vec![one(), rows(1, &[]), rows(0, &[])]).await;
    assert_eq!(of(noted(&side, &two).await), [Some(true), None, Some(false)]);
    // Without its text nobody knows which it is.
    let textless = || rows(1, &[r#"{"sys_id":"j1","element_id":"a"}"#.to_owned()]);
    let side = Responder::with(vec![textless(), textless(), rows(0, &[]), rows(0, &[])]).await;
    assert_eq!(of(noted(&side, &two).await), [None, Some(false), Some(false)]);
    // Whoever may read none is not asked again and again.
    let side = Responder::with(vec![failure(403, "no")]).await;
    assert_eq!(of(noted(&side, &two).await), [None, None, None]);
    assert_eq!(side.calls().len(), 1);
}

#[tokio::test]
async fn a_dropped_condition_on_notes_is_an_error_and_hundreds_are_a_few_calls() {
    let side = Responder::with(vec![rows(1, &[entry("j1", "x", "hello")])]).await;
    let asked = [("a", "[gt:1]"), ("b", "[gt:2]")]
        .map(|(id, marker)| (SysId::parse(id).unwrap(), marker.to_owned()));
    let error = side.reader().noted(&asked).await.unwrap_err().to_string();
    assert!(error.contains("not asked for"), "{error}");

    let asked: Vec<_> = many(100)
        .into_iter()
        .enumerate()
        .map(|(nth, id)| (id, format!("[goldthread:RITM{nth:07}:done]")))
        .collect();
    let side = Responder::with((0..3).map(|_| rows(0, &[])).collect()).await;
    let told = side.reader().noted(&asked).await.unwrap();
    assert_eq!((told.len(), told.values().filter(|it| **it == Some(false)).count()), (100, 100));
    assert_eq!(side.calls().len(), 3);
    assert!(longest_address(&side) < 4500, "{}", longest_address(&side));
}
