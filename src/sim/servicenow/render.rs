//! How values look in an answer.

use std::fmt::Write;

use chrono::{NaiveDateTime, TimeDelta};
use serde_json::{Map, Value, json};

use super::schema::{Kind, Path};
use super::state::{Row, State};
use crate::sim::http::Request;

/// Which columns of a row are wanted, and how they look.
#[derive(Debug)]
pub(super) struct Look<'a> {
    table: &'a str,
    base_url: &'a str,
    columns: Vec<(String, Column)>,
    display: Display,
    links: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Display {
    Stored,
    Shown,
    Both,
}

#[derive(Debug)]
enum Column {
    Path(Path),
    Variable(String),
}

impl<'a> Look<'a> {
    /// Reads the wishes of a call. Fields that are not there or may not be read are left out.
    pub(super) fn of(request: &Request, table: &'a str, base_url: &'a str, state: &State) -> Self {
        let display = match request.query("sysparm_display_value") {
            Some("true") => Display::Shown,
            Some("all") => Display::Both,
            _ => Display::Stored,
        };
        let fields = request.query("sysparm_fields").unwrap_or_default();
        let mut names: Vec<String> = fields
            .split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            let columns = state.schema.table(table).map(|it| it.columns.keys());
            names = columns.into_iter().flatten().cloned().collect();
        }
        let columns = names.into_iter().filter_map(|name| {
            let column = match (table, name.strip_prefix("variables.")) {
                ("sc_req_item", Some(variable)) => Column::Variable(variable.to_owned()),
                _ => Column::Path(state.schema.resolve(table, &name)?),
            };
            let hidden = match &column {
                Column::Variable(_) => {
                    state.switches.hidden_fields.contains(&format!("{table}.{name}"))
                }
                Column::Path(path) => path.steps.iter().any(|(table, column)| {
                    state.switches.hidden_fields.contains(&format!("{table}.{column}"))
                }),
            };
            (!hidden).then_some((name, column))
        });
        Self {
            table,
            base_url,
            columns: columns.collect(),
            display,
            links: request.query("sysparm_exclude_reference_link") != Some("true"),
        }
    }

    /// One row as it is answered.
    pub(super) fn row(&self, row: &Row, state: &State) -> Value {
        let mut fields = Map::new();
        let id = row.get("sys_id").map_or("", String::as_str);
        let odd = &state.switches.odd_fields;
        for (name, column) in &self.columns {
            let known = if odd.is_empty() { None } else { odd.get(&(id.into(), name.clone())) };
            if let Some(instead) = known {
                fields.extend(instead.clone().map(|value| (name.clone(), value)));
                continue;
            }
            let value = match column {
                Column::Variable(variable) => self.variable(row, variable, state),
                Column::Path(path) => Some(self.value(row, path, state)),
            };
            if let Some(value) = value {
                fields.insert(name.clone(), value);
            }
        }
        Value::Object(fields)
    }

    /// A catalog variable of an item; none where the item has none of that name.
    fn variable(&self, item: &Row, name: &str, state: &State) -> Option<Value> {
        let id = item.get("sys_id")?;
        if state.switches.hidden_tables.contains("sc_item_option") {
            return None;
        }
        let option = state.variables.get(id).and_then(|it| it.get(name));
        let Some(option) = option else {
            return state.switches.foreign_variables_empty.then(|| Value::from(""));
        };
        let stored = state.get("sc_item_option", option, "value");
        let question = state.get("sc_item_option", option, "item_option_new");
        let of = |column: &str| state.get("item_option_new", question, column);
        let target = match of("type") {
            "8" => of("reference"),
            "21" => of("list_table"),
            "31" => "sys_user",
            _ => "",
        };
        let shown = || {
            if target.is_empty() {
                return stored.to_owned();
            }
            let names: Vec<String> =
                stored.split(',').map(|it| state.display_of(target, it)).collect();
            names.join(",")
        };
        Some(match self.display {
            Display::Stored => json!(stored),
            Display::Shown => json!(shown()),
            Display::Both => json!({"display_value": shown(), "value": stored}),
        })
    }

    fn value(&self, row: &Row, path: &Path, state: &State) -> Value {
        let Some((stored, holder)) = state.end_of(row, path) else {
            return self.plain("", "");
        };
        let id = holder.get("sys_id").map_or("", String::as_str);
        let barred = || {
            let table_of = |it: &(String, String)| state.switches.hidden_tables.contains(&it.0);
            state.switches.hidden_rows.contains(id) || path.steps.iter().skip(1).any(table_of)
        };
        if path.steps.len() > 1 && barred() {
            return self.plain("", "");
        }
        let Some((table, column)) = path.steps.last() else {
            return Value::Null;
        };
        if stored.is_empty() && path.kind != Kind::Journal {
            let name = format!("{table}.{column}");
            return if state.switches.nulls.contains(&name) {
                Value::Null
            } else {
                self.plain("", "")
            };
        }
        match &path.kind {
            Kind::Reference(target) => self.reference(target, stored, state),
            Kind::Journal => match self.display {
                Display::Stored => json!(""),
                _ => self.plain("", &journal(id, column, state)),
            },
            Kind::DateTime => self.plain(stored, &local(stored, state.switches.display_hours)),
            Kind::Choice if self.display == Display::Stored => json!(stored),
            Kind::Choice => {
                let list = state.choices(table, column);
                let label = list.iter().find(|it| it.get("value").is_some_and(|it| it == stored));
                let label = label.and_then(|it| it.get("label"));
                self.plain(stored, label.map_or(stored, String::as_str))
            }
            Kind::List(target) => {
                let names: Vec<String> =
                    stored.split(',').map(|it| state.display_of(target, it)).collect();
                self.plain(stored, &names.join(","))
            }
            Kind::Text | Kind::Boolean | Kind::Integer => self.plain(stored, stored),
        }
    }

    fn plain(&self, stored: &str, shown: &str) -> Value {
        match self.display {
            Display::Stored => json!(stored),
            Display::Shown => json!(shown),
            Display::Both => json!({"display_value": shown, "value": stored}),
        }
    }

    fn reference(&self, target: &str, id: &str, state: &State) -> Value {
        let class = state.get(target, id, "sys_class_name");
        let table = match (target, class) {
            ("domain", _) => "sys_user_group",
            (_, "") => target,
            (_, class) => class,
        };
        let link = format!("{}/api/now/table/{table}/{id}", self.base_url);
        let shown = state.display_of(target, id);
        match (self.display, self.links) {
            (Display::Stored, false) => json!(id),
            (Display::Stored, true) => json!({"link": link, "value": id}),
            (Display::Shown, false) => json!(shown),
            (Display::Shown, true) => json!({"display_value": shown, "link": link}),
            (Display::Both, false) => json!({"display_value": shown, "value": id}),
            (Display::Both, true) => json!({"display_value": shown, "value": id, "link": link}),
        }
    }

    /// The table that is looked at.
    pub(super) fn table(&self) -> &str {
        self.table
    }
}

/// The whole history of a journal, the newest entry first.
fn journal(id: &str, element: &str, state: &State) -> String {
    let mut text = String::new();
    for entry in state.children_of(id, "journal").iter().rev() {
        let of = |column: &str| state.get("sys_journal_field", entry, column);
        if of("element") != element {
            continue;
        }
        let at = local(of("sys_created_on"), state.switches.display_hours);
        let title = if element == "comments" { "Additional comments" } else { "Work notes" };
        let _ = write!(text, "{at} - {} ({title})\n{}\n\n", of("sys_created_by"), of("value"));
    }
    text
}

/// A stamp in the API user's zone and format.
fn local(stamp: &str, hours: i32) -> String {
    NaiveDateTime::parse_from_str(stamp, "%Y-%m-%d %H:%M:%S").map_or_else(
        |_| stamp.to_owned(),
        |time| {
            let time = time + TimeDelta::hours(i64::from(hours));
            time.format("%d.%m.%Y %H:%M:%S").to_string()
        },
    )
}
