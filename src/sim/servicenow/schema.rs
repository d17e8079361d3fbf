//! Which tables and columns there are.

use std::collections::BTreeMap;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number, stored as text.
    Integer,
    /// `YYYY-MM-DD HH:MM:SS` in UTC.
    DateTime,
    /// One of the values that `sys_choice` lists.
    Choice,
    /// Each write adds an entry; raw reads give nothing.
    Journal,
    /// The `sys_id` of a row of that table.
    Reference(String),
    /// Comma-joined `sys_id`s of rows of that table.
    List(String),
}

/// The way from a table to a value: each table with the column to read there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) steps: Vec<(String, String)>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: BTreeMap<String, Kind>,
    /// The column that stands for a row where it is referred to.
    pub(super) display: String,
}

#[derive(Debug)]
pub(super) struct Schema(BTreeMap<String, Table>);

/// The tables that extend `task`.
pub(super) const TASKS: [&str; 4] = ["sc_request", "sc_req_item", "sc_task", "sysapproval_group"];

/// Columns that every table has.
const SYSTEM: &str = "sys_id sys_created_on@ sys_created_by sys_updated_on@ sys_updated_by \
    sys_mod_count# sys_class_name sys_domain>domain sys_tags";

/// Columns of `task`.
const TASK: &str = "number short_description description state= approval= active? opened_at@ \
    opened_by>sys_user closed_at@ closed_by>sys_user close_notes work_notes* comments* \
    approval_history* assigned_to>sys_user assignment_group>sys_user_group correlation_id \
    correlation_display parent>task upon_approval upon_reject priority# due_date@ \
    task_effective_number made_sla? company>core_company location>cmn_location";

/// Table, display column, columns. A mark after a name says what a column holds: `?` boolean, `#`
/// integer, `@` date and time, `=` choice, `*` journal, `>TABLE` reference, `+TABLE` list.
const TABLES: &[(&str, &str, &str)] = &[
    (
        "sys_user",
        "name",
        "user_name email name first_name middle_name last_name employee_number active? locked_out? \
         manager>sys_user department>cmn_department location>cmn_location company>core_company \
         cost_center title phone mobile_phone street city state zip country source federated_id \
         time_zone date_format preferred_language vip? web_service_access_only? \
         internal_integration_user? identity_type last_login_time@ failed_attempts# \
         password_needs_reset? u_hire_date u_worker_type",
    ),
    ("sys_user_role", "name", "name description suffix"),
    ("sys_user_has_role", "user", "user>sys_user role>sys_user_role inherited? state"),
    (
        "sys_user_group",
        "name",
        "name description manager>sys_user parent>sys_user_group type email active?",
    ),
    ("task", "number", ""),
    ("sc_request", "number", "requested_for>sys_user request_state= stage price"),
    (
        "sc_req_item",
        "number",
        "request>sc_request cat_item>sc_cat_item requested_for>sys_user stage quantity# price \
         order_guide>sc_cat_item flow_context u_ticket_classification",
    ),
    ("sc_task", "number", "request_item>sc_req_item request>sc_request"),
    (
        "sc_cat_item",
        "name",
        "name short_description description active? category type price order# u_fulfilment u_approval",
    ),
    (
        "sysapproval_approver",
        "sysapproval",
        "sysapproval>task document_id source_table approver>sys_user state= group>sysapproval_group \
         comments* due_date@",
    ),
    ("sysapproval_group", "number", ""),
    ("sys_journal_field", "element", "name element element_id value"),
    ("sys_audit_delete", "display_value", "tablename documentkey display_value"),
    ("sys_choice", "label", "name element value label language inactive? sequence#"),
    ("sys_properties", "name", "name value type description"),
    (
        "cmn_department",
        "name",
        "name id dept_head>sys_user parent>cmn_department company>core_company",
    ),
    ("cmn_location", "name", "name city country street zip parent>cmn_location"),
    ("core_company", "name", "name stock_symbol city country"),
    ("sc_item_option", "value", "item_option_new>item_option_new value order# sc_cat_item_option"),
    (
        "sc_item_option_mtom",
        "request_item",
        "request_item>sc_req_item sc_item_option>sc_item_option",
    ),
    (
        "item_option_new",
        "question_text",
        "name question_text type# cat_item>sc_cat_item mandatory? order# active? reference \
         list_table default_value",
    ),
    (
        "sc_multi_row_question_answer",
        "value",
        "parent_id parent_table_name row_index variable_set item_option_new>item_option_new value",
    ),
    ("u_okta_group", "u_name", "u_name u_okta_id u_description u_active?"),
];

impl Schema {
    pub(super) fn new() -> Self {
        let mut tables = BTreeMap::new();
        for (name, display, own) in TABLES {
            let task = if *name == "task" || TASKS.contains(name) { TASK } else { "" };
            let words = [SYSTEM, task, own].into_iter().flat_map(str::split_whitespace);
            let table =
                Table { columns: words.map(column).collect(), display: (*display).to_owned() };
            tables.insert((*name).to_owned(), table);
        }
        Self(tables)
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.0.get(name)
    }

    pub(super) fn kind(&self, table: &str, column: &str) -> Option<&Kind> {
        self.0.get(table)?.columns.get(column)
    }

    pub(super) fn add_column(&mut self, table: &str, column: &str, kind: Kind) {
        let table = self.0.entry(table.to_owned()).or_insert_with(|| Table {
            columns: SYSTEM.split_whitespace().map(self::column).collect(),
            display: "sys_id".to_owned(),
        });
        table.columns.insert(column.to_owned(), kind);
    }

    /// The way to a column or through references to one, if there is any.
    pub(super) fn resolve(&self, table: &str, dotted: &str) -> Option<Path> {
        let mut steps = Vec::new();
        let mut table = table.to_owned();
        let mut parts = dotted.split('.').peekable();
        while let Some(part) = parts.next() {
            let kind = self.kind(&table, part)?.clone();
            steps.push((table.clone(), part.to_owned()));
            match (parts.peek(), kind) {
                (None, kind) => return Some(Path { steps, kind }),
                (Some(_), Kind::Reference(target)) => table = target,
                (Some(_), _) => return None,
            }
        }
        None
    }
}

fn column(word: &str) -> (String, Kind) {
    let Some(at) = word.find(['?', '#', '@', '=', '*', '>', '+']) else {
        return (word.to_owned(), Kind::Text);
    };
    let (name, mark) = word.split_at(at);
    let target = mark[1..].to_owned();
    let kind = match &mark[..1] {
        "?" => Kind::Boolean,
        "#" => Kind::Integer,
        "@" => Kind::DateTime,
        "=" => Kind::Choice,
        "*" => Kind::Journal,
        ">" => Kind::Reference(target),
        _ => Kind::List(target),
    };
    (name.to_owned(), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dotted_name_resolves_only_through_references() {
        let schema = Schema::new();
        let path = schema.resolve("sc_req_item", "request.requested_for.email");
        assert_eq!(path.map(|path| path.steps.len()), Some(3));
        assert_eq!(schema.resolve("sys_user", "email.name"), None);
        assert_eq!(schema.resolve("sys_user", "sys_update_on"), None);
        assert_eq!(schema.resolve("sys_user", ""), None);
    }
}
