//! What is asked before any read is believed: the time, who we are, whether conditions are dropped,
//! and a few rows of a table as they came, to see what this account can see.

use std::collections::BTreeSet;

use super::paging::{self, nothing_lacks};
use super::query::{self, Filter};
use super::requests::items_filter;
use super::rows::get;
use super::{ServiceNowError, ServiceNowReader};
use crate::model::{Record, SysId, Timestamp};

const FEW: u32 = 20;

/// A few rows of a table. Nothing is concluded from them here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub rows: Vec<Record>,
    /// How many rows there are in all, those hidden from this account included.
    pub announced: u64,
    /// Fields that were asked for and that no row has: the name is unknown, or hidden from us.
    pub lacking: BTreeSet<String>,
}

impl Sample {
    /// Whether rows are there that this account may not read.
    pub(crate) fn is_cut(&self) -> bool {
        (self.rows.len() as u64) < self.announced.min(FEW.into())
    }
}

impl ServiceNowReader {
    /// The instance's clock, as its last answer said: never ahead of what it stamps from now on.
    /// `None` where its answers carry no date.
    pub(crate) async fn now(&self) -> Result<Option<Timestamp>, ServiceNowError> {
        if self.connection.server_date().is_none() {
            // Any answer would do. The items of the catalog may be known without asking for them.
            let (query, fields) = ("ORDERBYsys_id", paging::names(["sys_id"]));
            paging::peek(&self.connection, "asking for the time", "sc_cat_item", query, &fields, 1)
                .await?;
        }
        Ok(self.connection.server_date())
    }

    /// The user name that the instance takes us for.
    /// A guest is a sign-in error: an instance that does not demand credentials answers calls
    /// without valid ones, with nothing in them.
    pub(crate) async fn whoami(&self) -> Result<String, ServiceNowError> {
        let operation = "asking who we are";
        let fields = paging::names(["user_name"]);
        // The one script this program ever sends; nothing of it comes from outside. It stays
        // allowed:
        // https://www.servicenow.com/docs/r/api-reference/scripts/guarded-script-allowed-apis.html
        let query = "sys_id=javascript:gs.getUserID()";
        let (rows, total) =
            paging::peek(&self.connection, operation, "sys_user", query, &fields, 2).await?;
        let guest = |message: &str| Err(ServiceNowError::SignIn { message: message.into() });
        if total > 1 || rows.len() > 1 {
            return Err(ServiceNowError::unbelievable(operation, "more than one user came"));
        }
        match rows.first().map_or("", |row| get(row, "user_name").trim()) {
            "" => guest("it takes us for a guest, or hides our own record from us"),
            "guest" => guest("it takes us for a guest"),
            name => Ok(name.to_owned()),
        }
    }

    /// Makes sure that no condition of the configured queries is dropped.
    /// Each field is asked to be empty and not empty at once. No row fits that, whatever the
    /// field's type; one that is announced shows that both conditions were dropped.
    pub(crate) async fn probe_filter(&self) -> Result<(), ServiceNowError> {
        self.probe("users", "sys_user", &self.connection.shared.users).await?;
        self.probe("requests", "sc_req_item", &self.connection.shared.requests).await
    }

    async fn probe(&self, key: &str, table: &str, filter: &Filter) -> Result<(), ServiceNowError> {
        let fields = paging::names(["sys_id"]);
        let mut dropped = BTreeSet::new();
        for field in filter.fields() {
            let operation = format!("filtering {table} by {field}");
            let query = format!("{field}ISEMPTY^{field}ISNOTEMPTY");
            let (rows, total) =
                paging::peek(&self.connection, &operation, table, &query, &fields, 1).await?;
            if total > 0 || !rows.is_empty() {
                dropped.insert(field);
            }
        }
        if dropped.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = dropped.into_iter().collect();
        Err(ServiceNowError::Unresolved {
            why: format!(
                "servicenow.{key} names what {table} cannot be filtered by: {}; ServiceNow would \
                 drop that condition and return every row",
                names.join(", ")
            ),
        })
    }

    /// Some of the people of `servicenow.users`, with every field that is used.
    pub(crate) async fn some_people(&self) -> Result<Sample, ServiceNowError> {
        let (query, fields) = (self.connection.shared.users.ordered(), self.person_fields());
        self.some("looking at people", "sys_user", &query, &fields, nothing_lacks).await
    }

    /// Some of the requests for these items, with every field that is used.
    pub(crate) async fn some_requests(&self, items: &[SysId]) -> Result<Sample, ServiceNowError> {
        let query = items_filter(items.iter())?.and(&self.connection.shared.requests).ordered();
        let fields = self.request_fields();
        let may_lack = self.request_may_lack();
        self.some("looking at requests", "sc_req_item", &query, &fields, may_lack).await
    }

    /// Some rows of any table, with these fields, where each field of the condition has one of the
    /// values given.
    /// A table that is not there is [`ServiceNowError::Refused`] with status 400.
    pub(crate) async fn some_rows(
        &self,
        table: &str,
        condition: &[(&str, &[&str])],
        fields: &[&str],
    ) -> Result<Sample, ServiceNowError> {
        let unusable = |why: String| ServiceNowError::Unresolved { why };
        if !query::is_name(table) || table.contains('.') {
            return Err(unusable(format!("{table:?} is not the name of a table")));
        }
        let mut terms = Vec::new();
        for (field, values) in condition {
            let checked = match values {
                [value] => query::literal(value).map(|value| format!("{field}={value}")),
                several => several
                    .iter()
                    .map(|value| query::member(value))
                    .collect::<Result<Vec<_>, _>>()
                    .map(|values| format!("{field}IN{}", values.join(","))),
            };
            terms.push(checked.map_err(|error| unusable(error.to_string()))?);
        }
        let filter =
            Filter::parse(&terms.join("^")).map_err(|error| unusable(error.to_string()))?;
        let fields = paging::names(fields.iter().copied().chain(["sys_id"]));
        let operation = format!("looking at {table}");
        self.some(&operation, table, &filter.ordered(), &fields, nothing_lacks).await
    }

    async fn some(
        &self,
        operation: &str,
        table: &str,
        query: &str,
        fields: &BTreeSet<String>,
        may_lack: fn(&Record, &str) -> bool,
    ) -> Result<Sample, ServiceNowError> {
        let (rows, announced) =
            paging::peek(&self.connection, operation, table, query, fields, FEW).await?;
        let lacking = |field: &&String| {
            !rows.is_empty()
                && rows.iter().all(|row| !row.contains_key(*field) && !may_lack(row, field))
        };
        let lacking = fields.iter().filter(lacking).cloned().collect();
        Ok(Sample { rows, announced, lacking })
    }
}
