//! Whom and what an open item is about, in words.

use crate::model::{FactKey, OpenItem, Subject};
use crate::store::StoreError;
use crate::sync::deps::Deps;
use crate::sync::log::LogThread;
use crate::sync::names::{PersonNames, group_name, names_of};

/// What a request waits for was said with the person whom it waits for.
pub(super) fn is_said_with_a_person(deps: &Deps, item: &OpenItem) -> Result<bool, StoreError> {
    match &item.subject {
        Subject::Request(_) => deps.store.open_items().is_said_with_a_person(&item.origin),
        _ => Ok(false),
    }
}

/// The person whom an item is about; of a request, the one for whom it is.
pub(super) fn names(deps: &Deps, item: &OpenItem) -> Result<PersonNames, StoreError> {
    match &item.subject {
        Subject::Person(id) => names_of(&deps.store, id),
        Subject::Request(id) => {
            let stored = deps.store.requests().get(id)?;
            let thread = stored.map(|it| LogThread::of_request(&deps.store, &it.request));
            Ok(thread.transpose()?.map(|thread| thread.person).unwrap_or_default())
        }
        _ => Ok(PersonNames::default()),
    }
}

/// What would be done for whom, or which fact of whom it is.
pub(super) fn what(
    deps: &Deps,
    item: &OpenItem,
    names: &PersonNames,
) -> Result<String, StoreError> {
    let name = names.name();
    if let Some(action) = &item.action {
        let group = action.group.as_ref().map(|id| group_name(&deps.store, id)).transpose()?;
        let group = group.map_or_else(String::new, |group| format!(" ({group})"));
        return Ok(format!("{} of {name}{group}", action.step.as_str()));
    }
    Ok(match item.facts.first().map(|fact| &fact.key) {
        Some(FactKey::Membership(id)) => {
            format!("membership of {name} in {}", group_name(&deps.store, id)?)
        }
        Some(FactKey::Profile(attribute)) => format!("{attribute} of {name}"),
        Some(key) => format!("{} of {name}", key.kind()),
        None => name.to_owned(),
    })
}
