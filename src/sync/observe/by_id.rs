//! One person's account and memberships, read by id: what a list says may be older.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use crate::http::{ByText, Deletion, briefly};
use crate::model::{Account, AccountId, AccountStatus, SysId};
use crate::okta::{AccountRead, OktaError, OktaReader, deleted_in_log};
use crate::policy::derive::identify;
use crate::store::snapshot::all_candidates;
use crate::store::{Object, Observed};
use crate::sync::contain::{IN_A_LOOK, PEOPLE_IN_OKTA, contained, note_unreadable};
use crate::sync::link::{has_account, link_still_matches};
use crate::sync::names::account_of;
use crate::sync::{
    deps::Deps,
    error::Result,
    in_doubt::{is_in_doubt, resolve_mail_in_doubt},
    observe::accounts::{enqueue_owners, forget_account, keep_accounts},
    observe::groups::{is_in_sight, read_groups, sees_everybody},
    scope::Cycle,
    side_by_side::{in_a_look, side_by_side},
};

/// What could not be read before is waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why it cannot be told how somebody's account is, or whether there is one; `None` where it can.
type Doubt = Option<String>;

/// Reads several people by id for a look, and gives those whose turn did not come. Groups are read
/// first where none is known yet.
pub(crate) async fn refresh_all(
    deps: &Deps,
    cycle: &Cycle,
    people: Vec<SysId>,
) -> Result<Vec<SysId>> {
    if !people.is_empty() && !deps.store.groups().any()? {
        read_groups(deps, cycle).await?;
    }
    in_a_look(PEOPLE_IN_OKTA, people, |person| async move {
        refresh_within(deps, cycle, &person, Some(IN_A_LOOK)).await
    })
    .await
}

pub(crate) async fn refresh_each(deps: &Deps, cycle: &Cycle, people: &[SysId]) -> Result<()> {
    let read = |person| refresh_within(deps, cycle, person, Some(IN_A_LOOK));
    side_by_side(people.iter().map(read)).await
}

/// Whether what is stored about somebody says too little to decide by: it could not be read the last
/// time, a call about them had no answer, or a change of theirs is on its way.
pub(crate) fn is_unclear(deps: &Deps, id: &SysId) -> Result<bool> {
    if deps.store.unreadable().get(Object::Account, id.as_str())?.is_some()
        || is_in_doubt(deps, id)?
    {
        return Ok(true);
    }
    Ok(account_of(&deps.store, id)?.is_some_and(|account| account.transitioning.is_some()))
}

/// Reads one person's account and memberships, or looks for an account to link. What cannot be read
/// concerns that person: nothing is decided about them until it can.
pub(crate) async fn refresh(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<()> {
    refresh_within(deps, cycle, id, None).await
}

/// The same with no answer waited for longer than this.
async fn refresh_within(
    deps: &Deps,
    cycle: &Cycle,
    id: &SysId,
    longest: Option<Duration>,
) -> Result<()> {
    let asked_at = deps.now();
    cycle.by_id.borrow_mut().remove(id);
    let known = deps.store.unreadable().get(Object::Account, id.as_str())?;
    let read = Box::pin(read_by_id(deps, cycle, id));
    let read = match longest.or(known.map(|_| PATIENCE)) {
        Some(longest) => briefly(longest, read).await,
        None => read.await,
    };
    match contained(deps, cycle, read).await? {
        Ok(None) => deps.store.unreadable().clear(Object::Account, id.as_str())?,
        Ok(Some(why)) | Err(why) => note_unreadable(deps, Object::Account, id, &why)?,
    }
    cycle.by_id.borrow_mut().insert(id.clone(), asked_at);
    Ok(())
}

async fn read_by_id(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<Doubt> {
    let leaving = deps.store.requests().is_leaving(id, deps.now())?;
    let okta = &if leaving { deps.okta.urgently() } else { deps.okta.clone() };
    if let Some(link) = deps.store.links().account_of(id)? {
        if let Some(why) = refresh_account(deps, okta, cycle, &link).await? {
            return Ok(Some(why));
        }
        if has_account(deps, id)? && link_still_matches(deps, cycle, id, &link)? {
            return resolve_mail_in_doubt(deps, id, &link).await.map(|()| None);
        }
    }
    let Some(person) = deps.store.people().get(id)? else { return Ok(None) };
    let identity = identify(&person, &deps.config.policy);
    let keys_but_login =
        identity.keys.iter().chain(&identity.anchor).filter(|(attribute, _)| attribute != "login");
    let searches = keys_but_login.map(|(attribute, value)| async move {
        Ok::<_, OktaError>(match okta.accounts_where(attribute, value).await? {
            ByText::Found(accounts) => Ok(accounts.into_iter().map(|it| it.id).collect()),
            ByText::Unusable(_) if value.is_empty() => Ok(Vec::new()),
            ByText::Unusable(why) => Err(format!("{attribute}: {why}")),
        })
    });
    // The search index lags behind writes; a read by login does not.
    let by_login = async {
        let Some(login) = identity.login.as_ref().filter(|login| !login.is_empty()) else {
            return Ok::<_, OktaError>(Ok(None));
        };
        Ok(match okta.account_by_login(login).await? {
            ByText::Found(account) => Ok(account.map(|it| it.id)),
            ByText::Unusable(why) => Err(format!("login: {why}")),
        })
    };
    let (lists, by_login) = tokio::join!(join_all(searches), by_login);
    let mut found = BTreeSet::new();
    // In this order, so that the same trouble has the same text whichever of them meets it first.
    for ids in lists {
        match ids? {
            Ok(ids) => found.extend(ids),
            Err(why) => return Ok(Some(why)),
        }
    }
    match by_login? {
        Ok(id) => found.extend(id),
        Err(why) => return Ok(Some(why)),
    }
    // What matches in the store may be another's by now, or deleted.
    let known = all_candidates(&deps.store, &deps.config.policy, &person)?;
    found.extend(known.into_iter().map(|candidate| candidate.account.id));
    for account in &found {
        if let Some(why) = refresh_account(deps, okta, cycle, account).await? {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// Whether an account that is not there any more is known to be deleted. A role that sees only a
/// part of the org is answered as if the rest were not there, and it may have become one just now.
async fn is_deleted(deps: &Deps, account: &AccountId) -> Result<bool> {
    Ok(match deleted_in_log(&deps.okta, account).await? {
        Deletion::Shown(_) => true,
        Deletion::NotShown => false,
        Deletion::Unreadable(_) => sees_everybody(deps).await?,
    })
}

/// How an account is that was in no list, or is asked for by id.
pub(crate) enum Sight {
    There(Box<Account>),
    Deleted,
    /// It may be there, and is not shown.
    Out(String),
}

pub(crate) async fn look_at(deps: &Deps, okta: &OktaReader, id: &AccountId) -> Result<Sight> {
    Ok(match okta.account(id).await? {
        AccountRead::There(account) => Sight::There(account),
        AccountRead::NotFound if is_deleted(deps, id).await? => Sight::Deleted,
        AccountRead::NotFound => Sight::Out(format!(
            "Okta does not show the account {id}, and nothing shows that it was deleted: the \
             credentials may not see it any more"
        )),
        AccountRead::Forbidden(error) => Sight::Out(error.to_string()),
    })
}

async fn refresh_account(
    deps: &Deps,
    okta: &OktaReader,
    cycle: &Cycle,
    id: &AccountId,
) -> Result<Doubt> {
    let asked_at = deps.now();
    let answered = cycle.take_answered(id, asked_at);
    let known = if answered { deps.store.accounts().get(id)? } else { None };
    let account = async {
        match known {
            Some(account) => Ok(Sight::There(Box::new(account))),
            None => look_at(deps, okta, id).await,
        }
    };
    let (account, groups) = tokio::join!(account, okta.groups_of(id));
    let account = match account? {
        Sight::There(account) => *account,
        Sight::Deleted => return Ok(forget_account(deps, cycle, id).map(|()| None)?),
        Sight::Out(why) => return Ok(Some(why)),
    };
    let by_id = Observed::ById { at: asked_at };
    keep_accounts(deps, std::slice::from_ref(&account), by_id, cycle)?;
    let groups = groups?;
    if deps.everyone()?.is_some_and(|everyone| groups.contains(&everyone)) {
        cycle.groups_whole.borrow_mut().insert(id.clone());
    }
    if groups.is_empty() && account.status != AccountStatus::Deprovisioned && !deps.is_blind()? {
        return Ok(Some(format!("{id} is in no group, not even in Everyone")));
    }
    let mut first_seen = Vec::new();
    for group in deps.store.links().unseen_groups_of(id)? {
        // Those out of sight are left out of an account's groups without a word.
        if groups.contains(&group) || is_in_sight(deps, &group).await? {
            first_seen.push(group);
        }
    }
    deps.store.atomically(|| {
        let before = deps.store.groups().of_account(id)?;
        deps.store.groups().replace_groups_of(id, &groups, asked_at)?;
        if deps.store.groups().of_account(id)? != before {
            enqueue_owners(deps, [id])?;
        }
        first_seen.iter().try_for_each(|group| deps.store.links().settle_unseen(id, group))
    })?;
    Ok(None)
}
