//! Somebody, or something, undoes each correction.

use serde_json::json;

use super::bed::{Bed, applied};

#[test]
fn a_rival_that_undoes_each_correction_is_met_a_few_times_and_then_held_by_name() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let join = bed.join(&newcomer, &["app-jira"]);
    bed.sync();
    let id = bed.account(&newcomer).unwrap().id;
    let rival = bed.stage.okta.acting_as("Robo Sync");
    bed.forget_calls();
    for _ in 0..12 {
        bed.pass("5m");
        rival.set_profile(&id, &json!({"department": "Elsewhere"}));
        rival.remove_member(&bed.okta_group("app-jira"), &id);
        bed.sync();
    }
    // Three corrections of each fact in a day, and no more.
    let writes = bed.stage.okta.writes();
    assert_eq!(writes.len(), 6, "{writes:#?}");
    let held = bed.waiting();
    assert_eq!(held.len(), 2, "{held:#?}");
    for hold in &held {
        assert_eq!(hold.request.as_deref(), Some(&*join.number));
        assert!(hold.reason.contains("contested"), "{}", hold.reason);
        assert!(hold.reason.contains("Robo Sync"), "{}", hold.reason);
    }
    let why = bed.why(&newcomer, "app-jira");
    assert!(why.against.join(" ").contains("Robo Sync"), "{why:#?}");

    // A day later it is worth another try; the rival may have gone.
    bed.pass("25h");
    let report = bed.sync_full();
    assert_eq!(applied(&report).len(), 2, "{:#?}", report.actions);
    assert!(!report.needs_attention());
    assert_eq!(bed.differences(), []);
}
