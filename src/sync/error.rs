//! Why a cycle ended, and whose fault that was.

use std::path::Path;
use std::time::Duration;

use crate::okta::OktaError;
use crate::servicenow::ServiceNowError;
use crate::store::StoreError;

/// Why a cycle, or a command that reads, ended before it was through.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// ServiceNow did not answer, or could not be believed.
    #[error(transparent)]
    ServiceNow(ServiceNowError),
    /// Okta did not answer, or could not be believed.
    #[error(transparent)]
    Okta(#[from] OktaError),
    /// The store failed: nothing is done without a record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own clock is wrong, and what begins or ends by it would be wrong with it.
    #[error(
        "this machine's clock is {0} of both ServiceNow's and Okta's, so nothing is done that \
         begins or ends by it; set it by the network: timedatectl set-ntp true"
    )]
    Clock(String),
    /// Somebody asked for is not known.
    #[error("{0}")]
    Unknown(String),
}

impl From<ServiceNowError> for SyncError {
    fn from(error: ServiceNowError) -> Self {
        match error {
            // A page that came well and could not be kept is no fault of ServiceNow's.
            ServiceNowError::Taker(inner) => match inner.downcast::<StoreError>() {
                Ok(error) => Self::Store(*error),
                Err(inner) => Self::ServiceNow(ServiceNowError::Taker(inner)),
            },
            other => Self::ServiceNow(other),
        }
    }
}

pub(crate) type Result<T, E = SyncError> = std::result::Result<T, E>;

/// One of the two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The side where people and requests are, and where notes are written.
    ServiceNow,
    /// The side where accounts and groups are, and where they are changed.
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

impl SyncError {
    /// Says in which file the store is.
    pub(crate) fn located(self, store: &Path) -> Self {
        match self {
            Self::Store(error) => error.located(store).into(),
            other => other,
        }
    }

    /// Whose fault it is, where it is one of the two systems'.
    pub(crate) fn side(&self) -> Option<Side> {
        match self {
            Self::ServiceNow(_) => Some(Side::ServiceNow),
            Self::Okta(_) => Some(Side::Okta),
            Self::Store(_) | Self::Clock(_) | Self::Unknown(_) => None,
        }
    }

    /// What was asked, as it stands in the text; empty where that does not say.
    pub(crate) fn asked(&self) -> &str {
        match self {
            Self::ServiceNow(error) => error.operation(),
            Self::Okta(error) => error.operation(),
            Self::Store(_) | Self::Clock(_) | Self::Unknown(_) => "",
        }
    }

    /// Whether it may be about the object that was asked for alone.
    pub(crate) fn is_about_object(&self) -> bool {
        match self {
            Self::ServiceNow(error) => error.is_about_object(),
            Self::Okta(error) => error.is_about_object(),
            Self::Store(_) | Self::Clock(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether the connection broke, or nothing came in time. That is what an outage looks like, too.
    pub(crate) fn is_unanswered(&self) -> bool {
        match self {
            Self::ServiceNow(error) => error.is_unanswered(),
            Self::Okta(error) => error.is_unanswered(),
            Self::Store(_) | Self::Clock(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether the side does not answer, or not as itself. Otherwise it is well, and what was asked
    /// of it cannot be done: a name that it does not know, a right that is missing, a rate limit.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::ServiceNow(
                ServiceNowError::Unreachable { .. }
                | ServiceNowError::NoAnswer { .. }
                | ServiceNowError::SignIn { .. }
                | ServiceNowError::Unbelievable { .. },
            )
            | Self::Okta(
                OktaError::Unreachable { .. }
                | OktaError::NoAnswer { .. }
                | OktaError::SignIn { .. }
                | OktaError::Unbelievable { .. },
            ) => true,
            Self::ServiceNow(ServiceNowError::Refused { status, .. }) => *status >= 500,
            Self::Okta(OktaError::Refused(refusal)) => refusal.status >= 500,
            _ => false,
        }
    }

    pub(crate) fn is_refused_sign_in(&self) -> bool {
        matches!(
            self,
            Self::ServiceNow(ServiceNowError::SignIn { .. }) | Self::Okta(OktaError::SignIn { .. })
        )
    }

    /// How long the other side asks us to wait, where it says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ServiceNow(ServiceNowError::RateLimited { retry_after }) => *retry_after,
            Self::Okta(OktaError::RateLimited { retry_after, .. }) => Some(*retry_after),
            _ => None,
        }
    }
}
