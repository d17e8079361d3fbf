//! Who keeps changing a contested fact back, where Okta's log tells.

use crate::model::FactKey;
use crate::okta::log::{Changed, rival};
use crate::reconcile::guard::PlanApproval;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;

/// Names in the reason who keeps changing a contested fact back, where Okta's log tells.
pub(crate) async fn name_rivals(deps: &Deps, verdict: &mut PlanApproval) -> Result<(), SyncError> {
    let now = deps.now();
    let window =
        chrono::Duration::from_std(deps.config.limits.window).unwrap_or(chrono::Duration::days(1));
    for held in &mut verdict.held {
        let (Some(key), Some(account)) = (&held.contested, &held.planned.action.account) else {
            continue;
        };
        // Who it is helps a person; that nobody can tell holds nothing up.
        let events = match deps.okta.changes_of(account, now - window).await {
            Ok(events) => events.unwrap_or_default(),
            Err(error) => {
                tracing::debug!("the System Log could not be read: {error}");
                continue;
            }
        };
        let what = match key {
            FactKey::Account | FactKey::Status => Changed::Status,
            FactKey::Profile(_) => Changed::Profile,
            FactKey::Membership(group) => Changed::Membership(group),
        };
        if let Some(name) = rival(&events, what) {
            held.reason = format!("{}, last by {name}", held.reason);
        }
    }
    Ok(())
}
