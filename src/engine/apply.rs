//! Acting: the journal before and after every call, and a second look at whoever was touched.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::cycle::Preview;
use super::decide::Judged;
use super::describe::sentence;
use super::narrow::narrow;
use super::report::CycleReport;
use super::{Engine, EngineError, InFlight, Writers};
use crate::model::{
    AccountId, AccountStatus, Action, Cause, FactKey, Operation, Outcome, ResolvedRequest, Step,
    SysId, Timestamp,
};
use crate::okta::{self, Performed};
use crate::reconcile::diff::{Disposition, Drift};
use crate::reconcile::guard::{Held, key_text};
use crate::reconcile::plan::{Gate, Planned};
use crate::reconcile::retry::{gist, pause_after};
use crate::store::{Entry, HoldDecision, Observed, StoreError};

/// How long an activation or deactivation may take before it is left to the next cycle.
const TRANSITION: Duration = Duration::from_secs(15);

/// A failure that is longer ago than this is another story.
const FORGOTTEN: chrono::Duration = chrono::Duration::hours(1);

/// Limits slide with time, so whoever waits for one is looked at again after this.
const LIMIT_PAUSE: chrono::Duration = chrono::Duration::minutes(15);

/// Who was acted on, what was done, and what Okta refused for good.
#[derive(Debug, Default)]
pub(super) struct Touched {
    people: BTreeSet<SysId>,
    done: BTreeSet<(SysId, FactKey)>,
    refused: BTreeMap<SysId, Vec<(FactKey, String)>>,
}

impl Engine {
    /// Carries out what was approved, in order. One failure ends what depends on it, and no more.
    pub(super) async fn apply(
        &self,
        writers: &Writers,
        preview: &Preview,
        report: &mut CycleReport,
    ) -> Result<Touched, EngineError> {
        let mut touched = Touched::default();
        let mut created: BTreeMap<SysId, AccountId> = BTreeMap::new();
        let mut left_alone: BTreeSet<SysId> = BTreeSet::new();
        let mut not_disabled: Vec<&Planned> = Vec::new();
        for approved in preview.verdict.approved.actions() {
            if self.is_stopping() {
                break;
            }
            let mut planned = approved.planned.clone();
            let person = planned.action.person.clone();
            if planned.action.account.is_none() {
                planned.action.account = created.get(&person).cloned();
            }
            if left_alone.contains(&person)
                || not_disabled.iter().any(|first| planned.follows(first))
            {
                let reason = Some("what it depends on failed".to_owned());
                report.push(self.action_report(&planned, "skipped", reason)?);
                continue;
            }
            touched.people.insert(person.clone());
            let mut open = false;
            let mut yes = if approved.released {
                Yes::Needed(approved.planned.fingerprint())
            } else {
                Yes::NotNeeded
            };
            let mut queue = VecDeque::from([planned]);
            while let Some(mut planned) = queue.pop_front() {
                let Some(performed) =
                    self.carry_out(writers, preview.cycle, &mut planned, &mut yes, report).await?
                else {
                    let reason = Some("the yes to it was taken back, or has lapsed".to_owned());
                    report.push(self.action_report(&planned, "skipped", reason)?);
                    left_alone.insert(person.clone());
                    break;
                };
                match performed.outcome {
                    Outcome::Applied { .. } | Outcome::AlreadySo { .. } => {
                        open = true;
                        // Without its sessions an account is as usable as before.
                        if planned.action.step != Step::ClearSessions {
                            let keys = planned.keys.iter().map(|key| (person.clone(), key.clone()));
                            touched.done.extend(keys);
                        }
                        if let (Step::Create { .. }, Some(account)) =
                            (&planned.action.step, &planned.action.account)
                        {
                            created.insert(person.clone(), account.clone());
                        }
                    }
                    Outcome::Failed { transient: false, error, .. } => {
                        let narrowed = narrow(&planned, performed.error.as_ref());
                        queue.extend(narrowed.rest);
                        let refused = narrowed.refused.into_iter().map(|key| (key, error.clone()));
                        touched.refused.entry(person.clone()).or_default().extend(refused);
                    }
                    // Of two steps to one fact the first may be done, and the fact is not.
                    Outcome::Failed { .. } | Outcome::Unknown { .. } => {
                        let keys = planned.keys.iter().map(|key| (person.clone(), key.clone()));
                        touched.done.retain(|it| keys.clone().all(|key| key != *it));
                    }
                }
            }
            let step = &approved.planned.action.step;
            if !open && opens_the_way(step) {
                left_alone.insert(person);
            } else if !open && *step == Step::Deactivate {
                // A leaver loses nothing before the account is disabled.
                not_disabled.push(&approved.planned);
            }
        }
        Ok(touched)
    }

    /// Sends one action, with its intent in the journal before and its outcome after. `None` where
    /// it needs a yes that no longer stands: then nothing was done.
    async fn carry_out(
        &self,
        writers: &Writers,
        cycle: i64,
        planned: &mut Planned,
        yes: &mut Yes,
        report: &mut CycleReport,
    ) -> Result<Option<Performed>, EngineError> {
        let intent = planned.action.clone();
        let keys = planned.keys.iter().map(key_text).collect();
        let released = !matches!(yes, Yes::NotNeeded);
        let entry = Entry { action: &intent, cycle, keys, leaver: planned.leaver, released };
        let begun = self.store.atomically(|| {
            let now = self.now();
            if let Yes::Needed(fingerprint) = &*yes
                && self.store.decisions().release_of(fingerprint, now)?.is_none()
            {
                return Ok(None);
            }
            if self.rehires(&intent)? {
                self.store.links().end_adoption(&intent.person)?;
            }
            self.note_mail(&intent)?;
            let thread = self.store.journal().intend(&entry, now)?;
            self.store.facts().mark_unconfirmed(&intent.person, &entry.keys)?;
            if let Yes::Needed(fingerprint) = &*yes {
                self.store.decisions().use_release(fingerprint, thread.action)?;
            }
            Ok(Some(thread))
        })?;
        let Some(thread) = begun else { return Ok(None) };
        if released {
            *yes = Yes::Used;
        }
        let _in_flight = InFlight::begin(self);
        let on_wire = okta::Thread { request: &thread.request, action: thread.action };
        let performed = writers.okta.perform(&intent.step, intent.account.as_ref(), &on_wire).await;
        if let Some(account) = &performed.account {
            planned.action.account = Some(account.id.clone());
            self.store.accounts().upsert(
                std::slice::from_ref(account),
                &self.account_keys(),
                Observed::ById { at: self.now() },
                cycle,
            )?;
            if matches!(intent.step, Step::Create { .. }) {
                let created_here = true;
                self.store.links().upsert(
                    &intent.person,
                    &account.id,
                    &intent.origin,
                    created_here,
                    self.now(),
                )?;
            }
        }
        let done = planned.action.clone();
        let entry = Entry { action: &done, ..entry };
        self.store.atomically(|| {
            self.note_mailed(&done, &performed.outcome)?;
            self.note_membership(&done, &performed.outcome)?;
            self.store.journal().conclude(&entry, &thread, &performed.outcome, self.now())
        })?;
        self.say(planned, thread.action, cycle, &performed.outcome, report)?;
        Ok(Some(performed))
    }

    /// A list of members that was asked for before this was answered says less than the answer.
    fn note_membership(&self, action: &Action, outcome: &Outcome) -> Result<(), StoreError> {
        let (Some(account), Outcome::Applied { .. } | Outcome::AlreadySo { .. }) =
            (&action.account, outcome)
        else {
            return Ok(());
        };
        let groups = self.store.groups();
        match &action.step {
            Step::AddMember { group } => groups.set_member(group, account, true, self.now()),
            Step::RemoveMember { group } => groups.set_member(group, account, false, self.now()),
            _ => Ok(()),
        }
    }

    /// Whether somebody is hired again by this, rather than back from a leave of absence, or from
    /// a leave that was withdrawn.
    fn rehires(&self, action: &Action) -> Result<bool, StoreError> {
        let (Step::Activate { .. }, Some(account), Cause::Request) =
            (&action.step, &action.account, action.cause)
        else {
            return Ok(false);
        };
        let account = self.store.accounts().get(account)?;
        let dormant = account.is_some_and(|a| a.status == AccountStatus::Deprovisioned);
        let join = |resolved: &ResolvedRequest| {
            action.origin.request() == Some(&resolved.request)
                && resolved.terms.operation == Operation::Join
                && !resolved.was_withdrawn()
        };
        Ok(dormant && self.store.requests().resolved_for(&action.person)?.iter().any(join))
    }

    /// One event in the log and one line in the report for each action.
    fn say(
        &self,
        planned: &Planned,
        id: i64,
        cycle: i64,
        outcome: &Outcome,
        report: &mut CycleReport,
    ) -> Result<(), StoreError> {
        let (word, okta_request_id, error) = match outcome {
            Outcome::Applied { okta_request_id } | Outcome::AlreadySo { okta_request_id } => {
                ("applied", okta_request_id.clone(), None)
            }
            Outcome::Failed { error, okta_request_id, .. } => {
                ("failed", okta_request_id.clone(), Some(error.clone()))
            }
            Outcome::Unknown { error } => ("failed", None, Some(error.clone())),
        };
        let mut action = self.action_report(planned, word, error.clone())?;
        action.id = Some(id);
        action.okta_request_id = okta_request_id;
        action.transient =
            matches!(outcome, Outcome::Failed { transient: true, .. } | Outcome::Unknown { .. });
        let mut text = sentence(&planned.action, action.person.name(), action.group.as_deref());
        if let Some(HoldDecision { by, because, .. }) =
            self.store.decisions().release_used_by(id)?
        {
            text = format!("{text}, released by {by}: {because}");
        }
        let text = match &error {
            None => text,
            Some(error) => format!("{text}: failed: {error}"),
        };
        // In a warning once when it begins and once when it changes, not each time that it is tried.
        let is_news = match &error {
            None => true,
            Some(error) => {
                let (_, before) = self.failures_before(&planned.action, id)?;
                before.is_none_or(|before| gist(&before) != gist(error))
            }
        };
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    request = action.request.as_deref(),
                    parent = action.parent.as_deref(),
                    action = planned.action.step.name(),
                    outcome = word,
                    cause = action.cause,
                    login = action.person.login.as_deref(),
                    sys_id = %planned.action.person,
                    okta_user = action.person.okta_id.as_deref(),
                    group = action.group.as_deref(),
                    okta_request_id = action.okta_request_id.as_deref(),
                    action_id = id,
                    cycle,
                    "{text}"
                )
            };
        }
        if error.is_none() {
            event!(info);
        } else if is_news {
            event!(warn);
        } else {
            event!(info);
        }
        report.push(action);
        Ok(())
    }

    /// Looks again at whoever was acted on, remembers what is now, and plans the next look.
    pub(super) async fn settle(
        &self,
        preview: &Preview,
        touched: &Touched,
        report: &mut CycleReport,
    ) -> Result<(), EngineError> {
        let now = self.now();
        let mut unseen = BTreeSet::new();
        for person in &touched.people {
            match self.refresh_settled(person, preview.cycle).await {
                Ok(()) => {}
                // What was done is done: it stays in the report, and the next cycle looks again.
                Err(EngineError::Okta(error)) => {
                    tracing::warn!(sys_id = %person, "what was done could not be looked at: {error}");
                    report.summary.failed += 1;
                    unseen.insert(person);
                }
                Err(error) => return Err(error),
            }
        }
        let surroundings = &preview.surroundings;
        // We were told to stop before their turn came.
        let unbegun: BTreeSet<&SysId> = preview
            .verdict
            .approved
            .actions()
            .iter()
            .map(|approved| &approved.planned.action.person)
            .filter(|person| !touched.people.contains(*person))
            .collect();
        let limited: BTreeSet<&SysId> = preview
            .verdict
            .held
            .iter()
            .filter(|held| held.limited)
            .map(|held| &held.planned.action.person)
            .collect();
        // One commit for everybody: each would wait for the disk.
        self.store.atomically(|| {
            // An account whose creation had no answer is there now, and somebody's.
            let looked_at: Vec<SysId> =
                touched.people.iter().filter(|id| !unseen.contains(id)).cloned().collect();
            self.link(&looked_at)?;
            for (id, before) in &preview.decision.differing {
                if unseen.contains(id) {
                    continue;
                }
                if !touched.people.contains(id) {
                    // Limits slide, and what stands in the way elsewhere may be gone.
                    let waits = limited.contains(id) || before.drifts.iter().any(Drift::is_stuck);
                    let again = if unbegun.contains(id) {
                        Some(now)
                    } else {
                        waits.then(|| now + LIMIT_PAUSE)
                    };
                    let next = [before.desired.next, again].into_iter().flatten().min();
                    self.store.queue().complete(id, next)?;
                    self.remember(before, surroundings)?;
                    continue;
                }
                self.resolve_in_doubt(id)?;
                let Some(judged) = self.judge(id, surroundings)? else { continue };
                self.remember(&judged, surroundings)?;
                let left = judged.actions.iter().map(Planned::fingerprint).collect();
                self.store.open_items().end_other_actions(id, &left)?;
                for drift in judged.drifts.iter().filter(|drift| drift.has_no_way()) {
                    tracing::error!(
                        request = %drift.origin,
                        sys_id = %id,
                        "{}: {} cannot be carried out: {}",
                        drift.origin,
                        drift.desired.as_deref().unwrap_or("this"),
                        drift.reason
                    );
                }
                self.keep_refusals(&judged, touched)?;
                let again = self.next_look(&judged, preview, touched, report)?;
                let next = [judged.desired.next, again].into_iter().flatten().min();
                self.store.queue().complete(id, next)?;
            }
            Ok(())
        })?;
        self.describe_waiting(preview, report)?;
        Ok(())
    }

    /// Remembers what Okta refused, and what it took and does not show: sent again, it would end
    /// the same way.
    fn keep_refusals(&self, judged: &Judged, touched: &Touched) -> Result<(), StoreError> {
        let id = &judged.person.sys_id;
        let mut reasons: BTreeMap<&FactKey, &str> = BTreeMap::new();
        for drift in judged.drifts.iter().filter(|d| d.disposition == Disposition::Apply) {
            if matches!(drift.key, FactKey::Profile(_))
                && touched.done.contains(&(id.clone(), drift.key.clone()))
            {
                reasons.insert(&drift.key, "Okta took the value and shows another one");
            }
        }
        for (key, why) in touched.refused.get(id).into_iter().flatten() {
            reasons.insert(key, why);
        }
        for (key, why) in reasons {
            // Making an account is what its status asks for.
            let key = if *key == FactKey::Account { &FactKey::Status } else { key };
            self.store.facts().refuse(id, &key_text(key), &format!("Okta refused it: {why}"))?;
        }
        Ok(())
    }

    /// How often in a row something has failed lately, and how it did last.
    fn failures_before(
        &self,
        action: &Action,
        id: i64,
    ) -> Result<(u32, Option<String>), StoreError> {
        self.store.journal().failures_before(action, id, self.now() - FORGOTTEN)
    }

    /// When somebody has to be looked at again whose differences are not all gone, though nothing
    /// stands in the way.
    fn next_look(
        &self,
        judged: &Judged,
        preview: &Preview,
        touched: &Touched,
        report: &mut CycleReport,
    ) -> Result<Option<Timestamp>, StoreError> {
        let id = &judged.person.sys_id;
        let refused = touched.refused.get(id);
        // The guard held it, and would again. What its own gate held may be open by now.
        let held: BTreeMap<String, &Held> = preview
            .verdict
            .held
            .iter()
            .filter(|held| held.planned.action.person == *id && held.planned.gate == Gate::Open)
            .map(|held| (held.planned.fingerprint(), held))
            .collect();
        let waits: Vec<&Held> = judged
            .actions
            .iter()
            .filter_map(|planned| held.get(&planned.fingerprint()).copied())
            .collect();
        // Sessions are cleared once: doing it over and over would not suspend anybody.
        let left: Vec<&Planned> = judged
            .actions
            .iter()
            .filter(|planned| {
                planned.gate == Gate::Open && planned.action.step != Step::ClearSessions
            })
            .filter(|planned| !held.contains_key(&planned.fingerprint()))
            .filter(|planned| {
                !planned.keys.iter().any(|key| {
                    refused.is_some_and(|refused| refused.iter().any(|(it, _)| it == key))
                })
            })
            .collect();
        // Okta said yes, and yet it is not so: that is not agreement.
        report.summary.planned += left.len();
        let is_done = |key: &FactKey| touched.done.contains(&(id.clone(), key.clone()));
        let pause = left.iter().all(|planned| planned.keys.iter().any(is_done));
        Ok(match left.as_slice() {
            [] => waits.iter().any(|held| held.limited).then(|| self.now() + LIMIT_PAUSE),
            // It was done and does not show: now would be too soon to do it again.
            _ if pause => Some(self.now() + LIMIT_PAUSE),
            _ => {
                let mut pauses = Vec::new();
                for planned in left {
                    let (times, _) = self.failures_before(&planned.action, i64::MAX)?;
                    // What only waits for another step has not failed.
                    if times > 0 {
                        pauses.push(pause_after(times, planned.action.step.disables()));
                    }
                }
                Some(self.now() + pauses.into_iter().min().unwrap_or_default())
            }
        })
    }

    /// Reads until no change is on its way any more, for a bounded time.
    async fn refresh_settled(&self, person: &SysId, cycle: i64) -> Result<(), EngineError> {
        let deadline = tokio::time::Instant::now() + TRANSITION;
        let mut pause = Duration::from_millis(200);
        loop {
            self.refresh(person, cycle).await?;
            let link = self.store.links().account_of(person)?;
            let account =
                link.as_ref().map(|id| self.store.accounts().get(id)).transpose()?.flatten();
            let moving = account.is_some_and(|account| account.transitioning.is_some());
            if !moving || tokio::time::Instant::now() + pause > deadline {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

/// Whether an action needs somebody's yes.
#[derive(Debug)]
enum Yes {
    NotNeeded,
    /// The one for this fingerprint, which its first call uses up.
    Needed(String),
    /// What is sent now is a part of what was said yes to.
    Used,
}

/// Whether later steps for the same person make no sense without this one.
fn opens_the_way(step: &Step) -> bool {
    matches!(step, Step::Create { .. } | Step::Activate { .. })
}
