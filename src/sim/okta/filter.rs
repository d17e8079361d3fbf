//! The SCIM-like language of `search` and `filter`: parser, and evaluation over JSON.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Test(String, Op, Value),
}

/// A comparison. `Pr` has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Sw,
    Co,
    Ew,
    Pr,
}

impl Op {
    fn named(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "sw" => Self::Sw,
            "co" => Self::Co,
            "ew" => Self::Ew,
            "pr" => Self::Pr,
            _ => return None,
        })
    }

    /// Whether it is one of `gt ge lt le`.
    pub fn is_order(self) -> bool {
        matches!(self, Self::Gt | Self::Ge | Self::Lt | Self::Le)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Word(String),
    Text(String),
}

/// Parses an expression; the error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let expr = parser.or()?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(format!("unexpected {token:?}")),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' => {
                found.push(if first == '(' { Token::Open } else { Token::Close });
                1
            }
            '"' => {
                let end = closing_quote(rest).ok_or("a string is not closed")?;
                let literal = serde_json::from_str(&rest[..=end]).map_err(|it| it.to_string())?;
                found.push(Token::Text(literal));
                end + 1
            }
            _ => {
                let end = rest.find([' ', '(', ')', '"', '\t']).unwrap_or(rest.len());
                found.push(Token::Word(rest[..end].to_owned()));
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, letter)| {
        let closes = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        closes.then_some(at)
    })
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(it)) if it.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut left = self.and()?;
        while self.take_word("or") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.term()?;
        while self.take_word("and") {
            left = Expr::And(Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Expr, String> {
        if self.take_word("not") {
            return Ok(Expr::Not(Box::new(self.term()?)));
        }
        match self.next() {
            Some(Token::Open) => {
                let inner = self.or()?;
                match self.next() {
                    Some(Token::Close) => Ok(inner),
                    _ => Err("a bracket is not closed".to_owned()),
                }
            }
            Some(Token::Word(attribute)) => self.test(attribute),
            other => Err(format!("an attribute is missing, found {other:?}")),
        }
    }

    fn test(&mut self, attribute: String) -> Result<Expr, String> {
        let Some(Token::Word(word)) = self.next() else {
            return Err(format!("an operator is missing after {attribute}"));
        };
        let op = Op::named(&word).ok_or_else(|| format!("unknown operator {word}"))?;
        if op == Op::Pr {
            return Ok(Expr::Test(attribute, op, Value::Null));
        }
        let value = match self.next() {
            Some(Token::Text(text)) => Value::String(text),
            Some(Token::Word(word)) => serde_json::from_str(&word)
                .map_err(|_| format!("a string must stand in double quotes: {word}"))?,
            other => {
                return Err(format!("a value is missing after {attribute}, found {other:?}"));
            }
        };
        Ok(Expr::Test(attribute, op, value))
    }
}

impl Expr {
    /// Whether `allowed` says yes to each comparison; gives the first attribute that it refuses.
    pub fn check(&self, allowed: &impl Fn(&str, Op) -> bool, not: bool) -> Result<(), String> {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.check(allowed, not)?;
                right.check(allowed, not)
            }
            Self::Not(inner) if not => inner.check(allowed, not),
            Self::Not(_) => Err("not".to_owned()),
            Self::Test(attribute, op, _) if allowed(attribute, *op) => Ok(()),
            Self::Test(attribute, ..) => Err(attribute.clone()),
        }
    }

    /// Whether the object matches whose values `look_up` gives: all values of a path.
    pub fn matches(&self, look_up: &impl Fn(&str) -> Vec<Value>, fold_case: bool) -> bool {
        match self {
            Self::And(left, right) => {
                left.matches(look_up, fold_case) && right.matches(look_up, fold_case)
            }
            Self::Or(left, right) => {
                left.matches(look_up, fold_case) || right.matches(look_up, fold_case)
            }
            Self::Not(inner) => !inner.matches(look_up, fold_case),
            Self::Test(attribute, op, wanted) => {
                let values = look_up(attribute);
                match op {
                    Op::Pr => values.iter().any(is_present),
                    Op::Ne => !values.iter().any(|it| holds(it, Op::Eq, wanted, fold_case)),
                    _ => values.iter().any(|it| holds(it, *op, wanted, fold_case)),
                }
            }
        }
    }
}

fn is_present(value: &Value) -> bool {
    !matches!(value, Value::Null) && value.as_str() != Some("")
}

fn holds(value: &Value, op: Op, wanted: &Value, fold_case: bool) -> bool {
    match (value, wanted) {
        (Value::String(value), Value::String(wanted)) => {
            if let (Some(value), Some(wanted)) = (date(value), date(wanted)) {
                return ordered(value.cmp(&wanted), op);
            }
            let fold = |text: &str| {
                if fold_case { text.to_lowercase() } else { text.to_owned() }
            };
            let (value, wanted) = (fold(value), fold(wanted));
            match op {
                Op::Sw => value.starts_with(&wanted),
                Op::Co => value.contains(&wanted),
                Op::Ew => value.ends_with(&wanted),
                _ => ordered(value.cmp(&wanted), op),
            }
        }
        (Value::Number(value), Value::Number(wanted)) => {
            let order = value.as_f64().partial_cmp(&wanted.as_f64());
            order.is_some_and(|order| ordered(order, op))
        }
        (value, wanted) => op == Op::Eq && value == wanted,
    }
}

fn ordered(order: Ordering, op: Op) -> bool {
    match op {
        Op::Eq => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Gt => order.is_gt(),
        Op::Ge => order.is_ge(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        Op::Sw | Op::Co | Op::Ew | Op::Pr => false,
    }
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    if text.len() < 20 || text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    DateTime::parse_from_rfc3339(text).ok().map(|it| it.to_utc())
}

/// All values at a dotted path; an array on the way stands for each of its elements.
pub(super) fn values_at(object: &Value, path: &str) -> Vec<Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |it| (it.0, Some(it.1)));
    match object {
        Value::Array(items) => items.iter().flat_map(|item| values_at(item, path)).collect(),
        Value::Object(_) => match (object.get(first), rest) {
            (None, _) => Vec::new(),
            (Some(inner), Some(rest)) => values_at(inner, rest),
            (Some(Value::Array(items)), None) => items.clone(),
            (Some(value), None) => vec![value.clone()],
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(filter: &str, fold_case: bool) -> bool {
        let user = json!({
            "status": "ACTIVE", "lastUpdated": "2026-11-23T09:00:00.500Z", "tags": ["a", "b"],
            "profile": {"firstName": "Zoë", "department": "R&D \"North\"", "level": 3, "city": ""},
        });
        let expr = parse(filter).unwrap_or_else(|why| panic!("{filter}: {why}"));
        expr.matches(&|path| values_at(&user, path), fold_case)
    }

    #[test]
    fn and_binds_tighter_than_or_and_brackets_win() {
        let other = r#"status eq "X" and status eq "X" or status eq "ACTIVE""#;
        assert!(matches(other, false));
        let grouped = r#"status eq "X" and (status eq "X" or status eq "ACTIVE")"#;
        assert!(!matches(grouped, false));
    }

    #[test]
    fn dates_compare_as_instants_and_numbers_as_numbers() {
        assert!(matches(r#"lastUpdated gt "2026-11-23T09:00:00Z""#, false));
        assert!(matches(r#"lastUpdated le "2026-11-23T10:00:00.500+01:00""#, false));
        assert!(matches("profile.level GE 3", false));
        assert!(!matches("profile.level gt 3", false));
    }

    #[test]
    fn case_counts_only_where_asked_and_diacritics_always() {
        assert!(matches(r#"status eq "active""#, true));
        assert!(!matches(r#"status eq "active""#, false));
        assert!(!matches(r#"profile.firstName eq "zoe""#, true));
    }

    #[test]
    fn strings_are_json_strings_and_arrays_match_any_element() {
        assert!(matches(r#"profile.department eq "R&D \"North\"""#, false));
        assert!(matches(r#"tags eq "b" and not (tags eq "c")"#, false));
        assert!(matches("profile.level pr and not profile.city pr", false));
    }

    #[test]
    fn broken_expressions_are_refused() {
        for broken in [
            "",
            "status",
            "status eq",
            "status eq ACTIVE",
            "(status pr",
            "a like \"b\"",
            "a eq \"b",
        ] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }
}
