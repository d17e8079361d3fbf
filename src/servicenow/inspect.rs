//! A few rows of a table as they came, for whoever wants to know what this account can see.

use std::collections::BTreeSet;

use super::paging::{self, nothing_lacks};
use super::query::{self, Filter};
use super::requests::items_filter;
use super::{ServiceNowError, ServiceNowReader};
use crate::model::{Record, SysId};

/// Rows that are looked at.
const FEW: u32 = 20;

/// A few rows of a table. Nothing is concluded from them here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The rows that came.
    pub rows: Vec<Record>,
    /// How many rows there are in all, those hidden from this account included.
    pub announced: u64,
    /// Fields that were asked for and that no row has: the name is unknown, or hidden from us.
    pub lacking: BTreeSet<String>,
}

impl Sample {
    /// Whether rows are there that this account may not read.
    pub fn is_cut(&self) -> bool {
        (self.rows.len() as u64) < self.announced.min(FEW.into())
    }
}

impl ServiceNowReader {
    /// Some of the people of `servicenow.users`, with every field that is used.
    pub async fn some_people(&self) -> Result<Sample, ServiceNowError> {
        let (query, fields) = (self.connection.users().ordered(), self.person_fields());
        self.some("looking at people", "sys_user", &query, &fields, nothing_lacks).await
    }

    /// Some of the requests for these items, with every field that is used.
    pub async fn some_requests(&self, items: &[SysId]) -> Result<Sample, ServiceNowError> {
        let query = items_filter(items.iter())?.and(self.connection.requests()).ordered();
        let fields = self.request_fields();
        let may_lack = self.request_may_lack();
        self.some("looking at requests", "sc_req_item", &query, &fields, may_lack).await
    }

    /// Some rows of any table, with these fields, where each field of the condition has one of the
    /// values given.
    ///
    /// A table that is not there is [`ServiceNowError::Refused`] with status 400.
    pub async fn some_rows(
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
