//! Requests become mandates: what they say is fixed at approval, whom and what they name is looked
//! up, and what cannot be resolved is kept as a problem.

use std::collections::BTreeSet;

use super::{Engine, EngineError};
use crate::model::{Group, GroupId, Operation, Standing, SysId, Wording};
use crate::policy::RequestRule;
use crate::policy::interpret::{
    Directory, Problem, mandate, names, resolve, rule_for, standing, word,
};
use crate::reconcile::guard::{Protected, check_groups};
use crate::store::StoredRequest;

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
        for id in requests {
            let Some(stored) = self.store.request(id)? else { continue };
            if let Some(mandate) = self.store.mandate(id)? {
                people.extend(mandate.terms.people);
            }
            match self.interpret_one(&stored, cycle, ask).await? {
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
        cycle: i64,
        ask: bool,
    ) -> Result<Reading, EngineError> {
        let policy = &self.config.policy;
        let request = &stored.request;
        let rule = match rule_for(policy, request) {
            Ok(Some(rule)) => rule,
            Ok(None) => return Ok(Reading::Foreign),
            Err(problem) => {
                return self.problems(stored, Standing::Waiting, vec![problem]);
            }
        };
        let standing = standing(rule, request);
        let wording = match (&stored.wording, word(rule, request)) {
            (None, Ok(wording)) => wording,
            (None, Err(problem)) => return self.problems(stored, standing, vec![problem]),
            (Some(fixed), now) => {
                if standing == Standing::Approved
                    && now.as_ref().ok() != Some(fixed)
                    && !request.state.is_closed()
                {
                    self.problems(stored, standing, vec![Problem::ChangedAfterApproval])?;
                    return Ok(Reading::Ours {
                        problems: vec![Problem::ChangedAfterApproval],
                        people: Vec::new(),
                    });
                }
                fixed.clone()
            }
        };
        if standing == Standing::Approved && stored.wording.is_none() {
            self.store.fix_wording(&request.sys_id, &wording)?;
        }
        // Nothing is looked up for what nobody has approved yet.
        if standing == Standing::Waiting {
            return Ok(Reading::Ours { problems: Vec::new(), people: Vec::new() });
        }
        let directory = self.directory(&wording, rule, cycle, ask).await?;
        let terms = match resolve(&wording, rule, policy, &directory) {
            Ok(terms) => terms,
            Err(problems) => return self.problems(stored, standing, problems),
        };
        let named: Vec<(GroupId, String)> = directory
            .groups
            .values()
            .flatten()
            .filter(|(id, _)| terms.groups.contains(id))
            .map(|(id, name)| (id.clone(), name.clone()))
            .collect();
        let refused = self.refused_groups(terms.operation, &named)?;
        if !refused.is_empty() {
            return self.problems(stored, standing, refused);
        }
        for group in &terms.groups {
            self.manage(group).await?;
        }
        let people = terms.people.clone();
        let mandate = mandate(request, rule, terms, stored.history);
        self.store.keep_mandate(&request.sys_id, &mandate)?;
        Ok(Reading::Ours { problems: Vec::new(), people })
    }

    fn refused_groups(
        &self,
        operation: Operation,
        named: &[(GroupId, String)],
    ) -> Result<Vec<Problem>, EngineError> {
        let mut protected = Protected::default();
        for name in &self.config.limits.protected_groups {
            if let Some(id) = self.store.pin("group", name)? {
                protected.groups.extend(GroupId::parse(&id).ok());
            }
            protected.groups.extend(self.store.groups_called(name)?.into_iter().map(|g| g.id));
        }
        Ok(check_groups(operation, named, &self.config.limits, &protected))
    }

    fn problems(
        &self,
        stored: &StoredRequest,
        standing: Standing,
        problems: Vec<Problem>,
    ) -> Result<Reading, EngineError> {
        let texts: Vec<(String, String)> = problems
            .iter()
            .map(|problem| (problem.kind().to_owned(), problem.to_string()))
            .collect();
        self.store.keep_problems(&stored.request.sys_id, standing, &texts)?;
        Ok(Reading::Ours { problems, people: Vec::new() })
    }

    /// Looks up the texts of a wording.
    async fn directory(
        &self,
        wording: &Wording,
        rule: &RequestRule,
        cycle: i64,
        ask: bool,
    ) -> Result<Directory, EngineError> {
        let mut directory = Directory::default();
        for text in names(&wording.person) {
            let mut found = self.store.people_called(text)?;
            if found.is_empty() && ask {
                let people = self.servicenow.people_by(text).await?;
                self.store.keep_people(&people, cycle)?;
                found.extend(people.into_iter().map(|person| person.sys_id));
            }
            directory.people.insert(text.to_owned(), found.into_iter().collect());
        }
        let mut groups: Vec<String> = names(&wording.groups).map(str::to_owned).collect();
        if let Some(lookup) = &rule.lookup
            && !groups.is_empty()
        {
            // A text that cannot be an id has no row, and is reported as such.
            let ids = groups.iter().filter_map(|text| SysId::parse(text).ok()).collect();
            let found = self.servicenow.lookup(&lookup.table, &lookup.column, &ids).await?;
            groups = found.values().map(|name| name.trim().to_owned()).collect();
            for (id, name) in found {
                directory.lookups.insert((lookup.table.clone(), id), name.trim().to_owned());
            }
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
        let found = self.store.groups_called(text)?;
        if !found.is_empty() || !ask || text.is_empty() {
            return Ok(found);
        }
        let mut found = self.okta.groups_named(text).await?;
        if found.is_empty()
            && let Ok(id) = GroupId::parse(text)
        {
            found.extend(self.okta.group(&id).await?);
        }
        for group in &found {
            self.store.keep_group(group, cycle)?;
        }
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
            outcome = "held",
            "{}: held: {problem}",
            stored.request.reference.number
        );
    }
}
