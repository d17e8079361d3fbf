//! The hand of the people who work with the instance: HR, requesters, approvers, administrators.

use std::collections::BTreeMap;

use super::auth::Credentials;
use super::catalog::{Item, Line};
use super::schema::Kind;
use super::state::{State, owned};
use super::switches::{InvalidQuery, Switches};
use super::{Call, ServiceNow};

/// Who changes people and rows by hand.
const HR: &str = "hr.admin";
/// Who works on requests by hand.
pub(super) const AGENT: &str = "service.desk";

/// What an order made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The order's number, `REQ…`.
    pub order: String,
    /// The order's `sys_id`.
    pub order_id: String,
    /// The first item's number, `RITM…`.
    pub number: String,
    /// The first item's `sys_id`.
    pub sys_id: String,
    /// All items: number and `sys_id`.
    pub items: Vec<(String, String)>,
}

/// A requested item as somebody sees it in a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestView {
    /// The number, `RITM…`.
    pub number: String,
    /// The `sys_id`.
    pub sys_id: String,
    /// The order's number, empty until the order is committed.
    pub order: String,
    /// The state's value.
    pub state: String,
    /// The item's own approval.
    pub approval: String,
    /// The order's approval.
    pub order_approval: String,
    /// The order's `request_state`.
    pub request_state: String,
    /// The stage.
    pub stage: String,
    /// Whether it is open.
    pub active: bool,
    /// When it was closed, empty if it is open.
    pub closed_at: String,
    /// The close notes.
    pub close_notes: String,
    /// The work notes, oldest first.
    pub work_notes: Vec<String>,
    /// The comments, oldest first.
    pub comments: Vec<String>,
    /// How often it was updated.
    pub sys_mod_count: u64,
    /// When it was last updated.
    pub sys_updated_on: String,
    /// Who updated it last.
    pub sys_updated_by: String,
    /// Its tasks: number and state.
    pub tasks: Vec<(String, String)>,
    /// The values of its named variables.
    pub variables: BTreeMap<String, String>,
}

/// Values and labels of a choice column.
type Labels = &'static [(&'static str, &'static str)];

/// Puts in what every instance has: the API user, choices, the root company.
pub(super) fn stock(state: &mut State) {
    let user_name = state.credentials.user_name.clone();
    let user = owned(&[
        ("user_name", &user_name),
        ("last_name", "Goldthread"),
        ("web_service_access_only", "true"),
        ("identity_type", "Machine"),
        ("time_zone", "Europe/Paris"),
    ]);
    state.credentials.user_id = state.insert("sys_user", user, "admin");
    let lists: [(&str, &str, Labels); 5] = [
        (
            "task",
            "state",
            &[
                ("-5", "Pending"),
                ("1", "Open"),
                ("2", "Work in Progress"),
                ("3", "Closed Complete"),
                ("4", "Closed Incomplete"),
                ("7", "Closed Skipped"),
            ],
        ),
        (
            "task",
            "approval",
            &[
                ("not requested", "Not Yet Requested"),
                ("requested", "Requested"),
                ("approved", "Approved"),
                ("rejected", "Rejected"),
                ("cancelled", "Cancelled"),
                ("not_required", "Not Required"),
                ("duplicate", "Duplicate"),
            ],
        ),
        (
            "sc_request",
            "request_state",
            &[
                ("requested", "Pending Approval"),
                ("in_process", "Approved"),
                ("closed_complete", "Closed Complete"),
                ("closed_incomplete", "Closed Incomplete"),
                ("closed_cancelled", "Closed Cancelled"),
                ("closed_rejected", "Closed Rejected"),
            ],
        ),
        (
            "sysapproval_approver",
            "state",
            &[
                ("requested", "Requested"),
                ("approved", "Approved"),
                ("rejected", "Rejected"),
                ("not_required", "No Longer Required"),
                ("cancelled", "Cancelled"),
                ("not requested", "Not Yet Requested"),
            ],
        ),
        ("sys_user", "identity_type", &[("human", "Human"), ("Machine", "Machine")]),
    ];
    for (table, element, values) in lists {
        for (sequence, (value, label)) in values.iter().enumerate() {
            add_choice(state, table, element, value, label, sequence);
        }
    }
    let property = owned(&[
        ("name", "glide.invalid_query.returns_no_rows"),
        ("value", "false"),
        ("type", "boolean"),
    ]);
    state.insert("sys_properties", property, "admin");
}

fn add_choice(
    state: &mut State,
    table: &str,
    element: &str,
    value: &str,
    label: &str,
    sequence: usize,
) {
    let row = owned(&[
        ("name", table),
        ("element", element),
        ("value", value),
        ("label", label),
        ("language", "en"),
        ("inactive", "false"),
        ("sequence", &sequence.to_string()),
    ]);
    state.insert("sys_choice", row, "admin");
}

/// Setting the instance up.
impl ServiceNow {
    /// Turns switches.
    pub fn set(&self, turn: impl FnOnce(&mut Switches)) {
        let mut state = self.lock();
        turn(&mut state.switches);
        let no_rows = state.switches.invalid_query == InvalidQuery::NoRows;
        let name = Some("glide.invalid_query.returns_no_rows");
        let property =
            state.rows("sys_properties").find(|row| row.get("name").map(String::as_str) == name);
        if let Some(id) = property.and_then(|row| row.get("sys_id")).cloned() {
            state.set_silently("sys_properties", &id, &[("value", &no_rows.to_string())]);
        }
    }

    /// The switches as they are.
    pub fn switches(&self) -> Switches {
        self.lock().switches.clone()
    }

    /// What the API user signs in with.
    pub fn credentials(&self) -> Credentials {
        self.lock().credentials.clone()
    }

    /// Changes what the API user signs in with.
    pub fn set_credentials(&self, change: impl FnOnce(&mut Credentials)) {
        let mut state = self.lock();
        change(&mut state.credentials);
        let Credentials { user_id, user_name, .. } = state.credentials.clone();
        state.set_silently("sys_user", &user_id, &[("user_name", &user_name)]);
    }

    /// Takes back the token that is out.
    pub fn revoke_tokens(&self) {
        self.lock().credentials.token = None;
    }

    /// Adds a column, and the table where it is not there yet.
    pub fn add_column(&self, table: &str, column: &str, kind: Kind) {
        self.lock().schema.add_column(table, column, kind);
    }

    /// Adds a value to the list of a choice column.
    pub fn add_choice(&self, table: &str, element: &str, value: &str, label: &str) {
        add_choice(&mut self.lock(), table, element, value, label, 99);
    }

    /// Adds a catalog item and gives its `sys_id`.
    pub fn add_item(&self, item: &Item) -> String {
        self.lock().add_item(item)
    }

    /// Every API call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The calls so far that write; not those for a token.
    pub fn writes(&self) -> Vec<Call> {
        let writes = |call: &&Call| {
            !["GET", "HEAD"].contains(&call.method.as_str()) && call.path != "/oauth_token.do"
        };
        self.lock().calls.iter().filter(writes).cloned().collect()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.lock().calls.clear();
    }
}

/// Rows.
impl ServiceNow {
    /// Inserts a row and gives its `sys_id`, which may be among the values.
    pub fn insert(&self, table: &str, values: &[(&str, &str)]) -> String {
        self.lock().insert_by_hand(table, owned(values), HR)
    }

    /// Updates a row; false where there is none or nothing changed.
    pub fn update(&self, table: &str, sys_id: &str, changes: &[(&str, &str)]) -> bool {
        self.lock().update_by_hand(table, sys_id, changes, HR)
    }

    /// Changes a row without stamp, count, or rules; also the system columns.
    pub fn update_silently(&self, table: &str, sys_id: &str, changes: &[(&str, &str)]) -> bool {
        self.lock().set_silently(table, sys_id, changes)
    }

    /// Deletes a row for good. Of a person `sys_audit_delete` tells it.
    pub fn delete(&self, table: &str, sys_id: &str) -> bool {
        self.lock().delete_by_hand(table, sys_id, HR)
    }

    /// One stored value, empty where there is none.
    pub fn value(&self, table: &str, sys_id: &str, column: &str) -> String {
        self.lock().get(table, sys_id, column).to_owned()
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> usize {
        self.lock().rows(table).count()
    }

    /// HR enters a person.
    pub fn add_person(&self, values: &[(&str, &str)]) -> String {
        self.insert("sys_user", values)
    }

    /// HR changes a person.
    pub fn update_person(&self, sys_id: &str, changes: &[(&str, &str)]) -> bool {
        self.update("sys_user", sys_id, changes)
    }

    /// HR deletes a person.
    pub fn delete_person(&self, sys_id: &str) -> bool {
        self.delete("sys_user", sys_id)
    }

    /// The `sys_id` of the person with this user name.
    pub fn person(&self, user_name: &str) -> Option<String> {
        let state = self.lock();
        let mut rows = state.rows("sys_user");
        let found = rows.find(|row| row.get("user_name").is_some_and(|it| it == user_name));
        found?.get("sys_id").cloned()
    }

    /// Says which Okta group a row of the customer's group table stands for.
    pub fn link_group(&self, name: &str, okta_id: &str) -> bool {
        let mut state = self.lock();
        let found =
            state.rows("u_okta_group").find(|row| row.get("u_name").is_some_and(|it| it == name));
        let Some(id) = found.and_then(|row| row.get("sys_id")).cloned() else {
            return false;
        };
        state.update("u_okta_group", &id, &[("u_okta_id", okta_id)], HR)
    }
}

/// Requests.
impl ServiceNow {
    /// Somebody orders an item (by `sys_id` or name) for a person.
    pub fn order<N: AsRef<str>, V: AsRef<str>>(
        &self,
        item: &str,
        requested_for: &str,
        variables: &[(N, V)],
    ) -> Option<Ordered> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned()));
        self.order_several(&[(item, requested_for, variables.collect())])
    }

    /// Somebody orders several items at once; none where an item is unknown.
    pub fn order_several(
        &self,
        lines: &[(&str, &str, BTreeMap<String, String>)],
    ) -> Option<Ordered> {
        let mut state = self.lock();
        let mut placed = Vec::new();
        for (item, requested_for, variables) in lines {
            placed.push(Line {
                item: state.item_id(item)?,
                requested_for: (*requested_for).to_owned(),
                variables: variables.clone(),
            });
        }
        let opened_by = lines.first()?.1.to_owned();
        let placed = state.place(&placed, &opened_by, AGENT);
        let items = placed.items;
        let (number, sys_id) = items.first()?.clone();
        Some(Ordered { order: placed.number, order_id: placed.order, number, sys_id, items })
    }

    /// A change makes the approval of an item start again.
    pub fn reset_approval(&self, number: &str) -> bool {
        self.edit(number, &[("approval", "requested"), ("stage", "waiting_for_approval")])
    }

    /// The item is closed incomplete (4).
    pub fn cancel(&self, number: &str) -> bool {
        self.edit(number, &[("state", "4")])
    }

    /// The item is closed as skipped (7).
    pub fn skip(&self, number: &str) -> bool {
        self.edit(number, &[("state", "7")])
    }

    /// The item is closed complete (3).
    pub fn close(&self, number: &str) -> bool {
        self.edit(number, &[("state", "3")])
    }

    /// Somebody edits an item, an order or a task; notes are `work_notes` and `comments`.
    pub fn edit(&self, number: &str, changes: &[(&str, &str)]) -> bool {
        let mut state = self.lock();
        let Some((table, id)) = state.numbers.get(number).cloned() else {
            return false;
        };
        state.hurry(&id);
        state.change(&table, &id, changes, AGENT)
    }

    /// Somebody edits a variable after the order: nothing on the item shows it.
    pub fn edit_variable(&self, number: &str, name: &str, value: &str) -> bool {
        let mut state = self.lock();
        let option = state
            .numbers
            .get(number)
            .and_then(|(_, id)| state.variables.get(id)?.get(name))
            .cloned();
        option.is_some_and(|option| {
            state.set_silently("sc_item_option", &option, &[("value", value)])
        })
    }

    /// Adds a row to a multi-row variable set of an item.
    pub fn add_set_row(
        &self,
        number: &str,
        set: &str,
        row_index: &str,
        cells: &[(&str, &str)],
    ) -> bool {
        let mut state = self.lock();
        let Some((_, id)) = state.numbers.get(number).cloned() else {
            return false;
        };
        for (name, value) in cells {
            let known = state.rows("item_option_new").find(|row| {
                row.get("name").is_some_and(|it| it == name)
                    && row.get("reference").is_some_and(|it| it == set)
            });
            let question = match known.and_then(|row| row.get("sys_id")).cloned() {
                Some(question) => question,
                None => state.insert(
                    "item_option_new",
                    owned(&[("name", name), ("type", "6"), ("reference", set)]),
                    "admin",
                ),
            };
            let cell = owned(&[
                ("parent_id", &id),
                ("parent_table_name", "sc_req_item"),
                ("row_index", row_index),
                ("variable_set", set),
                ("item_option_new", &question),
                ("value", value),
            ]);
            state.insert("sc_multi_row_question_answer", cell, AGENT);
        }
        true
    }

    /// The item with this number.
    pub fn request(&self, number: &str) -> Option<RequestView> {
        let state = self.lock();
        let (_, id) = state.numbers.get(number)?;
        state.row("sc_req_item", id)?;
        let of = |column: &str| state.get("sc_req_item", id, column).to_owned();
        let order = of("request");
        let of_order = |column: &str| state.get("sc_request", &order, column).to_owned();
        let notes = |element: &str| {
            let entry = |entry: &String, column: &str| {
                state.get("sys_journal_field", entry, column).to_owned()
            };
            let entries = state.children_of(id, "journal").iter();
            let of_element = entries.filter(|it| entry(it, "element") == element);
            of_element.map(|it| entry(it, "value")).collect::<Vec<_>>()
        };
        let task = |task: &String| {
            let of = |column: &str| state.get("sc_task", task, column).to_owned();
            (of("number"), of("state"))
        };
        let variables = state.variables.get(id).into_iter().flatten();
        Some(RequestView {
            number: number.to_owned(),
            sys_id: id.clone(),
            order: of_order("number"),
            state: of("state"),
            approval: of("approval"),
            order_approval: of_order("approval"),
            request_state: of_order("request_state"),
            stage: of("stage"),
            active: of("active") == "true",
            closed_at: of("closed_at"),
            close_notes: of("close_notes"),
            work_notes: notes("work_notes"),
            comments: notes("comments"),
            sys_mod_count: of("sys_mod_count").parse().unwrap_or(0),
            sys_updated_on: of("sys_updated_on"),
            sys_updated_by: of("sys_updated_by"),
            tasks: state.children_of(id, "task").iter().map(task).collect(),
            variables: variables
                .map(|(name, option)| {
                    (name.clone(), state.get("sc_item_option", option, "value").to_owned())
                })
                .collect(),
        })
    }

    /// The work notes and comments of an item, oldest first of each kind.
    pub fn notes(&self, number: &str) -> Vec<String> {
        let view = self.request(number).unwrap_or_default();
        view.work_notes.into_iter().chain(view.comments).collect()
    }
}
