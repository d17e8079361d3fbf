//! What Okta's profile can hold, as it is read.

use crate::okta::{Attribute, OktaError};
use crate::reconcile::schema::{Schema, Slot};
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;

/// Reads what Okta's profile can hold, where the credential may.
pub(crate) async fn read_schema(deps: &Deps) -> Result<(), SyncError> {
    let schema = match deps.okta.schema().await {
        Ok(attributes) => Schema(Some(attributes.into_iter().map(slot).collect())),
        Err(OktaError::Forbidden(_) | OktaError::NotFound(_)) => Schema(None),
        Err(error) => return Err(error.into()),
    };
    Ok(deps.store.set_profile_schema(&schema)?)
}

fn slot(attribute: Attribute) -> (String, Slot) {
    let text = attribute.kind.is_empty() || attribute.kind == "string";
    let slot = Slot {
        max_length: attribute.max_length.filter(|max| *max > 0),
        other_type: (!text).then_some(attribute.kind),
        read_only: attribute.mutability == "READ_ONLY",
        immutable: attribute.mutability == "IMMUTABLE",
        mastered_elsewhere: attribute.master == "OVERRIDE",
        required: attribute.required,
    };
    (attribute.name, slot)
}
