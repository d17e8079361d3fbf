//! The two systems as things that can be down.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::{Engine, EngineError, Writers, orgs};
use crate::config::Config;
use crate::http::Progress;
use crate::model::Timestamp;
use crate::okta::{self, OktaError, OktaReader};
use crate::servicenow::{self, ServiceNowError, ServiceNowReader};
use crate::store::StoreError;

/// A side that has not answered by then counts as down.
const ANSWER: Duration = Duration::from_secs(20);

/// One of the two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// ServiceNow.
    ServiceNow,
    /// Okta.
    Okta,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ServiceNow => "ServiceNow",
            Self::Okta => "Okta",
        })
    }
}

impl EngineError {
    /// Whose fault it is, where it is one of the two systems'.
    pub fn side(&self) -> Option<Side> {
        match self {
            Self::ServiceNow(_) => Some(Side::ServiceNow),
            Self::Okta(_) => Some(Side::Okta),
            Self::Store(_) | Self::Clock(_) | Self::Unknown(_) => None,
        }
    }

    /// Whether the side does not answer, or not as itself. Otherwise it is well, and what was asked
    /// of it cannot be done: a name that it does not know, a right that is missing, a rate limit.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::ServiceNow(error) => match error {
                ServiceNowError::Unreachable { .. }
                | ServiceNowError::NoAnswer { .. }
                | ServiceNowError::SignIn { .. }
                | ServiceNowError::Unbelievable { .. } => true,
                ServiceNowError::Refused { status, .. } => *status >= 500,
                _ => false,
            },
            Self::Okta(error) => match error {
                OktaError::Unreachable { .. }
                | OktaError::NoAnswer { .. }
                | OktaError::SignIn { .. }
                | OktaError::Unbelievable { .. } => true,
                OktaError::Refused(refusal) => refusal.status >= 500,
                _ => false,
            },
            Self::Store(_) | Self::Clock(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether the credentials were refused.
    pub fn is_refused_sign_in(&self) -> bool {
        matches!(
            self,
            Self::ServiceNow(ServiceNowError::SignIn { .. }) | Self::Okta(OktaError::SignIn { .. })
        )
    }

    /// How long the other side asks us to wait, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ServiceNow(ServiceNowError::RateLimited { retry_after }) => *retry_after,
            Self::Okta(OktaError::RateLimited { retry_after, .. }) => Some(*retry_after),
            _ => None,
        }
    }
}

/// A configuration with connections of its own, not in force yet.
pub struct Renewed {
    config: Arc<Config>,
    servicenow: ServiceNowReader,
    okta: OktaReader,
    writers: Writers,
}

impl Renewed {
    /// Signs in to one side and asks it something small.
    pub async fn try_side(&self, side: Side) -> Result<(), EngineError> {
        try_side(side, &self.servicenow, &self.okta).await
    }
}

impl Engine {
    /// Signs in to one side and asks it something small.
    pub async fn try_side(&self, side: Side) -> Result<(), EngineError> {
        try_side(side, &self.servicenow, &self.okta).await
    }

    /// Tick while a cycle makes progress, waits for a rate window included.
    pub(crate) fn progress_counters(&self) -> [Progress; 2] {
        [self.servicenow.connection().progress().clone(), self.okta.connection().progress().clone()]
    }

    /// Prepares another configuration over the same store; nothing changes until
    /// [`Engine::take_over`].
    ///
    /// Fails where the store or one of its two systems is another: that needs a new process.
    pub fn prepare(&self, config: Arc<Config>) -> Result<Renewed, EngineError> {
        if config.store.path != self.config.store.path {
            let reason = "another store needs a restart".to_owned();
            return Err(StoreError::File { path: config.store.path.clone(), reason }.into());
        }
        self.store.check_orgs(&config.store.path, &orgs(&config))?;
        let okta = okta::Connection::new(config.okta.clone())?;
        let okta = okta.counting_with(self.okta.connection());
        let servicenow = servicenow::Connection::new(config.servicenow.clone())?;
        let servicenow = servicenow.counting_with(self.servicenow.connection());
        let writers = Writers::over(&servicenow, &okta);
        let (servicenow, okta) = (ServiceNowReader::new(servicenow), OktaReader::new(okta));
        Ok(Renewed { config, servicenow, okta, writers })
    }

    /// Goes on by another configuration, with new hands.
    pub fn take_over(&mut self, renewed: Renewed) -> Writers {
        let Renewed { config, servicenow, okta, writers } = renewed;
        self.config = config;
        self.servicenow = servicenow;
        self.okta = okta;
        self.own_account = OnceCell::new();
        writers
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// How much of ServiceNow's rate rule is used.
    pub fn servicenow_budget(&self) -> servicenow::Budget {
        self.servicenow.connection().budget()
    }

    /// When the last complete read ended well.
    pub fn last_full(&self) -> Result<Option<Timestamp>, EngineError> {
        Ok(self.store.cycles().last_full()?.map(|cycle| cycle.finished))
    }
}

async fn try_side(
    side: Side,
    servicenow: &ServiceNowReader,
    okta: &OktaReader,
) -> Result<(), EngineError> {
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
