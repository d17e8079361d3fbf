//! How errors are worded.

use serde_json::{Value, json};

use crate::sim::http::Response;

/// An error in the platform's envelope.
pub(super) fn error(status: u16, message: &str, detail: Option<&str>) -> Response {
    let detail = detail.map_or(Value::Null, Value::from);
    let body = json!({"error": {"message": message, "detail": detail}, "status": "failure"});
    Response::json(status, &body)
}

pub(super) fn invalid_table(table: &str) -> Response {
    error(400, &format!("Invalid table {table}"), None)
}

pub(super) fn no_resource() -> Response {
    error(400, "Requested URI does not represent any resource", None)
}

pub(super) fn bad_request(detail: &str) -> Response {
    error(400, "Exception while reading request", Some(detail))
}

pub(super) fn not_authenticated() -> Response {
    error(401, "User Not Authenticated", Some("Required to provide Auth information"))
        .with_header("WWW-Authenticate", "BASIC realm=\"Service-now\"")
}

pub(super) fn query_refused() -> Response {
    let detail = "Field(s) present in the query do not have permission to be read";
    error(403, "Insufficient rights to query records", Some(detail))
}

pub(super) fn write_refused() -> Response {
    let detail = "ACL Exception Update Failed due to security constraints";
    error(403, "Operation Failed", Some(detail))
}

pub(super) fn no_record() -> Response {
    let detail = "Record doesn't exist or ACL restricts the record retrieval";
    error(404, "No Record found", Some(detail))
}

pub(super) fn method_not_allowed() -> Response {
    error(405, "Method not supported", None)
}

/// The error of a status that strikes on the way.
pub(super) fn of_status(status: u16) -> Response {
    match status {
        400 => bad_request("Operation failed for unknown reasons"),
        401 => not_authenticated(),
        403 => write_refused(),
        404 => no_record(),
        429 => error(429, "Rate limit exceeded", Some("Too many requests are waiting")),
        500 => error(
            500,
            "Transaction cancelled: maximum execution time exceeded",
            Some(
                "Check logs for error trace or enable glide.rest.debug property to verify REST request processing",
            ),
        ),
        502..=504 => Response::html(
            status,
            "<html><head><title>Service Unavailable</title></head><body>The service is temporarily unavailable.</body></html>",
        ),
        _ => error(status, "Operation Failed", None),
    }
}

/// The page of an instance that sleeps.
pub(super) fn hibernating() -> Response {
    Response::html(
        200,
        "<!doctype html><html><head><title>Instance Hibernating page</title></head><body class=\"instance-hibernating-page\">Your instance is hibernating.</body></html>",
    )
}
