//! The brake: no write to either side is begun while writing is paused. Every write needs a [`Permit`],
//! and only a look into the store gives one.

use crate::model::Pause;
use crate::okta::OktaWriter;
use crate::servicenow::ServiceNowWriter;
use crate::store::{News, Resumed};
use crate::sync::{deps::Deps, error::Result, outcome::CycleOutcome};
use crate::{okta, servicenow};

/// The writing half. A command that only reads never has one.
pub struct Writers {
    okta: OktaWriter,
    servicenow: ServiceNowWriter,
}

/// One write may begin now. It cannot be kept for a second one.
#[derive(Debug)]
pub(crate) struct Permit(());

impl Writers {
    pub(crate) fn over(servicenow: &servicenow::Connection, okta: &okta::Connection) -> Self {
        Self {
            okta: OktaWriter::new(okta.clone()),
            servicenow: ServiceNowWriter::new(servicenow.clone()),
        }
    }

    pub(crate) fn okta(&self, _permit: Permit) -> &OktaWriter {
        &self.okta
    }

    pub(crate) fn servicenow(&self, _permit: Permit) -> &ServiceNowWriter {
        &self.servicenow
    }
}

/// Asks for one write, right before it; where writing is paused, gives who did that.
pub(crate) fn permit(deps: &Deps) -> Result<Result<Permit, Pause>> {
    Ok(obey(deps)?.map_or(Ok(Permit(())), Err))
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
