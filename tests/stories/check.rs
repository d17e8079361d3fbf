//! What `goldthread check` tells an administrator before anything is written.

use goldthread::check::{CheckReport, Found};
use goldthread::sim::faults::Fault;
use goldthread::sim::okta::{Attribute, NoRole, Sight};
use goldthread::sim::servicenow::InvalidQuery;

use super::bed::Bed;

/// Enough for everything, and no more.
const SCOPES: [&str; 5] = [
    "okta.users.manage",
    "okta.groups.manage",
    "okta.logs.read",
    "okta.schemas.read",
    "okta.roles.read",
];

/// A company whose administrator has set everything up well.
fn well_kept() -> Bed {
    let bed = Bed::of(40);
    let somebody = bed.employee(3).email;
    let breakglass = serde_json::json!({
        "login": "breakglass@example.com", "email": "breakglass@example.com",
        "firstName": "Break", "lastName": "Glass",
    });
    bed.stage.okta.add_user(&breakglass, goldthread::sim::okta::Status::Active);
    let gone = bed.hired("Gone", "990001", "gone@example.com");
    bed.stage.servicenow.update_person(&gone.sys_id, &[("active", "false")]);
    bed.with(
        "guard",
        &format!("sentinels = [\"{somebody}\"]\nprotected_users = [\"breakglass@example.com\"]"),
    )
    .with_app(&SCOPES, &["CUSTOM"])
}

/// What is not as it should be, as "FAIL servicenow people: … -> …".
fn findings(report: &CheckReport) -> Vec<String> {
    let told = report.checks.iter().filter_map(|check| {
        let word = match check.found {
            Found::Fine => {
                assert_eq!(check.fix, None, "{check:?}");
                return None;
            }
            Found::Warning => "warn",
            Found::Failed => "FAIL",
        };
        let fix = check.fix.as_deref().filter(|fix| !fix.is_empty()).expect("what to do about it");
        Some(format!("{word} {}: {} -> {fix}", check.name, check.detail))
    });
    told.collect()
}

/// Checks, and says the only thing that is not as it should be. Nothing is written anywhere.
fn the_one(bed: &Bed) -> String {
    bed.forget_calls();
    let report = bed.check();
    let findings = findings(&report);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(report.ok, !findings[0].starts_with("FAIL"));
    assert_eq!(bed.okta_writes(), Vec::<String>::new());
    assert_eq!(bed.written_back(), Vec::<String>::new());
    assert!(!bed.folder.path().join("goldthread.db").exists(), "a store was made");
    findings[0].clone()
}

fn told(finding: &str, start: &str, pieces: &[&str]) {
    assert!(finding.starts_with(start), "{finding}");
    for piece in pieces {
        assert!(finding.contains(piece), "{finding} lacks {piece:?}");
    }
}

#[test]
fn where_everything_is_set_up_well_nothing_is_found() {
    let bed = well_kept();
    let report = bed.check();
    assert_eq!(findings(&report), Vec::<String>::new());
    assert!(report.ok && report.checks.len() > 18, "{report:#?}");
}

#[test]
fn a_company_at_work_is_checked_beside_the_daemon() {
    let bed = well_kept();
    bed.join(&bed.newcomer(0), &["app-jira"]);
    bed.sync();
    let _at_work = bed.at_work();
    assert_eq!(findings(&bed.check()), Vec::<String>::new());
}

#[test]
fn a_wrong_password_is_the_first_thing_to_put_right() {
    let bed = well_kept();
    bed.stage.servicenow.set_credentials(|it| it.password = "changed".to_owned());
    let report = bed.check();
    let found = findings(&report);
    told(&found[0], "FAIL servicenow sign-in", &["refused", "[servicenow] auth"]);
    told(&found[1], "warn servicenow, the rest: not tried", &[]);
    assert_eq!(found.len(), 2, "Okta is checked all the same: {found:#?}");
    assert!(report.checks.iter().any(|check| check.name == "okta groups"));
}

#[test]
fn an_instance_that_cannot_be_reached_is_about_the_address() {
    let bed = well_kept();
    bed.stage.servicenow_faults.on("*", "/", Fault::DropBefore).always();
    let found = findings(&bed.check());
    told(&found[0], "FAIL servicenow sign-in", &["servicenow.url"]);
}

#[test]
fn inactive_rows_that_a_rule_hides_are_missed() {
    let bed = well_kept();
    bed.stage.servicenow.set(|it| it.hide_inactive_users = true);
    let said = ["no inactive row of sys_user", "vanishes", "before-query rule"];
    told(&the_one(&bed), "warn servicenow inactive", &said);
}

#[test]
fn a_role_over_a_part_of_the_org_is_told_by_everyone() {
    let bed = well_kept();
    let hidden = bed.account(&bed.employee(5)).unwrap().id;
    bed.stage.okta.switch(|it| it.sight = Sight::without_users([&hidden]));
    let said = ["Everyone is not shown", "only a part of the accounts", "resource set"];
    told(&the_one(&bed), "warn okta sight", &said);

    // It is shown, and not everybody in it.
    bed.stage.okta.switch(|it| it.sight = Sight::All);
    let members = format!("/api/v1/groups/{}/users", bed.okta_group("Everyone"));
    let cut = Fault::reshaped(|page| {
        page.as_array_mut().map(Vec::pop);
    });
    bed.stage.okta.faults().on("GET", &members, cut).always();
    told(&the_one(&bed), "warn okta sight", &["accounts in Everyone are shown to the role"]);
}

#[test]
fn a_field_that_is_misspelt_or_hidden_is_named() {
    let bed = well_kept().configure("user.department.name", "user.departement.name");
    told(&the_one(&bed), "FAIL servicenow people", &["departement.name"]);

    let bed = well_kept();
    bed.stage.servicenow.set(|it| {
        it.hidden_fields.insert("sys_user.employee_number".to_owned());
    });
    told(&the_one(&bed), "FAIL servicenow people", &["employee_number", "read the field"]);
}

#[test]
fn people_who_are_hidden_are_noticed_before_they_count_as_gone() {
    let bed = well_kept();
    let half: Vec<String> =
        bed.stage.company.people().iter().skip(20).map(|person| person.sys_id.clone()).collect();
    bed.stage.servicenow.set(|it| it.hidden_rows.extend(half));
    told(&the_one(&bed), "FAIL servicenow people", &["hidden", "inactive ones included"]);
}

#[test]
fn departments_that_may_not_be_read_are_noticed() {
    let bed = well_kept();
    bed.stage.servicenow.set(|it| {
        it.hidden_tables.insert("cmn_department".to_owned());
    });
    told(&the_one(&bed), "warn servicenow people", &["department.name"]);
}

#[test]
fn a_query_term_that_would_be_dropped_is_found_before_it_lets_everybody_in() {
    for answer in [InvalidQuery::DropTerm, InvalidQuery::Forbidden403] {
        let bed = well_kept().configure("web_service_access_only=false", "u_contractr=false");
        bed.stage.servicenow.set(|it| it.invalid_query = answer);
        let found = findings(&bed.check());
        told(&found[0], "FAIL servicenow queries", &["u_contractr", "field"]);
        assert_eq!(found.len(), 1, "nothing that follows from it: {found:#?}");
    }
}

#[test]
fn a_sentinel_who_is_not_there_would_quarantine_every_read() {
    let bed = well_kept().configure("sentinels = [", "sentinels = [\"nobody@example.com\", ");
    told(&the_one(&bed), "FAIL sentinels", &["nobody@example.com", "quarantined"]);
}

#[test]
fn a_protected_name_that_nobody_has_protects_nobody() {
    let bed = well_kept().configure("breakglass@", "brakeglass@");
    told(&the_one(&bed), "warn protected users", &["brakeglass@example.com"]);
}

#[test]
fn a_catalog_item_that_is_not_there_is_named() {
    let bed = well_kept().configure("item = \"Leave of absence\"", "item = \"Leaves of absence\"");
    told(&the_one(&bed), "FAIL catalog items", &["Leaves of absence", "sys_id"]);
}

#[test]
fn a_variable_that_its_item_does_not_have_is_named() {
    let bed = well_kept().configure("\"variables.last_day\"", "\"variables.lastday\"");
    told(&the_one(&bed), "FAIL catalog variables", &["lastday", "Okta offboarding"]);

    // It is a variable, and another item's.
    let bed = well_kept().configure("\"variables.last_day\"", "\"variables.start_date\"");
    told(&the_one(&bed), "FAIL catalog variables", &["start_date", "Okta offboarding"]);

    let bed = well_kept();
    bed.stage.servicenow.set(|it| {
        it.hidden_tables.insert("item_option_new".to_owned());
    });
    told(&the_one(&bed), "warn catalog variables", &["cannot be read", "item_option_new"]);
}

#[test]
fn a_look_up_table_that_is_not_there_or_hidden_is_named() {
    let lookup = "table = \"u_okta_group\", column = \"u_okta_id\"";
    for (wrong, start, piece) in [
        (
            "table = \"u_okta_groups\", column = \"u_okta_id\"",
            "FAIL look-up tables",
            "u_okta_groups",
        ),
        ("table = \"u_okta_group\", column = \"u_id\"", "FAIL look-up tables", "u_okta_group.u_id"),
    ] {
        let bed = well_kept().configure(lookup, wrong);
        let found = findings(&bed.check());
        assert_eq!(found.len(), 1, "{found:#?}");
        told(&found[0], start, &[piece]);
    }
    let bed = well_kept();
    bed.stage.servicenow.set(|it| {
        it.hidden_tables.insert("u_okta_group".to_owned());
    });
    told(&the_one(&bed), "FAIL look-up tables", &["hidden", "u_okta_group"]);
}

#[test]
fn requests_that_are_hidden_would_never_be_carried_out() {
    let bed = well_kept();
    bed.join(&bed.newcomer(0), &[]);
    bed.stage.servicenow.set(|it| {
        it.hidden_tables.insert("sc_req_item".to_owned());
    });
    told(&the_one(&bed), "FAIL servicenow requests", &["hidden", "catalog"]);
}

#[test]
fn notes_and_tasks_that_cannot_be_read_back_are_noticed() {
    let bed = well_kept().with("writeback", "close = \"task\"");
    bed.join(&bed.newcomer(0), &[]);
    bed.stage.servicenow.insert(
        "sc_task",
        &[("number", "SCTASK0010001"), ("active", "true"), ("short_description", "A desk")],
    );
    bed.stage.servicenow.insert("sys_journal_field", &[("value", "hello"), ("element_id", "x")]);
    bed.stage.servicenow.set(|it| {
        it.hidden_tables.insert("sc_task".to_owned());
    });
    told(&the_one(&bed), "FAIL servicenow tasks", &["sc_task"]);
    bed.stage.servicenow.set(|it| {
        it.hidden_tables.clear();
        it.hidden_tables.insert("sys_journal_field".to_owned());
    });
    told(&the_one(&bed), "warn servicenow notes", &["sys_journal_field"]);
}

#[test]
fn an_hourly_rule_that_slows_the_poll_is_told_with_what_it_makes_of_it() {
    let bed = well_kept();
    bed.stage.servicenow.set(|it| it.hourly_limit = Some(600));
    told(&the_one(&bed), "warn servicenow rate rule", &["600 calls", "48s instead of every 1s"]);
}

#[test]
fn an_integration_user_with_more_than_it_needs_is_warned_of() {
    let bed = well_kept();
    let us = bed.stage.servicenow.credentials().user_id;
    let role = bed.stage.servicenow.insert("sys_user_role", &[("name", "admin")]);
    bed.stage.servicenow.insert("sys_user_has_role", &[("user", &us), ("role", &role)]);
    told(&the_one(&bed), "warn servicenow rights", &["has admin", "take these roles away"]);

    // What others may do is their affair.
    let bed = well_kept();
    let role = bed.stage.servicenow.insert("sys_user_role", &[("name", "admin")]);
    let other = bed.employee(2).sys_id;
    bed.stage.servicenow.insert("sys_user_has_role", &[("user", &other), ("role", &role)]);
    assert_eq!(findings(&bed.check()), Vec::<String>::new());

    let bed = well_kept();
    let us = bed.stage.servicenow.credentials().user_id;
    bed.stage.servicenow.update("sys_user", &us, &[("web_service_access_only", "false")]);
    told(&the_one(&bed), "warn servicenow rights", &["web interface"]);
}

#[test]
fn clocks_that_differ_are_told_by_how_much() {
    let bed = well_kept();
    let ours = bed.stage.clock.now() + chrono::Duration::seconds(90);
    let found = findings(&bed.check_at(ours));
    assert_eq!(found.len(), 2, "{found:#?}");
    told(&found[0], "warn servicenow clock", &["90 s ahead", "timedatectl"]);
    told(&found[1], "warn okta clock", &["90 s ahead"]);
}

#[test]
fn scopes_that_are_missing_are_told_with_what_they_cost() {
    let bed = Bed::of(40).with_app(&["okta.users.manage", "okta.groups.manage"], &["CUSTOM"]);
    let found = findings(&bed.check());
    for scope in ["okta.logs.read", "okta.schemas.read", "okta.roles.read"] {
        let of = format!("warn okta scopes: {scope} is not granted");
        assert!(found.iter().any(|finding| finding.starts_with(&of)), "{found:#?}");
    }

    let only_reading = [
        "okta.users.read",
        "okta.groups.read",
        "okta.logs.read",
        "okta.schemas.read",
        "okta.roles.read",
    ];
    let bed = well_kept().with_app(&only_reading, &["CUSTOM"]);
    told(&the_one(&bed), "FAIL okta scopes", &["okta.groups.manage", "nothing can be written"]);
    let bed = bed.configure("mode = \"enforce\"", "mode = \"observe\"");
    told(&the_one(&bed), "warn okta scopes", &["enough to observe"]);
}

#[test]
fn scopes_and_roles_that_are_too_much_are_warned_of() {
    let more = [&SCOPES[..], &["okta.apps.manage", "okta.policies.manage"]].concat();
    let bed = well_kept().with_app(&more, &["CUSTOM"]);
    told(&the_one(&bed), "warn okta rights", &["okta.apps.manage, okta.policies.manage", "revoke"]);

    let bed = well_kept().with_app(&SCOPES, &["SUPER_ADMIN"]);
    told(&the_one(&bed), "warn okta rights", &["the app is SUPER_ADMIN", "custom role"]);

    let bed = Bed::of(40);
    let found = findings(&bed.check());
    assert!(found.iter().any(|it| it.contains("the token's owner is SUPER_ADMIN")), "{found:#?}");
}

#[test]
fn an_app_without_an_admin_role_sees_nobody() {
    for answer in [NoRole::EmptyLists, NoRole::Forbidden] {
        let bed = well_kept().with_app(&SCOPES, &[]);
        bed.stage.okta.switch(|it| it.no_admin_role = answer);
        let report = bed.check();
        let found = findings(&report);
        assert!(!report.ok);
        let of_role = |it: &&String| it.starts_with("FAIL okta") && it.contains("admin role");
        assert!(found.iter().any(|it| of_role(&it)), "{found:#?}");
    }
    // Where it sees them all the same, so does every other app.
    let bed = well_kept().with_app(&SCOPES, &[]);
    bed.stage.okta.switch(|it| it.public_client_app_admins = true);
    told(&the_one(&bed), "warn okta rights", &["Public client app admins"]);
}

#[test]
fn an_attribute_that_cannot_be_written_is_found_before_the_first_joiner_meets_it() {
    let custom = Attribute::custom;
    let cases: [(Option<Attribute>, &str, &str); 4] = [
        (None, "FAIL okta profile", "no attribute \"costCentreCode\""),
        (
            Some(Attribute { mutability: "READ_ONLY", ..custom("costCentreCode") }),
            "FAIL okta profile",
            "read-only",
        ),
        (
            Some(Attribute { kind: "boolean", ..custom("costCentreCode") }),
            "FAIL okta profile",
            "holds a boolean",
        ),
        (
            Some(Attribute { mutability: "IMMUTABLE", ..custom("costCentreCode") }),
            "warn okta profile",
            "never changed",
        ),
    ];
    for (attribute, start, piece) in cases {
        let bed = well_kept().with("profile", "costCentreCode = \"user.cost_center\"");
        if let Some(attribute) = attribute {
            bed.stage.okta.add_attribute(attribute);
        }
        told(&the_one(&bed), start, &[piece]);
    }

    let bed = well_kept();
    bed.stage.okta.add_attribute(Attribute { required: true, ..custom("badge") });
    told(&the_one(&bed), "FAIL okta profile", &["demands of every new account: badge"]);

    let bed = well_kept().with("identity", "anchor = \"serviceNowSysId\"");
    told(&the_one(&bed), "FAIL okta profile", &["no attribute \"serviceNowSysId\""]);
    bed.stage.okta.add_attribute(custom("serviceNowSysId"));
    told(&the_one(&bed), "warn okta profile", &["not unique"]);
}

#[test]
fn a_group_that_is_missing_ambiguous_or_not_ours_to_keep_is_named() {
    let bed = well_kept();
    bed.stage.okta.rename_group(&bed.okta_group("Sales"), "Sales and more");
    told(&the_one(&bed), "FAIL okta groups", &["\"Sales\"", "case counts"]);

    let bed = well_kept();
    bed.stage.okta.add_group("Sales", "OKTA_GROUP");
    told(&the_one(&bed), "FAIL okta groups", &["several groups", "by its id"]);

    let bed = well_kept();
    let sales = bed.okta_group("Sales");
    bed.stage.okta.add_rule("by department", "department", "Sales", &[&sales]);
    told(&the_one(&bed), "FAIL okta groups", &["\"Sales\" cannot be kept", "group rule"]);

    let bed = well_kept();
    bed.stage.okta.rename_group(&bed.okta_group("Sales"), "Sales (old)");
    bed.stage.okta.add_group("Sales", "APP_GROUP");
    told(&the_one(&bed), "FAIL okta groups", &["fed by an application"]);

    let bed = well_kept().with("guard", "protected_groups = [\"Okta Administrator\"]");
    told(&the_one(&bed), "warn okta groups", &["Okta Administrator", "nothing is protected"]);
}

#[test]
fn what_a_request_may_grant_is_looked_at() {
    let bed = well_kept().configure("\"VPN Users\"", "\"Vpn users\"");
    told(&the_one(&bed), "warn grantable groups", &["number 2"]);

    let bed = well_kept();
    bed.stage.okta.set_group_roles(&bed.okta_group("app-jira"), &["USER_ADMIN"]);
    told(&the_one(&bed), "warn grantable groups", &["app-jira", "administrators"]);
}

#[test]
fn a_store_of_another_pair_of_systems_is_refused_before_it_is_used() {
    let mut bed = well_kept();
    bed.sync();
    let theirs = bed.stage.okta_url().to_owned();
    bed.reconfigure(&theirs, "https://other.okta.com");
    let found = findings(&bed.check());
    told(&found[0], "FAIL store", &["other.okta.com", "another file"]);
}
