//! One difference between how Okta should be and how it is: what comparing, planning and reporting
//! share.

use crate::model::{
    BlockedReason, Cause, Disposition, FactKey, Observed, Origin, ReportReason, StepKind, Why,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub key: FactKey,
    /// How it should be; `None` is null, here and below.
    pub desired: Option<String>,
    pub actual: Option<String>,
    pub origin: Origin,
    /// Why the two differ now.
    pub cause: Cause,
    /// The same in words, for where nothing stands in the way.
    pub why: Why,
    pub disposition: Disposition,
    /// The step that removes it, the telling one of several; `None` where none would.
    pub step: Option<StepKind>,
    /// Its part of the configuration only observes. Once the rules have spoken, the disposition
    /// says what that comes to.
    pub only_observed: bool,
    /// Part of the set of differences that closed requests would explain.
    pub closed_before_first_seen: bool,
}

impl Difference {
    /// What was asked for and no step would bring about.
    pub(super) fn without_step(key: FactKey, origin: Origin, disposition: Disposition) -> Self {
        Self {
            key,
            desired: None,
            actual: None,
            why: Why::AskedFor(origin.clone()),
            origin,
            cause: Cause::Request,
            disposition,
            step: None,
            only_observed: false,
            closed_before_first_seen: false,
        }
    }

    pub(crate) fn reason(&self) -> String {
        self.disposition.reason().unwrap_or_else(|| self.why.to_string())
    }

    /// Whether it waits for something other than a person's decision about an action.
    pub(crate) fn is_stuck(&self) -> bool {
        self.disposition.is_stuck()
    }

    /// Whether it is a status that Okta has no way to, from where the account is.
    pub(crate) fn has_no_way(&self) -> bool {
        self.disposition == Disposition::Blocked(BlockedReason::OnlyActiveIsSuspended)
            && self.step == Some(StepKind::ClearSessions)
    }

    /// The step that would remove it, where a decision or nothing at all stands in its way.
    pub(crate) fn action(&self) -> Option<StepKind> {
        self.step.filter(|_| !self.is_stuck())
    }

    /// Whether it is to be repaired, or would be after a decision or if its part enforced.
    pub(crate) fn is_actionable(&self) -> bool {
        let disposition = match &self.disposition {
            Disposition::Report(ReportReason::Observed(observed)) => &observed.would,
            disposition => disposition,
        };
        disposition.is_apply() || disposition.is_hold() && !disposition.is_stuck()
    }

    /// What it comes down to where its part of the configuration only observes: what would be
    /// done, or would wait for a decision, is said and not done.
    pub(super) fn observe(&mut self) {
        if matches!(self.disposition, Disposition::Apply | Disposition::Hold(_)) {
            let observed = Observed { would: self.disposition.clone(), why: self.why.clone() };
            self.disposition = Disposition::Report(ReportReason::Observed(Box::new(observed)));
        } else if self.has_no_way() {
            // Not even the sessions are touched.
            self.step = None;
        }
    }
}

/// The word for a membership in reports.
pub(crate) fn member(is: bool) -> String {
    if is { "member" } else { "not a member" }.to_owned()
}
