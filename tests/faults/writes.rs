//! Every write of both systems whose connection is lost: before it was carried out, and after.

use goldthread::model::StepKind;
use goldthread::sim::company::Person;
use goldthread::sim::faults::Fault;
use goldthread::sim::okta::Account;
use goldthread::sim::servicenow::Ordered;
use goldthread::sync::Scope;

use super::bed::Bed;
use super::day::{Program, each};
use super::journal::belied;
use super::picture::{closings, differences, events, is_a_mail_to_who_came_back, journal, picture};

/// One kind of write, and how somebody's account is after it.
struct Write {
    /// The journal's word for it; none for a write to ServiceNow.
    action: Option<&'static str>,
    method: &'static str,
    path: &'static str,
    /// Asks for it; whatever has to be there before is there.
    ask: fn(&Bed, &Person) -> Ordered,
    /// What has to be there before.
    before: fn(&Bed, &Person),
    done: fn(&Account, &Person) -> bool,
}

const WRITES: &[Write] = &[
    Write {
        action: Some("create"),
        method: "POST",
        path: "/api/v1/users?activate",
        before: |_, _| {},
        ask: |bed, who| bed.join(who, &["app-jira"]),
        done: |it, who| {
            is(it, "PROVISIONED") && it.groups == sorted(&["app-jira", &who.department])
        },
    },
    Write {
        action: Some("update"),
        method: "POST",
        path: "/api/v1/users/00u",
        before: |_, _| {},
        ask: |bed, who| {
            bed.record(who, &[("last_name", "Nachname")]);
            bed.moved(who)
        },
        done: |it, _| it.text("lastName") == "Nachname",
    },
    Write {
        action: Some("activate"),
        method: "POST",
        path: "/lifecycle/activate",
        before: leaves,
        ask: |bed, who| bed.join(who, &[]),
        done: |it, who| is(it, "PROVISIONED") && it.groups == [who.department.as_str()],
    },
    Write {
        action: Some("reactivate"),
        method: "POST",
        path: "/lifecycle/reactivate",
        before: leaves,
        ask: |bed, who| bed.join(who, &[]),
        done: |it, who| is(it, "PROVISIONED") && it.groups == [who.department.as_str()],
    },
    Write {
        action: Some("suspend"),
        method: "POST",
        path: "/lifecycle/suspend",
        before: |_, _| {},
        ask: |bed, who| bed.away(who, "2026-03-01", ""),
        done: |it, _| is(it, "SUSPENDED"),
    },
    Write {
        action: Some("unsuspend"),
        method: "POST",
        path: "/lifecycle/unsuspend",
        before: |bed, who| {
            bed.away(who, "2026-03-01", "");
        },
        ask: |bed, who| bed.back(who, ""),
        done: |it, _| is(it, "ACTIVE"),
    },
    Write {
        action: Some("deactivate"),
        method: "POST",
        path: "/lifecycle/deactivate",
        before: |_, _| {},
        ask: |bed, who| bed.leave(who),
        done: |it, _| is(it, "DEPROVISIONED") && it.groups.is_empty(),
    },
    Write {
        action: Some("clear_sessions"),
        method: "DELETE",
        path: "/sessions",
        before: |_, _| {},
        ask: |bed, who| bed.leave(who),
        done: |it, _| is(it, "DEPROVISIONED") && it.sessions == 0,
    },
    Write {
        action: Some("add_member"),
        method: "PUT",
        path: "/groups/",
        before: |_, _| {},
        ask: |bed, who| bed.access("Add", who, &["app-jira"], ""),
        done: |it, _| it.groups.iter().any(|name| name == "app-jira"),
    },
    Write {
        action: Some("remove_member"),
        method: "DELETE",
        path: "/groups/",
        before: |bed, who| {
            bed.access("Add", who, &["app-jira"], "");
        },
        ask: |bed, who| bed.access("Remove", who, &["app-jira"], ""),
        done: |it, _| !it.groups.iter().any(|name| name == "app-jira"),
    },
    Write {
        action: None,
        method: "PATCH",
        path: "/table/sc_req_item/",
        before: |_, _| {},
        ask: |bed, who| bed.access("Add", who, &["app-jira"], ""),
        done: |it, _| it.groups.iter().any(|name| name == "app-jira"),
    },
    Write {
        action: None,
        method: "PATCH",
        path: "/table/sc_task/",
        before: |_, _| {},
        ask: |bed, who| {
            let ordered = bed.access("Add", who, &["app-jira"], "");
            let id = ordered.sys_id.as_str();
            let task = [("number", "SCTASK0090001"), ("request_item", id), ("parent", id)];
            let open = [("state", "1"), ("active", "true")];
            bed.stage.servicenow.insert("sc_task", &[&task[..], &open[..]].concat());
            ordered
        },
        done: |it, _| it.groups.iter().any(|name| name == "app-jira"),
    },
];

fn is(account: &Account, status: &str) -> bool {
    account.status.as_str() == status
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

fn leaves(bed: &Bed, who: &Person) {
    bed.leave(who);
}

/// Where the connection is lost, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    Never,
    Once,
    /// In the whole cycle, whatever is tried again.
    Always,
}

impl Write {
    fn name(&self) -> &'static str {
        self.action.unwrap_or(self.path)
    }

    fn person(&self, bed: &Bed) -> Person {
        if self.action == Some("create") { bed.newcomer(0) } else { bed.employee(0) }
    }

    /// A company that is about to send this write, and who is asked about.
    fn scene(&self) -> (Bed, Person, Program) {
        let mut bed = Bed::of(20);
        if self.path.contains("sc_task") {
            bed = bed.add_config("\n[writeback]\nclose = \"task\"\n");
        }
        let who = self.person(&bed);
        let mut program = Program::start(&bed);
        program.sync(&bed, &Scope::Full).expect("a first cycle");
        (self.before)(&bed, &who);
        program.sync(&bed, &Scope::Changes).expect("a second cycle");
        bed.pass("10m");
        (bed, who, program)
    }

    /// Everything that is wrong with how it went when its connection was lost.
    fn went(&self, carried_out: bool, lost: Lost) -> (Bed, Vec<String>) {
        let (bed, who, mut program) = self.scene();
        let (entries, _) = journal(&bed);
        let since = entries.iter().map(|entry| entry.action_id).max().unwrap_or(0);
        bed.forget_calls();
        let ordered = (self.ask)(&bed, &who);
        let okta = self.action.is_some();
        let faults = if okta { bed.stage.okta.faults() } else { &*bed.stage.servicenow_faults };
        let fault = if carried_out { Fault::DropAfter } else { Fault::DropBefore };
        match lost {
            Lost::Never => {}
            Lost::Once => drop(faults.on(self.method, self.path, fault)),
            Lost::Always => drop(faults.on(self.method, self.path, fault).always()),
        }
        let mut wrong = Vec::new();
        let mut cycle = |what: &str, scope: &Scope| match program.sync(&bed, scope) {
            Ok(_) => None,
            Err(error) => Some(format!("{what} failed: {error}")),
        };
        wrong.extend(cycle("the cycle", &Scope::Changes));
        if (faults.hits() > 0) != (lost != Lost::Never) {
            wrong.push(format!("{} connections were lost", faults.hits()));
        }
        faults.clear();
        for _ in 0..2 {
            wrong.extend(cycle("a cycle after it", &Scope::Changes));
        }
        // Nobody waits for the complete read of the night.
        if !bed.account(&who).is_some_and(|account| (self.done)(&account, &who)) {
            wrong.push(format!("it is not done: {:?}", bed.account(&who)));
        }
        if bed.state(&ordered) != "3" && !self.path.contains("sc_task") {
            wrong.push("the request is open".to_owned());
        }
        let (entries, broken) = journal(&bed);
        wrong.extend(broken);
        wrong.extend(belied(&entries, &bed.stage.okta.writes(), since, 0));
        let told = entries.iter().any(|entry| {
            entry.action_id > since
                && Some(entry.action.as_str()) == self.action
                && entry.request == ordered.number
                && matches!(entry.outcome.as_deref(), Some("applied" | "already_so" | "unknown"))
        });
        if okta && !told {
            wrong.push(format!("the journal does not tell how it ended: {entries:?}"));
        }
        let closings = closings(&bed);
        if closings.len() != 1 || closings.values().any(|times| *times != 1) {
            wrong.push(format!("states were written so often: {closings:?}"));
        }
        bed.forget_calls();
        for scope in [Scope::Full, Scope::Changes] {
            wrong.extend(cycle("an idle cycle", &scope));
        }
        wrong.extend(bed.writes().iter().map(|write| format!("an idle cycle wrote: {write}")));
        (bed, wrong)
    }
}

/// Each write loses its connection, before or after it was carried out, once or all the time: in
/// the end it is as if nothing had been lost, and nothing was done twice.
pub fn every_write_survives(carried_out: bool) {
    each(
        WRITES,
        |write| write.name().to_owned(),
        |write| {
            let (right, mut wrong) = write.went(carried_out, Lost::Never);
            for lost in [Lost::Once, Lost::Always] {
                let (bed, mut problems) = write.went(carried_out, lost);
                problems.extend(differences(&picture(&right), &picture(&bed)));
                problems.extend(differences(&events(&right), &events(&bed)));
                if matches!(write.action, Some("activate" | "reactivate")) {
                    problems.retain(|line| !is_a_mail_to_who_came_back(line));
                }
                wrong.extend(problems.into_iter().map(|line| format!("{lost:?}: {line}")));
            }
            wrong
        },
    );
}

#[test]
fn the_table_has_every_write_that_there_is() {
    let actions: Vec<&str> = WRITES.iter().filter_map(|write| write.action).collect();
    assert_eq!(actions, StepKind::ALL.map(StepKind::as_str));
}
