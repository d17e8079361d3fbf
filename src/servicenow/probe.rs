//! What is asked once at the start, before any read is believed.

use std::collections::BTreeSet;

use super::paging;
use super::query::Filter;
use super::{ServiceNowError, ServiceNowReader};

impl ServiceNowReader {
    /// The instance's clock, as its last answer said: never ahead of what it stamps from now on.
    /// `None` where its answers carry no date.
    pub async fn now(&self) -> Result<Option<crate::model::Timestamp>, ServiceNowError> {
        if self.connection.server_date().is_none() {
            // Any answer would do. The items of the catalog may be known without asking for them.
            let (query, fields) = ("ORDERBYsys_id", paging::names(["sys_id"]));
            paging::peek(&self.connection, "asking for the time", "sc_cat_item", query, &fields, 1)
                .await?;
        }
        Ok(self.connection.server_date())
    }

    /// The user name that the instance takes us for.
    ///
    /// A guest is a sign-in error: an instance that does not demand credentials answers calls
    /// without valid ones, with nothing in them.
    pub async fn whoami(&self) -> Result<String, ServiceNowError> {
        let operation = "asking who we are";
        let fields = paging::names(["user_name"]);
        // The one script this program ever sends; nothing of it comes from outside.
        let query = "sys_id=javascript:gs.getUserID()";
        let (rows, total) =
            paging::peek(&self.connection, operation, "sys_user", query, &fields, 2).await?;
        let guest = |message: &str| Err(ServiceNowError::SignIn { message: message.into() });
        if total > 1 || rows.len() > 1 {
            return Err(ServiceNowError::unbelievable(operation, "more than one user came"));
        }
        match rows.first().and_then(|row| row.get("user_name")).map(|name| name.trim()) {
            None | Some("") => guest("it takes us for a guest, or hides our own record from us"),
            Some("guest") => guest("it takes us for a guest"),
            Some(name) => Ok(name.to_owned()),
        }
    }

    /// Makes sure that no condition of the configured queries is dropped.
    ///
    /// Each field is asked to be empty and not empty at once. No row fits that, whatever the
    /// field's type; one that is announced shows that both conditions were dropped.
    pub async fn probe_filter(&self) -> Result<(), ServiceNowError> {
        self.probe("users", "sys_user", self.connection.users()).await?;
        self.probe("requests", "sc_req_item", self.connection.requests()).await
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
}
