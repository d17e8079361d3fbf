//! Okta's side: what its profile can hold, all accounts, and what was changed since it was read last.

use std::collections::BTreeSet;

use crate::model::{Account, AccountId, Timestamp};
use crate::okta::{Attribute, OktaError};
use crate::reconcile::limits::implausible_accounts;
use crate::reconcile::schema::{Schema, Slot};
use crate::store::{Object, Observed};
use crate::sync::contain::{contained, note_list, note_unreadable};
use crate::sync::observe::accounts::{enqueue_owners, forget_account, keep_accounts};
use crate::sync::observe::by_id::{Sight, look_at};
use crate::sync::{deps::Deps, error::Result, observe::groups::read_group_members, scope::Cycle};

/// How far back changes in Okta are asked for again: its index lags, and clocks differ.
const OKTA_OVERLAP: chrono::Duration = chrono::Duration::minutes(5);

/// Up to when Okta is known, where it was asked at `asked` by our clock. Of two clocks the one
/// that is behind is taken, here and for ServiceNow: what is then read twice does no harm, and
/// what lies before a watermark of tomorrow is never read.
pub(crate) fn okta_clock(deps: &Deps, asked: Timestamp) -> Timestamp {
    deps.okta.now().map_or(asked, |okta| okta.min(asked))
}

/// Accounts and memberships that were changed in Okta, whoever changed them. Whose they are is
/// due again; a deleted account is left to the complete read.
pub(crate) async fn observe_okta_changes(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let read = read_okta_changes(deps, cycle).await;
    match contained(deps, cycle, read).await? {
        Ok(()) => {}
        Err(why) => note_list(cycle, "Okta: what changed", &why),
    }
    Ok(())
}

async fn read_okta_changes(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let now = deps.now();
    let since = deps.store.state().okta_watermark()?.unwrap_or(now) - OKTA_OVERLAP;
    let accounts = deps.okta.accounts_changed_since(since).await?.found;
    let until = okta_clock(deps, now);
    let listed = Observed::List { asked_at: now };
    let mut news = Vec::new();
    for account in accounts {
        // What changed within the overlap comes again in every cycle.
        if deps.store.accounts().get(&account.id)?.as_ref() != Some(&account) {
            news.push(account);
        }
    }
    keep_accounts(deps, &news, listed, cycle)?;
    let managed = deps.store.groups().managed()?;
    let (mut changed, mut read) = (BTreeSet::new(), Vec::new());
    for (group, at) in deps.okta.groups_changed_since(since).await?.found {
        let known = deps.store.groups().members_updated(&group)?;
        if (!at.is_empty() && known.as_deref() == Some(&at)) || !managed.contains_key(&group) {
            continue;
        }
        let before = deps.store.groups().members_of(&group)?;
        let members = read_group_members(deps, &group).await;
        match contained(deps, cycle, members).await? {
            Ok(members) => {
                let after: BTreeSet<AccountId> = members.into_iter().collect();
                changed.extend(before.symmetric_difference(&after).cloned());
                read.push((group, at));
            }
            Err(why) => {
                let id = group.as_str();
                deps.store.unreadable().note(Object::Members, id, &why, false, now)?;
            }
        }
    }
    enqueue_owners(deps, &changed)?;
    for (group, at) in read {
        deps.store.groups().set_members_updated(&group, &at)?;
    }
    Ok(deps.store.state().set_okta_watermark(until)?)
}

/// Reads all accounts. One that was in no page is looked up by id before it counts as deleted.
pub(crate) async fn read_accounts(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let mut count = 0;
    let listed = Observed::List { asked_at: deps.now() };
    let mut upsert = |page: Vec<Account>| -> Result<()> {
        keep_accounts(deps, &page, listed, cycle)?;
        count += page.len();
        (deps.on_progress)("accounts", count);
        Ok(())
    };
    deps.okta.accounts(&mut upsert).await?;
    // An account can change its list between two pages, so only a read by id proves it gone.
    for id in deps.store.accounts().unseen(cycle.id)? {
        let by_id = Observed::ById { at: deps.now() };
        let person = deps.store.links().person_of(&id)?;
        let why = match contained(deps, cycle, look_at(deps, &id).await).await? {
            Ok(Sight::There(account)) => {
                keep_accounts(deps, &[*account], by_id, cycle)?;
                None
            }
            Ok(Sight::Deleted) => {
                forget_account(deps, &id)?;
                None
            }
            Ok(Sight::Out(why)) | Err(why) => Some(why),
        };
        match (person, why) {
            (Some(person), Some(why)) => note_unreadable(deps, Object::Account, &person, &why)?,
            (Some(person), None) => {
                deps.store.unreadable().clear(Object::Account, person.as_str())?;
            }
            // Nobody's account that is not shown any more is nobody's business here.
            (None, Some(_)) => forget_account(deps, &id)?,
            (None, None) => {}
        }
    }
    for person in deps.store.unreadable().seen_again(cycle.id)? {
        deps.store.unreadable().clear(Object::Account, person.as_str())?;
        deps.store.queue().enqueue_at_once(&person)?;
    }
    Ok(())
}

/// Why so many linked accounts are out of sight at once that the read is implausible.
pub(crate) fn implausible_sight(deps: &Deps) -> Result<Option<String>> {
    let (linked, hidden) =
        (deps.store.links().count()?, deps.store.unreadable().linked_accounts()?);
    Ok(implausible_accounts(linked, hidden, &deps.config.limits))
}

pub(crate) async fn read_schema(deps: &Deps, cycle: &Cycle) -> Result<()> {
    let schema = match deps.okta.schema().await {
        Err(error) if error.is_withheld() || matches!(error, OktaError::NotFound(_)) => {
            Schema(None)
        }
        read => match contained(deps, cycle, read.map_err(Into::into)).await? {
            Ok(attributes) => Schema(Some(attributes.into_iter().map(slot).collect())),
            // What was known stands where it is refused for now.
            Err(why) => {
                note_list(cycle, "Okta: what its profile can hold", &why);
                return Ok(());
            }
        },
    };
    Ok(deps.store.set_profile_schema(&schema)?)
}

fn slot(attribute: Attribute) -> (String, Slot) {
    let text = attribute.kind.is_empty() || attribute.kind == "string";
    let slot = Slot {
        max_length: attribute.max_length.filter(|max| *max > 0),
        other_type: (!text).then_some(attribute.kind),
        read_only: attribute.mutability == "READ_ONLY",
        immutable: attribute.mutability == "IMMUTABLE",
        mastered_elsewhere: attribute.master == "OVERRIDE",
        required: attribute.required,
    };
    (attribute.name, slot)
}
