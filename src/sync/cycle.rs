//! One cycle, top to bottom: plan, act on what was approved, write back.

use std::time::Duration;

use crate::store::CycleRow;
use crate::sync::brake::{call_left_by_pause, log_brake, obey, record_pause};
use crate::sync::deps::Deps;
use crate::sync::outcome::{CycleOutcome, Summary};
use crate::sync::plan::{CyclePlan, read_and_plan};
use crate::sync::{
    apply::apply,
    error::Result,
    record::{record_before, record_requests, wake_waiting},
    scope::Scope,
    settle::settle,
    waiting::standing,
    writeback::write_back,
    writers::Writers,
};

/// Runs one cycle from reading to writing back.
///
/// A failure to read ends the cycle before anything is compared. A failure to write to Okta ends
/// one action and is part of the outcome. A failure to write the journal ends the cycle.
pub async fn run(deps: &Deps, writers: &Writers, scope: &Scope) -> Result<CycleOutcome> {
    call_left_by_pause(deps).map_err(|error| error.located(&deps.config.store.path))?;
    run_beside(deps, writers, scope, || ()).await
}

/// Runs one cycle, and every second of it what has to be seen to however long it takes.
pub async fn run_beside(
    deps: &Deps,
    writers: &Writers,
    scope: &Scope,
    mut beside: impl FnMut(),
) -> Result<CycleOutcome> {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut cycle = std::pin::pin!(run_cycle(deps, writers, scope));
    let outcome = loop {
        tokio::select! {
            // The cycle is looked at first: nothing is done beside one that has ended.
            biased;
            outcome = &mut cycle => break outcome,
            _ = seconds.tick() => {
                // Where the store fails, the cycle says so.
                let _ = obey(deps);
                beside();
            }
        }
    };
    outcome.map_err(|error| error.located(&deps.config.store.path))
}

async fn run_cycle(deps: &Deps, writers: &Writers, scope: &Scope) -> Result<CycleOutcome> {
    log_brake(deps)?;
    let head = deps.store.journal().head()?;
    let plan = read_and_plan(deps, scope).await?;
    let mut outcome = plan.outcome();
    let acted = act(deps, writers, &plan, &mut outcome).await;

    let word = if acted.is_ok() { outcome.word() } else { "failed" };
    let believed = plan.cycle.is_full() && plan.implausible.is_none() && acted.is_ok();
    let row = CycleRow { outcome: word.to_owned(), people: plan.people, believed };
    let now = deps.now();
    deps.store.cycles().end(plan.cycle.id, &row, now)?;
    acted?;
    outcome.finish(deps.calls().since(&plan.cycle.calls_before), now - plan.cycle.started);
    log_ended(deps, &outcome, plan.people, &head)?;
    Ok(outcome)
}

async fn act(
    deps: &Deps,
    writers: &Writers,
    plan: &CyclePlan,
    outcome: &mut CycleOutcome,
) -> Result<()> {
    record_before(deps, plan)?;
    // What is written from now on is no reason to doubt whose account it is.
    plan.cycle.linked.borrow_mut().clear();
    let touched = apply(deps, writers, plan, outcome).await?;
    settle(deps, plan, &touched, outcome).await?;
    wake_waiting(deps, plan)?;
    let standing = standing(deps, &plan.org)?;
    record_requests(deps, plan.cycle.id, &standing)?;
    write_back(deps, writers, plan, standing, outcome).await?;
    record_pause(deps, outcome)?;
    outcome.count_open(&deps.store.open_items().counts(plan.only())?);
    Ok(())
}

/// The head of the journal is told to another keeper, so that cutting off its newest rows shows.
fn log_ended(
    deps: &Deps,
    outcome: &CycleOutcome,
    people: Option<u32>,
    head_before: &str,
) -> Result<()> {
    let head = deps.store.journal().head()?;
    let Summary { applied, failed, held, .. } = outcome.summary;
    let (cycle, seconds) = (outcome.cycle, outcome.seconds);
    let done = format!("{}; {applied} applied, {failed} failed, {held} held", outcome.word());
    if let Some(people) = people {
        tracing::info!(
            cycle,
            journal_head = head,
            "cycle {cycle} read everything, {people} people, in {seconds:.1} s: {done}"
        );
    } else if head != head_before {
        tracing::info!(cycle, journal_head = head, "cycle {cycle}: {done}");
    } else {
        tracing::debug!(cycle, journal_head = head, "cycle {cycle}: {done}");
    }
    Ok(())
}
