//! What the configuration needs of ServiceNow.

mod approvers;
mod catalog;

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, RETRY, listed, not_tried, skew};
use crate::config::{Close, Config};
use crate::model::{Record, SysId, Timestamp};
use crate::servicenow::{
    Connection, Sample, ServiceNowError, ServiceNowReader, Settings, shows_inactive,
};

const SIGN_IN: &str = "servicenow sign-in";
const PEOPLE: &str = "servicenow people";
const REQUESTS: &str = "servicenow requests";

/// Roles with which the account could do more than read people and requests and write on the
/// latter.
const TOO_MUCH: [&str; 8] = [
    "admin",
    "security_admin",
    "user_admin",
    "impersonator",
    "oauth_admin",
    "web_service_admin",
    "itil",
    "itil_admin",
];

/// Tries everything; the reader is for what needs both sides, and there only if the sign-in works.
pub(super) async fn check(
    found: &mut Findings<'_>,
    config: &Config,
    clock: &dyn Fn() -> Timestamp,
) -> Option<ServiceNowReader> {
    let Some(reader) = sign_in(found, config).await else {
        not_tried(found, "servicenow, the rest");
        return None;
    };
    skew(found, "servicenow clock", reader.connection().server_date(), clock);
    rate_rule(found, config, &reader);
    if filters(found, &reader).await && people(found, &reader).await {
        inactive(found, &reader).await;
        sentinels(found, config, &reader).await;
    }
    let items = catalog::items(found, config, &reader).await;
    catalog::variables(found, config, &reader, &items).await;
    catalog::lookups(found, config, &reader).await;
    requests(found, &reader, &items).await;
    approvers::approvers(found, config, &reader, &items).await;
    write_back(found, config, &reader).await;
    Some(reader)
}

async fn sign_in(found: &mut Findings<'_>, config: &Config) -> Option<ServiceNowReader> {
    let settings = Settings { retry: RETRY, ..config.servicenow.clone() };
    let connection = Connection::new(settings)
        .map_err(|error| found.fail(SIGN_IN, error.to_string(), "put [servicenow] right"));
    let reader = ServiceNowReader::new(connection.ok()?);
    let name = reader
        .whoami()
        .await
        .map_err(|error| found.fail(SIGN_IN, error.to_string(), advice(&error, "sys_user")))
        .ok()?;
    found.fine(SIGN_IN, format!("as {name}"));
    rights(found, &reader, &name).await;
    Some(reader)
}

/// What to do about an error; `tables` is what was to be read.
fn advice(error: &ServiceNowError, tables: &str) -> String {
    match error {
        ServiceNowError::Unreachable { .. } | ServiceNowError::NoAnswer { .. } => {
            "see whether servicenow.url is right and reachable from this machine".to_owned()
        }
        ServiceNowError::SignIn { .. } => {
            "see whether the user is active, not locked and has this secret; a client needs an \
             OAuth Application User; then put [servicenow] auth or its credential right"
                .to_owned()
        }
        ServiceNowError::RateLimited { .. } => {
            "check again later, or let a larger rule in sys_rate_limit_rules apply to this user"
                .to_owned()
        }
        _ => format!("give this account read access to {tables}, rows and fields"),
    }
}

/// Whether the account can do more than it needs.
async fn rights(found: &mut Findings<'_>, reader: &ServiceNowReader, name: &str) {
    const NAME: &str = "servicenow rights";
    let condition = [("user.user_name", &[name][..]), ("role.name", &TOO_MUCH[..])];
    let roles = reader.some_rows("sys_user_has_role", &condition, &["role.name"]).await;
    let roles = roles.ok().filter(|roles| !roles.is_cut() && roles.lacking.is_empty());
    let held = |role: &&str| {
        let mut rows = roles.iter().flat_map(|roles| &roles.rows);
        rows.any(|row| get(row, "role.name") == Some(*role))
    };
    // A dropped condition would give roles that are not asked for.
    let extra: Vec<&str> = TOO_MUCH.into_iter().filter(held).collect();
    let own = [("user_name", &[name][..])];
    let own = reader.some_rows("sys_user", &own, &["web_service_access_only"]).await;
    let is_interactive = |row: &Record| get(row, "web_service_access_only") == Some("false");
    if !extra.is_empty() {
        return found.warn(
            NAME,
            format!("more than is needed: {name} has {}", listed(extra)),
            "take these roles away; a role of its own with read access to people and requests and \
             write access to the state and notes of requests is enough",
        );
    }
    if own.is_ok_and(|own| own.rows.iter().any(is_interactive)) {
        return found.warn(
            NAME,
            format!("{name} can sign in to the web interface"),
            "tick \"Web service access only\" on the user",
        );
    }
    found.fine(
        NAME,
        if roles.is_some() {
            "none of the roles that are too much"
        } else {
            "it cannot read its own roles, as it should be; nothing shows that it has too many"
        },
    );
}

fn rate_rule(found: &mut Findings<'_>, config: &Config, reader: &ServiceNowReader) {
    const NAME: &str = "servicenow rate rule";
    let budget = reader.connection().budget();
    let Some(limit) = budget.limit else { return found.fine(NAME, "none is announced") };
    let configured = config.schedule.poll;
    let poll = budget.poll(configured, 0);
    if poll > configured {
        found.warn(
            NAME,
            format!(
                "{limit} calls an hour: the poll will be every {} instead of every {}",
                humantime::format_duration(poll),
                humantime::format_duration(configured)
            ),
            "let a larger rule in sys_rate_limit_rules apply to this user, or raise servicenow.share",
        );
    } else {
        found.fine(NAME, format!("{limit} calls an hour are enough for this poll"));
    }
}

/// Whether every condition of the configured queries counts.
async fn filters(found: &mut Findings<'_>, reader: &ServiceNowReader) -> bool {
    const NAME: &str = "servicenow queries";
    match reader.probe_filter().await {
        Ok(()) => {
            found.fine(NAME, "every condition counts");
            true
        }
        Err(error) => {
            let fix = match &error {
                ServiceNowError::Unresolved { .. } => {
                    "correct the field in servicenow.users or servicenow.requests".to_owned()
                }
                ServiceNowError::Forbidden { .. } => {
                    "correct the field's name, or let this account query it (query_range and \
                     query_match ACLs)"
                        .to_owned()
                }
                other => advice(other, "the fields of servicenow.users and servicenow.requests"),
            };
            found.fail(NAME, error.to_string(), fix);
            false
        }
    }
}

/// Whether people can be read.
async fn people(found: &mut Findings<'_>, reader: &ServiceNowReader) -> bool {
    let sample = reader.some_people().await.map_err(|error| {
        found.fail(PEOPLE, error.to_string(), advice(&error, "sys_user"));
    });
    let Ok(sample) = sample else { return false };
    let (detail, fix) = if sample.announced == 0 {
        (
            "servicenow.users fits nobody".to_owned(),
            "correct the query, or let this account see the people",
        )
    } else if sample.is_cut() {
        (
            format!("{} people, of whom some are hidden from this account", sample.announced),
            "let its ACLs on sys_user give every row of servicenow.users, inactive ones included",
        )
    } else if !sample.lacking.is_empty() {
        (
            format!("fields that are unknown or hidden: {}", listed(&sample.lacking)),
            "correct the name in the expression that uses it, or let this account read the field",
        )
    } else {
        let unreadable = unreadable_references(&sample);
        if unreadable.is_empty() {
            found.fine(PEOPLE, format!("{} people, every field readable", sample.announced));
        } else {
            found.warn(
                PEOPLE,
                format!("always empty behind a filled reference: {}", listed(unreadable)),
                "let this account read the rows of the tables that these lead to",
            );
        }
        return true;
    };
    found.fail(PEOPLE, detail, fix);
    false
}

/// Whether inactive people are shown: whoever is not would look as if deleted.
async fn inactive(found: &mut Findings<'_>, reader: &ServiceNowReader) {
    const NAME: &str = "servicenow inactive";
    match shows_inactive(reader.connection()).await {
        Ok(true) => found.fine(NAME, "shown"),
        Ok(false) => found.warn(
            NAME,
            "no inactive row of sys_user is shown to this account: whoever becomes inactive \
             vanishes from every read, and is held instead of suspended",
            "let this account see inactive rows: the before-query rule \"user query\" on sys_user, \
             or an ACL, hides them; where nobody is inactive, there is nothing to do",
        ),
        Err(error) => found.warn(
            NAME,
            format!("whether inactive rows are shown cannot be told: {error}"),
            advice(&error, "sys_user"),
        ),
    }
}

/// Dot-walks that gave nothing in any row where their reference is filled.
fn unreadable_references(sample: &Sample) -> Vec<String> {
    let fields: BTreeSet<&String> = sample.rows.iter().flat_map(Record::keys).collect();
    let empty = |field: &&&String| {
        let Some((reference, _)) = field.split_once('.') else { return false };
        let filled = |field, row: &&Record| get(row, field).is_some_and(|it| !it.is_empty());
        let mut rows = sample.rows.iter().filter(|row| filled(reference, row)).peekable();
        rows.peek().is_some() && !rows.any(|row| filled(field, &row))
    };
    fields.iter().filter(empty).map(|field| (*field).clone()).collect()
}

async fn sentinels(found: &mut Findings<'_>, config: &Config, reader: &ServiceNowReader) {
    const NAME: &str = "sentinels";
    let names = &config.limits.sentinels;
    if names.is_empty() {
        return found.warn(
            NAME,
            "none: a read that lacks a part of the company shows by its number only",
            "name a few people under guard.sentinels who are sure to be there",
        );
    }
    let mut absent = Vec::new();
    for name in names {
        match reader.people_by(name).await {
            Ok(people) if people.clone().found().is_empty() => absent.push(name),
            Ok(_) => {}
            Err(error) => return found.fail(NAME, error.to_string(), advice(&error, "sys_user")),
        }
    }
    if absent.is_empty() {
        found.fine(NAME, format!("all {} are there", names.len()));
    } else {
        found.fail(
            NAME,
            format!("not among the people of servicenow.users: {}", listed(absent)),
            "correct the user name, e-mail or sys_id: without them every read is quarantined",
        );
    }
}

async fn requests(
    found: &mut Findings<'_>,
    reader: &ServiceNowReader,
    items: &BTreeMap<String, SysId>,
) {
    if items.is_empty() {
        return;
    }
    let items: Vec<SysId> = items.values().cloned().collect();
    let sample = match reader.some_requests(&items).await {
        Ok(sample) => sample,
        Err(error) => {
            let fix = advice(&error, "sc_req_item, sc_request and the catalog's variables");
            return found.fail(REQUESTS, error.to_string(), fix);
        }
    };
    if sample.is_cut() {
        found.fail(
            REQUESTS,
            format!("{} requests, of which some are hidden from this account", sample.announced),
            "give it the role catalog, or read ACLs on sc_req_item for every row of these items",
        );
    } else if !sample.lacking.is_empty() {
        found.fail(
            REQUESTS,
            format!("fields that are unknown or hidden: {}", listed(&sample.lacking)),
            "correct the name in the expression that uses it, or let this account read the field",
        );
    } else if sample.announced == 0 {
        found.fine(REQUESTS, "none yet for these items");
    } else {
        found.fine(REQUESTS, format!("{} for these items, every field readable", sample.announced));
    }
}

/// What can be told of writing back without writing.
async fn write_back(found: &mut Findings<'_>, config: &Config, reader: &ServiceNowReader) {
    const TASKS: &str = "servicenow tasks";
    const NOTES: &str = "servicenow notes";
    if !config.writeback.enabled {
        return;
    }
    if config.writeback.close == Close::Task {
        match reader.some_rows("sc_task", &[], &["number", "active", "request_item"]).await {
            Ok(sample) if sample.is_cut() || !sample.lacking.is_empty() => found.fail(
                TASKS,
                "tasks or some of their fields are hidden from this account",
                "give it read access to number, active and request_item of sc_task",
            ),
            Ok(_) => found.fine(TASKS, "readable"),
            Err(error) => found.fail(TASKS, error.to_string(), advice(&error, "sc_task")),
        }
    }
    match reader.some_rows("sys_journal_field", &[], &["element_id", "value"]).await {
        Ok(sample) if !sample.is_cut() && sample.lacking.is_empty() => {
            found.fine(NOTES, "readable");
        }
        Ok(_) | Err(_) => found.warn(
            NOTES,
            "notes cannot be read back, so after a call without an answer it cannot be told \
             whether a note was written",
            "let this account read sys_journal_field, at least of the requests",
        ),
    }
}

fn get<'a>(row: &'a Record, field: &str) -> Option<&'a str> {
    row.get(field).map(String::as_str)
}
