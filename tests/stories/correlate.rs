//! Whose account is it? Stories about people who are found again, and about people who must not be
//! mistaken for each other.

use goldthread::sim::okta::{Attribute, Status};
use goldthread::sim::servicenow::Item;

use super::bed::{Bed, applied, held, why_held};

/// A company in which every account carries the id of its record.
fn anchored(people: usize) -> Bed {
    let bed = Bed::of(people).with("identity", "anchor = \"serviceNowSysId\"");
    bed.stage.okta.add_attribute(Attribute::custom("serviceNowSysId"));
    bed
}

#[test]
fn somebody_whose_number_and_address_both_change_keeps_the_account_under_its_new_name() {
    let bed = Bed::of(100);
    let newcomer = bed.newcomer(5);
    let join = bed.join(&newcomer, &[]);
    bed.sync();
    let before = bed.account(&newcomer).unwrap();
    let accounts = bed.stage.okta.user_count();
    bed.record(&newcomer, &[("email", "new.name@example.com"), ("employee_number", "990001")]);

    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} update", join.number)]);
    let after = bed.account_of(&before.id);
    assert_eq!(after.text("login"), "new.name@example.com");
    assert_eq!(after.text("email"), "new.name@example.com");
    assert_eq!(after.text("employeeNumber"), "990001");
    assert_eq!(bed.stage.okta.user_count(), accounts);
    bed.nothing_happens();
}

#[test]
fn an_account_is_looked_for_by_number_first_and_by_login_only_then() {
    let bed = Bed::of(40);
    let by_number = bed.hired("Nora", "880001", "nora@example.com");
    let by_login = bed.hired("Lou", "880002", "lou@example.com");
    let both = bed.hired("Bo", "880003", "bo@example.com");
    let nora = bed.handmade("880001", "nora.old@example.com", Status::Active);
    let lou = bed.handmade("", "lou@example.com", Status::Active);
    let bo = bed.handmade("880003", "bo.old@example.com", Status::Active);
    bed.handmade("", "bo@example.com", Status::Active);
    let joins = [&by_number, &by_login, &both].map(|person| bed.join(person, &[]));
    let accounts = bed.stage.okta.user_count();

    let report = bed.sync();
    assert_eq!(bed.stage.okta.user_count(), accounts, "nobody got a second account");
    assert_eq!(bed.account_of(&nora).text("login"), "nora@example.com");
    assert_eq!(bed.account_of(&lou).text("employeeNumber"), "880002");
    assert_eq!((bed.state(&joins[0]), bed.state(&joins[1])), ("3".to_owned(), "3".to_owned()));
    // The number decides, and the address stays with whoever has it.
    let bo = bed.account_of(&bo);
    assert_eq!(
        (bo.text("login"), bo.text("lastName")),
        ("bo.old@example.com", both.last_name.as_str())
    );
    assert_eq!(held(&report), [format!("{} -", joins[2].number)]);
    assert!(bed.comments(&joins[2])[0].contains("taken"), "{:?}", bed.comments(&joins[2]));
}

#[test]
fn the_anchor_finds_the_account_when_the_store_is_lost_and_number_and_address_changed() {
    let bed = anchored(100);
    let newcomer = bed.newcomer(5);
    let join = bed.join(&newcomer, &[]);
    bed.sync();
    let before = bed.account(&newcomer).unwrap();
    assert_eq!(before.text("serviceNowSysId"), newcomer.sys_id);
    let accounts = bed.stage.okta.user_count();
    bed.record(&newcomer, &[("email", "new.name@example.com"), ("employee_number", "990001")]);
    bed.lose_store();
    bed.forget_calls();

    let report = bed.sync();
    assert_eq!(bed.stage.okta.user_count(), accounts);
    assert_eq!(bed.okta_writes(), Vec::<String>::new());
    // The request was closed before this store saw it, so what differs waits for a yes.
    let update =
        report.actions.iter().find(|action| action.request.as_deref() == Some(&join.number));
    let update = update.expect("the rename waits");
    assert_eq!((update.action, update.outcome), (Some("update"), "held"));
    assert_eq!(update.person.okta_id.as_deref(), Some(before.id.as_str()));
}

#[test]
fn an_account_with_somebodys_anchor_that_is_linked_to_another_is_given_to_neither() {
    let bed = anchored(40);
    let (first, second) = (bed.newcomer(0), bed.newcomer(1));
    bed.join(&first, &[]);
    bed.sync();
    let account = bed.account(&first).unwrap();
    bed.stage.okta.set_profile(&account.id, &serde_json::json!({"serviceNowSysId": second.sys_id}));
    let join = bed.join(&second, &[]);

    bed.sync();
    assert!(bed.account(&second).is_none());
    // The first person's own anchor is put back, and then nothing stands in the way any more.
    assert_eq!(bed.account_of(&account.id).text("serviceNowSysId"), first.sys_id);
    bed.sync();
    assert!(bed.account(&second).is_some());
    assert_eq!(bed.state(&join), "3");
}

#[test]
fn an_account_that_carries_another_anchor_is_not_taken_over_by_number_or_login() {
    let bed = anchored(40);
    let joiner = bed.hired("Nora", "880001", "nora@example.com");
    let account = bed.handmade("880001", "nora@example.com", Status::Active);
    bed.stage.okta.set_profile(&account, &serde_json::json!({"serviceNowSysId": "somebody-else"}));
    let join = bed.join(&joiner, &[]);
    bed.forget_calls();
    let report = bed.sync();
    assert!(why_held(&report, &join.number).contains("carries another serviceNowSysId"));
    assert_eq!(bed.okta_writes(), Vec::<String>::new());
    assert!(bed.comments(&join)[0].contains("serviceNowSysId"), "{:?}", bed.comments(&join));
}

#[test]
fn what_somebody_had_at_take_over_stays_and_a_change_of_it_waits_for_a_yes() {
    let bed = Bed::of(40);
    let (employee, colleague) = (bed.employee(20), bed.employee(21));
    let id = bed.account(&employee).unwrap().id;
    bed.stage.okta.add_member(&bed.okta_group("app-jira"), &id);
    bed.sync();
    // A colleague's request brings the group under management: who was in it stays in it.
    bed.access("Add", &colleague, &["app-jira"], "");
    assert!(!bed.sync().needs_attention());
    assert!(!bed.sync_full().needs_attention());
    assert!(bed.groups_of(&employee).contains(&"app-jira".to_owned()));

    bed.record(&employee, &[("last_name", "Nachname")]);
    let report = bed.sync();
    assert_eq!(held(&report), ["BASELINE update"]);
    assert_eq!(bed.account_of(&id).text("lastName"), employee.last_name);
}

#[test]
fn a_rename_to_a_login_that_somebody_has_waits_alone_and_is_done_once_the_login_is_free() {
    let bed = Bed::of(100);
    let newcomer = bed.newcomer(5);
    bed.join(&newcomer, &[]);
    bed.sync();
    let id = bed.account(&newcomer).unwrap().id;
    let other = bed.handmade("999999", "jane@example.com", Status::Active);
    bed.record(&newcomer, &[("email", "jane@example.com"), ("last_name", "Nachname")]);
    let change = bed.moved(&newcomer);

    let report = bed.sync();
    assert_eq!(held(&report), [format!("{} -", change.number)]);
    let account = bed.account_of(&id);
    assert_eq!(account.text("login"), newcomer.email);
    assert_eq!(account.text("email"), "jane@example.com");
    assert_eq!(account.text("lastName"), "Nachname");
    let comments = bed.comments(&change);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains("the login is taken"), "{comments:?}");

    bed.stage.okta.set_profile(&other, &serde_json::json!({"login": "other@example.com"}));
    bed.pass("20m");
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} update", change.number)]);
    assert_eq!(bed.account_of(&id).text("login"), "jane@example.com");
    assert_eq!(bed.state(&change), "3");
}

#[test]
fn an_account_that_fits_two_records_goes_to_neither_however_often_one_of_them_changes() {
    let bed = Bed::of(40);
    let account = bed.handmade("880001", "nora@example.com", Status::Active);
    let one = bed.hired("Nora", "880001", "nora@example.com");
    let other = bed.hired("Eleonora", "880001", "eleonora@example.com");
    bed.sync();
    for person in [&one, &other, &one] {
        bed.pass("1m");
        bed.record(person, &[("first_name", &format!("Since {}", bed.stage.clock.now()))]);
        bed.sync();
    }

    let requests = [&one, &other].map(|person| bed.access("Add", person, &["app-jira"], ""));
    bed.forget_calls();
    let report = bed.sync();
    assert_eq!(report.summary.held, 2, "{:#?}", report.actions);
    for request in &requests {
        let comments = bed.comments(request);
        assert!(comments[0].contains("would be another person's as well"), "{comments:?}");
    }
    bed.nothing_happens();
    assert_eq!(bed.account_of(&account).groups, Vec::<String>::new());
    assert!(requests.iter().all(|request| bed.comments(request).len() == 1), "said once");
}

#[test]
fn a_second_record_that_arrives_later_does_not_get_the_account_of_the_first() {
    let bed = Bed::of(40);
    let employee = bed.employee(20);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    let second = bed.hired("Double", &employee.employee_number, "double@example.com");
    bed.sync();
    let join = bed.join(&second, &[]);
    let leave = bed.leave(&second);
    bed.forget_calls();
    let report = bed.sync();
    assert_eq!(report.summary.held, 1, "{:#?}", report.actions);
    assert_eq!(bed.okta_writes(), Vec::<String>::new());
    for request in [join, leave].iter().filter(|request| bed.state(request) != "3") {
        let comments = bed.comments(request);
        assert_eq!(comments.len(), 1, "{comments:?}");
    }
    assert_eq!(bed.status(&employee), "ACTIVE");
    bed.nothing_happens();
}

#[test]
fn two_joiners_with_one_address_or_one_number_both_wait_until_one_of_them_is_corrected() {
    let pairs = [
        [("880001", "nora@example.com"), ("880002", "nora@example.com")],
        [("880001", "nora@example.com"), ("880001", "bo@example.com")],
    ];
    for [(number, email), (other_number, other_email)] in pairs {
        let bed = Bed::of(40);
        let one = bed.hired("Nora", number, email);
        let other = bed.hired("Bo", other_number, other_email);
        let joins = [&one, &other].map(|person| bed.join(person, &[]));
        bed.forget_calls();
        let report = bed.sync();
        assert_eq!(held(&report).len(), 2, "{:#?}", report.actions);
        assert_eq!(bed.okta_writes(), Vec::<String>::new());
        for join in &joins {
            assert!(
                bed.comments(join)[0].contains("2 people would get"),
                "{:?}",
                bed.comments(join)
            );
        }
        bed.nothing_happens();

        bed.record(&other, &[("employee_number", "880003"), ("email", "bo.other@example.com")]);
        bed.sync();
        bed.pass("20m");
        bed.sync();
        for (person, join) in [&one, &other].into_iter().zip(&joins) {
            assert_eq!(bed.state(join), "3", "{}", person.first_name);
        }
        let accounts = [email, "bo.other@example.com"].map(|login| bed.stage.okta.find(login));
        let [Some(one), Some(other)] = accounts else { panic!("two accounts") };
        assert_ne!(one.id, other.id);
    }
}

#[test]
fn somebody_whom_two_accounts_fit_gets_neither_and_is_said_so_on_the_request() {
    let bed = Bed::of(40);
    let joiner = bed.hired("Nora", "880001", "nora@example.com");
    bed.handmade("880001", "nora.a@example.com", Status::Active);
    bed.handmade("880001", "nora.b@example.com", Status::Deprovisioned);
    let join = bed.join(&joiner, &["app-jira"]);
    bed.forget_calls();
    let report = bed.sync();
    assert_eq!(held(&report), [format!("{} -", join.number)]);
    assert_eq!(bed.okta_writes(), Vec::<String>::new());
    assert!(bed.comments(&join)[0].contains("2 accounts match by employeeNumber"));
    // Nor is anybody locked out by a leave that cannot tell whose account it means.
    let leave = bed.leave(&joiner);
    bed.sync();
    assert!(bed.comments(&leave)[0].contains("2 accounts match"), "{:?}", bed.comments(&leave));
    bed.nothing_happens();
}

#[test]
fn a_login_that_is_taken_by_an_account_that_does_not_match_is_held_whatever_its_status() {
    for status in [Status::Active, Status::Staged, Status::Suspended, Status::Deprovisioned] {
        let bed = Bed::of(40)
            .configure("match = [\"employeeNumber\", \"login\"]", "match = [\"employeeNumber\"]");
        let joiner = bed.hired("Nora", "880001", "nora@example.com");
        let account = bed.handmade("999999", "nora@example.com", status);
        let join = bed.join(&joiner, &["app-jira"]);
        bed.forget_calls();
        let report = bed.sync();
        assert_eq!(held(&report), [format!("{} -", join.number)]);
        assert!(bed.comments(&join)[0].contains("the login is taken"), "{:?}", bed.comments(&join));
        bed.nothing_happens();
        assert_eq!(bed.account_of(&account).status, status);
    }
}

#[test]
fn a_staged_account_stays_staged_until_a_join_of_its_person_begins() {
    for lead in ["0s", "30 days"] {
        let bed = Bed::of(40).with("lifecycle", &format!("create_ahead = \"{lead}\""));
        let nobody_asked = bed.hired("Nora", "880001", "nora@example.com");
        let joins_later = bed.hired("Lou", "880002", "lou@example.com");
        let joins_now = bed.hired("Bo", "880003", "bo@example.com");
        for person in [&nobody_asked, &joins_later, &joins_now] {
            bed.handmade(&person.employee_number, &person.email, Status::Staged);
        }
        let later = bed.join_on(&joins_later, "2026-03-05", "");
        let now = bed.join_on(&joins_now, "2026-03-02", "");
        bed.sync();
        bed.nothing_happens();
        assert_eq!(bed.status(&nobody_asked), "STAGED");
        assert_eq!(bed.status(&joins_later), "STAGED");
        assert_eq!(bed.status(&joins_now), "PROVISIONED");
        assert_eq!(bed.state(&now), "3");
        assert_eq!(bed.stage.okta.mails().len(), 1);

        bed.at("2026-03-05T00:00:30Z");
        bed.sync();
        assert_eq!(bed.status(&nobody_asked), "STAGED");
        assert_eq!(bed.status(&joins_later), "PROVISIONED");
        assert_eq!(bed.state(&later), "3");
    }
}

#[test]
fn an_account_without_a_person_is_reported_and_never_written_to() {
    let bed = Bed::of(40);
    let robot = bed.handmade("", "robot@example.com", Status::Active);
    bed.stage.okta.add_member(&bed.okta_group("Sales"), &robot);
    bed.access("Add", &bed.employee(20), &["app-jira"], "");
    let report = bed.sync();
    assert!(!report.needs_attention(), "{:#?}", report.actions);
    bed.nothing_happens();
    assert_eq!(bed.account_of(&robot).groups, ["Sales"]);
    let items = bed.drift().items;
    let item = items.iter().find(|item| item.person.okta_id.as_deref() == Some(&robot)).unwrap();
    assert_eq!((item.fact, item.disposition), ("account", "unmanaged"));
}

#[test]
fn a_recycled_address_revives_nobodys_account() {
    for match_on in
        ["match = [\"employeeNumber\", \"login\"]", "match = [\"employeeNumber\", \"email\"]"]
    {
        let bed = Bed::of(40).configure("match = [\"employeeNumber\", \"login\"]", match_on);
        let leaver = bed.employee(20);
        bed.leave(&leaver);
        bed.sync();
        assert_eq!(bed.status(&leaver), "DEPROVISIONED");
        // HR gives the address to somebody new.
        bed.record(&leaver, &[("email", ""), ("active", "false")]);
        let joiner = bed.hired("Nora", "880001", &leaver.email);
        let join = bed.join(&joiner, &["app-jira"]);
        bed.forget_calls();
        let report = bed.sync();
        assert!(report.needs_attention());
        assert_eq!(bed.okta_writes(), Vec::<String>::new());
        assert_eq!(bed.comments(&join).len(), 1);
        bed.nothing_happens();
        let account = bed.account(&leaver).unwrap();
        assert_eq!(account.status, Status::Deprovisioned);
        assert_eq!(account.text("employeeNumber"), leaver.employee_number);
    }
}

#[test]
fn a_recycled_address_does_not_take_over_an_account_without_a_number_either() {
    let bed = Bed::of(40);
    let first = bed.hired("Nora", "", "nora@example.com");
    let account = bed.handmade("", "nora@example.com", Status::Active);
    bed.sync();
    bed.stage.servicenow.delete_person(&first.sys_id);
    let joiner = bed.hired("Leonora", "880001", "nora@example.com");
    let join = bed.join(&joiner, &[]);
    let report = bed.sync();
    assert!(why_held(&report, &join.number).contains("linked to another person"));
    assert_eq!(bed.comments(&join).len(), 1);
    assert_eq!(bed.account_of(&account).text("firstName"), "Hand");
}

#[test]
fn an_empty_number_matches_nobody_and_a_joiner_without_one_gets_an_account() {
    let bed = Bed::of(40);
    bed.handmade("", "service@example.com", Status::Active);
    let joiner = bed.hired("Nora", "", "nora@example.com");
    let join = bed.join(&joiner, &[]);
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} create", join.number)]);
    assert_eq!(bed.state(&join), "3");
}

#[test]
fn a_joiner_without_an_address_waits_and_nothing_is_sent_to_be_refused() {
    let bed = Bed::of(40);
    let joiner = bed.hired("Nora", "880001", "");
    let join = bed.join(&joiner, &["app-jira"]);
    bed.forget_calls();
    let report = bed.sync();
    assert!(report.needs_attention());
    assert_eq!(bed.okta_writes(), Vec::<String>::new(), "{:#?}", report.actions);
    let comments = bed.comments(&join);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains("the record gives no"), "{comments:?}");
    bed.nothing_happens();

    bed.record(&joiner, &[("email", "nora@example.com")]);
    bed.sync();
    assert!(bed.stage.okta.find("nora@example.com").is_some());
    assert_eq!(bed.state(&join), "3");
}

#[test]
fn a_leaver_whose_account_was_deleted_and_made_again_by_hand_loses_the_new_one() {
    let bed = Bed::of(40);
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &[]);
    bed.sync();
    let old = bed.account(&newcomer).unwrap().id;
    bed.stage.okta.delete_user(&old);
    let new = bed.handmade(&newcomer.employee_number, &newcomer.email, Status::Active);
    bed.sync_full();
    bed.pass("1h");
    let leave = bed.leave(&newcomer);
    bed.sync();
    assert_eq!(bed.account_of(&new).status, Status::Deprovisioned);
    assert_eq!(bed.state(&leave), "3");
    assert!(bed.work_notes(&leave)[0].contains(&new), "{:?}", bed.work_notes(&leave));
}

#[test]
fn a_protected_user_stays_protected_whatever_name_or_address_changes() {
    for by_login in [true, false] {
        let probe = Bed::of(40);
        let person = probe.employee(20);
        let name = if by_login { person.email.clone() } else { person.user_name.clone() };
        drop(probe);
        let bed = Bed::of(40).with("guard", &format!("protected_users = [\"{name}\"]"));
        bed.sync();
        let id = bed.account(&person).unwrap().id;
        let renamed = serde_json::json!({"login": "x@example.com", "email": "x@example.com"});
        bed.stage.okta.set_profile(&id, &renamed);
        bed.record(&person, &[("email", "x@example.com"), ("user_name", "another.name")]);
        bed.sync();
        let leave = bed.leave(&person);
        bed.forget_calls();
        bed.sync();
        bed.nothing_happens();
        assert_eq!(bed.account_of(&id).status, Status::Active, "protected by {name}");
        assert!(bed.comments(&leave)[0].contains("protected"), "{:?}", bed.comments(&leave));
    }
}

#[test]
fn a_protected_group_stays_protected_under_another_name() {
    let bed = Bed::of(40).with("guard", "protected_groups = [\"app-jira\"]");
    let employee = bed.employee(20);
    bed.sync();
    let group = bed.okta_group("app-jira");
    bed.stage.okta.rename_group(&group, "app-tickets");
    bed.sync_full();
    let request = bed.access("Add", &employee, &["app-jira"], "");
    bed.forget_calls();
    assert!(bed.sync().needs_attention());
    bed.nothing_happens();
    assert!(bed.comments(&request)[0].contains("protected"), "{:?}", bed.comments(&request));
}

#[test]
fn a_birthright_group_goes_on_under_another_name_and_another_group_of_its_name_means_nothing() {
    let bed = Bed::of(40);
    bed.sync();
    let sales = bed.okta_group("Sales");
    bed.stage.okta.rename_group(&sales, "Revenue");
    let other = bed.stage.okta.create_group("Sales");
    let joiner = bed.hired("Nora", "880001", "nora@example.com");
    bed.join(&joiner, &[]);
    assert!(!bed.sync_full().needs_attention());
    assert_eq!(bed.groups_of(&joiner), ["Revenue"]);
    assert_eq!(bed.stage.okta.members(&other), Vec::<String>::new());
    bed.nothing_happens();
}

#[test]
fn a_catalog_item_goes_on_under_another_name_and_another_item_of_its_name_means_nothing() {
    let bed = Bed::of(40);
    bed.sync();
    let item = bed.stage.company.item_id("Okta offboarding").unwrap();
    bed.stage.servicenow.update("sc_cat_item", &item, &[("name", "Say goodbye")]);
    let impostor = Item {
        name: "Okta offboarding".to_owned(),
        variables: vec![goldthread::sim::servicenow::Variable::new("employee", 8)],
        ..Item::default()
    };
    let impostor = bed.stage.servicenow.add_item(&impostor);
    let (leaver, stays) = (bed.employee(20), bed.employee(21));
    let variables = |person: &goldthread::sim::company::Person| {
        [("employee", person.sys_id.clone()), ("last_day", "2026-03-01".to_owned())]
    };
    let servicenow = &bed.stage.servicenow;
    let real = servicenow.order(&item, &leaver.sys_id, &variables(&leaver)).unwrap();
    let fake = servicenow.order(&impostor, &stays.sys_id, &variables(&stays)).unwrap();
    servicenow.approve(&real.number);
    servicenow.approve(&fake.number);
    bed.sync();
    bed.sync_full();
    assert_eq!(bed.status(&leaver), "DEPROVISIONED");
    assert_eq!(bed.state(&real), "3");
    assert_eq!(bed.status(&stays), "ACTIVE");
    assert!(bed.stage.servicenow.notes(&fake.number).is_empty());
}

#[test]
fn an_account_that_holds_an_administrator_role_is_never_written_to_and_the_request_says_so() {
    let bed = Bed::of(40);
    let admin = bed.employee(20);
    bed.join(&admin, &[]);
    bed.sync();
    let id = bed.account(&admin).unwrap().id;
    bed.stage.okta.set_roles(&id, &["HELP_DESK_ADMIN"]);
    bed.record(&admin, &[("last_name", "Nachname")]);
    let requests = [bed.leave(&admin), bed.access("Add", &admin, &["app-jira"], "")];
    bed.forget_calls();
    bed.sync();
    bed.nothing_happens();
    assert_eq!(bed.account_of(&id).status, Status::Active);
    assert!(
        bed.comments(&requests[0])[0].contains("administrator role"),
        "{:?}",
        bed.comments(&requests[0])
    );
    // Without the role it is an account like any other.
    bed.stage.okta.set_roles(&id, &[]);
    bed.pass("10m");
    bed.sync_full();
    assert_eq!(bed.account_of(&id).status, Status::Deprovisioned);
}
