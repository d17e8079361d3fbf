//! What a request is made from.

use crate::model::SysId;

/// A catalog item that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub sys_id: SysId,
    /// Its name now, which may have changed since it was configured.
    pub name: String,
    /// How the configuration spells it: its id or its name.
    pub configured_as: String,
}
