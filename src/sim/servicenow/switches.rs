//! How this instance is set up, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

/// What an instance does with a query that names a field that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvalidQuery {
    /// The condition is dropped, the rest of the query runs.
    #[default]
    DropTerm,
    /// The query gives nothing.
    NoRows,
    /// The query is answered with 403.
    Forbidden403,
}

/// A text that the instance, or a firewall before it, does not let pass in a call's query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedText {
    /// What must not stand in it, whatever its case.
    pub text: String,
    /// What comes instead of an answer.
    pub answer: Refusal,
}

/// How a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An error of the instance with this status.
    Error(u16),
    /// A web page with this status.
    Page(u16),
}

/// How the transaction quota cuts a list that had begun with status 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutList {
    /// So many rows came before the cut.
    pub after_rows: usize,
    /// An empty text stands in the list after them.
    pub empty_element: bool,
    /// So many of the next lists with more rows than that are cut.
    pub times: u32,
}

/// A flow that sets the state of an item again after it was set over the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowState {
    /// How long after the write; zero is within it.
    pub after: Duration,
    /// The state that it sets.
    pub state: String,
}

/// Everything about the instance that a test can turn.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub struct Switches {
    /// From an order to its approval rows (2 s).
    pub approval_delay: Duration,
    /// From an item to the order that it belongs to, which is committed later (1 s).
    pub order_delay: Duration,
    /// From the stamp of a person or an item that is written by hand to the moment when the API
    /// shows it (none).
    pub commit_delay: Duration,
    /// What a query on an unknown field gives.
    pub invalid_query: InvalidQuery,
    /// Whether `field!=value` matches rows where the field is empty (yes).
    pub not_equal_matches_empty: bool,
    /// Whether rows that the wanted order leaves equal come in another order in each call (yes).
    pub unstable_order: bool,
    /// Whether items say for whom they are, and not only their order (yes).
    pub items_name_a_person: bool,
    /// `sys_id`s of rows that the API user may not read.
    pub hidden_rows: BTreeSet<String>,
    /// `sys_id`s of rows that a before-query rule takes out of every query: they are not counted.
    pub ruled_out_rows: BTreeSet<String>,
    /// Fields of single rows, by `sys_id` and field as asked for, that come in another shape, or
    /// are left out (none).
    pub odd_fields: BTreeMap<(String, String), Option<Value>>,
    /// Texts that must not stand in a query.
    pub refused_texts: Vec<RefusedText>,
    /// Whether a deleted person leaves a row in `sys_audit_delete` (yes).
    pub audits_deletions: bool,
    /// Tables of which the API user may read no row.
    pub hidden_tables: BTreeSet<String>,
    /// Tables whose rows the API user may not even ask for: 403.
    pub forbidden_tables: BTreeSet<String>,
    /// `table.column`s that the API user may not read.
    pub hidden_fields: BTreeSet<String>,
    /// `table.column`s that may be read, but not be used in a query.
    pub unqueryable_fields: BTreeSet<String>,
    /// Whether a rule adds `active=true` to every query of `sys_user`.
    pub hide_inactive_users: bool,
    /// `table.column`s that are `null` where they are empty.
    pub nulls: BTreeSet<String>,
    /// Whether a variable that an item does not have reads as empty instead of being left out.
    pub foreign_variables_empty: bool,
    /// `table.column`s that a write over the API leaves as they are, with status 200.
    pub dropped_writes: BTreeSet<String>,
    /// Tables that the API user may not write; 403.
    pub read_only_tables: BTreeSet<String>,
    /// `sys_id`s or numbers whose writes a business rule aborts with 403; `*` is each of them.
    pub aborted_writes: BTreeSet<String>,
    /// What a flow makes of a state that was written over the API.
    pub flow_state: Option<FlowState>,
    /// How the next lists are cut.
    pub cut_list: Option<CutList>,
    /// So many of the next API calls are answered with 202 and not carried out.
    pub accepted_only: u32,
    /// A rule for so many calls in a clock hour.
    pub hourly_limit: Option<u64>,
    /// What the header says instead of the number, for example `unlimited`.
    pub announced_limit: Option<String>,
    /// Whether calls without credentials are let in as a guest, who may read nothing.
    pub guests: bool,
    /// Whether the client credentials grant is enabled.
    pub client_credentials: bool,
    /// Seconds that a token lives (1800).
    pub token_life: u32,
    /// Longest path with query (8192).
    pub longest_url: usize,
    /// Hours that the API user's time zone is ahead of UTC, for display values (1).
    pub display_hours: i32,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            approval_delay: Duration::from_secs(2),
            order_delay: Duration::from_secs(1),
            commit_delay: Duration::ZERO,
            invalid_query: InvalidQuery::default(),
            not_equal_matches_empty: true,
            unstable_order: true,
            items_name_a_person: true,
            hidden_rows: BTreeSet::new(),
            ruled_out_rows: BTreeSet::new(),
            odd_fields: BTreeMap::new(),
            refused_texts: Vec::new(),
            audits_deletions: true,
            hidden_tables: BTreeSet::new(),
            forbidden_tables: BTreeSet::new(),
            hidden_fields: BTreeSet::new(),
            unqueryable_fields: BTreeSet::new(),
            hide_inactive_users: false,
            nulls: BTreeSet::from(["sc_req_item.u_ticket_classification".to_owned()]),
            foreign_variables_empty: false,
            dropped_writes: BTreeSet::new(),
            read_only_tables: BTreeSet::new(),
            aborted_writes: BTreeSet::new(),
            flow_state: None,
            cut_list: None,
            accepted_only: 0,
            hourly_limit: None,
            announced_limit: None,
            guests: false,
            client_credentials: true,
            token_life: 1800,
            longest_url: 8192,
            display_hours: 1,
        }
    }
}
