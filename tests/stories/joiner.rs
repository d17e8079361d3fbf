//! Somebody joins.

use super::bed::{Bed, applied};

#[test]
fn an_approved_join_becomes_an_active_account_and_a_closed_request_and_then_nothing_happens() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    let request = bed.join(&newcomer, &["app-gitlab", "VPN Users"]);

    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} create", request.number)]);
    let account = bed.account(&newcomer).expect("an account");
    assert_eq!(account.text("department"), newcomer.department);
    for group in ["app-gitlab", "VPN Users", newcomer.department.as_str()] {
        assert!(account.groups.iter().any(|name| name == group), "{:?}", account.groups);
    }
    assert_eq!(bed.state(&request), "3");
    let notes = bed.work_notes(&request);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains(&account.id) && notes[0].contains("create"), "{notes:?}");

    bed.forget_calls();
    let idle = bed.sync();
    assert!(!idle.needs_attention());
    assert_eq!(bed.writes(), Vec::<String>::new());
    assert_eq!(bed.differences(), []);
}
