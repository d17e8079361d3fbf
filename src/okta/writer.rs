//! Every write to Okta, one call a step. Nothing else in the program can write there.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use super::connection::Idempotency::{Idempotent, OnceOnly};
use super::connection::{self, Connection, Request};
use super::envelope::request_id;
use super::error::OktaError;
use super::reader::{AccountRead, OktaReader};
use super::wire;
use crate::http::{self, Answer, ByText, Call};
use crate::model::{Account, AccountId, GroupId, Outcome, Step};

/// The most `groupIds` of a new account; an account that is there takes none
/// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/createUser>).
pub(crate) const MOST_GROUPS_AT_CREATION: usize = 20;

/// The writing half: the only type that changes anything in Okta.
#[derive(Debug, Clone)]
pub(crate) struct OktaWriter {
    connection: Connection,
    reader: OktaReader,
}

/// What a write belongs to; it is sent along and lands in Okta's System Log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoldenThread<'a> {
    /// Its number, or `BASELINE`.
    pub request: &'a str,
    /// Its id in our journal.
    pub action: i64,
}

#[derive(Debug)]
pub(crate) struct Performed {
    /// What the journal keeps of it.
    pub outcome: Outcome,
    /// The account as Okta answered a create or an update, or as it was read again by its id after
    /// a refusal. `None` where nothing was read, and always after a create that was not applied.
    pub account: Option<Account>,
    /// The typed reason for [`Outcome::Failed`] and [`Outcome::Unknown`]: ask it
    /// [`OktaError::taken`] and [`OktaError::attributes`].
    pub error: Option<OktaError>,
}

impl OktaWriter {
    pub(crate) fn new(connection: Connection) -> Self {
        let reader = OktaReader::new(connection.clone());
        Self { connection, reader }
    }

    /// Carries out one step on `account`, which only [`Step::Create`] does without. Where Okta refuses
    /// because of the state that something is in, it is read again: if the goal was reached already,
    /// the outcome is [`Outcome::AlreadySo`].
    /// Creating with `activate: true` always sends the activation mail
    /// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/createUser>).
    /// Where no mail is wanted, create with `activate: false` and follow with
    /// `Activate { mail: false }`
    /// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserLifecycle/#tag/UserLifecycle/operation/activateUser>).
    /// Activation and deactivation go on for a while after the answer (`transitioning`).
    pub(crate) async fn perform(
        &self,
        step: &Step,
        account: Option<&AccountId>,
        thread: &GoldenThread<'_>,
    ) -> Performed {
        let request = match writable(step).and_then(|()| self.request(step, account, thread)) {
            Ok(request) => request,
            Err(error) => return failed(error, None),
        };
        let sent = if step.disables() {
            self.connection.urgently().send(&request).await
        } else {
            self.connection.send(&request).await
        };
        let error = match sent {
            Ok(answer) => return applied(step, &request, &answer),
            Err(error) => {
                let values: Vec<_> = written(step).into_iter().map(|(_, value)| value).collect();
                error.without(&values)
            }
        };
        match error {
            OktaError::NoAnswer { .. } | OktaError::Unbelievable { .. } => {
                self.without_answer(step, error).await
            }
            _ => self.refused(step, account, error).await,
        }
    }

    fn request(
        &self,
        step: &Step,
        account: Option<&AccountId>,
        thread: &GoldenThread<'_>,
    ) -> Result<Request, OktaError> {
        let id = match (step, account) {
            (Step::Create { .. }, _) => "",
            (_, Some(id)) => id.as_str(),
            (_, None) => {
                return Err(OktaError::Unwritable {
                    attribute: step.name().to_owned(),
                    why: "the step names no account",
                });
            }
        };
        let yes_no = |yes: bool| if yes { "true" } else { "false" };
        let users = |rest: &[&str], query: &[(&str, &str)]| {
            self.connection.url(&[&["api", "v1", "users"], rest].concat(), query)
        };
        let member = |group: &GroupId| {
            self.connection.url(&["api", "v1", "groups", group.as_str(), "users", id], &[])
        };
        let lifecycle = |operation, word, query: &[(&str, &str)]| {
            (operation, Method::POST, users(&[id, "lifecycle", word], query), OnceOnly)
        };
        let (operation, method, url, idempotency) = match step {
            Step::Create { activate, .. } => {
                let url = users(&[], &[("activate", yes_no(*activate))]);
                ("create the account", Method::POST, url, OnceOnly)
            }
            // POST, because PUT would clear every attribute that is not sent.
            Step::Update { .. } => {
                ("update the account", Method::POST, users(&[id], &[]), Idempotent)
            }
            Step::Activate { mail } => {
                lifecycle("activate the account", "activate", &[("sendEmail", yes_no(*mail))])
            }
            Step::Reactivate { mail } => {
                let query = [("sendEmail", yes_no(*mail))];
                lifecycle("send the activation again", "reactivate", &query)
            }
            Step::Suspend => lifecycle("suspend the account", "suspend", &[]),
            Step::Unsuspend => lifecycle("lift the suspension", "unsuspend", &[]),
            Step::Deactivate => {
                lifecycle("deactivate the account", "deactivate", &[("sendEmail", "false")])
            }
            Step::ClearSessions => {
                let url = users(&[id, "sessions"], &[("oauthTokens", "true")]);
                ("end the sessions", Method::DELETE, url, Idempotent)
            }
            Step::AddMember { group } => {
                ("add to the group", Method::PUT, member(group), Idempotent)
            }
            Step::RemoveMember { group } => {
                ("remove from the group", Method::DELETE, member(group), Idempotent)
            }
        };
        let mut call = Call::new(method, url);
        call.comment = Some(format!("({}; action {})", thread.request, thread.action));
        call.body = body(step).map_or_else(Vec::new, |body| body.to_string().into_bytes());
        Ok(Request { operation, call, idempotency })
    }

    /// The call may have been executed. A create is looked for: if there is no such account, it
    /// failed for certain enough, because Okta itself refuses a second one with the same login.
    /// An account that is there may be somebody else's, so it is not handed on as the new one:
    /// matching it is left to the next read.
    async fn without_answer(&self, step: &Step, error: OktaError) -> Performed {
        if let Step::Create { profile, .. } = step {
            let login = profile.get("login").map_or("", String::as_str);
            if let Ok(ByText::Found(None)) = self.reader.account_by_login(login).await {
                let why = format!("{error}; no account was made");
                let outcome =
                    Outcome::Failed { error: why, okta_request_id: None, transient: true };
                return Performed { outcome, account: None, error: Some(error) };
            }
        }
        unknown(error)
    }

    /// A wrong state is answered with 400, 403, 404, 409 or 423, with codes that differ from call
    /// to call (<https://developer.okta.com/docs/reference/error-codes/>), so the state is read
    /// instead.
    async fn refused(&self, step: &Step, id: Option<&AccountId>, error: OktaError) -> Performed {
        let (Some(id), Some(refusal)) = (id, error.refusal()) else { return failed(error, None) };
        if error.is_transient() || refusal.status == 501 {
            return failed(error, None);
        }
        if let Some(group) = step.group() {
            // A 403 here is a role that is missing or a group that nobody may write.
            if matches!(error, OktaError::Forbidden(_)) {
                return failed(error, None);
            }
            let wanted = matches!(step, Step::AddMember { .. });
            return match self.reader.groups_of(id).await {
                Ok(groups) if groups.contains(group) == wanted => already_so(&error, None),
                _ => failed(error, None),
            };
        }
        match self.reader.account(id).await.and_then(AccountRead::there) {
            Ok(Some(account)) if step.is_reached(&account, &BTreeSet::new()) => {
                already_so(&error, Some(account))
            }
            Ok(account) => failed(error, account),
            Err(_) => failed(error, None),
        }
    }
}

/// Refuses before sending what Okta cannot take.
fn writable(step: &Step) -> Result<(), OktaError> {
    let refuse =
        |attribute: &str, why| Err(OktaError::Unwritable { attribute: attribute.to_owned(), why });
    match step {
        Step::Create { groups, .. } if groups.len() > MOST_GROUPS_AT_CREATION => {
            return refuse("groupIds", "at most 20 groups can be given to a new account");
        }
        Step::Create { profile, .. } if profile.get("login").is_none_or(String::is_empty) => {
            return refuse("login", "a new account needs one");
        }
        _ => {}
    }
    for (attribute, value) in written(step) {
        // Only characters of up to three UTF-8 octets are supported:
        // https://developer.okta.com/docs/reference/core-okta-api/
        if value.chars().any(|c| c.len_utf8() > 3) {
            return refuse(
                attribute,
                "it holds a character that Okta does not support (an emoji or a rare ideograph)",
            );
        }
    }
    Ok(())
}

fn body(step: &Step) -> Option<Value> {
    match step {
        Step::Create { profile, groups, .. } => {
            let groups: Vec<_> = groups.iter().map(GroupId::as_str).collect();
            Some(json!({"profile": profile, "groupIds": groups}))
        }
        Step::Update { changes } => {
            let to = changes.iter().map(|(name, change)| (name, &change.to));
            Some(json!({"profile": to.collect::<BTreeMap<_, _>>()}))
        }
        _ => None,
    }
}

fn written(step: &Step) -> Vec<(&str, &str)> {
    match step {
        Step::Create { profile, .. } => {
            profile.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
        }
        Step::Update { changes } => changes
            .iter()
            .filter_map(|(name, change)| Some((name.as_str(), change.to.as_deref()?)))
            .collect(),
        _ => Vec::new(),
    }
}

/// Any 2xx is success and its body may be empty: a deactivation was seen to be answered with `204` and
/// with `200 {}` (<https://github.com/okta/okta-sdk-python/tree/f6850979/tests/integration/cassettes>).
/// Only create and update answer with the account.
fn applied(step: &Step, request: &Request, answer: &Answer) -> Performed {
    let okta_request_id = request_id(answer);
    let shows_account = matches!(step, Step::Create { .. } | Step::Update { .. });
    let believable = answer.body.trim_ascii().is_empty() || http::says_json(answer);
    if !shows_account && believable {
        let outcome = Outcome::Applied { okta_request_id };
        return Performed { outcome, account: None, error: None };
    }
    let operation = request.operation;
    let value = connection::json(operation, answer);
    match value.and_then(|value| wire::account(operation, value)) {
        Ok(account) => {
            let outcome = Outcome::Applied { okta_request_id };
            Performed { outcome, account: Some(account), error: None }
        }
        // A 2xx with another answer than Okta's may come from something else.
        Err(error) => unknown(error),
    }
}

fn failed(error: OktaError, account: Option<Account>) -> Performed {
    let okta_request_id = error.refusal().and_then(|refusal| refusal.request_id.clone());
    let (why, transient) = (error.to_string(), error.is_transient());
    let outcome = Outcome::Failed { error: why, okta_request_id, transient };
    Performed { outcome, account, error: Some(error) }
}

fn unknown(error: OktaError) -> Performed {
    let outcome = Outcome::Unknown { error: error.to_string() };
    Performed { outcome, account: None, error: Some(error) }
}

fn already_so(error: &OktaError, account: Option<Account>) -> Performed {
    let okta_request_id = error.refusal().and_then(|refusal| refusal.request_id.clone());
    Performed { outcome: Outcome::AlreadySo { okta_request_id }, account, error: None }
}
