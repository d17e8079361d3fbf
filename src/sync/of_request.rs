//! What a cycle would do for everybody whom one request is about, by what both sides say now.

use crate::model::{RequestNumber, SysId};
use crate::store::StoreError;
use crate::sync::deps::Deps;
use crate::sync::error::{Result, SyncError};
use crate::sync::plan::{CyclePlan, plan, plan_person};
use crate::sync::record::record_planned;
use crate::sync::scope::Scope;

/// A request, and what would be done about each person whom it is about and who is known.
#[derive(Debug)]
pub struct RequestPlans {
    pub(crate) request: SysId,
    pub(crate) number: RequestNumber,
    pub(crate) people: Vec<(SysId, CyclePlan)>,
}

/// Decides about everybody whom a request is about, by what both sides say now, or by what was last
/// observed where one of them cannot be read. `None` where the text is no number of a request.
pub async fn plan_request(deps: &Deps, text: &str) -> Result<Option<RequestPlans>> {
    let Some(number) = numbered(deps, text)? else { return Ok(None) };
    let observed_before = deps.last_full()?.is_some();
    match plan(deps, &Scope::Changes).await {
        Err(error @ (SyncError::ServiceNow(_) | SyncError::Okta(_))) if observed_before => {
            tracing::warn!(
                "this is the last observed state, because it cannot be read now: {error}"
            );
        }
        planned => record_planned(deps, &planned?)?,
    }
    let Some(request) = deps.store.requests().called(&number)? else {
        return Err(SyncError::Unknown(format!(
            "no request {number} of a configured item is to be read in ServiceNow"
        )));
    };
    let named = deps.store.requests().resolved(&request)?.map(|it| it.terms.people);
    let mut people = Vec::new();
    for person in named.unwrap_or_default() {
        let plan = plan_person(deps, person.as_str()).await?;
        people.push((person, plan));
    }
    Ok(Some(RequestPlans { request, number, people }))
}

/// The number that a text is: that of a request that is known, or one like those that ServiceNow
/// gives to requested items.
fn numbered(deps: &Deps, text: &str) -> Result<Option<RequestNumber>, StoreError> {
    let Ok(number) = RequestNumber::parse(text.trim()) else { return Ok(None) };
    let digits = number.as_str().strip_prefix("RITM").unwrap_or_default();
    let usual = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let known = usual || deps.store.requests().called(&number)?.is_some();
    Ok(known.then_some(number))
}
