//! From a requested item to what it asks for: which block it matches, what it says, for whom.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;

use super::dates::{self, Edge};
use super::expression::{Expression, Scope};
use super::{ApprovalSource, Policy, RequestRule};
use crate::model::{
    Approval, GroupId, Operation, Request, RequestText, ResolvedRequest, SysId, Terms, Timestamp,
};

/// Why a request cannot be carried out as it stands. Held, and said on the request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Problem {
    /// `why` shows no values.
    #[error("the configuration of its catalog item cannot be evaluated (`{key}`: {why})")]
    Expression { key: &'static str, why: String },
    #[error("it names no person")]
    PersonEmpty,
    #[error("{} is not a person that ServiceNow knows", named(.0))]
    PersonUnknown(String),
    #[error("{} fits more than one person", named(.0))]
    PersonAmbiguous(String),
    /// It cannot stand in a query, or what it fits cannot be read: nobody else can be looked up by it.
    #[error("nobody can be looked up by {}: {why}", named(.text))]
    PersonUnreadable { text: String, why: String },
    #[error("it names no group")]
    GroupEmpty,
    #[error("there is no group {} in Okta", named(.0))]
    GroupUnknown(String),
    #[error("{} fits more than one group in Okta", named(.0))]
    GroupAmbiguous(String),
    #[error("the group {} cannot be used: {why}", named(.text))]
    GroupUnreadable { text: String, why: String },
    #[error("the entry {} of the list of groups cannot be read: {why}", named(.text))]
    LookupUnreadable { text: String, why: String },
    /// A row that `groups` names is not in the look-up table.
    #[error("the list of groups has no entry {} any more", named(.0))]
    LookupUnknown(String),
    #[error("the group {} is not among those that a request may grant", named(.0))]
    NotGrantable(String),
    #[error("the group {} is protected and is never changed", named(.0))]
    ProtectedGroup(String),
    #[error("the {} {text:?} is not a date; write it like 2026-11-30", in_words(key))]
    Date { key: &'static str, text: String },
    #[error("it ends before it starts")]
    EndsBeforeStarts,
    #[error("changed after approval: it needs a decision, or a new order")]
    ChangedAfterApproval,
    /// It comes with what is wrong with the new values.
    #[error(
        "changed after approval, to what cannot be used: once that is dismissed, what was approved \
         goes on; else it needs another change, or a new order"
    )]
    ChangedUnusably,
}

/// Somebody's text in quotes, cut where nobody would read on: it is said on the request.
fn named(text: &str) -> String {
    const LONGEST: usize = 120;
    let rest = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("{:?}{rest}", text.chars().take(LONGEST).collect::<String>())
}

/// A requester knows the form, not the keys of the configuration.
fn in_words(key: &str) -> &'static str {
    match key {
        "starts" => "start date",
        "ends" => "end date",
        _ => "last day",
    }
}

impl Problem {
    /// A word for this kind of problem: a second note is written only when it changes.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Expression { .. } => "expression",
            Self::PersonEmpty => "person-empty",
            Self::PersonUnknown(_) => "person-unknown",
            Self::PersonAmbiguous(_) => "person-ambiguous",
            Self::PersonUnreadable { .. } => "person-unreadable",
            Self::GroupUnreadable { .. } => "group-unreadable",
            Self::LookupUnreadable { .. } => "lookup-unreadable",
            Self::GroupEmpty => "group-empty",
            Self::GroupUnknown(_) => "group-unknown",
            Self::GroupAmbiguous(_) => "group-ambiguous",
            Self::LookupUnknown(_) => "lookup-unknown",
            Self::NotGrantable(_) => "not-grantable",
            Self::ProtectedGroup(_) => "protected-group",
            Self::Date { .. } => "date",
            Self::EndsBeforeStarts => "ends-before-starts",
            Self::ChangedAfterApproval | Self::ChangedUnusably => "changed",
        }
    }
}

/// What is known of the people and groups that requests name, by the text that names them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    /// A person's text as it stands in the request, to everybody whom it fits.
    pub people: BTreeMap<String, BTreeSet<SysId>>,
    /// A group's text, to every group that it fits, with its name.
    pub groups: BTreeMap<String, BTreeMap<GroupId, String>>,
    /// Per look-up table row, the text that names the group.
    pub lookups: BTreeMap<(String, String), String>,
    /// Why nothing can be looked up by a text, be it a person's, a group's or a row's.
    pub unreadable: BTreeMap<String, String>,
}

/// The `[[request]]` block that a request falls under.
///
/// `Ok(None)` where its item has no block whose `when` holds: then it is not ours. Fails with the
/// block of which that cannot be told.
pub(crate) fn rule_for<'a>(
    policy: &'a Policy,
    request: &Request,
) -> Result<Option<&'a RequestRule>, (&'a RequestRule, Problem)> {
    let scope = scope(request);
    for rule in &policy.requests {
        if rule.item != request.item && rule.item != request.item_name {
            continue;
        }
        match rule.when.as_ref().map_or(Ok(true), |when| when.truth(&scope)) {
            Ok(true) => return Ok(Some(rule)),
            Ok(false) => {}
            Err(error) => {
                return Err((rule, Problem::Expression { key: "when", why: error.to_string() }));
            }
        }
    }
    Ok(None)
}

fn scope(request: &Request) -> Scope {
    let mut fields = request.fields.clone();
    for (name, value) in [
        ("number", request.reference.number.as_str()),
        ("requested_for", request.requested_for.as_str()),
        ("approval", request.approval.as_str()),
        ("cat_item.name", request.item_name.as_str()),
    ] {
        fields.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    Scope::request(&request.variables, &fields)
}

/// What the request says now, as texts.
pub(crate) fn word(rule: &RequestRule, request: &Request) -> Result<RequestText, Problem> {
    let scope = scope(request);
    let text = |key, expression: &Option<Expression>| match expression {
        None => Ok(String::new()),
        Some(expression) => match expression.text(&scope) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(Problem::Expression { key, why: error.to_string() }),
        },
    };
    let person = match rule.person {
        Some(_) => text("person", &rule.person)?,
        None => request.requested_for.clone(),
    };
    Ok(RequestText {
        operation: rule.operation,
        person,
        groups: text("groups", &rule.groups)?,
        starts: text("starts", &rule.starts)?,
        ends: match rule.operation {
            Operation::Leave => text("last_day", &rule.last_day)?,
            _ => text("ends", &rule.ends)?,
        },
    })
}

/// Whether the request counts, by its block's `approval` key.
pub(crate) fn approval(rule: &RequestRule, request: &Request) -> Approval {
    let (item, order) = (request.approval.as_str(), request.order_approval.as_str());
    let approval = match rule.approval {
        ApprovalSource::Item => item,
        ApprovalSource::Order => order,
        ApprovalSource::None => "approved",
    };
    let rejected = |approval| matches!(approval, "rejected" | "cancelled");
    if rejected(item) || rejected(order) || request.state.is_withdrawn() {
        Approval::Withdrawn
    } else if approval == "approved" {
        Approval::Approved
    } else {
        Approval::Waiting
    }
}

/// [`approval`] of a request that may have taken effect already.
pub(crate) fn approval_with_effect(
    rule: &RequestRule,
    request: &Request,
    took_effect: bool,
) -> Approval {
    match approval(rule, request) {
        Approval::Waiting if took_effect => Approval::Approved,
        approval => approval,
    }
}

/// The names in a comma- or newline-separated list, trimmed, without empty ones.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n', '\r']).map(str::trim).filter(|name| !name.is_empty())
}

/// From when on a request is in force by its texts, where it says so. Fails with a text that is no
/// date.
pub(crate) fn starts(text: &RequestText, timezone: Tz) -> Result<Option<Timestamp>, String> {
    match text.operation {
        Operation::Leave => dates::read(&text.ends, timezone, Edge::End),
        _ => dates::read(&text.starts, timezone, Edge::Start),
    }
}

/// Looks up whom and what the texts of a request name, and reads its dates.
///
/// Fails with everything that is wrong with them at once.
pub(crate) fn resolve(
    request_text: &RequestText,
    rule: &RequestRule,
    policy: &Policy,
    directory: &Directory,
) -> Result<Terms, Vec<Problem>> {
    let RequestText { operation, starts, ends, .. } = request_text;
    let mut problems = Vec::new();
    let people = people(request_text, directory, &mut problems);
    let groups = groups(request_text, rule, directory, &mut problems);

    let mut date = |key, text: &str, edge| {
        dates::read(text, policy.timezone, edge).unwrap_or_else(|text| {
            problems.push(Problem::Date { key, text });
            None
        })
    };
    let (starts, ends) = match operation {
        Operation::Leave => (date("last_day", ends, Edge::End), None),
        _ => (date("starts", starts, Edge::Start), date("ends", ends, Edge::End)),
    };
    // A whole day ends where the next one begins.
    if starts.zip(ends).is_some_and(|(starts, ends)| ends <= starts) {
        problems.push(Problem::EndsBeforeStarts);
    }
    if problems.is_empty() {
        return Ok(Terms { operation: *operation, people, groups, starts, ends });
    }
    problems.sort();
    problems.dedup();
    Err(problems)
}

fn people(
    request_text: &RequestText,
    directory: &Directory,
    problems: &mut Vec<Problem>,
) -> Vec<SysId> {
    let mut people = Vec::new();
    for text in names(&request_text.person) {
        if let Some(why) = directory.unreadable.get(text) {
            let (text, why) = (text.to_owned(), why.clone());
            problems.push(Problem::PersonUnreadable { text, why });
            continue;
        }
        let mut found = directory.people.get(text).into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(person), None) if people.contains(person) => {}
            (Some(person), None) => people.push(person.clone()),
            (Some(_), Some(_)) => problems.push(Problem::PersonAmbiguous(text.to_owned())),
            (None, _) => problems.push(Problem::PersonUnknown(text.to_owned())),
        }
    }
    if names(&request_text.person).next().is_none() {
        problems.push(Problem::PersonEmpty);
    }
    people
}

fn groups(
    request_text: &RequestText,
    rule: &RequestRule,
    directory: &Directory,
    problems: &mut Vec<Problem>,
) -> Vec<GroupId> {
    let mut groups = Vec::new();
    for text in names(&request_text.groups) {
        let name = match &rule.lookup {
            None => text,
            Some(lookup) => {
                let row = (lookup.table.clone(), text.to_owned());
                if let Some(why) = directory.unreadable.get(text) {
                    let (text, why) = (text.to_owned(), why.clone());
                    problems.push(Problem::LookupUnreadable { text, why });
                    continue;
                }
                let Some(name) = directory.lookups.get(&row) else {
                    problems.push(Problem::LookupUnknown(text.to_owned()));
                    continue;
                };
                name.as_str()
            }
        };
        if let Some(why) = directory.unreadable.get(name) {
            let (text, why) = (name.to_owned(), why.clone());
            problems.push(Problem::GroupUnreadable { text, why });
            continue;
        }
        let mut found = directory.groups.get(name).into_iter().flat_map(BTreeMap::keys);
        match (found.next(), found.next()) {
            (Some(group), None) if groups.contains(group) => {}
            (Some(group), None) => groups.push(group.clone()),
            (Some(_), Some(_)) => problems.push(Problem::GroupAmbiguous(name.to_owned())),
            (None, _) => problems.push(Problem::GroupUnknown(name.to_owned())),
        }
    }
    let needed = matches!(request_text.operation, Operation::Grant | Operation::Revoke);
    if needed && names(&request_text.groups).next().is_none() {
        problems.push(Problem::GroupEmpty);
    }
    groups
}

/// Puts a request's approval and terms together into what policy decides from.
///
/// An approval that goes back to `requested` changes nothing that took effect.
pub(crate) fn resolved(
    request: &Request,
    rule: &RequestRule,
    terms: Terms,
    closed_before_first_seen: bool,
    took_effect: bool,
) -> ResolvedRequest {
    ResolvedRequest {
        reference: request.reference.clone(),
        effective: terms.starts.map_or(request.opened_at, |starts| starts.max(request.opened_at)),
        terms,
        approval: approval_with_effect(rule, request, took_effect),
        created_at: request.created_at,
        closed_before_first_seen,
        closed: request.state.is_closed(),
        observe: rule.observe,
        took_effect,
    }
}
