//! Memberships of managed groups: birthright rules, grants, what was there at take-over, and what
//! ends each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::GroupRule;
use super::dot_walk::hidden_field;
use super::expression::Scope;
use super::fact::{Anomaly, Context, Desired, Fact, Source, origin_of, reason};
use super::timeline::DesiredStatus;
use crate::model::{
    BlockedReason, Disposition, FactKey, GroupId, Origin, Person, Reason, ResolvedRequest,
    Undecidable,
};

/// What is said of memberships so far.
#[derive(Default)]
struct Memberships<'a> {
    wanted: BTreeMap<GroupId, Fact<bool>>,
    /// Nothing is said about these: what is, stands.
    unmanaged: BTreeSet<GroupId>,
    /// Only their rule decides who was there before.
    exact: BTreeSet<&'a GroupId>,
}

pub(super) fn derive(context: Context<'_>, status: Option<DesiredStatus>, desired: &mut Desired) {
    let leaves = status == Some(DesiredStatus::Deactivated);
    let mut all = Memberships::default();
    birthrights(context, leaves, &mut all, desired);
    grants(context, &mut all);
    adoption(context, &mut all);
    if !leaves {
        ended(context, &mut all);
    }
    overruled_revokes(context, &all, desired);
    denials(context, &mut all);

    match context.timeline.status {
        Some((DesiredStatus::Deactivated, leave)) if leaves => {
            desired.other_memberships = Some(taken_away(context, leave));
        }
        _ if leaves => {
            // Deactivated by the record: no request ended the memberships, so they stay as they
            // are, but for those that a request takes away by itself.
            all.wanted.retain(|_, fact| !fact.value);
            desired.memberships = all.wanted;
            return;
        }
        // Access begins with the start, the account only exists before it.
        _ if status == Some(DesiredStatus::Staged) => return,
        _ => {
            let fact = context.ruled(false, &context.placement(), "").without_reasons();
            desired.other_memberships = Some(fact);
        }
    }
    desired.memberships = all.wanted;
    // An additive rule that does not give the group says nothing about it.
    desired.unmanaged_memberships = all.unmanaged;
}

fn birthrights<'a>(
    context: Context<'a>,
    leaves: bool,
    all: &mut Memberships<'a>,
    desired: &mut Desired,
) {
    let Context { state, policy, rule_groups, .. } = context;
    let source = context.placement();
    let scope = Scope::person(&state.person.record);
    for (rule, group) in policy.groups.iter().zip(rule_groups) {
        let Some(group) = group else { continue };
        if rule.exact {
            all.exact.insert(group);
        }
        if leaves {
            continue;
        }
        let belongs = match belongs(rule, &state.person, &scope) {
            Ok(belongs) => belongs,
            Err(what) => {
                let key = FactKey::Membership(group.clone());
                desired.anomalies.push(Anomaly::held(key, source.origin(), what));
                // Neither member nor not: what is, stands.
                all.unmanaged.insert(group.clone());
                continue;
            }
        };
        let mut fact = context.ruled(belongs, &source, rule.when.source()).without_reasons();
        fact.only_observed |= rule.observe;
        if belongs {
            fact.reasons.insert(Reason::Rule(rule.name.clone()));
            all.wanted.insert(group.clone(), fact);
        } else if rule.exact {
            all.wanted.entry(group.clone()).or_insert(fact);
        } else {
            all.unmanaged.insert(group.clone());
        }
    }
}

fn belongs(rule: &GroupRule, person: &Person, scope: &Scope) -> Result<bool, Undecidable> {
    let hidden = hidden_field(person, &rule.when.fields("user"));
    let why = match (hidden, rule.when.truth(scope)) {
        (None, Ok(belongs)) => return Ok(belongs),
        (Some(field), _) => Undecidable::FieldHidden { field }.to_string(),
        (None, Err(error)) => error.to_string(),
    };
    Err(Undecidable::Rule { rule: rule.name.clone(), why })
}

/// A membership has every request that gives it for a reason, and its rule; it is the newest one's.
fn grants(context: Context<'_>, all: &mut Memberships<'_>) {
    for (group, requests) in &context.timeline.grants {
        let Some(newest) = requests.last() else { continue };
        let ruled = all.wanted.remove(group).filter(|fact| fact.value);
        let mut fact = context.asked(true, newest);
        fact.reasons = requests.iter().map(|request| reason(request)).collect();
        fact.reasons.extend(ruled.into_iter().flat_map(|fact| fact.reasons));
        fact.closed_before_first_seen = requests.iter().all(|it| it.closed_before_first_seen);
        all.unmanaged.remove(group);
        all.wanted.insert(group.clone(), fact);
    }
}

/// What was there at take-over stands, but for groups whose rule alone decides.
fn adoption(context: Context<'_>, all: &mut Memberships<'_>) {
    let Context { state, baseline, timeline, .. } = context;
    if !timeline.adoption_stands || !state.is_linked() {
        return;
    }
    for group in baseline {
        if all.exact.contains(group) || timeline.unadopted.contains(group) {
            continue;
        }
        all.unmanaged.remove(group);
        let fact = all.wanted.entry(group.clone()).or_insert_with(|| {
            context.ruled(true, &Source::Record(Origin::Baseline), "").without_reasons()
        });
        fact.reasons.insert(Reason::Baseline);
    }
}

/// What a leave ended is not given by what came after.
fn ended(context: Context<'_>, all: &mut Memberships<'_>) {
    let Context { state, baseline, timeline, .. } = context;
    let had = baseline.iter().filter(|_| state.is_linked() && !timeline.adoption_stands);
    for group in timeline.ended.iter().chain(had) {
        if !all.unmanaged.contains(group) {
            let nothing = || context.ruled(false, &context.placement(), "").without_reasons();
            all.wanted.entry(group.clone()).or_insert_with(nothing);
        }
    }
}

fn overruled_revokes(context: Context<'_>, all: &Memberships<'_>, desired: &mut Desired) {
    for (group, revoke) in &context.timeline.revoked {
        let given = all.wanted.get(group).filter(|fact| fact.value);
        if let Some(rule) = given.and_then(Fact::rule) {
            let key = FactKey::Membership(group.clone());
            let reason = BlockedReason::Birthright { rule: rule.to_owned() };
            let disposition = Disposition::Blocked(reason);
            desired.anomalies.push(Anomaly { key, origin: origin_of(revoke), disposition });
        }
    }
}

fn denials(context: Context<'_>, all: &mut Memberships<'_>) {
    for (group, request) in &context.timeline.denied {
        if !all.wanted.get(group).is_some_and(|fact| fact.value) {
            all.unmanaged.remove(group);
            all.wanted.insert(group.clone(), taken_away(context, request));
        }
    }
}

fn taken_away(context: Context<'_>, request: &ResolvedRequest) -> Fact<bool> {
    context.asked(false, request).without_reasons()
}
