//! `explain`: why one person's account is as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{Account, FactKey, Link, Presence, SysId, Timestamp};
use crate::reconcile::explain::{self, Explained, ReasonText};
use crate::report::holds::{HoldView, holds_of};
use crate::report::person::{RequestView, requests_of};
use crate::report::{fact_name, stamp};
use crate::store::StoreError;
use crate::sync::decide::{Decided, decide_person};
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::names::{PersonNames, names_of, people_called, the_one};
use crate::sync::outcome::request_word;
use crate::sync::plan::CyclePlan;

/// Everything about one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The one person whom the given name, e-mail or id fits.
    pub person: PersonNames,
    /// Where the person stands: `active`, `staged`, `suspended` or `deactivated` as desired,
    /// `baseline` where nothing speaks of the account, `none` without one, `unmanaged` outside the
    /// configured people.
    pub status: String,
    /// The Okta account that the person is linked to; `None` without one.
    pub account: Option<AccountView>,
    /// The status first, then profile attributes, then memberships.
    pub facts: Vec<FactView>,
    /// Each request that names the person, oldest first.
    pub requests: Vec<RequestView>,
    /// The person's actions that wait, released ones included, dismissed ones not.
    pub holds: Vec<HoldView>,
    /// Read from both sides just now, rather than from the last observed state.
    pub live: bool,
}

/// Everybody whom a text fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanations {
    /// Each of them.
    pub people: Vec<Explanation>,
}

/// Those whom a text fits, where it fits several.
pub fn several_called(deps: &Deps, text: &str) -> Result<BTreeSet<SysId>, StoreError> {
    let called = people_called(&deps.store, text)?;
    Ok(if called.len() > 1 { called } else { BTreeSet::new() })
}

/// The Okta account that a person is linked to, and how that came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// Okta's id of the account, which stays when the login changes.
    pub okta_id: String,
    /// The `login` of its profile.
    pub login: String,
    /// The status, in lower case.
    pub status: String,
    /// The request that it was linked by, or `BASELINE`.
    pub origin: String,
    /// Since when it is linked, RFC 3339.
    pub since: String,
    /// It was made by Goldthread, rather than found.
    pub created: bool,
}

/// One fact with what speaks for it and against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactView {
    /// `account`, `status`, `profile` or `membership`.
    pub fact: &'static str,
    /// The attribute or the group's name.
    pub name: Option<String>,
    /// How it should be.
    pub desired: Option<String>,
    /// What Okta holds; `None` is null there, or no account.
    pub actual: Option<String>,
    /// No difference was found, which is also so where nothing is desired.
    pub in_sync: bool,
    /// The request that it comes from, or `BASELINE`.
    pub origin: Option<String>,
    /// What made it so, or why the two differ now.
    pub cause: &'static str,
    /// Since when it is desired as it is, RFC 3339.
    pub since: Option<String>,
    /// What speaks for it.
    pub reasons: Vec<ReasonView>,
    /// What speaks against it or stands in its way.
    pub against: Vec<String>,
}

/// One thing that speaks for a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReasonView {
    /// `request`, `rule`, `record` or `baseline`.
    pub kind: &'static str,
    /// The request's number, `RITM0010001`; `None` for the other kinds.
    pub request: Option<String>,
    /// The birthright rule, by its group's name.
    pub rule: Option<String>,
    /// When it ends, RFC 3339.
    pub until: Option<String>,
    /// The reason in words.
    pub text: String,
}

/// Everything about one person, by a plan that decided about the person.
pub fn explain(deps: &Deps, plan: &CyclePlan, text: &str) -> Result<Explanation, SyncError> {
    let id = &the_one(text, &people_called(&deps.store, text)?)?;
    let CyclePlan { org, approval, .. } = plan;
    let Some(decided) = decide_person(deps, id, org)? else {
        return Err(SyncError::Unknown(format!("nothing is known of {id}")));
    };
    let Decided { state, plan: person } = &decided;
    let facts = explain::explain(state, person, org, &deps.config.policy, deps.now());
    let held: BTreeMap<&FactKey, String> = approval
        .held
        .iter()
        .filter(|held| held.planned.action.person == *id)
        .flat_map(|held| held.planned.keys.iter().map(|key| (key, held.reason.to_string())))
        .collect();
    let (link, since) = (deps.store.links().get(id)?, deps.store.facts().since(id)?);
    let facts: Result<Vec<FactView>, StoreError> =
        facts.into_iter().map(|fact| fact_view(deps, fact, &since, &held)).collect();
    let desired = person.desired.status.as_ref().map(|status| status.value.as_str());
    let status = status_word(Some(state.person.presence), desired, state.actual.account.is_some());
    Ok(Explanation {
        person: names_of(&deps.store, id)?,
        status: status.to_owned(),
        account: state.actual.account.as_ref().zip(link).map(account_view),
        facts: facts?,
        requests: requests_of(&deps.store, Some(&deps.config.policy), id, deps.now())?,
        holds: holds_of(&deps.store, id, deps.now())?,
        live: plan.live,
    })
}

pub(super) fn account_view((account, link): (&Account, Link)) -> AccountView {
    AccountView {
        okta_id: account.id.as_str().to_owned(),
        login: account.login().to_owned(),
        status: account.status.as_str().to_lowercase(),
        origin: link.origin.to_string(),
        since: stamp(link.since),
        created: link.created_here,
    }
}

fn fact_view(
    deps: &Deps,
    fact: Explained,
    since: &BTreeMap<FactKey, Timestamp>,
    held: &BTreeMap<&FactKey, String>,
) -> Result<FactView, StoreError> {
    let mut against = fact.against;
    if let Some(reason) = held.get(&fact.key) {
        // The person's own plan promised a repair, before the approval held it back.
        against.retain(|text| !text.starts_with("differs, and will be repaired"));
        let text = format!("held: {reason}");
        if !against.contains(&text) {
            against.insert(0, text);
        }
    }
    Ok(FactView {
        fact: fact.key.kind(),
        name: fact_name(&deps.store, &fact.key)?,
        desired: fact.desired,
        actual: fact.actual,
        in_sync: fact.in_sync,
        origin: request_word(&fact.origin),
        cause: fact.cause.as_str(),
        since: since.get(&fact.key).copied().map(stamp),
        reasons: fact.reasons.into_iter().map(reason_view).collect(),
        against,
    })
}

/// Where somebody stands, by the status that is desired.
pub(super) fn status_word(
    presence: Option<Presence>,
    desired: Option<&str>,
    has_account: bool,
) -> &str {
    match desired {
        _ if presence == Some(Presence::Outside) => "unmanaged",
        Some(status) => status,
        None if has_account => "baseline",
        None => "none",
    }
}

fn reason_view(told: ReasonText) -> ReasonView {
    ReasonView {
        kind: told.kind,
        request: told.request.map(|request| request.number.as_str().to_owned()),
        rule: told.rule,
        until: told.until.map(stamp),
        text: told.text,
    }
}
