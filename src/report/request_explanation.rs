//! `explain` of a request: what it asks, how far it is and why, who approved it, and everybody whom
//! it is about.

use serde::Serialize;

use crate::model::{Approver, GroupId, SysId, Timestamp};
use crate::report::explanation::{Explanation, explain};
use crate::report::request_list::{ListedRequest, request};
use crate::report::stamp;
use crate::store::{KnownApprovers, Store, StoreError};
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::names::group_name;
use crate::sync::of_request::RequestPlans;
use crate::sync::plan::CyclePlan;

const NOT_ASKED: &str =
    "ServiceNow was not asked, since it needs no approval or was closed before it was first seen";

/// Everything about one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestExplanation {
    /// The request itself.
    pub request: ExplainedRequest,
    /// Everybody whom it is about and who is known.
    pub people: Vec<Explanation>,
}

/// A request: how far it is, what it asks, and who approved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedRequest {
    /// What the list of requests has of it.
    #[serde(flatten)]
    pub listed: ListedRequest,
    /// The catalog item, as the configuration names it.
    pub item: String,
    /// When it was opened, RFC 3339.
    pub opened_at: String,
    /// Whom it is for, as it says; `None` before its approval was first seen.
    pub asks_for: Option<String>,
    /// Groups that it names, by name; as it says where they are not known.
    pub groups: Vec<String>,
    /// Why it cannot be carried out as it stands.
    pub problems: Vec<String>,
    /// Who approved it, as far as that is known.
    pub approvers: Vec<ApproverView>,
    /// Why that is not known; `None` where it is.
    pub approvers_unknown: Option<String>,
    /// It can no longer be read in ServiceNow; what it asked for stands.
    pub vanished: bool,
}

/// Somebody who approved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApproverView {
    /// The row of `sys_user`.
    pub sys_id: String,
    /// The user name; empty where it is not to be had.
    pub user_name: String,
    /// The e-mail address; empty where it is not to be had.
    pub email: String,
    /// The state of the approval, as stored.
    pub state: String,
    /// When it was given, RFC 3339.
    pub at: Option<String>,
}

/// Everything about one request, by plans that decided about its people.
pub fn explain_request(deps: &Deps, plans: &RequestPlans) -> Result<RequestExplanation, SyncError> {
    let RequestPlans { request, number, people } = plans;
    let explain = |(id, plan): &(SysId, CyclePlan)| explain(deps, plan, id.as_str());
    let people = people.iter().map(explain).collect::<Result<_, _>>()?;
    let (store, observe) = (&deps.store, deps.config.policy.observe);
    let request = explained_request(store, observe, request, deps.now())?.ok_or_else(|| {
        SyncError::Unknown(format!("{number}: the configuration says nothing about such requests"))
    })?;
    Ok(RequestExplanation { request, people })
}

/// The request itself, by what is stored; `None` where no `[[request]]` block speaks of it.
pub(super) fn explained_request(
    store: &Store,
    observe: bool,
    id: &SysId,
    now: Timestamp,
) -> Result<Option<ExplainedRequest>, StoreError> {
    let Some(listed) = request(store, observe, id, now)? else { return Ok(None) };
    let Some(stored) = store.requests().get(id)? else { return Ok(None) };
    let (approvers, approvers_unknown) = match store.approvers().of(id)? {
        KnownApprovers::Read(approvers) => (approvers, None),
        KnownApprovers::Unreadable(why) => (Vec::new(), Some(why)),
        KnownApprovers::NotAsked => (Vec::new(), Some(NOT_ASKED.to_owned())),
    };
    let resolved = store.requests().resolved(id)?;
    let named = |id: &GroupId| group_name(store, id);
    let text = stored.request_text;
    let groups = match (resolved, &text) {
        (Some(resolved), _) => resolved.terms.groups.iter().map(named).collect::<Result<_, _>>()?,
        (None, Some(text)) if !text.groups.is_empty() => vec![text.groups.clone()],
        (None, _) => Vec::new(),
    };
    Ok(Some(ExplainedRequest {
        listed,
        item: stored.request.item_name,
        opened_at: stamp(stored.request.opened_at),
        asks_for: text.map(|text| text.person),
        groups,
        problems: stored.problems.into_iter().map(|(_, text)| text).collect(),
        approvers: approvers.into_iter().map(approver_view).collect(),
        approvers_unknown,
        vanished: stored.vanished,
    }))
}

fn approver_view(approver: Approver) -> ApproverView {
    ApproverView {
        sys_id: approver.sys_id,
        user_name: approver.user_name,
        email: approver.email,
        state: approver.state,
        at: approver.at.map(stamp),
    }
}
