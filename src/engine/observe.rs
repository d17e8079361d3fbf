//! Reading both sides into the store: everything, or what changed.
//!
//! A read that is not complete is an error, and the cycle ends before anything is compared.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::cycle::Scope;
use super::report::Calls;
use super::{Engine, EngineError};
use crate::model::{AccountId, AccountStatus, GroupId, GroupKind, SysId, Timestamp};
use crate::okta::OktaError;
use crate::policy::desire::identify;
use crate::reconcile::guard::implausible_read;
use crate::servicenow::{Lookup, ServiceNowError, SetAside, Window};
use crate::store::{self, StoreError};

/// How far before the watermark a window starts: transactions commit late, and clocks differ.
const OVERLAP: chrono::Duration = chrono::Duration::minutes(2);
/// How far two clocks may be apart that say nothing of each other.
const SKEW: chrono::Duration = chrono::Duration::minutes(10);
/// How far back changes in Okta are asked for again: its index lags, and clocks differ.
const OKTA_OVERLAP: chrono::Duration = chrono::Duration::minutes(5);
/// A window has no real end: what is changed while it is read comes again with the next one.
const AHEAD: chrono::Duration = chrono::Duration::days(1);

/// More records than this that show something of others are left to the complete read.
const MOST_REFERRING: usize = 100;
/// More requests than this that vanish together are counted, not named.
const FEW_VANISHED: usize = 20;
/// How often names that were not found are looked up again.
const RETRY: chrono::Duration = chrono::Duration::minutes(5);

/// What was observed, and whom it concerns.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// People to decide about.
    pub(super) people: Vec<SysId>,
    /// Their accounts were just read by id.
    pub(super) fresh: bool,
    /// People in a complete read.
    pub(super) count: Option<u32>,
    /// Why the complete read is implausible.
    pub(super) implausible: Option<String>,
}

impl Engine {
    pub(super) async fn observe(&self, scope: &Scope, cycle: i64) -> Result<Observed, EngineError> {
        self.resolve_items().await?;
        match scope {
            Scope::Full => self.observe_everything(cycle).await,
            Scope::Changes => {
                self.observe_changes(cycle).await?;
                let people = self.store.queue().due(self.now())?;
                self.refresh_all(&people, cycle).await?;
                Ok(Observed { people, fresh: true, ..Observed::default() })
            }
            Scope::Person(text) => {
                self.observe_changes(cycle).await?;
                let person = self.find_person(text, cycle).await?;
                self.store.facts().forget_refusals(Some(&person))?;
                self.refresh_all(std::slice::from_ref(&person), cycle).await?;
                Ok(Observed { people: vec![person], fresh: true, ..Observed::default() })
            }
        }
    }

    async fn refresh_all(&self, people: &[SysId], cycle: i64) -> Result<(), EngineError> {
        if !people.is_empty() && !self.store.groups().any()? {
            self.read_groups(cycle).await?;
        }
        for person in people {
            self.refresh(person, cycle).await?;
        }
        Ok(())
    }

    /// Up to when a window that is read now is complete: by the instance's clock, or by ours with
    /// room for a difference where it does not say.
    async fn servicenow_clock(&self) -> Result<Timestamp, EngineError> {
        Ok(self.servicenow.now().await?.unwrap_or_else(|| self.now() - SKEW))
    }

    /// Rows may be kept from now on that no decision has followed yet. Says since which cycle that
    /// has been so, where one ended before it decided.
    fn begin_undecided(&self, cycle: i64) -> Result<Option<i64>, StoreError> {
        let since = self.store.state().dirty_since_cycle()?;
        if since.is_none() {
            self.store.state().set_dirty_since_cycle(Some(cycle))?;
        }
        Ok(since)
    }

    /// Requests and people whose rows changed since the watermark.
    async fn observe_changes(&self, cycle: i64) -> Result<(), EngineError> {
        let now = self.now();
        let until = self.servicenow_clock().await?;
        let undecided = self.begin_undecided(cycle)?;
        let from = self.store.state().watermark()?.unwrap_or(until);
        let (changed, mut requests) = self.read_changes(from, until, cycle).await?;
        if let Some(since) = undecided {
            requests.extend(self.store.requests().dirty_since(since)?);
        } else if !changed.is_empty() || !requests.is_empty() || self.tries_again(now)? {
            requests.extend(self.store.requests().unresolved()?);
        }
        requests.sort();
        requests.dedup();
        for person in self.interpret(&requests, cycle, true).await? {
            self.store.queue().enqueue(&person, now)?;
        }
        self.observe_okta_changes(cycle).await?;
        self.store.state().set_watermark(until.min(now))?;
        Ok(())
    }

    /// Reads the people and the requests that changed since a moment, up to now.
    async fn read_changes(
        &self,
        since: Timestamp,
        until: Timestamp,
        cycle: i64,
    ) -> Result<(Vec<SysId>, Vec<SysId>), EngineError> {
        // The instance may have been out of reach for days: its last answer is from before them.
        let window = Window { from: since - OVERLAP, to: until.max(self.now()) + AHEAD };
        let mut people = self.read_people(Some(&window), cycle).await?;
        people.extend(self.read_referring(&people, cycle).await?);
        let requests = self.read_requests(Some(&window), cycle).await?;
        Ok((people, requests))
    }

    /// Reads what changed in ServiceNow while Okta was read, and whom that concerns: what was called
    /// off meanwhile is not begun any more. The watermark stays where it is.
    pub(super) async fn catch_up(&self, cycle: i64) -> Result<BTreeSet<SysId>, EngineError> {
        let now = self.now();
        let until = self.servicenow_clock().await?;
        let since = self.store.state().watermark()?.unwrap_or(until);
        let (people, requests) = self.read_changes(since, until, cycle).await?;
        let mut concerned = self.interpret(&requests, cycle, true).await?;
        concerned.extend(people);
        for person in &concerned {
            self.store.queue().enqueue(person, now)?;
            if !self.this_cycle().by_id.contains(person) {
                self.refresh(person, cycle).await?;
            }
        }
        Ok(concerned)
    }

    /// Up to when Okta is known, where it was asked at `asked` by our clock. Of two clocks the one
    /// that is behind is taken, here and for ServiceNow: what is then read twice does no harm, and
    /// what lies before a watermark of tomorrow is never read.
    fn okta_clock(&self, asked: Timestamp) -> Timestamp {
        self.okta.now().map_or(asked, |okta| okta.min(asked))
    }

    /// Whether names that were not found are looked up again: a group that is made in Okta changes
    /// nothing in ServiceNow.
    fn tries_again(&self, now: Timestamp) -> Result<bool, StoreError> {
        let last = self.store.state().names_tried_at()?;
        let due = last.is_none_or(|last| (now - last).abs() >= RETRY);
        if due {
            self.store.state().set_names_tried_at(now)?;
        }
        Ok(due)
    }

    /// Accounts and memberships that were changed in Okta, whoever changed them. Whose they are is
    /// looked at again; a deleted account is left to the complete read.
    async fn observe_okta_changes(&self, cycle: i64) -> Result<(), EngineError> {
        let now = self.now();
        let since = self.store.state().okta_watermark()?.unwrap_or(now) - OKTA_OVERLAP;
        let keys = self.account_keys();
        let mut changed = BTreeSet::new();
        let accounts = self.okta.accounts_changed_since(since).await?;
        let until = self.okta_clock(now);
        let listed = store::Observed::List { asked_at: now };
        for account in accounts {
            // Most of them were read before, and every write is a commit.
            if self.store.accounts().get(&account.id)?.as_ref() != Some(&account) {
                changed.extend(self.store.accounts().upsert(&[account], &keys, listed, cycle)?);
            }
        }
        let managed = self.store.groups().managed()?;
        let mut looked = Vec::new();
        for (group, at) in self.okta.groups_changed_since(since).await? {
            let seen = self.store.groups().members_updated(&group)?;
            let known = !at.is_empty() && seen.as_deref() == Some(&at);
            if known || !managed.contains_key(&group) {
                continue;
            }
            let before = self.store.groups().members_of(&group)?;
            let after: BTreeSet<AccountId> = self.members(&group).await?.into_iter().collect();
            changed.extend(before.symmetric_difference(&after).cloned());
            looked.push((group, at));
        }
        for account in changed {
            if let Some(person) = self.store.links().person_of(&account)? {
                self.store.queue().enqueue(&person, now)?;
            }
        }
        for (group, at) in looked {
            self.store.groups().set_members_updated(&group, &at)?;
        }
        self.store.state().set_okta_watermark(until)?;
        Ok(())
    }

    async fn observe_everything(&self, cycle: i64) -> Result<Observed, EngineError> {
        let until = self.servicenow_clock().await?;
        let began = self.now();
        self.servicenow.probe_filter().await?;
        self.begin_undecided(cycle)?;
        // What Okta refused is tried once more, now and then.
        self.store.facts().forget_refusals(None)?;
        self.release_admins().await?;
        self.check_items().await?;
        self.read_groups(cycle).await?;
        let okta_until = self.okta_clock(began);
        self.pin_groups()?;
        self.read_schema().await?;

        self.read_people(None, cycle).await?;
        let count = self.store.people().seen_count(cycle)?;
        if count == 0 && self.store.cycles().believed_people()?.is_some_and(|before| before > 0) {
            return Err(ServiceNowError::Unbelievable {
                operation: "reading people".to_owned(),
                why: "nobody at all came, and there were people before: is `servicenow.users` \
                      right, and may the account still read them?"
                    .to_owned(),
            }
            .into());
        }
        let implausible = self.implausible(count, cycle)?;
        // It stands until a complete read is believed again.
        self.store.state().set_implausible(implausible.as_deref())?;
        for person in self.store.people().unseen(cycle)? {
            self.confirm_absence(&person, cycle).await?;
        }

        self.read_requests(None, cycle).await?;
        report_vanished(&self.store.requests().mark_vanished(cycle)?);

        self.read_accounts(cycle).await?;
        // Those that come under management by what is read now are read with it.
        let managed = self.store.groups().managed()?;
        let all = self.store.requests().all()?;
        self.interpret(&all, cycle, true).await?;
        for group in managed.into_keys() {
            self.read_members(&group).await?;
        }
        self.store.state().set_watermark(until.min(began))?;
        self.store.state().set_okta_watermark(okta_until)?;
        Ok(Observed {
            people: self.store.people().all()?,
            fresh: false,
            count: Some(count),
            implausible,
        })
    }

    fn implausible(&self, count: u32, cycle: i64) -> Result<Option<String>, EngineError> {
        let mut missing = Vec::new();
        for sentinel in &self.config.limits.sentinels {
            let mut present = false;
            for id in self.store.people().called(sentinel)? {
                present |= self.store.people().was_seen(&id, cycle)?;
            }
            if !present {
                missing.push(sentinel.clone());
            }
        }
        let before = self.store.cycles().believed_people()?;
        Ok(implausible_read(before, count, &missing, &self.config.limits))
    }

    async fn read_people(
        &self,
        window: Option<&Window>,
        cycle: i64,
    ) -> Result<Vec<SysId>, EngineError> {
        let mut changed = Vec::new();
        let mut count = 0;
        let now = self.now();
        let store = &self.store;
        let progress = &self.progress;
        let read = self
            .servicenow
            .people(window, |page| {
                // Whoever changed is on the agenda as soon as the change is kept.
                changed.extend(store.atomically(|| {
                    let changed = store.people().upsert(&page, cycle)?;
                    changed.iter().try_for_each(|person| store.queue().enqueue(person, now))?;
                    Ok(changed)
                })?);
                count += page.len();
                progress("people", count);
                Ok(())
            })
            .await?;
        for SetAside { sys_id, why } in &read.set_aside {
            self.say_set_aside("sys_user", sys_id, why);
        }
        Ok(changed)
    }

    /// Reads those again whose records show something of somebody who changed, such as the
    /// address of their manager: their own rows did not change.
    async fn read_referring(
        &self,
        changed: &[SysId],
        cycle: i64,
    ) -> Result<Vec<SysId>, EngineError> {
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let referring = self.store.people().referring_to(changed)?;
        if referring.len() > MOST_REFERRING {
            tracing::debug!("{} referring records are left to the complete read", referring.len());
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for id in referring {
            if let Lookup::Found(person) = self.servicenow.person(&id).await? {
                found.push(person);
            }
        }
        let now = self.now();
        let store = &self.store;
        Ok(store.atomically(|| {
            let changed = store.people().upsert(&found, cycle)?;
            changed.iter().try_for_each(|person| store.queue().enqueue(person, now))?;
            Ok(changed)
        })?)
    }

    async fn read_requests(
        &self,
        window: Option<&Window>,
        cycle: i64,
    ) -> Result<Vec<SysId>, EngineError> {
        let (mut changed, mut doubles) = (Vec::new(), Vec::new());
        let mut count = 0;
        let now = self.now();
        let store = &self.store;
        let progress = &self.progress;
        let read = self
            .servicenow
            .requests(window, |page| {
                let kept = store.requests().upsert(&page, cycle, now)?;
                changed.extend(kept.changed);
                doubles.extend(kept.doubles);
                count += page.len();
                progress("requests", count);
                Ok(())
            })
            .await?;
        for SetAside { sys_id, why } in &read.set_aside {
            self.say_set_aside("sc_req_item", sys_id, why);
        }
        for (id, number) in doubles {
            let why = format!("another request has its number, {number}, and keeps it");
            self.say_set_aside("sc_req_item", id.as_str(), &why);
        }
        Ok(changed)
    }

    /// A row that makes no sense holds nobody up, and is named once.
    fn say_set_aside(&self, table: &str, id: &str, why: &str) {
        let mut said = self.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(id.to_owned(), why.to_owned()).as_deref() != Some(why) {
            tracing::warn!(sys_id = id, "the row {id} of {table} was set aside: {why}");
        }
    }

    /// Somebody who was not in a complete read: outside the filter, or really gone?
    async fn confirm_absence(&self, id: &SysId, cycle: i64) -> Result<(), EngineError> {
        match self.servicenow.person(id).await? {
            Lookup::Found(found) | Lookup::Outside(found) => {
                self.store.people().upsert(&[found], cycle)?;
            }
            // It was set aside, and named, when the list was read: what it said last stands.
            Lookup::Unusable(_) => {}
            Lookup::Absent => {
                self.store.people().note_absence(id)?;
            }
        }
        Ok(())
    }

    async fn read_accounts(&self, cycle: i64) -> Result<(), EngineError> {
        let keys = self.account_keys();
        let store = &self.store;
        let progress = &self.progress;
        let mut count = 0;
        let listed = store::Observed::List { asked_at: self.now() };
        self.okta
            .accounts(&mut |page| -> Result<(), EngineError> {
                store.accounts().upsert(&page, &keys, listed, cycle)?;
                count += page.len();
                progress("accounts", count);
                Ok(())
            })
            .await?;
        // An account can change its list between two pages, so only a read by id proves it gone.
        for id in self.store.accounts().unseen(cycle)? {
            let by_id = store::Observed::ById { at: self.now() };
            match self.okta.account(&id).await? {
                Some(account) => {
                    self.store.accounts().upsert(&[account], &keys, by_id, cycle)?;
                }
                None => self.store.accounts().delete(&id)?,
            }
        }
        Ok(())
    }

    /// Attributes that accounts are found by.
    pub(super) fn account_keys(&self) -> BTreeSet<String> {
        let policy = &self.config.policy;
        let mut keys: BTreeSet<String> = policy.match_on.iter().cloned().collect();
        keys.extend(policy.anchor.clone());
        keys.extend(["login".to_owned(), "email".to_owned()]);
        keys
    }

    /// Reads one person's account and memberships by id, or looks for an account to link.
    pub(super) async fn refresh(&self, id: &SysId, cycle: i64) -> Result<(), EngineError> {
        self.this_cycle().by_id.remove(id);
        self.read_by_id(id, cycle).await?;
        self.this_cycle().by_id.insert(id.clone());
        Ok(())
    }

    async fn read_by_id(&self, id: &SysId, cycle: i64) -> Result<(), EngineError> {
        let keys = self.account_keys();
        if let Some(link) = self.store.links().account_of(id)? {
            self.refresh_account(&link, &keys, cycle).await?;
            if self.has_account(id)? && self.proves(id, &link)? {
                return self.look_for_mail(id, &link).await;
            }
        }
        let Some(person) = self.store.people().get(id)? else { return Ok(()) };
        let (wanted, login) = identify(&person, &self.config.policy);
        let mut found = Vec::new();
        for (attribute, value) in &wanted {
            if attribute != "login" {
                found.extend(self.okta.accounts_where(attribute, value).await?);
            }
        }
        if let Some(anchor) = &self.config.policy.anchor {
            found.extend(self.okta.accounts_where(anchor, id.as_str()).await?);
        }
        // The search index lags behind writes; a read by login does not.
        if let Some(login) = login {
            found.extend(self.okta.account_by_login(&login).await?);
        }
        let mut found: BTreeSet<AccountId> = found.into_iter().map(|account| account.id).collect();
        // What matches in the store may be another's by now, or deleted.
        found.extend(self.candidates(&person)?.into_keys());
        for account in &found {
            self.refresh_account(account, &keys, cycle).await?;
        }
        Ok(())
    }

    async fn refresh_account(
        &self,
        id: &AccountId,
        keys: &BTreeSet<String>,
        cycle: i64,
    ) -> Result<(), EngineError> {
        let asked_at = self.now();
        let Some(account) = self.okta.account(id).await? else {
            self.store.accounts().delete(id)?;
            return Ok(());
        };
        let by_id = store::Observed::ById { at: asked_at };
        self.store.accounts().upsert(std::slice::from_ref(&account), keys, by_id, cycle)?;
        let groups: Vec<GroupId> =
            self.okta.groups_of(id).await?.into_iter().map(|group| group.id).collect();
        if groups.is_empty()
            && account.status != AccountStatus::Deprovisioned
            && self.sees_everyone()?
        {
            return Err(OktaError::Unbelievable {
                operation: "list the groups of an account",
                why: format!("{id} is in no group, not even in Everyone: the credentials have probably lost an admin role"),
            }.into());
        }
        self.store.groups().replace_groups_of(id, &groups, asked_at)?;
        Ok(())
    }

    /// Whether the group that every account belongs to is among those that we may see. Okta
    /// reference: a role that is scoped to some groups may hide it.
    fn sees_everyone(&self) -> Result<bool, StoreError> {
        let named = self.store.groups().called("Everyone")?;
        Ok(named.iter().any(|group| group.kind == GroupKind::BuiltIn))
    }

    async fn find_person(&self, text: &str, cycle: i64) -> Result<SysId, EngineError> {
        let mut found = self.people_named(text)?;
        if found.is_empty() {
            let people = self.servicenow.people_by(text).await?;
            self.store.people().upsert(&people, cycle)?;
            found.extend(people.into_iter().map(|person| person.sys_id));
        }
        the_one(text, &found)
    }

    /// Everybody known whom a text fits: a login, e-mail, user name, `sys_id` or Okta id.
    pub(super) fn people_named(&self, text: &str) -> Result<BTreeSet<SysId>, StoreError> {
        let mut found: BTreeSet<SysId> = self.store.people().called(text)?.into_iter().collect();
        for attribute in ["login", "email"] {
            for account in self.store.accounts().having(attribute, text)? {
                found.extend(self.store.links().person_of(&account.id)?);
            }
        }
        if let Ok(id) = AccountId::parse(text) {
            found.extend(self.store.links().person_of(&id)?);
        }
        Ok(found)
    }

    /// Calls made over the connections that are in use, by side and rate-limit bucket.
    pub fn calls_by_bucket(&self) -> Vec<(&'static str, String, u64)> {
        let servicenow = self.servicenow.connection();
        let okta = self.okta.connection().calls_by_bucket();
        okta.into_iter()
            .map(|(bucket, calls)| ("okta", bucket.to_owned(), calls))
            .chain([("servicenow", servicenow.budget().bucket, servicenow.calls())])
            .collect()
    }

    /// Calls made over the connections that are in use.
    pub fn calls(&self) -> Calls {
        Calls {
            servicenow: self.servicenow.connection().calls(),
            okta: self.okta.connection().calls(),
        }
    }
}

/// Says which requests were not in a complete read any more; many of them at once are one thing.
fn report_vanished(numbers: &[String]) {
    if numbers.len() > FEW_VANISHED {
        let count = numbers.len();
        tracing::warn!("{count} requests are no longer readable; what they asked for stands");
        return;
    }
    for number in numbers {
        tracing::warn!(
            request = number,
            "{number}: the request is no longer readable; what it asked for stands"
        );
    }
}

/// The only one whom a text fits.
pub(super) fn the_one(text: &str, found: &BTreeSet<SysId>) -> Result<SysId, EngineError> {
    match (found.first(), found.len()) {
        (Some(one), 1) => Ok(one.clone()),
        (None, _) => Err(EngineError::Unknown(format!(
            "nobody is called {text:?}: give a login, e-mail, user name, sys_id or Okta id"
        ))),
        (Some(_), several) => Err(EngineError::Unknown(format!(
            "{text:?} fits {several} people: give a sys_id instead"
        ))),
    }
}
