//! What writes, and the permit that every write needs: only a look into the store gives one.

use crate::model::Pause;
use crate::okta::OktaWriter;
use crate::servicenow::{Rank, ServiceNowWriter};
use crate::store::{Store, StoreError};
use crate::{okta, servicenow};

/// The writing half. A command that only reads never has one.
pub struct Writers {
    okta: OktaWriter,
    servicenow: ServiceNowWriter,
    urgent: ServiceNowWriter,
}

/// One write may begin now. It cannot be kept for a second one.
#[derive(Debug)]
pub(crate) struct Permit(());

impl Permit {
    /// For one write, right before it; where writing is paused, who did that.
    pub(crate) fn ask(store: &Store) -> Result<Result<Self, Pause>, StoreError> {
        Ok(store.brake().in_force()?.map_or(Ok(Self(())), Err))
    }
}

impl Writers {
    pub(crate) fn over(servicenow: &servicenow::Connection, okta: &okta::Connection) -> Self {
        Self {
            okta: OktaWriter::new(okta.clone()),
            servicenow: ServiceNowWriter::new(servicenow.ranked(Rank::Last)),
            urgent: ServiceNowWriter::new(servicenow.clone()),
        }
    }

    pub(crate) fn okta(&self, _permit: Permit) -> &OktaWriter {
        &self.okta
    }

    /// The next look goes before what is written, but not before what is `urgent`.
    pub(crate) fn servicenow(&self, _permit: Permit, urgent: bool) -> &ServiceNowWriter {
        if urgent { &self.urgent } else { &self.servicenow }
    }
}
