//! When: cycles by the schedule, until a signal says stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config::Schedule;
use crate::engine::{Clock, Engine, EngineError, Hands, Scope};

/// How often a wait looks whether it should end.
const TICK: Duration = Duration::from_millis(100);

/// Runs cycles until `SIGTERM` or `SIGINT`. A write that is under way is finished and recorded.
///
/// A failed cycle is said in the log and tried again with the next poll: the other side being
/// down is no failure of ours.
pub async fn run(
    mut engine: Engine,
    hands: &Hands,
    schedule: &Schedule,
    clock: &Clock,
) -> Result<(), EngineError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&stop)) {
            tracing::warn!("signal {signal} cannot be handled: {error}");
        }
    }
    engine.stop_when(Arc::clone(&stop));
    let mut trouble: Option<String> = None;
    let mut next_full = upcoming(schedule, clock);
    let mut scope = Scope::Full;
    while !stop.load(Ordering::Relaxed) {
        match engine.cycle(hands, &scope).await {
            Ok(_) => {
                if trouble.take().is_some() {
                    tracing::info!("cycles succeed again");
                }
            }
            // Without the store nothing may be written, and waiting does not mend it.
            Err(EngineError::Store(error)) => return Err(error.into()),
            Err(error) => {
                let text = error.to_string();
                if trouble.as_deref() != Some(&text) {
                    tracing::warn!("this cycle ended early and is tried again: {text}");
                    trouble = Some(text);
                }
            }
        }
        let mut waited = Duration::ZERO;
        while waited < schedule.poll && !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(TICK).await;
            waited += TICK;
        }
        scope = Scope::Changes;
        if trouble.is_none() && next_full.is_some_and(|due| due <= clock()) {
            next_full = upcoming(schedule, clock);
            scope = Scope::Full;
        }
    }
    Ok(())
}

/// The next moment of the schedule for a complete read.
fn upcoming(schedule: &Schedule, clock: &Clock) -> Option<crate::model::Instant> {
    let now = clock().with_timezone(&schedule.timezone);
    schedule.full.after(&now).next().map(|at| at.with_timezone(&chrono::Utc))
}
