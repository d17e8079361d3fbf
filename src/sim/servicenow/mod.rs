//! A simulated ServiceNow instance: Table, Aggregate and Service Catalog API over people and requests.
//!
//! [`ServiceNow`] is both the application behind HTTP and the hand of the people who work with the
//! instance: HR, requesters, approvers, administrators.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod approvals;
mod auth;
mod catalog;
mod errors;
mod flow;
mod hand;
mod limits;
mod query;
mod render;
mod schema;
mod state;
mod switches;
mod table_api;
#[cfg(test)]
mod tests;

pub use auth::Credentials;
pub use catalog::{ApprovalBy, Item, Variable};
pub use hand::{Ordered, RequestView};
pub use schema::Kind;
pub use state::Row;
pub(in crate::sim) use state::derived_id;
pub use switches::{CutList, FlowState, InvalidQuery, Refusal, RefusedText, Switches};

use super::clock::Clock;
use super::faults::Faults;
use super::http::{App, Request, Response, Server};
use state::State;

/// One call that the instance received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Upper-case method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The decoded query.
    pub query: Vec<(String, String)>,
    /// The body as text; empty for the token endpoint.
    pub body: String,
    /// The status of the answer.
    pub status: u16,
    /// The `User-Agent` that was sent.
    pub user_agent: String,
    /// The cookies that were sent; a good client keeps none.
    pub cookie: String,
}

/// A simulated instance. Clones are the same instance.
#[derive(Clone)]
pub struct ServiceNow {
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for ServiceNow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ServiceNow").finish_non_exhaustive()
    }
}

impl ServiceNow {
    /// An instance without people and items, but with the API user and the stock choices.
    pub fn new(clock: Clock, seed: u64) -> Self {
        let mut state = State::new(clock, seed);
        hand::stock(&mut state);
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Puts the instance behind HTTP on a free port of the loopback address.
    pub fn serve(&self, faults: Arc<Faults>) -> std::io::Result<Server> {
        self.serve_on(SocketAddr::from(([127, 0, 0, 1], 0)), faults)
    }

    /// Puts the instance behind HTTP.
    pub fn serve_on(&self, listen: SocketAddr, faults: Arc<Faults>) -> std::io::Result<Server> {
        Server::start(listen, Arc::new(self.clone()), faults)
    }

    /// The state, with everything done that is due.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tick();
        state
    }
}

impl App for ServiceNow {
    fn handle(&self, request: &Request, base_url: &str) -> Response {
        let mut state = self.lock();
        let mut response = state.answer(request, base_url);
        if request.method == "HEAD" {
            response.body.clear();
        }
        let secret = request.path == "/oauth_token.do";
        let body = if secret { "".into() } else { String::from_utf8_lossy(&request.body) };
        let call = Call {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            body: body.into_owned(),
            status: response.status,
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
            cookie: request.header("cookie").unwrap_or_default().to_owned(),
        };
        state.calls.push(call);
        dated(response, &state)
    }

    fn fault_body(&self, status: u16) -> Response {
        dated(errors::of_status(status), &self.lock())
    }

    /// With a time it is the rate rule, without one the queue of waiting calls is full.
    fn too_many_requests(&self, reset_after_seconds: Option<u64>) -> Response {
        let state = self.lock();
        let refusal = dated(errors::of_status(429), &state);
        let Some(seconds) = reset_after_seconds else {
            return refusal;
        };
        let reset = state.clock.now().timestamp() + i64::try_from(seconds).unwrap_or(0);
        refusal
            .with_header("X-RateLimit-Limit", "500")
            .with_header("X-RateLimit-Reset", reset.to_string())
            .with_header("Retry-After", seconds.to_string())
    }

    fn login_page(&self) -> Response {
        dated(errors::hibernating(), &self.lock())
    }
}

/// Says when it was answered, by the instance's own clock.
fn dated(response: Response, state: &State) -> Response {
    let now = state.clock.now();
    response.with_header("Date", now.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

impl State {
    fn answer(&mut self, request: &Request, base_url: &str) -> Response {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        if segments == ["oauth_token.do"] {
            return self.token(request);
        }
        if request.path.len() + request.raw_query.len() > self.switches.longest_url {
            return Response::html(414, "<html><body>Request-URI Too Long</body></html>");
        }
        if let Some(refusal) = self.refused_text(request) {
            return refusal;
        }
        let caller = match self.caller(request) {
            Ok(caller) => caller,
            Err(refusal) => return refusal,
        };
        if let Err(refusal) = acceptable(request) {
            return refusal;
        }
        if self.switches.accepted_only > 0 {
            self.switches.accepted_only -= 1;
            return Response::empty(202);
        }
        let announced = match self.admit() {
            Ok(headers) => headers,
            Err(refusal) => return refusal,
        };
        let without_version = |rest: &[&str]| -> (bool, Vec<String>) {
            let versioned = matches!(rest.first(), Some(&("v1" | "v2")));
            let rest = if versioned { &rest[1..] } else { rest };
            let rest = rest.iter().map(|it| (*it).to_owned()).collect();
            (segments.get(2) == Some(&"v1"), rest)
        };
        let mut response = match segments.as_slice() {
            ["api", "now", rest @ ..] => {
                let (v1, rest) = without_version(rest);
                let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
                match rest.as_slice() {
                    ["table", table] => self.table_call(request, v1, table, base_url, &caller),
                    ["table", table, id] => self.row_call(request, table, id, base_url, &caller),
                    ["stats", table] => self.stats(request, table, &caller),
                    _ => errors::no_resource(),
                }
            }
            ["api", "sn_sc", rest @ ..] => {
                let (_, rest) = without_version(rest);
                let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
                match rest.as_slice() {
                    ["servicecatalog", "items", rest @ ..] => {
                        self.catalog_call(request, rest, &caller)
                    }
                    _ => errors::no_resource(),
                }
            }
            _ => errors::no_resource(),
        };
        response.headers.extend(announced);
        response
            .with_header("Set-Cookie", "JSESSIONID=0A1B2C3D4E5F; Path=/; HttpOnly")
            .with_header("Set-Cookie", "glide_user_route=glide.5f6e7d8c; Path=/; HttpOnly")
    }
}

impl State {
    /// What comes where the query holds a text that is not let pass.
    fn refused_text(&self, request: &Request) -> Option<Response> {
        let values: Vec<String> =
            request.query.iter().map(|(_, value)| value.to_lowercase()).collect();
        let stands = |text: &str| values.iter().any(|value| value.contains(text));
        let refused = self.switches.refused_texts.iter();
        let refused = refused.clone().find(|it| stands(&it.text.to_lowercase()))?;
        Some(match refused.answer {
            Refusal::Error(403) => errors::query_refused(),
            Refusal::Error(status) => errors::of_status(status),
            Refusal::Page(status) => {
                Response::html(status, "<html><body>The request was blocked.</body></html>")
            }
        })
    }
}

/// Refuses what is neither sent nor wanted as JSON.
fn acceptable(request: &Request) -> Result<(), Response> {
    let json = |header: &str| header.contains("json") || header.contains("*/*");
    match request.header("accept") {
        None => return Err(errors::bad_request("The Accept header is missing")),
        Some(accept) if !json(accept) => {
            return Err(errors::error(406, "Requested media type is not supported", None));
        }
        Some(_) => {}
    }
    if !["POST", "PUT", "PATCH", "DELETE"].contains(&request.method.as_str()) {
        return Ok(());
    }
    match request.header("content-type") {
        None => Err(errors::bad_request("The Content-Type header is missing")),
        Some(kind) if !json(kind) => Err(errors::error(415, "Unsupported media type", None)),
        Some(_) => Ok(()),
    }
}
