//! An edit of a request after its approval was first seen: what it changes, and what of the request it
//! does not touch.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::resolve::{Problem, rule_for, word};
use super::{Policy, RequestRule};
use crate::model::{Change, Request, RequestNumber, RequestText, Terms};

/// What an edit makes of the values that were approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestChange {
    /// What makes it the same edit in every cycle: a decision is about this.
    pub fingerprint: String,
    /// Per key of the configuration, the approved text and the new one.
    pub changes: BTreeMap<String, Change>,
}

/// The block that a request falls under, and what it says by that; `None` where no block speaks of it.
/// Where it cannot be told which block is meant any more, it is the one that meant what was approved.
pub(crate) fn read<'a>(
    policy: &'a Policy,
    request: &Request,
    approved: Option<&RequestText>,
) -> Option<(&'a RequestRule, Result<RequestText, Problem>)> {
    match rule_for(policy, request) {
        Ok(rule) => rule.map(|rule| (rule, word(rule, request))),
        Err((rule, problem)) => {
            let of_item = |it: &&RequestRule| it.item == rule.item;
            let mut rules = policy.requests.iter().filter(of_item);
            let meant = rules.find(|it| approved.is_some_and(|at| at.operation == it.operation));
            Some((meant.unwrap_or(rule), Err(problem)))
        }
    }
}

/// The edit after which a request says something else than was approved, or something of which it
/// cannot be told what it is.
pub(crate) fn edit(
    rule: &RequestRule,
    request: &Request,
    approved: &RequestText,
    now: &Result<RequestText, Problem>,
) -> RequestChange {
    let number = &request.reference.number;
    match now {
        Ok(now) => between(number, approved, now),
        Err(problem) => garbled(number, approved, problem, &answers(rule, request)),
    }
}

/// What the form says, as far as a block asks for it.
fn answers<'a>(rule: &RequestRule, request: &'a Request) -> BTreeMap<&'a str, &'a str> {
    let asked = rule.expressions().flat_map(|it| it.fields("variables"));
    let answer = |name: String| request.variables.get_key_value(&name);
    asked.filter_map(answer).map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn garbled(
    number: &RequestNumber,
    approved: &RequestText,
    problem: &Problem,
    answers: &BTreeMap<&str, &str>,
) -> RequestChange {
    let key = match problem {
        // Which block is meant says what it asks for.
        Problem::Expression { key: "when", .. } => "operation",
        Problem::Expression { key: "last_day", .. } => "ends",
        Problem::Expression { key, .. } => key,
        _ => "",
    };
    let from = texts(approved).into_iter().find(|(name, _)| *name == key).map(|(_, text)| text);
    let change = Change { from: from.and_then(shown), to: None };
    let fingerprint = fingerprint(&format!("{number}\n{approved:?}\n{problem:?}\n{answers:?}"));
    RequestChange { fingerprint, changes: BTreeMap::from([(key.to_owned(), change)]) }
}

/// The edit that leads from the approved values to those that the request has now.
fn between(number: &RequestNumber, approved: &RequestText, now: &RequestText) -> RequestChange {
    let changes: BTreeMap<String, Change> = texts(approved)
        .into_iter()
        .zip(texts(now))
        .filter(|((_, from), (_, to))| from != to)
        .map(|((key, from), (_, to))| (key.to_owned(), Change { from: shown(from), to: shown(to) }))
        .collect();
    let fingerprint = fingerprint(&format!("{number}\n{approved:?}\n{now:?}"));
    RequestChange { fingerprint, changes }
}

/// What a request says, by the keys of the configuration.
fn texts(text: &RequestText) -> [(&'static str, &str); 5] {
    [
        ("operation", text.operation.as_str()),
        ("person", &text.person),
        ("groups", &text.groups),
        ("starts", &text.starts),
        ("ends", &text.ends),
    ]
}

fn shown(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn fingerprint(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref()[..8].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// What may be carried out although the edit waits: whom and what both name, where no date changed.
pub(crate) fn untouched(change: &RequestChange, approved: &Terms, now: Option<&Terms>) -> Terms {
    let touches_all =
        ["operation", "starts", "ends"].iter().any(|key| change.changes.contains_key(*key));
    let mut left = approved.clone();
    match now.filter(|_| !touches_all) {
        Some(now) => {
            left.people.retain(|person| now.people.contains(person));
            left.groups.retain(|group| now.groups.contains(group));
        }
        None => left.people.clear(),
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{group, sys_id};
    use crate::model::{GroupId, Operation, SysId};

    fn text(person: &str, groups: &str, starts: &str) -> RequestText {
        RequestText {
            operation: Operation::Join,
            person: person.to_owned(),
            groups: groups.to_owned(),
            starts: starts.to_owned(),
            ends: String::new(),
        }
    }

    fn terms(people: &[&str], groups: &[&str]) -> Terms {
        let people: Vec<SysId> = people.iter().map(|id| sys_id(id)).collect();
        let groups: Vec<GroupId> = groups.iter().map(|id| group(id)).collect();
        Terms { operation: Operation::Join, people, groups, starts: None, ends: None }
    }

    #[test]
    fn only_what_an_edit_touches_waits() {
        let number = RequestNumber::parse("RITM0000001").unwrap();
        let approved = text("a,b", "g1", "2026-03-01");
        let first = terms(&["a", "b"], &["g1"]);
        for (now, resolved, people, groups) in [
            (text("a,b", "g1,g2", "2026-03-01"), Some(terms(&["a", "b"], &["g1", "g2"])), 2, 1),
            (text("a,b", "g2", "2026-03-01"), Some(terms(&["a", "b"], &["g2"])), 2, 0),
            (text("a,c", "g1", "2026-03-01"), Some(terms(&["a", "c"], &["g1"])), 1, 1),
            (text("c", "g1", "2026-03-01"), Some(terms(&["c"], &["g1"])), 0, 1),
            (text("a,b", "g1", "2026-03-09"), Some(first.clone()), 0, 1),
            (text("a,?", "g1", "2026-03-01"), None, 0, 1),
        ] {
            let change = between(&number, &approved, &now);
            let left = untouched(&change, &first, resolved.as_ref());
            assert_eq!((left.people.len(), left.groups.len()), (people, groups), "{now:?}");
            assert_eq!(change, between(&number, &approved, &now), "the same edit each time");
        }
    }

    #[test]
    fn an_edit_shows_both_values() {
        let number = RequestNumber::parse("RITM0000001").unwrap();
        let change = between(&number, &text("a", "", "30.11.2026"), &text("a", "", "2026-11-30"));
        let shown: Vec<_> = change.changes.into_iter().collect();
        let [(key, Change { from, to })] = shown.as_slice() else { panic!("{shown:?}") };
        assert_eq!(key, "starts");
        assert_eq!((from.as_deref(), to.as_deref()), (Some("30.11.2026"), Some("2026-11-30")));
    }
}
