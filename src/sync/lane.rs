//! One person: what their actions rest on is read by id and decided about again. If the steps are
//! still exactly those that were approved, they are carried out and the person is looked at once
//! more; else the person is put back.

use crate::model::SysId;
use crate::reconcile::approve::ApprovedAction;
use crate::reconcile::planned::PlannedAction;
use crate::reconcile::unchanged::are_the_same;
use crate::sync::before_writing::read_ahead;
use crate::sync::closely::look_closely;
use crate::sync::decide::decide_person;
use crate::sync::in_doubt::resolve_in_doubt;
use crate::sync::{
    apply::apply, deps::Deps, error::Result, link::link_people, outcome::CycleOutcome,
    plan::CyclePlan, settle::settle, writers::Writers,
};

/// What became of somebody whose turn came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// What was approved was carried out, or tried.
    Taken,
    /// Somebody's account, record or request is not any more as it was decided by: nothing was done.
    PutBack,
}

pub(crate) async fn lane(
    deps: &Deps,
    writers: &Writers,
    plan: &CyclePlan,
    person: &SysId,
    approved: &[ApprovedAction],
    outcome: &mut CycleOutcome,
) -> Result<Turn> {
    let turn = take_turn(deps, writers, plan, person, approved, outcome);
    let ahead = read_ahead(deps, plan, person);
    // What is acted by is asked for first.
    let (turn, ahead) = tokio::join!(biased; Box::pin(turn), Box::pin(ahead));
    ahead?;
    turn
}

async fn take_turn(
    deps: &Deps,
    writers: &Writers,
    plan: &CyclePlan,
    person: &SysId,
    approved: &[ApprovedAction],
    outcome: &mut CycleOutcome,
) -> Result<Turn> {
    let free = look_closely(deps, &plan.cycle, plan.is_doubtful(), person, approved).await?;
    if !free || !is_still_so(deps, plan, person, approved)? {
        deps.store.queue().enqueue_at_once(person)?;
        return Ok(Turn::PutBack);
    }
    // What is written from now on is no reason to doubt whose account it is.
    plan.cycle.linked.borrow_mut().remove(person);
    let acted = apply(deps, writers, &plan.cycle, approved, outcome).await?;
    settle(deps, plan, person, &acted, outcome).await?;
    Ok(Turn::Taken)
}

/// Whether the steps are exactly those that were approved, decided by what was just read.
fn is_still_so(
    deps: &Deps,
    plan: &CyclePlan,
    person: &SysId,
    approved: &[ApprovedAction],
) -> Result<bool> {
    deps.store.atomically(|| {
        link_people(deps, &plan.cycle, std::slice::from_ref(person))?;
        resolve_in_doubt(deps, person)
    })?;
    let Some(decided) = decide_person(deps, person, &plan.org)? else { return Ok(false) };
    let held = plan.approval.held.iter().map(|held| &held.planned);
    let judged = held.filter(|planned| planned.action.person == *person);
    let approved: Vec<&PlannedAction> = approved.iter().map(|it| &it.planned).collect();
    Ok(are_the_same(&approved, judged, &decided.plan.actions))
}
