//! Answers that came well and whole, and are not to be believed.

use goldthread::okta::OktaError;
use goldthread::servicenow::ServiceNowError;
use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use goldthread::sim::okta::NoRole;
use goldthread::sim::servicenow::{CutList, InvalidQuery};
use goldthread::sync::{Scope, SyncError};
use serde_json::json;

use super::day::Day;

/// Nothing follows from what the cycle read, for this reason; once it is over, the next ones do the
/// work that is left.
fn doubts(mut day: Day, scope: &Scope, reason: &str) -> Day {
    let why = day.doubts(scope);
    assert!(why.contains(reason), "for another reason: {why}");
    day
}

/// The cycle ends before any write: it is the side that is in trouble.
fn stops(mut day: Day, scope: &Scope, right_reason: impl Fn(&SyncError) -> bool) -> Day {
    let stopped = day.sync(scope).expect_err("the cycle should not believe this");
    assert!(right_reason(&stopped), "stopped for another reason: {stopped}");
    assert_eq!(day.bed.writes(), Vec::<String>::new(), "{stopped}");
    day
}

/// The work of the day is done after all, once everything can be read.
fn recovers(mut day: Day) {
    for scope in [Scope::Changes, Scope::Full] {
        day.sync(&scope).expect("nothing is wrong any more");
    }
    let left = [day.withdrawn(), day.unrepaired(), day.wrong()].concat();
    assert_eq!(left, Vec::<String>::new());
}

fn servicenow_unbelievable(error: &SyncError) -> bool {
    matches!(error, SyncError::ServiceNow(ServiceNowError::Unbelievable { .. }))
}

fn okta_unbelievable(error: &SyncError) -> bool {
    matches!(error, SyncError::Okta(OktaError::Unbelievable { .. }))
}

#[test]
fn requests_hidden_by_access_rules_stop_the_cycle_before_any_write() {
    for scope in [Scope::Full, Scope::Changes] {
        let day = Day::new();
        let hidden = day.requests[0].sys_id.clone();
        day.bed.stage.servicenow.set(|it| {
            it.hidden_rows.insert(hidden);
        });
        let day = doubts(day, &scope, "ServiceNow");
        day.bed.stage.servicenow.set(|it| it.hidden_rows.clear());
        recovers(day);
    }
}

#[test]
fn people_hidden_by_access_rules_stop_the_cycle_before_any_write() {
    let day = Day::new();
    // Nobody has seen the row before, so it is not to be told whose it is.
    let hidden = day.bed.hired("Una", "U-1", "una@example.com").sys_id;
    day.bed.stage.servicenow.set(|it| {
        it.hidden_rows.insert(hidden);
    });
    let day = doubts(day, &Scope::Full, "ServiceNow");
    day.bed.stage.servicenow.set(|it| it.hidden_rows.clear());
    recovers(day);
}

#[test]
fn a_whole_table_hidden_by_access_rules_stops_the_cycle_before_any_write() {
    for (table, scope) in
        [("sys_user", Scope::Full), ("sc_req_item", Scope::Full), ("sc_req_item", Scope::Changes)]
    {
        let day = Day::new();
        day.bed.stage.servicenow.set(|it| {
            it.hidden_tables.insert(table.to_owned());
        });
        // Without a row of its own, the account looks like a guest.
        let signed_out = |error: &SyncError| {
            servicenow_unbelievable(error)
                || matches!(error, SyncError::ServiceNow(ServiceNowError::SignIn { .. }))
        };
        let day = match table {
            "sys_user" => stops(day, &scope, signed_out),
            _ => doubts(day, &scope, "ServiceNow: requests"),
        };
        day.bed.stage.servicenow.set(|it| it.hidden_tables.clear());
        recovers(day);
    }
}

#[test]
fn a_hidden_field_stops_the_cycle_before_any_write() {
    for field in ["sys_user.active", "sys_user.email", "sc_req_item.approval"] {
        let day = Day::new();
        day.bed.stage.servicenow.set(|it| {
            it.hidden_fields.insert(field.to_owned());
        });
        let day = doubts(day, &Scope::Full, "ServiceNow");
        day.bed.stage.servicenow.set(|it| it.hidden_fields.clear());
        recovers(day);
    }
}

#[test]
fn a_dropped_query_term_stops_the_cycle_before_any_write() {
    // A field that is not there: older releases drop the condition and give every row.
    let (query, typo) = ("web_service_access_only=false", "u_contractr=false");
    for answer in [InvalidQuery::DropTerm, InvalidQuery::NoRows, InvalidQuery::Forbidden403] {
        let day = Day::new().configured(query, typo);
        day.bed.stage.servicenow.set(|it| it.invalid_query = answer);
        let day = doubts(day, &Scope::Full, "ServiceNow");
        recovers(day.configured(typo, query));
    }
}

#[test]
fn a_field_that_may_not_be_queried_stops_the_cycle_before_any_write() {
    for field in ["sys_user.web_service_access_only", "sys_user.user_name", "sc_req_item.cat_item"]
    {
        let day = Day::new();
        day.bed.stage.servicenow.set(|it| {
            it.unqueryable_fields.insert(field.to_owned());
        });
        let day = doubts(day, &Scope::Full, "ServiceNow");
        day.bed.stage.servicenow.set(|it| it.unqueryable_fields.clear());
        recovers(day);
    }
}

#[test]
fn a_lost_admin_role_stops_the_cycle_before_any_write() {
    for answer in [NoRole::EmptyLists, NoRole::Forbidden] {
        let mut day = Day::new();
        let okta = day.bed.stage.okta.clone();
        okta.switch(|it| it.no_admin_role = answer);
        let service = okta.find("goldthread@example.com").expect("the token's owner").id;
        okta.set_roles(&service, &[]);
        let stopped = day.sync(&Scope::Full).expect_err("nothing can be seen");
        assert!(matches!(stopped, SyncError::Okta(_)), "{stopped}");
        assert_eq!(day.bed.writes(), Vec::<String>::new());
        okta.set_roles(&service, &["SUPER_ADMIN"]);
        for scope in [Scope::Changes, Scope::Full] {
            day.sync(&scope).expect("nothing is wrong any more");
        }
        assert_eq!([day.withdrawn(), day.unrepaired()].concat(), Vec::<String>::new());
    }
}

#[test]
fn an_empty_list_of_accounts_stops_the_cycle_before_any_write() {
    let day = Day::new();
    let empty = Response::json(200, &json!([]));
    day.faults(true).on("GET", "/api/v1/users?", Fault::Custom(empty)).always();
    let day = doubts(day, &Scope::Full, "no accounts at all");
    day.clear_faults();
    recovers(day);
}

#[test]
fn a_list_that_begins_well_and_ends_in_an_error_stops_the_cycle_before_any_write() {
    for empty_element in [true, false] {
        let day = Day::new();
        day.bed.stage.servicenow.set(|it| {
            it.cut_list = Some(CutList { after_rows: 1, empty_element, times: 1000 });
        });
        let day = doubts(day, &Scope::Full, "ServiceNow");
        day.bed.stage.servicenow.set(|it| it.cut_list = None);
        recovers(day);
    }
}

#[test]
fn a_login_page_in_place_of_either_system_stops_the_cycle_before_any_write() {
    for (okta, path) in [(true, "/api/v1/"), (false, "/api/now/")] {
        for scope in [Scope::Full, Scope::Changes] {
            let day = Day::new();
            day.faults(okta).on("*", path, Fault::Html200).always();
            let unbelievable = if okta { okta_unbelievable } else { servicenow_unbelievable };
            let day = stops(day, &scope, unbelievable);
            day.clear_faults();
            recovers(day);
        }
    }
}

#[test]
fn a_system_that_takes_calls_and_does_nothing_stops_the_cycle_before_any_write() {
    let mut day = Day::new();
    day.bed.stage.servicenow.set(|it| it.accepted_only = 1000);
    let stopped = day.sync(&Scope::Full).expect_err("202 is no answer");
    assert!(matches!(stopped, SyncError::ServiceNow(_)), "{stopped}");
    assert_eq!(day.bed.writes(), Vec::<String>::new());
    day.bed.stage.servicenow.set(|it| it.accepted_only = 0);
    recovers(day);
}

#[test]
fn a_yes_that_did_not_hold_is_not_called_done() {
    let mut day = Day::new();
    let yes = Response::json(200, &json!({}));
    day.faults(true).on("POST", "/lifecycle/deactivate", Fault::Custom(yes));
    let report = day.sync(&Scope::Changes).expect("a cycle");
    assert!(report.needs_attention(), "{:?}", report.summary);
    assert_eq!(day.wrong(), Vec::<String>::new());
    recovers(day);
}

#[test]
fn what_was_done_is_reported_though_the_look_afterwards_fails() {
    let mut day = Day::new();
    let leaver = day.bed.account(&day.leaver).expect("an account").id;
    // The first look is before the writes.
    let look = format!("/api/v1/users/{leaver}/groups");
    day.faults(true).on("GET", &look, Fault::Html200).after(1).always();
    let report = day.sync(&Scope::Changes).expect("a report of what was done");
    assert!(report.summary.applied > 0 && report.needs_attention(), "{:?}", report.summary);
    assert_eq!(day.wrong(), Vec::<String>::new());
    day.clear_faults();
    recovers(day);
}
