//! Okta's error envelope and the codes that the simulator answers with.

use serde_json::{Value, json};

use crate::sim::http::Response;

/// A refused call.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub code: &'static str,
    status: u16,
    summary: String,
    causes: Vec<String>,
    headers: Vec<(&'static str, String)>,
    bare: bool,
}

/// What is fixed about one code: code, status, text.
const CODES: &[(&str, u16, &str)] = &[
    ("E0000001", 400, "Api validation failed"),
    ("E0000002", 400, "The request was not valid"),
    ("E0000003", 400, "The request body was not well-formed."),
    ("E0000004", 401, "Authentication failed"),
    ("E0000005", 403, "Invalid session"),
    ("E0000006", 403, "You do not have permission to perform the requested action"),
    ("E0000007", 404, "Not found: Resource not found"),
    ("E0000008", 404, "The requested path was not found"),
    ("E0000009", 500, "Internal Server Error"),
    ("E0000010", 503, "Service is in read only mode"),
    ("E0000011", 401, "Invalid token provided"),
    ("E0000015", 401, "You do not have permission to access the feature you are requesting"),
    ("E0000016", 403, "Activation failed because the user is already active"),
    ("E0000017", 403, "Password reset failed"),
    ("E0000018", 400, "Bad request. Accept and/or Content-Type headers are likely not set."),
    (
        "E0000021",
        400,
        "Bad request. Accept and/or Content-Type headers do not match supported values.",
    ),
    ("E0000022", 405, "The endpoint does not support the provided HTTP method"),
    ("E0000023", 403, "Operation failed because user profile is mastered under another system"),
    ("E0000028", 400, "The request is missing a required parameter."),
    ("E0000031", 400, "Invalid search criteria."),
    ("E0000032", 403, "Unlock is not allowed for this user"),
    ("E0000033", 400, "Bad request. Can't specify a search query and filter in the same request."),
    ("E0000038", 403, "This operation is not allowed in the user's current status."),
    ("E0000047", 429, "API call exceeded rate limit due to too many requests."),
    ("E0000053", 400, "Invalid filter"),
    ("E0000060", 501, "Unsupported operation."),
    ("E0000077", 403, "Cannot modify a read-only attribute"),
    ("E0000078", 403, "Cannot modify an immutable attribute"),
    ("E0000093", 400, "Target count limit exceeded"),
    ("E0000100", 503, "Unable to perform search query."),
    ("E0000107", 403, "Cannot transition to the requested state from the current one"),
    ("E0000112", 409, "Unable to update the user: the user is still being activated"),
    (
        "E0000124",
        400,
        "Could not create user. To create a user and expire their password immediately, a password must be specified",
    ),
    (
        "E0000125",
        400,
        "Could not create user. To create a user and expire their password immediately, \"activate\" must be true",
    ),
    ("E0000231", 412, "The ETag does not match the current version"),
    ("E0000242", 400, "The If-Match header is not well-formed"),
    ("E0000256", 414, "The response header would be too large"),
];

impl Problem {
    /// The problem of this code with its usual status and text.
    pub fn new(code: &'static str) -> Self {
        let known = CODES.iter().find(|(known, ..)| *known == code);
        let (status, summary) = known.map_or((500, "Internal Server Error"), |it| (it.1, it.2));
        Self {
            code,
            status,
            summary: summary.to_owned(),
            causes: Vec::new(),
            headers: Vec::new(),
            bare: false,
        }
    }

    /// A validation failure of one field; the cause begins with the field where `text` says so.
    pub fn invalid(field: &str, text: impl Into<String>) -> Self {
        let mut problem = Self::new("E0000001").cause(text);
        problem.summary = format!("Api validation failed: {field}");
        problem
    }

    /// A value that another object already has.
    pub fn taken(field: &str) -> Self {
        let text = "An object with this field already exists in the current organization";
        Self::invalid(field, format!("{field}: {text}"))
    }

    /// An object that is not there (or pretends not to be).
    pub fn missing(id: &str, kind: &str) -> Self {
        let mut problem = Self::new("E0000007");
        problem.summary = format!("Not found: Resource not found: {id} ({kind})");
        problem
    }

    /// A refusal of the token itself: no envelope, the reason is in `WWW-Authenticate`.
    pub fn challenge(status: u16, header: String) -> Self {
        let mut problem = Self::new("E0000006").header("WWW-Authenticate", header);
        problem.status = status;
        problem.bare = true;
        problem
    }

    /// With one more cause.
    pub fn cause(mut self, text: impl Into<String>) -> Self {
        self.causes.push(text.into());
        self
    }

    /// With one more header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As an answer.
    pub fn response(&self, error_id: &str) -> Response {
        let mut response = if self.bare {
            Response::empty(self.status)
        } else {
            Response::json(self.status, &self.envelope(error_id))
        };
        for (name, value) in &self.headers {
            response = response.with_header(name, value);
        }
        response
    }

    fn envelope(&self, error_id: &str) -> Value {
        let cause = |text: &String| json!({"errorSummary": text});
        json!({
            "errorCode": self.code,
            "errorSummary": self.summary,
            "errorLink": self.code,
            "errorId": error_id,
            "errorCauses": self.causes.iter().map(cause).collect::<Vec<_>>(),
        })
    }
}

/// The code that goes with a bare status, for faults that name only the status.
pub(super) fn code_for(status: u16) -> &'static str {
    CODES.iter().filter(|(_, of, _)| *of == status).map(|(code, ..)| *code).next_back().map_or(
        "E0000009",
        |last| match status {
            400 => "E0000001",
            401 => "E0000011",
            403 => "E0000006",
            404 => "E0000007",
            409 => "E0000112",
            503 => "E0000010",
            _ => last,
        },
    )
}

/// An OAuth error of the token endpoint.
pub(super) fn oauth(status: u16, error: &str, description: &str) -> Response {
    Response::json(status, &json!({"error": error, "error_description": description}))
}
