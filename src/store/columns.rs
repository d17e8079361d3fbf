//! How the words of the model stand in columns: each spelled once, for both ways. A word that is
//! not known is an error: to believe a default could disable somebody, or lose them.

use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{
    AccountId, AccountStatus, Approval, Cause, FactKey, GroupId, GroupKind, HoldSet, Operation,
    Origin, Outcome, Presence, RequestNumber, RequestRef, RequestState, StepKind, SysId, Timestamp,
};

pub(super) fn unreadable(what: &str, text: &str) -> FromSqlError {
    FromSqlError::Other(format!("{text:?} is no {what}").into())
}

/// Values that stand as text: how each is written, and how it is read back.
macro_rules! spelled {
    ($($type:ty, $what:literal, $value:ident => $word:expr, $text:ident => $read:expr;)+) => {$(
        impl rusqlite::types::ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                let $value = self;
                Ok(rusqlite::types::ToSqlOutput::from($word))
            }
        }

        impl rusqlite::types::FromSql for $type {
            fn column_result(
                value: rusqlite::types::ValueRef<'_>,
            ) -> rusqlite::types::FromSqlResult<Self> {
                let $text = value.as_str()?;
                $read.ok_or_else(|| $crate::store::columns::unreadable($what, $text))
            }
        }
    )+};
}
pub(super) use spelled;

/// Values whose words are spelled here.
macro_rules! spelled_here {
    ($($type:ident, $what:literal, $($variant:ident = $word:literal),+;)+) => {
        $crate::store::columns::spelled! {$(
            $type, $what,
            value => match value { $($type::$variant => $word,)+ },
            text => match text { $($word => Some($type::$variant),)+ _ => None };
        )+}
    };
}
pub(super) use spelled_here;

spelled! {
    SysId, "sys_id", id => id.as_str(), text => Self::parse(text).ok();
    AccountId, "Okta user id", id => id.as_str(), text => Self::parse(text).ok();
    GroupId, "Okta group id", id => id.as_str(), text => Self::parse(text).ok();
    RequestNumber, "request number", number => number.as_str(), text => Self::parse(text).ok();
    AccountStatus, "status of an account", it => it.as_str(), text => Some(Self::from_okta(text));
    RequestState, "state of a request", state => state.as_str(), text => Self::from_word(text);
    Presence, "presence", presence => presence.as_str(), text => Self::from_word(text);
    Approval, "approval", approval => approval.as_str(), text => Self::from_word(text);
    Operation, "operation", operation => operation.as_str(), text => Self::from_word(text);
    Cause, "cause", cause => cause.as_str(), text => Self::from_word(text);
    StepKind, "step", step => step.as_str(), text => Self::from_word(text);
    HoldSet, "set of holds", set => set.as_str(), text => Self::from_word(text);
    FactKey, "fact", fact => fact.to_string(), text => Self::parse(text);
    OutcomeKind, "outcome", outcome => outcome.as_str(),
        text => Self::ALL.into_iter().find(|outcome| outcome.as_str() == text);
    At, "time", at => at.text(), text => {
        chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.to_utc()))
    };
}

spelled_here! {
    GroupKind, "type of a group", Okta = "OKTA_GROUP", App = "APP_GROUP", BuiltIn = "BUILT_IN";
}

/// How an action ended, without what was said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutcomeKind {
    Applied,
    AlreadySo,
    Failed,
    /// No answer came, so it may have taken effect.
    Unknown,
    /// No answer came, and a later read showed that it took effect.
    Confirmed,
}

impl OutcomeKind {
    const ALL: [Self; 5] =
        [Self::Applied, Self::AlreadySo, Self::Failed, Self::Unknown, Self::Confirmed];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::AlreadySo => "already_so",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Confirmed => "confirmed",
        }
    }

    /// Okta is as the action would have it.
    pub(super) fn is_good(self) -> bool {
        matches!(self, Self::Applied | Self::AlreadySo | Self::Confirmed)
    }
}

/// [`OutcomeKind::is_good`], in SQL.
pub(super) const GOOD: &str = "('applied', 'already_so', 'confirmed')";

impl From<&Outcome> for OutcomeKind {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Applied { .. } => Self::Applied,
            Outcome::AlreadySo { .. } => Self::AlreadySo,
            Outcome::Failed { .. } => Self::Failed,
            Outcome::Unknown { .. } => Self::Unknown,
        }
    }
}

/// A moment: RFC 3339 in UTC with milliseconds, so that moments sort as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub(super) Timestamp);

impl At {
    pub(super) fn text(self) -> String {
        self.0.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }
}

pub(super) fn moment(at: Option<At>) -> Option<Timestamp> {
    at.map(|At(at)| at)
}

#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = serde_json::to_string(&self.0);
        Ok(ToSqlOutput::from(text.expect("what is kept as JSON always serialises")))
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let read = serde_json::from_str(value.as_str()?);
        read.map(Self).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// A JSON value as the value that it is, not as its text.
pub(super) struct Plain(pub(super) serde_json::Value);

impl ToSql for Plain {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use serde_json::Value;
        match &self.0 {
            Value::Null => None::<i64>.to_sql(),
            Value::Bool(value) => value.to_sql(),
            Value::Number(value) => Ok(ToSqlOutput::Owned(value.as_i64().into())),
            Value::String(value) => value.to_sql(),
            value @ (Value::Array(_) | Value::Object(_)) => {
                Ok(ToSqlOutput::from(value.to_string()))
            }
        }
    }
}

/// A count that SQLite keeps with a sign; what it cannot hold stays the most that it can.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count(pub(super) u64);

impl ToSql for Count {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(i64::try_from(self.0).unwrap_or(i64::MAX)))
    }
}

impl FromSql for Count {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|count| Self(u64::try_from(count).unwrap_or(0)))
    }
}

/// An origin in two columns: its request or `BASELINE`, NULL where nothing accounts for it; and
/// the request's order.
pub(super) fn origin_columns(origin: &Origin) -> (Option<String>, Option<&RequestNumber>) {
    let word = (*origin != Origin::None).then(|| origin.to_string());
    (word, origin.request().and_then(|request| request.parent.as_ref()))
}

/// Reads [`origin_columns`] back, from these two places of a row.
pub(super) fn read_origin(row: &Row<'_>, origin: usize, parent: usize) -> rusqlite::Result<Origin> {
    let word: Option<String> = row.get(origin)?;
    match word {
        None => Ok(Origin::None),
        Some(word) if word == Origin::Baseline.to_string() => Ok(Origin::Baseline),
        Some(_) => {
            let (number, parent) = (row.get(origin)?, row.get(parent)?);
            Ok(Origin::Request(RequestRef { number, parent }))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rusqlite::{Connection, params};

    use super::*;
    use crate::store::StoreError;

    fn there_and_back<T: ToSql + FromSql>(value: &T) -> Result<T, StoreError> {
        let conn = Connection::open_in_memory()?;
        Ok(conn.query_row("SELECT ?", params![value], |row| row.get(0))?)
    }

    fn read<T: FromSql>(text: &str) -> Result<T, StoreError> {
        let conn = Connection::open_in_memory()?;
        Ok(conn.query_row("SELECT ?", [text], |row| row.get(0))?)
    }

    #[test]
    fn every_word_is_read_as_it_was_written() {
        for presence in [Presence::Present, Presence::Outside, Presence::Missing, Presence::Gone] {
            assert_eq!(there_and_back(&presence).unwrap(), presence);
        }
        for approval in [Approval::Waiting, Approval::Approved, Approval::Withdrawn] {
            assert_eq!(there_and_back(&approval).unwrap(), approval);
        }
        for kind in [GroupKind::Okta, GroupKind::App, GroupKind::BuiltIn] {
            assert_eq!(there_and_back(&kind).unwrap(), kind);
        }
        for step in StepKind::ALL {
            assert_eq!(there_and_back(&step).unwrap(), step);
        }
        for set in HoldSet::ALL {
            assert_eq!(there_and_back(&set).unwrap(), set);
        }
        for operation in Operation::ALL {
            assert_eq!(there_and_back(&operation).unwrap(), operation);
        }
        let other = AccountStatus::Other("MELTED".to_owned());
        assert_eq!(there_and_back(&other).unwrap(), other);
        let at = At("2026-06-01T12:00:00.123Z".parse().unwrap());
        assert_eq!(there_and_back(&at).unwrap(), at);
        let map = BTreeMap::from([("a".to_owned(), 1)]);
        assert_eq!(there_and_back(&Json(map.clone())).unwrap().0, map);
    }

    #[test]
    fn a_word_that_is_not_known_is_an_error_that_names_it() {
        let errors = [
            read::<Presence>("asleep").unwrap_err(),
            read::<Approval>("perhaps").unwrap_err(),
            read::<GroupKind>("TEAM").unwrap_err(),
            read::<RequestState>("half open").unwrap_err(),
            read::<OutcomeKind>("fine").unwrap_err(),
            read::<At>("yesterday").unwrap_err(),
            read::<SysId>("a^b").unwrap_err(),
            read::<Json<Vec<String>>>("[").unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
        }
        let error = read::<Presence>("asleep").unwrap_err().to_string();
        assert!(error.contains("\"asleep\" is no presence"), "{error}");
    }

    #[test]
    fn what_counts_as_good_is_the_same_in_sql() {
        let conn = Connection::open_in_memory().unwrap();
        let sql = format!("SELECT ? IN {GOOD}");
        for outcome in OutcomeKind::ALL {
            let good: bool = conn.query_row(&sql, [outcome], |row| row.get(0)).unwrap();
            assert_eq!(good, outcome.is_good(), "{outcome:?}");
        }
    }
}
