//! The tasks of requests: rows of `sc_task`.

use std::collections::BTreeMap;

use super::catalog::IDS_A_CALL;
use super::paging::{self, nothing_lacks};
use super::query::Filter;
use super::rows::{Sweep, get};
use super::{ServiceNowError, ServiceNowReader};
use crate::model::{Record, SysId};

/// A task of a request (`sc_task`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub sys_id: SysId,
    /// The number that people see, `SCTASK…`.
    pub number: String,
    /// Somebody has still to do it.
    pub open: bool,
}

impl ServiceNowReader {
    pub(crate) async fn tasks(&self, request: &SysId) -> Result<Vec<Task>, ServiceNowError> {
        let tasks = self.tasks_of(std::slice::from_ref(request)).await?;
        Ok(tasks.into_values().flatten().collect())
    }

    /// The tasks of many requests, by the request: all of each, or an error. Where it is about one
    /// request and not about the side, [`ServiceNowReader::tasks`] tells which.
    pub(crate) async fn tasks_of(
        &self,
        requests: &[SysId],
    ) -> Result<BTreeMap<SysId, Vec<Task>>, ServiceNowError> {
        let mut tasks: BTreeMap<SysId, Vec<Task>> =
            requests.iter().map(|id| (id.clone(), Vec::new())).collect();
        let ids: Vec<SysId> = tasks.keys().cloned().collect();
        for chunk in ids.chunks(IDS_A_CALL) {
            let operation = match chunk {
                [one] => format!("reading the tasks of the request {one}"),
                many => format!("reading the tasks of {} requests", many.len()),
            };
            let doubt = |why: String| ServiceNowError::unbelievable(&operation, why);
            for row in self.task_rows(&operation, chunk).await? {
                let task = Task {
                    sys_id: paging::id(&row).map_err(doubt)?,
                    number: get(&row, "number").to_owned(),
                    open: get(&row, "active") == "true",
                };
                let request = SysId::parse(get(&row, "request_item")).ok();
                let of = request.and_then(|id| tasks.get_mut(&id));
                of.ok_or_else(|| doubt("a task came that is of none of them".into()))?.push(task);
            }
        }
        Ok(tasks)
    }

    async fn task_rows(
        &self,
        operation: &str,
        requests: &[SysId],
    ) -> Result<Vec<Record>, ServiceNowError> {
        let query = match requests {
            [one] => format!("request_item={one}"),
            many => {
                let ids: Vec<_> = many.iter().map(SysId::as_str).collect();
                format!("request_itemIN{}", ids.join(","))
            }
        };
        let filter = Filter::parse(&query)
            .map_err(|error| ServiceNowError::unbelievable(operation, error.to_string()))?;
        let sweep = Sweep {
            operation,
            table: "sc_task",
            filter,
            fields: paging::names(["sys_id", "number", "active"]),
            may_lack: nothing_lacks,
            control: Filter::default(),
            may_hide: 0,
        };
        match paging::collect(&self.connection, sweep).await {
            // Said whatever the account's rights are. Another 400 may come from something in
            // between, and an item whose tasks are not known must not be closed past them.
            Err(ServiceNowError::Refused { status: 400, message, .. })
                if message.starts_with("Invalid table") =>
            {
                Ok(Vec::new())
            }
            rows => rows,
        }
    }
}
