//! Groups: that those which the configuration names are there, and what requests could grant.

use std::collections::BTreeSet;

use super::{Problem, advice};
use crate::check::{Findings, listed};
use crate::config::Config;
use crate::model::{Group, GroupId};
use crate::okta::{OktaError, OktaReader};

const GROUPS: &str = "okta groups";
/// A group can be granted only if this many that fit are looked at one by one.
const LOOKED_AT: usize = 20;

pub(super) async fn check(found: &mut Findings<'_>, config: &Config, reader: &OktaReader) {
    match groups(reader).await {
        Ok((groups, rules_known)) => {
            check_groups(found, config, reader, &groups, rules_known).await;
        }
        Err(error) => found.fail(GROUPS, error.to_string(), advice(&error)),
    }
}

/// All groups, those that a rule feeds marked, and whether the rules could be read.
async fn groups(reader: &OktaReader) -> Result<(Vec<Group>, bool), OktaError> {
    let rules = reader.group_rules().await?;
    let mut groups = reader.groups().await?;
    for group in &mut groups {
        group.rule_fed = rules.as_ref().is_some_and(|rules| rules.fed.contains(&group.id));
    }
    Ok((groups, rules.is_some()))
}

async fn check_groups(
    found: &mut Findings<'_>,
    config: &Config,
    reader: &OktaReader,
    groups: &[Group],
    rules_known: bool,
) {
    if !rules_known {
        found.warn(
            GROUPS,
            "Okta's group rules cannot be read, so a group that one of them fills is not recognised",
            "let the admin role view group rules, or look through them by hand",
        );
    }
    let problems = group_problems(config, groups);
    let mut named: BTreeSet<&GroupId> = BTreeSet::new();
    for rule in &config.policy.groups {
        named.extend(called(groups, &rule.name).into_iter().map(|group| &group.id));
    }
    if problems.is_empty() {
        let (rules, all) = (config.policy.groups.len(), groups.len());
        found.fine(GROUPS, format!("all {rules} of [[group]] are among the {all} of Okta"));
    }
    for Problem { fails, detail, fix } in problems {
        if fails {
            found.fail(GROUPS, detail, fix);
        } else {
            found.warn(GROUPS, detail, fix);
        }
    }
    grantable(found, config, reader, groups, &named).await;
}

/// The groups that a name or an id stands for.
fn called<'a>(groups: &'a [Group], name: &str) -> Vec<&'a Group> {
    groups.iter().filter(|group| group.name == name || group.id.as_str() == name).collect()
}

/// What is wrong with the groups that the configuration names.
fn group_problems(config: &Config, groups: &[Group]) -> Vec<Problem> {
    const RENAME: &str = "name it by its id";
    let mut problems = Vec::new();
    for rule in &config.policy.groups {
        match called(groups, &rule.name).as_slice() {
            [] => problems.push(Problem::failing(
                format!("no group in Okta is called {:?}", rule.name),
                "correct `name` under [[group]] (case counts), or make the group",
            )),
            [group] => {
                if let Some(why) = group.owner() {
                    problems.push(Problem::failing(
                        format!("{:?} cannot be kept: {why}", rule.name),
                        "take it out of [[group]], or make a group of Okta's own for it",
                    ));
                }
            }
            several => {
                let ids = several.iter().map(|group| group.id.as_str());
                problems.push(Problem::failing(
                    format!("several groups are called {:?}: {}", rule.name, listed(ids)),
                    RENAME,
                ));
            }
        }
    }
    for name in &config.limits.protected_groups {
        if called(groups, name).is_empty() {
            problems.push(Problem::warning(
                format!("no group in Okta is called {name:?}, so nothing is protected by it"),
                "correct the name under guard.protected_groups (case counts)",
            ));
        }
    }
    problems
}

/// Whether a request could grant what it should not.
async fn grantable(
    found: &mut Findings<'_>,
    config: &Config,
    reader: &OktaReader,
    groups: &[Group],
    named: &BTreeSet<&GroupId>,
) {
    const NAME: &str = "grantable groups";
    let globs = &config.limits.grantable_groups;
    if globs.is_empty() {
        return;
    }
    let mut used = BTreeSet::new();
    let mut fitting = Vec::new();
    for group in groups.iter().filter(|group| group.owner().is_none()) {
        let fits = globs.matches(&group.name);
        if !fits.is_empty() {
            fitting.push(group);
        }
        used.extend(fits);
    }
    let idle: Vec<String> = (0..globs.len())
        .filter(|at| !used.contains(at))
        .map(|at| format!("number {}", at + 1))
        .collect();
    let mut fine = idle.is_empty();
    if !idle.is_empty() {
        found.warn(
            NAME,
            format!("patterns of guard.grantable_groups that fit no group: {}", listed(idle)),
            "correct the pattern (case counts), or make the groups",
        );
    }
    let mut admins = Vec::new();
    let looked_at = groups
        .iter()
        .filter(|group| named.contains(&group.id))
        .chain(fitting.iter().copied().take(LOOKED_AT));
    for group in looked_at {
        if let Ok(Some(true)) = reader.group_has_admin_role(&group.id).await {
            admins.push(group.name.as_str());
        }
    }
    admins.sort_unstable();
    admins.dedup();
    if !admins.is_empty() {
        fine = false;
        found.warn(
            NAME,
            format!("their members are administrators: {}", listed(admins)),
            "keep such groups out of [[group]] and grantable_groups; they are never written to",
        );
    }
    if fine {
        found.fine(NAME, format!("{} groups can be granted by request", fitting.len()));
    }
}
