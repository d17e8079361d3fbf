//! Reading people: rows of `sys_user`.

use std::collections::BTreeSet;

use super::error::BoxError;
use super::paging::{self, CompleteRead, SetAside, Sweep, is_hex_id, nothing_lacks};
use super::query::{Filter, literal};
use super::{Connection, ServiceNowError, Window};
use crate::model::{Person, Presence, Record, SysId};

const TABLE: &str = "sys_user";
/// More rows than this for one login or address mean that the condition was dropped.
const NAMESAKES: u32 = 50;
/// No user name and no address is longer, in characters: a `sys_user` has at most 100 of either.
const LONGEST_NAME: usize = 255;

/// What became of one row that was asked for by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup<T> {
    /// It is there and inside the configured query.
    Found(T),
    /// It is there and outside of it.
    Outside(T),
    /// It is there and makes no sense by itself, for this reason.
    Unusable(String),
    /// The instance has no such row, or hides it: both look the same.
    Absent,
}

/// The half of the client that only reads. Clones share the connection.
#[derive(Debug, Clone)]
pub struct ServiceNowReader {
    pub(super) connection: Connection,
}

impl ServiceNowReader {
    /// Reads over this connection.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads the people of `servicenow.users`, all or those changed within a window, and hands
    /// them on page by page. Nothing that was handed on may be used before this returns well.
    /// A failing `on_page` ends the read with [`ServiceNowError::Taker`].
    pub(crate) async fn people(
        &self,
        window: Option<&Window>,
        on_page: impl FnMut(Vec<Person>) -> Result<(), BoxError>,
    ) -> Result<CompleteRead, ServiceNowError> {
        let users = &self.connection.shared.users;
        let filter = window.map(|window| users.and(&window.on("sys_updated_on")));
        let sweep = Sweep {
            operation: "reading people",
            table: TABLE,
            filter: filter.unwrap_or_else(|| users.clone()),
            fields: self.person_fields(),
            may_lack: nothing_lacks,
        };
        let kept = self.kept_fields();
        let read_row = |row: &Record| person(row, &kept, Presence::Present);
        paging::sweep(&self.connection, sweep, read_row, on_page).await
    }

    /// Reads one person by id, whether inside `servicenow.users` or not.
    pub(crate) async fn person(&self, id: &SysId) -> Result<Lookup<Person>, ServiceNowError> {
        let operation = "reading one person";
        let doubt = |why: String| ServiceNowError::unbelievable(operation, why);
        let fields = self.person_fields();
        let Some(row) = self.connection.get(operation, TABLE, id, &fields).await? else {
            return Ok(Lookup::Absent);
        };
        paging::present(&row, &fields, nothing_lacks).map_err(doubt)?;
        let inside =
            self.connection.shared.users.matches(&row).map_err(|error| doubt(error.to_string()))?;
        let presence = if inside { Presence::Present } else { Presence::Outside };
        Ok(match person(&row, &self.kept_fields(), presence) {
            Ok(person) if inside => Lookup::Found(person),
            Ok(person) => Lookup::Outside(person),
            Err(why) => Lookup::Unusable(why),
        })
    }

    /// The people inside `servicenow.users` that a request's text names: a `sys_id`, a user name
    /// or an e-mail address, compared without case and blanks around it.
    /// Several are for the caller to hold. A text that no person can have names nobody, and so does
    /// one that also fits a row that makes no sense: it could be the one that is meant.
    pub(crate) async fn people_by(&self, text: &str) -> Result<Vec<Person>, ServiceNowError> {
        let text = text.trim();
        let Ok(value) = literal(text) else { return Ok(Vec::new()) };
        if text.chars().count() > LONGEST_NAME {
            return Ok(Vec::new());
        }
        let id = SysId::parse(text).ok();
        if let Some(id) = id.as_ref().filter(|_| is_hex_id(text))
            && let Lookup::Found(person) = self.person(id).await?
        {
            return Ok(vec![person]);
        }
        let found = self.people_named(value).await?;
        // Not every sys_id is hexadecimal.
        match id {
            Some(id) if found.is_empty() && !is_hex_id(text) => match self.person(&id).await? {
                Lookup::Found(person) => Ok(vec![person]),
                _ => Ok(found),
            },
            _ => Ok(found),
        }
    }

    async fn people_named(&self, value: &str) -> Result<Vec<Person>, ServiceNowError> {
        let operation = "looking for a person by name or address";
        let doubt = |why: String| ServiceNowError::unbelievable(operation, why);
        let users = &self.connection.shared.users;
        let asked = Filter::parse(&format!("user_name={value}^ORemail={value}"))
            .map_err(|_| doubt("the text cannot stand in a query".into()))?;
        let query = users.and(&asked).ordered();
        let fields = self.person_fields();
        let (rows, total) =
            paging::peek(&self.connection, operation, TABLE, &query, &fields, NAMESAKES).await?;
        if total > NAMESAKES.into() {
            return Err(doubt(format!("{total} rows fit: the condition was dropped")));
        }
        if total > rows.len() as u64 {
            return Err(doubt("some of the rows that fit are hidden from this account".into()));
        }
        let kept = self.kept_fields();
        let mut people = Vec::new();
        for row in &rows {
            paging::check(row, users, &fields, nothing_lacks).map_err(doubt)?;
            // The database may also compare without accents, which is too generous for a person.
            let same =
                |field| paging::get(row, field).trim().to_lowercase() == value.to_lowercase();
            if !same("user_name") && !same("email") {
                continue;
            }
            match person(row, &kept, Presence::Present) {
                Ok(person) => people.push(person),
                Err(why) => {
                    let SetAside { sys_id, why } = SetAside::new(row, why);
                    tracing::warn!(sys_id, "the row {sys_id} of sys_user was set aside: {why}");
                    return Ok(Vec::new());
                }
            }
        }
        Ok(people)
    }

    pub(super) fn person_from(&self, row: &Record) -> Result<Person, String> {
        person(row, &self.kept_fields(), Presence::Present)
    }

    fn kept_fields(&self) -> BTreeSet<String> {
        let mut fields = paging::names(Person::FIELDS);
        fields.extend(self.connection.shared.settings.person_fields.iter().cloned());
        fields
    }

    /// What is asked for: that, and what identifies and checks the row.
    pub(super) fn person_fields(&self) -> BTreeSet<String> {
        let mut fields = self.kept_fields();
        fields.extend(paging::names(["sys_id", "sys_updated_on", "sys_mod_count"]));
        fields.extend(self.connection.shared.users.fields());
        fields
    }
}

/// A row as a person, or what is wrong with it.
fn person(row: &Record, kept: &BTreeSet<String>, presence: Presence) -> Result<Person, String> {
    let (updated_on, mod_count) = paging::version(row)?;
    Ok(Person {
        sys_id: paging::id(row)?,
        presence,
        record: paging::sent(row, kept),
        updated_on,
        mod_count,
    })
}
