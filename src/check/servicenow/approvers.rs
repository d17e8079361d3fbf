//! Whether it can be told who approved.

use std::collections::{BTreeMap, BTreeSet};

use super::get;
use crate::check::Findings;
use crate::config::Config;
use crate::model::{Record, SysId};
use crate::policy::ApprovalSource;
use crate::servicenow::{ServiceNowReader, who_approved};

/// Tries what a cycle does when it first sees an approval, on some requests. Nothing depends on
/// it: what cannot be told is a warning.
pub(super) async fn approvers(
    found: &mut Findings<'_>,
    config: &Config,
    reader: &ServiceNowReader,
    items: &BTreeMap<String, SysId>,
) {
    const NAME: &str = "servicenow approvers";
    let needs_approval = |name: &&String| {
        let mut rules = config.policy.requests.iter().filter(|rule| rule.item == **name);
        rules.any(|rule| rule.approval != ApprovalSource::None)
    };
    let items: Vec<SysId> =
        items.iter().filter(|(name, _)| needs_approval(name)).map(|(_, id)| id.clone()).collect();
    if items.is_empty() {
        return;
    }
    // Why requests cannot be read is said where they are tried.
    let Ok(sample) = reader.some_requests(&items).await else { return };
    let approved: Vec<&Record> = sample.rows.iter().filter(|row| is_approved(row)).collect();
    let tasks: BTreeSet<SysId> = sample.rows.iter().flat_map(tasks).collect();
    let read = match who_approved(reader.connection(), &tasks).await {
        Ok(read) => read,
        Err(error) => Err(error.to_string()),
    };
    match read {
        Err(why) => found.warn(
            NAME,
            format!(
                "who approved cannot be read, and requests are carried out all the same: {why}"
            ),
            "give this account read access to sysapproval_approver: sysapproval, document_id, \
             approver, state, group, sys_updated_on and sys_updated_by",
        ),
        Ok(named) if named.is_empty() && !approved.is_empty() => found.warn(
            NAME,
            format!(
                "of {} approved requests that were tried, none names who did it",
                approved.len()
            ),
            "see whether an access rule hides sysapproval_approver, or a script approves by itself",
        ),
        Ok(_) if approved.is_empty() => found.fine(NAME, "readable; nothing is approved yet"),
        Ok(named) => {
            let known = approved.iter().filter(|row| tasks_named(row, &named)).count();
            found.fine(NAME, format!("known of {known} of {} that were tried", approved.len()));
        }
    }
}

/// An item that is not asked about itself stands under its order's approval.
fn is_approved(row: &Record) -> bool {
    match get(row, "approval") {
        Some("not requested") => get(row, "request.approval") == Some("approved"),
        own => own == Some("approved"),
    }
}

/// The item and its order.
fn tasks(row: &Record) -> Vec<SysId> {
    let ids = ["sys_id", "request"].into_iter().filter_map(|field| get(row, field));
    ids.filter_map(|id| SysId::parse(id).ok()).collect()
}

fn tasks_named<T>(row: &Record, named: &BTreeMap<SysId, T>) -> bool {
    tasks(row).iter().any(|task| named.contains_key(task))
}
