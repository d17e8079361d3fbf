//! Desired facts: how Okta should be for one person, with everything that speaks for it.

use std::collections::{BTreeMap, BTreeSet};

use super::Policy;
use super::timeline::{DesiredStatus, Timeline};
use crate::model::{
    BlockedReason, Cause, Disposition, FactKey, GroupId, HoldReason, Origin, PersonState, Reason,
    ReportReason, ResolvedRequest, Timestamp, Undecidable,
};

/// One statement of how Okta should be, with everything that speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact<T> {
    pub value: T,
    /// The request that it comes from.
    pub origin: Origin,
    /// What made it so.
    pub cause: Cause,
    /// Everything that speaks for it.
    pub reasons: BTreeSet<Reason>,
    /// The text of the configuration that it follows from: when that changes, the cause is a rule.
    pub basis: String,
    /// What policy alone says of a difference: apply, hold or report.
    pub disposition: Disposition,
    /// Its part of the configuration only observes.
    pub only_observed: bool,
    /// It comes from a request that was closed before it was first seen.
    pub closed_before_first_seen: bool,
    /// It is what remains after its request was withdrawn.
    pub withdrawn: bool,
}

impl<T> Fact<T> {
    /// What a request asks for.
    pub(super) fn asked(policy: &Policy, value: T, request: &ResolvedRequest) -> Self {
        let reasons = BTreeSet::from([reason(request)]);
        Self { reasons, ..Self::ruled(policy, value, Source::request(request), "") }
    }

    /// What follows from the record by a text of the configuration.
    pub(super) fn ruled(policy: &Policy, value: T, source: Source<'_>, basis: &str) -> Self {
        let asked = source.request;
        Self {
            value,
            origin: source.origin,
            cause: source.cause,
            reasons: BTreeSet::from([Reason::Record]),
            basis: basis.to_owned(),
            disposition: Disposition::Apply,
            only_observed: policy.observe || asked.is_some_and(|request| request.observe),
            closed_before_first_seen: asked.is_some_and(|it| it.closed_before_first_seen),
            withdrawn: false,
        }
    }

    /// The same, and nothing speaks for it by itself.
    pub(super) fn without_reasons(self) -> Self {
        Self { reasons: BTreeSet::new(), ..self }
    }

    /// Waits for this reason, unless it is only reported.
    pub(super) fn hold(&mut self, reason: HoldReason) {
        if !matches!(self.disposition, Disposition::Report(_)) {
            self.disposition = Disposition::Hold(reason);
        }
    }

    /// The birthright rule that gives it, by its group's name, where one does.
    pub(crate) fn rule(&self) -> Option<&str> {
        self.reasons.iter().find_map(|reason| match reason {
            Reason::Rule(rule) => Some(rule.as_str()),
            Reason::Request { .. } | Reason::Record | Reason::Baseline => None,
        })
    }
}

/// Something about one person or request that cannot be decided, set aside so that the rest can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anomaly {
    /// Which statement it is about.
    pub key: FactKey,
    /// The request that it stands in the way of.
    pub origin: Origin,
    /// What is wrong: held until something changes, or blocked for good.
    pub disposition: Disposition,
}

impl Anomaly {
    pub(super) fn held(key: FactKey, origin: Origin, what: Undecidable) -> Self {
        Self { key, origin, disposition: Disposition::Hold(HoldReason::Undecidable(what)) }
    }

    pub(super) fn blocked(key: FactKey, origin: Origin, reason: BlockedReason) -> Self {
        Self { key, origin, disposition: Disposition::Blocked(reason) }
    }
}

/// How Okta should be for one person. What is not mentioned is not managed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Desired {
    /// The account's status; `None` where nothing speaks of the account.
    pub status: Option<Fact<DesiredStatus>>,
    /// Profile attributes; `None` clears.
    pub profile: BTreeMap<String, Fact<Option<String>>>,
    /// Memberships that are wanted, or that a request took away.
    pub memberships: BTreeMap<GroupId, Fact<bool>>,
    /// Every other managed group: not a member.
    pub other_memberships: Option<Fact<bool>>,
    /// Managed groups about which nothing is said: what is, stands.
    pub unmanaged_memberships: BTreeSet<GroupId>,
    /// A suspension that is found may be lifted: a request or our own doing explains it.
    pub may_unsuspend: bool,
    /// The account was brought back without its activation mail, which is to follow.
    pub owes_mail: bool,
    /// What could not be decided.
    pub anomalies: Vec<Anomaly>,
    /// When this changes by itself.
    pub next: Option<Timestamp>,
}

impl Desired {
    /// The desired status, where anything speaks of the account.
    pub(crate) fn status_value(&self) -> Option<DesiredStatus> {
        self.status.as_ref().map(|fact| fact.value)
    }

    /// Whether the person leaves by a request: a leave, or the end of a join.
    pub(crate) fn is_leaver(&self) -> bool {
        self.status.as_ref().is_some_and(|fact| {
            fact.value == DesiredStatus::Deactivated && fact.cause == Cause::Request
        })
    }

    /// Whether a fact of this origin is what a withdrawn request gave together with the account:
    /// it goes without waiting for what becomes of the account.
    pub(crate) fn takes_back(&self, origin: &Origin) -> bool {
        self.status.as_ref().is_some_and(|status| status.withdrawn && status.origin == *origin)
    }
}

/// Where a fact comes from, before its value is known.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    pub(super) origin: Origin,
    pub(super) cause: Cause,
    pub(super) request: Option<&'a ResolvedRequest>,
}

impl<'a> Source<'a> {
    pub(super) fn request(request: &'a ResolvedRequest) -> Self {
        Self { origin: origin_of(request), cause: Cause::Request, request: Some(request) }
    }

    pub(super) fn record(origin: Origin) -> Self {
        Self { origin, cause: Cause::Record, request: None }
    }

    /// Where what follows from the record comes from: the newest join or move, else take-over.
    pub(super) fn placement(timeline: &Timeline<'a>, state: &PersonState) -> Self {
        match timeline.placement {
            Some(request) => Self::request(request),
            None => Self::record(unrequested(state)),
        }
    }
}

/// Where comes from what no request asked for: an account that was made here was not there at
/// take-over.
pub(super) fn unrequested(state: &PersonState) -> Origin {
    if state.is_linked() && !state.is_created_here() { Origin::Baseline } else { Origin::None }
}

pub(super) fn origin_of(request: &ResolvedRequest) -> Origin {
    Origin::Request(request.reference.clone())
}

pub(super) fn reason(request: &ResolvedRequest) -> Reason {
    Reason::Request { request: request.reference.clone(), until: request.terms.ends }
}

/// `lifecycle.inactive_record = "report"` or `"hold"` as what it makes of a difference.
pub(super) fn inactive_disposition(policy: &Policy, gone: bool) -> Disposition {
    use super::InactiveRecord as I;
    match policy.inactive_record {
        I::Suspend | I::Deactivate => Disposition::Apply,
        I::Hold => Disposition::Hold(HoldReason::InactiveRecord { gone }),
        I::Report => Disposition::Report(ReportReason::InactiveRecord { gone }),
    }
}
