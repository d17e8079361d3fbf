//! The catalog: items, their variables, and the tables that requests look groups up in.

use std::collections::{BTreeMap, BTreeSet};

use super::{advice, get};
use crate::check::{Findings, listed};
use crate::config::Config;
use crate::model::SysId;
use crate::policy::RequestRule;
use crate::servicenow::{Sample, ServiceNowError, ServiceNowReader};

/// What each configured item means, where it means one.
pub(super) async fn items(
    found: &mut Findings<'_>,
    config: &Config,
    reader: &ServiceNowReader,
) -> BTreeMap<String, SysId> {
    const NAME: &str = "catalog items";
    let mut items = BTreeMap::new();
    for name in &config.servicenow.items {
        match reader.item_called(name).await {
            Ok(item) => {
                items.insert(name.clone(), item.sys_id);
            }
            Err(error @ ServiceNowError::Unresolved { .. }) => {
                found.fail(NAME, error.to_string(), "correct `item`, or write the item's sys_id");
            }
            Err(error) => found.fail(NAME, error.to_string(), advice(&error, "sc_cat_item")),
        }
    }
    match config.servicenow.items.len() {
        0 => found.warn(
            NAME,
            "none: no request is ever carried out",
            "say under [[request]] what a catalog item means",
        ),
        count if count == items.len() => found.fine(NAME, format!("all {count} are there")),
        _ => {}
    }
    items
}

pub(super) async fn variables(
    found: &mut Findings<'_>,
    config: &Config,
    reader: &ServiceNowReader,
    items: &BTreeMap<String, SysId>,
) {
    const NAME: &str = "catalog variables";
    let mut known = BTreeMap::new();
    let (mut absent, mut count) = (Vec::new(), 0);
    for rule in &config.policy.requests {
        let Some(item) = items.get(&rule.item) else { continue };
        for variable in variables_of(rule) {
            if !known.contains_key(&variable) {
                let Some(sample) = definitions(reader, &variable).await else {
                    return found.warn(
                        NAME,
                        "their definitions cannot be read, so a misspelt name would not show",
                        "let this account read item_option_new, or compare the names by hand",
                    );
                };
                known.insert(variable.clone(), sample);
            }
            count += 1;
            if !is_on(&known[&variable], item) {
                absent.push(format!("{variable} ({})", rule.item));
            }
        }
    }
    absent.sort();
    absent.dedup();
    if absent.is_empty() {
        found.fine(NAME, format!("all {count} are there"));
    } else {
        found.fail(
            NAME,
            format!("not on their item: {}", listed(absent)),
            "correct the name: it is the variable's name, not its question, in the same case",
        );
    }
}

fn variables_of(rule: &RequestRule) -> BTreeSet<String> {
    rule.expressions().flat_map(|expression| expression.fields("variables")).collect()
}

/// The variables of this name; `None` where this account may not read such definitions.
async fn definitions(reader: &ServiceNowReader, name: &str) -> Option<Sample> {
    let fields = ["name", "cat_item"];
    let sample = reader.some_rows("item_option_new", &[("name", &[name])], &fields).await.ok()?;
    (!sample.is_cut() && sample.lacking.is_empty()).then_some(sample)
}

/// Whether one of these definitions is the item's own or may come to it with a set of variables.
fn is_on(definitions: &Sample, item: &SysId) -> bool {
    let many = definitions.announced > definitions.rows.len() as u64;
    many || definitions.rows.iter().any(|row| {
        get(row, "cat_item").is_none_or(|owner| owner.is_empty() || owner == item.as_str())
    })
}

pub(super) async fn lookups(found: &mut Findings<'_>, config: &Config, reader: &ServiceNowReader) {
    const NAME: &str = "look-up tables";
    let lookups: BTreeSet<(&str, &str)> = config
        .policy
        .requests
        .iter()
        .filter_map(|rule| rule.lookup.as_ref())
        .map(|lookup| (lookup.table.as_str(), lookup.column.as_str()))
        .collect();
    for (table, column) in lookups {
        let place = format!("{table}.{column}");
        match reader.some_rows(table, &[], &[column]).await {
            Ok(sample) if sample.is_cut() => found.fail(
                NAME,
                format!("{table} has rows that are hidden from this account"),
                format!("give it read access to {table}"),
            ),
            Ok(sample) if sample.lacking.contains(column) => found.fail(
                NAME,
                format!("{place} is unknown or hidden"),
                "correct `lookup`, or let this account read the column",
            ),
            Ok(sample) if sample.announced == 0 => found.warn(
                NAME,
                format!("{table} is empty"),
                "fill it, or correct `lookup`: no group can be looked up",
            ),
            Ok(sample) => found.fine(NAME, format!("{place}: {} rows", sample.announced)),
            Err(error @ ServiceNowError::Refused { status: 400, .. }) => {
                found.fail(NAME, error.to_string(), format!("correct `lookup`: is it {table}?"));
            }
            Err(error) => found.fail(NAME, error.to_string(), advice(&error, table)),
        }
    }
}
