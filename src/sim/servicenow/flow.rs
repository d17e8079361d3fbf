//! What flows and rules do after a record changed: approvals, roll-ups, closing.

use super::state::{Event, SYSTEM_USER, State, is_closed, owned};

impl State {
    /// Updates a row and lets the flows follow.
    pub(super) fn change(
        &mut self,
        table: &str,
        id: &str,
        changes: &[(&str, &str)],
        by: &str,
    ) -> bool {
        let before = |state: &Self, column: &str| state.get(table, id, column).to_owned();
        let (old_state, old_approval) = (before(self, "state"), before(self, "approval"));
        if !self.update(table, id, changes, by) {
            return false;
        }
        if self.get(table, id, "state") != old_state {
            match table {
                "sysapproval_approver" => self.decided(id),
                "sc_task" => self.task_closed(id),
                "sc_req_item" => self.item_closed(id),
                _ => {}
            }
        }
        if self.get(table, id, "approval") != old_approval {
            self.moot(id);
            if table == "sc_req_item" {
                self.roll_up_approval(id);
            }
        }
        true
    }

    /// Writes a decision on a task, with what follows for its state.
    pub(super) fn set_approval(&mut self, task: &str, decision: &str) {
        let table = self.get("task", task, "sys_class_name").to_owned();
        let open = !is_closed(self.get(&table, task, "state"));
        match (table.as_str(), decision) {
            ("sc_request", "approved") => {
                self.change(
                    &table,
                    task,
                    &[
                        ("approval", decision),
                        ("request_state", "in_process"),
                        ("stage", "fulfillment"),
                    ],
                    SYSTEM_USER,
                );
                for item in self.children_of(task, "item").to_vec() {
                    self.start(&item, &[]);
                }
            }
            ("sc_request", "rejected") => {
                self.change(
                    &table,
                    task,
                    &[("approval", decision), ("request_state", "closed_rejected"), ("state", "4")],
                    SYSTEM_USER,
                );
                for item in self.children_of(task, "item").to_vec() {
                    self.change(
                        "sc_req_item",
                        &item,
                        &[("state", "4"), ("stage", "request_cancelled")],
                        SYSTEM_USER,
                    );
                }
            }
            ("sc_req_item", "approved") => self.start(task, &[("approval", decision)]),
            ("sc_req_item", "rejected") if open => {
                self.change(
                    &table,
                    task,
                    &[("approval", decision), ("state", "4"), ("stage", "request_cancelled")],
                    SYSTEM_USER,
                );
            }
            _ => {
                self.change(&table, task, &[("approval", decision)], SYSTEM_USER);
            }
        }
    }

    /// Fulfilment of an item begins.
    pub(super) fn start(&mut self, item: &str, more: &[(&str, &str)]) {
        self.hurry_commit(item);
        let mut changes = more.to_vec();
        if !is_closed(self.get("sc_req_item", item, "state")) {
            changes.extend([("state", "2"), ("stage", "fulfillment")]);
        }
        self.change("sc_req_item", item, &changes, SYSTEM_USER);
        let cat_item = self.get("sc_req_item", item, "cat_item").to_owned();
        if self.get("sc_cat_item", &cat_item, "u_fulfilment") == "task"
            && self.children_of(item, "task").is_empty()
        {
            let number = self.next_number("SCTASK");
            let task = owned(&[
                ("number", &number),
                ("short_description", "Carry the request out"),
                ("request_item", item),
                ("parent", item),
                ("request", self.get("sc_req_item", item, "request")),
                ("state", "1"),
                ("approval", "not requested"),
            ]);
            let id = self.insert("sc_task", task, SYSTEM_USER);
            self.child(item, "task", id);
        }
    }

    fn hurry_commit(&mut self, item: &str) {
        if self.row("sc_req_item", item).is_none() {
            self.hurry(item);
        }
    }

    /// The order follows once all of its items were approved, or all were rejected.
    fn roll_up_approval(&mut self, item: &str) {
        let order = self.get("sc_req_item", item, "request").to_owned();
        let items = self.children_of(&order, "item");
        let all = |decision: &str| {
            items.iter().all(|it| self.get("sc_req_item", it, "approval") == decision)
        };
        let changes: &[(&str, &str)] = if all("approved") {
            &[("approval", "approved"), ("request_state", "in_process")]
        } else if all("rejected") {
            &[("approval", "rejected"), ("request_state", "closed_rejected"), ("state", "4")]
        } else {
            return;
        };
        self.hurry(&order);
        self.update("sc_request", &order, changes, SYSTEM_USER);
    }

    /// The order closes with the last of its items.
    fn item_closed(&mut self, item: &str) {
        let state = self.get("sc_req_item", item, "state").to_owned();
        if !is_closed(&state) {
            return;
        }
        self.moot(item);
        let shown = if state == "3" { "completed" } else { "request_cancelled" };
        self.set_silently("sc_req_item", item, &[("stage", shown)]);
        let order = self.get("sc_req_item", item, "request").to_owned();
        if is_closed(self.get("sc_request", &order, "state")) {
            return;
        }
        let states: Vec<&str> = self
            .children_of(&order, "item")
            .iter()
            .map(|it| self.get("sc_req_item", it, "state"))
            .collect();
        if !states.iter().all(|it| is_closed(it)) {
            return;
        }
        let changes: &[(&str, &str)] = if states.iter().all(|it| *it == "3") {
            &[("state", "3"), ("request_state", "closed_complete")]
        } else if states.iter().all(|it| *it == "7") {
            &[("state", "7"), ("request_state", "closed_cancelled")]
        } else {
            &[("state", "4"), ("request_state", "closed_incomplete")]
        };
        self.hurry(&order);
        self.update("sc_request", &order, changes, SYSTEM_USER);
    }

    /// The item closes with the last of its tasks.
    fn task_closed(&mut self, task: &str) {
        let item = self.get("sc_task", task, "request_item").to_owned();
        let states: Vec<String> = self
            .children_of(&item, "task")
            .iter()
            .map(|it| self.get("sc_task", it, "state").to_owned())
            .collect();
        if states.iter().all(|it| is_closed(it)) {
            let first_not_done = states.iter().find(|it| *it != "3");
            let state = first_not_done.map_or("3", String::as_str);
            self.change("sc_req_item", &item, &[("state", state)], SYSTEM_USER);
        }
    }

    /// A flow sees that the API wrote a state.
    pub(super) fn flow_answers(&mut self, item: &str) {
        let Some(flow) = self.switches.flow_state.clone() else {
            return;
        };
        let (item, state) = (item.to_owned(), flow.state);
        if flow.after.is_zero() {
            self.change("sc_req_item", &item, &[("state", &state)], SYSTEM_USER);
        } else {
            self.after(flow.after, Event::State { item, state });
        }
    }
}
