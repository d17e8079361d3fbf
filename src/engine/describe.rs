//! From decisions to reports and sentences.

use std::collections::{BTreeMap, BTreeSet};

use super::cycle::{Preview, Scope};
use super::decide::{Decision, Judged};
use super::observe::the_one;
use super::report::{
    ActionReport, ChangeView, CycleReport, DriftItem, DriftReport, DriftSummary, PersonView,
};
use super::writeback::Stand;
use super::{Engine, EngineError};
use crate::model::{
    Action, Change, FactKey, GroupId, Origin, Presence, RequestNumber, Step, SysId,
};
use crate::reconcile::diff::{Disposition, Drift};
use crate::reconcile::guard::{self, Held, PlanApproval};
use crate::reconcile::plan::{Planned, plan};
use crate::store::{Store, StoreError, StoredRequest, Verdict};

impl Engine {
    /// What both sides differ in. Live unless `cached`.
    pub async fn drift(
        &mut self,
        cached: bool,
        person: Option<&str>,
        group: Option<&str>,
    ) -> Result<DriftReport, EngineError> {
        let (decision, verdict) = if cached {
            if self.store.cycles().last_full()?.is_none() {
                return Err(EngineError::Unknown(
                    "nothing has been observed yet: run `goldthread sync`, or leave out --cached"
                        .to_owned(),
                ));
            }
            let surroundings = self.surroundings(false).await?;
            let everybody = self.store.people().all()?;
            let decision = self.decide(&everybody, &surroundings)?;
            let context = self.guard_context(false, &decision)?;
            let verdict = guard::approve(plan(decision.actions()), &self.config.limits, &context);
            (decision, verdict)
        } else {
            let preview = self.preview(&Scope::Full).await?;
            (preview.decision, preview.verdict)
        };
        let only = match person {
            None => None,
            Some(text) => Some(the_one(text, &self.people_named(text)?)?),
        };
        if let Some(group) = group
            && self.store.groups().called(group)?.is_empty()
        {
            return Err(EngineError::Unknown(format!(
                "no group in Okta is called {group:?}: give its name or its id"
            )));
        }
        self.drift_report(&decision, &verdict, !cached, only.as_ref(), group)
    }

    fn drift_report(
        &self,
        decision: &Decision,
        verdict: &PlanApproval,
        live: bool,
        only: Option<&SysId>,
        group: Option<&str>,
    ) -> Result<DriftReport, EngineError> {
        let mut held: BTreeMap<(SysId, FactKey), &Held> = BTreeMap::new();
        for waits in &verdict.held {
            for key in &waits.planned.keys {
                // Of several actions for one fact, one that was not dismissed says more.
                held.entry((waits.planned.action.person.clone(), key.clone()))
                    .and_modify(|known| {
                        if known.dismissed.is_some() {
                            *known = waits;
                        }
                    })
                    .or_insert(waits);
            }
        }
        let mut items = Vec::new();
        let mut drifted = 0;
        let wanted = |id: &SysId| only.is_none_or(|only| only == id);
        for (id, judged) in decision.differing.iter().filter(|(id, _)| wanted(id)) {
            let mut real = false;
            for drift in &judged.drifts {
                let mut item = self.drift_item(judged, drift)?;
                let at = (id.clone(), drift.key.clone());
                if let Some(waits) = held.get(&at)
                    && matches!(item.disposition, "apply" | "hold")
                {
                    if item.disposition == "apply" {
                        waits.reason.clone_into(&mut item.reason);
                    }
                    if let Some(dismissed) = &waits.dismissed {
                        item.reason = format!("{}; {dismissed}", item.reason);
                    }
                    item.disposition = Disposition::Hold.as_str();
                }
                real |= item.disposition != "protected";
                if group.is_none_or(|group| {
                    drift.key.kind() == "membership" && item.name.as_deref() == Some(group)
                        || matches!(&drift.key, FactKey::Membership(id) if id.as_str() == group)
                }) {
                    items.push(item);
                }
            }
            drifted += usize::from(real);
        }
        let mut people = self.store.links().people()?.into_iter().collect::<BTreeSet<_>>();
        people.extend(decision.differing.keys().cloned());
        people.retain(|id| wanted(id));
        let unlinked = self.store.accounts().unlinked()?;
        let unmanaged = unlinked.len();
        if only.is_none() && group.is_none() {
            for id in unlinked {
                let Some(account) = self.store.accounts().get(&id)? else { continue };
                items.push(DriftItem {
                    person: PersonView {
                        sys_id: None,
                        user_name: None,
                        login: Some(account.login().to_owned()),
                        okta_id: Some(id.as_str().to_owned()),
                    },
                    fact: "account",
                    name: None,
                    desired: None,
                    actual: Some(account.status.as_str().to_lowercase()),
                    request: None,
                    parent: None,
                    cause: "record",
                    disposition: Disposition::Unmanaged.as_str(),
                    action: None,
                    reason: "no person in ServiceNow matches this account".to_owned(),
                });
            }
        }
        for id in people.iter().filter(|_| group.is_none()) {
            items.extend(self.outside(id)?);
        }
        let of_wanted = |planned: &Planned| wanted(&planned.action.person);
        Ok(DriftReport {
            generated_at: self.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            live,
            summary: DriftSummary {
                people: people.len(),
                in_sync: people.len() - drifted,
                drifted,
                actions: verdict
                    .approved
                    .actions()
                    .iter()
                    .filter(|a| of_wanted(&a.planned))
                    .count(),
                held: verdict
                    .held
                    .iter()
                    .filter(|held| of_wanted(&held.planned) && held.dismissed.is_none())
                    .count(),
                unmanaged,
                quarantined: verdict.quarantined.is_some(),
            },
            items,
        })
    }

    /// Somebody with an account whose record is no longer among those that are managed.
    fn outside(&self, id: &SysId) -> Result<Option<DriftItem>, StoreError> {
        let person = self.store.people().get(id)?;
        let outside = person.is_some_and(|person| person.presence == Presence::Outside);
        let link = self.store.links().account_of(id)?.filter(|_| outside);
        let account = link.map(|link| self.store.accounts().get(&link)).transpose()?.flatten();
        let Some(account) = account else { return Ok(None) };
        Ok(Some(DriftItem {
            person: self.view_of(id)?,
            fact: "account",
            name: None,
            desired: None,
            actual: Some(account.status.as_str().to_lowercase()),
            request: None,
            parent: None,
            cause: "record",
            disposition: Disposition::Unmanaged.as_str(),
            action: None,
            reason: "the person's record is outside `servicenow.users`".to_owned(),
        }))
    }

    fn drift_item(&self, judged: &Judged, drift: &Drift) -> Result<DriftItem, StoreError> {
        let name = match &drift.key {
            FactKey::Account | FactKey::Status => None,
            FactKey::Profile(attribute) => Some(attribute.clone()),
            FactKey::Membership(group) => Some(self.group_name(group)?),
        };
        Ok(DriftItem {
            person: view(judged),
            fact: drift.key.kind(),
            name,
            desired: drift.desired.clone(),
            actual: drift.actual.clone(),
            request: request_word(&drift.origin),
            parent: parent_word(&drift.origin),
            cause: drift.cause.as_str(),
            disposition: drift.disposition.as_str(),
            action: drift.remedy.map(crate::reconcile::diff::Remedy::name),
            reason: drift.reason.clone(),
        })
    }

    /// A group's name now, or its id where it is gone.
    pub(super) fn group_name(&self, id: &GroupId) -> Result<String, StoreError> {
        group_name(&self.store, id)
    }

    /// Who an action is for, by the state that the store holds now.
    pub(super) fn view_of(&self, person: &SysId) -> Result<PersonView, StoreError> {
        view_of(&self.store, person)
    }

    pub(super) fn action_report(
        &self,
        planned: &Planned,
        outcome: &'static str,
        error: Option<String>,
    ) -> Result<ActionReport, StoreError> {
        let action = &planned.action;
        let mut person = self.view_of(&action.person)?;
        let mut changes = BTreeMap::new();
        let mut groups = Vec::new();
        match &action.step {
            Step::Create { profile, groups: ids, activate: _ } => {
                person.login = person.login.or_else(|| profile.get("login").cloned());
                for (attribute, to) in profile {
                    let change = ChangeView { from: None, to: Some(to.clone()) };
                    changes.insert(attribute.clone(), change);
                }
                for id in ids {
                    groups.push(self.group_name(id)?);
                }
            }
            Step::Update { changes: updates } => {
                for (attribute, change) in updates {
                    let change = ChangeView { from: change.from.clone(), to: change.to.clone() };
                    changes.insert(attribute.clone(), change);
                }
            }
            _ => {}
        }
        Ok(ActionReport {
            id: None,
            request: request_word(&action.origin),
            parent: parent_word(&action.origin),
            cause: action.cause.as_str(),
            action: Some(action.step.name()),
            person,
            group: action.step.group().map(|group| self.group_name(group)).transpose()?,
            groups,
            changes,
            outcome,
            okta_request_id: None,
            error,
            transient: false,
        })
    }

    /// Fills a report with what would be done, what waits, and what is only observed.
    pub(super) fn describe_plan(
        &self,
        preview: &Preview,
        report: &mut CycleReport,
    ) -> Result<(), EngineError> {
        for approved in preview.verdict.approved.actions() {
            report.push(self.action_report(&approved.planned, "planned", None)?);
        }
        self.describe_waiting(preview, report)
    }

    /// Adds what waits, what is only observed, and requests that cannot be carried out.
    pub(super) fn describe_waiting(
        &self,
        preview: &Preview,
        report: &mut CycleReport,
    ) -> Result<(), EngineError> {
        for held in preview.verdict.held.iter().filter(|held| held.dismissed.is_none()) {
            report.push(self.action_report(&held.planned, "held", Some(held.reason.clone()))?);
        }
        for planned in &preview.verdict.skipped {
            let reason = Some(planned.reason.clone());
            report.push(self.action_report(planned, "skipped", reason)?);
        }
        let silent = self.dismissed_reasons()?;
        let held: BTreeSet<(&SysId, &str)> = preview
            .verdict
            .held
            .iter()
            .map(|held| (&held.planned.action.person, held.reason.as_str()))
            .collect();
        for judged in preview.decision.differing.values() {
            let id = &judged.person.sys_id;
            // What an action waits for is said with the action, and silent with it.
            let said = |drift: &Drift| {
                held.contains(&(id, drift.reason.as_str()))
                    || silent.contains(&(id.clone(), drift.reason.clone()))
            };
            for drift in judged
                .drifts
                .iter()
                .filter(|drift| drift.is_stuck() && !said(drift) || drift.has_no_way())
            {
                report.push(self.held_without_action(drift, self.view_of(&judged.person.sys_id)?));
            }
        }
        if !preview.one_person {
            self.describe_earlier(preview, report)?;
        }
        for stored in self.store.requests().open()? {
            let reference = &stored.request.reference;
            let why = match (stored.problems.first(), self.stand(&stored, &preview.surroundings)?) {
                (Some((_, text)), _) => text.clone(),
                (None, Stand::Waits(_, reason))
                    if !report.mentions(reference.number.as_str())
                        && !self.is_silent(&stored.request.sys_id, &reason, &silent)? =>
                {
                    reason
                }
                _ => continue,
            };
            report.push(ActionReport {
                request: Some(reference.number.as_str().to_owned()),
                parent: reference.parent.as_ref().map(|parent| parent.as_str().to_owned()),
                ..self.waiting("request", PersonView::default(), why)
            });
        }
        Ok(())
    }

    /// What people said no to: for whom, and what it would have waited for.
    pub(super) fn dismissed_reasons(&self) -> Result<BTreeSet<(SysId, String)>, StoreError> {
        let holds = self.store.open_items().actions(self.now())?.into_iter();
        Ok(holds
            .filter(|hold| hold.said.as_ref().is_some_and(|said| said.word == Verdict::Dismiss))
            .map(|hold| (hold.person, hold.reason.to_string()))
            .collect())
    }

    /// Whether what a request waits for was dismissed for one of those whom it names.
    pub(super) fn is_silent(
        &self,
        request: &SysId,
        reason: &str,
        silent: &BTreeSet<(SysId, String)>,
    ) -> Result<bool, StoreError> {
        if silent.is_empty() {
            return Ok(false);
        }
        let people = self.store.requests().resolved(request)?.map(|resolved| resolved.terms.people);
        Ok(people.into_iter().flatten().any(|person| silent.contains(&(person, reason.to_owned()))))
    }

    /// Adds what waits since earlier cycles for people whom this one did not look at.
    fn describe_earlier(
        &self,
        preview: &Preview,
        report: &mut CycleReport,
    ) -> Result<(), EngineError> {
        let looked_at = &preview.decision.looked_at;
        for hold in self.store.open_items().actions(self.now())? {
            let dismissed = hold.said.as_ref().is_some_and(|said| said.word == Verdict::Dismiss);
            if dismissed || looked_at.contains(&hold.person) {
                continue;
            }
            let view = self.view_of(&hold.person)?;
            let group = hold.action.group.as_ref();
            report.push(ActionReport {
                request: request_word(&hold.origin),
                parent: parent_word(&hold.origin),
                action: Some(hold.action.step.as_str()),
                group: group.map(|id| self.group_name(id)).transpose()?,
                changes: change_views(hold.action.changes),
                ..self.waiting(hold.cause.as_str(), view, hold.reason.to_string())
            });
        }
        for (person, origin, why) in self.store.facts().refused()? {
            if !looked_at.contains(&person) {
                report.push(ActionReport {
                    request: request_word(&origin),
                    parent: parent_word(&origin),
                    outcome: "failed",
                    ..self.waiting("request", self.view_of(&person)?, why)
                });
            }
        }
        Ok(())
    }

    /// Adds a request that waits, where nothing says so yet.
    pub(super) fn report_waiting(
        &self,
        stored: &StoredRequest,
        reason: &str,
        report: &mut CycleReport,
    ) {
        let reference = &stored.request.reference;
        let number = reference.number.as_str();
        let said = |action: &ActionReport| {
            action.request.as_deref() == Some(number) && action.outcome == "held"
        };
        if !report.actions.iter().any(said) {
            report.push(ActionReport {
                request: Some(number.to_owned()),
                parent: reference.parent.as_ref().map(|parent| parent.as_str().to_owned()),
                ..self.waiting("request", PersonView::default(), reason.to_owned())
            });
        }
    }

    fn held_without_action(&self, drift: &Drift, person: PersonView) -> ActionReport {
        ActionReport {
            request: request_word(&drift.origin),
            parent: parent_word(&drift.origin),
            ..self.waiting(drift.cause.as_str(), person, drift.reason.clone())
        }
    }

    #[expect(clippy::unused_self, reason = "reads like its neighbours")]
    fn waiting(&self, cause: &'static str, person: PersonView, error: String) -> ActionReport {
        ActionReport {
            id: None,
            request: None,
            parent: None,
            cause,
            action: None,
            person,
            group: None,
            groups: Vec::new(),
            changes: BTreeMap::new(),
            outcome: "held",
            okta_request_id: None,
            error: Some(error),
            transient: false,
        }
    }
}

/// A group's name now, or its id where it is gone.
pub(super) fn group_name(store: &Store, id: &GroupId) -> Result<String, StoreError> {
    Ok(store.groups().get(id)?.map_or_else(|| id.as_str().to_owned(), |group| group.name))
}

/// Who is meant, by the state that the store holds now.
pub(super) fn view_of(store: &Store, person: &SysId) -> Result<PersonView, StoreError> {
    let row = store.people().get(person)?;
    let link = store.links().account_of(person)?;
    let account = link.as_ref().map(|id| store.accounts().get(id)).transpose()?.flatten();
    Ok(PersonView {
        sys_id: Some(person.as_str().to_owned()),
        user_name: row.map(|row| row.user_name().to_owned()),
        login: account.map(|account| account.login().to_owned()),
        okta_id: link.map(|id| id.as_str().to_owned()),
    })
}

fn view(judged: &Judged) -> PersonView {
    let account = judged.actual.account.as_ref();
    PersonView {
        sys_id: Some(judged.person.sys_id.as_str().to_owned()),
        user_name: Some(judged.person.user_name().to_owned()),
        login: account
            .map(|account| account.login().to_owned())
            .or_else(|| judged.desired.profile.get("login").and_then(|fact| fact.value.clone())),
        okta_id: account.map(|account| account.id.as_str().to_owned()),
    }
}

/// Changes for a report.
pub(super) fn change_views(changes: BTreeMap<String, Change>) -> BTreeMap<String, ChangeView> {
    let view = |(name, Change { from, to })| (name, ChangeView { from, to });
    changes.into_iter().map(view).collect()
}

pub(super) fn request_word(origin: &Origin) -> Option<String> {
    match origin {
        Origin::None => None,
        Origin::Baseline | Origin::Request(_) => Some(origin.to_string()),
    }
}

pub(super) fn parent_word(origin: &Origin) -> Option<String> {
    let parent: Option<&RequestNumber> = origin.request()?.parent.as_ref();
    parent.map(|parent| parent.as_str().to_owned())
}

/// What an action did, as a sentence that begins with its request.
pub(super) fn sentence(action: &Action, name: &str, group: Option<&str>) -> String {
    let group = group.unwrap_or("a group");
    let did = match &action.step {
        Step::Create { activate: true, .. } => format!("created {name} and activated it"),
        Step::Create { activate: false, .. } => format!("created {name}, not activated yet"),
        Step::Update { changes } => {
            let attributes: Vec<&str> = changes.keys().map(String::as_str).collect();
            format!("changed {} of {name}", attributes.join(", "))
        }
        Step::Activate { .. } => format!("activated {name}"),
        Step::Reactivate { .. } => format!("sent {name} a new activation mail"),
        Step::Suspend => format!("suspended {name}"),
        Step::Unsuspend => format!("lifted the suspension of {name}"),
        Step::Deactivate => format!("deactivated {name}"),
        Step::ClearSessions => format!("ended the sessions of {name}"),
        Step::AddMember { .. } => format!("added {name} to {group}"),
        Step::RemoveMember { .. } => format!("removed {name} from {group}"),
    };
    format!("{}: {did}", action.origin)
}
