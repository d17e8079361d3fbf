//! `explain` from the store alone, where the configuration cannot be used: how somebody should be by
//! what was decided last, how the account was seen last, and what is open about it. Nothing is decided
//! anew, since nothing says by which rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Offline;
use crate::model::{
    Account, Cause, FactKey, GroupId, KnownFact, OpenFact, OpenItem, Origin, RequestNumber, SysId,
    Timestamp,
};
use crate::reconcile::difference::member;
use crate::reconcile::explain::obstacle;
use crate::report::explanation::{Explanation, FactView, ReasonView, account_view, status_word};
use crate::report::holds::holds_of;
use crate::report::person::requests_of;
use crate::report::request_explanation::{RequestExplanation, explained_request};
use crate::report::{fact_name, stamp};
use crate::store::{Mode, Store, StoreError};
use crate::sync::error::SyncError;
use crate::sync::names::{account_of, names_of, nobody_called, people_called};
use crate::sync::outcome::request_word;

/// What a text that is to be explained means by the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastDecided {
    /// The number of a request that is known.
    Request(Box<RequestExplanation>),
    /// Whom it fits: at least one.
    People(Vec<Explanation>),
}

/// Explains a person or a request by what was decided last.
pub fn explain_last_decided(
    config: &Offline,
    text: &str,
    now: Timestamp,
) -> Result<LastDecided, SyncError> {
    let store = &Store::open(&config.store, config.orgs.as_ref(), Mode::Read)?;
    let number = RequestNumber::parse(text.trim()).ok();
    let request = number.map(|number| store.requests().called(&number)).transpose()?.flatten();
    if let Some(id) = request
        && let Some(request) = explained_request(store, config.observe, &id, now)?
    {
        let resolved = store.requests().resolved(&id)?;
        let people = resolved.map(|it| it.terms.people).unwrap_or_default();
        let people = people.iter().map(|it| person(store, it, now)).collect::<Result<_, _>>()?;
        return Ok(LastDecided::Request(Box::new(RequestExplanation { request, people })));
    }
    let called = people_called(store, text)?;
    if called.is_empty() {
        return Err(nobody_called(text));
    }
    let people = called.iter().map(|it| person(store, it, now)).collect::<Result<_, _>>()?;
    Ok(LastDecided::People(people))
}

fn person(store: &Store, id: &SysId, now: Timestamp) -> Result<Explanation, StoreError> {
    let account = account_of(store, id)?;
    let known = store.facts().of(id)?;
    let presence = store.people().get(id)?.map(|person| person.presence);
    let desired = known.get(&FactKey::Status).and_then(|fact| fact.value.as_deref());
    let link = store.links().get(id)?;
    Ok(Explanation {
        person: names_of(store, id)?,
        status: status_word(presence, desired, account.is_some()).to_owned(),
        facts: facts(store, id, account.as_ref(), known, now)?,
        account: account.as_ref().zip(link).map(account_view),
        requests: requests_of(store, None, id, now)?,
        holds: holds_of(store, id, now)?,
        live: false,
    })
}

fn facts(
    store: &Store,
    id: &SysId,
    account: Option<&Account>,
    mut known: BTreeMap<FactKey, KnownFact>,
    now: Timestamp,
) -> Result<Vec<FactView>, StoreError> {
    let groups = account.map(|it| store.groups().of_account(&it.id)).transpose()?;
    let seen = Seen { account, groups: groups.unwrap_or_default() };
    let since = store.facts().since(id)?;
    let mut items = store.open_items().all(now)?;
    items.retain(|stored| stored.item.person() == Some(id));
    let open =
        || items.iter().flat_map(|it| it.item.facts.iter().map(move |fact| (&it.item, fact)));
    // That there is no account stands in the way of its status.
    let keys: BTreeSet<FactKey> =
        known.keys().chain(open().map(|(_, fact)| &fact.key)).map(shown_as).cloned().collect();
    let mut facts = Vec::new();
    for key in keys {
        let differing: Vec<(&OpenItem, &OpenFact)> =
            open().filter(|(_, fact)| *shown_as(&fact.key) == key).collect();
        let (fact, differs) = (known.remove(&key), differing.first().map(|(_, fact)| *fact));
        let origin = fact.as_ref().map(|it| &it.origin).or(differs.map(|it| &it.origin));
        let cause = if origin.is_some_and(|it| it.request().is_some()) {
            Cause::Request
        } else {
            Cause::Record
        };
        let mut against: Vec<String> =
            differing.iter().map(|(item, _)| obstacle(&item.disposition, &item.reason())).collect();
        // Of a membership that nothing gives, the rule is kept that does not hold.
        let given = |fact: &KnownFact| {
            !matches!(key, FactKey::Membership(_))
                || fact.basis.is_empty()
                || fact.value == Some(member(true))
        };
        let reasons: Vec<ReasonView> =
            fact.iter().filter(|it| given(it)).map(|it| reason(&key, it)).collect();
        if let (Some(fact), true) = (&fact, reasons.is_empty()) {
            against.push(format!("its rule does not hold for the record: {}", fact.basis));
        }
        facts.push(FactView {
            fact: key.kind(),
            name: fact_name(store, &key)?,
            desired: match &fact {
                Some(fact) => fact.value.clone(),
                None => differs.and_then(|it| it.desired.clone()),
            },
            actual: seen.actual(&key),
            in_sync: differs.is_none(),
            origin: origin.and_then(request_word),
            cause: differs.map_or(cause, |it| it.cause).as_str(),
            since: since.get(&key).copied().map(stamp),
            reasons,
            against,
        });
    }
    Ok(facts)
}

fn shown_as(key: &FactKey) -> &FactKey {
    if *key == FactKey::Account { &FactKey::Status } else { key }
}

/// How the account was when it was seen last.
struct Seen<'a> {
    account: Option<&'a Account>,
    groups: BTreeSet<GroupId>,
}

impl Seen<'_> {
    fn actual(&self, key: &FactKey) -> Option<String> {
        let account = self.account;
        match key {
            FactKey::Account | FactKey::Status => {
                account.map(|account| account.status.as_str().to_lowercase())
            }
            FactKey::Profile(name) => {
                account.and_then(|it| it.profile.get(name).cloned()).filter(|it| !it.is_empty())
            }
            FactKey::Membership(group) => Some(member(self.groups.contains(group))),
        }
    }
}

/// What spoke for a fact, as far as it is kept with it: a text of the configuration, or where it comes
/// from.
fn reason(key: &FactKey, fact: &KnownFact) -> ReasonView {
    let basis = &fact.basis;
    let view = |kind, text| ReasonView { kind, request: None, rule: None, until: None, text };
    match (&fact.origin, key) {
        (_, FactKey::Membership(_)) if !basis.is_empty() => {
            view("rule", format!("birthright: {basis}"))
        }
        (_, FactKey::Profile(_)) if !basis.is_empty() => {
            view("record", format!("the record says so: {basis}"))
        }
        (_, _) if !basis.is_empty() => view("record", format!("the record says so, by {basis}")),
        (Origin::Request(request), _) => {
            let number = request.number.as_str().to_owned();
            let text = format!("request {number}");
            ReasonView { request: Some(number), ..view("request", text) }
        }
        (Origin::Baseline, _) => {
            view("baseline", "it was so when Goldthread took the account over".to_owned())
        }
        (Origin::None, _) => view("record", "the record says so".to_owned()),
    }
}
