//! The limits that a plan would exceed, with what was done in the window and what waits already.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use globset::GlobSet;

use super::past::{Past, Waiting};
use super::planned::PlannedAction;
use crate::model::{
    Cause, Done, GroupId, HoldReason, HoldSet, Limit, LimitCrossed, Step, StepKind, SysId,
};

/// `[guard]`, checked: what is protected, and how much may happen in a window.
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
    /// Suspensions and deactivations in the window, whatever asks for them.
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
    /// How many linked accounts may be out of sight in a complete read, 0 to 1 of all of them.
    pub max_accounts_drop: f64,
    /// Corrections of one fact in the window, after which it is contested.
    pub max_repeats: u32,
}

/// A smaller group has no share that could be exceeded.
const SMALLEST_GROUP: u32 = 10;

/// A limit that would be exceeded, and which actions it holds.
pub(super) struct Crossing {
    pub(super) reason: HoldReason,
    pub(super) concerns: Box<dyn Fn(&PlannedAction) -> bool>,
}

/// The limits that the plan, with what was done in the window, would exceed, in the order in which
/// they take actions out of it. `released` are actions that a person released.
pub(super) fn crossings(
    open: &[PlannedAction],
    released: &[PlannedAction],
    limits: &Limits,
    past: &Past,
) -> Vec<Crossing> {
    let count = Count { open, released, limits, past };
    let whole = [implausible_read(past), empty_store(past), count.disabled(), count.removed()];
    let groups = count.leaving_groups();
    whole.into_iter().flatten().chain(groups).chain(count.changed()).collect()
}

/// What takes away because of the read. What a request asks for goes on: before it is done its own row
/// and its person are read by id.
fn implausible_read(past: &Past) -> Option<Crossing> {
    let reason = HoldReason::ImplausibleRead(past.implausible.clone()?);
    let concerns = |planned: &PlannedAction| {
        let asked = planned.leaver || !is_unasked(planned) && !planned.taken_back;
        planned.action.step.takes_away() && !asked
    };
    Some(Crossing { reason, concerns: Box::new(concerns) })
}

/// What disables in the first cycle over an empty store, and what of it waits since.
fn empty_store(past: &Past) -> Option<Crossing> {
    let remembered = past.waiting.iter().filter(|waiting| waiting.set == HoldSet::EmptyStore);
    let remembered: BTreeSet<String> = remembered.map(|it| it.fingerprint.clone()).collect();
    let first = past.empty_store;
    if !first && remembered.is_empty() {
        return None;
    }
    let concerns = move |planned: &PlannedAction| {
        let disables = planned.action.step.disables() || planned.leaver;
        let unasked = planned.closed_before_first_seen || is_unasked(planned);
        first && disables && unasked || remembered.contains(&planned.fingerprint())
    };
    Some(Crossing { reason: HoldReason::EmptyStore, concerns: Box::new(concerns) })
}

fn is_removal(planned: &PlannedAction) -> bool {
    matches!(planned.action.step, Step::RemoveMember { .. }) && !planned.leaver
}

fn is_unasked(planned: &PlannedAction) -> bool {
    planned.action.cause != Cause::Request
}

fn group_left_unasked(planned: &PlannedAction) -> Option<&GroupId> {
    planned.action.step.group().filter(|_| is_removal(planned) && is_unasked(planned))
}

struct Count<'a> {
    open: &'a [PlannedAction],
    released: &'a [PlannedAction],
    limits: &'a Limits,
    past: &'a Past,
}

impl<'a> Count<'a> {
    /// What is planned and counts for a set. What was released out of a set of which something
    /// still waits counts with the rest of it.
    fn planned(&self, set: HoldSet) -> impl Iterator<Item = &'a PlannedAction> {
        let released = if self.past.undecided.contains_key(&set) { self.released } else { &[] };
        self.open.iter().chain(released)
    }

    /// What was done in the window and counts for a set.
    fn done(&self, set: HoldSet) -> impl Iterator<Item = &'a Done> + use<'a> {
        let since = self.past.undecided.get(&set).copied();
        let counts = move |done: &&Done| !done.released || since.is_some_and(|at| done.at >= at);
        self.past.done.iter().filter(counts)
    }

    /// What waits in a set and is not decided now.
    fn waiting(&self, set: HoldSet) -> impl Iterator<Item = &'a Waiting> + use<'a> {
        self.past.waiting.iter().filter(move |waiting| waiting.set == set)
    }

    fn disabled(&self) -> Option<Crossing> {
        let set = HoldSet::MaxDisabled;
        let disables = |kind: StepKind| matches!(kind, StepKind::Suspend | StepKind::Deactivate);
        let planned = self.planned(set).map(|it| (&it.action.person, it.action.step.kind()));
        let waiting = self.waiting(set).map(|it| (&it.person, it.step));
        let now = planned.chain(waiting).filter(|(_, kind)| disables(*kind)).collect();
        let done = self.done(set).filter(|done| disables(done.step));
        let before = times(done.map(|done| ((&done.person, done.step), done.seen)), &now);
        let share = share_of(self.limits.max_disabled_share, self.past.managed);
        let allowed = self.limits.max_disabled.max(share);
        crossing(Limit::MaxDisabled, &now, before, allowed, |it| it.action.step.disables())
    }

    fn removed(&self) -> Option<Crossing> {
        let set = HoldSet::MaxRemoved;
        let planned = self.planned(set).filter(|planned| is_removal(planned));
        let planned = planned.map(|it| (&it.action.person, it.action.step.group()));
        let waiting = self.waiting(set).map(|it| (&it.person, it.group.as_ref()));
        let now = planned.chain(waiting).collect();
        let done = self.done(set).filter(|it| it.step == StepKind::RemoveMember && !it.leaver);
        let before = times(done.map(|it| ((&it.person, it.group.as_ref()), it.seen)), &now);
        crossing(Limit::MaxRemoved, &now, before, self.limits.max_removed, is_removal)
    }

    /// Groups that too large a share of their members would leave without a request.
    fn leaving_groups(&self) -> Vec<Crossing> {
        let mut leaving: BTreeMap<&GroupId, BTreeSet<&SysId>> = BTreeMap::new();
        for planned in self.planned(HoldSet::MaxGroupShare) {
            if let Some(group) = group_left_unasked(planned) {
                leaving.entry(group).or_default().insert(&planned.action.person);
            }
        }
        leaving.into_iter().filter_map(|(group, now)| self.leaving(group, now)).collect()
    }

    fn leaving(&self, group: &GroupId, mut now: BTreeSet<&'a SysId>) -> Option<Crossing> {
        let set = HoldSet::MaxGroupShare;
        let waiting = self.waiting(set).filter(|waiting| waiting.group.as_ref() == Some(group));
        now.extend(waiting.map(|waiting| &waiting.person));
        let done = self.done(set).filter(|done| {
            done.step == StepKind::RemoveMember
                && done.cause != Cause::Request
                && done.group.as_ref() == Some(group)
        });
        let before = times(done.map(|done| (&done.person, done.seen)), &now);
        let size = self.past.group_sizes.get(group).copied().unwrap_or(0) + before;
        if size < SMALLEST_GROUP {
            return None;
        }
        let allowed = share_of(self.limits.max_group_share, size);
        let id = group.clone();
        let concerns = move |planned: &PlannedAction| group_left_unasked(planned) == Some(&id);
        crossing(Limit::MaxGroupShare, &now, before, allowed, concerns)
    }

    fn changed(&self) -> Option<Crossing> {
        let set = HoldSet::MaxChanged;
        let planned = self.planned(set).filter(|planned| is_unasked(planned));
        let waiting = self.waiting(set).map(|waiting| &waiting.person);
        let now: BTreeSet<&SysId> = planned.map(|it| &it.action.person).chain(waiting).collect();
        if now.is_empty() {
            return None;
        }
        let done = self.done(set).filter(|done| done.cause != Cause::Request);
        let done: BTreeSet<&SysId> = done.map(|done| &done.person).collect();
        let share = share_of(self.limits.max_changed_share, self.past.managed);
        let allowed = self.limits.max_changed.max(share);
        crossing(Limit::MaxChanged, &now, count(done.difference(&now)), allowed, is_unasked)
    }
}

fn crossing<K>(
    limit: Limit,
    now: &BTreeSet<K>,
    before: u32,
    allowed: u32,
    concerns: impl Fn(&PlannedAction) -> bool + 'static,
) -> Option<Crossing> {
    let planned = count(now.iter());
    let reason = HoldReason::Limit(LimitCrossed { limit, planned, before, allowed });
    (planned + before > allowed).then(|| Crossing { reason, concerns: Box::new(concerns) })
}

/// How many of these were done in the window. What has no answer may have been done; tried again
/// for that, or planned again, it is still one.
fn times<K: Ord>(past: impl Iterator<Item = (K, bool)>, now: &BTreeSet<K>) -> u32 {
    let (seen, unseen): (Vec<_>, Vec<_>) = past.partition(|(_, seen)| *seen);
    let known: BTreeSet<&K> = seen.iter().map(|(it, _)| it).chain(now).collect();
    let unseen: BTreeSet<&K> = unseen.iter().map(|(it, _)| it).collect();
    count(seen.iter()) + count(unseen.difference(&known))
}

pub(super) fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// A share of a number, rounded down: half an account is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= share <= 1")]
fn share_of(share: f64, of: u32) -> u32 {
    (share * f64::from(of)).floor() as u32
}

/// Why a complete read of accounts is implausible: too many of those that are linked are not to be
/// seen in it, and nothing shows that they were deleted.
pub(crate) fn implausible_accounts(linked: u32, hidden: u32, limits: &Limits) -> Option<String> {
    (hidden > 5 && hidden > share_of(limits.max_accounts_drop, linked)).then(|| {
        format!(
            "{hidden} of {linked} linked accounts are not to be seen in Okta, more than \
             guard.max_accounts_drop allows"
        )
    })
}

/// Why a complete read of people is implausible: too few of them, or somebody missing who must be
/// there. `before` is how many the last believed complete read held.
pub(crate) fn implausible_people(
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
    // A few who leave at once are plausible in a company of any size.
    (lost > 5 && lost > share_of(limits.max_people_drop, before)).then(|| {
        format!("{now} people were read where there were {before}, more than guard.max_people_drop allows")
    })
}
