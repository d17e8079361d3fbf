// Where foreign input comes in. Shared by the tests and the fuzz targets.

use std::path::Path;
use std::sync::OnceLock;

use goldthread::config::{self, Environment};
use goldthread::http::{Answer, RetryPolicy};
use goldthread::policy::dates::{self, Edge};
use goldthread::policy::expression::{Expression, Scope};
use goldthread::servicenow::query::Filter;
use goldthread::servicenow::{Auth, Connection, ServiceNowReader, Settings};
use goldthread::{okta, servicenow};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

const STATUSES: [u16; 16] =
    [200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 409, 429, 500, 503, 599];
const HEADERS: [&str; 10] = [
    "content-type",
    "link",
    "x-total-count",
    "retry-after",
    "date",
    "x-rate-limit-reset",
    "x-rate-limit-limit",
    "www-authenticate",
    "x-okta-request-id",
    "x-rate-limit-remaining",
];

/// An answer made of bytes: one for the status, lines of headers that each begin with one for the
/// name, an empty line, and the body. It is JSON where nothing else is said.
pub fn answer(bytes: &[u8]) -> Answer {
    let (first, mut rest) = bytes.split_first().unwrap_or((&0, &[]));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = &after[1..];
        let Some((name, value)) = line.split_first() else { break };
        let name = HEADERS[usize::from(*name) % HEADERS.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let status = STATUSES[usize::from(*first) % STATUSES.len()];
    Answer { status, headers, body: rest.to_vec() }
}

/// An answer of Okta's.
pub fn from_okta(bytes: &[u8]) {
    okta::fuzz_answer(&answer(bytes));
}

/// An answer of ServiceNow's.
pub fn from_servicenow(bytes: &[u8]) {
    static READER: OnceLock<ServiceNowReader> = OnceLock::new();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let reader = READER.get_or_init(|| {
        let settings = Settings {
            url: "http://127.0.0.1:1".parse().unwrap(),
            auth: Auth::Basic { username: "svc".into(), password: "s3cret".into() },
            users: "active=true^user_nameISNOTEMPTY^sys_mod_count>3".into(),
            requests: String::new(),
            page_size: 2,
            share: 0.5,
            person_fields: names(&["department.name"]),
            variables: names(&["employee"]),
            request_fields: names(&["short_description"]),
            items: names(&["Okta onboarding"]),
            order_approval: true,
            state_done: "3".into(),
            retry: RetryPolicy::default(),
        };
        ServiceNowReader::new(Connection::new(settings).unwrap())
    });
    servicenow::fuzz_answer(reader, &answer(bytes));
}

/// The way to the next page.
pub fn as_link(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("link", value);
        }
    }
    okta::fuzz_answer(&Answer { status: 200, headers, body: Vec::new() });
}

/// A configuration. Nothing that it names is opened.
pub fn as_configuration(text: &str) {
    let environment = Environment { without_secrets: true, ..Environment::default() };
    let path = Path::new("/etc/goldthread/config.toml");
    if let Err(error) = config::parse(text, path, None, &environment) {
        assert!(error.to_string().contains("config"), "{error}");
    }
}

/// An expression over a record: the first line is the expression, the second the record's title.
pub fn as_mapping(text: &str) {
    let (source, title) = text.split_once('\n').unwrap_or((text, "Engineer"));
    let Ok(expression) = Expression::compile(source, &["user"]) else { return };
    let record = [("title", title), ("email", "a@example.com"), ("department.name", "Sales")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let scope = Scope::person(&record.into());
    let _ = (expression.text(&scope), expression.truth(&scope), expression.fields("user"));
}

/// A date of a request, an encoded query, and a stored moment.
pub fn as_date(text: &str) {
    for zone in ["UTC", "Europe/Berlin", "Africa/Cairo", "Pacific/Apia", "America/Sao_Paulo"] {
        let zone = zone.parse().unwrap();
        for edge in [Edge::Start, Edge::End] {
            let _ = dates::read(text, zone, edge);
        }
    }
    if let Ok(filter) = Filter::parse(text) {
        let row = [("active", text), ("name", "x")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let _ = (filter.matches(&row.into()), filter.ordered(), filter.ordered_after(text));
    }
}
