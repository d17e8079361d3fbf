//! From what the store holds to what should happen: the pure core, applied person by person.

use std::collections::{BTreeMap, BTreeSet};

use super::link::{hold_without_remedy, unclear, without_account};
use super::surroundings::Surroundings;
use super::{Engine, EngineError};
use crate::model::{
    Account, AccountStatus, Action, Cause, FactKey, GroupId, HoldSet, Operation, Outcome, Person,
    Presence, ResolvedRequest, StatusChange, Step, StepKind, SysId, Timestamp,
};
use crate::policy::desire::{Desired, Fact, INACTIVE_RECORD, Subject, desire};
use crate::policy::timeline::{DesiredStatus, replay};
use crate::reconcile::diff::{Actual, Drift, Facts, Known, Remedy, Setting, diff, member};
use crate::reconcile::guard::{Context, EMPTY_STORE, Waiting, key_text};
use crate::reconcile::plan::{Planned, actions, is_dormant};
use crate::store::{FactRow, HeldAction, Link, StoreError, Verdict};

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
                self.resolve_in_doubt(id)?;
                let Some(judged) = self.judge(id, surroundings)? else { continue };
                if judged.drifts.is_empty() {
                    self.remember(&judged, surroundings)?;
                    self.store.queue().complete(id, judged.desired.next)?;
                } else {
                    // Until it is settled what becomes of the difference, somebody must look.
                    self.store.queue().enqueue(id, self.now())?;
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
        let Some(person) = self.store.people().get(id)? else { return Ok(None) };
        let now = self.now();
        let requests = self.store.requests().resolved_for(id)?;
        let link = self.store.links().get(id)?;
        let account = link
            .as_ref()
            .map(|link| self.store.accounts().get(&link.account))
            .transpose()?
            .flatten();
        let groups = match &account {
            Some(account) => self.store.groups().of_account(&account.id)?,
            None => BTreeSet::new(),
        };
        let actual = Actual { account, groups };
        let known = self.known(id)?;
        // Whoever is hired again gets what is asked for now, not what they once had.
        let baseline = if is_rehire(&requests, actual.account.as_ref(), now) {
            BTreeSet::new()
        } else {
            self.store.links().baseline_of(id)?
        };
        let took_effect =
            known.get(&FactKey::Status).filter(|fact| fact.in_sync_once).map(|fact| &fact.origin);
        let by_record =
            known.get(&FactKey::Status).is_some_and(|fact| fact.basis.starts_with(INACTIVE_RECORD))
                || self.disabled_here(id, &actual)?.is_some_and(|last| last.cause == Cause::Record);
        let subject = Subject {
            person: &person,
            requests: &requests,
            linked: link.is_some(),
            unused: actual.account.as_ref().is_some_and(|account| {
                matches!(account.status, AccountStatus::Staged | AccountStatus::Deprovisioned)
            }),
            deleted: link.is_some() && actual.account.is_none(),
            created_here: self.was_created_here(id, link.as_ref(), &requests)?,
            by_record,
            took_effect,
            baseline: &baseline,
        };
        let mut desired = desire(&subject, &self.config.policy, &surroundings.rule_groups, now);
        desired.may_unsuspend |= self.suspended_here(id, &actual)?;
        desired.owes_mail = self.owes_mail(&actual)?;
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
            && let Some(doubt) = match self.doubt(&person, &desired, &requests)? {
                Some(doubt) => Some(doubt),
                None => self.twin(&person, &drifts, &surroundings.claims),
            }
        {
            // Whose account it is cannot be told, so nothing is written for this person.
            drifts.retain(|drift| drift.key == FactKey::Account);
            match drifts.first_mut() {
                Some(drift) => hold_without_remedy(drift, &doubt),
                None => drifts.push(unclear(&requests, doubt)),
            }
        } else if without {
            drifts.extend(without_account(&desired, &requests, &actual, &drifts, now));
        } else {
            self.hold_taken_login(&actual, &mut drifts)?;
            drifts.extend(without_account(&desired, &requests, &actual, &drifts, now));
        }
        let actions = actions(&person, &desired, &actual, &drifts, &self.config.policy);
        Ok(Some(Judged { person, desired, actual, drifts, actions }))
    }

    /// Whether the account was made here, or a request that is withdrawn may have activated it.
    fn was_created_here(
        &self,
        id: &SysId,
        link: Option<&Link>,
        requests: &[ResolvedRequest],
    ) -> Result<bool, StoreError> {
        Ok(link.is_some_and(|link| link.created_here)
            || requests.iter().any(ResolvedRequest::was_withdrawn)
                && self.store.history().of(id)?.activated_here)
    }

    /// Whether the history explains a suspension: nothing was done about the account since.
    fn suspended_here(&self, id: &SysId, actual: &Actual) -> Result<bool, StoreError> {
        Ok(self.disabled_here(id, actual)?.is_some_and(|last| last.step == StepKind::Suspend))
    }

    /// What put somebody's account out of use, if it was done here and nothing was done since.
    fn disabled_here(
        &self,
        id: &SysId,
        actual: &Actual,
    ) -> Result<Option<StatusChange>, StoreError> {
        let status = actual.account.as_ref().map(|account| &account.status);
        let step = match status {
            Some(AccountStatus::Suspended) => StepKind::Suspend,
            Some(AccountStatus::Deprovisioned) => StepKind::Deactivate,
            _ => return Ok(None),
        };
        Ok(self.store.history().of(id)?.last.filter(|last| last.step == step))
    }

    /// Whether the account was brought back here and never got its mail: the process was killed
    /// before it, or the call had no answer.
    fn owes_mail(&self, actual: &Actual) -> Result<bool, StoreError> {
        let Some(account) = &actual.account else { return Ok(false) };
        Ok(self.config.policy.activation_mail
            && account.status == AccountStatus::Provisioned
            && self.store.history().is_mail_owed(&account.id)?)
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
        let cleared = |done: StatusChange| {
            done.step == StepKind::ClearSessions && done.request == drift.origin.to_string()
        };
        if wanted_before && self.store.history().of(id)?.last.is_some_and(cleared) {
            drift.remedy = None;
        }
        Ok(())
    }

    /// Remembers, together with an intent, that a mail is to follow.
    pub(super) fn note_mail(&self, action: &Action) -> Result<(), StoreError> {
        match (&action.step, &action.account) {
            (Step::Activate { mail: false }, Some(account))
                if self.config.policy.activation_mail =>
            {
                self.store.history().owe_mail(account, &action.person)
            }
            _ => Ok(()),
        }
    }

    /// Forgets it, together with an outcome: the mail was sent, or there is nothing to send it for.
    pub(super) fn note_mailed(&self, action: &Action, outcome: &Outcome) -> Result<(), StoreError> {
        let over = matches!(
            (&action.step, outcome),
            (
                Step::Reactivate { .. } | Step::Deactivate,
                Outcome::Applied { .. } | Outcome::AlreadySo { .. },
            ) | (Step::Activate { .. }, Outcome::Failed { transient: false, .. })
        );
        match &action.account {
            Some(account) if over => self.store.history().settle_mail(account),
            _ => Ok(()),
        }
    }

    fn known(&self, id: &SysId) -> Result<Facts, StoreError> {
        let mut facts = Facts::new();
        for (key, row) in self.store.facts().of(id)? {
            let Some(key) = parse_key(&key) else { continue };
            let FactRow { key: _, value, origin, basis, in_sync_once, refused } = row;
            facts.insert(key, Known { value, origin, basis, in_sync_once, refused });
        }
        Ok(facts)
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
        let before = self.store.facts().of(&judged.person.sys_id)?;
        let differing: BTreeSet<&FactKey> = judged.drifts.iter().map(|drift| &drift.key).collect();
        let account_missing = judged.actual.account.is_none();
        let mut rows = Vec::new();
        let mut keep = |key: FactKey, value: Option<String>, fact: FactRow| {
            let text = key_text(&key);
            let stood = before.get(&text).is_some_and(|row| {
                row.in_sync_once && row.value == value && row.origin == fact.origin
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
            rows.push(FactRow { key: text, value, in_sync_once: agrees || stood, refused, ..fact });
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
        self.store.facts().replace(&judged.person.sys_id, &rows, self.now())
    }

    /// What the guard needs to know beside the plan.
    ///
    /// `looked_at` are the people who are decided about now: what waits for them is found again.
    pub(super) fn guard_context(
        &self,
        empty_store: bool,
        decision: &Decision,
    ) -> Result<Context, EngineError> {
        let looked_at = &decision.looked_at;
        // Counted only where there is something to count against.
        let idle = decision.differing.is_empty();
        let now = self.now();
        let window = chrono::Duration::from_std(self.config.limits.window)
            .unwrap_or(chrono::Duration::days(1));
        let mut released = BTreeSet::new();
        let mut dismissed = BTreeMap::new();
        let mut waiting = Vec::new();
        let mut undecided = BTreeMap::new();
        let planned: BTreeSet<String> =
            decision.actions().iter().map(Planned::fingerprint).collect();
        for hold in self.store.open_items().actions(now)? {
            let set = hold.action.set.map(|set: HoldSet| set.as_str().to_owned());
            if let (None, Some(set)) = (&hold.said, &set) {
                let since = undecided.entry(set.clone()).or_insert(hold.since);
                *since = hold.since.min(*since);
            }
            let HeldAction { person, reason, action, .. } = hold;
            let (fingerprint, group) = (action.fingerprint, action.group);
            let (action, reason) = (action.step.as_str().to_owned(), reason.to_string());
            match (hold.said, set) {
                (Some(said), _) if said.word == Verdict::Release => {
                    released.insert(fingerprint);
                }
                (Some(said), _) => {
                    let text = format!("dismissed by {}: {}", said.by, said.because);
                    dismissed.insert(fingerprint, text);
                }
                (None, Some(set))
                    if !looked_at.contains(&person)
                        || set == EMPTY_STORE && planned.contains(&fingerprint) =>
                {
                    waiting.push(Waiting { fingerprint, set, person, action, group, reason });
                }
                (None, _) => {}
            }
        }
        Ok(Context {
            managed: self.store.links().count()?,
            done: if idle { Vec::new() } else { self.store.journal().done_since(now - window)? },
            group_sizes: if idle { BTreeMap::new() } else { self.store.groups().sizes()? },
            released,
            dismissed,
            waiting,
            undecided,
            implausible: self.store.state().implausible()?,
            empty_store: empty_store && self.store.requests().any_history()?,
        })
    }
}

/// Whether a join that has not taken effect yet finds a deactivated account.
fn is_rehire(requests: &[ResolvedRequest], account: Option<&Account>, now: Timestamp) -> bool {
    let dormant = account.is_some_and(|it| it.status == AccountStatus::Deprovisioned);
    dormant
        && replay(requests, now).status.is_some_and(|(desired_status, resolved)| {
            desired_status == DesiredStatus::Active
                && resolved.terms.operation == Operation::Join
                && !resolved.took_effect
        })
}

fn row<T>(fact: &Fact<T>) -> FactRow {
    FactRow {
        key: String::new(),
        value: None,
        origin: fact.origin.clone(),
        basis: fact.basis.clone(),
        in_sync_once: false,
        refused: None,
    }
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
