//! The tables and everything that happens to rows by itself.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::Call;
use super::auth::Credentials;
use super::query::{Compiled, Reach};
use super::schema::{Kind, Path, Schema, TASKS};
use super::switches::Switches;
use crate::sim::clock::Clock;

/// The non-empty values of one row, by column.
pub type Row = BTreeMap<String, String>;

/// Who writes when nobody does: flows and rules.
pub(super) const SYSTEM_USER: &str = "system";

/// What is going to happen at some time.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The order of items is committed.
    Order(Row),
    /// An approver is asked about a task.
    Approval { task: String, approver: String },
    /// A row that was written earlier becomes visible.
    Commit { table: String, row: Row },
    /// A flow sets the state of an item.
    State { item: String, state: String },
}

impl Event {
    fn concerns(&self, id: &str) -> bool {
        match self {
            Self::Order(row) | Self::Commit { row, .. } => {
                row.get("sys_id").is_some_and(|it| it == id)
            }
            Self::Approval { task, .. } => task == id,
            Self::State { item, .. } => item == id,
        }
    }
}

pub(super) struct State {
    pub(super) schema: Schema,
    pub(super) clock: Clock,
    pub(super) switches: Switches,
    pub(super) credentials: Credentials,
    pub(super) calls: Vec<Call>,
    /// Calls counted by the rate rule: the hour and how many in it.
    pub(super) counted: (i64, u64),
    /// Items by their variables' names: the `sys_id` of the option that holds the value.
    pub(super) variables: HashMap<String, BTreeMap<String, String>>,
    /// Approval rows by task, items by order, tasks by item, journal entries by record.
    pub(super) children: HashMap<String, Vec<String>>,
    /// Task number to table and `sys_id`.
    pub(super) numbers: HashMap<String, (String, String)>,
    tables: HashMap<String, BTreeMap<String, Row>>,
    due: BTreeMap<(DateTime<Utc>, u64), Event>,
    seed: u64,
    drawn: u64,
    last_numbers: HashMap<String, u64>,
}

impl State {
    pub(super) fn new(clock: Clock, seed: u64) -> Self {
        Self {
            schema: Schema::new(),
            clock,
            switches: Switches::default(),
            credentials: Credentials::default(),
            calls: Vec::new(),
            counted: (0, 0),
            variables: HashMap::new(),
            children: HashMap::new(),
            numbers: HashMap::new(),
            tables: HashMap::new(),
            due: BTreeMap::new(),
            seed,
            drawn: 0,
            last_numbers: HashMap::new(),
        }
    }

    /// A fresh id, the same for the same seed.
    pub(super) fn draw_id(&mut self) -> String {
        self.drawn += 1;
        derived_id(self.seed, "row", self.drawn)
    }

    pub(super) fn next_number(&mut self, prefix: &str) -> String {
        let last = self.last_numbers.entry(prefix.to_owned()).or_insert(10_000);
        *last += 1;
        format!("{prefix}{last:07}")
    }

    /// The time now as the platform stores it.
    pub(super) fn stamp(&self) -> String {
        stamp_of(self.clock.now())
    }

    pub(super) fn row(&self, table: &str, id: &str) -> Option<&Row> {
        if table == "task" {
            return TASKS.iter().find_map(|table| self.tables.get(*table)?.get(id));
        }
        self.tables.get(table)?.get(id)
    }

    /// One value, empty where there is none.
    pub(super) fn get(&self, table: &str, id: &str, column: &str) -> &str {
        self.row(table, id).and_then(|row| row.get(column)).map_or("", String::as_str)
    }

    pub(super) fn rows(&self, table: &str) -> impl Iterator<Item = &Row> {
        let tables: &[&str] = if table == "task" { &TASKS } else { &[] };
        let whole = tables.iter().filter_map(|it| self.tables.get(*it));
        self.tables.get(table).into_iter().chain(whole).flat_map(BTreeMap::values)
    }

    /// The rows that fit, in the wanted order; `salt` shuffles those that it leaves equal.
    pub(super) fn find(&self, table: &str, query: &Compiled, salt: Option<u64>) -> Vec<&Row> {
        let mut found: Vec<&Row> = match query.reach() {
            Reach::Only(ids) => ids.into_iter().filter_map(|id| self.row(table, id)).collect(),
            Reach::From(id) if table != "task" => {
                let rows = self.tables.get(table).into_iter();
                rows.flat_map(|rows| rows.range(id.to_owned()..)).map(|(_, row)| row).collect()
            }
            _ => self.rows(table).collect(),
        };
        found.retain(|row| query.fits(row, self));
        let by_id = matches!(query.order.as_slice(), [(path, false)] if path.steps.len() == 1 && path.steps[0].1 == "sys_id");
        if by_id && table != "task" {
            return found;
        }
        let scattered =
            |row: &Row| salt.map(|salt| mixed(salt, row.get("sys_id").map_or("", String::as_str)));
        found.sort_by(|one, other| {
            for (path, backwards) in &query.order {
                let (left, right) = (self.value(one, path), self.value(other, path));
                let ordering = match path.kind {
                    Kind::Integer => left.parse::<i64>().ok().cmp(&right.parse().ok()),
                    _ => left.cmp(right),
                };
                let ordering = if *backwards { ordering.reverse() } else { ordering };
                if ordering.is_ne() {
                    return ordering;
                }
            }
            scattered(one).cmp(&scattered(other))
        });
        found
    }

    /// The value at the end of a path, empty where the way breaks off.
    pub(super) fn value<'a>(&'a self, row: &'a Row, path: &Path) -> &'a str {
        self.end_of(row, path).map_or("", |(value, _)| value)
    }

    /// The value at the end of a path with the row that holds it.
    pub(super) fn end_of<'a>(&'a self, row: &'a Row, path: &Path) -> Option<(&'a str, &'a Row)> {
        let mut row = row;
        let mut reached = "";
        for (at, (table, column)) in path.steps.iter().enumerate() {
            if at > 0 {
                row = self.row(table, reached)?;
            }
            reached = row.get(column).map_or("", String::as_str);
        }
        Some((reached, row))
    }

    /// What a reference to a row shows.
    pub(super) fn display_of(&self, table: &str, id: &str) -> String {
        if id == "global" {
            return id.to_owned();
        }
        let Some(display) = self.schema.table(table).map(|it| it.display.as_str()) else {
            return String::new();
        };
        let shown = self.get(table, id, display);
        match self.schema.kind(table, display) {
            Some(Kind::Reference(target)) => self.display_of(target, shown),
            _ => shown.to_owned(),
        }
    }

    /// The values that a choice column may have; none where it has no list.
    pub(super) fn choices(&self, table: &str, column: &str) -> Vec<&Row> {
        let of = |name: &str| -> Vec<&Row> {
            let is = |row: &&Row, column: &str, value: &str| {
                row.get(column).is_some_and(|it| it == value)
            };
            let rows = self.rows("sys_choice");
            rows.filter(|row| {
                is(row, "name", name) && is(row, "element", column) && !is(row, "inactive", "true")
            })
            .collect()
        };
        let own = of(table);
        if own.is_empty() && TASKS.contains(&table) { of("task") } else { own }
    }

    /// Makes a row with its system columns; keeps a `sys_id` that is given.
    pub(super) fn insert(&mut self, table: &str, values: Row, by: &str) -> String {
        let (id, row) = self.made(table, values, by);
        self.put(table, row);
        id
    }

    /// As [`Self::insert`], but for the API the row is there only after the commit delay.
    pub(super) fn insert_by_hand(&mut self, table: &str, values: Row, by: &str) -> String {
        let (id, row) = self.made(table, values, by);
        self.commit(table, row);
        id
    }

    /// A new row with its system columns, not yet in its table.
    pub(super) fn made(&mut self, table: &str, mut row: Row, by: &str) -> (String, Row) {
        let id = match row.get("sys_id") {
            Some(id) => id.clone(),
            None => self.draw_id(),
        };
        let stamp = self.stamp();
        for (column, value) in [
            ("sys_id", id.as_str()),
            ("sys_created_on", &stamp),
            ("sys_created_by", by),
            ("sys_updated_on", &stamp),
            ("sys_updated_by", by),
            ("sys_mod_count", "0"),
            ("sys_class_name", table),
            ("sys_domain", "global"),
        ] {
            row.entry(column.to_owned()).or_insert_with(|| value.to_owned());
        }
        if let Some(known) = self.schema.table(table) {
            for (column, kind) in &known.columns {
                if *kind == Kind::Boolean {
                    let value = (column == "active" || column == "u_active").to_string();
                    row.entry(column.clone()).or_insert(value);
                }
            }
        }
        computed(table, &mut row);
        let journals = self.take_journals(table, &mut row);
        for (element, text) in journals {
            self.append(table, &id, &element, &text, by);
        }
        row.retain(|_, value| !value.is_empty());
        (id, row)
    }

    fn take_journals(&self, table: &str, row: &mut Row) -> Vec<(String, String)> {
        let is_journal = |column: &String| self.schema.kind(table, column) == Some(&Kind::Journal);
        let columns: Vec<String> = row.keys().filter(|it| is_journal(it)).cloned().collect();
        let taken = columns.into_iter().filter_map(|column| row.remove_entry(&column));
        taken.filter(|(_, text)| !text.is_empty()).collect()
    }

    fn append(&mut self, table: &str, id: &str, element: &str, text: &str, by: &str) {
        let entry = [("name", table), ("element", element), ("element_id", id), ("value", text)];
        let entry = self.insert("sys_journal_field", owned(&entry), by);
        self.child(id, "journal", entry);
    }

    /// Notes that a row belongs to another.
    pub(super) fn child(&mut self, parent: &str, kind: &str, id: String) {
        self.children.entry(format!("{kind} {parent}")).or_default().push(id);
    }

    /// What belongs to a row, in the order in which it was made.
    pub(super) fn children_of(&self, parent: &str, kind: &str) -> &[String] {
        self.children.get(&format!("{kind} {parent}")).map_or(&[], Vec::as_slice)
    }

    /// Changes a row as one update. Says whether anything changed; if not, nothing is stamped.
    pub(super) fn update(
        &mut self,
        table: &str,
        id: &str,
        changes: &[(&str, &str)],
        by: &str,
    ) -> bool {
        let Some(row) = self.changed(table, id, changes, by) else {
            return false;
        };
        self.put(table, row);
        true
    }

    /// As [`Self::update`], but the API shows it only after the commit delay.
    pub(super) fn update_by_hand(
        &mut self,
        table: &str,
        id: &str,
        changes: &[(&str, &str)],
        by: &str,
    ) -> bool {
        self.hurry(id);
        let Some(row) = self.changed(table, id, changes, by) else {
            return false;
        };
        self.commit(table, row);
        true
    }

    fn changed(
        &mut self,
        table: &str,
        id: &str,
        changes: &[(&str, &str)],
        by: &str,
    ) -> Option<Row> {
        let before = self.row(table, id)?.clone();
        let mut row = before.clone();
        for (column, value) in changes {
            row.insert((*column).to_owned(), (*value).to_owned());
        }
        let journals = self.take_journals(table, &mut row);
        if row.get("state") != before.get("state") && TASKS.contains(&table) {
            self.opened_or_closed(&mut row, by);
        }
        row.retain(|_, value| !value.is_empty());
        computed(table, &mut row);
        if row == before && journals.is_empty() {
            return None;
        }
        for (element, text) in journals {
            self.append(table, id, &element, &text, by);
        }
        let count = row.get("sys_mod_count").and_then(|it| it.parse::<u64>().ok());
        row.insert("sys_mod_count".to_owned(), (count.unwrap_or(0) + 1).to_string());
        row.insert("sys_updated_on".to_owned(), self.stamp());
        row.insert("sys_updated_by".to_owned(), by.to_owned());
        Some(row)
    }

    fn opened_or_closed(&self, row: &mut Row, by: &str) {
        let closed = row.get("state").is_some_and(|state| is_closed(state));
        row.insert("active".to_owned(), (!closed).to_string());
        let (at, who) =
            if closed { (self.stamp(), self.user_id(by)) } else { (String::new(), String::new()) };
        row.insert("closed_at".to_owned(), at);
        row.insert("closed_by".to_owned(), who);
    }

    /// The id of the person with this user name, empty where there is none.
    pub(super) fn user_id(&self, user_name: &str) -> String {
        if user_name == self.credentials.user_name {
            return self.credentials.user_id.clone();
        }
        String::new()
    }

    /// Sets columns without a stamp, a count or a rule.
    pub(super) fn set_silently(&mut self, table: &str, id: &str, changes: &[(&str, &str)]) -> bool {
        let Some(mut row) = self.row(table, id).cloned() else {
            return false;
        };
        for (column, value) in changes {
            row.insert((*column).to_owned(), (*value).to_owned());
        }
        row.retain(|_, value| !value.is_empty());
        self.put(table, row);
        true
    }

    pub(super) fn delete(&mut self, table: &str, id: &str) -> bool {
        self.tables.get_mut(table).is_some_and(|rows| rows.remove(id).is_some())
    }

    /// The same with the trace that is kept of rows whose deletion is audited.
    pub(super) fn delete_by_hand(&mut self, table: &str, id: &str, by: &str) -> bool {
        let shown = self.display_of(table, id);
        if !self.delete(table, id) {
            return false;
        }
        if table == "sys_user" && self.switches.audits_deletions {
            let trace = [("tablename", table), ("documentkey", id), ("display_value", &shown)];
            // The ids of other rows must not depend on it.
            let trace_id =
                derived_id(self.seed, "deletion", self.rows("sys_audit_delete").count() as u64);
            let mut trace = owned(&trace);
            trace.insert("sys_id".to_owned(), trace_id);
            self.insert("sys_audit_delete", trace, by);
        }
        true
    }

    pub(super) fn put(&mut self, table: &str, row: Row) {
        let id = row.get("sys_id").cloned().unwrap_or_default();
        if let (true, Some(number)) = (TASKS.contains(&table), row.get("number")) {
            self.numbers.insert(number.clone(), (table.to_owned(), id.clone()));
        }
        self.tables.entry(table.to_owned()).or_default().insert(id, row);
    }

    fn commit(&mut self, table: &str, row: Row) {
        if self.switches.commit_delay.is_zero() {
            return self.put(table, row);
        }
        let table = table.to_owned();
        self.after(self.switches.commit_delay, Event::Commit { table, row });
    }

    /// Lets something happen later.
    pub(super) fn after(&mut self, delay: std::time::Duration, event: Event) {
        let at = self.clock.now() + TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
        self.drawn += 1;
        self.due.insert((at, self.drawn), event);
    }

    /// Lets everything happen that is due.
    pub(super) fn tick(&mut self) {
        let now = self.clock.now();
        while let Some(first) = self.due.first_entry() {
            if first.key().0 > now {
                break;
            }
            let event = first.remove();
            self.happen(event);
        }
    }

    /// Lets everything about one row happen now.
    pub(super) fn hurry(&mut self, id: &str) {
        while let Some((key, _)) = self.due.iter().find(|(_, event)| event.concerns(id)) {
            let key = *key;
            if let Some(event) = self.due.remove(&key) {
                self.happen(event);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Order(row) => self.put("sc_request", row),
            Event::Approval { task, approver } => self.ask(&task, &approver),
            Event::Commit { table, row } => self.put(&table, row),
            Event::State { item, state } => {
                self.change("sc_req_item", &item, &[("state", &state)], SYSTEM_USER);
            }
        }
    }
}

/// Whether a state is one of the closed ones.
pub(super) fn is_closed(state: &str) -> bool {
    ["3", "4", "7"].contains(&state)
}

/// Values that follow from others.
fn computed(table: &str, row: &mut Row) {
    if table == "sys_user" {
        let part = |column: &str| row.get(column).map_or("", |it| it.trim());
        let name = format!("{} {}", part("first_name"), part("last_name"));
        row.insert("name".to_owned(), name.trim().to_owned());
        row.retain(|_, value| !value.is_empty());
    }
}

/// A row of these values.
pub(super) fn owned(values: &[(&str, &str)]) -> Row {
    let each = values.iter().filter(|(_, value)| !value.is_empty());
    each.map(|(column, value)| ((*column).to_owned(), (*value).to_owned())).collect()
}

/// A time as the platform stores it.
pub(super) fn stamp_of(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// 32 hex signs that are always the same for the same input.
pub(in crate::sim) fn derived_id(seed: u64, kind: &str, number: u64) -> String {
    let high = mixed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15), kind);
    let low = mixed(high ^ number, kind);
    format!("{high:016x}{low:016x}")
}

fn mixed(seed: u64, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
    let mut key = text
        .bytes()
        .fold(start, |key, byte| (key ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}
