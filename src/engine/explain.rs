//! Why one person's account is as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::cycle::Scope;
use super::decide::Judged;
use super::holds::holds_in;
use super::observe::the_one;
use super::report::PersonView;
use super::surroundings::Surroundings;
use super::{Engine, EngineError};
use crate::model::{Approval, FactKey, Origin, Presence, RequestNumber, SysId, Timestamp};
use crate::policy::resolve::{approval_with_effect, names, rule_for, word};
use crate::reconcile::explain::{Explained, ReasonText, View, explain};
use crate::reconcile::guard::{self, PlanApproval, key_text};
use crate::reconcile::plan::plan;
use crate::store::{StoreError, StoredRequest};

/// Everything about one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who.
    pub person: PersonView,
    /// Where the person stands: `active`, `staged`, `suspended` or `deactivated` as desired,
    /// `baseline` where nothing speaks of the account, `none` without one, `unmanaged` outside the
    /// configured people.
    pub status: String,
    /// The Okta account.
    pub account: Option<AccountView>,
    /// Each fact.
    pub facts: Vec<FactView>,
    /// Each request that names the person, oldest first.
    pub requests: Vec<RequestView>,
    /// Actions that wait.
    pub holds: Vec<super::HoldView>,
    /// Read from both sides just now, rather than from the last observed state.
    pub live: bool,
}

/// An Okta account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// Okta's id.
    pub okta_id: String,
    /// The login.
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

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactView {
    /// `account`, `status`, `profile` or `membership`.
    pub fact: &'static str,
    /// The attribute or the group's name.
    pub name: Option<String>,
    /// How it should be.
    pub desired: Option<String>,
    /// How it is.
    pub actual: Option<String>,
    /// The two agree.
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

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReasonView {
    /// `request`, `rule`, `record` or `baseline`.
    pub kind: &'static str,
    /// The request.
    pub request: Option<String>,
    /// The birthright rule, by its group's name.
    pub rule: Option<String>,
    /// When it ends, RFC 3339.
    pub until: Option<String>,
    /// The reason in words.
    pub text: String,
}

/// One request of the person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestView {
    /// Its number.
    pub number: String,
    /// Its order.
    pub parent: Option<String>,
    /// What it asks for.
    pub operation: Option<&'static str>,
    /// Its state in ServiceNow, in words.
    pub state: &'static str,
    /// `approved`, `waiting` or `withdrawn`.
    pub approval: &'static str,
    /// It counts now.
    pub in_force: bool,
    /// In force from then on, RFC 3339.
    pub starts: Option<String>,
    /// No longer in force from then on, RFC 3339.
    pub ends: Option<String>,
    /// Why it cannot be carried out.
    pub problem: Option<String>,
    /// It can no longer be read in ServiceNow; what it asked for stands.
    pub vanished: bool,
}

impl Engine {
    /// Explains one person, from what both sides say now, or from what was last observed where one
    /// of them cannot be read.
    pub async fn explain(&mut self, text: &str) -> Result<Explanation, EngineError> {
        let observed_before = self.store.cycles().last_full()?.is_some();
        match self.preview(&Scope::Person(text.to_owned())).await {
            Ok(preview) => {
                let id = the_one(text, &self.people_named(text)?)?;
                self.explain_person(&id, &preview.surroundings, &preview.verdict, true)
            }
            Err(error @ (EngineError::ServiceNow(_) | EngineError::Okta(_))) if observed_before => {
                tracing::warn!(
                    "this is the last observed state, because it cannot be read now: {error}"
                );
                let id = the_one(text, &self.people_named(text)?)?;
                let surroundings = self.surroundings(false).await?;
                let decision = self.decide(std::slice::from_ref(&id), &surroundings)?;
                let context = self.guard_context(false, &decision)?;
                let verdict =
                    guard::approve(plan(decision.actions()), &self.config.limits, &context);
                self.explain_person(&id, &surroundings, &verdict, false)
            }
            Err(error) => Err(error),
        }
    }

    fn explain_person(
        &self,
        id: &SysId,
        surroundings: &Surroundings,
        verdict: &PlanApproval,
        live: bool,
    ) -> Result<Explanation, EngineError> {
        let Some(judged) = self.judge(id, surroundings)? else {
            return Err(EngineError::Unknown(format!("nothing is known of {id}")));
        };
        let requests = self.store.requests().resolved_for(id)?;
        let baseline = self.store.links().baseline_of(id)?;
        let facts = explain(&View {
            person: &judged.person,
            requests: &requests,
            desired: &judged.desired,
            actual: &judged.actual,
            drifts: &judged.drifts,
            baseline: &baseline,
            policy: &self.config.policy,
            rule_groups: &surroundings.rule_groups,
            groups: &surroundings.groups,
            now: self.now(),
        });
        let held: BTreeMap<&FactKey, &str> = verdict
            .held
            .iter()
            .filter(|held| held.planned.action.person == *id)
            .flat_map(|held| held.planned.keys.iter().map(|key| (key, held.reason.as_str())))
            .collect();
        let since = self.store.facts().since(id)?;
        let facts: Result<Vec<FactView>, StoreError> =
            facts.into_iter().map(|fact| self.fact_view(fact, &since, &held)).collect();
        Ok(Explanation {
            person: self.view_of(id)?,
            status: status_word(&judged),
            account: self.account_view(id, &judged)?,
            facts: facts?,
            requests: self.requests_of(id)?,
            holds: holds_in(&self.store, Some(id), self.now())?,
            live,
        })
    }

    fn account_view(&self, id: &SysId, judged: &Judged) -> Result<Option<AccountView>, StoreError> {
        let (Some(account), Some(link)) = (&judged.actual.account, self.store.links().get(id)?)
        else {
            return Ok(None);
        };
        Ok(Some(AccountView {
            okta_id: account.id.as_str().to_owned(),
            login: account.login().to_owned(),
            status: account.status.as_str().to_lowercase(),
            origin: link.origin.to_string(),
            since: stamp(link.since),
            created: link.created_here,
        }))
    }

    fn fact_view(
        &self,
        fact: Explained,
        since: &BTreeMap<String, Timestamp>,
        held: &BTreeMap<&FactKey, &str>,
    ) -> Result<FactView, StoreError> {
        let mut against = fact.against;
        if let Some(reason) = held.get(&fact.key) {
            against.retain(|text| !text.starts_with("differs, and will be repaired"));
            let text = format!("held: {reason}");
            if !against.contains(&text) {
                against.insert(0, text);
            }
        }
        let name = match &fact.key {
            FactKey::Account | FactKey::Status => None,
            FactKey::Profile(attribute) => Some(attribute.clone()),
            FactKey::Membership(group) => Some(self.group_name(group)?),
        };
        Ok(FactView {
            fact: fact.key.kind(),
            name,
            desired: fact.desired,
            actual: fact.actual,
            in_sync: fact.in_sync,
            origin: match fact.origin {
                Origin::None => None,
                origin => Some(origin.to_string()),
            },
            cause: fact.cause.as_str(),
            since: since.get(&key_text(&fact.key)).copied().map(stamp),
            reasons: fact.reasons.into_iter().map(reason_view).collect(),
            against,
        })
    }

    /// Every request that names the person, those that nobody approved or that cannot be carried
    /// out included.
    fn requests_of(&self, id: &SysId) -> Result<Vec<RequestView>, StoreError> {
        let mut found = self.store.requests().naming(id)?;
        let known: BTreeSet<SysId> = found.iter().map(|it| it.request.sys_id.clone()).collect();
        for stored in self.store.requests().unresolved_or_waiting()? {
            if !known.contains(&stored.request.sys_id) && self.names(&stored, id)? {
                found.push(stored);
            }
        }
        found.sort_by(|a, b| {
            let key =
                |it: &StoredRequest| (it.request.opened_at, it.request.reference.number.clone());
            key(a).cmp(&key(b))
        });
        found.iter().map(|stored| self.request_view(stored)).collect()
    }

    fn names(&self, stored: &StoredRequest, id: &SysId) -> Result<bool, StoreError> {
        let Ok(Some(rule)) = rule_for(&self.config.policy, &stored.request) else {
            return Ok(false);
        };
        let request_text = match &stored.request_text {
            Some(request_text) => request_text.clone(),
            None => match word(rule, &stored.request) {
                Ok(request_text) => request_text,
                Err(_) => return Ok(false),
            },
        };
        for text in names(&request_text.person) {
            if self.store.people().called(text)?.contains(id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn request_view(&self, stored: &StoredRequest) -> Result<RequestView, StoreError> {
        let request = &stored.request;
        let resolved = self.store.requests().resolved(&request.sys_id)?;
        let rule = rule_for(&self.config.policy, request).ok().flatten();
        let approval = match (&resolved, rule) {
            (Some(resolved), _) => resolved.approval,
            (None, Some(rule)) => approval_with_effect(rule, request, stored.took_effect),
            (None, None) => Approval::Waiting,
        };
        let problems: Vec<&str> = stored.problems.iter().map(|(_, text)| text.as_str()).collect();
        let operation =
            resolved.as_ref().map(|m| m.terms.operation).or(rule.map(|rule| rule.operation));
        let terms = resolved.as_ref().map(|resolved| &resolved.terms);
        Ok(RequestView {
            number: request.reference.number.as_str().to_owned(),
            parent: request.reference.parent.as_ref().map(RequestNumber::as_str).map(str::to_owned),
            operation: operation.map(crate::model::Operation::as_str),
            state: request.state.as_str(),
            approval: match approval {
                Approval::Waiting => "waiting",
                Approval::Approved => "approved",
                Approval::Withdrawn => "withdrawn",
            },
            in_force: resolved
                .as_ref()
                .is_some_and(|m| m.in_force(self.now()) && !m.has_ended(self.now())),
            starts: terms.and_then(|terms| terms.starts).map(stamp),
            ends: terms.and_then(|terms| terms.ends).map(stamp),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
            vanished: stored.vanished,
        })
    }
}

fn status_word(judged: &Judged) -> String {
    if judged.person.presence == Presence::Outside {
        return "unmanaged".to_owned();
    }
    match (&judged.desired.status, &judged.actual.account) {
        (Some(status), _) => status.value.as_str(),
        (None, Some(_)) => "baseline",
        (None, None) => "none",
    }
    .to_owned()
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

fn stamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
