//! The Table API and the Aggregate API.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};
use url::form_urlencoded::byte_serialize;

use super::auth::Caller;
use super::errors;
use super::query::{Compiled, parse};
use super::render::Look;
use super::schema::Kind;
use super::state::{Row, State};
use crate::sim::http::{Request, Response};

/// Rows of a list where the call does not say.
const DEFAULT_LIMIT: usize = 10_000;

/// Tables behind catalog variables and journals: they are never written directly.
const NEVER_WRITTEN: [&str; 6] = [
    "sys_audit_delete",
    "sc_item_option",
    "sc_item_option_mtom",
    "sc_multi_row_question_answer",
    "sys_journal_field",
    "task",
];

impl State {
    /// A call to `/table/{table}`.
    pub(super) fn table_call(
        &mut self,
        request: &Request,
        v1: bool,
        table: &str,
        base_url: &str,
        caller: &Caller,
    ) -> Response {
        if self.schema.table(table).is_none() {
            return errors::invalid_table(table);
        }
        match request.method.as_str() {
            "GET" | "HEAD" => self.list(request, v1, table, base_url, caller),
            "POST" => self.create(request, table, base_url, caller),
            _ => errors::method_not_allowed(),
        }
    }

    /// A call to `/table/{table}/{id}`.
    pub(super) fn row_call(
        &mut self,
        request: &Request,
        table: &str,
        id: &str,
        base_url: &str,
        caller: &Caller,
    ) -> Response {
        if self.schema.table(table).is_none() {
            return errors::invalid_table(table);
        }
        match request.method.as_str() {
            "GET" | "HEAD" => self.one(request, table, id, base_url, caller),
            "PATCH" | "PUT" => self.write(request, table, id, base_url, caller),
            "DELETE" => errors::error(
                403,
                "Operation Failed",
                Some("ACL Exception Delete Failed due to security constraints"),
            ),
            _ => errors::method_not_allowed(),
        }
    }

    fn compiled(
        &self,
        request: &Request,
        table: &str,
        caller: &Caller,
    ) -> Result<Compiled, Response> {
        let mut query = parse(request.query("sysparm_query").unwrap_or_default());
        if request.query("sysparm_query").is_none() {
            for (field, value) in &request.query {
                if !field.starts_with("sysparm_") {
                    query.equals(field, value);
                }
            }
        }
        if table == "sys_user" && self.switches.hide_inactive_users {
            query.equals("active", "true");
        }
        Compiled::new(&query, table, self, &caller.id).map_err(|_| errors::query_refused())
    }

    /// Whether the caller may read a row.
    fn readable(&self, table: &str, row: &Row, caller: &Caller) -> bool {
        let id = row.get("sys_id").map_or("", String::as_str);
        !caller.guest
            && !self.switches.hidden_tables.contains(table)
            && !self.switches.hidden_rows.contains(id)
    }

    /// The rows that fit and that no before-query rule takes out: neither counted nor shown.
    fn found(&self, table: &str, query: &Compiled, salt: Option<u64>) -> Vec<&Row> {
        let mut found = self.find(table, query, salt);
        found.retain(|row| !self.ruled_out(row));
        found
    }

    fn ruled_out(&self, row: &Row) -> bool {
        row.get("sys_id").is_some_and(|id| self.switches.ruled_out_rows.contains(id))
    }

    fn list(
        &mut self,
        request: &Request,
        v1: bool,
        table: &str,
        base_url: &str,
        caller: &Caller,
    ) -> Response {
        if self.switches.forbidden_tables.contains(table) {
            return errors::query_refused();
        }
        let query = match self.compiled(request, table, caller) {
            Ok(query) => query,
            Err(refusal) => return refusal,
        };
        let number = |name: &str, otherwise: usize| match request.query(name) {
            None | Some("") => Ok(otherwise),
            Some(text) => text.parse::<usize>(),
        };
        let (Ok(limit), Ok(offset)) =
            (number("sysparm_limit", DEFAULT_LIMIT), number("sysparm_offset", 0))
        else {
            return errors::bad_request("sysparm_limit and sysparm_offset are whole numbers");
        };
        let salt = self.switches.unstable_order.then_some(self.calls.len() as u64);
        let found = self.found(table, &query, salt);
        let total = found.len();
        if v1 && total == 0 {
            return errors::no_record();
        }
        let look = Look::of(request, table, base_url, self);
        let page = found.into_iter().skip(offset).take(limit);
        let mut rows: Vec<Value> = page
            .filter(|row| self.readable(table, row, caller))
            .map(|row| look.row(row, self))
            .collect();
        let mut body = Map::new();
        let cut = self.switches.cut_list.filter(|cut| cut.times > 0 && rows.len() > cut.after_rows);
        if let Some(cut) = cut {
            rows.truncate(cut.after_rows);
            if cut.empty_element {
                rows.push(json!(""));
            }
            let why = json!({"message": "Transaction cancelled: maximum execution time exceeded", "detail": "maximum execution time exceeded Check logs for error trace or enable glide.rest.debug property to verify REST request processing"});
            body.insert("error".to_owned(), why);
            body.insert("status".to_owned(), json!("failure"));
        }
        body.insert("result".to_owned(), Value::Array(rows));
        let mut response = Response::json(200, &Value::Object(body));
        if request.query("sysparm_no_count") != Some("true") {
            response = response.with_header("X-Total-Count", total.to_string());
        }
        if request.query("sysparm_suppress_pagination_header") != Some("true")
            && total > limit
            && limit > 0
        {
            response = response.with_header("Link", links(request, base_url, total, limit, offset));
        }
        if let (Some(_), Some(cut)) = (cut, &mut self.switches.cut_list) {
            cut.times -= 1;
        }
        response
    }

    fn one(
        &self,
        request: &Request,
        table: &str,
        id: &str,
        base_url: &str,
        caller: &Caller,
    ) -> Response {
        let row = self.row(table, id).filter(|row| self.readable(table, row, caller));
        let inactive = |row: &&Row| row.get("active").is_some_and(|it| it == "false");
        let ruled_out = table == "sys_user" && self.switches.hide_inactive_users;
        match row.filter(|row| !(ruled_out && inactive(row) || self.ruled_out(row))) {
            Some(row) => {
                let look = Look::of(request, table, base_url, self);
                Response::json(200, &json!({"result": look.row(row, self)}))
            }
            None => errors::no_record(),
        }
    }

    fn may_write(&self, table: &str, id: &str, caller: &Caller) -> bool {
        let aborted = &self.switches.aborted_writes;
        let number = self.get(table, id, "number");
        let barred =
            NEVER_WRITTEN.contains(&table) || self.switches.read_only_tables.contains(table);
        let aborts = ["*", id, number].iter().any(|it| aborted.contains(*it));
        !(caller.guest || barred || aborts)
    }

    fn create(
        &mut self,
        request: &Request,
        table: &str,
        base_url: &str,
        caller: &Caller,
    ) -> Response {
        let values = match self.values(request, table) {
            Ok(values) => values,
            Err(refusal) => return refusal,
        };
        if !self.may_write(table, "new", caller) {
            return errors::write_refused();
        }
        let row = values.into_iter().collect();
        let id = self.insert(table, row, &caller.user_name);
        let Some(row) = self.row(table, &id) else {
            return errors::no_record();
        };
        let look = Look::of(request, table, base_url, self);
        let body = json!({"result": look.row(row, self)});
        let location = format!("{base_url}/api/now/table/{}/{id}", look.table());
        Response::json(201, &body).with_header("Location", location)
    }

    fn write(
        &mut self,
        request: &Request,
        table: &str,
        id: &str,
        base_url: &str,
        caller: &Caller,
    ) -> Response {
        let found = self.row(table, id);
        if found.is_none_or(|row| !self.readable(table, row, caller)) {
            return errors::no_record();
        }
        let values = match self.values(request, table) {
            Ok(values) => values,
            Err(refusal) => return refusal,
        };
        if !self.may_write(table, id, caller) {
            return errors::write_refused();
        }
        let state_before = self.get(table, id, "state").to_owned();
        let changes: Vec<(&str, &str)> =
            values.iter().map(|(column, value)| (column.as_str(), value.as_str())).collect();
        self.change(table, id, &changes, &caller.user_name);
        if table == "sc_req_item" && self.get(table, id, "state") != state_before {
            self.flow_answers(id);
        }
        self.one(request, table, id, base_url, caller)
    }

    /// What a body sets, without what the platform ignores.
    fn values(&self, request: &Request, table: &str) -> Result<BTreeMap<String, String>, Response> {
        let Some(Value::Object(body)) = request.json() else {
            return Err(errors::bad_request("The payload is not a JSON object"));
        };
        let mut values = BTreeMap::new();
        for (column, value) in body {
            let Some(kind) = self.schema.kind(table, &column) else {
                continue;
            };
            let name = format!("{table}.{column}");
            if column.starts_with("sys_") || self.switches.dropped_writes.contains(&name) {
                continue;
            }
            let value = text_of(&value);
            let kept = match kind {
                Kind::Choice => self.is_choice(table, &column, &value),
                Kind::Reference(target) => value.is_empty() || self.row(target, &value).is_some(),
                _ => true,
            };
            if kept {
                values.insert(column, value);
            }
        }
        Ok(values)
    }

    fn is_choice(&self, table: &str, column: &str, value: &str) -> bool {
        let list = self.choices(table, column);
        let listed = || list.iter().any(|row| row.get("value").is_some_and(|it| it == value));
        !value.is_empty() && (list.is_empty() || listed())
    }

    /// `GET /stats/{table}`: blind to row rules, like the count.
    pub(super) fn stats(&self, request: &Request, table: &str, caller: &Caller) -> Response {
        if self.schema.table(table).is_none() {
            return errors::invalid_table(table);
        }
        if request.method != "GET" && request.method != "HEAD" {
            return errors::method_not_allowed();
        }
        let query = match self.compiled(request, table, caller) {
            Ok(query) => query,
            Err(refusal) => return refusal,
        };
        let found = self.found(table, &query, None);
        let Some(group_by) = request.query("sysparm_group_by") else {
            return Response::json(
                200,
                &json!({"result": {"stats": self.computed(request, table, &found)}}),
            );
        };
        let mut groups: BTreeMap<Vec<&str>, Vec<&Row>> = BTreeMap::new();
        let fields: Vec<_> = group_by
            .split(',')
            .filter_map(|field| Some((field, self.schema.resolve(table, field)?)))
            .collect();
        for row in found {
            let key = fields.iter().map(|(_, path)| self.value(row, path)).collect();
            groups.entry(key).or_default().push(row);
        }
        let each = groups.iter().map(|(key, rows)| {
            let by: Vec<Value> = fields
                .iter()
                .zip(key)
                .map(|((field, _), value)| json!({"field": field, "value": value}))
                .collect();
            json!({"stats": self.computed(request, table, rows), "groupby_fields": by})
        });
        Response::json(200, &json!({"result": each.collect::<Vec<_>>()}))
    }

    fn computed(&self, request: &Request, table: &str, rows: &[&Row]) -> Value {
        let mut stats = Map::new();
        if request.query("sysparm_count") == Some("true") {
            stats.insert("count".to_owned(), json!(rows.len().to_string()));
        }
        for what in ["min", "max", "sum"] {
            let fields = request.query(&format!("sysparm_{what}_fields")).unwrap_or_default();
            let mut values = Map::new();
            for field in fields.split(',') {
                let Some(path) = self.schema.resolve(table, field) else {
                    continue;
                };
                let stored =
                    rows.iter().map(|row| self.value(row, &path)).filter(|it| !it.is_empty());
                let numbers = stored.clone().filter_map(|it| it.parse::<i64>().ok());
                let value = match (what, &path.kind) {
                    ("sum", _) => Some(numbers.sum::<i64>().to_string()),
                    ("min", Kind::Integer) => numbers.min().map(|it| it.to_string()),
                    ("max", Kind::Integer) => numbers.max().map(|it| it.to_string()),
                    ("min", _) => stored.min().map(str::to_owned),
                    _ => stored.max().map(str::to_owned),
                };
                values.insert(field.to_owned(), json!(value.unwrap_or_default()));
            }
            if !values.is_empty() {
                stats.insert(what.to_owned(), Value::Object(values));
            }
        }
        Value::Object(stats)
    }
}

/// A JSON value as a column stores it.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The pages around this one; commas in their addresses stay as they are.
fn links(request: &Request, base_url: &str, total: usize, limit: usize, offset: usize) -> String {
    let last = (total - 1) / limit * limit;
    let mut pages = vec![("first", 0)];
    if offset > 0 {
        pages.push(("prev", offset.saturating_sub(limit)));
    }
    if offset + limit < total {
        pages.push(("next", offset + limit));
    }
    pages.push(("last", last));
    let mut others = String::new();
    for (name, value) in &request.query {
        if name != "sysparm_offset" {
            let value: String = byte_serialize(value.as_bytes()).collect();
            let _ = write!(others, "{name}={}&", value.replace("%2C", ","));
        }
    }
    let links: Vec<String> = pages
        .iter()
        .map(|(name, offset)| {
            format!("<{base_url}{}?{others}sysparm_offset={offset}>;rel=\"{name}\"", request.path)
        })
        .collect();
    links.join(",")
}
