//! Whether what was approved is still what is to be done, decided by what was read since.

use std::collections::{BTreeMap, BTreeSet};

use super::planned::PlannedAction;

/// Whether everything that was approved would be planned again in the same way, and nothing else that
/// was not judged.
pub(crate) fn are_the_same<'a>(
    approved: &[&PlannedAction],
    held: impl Iterator<Item = &'a PlannedAction>,
    now: &[PlannedAction],
) -> bool {
    let now: BTreeMap<String, bool> =
        now.iter().map(|planned| (planned.fingerprint(), planned.is_open())).collect();
    let same =
        |planned: &&PlannedAction| now.get(&planned.fingerprint()) == Some(&planned.is_open());
    let mut judged: BTreeSet<String> = held.map(PlannedAction::fingerprint).collect();
    judged.extend(approved.iter().map(|planned| planned.fingerprint()));
    let is_new = |(fingerprint, open): (&String, &bool)| *open && !judged.contains(fingerprint);
    approved.iter().all(same) && !now.iter().any(is_new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        AccountId, Action, Cause, Disposition, HoldReason, Origin, RequestNumber, RequestRef, Step,
        SysId, Why,
    };

    fn planned(step: Step, disposition: Disposition) -> PlannedAction {
        let number = RequestNumber::parse("RITM0010001").unwrap();
        PlannedAction {
            action: Action {
                person: SysId::parse(&"a".repeat(32)).unwrap(),
                account: Some(AccountId::parse("00u1").unwrap()),
                step,
                origin: Origin::Request(RequestRef { number, parent: None }),
                cause: Cause::Request,
            },
            keys: Vec::new(),
            leaver: true,
            why: Why::Record,
            disposition,
            closed_before_first_seen: false,
            taken_back: false,
            rehires: false,
            before: Some("active".to_owned()),
        }
    }

    #[test]
    fn only_what_was_approved_is_done_and_only_as_it_was() {
        let open = |step| planned(step, Disposition::Apply);
        let (end, sessions) = (open(Step::Deactivate), open(Step::ClearSessions));
        let suspend = open(Step::Suspend);
        let waits = planned(Step::Deactivate, Disposition::Hold(HoldReason::EmptyStore));
        let gone = PlannedAction { before: Some("suspended".to_owned()), ..end.clone() };
        let same =
            |approved: &[&PlannedAction], held: &[&PlannedAction], now: &[&PlannedAction]| {
                let now: Vec<PlannedAction> = now.iter().copied().cloned().collect();
                are_the_same(approved, held.iter().copied(), &now)
            };
        assert!(same(&[&sessions, &end], &[], &[&sessions, &end]));
        assert!(same(&[&end], &[&suspend], &[&end, &suspend]), "what the guard holds stays held");
        assert!(!same(&[&sessions, &end], &[], &[&sessions]), "a part of it is done by now");
        assert!(!same(&[&end], &[], &[&end, &suspend]), "nobody judged that");
        assert!(!same(&[&end], &[], &[&waits]), "something stands in its way now");
        assert!(!same(&[&end], &[], &[&gone]), "it is another account than it was");
        assert!(!same(&[&end], &[], &[]), "it was called off");
        assert!(same(&[&waits], &[], &[&waits]), "somebody released it");
    }
}
