//! Why a fact is as it is: everything that speaks for it, and everything that might be thought to
//! and does not.

use std::collections::BTreeSet;

use super::difference::{Difference, member};
use super::org::OrgState;
use super::person::PersonPlan;
use crate::model::{
    Actual, Approval, Cause, Disposition, FactKey, Group, GroupId, Operation, Origin, PersonState,
    Reason, RequestRef, ResolvedRequest, Timestamp,
};
use crate::policy::Policy;
use crate::policy::expression::Scope;
use crate::policy::fact::{Desired, Fact};

/// One fact with everything that can be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explained {
    pub key: FactKey,
    /// How it should be; `None` is null, or that nothing is desired.
    pub desired: Option<String>,
    /// How it is; `None` is null, or that there is no account.
    pub actual: Option<String>,
    /// No difference was found, which is also so where nothing is desired.
    pub in_sync: bool,
    /// Where the desired fact comes from.
    pub origin: Origin,
    /// What made it so, or why the two differ now.
    pub cause: Cause,
    /// What speaks for the desired fact.
    pub reasons: Vec<ReasonText>,
    /// What speaks against it, stands in its way, or does not count, in words.
    pub against: Vec<String>,
}

/// One reason, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReasonText {
    /// `request`, `rule`, `record` or `baseline`.
    pub kind: &'static str,
    /// `None` unless `kind` is `request`.
    pub request: Option<RequestRef>,
    /// The birthright rule, by its group's name.
    pub rule: Option<String>,
    /// When it stops speaking for the fact.
    pub until: Option<Timestamp>,
    /// The reason for a person to read.
    pub text: String,
}

/// What a decision about one person was made from, and what it was.
#[derive(Clone, Copy)]
struct View<'a> {
    state: &'a PersonState,
    desired: &'a Desired,
    actual: &'a Actual,
    differences: &'a [Difference],
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
    let PersonPlan { desired, differences, .. } = plan;
    let view = View { state, desired, actual: &state.actual, differences, org, policy, now };
    let mut facts = vec![view.status()];
    facts.extend(view.desired.profile.iter().map(|(name, fact)| view.attribute(name, fact)));
    facts.extend(view.groups_at_issue().iter().map(|group| view.membership(group)));
    let told: BTreeSet<FactKey> = facts.iter().map(|fact| fact.key.clone()).collect();
    let rest = view
        .differences
        .iter()
        .filter(|difference| !told.contains(&difference.key) && difference.key != FactKey::Account);
    facts.extend(rest.map(|difference| view.only_differs(difference)));
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
        let differences: Vec<&Difference> = self
            .differences
            .iter()
            .filter(|difference| {
                difference.key == key
                    || key == FactKey::Status && difference.key == FactKey::Account
            })
            .collect();
        let differs = differences.first();
        let mut reasons: Vec<ReasonText> = fact
            .into_iter()
            .flat_map(|fact| fact.reasons.iter().map(|reason| self.tell(&key, fact, reason)))
            .collect();
        // What was taken away has no reason of its own but the request that did.
        if let (true, Some(fact)) = (reasons.is_empty(), fact)
            && let Some(request) = fact.origin.request()
            && fact.cause == Cause::Request
        {
            reasons.push(self.tell_request(request, None));
        }
        Explained {
            in_sync: differences.is_empty(),
            origin: fact.map_or_else(
                || differs.map_or(Origin::None, |difference| difference.origin.clone()),
                |fact| fact.origin.clone(),
            ),
            cause: differs
                .map(|difference| difference.cause)
                .or(fact.map(|fact| fact.cause))
                .unwrap_or(Cause::Record),
            desired,
            actual,
            reasons,
            against: differences.iter().map(|difference| obstacle(difference)).collect(),
            key,
        }
    }

    fn status(&self) -> Explained {
        let fact = self.desired.status.as_ref();
        let actual = self.actual.account.as_ref().map(|a| a.status.as_str().to_lowercase());
        let desired = fact.map(|fact| fact.value.as_str().to_owned());
        let mut told = self.fact(FactKey::Status, fact, desired, actual);
        if fact.is_none() {
            told.against
                .push("no request and no rule speaks of the account: it stays as it is".to_owned());
        }
        for resolved in self.state.requests.iter().filter(|m| speaks_of_status(m)) {
            let counts =
                told.reasons.iter().any(|r| r.request.as_ref() == Some(&resolved.reference));
            if !counts {
                told.against.push(self.does_not_count(resolved, "a later request counts"));
            }
        }
        told
    }

    fn attribute(&self, name: &str, fact: &Fact<Option<String>>) -> Explained {
        let account = self.actual.account.as_ref();
        let actual = account.and_then(|account| account.profile.get(name).cloned());
        let key = FactKey::Profile(name.to_owned());
        self.fact(key, Some(fact), fact.value.clone(), actual.filter(|value| !value.is_empty()))
    }

    fn only_differs(&self, difference: &Difference) -> Explained {
        let mut told = self.fact::<()>(
            difference.key.clone(),
            None,
            difference.desired.clone(),
            difference.actual.clone(),
        );
        told.against.dedup();
        told
    }

    fn groups_at_issue(&self) -> BTreeSet<GroupId> {
        let mut groups: BTreeSet<GroupId> = self.desired.memberships.keys().cloned().collect();
        groups.extend(self.actual.groups.iter().cloned());
        groups.extend(self.org.rule_groups.iter().flatten().cloned());
        groups
            .extend(self.state.requests.iter().flat_map(|resolved| resolved.terms.groups.clone()));
        groups
    }

    fn membership(&self, group: &GroupId) -> Explained {
        let is = self.actual.groups.contains(group);
        let fact = self.desired.memberships.get(group);
        let unmanaged_memberships = self.desired.unmanaged_memberships.contains(group);
        let other_memberships =
            self.desired.other_memberships.as_ref().filter(|_| !unmanaged_memberships);
        let fact = fact.or(other_memberships);
        let key = FactKey::Membership(group.clone());
        let desired = fact.map(|fact| member(fact.value));
        let wanted = fact.is_some_and(|fact| fact.value);
        let mut told = self.fact(key, fact, desired, Some(member(is)));
        if unmanaged_memberships {
            told.against.push("nothing is said about it, so what is, stands".to_owned());
        }
        told.against.extend(self.rules_against(group, wanted));
        for resolved in self.state.requests.iter().filter(|m| m.terms.groups.contains(group)) {
            let counts =
                told.reasons.iter().any(|r| r.request.as_ref() == Some(&resolved.reference));
            if !counts {
                told.against.push(self.does_not_count(resolved, &self.ended_by(resolved)));
            }
        }
        let adopted = told.reasons.iter().any(|reason| reason.kind == "baseline");
        if self.state.baseline.contains(group) && !adopted {
            told.against.push(
                "it was so at take-over, which a leave, a revoke or an exact rule ends".to_owned(),
            );
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

    /// Birthright rules of a group that do not give it.
    fn rules_against(&self, group: &GroupId, wanted: bool) -> Vec<String> {
        let scope = Scope::person(&self.state.person.record);
        let rules = self.policy.groups.iter().zip(&self.org.rule_groups);
        rules
            .filter(|(_, id)| id.as_ref() == Some(group))
            .filter_map(|(rule, _)| match rule.when.truth(&scope) {
                Ok(true) if wanted => None,
                Ok(true) => Some(format!(
                    "the rule of {} holds for the record, and the account gets no access now",
                    rule.name
                )),
                Ok(false) => Some(format!(
                    "the rule of {} does not hold for the record: {}",
                    rule.name,
                    rule.when.source()
                )),
                Err(error) => {
                    Some(format!("the rule of {} cannot be evaluated: {error}", rule.name))
                }
            })
            .collect()
    }

    /// What ended a request that was in force and does not count any more.
    fn ended_by(&self, resolved: &ResolvedRequest) -> String {
        let after = |other: &&ResolvedRequest| {
            other.in_force(self.now)
                && (other.effective, other.created_at, &other.reference.number)
                    > (resolved.effective, resolved.created_at, &resolved.reference.number)
        };
        let ends = |other: &&ResolvedRequest| match other.terms.operation {
            Operation::Leave => true,
            Operation::Join => other.has_ended(self.now),
            Operation::Revoke => {
                other.terms.groups.iter().any(|g| resolved.terms.groups.contains(g))
            }
            _ => false,
        };
        match self.state.requests.iter().filter(after).find(ends) {
            Some(other) => {
                format!("{} {} ended it", other.terms.operation.as_str(), other.reference.number)
            }
            None => "another request or rule says otherwise".to_owned(),
        }
    }

    fn does_not_count(&self, resolved: &ResolvedRequest, otherwise: &str) -> String {
        let number = &resolved.reference.number;
        let what = resolved.terms.operation.as_str();
        let why = match resolved.approval {
            Approval::Waiting => "it is not approved".to_owned(),
            Approval::Withdrawn => "it was rejected, cancelled or closed incomplete".to_owned(),
            Approval::Approved if !resolved.in_force(self.now) => {
                format!("it begins on {}", stamp(resolved.effective))
            }
            Approval::Approved => match resolved.terms.ends.filter(|ends| *ends <= self.now) {
                Some(ends) => format!("it ended on {}", stamp(ends)),
                None => otherwise.to_owned(),
            },
        };
        format!("{what} {number} does not count: {why}")
    }

    fn tell<T>(&self, key: &FactKey, fact: &Fact<T>, reason: &Reason) -> ReasonText {
        let told = |kind, text| ReasonText { kind, request: None, rule: None, until: None, text };
        match reason {
            Reason::Request { request, until } => self.tell_request(request, *until),
            Reason::Rule(name) => ReasonText {
                rule: Some(name.clone()),
                ..told("rule", format!("birthright of {name}: {}", fact.basis_or(self, name)))
            },
            Reason::Record => {
                let text = match key {
                    FactKey::Profile(_) => format!("the record says so: {}", fact.basis),
                    _ if fact.basis.is_empty() => "the record says so".to_owned(),
                    _ => format!("the record says so, by {}", fact.basis),
                };
                told("record", text)
            }
            Reason::Baseline => {
                told("baseline", "it was so when Goldthread took the account over".to_owned())
            }
        }
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

impl<T> Fact<T> {
    /// The source of the birthright rule, which a fact that a request gives as well does not carry.
    fn basis_or(&self, view: &View<'_>, rule: &str) -> String {
        let found = view.policy.groups.iter().find(|group| group.name == rule);
        found.map_or_else(|| self.basis.clone(), |group| group.when.source().to_owned())
    }
}

fn speaks_of_status(resolved: &ResolvedRequest) -> bool {
    use Operation::{Grant, Join, Leave, Move, Resume, Revoke, Suspend};
    match resolved.terms.operation {
        Join | Leave | Suspend | Resume => true,
        Move | Grant | Revoke => false,
    }
}

/// What a difference says against its fact.
fn obstacle(difference: &Difference) -> String {
    let reason = difference.reason();
    match difference.disposition {
        Disposition::Apply => format!("differs, and will be repaired: {reason}"),
        Disposition::Hold(_) => format!("held: {reason}"),
        Disposition::Report(_) => format!("only reported: {reason}"),
        Disposition::Protected(_) => format!("protected: {reason}"),
        Disposition::Blocked(_) => format!("blocked: {reason}"),
    }
}

fn stamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
