//! The two systems as things that can be down: how they are, and connections that are made anew.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::config::Config;
use crate::okta::{OktaError, OktaReader};
use crate::servicenow::{Budget, ServiceNowError, ServiceNowReader};
use crate::store::{SideState, StoreError, Use};
use crate::sync::deadlines::MEASURED;
use crate::sync::deps::{Deps, OKTA, SERVICENOW};
use crate::sync::error::{Result, Side};
use crate::sync::writers::Writers;
use crate::{okta, servicenow};

/// A side that has not answered by then counts as down.
const ANSWER: Duration = Duration::from_secs(20);

/// A configuration with connections of its own, not in force yet.
pub(crate) struct Renewed {
    config: Arc<Config>,
    pub(crate) servicenow: ServiceNowReader,
    pub(crate) okta: OktaReader,
    writers: Writers,
}

/// Signs in to one side and asks it something small.
pub(crate) async fn try_side(
    side: Side,
    servicenow: &ServiceNowReader,
    okta: &OktaReader,
) -> Result<()> {
    let asked = async {
        match side {
            Side::ServiceNow => Ok(servicenow.whoami().await.map(|_| ())?),
            Side::Okta => Ok(okta.try_sign_in().await?),
        }
    };
    let Ok(answer) = tokio::time::timeout(ANSWER, asked).await else {
        let why = format!("no answer within {} s", ANSWER.as_secs());
        return Err(match side {
            Side::ServiceNow => ServiceNowError::Unreachable { why }.into(),
            Side::Okta => OktaError::Unreachable { operation: "sign in".into(), why }.into(),
        });
    };
    answer
}

/// Prepares another configuration over the same store; nothing changes until [`take_over`].
///
/// Fails where the store or one of its two systems is another: that needs a new process.
pub(crate) fn prepare(deps: &Deps, config: Arc<Config>) -> Result<Renewed> {
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

pub(crate) fn take_over(deps: &mut Deps, renewed: Renewed) -> Writers {
    deps.config = renewed.config;
    deps.servicenow = renewed.servicenow;
    deps.okta = renewed.okta;
    deps.memory.own_account = OnceCell::new();
    renewed.writers
}

/// Records how both sides are and how much of their rate limits is used, for `status`.
pub fn record_health(deps: &Deps, servicenow: &SideState, okta: &SideState) -> Result<()> {
    let at = deps.now();
    let Budget { bucket, limit, share, used } = deps.servicenow.connection().budget();
    let mut uses = vec![Use { side: SERVICENOW.to_owned(), bucket, limit, share, used, at }];
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
