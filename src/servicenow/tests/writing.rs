use super::{Reply, Responder, failure, html, json, rows};
use crate::model::SysId;
use crate::servicenow::writer::Echo;
use crate::servicenow::{Closing, ServiceNowError, ServiceNowWriter};

const CLOSING: Closing<'static> =
    Closing { note_field: "work_notes", note: "done [gt:RITM1:done]", state: Some("3") };

fn echo(state: &str) -> Reply {
    json(
        200,
        &format!(
            r#"{{"result":{{"sys_id":"a","state":"{state}","active":"false","sys_mod_count":"5","work_notes":""}}}}"#
        ),
    )
}

async fn close(side: &Responder) -> Result<Echo, ServiceNowError> {
    let writer = ServiceNowWriter::new(side.connection(|_| ()));
    writer.close(&SysId::parse("a").unwrap(), &CLOSING).await
}

#[tokio::test]
async fn note_and_state_go_in_one_patch_and_the_answer_is_compared() {
    let side = Responder::with(vec![echo("3")]).await;
    let written = close(&side).await.unwrap();
    assert!(written.state_taken && !written.note_dropped && !written.active);
    assert_eq!(written.mod_count, Some(5));
    let call = &side.calls()[0];
    assert!(call.starts_with("PATCH /api/now/table/sc_req_item/a "), "{call}");
    assert!(call.contains("content-type: application/json"), "{call}");
    assert!(call.ends_with(r#"{"state":"3","work_notes":"done [gt:RITM1:done]"}"#), "{call}");

    let side = Responder::with(vec![echo("2")]).await;
    assert!(!close(&side).await.unwrap().state_taken);
}

#[tokio::test]
async fn a_write_that_may_have_happened_is_not_sent_again() {
    for reply in [
        || echo("3").cut_off(),
        || html(503),
        || json(202, "{}"),
        || html(200),
        || failure(500, "Transaction cancelled"),
        || json(200, r#"{"result":{}}"#),
    ] {
        let side = Responder::with(vec![reply(), echo("3")]).await;
        let error = close(&side).await.unwrap_err();
        assert!(matches!(error, ServiceNowError::NoAnswer { .. }), "{error}");
        assert_eq!(side.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_write_that_was_turned_away_is_sent_again() {
    let side = Responder::with(vec![failure(429, "busy").with("Retry-After", 0), echo("3")]).await;
    close(&side).await.unwrap();
    assert_eq!(side.calls().len(), 2);
}

#[tokio::test]
async fn a_refused_write_says_what_the_instance_said() {
    let side = Responder::with(vec![failure(403, "Operation Failed")]).await;
    let error = close(&side).await.unwrap_err().to_string();
    assert_eq!(error, "ServiceNow forbids writing back on the request a: Operation Failed (why)");
}

#[tokio::test]
async fn a_host_that_is_not_there_is_unreachable() {
    let side = Responder::with(vec![]).await;
    // The responder has ended, and its port is closed with it.
    while tokio::net::TcpStream::connect(side.url.trim_start_matches("http://")).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let error = close(&side).await.unwrap_err();
    assert!(matches!(error, ServiceNowError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_note_is_found_by_its_marker_or_nobody_can_tell() {
    let note =
        |id: &str, text: &str| format!(r#"{{"sys_id":"n1","element_id":"{id}","value":"{text}"}}"#);
    let side = Responder::with(vec![
        rows(1, &[note("a", "done [gt:1]")]),
        rows(0, &[]),
        rows(1, &[]),
        failure(403, "Insufficient rights to query records"),
        rows(1, &[r#"{"sys_id":"n1","element_id":"a"}"#.to_owned()]),
        rows(9, &[note("z", "else")]),
    ])
    .await;
    let (reader, id) = (side.reader(), SysId::parse("a").unwrap());
    assert_eq!(reader.has_note(&id, "[gt:1]").await.unwrap(), Some(true));
    assert_eq!(reader.has_note(&id, "[gt:1]").await.unwrap(), Some(false));
    assert_eq!(reader.has_note(&id, "[gt:1]").await.unwrap(), None, "hidden");
    assert_eq!(reader.has_note(&id, "[gt:1]").await.unwrap(), None, "forbidden");
    assert_eq!(reader.has_note(&id, "[gt:1]").await.unwrap(), None, "without its text");
    assert!(reader.has_note(&id, "[gt:1]").await.is_err(), "a dropped condition");
    assert!(side.calls()[0].contains("sysparm_query=element_id=a^valueLIKE[gt:1]^ORDERBYsys_id"));
}

#[tokio::test]
async fn tasks_are_listed_and_closed_on_their_own_table() {
    let task = r#"{"sys_id":"t1","number":"SCTASK1","request_item":"a","active":"true"}"#;
    let side = Responder::with(vec![
        rows(1, &[task.to_owned()]),
        json(200, r#"{"result":{"sys_id":"t1","state":"3","active":"false","sys_mod_count":"1"}}"#),
    ])
    .await;
    let tasks = side.reader().tasks(&SysId::parse("a").unwrap()).await.unwrap();
    assert_eq!((tasks[0].number.as_str(), tasks[0].open), ("SCTASK1", true));
    let writer = ServiceNowWriter::new(side.connection(|_| ()));
    let echo = writer.close_task(&tasks[0].sys_id, &CLOSING).await.unwrap();
    assert!(echo.note_dropped, "the field was left out of the answer");
    assert!(side.calls()[1].starts_with("PATCH /api/now/table/sc_task/t1 "));
}

#[tokio::test]
async fn a_write_that_waits_when_writing_is_paused_is_not_sent() {
    let side = Responder::with(vec![echo("3")]).await;
    let connection = side.connection(|_| ());
    connection.brake().set(true);
    let (writer, id) = (ServiceNowWriter::new(connection.clone()), SysId::parse("a").unwrap());
    let error = writer.close(&id, &CLOSING).await.unwrap_err();
    assert!(matches!(error, ServiceNowError::Paused { .. }), "{error}");
    assert_eq!(side.calls().len(), 0);
    connection.brake().set(false);
    writer.close(&id, &CLOSING).await.unwrap();
}
