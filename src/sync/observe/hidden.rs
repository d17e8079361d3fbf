//! Requests that the instance counts and does not show: each is open by itself, and what it said last
//! stands. A list of requests is whole but for them; with any other row missing it is not believed.

use std::collections::BTreeSet;

use crate::model::SysId;
use crate::servicenow::{CompleteRead, Window};
use crate::store::{Object, StoreError, Trouble};
use crate::sync::{deps::Deps, error::Result, scope::Cycle};

/// More requests than this are not asked about to find a hidden one, in a complete read and in a list
/// of changes: a hundred cost a call.
const MOST_SUSPECTS: u64 = 5_000;
const FEW_SUSPECTS: u64 = 1_000;
const WHY: &str = "an access rule hides its row: ServiceNow counts it and does not show it, so what \
                   it said last stands";

/// Fails where rows of a list of requests are hidden, and not only those of requests of which that is
/// known: whichever they are is looked for among those that did not come.
pub(crate) async fn account_for_hidden_requests(
    deps: &Deps,
    cycle: &Cycle,
    window: Option<&Window>,
    read: &CompleteRead,
) -> Result<()> {
    let whole = window.is_none();
    if read.hidden == 0 {
        return if whole { Ok(replace(deps, &[])?) } else { Ok(()) };
    }
    let accounted = account_for_known(deps, window, read).await;
    // A list of changes that shows too little comes again in every look.
    if !whole && (accounted.is_ok() || deps.memory.search_backs_off(deps.now())) {
        return accounted;
    }
    let most = if whole { MOST_SUSPECTS } else { FEW_SUSPECTS };
    let suspects = deps.store.requests().not_shown(cycle.id, most)?;
    let mut hidden = deps.servicenow.hidden_requests(&suspects, read.hidden).await?;
    if !whole {
        hidden.extend(known(deps)?);
    }
    replace(deps, &hidden)?;
    let accounted = account_for_known(deps, window, read).await;
    deps.memory.note_search(accounted.is_err().then(|| deps.now()));
    accounted
}

async fn account_for_known(
    deps: &Deps,
    window: Option<&Window>,
    read: &CompleteRead,
) -> Result<()> {
    let known = known(deps)?;
    Ok(deps.servicenow.account_for_hidden_requests(window, read, &known).await?)
}

/// Requests whose rows are known to be hidden.
pub(crate) fn known(deps: &Deps) -> Result<Vec<SysId>, StoreError> {
    let troubles = deps.store.unreadable().all(Object::HiddenRequest)?;
    Ok(troubles.iter().filter_map(|trouble| SysId::parse(&trouble.id).ok()).collect())
}

fn replace(deps: &Deps, hidden: &[SysId]) -> Result<(), StoreError> {
    let unreadable = deps.store.unreadable();
    let hidden: BTreeSet<&str> = hidden.iter().map(SysId::as_str).collect();
    let before = unreadable.all(Object::HiddenRequest)?;
    for Trouble { id, .. } in before.iter().filter(|it| !hidden.contains(it.id.as_str())) {
        unreadable.clear(Object::HiddenRequest, id)?;
    }
    let is_new = |id: &&&str| before.iter().all(|it| it.id != **id);
    hidden.iter().filter(is_new).try_for_each(|id| note(deps, id))
}

/// Its row is hidden, still or since now.
pub(crate) fn note(deps: &Deps, id: &str) -> Result<(), StoreError> {
    deps.store.unreadable().note(Object::HiddenRequest, id, WHY, false, deps.now()).map(|_| ())
}
