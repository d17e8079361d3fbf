//! Limits on what a cycle may do. The only maker of an [`ApprovedPlan`].
//!
//! Nothing here says no for good: what exceeds a limit waits for a person's yes.

mod crossings;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use globset::GlobSet;

use self::crossings::{crossings, share_of};
use super::plan::{Gate, Plan, Planned};
use crate::model::{
    Account, AccountId, Cause, Done, FactKey, GroupId, Operation, Person, Step, SysId, Timestamp,
};
use crate::policy::resolve::Problem;

/// `[guard]`, checked.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Logins, e-mails, names or ids never written to.
    pub protected_users: Vec<String>,
    /// Group names or ids never changed.
    pub protected_groups: Vec<String>,
    /// What a request may grant, by group name.
    pub grantable_groups: GlobSet,
    /// People that a complete read must contain.
    pub sentinels: Vec<String>,
    /// The sliding window that the limits count in.
    pub window: Duration,
    /// Suspensions and deactivations.
    pub max_disabled: u32,
    /// The same as a share of the managed accounts, 0 to 1; the larger counts.
    pub max_disabled_share: f64,
    /// Membership removals, those of a leave not counted.
    pub max_removed: u32,
    /// Share of one group of ten or more members, 0 to 1.
    pub max_group_share: f64,
    /// People changed for another cause than a request.
    pub max_changed: u32,
    /// The same as a share of the managed accounts, 0 to 1; the larger counts.
    pub max_changed_share: f64,
    /// How much smaller than the last believed full read a read of people may be, 0 to 1.
    pub max_people_drop: f64,
    /// Corrections of one fact in the window, after which it is contested.
    pub max_repeats: u32,
}

/// What is never written to, with names resolved to ids; names and ids both stay protected.
#[derive(Debug, Clone, Default)]
pub struct Protected {
    /// Lower-case logins, e-mails, user names and ids of people and accounts.
    pub users: BTreeSet<String>,
    /// The identity that the program signs in as, and holders of an administrator role.
    pub accounts: BTreeMap<AccountId, String>,
    /// Groups.
    pub groups: BTreeSet<GroupId>,
}

impl Protected {
    /// Why a person's account is never written to, if that is so.
    pub fn covers(&self, person: &Person, account: Option<&Account>) -> Option<&str> {
        let listed = |text: &str| !text.is_empty() && self.users.contains(&text.to_lowercase());
        let by_record =
            [person.sys_id.as_str(), person.user_name(), person.email()].into_iter().any(listed);
        let by_account = account.is_some_and(|account| {
            [account.id.as_str(), account.login(), account.attribute("email")]
                .into_iter()
                .any(listed)
        });
        if by_record || by_account {
            return Some("protected by the configuration");
        }
        account.and_then(|account| self.accounts.get(&account.id)).map(String::as_str)
    }
}

/// Why a request may not have the groups that it names.
pub fn check_groups(
    operation: Operation,
    groups: &[(GroupId, String)],
    limits: &Limits,
    protected: &Protected,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (id, name) in groups {
        if protected.groups.contains(id) {
            problems.push(Problem::ProtectedGroup(name.clone()));
        } else if operation != Operation::Revoke && !limits.grantable_groups.is_match(name) {
            problems.push(Problem::NotGrantable(name.clone()));
        }
    }
    problems
}

/// What the guard knows beside the plan.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// How many accounts are managed.
    pub managed: u32,
    /// What was done in the window, released actions included.
    pub done: Vec<Done>,
    /// How many members each group has now.
    pub group_sizes: BTreeMap<GroupId, u32>,
    /// Fingerprints that a person said yes to.
    pub released: BTreeSet<String>,
    /// Fingerprints that a person dismissed, with who did and why: not carried out, and not said
    /// again.
    pub dismissed: BTreeMap<String, String>,
    /// What waits already and is not decided now: a set is no smaller because part of it is
    /// looked at.
    pub waiting: Vec<Waiting>,
    /// Sets of which something still waits for a word, and since when. What was released out of
    /// such a set counts with the rest of it: a yes to some must not let the others through.
    pub undecided: BTreeMap<String, Timestamp>,
    /// Why the read is complete but implausible, if it is.
    pub implausible: Option<String>,
    /// The first cycle over an empty store while requests are already closed.
    pub empty_store: bool,
}

/// The set of what disables in the first cycle over an empty store. It waits until somebody says
/// yes, however often it is found again.
pub const EMPTY_STORE: &str = "empty-store";

/// The set of what takes away while a read is not believed.
const IMPLAUSIBLE: &str = "implausible-read";

/// The set of what only closed requests ask for. It waits, and nothing is wrong.
const CLOSED_REQUESTS: &str = "closed-requests";

/// An action that waits as part of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What makes it the same action.
    pub fingerprint: String,
    /// The set.
    pub set: String,
    /// For whom.
    pub person: SysId,
    /// The contract's name of the action.
    pub action: String,
    /// Which group, where it is about one.
    pub group: Option<GroupId>,
    /// Why it waits.
    pub reason: String,
}

/// A plan that passed every check. Only [`approve`] makes one.
#[derive(Debug, Default)]
pub struct ApprovedPlan {
    actions: Vec<Approved>,
}

/// One approved action.
#[derive(Debug, Clone)]
pub struct Approved {
    /// The action.
    pub planned: Planned,
    /// A person had said yes to it.
    pub released: bool,
}

impl ApprovedPlan {
    /// The actions, in order.
    pub fn actions(&self) -> &[Approved] {
        &self.actions
    }
}

/// One action that waits for a person's yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The action.
    pub planned: Planned,
    /// Why it waits.
    pub reason: String,
    /// The set that it belongs to, where a whole kind of action is held.
    pub set: Option<&'static str>,
    /// A limit holds it, which may let it go with time.
    pub limited: bool,
    /// A person dismissed it: who did, and why.
    pub dismissed: Option<String>,
    /// Somebody keeps changing this fact back.
    pub contested: Option<FactKey>,
    /// Nothing stands in its own way: it waits for another action of the same person.
    pub follows: bool,
}

impl Held {
    /// What waits for a reason of its own, rather than for a limit or for what it follows.
    fn alone(planned: Planned, reason: String, dismissed: Option<String>) -> Self {
        let set = planned.closed_before_first_seen.then_some(CLOSED_REQUESTS);
        Self { planned, reason, set, limited: false, dismissed, contested: None, follows: false }
    }
}

/// What may be done, what waits, and whether the cycle is quarantined.
#[derive(Debug, Default)]
pub struct PlanApproval {
    /// What may be done.
    pub approved: ApprovedPlan,
    /// What waits.
    pub held: Vec<Held>,
    /// What would be done if its part of the configuration did not only observe.
    pub skipped: Vec<Planned>,
    /// Why whole kinds of action are held.
    pub quarantined: Option<String>,
    /// The sets that are held, those included that nobody is looked at for now.
    pub sets: BTreeSet<String>,
}

/// Sorts a plan into what may be done and what waits.
pub fn approve(plan: Plan, limits: &Limits, context: &Context) -> PlanApproval {
    let mut verdict = PlanApproval::default();
    let mut open: Vec<Planned> = Vec::new();
    let mut released: Vec<Planned> = Vec::new();
    for planned in plan.actions {
        let fingerprint = planned.fingerprint();
        let dismissed = context.dismissed.get(&fingerprint).cloned();
        match planned.gate.clone() {
            Gate::Observed(_) => verdict.skipped.push(planned),
            _ if context.released.contains(&fingerprint) => released.push(planned),
            Gate::Held(reason) => verdict.held.push(Held::alone(planned, reason, dismissed)),
            Gate::Open if dismissed.is_some() => {
                let reason = planned.reason.clone();
                verdict.held.push(Held::alone(planned, reason, dismissed));
            }
            Gate::Open => match contested(&planned, limits, context) {
                Some((key, reason)) => {
                    let contested = Some(key);
                    verdict.held.push(Held { contested, ..Held::alone(planned, reason, None) });
                }
                None => open.push(planned),
            },
        }
    }

    for crossed in crossings(&open, &released, limits, context) {
        let (held, rest): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|planned| (crossed.concerns)(planned));
        open = rest;
        if held.is_empty() {
            continue;
        }
        verdict.quarantined.get_or_insert_with(|| crossed.reason.clone());
        verdict.sets.insert(crossed.set.to_owned());
        verdict.held.extend(held.into_iter().map(|planned| Held {
            planned,
            reason: crossed.reason.clone(),
            set: Some(crossed.set),
            limited: crossed.slides,
            dismissed: None,
            contested: None,
            follows: false,
        }));
    }
    let following = hold_what_follows(&verdict, &mut open, &mut released);
    verdict.held.extend(following);
    let yes: BTreeSet<String> = released.iter().map(Planned::fingerprint).collect();
    open.extend(released);
    verdict.approved.actions = super::plan::plan(open)
        .actions
        .into_iter()
        .map(|planned| Approved { released: yes.contains(&planned.fingerprint()), planned })
        .collect();
    // What waits since an earlier cycle is no less quarantined for not being looked at now.
    let waiting = context.waiting.iter().filter(|it| it.set != CLOSED_REQUESTS);
    verdict.sets.extend(waiting.clone().map(|it| it.set.clone()));
    verdict.sets.extend(context.implausible.is_some().then(|| IMPLAUSIBLE.to_owned()));
    let waits = waiting.map(|it| &it.reason).next();
    verdict.quarantined = verdict.quarantined.or(context.implausible.clone()).or(waits.cloned());
    verdict
}

/// Takes out what would come before an action that waits, of the same person.
fn hold_what_follows(
    verdict: &PlanApproval,
    open: &mut Vec<Planned>,
    released: &mut Vec<Planned>,
) -> Vec<Held> {
    let leads = |planned: &Planned| {
        matches!(
            planned.action.step,
            Step::Deactivate | Step::Create { .. } | Step::Activate { .. }
        )
    };
    let observed = verdict.skipped.iter().map(|planned| {
        let reason = format!("it is only observed: {}", planned.reason);
        Held::alone(planned.clone(), reason, None)
    });
    let mut waiting: BTreeMap<SysId, Vec<Held>> = BTreeMap::new();
    for first in observed.chain(verdict.held.iter().cloned()).filter(|held| leads(&held.planned)) {
        waiting.entry(first.planned.action.person.clone()).or_default().push(first);
    }
    let first_of = |planned: &Planned| {
        let firsts = waiting.get(&planned.action.person)?;
        firsts.iter().find(|first| planned.follows(&first.planned))
    };
    let mut held = Vec::new();
    open.retain(|planned| {
        let Some(first) = first_of(planned) else { return true };
        let planned = planned.clone();
        held.push(Held { planned, contested: None, follows: true, ..first.clone() });
        false
    });
    released.retain(|planned| {
        // Ending sessions takes nothing away that does not come back.
        let overtakes = planned.action.step != Step::ClearSessions;
        let Some(first) = first_of(planned).filter(|_| overtakes) else { return true };
        let name = first.planned.action.step.name();
        held.push(Held {
            planned: planned.clone(),
            reason: format!("released, and waits for {name}: {}", first.reason),
            dismissed: None,
            contested: None,
            follows: true,
            ..first.clone()
        });
        false
    });
    held
}

/// A fact that has been corrected often enough: somebody else keeps changing it back.
fn contested(planned: &Planned, limits: &Limits, context: &Context) -> Option<(FactKey, String)> {
    if planned.action.cause != Cause::Drift {
        return None;
    }
    let person = planned.action.person.as_str();
    planned.keys.iter().find_map(|fact| {
        let key = key_text(fact);
        let times = context
            .done
            .iter()
            .filter(|done| done.seen && done.person == person && done.cause == Cause::Drift)
            .filter(|done| done.keys.contains(&key))
            .count();
        (times >= limits.max_repeats as usize).then(|| {
            let why = format!("contested: corrected {times} times, and changed back each time");
            (fact.clone(), why)
        })
    })
}

/// A fact's key as text, for the journal.
pub fn key_text(key: &FactKey) -> String {
    match key {
        FactKey::Account => "account".to_owned(),
        FactKey::Status => "status".to_owned(),
        FactKey::Profile(attribute) => format!("profile:{attribute}"),
        FactKey::Membership(group) => format!("membership:{group}"),
    }
}

/// Why a complete read of people is implausible: too few of them, or somebody missing who must be
/// there.
pub fn implausible_read(
    before: Option<u32>,
    now: u32,
    missing_sentinels: &[String],
    limits: &Limits,
) -> Option<String> {
    if let Some(sentinel) = missing_sentinels.first() {
        let more = missing_sentinels.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return Some(format!("the sentinel {sentinel}{more} is not among the people read"));
    }
    let before = before?;
    let lost = before.saturating_sub(now);
    (lost > 5 && lost > share_of(limits.max_people_drop, before)).then(|| {
        format!("{now} people were read where there were {before}, more than guard.max_people_drop allows")
    })
}

#[cfg(test)]
mod tests;
