//! What Okta's profile can hold, as it was read last.

use std::collections::BTreeMap;

use crate::okta::{Attribute, OktaError};
use crate::reconcile::schema::{Schema, Slot};
use crate::store::StoreError;
use crate::sync::deps::Deps;
use crate::sync::error::SyncError;

/// Reads what Okta's profile can hold, where the credential may.
pub(crate) async fn read_schema(deps: &Deps) -> Result<(), SyncError> {
    let schema = match deps.okta.schema().await {
        Ok(attributes) => serde_json::to_string(&slots(attributes)).unwrap_or_default(),
        Err(OktaError::Forbidden(_) | OktaError::NotFound(_)) => String::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(deps.store.state().set("schema", &schema)?)
}

/// The schema as it was read last; nothing is known of it where it could not be read.
pub(crate) fn known_schema(deps: &Deps) -> Result<Schema, StoreError> {
    let Some(text) = deps.store.state().get("schema")?.filter(|text| !text.is_empty()) else {
        return Ok(Schema(None));
    };
    let slots: BTreeMap<String, StoredSlot> = serde_json::from_str(&text)
        .map_err(|error| StoreError::Corrupt(format!("the profile schema: {error}")))?;
    Ok(Schema(Some(slots.into_iter().map(|(name, slot)| (name, slot.into())).collect())))
}

/// [`Slot`] as the store keeps it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct StoredSlot(Option<u32>, Option<String>, bool, bool, bool, #[serde(default)] bool);

impl From<StoredSlot> for Slot {
    fn from(stored: StoredSlot) -> Self {
        let StoredSlot(max_length, other_type, read_only, immutable, mastered_elsewhere, required) =
            stored;
        Self { max_length, other_type, read_only, immutable, mastered_elsewhere, required }
    }
}

fn slots(attributes: Vec<Attribute>) -> BTreeMap<String, StoredSlot> {
    let slot = |attribute: Attribute| {
        let text = attribute.kind.is_empty() || attribute.kind == "string";
        let slot = StoredSlot(
            attribute.max_length.filter(|max| *max > 0),
            (!text).then_some(attribute.kind),
            attribute.mutability == "READ_ONLY",
            attribute.mutability == "IMMUTABLE",
            attribute.master == "OVERRIDE",
            attribute.required,
        );
        (attribute.name, slot)
    };
    attributes.into_iter().map(slot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_was_kept_before_required_attributes_were_known_is_read() {
        let kept = r#"{"lastName": [50, null, false, true, false]}"#;
        let slots: BTreeMap<String, StoredSlot> = serde_json::from_str(kept).expect("a schema");
        let slot: Slot = slots.into_values().map(Slot::from).next().expect("an attribute");
        assert!(slot.immutable && !slot.required);
    }
}
