//! Reading people: rows of `sys_user`.

use std::collections::BTreeSet;

use super::absence::is_announced;
use super::error::BoxError;
use super::hidden::{self, FEW_HIDDEN};
use super::paging::{self, CompleteRead, nothing_lacks};
use super::query::{Filter, literal};
use super::rows::{Sweep, get, is_hex_id};
use super::{Connection, Rank, ServiceNowError, Window};
use crate::http::ByText;
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
    /// The instance counts it and does not show it: an access rule hides it.
    Hidden,
    /// The instance counts no such row: it is gone, or a before-query rule takes it out, and both
    /// look the same.
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

    /// The same for reads that let others go first.
    #[must_use]
    pub(crate) fn ranked(&self, rank: Rank) -> Self {
        Self::new(self.connection.ranked(rank))
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads the people of `servicenow.users`, all or those changed within a window, and hands
    /// them on page by page. Nothing that was handed on may be used before this returns well,
    /// nor, where rows are hidden, before [`Self::account_for_hidden`] does.
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
            control: users.clone(),
            may_hide: FEW_HIDDEN,
        };
        let kept = self.kept_fields();
        let read_row = |row: &Record| person(row, &kept, Presence::Present);
        paging::sweep(&self.connection, sweep, read_row, on_page).await
    }

    /// Fails unless the rows that were announced and did not come are those of these people, whom
    /// the instance is known to hide: then the list is whole but for them.
    pub(crate) async fn account_for_hidden(
        &self,
        window: Option<&Window>,
        read: &CompleteRead,
        known: &[SysId],
    ) -> Result<(), ServiceNowError> {
        let users = &self.connection.shared.users;
        let all = window.map(|window| users.and(&window.on("sys_updated_on")));
        let lists = [all.unwrap_or_else(|| users.clone())];
        hidden::account_for(&self.connection, ("reading people", TABLE), &lists, read, known).await
    }

    /// Reads one person by id, whether inside `servicenow.users` or not.
    pub(crate) async fn person(&self, id: &SysId) -> Result<Lookup<Person>, ServiceNowError> {
        if let Some(shown) = self.shown(id).await? {
            return Ok(shown);
        }
        Ok(if is_announced(&self.connection, id).await? { Lookup::Hidden } else { Lookup::Absent })
    }

    /// The same as far as the row is shown.
    async fn shown(&self, id: &SysId) -> Result<Option<Lookup<Person>>, ServiceNowError> {
        let operation = format!("reading the person {id}");
        let fields = self.person_fields();
        let Some(row) = self.connection.get(&operation, TABLE, id, &fields).await? else {
            return Ok(None);
        };
        let users = &self.connection.shared.users;
        let inside = paging::present(&row, &fields, nothing_lacks)
            .and_then(|()| users.matches(&row).map_err(|error| error.to_string()));
        let read = |inside| {
            let presence = if inside { Presence::Present } else { Presence::Outside };
            person(&row, &self.kept_fields(), presence)
        };
        Ok(Some(match inside.and_then(|inside| Ok((inside, read(inside)?))) {
            Ok((true, person)) => Lookup::Found(person),
            Ok((false, person)) => Lookup::Outside(person),
            Err(why) => Lookup::Unusable(why),
        }))
    }

    /// The people inside `servicenow.users` that a request's text names: a `sys_id`, a user name
    /// or an e-mail address, compared without case and blanks around it.
    /// Several are for the caller to hold. Nobody can be looked up by a text that cannot stand in a
    /// query or that no person can have, nor by one that also fits a row that is hidden or makes no
    /// sense: it could be the one that is meant.
    pub(crate) async fn people_by(
        &self,
        text: &str,
    ) -> Result<ByText<Vec<Person>>, ServiceNowError> {
        let text = text.trim();
        let value = match literal(text) {
            Ok(value) => value,
            Err(error) => return Ok(ByText::Unusable(error.to_string())),
        };
        if text.chars().count() > LONGEST_NAME {
            let why = format!("it is longer than {LONGEST_NAME} characters");
            return Ok(ByText::Unusable(why));
        }
        let id = SysId::parse(text).ok();
        if let Some(id) = id.as_ref().filter(|_| is_hex_id(text)) {
            match self.shown(id).await? {
                Some(Lookup::Found(person)) => return Ok(ByText::Found(vec![person])),
                Some(Lookup::Unusable(why)) => return Ok(unusable(id.as_str(), &why)),
                _ => {}
            }
        }
        self.people_named(value, id.is_some()).await
    }

    async fn people_named(
        &self,
        value: &str,
        or_id: bool,
    ) -> Result<ByText<Vec<Person>>, ServiceNowError> {
        let operation = "looking for a person by name or address";
        let doubt = |why: String| ServiceNowError::unbelievable(operation, why);
        let users = &self.connection.shared.users;
        let by_id = if or_id { format!("^ORsys_id={value}") } else { String::new() };
        let asked = format!("user_name={value}^ORemail={value}{by_id}");
        let Ok(asked) = Filter::parse(&asked) else {
            return Ok(ByText::Unusable("the text cannot stand in a query".into()));
        };
        let query = users.and(&asked).ordered();
        let fields = self.person_fields();
        let (rows, total) =
            paging::peek(&self.connection, operation, TABLE, &query, &fields, NAMESAKES).await?;
        if total > NAMESAKES.into() {
            return Err(doubt(format!("{total} rows fit: the condition was dropped")));
        }
        if total > rows.len() as u64 {
            let why = "a row of sys_user that fits is hidden from this account";
            return Ok(ByText::Unusable(why.into()));
        }
        let kept = self.kept_fields();
        let mut people = Vec::new();
        for row in &rows {
            if let Err(why) = paging::present(row, &fields, nothing_lacks) {
                return Ok(unusable(get(row, "sys_id"), &why));
            }
            paging::check(row, users, &fields, nothing_lacks).map_err(doubt)?;
            // The database may also compare without accents, which is too generous for a person.
            let same = |field| get(row, field).trim().to_lowercase() == value.to_lowercase();
            let by_id = or_id && get(row, "sys_id") == value;
            if !by_id && !same("user_name") && !same("email") {
                continue;
            }
            match person(row, &kept, Presence::Present) {
                Ok(person) if by_id => return Ok(ByText::Found(vec![person])),
                Ok(person) => people.push(person),
                Err(why) => return Ok(unusable(get(row, "sys_id"), &why)),
            }
        }
        Ok(ByText::Found(people))
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

fn unusable(id: &str, why: &str) -> ByText<Vec<Person>> {
    let id: String = id.chars().take(100).collect();
    ByText::Unusable(format!("the row {id} of sys_user fits and is not usable: {why}"))
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
