//! `requests`: every request with how far it is, and the lists behind the numbers of `status`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::config::Offline;
use crate::model::{Approval, Needs, Subject, SysId, Timestamp};
use crate::report::requests::{WaitingRequest, view};
use crate::report::stamp;
use crate::store::{Mode, RequestProgress, Store, StoreError, StoredItem};

/// Which requests are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestFilter {
    /// All of them.
    #[default]
    All,
    /// Those that are not carried out, and no decision about an action would end that: as `status`
    /// counts them under `stuck`.
    Stuck,
    /// Those in force that are not done, stuck ones included: as `status` counts them under
    /// `pending`.
    Pending,
    /// Those that are done.
    Done,
}

/// One request, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedRequest {
    /// What a waiting one has in other reports as well.
    #[serde(flatten)]
    pub request: WaitingRequest,
    /// Its state in ServiceNow, in words.
    pub state: &'static str,
    /// `approved`, `waiting` or `withdrawn`.
    pub approval: &'static str,
    /// In force from then on, RFC 3339.
    pub starts: Option<String>,
    /// No longer in force from then on, RFC 3339.
    pub ends: Option<String>,
    /// `stuck`, `pending` or `done`; `waiting` for its approval or its time, `overtaken` by a later
    /// request, or `withdrawn`.
    pub done: &'static str,
}

/// Requests: stuck ones first, then those that are pending; the oldest first of what is to be done,
/// the newest first of what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RequestList {
    /// Each request.
    pub requests: Vec<ListedRequest>,
    /// How many more there are than were asked for.
    #[serde(skip)]
    pub left_out: usize,
    /// A cycle has ended, so that what is not listed is not there.
    #[serde(skip)]
    pub observed: bool,
}

/// How far a request is; in the order in which somebody would look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    Stuck,
    Pending,
    Waiting,
    Overtaken,
    Done,
    Withdrawn,
}

/// Every request that the filter lets through, at most `limit` of them; none where there is no store
/// yet.
pub fn requests(
    config: &Offline,
    filter: RequestFilter,
    limit: Option<usize>,
    now: Timestamp,
) -> Result<RequestList, StoreError> {
    if !Store::is_there(&config.store)? {
        return Ok(RequestList::default());
    }
    let store = Store::open(&config.store, config.orgs.as_ref(), Mode::Read)?;
    let ids = |items: Vec<StoredItem>| -> BTreeMap<String, StoredItem> {
        let of_request = |item: StoredItem| match &item.item.subject {
            Subject::Request(id) => Some((id.as_str().to_owned(), item)),
            _ => None,
        };
        items.into_iter().filter_map(of_request).collect()
    };
    let items = ids(store.open_items().of_kind("request")?);
    let stuck: BTreeSet<String> = ids(store.open_items().stuck()?).into_keys().collect();
    let mut found: Vec<(Progress, RequestProgress)> = store
        .requests()
        .progress(now)?
        .into_iter()
        .map(|row| (progress(&row, stuck.contains(row.id.as_str())), row))
        .filter(|(progress, row)| filter.lets_through(*progress, row))
        .collect();
    found.sort_by_key(|(progress, row)| (*progress, age(*progress, row), row.number.clone()));
    let shown = found.len().min(limit.unwrap_or(usize::MAX));
    let mut requests = Vec::with_capacity(shown);
    for (progress, row) in &found[..shown] {
        requests.extend(listed(
            &store,
            config.observe,
            *progress,
            row,
            items.get(row.id.as_str()),
        )?);
    }
    let observed = store.cycles().last_ended()?.is_some();
    Ok(RequestList { requests, left_out: found.len() - shown, observed })
}

/// One request as it is listed; `None` where no `[[request]]` block speaks of it.
pub(super) fn request(
    store: &Store,
    observe: bool,
    id: &SysId,
    now: Timestamp,
) -> Result<Option<ListedRequest>, StoreError> {
    let Some(row) = store.requests().progress_of(id, now)? else { return Ok(None) };
    let subject = Subject::Request(id.clone());
    let of_it = |items: Vec<StoredItem>| items.into_iter().find(|it| it.item.subject == subject);
    let item = of_it(store.open_items().of_kind("request")?);
    let stuck = of_it(store.open_items().stuck()?).is_some();
    listed(store, observe, progress(&row, stuck), &row, item.as_ref())
}

/// The oldest first of what somebody waits for, the newest first of the rest.
fn age(progress: Progress, row: &RequestProgress) -> i64 {
    let opened = row.opened_at.timestamp();
    if progress <= Progress::Waiting { opened } else { -opened }
}

fn progress(row: &RequestProgress, stuck: bool) -> Progress {
    match row.approval {
        _ if stuck => Progress::Stuck,
        _ if row.pending => Progress::Pending,
        _ if row.finished && !row.state.is_withdrawn() => Progress::Done,
        Approval::Withdrawn => Progress::Withdrawn,
        _ if row.state.is_withdrawn() => Progress::Withdrawn,
        _ if row.state.is_closed() => Progress::Done,
        _ if row.overtaken => Progress::Overtaken,
        _ => Progress::Waiting,
    }
}

impl RequestFilter {
    fn lets_through(self, progress: Progress, row: &RequestProgress) -> bool {
        match self {
            Self::All => true,
            Self::Stuck => progress == Progress::Stuck,
            Self::Pending => row.pending,
            Self::Done => progress == Progress::Done,
        }
    }
}

/// One request, as it is listed; `None` where its row is gone by now.
fn listed(
    store: &Store,
    observe: bool,
    progress: Progress,
    row: &RequestProgress,
    item: Option<&StoredItem>,
) -> Result<Option<ListedRequest>, StoreError> {
    let Some(stored) = store.requests().get(&row.id)? else { return Ok(None) };
    let mut request = view(store, observe, &stored, item)?;
    if let Some(text) = why(progress, row) {
        request.reason = text;
        request.needs = Needs::Nobody.as_str();
    }
    Ok(Some(ListedRequest {
        request,
        state: row.state.as_str(),
        approval: row.approval.as_str(),
        starts: row.starts.map(stamp),
        ends: row.ends.map(stamp),
        done: progress.as_str(),
    }))
}

/// Why nothing is to be done for it now; `None` where something is, or is in the way.
fn why(progress: Progress, row: &RequestProgress) -> Option<String> {
    Some(match (progress, row.effective) {
        (Progress::Stuck | Progress::Pending, _) => return None,
        (Progress::Waiting, _) if row.vanished => {
            "it is not to be read in ServiceNow any more; what it asked for stands".to_owned()
        }
        (Progress::Waiting, _) if row.approval == Approval::Waiting => {
            "it waits for its approval".to_owned()
        }
        (Progress::Waiting, Some(effective)) => format!("in force from {} on", stamp(effective)),
        (Progress::Waiting, None) => "it is looked at by the next cycle".to_owned(),
        (Progress::Overtaken, _) => "a later request asks for something else".to_owned(),
        (Progress::Done, _) if row.ends.is_some() => "done, until its end".to_owned(),
        (Progress::Done, _) => "done".to_owned(),
        (Progress::Withdrawn, _) => {
            "rejected, cancelled, or closed without being carried out".to_owned()
        }
    })
}

impl Progress {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Overtaken => "overtaken",
            Self::Done => "done",
            Self::Withdrawn => "withdrawn",
        }
    }
}
