//! Who keeps changing a contested fact back, where Okta's log tells.

use crate::model::{FactKey, HoldReason};
use crate::okta::log::{Changed, rival};
use crate::reconcile::approve::PlanApproval;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;

/// Names in the reason who keeps changing a contested fact back, where Okta's log tells.
pub(crate) async fn name_rivals(deps: &Deps, approval: &mut PlanApproval) -> Result<(), SyncError> {
    let now = deps.now();
    let window =
        chrono::Duration::from_std(deps.config.limits.window).unwrap_or(chrono::Duration::days(1));
    for held in &mut approval.held {
        let HoldReason::Contested { fact, rival: name, .. } = &mut held.reason else { continue };
        let Some(account) = &held.planned.action.account else {
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
        let what = match fact {
            FactKey::Account | FactKey::Status => Changed::Status,
            FactKey::Profile(_) => Changed::Profile,
            FactKey::Membership(group) => Changed::Membership(group),
        };
        *name = rival(&events, what);
    }
    Ok(())
}
