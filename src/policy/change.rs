//! An edit of a request after its approval was first seen: what it changes, and what of the request it
//! does not touch.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use crate::model::{Change, RequestNumber, RequestText, Terms};

/// What an edit makes of the values that were approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestChange {
    /// What makes it the same edit in every cycle: a decision is about this.
    pub fingerprint: String,
    /// Per key of the configuration, the approved text and the new one.
    pub changes: BTreeMap<String, Change>,
}

/// The edit that leads from the approved values to those that the request has now.
pub(crate) fn between(
    number: &RequestNumber,
    approved: &RequestText,
    now: &RequestText,
) -> RequestChange {
    let shown = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let fields = [
        ("operation", approved.operation.as_str(), now.operation.as_str()),
        ("person", &approved.person, &now.person),
        ("groups", &approved.groups, &now.groups),
        ("starts", &approved.starts, &now.starts),
        ("ends", &approved.ends, &now.ends),
    ];
    let changes: BTreeMap<String, Change> = fields
        .into_iter()
        .filter(|(_, from, to)| from != to)
        .map(|(key, from, to)| (key.to_owned(), Change { from: shown(from), to: shown(to) }))
        .collect();
    let text = format!("{number}\n{approved:?}\n{now:?}");
    let hash = digest(&SHA256, text.as_bytes());
    let fingerprint =
        hash.as_ref()[..8].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    RequestChange { fingerprint, changes }
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
