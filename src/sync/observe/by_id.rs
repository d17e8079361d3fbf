//! One person's account and memberships, read by id: what a list says may be older.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::http::ByText;
use crate::model::{Account, AccountId, AccountStatus, SysId};
use crate::okta::AccountRead;
use crate::policy::derive::identify;
use crate::store::snapshot::all_candidates;
use crate::store::{Object, Observed};
use crate::sync::contain::{contained, is_deleted, note_unreadable, read_control};
use crate::sync::link::{has_account, link_still_matches};
use crate::sync::{
    deps::Deps,
    error::{Result, Side},
    in_doubt::resolve_mail_in_doubt,
    observe::groups::{read_groups, retry_members},
    scope::Cycle,
};

/// What could not be read before is waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why it cannot be told how somebody's account is, or whether there is one; `None` where it can.
type Doubt = Option<String>;

/// Reads several people by id. Groups are read first where none is known yet.
pub(crate) async fn refresh_all(deps: &Deps, cycle: &Cycle, people: &[SysId]) -> Result<()> {
    if !people.is_empty() && !deps.store.groups().any()? {
        read_groups(deps, cycle).await?;
    }
    retry_members(deps, cycle).await?;
    for person in people {
        refresh(deps, cycle, person).await?;
    }
    Ok(())
}

/// Reads one person's account and memberships, or looks for an account to link. What cannot be read
/// concerns that person: nothing is decided about them until it can.
pub(crate) async fn refresh(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<()> {
    cycle.by_id.borrow_mut().remove(id);
    let read = match deps.store.unreadable().of_person(id)? {
        None => read_by_id(deps, cycle, id).await,
        // It could not be read before, and others wait meanwhile.
        Some(known) => match tokio::time::timeout(PATIENCE, read_by_id(deps, cycle, id)).await {
            Ok(read) => read,
            Err(_) => read_control(deps, cycle, Side::Okta).await.map(|()| Some(known.why)),
        },
    };
    match contained(deps, cycle, read).await? {
        Ok(None) => deps.store.unreadable().clear(Object::Account, id.as_str())?,
        Ok(Some(why)) | Err(why) => note_unreadable(deps, Object::Account, id, &why)?,
    }
    cycle.by_id.borrow_mut().insert(id.clone());
    Ok(())
}

async fn read_by_id(deps: &Deps, cycle: &Cycle, id: &SysId) -> Result<Doubt> {
    let keys = deps.account_keys();
    if let Some(link) = deps.store.links().account_of(id)? {
        if let Some(why) = refresh_account(deps, cycle, &link, &keys).await? {
            return Ok(Some(why));
        }
        if has_account(deps, id)? && link_still_matches(deps, cycle, id, &link)? {
            return resolve_mail_in_doubt(deps, id, &link).await.map(|()| None);
        }
    }
    let Some(person) = deps.store.people().get(id)? else { return Ok(None) };
    let identity = identify(&person, &deps.config.policy);
    let mut found = BTreeSet::new();
    for (attribute, value) in identity.keys.iter().chain(&identity.anchor) {
        if attribute != "login" {
            match deps.okta.accounts_where(attribute, value).await? {
                ByText::Found(accounts) => found.extend(accounts.into_iter().map(|it| it.id)),
                ByText::Unusable(_) if value.is_empty() => {}
                ByText::Unusable(why) => return Ok(Some(format!("{attribute}: {why}"))),
            }
        }
    }
    // The search index lags behind writes; a read by login does not.
    if let Some(login) = identity.login.as_ref().filter(|login| !login.is_empty()) {
        match deps.okta.account_by_login(login).await? {
            ByText::Found(account) => found.extend(account.map(|it| it.id)),
            ByText::Unusable(why) => return Ok(Some(format!("login: {why}"))),
        }
    }
    // What matches in the store may be another's by now, or deleted.
    let known = all_candidates(&deps.store, &deps.config.policy, &person)?;
    found.extend(known.into_iter().map(|candidate| candidate.account.id));
    for account in &found {
        if let Some(why) = refresh_account(deps, cycle, account, &keys).await? {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// How an account is that was in no list, or is asked for by id.
pub(crate) enum Sight {
    There(Box<Account>),
    Deleted,
    /// It may be there, and is not shown.
    Out(String),
}

pub(crate) async fn look_at(deps: &Deps, id: &AccountId) -> Result<Sight> {
    Ok(match deps.okta.account(id).await? {
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
    cycle: &Cycle,
    id: &AccountId,
    keys: &BTreeSet<String>,
) -> Result<Doubt> {
    let asked_at = deps.now();
    let account = match look_at(deps, id).await? {
        Sight::There(account) => *account,
        Sight::Deleted => return Ok(deps.store.accounts().delete(id).map(|()| None)?),
        Sight::Out(why) => return Ok(Some(why)),
    };
    let by_id = Observed::ById { at: asked_at };
    deps.store.accounts().upsert(std::slice::from_ref(&account), keys, by_id, cycle.id)?;
    let groups = deps.okta.groups_of(id).await?;
    if groups.is_empty() && account.status != AccountStatus::Deprovisioned && !deps.is_blind()? {
        return Ok(Some(format!("{id} is in no group, not even in Everyone")));
    }
    Ok(deps.store.groups().replace_groups_of(id, &groups, asked_at).map(|()| None)?)
}
