//! Catalog items, their variables, and how an order becomes records.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::auth::Caller;
use super::errors;
use super::state::{Event, State, owned};
use super::table_api::text_of;
use crate::sim::http::{Request, Response};

/// Who has to approve an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApprovalBy {
    /// Nobody: its approval stays `not requested`.
    #[default]
    Nobody,
    /// The requested item is approved.
    Item,
    /// The order is approved; the item's own approval stays `not requested`.
    Order,
}

/// One question of a catalog item.
#[derive(Clone, Debug, Default)]
pub struct Variable {
    /// The name; empty for a label, which nobody can address.
    pub name: String,
    /// The type's code, for example 6 single-line text, 8 reference, 9 date, 21 list collector.
    pub code: u8,
    /// The table that a reference or a list collector chooses from.
    pub table: String,
    /// Whether an order without it is refused.
    pub mandatory: bool,
}

impl Variable {
    /// A question that may be left empty.
    pub fn new(name: &str, code: u8) -> Self {
        Self { name: name.to_owned(), code, ..Self::default() }
    }

    /// One that chooses from the rows of a table.
    #[must_use]
    pub fn of_table(mut self, table: &str) -> Self {
        table.clone_into(&mut self.table);
        self
    }

    /// One that must be answered.
    #[must_use]
    pub fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }
}

/// A catalog item.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// The `sys_id`, where it matters.
    pub sys_id: Option<String>,
    /// The name; need not be unique.
    pub name: String,
    /// Who approves.
    pub approval: ApprovalBy,
    /// Whether its flow makes a task and closes the item with it.
    pub task: bool,
    /// The questions.
    pub variables: Vec<Variable>,
}

/// One line of an order.
pub(super) struct Line {
    pub(super) item: String,
    pub(super) requested_for: String,
    pub(super) variables: BTreeMap<String, String>,
}

/// The `sys_id`s that an order made.
pub(super) struct Placed {
    pub(super) order: String,
    pub(super) number: String,
    /// Number and `sys_id` of each item.
    pub(super) items: Vec<(String, String)>,
}

impl State {
    /// Puts an item into the catalog.
    pub(super) fn add_item(&mut self, item: &Item) -> String {
        let approval = match item.approval {
            ApprovalBy::Nobody => "",
            ApprovalBy::Item => "item",
            ApprovalBy::Order => "order",
        };
        let row = owned(&[
            ("sys_id", item.sys_id.as_deref().unwrap_or_default()),
            ("name", &item.name),
            ("short_description", &item.name),
            ("u_approval", approval),
            ("u_fulfilment", if item.task { "task" } else { "" }),
        ]);
        let id = self.insert("sc_cat_item", row, "admin");
        for (order, variable) in item.variables.iter().enumerate() {
            let (reference, list) = match variable.code {
                21 => ("", variable.table.as_str()),
                _ => (variable.table.as_str(), ""),
            };
            let question = owned(&[
                ("name", &variable.name),
                ("question_text", &variable.name.replace('_', " ")),
                ("type", &variable.code.to_string()),
                ("cat_item", &id),
                ("mandatory", &variable.mandatory.to_string()),
                ("order", &(order * 100).to_string()),
                ("reference", reference),
                ("list_table", list),
            ]);
            let question = self.insert("item_option_new", question, "admin");
            self.child(&id, "question", question);
        }
        id
    }

    /// The item with this `sys_id`, or the first with this name.
    pub(super) fn item_id(&self, item: &str) -> Option<String> {
        if self.row("sc_cat_item", item).is_some() {
            return Some(item.to_owned());
        }
        let mut named =
            self.rows("sc_cat_item").filter(|row| row.get("name").is_some_and(|it| it == item));
        named.next()?.get("sys_id").cloned()
    }

    /// Places an order: items first, the order itself and the approvals later.
    pub(super) fn place(&mut self, lines: &[Line], opened_by: &str, by: &str) -> Placed {
        let order = self.draw_id();
        let number = self.next_number("REQ");
        let now = self.stamp();
        let mut items = Vec::new();
        let mut of_order = "not requested";
        for line in lines {
            let approval = self.get("sc_cat_item", &line.item, "u_approval").to_owned();
            match approval.as_str() {
                "order" => of_order = "order",
                "item" if of_order != "order" => of_order = "item",
                _ => {}
            }
            let item_number = self.next_number("RITM");
            let (own, stage) = match approval.as_str() {
                "item" => ("requested", "waiting_for_approval"),
                "order" => ("not requested", "request_approved"),
                _ => ("not requested", "fulfillment"),
            };
            let row = owned(&[
                ("number", &item_number),
                ("task_effective_number", &item_number),
                ("short_description", self.get("sc_cat_item", &line.item, "short_description")),
                ("request", &order),
                ("cat_item", &line.item),
                (
                    "requested_for",
                    if self.switches.items_name_a_person { &line.requested_for } else { "" },
                ),
                ("opened_at", &now),
                ("opened_by", opened_by),
                ("state", "1"),
                ("approval", own),
                ("stage", stage),
                ("quantity", "1"),
                ("price", "0"),
                ("priority", "4"),
            ]);
            let id = self.insert_by_hand("sc_req_item", row, by);
            self.numbers.insert(item_number.clone(), ("sc_req_item".to_owned(), id.clone()));
            self.child(&order, "item", id.clone());
            self.answer_questions(&id, line, by);
            if approval == "item" {
                self.ask_later(&id, &line.requested_for, self.switches.commit_delay);
            }
            items.push((item_number, id));
        }
        let first = lines.first().map_or("", |line| line.requested_for.as_str());
        let (approval, request_state) = match of_order {
            "not requested" => ("approved", "in_process"),
            _ => ("requested", "requested"),
        };
        let row = owned(&[
            ("sys_id", &order),
            ("number", &number),
            ("task_effective_number", &number),
            ("requested_for", first),
            ("opened_at", &now),
            ("opened_by", opened_by),
            ("state", "1"),
            ("approval", approval),
            ("request_state", request_state),
            ("stage", "requested"),
        ]);
        let (_, row) = self.made("sc_request", row, by);
        self.numbers.insert(number.clone(), ("sc_request".to_owned(), order.clone()));
        let delay = self.switches.order_delay;
        self.after(delay, Event::Order(row));
        if of_order == "order" {
            self.ask_later(&order, first, delay);
        }
        self.tick();
        Placed { order, number, items }
    }

    fn ask_later(&mut self, task: &str, person: &str, committed: Duration) {
        let manager = self.get("sys_user", person, "manager");
        let approver = if manager.is_empty() { &self.credentials.user_id } else { manager };
        let event = Event::Approval { task: task.to_owned(), approver: approver.to_owned() };
        // Nobody is asked about a record that is not committed yet.
        self.after(self.switches.approval_delay.max(committed), event);
    }

    /// Keeps the answer to each question, and an empty one where none is given.
    fn answer_questions(&mut self, item: &str, line: &Line, by: &str) {
        let mut options = BTreeMap::new();
        for question in self.children_of(&line.item, "question").to_vec() {
            let name = self.get("item_option_new", &question, "name").to_owned();
            let value = line.variables.get(&name).map_or("", String::as_str);
            let order = self.get("item_option_new", &question, "order").to_owned();
            let option =
                owned(&[("item_option_new", &question), ("value", value), ("order", &order)]);
            let option = self.insert("sc_item_option", option, by);
            let joined = owned(&[("request_item", item), ("sc_item_option", &option)]);
            self.insert("sc_item_option_mtom", joined, by);
            if !name.is_empty() {
                options.insert(name, option);
            }
        }
        self.variables.insert(item.to_owned(), options);
    }

    /// Calls under `servicecatalog/items`.
    pub(super) fn catalog_call(
        &mut self,
        request: &Request,
        rest: &[&str],
        caller: &Caller,
    ) -> Response {
        let item = rest.first().and_then(|id| self.row("sc_cat_item", id)).cloned();
        match (request.method.as_str(), rest, item) {
            ("GET", [], _) => {
                let wanted = request.query("sysparm_text").unwrap_or_default().to_lowercase();
                let rows = self.rows("sc_cat_item").filter(|row| {
                    row.get("name").is_some_and(|it| it.to_lowercase().contains(&wanted))
                });
                let items: Vec<Value> = rows.map(|row| json!({"sys_id": row.get("sys_id"), "name": row.get("name"), "type": "catalog_item"})).collect();
                Response::json(200, &json!({"result": items}))
            }
            (_, [_, ..], None) => errors::no_record(),
            ("GET", [id], Some(item)) => Response::json(
                200,
                &json!({"result": {"sys_id": id, "name": item.get("name"), "type": "catalog_item", "variables": self.questions(id)}}),
            ),
            ("GET", [id, "variables"], Some(_)) => {
                Response::json(200, &json!({"result": self.questions(id)}))
            }
            ("POST", [id, "order_now"], Some(_)) => self.order_now(request, id, caller),
            _ => errors::no_resource(),
        }
    }

    fn questions(&self, item: &str) -> Vec<Value> {
        let of = |id: &str, column: &str| self.get("item_option_new", id, column).to_owned();
        let each = self.children_of(item, "question").iter();
        each.map(|id| json!({"id": id, "name": of(id, "name"), "label": of(id, "question_text"), "type": of(id, "type").parse::<u8>().unwrap_or(0), "mandatory": of(id, "mandatory") == "true"}))
            .collect()
    }

    fn order_now(&mut self, request: &Request, item: &str, caller: &Caller) -> Response {
        let Some(body) = request.json() else {
            return errors::bad_request("The payload is not a JSON object");
        };
        if caller.guest {
            return errors::error(403, "Operation Failed", Some("Insufficient privileges"));
        }
        if body.get("sysparm_quantity").map(text_of).is_none_or(|it| it.parse::<u32>().is_err()) {
            return errors::error(
                400,
                "Invalid quantity value",
                Some("sysparm_quantity is mandatory"),
            );
        }
        let answers = body.get("variables").and_then(Value::as_object).cloned().unwrap_or_default();
        let variables: BTreeMap<String, String> =
            answers.iter().map(|(name, value)| (name.clone(), text_of(value))).collect();
        let unanswered = self.questions(item).into_iter().any(|question| {
            let name = question["name"].as_str().unwrap_or_default();
            question["mandatory"] == json!(true) && variables.get(name).is_none_or(String::is_empty)
        });
        if unanswered {
            return errors::error(400, "Mandatory Variables are required", None);
        }
        let wanted = body.get("sysparm_requested_for").map(text_of).filter(|it| !it.is_empty());
        let mut people = vec![wanted.unwrap_or_else(|| caller.id.clone())];
        let others = body.get("sysparm_also_request_for").map(text_of).unwrap_or_default();
        let others = others.split(',').map(str::trim).filter(|it| !it.is_empty());
        people.extend(others.map(str::to_owned));
        if people.len() > 51 || people.iter().any(|it| self.row("sys_user", it).is_none()) {
            return errors::error(400, "Invalid value for requested for", None);
        }
        let line = |person: String| Line {
            item: item.to_owned(),
            requested_for: person,
            variables: variables.clone(),
        };
        let lines: Vec<Line> = people.into_iter().map(line).collect();
        let placed = self.place(&lines, &caller.id, &caller.user_name);
        let (id, number) = (placed.order, placed.number);
        Response::json(
            200,
            &json!({"result": {"sys_id": id, "number": number, "request_number": number, "request_id": id, "table": "sc_request"}}),
        )
    }
}
