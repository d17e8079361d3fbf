//! What the log says of an action, and of an open item when it begins and when it ends, and how loudly.

use crate::model::{Action, Cause, Disposition, FactKey, HoldReason, OpenItem, Step, Subject};

/// How loudly something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loudness {
    Silent,
    Info,
    Warn,
    Error,
}

/// How loudly it is said that something is open.
pub(crate) fn loudness(item: &OpenItem) -> Loudness {
    match &item.disposition {
        // What is to be done is said when it is done, or fails.
        _ if item.is_dismissed() => Loudness::Silent,
        Disposition::Apply | Disposition::Protected(_) => Loudness::Silent,
        Disposition::Report(_) => Loudness::Info,
        _ if is_leave_held_up(item) => Loudness::Error,
        Disposition::Hold(_) | Disposition::Blocked(_) => Loudness::Warn,
    }
}

/// What wakes somebody: an account that a leave is to disable, and a limit or Okta stands in the
/// way.
pub(crate) fn is_leave_held_up(item: &OpenItem) -> bool {
    let disables = item.facts.iter().any(|fact| {
        let unusable = ["deactivated", "suspended"].map(Some);
        fact.key == FactKey::Status && unusable.contains(&fact.desired.as_deref())
    });
    let in_the_way = match &item.disposition {
        Disposition::Hold(HoldReason::Limit(_)) => item.cause == Cause::Request,
        Disposition::Blocked(_) => true,
        _ => false,
    };
    disables && in_the_way
}

/// A word for how something open stands, and the sentence with which it begins. `subject`: what would
/// be done for whom, or which fact of whom it is.
pub(crate) fn begun(item: &OpenItem, subject: &str) -> (&'static str, String) {
    let (origin, reason) = (&item.origin, item.reason());
    let (outcome, stands) = match &item.disposition {
        Disposition::Blocked(_) => ("blocked", "cannot be done"),
        Disposition::Report(_) => ("skipped", "is left as it is"),
        _ => ("held", "held"),
    };
    let text = match &item.subject {
        Subject::Person(_) if outcome == "held" => format!("{origin}: held: {subject}: {reason}"),
        Subject::Person(_) => format!("{origin}: {subject} {stands}: {reason}"),
        Subject::Request(_) => format!("{origin}: held: {reason}"),
        Subject::Rule(_) | Subject::Name(_) | Subject::Side(_) | Subject::Record(_) => reason,
    };
    (outcome, text)
}

/// The sentence with which something open ends.
pub(crate) fn ended(item: &OpenItem, subject: &str) -> String {
    let origin = &item.origin;
    match &item.subject {
        Subject::Person(_) => format!("{origin}: no longer held: {subject}"),
        Subject::Request(_) => format!("{origin}: no longer held: {}", item.reason()),
        _ => format!("over: {}", item.reason()),
    }
}

/// What an action did, as a sentence that begins with its request.
pub(crate) fn sentence(action: &Action, name: &str, group: Option<&str>) -> String {
    let group = group.unwrap_or("a group");
    let did = match &action.step {
        Step::Create { activate: true, .. } => format!("created {name} and activated it"),
        Step::Create { activate: false, .. } => format!("created {name}, not activated yet"),
        Step::Update { changes } => {
            let attributes: Vec<&str> = changes.keys().map(String::as_str).collect();
            format!("changed {} of {name}", attributes.join(", "))
        }
        Step::Activate { .. } => format!("activated {name}"),
        Step::Reactivate { .. } => format!("sent {name} a new activation mail"),
        Step::Suspend => format!("suspended {name}"),
        Step::Unsuspend => format!("lifted the suspension of {name}"),
        Step::Deactivate => format!("deactivated {name}"),
        Step::ClearSessions => format!("ended the sessions of {name}"),
        Step::AddMember { .. } => format!("added {name} to {group}"),
        Step::RemoveMember { .. } => format!("removed {name} from {group}"),
    };
    format!("{}: {did}", action.origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{group, origin, sys_id};
    use crate::model::{BlockedReason, OpenFact, ReportReason, Why};

    /// Jane's status, which a leave asks for and which stands like this.
    fn leave(cause: Cause, disposition: Disposition) -> OpenItem {
        let origin = origin("RITM0000001");
        let fact = OpenFact {
            key: FactKey::Status,
            desired: Some("deactivated".to_owned()),
            actual: Some("active".to_owned()),
            origin: origin.clone(),
            cause,
            step: None,
        };
        OpenItem {
            facts: vec![fact],
            origin,
            cause,
            disposition,
            ..OpenItem::unusable(Subject::Person(sys_id("p1")), String::new())
        }
    }

    fn blocked() -> Disposition {
        Disposition::Blocked(BlockedReason::Unusable("it is forbidden".to_owned()))
    }

    #[test]
    fn what_waits_warns_what_holds_up_a_leave_wakes_and_what_was_dismissed_is_silent() {
        let unattributed = || Disposition::Hold(HoldReason::Unattributed);
        for (cause, disposition, loud) in [
            (Cause::Request, Disposition::Apply, Loudness::Silent),
            (Cause::Request, unattributed(), Loudness::Warn),
            (Cause::Request, blocked(), Loudness::Error),
            (
                Cause::Record,
                Disposition::Report(ReportReason::InactiveRecord { gone: true }),
                Loudness::Info,
            ),
            (
                Cause::Request,
                Disposition::Hold(HoldReason::Dismissed(Why::Record)),
                Loudness::Silent,
            ),
        ] {
            let item = leave(cause, disposition);
            assert_eq!(loudness(&item), loud, "{item:?}");
        }
        // Nobody leaves by it.
        let mut grant = leave(Cause::Request, blocked());
        grant.facts[0].key = FactKey::Membership(group("g1"));
        assert_eq!(loudness(&grant), Loudness::Warn);
    }

    #[test]
    fn what_is_open_begins_and_ends_with_its_request() {
        let held = leave(Cause::Request, Disposition::Hold(HoldReason::Unattributed));
        let reported = Disposition::Report(ReportReason::InactiveRecord { gone: true });
        let reported = leave(Cause::Record, reported);
        for (item, outcome, said) in [
            (&held, "held", "RITM0000001: held: status of jane: no request accounts for it"),
            (
                &leave(Cause::Request, blocked()),
                "blocked",
                "RITM0000001: status of jane cannot be done: it is forbidden",
            ),
        ] {
            assert_eq!(begun(item, "status of jane"), (outcome, said.to_owned()));
            assert_eq!(
                ended(item, "status of jane"),
                "RITM0000001: no longer held: status of jane"
            );
        }
        let (outcome, text) = begun(&reported, "status of jane");
        assert_eq!(outcome, "skipped");
        assert!(text.starts_with("RITM0000001: status of jane is left as it is: "), "{text}");
        let side = OpenItem::unusable(Subject::Side("Okta".to_owned()), "it is odd".to_owned());
        assert_eq!(begun(&side, ""), ("blocked", "it is odd".to_owned()));
        assert_eq!(ended(&side, ""), "over: it is odd");
    }

    #[test]
    fn an_action_is_a_sentence_that_begins_with_its_request() {
        let g1 = || group("g1");
        for (step, said) in [
            (Step::Suspend, "suspended jane"),
            (Step::Activate { mail: true }, "activated jane"),
            (Step::AddMember { group: g1() }, "added jane to Sales"),
            (Step::RemoveMember { group: g1() }, "removed jane from Sales"),
            (Step::ClearSessions, "ended the sessions of jane"),
        ] {
            let action = Action {
                person: sys_id("p1"),
                account: None,
                step,
                origin: origin("RITM0000001"),
                cause: Cause::Request,
            };
            assert_eq!(sentence(&action, "jane", Some("Sales")), format!("RITM0000001: {said}"));
        }
    }
}
