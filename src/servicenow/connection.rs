//! One way to ask ServiceNow: signed, paced, repeated where that is harmless, and checked.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use chrono::Utc;
use reqwest::Method;
use secrecy::ExposeSecret;
use url::Url;

use super::auth::{Credential, SignIn};
use super::items::Items;
use super::limits::{Budget, Pacer};
use super::query::Filter;
use super::slots::{Rank, Slots};
use super::{ServiceNowError, Settings, wire};
use crate::http::{self, Answer, Brake, Call, Http, Progress, RetryPolicy, ServerClock};
use crate::model::{Record, SysId, Timestamp};

/// How often an answer that cannot be believed is asked for again, each time in half the size.
const MAX_HALVINGS: usize = 2;
/// How often a call is repeated after a 401 on a credential that worked before. More could lock
/// the account.
const UNAUTHORIZED_REPEATS: u32 = 3;

/// A connection to one instance. Clones share the token, the count of calls and the pace.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(super) shared: Arc<Shared>,
    rank: Rank,
}

#[derive(Debug)]
pub(super) struct Shared {
    http: Http,
    pub settings: Settings,
    /// `servicenow.users`: which `sys_user` rows are people.
    pub users: Filter,
    /// `servicenow.requests`: which `sc_req_item` rows are read at all.
    pub requests: Filter,
    sign_in: SignIn,
    /// The credential was accepted, and has not been refused for good since.
    worked: AtomicBool,
    slots: Slots,
    pacer: Mutex<Pacer>,
    clock: ServerClock,
    pub items: RwLock<Arc<Items>>,
}

impl Connection {
    /// Sets up a connection; sends nothing yet. Fails where one of the configured queries cannot be checked row by row.
    pub fn new(settings: Settings) -> Result<Self, ServiceNowError> {
        let parse = |key: &str, text: &str| {
            Filter::parse(text).map_err(|error| ServiceNowError::Unresolved {
                why: format!("servicenow.{key} cannot be used: {error}"),
            })
        };
        let http = Http::new(settings.url.clone(), settings.retry)
            .map_err(|error| ServiceNowError::from_http("setting up", error))?;
        let shared = Shared {
            http,
            users: parse("users", &settings.users)?,
            requests: parse("requests", &settings.requests)?,
            sign_in: SignIn::new(&settings.auth),
            worked: AtomicBool::new(false),
            slots: Slots::default(),
            pacer: Mutex::new(Pacer::new(settings.share)),
            clock: ServerClock::default(),
            items: RwLock::default(),
            settings,
        };
        Ok(Self { shared: Arc::new(shared), rank: Rank::First })
    }

    /// The same connection for calls that let others go first.
    #[must_use]
    pub(crate) fn ranked(&self, rank: Rank) -> Self {
        Self { rank, ..self.clone() }
    }

    pub(crate) fn budget(&self) -> Budget {
        self.pacer().budget(Utc::now().timestamp())
    }

    /// Goes on counting calls where another connection to the same instance is.
    #[must_use]
    pub(crate) fn counting_with(self, other: &Self) -> Self {
        self.pacer().go_on_with(&other.pacer());
        self
    }

    /// The same where an earlier process was.
    pub(crate) fn go_on_counting(&self, from: &Budget, at: Timestamp) {
        self.pacer().go_on(from, at.timestamp());
    }

    pub(crate) fn calls(&self) -> u64 {
        self.shared.http.calls()
    }

    pub(crate) fn brake(&self) -> &Brake {
        &self.shared.http.brake
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.shared.http.progress
    }

    /// The instance's clock as of its last answer: the better "now" for windows.
    pub(crate) fn server_date(&self) -> Option<Timestamp> {
        self.shared.clock.now()
    }

    fn retry(&self) -> RetryPolicy {
        self.shared.settings.retry
    }

    /// Reads one page, and says with which limit it came in the end.
    /// Parameters as in <https://www.servicenow.com/docs/r/api-reference/rest-apis/c_TableAPI.html>. Fields that do not exist or may
    /// not be read are left out of the rows without a word.
    pub(super) async fn list(
        &self,
        operation: &str,
        table: &str,
        query: &str,
        fields: &BTreeSet<String>,
        limit: u32,
    ) -> Result<(wire::Page, u32), ServiceNowError> {
        let url = |limit: u32| {
            let mut url = self.address(table, None, fields);
            url.query_pairs_mut()
                .append_pair("sysparm_query", query)
                .append_pair("sysparm_limit", &limit.to_string());
            url
        };
        self.read(operation, limit.max(1), url, |answer| wire::page(operation, answer)).await
    }

    /// Reads one row by its id; `None` where it is not there, or hidden.
    pub(super) async fn get(
        &self,
        operation: &str,
        table: &str,
        id: &SysId,
        fields: &BTreeSet<String>,
    ) -> Result<Option<Record>, ServiceNowError> {
        let url = |_| self.address(table, Some(id), fields);
        match self.read(operation, 1, url, |answer| wire::row(operation, answer)).await {
            Ok((row, _)) if is(id, &row) => Ok(Some(row)),
            Ok(_) => {
                Err(ServiceNowError::unbelievable(operation, "another row came than asked for"))
            }
            Err(ServiceNowError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes one row, once: repeated only where it was certainly not carried out. Whatever else
    /// than a plain yes or no comes back is [`ServiceNowError::NoAnswer`].
    pub(super) async fn patch(
        &self,
        operation: &str,
        table: &str,
        id: &SysId,
        body: Vec<u8>,
        fields: &BTreeSet<String>,
    ) -> Result<Record, ServiceNowError> {
        let mut call = Call::new(Method::PATCH, self.address(table, Some(id), fields));
        call.body = body;
        let mut backoff = self.retry().backoff();
        loop {
            let result = self.send(operation, &call).await;
            let error = match result.and_then(|answer| wire::row(operation, &answer)) {
                Ok(row) if is(id, &row) => return Ok(row),
                Ok(_) => ServiceNowError::no_answer(operation, "another row came back"),
                Err(ServiceNowError::Unbelievable { operation, why }) => {
                    ServiceNowError::NoAnswer { operation, why, status: None }
                }
                Err(error) => error,
            };
            match backoff.next_wait(error.retry()) {
                Some(wait) if error.was_not_executed() => self.progress().sleep(wait).await,
                _ => return Err(error),
            }
        }
    }

    async fn read<T>(
        &self,
        operation: &str,
        mut limit: u32,
        url: impl Fn(u32) -> Url,
        decode: impl Fn(&Answer) -> Result<T, ServiceNowError>,
    ) -> Result<(T, u32), ServiceNowError> {
        let mut backoff = self.retry().backoff();
        let mut halvings = 0;
        loop {
            let result = self.send(operation, &Call::new(Method::GET, url(limit))).await;
            let error = match result.and_then(|answer| decode(&answer)) {
                Ok(value) => return Ok((value, limit)),
                Err(error) => error,
            };
            let unbelievable = matches!(error, ServiceNowError::Unbelievable { .. });
            if unbelievable && halvings >= MAX_HALVINGS {
                return Err(error);
            }
            if unbelievable || matches!(error, ServiceNowError::NoAnswer { .. }) {
                halvings += 1;
                limit = (limit / 2).max(1);
            }
            match backoff.next_wait(error.retry()) {
                Some(wait) => self.progress().sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// Sends a call until it is answered with something else than a passing 401.
    async fn send(&self, operation: &str, call: &Call) -> Result<Answer, ServiceNowError> {
        let mut repeats = 0;
        loop {
            let credential = self.credential().await?;
            let answer = self.send_once(operation, call, &credential).await?;
            if answer.status != 401 {
                if answer.is_success() && http::says_json(&answer) {
                    self.shared.worked.store(true, Ordering::Relaxed);
                }
                return Ok(answer);
            }
            let renewable = self.shared.sign_in.drop_token(&credential).await;
            let renewed = renewable && repeats == 0;
            let worked = self.shared.worked.load(Ordering::Relaxed);
            if repeats == UNAUTHORIZED_REPEATS || !(renewed || worked) {
                // From now on one try each, so that a changed password does not lock the account.
                self.shared.worked.store(false, Ordering::Relaxed);
                return Ok(answer);
            }
            repeats += 1;
            if !renewed {
                self.progress().sleep(self.retry().first_wait * repeats).await;
            }
        }
    }

    async fn credential(&self) -> Result<Credential, ServiceNowError> {
        let credential = self.shared.sign_in.credential(&self.shared.http).await;
        credential.map_err(|error| match error {
            // The call itself was not sent, so it may be repeated even if it is a write.
            ServiceNowError::NoAnswer { .. } | ServiceNowError::Unbelievable { .. } => {
                ServiceNowError::Unreachable { why: error.to_string() }
            }
            other => other,
        })
    }

    /// Sends one call when its turn has come, and learns from the answer's headers.
    async fn send_once(
        &self,
        operation: &str,
        call: &Call,
        credential: &Credential,
    ) -> Result<Answer, ServiceNowError> {
        let mut call = call
            .clone()
            .header("accept", "application/json")
            .secret_header(credential.header, credential.value.expose_secret())
            .map_err(|_| ServiceNowError::SignIn {
                message: "the credential holds what cannot stand in a header, as a line break"
                    .into(),
            })?;
        if !call.body.is_empty() {
            call = call.header("content-type", "application/json");
        }
        let _slot = self.shared.slots.take(self.rank).await;
        self.wait_for_turn().await?;
        if self.brake().is_on() && call.method == Method::PATCH {
            return Err(ServiceNowError::Paused { operation: operation.to_owned() });
        }
        let answer = self.shared.http.send(call).await;
        let answer = answer.map_err(|error| ServiceNowError::from_http(operation, error))?;

        let now = Utc::now().timestamp();
        let from_api = answer.is_success() && http::says_json(&answer);
        if let Some(limit) = answer.header("x-ratelimit-limit") {
            self.pacer().announced(limit, now);
        } else if from_api {
            self.pacer().not_announced(now);
        }
        if let (429, Some(wait)) = (answer.status, wire::retry_after(&answer)) {
            self.pacer().denied(wait, now);
        }
        // A gateway's clock is not the instance's, and windows are made from it.
        if from_api {
            self.shared.clock.learn(&answer);
        }
        Ok(answer)
    }

    /// Waits until a call may be made, unless that is longer than anybody should wait.
    async fn wait_for_turn(&self) -> Result<(), ServiceNowError> {
        let wait = || {
            let now = Utc::now().timestamp();
            let mut pacer = self.pacer();
            let wait = pacer.wait(now);
            if wait.is_zero() {
                pacer.sent(now);
            }
            wait
        };
        http::wait_for_turn(self.progress(), self.retry().longest_wait, wait)
            .await
            .map_err(|wait| ServiceNowError::RateLimited { retry_after: Some(wait) })
    }

    fn pacer(&self) -> MutexGuard<'_, Pacer> {
        http::unpoisoned(&self.shared.pacer)
    }

    fn address(&self, table: &str, id: Option<&SysId>, fields: &BTreeSet<String>) -> Url {
        let mut segments = vec!["api", "now", "table", table];
        segments.extend(id.map(SysId::as_str));
        let mut url = self.shared.http.url(&segments);
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        url.query_pairs_mut()
            .append_pair("sysparm_fields", &fields.join(","))
            .append_pair("sysparm_display_value", "false")
            .append_pair("sysparm_exclude_reference_link", "true")
            .append_pair("sysparm_suppress_pagination_header", "true");
        url
    }
}

fn is(id: &SysId, row: &Record) -> bool {
    row.get("sys_id").is_some_and(|sent| sent == id.as_str())
}
