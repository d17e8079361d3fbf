//! From what the store holds to what should happen: the pure core, applied person by person.

use std::collections::{BTreeMap, BTreeSet};

use super::surroundings::{Claims, Surroundings, claims_of};
use super::{Engine, EngineError};
use crate::model::{
    Account, AccountId, AccountStatus, Cause, FactKey, GroupId, Instant, Mandate, Operation,
    Origin, Person, Presence, Reason, SysId,
};
use crate::policy::desire::{Desired, Fact, INACTIVE_RECORD, Subject, desire, identify};
use crate::policy::lifecycle::{Wish, fold};
use crate::reconcile::correlate::{Candidate, Match, correlate};
use crate::reconcile::diff::{
    Actual, Disposition, Drift, Facts, Known, Remedy, Setting, diff, member,
};
use crate::reconcile::guard::{Context, EMPTY_STORE, Waiting, key_text};
use crate::reconcile::plan::{Planned, actions, is_dormant};
use crate::store::{FactRow, Link, NewHold, StoreError, Word};

/// One person's side of the comparison.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) person: Person,
    pub(super) desired: Desired,
    pub(super) actual: Actual,
    pub(super) drifts: Vec<Drift>,
    pub(super) actions: Vec<Planned>,
}

/// Everybody who was looked at. Only those whose facts differ are kept whole.
#[derive(Debug, Default)]
pub(super) struct Decision {
    pub(super) looked_at: BTreeSet<SysId>,
    pub(super) differing: BTreeMap<SysId, Judged>,
}

impl Decision {
    /// Every action that would remove a difference, held ones included.
    pub(super) fn actions(&self) -> Vec<Planned> {
        self.differing.values().flat_map(|judged| judged.actions.iter().cloned()).collect()
    }

    /// Takes a newer decision about some of the people.
    pub(super) fn replace(&mut self, newer: Self) {
        for person in &newer.looked_at {
            self.differing.remove(person);
        }
        self.looked_at.extend(newer.looked_at);
        self.differing.extend(newer.differing);
    }
}

impl Engine {
    /// Decides about some people, and remembers the facts of those who are in agreement.
    pub(super) fn decide(
        &self,
        people: &[SysId],
        surroundings: &Surroundings,
    ) -> Result<Decision, EngineError> {
        let mut decision = Decision::default();
        self.store.atomically(|| {
            self.link(people)?;
            for id in people {
                decision.looked_at.insert(id.clone());
                let Some(judged) = self.judge(id, surroundings)? else { continue };
                if judged.drifts.is_empty() {
                    self.remember(&judged, surroundings)?;
                    self.store.looked_at(id, judged.desired.next)?;
                } else {
                    // Until it is settled what becomes of the difference, somebody must look.
                    self.store.look_again(id, self.now())?;
                    decision.differing.insert(id.clone(), judged);
                }
            }
            Ok(())
        })?;
        Ok(decision)
    }

    /// One person's desired and actual facts, and what differs. `None` for somebody unknown.
    pub(super) fn judge(
        &self,
        id: &SysId,
        surroundings: &Surroundings,
    ) -> Result<Option<Judged>, StoreError> {
        let Some(person) = self.store.person(id)? else { return Ok(None) };
        let now = self.now();
        let mandates = self.store.mandates_of(id)?;
        let link = self.store.link_row(id)?;
        let account =
            link.as_ref().map(|link| self.store.account(&link.account)).transpose()?.flatten();
        let groups = match &account {
            Some(account) => self.store.groups_of(&account.id)?,
            None => BTreeSet::new(),
        };
        let actual = Actual { account, groups };
        let known = self.known(id)?;
        // Whoever is hired again gets what is asked for now, not what they once had.
        let baseline = if is_rehire(&mandates, actual.account.as_ref(), now) {
            BTreeSet::new()
        } else {
            self.store.baseline_of(id)?
        };
        let effected =
            known.get(&FactKey::Status).filter(|fact| fact.established).map(|fact| &fact.origin);
        let by_record =
            known.get(&FactKey::Status).is_some_and(|fact| fact.basis.starts_with(INACTIVE_RECORD));
        let subject = Subject {
            person: &person,
            mandates: &mandates,
            linked: link.is_some(),
            unused: actual.account.as_ref().is_some_and(|account| {
                matches!(account.status, AccountStatus::Staged | AccountStatus::Deprovisioned)
            }),
            made: self.was_made(id, link.as_ref(), &mandates)?,
            by_record,
            effected,
            baseline: &baseline,
        };
        let mut desired = desire(&subject, &self.config.policy, &surroundings.rule_groups, now);
        desired.may_unsuspend |= self.suspended_here(id, &actual)?;
        let setting = Setting {
            policy: &self.config.policy,
            protected: &surroundings.protected,
            groups: &surroundings.groups,
            schema: &surroundings.schema,
        };
        let mut drifts = diff(&person, &desired, &actual, &known, &setting);
        self.clear_sessions_once(id, &known, &mut drifts)?;
        let without = actual.account.is_none();
        if without
            && let Some(doubt) = match self.doubt(&person, &desired, &mandates)? {
                Some(doubt) => Some(doubt),
                None => self.twin(&person, &drifts, &surroundings.claims),
            }
        {
            // Whose account it is cannot be told, so nothing is written for this person.
            drifts.retain(|drift| drift.key == FactKey::Account);
            match drifts.first_mut() {
                Some(drift) => hold_without_remedy(drift, &doubt),
                None => drifts.push(unclear(&mandates, doubt)),
            }
        } else if without {
            drifts.extend(without_account(&desired, &mandates, &actual, &drifts, now));
        } else {
            self.hold_taken_login(&actual, &mut drifts)?;
            drifts.extend(without_account(&desired, &mandates, &actual, &drifts, now));
        }
        let actions = actions(&person, &desired, &actual, &drifts, &self.config.policy);
        Ok(Some(Judged { person, desired, actual, drifts, actions }))
    }

    /// Whether the account was made here, or a request that is withdrawn may have activated it.
    fn was_made(
        &self,
        id: &SysId,
        link: Option<&Link>,
        mandates: &[Mandate],
    ) -> Result<bool, StoreError> {
        Ok(link.is_some_and(|link| link.made)
            || mandates.iter().any(Mandate::was_undone)
                && self.store.status_actions(id)?.iter().any(|(action, _)| action == "activate"))
    }

    /// Whether the journal explains a suspension: nothing was done about the account since.
    fn suspended_here(&self, id: &SysId, actual: &Actual) -> Result<bool, StoreError> {
        let is_suspended =
            actual.account.as_ref().is_some_and(|a| a.status == AccountStatus::Suspended);
        let last = if is_suspended { self.store.status_actions(id)?.pop() } else { None };
        Ok(last.is_some_and(|(action, _)| action == "suspend"))
    }

    /// Clearing sessions over and over would not suspend anybody.
    fn clear_sessions_once(
        &self,
        id: &SysId,
        known: &Facts,
        drifts: &mut [Drift],
    ) -> Result<(), StoreError> {
        let Some(drift) = drifts.iter_mut().find(|d| d.remedy == Some(Remedy::ClearSessions))
        else {
            return Ok(());
        };
        let wanted_before = known
            .get(&FactKey::Status)
            .is_some_and(|fact| fact.value == drift.desired && fact.origin == drift.origin);
        let cleared = |(action, request): &(String, String)| {
            action == "clear_sessions" && *request == drift.origin.to_string()
        };
        if wanted_before && self.store.status_actions(id)?.last().is_some_and(cleared) {
            drift.remedy = None;
        }
        Ok(())
    }

    fn known(&self, id: &SysId) -> Result<Facts, StoreError> {
        let mut facts = Facts::new();
        for (key, row) in self.store.facts_of(id)? {
            let Some(key) = parse_key(&key) else { continue };
            let FactRow { key: _, value, origin, basis, established, refused } = row;
            facts.insert(key, Known { value, origin, basis, established, refused });
        }
        Ok(facts)
    }

    /// Somebody else would get an account that identifies the same person: neither is made.
    fn twin(&self, person: &Person, drifts: &[Drift], claims: &Claims) -> Option<String> {
        let creates = |drift: &Drift| matches!(drift.remedy, Some(Remedy::Create { .. }));
        if !drifts.iter().any(creates) {
            return None;
        }
        claims_of(person, &self.config.policy).into_iter().find_map(|claim| {
            let others = claims.get(&claim)?.iter().filter(|id| **id != person.sys_id).count();
            (others > 0).then(|| {
                format!("{} people would get accounts with the same {}", others + 1, claim.0)
            })
        })
    }

    /// A rename to a login that somebody else has would be refused, or worse.
    fn hold_taken_login(&self, actual: &Actual, drifts: &mut [Drift]) -> Result<(), StoreError> {
        let Some(own) = &actual.account else { return Ok(()) };
        let Some(drift) = drifts.iter_mut().find(|drift| {
            matches!(drift.disposition, Disposition::Apply | Disposition::Hold)
                && matches!(&drift.key, FactKey::Profile(attribute) if attribute == "login")
        }) else {
            return Ok(());
        };
        let login = drift.desired.clone().unwrap_or_default();
        let others = self.store.accounts_where("login", &login)?;
        if others.iter().any(|other| other.id != own.id) {
            hold_without_remedy(drift, "the login is taken by another account");
        }
        Ok(())
    }

    /// Why it cannot be told which account is the person's, if one is wanted.
    fn doubt(
        &self,
        person: &Person,
        desired: &Desired,
        mandates: &[Mandate],
    ) -> Result<Option<String>, StoreError> {
        let wanted = desired
            .status
            .as_ref()
            .is_some_and(|status| matches!(status.value, Wish::Active | Wish::Staged));
        let named = mandates.iter().any(|mandate| mandate.in_force(self.now()));
        if !wanted && !named {
            return Ok(None);
        }
        Ok(match self.find_account(person)? {
            Match::Unclear { kind: "login-taken", text } if wanted => Some(text),
            Match::Unclear { kind: "login-taken", .. } | Match::None => None,
            Match::Unclear { text, .. } => Some(text),
            // It matches, and yet it was not linked.
            Match::Account(_) if person.presence == Presence::Present => {
                Some("the account that matches would be another person's as well".to_owned())
            }
            Match::Account(_) => {
                Some("an account matches, and the person's record is not readable now".to_owned())
            }
        })
    }

    fn find_account(&self, person: &Person) -> Result<Match, StoreError> {
        let policy = &self.config.policy;
        let (keys, login) = identify(person, policy);
        let mut accounts = BTreeMap::new();
        let anchor = policy.anchor.as_deref().map(|anchor| (anchor, person.sys_id.as_str()));
        let by_login = login.as_deref().map(|login| ("login", login));
        let searched = keys.iter().map(|(attribute, value)| (attribute.as_str(), value.as_str()));
        for (attribute, value) in searched.chain(anchor).chain(by_login) {
            if value.is_empty() {
                continue;
            }
            for account in self.store.accounts_where(attribute, value)? {
                accounts.insert(account.id.clone(), account);
            }
        }
        let mut taken = BTreeMap::new();
        for id in accounts.keys() {
            let owner = self.store.person_of(id)?;
            taken.insert(id.clone(), owner.is_some_and(|owner| owner != person.sys_id));
        }
        let candidates: Vec<Candidate<'_>> = accounts
            .values()
            .map(|account| Candidate { account, taken: taken[&account.id] })
            .collect();
        let keys: Vec<(&str, &str)> =
            keys.iter().map(|(attribute, value)| (attribute.as_str(), value.as_str())).collect();
        Ok(correlate(anchor, &keys, login.as_deref(), &candidates))
    }

    /// Links people to the accounts that are theirs. An account that two people would match is
    /// linked to neither.
    pub(super) fn link(&self, people: &[SysId]) -> Result<(), StoreError> {
        let mut claims: BTreeMap<AccountId, BTreeSet<&SysId>> = BTreeMap::new();
        for id in people {
            if let Some(account) = self.claim(id)? {
                claims.entry(account).or_default().insert(id);
            }
        }
        if claims.is_empty() {
            return Ok(());
        }
        // Whoever else matches may not be among those who are looked at now.
        let others = self.store.people_without_account(true)?;
        let looked_at: BTreeSet<&SysId> = people.iter().collect();
        for id in others.iter().filter(|id| !looked_at.contains(id)) {
            if let Some(account) = self.claim(id)?
                && let Some(claimants) = claims.get_mut(&account)
            {
                claimants.insert(id);
            }
        }
        let now = self.now();
        for (account, claimants) in claims {
            let (Some(person), 1) = (claimants.first(), claimants.len()) else { continue };
            let origin = self
                .store
                .mandates_of(person)?
                .into_iter()
                .filter(|mandate| mandate.in_force(now) && mandate.terms.operation.is_lifecycle())
                .max_by_key(|mandate| (mandate.effective, mandate.created_at))
                .map_or(Origin::Baseline, |mandate| Origin::Request(mandate.request));
            self.store.keep_link(person, &account, &origin, false, now)?;
            for group in self.store.groups_of(&account)? {
                self.store.keep_baseline(person, &group)?;
            }
        }
        Ok(())
    }

    /// Whether somebody is linked to an account that is still there.
    pub(super) fn has_account(&self, id: &SysId) -> Result<bool, StoreError> {
        let link = self.store.link(id)?;
        Ok(link.map(|account| self.store.account(&account)).transpose()?.flatten().is_some())
    }

    /// Whether an account turned up for somebody that nobody else matches: the next look links it.
    pub(super) fn is_about_to_be_linked(&self, id: &SysId) -> Result<bool, StoreError> {
        let Some(account) = self.claim(id)? else { return Ok(false) };
        for other in self.store.people_without_account(true)? {
            if other != *id && self.claim(&other)?.as_ref() == Some(&account) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The account that somebody without one matches.
    fn claim(&self, id: &SysId) -> Result<Option<AccountId>, StoreError> {
        if self.has_account(id)? {
            return Ok(None);
        }
        let Some(person) = self.store.person(id)? else { return Ok(None) };
        if person.presence != Presence::Present {
            return Ok(None);
        }
        Ok(match self.find_account(&person)? {
            Match::Account(account) => Some(account),
            Match::None | Match::Unclear { .. } => None,
        })
    }

    /// Remembers how one person should be, and which of it Okta was seen to agree with.
    pub(super) fn remember(
        &self,
        judged: &Judged,
        surroundings: &Surroundings,
    ) -> Result<(), StoreError> {
        // Whoever is outside for a while is not somebody new afterwards.
        if judged.person.presence == Presence::Outside {
            return Ok(());
        }
        let before = self.store.facts_of(&judged.person.sys_id)?;
        let differing: BTreeSet<&FactKey> = judged.drifts.iter().map(|drift| &drift.key).collect();
        let account_missing = judged.actual.account.is_none();
        let mut rows = Vec::new();
        let mut keep = |key: FactKey, value: Option<String>, fact: FactRow| {
            let text = key_text(&key);
            let stood = before.get(&text).is_some_and(|row| {
                row.established && row.value == value && row.origin == fact.origin
            });
            let compared = match &key {
                FactKey::Profile(_) => !is_dormant(judged.actual.account.as_ref()),
                FactKey::Membership(group) => {
                    judged.actual.groups.contains(group)
                        == (value.as_deref() == Some(member(true).as_str()))
                }
                FactKey::Account | FactKey::Status => true,
            };
            let agrees = compared && !differing.contains(&key) && !account_missing;
            let refused = before
                .get(&text)
                .filter(|row| !agrees && row.value == value && row.origin == fact.origin)
                .and_then(|row| row.refused.clone());
            rows.push(FactRow { key: text, value, established: agrees || stood, refused, ..fact });
        };
        let desired = &judged.desired;
        if let Some(fact) = &desired.status {
            keep(FactKey::Status, Some(fact.value.as_str().to_owned()), row(fact));
        }
        for (attribute, fact) in &desired.profile {
            keep(FactKey::Profile(attribute.clone()), fact.value.clone(), row(fact));
        }
        for (group, fact) in &desired.memberships {
            let key = FactKey::Membership(group.clone());
            // A group that was deleted keeps what is known of it.
            if surroundings.groups.contains_key(group) || before.contains_key(&key_text(&key)) {
                keep(key, Some(member(fact.value)), row(fact));
            }
        }
        self.store.keep_facts(&judged.person.sys_id, &rows, self.now())
    }

    /// What the guard needs to know beside the plan.
    ///
    /// `looked_at` are the people who are decided about now: what waits for them is found again.
    pub(super) fn guard_context(
        &self,
        amnesia: bool,
        looked_at: &BTreeSet<SysId>,
    ) -> Result<Context, EngineError> {
        let now = self.now();
        let window = chrono::Duration::from_std(self.config.limits.window)
            .unwrap_or(chrono::Duration::days(1));
        let mut released = BTreeSet::new();
        let mut dismissed = BTreeMap::new();
        let mut waiting = Vec::new();
        let mut undecided = BTreeMap::new();
        for hold in self.store.holds(now)? {
            if let (None, Some(set)) = (&hold.said, &hold.hold.set) {
                let since = undecided.entry(set.clone()).or_insert(hold.since);
                *since = hold.since.min(*since);
            }
            let NewHold { fingerprint, person, action, group, set, .. } = hold.hold;
            match (hold.said, set) {
                (Some(said), _) if said.word == Word::Release => {
                    released.insert(fingerprint);
                }
                (Some(said), _) => {
                    let text = format!("dismissed by {}: {}", said.by, said.because);
                    dismissed.insert(fingerprint, text);
                }
                (None, Some(set)) if set == EMPTY_STORE || !looked_at.contains(&person) => {
                    waiting.push(Waiting { fingerprint, set, person, action, group });
                }
                (None, _) => {}
            }
        }
        Ok(Context {
            managed: self.store.link_count()?,
            done: self.store.done_since(now - window)?,
            group_sizes: self.store.group_sizes()?,
            released,
            dismissed,
            waiting,
            undecided,
            implausible: self.store.meta("implausible")?.filter(|reason| !reason.is_empty()),
            amnesia: amnesia && self.store.knows_history()?,
        })
    }
}

/// Whether a join that has not taken effect yet finds a deactivated account.
fn is_rehire(mandates: &[Mandate], account: Option<&Account>, now: Instant) -> bool {
    let dormant = account.is_some_and(|it| it.status == AccountStatus::Deprovisioned);
    dormant
        && fold(mandates, now).status.is_some_and(|(wish, mandate)| {
            wish == Wish::Active && mandate.terms.operation == Operation::Join && !mandate.effected
        })
}

fn row<T>(fact: &Fact<T>) -> FactRow {
    FactRow {
        key: String::new(),
        value: None,
        origin: fact.origin.clone(),
        basis: fact.basis.clone(),
        established: false,
        refused: None,
    }
}

fn hold_without_remedy(drift: &mut Drift, reason: &str) {
    drift.disposition = Disposition::Hold;
    drift.remedy = None;
    reason.clone_into(&mut drift.reason);
}

fn parse_key(text: &str) -> Option<FactKey> {
    match text.split_once(':') {
        None if text == "account" => Some(FactKey::Account),
        None if text == "status" => Some(FactKey::Status),
        Some(("profile", attribute)) => Some(FactKey::Profile(attribute.to_owned())),
        Some(("membership", group)) => GroupId::parse(group).ok().map(FactKey::Membership),
        _ => None,
    }
}

fn newest(mandates: &[Mandate]) -> Origin {
    mandates
        .iter()
        .max_by_key(|mandate| (mandate.effective, mandate.created_at))
        .map_or(Origin::None, |mandate| Origin::Request(mandate.request.clone()))
}

fn unclear(mandates: &[Mandate], reason: String) -> Drift {
    Drift {
        key: FactKey::Account,
        desired: None,
        actual: None,
        origin: newest(mandates),
        cause: Cause::Request,
        disposition: Disposition::Hold,
        remedy: None,
        reason,
        history: false,
        observed: false,
    }
}

/// What was asked for somebody who has no account in use and gets none: it can neither be done nor
/// be called done.
fn without_account(
    desired: &Desired,
    mandates: &[Mandate],
    actual: &Actual,
    drifts: &[Drift],
    now: Instant,
) -> Vec<Drift> {
    let status = desired.status.as_ref();
    let comes = status.is_some_and(|fact| matches!(fact.value, Wish::Active | Wish::Staged));
    if comes || !is_dormant(actual.account.as_ref()) || has_account_drift(drifts) {
        return Vec::new();
    }
    // What a later leave ended waits for nothing.
    let place =
        |mandate: &Mandate| (mandate.effective, mandate.created_at, mandate.request.number.clone());
    let ended_by = status.filter(|fact| fact.value == Wish::Deactivated);
    let ended_at = ended_by.and_then(|fact| {
        mandates.iter().find(|mandate| fact.origin.request() == Some(&mandate.request)).map(place)
    });
    let waits = |mandate: &&Mandate| {
        let needs = match mandate.terms.operation {
            Operation::Grant => !mandate.has_ended(now) && is_wanted(mandate, desired),
            Operation::Move | Operation::Resume => true,
            // An account that is deactivated is as suspended as it can be.
            Operation::Suspend => actual.account.is_none(),
            Operation::Join | Operation::Leave | Operation::Revoke => false,
        };
        needs
            && mandate.in_force(now)
            && !mandate.closed
            && ended_at.as_ref().is_none_or(|ended| place(mandate) > *ended)
    };
    let (status, reason) = match &actual.account {
        None => (None, "the person has no account in Okta, and none was asked for"),
        Some(account) => (
            Some(account.status.as_str().to_lowercase()),
            "the person's account in Okta is deactivated",
        ),
    };
    let waiting = mandates.iter().filter(waits);
    waiting
        .map(|mandate| Drift {
            desired: Some(Wish::Active.as_str().to_owned()),
            actual: status.clone(),
            ..unclear(std::slice::from_ref(mandate), reason.to_owned())
        })
        .collect()
}

fn has_account_drift(drifts: &[Drift]) -> bool {
    drifts.iter().any(|drift| drift.key == FactKey::Account)
}

/// Whether any membership that it asks for is still wanted because of it.
fn is_wanted(mandate: &Mandate, desired: &Desired) -> bool {
    let speaks = |reason: &Reason| matches!(reason, Reason::Request { request, .. } if *request == mandate.request);
    mandate.terms.groups.iter().any(|group| {
        let fact = desired.memberships.get(group);
        fact.is_some_and(|fact| fact.value && fact.reasons.iter().any(speaks))
    })
}
