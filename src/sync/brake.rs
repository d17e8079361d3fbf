//! The brake: no write to either side is begun while writing is paused.

use crate::model::Pause;
use crate::store::{News, Resumed};
use crate::sync::{deps::Deps, error::Result, outcome::CycleOutcome, writers::Permit};

/// Asks for one write, right before it; where writing is paused, gives who did that.
pub(crate) fn permit(deps: &Deps) -> Result<Result<Permit, Pause>> {
    obey(deps)?;
    Ok(Permit::ask(&deps.store)?)
}

/// Looks whether writing is paused, and keeps back what still waits for a rate limit with a permit
/// from before.
pub(crate) fn obey(deps: &Deps) -> Result<Option<Pause>> {
    let pause = deps.store.brake().in_force()?;
    deps.okta.connection().brake().set(pause.is_some());
    deps.servicenow.connection().brake().set(pause.is_some());
    Ok(pause)
}

/// Who paused writing, where it is paused.
pub(crate) fn pause_in_force(deps: &Deps) -> Result<Option<Pause>> {
    Ok(deps.store.brake().in_force()?)
}

/// Whether somebody paused or resumed since the last cycle began: that calls for one.
pub(crate) fn has_news(deps: &Deps) -> Result<bool> {
    Ok(deps.store.brake().has_news()?)
}

/// Says in the outcome whether writing is paused. What that left is open.
pub(crate) fn record_pause(deps: &Deps, outcome: &mut CycleOutcome) -> Result<()> {
    if let Some(pause) = deps.store.brake().in_force()? {
        outcome.paused = Some(pause);
    }
    Ok(())
}

/// Whoever a pause left something of is decided about in the next cycle: somebody asks what there is to
/// do, and a pause is no reason to leave that out.
pub(crate) fn call_left_by_pause(deps: &Deps) -> Result<()> {
    Ok(deps.store.queue().call_left_by_pause(deps.now())?)
}

/// Logs what was said to the brake since the last cycle.
pub(crate) fn log_brake(deps: &Deps) -> Result<()> {
    for news in deps.store.brake().take_news()? {
        match news {
            News::Paused(pause) => tracing::warn!(
                outcome = "paused",
                "{pause}; nothing is written to Okta or ServiceNow until `goldthread resume`"
            ),
            News::Resumed(Resumed { by, because, .. }) => {
                let because = because.map(|text| format!(": {text}")).unwrap_or_default();
                tracing::info!(outcome = "resumed", "resumed by {by}{because}");
            }
        }
    }
    Ok(())
}
