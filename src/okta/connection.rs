//! A connection to Okta: signs, keeps to the rate limits, tries again where that is safe.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::Method;
use reqwest::header::{HeaderMap, LINK};
use serde_json::Value;
use url::Url;

use super::Settings;
use super::envelope::{from_answer, request_id};
use super::error::{OktaError, unbelievable};
use super::limits::{self, Budget, Limits};
use super::sign_in::{self, SignIn};
use super::slots::Slots;
use crate::http::{
    self, Answer, Brake, Call, Http, NotJson, Progress, Retry, RetryPolicy, ServerClock,
};

/// A connection to one org. Clones share the pool, the token and what is known of the rate limits.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    http: Http,
    sign_in: Arc<SignIn>,
    limits: Arc<Mutex<Limits>>,
    slots: Arc<Slots>,
    /// Its calls wait for no ordinary ones: for somebody who leaves, and for the next look.
    urgent: bool,
    clock: Arc<ServerClock>,
    share: f64,
    retry: RetryPolicy,
}

/// One call, before it is signed. Its comment stands in the System Log.
#[derive(Debug)]
pub(super) struct Request {
    /// What it does, as words after "to".
    pub operation: &'static str,
    pub call: Call,
    pub idempotency: Idempotency,
}

/// When a call without an answer may be sent once more. A call that was certainly not executed
/// (429, no connection) always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idempotency {
    /// A read: as often as any failed call is tried again.
    Read,
    /// A write that comes to the same when it is done twice: two more times.
    Idempotent,
    /// A write that must not be done twice.
    OnceOnly,
}

/// The elements of a list that make sense, and those that do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed<T> {
    pub found: Vec<T>,
    pub set_aside: Vec<SetAside>,
}

/// An element that was left out of a list: it is there, and nothing more is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetAside {
    /// Its id, at most 100 characters of it, where it has one.
    pub id: Option<String>,
    /// What is wrong with it.
    pub why: String,
}

impl<T> Listed<T> {
    /// The whole list, or what is wrong with an element of it.
    pub(super) fn whole(self, operation: &'static str) -> Result<Vec<T>, OktaError> {
        match self.set_aside.first() {
            Some(SetAside { why, .. }) => Err(unbelievable(operation, why)),
            None => Ok(self.found),
        }
    }
}

impl Connection {
    /// A connection that may read and write. Sends nothing yet.
    pub(crate) fn new(settings: Settings) -> Result<Self, OktaError> {
        Self::with_scopes(settings, sign_in::WRITING)
    }

    /// A connection whose token carries only scopes for reading.
    pub(crate) fn read_only(settings: Settings) -> Result<Self, OktaError> {
        Self::with_scopes(settings, sign_in::READING)
    }

    fn with_scopes(settings: Settings, scopes: &'static str) -> Result<Self, OktaError> {
        let http = Http::new(settings.url, settings.retry);
        let http = http.map_err(|error| OktaError::from_http("set up", &error))?;
        Ok(Self {
            sign_in: Arc::new(SignIn::new(&settings.auth, &http, scopes)?),
            http,
            limits: Arc::default(),
            slots: Arc::default(),
            urgent: false,
            clock: Arc::default(),
            share: settings.share,
            retry: settings.retry,
        })
    }

    /// Calls sent since the start, failed ones and those for tokens included.
    pub(crate) fn calls(&self) -> u64 {
        self.http.calls()
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.http.progress
    }

    pub(crate) fn brake(&self) -> &Brake {
        &self.http.brake
    }

    pub(crate) fn budget(&self) -> Vec<Budget> {
        self.limits().budget(self.share, Instant::now())
    }

    /// Calls sent since the start by rate-limit bucket, those for tokens not included.
    pub(crate) fn calls_by_bucket(&self) -> BTreeMap<&'static str, u64> {
        self.limits().calls()
    }

    /// Goes on counting where another connection to the same org was.
    #[must_use]
    pub(crate) fn counting_with(mut self, other: &Self) -> Self {
        self.limits = Arc::clone(&other.limits);
        self.slots = Arc::clone(&other.slots);
        self
    }

    /// The same connection for calls that should wait for nobody else's, as a leaver's.
    #[must_use]
    pub(super) fn urgently(&self) -> Self {
        Self { urgent: true, ..self.clone() }
    }

    /// The clock of the org as of its last answer.
    pub(crate) fn org_time(&self) -> Option<DateTime<Utc>> {
        self.clock.now()
    }

    /// The scopes that Okta granted; `None` for an SSWS token or before the first call.
    pub(crate) async fn granted_scopes(&self) -> Option<Vec<String>> {
        self.sign_in.granted().await
    }

    /// As [`SignIn::would_get`].
    pub(crate) async fn would_get_scope(&self, scope: &str) -> Result<Option<bool>, OktaError> {
        self.sign_in.would_get(&self.http, scope).await
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        if let SignIn::App(app) = &*self.sign_in { Some(&app.client_id) } else { None }
    }

    pub(super) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.http.url(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends a call until it is answered with 2xx or there is nothing more to try.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, OktaError> {
        let mut backoff = self.retry.backoff().prolonging_announced_waits(self.margin());
        let mut idempotent_repeats = 2;
        let mut lost = None;
        loop {
            let error = match self.attempt(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let unanswered = matches!(error, OktaError::NoAnswer { .. });
            let repeatable = match request.idempotency {
                Idempotency::Read => true,
                Idempotency::Idempotent if unanswered => idempotent_repeats > 0,
                Idempotency::Idempotent | Idempotency::OnceOnly => error.was_not_executed(),
            };
            let retry = if repeatable { error.retry() } else { Retry::Never };
            let Some(wait) = backoff.next_wait(retry) else {
                return Err(final_error(error, lost));
            };
            tracing::debug!(operation = request.operation, ?wait, %error, "trying Okta again");
            if unanswered && request.idempotency != Idempotency::Read {
                idempotent_repeats -= 1;
                lost = lost.or(Some(error));
            }
            self.http.progress.sleep(wait).await;
        }
    }

    /// Sends a call, once more if its token was refused or its proof lacked a nonce: Okta did not
    /// execute it then.
    async fn attempt(&self, request: &Request) -> Result<Answer, OktaError> {
        let &Request { operation, ref call, .. } = request;
        let bucket = limits::bucket(&call.method, call.url.path());
        let mut renewable = true;
        loop {
            self.wait_for_turn(bucket, operation).await?;
            let slot = self.slots.take(self.urgent).await;
            let unsigned = call.clone().header("accept", "application/json");
            let unsigned = unsigned.header("content-type", content_type(call));
            let (signed, token) = self.sign_in.sign(&self.http, unsigned, operation).await?;
            if self.http.brake.is_on() && request.idempotency != Idempotency::Read {
                return Err(OktaError::Paused { operation });
            }
            if !self.begin(bucket) {
                // Others took the rest of the window while this one waited for its slot.
                continue;
            }
            let answer = self.http.send(signed).await;
            drop(slot);
            let answer = answer.map_err(|error| OktaError::from_http(operation, &error))?;
            self.limits().answered(bucket, &answer, self.margin(), Instant::now());
            // A proxy's clock is not the org's.
            if request_id(&answer).is_some() {
                self.clock.learn(&answer);
            }
            let sign_again = self.sign_in.answered(&token, &answer).await;
            if answer.is_success() {
                return Ok(answer);
            }
            if !(sign_again && renewable) {
                return Err(from_answer(operation, &answer));
            }
            renewable = false;
        }
    }

    async fn wait_for_turn(
        &self,
        bucket: &'static str,
        operation: &'static str,
    ) -> Result<(), OktaError> {
        let wait = || self.limits().wait(bucket, self.share, Instant::now());
        http::wait_for_turn(&self.http.progress, self.retry.longest_wait, wait).await.map_err(
            |retry_after| OktaError::RateLimited { operation: operation.into(), retry_after },
        )
    }

    /// Counts a call as sent, if one may be sent now.
    fn begin(&self, bucket: &'static str) -> bool {
        let mut limits = self.limits();
        let may = limits.wait(bucket, self.share, Instant::now()).is_zero();
        if may {
            limits.sent(bucket);
        }
        may
    }

    /// Added to the announced end of a rate window: by default the second that Okta's own clients
    /// add (<https://github.com/okta/okta-sdk-golang/blob/cf104e7f/okta/client.go>).
    fn margin(&self) -> Duration {
        self.retry.first_wait * 2
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        http::unpoisoned(&self.limits)
    }

    /// A GET, repeated as often as any failed read.
    async fn get(&self, operation: &'static str, url: Url) -> Result<Answer, OktaError> {
        let call = Call::new(Method::GET, url);
        self.send(&Request { operation, call, idempotency: Idempotency::Read }).await
    }

    pub(super) async fn read(&self, operation: &'static str, url: Url) -> Result<Value, OktaError> {
        json(operation, &self.get(operation, url).await?)
    }

    /// Reads a list that comes in one answer.
    pub(super) async fn page<T>(
        &self,
        operation: &'static str,
        url: Url,
        read: impl Fn(&'static str, Value) -> Result<T, OktaError>,
    ) -> Result<Listed<T>, OktaError> {
        elements(operation, &self.get(operation, url).await?, &read)
    }

    /// Reads every page of a list, one after the other.
    /// The next page is where `Link` says, verbatim
    /// (<https://developer.okta.com/docs/reference/core-okta-api/>). There is no count to check
    /// against, so what is checked is that it stays with this host and never turns in a circle. A
    /// cursor that Okta no longer takes starts the list once more, so that `on_page` may see
    /// elements twice. Gives the elements that make no sense by themselves; where that is all of
    /// several, the list is not believed.
    pub(super) async fn pages<T, E: From<OktaError>>(
        &self,
        operation: &'static str,
        first: Url,
        read: impl Fn(&'static str, Value) -> Result<T, OktaError>,
        on_page: &mut dyn FnMut(Vec<T>) -> Result<(), E>,
    ) -> Result<Vec<SetAside>, E> {
        let doubt = |why: &str| unbelievable(operation, why);
        let mut restarted = false;
        let (mut found, mut set_aside) = (0, Vec::new());
        let mut seen = HashSet::new();
        let mut next = Some(first.clone());
        while let Some(url) = next {
            let on_first_page = seen.is_empty();
            if !seen.insert(url.clone()) {
                return Err(doubt("the next page is one that was read already").into());
            }
            let answer = match self.get(operation, url).await {
                Err(error) if error.is_bad_cursor() && !on_first_page && !restarted => {
                    restarted = true;
                    set_aside.clear();
                    seen.clear();
                    next = Some(first.clone());
                    continue;
                }
                answer => answer?,
            };
            let page = elements(operation, &answer, &read)?;
            found += page.found.len();
            set_aside.extend(page.set_aside);
            next = next_page(&answer.headers)
                .map(|target| Url::parse(&target))
                .transpose()
                .map_err(|_| doubt("the address of the next page cannot be read"))?;
            if next.as_ref().is_some_and(|url| url.origin() != self.http.base.origin()) {
                return Err(doubt("the next page is on another host").into());
            }
            on_page(page.found)?;
        }
        match set_aside.as_slice() {
            [first, _, ..] if found == 0 => Err(doubt(&first.why).into()),
            _ => Ok(set_aside),
        }
    }
}

fn elements<T>(
    operation: &'static str,
    answer: &Answer,
    read: impl Fn(&'static str, Value) -> Result<T, OktaError>,
) -> Result<Listed<T>, OktaError> {
    let Value::Array(elements) = json(operation, answer)? else {
        return Err(unbelievable(operation, "a list was expected"));
    };
    let mut listed = Listed { found: Vec::with_capacity(elements.len()), set_aside: Vec::new() };
    for element in elements {
        if element.get("errorCode").is_some() {
            return Err(unbelievable(operation, "an error stands among its elements"));
        }
        let id = element.get("id").and_then(Value::as_str);
        let id = id.map(|id| id.chars().take(100).collect());
        match read(operation, element) {
            Ok(it) => listed.found.push(it),
            Err(OktaError::Unbelievable { why, .. }) => {
                listed.set_aside.push(SetAside { id, why });
            }
            Err(error) => listed.set_aside.push(SetAside { id, why: error.to_string() }),
        }
    }
    Ok(listed)
}

/// What to say of a call in the end: that it is refused for now says nothing of an earlier try whose
/// answer was `lost`, which may have been carried out.
fn final_error(error: OktaError, lost: Option<OktaError>) -> OktaError {
    match lost {
        Some(lost) if error.is_transient() || matches!(error, OktaError::SignIn { .. }) => lost,
        _ => error,
    }
}

/// By this header reads of accounts leave out links that nobody here follows
/// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/listUsers>).
/// The credentials must stay, because `credentials.provider.type` says who owns the profile.
fn content_type(call: &Call) -> &'static str {
    if call.method == Method::GET && call.url.path().starts_with("/api/v1/users") {
        "application/json; okta-response=omitCredentialsLinks"
    } else {
        "application/json"
    }
}

pub(super) fn json(operation: &'static str, answer: &Answer) -> Result<Value, OktaError> {
    http::json(answer).map_err(|why| match why {
        NotJson::Html | NotJson::Other => {
            unbelievable(operation, "it is not JSON but, say, a login page or a proxy's notice")
        }
        NotJson::Broken => unbelievable(operation, "its JSON is broken"),
    })
}

/// The target of `rel="next"`.
/// There is one header line for each relation (<https://developer.okta.com/docs/reference/core-okta-api/>);
/// proxies join them with commas, and commas also stand inside the addresses.
pub(super) fn next_page(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|line| line.to_str().ok()).find_map(next_in)
}

fn next_in(line: &str) -> Option<String> {
    // What stands behind an address runs to the next one: it holds no `<`.
    line.split('<').skip(1).map_while(|link| link.split_once('>')).find_map(|(target, rest)| {
        let is_next =
            rest.split([';', ',']).filter_map(|it| it.split_once('=')).any(|(name, value)| {
                let mut relations = value.trim().trim_matches('"').split_whitespace();
                name.trim().eq_ignore_ascii_case("rel")
                    && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
            });
        is_next.then(|| target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn next_of(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(LINK, HeaderValue::from_static(line));
        }
        next_page(&headers)
    }

    #[test]
    fn several_header_lines_are_searched() {
        let lines = [
            r#"<https://o.example/api/v1/users?limit=2>; rel="self""#,
            r#"<https://o.example/api/v1/users?after=x&limit=2>; rel="next""#,
        ];
        assert_eq!(next_of(&lines).unwrap(), "https://o.example/api/v1/users?after=x&limit=2");
    }

    #[test]
    fn one_joined_line_with_commas_inside_addresses_is_taken_apart() {
        let line = r#"<https://o.example/u?fields=id,status>; rel="self", <https://o.example/u?after=a,b>; rel="next""#;
        assert_eq!(next_of(&[line]).unwrap(), "https://o.example/u?after=a,b");
    }

    #[test]
    fn the_last_page_has_no_next_page() {
        assert_eq!(next_of(&[r#"<https://o.example/u?title=rel=next>; rel="self""#]), None);
        assert_eq!(next_of(&[]), None);
        assert_eq!(next_of(&["nonsense <"]), None);
    }

    #[test]
    fn unquoted_and_multiple_relations_count() {
        assert_eq!(
            next_of(&["<https://o.example/2>; title=x; rel=next"]).unwrap(),
            "https://o.example/2"
        );
        assert_eq!(
            next_of(&[r#"<https://o.example/2>;rel="last next""#]).unwrap(),
            "https://o.example/2"
        );
    }
}
