//! Who approved what: rows of `sysapproval_approver`, one for each approver. They may be archived
//! at any time, and a customer may keep them from this account.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::paging;
use super::query::Filter;
use super::rows::{Sweep, get};
use super::{Connection, ServiceNowError, wire};
use crate::model::{Approver, ApproversByTask, Record, SysId};

const TABLE: &str = "sysapproval_approver";
const OPERATION: &str = "reading who approved";
/// The ids stand in the address twice: 50 of them make 3.5 kB of it.
const IDS_A_CALL: usize = 50;
/// Who approved is good to know, and nobody's leave waits for it.
const LONGEST: Duration = Duration::from_secs(10);

/// Asked for and not needed: rights for them are seldom given.
const OPTIONAL: [&str; 5] =
    ["approver.user_name", "approver.email", "group", "sys_updated_on", "sys_updated_by"];

/// Who approved these items and orders, by their ids: rows in state `approved`. The inner
/// error, a sentence, says why that cannot be read; the outer one is the whole side's trouble:
/// it cannot be reached, or asks us to wait.
pub(crate) async fn who_approved(
    connection: &Connection,
    tasks: &BTreeSet<SysId>,
) -> Result<Result<ApproversByTask, String>, ServiceNowError> {
    let read = tokio::time::timeout(LONGEST, read_approvers(connection, tasks));
    match read.await {
        Ok(Ok(found)) => Ok(Ok(found)),
        Ok(Err(
            error @ (ServiceNowError::Unreachable { .. } | ServiceNowError::RateLimited { .. }),
        )) => Err(error),
        Ok(Err(error)) => Ok(Err(error.to_string())),
        Err(_) => {
            Ok(Err(format!("ServiceNow took longer than {} s for {OPERATION}", LONGEST.as_secs())))
        }
    }
}

async fn read_approvers(
    connection: &Connection,
    tasks: &BTreeSet<SysId>,
) -> Result<ApproversByTask, ServiceNowError> {
    let tasks: Vec<&SysId> = tasks.iter().collect();
    // By its row, which may come with either id.
    let mut found: BTreeMap<SysId, (SysId, Approver)> = BTreeMap::new();
    for chunk in tasks.chunks(IDS_A_CALL) {
        for row in approver_rows(connection, chunk).await? {
            found.extend(approver(&row, chunk).map(|(task, it)| (it.row.clone(), (task, it))));
        }
    }
    let mut by_task = ApproversByTask::new();
    for (task, approver) in found.into_values() {
        by_task.entry(task).or_default().push(approver);
    }
    Ok(by_task)
}

/// `document_id` has what an approval is about where `sysapproval` is not filled. Whoever may
/// not ask for it still finds the approvals of items and orders, which fill both.
async fn approver_rows(
    connection: &Connection,
    tasks: &[&SysId],
) -> Result<Vec<Record>, ServiceNowError> {
    let ids: Vec<&str> = tasks.iter().map(|id| id.as_str()).collect();
    let ids = ids.join(",");
    let with_document = format!("sysapprovalIN{ids}^ORdocument_idIN{ids}^state=approved");
    let fields = ["sysapproval", "document_id"];
    match approvers_where(connection, &with_document, &fields).await {
        Err(ServiceNowError::Forbidden { .. } | ServiceNowError::Unbelievable { .. }) => {
            let by_task = format!("sysapprovalIN{ids}^state=approved");
            approvers_where(connection, &by_task, &fields[..1]).await
        }
        rows => rows,
    }
}

async fn approvers_where(
    connection: &Connection,
    query: &str,
    about: &[&str],
) -> Result<Vec<Record>, ServiceNowError> {
    let filter = Filter::parse(query)
        .map_err(|error| ServiceNowError::unbelievable(OPERATION, error.to_string()))?;
    let needed = ["approver", "state"];
    let fields = about.iter().chain(&needed).chain(&OPTIONAL).copied();
    let sweep = Sweep {
        operation: OPERATION,
        table: TABLE,
        filter,
        fields: paging::names(fields),
        may_lack: |_, field| OPTIONAL.contains(&field),
        control: Filter::default(),
        may_hide: 0,
    };
    paging::collect(connection, sweep).await
}

/// A row as an approver, with which of these it is about. `None` where it names nobody.
pub(super) fn approver(row: &Record, tasks: &[&SysId]) -> Option<(SysId, Approver)> {
    let about = ["sysapproval", "document_id"].map(|field| get(row, field));
    let task = about.iter().find_map(|id| tasks.iter().find(|task| task.as_str() == *id))?;
    let text = |field: &str| get(row, field).to_owned();
    let approver = Approver {
        row: paging::id(row).ok()?,
        sys_id: Some(text("approver")).filter(|id| !id.is_empty())?,
        user_name: get(row, "approver.user_name").trim().to_owned(),
        email: get(row, "approver.email").trim().to_owned(),
        state: text("state"),
        at: wire::moment(get(row, "sys_updated_on")),
        updated_by: text("sys_updated_by"),
        group: text("group"),
    };
    Some(((*task).clone(), approver))
}
