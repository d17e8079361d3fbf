//! Groups: that those which the configuration names are there, and what requests could grant.

use std::collections::BTreeSet;

use super::advice;
use crate::check::{Findings, listed};
use crate::config::Config;
use crate::model::Group;
use crate::okta::{OktaError, OktaReader};

const GROUPS: &str = "okta groups";
/// A group can be granted only if this many that fit are looked at one by one.
const LOOKED_AT: usize = 20;

pub(super) async fn check(found: &mut Findings<'_>, config: &Config, reader: &OktaReader) {
    let (groups, rules_known) = match groups(reader).await {
        Ok(read) => read,
        Err(error) => return found.fail(GROUPS, error.to_string(), advice(&error)),
    };
    if !rules_known {
        found.warn(
            GROUPS,
            "Okta's group rules cannot be read, so a group that one of them fills is not recognised",
            "let the admin role view group rules, or look through them by hand",
        );
    }
    let before = found.checks.len();
    check_groups(found, config, &groups);
    if found.checks.len() == before {
        let (rules, all) = (config.policy.groups.len(), groups.len());
        found.fine(GROUPS, format!("all {rules} of [[group]] are among the {all} of Okta"));
    }
    grantable(found, config, reader, &groups).await;
}

/// Whether the role sees every account, or only a part of the org: Everyone tells.
pub(super) async fn sight(found: &mut Findings<'_>, reader: &OktaReader) {
    const NAME: &str = "okta sight";
    const FIX: &str = "give the app or the token's owner a role whose resource set holds all people \
                       and all groups; until then whoever is out of sight waits, leavers too";
    let cost = "somebody without an account to be seen may have one, and a leave is never closed on \
                an account that is out of sight";
    match reader.everyone().await {
        Ok(None) => found.warn(
            NAME,
            format!(
                "the group Everyone is not shown, so the role sees only a part of the accounts: {cost}"
            ),
            FIX,
        ),
        Ok(Some((counted, shown))) if shown < counted => found.warn(
            NAME,
            format!("{shown} of the {counted} accounts in Everyone are shown to the role: {cost}"),
            FIX,
        ),
        Ok(Some((_, shown))) => found.fine(NAME, format!("all {shown} accounts of Everyone")),
        Err(error) => found.warn(
            NAME,
            format!("whether the role sees every account cannot be told: {error}"),
            advice(&error),
        ),
    }
}

/// All groups, those that a rule feeds marked, and whether the rules could be read.
async fn groups(reader: &OktaReader) -> Result<(Vec<Group>, bool), OktaError> {
    let rules = reader.group_rules().await?;
    let mut groups = reader.groups().await?.found;
    for group in &mut groups {
        group.rule_fed = rules.as_ref().is_some_and(|rules| rules.fed.contains(&group.id));
    }
    Ok((groups, rules.is_some()))
}

fn is_called(group: &Group, name: &str) -> bool {
    group.name == name || group.id.as_str() == name
}

/// What is wrong with the groups that the configuration names.
fn check_groups(found: &mut Findings<'_>, config: &Config, groups: &[Group]) {
    for rule in &config.policy.groups {
        let called = groups.iter().filter(|group| is_called(group, &rule.name));
        match *called.collect::<Vec<_>>() {
            [] => found.fail(
                GROUPS,
                format!("no group in Okta is called {:?}", rule.name),
                "correct `name` under [[group]] (case counts), or make the group",
            ),
            [group] => {
                if let Some(why) = group.owner() {
                    found.fail(
                        GROUPS,
                        format!("{:?} cannot be kept: {why}", rule.name),
                        "take it out of [[group]], or make a group of Okta's own for it",
                    );
                }
            }
            ref several => {
                let ids = listed(several.iter().map(|group| group.id.as_str()));
                let detail = format!("several groups are called {:?}: {ids}", rule.name);
                found.fail(GROUPS, detail, "name it by its id");
            }
        }
    }
    for name in &config.limits.protected_groups {
        if !groups.iter().any(|group| is_called(group, name)) {
            found.warn(
                GROUPS,
                format!("no group in Okta is called {name:?}, so nothing is protected by it"),
                "correct the name under guard.protected_groups (case counts)",
            );
        }
    }
}

/// Whether a request could grant what it should not.
async fn grantable(
    found: &mut Findings<'_>,
    config: &Config,
    reader: &OktaReader,
    groups: &[Group],
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
    if !idle.is_empty() {
        found.warn(
            NAME,
            format!("patterns of guard.grantable_groups that fit no group: {}", listed(&idle)),
            "correct the pattern (case counts), or make the groups",
        );
    }
    let is_named =
        |group: &&Group| config.policy.groups.iter().any(|rule| is_called(group, &rule.name));
    let named = groups.iter().filter(is_named);
    let mut admins = BTreeSet::new();
    for group in named.chain(fitting.iter().copied().take(LOOKED_AT)) {
        if let Ok(Some(true)) = reader.group_has_admin_role(&group.id).await {
            admins.insert(group.name.as_str());
        }
    }
    if !admins.is_empty() {
        found.warn(
            NAME,
            format!("their members are administrators: {}", listed(&admins)),
            "keep such groups out of [[group]] and grantable_groups; they are never written to",
        );
    }
    if idle.is_empty() && admins.is_empty() {
        found.fine(NAME, format!("{} groups can be granted by request", fitting.len()));
    }
}
