//! Encoded queries
//! (<https://www.servicenow.com/docs/r/platform-user-interface/c_EncodedQueryStrings.html>):
//! understood, so that every row can be checked again on this side.
//!
//! ServiceNow drops a condition that it cannot resolve and runs the rest, so a typing error in the
//! one condition means the whole table, with status 200. Hence a configured query is parsed here,
//! and what cannot be checked is refused: `^NQ`, `ORDERBY`, `RLQUERY`, `javascript:` and operators
//! that need the server.

use std::collections::BTreeSet;

use super::condition::Condition;
pub(crate) use super::condition::is_name;
pub use super::condition::{InvalidQuery, MissingField};
use crate::model::Record;

/// A value that would change the meaning of a query. Does not repeat the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value cannot stand in a query: {0}")]
pub struct UnsafeValue(&'static str);

/// A parsed encoded query: all groups must hold, and of a group at least one condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    groups: Vec<Vec<Condition>>,
}

impl Filter {
    /// Reads an encoded query. Empty means every row.
    pub fn parse(encoded: &str) -> Result<Self, InvalidQuery> {
        let mut groups: Vec<Vec<Condition>> = Vec::new();
        if encoded.is_empty() {
            return Ok(Self { groups });
        }
        for term in split(encoded) {
            let refused = |why| Err(InvalidQuery::new(term, why));
            if term == "EQ" {
                continue; // The end mark that ServiceNow's own "copy query" adds.
            }
            if term.starts_with("NQ") {
                return refused("^NQ begins a second query, which would escape what is added");
            }
            if term.starts_with("ORDERBY") || term.starts_with("GROUPBY") {
                return refused("the order is not the query's to decide");
            }
            if term.contains("RLQUERY") {
                return refused("related lists cannot be checked row by row");
            }
            match term.strip_prefix("OR") {
                None => groups.push(vec![Condition::parse(term)?]),
                Some(alternative) => match groups.last_mut() {
                    Some(group) => group.push(Condition::parse(alternative)?),
                    None => return refused("^OR needs a condition before it"),
                },
            }
        }
        Ok(Self { groups })
    }

    /// A filter that only rows fit which fit both.
    #[must_use]
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self { groups: self.groups.iter().chain(&other.groups).cloned().collect() }
    }

    /// The fields that [`Filter::matches`] needs, dot-walks spelled as in the query.
    pub(crate) fn fields(&self) -> BTreeSet<String> {
        let conditions = self.groups.iter().flatten();
        conditions.flat_map(Condition::fields).map(str::to_owned).collect()
    }

    /// Whether a row fits. Text compares without case; numbers as numbers where both are.
    /// A condition on a reference compares its `sys_id`, never its displayed name.
    pub fn matches(&self, row: &Record) -> Result<bool, MissingField> {
        Ok(self.unmet(row)?.is_none())
    }

    /// The first part that a row does not fit, as it was written.
    pub(crate) fn unmet(&self, row: &Record) -> Result<Option<String>, MissingField> {
        for group in &self.groups {
            let mut met = false;
            for condition in group {
                met |= condition.holds(row)?;
            }
            if !met {
                return Ok(Some(joined(group)));
            }
        }
        Ok(None)
    }

    /// The query for all rows that fit, in the order of `sys_id`.
    pub fn ordered(&self) -> String {
        let mut parts = self.parts();
        parts.push("ORDERBYsys_id".into());
        parts.join("^")
    }

    /// The query for those after the row `last` in that order.
    pub fn ordered_after(&self, last: &str) -> Result<String, UnsafeValue> {
        let mut parts = self.parts();
        parts.push(format!("sys_id>{}", member(last)?));
        parts.push("ORDERBYsys_id".into());
        Ok(parts.join("^"))
    }

    fn parts(&self) -> Vec<String> {
        self.groups.iter().map(|group| joined(group)).collect()
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts().join("^"))
    }
}

/// Checks a text that may come from a request before it stands as a value in a query.
pub(crate) fn literal(text: &str) -> Result<&str, UnsafeValue> {
    if text.is_empty() {
        return Err(UnsafeValue("it is empty, so it would match empty fields"));
    }
    if text.contains('^') {
        return Err(UnsafeValue("it holds ^, which begins another condition"));
    }
    if text.to_ascii_lowercase().contains("javascript:") {
        return Err(UnsafeValue("the server would run it as a script"));
    }
    if text.chars().any(char::is_control) {
        return Err(UnsafeValue("it holds control characters"));
    }
    Ok(text)
}

/// Checks a text that stands in a list or as an id: a literal without commas, quotes, blanks and
/// comparison signs.
pub(crate) fn member(text: &str) -> Result<&str, UnsafeValue> {
    if text.chars().any(|c| ",'\"=<>@".contains(c) || c.is_whitespace()) {
        return Err(UnsafeValue("it holds a comma, a quote, a blank or a comparison sign"));
    }
    literal(text)
}

/// Splits at single carets; a doubled one is a caret inside a value.
fn split(encoded: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let bytes = encoded.as_bytes();
    while at < bytes.len() {
        if bytes[at] != b'^' {
            at += 1;
        } else if bytes.get(at + 1) == Some(&b'^') {
            at += 2;
        } else {
            terms.push(&encoded[start..at]);
            at += 1;
            start = at;
        }
    }
    terms.push(&encoded[start..]);
    terms
}

fn joined(group: &[Condition]) -> String {
    let texts: Vec<_> = group.iter().map(|condition| condition.text.as_str()).collect();
    texts.join("^OR")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, &str)]) -> Record {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn fits(query: &str, fields: &[(&str, &str)]) -> bool {
        Filter::parse(query).unwrap().matches(&row(fields)).unwrap()
    }

    #[test]
    fn every_operator_says_yes_and_no() {
        for (query, value, expected) in [
            ("f=Sales", "sales ", true),
            ("f=Sales", "Salesforce", false),
            ("f=1", "true", true),
            ("f=true", "false", false),
            ("f=2", "2.0", true),
            ("f=007", "7", false),
            ("f!=x", "", true),
            ("f!=x", "X", false),
            ("fINa,b", "B", true),
            ("fINa,b", "c", false),
            ("fNOT INa,b", "", true),
            ("fNOT INa,b", "a", false),
            ("fISEMPTY", " ", true),
            ("fISEMPTY", "x", false),
            ("fISNOTEMPTY", "", false),
            ("fEMPTYSTRING", "", true),
            ("fANYTHING", "", true),
            ("fSTARTSWITHab", "Abc", true),
            ("fENDSWITHbc", "abc", true),
            ("f%@example.com", "a@example.com", true),
            ("fLIKEb", "abc", true),
            ("f*b", "xyz", false),
            ("fNOT LIKEb", "", true),
            ("f!*b", "abc", false),
            ("f<10", "9", true),
            ("f<10", "", false),
            ("f<=2026-01-01 00:00:00", "2026-01-01 00:00:00", true),
            ("f>9", "10", true),
            ("f>=2026-01-01 00:00:00", "2025-12-31 23:59:59", false),
            ("fBETWEEN1@3", "2", true),
            ("fBETWEEN1@3", "4", false),
        ] {
            assert_eq!(fits(query, &[("f", value)]), expected, "{query} on {value:?}");
        }
        assert!(fits("fSAMEASg", &[("f", "a"), ("g", "A")]));
        assert!(!fits("fNSAMEASg", &[("f", "a"), ("g", "A")]));
    }

    #[test]
    fn or_joins_only_the_condition_before_it() {
        let query = "x=1^ORx=2^y=3";
        assert!(fits(query, &[("x", "2"), ("y", "3")]));
        assert!(!fits(query, &[("x", "1"), ("y", "4")]));
    }

    #[test]
    fn a_doubled_caret_is_part_of_the_value() {
        assert!(fits("f=a^^b^g=1", &[("f", "a^b"), ("g", "1")]));
        assert_eq!(Filter::parse("f=a^^b^g=1").unwrap().to_string(), "f=a^^b^g=1");
    }

    #[test]
    fn dot_walks_and_compared_fields_are_asked_for() {
        let filter = Filter::parse("department.name=Sales^ORactive=true^emailSAMEASu_mail^EQ");
        let fields: Vec<_> = filter.unwrap().fields().into_iter().collect();
        assert_eq!(fields, ["active", "department.name", "email", "u_mail"]);
    }

    #[test]
    fn what_cannot_be_checked_row_by_row_is_refused() {
        for query in [
            "a=1^NQb=2",
            "a=1^ORDERBYname",
            "ORDERBYDESCname",
            "RLQUERYsys_user_grmember.user,>=1^ENDRLQUERY",
            "manager=javascript:gs.getUserID()",
            "manager=JavaScript:x",
            "sys_class_nameINSTANCEOFsys_user",
            "opened_atONToday@javascript:gs.x()",
            "ORa=1",
            "a",
            "=1",
            "a=1^",
            "Active=true",
            "123TEXTQUERY321=ada",
            "aBETWEEN1",
            "aIN",
            "aISEMPTYx",
        ] {
            assert!(Filter::parse(query).is_err(), "{query} was accepted");
        }
    }

    #[test]
    fn a_row_without_the_field_is_neither_in_nor_out() {
        let filter = Filter::parse("active=true^ORvip=true").unwrap();
        let missing = filter.matches(&row(&[("active", "true")])).unwrap_err();
        assert_eq!(missing, MissingField("vip".into()));
    }

    #[test]
    fn a_page_is_composed_of_the_filter_the_window_and_the_cursor() {
        let base = Filter::parse("active=true^ORvip=true").unwrap();
        let window = Filter::parse("sys_updated_on>=2026-01-01 00:00:00").unwrap();
        let query = base.and(&window).ordered_after("abc").unwrap();
        assert_eq!(
            query,
            "active=true^ORvip=true^sys_updated_on>=2026-01-01 00:00:00^sys_id>abc^ORDERBYsys_id"
        );
        assert_eq!(Filter::default().ordered(), "ORDERBYsys_id");
        assert!(base.ordered_after("a^NQb").is_err());
    }

    #[test]
    fn a_value_that_would_change_a_query_is_refused_without_being_repeated() {
        for text in ["", "a^b", "javascript:gs.x()", "JAVASCRIPT:x", "a\nb", "a\u{0}"] {
            let error = literal(text).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        assert_eq!(literal("O'Brien, Ada=1").unwrap(), "O'Brien, Ada=1");
        assert!(member("a,b").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic_and_what_it_takes_it_writes_back(text in ".{0,40}") {
            if let Ok(filter) = Filter::parse(&text) {
                proptest::prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
            }
        }
    }
}
