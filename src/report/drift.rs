//! `drift`: is Okta right, and where not.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{Account, AccountId, FactKey, Presence, StepKind, SysId};
use crate::reconcile::approve::{HeldAction, PlanApproval};
use crate::reconcile::difference::Difference;
use crate::reconcile::planned::PlannedAction;
use crate::report::{fact_name, stamp};
use crate::store::StoreError;
use crate::sync::decide::Decided;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;
use crate::sync::names::{PersonNames, names_of, people_called, the_one};
use crate::sync::outcome::{parent_word, request_word};
use crate::sync::plan::CyclePlan;

/// One difference, or one account that is nobody's business here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DriftItem {
    /// Whose fact it is; an account without a person has only its Okta names.
    pub person: PersonNames,
    /// `status`, `profile`, `membership` or `account`.
    pub fact: &'static str,
    /// The attribute or the group's name.
    pub name: Option<String>,
    /// How it should be.
    pub desired: Option<String>,
    /// What Okta holds; `None` is null there.
    pub actual: Option<String>,
    /// The request that it comes from, or `BASELINE`.
    pub request: Option<String>,
    /// The number of the request's order, `REQ0010001`; `None` where none is known.
    pub parent: Option<String>,
    /// Why the two differ.
    pub cause: &'static str,
    /// What is to be done.
    pub disposition: &'static str,
    /// The action that would remove it.
    pub action: Option<&'static str>,
    /// Why, for a person to read.
    pub reason: String,
}

/// Totals of a drift report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DriftSummary {
    /// People with a managed account, or for whom one is wanted.
    pub people: usize,
    /// Of these, those in agreement.
    pub in_sync: usize,
    /// Of these, those who are not.
    pub drifted: usize,
    /// Actions that the next cycle would take.
    pub actions: usize,
    /// Actions that wait for a decision; dismissed ones do not count.
    pub held: usize,
    /// Accounts without a person.
    pub unmanaged: usize,
    /// Whole kinds of action are held.
    pub quarantined: bool,
}

/// Whether Okta is right, and where not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftReport {
    /// When the report was made, RFC 3339 in UTC.
    pub generated_at: String,
    /// Read from both sides just now, rather than from the last observed state.
    pub live: bool,
    /// Counts, also of what a report on one group leaves out of `items`.
    pub summary: DriftSummary,
    /// The differences by person, then the accounts that are nobody's business here.
    pub items: Vec<DriftItem>,
}

impl DriftReport {
    /// Whether anything differs that is somebody's business.
    pub fn differs(&self) -> bool {
        self.summary.quarantined
            || self.items.iter().any(|item| !matches!(item.disposition, "unmanaged" | "protected"))
    }
}

/// What the two sides differ in; where asked for, of one person only, or memberships of one group
/// only.
pub fn drift(
    deps: &Deps,
    plan: &CyclePlan,
    person: Option<&str>,
    group: Option<&str>,
) -> Result<DriftReport, SyncError> {
    let CyclePlan { decision, approval, .. } = plan;
    let only = person.map(|text| the_one(text, &people_called(&deps.store, text)?)).transpose()?;
    if let Some(group) = group
        && deps.store.groups().called(group)?.is_empty()
    {
        return Err(SyncError::Unknown(format!(
            "no group in Okta is called {group:?}: give its name or its id"
        )));
    }
    let held = held_facts(approval);
    let mut items = Vec::new();
    let mut drifted = 0;
    let wanted = |id: &SysId| only.as_ref().is_none_or(|only| only == id);
    for (id, decided) in decision.differing.iter().filter(|(id, _)| wanted(id)) {
        let mut real = false;
        for difference in &decided.plan.differences {
            let waits = held.get(&(id.clone(), difference.key.clone())).copied();
            let item = drift_item(deps, decided, difference, waits)?;
            real |= item.disposition != "protected";
            if group.is_none_or(|group| is_about_group(difference, &item, group)) {
                items.push(item);
            }
        }
        drifted += usize::from(real);
    }
    let mut people = deps.store.links().people()?.into_iter().collect::<BTreeSet<_>>();
    people.extend(decision.differing.keys().cloned());
    people.retain(|id| wanted(id));
    let unlinked = deps.store.accounts().unlinked()?;
    let unmanaged = unlinked.len();
    if only.is_none() && group.is_none() {
        for id in unlinked {
            items.extend(unmanaged_item(deps, &id)?);
        }
    }
    for id in people.iter().filter(|_| group.is_none()) {
        items.extend(outside_item(deps, id)?);
    }
    let of_wanted = |planned: &PlannedAction| wanted(&planned.action.person);
    let open = approval.held.iter().filter(|it| of_wanted(&it.planned) && it.dismissed.is_none());
    Ok(DriftReport {
        generated_at: stamp(deps.now()),
        live: plan.live,
        summary: DriftSummary {
            people: people.len(),
            in_sync: people.len() - drifted,
            drifted,
            actions: approval.approved.actions().iter().filter(|a| of_wanted(&a.planned)).count(),
            held: open.count(),
            unmanaged,
            quarantined: approval.quarantined.is_some(),
        },
        items,
    })
}

/// What waits, by the facts that it would change.
fn held_facts(approval: &PlanApproval) -> BTreeMap<(SysId, FactKey), &HeldAction> {
    let mut held = BTreeMap::new();
    for waits in &approval.held {
        for key in &waits.planned.keys {
            let fact = (waits.planned.action.person.clone(), key.clone());
            let known = held.entry(fact).or_insert(waits);
            // Of several actions for one fact, one that was not dismissed says more.
            if known.dismissed.is_some() {
                *known = waits;
            }
        }
    }
    held
}

/// An account that is nobody's.
fn unmanaged_item(deps: &Deps, id: &AccountId) -> Result<Option<DriftItem>, StoreError> {
    let Some(account) = deps.store.accounts().get(id)? else { return Ok(None) };
    let person = PersonNames {
        login: Some(account.login().to_owned()),
        okta_id: Some(id.as_str().to_owned()),
        ..PersonNames::default()
    };
    Ok(Some(unmanaged(person, &account, "no person in ServiceNow matches this account")))
}

/// Somebody with an account whose record is no longer among those that are managed.
fn outside_item(deps: &Deps, id: &SysId) -> Result<Option<DriftItem>, StoreError> {
    let person = deps.store.people().get(id)?;
    let outside = person.is_some_and(|person| person.presence == Presence::Outside);
    let link = deps.store.links().account_of(id)?.filter(|_| outside);
    let account = link.map(|link| deps.store.accounts().get(&link)).transpose()?.flatten();
    let Some(account) = account else { return Ok(None) };
    let reason = "the person's record is outside `servicenow.users`";
    Ok(Some(unmanaged(names_of(&deps.store, id)?, &account, reason)))
}

fn unmanaged(person: PersonNames, account: &Account, reason: &str) -> DriftItem {
    DriftItem {
        person,
        fact: "account",
        actual: Some(account.status.as_str().to_lowercase()),
        cause: "record",
        disposition: "unmanaged",
        reason: reason.to_owned(),
        ..DriftItem::default()
    }
}

fn is_about_group(difference: &Difference, item: &DriftItem, group: &str) -> bool {
    let FactKey::Membership(id) = &difference.key else { return false };
    id.as_str() == group || item.name.as_deref() == Some(group)
}

/// One difference; `waits` is the action that would remove it, where that waits.
fn drift_item(
    deps: &Deps,
    decided: &Decided,
    difference: &Difference,
    waits: Option<&HeldAction>,
) -> Result<DriftItem, StoreError> {
    let mut reason = difference.reason();
    let mut disposition = difference.disposition.as_str();
    let open = difference.disposition.is_apply() || difference.disposition.is_hold();
    if let Some(waits) = waits.filter(|_| open) {
        if difference.disposition.is_apply() {
            reason = waits.reason.to_string();
        }
        if let Some(dismissed) = &waits.dismissed {
            reason = format!("{reason}; {dismissed}");
        }
        disposition = "hold";
    }
    Ok(DriftItem {
        person: names(decided),
        fact: difference.key.kind(),
        name: fact_name(&deps.store, &difference.key)?,
        desired: difference.desired.clone(),
        actual: difference.actual.clone(),
        request: request_word(&difference.origin),
        parent: parent_word(&difference.origin),
        cause: difference.cause.as_str(),
        disposition,
        action: difference.action().map(StepKind::as_str),
        reason,
    })
}

/// Who is meant: somebody without an account by the login that a new one would get.
fn names(decided: &Decided) -> PersonNames {
    let Decided { state, plan } = decided;
    let account = state.actual.account.as_ref();
    let login = plan.desired.profile.get("login").and_then(|fact| fact.value.clone());
    PersonNames {
        sys_id: Some(state.person.sys_id.as_str().to_owned()),
        user_name: Some(state.person.user_name().to_owned()),
        login: account.map(|account| account.login().to_owned()).or(login),
        okta_id: account.map(|account| account.id.as_str().to_owned()),
    }
}
