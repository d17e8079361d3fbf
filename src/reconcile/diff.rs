//! What differs between how Okta should be and how it is, and what is to be done about each.

use std::collections::{BTreeMap, BTreeSet};

pub use super::drift::{Disposition, Drift, Remedy};
use super::guard::Protected;
use super::schema::Schema;
use crate::model::{
    Account, AccountStatus, Cause, FactKey, Group, GroupId, Origin, Person, Reason,
};
use crate::policy::desire::{Anomaly, Desired, Fact};
use crate::policy::timeline::DesiredStatus;
use crate::policy::{Disposal, Policy, SuspendedElsewhere};

/// How Okta is, for one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// The linked account, if there is one.
    pub account: Option<Account>,
    /// The managed groups that it is in.
    pub groups: BTreeSet<GroupId>,
}

/// What was desired when a fact was last decided, and whether Okta was ever seen to agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The desired value as reports print it; `None` is null.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// What it followed from in the configuration.
    pub basis: String,
    /// Okta was seen to agree with it.
    pub in_sync_once: bool,
    /// Why Okta refused this value when it was last tried.
    pub refused: Option<String>,
}

/// Everything known of one person's facts before this cycle.
pub type Facts = BTreeMap<FactKey, Known>;

/// The surroundings that judging one person's differences needs.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// What is never written to.
    pub protected: &'a Protected,
    /// The managed groups, by id.
    pub groups: &'a BTreeMap<GroupId, Group>,
    /// What Okta's profile can hold.
    pub schema: &'a Schema,
}

/// Compares one person's facts. The result is in a stable order: account, status, profile,
/// memberships.
pub fn diff(
    person: &Person,
    desired: &Desired,
    actual: &Actual,
    known: &Facts,
    setting: &Setting<'_>,
) -> Vec<Drift> {
    let mut found = Vec::new();
    if let Some(status) = &desired.status {
        found.extend(diff_status(status, desired, actual, known));
    }
    let writable = !super::plan::is_dormant(actual.account.as_ref())
        || found.iter().any(|drift| drift.remedy == Some(Remedy::Revive));
    let created = found.iter().any(|drift| matches!(drift.remedy, Some(Remedy::Create { .. })));
    if created || (actual.account.is_some() && writable) {
        for (attribute, fact) in &desired.profile {
            found.extend(diff_attribute(attribute, fact, actual, known, setting.schema));
        }
    }
    let anew = found.iter().any(|drift| {
        matches!(drift.remedy, Some(Remedy::Revive | Remedy::Create { .. }))
            && drift.cause == Cause::Request
    });
    found.extend(diff_memberships(desired, actual, known, setting.groups, anew));
    for anomaly in &desired.anomalies {
        found.push(set_aside(anomaly));
    }
    for drift in &mut found {
        judge(drift, person, actual, setting);
        drift.observed &= matches!(drift.disposition, Disposition::Apply | Disposition::Hold);
        if drift.observed {
            drift.disposition = Disposition::Report;
            drift.reason = format!("only observed: {}", drift.reason);
        }
    }
    wait_for_a_name(&mut found);
    follow_the_account(&mut found, desired);
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

/// No account is made before it has a login and an address, and whatever else Okta requires.
fn wait_for_a_name(found: &mut [Drift]) {
    let is_name =
        |key: &FactKey| matches!(key, FactKey::Profile(a) if a == "login" || a == "email");
    let lacks = |drift: &Drift| {
        matches!(drift.key, FactKey::Profile(_))
            && drift.disposition == Disposition::Blocked
            && drift.desired.is_none()
    };
    let missing =
        found.iter().find(|drift| is_name(&drift.key) && drift.is_stuck() || lacks(drift));
    let Some(reason) = missing.map(|drift| drift.reason.clone()) else { return };
    for drift in found {
        if drift.disposition == Disposition::Apply
            && matches!(drift.remedy, Some(Remedy::Create { .. }))
        {
            hold(drift, &reason);
            drift.remedy = None;
        }
    }
}

/// Memberships wait for the account that they are for: nobody is added before the account is
/// there, and a leaver loses nothing before the account is disabled. What a withdrawn request gave
/// goes without waiting.
fn follow_the_account(found: &mut [Drift], desired: &Desired) {
    let account = found
        .iter()
        .find(|drift| {
            // One that cannot be made as it is has no remedy any more.
            let remedy = matches!(
                drift.remedy,
                Some(Remedy::Create { .. } | Remedy::Revive | Remedy::Deactivate)
            );
            drift.disposition != Disposition::Apply && (remedy || drift.key == FactKey::Account)
        })
        .map(|drift| (drift.remedy, drift.disposition, drift.reason.clone(), drift.observed));
    let Some((remedy, disposition, reason, observed)) = account else { return };
    let leaving = remedy == Some(Remedy::Deactivate);
    // A yes to what is held must not overtake an account that nobody can say yes to.
    let overtakes = |drift: &&mut Drift| {
        drift.disposition == Disposition::Apply
            || drift.disposition == Disposition::Hold && disposition != Disposition::Hold
    };
    for drift in found.iter_mut().filter(overtakes) {
        let follows = match drift.remedy {
            // Nobody leaves by the record alone: what goes then was revoked by itself.
            Some(Remedy::Remove) => {
                leaving && desired.other_memberships.is_some() && !desired.takes_back(&drift.origin)
            }
            Some(Remedy::Add | Remedy::Update) => !leaving,
            _ => false,
        };
        if follows {
            drift.disposition = disposition;
            drift.observed = observed;
            drift.reason.clone_from(&reason);
        }
    }
}

fn set_aside(anomaly: &Anomaly) -> Drift {
    Drift {
        key: anomaly.key.clone(),
        desired: None,
        actual: None,
        origin: anomaly.origin.clone(),
        cause: Cause::Request,
        disposition: if anomaly.blocked { Disposition::Blocked } else { Disposition::Hold },
        remedy: None,
        reason: anomaly.text.clone(),
        closed_before_first_seen: false,
        observed: false,
    }
}

/// Why the two sides differ: either Okta left what had been established, or what is desired is new.
fn cause_of<T>(fact: &Fact<T>, value: Option<&str>, key: &FactKey, facts: &Facts) -> Cause {
    if fact.withdrawn {
        return Cause::Request;
    }
    // A new statement from a request that took effect before: not the request made it.
    let old = facts.values().any(|known| known.in_sync_once && known.origin == fact.origin);
    let Some(known) = facts.get(key) else {
        return match key {
            _ if fact.basis.is_empty() || !old => fact.cause,
            FactKey::Profile(_) => Cause::Rule,
            FactKey::Account | FactKey::Status | FactKey::Membership(_) => Cause::Record,
        };
    };
    if known.in_sync_once && known.value.as_deref() == value {
        Cause::Drift
    } else if is_ruled_anew(key, &known.basis, &fact.basis, old) {
        Cause::Rule
    } else if known.in_sync_once
        && known.origin == fact.origin
        && fact.cause == Cause::Request
        && !(known.basis.is_empty() && fact.basis.is_empty())
    {
        // The same request, and another value than its own end makes: what it follows has changed.
        Cause::Record
    } else {
        fact.cause
    }
}

/// Whether a fact follows from another text of the configuration than before. A request, which
/// follows from none, is not a change of the configuration, and neither is the record's turn.
fn is_ruled_anew(key: &FactKey, before: &str, now: &str, old: bool) -> bool {
    let setting = |basis: &str| basis.split(" = ").next().map(str::to_owned);
    match key {
        _ if before == now || now.is_empty() => false,
        FactKey::Account | FactKey::Status => setting(before) == setting(now),
        FactKey::Profile(_) | FactKey::Membership(_) => !before.is_empty() || old,
    }
}

fn drift_of<T>(
    key: FactKey,
    fact: &Fact<T>,
    desired: Option<String>,
    actual: Option<String>,
    known: &Facts,
    remedy: Option<Remedy>,
) -> Drift {
    let cause = cause_of(fact, desired.as_deref(), &key, known);
    let refused = refused_before(&key, desired.as_deref(), known);
    let (disposition, reason) = match (&fact.report, &fact.hold, refused) {
        (Some(report), _, _) => (Disposition::Report, report.clone()),
        (None, Some(hold), _) => (Disposition::Hold, hold.clone()),
        (None, None, Some(why)) => (Disposition::Blocked, why.to_owned()),
        (None, None, None) => (Disposition::Apply, because(fact, cause)),
    };
    Drift {
        closed_before_first_seen: fact.closed_before_first_seen
            && !known.get(&key).is_some_and(|known| known.in_sync_once),
        key,
        desired,
        actual,
        origin: fact.origin.clone(),
        cause,
        disposition,
        remedy,
        reason,
        observed: fact.observe.is_some(),
    }
}

/// Why Okta refused exactly this when it was last tried. Nothing is sent just to be refused again.
fn refused_before<'a>(key: &FactKey, value: Option<&str>, known: &'a Facts) -> Option<&'a str> {
    // Making an account is what its status asks for.
    let key = if *key == FactKey::Account { &FactKey::Status } else { key };
    let known = known.get(key).filter(|known| known.value.as_deref() == value)?;
    known.refused.as_deref()
}

fn because<T>(fact: &Fact<T>, cause: Cause) -> String {
    match cause {
        Cause::Drift => format!("changed in Okta away from what {} established", fact.origin),
        Cause::Record => "the record in ServiceNow says so".to_owned(),
        Cause::Rule => "the configuration says so".to_owned(),
        Cause::Request if fact.withdrawn => format!("{} was withdrawn", fact.origin),
        Cause::Request => {
            let rule = fact.reasons.iter().find_map(|reason| match reason {
                Reason::Rule(rule) => Some(rule),
                _ => None,
            });
            match rule {
                Some(rule) => format!("birthright of group {rule}, by {}", fact.origin),
                None => format!("asked for by {}", fact.origin),
            }
        }
    }
}

fn diff_status(
    fact: &Fact<DesiredStatus>,
    desired: &Desired,
    actual: &Actual,
    known: &Facts,
) -> Option<Drift> {
    use AccountStatus as S;
    let desired_status = fact.value;
    let Some(account) = &actual.account else {
        let remedy = match desired_status {
            DesiredStatus::Active => Remedy::Create { activate: true },
            DesiredStatus::Staged => Remedy::Create { activate: false },
            DesiredStatus::Suspended | DesiredStatus::Deactivated => return None,
        };
        let mut drift = drift_of(
            FactKey::Account,
            fact,
            Some(desired_status.as_str().to_owned()),
            None,
            known,
            Some(remedy),
        );
        // The account's status was established, so somebody else deleted it.
        if known.get(&FactKey::Status).is_some_and(|k| k.in_sync_once && k.origin == fact.origin) {
            drift.cause = Cause::Drift;
        }
        return Some(drift);
    };
    let (remedy, doubt) = match (desired_status, &account.status) {
        (_, S::Other(_)) => (None, Some("Okta shows a status that is not known")),
        (DesiredStatus::Active, S::Staged) => (Some(Remedy::Activate), None),
        (DesiredStatus::Active, S::Deprovisioned) => (Some(Remedy::Revive), None),
        (DesiredStatus::Active, S::Provisioned) if desired.owes_mail => (Some(Remedy::Mail), None),
        (DesiredStatus::Active, S::Suspended) => (Some(Remedy::Unsuspend), None),
        (DesiredStatus::Suspended, S::Active) => (Some(Remedy::Suspend), None),
        (DesiredStatus::Suspended, S::Recovery | S::PasswordExpired | S::LockedOut) => (
            Some(Remedy::ClearSessions),
            Some("Okta suspends only active accounts; its sessions are cleared"),
        ),
        (DesiredStatus::Suspended, S::Staged | S::Provisioned)
        | (
            DesiredStatus::Deactivated,
            S::Staged
            | S::Provisioned
            | S::Active
            | S::Recovery
            | S::PasswordExpired
            | S::LockedOut
            | S::Suspended,
        ) => (Some(Remedy::Deactivate), None),
        (
            DesiredStatus::Active
            | DesiredStatus::Staged
            | DesiredStatus::Suspended
            | DesiredStatus::Deactivated,
            _,
        ) => return None,
    };
    let mut drift = drift_of(
        FactKey::Status,
        fact,
        Some(desired_status.as_str().to_owned()),
        Some(account.status.as_str().to_lowercase()),
        known,
        remedy,
    );
    if let Some(doubt) = doubt {
        drift.disposition = Disposition::Blocked;
        doubt.clone_into(&mut drift.reason);
    } else if remedy == Some(Remedy::Mail) && drift.disposition == Disposition::Apply {
        "it was activated again, and its mail was not sent yet".clone_into(&mut drift.reason);
    } else if remedy == Some(Remedy::Unsuspend)
        && !desired.may_unsuspend
        && drift.disposition == Disposition::Apply
        && drift.cause != Cause::Drift
    {
        drift.disposition = Disposition::Report;
        "suspended in Okta by someone else, and no request explains it"
            .clone_into(&mut drift.reason);
    }
    Some(drift)
}

/// `actual` without an account is one that is about to be created: its attributes come with it,
/// but for those that cannot.
fn diff_attribute(
    attribute: &str,
    fact: &Fact<Option<String>>,
    actual: &Actual,
    known: &Facts,
    schema: &Schema,
) -> Option<Drift> {
    let account = actual.account.as_ref();
    let actual = account
        .and_then(|account| account.profile.get(attribute))
        .filter(|value| !value.is_empty());
    let agree = match (&fact.value, actual) {
        (None, None) => true,
        // Okta keeps both unique without regard to case, so case is not a difference.
        (Some(a), Some(b)) if matches!(attribute, "login" | "email") => {
            a.to_lowercase() == b.to_lowercase()
        }
        (Some(a), Some(b)) => a == b,
        _ => false,
    };
    let lacks = if account.is_none() { schema.requires(attribute) } else { None };
    if agree && lacks.is_none() {
        return None;
    }
    let mut drift = drift_of(
        FactKey::Profile(attribute.to_owned()),
        fact,
        fact.value.clone(),
        actual.cloned(),
        known,
        Some(Remedy::Update),
    );
    let (value, actual) = (fact.value.as_deref(), actual.map(String::as_str));
    if let Some(why) = schema.refuses(attribute, value, actual).or_else(|| mastered(account)) {
        drift.disposition = Disposition::Blocked;
        drift.reason = why;
    }
    (account.is_some() || drift.disposition == Disposition::Blocked).then_some(drift)
}

/// Okta reference: what a directory owns is changed there; Okta refuses it, or the next import
/// takes it back.
fn mastered(account: Option<&Account>) -> Option<String> {
    let provider = account?.provider.as_str();
    matches!(provider, "ACTIVE_DIRECTORY" | "LDAP")
        .then(|| format!("the profile is owned by {provider} and has to be changed there"))
}

/// The word for a membership in reports.
pub fn member(is: bool) -> String {
    if is { "member" } else { "not a member" }.to_owned()
}

fn diff_memberships(
    desired: &Desired,
    actual: &Actual,
    known: &Facts,
    groups: &BTreeMap<GroupId, Group>,
    anew: bool,
) -> Vec<Drift> {
    // A deactivated account takes no memberships; those wanted come with its activation.
    let active =
        desired.status.as_ref().is_some_and(|status| status.value == DesiredStatus::Active);
    let takes_members = active || !super::plan::is_dormant(actual.account.as_ref());
    let mut found = Vec::new();
    for (group, fact) in &desired.memberships {
        let is = actual.groups.contains(group);
        if is == fact.value {
            continue;
        }
        if fact.value && !takes_members {
            found.extend(for_no_account(group, fact, actual, known));
            continue;
        }
        if !groups.contains_key(group) {
            found.extend(in_deleted_group(group, fact, known));
            continue;
        }
        let mut drift = drift_of(
            FactKey::Membership(group.clone()),
            fact,
            Some(member(fact.value)),
            Some(member(is)),
            known,
            Some(if fact.value { Remedy::Add } else { Remedy::Remove }),
        );
        // What was seen of it was seen on an account, or in a time, that is over.
        if anew && drift.cause == Cause::Drift {
            drift.cause = fact.cause;
            if drift.disposition == Disposition::Apply {
                drift.reason = because(fact, fact.cause);
            }
        }
        found.push(drift);
    }
    // What a deactivated account is still in does no harm; a leave tidies up all the same.
    let leaver = desired.status.as_ref().is_some_and(|s| s.value == DesiredStatus::Deactivated);
    let tidied = takes_members || leaver;
    if let Some(fact) = desired.other_memberships.as_ref().filter(|_| tidied) {
        for group in &actual.groups {
            let Some(known_group) = groups.get(group) else {
                continue;
            };
            if desired.memberships.contains_key(group)
                || desired.unmanaged_memberships.contains(group)
                || known_group.owner().is_some()
            {
                continue;
            }
            let mut drift = drift_of(
                FactKey::Membership(group.clone()),
                fact,
                Some(member(false)),
                Some(member(true)),
                known,
                Some(Remedy::Remove),
            );
            // A leave takes whatever is there, whoever put it there.
            if leaver {
                drift.cause = fact.cause;
                if drift.disposition == Disposition::Apply {
                    drift.reason = because(fact, fact.cause);
                }
            // Nothing ever said that the person should be in it: somebody put them there.
            } else if !anew && !known.contains_key(&drift.key) {
                drift.cause = Cause::Drift;
                if drift.disposition == Disposition::Apply {
                    "nothing that was asked for or ruled gives this membership"
                        .clone_into(&mut drift.reason);
                }
            }
            found.push(drift);
        }
    }
    found
}

fn is_asked(fact: &Fact<bool>) -> bool {
    fact.value && fact.reasons.iter().any(|reason| matches!(reason, Reason::Request { .. }))
}

/// A membership that a request asks for, for an account that is deactivated and stays so.
fn for_no_account(
    group: &GroupId,
    fact: &Fact<bool>,
    actual: &Actual,
    known: &Facts,
) -> Option<Drift> {
    if !is_asked(fact) || actual.account.is_none() {
        return None;
    }
    let key = FactKey::Membership(group.clone());
    let mut drift = drift_of(key, fact, Some(member(true)), Some(member(false)), known, None);
    drift.disposition = Disposition::Report;
    "the account is deactivated in Okta and takes no memberships".clone_into(&mut drift.reason);
    Some(drift)
}

/// A membership that a request asks for in a group that is no more.
fn in_deleted_group(group: &GroupId, fact: &Fact<bool>, known: &Facts) -> Option<Drift> {
    let key = FactKey::Membership(group.clone());
    if !is_asked(fact) {
        return None;
    }
    let had_it = known.get(&key).is_some_and(|known| known.in_sync_once);
    let mut drift = drift_of(key, fact, Some(member(true)), Some(member(false)), known, None);
    drift.disposition = if had_it { Disposition::Report } else { Disposition::Blocked };
    "the group does not exist in Okta any more".clone_into(&mut drift.reason);
    Some(drift)
}

fn hold(drift: &mut Drift, reason: &str) {
    drift.disposition = Disposition::Hold;
    reason.clone_into(&mut drift.reason);
}

/// Decides what is to be done about a difference that would otherwise be repaired.
fn judge(drift: &mut Drift, person: &Person, actual: &Actual, setting: &Setting<'_>) {
    let policy = setting.policy;
    if let Some(why) = setting.protected.covers(person, actual.account.as_ref()) {
        drift.disposition = Disposition::Protected;
        why.clone_into(&mut drift.reason);
        return;
    }
    if let FactKey::Membership(group) = &drift.key
        && let Some(group) = setting.groups.get(group)
    {
        if setting.protected.groups.contains(&group.id) {
            drift.disposition = Disposition::Protected;
            "the group is protected".clone_into(&mut drift.reason);
            return;
        }
        if let Some(why) = group.owner().map(|owner| owner.to_string()) {
            drift.disposition = Disposition::Blocked;
            why.clone_into(&mut drift.reason);
            return;
        }
    }
    if drift.disposition != Disposition::Apply {
        return;
    }
    let by_somebody_else = drift.cause == Cause::Drift
        && matches!(drift.remedy, Some(Remedy::Unsuspend | Remedy::Revive | Remedy::Create { .. }));
    if by_somebody_else && policy.suspended_elsewhere == SuspendedElsewhere::Report {
        drift.disposition = Disposition::Report;
        "suspended, deactivated or deleted in Okta by someone else".clone_into(&mut drift.reason);
        return;
    }
    // An inactive record is acted on whatever the origin.
    let by_record = drift.cause == Cause::Record
        && matches!(drift.remedy, Some(Remedy::Suspend | Remedy::Deactivate));
    if drift.closed_before_first_seen {
        hold(drift, "the request was closed before it was first seen, and Okta differs from it");
    } else if drift.origin.is_unattributed() && !by_record {
        match policy.unattributed {
            Disposal::Apply => {}
            Disposal::Hold => hold(drift, "no request accounts for it"),
            Disposal::Report => drift.disposition = Disposition::Report,
        }
    } else if drift.cause == Cause::Drift {
        match policy.drift {
            Disposal::Apply => {}
            Disposal::Hold => {
                let reason = drift.reason.clone();
                hold(drift, &reason);
            }
            Disposal::Report => drift.disposition = Disposition::Report,
        }
    }
}
