//! One cycle, top to bottom: look at both sides, act on what is approved and write back, look again
//! while that is under way.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, timeout_at};

use crate::store::CycleRow;
use crate::sync::brake::{call_left_by_pause, log_brake, obey, record_pause};
use crate::sync::clock::check_clock_first;
use crate::sync::deps::Deps;
use crate::sync::error::{Result, SyncError};
use crate::sync::lanes::{Halt, Lanes};
use crate::sync::observe::{observe, observe_beside};
use crate::sync::outcome::{CycleOutcome, Summary};
use crate::sync::plan::{CyclePlan, conclude_look, decide_about, look};
use crate::sync::record::say_what_is_new;
use crate::sync::scope::{Cycle, Scope};
use crate::sync::{writeback::check_closed_states, writers::Writers};

/// Between the end of one look and the next one there is at least this.
const SHORTEST: Duration = Duration::from_millis(200);

/// Runs one cycle from reading to writing back.
///
/// A failure to read ends the cycle before anything is compared. A failure to write to Okta ends
/// one action and is part of the outcome. A failure to write the journal ends the cycle.
pub async fn run(deps: &Deps, writers: &Writers, scope: &Scope) -> Result<CycleOutcome> {
    call_left_by_pause(deps).map_err(|error| error.located(&deps.config.store.path))?;
    run_beside(deps, writers, scope, || false).await
}

/// Runs one cycle, and every second of it what has to be seen to however long it takes. That says
/// whether something waits for the end of the cycle.
pub async fn run_beside(
    deps: &Deps,
    writers: &Writers,
    scope: &Scope,
    mut beside: impl FnMut() -> bool,
) -> Result<CycleOutcome> {
    deps.want_end(false);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut cycle = Box::pin(run_cycle(deps, writers, scope));
    let outcome = loop {
        tokio::select! {
            // The cycle is looked at first: nothing is done beside one that has ended.
            biased;
            outcome = &mut cycle => break outcome,
            _ = seconds.tick() => {
                // Where the store fails, the cycle says so.
                let _ = obey(deps);
                if beside() {
                    deps.want_end(true);
                }
            }
        }
    };
    outcome.map_err(|error| error.located(&deps.config.store.path))
}

async fn run_cycle(deps: &Deps, writers: &Writers, scope: &Scope) -> Result<CycleOutcome> {
    log_brake(deps)?;
    let head = deps.store.journal().head()?;
    let cycle = Rc::new(Cycle::begin(deps, scope)?);
    let mut read = Read::default();
    let acted = act(deps, writers, &cycle, &mut read).await;

    let Read { people, implausible } = read;
    let word = acted.as_ref().map_or("failed", CycleOutcome::word);
    let believed = cycle.is_full() && !implausible && acted.is_ok();
    let row = CycleRow { outcome: word.to_owned(), people, believed };
    let now = deps.now();
    deps.store.cycles().end(cycle.id, &row, now)?;
    let mut outcome = acted?;
    outcome.finish(deps.calls().since(&cycle.calls_before), now - cycle.started);
    log_ended(deps, &outcome, people, &head)?;
    Ok(outcome)
}

/// What the first look of a cycle tells of a complete read.
#[derive(Debug, Default)]
struct Read {
    people: Option<u32>,
    implausible: bool,
}

async fn act(
    deps: &Deps,
    writers: &Writers,
    cycle: &Rc<Cycle>,
    read: &mut Read,
) -> Result<CycleOutcome> {
    let mut lanes = Lanes::new(deps, writers, cycle);
    if let Err(error) = look_and_work(deps, cycle, &mut lanes, read).await {
        lanes.fail(error);
    }
    // What is under way is recorded, whatever ended the cycle.
    if let Err(error) = lanes.cut() {
        lanes.fail(error);
    }
    lanes.finish().await;
    let said = say_what_is_new(deps, cycle);
    let mut outcome = lanes.end()?;
    said?;
    record_pause(deps, &mut outcome)?;
    outcome.count_open(&deps.store.open_items().counts(outcome.only.as_ref())?);
    Ok(outcome)
}

/// Looks, begins with whoever may be acted on, and looks again while that is under way.
async fn look_and_work(
    deps: &Deps,
    cycle: &Rc<Cycle>,
    lanes: &mut Lanes<'_>,
    read: &mut Read,
) -> Result<()> {
    loop {
        let looked = Instant::now();
        let first = !cycle.looked.get();
        let plan = if first && cycle.is_full() {
            look_at_everything(deps, cycle, lanes).await?
        } else {
            lanes.beside(Box::pin(look(deps, cycle))).await?
        };
        if first {
            *read = Read { people: plan.people, implausible: plan.implausible.is_some() };
        } else {
            // It may go on for long: people join all day.
            deps.store.cycles().note_progress(cycle.id, deps.now())?;
        }
        if deps.is_end_wanted() {
            lanes.close();
        }
        lanes.looked();
        lanes.take_on(plan)?;
        let next = looked + deps.poll().max(looked.elapsed() + SHORTEST);
        if !work(deps, cycle, lanes, next).await? {
            return Ok(());
        }
    }
}

/// Reads everything. Where that takes longer than from one look to the next, what is asked for meanwhile
/// is looked at beside it: nobody who joins or leaves waits for its end.
async fn look_at_everything(
    deps: &Deps,
    cycle: &Rc<Cycle>,
    lanes: &mut Lanes<'_>,
) -> Result<CyclePlan> {
    check_clock_first(deps).await?;
    let mut everything = Box::pin(observe(deps, cycle));
    // By another configuration nothing is known yet of what only that one asks for.
    let configuration = deps.store.state().configuration()?;
    let known = configuration.as_ref() == Some(&deps.config.fingerprint);
    let mut next = Instant::now() + deps.poll();
    let observed = loop {
        if !known {
            break lanes.beside(&mut everything).await?;
        }
        if let Ok(observed) = lanes.beside(timeout_at(next, &mut everything)).await {
            break observed?;
        }
        let looked = Instant::now();
        cycle.beside.set(true);
        let changes = Box::pin(observe_beside(deps, cycle));
        let (people, read) = lanes.beside(to_the_end_of(changes, &mut everything)).await;
        let plan = lanes.beside(Box::pin(decide_about(deps, cycle, &people?))).await?;
        lanes.looked();
        lanes.take_on(plan)?;
        lanes.write_standing(Halt::Time)?;
        deps.store.cycles().note_progress(cycle.id, deps.now())?;
        if let Some(observed) = read {
            break observed?;
        }
        next = looked + deps.poll().max(looked.elapsed() + SHORTEST);
    };
    cycle.beside.set(false);
    lanes.beside(Box::pin(conclude_look(deps, cycle, observed))).await
}

/// Waits for the first, and gives what the second has come to by then.
async fn to_the_end_of<A, B>(
    first: impl Future<Output = A> + Unpin,
    second: impl Future<Output = B> + Unpin,
) -> (A, Option<B>) {
    match select(first, second).await {
        Either::Left((first, _)) => (first, None),
        Either::Right((second, first)) => (first.await, Some(second)),
    }
}

/// Works until it is time for the next look, or all is done. Says whether something is under way.
async fn work(
    deps: &Deps,
    cycle: &Rc<Cycle>,
    lanes: &mut Lanes<'_>,
    next: Instant,
) -> Result<bool> {
    let mut written = false;
    loop {
        let halt = lanes.work_until(next).await;
        if lanes.is_ending() {
            return Ok(false);
        }
        match lanes.take_put_back(halt) {
            Some(people) => {
                let plan = lanes.beside(Box::pin(decide_about(deps, cycle, &people))).await?;
                lanes.take_on(plan)?;
                written = false;
                continue;
            }
            None if halt == Halt::Time => {
                lanes.write_standing(halt)?;
                return Ok(true);
            }
            None if written => return Ok(false),
            None => {}
        }
        // Where ServiceNow does not answer, the next cycle asks again.
        let checked = lanes.beside(check_closed_states(deps, cycle)).await;
        if let Err(SyncError::Store(error)) = checked {
            return Err(error.into());
        }
        lanes.write_standing(halt)?;
        written = true;
    }
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
