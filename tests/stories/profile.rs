//! Attributes: cleared, refused, owned by others, late, or impossible to work out.

use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use goldthread::sim::okta::Attribute;
use serde_json::{Value, json};

use super::bed::{Bed, applied};

/// An attribute that holds one of two words.
fn badges(bed: &Bed) {
    let values = vec!["red".to_owned(), "blue".to_owned()];
    bed.stage.okta.add_attribute(Attribute { values, ..Attribute::custom("badge") });
}

#[test]
fn an_emptied_field_clears_the_attribute_and_an_empty_text_in_okta_is_no_difference() {
    let bed =
        Bed::of(60).configure("department = \"user", "title = \"user.title\"\ndepartment = \"user");
    let newcomer = bed.newcomer(0);
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("title", "Dr")]);
    let join = bed.join(&newcomer, &[]);
    bed.sync();
    assert_eq!(bed.account(&newcomer).unwrap().text("title"), "Dr");
    bed.pass("1m");
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("title", "")]);
    assert_eq!(applied(&bed.sync()), [format!("{} update", join.number)]);
    assert!(!bed.account(&newcomer).unwrap().profile.contains_key("title"));

    let id = bed.account(&newcomer).unwrap().id;
    bed.stage.okta.acting_as("Pat Admin").set_profile(&id, &json!({"title": ""}));
    assert_eq!(applied(&bed.sync_full()), Vec::<String>::new());
}

#[test]
fn an_attribute_that_okta_requires_is_not_cleared_and_holds_nothing_else_up() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let join = bed.join(&newcomer, &[]);
    bed.sync();
    bed.pass("1m");
    bed.record(&newcomer, &[("last_name", ""), ("first_name", "Other")]);
    bed.forget_calls();
    assert_eq!(applied(&bed.sync()), [format!("{} update", join.number)]);
    assert_eq!(bed.okta_writes(), ["POST users"]);
    let account = bed.account(&newcomer).unwrap();
    assert_eq!(account.text("firstName"), "Other");
    assert_eq!(account.text("lastName"), newcomer.last_name);
    bed.nothing_happens();
    let items = bed.differences();
    let item = items.iter().find(|item| item.name.as_deref() == Some("lastName")).unwrap();
    assert_eq!(item.disposition, "blocked");
    assert!(item.reason.contains("requires lastName"), "{}", item.reason);
}

#[test]
fn no_account_is_made_before_the_record_has_what_okta_requires() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    bed.record(&newcomer, &[("last_name", "")]);
    let join = bed.join(&newcomer, &[]);
    bed.forget_calls();
    bed.sync();
    assert_eq!(bed.okta_writes(), Vec::<String>::new(), "nothing is sent just to be refused");
    bed.nothing_happens();
    assert_eq!(bed.comments(&join).len(), 1);
    assert!(bed.comments(&join)[0].contains("requires lastName"), "{:?}", bed.comments(&join));
    bed.record(&newcomer, &[("last_name", "Found")]);
    assert_eq!(applied(&bed.sync()), [format!("{} create", join.number)]);
    assert_eq!(bed.state(&join), "3");
}

#[test]
fn an_attribute_that_the_schema_does_not_know_blocks_only_itself() {
    let bed = Bed::of(60).configure(
        "department = \"user",
        "costCentre = \"user.department.name\"\ndepartment = \"user",
    );
    let newcomer = bed.newcomer(0);
    let join = bed.join(&newcomer, &[]);
    let report = bed.sync();
    assert_eq!(applied(&report), [format!("{} create", join.number)]);
    let account = bed.account(&newcomer).unwrap();
    assert_eq!(account.text("department"), newcomer.department);
    let mine: Vec<_> = bed
        .differences()
        .into_iter()
        .filter(|item| item.request.as_deref() == Some(&*join.number))
        .map(|item| (item.name.unwrap_or_default(), item.disposition, item.reason))
        .collect();
    assert_eq!(mine.len(), 1);
    assert_eq!((mine[0].0.as_str(), mine[0].1), ("costCentre", "blocked"));
    assert!(mine[0].2.contains("no attribute"), "{}", mine[0].2);
    // Not everything that was asked for is there: the request says so, once, and stays open.
    bed.sync();
    assert_eq!(bed.comments(&join).len(), 1);
    assert_ne!(bed.state(&join), "3");
}

#[test]
fn an_attribute_that_okta_rejects_is_left_out_and_tried_again_only_when_it_changes() {
    let bed =
        Bed::of(60).configure("department = \"user", "badge = \"user.title\"\ndepartment = \"user");
    badges(&bed);
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &[]);
    bed.sync();
    let id = bed.account(&newcomer).unwrap().id;
    // Only Okta knows which badges there are.
    bed.pass("1m");
    bed.stage
        .servicenow
        .update_person(&newcomer.sys_id, &[("title", "purple"), ("last_name", "Nachname")]);
    bed.forget_calls();
    bed.sync();
    let account = bed.account(&newcomer).unwrap();
    assert_eq!(account.text("lastName"), "Nachname", "one attribute blocks nobody");
    let tries = bed.stage.okta.writes().len();
    for _ in 0..3 {
        bed.pass("20m");
        assert!(bed.sync().needs_attention());
    }
    assert_eq!(bed.stage.okta.writes().len(), tries, "nothing is sent to be refused again");
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("title", "red")]);
    bed.sync();
    assert_eq!(bed.stage.okta.find(&id).unwrap().text("badge"), "red");
    assert!(bed.explain(&newcomer).facts.iter().all(|fact| fact.in_sync));
}

#[test]
fn a_creation_that_okta_refuses_for_one_attribute_is_made_without_it() {
    let bed =
        Bed::of(60).configure("department = \"user", "badge = \"user.title\"\ndepartment = \"user");
    badges(&bed);
    let newcomer = bed.newcomer(0);
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("title", "purple")]);
    let join = bed.join(&newcomer, &["app-jira"]);
    bed.sync();
    let account = bed.account(&newcomer).expect("the account is there all the same");
    assert!(account.groups.contains(&"app-jira".to_owned()));
    assert_eq!(account.text("department"), newcomer.department);
    bed.sync();
    assert_eq!(bed.comments(&join).len(), 1, "{:?}", bed.comments(&join));
}

#[test]
fn read_only_and_externally_owned_attributes_are_said_and_left() {
    for (mutability, master) in [("READ_ONLY", "PROFILE_MASTER"), ("READ_WRITE", "OVERRIDE")] {
        let bed = Bed::of(60)
            .configure("department = \"user", "badge = \"user.title\"\ndepartment = \"user");
        bed.stage.okta.add_attribute(Attribute {
            mutability,
            master,
            ..Attribute::custom("badge")
        });
        let newcomer = bed.newcomer(0);
        bed.join(&newcomer, &[]);
        bed.sync();
        bed.pass("1m");
        bed.stage
            .servicenow
            .update_person(&newcomer.sys_id, &[("title", "007"), ("last_name", "Nachname")]);
        bed.sync();
        let account = bed.account(&newcomer).unwrap();
        assert_eq!(account.text("lastName"), "Nachname");
        let blocked: Vec<_> = bed
            .differences()
            .into_iter()
            .filter(|item| item.name.as_deref() == Some("badge"))
            .filter(|item| item.person.user_name.as_deref() == Some(&newcomer.user_name))
            .map(|item| item.disposition)
            .collect();
        assert_eq!(blocked, ["blocked"], "{mutability} {master}");
    }
}

#[test]
fn what_a_directory_owns_is_changed_there() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &[]);
    bed.sync();
    let account = bed.account(&newcomer).unwrap();
    bed.stage.okta.set_provider(&account.id, "ACTIVE_DIRECTORY");
    bed.pass("1m");
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("last_name", "Nachname")]);
    bed.forget_calls();
    bed.sync();
    assert!(bed.stage.okta.writes().is_empty());
    let [item] = bed.differences().try_into().unwrap();
    assert_eq!(item.disposition, "blocked");
    assert!(item.reason.contains("ACTIVE_DIRECTORY"), "{}", item.reason);
}

#[test]
fn a_manager_who_arrives_later_is_filled_in_when_there_is_one() {
    let bed = Bed::of(60);
    let (newcomer, boss) = (bed.newcomer(0), bed.employee(0));
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("manager", "")]);
    let join = bed.join(&newcomer, &[]);
    bed.sync();
    assert_eq!(bed.account(&newcomer).unwrap().text("manager"), "");
    assert_eq!(bed.state(&join), "3");
    bed.pass("1m");
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("manager", &boss.sys_id)]);
    assert_eq!(applied(&bed.sync()), [format!("{} update", join.number)]);
    assert_eq!(bed.account(&newcomer).unwrap().text("manager"), boss.email);
}

#[test]
fn a_manager_whose_address_comes_later_is_seen_by_the_next_cycle() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    let boss = bed.stage.servicenow.add_person(&[
        ("user_name", "boss"),
        ("first_name", "Bo"),
        ("last_name", "Ss"),
        ("employee_number", "B055"),
        ("active", "true"),
    ]);
    bed.stage.servicenow.update_person(&newcomer.sys_id, &[("manager", &boss)]);
    let join = bed.join(&newcomer, &[]);
    bed.sync();
    // The reference is filled and what it leads to is empty: that is no empty value.
    assert_eq!(bed.account(&newcomer).unwrap().text("manager"), "");
    assert_ne!(bed.state(&join), "3");
    bed.pass("1h");
    bed.stage.servicenow.update_person(&boss, &[("email", "boss@example.com")]);
    bed.sync();
    assert_eq!(bed.account(&newcomer).unwrap().text("manager"), "boss@example.com");
    assert_eq!(bed.state(&join), "3");
}

#[test]
fn an_expression_that_fails_for_one_person_leaves_the_attribute_and_everybody_else_alone() {
    let bed = Bed::of(60).configure(
        "department = \"user.department.name\"",
        "department = \"user.title == 'x' ? string(int(user.title)) : user.department.name\"",
    );
    let (odd, plain) = (bed.newcomer(0), bed.newcomer(1));
    bed.stage.servicenow.update_person(&odd.sys_id, &[("title", "x")]);
    let first = bed.join(&odd, &[]);
    let second = bed.join(&plain, &[]);
    bed.sync();
    assert_eq!(bed.account(&plain).unwrap().text("department"), plain.department);
    assert_eq!(bed.state(&second), "3");
    assert_eq!(bed.account(&odd).unwrap().text("department"), "");
    let why = bed.why(&odd, "department");
    assert!(why.against.join(" ").contains("cannot be evaluated"), "{why:#?}");
    assert_ne!(bed.state(&first), "3");
}

#[test]
fn a_dot_walk_that_is_hidden_clears_nothing() {
    let bed = Bed::of(60);
    let newcomer = bed.newcomer(0);
    bed.join(&newcomer, &[]);
    bed.sync();
    let department = bed.account(&newcomer).unwrap().text("department").to_owned();
    assert!(!department.is_empty());
    // The department's name is emptied (or hidden by an access rule), its reference is not.
    let id = bed.stage.company.department_id(&newcomer.department);
    bed.stage.servicenow.update("cmn_department", &id, &[("name", "")]);
    bed.forget_calls();
    bed.sync_full();
    let account = bed.account(&newcomer).unwrap();
    assert_eq!(account.text("department"), department);
    assert!(account.groups.contains(&newcomer.department), "nobody is moved by it either");
}

#[test]
fn a_dot_walk_of_two_steps_that_is_hidden_clears_nothing() {
    let walk = "\"user.manager.department.name\"";
    let bed =
        Bed::of(60).configure("manager = \"user.manager.email\"", &format!("manager = {walk}"));
    let newcomer = bed.newcomer(0);
    let request = bed.join(&newcomer, &[]);
    bed.sync();
    let of_the_manager = bed.account(&newcomer).unwrap().text("manager").to_owned();
    assert!(!of_the_manager.is_empty());
    assert_eq!(bed.state(&request), "3");
    let manager = bed.stage.servicenow.value("sys_user", &newcomer.sys_id, "manager");
    let department = bed.stage.servicenow.value("sys_user", &manager, "department");
    // What an access rule hides is empty: the name of the department, or the manager altogether.
    for hidden in [department, manager.clone()] {
        let name = bed.stage.servicenow.value("cmn_department", &hidden, "name");
        if name.is_empty() {
            bed.stage.servicenow_faults.on("GET", "/table/sys_user?", without_walks()).always();
        } else {
            bed.stage.servicenow.update("cmn_department", &hidden, &[("name", "")]);
        }
        bed.sync_full();
        assert_eq!(bed.account(&newcomer).unwrap().text("manager"), of_the_manager);
        bed.stage.servicenow_faults.clear();
        bed.stage.servicenow.update("cmn_department", &hidden, &[("name", &name)]);
        bed.sync_full();
    }
    // A manager without a department is another thing.
    assert!(bed.stage.servicenow.update_person(&manager, &[("department", "")]));
    bed.sync_full();
    assert_eq!(bed.account(&newcomer).unwrap().text("manager"), "");
}

/// Nobody's manager can be read.
fn without_walks() -> Fault {
    Fault::altered(|mut answer: Response| {
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
        for row in body["result"].as_array_mut().unwrap() {
            for (name, value) in row.as_object_mut().unwrap() {
                if name.starts_with("manager.") {
                    *value = Value::from("");
                }
            }
        }
        answer.body = body.to_string().into_bytes();
        answer
    })
}
