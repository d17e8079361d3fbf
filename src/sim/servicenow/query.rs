//! The encoded query language: what a text says, and which rows it fits.

use std::collections::HashSet;

use chrono::{NaiveDate, NaiveDateTime};

use super::schema::{Kind, Path};
use super::state::{Row, State};
use super::switches::{InvalidQuery, Switches};

/// A query as it was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// Any of these groups, in each of them all of the clauses, in each of them any condition.
    groups: Vec<Vec<Vec<Condition>>>,
    /// Fields to order by, and whether backwards.
    order: Vec<(String, bool)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Condition {
    field: String,
    operator: &'static str,
    value: String,
}

/// Operators, an earlier one before those that it begins with.
const OPERATORS: &[&str] = &[
    "!=",
    ">=",
    "<=",
    "=",
    ">",
    "<",
    "!*",
    "*",
    "%",
    "NOT IN",
    "NOT LIKE",
    "NSAMEAS",
    "SAMEAS",
    "STARTSWITH",
    "ENDSWITH",
    "LIKE",
    "ISEMPTY",
    "ISNOTEMPTY",
    "EMPTYSTRING",
    "ANYTHING",
    "BETWEEN",
    "IN",
];

/// Reads a query. What cannot be read becomes a condition on a field that does not exist.
pub(super) fn parse(text: &str) -> Query {
    let mut query = Query { groups: vec![Vec::new()], order: Vec::new() };
    let mut in_related_list = false;
    for term in split(text) {
        if in_related_list || term.starts_with("RLQUERY") {
            in_related_list = term != "ENDRLQUERY";
            continue;
        }
        if let Some(field) = term.strip_prefix("ORDERBYDESC") {
            query.order.push((field.to_owned(), true));
        } else if let Some(field) = term.strip_prefix("ORDERBY") {
            query.order.push((field.to_owned(), false));
        } else if term.is_empty() || term == "EQ" || term.starts_with("GROUPBY") {
        } else if let Some(rest) = term.strip_prefix("NQ") {
            query.groups.push(Vec::new());
            query.add(rest, false);
        } else if let Some(rest) = term.strip_prefix("OR") {
            query.add(rest, true);
        } else {
            query.add(&term, false);
        }
    }
    query
}

impl Query {
    /// Adds what a plain `field=value` parameter says.
    pub(super) fn equals(&mut self, field: &str, value: &str) {
        if self.groups.is_empty() {
            self.groups.push(Vec::new());
        }
        for group in &mut self.groups {
            group.push(vec![Condition {
                field: field.to_owned(),
                operator: "=",
                value: value.to_owned(),
            }]);
        }
    }

    fn add(&mut self, term: &str, or: bool) {
        if term.is_empty() {
            return;
        }
        let Some(group) = self.groups.last_mut() else {
            return;
        };
        match group.last_mut() {
            Some(clause) if or => clause.push(condition(term)),
            _ => group.push(vec![condition(term)]),
        }
    }
}

/// Splits at single carets; a double one stands for the sign itself.
fn split(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        if sign == '^' && signs.next_if_eq(&'^').is_none() {
            terms.push(String::new());
        } else if let Some(term) = terms.last_mut() {
            term.push(sign);
        }
    }
    terms
}

fn condition(term: &str) -> Condition {
    let of_field =
        |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || "_.".contains(sign);
    let end = term.find(|sign| !of_field(sign)).unwrap_or(term.len());
    let (field, rest) = term.split_at(end);
    let operator = OPERATORS.iter().find(|it| rest.starts_with(**it));
    match operator {
        Some(operator) => Condition {
            field: field.to_owned(),
            operator,
            value: rest[operator.len()..].to_owned(),
        },
        None => Condition { field: String::new(), operator: "=", value: term.to_owned() },
    }
}

/// A field in the query may not be read, or is not there where that is answered alike.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forbidden;

/// A query against the tables that there are.
#[derive(Debug)]
pub(super) struct Compiled {
    groups: Vec<Vec<Vec<Test>>>,
    pub(super) order: Vec<(Path, bool)>,
    nothing: bool,
    empty_differs: bool,
}

#[derive(Debug)]
struct Test {
    path: Path,
    check: Check,
}

#[derive(Debug)]
enum Check {
    Compare(&'static str, Operand),
    In(HashSet<String>, bool),
    Text(&'static str, String),
    Empty(bool),
    Anything,
    Between(Operand, Operand),
    Same(Path, bool),
}

/// A literal, made comparable with the values of a column.
#[derive(Debug, PartialEq)]
enum Operand {
    Number(i64),
    /// Ids, stamps and such: compared sign by sign.
    Exact(String),
    /// Text: compared without regard to case.
    Folded(String),
}

/// Which rows can match at all, by their `sys_id`.
pub(super) enum Reach<'a> {
    All,
    Only(Vec<&'a str>),
    From(&'a str),
}

impl Compiled {
    /// Resolves a query against `table` for the caller with the id `user`.
    pub(super) fn new(
        query: &Query,
        table: &str,
        state: &State,
        user: &str,
    ) -> Result<Self, Forbidden> {
        let switches = &state.switches;
        let mut compiled = Self {
            groups: Vec::new(),
            order: Vec::new(),
            nothing: false,
            empty_differs: switches.not_equal_matches_empty,
        };
        let mut invalid = false;
        for group in &query.groups {
            let mut clauses = Vec::new();
            for clause in group {
                let mut tests = Vec::new();
                for condition in clause {
                    match test(condition, table, state, user)? {
                        Some(test) => tests.push(test),
                        None => invalid = true,
                    }
                }
                if !tests.is_empty() {
                    clauses.push(tests);
                }
            }
            compiled.groups.push(clauses);
        }
        for (field, backwards) in &query.order {
            match state.schema.resolve(table, field) {
                Some(path) => {
                    may_be_queried(&path, switches)?;
                    compiled.order.push((path, *backwards));
                }
                None => invalid = true,
            }
        }
        match switches.invalid_query {
            InvalidQuery::Forbidden403 if invalid => return Err(Forbidden),
            InvalidQuery::NoRows => compiled.nothing = invalid,
            _ => {}
        }
        Ok(compiled)
    }

    /// Narrows the rows that have to be looked at.
    pub(super) fn reach(&self) -> Reach<'_> {
        let [group] = self.groups.as_slice() else {
            return Reach::All;
        };
        let mut reach = Reach::All;
        for clause in group {
            let [test] = clause.as_slice() else { continue };
            if test.path.steps.len() != 1 || test.path.steps[0].1 != "sys_id" {
                continue;
            }
            match &test.check {
                Check::Compare("=", Operand::Exact(id)) => return Reach::Only(vec![id]),
                Check::In(ids, true) => {
                    let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                    ids.sort_unstable();
                    return Reach::Only(ids);
                }
                Check::Compare(">" | ">=", Operand::Exact(id)) => reach = Reach::From(id),
                _ => {}
            }
        }
        reach
    }

    /// Whether a row fits.
    pub(super) fn fits(&self, row: &Row, state: &State) -> bool {
        !self.nothing
            && self.groups.iter().any(|group| {
                group.iter().all(|clause| clause.iter().any(|test| self.holds(test, row, state)))
            })
    }

    fn holds(&self, test: &Test, row: &Row, state: &State) -> bool {
        let value = state.value(row, &test.path);
        match &test.check {
            Check::Anything => true,
            Check::Empty(wanted) => value.is_empty() == *wanted,
            Check::In(values, wanted) => {
                let found = match test.path.kind {
                    Kind::Reference(_) => values.contains(value),
                    _ if is_id(&test.path) => values.contains(value),
                    _ => values.contains(value) || values.contains(&value.to_lowercase()),
                };
                found == *wanted && (*wanted || self.empty_differs || !value.is_empty())
            }
            Check::Compare("!=", operand) => {
                !operand.equals(value) && (self.empty_differs || !value.is_empty())
            }
            Check::Compare("=", operand) => operand.equals(value),
            Check::Compare(operator, operand) => {
                operand.ordering(value).is_some_and(|ordering| match *operator {
                    ">" => ordering.is_gt(),
                    ">=" => ordering.is_ge(),
                    "<" => ordering.is_lt(),
                    _ => ordering.is_le(),
                })
            }
            Check::Between(from, to) => {
                from.ordering(value).is_some_and(std::cmp::Ordering::is_ge)
                    && to.ordering(value).is_some_and(std::cmp::Ordering::is_le)
            }
            Check::Same(other, wanted) => (value == state.value(row, other)) == *wanted,
            Check::Text(operator, part) => {
                let shown = match &test.path.kind {
                    Kind::Reference(target) => state.display_of(target, value),
                    _ => value.to_owned(),
                };
                let shown = shown.to_lowercase();
                match *operator {
                    "STARTSWITH" => shown.starts_with(part),
                    "ENDSWITH" => shown.ends_with(part),
                    "LIKE" => shown.contains(part),
                    _ => !shown.contains(part),
                }
            }
        }
    }
}

impl Operand {
    fn equals(&self, value: &str) -> bool {
        match self {
            Self::Number(number) => value.parse() == Ok(*number),
            Self::Exact(text) => text == value,
            Self::Folded(text) => *text == value || *text == value.to_lowercase(),
        }
    }

    /// How a value stands to this literal; an empty one stands nowhere.
    fn ordering(&self, value: &str) -> Option<std::cmp::Ordering> {
        if value.is_empty() {
            return None;
        }
        match self {
            Self::Number(number) => value.parse::<i64>().ok().map(|it| it.cmp(number)),
            Self::Exact(text) => Some(value.cmp(text)),
            Self::Folded(text) => Some(value.to_lowercase().as_str().cmp(text)),
        }
    }
}

fn is_id(path: &Path) -> bool {
    path.steps.last().is_some_and(|(_, column)| column == "sys_id")
}

fn may_be_queried(path: &Path, switches: &Switches) -> Result<(), Forbidden> {
    let barred = path.steps.iter().any(|(table, column)| {
        let name = format!("{table}.{column}");
        switches.hidden_fields.contains(&name) || switches.unqueryable_fields.contains(&name)
    });
    if barred { Err(Forbidden) } else { Ok(()) }
}

/// The test that a condition means; none where it is invalid.
fn test(
    condition: &Condition,
    table: &str,
    state: &State,
    user: &str,
) -> Result<Option<Test>, Forbidden> {
    let Some(path) = state.schema.resolve(table, &condition.field) else {
        return Ok(None);
    };
    may_be_queried(&path, &state.switches)?;
    let value = match condition.value.strip_prefix("javascript:") {
        None => condition.value.as_str(),
        Some("gs.getUserID()" | "gs.getUserID();") => user,
        Some(_) => return Ok(None),
    };
    let check = match condition.operator {
        "ISEMPTY" | "EMPTYSTRING" => Check::Empty(true),
        "ISNOTEMPTY" => Check::Empty(false),
        "ANYTHING" => Check::Anything,
        "IN" | "NOT IN" => {
            let fold = !is_id(&path) && !matches!(path.kind, Kind::Reference(_));
            let each =
                value.split(',').map(|it| if fold { it.to_lowercase() } else { it.to_owned() });
            Check::In(each.collect(), condition.operator == "IN")
        }
        "STARTSWITH" => Check::Text("STARTSWITH", value.to_lowercase()),
        "ENDSWITH" | "%" => Check::Text("ENDSWITH", value.to_lowercase()),
        "LIKE" | "*" => Check::Text("LIKE", value.to_lowercase()),
        "NOT LIKE" | "!*" => Check::Text("NOT LIKE", value.to_lowercase()),
        "SAMEAS" | "NSAMEAS" => match state.schema.resolve(table, value) {
            Some(other) => {
                may_be_queried(&other, &state.switches)?;
                Check::Same(other, condition.operator == "SAMEAS")
            }
            None => return Ok(None),
        },
        "BETWEEN" => {
            let ends = value
                .split_once('@')
                .and_then(|(from, to)| Some((operand(&path, from)?, operand(&path, to)?)));
            match ends {
                Some((from, to)) => Check::Between(from, to),
                None => return Ok(None),
            }
        }
        "=" if value.is_empty() => Check::Empty(true),
        "!=" if value.is_empty() => Check::Empty(false),
        operator => match operand(&path, value) {
            Some(operand) => Check::Compare(operator, operand),
            None => return Ok(None),
        },
    };
    Ok(Some(Test { path, check }))
}

/// A literal as the column's type wants it; none where it is of another type.
fn operand(path: &Path, literal: &str) -> Option<Operand> {
    match &path.kind {
        Kind::Integer => literal.trim().parse().ok().map(Operand::Number),
        Kind::DateTime => {
            let whole = NaiveDateTime::parse_from_str(literal, "%Y-%m-%d %H:%M:%S").is_ok();
            let day = NaiveDate::parse_from_str(literal, "%Y-%m-%d").is_ok();
            match (whole, day) {
                (true, _) => Some(Operand::Exact(literal.to_owned())),
                (_, true) => Some(Operand::Exact(format!("{literal} 00:00:00"))),
                _ => None,
            }
        }
        Kind::Reference(_) => Some(Operand::Exact(literal.to_owned())),
        _ if is_id(path) => Some(Operand::Exact(literal.to_owned())),
        _ => Some(Operand::Folded(literal.to_lowercase())),
    }
}
