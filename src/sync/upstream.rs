//! The two systems as things that can be down: how they are, and connections that are made anew.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::config::Config;
use crate::okta::{OktaError, OktaReader};
use crate::servicenow::{ServiceNowError, ServiceNowReader};
use crate::store::{SideState, StoreError, Use};
use crate::sync::deadlines::MEASURED;
use crate::sync::deps::{Deps, OKTA, SERVICENOW, Writers};
use crate::sync::error::{Side, SyncError};
use crate::{okta, servicenow};

/// A side that has not answered by then counts as down.
const ANSWER: Duration = Duration::from_secs(20);

/// A configuration with connections of its own, not in force yet.
pub(crate) struct Renewed {
    config: Arc<Config>,
    servicenow: ServiceNowReader,
    okta: OktaReader,
    writers: Writers,
}

impl Renewed {
    /// Signs in to one side and asks it something small.
    pub(crate) async fn try_side(&self, side: Side) -> Result<(), SyncError> {
        answers(side, &self.servicenow, &self.okta).await
    }
}

/// Signs in to one side and asks it something small.
pub(crate) async fn try_side(deps: &Deps, side: Side) -> Result<(), SyncError> {
    answers(side, &deps.servicenow, &deps.okta).await
}

async fn answers(
    side: Side,
    servicenow: &ServiceNowReader,
    okta: &OktaReader,
) -> Result<(), SyncError> {
    let asked = async {
        match side {
            Side::ServiceNow => Ok(servicenow.whoami().await.map(|_| ())?),
            Side::Okta => Ok(okta.try_sign_in().await?),
        }
    };
    let why = || format!("no answer within {} s", ANSWER.as_secs());
    match (tokio::time::timeout(ANSWER, asked).await, side) {
        (Ok(answer), _) => answer,
        (Err(_), Side::ServiceNow) => Err(ServiceNowError::Unreachable { why: why() }.into()),
        (Err(_), Side::Okta) => {
            Err(OktaError::Unreachable { operation: "sign in", why: why() }.into())
        }
    }
}

/// Prepares another configuration over the same store; nothing changes until [`take_over`].
///
/// Fails where the store or one of its two systems is another: that needs a new process.
pub(crate) fn prepare(deps: &Deps, config: Arc<Config>) -> Result<Renewed, SyncError> {
    if config.store.path != deps.config.store.path {
        let reason = "another store needs a restart".to_owned();
        return Err(StoreError::File { path: config.store.path.clone(), reason }.into());
    }
    deps.store.check_orgs(&config.store.path, &config.orgs())?;
    let okta = okta::Connection::new(config.okta.clone())?;
    let okta = okta.counting_with(deps.okta.connection());
    let servicenow = servicenow::Connection::new(config.servicenow.clone())?;
    let servicenow = servicenow.counting_with(deps.servicenow.connection());
    let writers = Writers::over(&servicenow, &okta);
    let (servicenow, okta) = (ServiceNowReader::new(servicenow), OktaReader::new(okta));
    Ok(Renewed { config, servicenow, okta, writers })
}

/// Goes on by another configuration, and gives its writers.
pub(crate) fn take_over(deps: &mut Deps, renewed: Renewed) -> Writers {
    let Renewed { config, servicenow, okta, writers } = renewed;
    deps.config = config;
    deps.servicenow = servicenow;
    deps.okta = okta;
    // The new credentials may be another account's.
    deps.memory.own_account = OnceCell::new();
    writers
}

/// Records how both sides are and how much of their rate limits is used, for `status`.
pub fn record_health(
    deps: &Deps,
    servicenow: &SideState,
    okta: &SideState,
) -> Result<(), SyncError> {
    let at = deps.now();
    let servicenow_budget = deps.servicenow.connection().budget();
    let mut uses = vec![Use {
        side: SERVICENOW.to_owned(),
        bucket: servicenow_budget.bucket,
        limit: servicenow_budget.limit,
        share: servicenow_budget.share,
        used: servicenow_budget.used,
        at,
    }];
    uses.extend(deps.okta.connection().budget().into_iter().map(|budget| Use {
        side: OKTA.to_owned(),
        bucket: budget.bucket,
        limit: Some(u64::from(budget.limit)),
        share: budget.share,
        used: u64::from(budget.used),
        at,
    }));
    deps.store.atomically(|| {
        deps.store.sides().upsert(SERVICENOW, servicenow)?;
        deps.store.sides().upsert(OKTA, okta)?;
        deps.store.budgets().upsert(&uses)?;
        deps.store.deadlines().forget(at - MEASURED)
    })?;
    Ok(())
}
