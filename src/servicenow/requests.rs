//! Reading requests: rows of `sc_req_item`, with their order and their catalog variables.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

use futures_util::future::try_join_all;

use super::approvers::approver;
use super::catalog::IDS_A_CALL;
use super::connection::Shared;
use super::error::BoxError;
use super::hidden::{self, FEW_HIDDEN};
use super::paging::{self, CompleteRead};
use super::query::{Filter, member};
use super::rows::{Sweep, get};
use super::{ServiceNowError, ServiceNowReader, Window, wire};
use crate::model::{Record, Request, RequestNumber, RequestRef, RequestState, SysId};

pub(super) const TABLE: &str = "sc_req_item";
/// Old releases do not have it.
const REQUESTED_FOR: &str = "requested_for";
const FIELDS: [&str; 16] = [
    "sys_id",
    "number",
    "request",
    "request.number",
    "request.approval",
    "request.requested_for",
    "requested_for",
    "cat_item",
    "cat_item.name",
    "state",
    "active",
    "approval",
    "opened_at",
    "sys_created_on",
    "sys_updated_on",
    "sys_mod_count",
];

impl ServiceNowReader {
    /// Whether a list shows each change of a request: where a query is configured, one that leaves it is
    /// not in the next list.
    pub(crate) fn lists_every_request(&self) -> bool {
        self.connection.shared.settings.requests.is_empty()
    }

    /// Reads the requests for the configured items, all or those changed within a window, and
    /// hands them on page by page. Nothing handed on may be used before this returns well, nor, where
    /// rows are hidden, before [`Self::account_for_hidden_requests`] does.
    /// Where an order's approval counts, a window also holds the requests whose order changed: each
    /// is handed on once, though the counts of the two reads are added up.
    pub(crate) async fn requests(
        &self,
        window: Option<&Window>,
        on_page: impl FnMut(Vec<Request>) -> Result<(), BoxError>,
    ) -> Result<CompleteRead, ServiceNowError> {
        let (base, passes) = self.request_lists(window).await?;

        // Only needed between passes, so a full read does not fill it.
        let two_passes = passes.len() > 1;
        let taker = RefCell::new((HashSet::new(), on_page));
        let read_pass = async |filter: Filter| {
            let sweep = Sweep {
                operation: "reading requests",
                table: TABLE,
                filter,
                fields: self.request_fields(),
                may_lack: self.request_may_lack(),
                control: base.clone(),
                may_hide: FEW_HIDDEN,
            };
            let new_ones = |mut requests: Vec<Request>| {
                let (seen, on_page) = &mut *taker.borrow_mut();
                requests.retain(|it| !two_passes || seen.insert(it.sys_id.clone()));
                if requests.is_empty() { Ok(()) } else { on_page(requests) }
            };
            let read_row = |row: &Record| self.request_from(row);
            paging::sweep(&self.connection, sweep, read_row, new_ones).await
        };
        let mut whole = CompleteRead::default();
        for read in try_join_all(passes.into_iter().map(read_pass)).await? {
            whole.rows += read.rows;
            whole.announced += read.announced;
            whole.hidden += read.hidden;
            whole.set_aside.extend(read.set_aside);
        }
        Ok(whole)
    }

    /// All requests for the configured items, and the lists to read: one, or those of what changed
    /// within a window. No list where no item is known yet.
    pub(super) async fn request_lists(
        &self,
        window: Option<&Window>,
    ) -> Result<(Filter, Vec<Filter>), ServiceNowError> {
        let items = self.items().await?;
        if items.known.is_empty() {
            // That no name means anything yet does not say that there are no requests.
            items.whole()?;
            return Ok(Default::default());
        }
        let Shared { settings, requests, .. } = &*self.connection.shared;
        let base = items_filter(items.known.iter().map(|item| &item.sys_id))?.and(requests);
        let lists = match window {
            None => vec![base.clone()],
            Some(window) => {
                let orders = settings.order_approval.then_some("request.sys_updated_on");
                let changed = ["sys_updated_on"].into_iter().chain(orders);
                changed.map(|field| base.and(&window.on(field))).collect()
            }
        };
        Ok((base, lists))
    }

    /// As [`ServiceNowReader::account_for_hidden`], for requests.
    pub(crate) async fn account_for_hidden_requests(
        &self,
        window: Option<&Window>,
        read: &CompleteRead,
        known: &[SysId],
    ) -> Result<(), ServiceNowError> {
        if read.hidden == 0 {
            return Ok(());
        }
        let (_, lists) = self.request_lists(window).await?;
        let what = ("reading requests", TABLE);
        hidden::account_for(&self.connection, what, &lists, read, known).await
    }

    /// Those of the requests that are counted and not shown, until so many are found.
    pub(crate) async fn hidden_requests(
        &self,
        ids: &[SysId],
        enough: u64,
    ) -> Result<Vec<SysId>, ServiceNowError> {
        let operation = "asking which requests are hidden";
        let mut hidden = Vec::new();
        for chunk in ids.chunks(IDS_A_CALL) {
            let fields = paging::names(["sys_id"]);
            let query = hidden::with_ids(operation, chunk)?.ordered();
            let limit = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            let (rows, total) =
                paging::peek(&self.connection, operation, TABLE, &query, &fields, limit).await?;
            if total <= rows.len() as u64 {
                continue;
            }
            let is_shown = |id: &SysId| {
                rows.iter().any(|row| row.get("sys_id").is_some_and(|shown| shown == id.as_str()))
            };
            // Halved until each part is counted whole or not at all.
            let mut parts = vec![chunk.iter().filter(|id| !is_shown(id)).cloned().collect()];
            while let Some(part) = parts.pop() {
                let part: Vec<SysId> = part;
                let announced = self.announced(operation, &part).await?;
                if announced == part.len() as u64 {
                    hidden.extend(part);
                } else if announced > 0 {
                    let (left, right) = part.split_at(part.len() / 2);
                    parts.extend([left.to_vec(), right.to_vec()]);
                }
                if hidden.len() as u64 >= enough {
                    return Ok(hidden);
                }
            }
        }
        Ok(hidden)
    }

    /// How many of these requests the instance counts, shown or not.
    async fn announced(&self, operation: &str, ids: &[SysId]) -> Result<u64, ServiceNowError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let doubt = |why: &str| ServiceNowError::unbelievable(operation, why);
        let query = hidden::with_ids(operation, ids)?.ordered();
        let fields = paging::names(["sys_id"]);
        let (page, _) = self.connection.list(operation, TABLE, &query, &fields, 1).await?;
        match page.total {
            Some(total) if total <= ids.len() as u64 => Ok(total),
            Some(_) => Err(doubt("the condition was dropped")),
            None => Err(doubt("no X-Total-Count came with it, so a hidden row would not show")),
        }
    }

    /// Reads one row in every way in which one is read, for [`super::fuzz_answer`].
    pub(super) fn fuzz_row(&self, row: &Record) {
        let users = &self.connection.shared.users;
        let task = SysId::parse(get(row, "sysapproval"));
        let _ = task.map(|task| approver(row, &[&task]));
        let _ = (self.request_from(row), self.person_from(row), users.matches(row));
        let _ = paging::check(row, users, &self.request_fields(), self.request_may_lack());
    }

    pub(super) fn request_fields(&self) -> BTreeSet<String> {
        let settings = &self.connection.shared.settings;
        let mut fields = paging::names(FIELDS);
        fields.extend(settings.variables.iter().map(|name| format!("variables.{name}")));
        fields.extend(settings.request_fields.iter().cloned());
        fields.extend(self.connection.shared.requests.fields());
        fields
    }

    /// Which fields a row may be believed without. The item's own `requested_for` is one of them
    /// only where nobody asks for whom it is: the order may be for somebody else.
    pub(super) fn request_may_lack(&self) -> fn(&Record, &str) -> bool {
        if self.connection.shared.settings.request_fields.contains(REQUESTED_FOR) {
            may_lack
        } else {
            |row, field| field == REQUESTED_FOR || may_lack(row, field)
        }
    }

    /// How the configuration calls the item of a row, whatever it is called now.
    fn item_name(&self, row: &Record) -> String {
        let (id, items) = (get(row, "cat_item"), self.looked_up());
        let known =
            items.known.iter().find(|it| it.sys_id.as_str() == id && it.configured_as != id);
        known.map_or_else(|| get(row, "cat_item.name"), |item| &item.configured_as).to_owned()
    }

    /// A row as a request, or what is wrong with it.
    pub(super) fn request_from(&self, row: &Record) -> Result<Request, String> {
        let settings = &self.connection.shared.settings;
        let number =
            |field: &str| RequestNumber::parse(get(row, field)).map_err(|error| error.to_string());
        let moment = |field: &str| {
            wire::moment(get(row, field)).ok_or(format!("{field} is not a stored date-time"))
        };
        let (updated_on, mod_count) = paging::version(row)?;
        let created_at = moment("sys_created_on")?;
        let opened = !get(row, "opened_at").is_empty();
        let requested_for = [REQUESTED_FOR, "request.requested_for"].map(|field| get(row, field));
        let requested_for = requested_for.into_iter().find(|id| !id.is_empty()).unwrap_or("");
        // The order is committed after the item, so it may not be there yet.
        let parent = match get(row, "request.number") {
            "" => None,
            _ => Some(number("request.number")?),
        };
        // A variable that was not sent stays out: to take it for empty would be a guess.
        let variables = settings.variables.iter().filter_map(|name| {
            row.get(&format!("variables.{name}")).map(|value| (name.clone(), value.clone()))
        });
        Ok(Request {
            sys_id: paging::id(row)?,
            reference: RequestRef { number: number("number")?, parent },
            order: get(row, "request").to_owned(),
            item: get(row, "cat_item").to_owned(),
            item_name: self.item_name(row),
            state: state(row, &settings.state_done),
            approval: get(row, "approval").to_owned(),
            order_approval: get(row, "request.approval").to_owned(),
            requested_for: requested_for.to_owned(),
            opened_at: if opened { moment("opened_at")? } else { created_at },
            created_at,
            variables: variables.collect(),
            fields: paging::sent(row, &settings.request_fields),
            updated_on,
            mod_count,
        })
    }
}

/// What a row's `state` means. A value of the customer's stays open unless the row is inactive and
/// its approval says that it was called off: to guess further could withdraw what was carried out.
fn state(row: &Record, state_done: &str) -> RequestState {
    let inactive = get(row, "active") == "false";
    let called_off = matches!(get(row, "approval"), "rejected" | "cancelled");
    match get(row, "state") {
        // Beside a state of the customer's own, ServiceNow's 3 still means closed complete.
        done if done == state_done => RequestState::Complete,
        "3" => RequestState::Complete,
        "4" => RequestState::Incomplete,
        "7" => RequestState::Skipped,
        "8" => RequestState::Cancelled,
        "-5" | "1" | "2" => RequestState::Open,
        _ if inactive && called_off => RequestState::Cancelled,
        _ => RequestState::Open,
    }
}

/// Fields that any row may be believed without: a variable that its item does not define, and the
/// order's fields while there is no order.
fn may_lack(row: &Record, field: &str) -> bool {
    field.starts_with("variables.")
        || (field.starts_with("request.") && row.get("request").is_some_and(String::is_empty))
}

pub(super) fn items_filter<'a>(
    ids: impl Iterator<Item = &'a SysId>,
) -> Result<Filter, ServiceNowError> {
    let ids: Result<Vec<_>, _> = ids.map(|id| member(id.as_str())).collect();
    let filter = ids.map_err(|error| error.to_string()).and_then(|ids| {
        Filter::parse(&format!("cat_itemIN{}", ids.join(","))).map_err(|error| error.to_string())
    });
    filter.map_err(|why| ServiceNowError::Unresolved {
        why: format!("a catalog item's sys_id cannot stand in a query: {why}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_not_known_never_withdraws_what_took_effect() {
        for (value, active, approval, expected) in [
            ("3", "false", "approved", RequestState::Complete),
            ("4", "false", "approved", RequestState::Incomplete),
            ("7", "false", "approved", RequestState::Skipped),
            ("8", "false", "approved", RequestState::Cancelled),
            ("-5", "true", "requested", RequestState::Open),
            ("107", "false", "approved", RequestState::Complete),
            ("42", "false", "approved", RequestState::Open),
            ("42", "false", "rejected", RequestState::Cancelled),
            ("42", "true", "rejected", RequestState::Open),
        ] {
            let row = [("state", value), ("active", active), ("approval", approval)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(state(&row.into(), "107"), expected, "{value} {active} {approval}");
        }
    }
}
