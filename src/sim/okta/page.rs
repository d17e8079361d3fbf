//! Paging: limits, opaque cursors and `Link` headers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::errors::Problem;
use crate::sim::http::{Request, Response};

/// The page size that a call asks for, cut at `max`.
pub(super) fn limit(call: &Request, default: usize, max: usize) -> Result<usize, Problem> {
    match call.query("limit").map(str::parse::<usize>) {
        None => Ok(default),
        Some(Ok(limit)) if limit > 0 => Ok(limit.min(max)),
        Some(_) => Err(Problem::invalid("limit", "limit: The limit is not valid")),
    }
}

/// A cursor that nobody is tempted to read.
pub(super) fn cursor(position: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("c1:{position}"))
}

/// What a cursor stands for.
pub(super) fn position(cursor: &str) -> Result<String, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    let position = text.strip_prefix("c1:").map(str::to_owned);
    position.ok_or_else(|| Problem::new("E0000031").cause("Invalid cursor"))
}

/// The position that a call starts after.
pub(super) fn after(call: &Request) -> Result<Option<String>, Problem> {
    call.query("after").map(position).transpose()
}

/// The `self` line.
pub(super) fn self_link(call: &Request, base: &str) -> String {
    let mark = if call.raw_query.is_empty() { "" } else { "?" };
    format!("<{base}{}{mark}{}>; rel=\"self\"", call.path, call.raw_query)
}

/// The `next` line: the same call with another cursor and only the parameters that `kept` keeps.
pub(super) fn next_link(
    call: &Request,
    base: &str,
    cursor: &str,
    kept: impl Fn(&str) -> bool,
) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("after", cursor);
    for (name, value) in call.query.iter().filter(|(name, _)| name != "after" && kept(name)) {
        query.append_pair(name, value);
    }
    format!("<{base}{}?{}>; rel=\"next\"", call.path, query.finish())
}

/// Adds the `Link` lines of a list: `next` only where there is more.
pub(super) fn linked(
    response: Response,
    call: &Request,
    base: &str,
    next: Option<&str>,
) -> Response {
    let response = response.with_header("Link", self_link(call, base));
    match next {
        None => response,
        Some(position) => {
            let line = next_link(call, base, &cursor(position), |_| true);
            response.with_header("Link", line)
        }
    }
}
