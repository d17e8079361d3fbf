//! Desired facts: how Okta should be for one person, with everything that speaks for it, and what
//! they are derived from.

use std::collections::{BTreeMap, BTreeSet};

use super::Policy;
use super::timeline::{DesiredStatus, Timeline};
use crate::model::{
    Cause, Disposition, FactKey, GroupId, HoldReason, Origin, PersonState, Reason, ResolvedRequest,
    Timestamp, Undecidable,
};

/// What every kind of fact is derived from.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) state: &'a PersonState,
    /// Memberships that still count as there at take-over.
    pub(super) baseline: &'a BTreeSet<GroupId>,
    pub(super) policy: &'a Policy,
    /// The groups of `Policy::groups`, in its order; `None` where one is not known.
    pub(super) rule_groups: &'a [Option<GroupId>],
    pub(super) timeline: &'a Timeline<'a>,
    pub(super) now: Timestamp,
}

impl<'a> Context<'a> {
    /// Where what follows from the record comes from: the newest join or move, else take-over.
    pub(super) fn placement(self) -> Source<'a> {
        let unrequested = || Source::Record(unrequested(self.state));
        self.timeline.placement.map_or_else(unrequested, Source::Request)
    }

    /// What a request asks for.
    pub(super) fn asked<T>(self, value: T, request: &ResolvedRequest) -> Fact<T> {
        let reasons = BTreeSet::from([reason(request)]);
        Fact { reasons, ..self.ruled(value, &Source::Request(request), "") }
    }

    /// What follows from the record by a text of the configuration.
    pub(super) fn ruled<T>(self, value: T, source: &Source<'_>, basis: &str) -> Fact<T> {
        let (cause, request) = match source {
            Source::Request(request) => (Cause::Request, Some(request)),
            Source::Record(_) => (Cause::Record, None),
        };
        Fact {
            value,
            origin: source.origin(),
            cause,
            reasons: BTreeSet::from([Reason::Record]),
            basis: basis.to_owned(),
            disposition: Disposition::Apply,
            only_observed: self.policy.observe || request.is_some_and(|it| it.observe),
            closed_before_first_seen: request.is_some_and(|it| it.closed_before_first_seen),
            withdrawn: false,
        }
    }
}

/// One statement of how Okta should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact<T> {
    pub value: T,
    /// The request that it comes from.
    pub origin: Origin,
    pub cause: Cause,
    /// Everything that speaks for it.
    pub reasons: BTreeSet<Reason>,
    /// The text of the configuration that it follows from: when that changes, the cause is a rule.
    pub basis: String,
    /// What policy alone says of a difference: apply, hold or report.
    pub disposition: Disposition,
    pub only_observed: bool,
    pub closed_before_first_seen: bool,
    /// It is what remains after its request was withdrawn.
    pub withdrawn: bool,
}

impl<T> Fact<T> {
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
            _ => None,
        })
    }
}

/// Something that cannot be decided, set aside so that the rest can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anomaly {
    pub key: FactKey,
    /// The request that it stands in the way of.
    pub origin: Origin,
    /// Held until something changes, or blocked for good.
    pub disposition: Disposition,
}

impl Anomaly {
    pub(super) fn held(key: FactKey, origin: Origin, what: Undecidable) -> Self {
        Self { key, origin, disposition: Disposition::Hold(HoldReason::Undecidable(what)) }
    }
}

/// How Okta should be for one person. What is not mentioned is not managed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Desired {
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
    pub anomalies: Vec<Anomaly>,
    /// When this changes by itself.
    pub next: Option<Timestamp>,
}

impl Desired {
    pub(crate) fn status_value(&self) -> Option<DesiredStatus> {
        self.status.as_ref().map(|fact| fact.value)
    }

    /// Whether the person leaves by a request: a leave, or the end of a join.
    pub(crate) fn is_leaver(&self) -> bool {
        self.status.as_ref().is_some_and(|fact| {
            fact.value == DesiredStatus::Deactivated && fact.cause == Cause::Request
        })
    }

    /// Whether a withdrawn request gave facts of this origin together with the account: they go
    /// without waiting for what becomes of it.
    pub(crate) fn takes_back(&self, origin: &Origin) -> bool {
        self.status.as_ref().is_some_and(|status| status.withdrawn && status.origin == *origin)
    }
}

/// Where a fact comes from, before its value is known.
#[derive(Debug, Clone)]
pub(super) enum Source<'a> {
    Request(&'a ResolvedRequest),
    Record(Origin),
}

impl Source<'_> {
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Request(request) => origin_of(request),
            Self::Record(origin) => origin.clone(),
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
