//! What answers look like, and when one is believed.
//!
//! Everything is a string to ServiceNow, but it sends some fields as null, as a reference object
//! or as a pair of stored and displayed value; all of these become the stored text. A list is
//! streamed, so an error can come after the status 200 and after some rows: such a page is
//! refused as a whole.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value};

use super::ServiceNowError;
use super::error::clean;
use crate::http::{self, Answer, LONGEST_WINDOW, NotJson};
use crate::model::{Record, Timestamp};

/// One page of a list that was believed as a whole.
#[derive(Debug)]
pub(super) struct Page {
    pub rows: Vec<Record>,
    /// `X-Total-Count`: rows that fit the query, hidden ones included
    /// (<https://www.servicenow.com/docs/r/api-reference/rest-apis/c_TableAPI.html>).
    pub total: Option<u64>,
}

/// A list answer, or why it is none.
pub(super) fn page(operation: &str, answer: &Answer) -> Result<Page, ServiceNowError> {
    let doubt = |why: String| ServiceNowError::unbelievable(operation, why);
    let Value::Array(elements) = result(operation, answer)? else {
        return Err(doubt("`result` is not a list".into()));
    };
    // Element by element, so that a large page is never there twice.
    let rows = elements
        .into_iter()
        .map(|element| match element {
            Value::Object(fields) => Ok(record(fields)),
            _ => Err(doubt("the list holds something that is not a row: it was cut off".into())),
        })
        .collect::<Result<_, _>>()?;
    let total = answer.header("x-total-count").and_then(|count| count.trim().parse().ok());
    Ok(Page { rows, total })
}

/// An answer with one row, or why it is none.
pub(super) fn row(operation: &str, answer: &Answer) -> Result<Record, ServiceNowError> {
    match result(operation, answer)? {
        Value::Object(fields) => Ok(record(fields)),
        _ => Err(ServiceNowError::unbelievable(operation, "`result` is not one row")),
    }
}

/// Tells apart what an answer's status says
/// (<https://www.servicenow.com/docs/r/api-reference/rest-api-explorer/r_RESTAPIHTTPResponseCodes.html>);
/// `Ok` means that the body is worth reading. 401 is the connection's business and comes here only
/// when it has given up.
pub(super) fn check_answer(operation: &str, answer: &Answer) -> Result<(), ServiceNowError> {
    let (operation, status) = (operation.to_owned(), answer.status);
    if answer.is_success() && status != 202 {
        return Ok(());
    }
    let said = error_of(answer);
    let from_api = said.is_some();
    let (message, detail) =
        said.unwrap_or_else(|| (format!("status {status} without an explanation"), String::new()));
    Err(match status {
        202 => ServiceNowError::unbelievable(
            &operation,
            "status 202: the instance put the call aside without carrying it out",
        ),
        300..=399 => ServiceNowError::unbelievable(
            &operation,
            format!("status {status}: a redirect, as to a login page, instead of the API"),
        ),
        401 => ServiceNowError::SignIn { message },
        403 => ServiceNowError::Forbidden { operation, message, detail },
        404 if !from_api => ServiceNowError::unbelievable(
            &operation,
            "status 404, and not from the API: wrong address, or something in between",
        ),
        // Absence is acted on, so only the API's own answer about a record counts.
        404 if !message.contains("does not represent any resource") => {
            ServiceNowError::NotFound { operation }
        }
        429 => ServiceNowError::RateLimited { retry_after: retry_after(answer) },
        500..=599 => ServiceNowError::NoAnswer {
            operation,
            why: format!("status {status}: {message}"),
            status: Some(status),
        },
        _ => ServiceNowError::Refused { operation, status, message, detail },
    })
}

/// The body as JSON, or why an answer that says it went well cannot be believed.
pub(super) fn json(
    operation: &str,
    answer: &Answer,
) -> Result<Map<String, Value>, ServiceNowError> {
    let why = match http::json(answer) {
        Ok(Value::Object(body)) => return Ok(body),
        Ok(_) => "it is not a JSON object",
        Err(NotJson::Html) => "it is a login or maintenance/hibernation page instead of the API",
        Err(NotJson::Other) => "it is not JSON",
        Err(NotJson::Broken) => "its JSON is broken or cut off",
    };
    Err(ServiceNowError::unbelievable(operation, why))
}

fn result(operation: &str, answer: &Answer) -> Result<Value, ServiceNowError> {
    check_answer(operation, answer)?;
    let mut body = json(operation, answer)?;
    let failed = body.get("status").and_then(Value::as_str) == Some("failure");
    if failed || body.get("error").is_some_and(|error| !error.is_null()) {
        let (message, _) = texts(&body);
        return Err(ServiceNowError::unbelievable(
            operation,
            format!("it ends in an error although its status is {}: {message}", answer.status),
        ));
    }
    body.remove("result")
        .ok_or_else(|| ServiceNowError::unbelievable(operation, "it has no `result`"))
}

/// A row's fields as texts. One of a shape that is not known is left out, as one that was not sent:
/// it is for whoever asked to say whether the row can be believed without it.
fn record(fields: Map<String, Value>) -> Record {
    fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

/// The stored value of a field, whichever shape it came in.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Object(mut pair) => match pair.remove("value")? {
            Value::Object(_) => None,
            inner => text(inner),
        },
        Value::Array(_) => None,
    }
}

/// `message` and `detail` of the API's error body; `None` where the body is not one.
fn error_of(answer: &Answer) -> Option<(String, String)> {
    let body: Map<String, Value> = http::json(answer).ok()?;
    body.get("error")?.get("message")?;
    Some(texts(&body))
}

fn texts(body: &Map<String, Value>) -> (String, String) {
    let text = |name: &str| {
        let value = body.get("error").and_then(|error| error.get(name)).and_then(Value::as_str);
        clean(value.unwrap_or(""))
    };
    (text("message"), text("detail"))
}

/// `Retry-After`, in seconds
/// (<https://www.servicenow.com/docs/r/api-reference/rest-api-explorer/inbound-REST-API-rate-limiting.html>)
/// or, from something in between, as a date. Rules are for a clock hour: longer is nonsense, and
/// must not keep us away.
pub(super) fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.header("retry-after")?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = DateTime::parse_from_rfc2822(text).ok()?;
        (until.with_timezone(&Utc) - http::date(answer)?).to_std().ok()?
    };
    Some(wait.min(LONGEST_WINDOW))
}

const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// Reads a stored date-time: `YYYY-MM-DD HH:MM:SS` in UTC and nothing else.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    // chrono also takes shorter numbers, which ServiceNow never stores.
    if text.len() != 19 {
        return None;
    }
    NaiveDateTime::parse_from_str(text, TIME_FORMAT).ok().map(|time| time.and_utc())
}

/// Writes a moment as ServiceNow stores it, cutting off parts of a second.
pub(super) fn stored(moment: Timestamp) -> String {
    moment.format(TIME_FORMAT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_in_every_shape_that_the_api_sends() {
        let row: Map<String, Value> = serde_json::from_str(
            r#"{"name": "Ada", "title": null, "active": true, "count": 7,
                "manager": {"link": "https://x/y", "value": "a1"}, "department": "",
                "state": {"display_value": "Open", "value": "1"}}"#,
        )
        .unwrap();
        let read = record(row);
        let shown: Vec<_> = read.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            shown.join(" "),
            "active=true count=7 department= manager=a1 name=Ada state=1 title="
        );
    }

    #[test]
    fn a_field_of_another_shape_is_as_if_it_had_not_been_sent() {
        for odd in [r#"{"display_value": "Grace", "link": "l"}"#, r#"["Grace"]"#, "{}"] {
            let row = serde_json::from_str(&format!(r#"{{"name": "Ada", "manager": {odd}}}"#));
            assert_eq!(record(row.unwrap()).into_keys().collect::<Vec<_>>(), ["name"]);
        }
    }

    #[test]
    fn a_date_is_read_only_in_the_form_in_which_it_is_stored() {
        let read = moment("2026-11-23 10:00:09").unwrap();
        assert_eq!(stored(read), "2026-11-23 10:00:09");
        for odd in
            ["", "2026-11-23", "23.11.2026 10:00:00", "2026-11-23T10:00:00", "2026-1-3 1:0:0"]
        {
            assert!(moment(odd).is_none(), "{odd} was accepted");
        }
    }
}
