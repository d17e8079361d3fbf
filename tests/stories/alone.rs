//! One bad thing, and beside it somebody who leaves, somebody who joins and somebody who is given a
//! group: these three are done in the same cycle, the bad thing is left alone and named, and it is
//! done soon after it is mended.

use goldthread::report::CycleReport;
use goldthread::sim::faults::Fault;
use goldthread::sim::okta::{OutOfSight, Sight};
use goldthread::sim::servicenow::{ApprovalBy, Item, Ordered, Refusal, RefusedText};
use goldthread::sync::Scope;
use serde_json::{Value, json};

use super::bed::{Bed, applied, logged};

/// What is bad, and how it is known that it was left alone and done in the end.
pub struct Bad {
    /// What the log and the report call it.
    pub name: String,
    /// The account that nothing is written to meanwhile.
    pub account: Option<String>,
    /// The request that waits meanwhile.
    pub request: Option<Ordered>,
    pub mend: Box<dyn FnOnce(&mut Bed)>,
    pub done: Box<dyn Fn(&Bed) -> bool>,
}

impl Bad {
    /// A request that waits until what is bad is mended, and is closed then.
    pub fn request(request: Ordered, mend: impl FnOnce(&mut Bed) + 'static) -> Self {
        let number = request.number.clone();
        Self {
            name: number.clone(),
            account: None,
            request: Some(request),
            mend: Box::new(mend),
            done: Box::new(move |bed| {
                bed.stage.servicenow.request(&number).is_some_and(|it| it.state == "3")
            }),
        }
    }

    /// The same, about somebody whose account is not touched meanwhile.
    pub fn about(self, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..self }
    }
}

/// Three others, who never wait for what is bad.
pub fn others(bed: &Bed) -> [Ordered; 3] {
    [
        bed.leave(&bed.employee(10)),
        bed.join(&bed.newcomer(1), &["app-jira"]),
        bed.access("Add", &bed.employee(11), &["app-jira"], ""),
    ]
}

/// The company in which one thing is bad, as it comes.
fn beside(strike: impl FnOnce(&mut Bed) -> Bad) {
    beside_in(Bed::of(40), &Scope::Changes, strike);
}

/// The same in a company that is not as it comes, or where the thing is only met by a complete read.
pub fn beside_in(mut bed: Bed, scope: &Scope, strike: impl FnOnce(&mut Bed) -> Bad) {
    assert!(!bed.sync_full().needs_attention());
    bed.pass("10m");
    bed.sync();
    let bad = strike(&mut bed);
    let others = others(&bed);
    bed.forget_calls();
    let (report, log) = logged(|| bed.try_sync(scope).unwrap());
    for other in &others {
        assert_eq!(bed.state(other), "3", "somebody else waits: {:#?}\n{log:#?}", report.actions);
    }
    left_alone(&bed, &bad, &report);
    named(&bed, &bad, &report, &log);
    let Bad { mend, done, .. } = bad;
    mend(&mut bed);
    let mut last = report;
    for _ in 0..6 {
        bed.pass("19s");
        last = if *scope == Scope::Full && !done(&bed) { bed.sync_full() } else { bed.sync() };
        if done(&bed) && !last.needs_attention() {
            return;
        }
    }
    panic!("mended, and two minutes later it is not done: {:#?}", last.actions);
}

fn left_alone(bed: &Bed, bad: &Bad, report: &CycleReport) {
    assert!(!(bad.done)(bed));
    for write in bed.stage.okta.writes() {
        let ours = bad.account.as_ref().is_some_and(|id| write.path.contains(id.as_str()));
        let asked = write.user_agent.contains(&format!("({};", bad.name));
        assert!(!ours && !asked, "{} {}: {:#?}", write.method, write.path, report.actions);
    }
    if let Some(request) = &bad.request {
        assert_ne!(bed.state(request), "3", "{:?}", bed.notes(request));
        assert!(!applied(report).concat().contains(&request.number));
    }
}

fn named(bed: &Bed, bad: &Bad, report: &CycleReport, log: &[String]) {
    let name = &bad.name;
    assert!(report.needs_attention(), "nobody is needed for {name}");
    assert!(log.iter().any(|line| line.contains(name)), "{name} is not in the log: {log:#?}");
    let drift = bed.drift();
    let said = json!([drift.requests, drift.items, drift.open]).to_string();
    assert!(said.contains(name), "{name} is not in the report: {said}");
    assert!(drift.differs());
}

pub fn account_id(bed: &Bed, place: usize) -> String {
    bed.account(&bed.employee(place)).unwrap().id
}

/// A join for somebody whom the form names by this text, and whom nobody knows yet.
pub fn named_by(bed: &Bed, text: &str) -> Ordered {
    let person = bed.newcomer(0);
    let variables = [("employee", text), ("start_date", "2026-03-02"), ("action", "Add")];
    bed.approved("Okta onboarding", &person, &variables)
}

fn a_text_that_is_refused(answer: Refusal) {
    beside(|bed| {
        let text = "union.select@example.com";
        let refused = RefusedText { text: "union".to_owned(), answer };
        bed.stage.servicenow.set(|it| it.refused_texts = vec![refused]);
        Bad::request(named_by(bed, text), move |bed| {
            bed.stage.servicenow.set(|it| it.refused_texts.clear());
            bed.hired("Una", "U-1", text);
        })
    });
}

#[test]
fn a_person_s_text_that_cannot_stand_in_a_query() {
    beside(|bed| {
        let join = named_by(bed, "jane^ORsys_idISNOTEMPTY");
        let (number, open) = (join.number.clone(), bed.state(&join));
        let off = number.clone();
        let bad = Bad::request(join, move |bed| {
            assert!(bed.stage.servicenow.cancel(&off));
        });
        // Nothing can be made of it: it is over when it is called off.
        let over = move |bed: &Bed| bed.stage.servicenow.request(&number).unwrap().state != open;
        Bad { done: Box::new(over), ..bad }
    });
}

#[test]
fn a_person_s_text_that_the_instance_forbids() {
    a_text_that_is_refused(Refusal::Error(403));
}

#[test]
fn a_person_s_text_that_the_instance_calls_malformed() {
    a_text_that_is_refused(Refusal::Error(400));
}

#[test]
fn a_person_s_text_that_a_firewall_answers_with_a_page() {
    a_text_that_is_refused(Refusal::Page(403));
}

#[test]
fn a_person_s_text_that_a_firewall_answers_with_a_page_as_if_all_were_well() {
    a_text_that_is_refused(Refusal::Page(200));
}

fn a_group_whose_members_are_refused(status: u16) {
    beside(|bed| {
        let members = format!("/groups/{}/users", bed.okta_group("app-figma"));
        bed.stage.okta.faults().on("GET", &members, Fault::Status(status)).always();
        let grant = bed.access("Add", &bed.employee(0), &["app-figma"], "");
        Bad::request(grant, |bed| bed.stage.okta.faults().clear()).about(&account_id(bed, 0))
    });
}

#[test]
fn a_group_whose_members_may_not_be_read() {
    a_group_whose_members_are_refused(403);
}

#[test]
fn a_group_whose_members_fail() {
    a_group_whose_members_are_refused(500);
}

#[test]
fn a_search_for_an_account_that_okta_calls_malformed() {
    beside(|bed| {
        let person = bed.newcomer(0);
        let number = person.employee_number.clone();
        bed.stage.okta.faults().on("GET", &number, Fault::Status(400)).always();
        Bad::request(bed.join(&person, &[]), |bed| bed.stage.okta.faults().clear())
    });
}

/// Somebody leaves whose account answers like this.
fn an_account_that_answers(fault: Fault) {
    beside(|bed| {
        let id = account_id(bed, 0);
        bed.stage.okta.faults().on("GET", &format!("/users/{id}"), fault).always();
        let leave = bed.leave(&bed.employee(0));
        Bad::request(leave, |bed| bed.stage.okta.faults().clear()).about(&id)
    });
}

#[test]
fn an_account_that_fails_for_good() {
    an_account_that_answers(Fault::Status(500));
}

#[test]
fn an_account_that_is_no_json() {
    an_account_that_answers(Fault::CutJson);
}

#[test]
fn an_account_that_is_a_page() {
    an_account_that_answers(Fault::Html200);
}

#[test]
fn an_account_without_a_profile() {
    an_account_that_answers(account_with("profile", Value::Null));
}

/// The account shows something else; the lists below it stay as they are.
fn account_with(name: &'static str, value: Value) -> Fault {
    Fault::reshaped(move |answer| {
        if let Some(account) = answer.as_object_mut() {
            account.insert(name.to_owned(), value.clone());
        }
    })
}

/// Somebody leaves whom the role does not reach any more.
fn an_account_out_of_sight(how: OutOfSight) {
    beside(|bed| {
        let id = account_id(bed, 0);
        bed.stage.okta.switch(|it| {
            it.sight = Sight::without_users([id.as_str()]);
            it.out_of_sight = how;
        });
        let leave = bed.leave(&bed.employee(0));
        Bad::request(leave, |bed| bed.stage.okta.switch(|it| it.sight = Sight::All)).about(&id)
    });
}

#[test]
fn an_account_that_the_role_may_not_read() {
    an_account_out_of_sight(OutOfSight::Forbidden);
}

#[test]
fn an_account_that_is_said_not_to_be_there() {
    an_account_out_of_sight(OutOfSight::NotFound);
}

#[test]
fn an_account_whose_roles_fail() {
    beside(|bed| {
        let id = account_id(bed, 0);
        let roles = format!("/users/{id}/roles");
        bed.stage.okta.faults().on("GET", &roles, Fault::Status(500)).always();
        let leave = bed.leave(&bed.employee(0));
        Bad::request(leave, |bed| bed.stage.okta.faults().clear()).about(&id)
    });
}

#[test]
fn an_account_whose_groups_may_not_be_read() {
    beside(|bed| {
        let id = account_id(bed, 0);
        let groups = format!("/users/{id}/groups");
        bed.stage.okta.faults().on("GET", &groups, Fault::Status(403)).always();
        let leave = bed.leave(&bed.employee(0));
        Bad::request(leave, |bed| bed.stage.okta.faults().clear()).about(&id)
    });
}

#[test]
fn an_account_outside_everyone() {
    beside(|bed| {
        let (person, id) = (bed.employee(0), account_id(bed, 0));
        bed.stage.okta.outside_everyone(&id);
        let by_hand = bed.stage.okta.acting_as("Pat Admin");
        by_hand.remove_member(&bed.okta_group(&person.department), &id);
        let grant = bed.access("Add", &person, &["app-jira"], "");
        let back = id.clone();
        Bad::request(grant, move |bed| {
            for group in ["Everyone", &person.department] {
                bed.stage.okta.seed_member(&bed.okta_group(group), &back);
            }
        })
        .about(&id)
    });
}

#[test]
fn a_record_without_a_field_that_an_expression_walks_to() {
    beside(|bed| {
        let (person, id) = (bed.employee(0), account_id(bed, 0));
        let key = (person.sys_id.clone(), "department.name".to_owned());
        bed.stage.servicenow.set(|it| {
            it.odd_fields.insert(key, None);
        });
        bed.record(&person, &[("last_name", "Newname")]);
        let account = id.clone();
        let bad = Bad::request(bed.moved(&person), |bed| {
            // The list of changes does not show it any more.
            bed.pass("10m");
            bed.stage.servicenow.set(|it| it.odd_fields.clear());
        });
        let renamed = move |bed: &Bed| bed.account_of(&account).text("lastName") == "Newname";
        Bad { name: person.sys_id, done: Box::new(renamed), ..bad }.about(&id)
    });
}

/// A grant of a group whose row in the customer's table cannot be read.
fn a_row_of_a_look_up_table(
    hide: impl FnOnce(&Bed, String),
    show: impl FnOnce(&mut Bed) + 'static,
) {
    beside(|bed| {
        let grant = bed.access("Add", &bed.employee(0), &["app-figma"], "");
        hide(bed, bed.stage.company.group_id("app-figma"));
        Bad::request(grant, show).about(&account_id(bed, 0))
    });
}

#[test]
fn a_row_of_a_look_up_table_that_is_hidden() {
    a_row_of_a_look_up_table(
        |bed, row| {
            bed.stage.servicenow.set(|it| {
                it.hidden_rows.insert(row);
            });
        },
        |bed| bed.stage.servicenow.set(|it| it.hidden_rows.clear()),
    );
}

#[test]
fn a_row_of_a_look_up_table_that_a_rule_takes_out_of_every_query() {
    a_row_of_a_look_up_table(
        |bed, row| {
            bed.stage.servicenow.set(|it| {
                it.ruled_out_rows.insert(row);
            });
        },
        |bed| bed.stage.servicenow.set(|it| it.ruled_out_rows.clear()),
    );
}

/// The others' requests name no group here: all of them are named by that table.
#[test]
fn a_look_up_table_that_may_not_be_read() {
    let bed = Bed::of(40).configure(
        "operation = \"grant\"\napproval = \"order\"\nperson = \"variables.employee\"\n\
         groups = \"variables.groups\"\nlookup = { table = \"u_okta_group\", column = \"u_okta_id\" }",
        "operation = \"grant\"\napproval = \"order\"\nperson = \"variables.employee\"\n\
         groups = \"variables.groups\"",
    );
    bed.sync_full();
    bed.stage.servicenow.set(|it| {
        it.forbidden_tables.insert("u_okta_group".to_owned());
    });
    let bad = bed.join(&bed.newcomer(0), &["app-figma"]);
    let leave = bed.leave(&bed.employee(10));
    let join = bed.join(&bed.newcomer(1), &[]);
    let by_name = [("action", "Add"), ("groups", "app-jira")];
    let grantee = bed.employee(11);
    let by_name = [by_name[0], by_name[1], ("employee", grantee.sys_id.as_str())];
    let grant = bed.approved("Okta group access", &grantee, &by_name);
    let (report, log) = logged(|| bed.sync());
    for other in [&leave, &join, &grant] {
        assert_eq!(bed.state(other), "3", "{:#?}\n{log:#?}", report.actions);
    }
    let bad = Bad::request(bad, |bed| bed.stage.servicenow.set(|it| it.forbidden_tables.clear()));
    left_alone(&bed, &bad, &report);
    named(&bed, &bad, &report, &log);
    bed.stage.servicenow.set(|it| it.forbidden_tables.clear());
    bed.pass("1m");
    assert!(!bed.sync().needs_attention());
    assert!((bad.done)(&bed));
}

#[test]
fn a_catalog_item_of_the_configuration_that_is_missing() {
    let more = "\n[[request]]\nitem = \"Okta contractors\"\noperation = \"leave\"\n\
                approval = \"item\"\nperson = \"variables.employee\"\n";
    let item = Item {
        sys_id: None,
        name: "Okta contractors".to_owned(),
        approval: ApprovalBy::Item,
        task: false,
        variables: Vec::new(),
    };
    let mut bed = Bed::of(40);
    bed.sync_full();
    bed.pass("10m");
    bed = bed.add_config(more);
    let others = others(&bed);
    let (report, log) = logged(|| bed.sync());
    for other in &others {
        assert_eq!(bed.state(other), "3", "{:#?}\n{log:#?}", report.actions);
    }
    let bad = Bad {
        name: "Okta contractors".to_owned(),
        account: None,
        request: None,
        mend: Box::new(|_| {}),
        done: Box::new(|_| false),
    };
    named(&bed, &bad, &report, &log);
    bed.stage.servicenow.add_item(&item);
    bed.pass("1m");
    assert!(!bed.sync().needs_attention());
}

#[test]
fn a_group_rule_that_names_no_group() {
    let bed = Bed::of(40);
    let figma = bed.okta_group("app-figma");
    let rule = bed.stage.okta.add_rule("feeder", "department", "Nowhere", &[&figma]);
    beside_in(bed, &Scope::Full, |bed| {
        let without_groups = Fault::reshaped({
            let rule = rule.clone();
            move |rules| {
                for it in rules.as_array_mut().into_iter().flatten() {
                    if it["id"] == rule.as_str() {
                        it["actions"]["assignUserToGroups"] = json!({});
                    }
                }
            }
        });
        bed.stage.okta.faults().on("GET", "/groups/rules", without_groups).always();
        let off = rule.clone();
        // It fed this group when it could be read, so nobody is put there.
        let grant = bed.access("Add", &bed.employee(0), &["app-figma"], "");
        let bad = Bad::request(grant, move |bed| {
            bed.stage.okta.faults().clear();
            bed.stage.okta.stop_rule(&off);
        });
        Bad { name: rule.clone(), ..bad }.about(&account_id(bed, 0))
    });
}
