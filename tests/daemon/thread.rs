//! The golden thread in the log: what a request's number finds there.

use serde_json::Value;

use crate::process::{Desk, until};

#[test]
fn the_log_tells_a_request_from_its_approval_to_its_closing_under_its_number() {
    let desk = Desk::set();
    let mut daemon = desk.start();
    daemon.until_told("STATUS=cycle ");
    let (person, order) = desk.join(0);
    until("the request is carried out", || desk.is_closed(&order));
    let (_, _, log) = daemon.stop();

    let of_request: Vec<&Value> =
        log.iter().filter(|event| event["request"] == order.number.as_str()).collect();
    let outcomes: Vec<&str> =
        of_request.iter().map(|event| event["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.first(), Some(&"approved"), "{of_request:?}");
    assert_eq!(outcomes.last(), Some(&"written_back"), "{of_request:?}");
    assert!(outcomes.contains(&"applied"));
    let parent = desk.stage.servicenow.request(&order.number).unwrap().order;
    for event in &of_request {
        let message = event["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{}: ", order.number)), "{message}");
        assert_eq!(event["parent"], parent.as_str(), "{event}");
        assert_eq!(event["level"], "INFO");
    }
    let created = of_request.iter().find(|event| event["action"] == "create").unwrap();
    assert_eq!(created["login"], person.email.as_str());
    assert_eq!(created["sys_id"], person.sys_id.as_str());
    assert!(created["okta_user"].as_str().unwrap().starts_with("00u"));
    assert!(created["okta_request_id"].is_string() && created["action_id"].is_number());
    assert!(created["cycle"].is_number());
    assert!(created.get("group").is_none(), "what is not there is left out: {created}");

    let ended: Vec<&Value> = log.iter().filter(|event| event["journal_head"].is_string()).collect();
    let head = ended.last().unwrap()["journal_head"].as_str().unwrap();
    assert_eq!(head.len(), 64, "the journal's head is told to the log");
}
