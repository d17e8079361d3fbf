//! Why an account is disabled, in words: whoever reads the log at night sees it without looking
//! further.

use super::planned::PlannedAction;
use crate::model::{Cause, Operation, Person, Presence, ResolvedRequest, Timestamp, Why};

/// Why an action disables an account, as it follows "suspended jane@example.com: ". `request` is
/// the one that it is put down to, `person` the record as it was last read. `None` for what
/// disables nothing, and for what its own request asks for: the sentence begins with its number.
pub(crate) fn reason_for_disabling(
    planned: &PlannedAction,
    request: Option<&ResolvedRequest>,
    person: Option<&Person>,
    now: Timestamp,
) -> Option<String> {
    if !planned.action.step.disables() {
        return None;
    }
    let asks = |it: &ResolvedRequest| {
        matches!(it.terms.operation, Operation::Leave | Operation::Suspend) && it.in_force(now)
    };
    match planned.action.cause {
        Cause::Request => match (&planned.why, request) {
            (Why::Withdrawn(_), _) => Some(planned.why.to_string()),
            (_, Some(join)) if !asks(join) && join.has_ended(now) => {
                Some("its end has passed".to_owned())
            }
            _ => None,
        },
        _ if request.is_some_and(asks) => Some(planned.why.to_string()),
        cause => Some(match (person.and_then(|person| unemployed(person, now)), cause) {
            (Some(record), Cause::Drift) => format!("{record}; it was enabled in Okta since"),
            (Some(record), _) => record,
            (None, _) => planned.why.to_string(),
        }),
    }
}

/// That the record is inactive or gone; `None` where it is neither.
fn unemployed(person: &Person, now: Timestamp) -> Option<String> {
    let since = || moment(&person.updated_on, now);
    match person.presence {
        Presence::Gone => Some("the record is gone, no leave request".to_owned()),
        _ if person.is_active() => None,
        _ => Some(format!("the record became inactive{}, no leave request", since())),
    }
}

/// ` at 12:16`, with its day where that is not today; empty where it is not known. `updated_on` is
/// `YYYY-MM-DD HH:MM:SS`, UTC.
fn moment(updated_on: &str, now: Timestamp) -> String {
    let Ok(at) = chrono::NaiveDateTime::parse_from_str(updated_on, "%Y-%m-%d %H:%M:%S") else {
        return String::new();
    };
    let pattern = if at.date() == now.date_naive() { " at %H:%M" } else { " at %Y-%m-%d %H:%M" };
    at.format(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{account_id, at, jane, origin, request, sys_id, until};
    use crate::model::{Action, Disposition, Origin, Step};

    fn planned(step: Step, cause: Cause, why: Why) -> PlannedAction {
        PlannedAction {
            action: Action {
                person: sys_id("p1"),
                account: Some(account_id("00u1")),
                step,
                origin: Origin::Baseline,
                cause,
            },
            keys: Vec::new(),
            leaver: false,
            why,
            disposition: Disposition::Apply,
            closed_before_first_seen: false,
            taken_back: false,
            rehires: false,
            before: None,
        }
    }

    fn inactive(updated_on: &str) -> Person {
        let mut person = jane();
        person.record.insert("active".to_owned(), "false".to_owned());
        Person { updated_on: updated_on.to_owned(), ..person }
    }

    #[test]
    fn a_disabling_says_what_the_record_or_the_request_did_not_say_by_itself() {
        let now = at("2026-11-27T12:20:00Z");
        let today = inactive("2026-11-27 12:16:09");
        let gone = Person { presence: Presence::Gone, ..today.clone() };
        let join = request("R1", Operation::Join, "2026-01-01");
        let ended = until(join.clone(), "2026-11-01");
        let leave = request("R2", Operation::Leave, "2026-11-01");
        let drift = || Why::ChangedInOkta(origin("R2"));
        let by_record = "the record became inactive at 12:16, no leave request";
        for (cause, why, asked, person, expected) in [
            (Cause::Record, Why::Record, None, &today, Some(by_record.to_owned())),
            (Cause::Record, Why::Record, Some(&join), &today, Some(by_record.to_owned())),
            (
                Cause::Record,
                Why::Record,
                None,
                &inactive("2026-11-26 23:59:00"),
                Some("the record became inactive at 2026-11-26 23:59, no leave request".to_owned()),
            ),
            (
                Cause::Record,
                Why::Record,
                None,
                &inactive(""),
                Some("the record became inactive, no leave request".to_owned()),
            ),
            (
                Cause::Record,
                Why::Record,
                None,
                &gone,
                Some("the record is gone, no leave request".to_owned()),
            ),
            (
                Cause::Drift,
                drift(),
                None,
                &today,
                Some(format!("{by_record}; it was enabled in Okta since")),
            ),
            (Cause::Drift, drift(), Some(&leave), &today, Some(drift().to_string())),
            (Cause::Rule, Why::Configuration, None, &jane(), Some(Why::Configuration.to_string())),
            (Cause::Request, Why::AskedFor(origin("R2")), Some(&leave), &today, None),
            (
                Cause::Request,
                Why::AskedFor(origin("R1")),
                Some(&ended),
                &jane(),
                Some("its end has passed".to_owned()),
            ),
            (
                Cause::Request,
                Why::Withdrawn(origin("R1")),
                Some(&join),
                &jane(),
                Some("R1 was withdrawn".to_owned()),
            ),
        ] {
            let planned = planned(Step::Suspend, cause, why);
            let reason = reason_for_disabling(&planned, asked, Some(person), now);
            assert_eq!(reason, expected, "{planned:?}");
        }
        let lifted = planned(Step::Unsuspend, Cause::Record, Why::Record);
        assert_eq!(reason_for_disabling(&lifted, None, Some(&today), now), None);
    }
}
