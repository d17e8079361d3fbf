//! One condition of an encoded query: read, and held against a row.

use std::cmp::Ordering;

use crate::model::Record;

/// Why a text is not usable as a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{term:?}: {why}")]
pub struct InvalidQuery {
    term: String,
    why: &'static str,
}

impl InvalidQuery {
    /// For the part of a query that is not usable, of which 60 characters are repeated.
    pub(super) fn new(term: &str, why: &'static str) -> Self {
        Self { term: term.chars().take(60).collect(), why }
    }
}

/// A row lacks a field that the filter needs: it was not sent, so nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} is missing")]
pub struct MissingField(pub String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// The field, dot-walks spelled as in the query.
    field: String,
    operator: Operator,
    negated: bool,
    value: String,
    /// As it was written, still escaped.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    In,
    Empty,
    EmptyString,
    Anything,
    Starts,
    Ends,
    Contains,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Between,
    SameAs,
}

use Operator as Op;

/// The operators that can be checked here, and whether they say the opposite
/// (<https://www.servicenow.com/docs/r/platform-user-interface/r_OpAvailableFiltersQueries.html>). A longer spelling stands before any
/// that it begins with.
const OPERATORS: [(&str, Operator, bool); 22] = [
    ("ISNOTEMPTY", Op::Empty, true),
    ("ISEMPTY", Op::Empty, false),
    ("EMPTYSTRING", Op::EmptyString, false),
    ("ANYTHING", Op::Anything, false),
    ("STARTSWITH", Op::Starts, false),
    ("ENDSWITH", Op::Ends, false),
    ("NOT LIKE", Op::Contains, true),
    ("NOT IN", Op::In, true),
    ("NSAMEAS", Op::SameAs, true),
    ("SAMEAS", Op::SameAs, false),
    ("BETWEEN", Op::Between, false),
    ("LIKE", Op::Contains, false),
    ("IN", Op::In, false),
    ("!=", Op::Equals, true),
    ("!*", Op::Contains, true),
    ("<=", Op::LessOrEqual, false),
    (">=", Op::GreaterOrEqual, false),
    ("<", Op::Less, false),
    (">", Op::Greater, false),
    ("=", Op::Equals, false),
    ("%", Op::Ends, false),
    ("*", Op::Contains, false),
];

impl Condition {
    /// Reads one condition, as it stands between two carets.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidQuery> {
        let refused = |why| Err(InvalidQuery::new(text, why));
        let end = text.find(|c: char| !name_character(c)).unwrap_or(text.len());
        let (field, rest) = text.split_at(end);
        if !is_name(field) {
            return refused("a condition begins with the name of a field, in lower case");
        }
        let known = OPERATORS.into_iter().find(|(spelling, ..)| rest.starts_with(spelling));
        let Some((spelling, operator, negated)) = known.filter(|_| !rest.starts_with("INSTANCEOF"))
        else {
            return refused("the operator is missing, or not one that can be checked row by row");
        };
        let value = rest[spelling.len()..].replace("^^", "^");
        if value.to_ascii_lowercase().contains("javascript:") {
            return refused("a script in a query is run by the server and cannot be checked");
        }
        if value.chars().any(char::is_control) {
            return refused("it holds control characters");
        }
        match operator {
            Op::Empty | Op::EmptyString | Op::Anything if !value.is_empty() => {
                refused("this operator takes no value")
            }
            Op::SameAs if !is_name(&value) => {
                refused("this operator compares with another field, in lower case")
            }
            Op::Between if value.split('@').count() != 2 => refused("BETWEEN is followed by a@b"),
            Op::In if value.is_empty() => refused("the list is empty"),
            _ => {
                let (field, text) = (field.to_owned(), text.to_owned());
                Ok(Self { field, operator, negated, value, text })
            }
        }
    }

    /// The fields that [`Condition::holds`] needs.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        let other = (self.operator == Op::SameAs).then_some(self.value.as_str());
        std::iter::once(self.field.as_str()).chain(other)
    }

    pub(crate) fn holds(&self, row: &Record) -> Result<bool, MissingField> {
        let get = |name: &str| row.get(name).ok_or_else(|| MissingField(name.to_owned()));
        if self.operator == Op::Anything {
            return Ok(true);
        }
        let raw = get(&self.field)?;
        let (have, want) = (folded(raw), folded(&self.value));
        let order = |limit: &str| (!have.is_empty()).then(|| compare(&have, limit));
        let holds = match self.operator {
            Op::Anything => true,
            Op::Equals => equal(&have, &want),
            Op::In => want.split(',').any(|want| equal(&have, want.trim_end())),
            Op::Empty => have.is_empty(),
            Op::EmptyString => raw.is_empty(),
            Op::Starts => have.starts_with(&want),
            Op::Ends => have.ends_with(&want),
            Op::Contains => have.contains(&want),
            Op::Less => order(&want).is_some_and(Ordering::is_lt),
            Op::LessOrEqual => order(&want).is_some_and(Ordering::is_le),
            Op::Greater => order(&want).is_some_and(Ordering::is_gt),
            Op::GreaterOrEqual => order(&want).is_some_and(Ordering::is_ge),
            Op::Between => want.split_once('@').is_some_and(|(from, to)| {
                order(from).is_some_and(Ordering::is_ge) && order(to).is_some_and(Ordering::is_le)
            }),
            Op::SameAs => equal(&have, &folded(get(&self.value)?)),
        };
        Ok(holds != self.negated)
    }
}

/// Databases ignore case and blanks at the end when they compare.
fn folded(text: &str) -> String {
    text.trim_end().to_lowercase()
}

fn equal(have: &str, want: &str) -> bool {
    // A boolean may be asked for as a number and is sent as a word.
    let boolean = |text| match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    };
    compare(have, want).is_eq()
        || matches!((have, boolean(have), boolean(want)), ("true" | "false", a, b) if a == b)
}

fn compare(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if plain(a) && plain(b) => x.total_cmp(&y),
        _ => a.cmp(b),
    }
}

/// Not `inf`, `nan` or `1e5`, and not an employee number whose leading zeros matter.
fn plain(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    !padded && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// Whether a text can be the name of a table or of a field, dot-walks included.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && !text.ends_with('.')
        && !text.contains("..")
        && text.chars().all(name_character)
}

fn name_character(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.'
}
