//! Sending a call once: identity, time-outs, a size limit, no cookies, no redirects. Tells apart a
//! call that was never sent, a call without an answer, and an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{
    CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue, USER_AGENT,
};
use reqwest::{Method, redirect};
use url::{Url, form_urlencoded};

use super::brief::no_longer_than;
use super::{Brake, Progress, RetryPolicy};

pub(crate) const PRODUCT: &str = concat!("goldthread/", env!("CARGO_PKG_VERSION"));

/// An answer larger than this is refused: no page of either API comes near it.
const MAX_BODY: u64 = 64 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection pool to one system. Clones share the pool and the count of calls.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    pub base: Url,
    longest_call: Duration,
    calls: Arc<AtomicU64>,
    /// Ticks with every piece of an answer, and in every wait between calls.
    pub progress: Progress,
    pub brake: Brake,
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub method: Method,
    /// Scheme, host, path and query. Of another host than the pool's it is refused.
    pub url: Url,
    /// Everything but `User-Agent`, which every call gets.
    pub headers: HeaderMap,
    /// What is sent with it; empty where there is none.
    pub body: Vec<u8>,
    /// Added to the product's name in `User-Agent`, such as `(RITM0010001; action 4711)`.
    pub comment: Option<String>,
}

impl Call {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Vec::new(), comment: None }
    }

    /// Adds a header. A value that cannot stand in one is left out.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Adds a header that no `Debug` output shows.
    /// Fails where the value cannot stand in one, as with a line break: sent without it, the call
    /// would be somebody else's.
    pub(crate) fn secret_header(
        mut self,
        name: &'static str,
        value: &str,
    ) -> Result<Self, InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(value)?;
        value.set_sensitive(true);
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// A POST of a form that is answered with JSON, as for an OAuth token.
    pub(crate) fn form(url: Url, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut call = Self::new(Method::POST, url)
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded");
        call.body = body.into_bytes();
        call
    }
}

/// A whole answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status, of any class: what it means is the business of the client.
    pub status: u16,
    /// Headers, one entry a line.
    pub headers: HeaderMap,
    /// The body, whole and decompressed, at most 64 MiB.
    pub body: Vec<u8>,
}

impl Answer {
    /// One header as text, the first of several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer. `host` is host and port, `reason` the innermost cause without the
/// address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The connection could not be made, so the other side has not seen the call.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable { host: String, reason: String },
    /// The call was or may have been sent, and no complete answer came.
    #[error("{host} gave no complete answer: {reason}")]
    NoAnswer { host: String, reason: String },
    /// The answer is larger than any that either API gives.
    #[error("{host} answered with more than {} MiB", MAX_BODY / 1024 / 1024)]
    TooLarge { host: String },
    /// The address leads away from the configured host, so the credentials are not sent there.
    #[error("the address leads to {host}, which is not the configured host")]
    ForeignHost { host: String },
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

impl Http {
    /// A pool for calls to `base`'s host.
    pub(crate) fn new(base: Url, policy: RetryPolicy) -> Result<Self, HttpError> {
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|error| HttpError::Setup(innermost(&error)))?;
        let (calls, progress, brake) = Default::default();
        Ok(Self { client, base, longest_call: policy.longest_call, calls, progress, brake })
    }

    /// An address below the base: each segment is percent-encoded, so an id cannot leave its place.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Calls sent since the start, failed ones included.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) async fn send(&self, call: Call) -> Result<Answer, HttpError> {
        let host = host_of(&call.url);
        if call.url.origin() != self.base.origin() {
            return Err(HttpError::ForeignHost { host });
        }
        let agent = call.comment.map_or_else(|| PRODUCT.into(), |it| format!("{PRODUCT} {it}"));
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.progress.tick();
        let mut request = self
            .client
            .request(call.method.clone(), call.url)
            .timeout(no_longer_than(self.longest_call))
            .headers(call.headers)
            .header(USER_AGENT, agent);
        // Okta answers 411 to a write without a length, and reqwest leaves it out for an empty
        // body: https://developer.okta.com/docs/reference/core-okta-api/
        if !call.body.is_empty() {
            request = request.body(call.body);
        } else if matches!(call.method, Method::POST | Method::PUT) {
            request = request.header(CONTENT_LENGTH, 0);
        }
        let failed = |error: reqwest::Error| {
            // A query may hold somebody's name, so no reason may repeat the address.
            let (host, error) = (host.clone(), error.without_url());
            let reason = innermost(&error);
            if error.is_connect() {
                HttpError::Unreachable { host, reason }
            } else {
                HttpError::NoAnswer { host, reason }
            }
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        if response.content_length().is_some_and(|length| length > MAX_BODY) {
            return Err(HttpError::TooLarge { host });
        }
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            self.progress.tick();
            let Some(chunk) = chunk.map_err(failed)? else { break };
            body.extend_from_slice(&chunk);
            if body.len() as u64 > MAX_BODY {
                return Err(HttpError::TooLarge { host });
            }
        }
        Ok(Answer { status, headers, body })
    }
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The cause at the end of the chain, which names the fault; the outer ones repeat the address.
fn innermost(mut error: &dyn std::error::Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
