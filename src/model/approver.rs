//! Who approved a request.

use std::collections::BTreeMap;

use super::{Request, SysId, Timestamp};

/// Somebody who approved a request or its order: a row of `sysapproval_approver`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// The row's `sys_id`.
    pub row: SysId,
    /// The `sys_id` of the person who was asked, whoever pressed the button.
    pub sys_id: String,
    /// That person's user name; empty where it is not to be had.
    pub user_name: String,
    /// That person's e-mail address; empty where it is not to be had.
    pub email: String,
    /// `state` as stored: `approved`.
    pub state: String,
    /// When the row was last written (`sys_updated_on`), which is when it was approved.
    pub at: Option<Timestamp>,
    /// The user name of who wrote it: a delegate or an administrator where it is not the
    /// approver's own. Empty where it is not to be had.
    pub updated_by: String,
    /// The `sys_id` of the group approval that the row belongs to; empty where it is none.
    pub group: String,
}

/// Approvers by the `sys_id` of the item or order that they approved.
pub type ApproversByTask = BTreeMap<SysId, Vec<Approver>>;

impl Approver {
    /// The user name, else the `sys_id`.
    pub fn name(&self) -> &str {
        if self.user_name.is_empty() { &self.sys_id } else { &self.user_name }
    }
}

/// Who approved a request: whoever approved the item itself, else whoever approved its order.
/// Nobody where a script, a due date or a rule did it.
pub fn approvers_of(request: &Request, found: &ApproversByTask) -> Vec<Approver> {
    let of_order = || found.get(&SysId::parse(&request.order).ok()?);
    found.get(&request.sys_id).or_else(of_order).cloned().unwrap_or_default()
}

/// Their names, each once, in the order of their approvals, as `ann, bob`. `None` for nobody.
pub fn approver_names(approvers: &[Approver]) -> Option<String> {
    let mut sorted: Vec<&Approver> = approvers.iter().collect();
    sorted.sort_by_key(|approver| (approver.at, approver.name()));
    let mut names: Vec<&str> = Vec::new();
    for approver in sorted {
        if !names.contains(&approver.name()) {
            names.push(approver.name());
        }
    }
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{approver, ordered_item};

    fn by_task(rows: &[(&str, Approver)]) -> ApproversByTask {
        let mut found = ApproversByTask::new();
        for (task, approver) in rows {
            found.entry(SysId::parse(task).unwrap()).or_default().push(approver.clone());
        }
        found
    }

    #[test]
    fn the_items_own_approvers_count_and_the_orders_only_where_it_has_none() {
        let request = ordered_item("r1", "RITM1", "o1");
        let (ann, bob) = (approver("ann", 1), approver("bob", 2));
        let both = by_task(&[("r1", ann.clone()), ("o1", bob.clone())]);
        assert_eq!(approvers_of(&request, &both), std::slice::from_ref(&ann));
        let orders = by_task(&[("o1", bob.clone()), ("r2", ann.clone())]);
        assert_eq!(approvers_of(&request, &orders), std::slice::from_ref(&bob));
        assert_eq!(approvers_of(&request, &by_task(&[("o2", bob)])), []);
        let alone = ordered_item("r1", "RITM1", "");
        assert_eq!(
            approvers_of(&alone, &by_task(&[("o1", ann)])),
            [],
            "its order is not there yet"
        );
    }

    #[test]
    fn they_are_named_once_each_in_the_order_of_their_approvals() {
        let [first, second, again] = [approver("zoe", 1), approver("ann", 2), approver("zoe", 3)];
        let nameless = Approver { user_name: String::new(), ..approver("x", 4) };
        let named = |approvers: &[Approver]| approver_names(approvers);
        assert_eq!(named(&[again, second, first]).as_deref(), Some("zoe, ann"));
        assert_eq!(named(std::slice::from_ref(&nameless)).as_deref(), Some("id-of-x"));
        assert_eq!(named(&[]), None);
    }
}
