use super::*;
use crate::model::testing::ordered_item;
use crate::model::{
    Action, Cause, GroupId, Origin, Outcome, RequestNumber, RequestRef, Step, Timestamp,
};
use crate::store::tests::store;
use crate::store::{Entry, Store};

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn person() -> SysId {
    SysId::parse("p1").unwrap()
}

fn account() -> AccountId {
    AccountId::parse("00u1").unwrap()
}

fn number() -> RequestNumber {
    RequestNumber::parse("RITM0010001").unwrap()
}

fn ordered(store: &Store) -> SysId {
    let request = ordered_item("r1", "RITM0010001", "");
    let id = request.sys_id.clone();
    store.requests().upsert(&[request], 1, now()).unwrap();
    id
}

/// Sends a step, with what became of it. Gives the action's id in the journal.
fn done(store: &Store, step: Step, cause: Cause, outcome: Option<&Outcome>) -> i64 {
    let origin = match cause {
        Cause::Request => Origin::Request(RequestRef { number: number(), parent: None }),
        _ => Origin::Baseline,
    };
    let action = Action { person: person(), account: Some(account()), step, origin, cause };
    let entry =
        Entry { action: &action, cycle: 1, keys: Vec::new(), leaver: false, released: false };
    let thread = store.journal().intend(&entry, now()).unwrap();
    if let Some(outcome) = outcome {
        store.journal().conclude(&entry, &thread, outcome, now()).unwrap();
    }
    thread.action
}

const APPLIED: Outcome = Outcome::Applied { okta_request_id: None };

fn last(store: &Store) -> Option<(StepKind, String, Cause)> {
    let last = store.history().of(&person()).unwrap().last;
    last.map(|change| (change.step, change.request, change.cause))
}

#[test]
fn the_newest_status_step_that_ended_well_is_the_history_also_without_the_journal() {
    let (_folder, store) = store();
    assert_eq!(store.history().of(&person()).unwrap(), AccountHistory::default());
    done(&store, Step::Activate { mail: false }, Cause::Record, Some(&APPLIED));
    done(&store, Step::Suspend, Cause::Request, Some(&APPLIED));
    let suspended = Some((StepKind::Suspend, "RITM0010001".to_owned(), Cause::Request));
    // What is not about the status, what failed, and what has no answer change nothing.
    let group = GroupId::parse("00g1").unwrap();
    done(&store, Step::AddMember { group }, Cause::Rule, Some(&APPLIED));
    let unknown = Outcome::Unknown { error: "cut off".to_owned() };
    done(&store, Step::Unsuspend, Cause::Request, Some(&unknown));
    let begun = done(&store, Step::Deactivate, Cause::Record, None);
    assert_eq!(last(&store), suspended);

    store.journal().resolve_in_doubt(begun, now()).unwrap();
    let deactivated = Some((StepKind::Deactivate, "BASELINE".to_owned(), Cause::Record));
    assert_eq!(last(&store), deactivated);
    assert!(store.history().of(&person()).unwrap().activated_here);
    store.conn.execute("DELETE FROM journal", []).unwrap();
    assert_eq!(last(&store), deactivated);
}

#[test]
fn a_request_has_taken_effect_once_something_was_done_for_it() {
    let (_folder, store) = store();
    let request = ordered(&store);
    let took_effect = || store.requests().get(&request).unwrap().unwrap().took_effect;
    let failed =
        Outcome::Failed { error: "no".to_owned(), okta_request_id: None, transient: false };
    done(&store, Step::Suspend, Cause::Request, Some(&failed));
    done(&store, Step::Suspend, Cause::Record, Some(&APPLIED));
    assert!(!took_effect());
    let begun = done(&store, Step::Suspend, Cause::Request, None);
    store.journal().resolve_in_doubt(begun, now()).unwrap();
    assert!(took_effect());
}

#[test]
fn a_mail_is_owed_for_the_linked_account_until_it_is_settled() {
    let (_folder, store) = store();
    let history = store.history();
    history.owe_mail(&account(), &person()).unwrap();
    assert!(history.is_mail_owed(&account()).unwrap());
    assert!(!history.of(&person()).unwrap().mail_owed, "the account is not theirs yet");
    store.links().upsert(&person(), &account(), &Origin::Baseline, false, now()).unwrap();
    assert!(history.of(&person()).unwrap().mail_owed);
    history.settle_mail(&account()).unwrap();
    assert!(!history.of(&person()).unwrap().mail_owed);
}
