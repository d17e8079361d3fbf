//! Requests become mandates: what they say is fixed at approval, whom and what they name is looked
//! up, and what cannot be resolved is kept as a problem.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, EngineError};
use crate::model::{
    Approval, Group, GroupId, Operation, RequestNumber, RequestRef, RequestText, ResolvedRequest,
    SysId, Terms,
};
use crate::policy::RequestRule;
use crate::policy::resolve::{
    Directory, Problem, approval, approval_with_effect, names, resolve, resolved, rule_for, word,
};
use crate::reconcile::guard::{Protected, check_groups};
use crate::store::StoredRequest;

/// Per table and row of a look-up table, the text that names the group.
type LookupRows = BTreeMap<(String, String), String>;

const CHANGED: Problem = Problem::ChangedAfterApproval;

/// What became of one request.
enum Reading {
    /// Not ours: no block of the configuration speaks of it.
    Foreign,
    /// Its terms, or what is wrong with it.
    Ours { problems: Vec<Problem>, people: Vec<SysId> },
}

impl Engine {
    /// Resolves requests, and says whom they name. `ask` allows look-ups over the network.
    pub(super) async fn interpret(
        &self,
        requests: &[SysId],
        cycle: i64,
        ask: bool,
    ) -> Result<BTreeSet<SysId>, EngineError> {
        let mut people = BTreeSet::new();
        let rows = self.lookup_rows(requests).await?;
        for id in requests {
            let Some(stored) = self.store.requests().get(id)? else { continue };
            if let Some(resolved) = self.store.requests().resolved(id)? {
                people.extend(resolved.terms.people);
            }
            match self.interpret_one(&stored, &rows, cycle, ask).await? {
                Reading::Foreign => {}
                Reading::Ours { problems, people: named } => {
                    people.extend(named);
                    report_problems(&stored, &problems);
                }
            }
        }
        Ok(people)
    }

    async fn interpret_one(
        &self,
        stored: &StoredRequest,
        rows: &LookupRows,
        cycle: i64,
        ask: bool,
    ) -> Result<Reading, EngineError> {
        let policy = &self.config.policy;
        let request = &stored.request;
        let rule = match rule_for(policy, request) {
            Ok(Some(rule)) => rule,
            Ok(None) => return Ok(Reading::Foreign),
            // What took effect before still stands.
            Err((rule, problem)) => {
                let approval = approval_with_effect(rule, request, stored.took_effect);
                return self.problems(stored, approval, vec![problem]);
            }
        };
        let approval = approval_with_effect(rule, request, stored.took_effect);
        let request_text = match (&stored.request_text, word(rule, request)) {
            (None, Ok(request_text)) => request_text,
            (None, Err(problem)) => return self.problems(stored, approval, vec![problem]),
            (Some(fixed), now) => {
                if approval == Approval::Approved
                    && now.as_ref().ok() != Some(fixed)
                    && !request.state.is_closed()
                {
                    return self.problems(stored, approval, vec![CHANGED]);
                }
                fixed.clone()
            }
        };
        if approval == Approval::Approved && stored.request_text.is_none() {
            self.store.requests().freeze_text(&request.sys_id, &request_text)?;
            self.note_approval(request, rule.approval)?;
        }
        // Nothing is looked up for what nobody has approved yet, or not any more.
        if approval == Approval::Waiting {
            self.store.requests().set_approval(&request.sys_id, approval)?;
            return Ok(Reading::Ours { problems: Vec::new(), people: Vec::new() });
        }
        let terms = match self.resolved_before(stored)? {
            Some(terms) => terms,
            None => match self.resolve_now(&request_text, rule, rows, cycle, ask).await? {
                Ok(terms) => terms,
                Err(problems) => return self.problems(stored, approval, problems),
            },
        };
        for group in &terms.groups {
            self.manage(group).await?;
        }
        let people = terms.people.clone();
        let resolved =
            resolved(request, rule, terms, stored.closed_before_first_seen, stored.took_effect);
        let known = stored.problems.is_empty()
            && self.store.requests().resolved(&request.sys_id)?.as_ref() == Some(&resolved);
        if !known {
            self.store.requests().set_resolved(&request.sys_id, &resolved)?;
            self.start_timer(&request.sys_id, &resolved)?;
        }
        if approval == Approval::Approved
            && stored.request_text.is_none()
            && !stored.closed_before_first_seen
        {
            self.say_approved(&resolved)?;
        }
        Ok(Reading::Ours { problems: Vec::new(), people })
    }

    /// The thread of a request begins here.
    fn say_approved(&self, resolved: &ResolvedRequest) -> Result<(), EngineError> {
        let RequestRef { number, parent } = &resolved.request;
        let mut names = Vec::new();
        for person in &resolved.terms.people {
            names.push(self.view_of(person)?.name().to_owned());
        }
        let when = match resolved.terms.starts.filter(|starts| *starts > self.now()) {
            Some(starts) => format!("from {} UTC on", starts.format("%Y-%m-%d %H:%M:%S")),
            None => "in force".to_owned(),
        };
        let only = match resolved.terms.people.as_slice() {
            [person] => Some(person.as_str()),
            _ => None,
        };
        tracing::info!(
            request = %number,
            parent = parent.as_ref().map(RequestNumber::as_str),
            outcome = "approved",
            sys_id = only,
            "{number}: approved, a {} for {}, {when}",
            resolved.terms.operation.as_str(),
            names.join(", ")
        );
        Ok(())
    }

    /// Whom and what a request names is looked up once: names may change hands afterwards.
    fn resolved_before(&self, stored: &StoredRequest) -> Result<Option<Terms>, EngineError> {
        // Before and after an edit it is for the same people.
        let edited = stored.problems.iter().all(|(kind, _)| kind == CHANGED.kind());
        if stored.request_text.is_none() || !edited {
            return Ok(None);
        }
        Ok(self.store.requests().resolved(&stored.request.sys_id)?.map(|resolved| resolved.terms))
    }

    async fn resolve_now(
        &self,
        request_text: &RequestText,
        rule: &RequestRule,
        rows: &LookupRows,
        cycle: i64,
        ask: bool,
    ) -> Result<Result<Terms, Vec<Problem>>, EngineError> {
        let directory = self.directory(request_text, rule, rows, cycle, ask).await?;
        let terms = match resolve(request_text, rule, &self.config.policy, &directory) {
            Ok(terms) => terms,
            Err(problems) => return Ok(Err(problems)),
        };
        let named: Vec<(GroupId, String)> = directory
            .groups
            .values()
            .flatten()
            .filter(|(id, _)| terms.groups.contains(id))
            .map(|(id, name)| (id.clone(), name.clone()))
            .collect();
        let refused = self.refused_groups(terms.operation, &named)?;
        Ok(if refused.is_empty() { Ok(terms) } else { Err(refused) })
    }

    /// The rows of look-up tables that approved requests name and that were not looked up before,
    /// a table at a time.
    async fn lookup_rows(&self, requests: &[SysId]) -> Result<LookupRows, EngineError> {
        let mut wanted: BTreeMap<(&str, &str), BTreeSet<SysId>> = BTreeMap::new();
        for id in requests {
            let Some(stored) = self.store.requests().get(id)? else { continue };
            let Ok(Some(rule)) = rule_for(&self.config.policy, &stored.request) else { continue };
            let Some(lookup) = &rule.lookup else { continue };
            if approval(rule, &stored.request) == Approval::Waiting
                || self.resolved_before(&stored)?.is_some()
            {
                continue;
            }
            let request_text = match &stored.request_text {
                Some(fixed) => fixed.clone(),
                None => match word(rule, &stored.request) {
                    Ok(request_text) => request_text,
                    Err(_) => continue,
                },
            };
            // A text that cannot be an id has no row, and is reported as such.
            let ids = names(&request_text.groups).filter_map(|text| SysId::parse(text).ok());
            wanted.entry((&lookup.table, &lookup.column)).or_default().extend(ids);
        }
        let mut rows = LookupRows::new();
        for ((table, column), ids) in wanted {
            if ids.is_empty() {
                continue;
            }
            for (id, name) in self.servicenow.lookup(table, column, &ids).await? {
                rows.insert((table.to_owned(), id), name.trim().to_owned());
            }
        }
        Ok(rows)
    }

    fn refused_groups(
        &self,
        operation: Operation,
        named: &[(GroupId, String)],
    ) -> Result<Vec<Problem>, EngineError> {
        let mut protected = Protected::default();
        for name in &self.config.limits.protected_groups {
            if let Some(id) = self.store.names().group(name)? {
                protected.groups.insert(id);
            }
            protected.groups.extend(self.store.groups().called(name)?.into_iter().map(|g| g.id));
        }
        Ok(check_groups(operation, named, &self.config.limits, &protected))
    }

    fn problems(
        &self,
        stored: &StoredRequest,
        approval: Approval,
        problems: Vec<Problem>,
    ) -> Result<Reading, EngineError> {
        let texts: Vec<(String, String)> = problems
            .iter()
            .map(|problem| (problem.kind().to_owned(), problem.to_string()))
            .collect();
        self.store.requests().set_problems(&stored.request.sys_id, approval, &texts)?;
        Ok(Reading::Ours { problems, people: Vec::new() })
    }

    /// Looks up the texts of a wording.
    async fn directory(
        &self,
        request_text: &RequestText,
        rule: &RequestRule,
        rows: &LookupRows,
        cycle: i64,
        ask: bool,
    ) -> Result<Directory, EngineError> {
        let mut directory = Directory::default();
        for text in names(&request_text.person) {
            let mut found = self.store.people().called(text)?;
            if found.is_empty() && ask {
                let people = self.servicenow.people_by(text).await?;
                self.store.people().upsert(&people, cycle)?;
                found.extend(people.into_iter().map(|person| person.sys_id));
            }
            directory.people.insert(text.to_owned(), found.into_iter().collect());
        }
        let mut groups: BTreeSet<String> = names(&request_text.groups).map(str::to_owned).collect();
        if let Some(lookup) = &rule.lookup {
            let found = groups.iter().filter_map(|id| {
                let key = (lookup.table.clone(), id.clone());
                rows.get(&key).map(|name| (key, name.clone()))
            });
            directory.lookups = found.collect();
            groups = directory.lookups.values().cloned().collect();
        }
        for text in groups {
            let found = self.groups_called(&text, cycle, ask).await?;
            directory
                .groups
                .insert(text, found.into_iter().map(|group| (group.id, group.name)).collect());
        }
        Ok(directory)
    }

    async fn groups_called(
        &self,
        text: &str,
        cycle: i64,
        ask: bool,
    ) -> Result<Vec<Group>, EngineError> {
        let found = self.store.groups().called(text)?;
        if !found.is_empty() || !ask || text.is_empty() {
            return Ok(found);
        }
        let mut found = self.okta.groups_named(text).await?;
        if found.is_empty()
            && let Ok(id) = GroupId::parse(text)
        {
            found.extend(self.okta.group(&id).await?);
        }
        self.meet_groups(&found, cycle).await?;
        Ok(found)
    }
}

/// Says what is wrong with a request, once.
fn report_problems(stored: &StoredRequest, problems: &[Problem]) {
    let kinds = |kinds: Vec<&str>| kinds.join(" ");
    let now = kinds(problems.iter().map(Problem::kind).collect());
    let before = kinds(stored.problems.iter().map(|(kind, _)| kind.as_str()).collect());
    if now == before {
        return;
    }
    for problem in problems {
        tracing::warn!(
            request = %stored.request.reference.number,
            parent = stored.request.reference.parent.as_ref().map(RequestNumber::as_str),
            outcome = "held",
            "{}: held: {problem}",
            stored.request.reference.number
        );
    }
}
