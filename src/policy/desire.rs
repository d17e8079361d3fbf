//! What should be, for one person: the heart of the program, as one pure function.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::Scope;
use super::timeline::{DesiredStatus, Timeline, replay};
use super::withdrawal::{as_if_they_stood, withdraw};
use super::{Accounts, InactiveRecord, Policy};
use crate::model::{
    Cause, FactKey, GroupId, Operation, Origin, Person, Presence, Reason, ResolvedRequest,
    Timestamp,
};

/// One statement of how Okta should be, with everything that speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<T> {
    /// What should be.
    pub value: T,
    /// The request that it comes from.
    pub origin: Origin,
    /// What made it so.
    pub cause: Cause,
    /// Everything that speaks for it.
    pub reasons: BTreeSet<Reason>,
    /// The text of the configuration that it follows from: when that changes, the cause is a rule.
    pub basis: String,
    /// Why it waits for a person's yes, whatever else holds.
    pub hold: Option<String>,
    /// Why it is only reported.
    pub report: Option<String>,
    /// Why this part is only observed: what would be done is said, and not done.
    pub observe: Option<String>,
    /// It comes from a request that was closed before it was first seen.
    pub closed_before_first_seen: bool,
    /// It is what remains after its request was withdrawn.
    pub withdrawn: bool,
}

/// Something about one person or request that cannot be decided, set aside so that the rest can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// Which statement it is about.
    pub key: FactKey,
    /// The request that it stands in the way of.
    pub origin: Origin,
    /// A word for its kind, such as `group-rule`.
    pub kind: &'static str,
    /// What is wrong, for a person to read.
    pub text: String,
    /// It can never be carried out as it is, rather than waiting for something.
    pub blocked: bool,
}

/// How Okta should be for one person. What is not mentioned is not managed.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The account's status.
    pub status: Option<Fact<DesiredStatus>>,
    /// Profile attributes; `None` clears.
    pub profile: BTreeMap<String, Fact<Option<String>>>,
    /// Memberships that are wanted, or that a request took away.
    pub memberships: BTreeMap<GroupId, Fact<bool>>,
    /// Every other managed group: not a member.
    pub other_memberships: Option<Fact<bool>>,
    /// Managed groups about which nothing is said: what is, stands.
    pub unmanaged_memberships: BTreeSet<GroupId>,
    /// A suspension that is found may be lifted: a request explains it.
    pub may_unsuspend: bool,
    /// The account was brought back without its activation mail, which is to follow.
    pub owes_mail: bool,
    /// What could not be decided.
    pub anomalies: Vec<Anomaly>,
    /// When this changes by itself.
    pub next: Option<Timestamp>,
}

impl Desired {
    /// Whether a fact of this origin is what a withdrawn request gave together with the account:
    /// it goes without waiting for what becomes of the account.
    pub fn takes_back(&self, origin: &Origin) -> bool {
        self.status.as_ref().is_some_and(|status| status.withdrawn && status.origin == *origin)
    }
}

/// Everything about one person that deciding needs.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The record.
    pub person: &'a Person,
    /// Every request that names the person, approved or not.
    pub requests: &'a [ResolvedRequest],
    /// Whether an account is linked.
    pub linked: bool,
    /// Whether that account is in nobody's use: deactivated, or never activated.
    pub unused: bool,
    /// Whether that account was deleted in Okta.
    pub deleted: bool,
    /// Whether that account was made or activated for the person, rather than found in use.
    pub created_here: bool,
    /// Whether the record alone decided its status when it was last decided.
    pub by_record: bool,
    /// The request whose status the account was last seen to have, if any.
    pub took_effect: Option<&'a Origin>,
    /// Groups that the account was in when it, or the group, came under management.
    pub baseline: &'a BTreeSet<GroupId>,
}

impl Subject<'_> {
    /// Where comes from what no request asked for: an account that was made here was not there when
    /// it was taken over.
    fn unrequested(&self) -> Origin {
        if self.linked && !self.created_here { Origin::Baseline } else { Origin::None }
    }
}

/// The groups that birthright rules speak of, resolved to ids, in the order of `Policy::groups`.
pub type RuleGroups = [Option<GroupId>];

/// Derives how Okta should be for one person.
pub fn desire(
    subject: &Subject<'_>,
    policy: &Policy,
    rule_groups: &RuleGroups,
    now: Timestamp,
) -> Desired {
    let mut desired = derive(subject, policy, rule_groups, now);
    if subject.person.presence == Presence::Outside {
        return desired;
    }
    if let Some(requests) = as_if_they_stood(subject.requests) {
        let stood = Subject { requests: &requests, ..*subject };
        let before = derive(&stood, policy, rule_groups, now);
        let usable = subject.linked && is_usable(subject.person);
        withdraw(&mut desired, &before, subject.requests, usable, subject.created_here);
    }
    desired
}

fn derive(
    subject: &Subject<'_>,
    policy: &Policy,
    rule_groups: &RuleGroups,
    now: Timestamp,
) -> Desired {
    let timeline = replay(subject.requests, now);
    let mut desired = Desired {
        next: timeline.next,
        may_unsuspend: timeline.suspension.is_some(),
        ..Desired::default()
    };
    if subject.person.presence == Presence::Outside {
        desired
            .anomalies
            .extend(timeline.order.iter().filter_map(|resolved| outside(resolved, now)));
        return desired;
    }
    desired.status = status(subject, policy, &timeline, now, &mut desired);
    let desired_status = desired.status.as_ref().map(|status| status.value);
    if desired_status.is_none()
        && !subject.linked
        && timeline.grants.is_empty()
        && timeline.denied.is_empty()
    {
        return desired;
    }
    if desired_status != Some(DesiredStatus::Deactivated) {
        profile(subject, policy, &timeline, &mut desired);
    }
    memberships(subject, policy, rule_groups, &timeline, desired_status, &mut desired);
    desired
}

/// The person's values of the attributes that identify an account, in the order of
/// `identity.match`, and the login that a new account would get. What cannot be evaluated is empty,
/// and an empty value matches nothing.
pub fn identify(person: &Person, policy: &Policy) -> (Vec<(String, String)>, Option<String>) {
    let scope = Scope::person(&person.record);
    let value = |attribute: &str| {
        let expression = policy.profile.get(attribute)?;
        let text = expression.text(&scope).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let keys = policy
        .match_on
        .iter()
        .map(|attribute| (attribute.clone(), value(attribute).unwrap_or_default()))
        .collect();
    (keys, value("login"))
}

/// A record that is among the people no more: what is asked for it waits.
fn outside(resolved: &ResolvedRequest, now: Timestamp) -> Option<Anomaly> {
    (resolved.in_force(now) && !resolved.closed).then(|| Anomaly {
        key: FactKey::Account,
        origin: by(resolved),
        kind: "outside",
        text: "the person's record is not among those that are managed here".to_owned(),
        blocked: false,
    })
}

fn is_usable(person: &Person) -> bool {
    person.is_active() && person.presence != Presence::Gone
}

fn by(resolved: &ResolvedRequest) -> Origin {
    Origin::Request(resolved.request.clone())
}

fn reason(resolved: &ResolvedRequest) -> Reason {
    Reason::Request { request: resolved.request.clone(), until: resolved.terms.ends }
}

/// Where what follows from the record comes from: the newest join or move, else take-over.
fn placed<'a>(timeline: &Timeline<'a>, subject: &Subject<'_>) -> Source<'a> {
    match timeline.placement {
        Some(resolved) => Source::request(resolved),
        None => Source::record(subject.unrequested()),
    }
}

/// Where a fact comes from, before its value is known.
#[derive(Debug, Clone)]
struct Source<'a> {
    origin: Origin,
    cause: Cause,
    resolved: Option<&'a ResolvedRequest>,
}

impl<'a> Source<'a> {
    fn request(resolved: &'a ResolvedRequest) -> Self {
        Self { origin: by(resolved), cause: Cause::Request, resolved: Some(resolved) }
    }

    fn record(origin: Origin) -> Self {
        Self { origin, cause: Cause::Record, resolved: None }
    }
}

impl<T> Fact<T> {
    /// What a request asks for.
    fn asked(policy: &Policy, value: T, resolved: &ResolvedRequest) -> Self {
        let reasons = BTreeSet::from([reason(resolved)]);
        Self { reasons, ..Self::ruled(policy, value, Source::request(resolved), "") }
    }

    /// What follows from the record by a text of the configuration.
    fn ruled(policy: &Policy, value: T, source: Source<'_>, basis: &str) -> Self {
        Self {
            value,
            origin: source.origin,
            cause: source.cause,
            reasons: BTreeSet::from([Reason::Record]),
            basis: basis.to_owned(),
            hold: None,
            report: None,
            observe: observed(policy, source.resolved.is_some_and(|resolved| resolved.observe)),
            closed_before_first_seen: source
                .resolved
                .is_some_and(|resolved| resolved.closed_before_first_seen),
            withdrawn: false,
        }
    }
}

fn observed(policy: &Policy, part: bool) -> Option<String> {
    if policy.observe {
        Some("the program only observes".to_owned())
    } else {
        part.then(|| "this part of the configuration only observes".to_owned())
    }
}

fn status(
    subject: &Subject<'_>,
    policy: &Policy,
    timeline: &Timeline<'_>,
    now: Timestamp,
    desired: &mut Desired,
) -> Option<Fact<DesiredStatus>> {
    let person = subject.person;
    let usable = is_usable(person);
    // A return lifts what a leave of absence did, which for an account that was never used is a
    // deactivation; only a join makes an account or brings another one back.
    let was_away = timeline.order.iter().any(|resolved| match resolved.terms.operation {
        Operation::Suspend => resolved.closed || subject.took_effect == Some(&by(resolved)),
        Operation::Resume => subject.took_effect == Some(&by(resolved)),
        _ => false,
    });
    let there = subject.linked && (!subject.unused || was_away);
    let lifts = |resolved: &ResolvedRequest| match resolved.terms.operation {
        Operation::Join => true,
        _ => !subject.deleted && (timeline.joined || there),
    };
    let asked = timeline.status.filter(|(desired_status, resolved)| {
        *desired_status != DesiredStatus::Active || lifts(resolved)
    });
    let asked =
        asked.map(|(desired_status, resolved)| Fact::asked(policy, desired_status, resolved));
    if asked.as_ref().is_some_and(|fact| fact.value == DesiredStatus::Deactivated) {
        return asked;
    }
    if usable {
        return asked
            .or_else(|| ahead(subject, policy, timeline, now, desired))
            .or_else(|| unasked(subject, policy, timeline));
    }

    // The record is inactive or gone, and no leave says why.
    let stronger = policy.inactive_record == InactiveRecord::Deactivate;
    if !stronger && asked.as_ref().is_some_and(|fact| fact.value == DesiredStatus::Suspended) {
        return asked;
    }
    let newest = timeline
        .order
        .iter()
        .rfind(|resolved| resolved.in_force(now) && resolved.terms.operation.is_lifecycle());
    let origin = newest.map_or_else(|| subject.unrequested(), |resolved| by(resolved));
    let took_effect = timeline
        .status
        .is_some_and(|(_, resolved)| resolved.closed || subject.took_effect == Some(&by(resolved)));
    if let Some(mut fact) = asked
        && !took_effect
        && fact.value == DesiredStatus::Active
    {
        let text = "the person's record in ServiceNow is inactive".to_owned();
        fact.hold = Some(text.clone());
        desired.anomalies.push(Anomaly {
            key: FactKey::Status,
            origin: fact.origin.clone(),
            kind: "record-inactive",
            text,
            blocked: false,
        });
        // While it waits, it keeps no account in use.
        if !subject.linked || subject.unused || subject.deleted {
            return Some(fact);
        }
    }
    if !subject.linked {
        return None;
    }
    let what = if person.presence == Presence::Gone { "gone" } else { "inactive" };
    let text = format!("the record is {what} and no leave says why");
    let (value, hold, report) = match policy.inactive_record {
        InactiveRecord::Suspend => (DesiredStatus::Suspended, None, None),
        InactiveRecord::Deactivate => (DesiredStatus::Deactivated, None, None),
        InactiveRecord::Hold => (DesiredStatus::Suspended, Some(text), None),
        InactiveRecord::Report => (DesiredStatus::Suspended, None, Some(text)),
    };
    let basis = inactive_basis(policy);
    let fact = Fact::ruled(policy, value, Source::record(origin), &basis);
    Some(Fact { hold, report, ..fact })
}

/// What nobody asked for and the configuration or the record gives: an account for everybody, and
/// an end to what an inactive record did.
fn unasked(
    subject: &Subject<'_>,
    policy: &Policy,
    timeline: &Timeline<'_>,
) -> Option<Fact<DesiredStatus>> {
    let source = Source::record(subject.unrequested());
    let active = |basis: &str| Fact::ruled(policy, DesiredStatus::Active, source, basis);
    let present = subject.person.presence == Presence::Present;
    // A join that is still ahead says from when on.
    if policy.accounts == Accounts::Active && present && timeline.ahead.is_none() {
        return Some(active("lifecycle.accounts = active"));
    }
    // What an inactive record did is undone on the account that it was done to: one that somebody
    // deleted meanwhile is made again for a request only.
    let lifts = subject.by_record && subject.linked && !subject.deleted;
    lifts.then(|| active(&inactive_basis(policy)))
}

/// What a status follows from that the record alone decides.
pub const INACTIVE_RECORD: &str = "lifecycle.inactive_record";

fn inactive_basis(policy: &Policy) -> String {
    format!("{INACTIVE_RECORD} = {:?}", policy.inactive_record)
}

/// A staged account for a join whose start is near.
fn ahead(
    subject: &Subject<'_>,
    policy: &Policy,
    timeline: &Timeline<'_>,
    now: Timestamp,
    desired: &mut Desired,
) -> Option<Fact<DesiredStatus>> {
    let resolved = timeline.ahead?;
    let there_before = subject.linked && !subject.created_here;
    if policy.create_ahead.is_zero() || there_before {
        return None;
    }
    let lead = chrono::Duration::from_std(policy.create_ahead).unwrap_or(chrono::Duration::MAX);
    let from = resolved.effective.checked_sub_signed(lead).unwrap_or(now);
    if from > now {
        desired.next = Some(desired.next.map_or(from, |next| next.min(from)));
        return None;
    }
    Some(Fact::asked(policy, DesiredStatus::Staged, resolved))
}

fn profile(subject: &Subject<'_>, policy: &Policy, timeline: &Timeline<'_>, desired: &mut Desired) {
    let mut source = placed(timeline, subject);
    if let (Origin::None, Some(resolved)) = (&source.origin, timeline.ahead) {
        source = Source::request(resolved);
    }
    let scope = Scope::person(&subject.person.record);
    for (attribute, expression) in &policy.profile {
        let anomaly = |kind, text| Anomaly {
            key: FactKey::Profile(attribute.clone()),
            origin: source.origin.clone(),
            kind,
            text,
            blocked: false,
        };
        if let Some(field) = unreadable(subject.person, &expression.fields("user")) {
            desired.anomalies.push(anomaly("field-hidden", hidden_text(&field)));
            continue;
        }
        let value = match expression.text(&scope) {
            Ok(text) => text.trim().to_owned(),
            Err(error) => {
                let text = format!("`{attribute}` cannot be evaluated: {error}");
                desired.anomalies.push(anomaly("expression", text));
                continue;
            }
        };
        if value.is_empty() && matches!(attribute.as_str(), "login" | "email") {
            let text = format!("the record gives no {attribute}");
            desired.anomalies.push(anomaly("required-empty", text));
            continue;
        }
        desired.profile.insert(
            attribute.clone(),
            Fact::ruled(
                policy,
                (!value.is_empty()).then_some(value),
                source.clone(),
                expression.source(),
            ),
        );
    }
    if let Some(anchor) = &policy.anchor {
        let id = Some(subject.person.sys_id.as_str().to_owned());
        desired.profile.insert(anchor.clone(), Fact::ruled(policy, id, source, "identity.anchor"));
    }
}

fn hidden_text(field: &str) -> String {
    format!("`{field}` is empty although what it refers to is filled")
}

/// The first of the fields whose emptiness says nothing: believing it would clear the attribute.
fn unreadable(person: &Person, fields: &BTreeSet<String>) -> Option<String> {
    fields.iter().find(|field| is_hidden(person, field)).cloned()
}

/// A dot-walk that is empty while its reference is filled was hidden, not empty. On the way there, a
/// reference may well be empty, if only the record that has it can be read.
fn is_hidden(person: &Person, field: &str) -> bool {
    let Some((mut reference, last)) = field.rsplit_once('.') else { return false };
    if last == "sys_id" || !person.field(field).is_empty() {
        return false;
    }
    while person.field(reference).is_empty() {
        let Some((before, _)) = reference.rsplit_once('.') else { return false };
        reference = before;
    }
    format!("{reference}.{last}") == field
        || person.field(&format!("{reference}.sys_id")).is_empty()
}

/// What has to be read beside a dot-walk, so that it can be told from one that is hidden: each
/// reference on the way, and whether the record behind it can be read.
pub fn beside_walk(field: &str) -> Vec<String> {
    let mut beside = Vec::new();
    for (at, _) in field.match_indices('.') {
        let reference = &field[..at];
        beside.push(reference.to_owned());
        // Behind the last one stands the field itself.
        if field[at + 1..].contains('.') {
            beside.push(format!("{reference}.sys_id"));
        }
    }
    beside
}

fn memberships(
    subject: &Subject<'_>,
    policy: &Policy,
    rule_groups: &RuleGroups,
    timeline: &Timeline<'_>,
    desired_status: Option<DesiredStatus>,
    desired: &mut Desired,
) {
    let gone = desired_status == Some(DesiredStatus::Deactivated);
    let source = placed(timeline, subject);
    let mut wanted: BTreeMap<GroupId, Fact<bool>> = BTreeMap::new();
    let mut unmanaged: BTreeSet<GroupId> = BTreeSet::new();
    let mut exact: BTreeSet<&GroupId> = BTreeSet::new();
    let scope = Scope::person(&subject.person.record);

    for (rule, group) in policy.groups.iter().zip(rule_groups) {
        let Some(group) = group else { continue };
        if rule.exact {
            exact.insert(group);
        }
        if gone {
            continue;
        }
        let hidden = unreadable(subject.person, &rule.when.fields("user"));
        let belongs = match (hidden, rule.when.truth(&scope)) {
            (None, Ok(belongs)) => belongs,
            (hidden, result) => {
                let why = match (hidden, result) {
                    (Some(field), _) => hidden_text(&field),
                    (None, Err(error)) => error.to_string(),
                    (None, Ok(_)) => String::new(),
                };
                desired.anomalies.push(Anomaly {
                    key: FactKey::Membership(group.clone()),
                    origin: source.origin.clone(),
                    kind: "expression",
                    text: format!("`when` of group {} cannot be evaluated: {why}", rule.name),
                    blocked: false,
                });
                // Neither member nor not: what is, stands.
                unmanaged.insert(group.clone());
                continue;
            }
        };
        let only_observed =
            rule.observe || source.resolved.is_some_and(|resolved| resolved.observe);
        let fact = Fact {
            observe: observed(policy, only_observed),
            reasons: if belongs {
                BTreeSet::from([Reason::Rule(rule.name.clone())])
            } else {
                BTreeSet::new()
            },
            ..Fact::ruled(policy, belongs, source.clone(), rule.when.source())
        };
        if belongs {
            wanted.insert(group.clone(), fact);
        } else if rule.exact {
            wanted.entry(group.clone()).or_insert(fact);
        } else {
            unmanaged.insert(group.clone());
        }
    }

    for (group, places) in &timeline.grants {
        let requests: Vec<&ResolvedRequest> =
            places.iter().map(|place| timeline.order[*place]).collect();
        let Some(newest) = requests.last().copied() else {
            continue;
        };
        let ruled = wanted.remove(group).filter(|fact| fact.value);
        let mut reasons: BTreeSet<Reason> = requests.iter().map(|m| reason(m)).collect();
        reasons.extend(ruled.into_iter().flat_map(|fact| fact.reasons));
        unmanaged.remove(group);
        wanted.insert(
            group.clone(),
            Fact {
                reasons,
                closed_before_first_seen: requests
                    .iter()
                    .all(|resolved| resolved.closed_before_first_seen),
                ..Fact::asked(policy, true, newest)
            },
        );
    }

    if timeline.adoption_stands && subject.linked {
        for group in subject.baseline {
            if exact.contains(group) || timeline.unadopted.contains(group) {
                continue;
            }
            unmanaged.remove(group);
            let fact = wanted.entry(group.clone()).or_insert_with(|| Fact {
                reasons: BTreeSet::new(),
                ..Fact::ruled(policy, true, Source::record(Origin::Baseline), "")
            });
            fact.reasons.insert(Reason::Baseline);
        }
    }

    // What a leave ended is not given by what came after.
    let had = subject.baseline.iter().filter(|_| subject.linked && !timeline.adoption_stands);
    for group in timeline.ended.iter().chain(had).filter(|_| !gone) {
        if !unmanaged.contains(group) {
            wanted.entry(group.clone()).or_insert_with(|| Fact {
                reasons: BTreeSet::new(),
                ..Fact::ruled(policy, false, source.clone(), "")
            });
        }
    }

    for (group, resolved) in &timeline.revoked {
        let overruled = wanted.get(group).filter(|fact| fact.value).map(|fact| {
            fact.reasons.iter().find_map(|reason| match reason {
                Reason::Rule(rule) => Some(rule.clone()),
                _ => None,
            })
        });
        if let Some(Some(rule)) = overruled {
            desired.anomalies.push(Anomaly {
                key: FactKey::Membership(group.clone()),
                origin: by(resolved),
                kind: "birthright",
                text: format!("the birthright rule of group {rule} still gives this membership"),
                blocked: true,
            });
        }
    }

    for (group, resolved) in &timeline.denied {
        if wanted.get(group).is_some_and(|fact| fact.value) {
            continue;
        }
        unmanaged.remove(group);
        wanted.insert(group.clone(), taken_away(policy, resolved));
    }

    let leaver =
        timeline.status.filter(|(desired_status, _)| *desired_status == DesiredStatus::Deactivated);
    desired.other_memberships = Some(match (leaver, gone) {
        (Some((_, resolved)), true) => taken_away(policy, resolved),
        // Deactivated by the record: no request ended the memberships, so they stay as they are, but
        // for those that a request takes away by itself.
        (None, true) => {
            desired.other_memberships = None;
            wanted.retain(|_, fact| !fact.value);
            desired.memberships = wanted;
            return;
        }
        _ => Fact { reasons: BTreeSet::new(), ..Fact::ruled(policy, false, source, "") },
    });
    if desired_status == Some(DesiredStatus::Staged) {
        // Access begins with the start, the account only exists before it.
        desired.other_memberships = None;
        return;
    }
    // An additive rule that does not give the group says nothing about it.
    desired.memberships = wanted;
    desired.unmanaged_memberships = unmanaged;
}

fn taken_away(policy: &Policy, resolved: &ResolvedRequest) -> Fact<bool> {
    Fact { reasons: BTreeSet::new(), ..Fact::asked(policy, false, resolved) }
}

#[cfg(test)]
mod tests;
