//! Who approved a request: seen when its approval is, kept, and told with everything done for it.

use goldthread::sim::company::Person;
use goldthread::sim::faults::Fault;
use goldthread::sim::servicenow::Ordered;

use super::bed::{Bed, applied, logged};

const TABLE: &str = "sysapproval_approver";

/// The lines about a request.
fn of_request<'a>(lines: &'a [String], ordered: &Ordered) -> Vec<&'a String> {
    lines.iter().filter(|line| line.contains(&format!("request=\"{}\"", ordered.number))).collect()
}

/// How often ServiceNow was asked who approved, since the last look.
fn asked(bed: &Bed) -> usize {
    let calls = bed.stage.servicenow.calls();
    calls.iter().filter(|call| call.path.ends_with(TABLE)).count()
}

/// What the store keeps of who approved: user name, e-mail, who wrote the row, whether for a group.
fn kept(bed: &Bed, ordered: &Ordered) -> Vec<(String, String, String, bool)> {
    let store = bed.store();
    let mut rows = store
        .prepare(
            "SELECT a.user_name, a.email, updated_by, of_group <> '' FROM approvers a
             JOIN requests r ON r.sys_id = a.request
             WHERE number = ? AND a.state = 'approved' AND a.at <> '' ORDER BY 1",
        )
        .unwrap();
    let read = rows.query_map([&ordered.number], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    read.unwrap().collect::<Result<_, _>>().unwrap()
}

fn row(person: &Person, by: &str, of_group: bool) -> (String, String, String, bool) {
    (person.user_name.clone(), person.email.clone(), by.to_owned(), of_group)
}

fn leave_of(bed: &Bed, person: &Person) -> Ordered {
    let variables = [("employee", person.sys_id.as_str()), ("last_day", "2026-03-01")];
    bed.ordered("Okta offboarding", person, &variables)
}

fn hide(bed: &Bed, tables: &[&str]) {
    bed.stage
        .servicenow
        .set(|it| it.hidden_tables = tables.iter().map(|it| (*it).to_owned()).collect());
}

#[test]
fn whoever_approved_stands_in_the_log_from_the_approval_to_the_closing() {
    let bed = Bed::of(60);
    bed.sync();
    let (leaver, boss) = (bed.employee(0), bed.employee(1));
    let leave = leave_of(&bed, &leaver);
    assert!(bed.stage.servicenow.approve_as(&leave.number, &boss.sys_id));
    let (_, lines) = logged(|| bed.sync());
    let told = of_request(&lines, &leave);
    assert!(told.len() >= 4, "{told:#?}");
    let approver = format!("approver=\"{}\"", boss.user_name);
    for line in &told {
        for piece in
            [&*approver, &format!("sys_id=\"{}\"", leaver.sys_id), "login=\"", "okta_user=\"00u"]
        {
            assert!(line.contains(piece), "no {piece} in {line}");
        }
    }
    let first =
        format!("{}: approved by {}, a leave for {}", leave.number, boss.user_name, leaver.email);
    assert!(told[0].contains(&first), "{}", told[0]);
    assert!(told.last().unwrap().contains("outcome=\"written_back\""), "{told:#?}");
    assert_eq!(kept(&bed, &leave), [row(&boss, &boss.user_name, false)]);
}

#[test]
fn what_is_archived_in_servicenow_is_still_known_here() {
    let bed = Bed::of(60);
    let (newcomer, boss) = (bed.newcomer(0), bed.employee(1));
    let join = bed.ordered(
        "Okta onboarding",
        &newcomer,
        &[("employee", &newcomer.sys_id), ("start_date", "2026-03-02"), ("action", "Add")],
    );
    assert!(bed.stage.servicenow.approve_as(&join.number, &boss.sys_id));
    bed.sync();
    hide(&bed, &[TABLE]);
    bed.pass("1h");
    bed.sync();
    let account = bed.account(&newcomer).unwrap();
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.set_profile(&account.id, &serde_json::json!({"department": "Elsewhere"}));
    let (report, lines) = logged(|| bed.sync());
    assert_eq!(applied(&report), [format!("{} update", join.number)]);
    let told = of_request(&lines, &join);
    assert!(told.iter().all(|line| line.contains(&format!("approver=\"{}\"", boss.user_name))));
    assert!(!told.is_empty());
}

#[test]
fn an_order_is_approved_by_whoever_approved_the_order() {
    let bed = Bed::of(60);
    bed.sync();
    let (person, [ann, bob]) = (bed.employee(0), [1, 2].map(|place| bed.employee(place)));
    let groups = bed.groups(&["app-jira"]);
    let variables =
        [("action", "Add"), ("employee", person.sys_id.as_str()), ("groups", groups.as_str())];
    let access = bed.ordered("Okta group access", &person, &variables);
    let members = [ann.sys_id.as_str(), bob.sys_id.as_str()];
    bed.stage.servicenow.ask_group(&access.number, "Board", &members).unwrap();
    // A deputy pressed the button for the one who was asked.
    assert!(bed.stage.servicenow.approve_for(&access.number, &bob.sys_id, "deputy"));
    let (_, lines) = logged(|| bed.sync());
    let told = of_request(&lines, &access);
    let approver = format!("approver=\"{}\"", bob.user_name);
    assert!(told.len() >= 3 && told.iter().all(|line| line.contains(&approver)), "{told:#?}");
    assert_eq!(kept(&bed, &access), [row(&bob, "deputy", true)]);
}

#[test]
fn a_request_that_nobody_is_named_for_is_carried_out_all_the_same() {
    let bed = Bed::of(60);
    bed.sync();
    let leaves = [0, 1].map(|place| leave_of(&bed, &bed.employee(place)));
    let mut warnings = Vec::new();
    for leave in &leaves {
        assert!(bed.stage.servicenow.approve_without_approver(&leave.number));
        let (_, lines) = logged(|| bed.sync());
        let approved = format!("{}: approved (nobody is named who did it), a leave", leave.number);
        assert!(lines.iter().any(|line| line.contains(&approved)), "{lines:#?}");
        assert!(lines.iter().all(|line| !line.contains("approver=")), "{lines:#?}");
        warnings.extend(lines.into_iter().filter(|line| line.contains("WARN")));
        assert_eq!(bed.state(leave), "3");
    }
    let [warning] = warnings.try_into().unwrap();
    assert!(warning.contains(&format!("{}: nobody is named", leaves[0].number)), "{warning}");
}

/// What keeps the approvers from us.
type Trouble = (&'static str, fn(&Bed), fn(&Bed));

const TROUBLES: [Trouble; 4] = [
    ("hidden rows", |bed| hide(bed, &[TABLE]), |bed| hide(bed, &[])),
    (
        "a refused table",
        |bed| {
            bed.stage.servicenow.set(|it| it.forbidden_tables = [TABLE.to_owned()].into());
        },
        |bed| bed.stage.servicenow.set(|it| it.forbidden_tables.clear()),
    ),
    (
        "a hidden column",
        |bed| {
            let column = format!("{TABLE}.approver");
            bed.stage.servicenow.set(|it| it.hidden_fields = [column].into());
        },
        |bed| bed.stage.servicenow.set(|it| it.hidden_fields.clear()),
    ),
    (
        "a call that is refused",
        |bed| {
            bed.stage.servicenow_faults.on("GET", TABLE, Fault::Status(400)).always();
        },
        |bed| bed.stage.servicenow_faults.clear(),
    ),
];

#[test]
fn approvers_that_cannot_be_read_hold_nobody_up_and_are_warned_of_once() {
    for (trouble, begin, end) in TROUBLES {
        let bed = Bed::of(60);
        bed.sync();
        begin(&bed);
        let boss = bed.employee(9);
        let leaves = [0, 1, 2].map(|place| leave_of(&bed, &bed.employee(place)));
        let mut warnings = Vec::new();
        for leave in &leaves[..2] {
            assert!(bed.stage.servicenow.approve_as(&leave.number, &boss.sys_id));
            let (_, lines) = logged(|| bed.sync());
            assert_eq!(bed.state(leave), "3", "{trouble}: done in the same cycle");
            let approved = format!("{}: approved (by whom cannot be read)", leave.number);
            assert!(lines.iter().any(|line| line.contains(&approved)), "{trouble}: {lines:#?}");
            warnings.extend(lines.into_iter().filter(|line| line.contains("WARN")));
        }
        let [warning] = warnings.try_into().unwrap();
        assert!(warning.contains("who approved cannot be read"), "{trouble}: {warning}");
        assert!(warning.contains("sysapproval_approver"), "{trouble}: {warning}");

        // With the next one those are asked about again that were done without knowing.
        end(&bed);
        assert!(bed.stage.servicenow.approve_as(&leaves[2].number, &boss.sys_id));
        let (_, lines) = logged(|| bed.sync());
        assert!(
            lines.iter().any(|line| line.contains("can be read again")),
            "{trouble}: {lines:#?}"
        );
        for leave in &leaves {
            assert_eq!(kept(&bed, leave), [row(&boss, &boss.user_name, false)], "{trouble}");
        }
    }
}

#[test]
fn rights_for_the_least_are_enough() {
    let bed = Bed::of(60);
    bed.sync();
    // As the smallest role has it: whose approval, by whom, in which state, and when.
    let columns = ["document_id", "group", "sys_updated_by"];
    bed.stage.servicenow.set(|it| {
        it.hidden_fields = columns.iter().map(|column| format!("{TABLE}.{column}")).collect();
        it.invalid_query = goldthread::sim::servicenow::InvalidQuery::Forbidden403;
    });
    let (leave, boss) = (leave_of(&bed, &bed.employee(0)), bed.employee(1));
    assert!(bed.stage.servicenow.approve_as(&leave.number, &boss.sys_id));
    let (_, lines) = logged(|| bed.sync());
    assert!(lines.iter().all(|line| !line.contains("WARN")), "{lines:#?}");
    assert_eq!(kept(&bed, &leave), [row(&boss, "", false)]);
}

#[test]
fn many_approvals_cost_one_call_and_an_idle_cycle_none() {
    let bed = Bed::of(80).with("guard", "max_disabled = 100");
    bed.sync();
    let boss = bed.employee(30);
    let leaves: Vec<Ordered> = (0..20).map(|place| leave_of(&bed, &bed.employee(place))).collect();
    for leave in &leaves {
        assert!(bed.stage.servicenow.approve_as(&leave.number, &boss.sys_id));
    }
    bed.forget_calls();
    bed.sync();
    assert_eq!(asked(&bed), 1);
    assert!(leaves.iter().all(|leave| kept(&bed, leave).len() == 1));
    bed.forget_calls();
    bed.sync();
    bed.sync_full();
    assert_eq!(asked(&bed), 0);
}

#[test]
fn what_nobody_has_approved_yet_is_not_asked_about() {
    let bed = Bed::of(60);
    bed.sync();
    bed.forget_calls();
    leave_of(&bed, &bed.employee(0));
    // A return needs no approval, so nobody approves it.
    bed.back(&bed.employee(1), "2026-03-02");
    bed.sync();
    bed.sync_full();
    assert_eq!(asked(&bed), 0);
}

#[test]
fn a_new_approval_has_its_own_approvers() {
    let bed = Bed::of(60);
    bed.sync();
    let (leaver, ann, bob) = (bed.employee(0), bed.employee(1), bed.employee(2));
    let variables = [("employee", leaver.sys_id.as_str()), ("last_day", "2026-03-20")];
    let leave = bed.ordered("Okta offboarding", &leaver, &variables);
    let servicenow = &bed.stage.servicenow;
    assert!(servicenow.approve_as(&leave.number, &ann.sys_id));
    bed.sync();
    assert_eq!(kept(&bed, &leave), [row(&ann, &ann.user_name, false)]);
    // It is asked about anew; the old answers stand no more.
    bed.pass("1h");
    for id in servicenow.approvals_of(&leave.number) {
        assert!(servicenow.update_silently(TABLE, &id, &[("state", "cancelled")]));
    }
    assert!(servicenow.reset_approval(&leave.number));
    bed.sync();
    bed.pass("1h");
    assert!(servicenow.approve_as(&leave.number, &bob.sys_id));
    bed.sync();
    assert_eq!(kept(&bed, &leave), [row(&bob, &bob.user_name, false)]);
}

#[test]
fn check_says_whether_it_can_be_told_who_approved() {
    let bed = Bed::of(60);
    let finding = |bed: &Bed| {
        let check = bed.check().checks.into_iter().find(|it| it.name == "servicenow approvers");
        check.map(|check| (format!("{:?}", check.found), check.detail)).unwrap()
    };
    let leave = leave_of(&bed, &bed.employee(0));
    assert!(bed.stage.servicenow.approve_as(&leave.number, &bed.employee(1).sys_id));
    let (found, detail) = finding(&bed);
    assert_eq!(found, "Fine", "{detail}");
    for (trouble, begin, end) in TROUBLES {
        begin(&bed);
        let (found, detail) = finding(&bed);
        assert_eq!(found, "Warning", "{trouble}: {detail}");
        assert!(detail.contains("who approved cannot be read"), "{trouble}: {detail}");
        assert!(bed.check().checks.iter().all(|it| format!("{:?}", it.found) != "Failed"));
        end(&bed);
    }
}
