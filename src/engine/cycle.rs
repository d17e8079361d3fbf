//! One cycle, top to bottom.

use std::collections::BTreeSet;
use std::time::Duration;

use super::decide::Decision;
use super::report::{CycleReport, Summary};
use super::surroundings::Surroundings;
use super::{Engine, EngineError, ThisCycle, Writers};
use crate::model::{FactKey, SysId, Timestamp};
use crate::okta::log::{Changed, rival};
use crate::reconcile::guard::{self, Context, PlanApproval};
use crate::reconcile::plan::plan;
use crate::store::CycleRow;

/// How much of the two sides a cycle reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What changed since the last cycle.
    Changes,
    /// Everything.
    Full,
    /// One person: by login, e-mail, user name, `sys_id` or Okta id.
    Person(String),
}

/// What a cycle would do, before it does it.
#[derive(Debug)]
pub struct Preview {
    pub(super) cycle: i64,
    pub(super) full: bool,
    /// Only one person is asked about.
    pub(super) one_person: bool,
    pub(super) started: Timestamp,
    pub(super) surroundings: Surroundings,
    /// Everybody whom this cycle looked at and whose facts differ.
    pub(super) decision: Decision,
    /// What may be done, and what waits.
    pub(super) verdict: PlanApproval,
    /// Fingerprints of the releases that stood when it was decided.
    pub(super) released: BTreeSet<String>,
    /// People read, in a complete read.
    pub(super) people: Option<u32>,
    /// The complete read was implausible, so it is no baseline for the next.
    pub(super) implausible: Option<String>,
}

/// More people than this who were linked to an account at once are not all read again by id.
const MOST_LINKED: usize = 200;
/// What ServiceNow said is not acted on any more when it is older than this.
const STALE: chrono::Duration = chrono::Duration::seconds(10);
/// How often a cycle is looked up from.
const SECOND: Duration = Duration::from_secs(1);

/// What a decision goes by beside the people.
#[derive(Clone, Copy)]
struct Stage<'a> {
    surroundings: &'a Surroundings,
    cycle: i64,
}

impl Engine {
    fn is_reconfigured(&self) -> Result<bool, EngineError> {
        Ok(self.store.state().configuration()?.as_ref() != Some(&self.config.fingerprint))
    }

    /// Reads both sides and decides, changing neither. `plan` and `drift` are this and no more.
    pub async fn preview(&self, scope: &Scope) -> Result<Preview, EngineError> {
        let preview = self.look(scope).await;
        preview.map_err(|error| self.located(error))
    }

    async fn look(&self, scope: &Scope) -> Result<Preview, EngineError> {
        let started = self.now();
        let everything = match scope {
            Scope::Full => true,
            // Whoever was decided about by another configuration is looked at again.
            Scope::Changes => {
                self.store.cycles().last_full()?.is_none() || self.is_reconfigured()?
            }
            Scope::Person(_) => self.store.cycles().last_full()?.is_none(),
        };
        let scope = if everything { &Scope::Full } else { scope };
        let full = *scope == Scope::Full;
        let empty_store = full && self.store.cycles().last_full()?.is_none();
        let cycle = self.store.cycles().begin(full, started)?;
        match self.observe_and_decide(scope, cycle, empty_store, started).await {
            Ok(preview) => {
                self.store.bind(&super::orgs(&self.config))?;
                self.pin_items().await?;
                self.store.state().set_dirty_since_cycle(None)?;
                if full {
                    self.store.state().set_configuration(Some(&self.config.fingerprint))?;
                }
                Ok(preview)
            }
            Err(error) => {
                let row = CycleRow { outcome: "failed".to_owned(), people: None, believed: false };
                self.store.cycles().end(cycle, &row, self.now())?;
                Err(error)
            }
        }
    }

    async fn observe_and_decide(
        &self,
        scope: &Scope,
        cycle: i64,
        empty_store: bool,
        started: Timestamp,
    ) -> Result<Preview, EngineError> {
        *self.this_cycle() = ThisCycle::default();
        self.check_clock_first().await?;
        let observed = self.observe(scope, cycle).await?;
        if let Err(error) = self.check_clock() {
            // Whoever is to be looked at has been put down for a wrong day.
            self.store.state().set_configuration(None)?;
            return Err(error);
        }
        let mut surroundings = self.surroundings(true).await?;
        let mut decision = self.decide(&observed.people, &surroundings)?;
        let mut context = self.guard_context(empty_store, &decision)?;
        let mut verdict = guard::approve(plan(decision.actions()), &self.config.limits, &context);

        if !observed.fresh {
            // Whose account it is counts as well: not at take-over, when that is everybody.
            let linked = self.linked_by_lists();
            let few = linked.len() <= MOST_LINKED && self.store.cycles().last_full()?.is_some();
            let linked = if few { linked } else { BTreeSet::new() };
            let stage = Stage { surroundings: &surroundings, cycle };
            self.look_closely(stage, linked, &mut decision, &mut context, &mut verdict).await?;
        }
        // Reading Okta takes its time, and somebody may have called something off meanwhile.
        let late = !observed.fresh || self.now() - started > STALE;
        if late && !verdict.approved.actions().is_empty() {
            let mut again: Vec<SysId> = self.catch_up(cycle).await?.into_iter().collect();
            if matches!(scope, Scope::Person(_)) {
                again.retain(|person| observed.people.contains(person));
            }
            if !again.is_empty() {
                surroundings = self.surroundings(true).await?;
                decision.replace(self.decide(&again, &surroundings)?);
                context = self.guard_context(empty_store, &decision)?;
                verdict = guard::approve(plan(decision.actions()), &self.config.limits, &context);
            }
            // With what was called off, a limit may let through what nobody has looked at closely.
            let stage = Stage { surroundings: &surroundings, cycle };
            let nobody = BTreeSet::new();
            self.look_closely(stage, nobody, &mut decision, &mut context, &mut verdict).await?;
        }
        // Looked for among those only whom something would be done to: it costs a call each.
        let admins = self.find_admins(&verdict, &mut surroundings).await?;
        if !admins.is_empty() {
            let again: Vec<SysId> = admins.into_iter().collect();
            decision.replace(self.decide(&again, &surroundings)?);
            verdict = guard::approve(plan(decision.actions()), &self.config.limits, &context);
        }
        self.name_rivals(&mut verdict).await?;
        Ok(Preview {
            cycle,
            full: *scope == Scope::Full,
            one_person: matches!(scope, Scope::Person(_)),
            started,
            surroundings,
            decision,
            verdict,
            released: context.released,
            people: observed.count,
            implausible: observed.implausible,
        })
    }

    /// A page of a list may be older than what it leads to: whoever would be acted on is read once
    /// more, by id, and decided again, and so are these others.
    async fn look_closely(
        &self,
        stage: Stage<'_>,
        others: BTreeSet<SysId>,
        decision: &mut Decision,
        context: &mut Context,
        verdict: &mut PlanApproval,
    ) -> Result<(), EngineError> {
        let mut unread = others;
        // What is read may make room under a limit for somebody else, and for few after that.
        for _ in 0..3 {
            let approved = verdict.approved.actions().iter();
            unread.extend(approved.map(|approved| approved.planned.action.person.clone()));
            unread.retain(|person| !self.this_cycle().by_id.contains(person));
            if unread.is_empty() {
                break;
            }
            let again: Vec<SysId> = std::mem::take(&mut unread).into_iter().collect();
            for person in &again {
                self.refresh(person, stage.cycle).await?;
            }
            decision.replace(self.decide(&again, stage.surroundings)?);
            context.group_sizes = self.store.groups().sizes()?;
            *verdict = guard::approve(plan(decision.actions()), &self.config.limits, context);
        }
        Ok(())
    }

    /// Says who keeps changing a contested fact back, where Okta's log tells.
    async fn name_rivals(&self, verdict: &mut PlanApproval) -> Result<(), EngineError> {
        let now = self.now();
        let window = chrono::Duration::from_std(self.config.limits.window)
            .unwrap_or(chrono::Duration::days(1));
        for held in &mut verdict.held {
            let (Some(key), Some(account)) = (&held.contested, &held.planned.action.account) else {
                continue;
            };
            // Who it is helps a person; that nobody can tell holds nothing up.
            let events = match self.okta.changes_of(account, now - window).await {
                Ok(events) => events.unwrap_or_default(),
                Err(error) => {
                    tracing::debug!("the System Log could not be read: {error}");
                    continue;
                }
            };
            let what = match key {
                FactKey::Account | FactKey::Status => Changed::Status,
                FactKey::Profile(_) => Changed::Profile,
                FactKey::Membership(group) => Changed::Membership(group),
            };
            if let Some(name) = rival(&events, what) {
                held.reason = format!("{}, last by {name}", held.reason);
            }
        }
        Ok(())
    }

    /// Runs one cycle: preview, then act on what was approved, then write back.
    ///
    /// A failure to read ends the cycle before anything is compared. A failure to write to Okta
    /// ends one action and is part of the report. A failure to write the journal ends the cycle.
    pub async fn cycle(
        &mut self,
        writers: &Writers,
        scope: &Scope,
    ) -> Result<CycleReport, EngineError> {
        self.cycle_beside(writers, scope, |_| ()).await
    }

    /// Runs one cycle, and every second of it what has to be seen to however long it takes.
    pub async fn cycle_beside(
        &mut self,
        writers: &Writers,
        scope: &Scope,
        mut beside: impl FnMut(&Self),
    ) -> Result<CycleReport, EngineError> {
        let engine = &*self;
        let mut seconds = tokio::time::interval(SECOND);
        let mut cycle = std::pin::pin!(engine.run(writers, scope));
        let report = loop {
            tokio::select! {
                biased;
                report = &mut cycle => break report,
                _ = seconds.tick() => beside(engine),
            }
        };
        report.map_err(|error| engine.located(error))
    }

    /// Says which file it is that the store is in.
    fn located(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::Store(error) => error.located(&self.config.store.path).into(),
            other => other,
        }
    }

    async fn run(&self, writers: &Writers, scope: &Scope) -> Result<CycleReport, EngineError> {
        let (calls, head) = (self.calls(), self.store.journal().head()?);
        let preview = self.preview(scope).await?;
        let mut report = CycleReport::new(&preview);
        let acted = self.act(writers, &preview, &mut report).await;

        let outcome = if acted.is_ok() { report.outcome() } else { "failed" };
        let believed = preview.full && preview.implausible.is_none() && acted.is_ok();
        let row = CycleRow { outcome: outcome.to_owned(), people: preview.people, believed };
        let now = self.now();
        self.store.cycles().end(preview.cycle, &row, now)?;
        acted?;
        report.finish(self.calls().since(&calls), now - preview.started);
        self.say_ended(&report, preview.people, &head)?;
        Ok(report)
    }

    /// The head of the journal is told to another keeper, so that cutting off its newest rows shows.
    fn say_ended(
        &self,
        report: &CycleReport,
        people: Option<u32>,
        head_before: &str,
    ) -> Result<(), EngineError> {
        let head = self.store.journal().head()?;
        let Summary { applied, failed, held, .. } = report.summary;
        let (cycle, seconds) = (report.cycle, report.seconds);
        let done = format!("{}; {applied} applied, {failed} failed, {held} held", report.outcome());
        if let Some(people) = people {
            tracing::info!(
                cycle,
                journal_head = head,
                "cycle {cycle} read everything, {people} people, in {seconds:.1} s: {done}"
            );
        } else if head != head_before {
            tracing::info!(cycle, journal_head = head, "cycle {cycle}: {done}");
        } else {
            tracing::debug!(cycle, journal_head = head, "cycle {cycle}: {done}");
        }
        Ok(())
    }

    async fn act(
        &self,
        writers: &Writers,
        preview: &Preview,
        report: &mut CycleReport,
    ) -> Result<(), EngineError> {
        self.keep_holds(preview)?;
        // What is written from now on is no reason to doubt whose account it is.
        self.this_cycle().linked.clear();
        let touched = self.apply(writers, preview, report).await?;
        self.settle(preview, &touched, report).await?;
        self.write_back(writers, &preview.surroundings, report).await
    }

    /// What a cycle would do, as a report.
    pub async fn plan(&mut self, scope: &Scope) -> Result<CycleReport, EngineError> {
        let calls = self.calls();
        let preview = self.preview(scope).await?;
        let mut report = CycleReport::new(&preview);
        self.describe_plan(&preview, &mut report)?;
        report.finish(self.calls().since(&calls), self.now() - preview.started);
        Ok(report)
    }
}
