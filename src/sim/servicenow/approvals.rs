//! Who is asked to approve a request, and what becomes of it: rows of `sysapproval_approver`.

use super::ServiceNow;
use super::hand::AGENT;
use super::state::{SYSTEM_USER, State, is_closed, owned};

const TABLE: &str = "sysapproval_approver";

impl State {
    /// Asks somebody to approve a task.
    pub(super) fn ask(&mut self, task: &str, approver: &str) {
        self.ask_for(task, approver, "");
    }

    fn ask_for(&mut self, task: &str, approver: &str, group: &str) -> String {
        let table = self.get("task", task, "sys_class_name").to_owned();
        if table.is_empty() {
            return String::new();
        }
        let row = owned(&[
            ("sysapproval", task),
            ("document_id", task),
            ("source_table", &table),
            ("approver", approver),
            ("state", "requested"),
            ("group", group),
        ]);
        let id = self.insert(TABLE, row, SYSTEM_USER);
        self.child(task, "approval", id.clone());
        id
    }

    /// An approver said yes or no: the task follows, the other approvers need not answer.
    pub(super) fn decided(&mut self, approval: &str) {
        let decision = self.get(TABLE, approval, "state").to_owned();
        if decision != "approved" && decision != "rejected" {
            return;
        }
        let group = self.get(TABLE, approval, "group").to_owned();
        if !group.is_empty() {
            self.change("sysapproval_group", &group, &[("approval", &decision)], SYSTEM_USER);
        }
        let task = self.get(TABLE, approval, "sysapproval").to_owned();
        self.set_approval(&task, &decision);
    }

    /// Nobody need answer any more where it is decided, however that came about, or called off.
    pub(super) fn moot(&mut self, task: &str) {
        let table = self.get("task", task, "sys_class_name").to_owned();
        let decided = ["approved", "rejected", "cancelled", "not_required"]
            .contains(&self.get(&table, task, "approval"));
        if !decided && !is_closed(self.get(&table, task, "state")) {
            return;
        }
        for approval in self.children_of(task, "approval").to_vec() {
            if self.get(TABLE, &approval, "state") == "requested" {
                self.update(TABLE, &approval, &[("state", "not_required")], SYSTEM_USER);
            }
        }
    }

    /// The item with this number, or the order whose approval stands for it; committed by now.
    fn task_to_approve(&mut self, number: &str) -> Option<String> {
        let (_, id) = self.numbers.get(number).cloned()?;
        self.hurry(&id);
        let cat_item = self.get("sc_req_item", &id, "cat_item").to_owned();
        let task = match self.get("sc_cat_item", &cat_item, "u_approval") {
            "order" => self.get("sc_req_item", &id, "request").to_owned(),
            _ => id,
        };
        self.hurry(&task);
        Some(task)
    }

    /// The row of this approver, or of the first who is asked where none is named.
    fn asked(&self, task: &str, approver: Option<&str>) -> Option<String> {
        let mut rows = self.children_of(task, "approval").iter();
        let row = rows.find(|row| {
            self.get(TABLE, row, "state") == "requested"
                && approver.is_none_or(|approver| self.get(TABLE, row, "approver") == approver)
        });
        row.cloned()
    }

    /// Writes somebody's answer; `by` is who pressed the button, the approver where it is empty.
    fn press(&mut self, row: &str, decision: &str, by: &str) -> bool {
        let approver = self.get(TABLE, row, "approver").to_owned();
        let own = self.get("sys_user", &approver, "user_name").to_owned();
        let by = [by, &own, AGENT].into_iter().find(|name| !name.is_empty()).map(str::to_owned);
        self.change(TABLE, row, &[("state", decision)], &by.unwrap_or_default())
    }
}

/// Approvals.
impl ServiceNow {
    /// The approver of this item or order says yes. An item whose order is to be approved stands
    /// for it.
    pub fn approve(&self, number: &str) -> bool {
        self.decide(number, "approved")
    }

    /// The approver of this item or order says no.
    pub fn reject(&self, number: &str) -> bool {
        self.decide(number, "rejected")
    }

    fn decide(&self, number: &str, decision: &str) -> bool {
        let mut state = self.lock();
        let Some(task) = state.task_to_approve(number) else { return false };
        if let Some(row) = state.asked(&task, None) {
            return state.press(&row, decision, "");
        }
        state.set_approval(&task, decision);
        true
    }

    /// This person (a `sys_id`) approves the item or its order, asked or not.
    pub fn approve_as(&self, number: &str, approver: &str) -> bool {
        self.approve_for(number, approver, "")
    }

    /// Somebody else (a user name) presses the button for an approver (a `sys_id`): a delegate, or
    /// an administrator.
    pub fn approve_for(&self, number: &str, approver: &str, by: &str) -> bool {
        let mut state = self.lock();
        let Some(task) = state.task_to_approve(number) else { return false };
        let row = match state.asked(&task, Some(approver)) {
            Some(row) => row,
            None => state.ask_for(&task, approver, ""),
        };
        state.press(&row, "approved", by)
    }

    /// A script, or a due date that has passed, sets the approval: nobody stands for it.
    pub fn approve_without_approver(&self, number: &str) -> bool {
        let mut state = self.lock();
        let Some(task) = state.task_to_approve(number) else { return false };
        state.set_approval(&task, "approved");
        true
    }

    /// The `sys_id`s of the rows about this item or its order.
    pub fn approvals_of(&self, number: &str) -> Vec<String> {
        let mut state = self.lock();
        let task = state.task_to_approve(number);
        task.map(|task| state.children_of(&task, "approval").to_vec()).unwrap_or_default()
    }

    /// Every member (a `sys_id`) of a group is asked about an item or its order; gives the
    /// `sys_id` of the group approval.
    pub fn ask_group(&self, number: &str, group: &str, members: &[&str]) -> Option<String> {
        let mut state = self.lock();
        let task = state.task_to_approve(number)?;
        let group = state.insert("sys_user_group", owned(&[("name", group)]), AGENT);
        let number = state.next_number("APPR");
        let row = owned(&[
            ("number", &number),
            ("parent", &task),
            ("assignment_group", &group),
            ("approval", "requested"),
        ]);
        let id = state.insert("sysapproval_group", row, SYSTEM_USER);
        for member in members {
            state.ask_for(&task, member, &id);
        }
        Some(id)
    }
}
