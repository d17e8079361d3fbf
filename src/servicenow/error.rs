//! Why a call to ServiceNow did not do what was asked, by what the caller does next.

use std::time::Duration;

use crate::http::{self, HttpError, Retry};

/// Longest text of the instance that is passed on, in characters.
const LONGEST_TEXT: usize = 200;

/// What a caller's own code may fail with while it takes a page.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why ServiceNow did not do what was asked.
/// Texts of the instance are repeated without control characters and cut short. No variant holds
/// a credential, a query or a field's value.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each error says what its fields are")]
pub enum ServiceNowError {
    /// No connection was made, so nothing was carried out.
    #[error("ServiceNow cannot be reached: {why}")]
    Unreachable { why: String },
    /// The call was sent and no usable answer came. A read can be repeated; a write may have been
    /// carried out, so look before writing again.
    #[error("no answer from ServiceNow to {operation}: {why}")]
    NoAnswer {
        /// What was asked, as words after "ServiceNow forbids", here and below.
        operation: String,
        why: String,
        /// The 5xx that came instead of one; `None` where nothing came.
        status: Option<u16>,
    },
    /// The credentials are refused, or the instance takes us for a guest.
    #[error("ServiceNow refused the sign-in: {message}")]
    SignIn { message: String },
    /// The account lacks a right, or the query names a field that it may not use or that is not
    /// there: newer releases answer both alike.
    #[error("ServiceNow forbids {operation}: {message} ({detail})")]
    Forbidden { operation: String, message: String, detail: String },
    /// The row is not there, or is hidden from the account.
    #[error("ServiceNow has no such record, or hides it from this account: {operation}")]
    NotFound { operation: String },
    /// A rate rule or a full queue, or our own share of the limit is used up. Not carried out.
    #[error("ServiceNow's rate limit asks us to wait{}", in_words(*.retry_after))]
    RateLimited { retry_after: Option<Duration> },
    /// Somebody paused writing while the call waited for its turn, so it was not sent.
    #[error("writing was paused before ServiceNow was asked: {operation}")]
    Paused { operation: String },
    #[error("ServiceNow refused {operation} with status {status}: {message} ({detail})")]
    Refused { operation: String, status: u16, message: String, detail: String },
    /// An answer came that must not be acted on.
    #[error("ServiceNow's answer to {operation} cannot be believed: {why}")]
    Unbelievable { operation: String, why: String },
    /// The configuration names something that the instance does not have, or has twice.
    #[error("ServiceNow: {why}")]
    Unresolved { why: String },
    /// A page was read well, and the code that was to take it failed.
    #[error("a page that was read could not be kept")]
    Taker(#[source] BoxError),
}

impl ServiceNowError {
    /// When the same read may succeed although nobody changes anything. A write without an answer
    /// may have happened.
    pub(super) fn retry(&self) -> Retry {
        match self {
            Self::RateLimited { retry_after: Some(wait) } => Retry::After(*wait),
            Self::RateLimited { retry_after: None }
            | Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Unbelievable { .. } => Retry::Later,
            _ => Retry::Never,
        }
    }

    /// Whether it is about the object that was asked for: refused, hidden, not there, answered with
    /// a 5xx after every try, with a web page, or with what cannot be read. Otherwise it is about
    /// the side, or about us. Objects that were readable before tell the one from the other where a
    /// whole side refuses.
    pub(crate) fn is_about_object(&self) -> bool {
        match self {
            Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Unbelievable { .. }
            | Self::Unresolved { .. } => true,
            Self::NoAnswer { status, .. } => status.is_some(),
            Self::Unreachable { .. }
            | Self::SignIn { .. }
            | Self::RateLimited { .. }
            | Self::Paused { .. }
            | Self::Taker(_) => false,
        }
    }

    /// What was asked, as it stands in the text; empty where that does not say.
    pub(crate) fn operation(&self) -> &str {
        match self {
            Self::NoAnswer { operation, .. }
            | Self::Forbidden { operation, .. }
            | Self::NotFound { operation }
            | Self::Paused { operation }
            | Self::Refused { operation, .. }
            | Self::Unbelievable { operation, .. } => operation,
            Self::Unreachable { .. }
            | Self::SignIn { .. }
            | Self::RateLimited { .. }
            | Self::Unresolved { .. }
            | Self::Taker(_) => "",
        }
    }

    /// Whether the connection broke, or nothing came in time: that may be about one object as well.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self, Self::NoAnswer { status: None, .. })
    }

    /// Whether the call certainly changed nothing, so that even a write may be sent again.
    pub(super) fn was_not_executed(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::RateLimited { .. })
    }

    /// Nothing came within this time, in which something always came before.
    pub(crate) fn silent(time: Duration) -> Self {
        Self::no_answer("asking who we are", format!("nothing came within {} s", time.as_secs()))
    }

    pub(super) fn unbelievable(operation: &str, why: impl Into<String>) -> Self {
        Self::Unbelievable { operation: operation.to_owned(), why: why.into() }
    }

    pub(super) fn no_answer(operation: &str, why: impl Into<String>) -> Self {
        Self::NoAnswer { operation: operation.to_owned(), why: why.into(), status: None }
    }

    pub(super) fn from_http(operation: &str, error: HttpError) -> Self {
        match error {
            HttpError::Unreachable { .. } | HttpError::ForeignHost { .. } | HttpError::Setup(_) => {
                Self::Unreachable { why: error.to_string() }
            }
            HttpError::NoAnswer { reason, .. } => Self::no_answer(operation, reason),
            HttpError::TooLarge { .. } => Self::no_answer(operation, error.to_string()),
        }
    }
}

fn in_words(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(" {} s", wait.as_secs()))
}

/// A text of the instance, as one short line.
pub(super) fn clean(text: &str) -> String {
    http::one_line(text, LONGEST_TEXT)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::http::Answer;
    use crate::servicenow::wire;

    fn answered(status: u16, kind: &str, body: &str) -> ServiceNowError {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        let answer = Answer { status, headers, body: body.as_bytes().to_vec() };
        wire::row("reading the person a1", &answer).unwrap_err()
    }

    #[test]
    fn an_answer_about_an_object_is_told_from_a_side_in_trouble() {
        let (json, html) = ("application/json", "text/html");
        let failure = r#"{"error":{"message":"No Record found","detail":"d"},"status":"failure"}"#;
        for (status, kind, body, about_object) in [
            (400, json, failure, true),
            (403, json, failure, true),
            (403, html, "<html>blocked</html>", true),
            (404, json, failure, true),
            (404, html, "<html>", true),
            (414, html, "<html>", true),
            (500, json, failure, true),
            (503, html, "<html>", true),
            (200, html, "<html>login</html>", true),
            (200, json, r#"{"result":"#, true),
            (200, json, r#"{"result":[]}"#, true),
            (200, json, "{}", true),
            (202, json, "{}", true),
            (302, html, "", true),
            (401, json, failure, false),
            (429, json, failure, false),
        ] {
            let error = answered(status, kind, body);
            assert_eq!(error.is_about_object(), about_object, "{error}");
            let named = error.to_string().contains("reading the person a1");
            assert_eq!(named, about_object, "{error}");
        }
        let (host, reason) = (String::new(), String::new());
        for error in [
            HttpError::NoAnswer { host: host.clone(), reason: reason.clone() },
            HttpError::Unreachable { host, reason },
        ] {
            assert!(!ServiceNowError::from_http("reading", error).is_about_object());
        }
    }
}
