//! The company's catalog.

use crate::sim::servicenow::{ApprovalBy, Item, Variable, derived_id};

pub(super) const ONBOARDING: &str = "Okta onboarding";
pub(super) const OFFBOARDING: &str = "Okta offboarding";
pub(super) const POSITION: &str = "Change of position";
pub(super) const LEAVE: &str = "Leave of absence";
pub(super) const RETURN: &str = "Return from leave";
pub(super) const ACCESS: &str = "Okta group access";
pub(super) const BULK: &str = "Bulk onboarding order";
pub(super) const LAPTOP: &str = "New laptop";

/// All items, the last one of no interest to anybody here.
pub(super) fn items(seed: u64) -> Vec<Item> {
    let employee = || Variable::new("employee", 8).of_table("sys_user").mandatory();
    let date = |name: &str| Variable::new(name, 9);
    let action = || Variable::new("action", 5);
    let groups = || Variable::new("groups", 21).of_table("u_okta_group");
    let several = |name: &str| Variable::new(name, 21).of_table("sys_user");
    let label = || Variable::new("", 11);
    let item = |at: u64, name: &str, approval, variables| Item {
        sys_id: Some(derived_id(seed, "item", at)),
        name: name.to_owned(),
        approval,
        task: false,
        variables,
    };
    let by_item = ApprovalBy::Item;
    vec![
        item(
            0,
            ONBOARDING,
            by_item,
            vec![
                label(),
                employee(),
                date("start_date").mandatory(),
                date("end_date"),
                groups(),
                action(),
            ],
        ),
        item(1, OFFBOARDING, by_item, vec![employee(), date("last_day").mandatory()]),
        item(2, POSITION, by_item, vec![employee(), Variable::new("reason", 2)]),
        item(3, LEAVE, by_item, vec![employee(), date("starts").mandatory(), date("ends")]),
        item(4, RETURN, ApprovalBy::Nobody, vec![employee(), date("starts")]),
        item(
            5,
            ACCESS,
            ApprovalBy::Order,
            vec![
                label(),
                action().mandatory(),
                several("employee"),
                groups().mandatory(),
                date("end_date"),
            ],
        ),
        item(
            6,
            BULK,
            by_item,
            vec![several("employees").mandatory(), date("start_date"), groups()],
        ),
        item(7, LAPTOP, by_item, vec![Variable::new("model", 5), Variable::new("keyboard", 3)]),
    ]
}
