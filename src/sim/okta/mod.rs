//! A simulated Okta org: its HTTP API, and the hand of somebody who administers it.
//!
//! It is a small state machine with its own wire types. [`Okta`] is the handle: tests and the
//! demo fill the org, change it by hand, script faults, and look at what was called.

mod api;
mod auth;
mod errors;
mod filter;
mod groups;
mod hand;
mod lifecycle;
mod limits;
mod log;
mod page;
mod schema;
mod sight;
mod state;
#[cfg(test)]
mod tests;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;
use serde_json::Value;

pub use hand::Account;
pub use schema::Attribute;
pub use sight::{Feature, FeatureOff, OutOfSight, Sight};

use super::clock::Clock;
use super::faults::Faults;
use super::http::{App, Request, Response, Server};
use errors::{Problem, code_for};
use state::State;

/// The status of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Status {
    Staged,
    Provisioned,
    Active,
    Recovery,
    PasswordExpired,
    LockedOut,
    Suspended,
    Deprovisioned,
}

impl Status {
    /// The word that Okta uses for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "STAGED",
            Self::Provisioned => "PROVISIONED",
            Self::Active => "ACTIVE",
            Self::Recovery => "RECOVERY",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::LockedOut => "LOCKED_OUT",
            Self::Suspended => "SUSPENDED",
            Self::Deprovisioned => "DEPROVISIONED",
        }
    }
}

/// What a signed-in caller without any admin role gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoRole {
    /// 403 `E0000006`.
    #[default]
    Forbidden,
    /// Lists come back empty with 200; the rest is 403.
    EmptyLists,
}

/// Behaviour that differs between orgs and moments; all off by default.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Switches {
    /// `search`, `filter` and `q` show users as they were this long ago.
    pub index_lag: Duration,
    /// The list of all users shows them as the index does.
    pub lists_lag: bool,
    /// Events appear in the System Log this long after they happened.
    pub log_lag: Duration,
    /// Activation and deactivation show `transitioningToStatus` for this long.
    pub transition_time: Duration,
    /// Group rules look at a changed user after this long.
    pub rule_delay: Duration,
    /// What a caller without an admin role gets.
    pub no_admin_role: NoRole,
    /// Every service app with scopes is an administrator.
    pub public_client_app_admins: bool,
    /// A user can be active without a password.
    pub password_optional: bool,
    /// E-mail addresses are unique, too.
    pub self_service_registration: bool,
    /// Deactivated users can be edited.
    pub edit_deprovisioned: bool,
    /// Lifecycle operations answer without any body instead of `{}`.
    pub empty_bodies: bool,
    /// Deactivated users cannot be added to groups.
    pub refuse_deprovisioned_members: bool,
    /// The org is in read-only mode: writes get 503 `E0000010`.
    pub read_only_org: bool,
    /// The search backend is down: `search` and `filter` get 503 `E0000100`.
    pub search_down: bool,
    /// This many next calls get the 429 of the concurrency limit.
    pub concurrency_429: u32,
    /// The only groups that the API may change; none: all that are not owned elsewhere.
    pub writable_groups: Option<BTreeSet<String>>,
    /// Groups that carry admin roles and refuse changes through the API.
    pub admin_groups: BTreeSet<String>,
    /// What the admin role of whoever calls lets it see.
    pub sight: Sight,
    /// How what lies outside of that answers by its id.
    pub out_of_sight: OutOfSight,
    /// What this org does not have, and how it says so.
    pub features_off: BTreeMap<Feature, FeatureOff>,
}

/// One write that the API received, whatever came of it.
#[derive(Clone, Debug)]
pub struct Write {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query as sent.
    pub query: String,
    /// The `User-Agent`.
    pub user_agent: String,
    /// The status that it was answered with.
    pub status: u16,
    /// The JSON body, or null.
    pub body: Value,
    /// The `X-Okta-Request-Id` of the answer.
    pub request_id: String,
}

/// A mail that Okta would have sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// The user that it is about.
    pub user_id: String,
    /// `activation` or `password reset`.
    pub kind: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A public key of a service app.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// The key id that assertions name.
    pub kid: String,
    key: DecodingKey,
}

/// An OAuth 2.0 service app.
#[derive(Clone, Debug)]
pub struct ServiceApp {
    /// The client id.
    pub client_id: String,
    /// The name shown in the System Log.
    pub name: String,
    /// Its public keys.
    pub keys: Vec<PublicKey>,
    /// Whether it must prove possession of a key with each call.
    pub dpop: bool,
    /// The scopes that were granted to it.
    pub scopes: BTreeSet<String>,
    /// Its admin roles, for example `SUPER_ADMIN`.
    pub roles: Vec<String>,
}

/// A simulated org. Clones are the same org.
#[derive(Clone, Debug)]
pub struct Okta {
    state: Arc<Mutex<State>>,
    faults: Arc<Faults>,
    clock: Clock,
    actor: Arc<str>,
}

impl Default for Okta {
    fn default() -> Self {
        Self::new(Clock::new())
    }
}

impl Okta {
    /// A new org: no users, and the group Everyone.
    pub fn new(clock: Clock) -> Self {
        let state = Arc::new(Mutex::new(State::new(clock.clone())));
        Self { state, faults: Arc::new(Faults::new()), clock, actor: Arc::from("Pat Admin") }
    }

    /// Serves the org on a free loopback port.
    pub fn serve(&self) -> std::io::Result<Server> {
        self.serve_on(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Serves the org on this loopback address.
    pub fn serve_on(&self, listen: SocketAddr) -> std::io::Result<Server> {
        Server::start(listen, Arc::new(self.clone()), Arc::clone(&self.faults))
    }

    /// The org's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Faults on the way to and from the org.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App for Okta {
    fn handle(&self, request: &Request, base_url: &str) -> Response {
        api::answer(&mut self.lock(), request, base_url)
    }

    fn fault_body(&self, status: u16) -> Response {
        self.refusal(status, &Problem::new(code_for(status)), 60)
    }

    fn too_many_requests(&self, reset_after_seconds: Option<u64>) -> Response {
        let seconds = reset_after_seconds.and_then(|it| i64::try_from(it).ok());
        let mut response = self.refusal(429, &Problem::new("E0000047"), seconds.unwrap_or(60));
        if seconds.is_none() {
            let about_limits = |name: &str| name.to_ascii_lowercase().starts_with("x-rate-limit-");
            response.headers.retain(|(name, _)| !about_limits(name));
        }
        response
    }
}

impl Okta {
    fn refusal(&self, status: u16, problem: &Problem, reset_after_seconds: i64) -> Response {
        let mut state = self.lock();
        let (now, id) = (state.now(), state.secret("fault"));
        let mut response = problem.response(&format!("oae{}", &id[..22]));
        response.status = status;
        // Beyond the year 5000 it makes no difference any more.
        let reset = now + TimeDelta::seconds(reset_after_seconds.min(100_000_000_000));
        let remaining = if status == 429 { 0 } else { 599 };
        let standing = limits::Standing { limit: 600, remaining, reset, exceeded: status == 429 };
        api::dress(response, standing, &format!("req{}", &id[..24]), now)
    }
}
