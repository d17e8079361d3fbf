//! Okta's side: what its profile can hold, all accounts, and what was changed since it was read last.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Account, AccountId, Group, GroupId, Timestamp};
use crate::okta::{Attribute, OktaError, SetAside};
use crate::reconcile::limits::implausible_accounts;
use crate::reconcile::schema::{Schema, Slot};
use crate::store::{Object, Observed};
use crate::sync::contain::{contained, note_list, note_unreadable};
use crate::sync::error::{Result, SyncError};
use crate::sync::observe::accounts::{forget_account, keep_accounts};
use crate::sync::observe::by_id::{Sight, look_at};
use crate::sync::observe::groups::replace_group_members;
use crate::sync::side_by_side::in_a_look;
use crate::sync::{deps::Deps, scope::Cycle};

/// How far back changes in Okta are asked for again: its index lags, and clocks differ.
const OKTA_OVERLAP: chrono::Duration = chrono::Duration::minutes(5);

/// The members of so many groups are read at once.
const GROUPS_AT_ONCE: usize = 2;

/// The list of what changed, as what is wrong with it is kept.
const CHANGES: &str = "what changed in Okta";

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
    let known = deps.store.unreadable().get(Object::List, CHANGES)?;
    let known = known.map(|trouble| (trouble.next_try <= now, trouble.since));
    let mut since = deps.store.state().okta_watermark()?.unwrap_or(now) - OKTA_OVERLAP;
    if let Some((true, began)) = known {
        since = since.min(began - OKTA_OVERLAP);
    }
    // Whoever is acted on meanwhile keeps no look waiting.
    let okta = deps.okta.urgently();
    let (accounts, groups) =
        tokio::join!(okta.accounts_changed_since(since), okta.groups_changed_since(since));
    // In this order, so that the same trouble has the same text whichever of them meets it first.
    let (accounts, groups) = (accounts?, groups?);
    let until = okta_clock(deps, now);
    let mut odd = enqueue_set_aside(deps, accounts.set_aside)?;
    let listed = Observed::List { asked_at: now };
    let mut news = Vec::new();
    for account in accounts.found {
        // What changed within the overlap comes again in every cycle.
        if deps.store.accounts().get(&account.id)?.as_ref() != Some(&account) {
            news.push(account);
        }
    }
    keep_accounts(deps, &news, listed, cycle)?;
    let managed = deps.store.groups().managed()?;
    odd.extend(groups.set_aside.into_iter().map(|it| it.why));
    let found = with_undated(deps, groups.found, &managed)?;
    let (mut changed, mut again) = (Vec::new(), Vec::new());
    for (group, at) in found {
        let known = deps.store.groups().members_updated(&group)?;
        if (!at.is_empty() && known.as_deref() == Some(&at)) || !managed.contains_key(&group) {
            continue;
        }
        // What could not be read is tried again when it is time to.
        let trouble = deps.store.unreadable().get(Object::Members, group.as_str())?;
        match trouble {
            None => changed.push((group, at)),
            Some(trouble) if trouble.next_try <= now => again.push((group, at)),
            Some(_) => {}
        }
    }
    // What may hang once more keeps nobody's turn.
    changed.append(&mut again);
    // Few at once: where Okta is down, these find out.
    let left = in_a_look(GROUPS_AT_ONCE, changed, |(group, at): (GroupId, String)| async move {
        // Whoever is concerned is in the queue by then.
        if replace_group_members(deps, cycle, &group).await? {
            deps.store.groups().set_members_updated(&group, &at)?;
        }
        Ok::<_, SyncError>(())
    })
    .await?;
    note_nameless(deps, &odd, known.map(|(due, _)| due))?;
    if left.is_empty() {
        deps.store.state().set_okta_watermark(until)?;
    }
    // Else the next look is shown those that are left once more.
    Ok(())
}

/// Of a managed group in the list that does not say when its members changed it cannot be told whether
/// they did: it is named, and they are read now and then. Once it says so, or is not in the list any
/// more, that is over. Gives the list without those whose time has not come.
fn with_undated(
    deps: &Deps,
    listed: Vec<(GroupId, String)>,
    managed: &BTreeMap<GroupId, Group>,
) -> Result<Vec<(GroupId, String)>> {
    let (unreadable, now) = (deps.store.unreadable(), deps.now());
    let mut due = Vec::new();
    let mut undated = BTreeSet::new();
    for (group, at) in listed {
        let name = managed.get(&group).filter(|_| at.is_empty()).map(|it| &it.name);
        if let Some(name) = name {
            undated.insert(group.as_str().to_owned());
            let known = unreadable.get(Object::UndatedGroup, group.as_str())?;
            if known.is_some_and(|known| known.next_try > now) {
                continue;
            }
            let why = format!(
                "Okta's list of what changed does not say when that was for the members of {name}: \
                 they are read less often"
            );
            unreadable.note(Object::UndatedGroup, group.as_str(), &why, false, now)?;
        }
        due.push((group, at));
    }
    for known in unreadable.all(Object::UndatedGroup)? {
        if !undated.contains(&known.id) {
            unreadable.clear(Object::UndatedGroup, &known.id)?;
            due.extend(GroupId::parse(&known.id).ok().map(|group| (group, String::new())));
        }
    }
    Ok(due)
}

/// Whoever's account makes no sense in a list is read by id. Gives what is wrong with those of which
/// it cannot be told whose they are.
fn enqueue_set_aside(deps: &Deps, set_aside: Vec<SetAside>) -> Result<Vec<String>> {
    let mut nameless = Vec::new();
    for SetAside { id, why } in set_aside {
        let Some(account) = id.and_then(|id| AccountId::parse(&id).ok()) else {
            nameless.push(why);
            continue;
        };
        // One that could not be read by id either is tried again when it is time to.
        if let Some(person) = deps.store.links().person_of(&account)?
            && deps.store.unreadable().of_person(&person)?.is_none()
        {
            // Read by id in this look, and not by what was stored before.
            let person_id = person.as_str();
            deps.store.unreadable().note(Object::Account, person_id, &why, false, deps.now())?;
            deps.store.queue().enqueue_at_once(&person)?;
        }
    }
    Ok(nameless)
}

/// Names what cannot be told apart in the list of what changed; where it is `due`, or new, it is
/// looked for again from its beginning on, less and less often.
fn note_nameless(deps: &Deps, odd: &[String], due: Option<bool>) -> Result<()> {
    let unreadable = deps.store.unreadable();
    match (odd.first(), due) {
        (_, Some(false)) | (None, None) => {}
        (Some(why), _) => {
            let text = format!(
                "{} in Okta's list of what changed have no usable id, so it cannot be told what \
                 they are: {why}",
                odd.len()
            );
            unreadable.note(Object::List, CHANGES, &text, false, deps.now())?;
        }
        (None, Some(true)) => unreadable.clear(Object::List, CHANGES)?,
    }
    Ok(())
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
        let why = match contained(deps, cycle, look_at(deps, &deps.okta, &id).await).await? {
            Ok(Sight::There(account)) => {
                keep_accounts(deps, &[*account], by_id, cycle)?;
                None
            }
            Ok(Sight::Deleted) => {
                forget_account(deps, cycle, &id)?;
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
            (None, Some(_)) => forget_account(deps, cycle, &id)?,
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
