//! Why a fact is as it is: everything that speaks for it, and everything that might be thought to
//! and does not.

use std::collections::BTreeSet;

use super::difference::{Difference, member};
use super::org::OrgState;
use super::person::PersonPlan;
use crate::model::{
    Approval, Cause, Disposition, FactKey, Group, GroupId, Operation, Origin, PersonState, Reason,
    RequestRef, ResolvedRequest, Timestamp,
};
use crate::policy::Policy;
use crate::policy::expression::Scope;
use crate::policy::fact::Fact;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explained {
    pub key: FactKey,
    /// How it should be; `None` is null, or that nothing is desired.
    pub desired: Option<String>,
    pub actual: Option<String>,
    pub in_sync: bool,
    /// Where the desired fact comes from.
    pub origin: Origin,
    pub cause: Cause,
    /// What speaks for the desired fact.
    pub reasons: Vec<ReasonText>,
    /// What speaks against it, stands in its way, or does not count, in words.
    pub against: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReasonText {
    /// `request`, `rule`, `record` or `baseline`.
    pub kind: &'static str,
    pub request: Option<RequestRef>,
    /// The birthright rule, by its group's name.
    pub rule: Option<String>,
    /// When it stops speaking for the fact.
    pub until: Option<Timestamp>,
    pub text: String,
}

/// What a decision about one person was made from, and what it was.
struct View<'a> {
    state: &'a PersonState,
    plan: &'a PersonPlan,
    org: &'a OrgState,
    policy: &'a Policy,
    now: Timestamp,
}

/// Explains every fact of one person: the status, each mapped attribute, and each group that a
/// rule, a request or the account's own membership makes a matter of this person.
pub(crate) fn explain(
    state: &PersonState,
    plan: &PersonPlan,
    org: &OrgState,
    policy: &Policy,
    now: Timestamp,
) -> Vec<Explained> {
    let view = View { state, plan, org, policy, now };
    let mut facts = vec![view.status()];
    facts.extend(plan.desired.profile.iter().map(|(name, fact)| view.attribute(name, fact)));
    facts.extend(view.groups_at_issue().iter().map(|group| view.membership(group)));
    let told: BTreeSet<FactKey> = facts.iter().map(|fact| fact.key.clone()).collect();
    let is_told = |key: &FactKey| told.contains(key) || *key == FactKey::Account;
    for Difference { key, desired, actual, .. } in &plan.differences {
        if !is_told(key) {
            let mut fact = view.fact::<()>(key.clone(), None, desired.clone(), actual.clone());
            fact.against.dedup();
            facts.push(fact);
        }
    }
    facts.sort_by(|a, b| a.key.cmp(&b.key));
    facts
}

impl View<'_> {
    fn fact<T>(
        &self,
        key: FactKey,
        fact: Option<&Fact<T>>,
        desired: Option<String>,
        actual: Option<String>,
    ) -> Explained {
        let is_status = |it: &Difference| key == FactKey::Status && it.key == FactKey::Account;
        let differences = self.plan.differences.iter();
        let differences: Vec<&Difference> =
            differences.filter(|it| it.key == key || is_status(it)).collect();
        let differs = differences.first();
        let mut reasons: Vec<ReasonText> = Vec::new();
        if let Some(fact) = fact {
            reasons.extend(fact.reasons.iter().map(|reason| self.tell(&key, fact, reason)));
            // What was taken away has no reason of its own but the request that did.
            if reasons.is_empty()
                && let (Cause::Request, Some(request)) = (fact.cause, fact.origin.request())
            {
                reasons.push(self.tell_request(request, None));
            }
        }
        let origin = fact.map(|fact| &fact.origin).or(differs.map(|it| &it.origin));
        let cause = differs.map(|it| it.cause).or(fact.map(|fact| fact.cause));
        Explained {
            in_sync: differences.is_empty(),
            origin: origin.cloned().unwrap_or(Origin::None),
            cause: cause.unwrap_or(Cause::Record),
            desired,
            actual,
            reasons,
            against: differences.iter().map(|it| obstacle(&it.disposition, &it.reason())).collect(),
            key,
        }
    }

    fn status(&self) -> Explained {
        let fact = self.plan.desired.status.as_ref();
        let account = self.state.actual.account.as_ref();
        let actual = account.map(|account| account.status.as_str().to_lowercase());
        let desired = fact.map(|fact| fact.value.as_str().to_owned());
        let mut told = self.fact(FactKey::Status, fact, desired, actual);
        if fact.is_none() {
            let text = "no request and no rule speaks of the account: it stays as it is";
            told.against.push(text.to_owned());
        }
        let speaks_of_status = |request: &ResolvedRequest| {
            use Operation::{Join, Leave, Resume, Suspend};
            matches!(request.terms.operation, Join | Leave | Suspend | Resume)
        };
        let otherwise = |_: &ResolvedRequest| "a later request counts".to_owned();
        self.add_requests_against(&mut told, speaks_of_status, otherwise);
        told
    }

    fn attribute(&self, name: &str, fact: &Fact<Option<String>>) -> Explained {
        let account = self.state.actual.account.as_ref();
        let actual = account.and_then(|account| account.profile.get(name).cloned());
        let key = FactKey::Profile(name.to_owned());
        self.fact(key, Some(fact), fact.value.clone(), actual.filter(|value| !value.is_empty()))
    }

    fn groups_at_issue(&self) -> BTreeSet<GroupId> {
        let desired = self.plan.desired.memberships.keys();
        let ruled = self.org.rule_groups.iter().flatten();
        let requested = self.state.requests.iter().flat_map(|request| &request.terms.groups);
        desired.chain(&self.state.actual.groups).chain(ruled).chain(requested).cloned().collect()
    }

    fn membership(&self, group: &GroupId) -> Explained {
        let desired = &self.plan.desired;
        let unmanaged = desired.unmanaged_memberships.contains(group);
        let others = desired.other_memberships.as_ref().filter(|_| !unmanaged);
        let fact = desired.memberships.get(group).or(others);
        let wanted = fact.map(|fact| fact.value);
        let actual = member(self.state.actual.groups.contains(group));
        let key = FactKey::Membership(group.clone());
        let mut told = self.fact(key, fact, wanted.map(member), Some(actual));
        if unmanaged {
            told.against.push("nothing is said about it, so what is, stands".to_owned());
        }
        told.against.extend(self.rules_against(group, wanted == Some(true)));
        let names_it = |request: &ResolvedRequest| request.terms.groups.contains(group);
        self.add_requests_against(&mut told, names_it, |request| self.ended_by(request));
        let adopted = told.reasons.iter().any(|reason| reason.kind == "baseline");
        if self.state.baseline.contains(group) && !adopted {
            let text = "it was so at take-over, which a leave, a revoke or an exact rule ends";
            told.against.push(text.to_owned());
        }
        match self.org.groups.get(group).map(Group::owner) {
            None => told.against.push("the group does not exist in Okta any more".to_owned()),
            Some(Some(why)) => told.against.push(format!("never written: {why}")),
            Some(None) => {}
        }
        let mut seen = BTreeSet::new();
        told.against.retain(|text| seen.insert(text.clone()));
        told
    }

    /// Why requests that concern a fact do not count; `otherwise`: where nothing of their own says.
    fn add_requests_against(
        &self,
        told: &mut Explained,
        concerns: impl Fn(&ResolvedRequest) -> bool,
        otherwise: impl Fn(&ResolvedRequest) -> String,
    ) {
        for request in self.state.requests.iter().filter(|request| concerns(request)) {
            let reference = Some(&request.reference);
            if told.reasons.iter().any(|reason| reason.request.as_ref() == reference) {
                continue;
            }
            let what = request.terms.operation.as_str();
            let why = match (request.approval, request.terms.ends) {
                (Approval::Waiting, _) => "it is not approved".to_owned(),
                (Approval::Withdrawn, _) => {
                    "it was rejected, cancelled or closed incomplete".to_owned()
                }
                (Approval::Approved, _) if !request.in_force(self.now) => {
                    format!("it begins on {}", stamp(request.effective))
                }
                (Approval::Approved, Some(ends)) if ends <= self.now => {
                    format!("it ended on {}", stamp(ends))
                }
                (Approval::Approved, _) => otherwise(request),
            };
            let text = format!("{what} {} does not count: {why}", request.reference.number);
            told.against.push(text);
        }
    }

    /// Birthright rules of a group that do not give it.
    fn rules_against(&self, group: &GroupId, wanted: bool) -> Vec<String> {
        let scope = Scope::person(&self.state.person.record);
        let rules = self.policy.groups.iter().zip(&self.org.rule_groups);
        rules
            .filter(|(_, id)| id.as_ref() == Some(group))
            .filter_map(|(rule, _)| {
                let says = match rule.when.truth(&scope) {
                    Ok(true) if wanted => return None,
                    Ok(true) => {
                        "holds for the record, and the account gets no access now".to_owned()
                    }
                    Ok(false) => format!("does not hold for the record: {}", rule.when.source()),
                    Err(why) => format!("cannot be evaluated: {why}"),
                };
                Some(format!("the rule of {} {says}", rule.name))
            })
            .collect()
    }

    /// What ended a request that was in force and does not count any more.
    fn ended_by(&self, resolved: &ResolvedRequest) -> String {
        let after =
            |other: &&ResolvedRequest| other.in_force(self.now) && other.place() > resolved.place();
        let groups = &resolved.terms.groups;
        let ends = |other: &&ResolvedRequest| match other.terms.operation {
            Operation::Leave => true,
            Operation::Join => other.has_ended(self.now),
            Operation::Revoke => other.terms.groups.iter().any(|group| groups.contains(group)),
            _ => false,
        };
        match self.state.requests.iter().filter(after).find(ends) {
            Some(other) => {
                format!("{} {} ended it", other.terms.operation.as_str(), other.reference.number)
            }
            None => "another request or rule says otherwise".to_owned(),
        }
    }

    fn tell<T>(&self, key: &FactKey, fact: &Fact<T>, reason: &Reason) -> ReasonText {
        let basis = fact.basis.as_str();
        let (kind, rule, text) = match reason {
            Reason::Request { request, until } => return self.tell_request(request, *until),
            Reason::Rule(name) => {
                // A fact that a request gives as well does not carry the rule's source.
                let rule = self.policy.groups.iter().find(|group| group.name == *name);
                let source = rule.map_or(basis, |rule| rule.when.source());
                ("rule", Some(name.clone()), format!("birthright of {name}: {source}"))
            }
            Reason::Record => {
                let by = match key {
                    FactKey::Profile(_) => format!(": {basis}"),
                    _ if basis.is_empty() => String::new(),
                    _ => format!(", by {basis}"),
                };
                ("record", None, format!("the record says so{by}"))
            }
            Reason::Baseline => {
                ("baseline", None, "it was so when Goldthread took the account over".to_owned())
            }
        };
        ReasonText { kind, request: None, rule, until: None, text }
    }

    fn tell_request(&self, request: &RequestRef, until: Option<Timestamp>) -> ReasonText {
        let resolved = self.state.requests.iter().find(|resolved| resolved.reference == *request);
        let what = resolved.map_or("request", |resolved| resolved.terms.operation.as_str());
        let ended = resolved.is_some_and(|resolved| resolved.has_ended(self.now));
        let text = match until.or(resolved.and_then(|m| m.terms.ends).filter(|_| ended)) {
            Some(ends) if ended => format!("{what} {} ended on {}", request.number, stamp(ends)),
            Some(ends) => format!("{what} {} until {}", request.number, stamp(ends)),
            None => format!("{what} {}", request.number),
        };
        ReasonText { kind: "request", request: Some(request.clone()), rule: None, until, text }
    }
}

/// What becomes of a difference, and why.
pub(crate) fn obstacle(disposition: &Disposition, reason: &str) -> String {
    let word = match disposition {
        Disposition::Apply => "differs, and will be repaired",
        Disposition::Hold(_) => "held",
        Disposition::Report(_) => "only reported",
        Disposition::Protected(_) => "protected",
        Disposition::Blocked(_) => "blocked",
    };
    format!("{word}: {reason}")
}

fn stamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
