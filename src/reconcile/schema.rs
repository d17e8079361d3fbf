//! What Okta's profile can hold: known before a call is made, so that one attribute that cannot be
//! written never stands in the way of the rest.

use std::collections::BTreeMap;

use crate::model::{Account, AttributeRefusal};

/// What Okta's user schema says of one attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Longest value in characters, where there is a limit.
    pub max_length: Option<u32>,
    /// Its type, where it is not text.
    pub other_type: Option<String>,
    pub read_only: bool,
    /// It can be set once and never changed.
    pub immutable: bool,
    /// Another system owns its value.
    pub mastered_elsewhere: bool,
    pub required: bool,
}

/// The attributes of Okta's profile, by name. `None` where the schema could not be read: then
/// Okta's own refusals tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Schema(pub Option<BTreeMap<String, Slot>>);

impl Schema {
    /// Why there can be no account without a value of an attribute, if that is so.
    pub(crate) fn requires(&self, attribute: &str) -> Option<AttributeRefusal> {
        let required = self.0.as_ref()?.get(attribute).is_some_and(|slot| slot.required);
        required.then(|| AttributeRefusal::Required(attribute.to_owned()))
    }

    /// Why an attribute of an account, or of one that is about to be made, cannot be given a value
    /// (`None` clears it), if that is so.
    ///
    /// What a directory owns is changed there: Okta refuses it, or the next import takes it back
    /// (<https://developer.okta.com/docs/reference/api/users/#profile-object>).
    pub(crate) fn refuses(
        &self,
        attribute: &str,
        value: Option<&str>,
        actual: Option<&str>,
        account: Option<&Account>,
    ) -> Option<AttributeRefusal> {
        let provider = account.map(|account| account.provider.clone());
        let owner = provider.filter(|it| matches!(it.as_str(), "ACTIVE_DIRECTORY" | "LDAP"));
        let mastered = owner.map(|provider| AttributeRefusal::Mastered { provider });
        let Some(slots) = &self.0 else { return mastered };
        let attribute = attribute.to_owned();
        let Some(slot) = slots.get(&attribute) else {
            return Some(AttributeRefusal::Unknown(attribute));
        };
        let length = value.map_or(0, |value| value.chars().count());
        match (&slot.other_type, slot.max_length) {
            _ if slot.read_only => Some(AttributeRefusal::ReadOnly(attribute)),
            _ if slot.mastered_elsewhere => Some(AttributeRefusal::OwnedElsewhere(attribute)),
            _ if slot.immutable && actual.is_some() => Some(AttributeRefusal::Immutable(attribute)),
            _ if slot.required && value.is_none() => Some(AttributeRefusal::Required(attribute)),
            (Some(kind), _) => Some(AttributeRefusal::Type { attribute, kind: kind.clone() }),
            (None, Some(max)) if length > max as usize => {
                Some(AttributeRefusal::TooLong { attribute, length, max })
            }
            _ => mastered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema(Some(BTreeMap::from([
            ("department".to_owned(), Slot { max_length: Some(10), ..Slot::default() }),
            ("badge".to_owned(), Slot { immutable: true, ..Slot::default() }),
            ("employeeNumber".to_owned(), Slot { read_only: true, ..Slot::default() }),
            ("title".to_owned(), Slot { mastered_elsewhere: true, ..Slot::default() }),
            ("lastName".to_owned(), Slot { required: true, ..Slot::default() }),
            ("tags".to_owned(), Slot { other_type: Some("array".to_owned()), ..Slot::default() }),
        ])))
    }

    #[test]
    fn only_what_okta_takes_is_sent() {
        let refuses = |attribute, value, actual| {
            schema().refuses(attribute, value, actual, None).map(|refusal| refusal.to_string())
        };
        assert_eq!(refuses("department", Some("Sales"), None), None);
        assert_eq!(refuses("department", None, Some("Sales")), None);
        assert_eq!(refuses("badge", Some("7"), None), None);
        assert!(refuses("badge", Some("8"), Some("7")).unwrap().contains("once it is set"));
        assert!(refuses("department", Some("Sales and more"), None).unwrap().contains("takes 10"));
        assert!(refuses("employeeNumber", Some("1"), None).unwrap().contains("read-only"));
        assert!(refuses("title", Some("Dr"), None).unwrap().contains("another system"));
        assert!(refuses("lastName", None, Some("Müller")).unwrap().contains("requires"));
        assert_eq!(refuses("lastName", Some("Müller"), None), None);
        assert!(refuses("tags", Some("a"), None).unwrap().contains("array"));
        assert!(refuses("costCentre", Some("1"), None).unwrap().contains("costCentre"));
    }

    #[test]
    fn a_length_is_counted_in_characters_and_not_in_octets() {
        assert_eq!(schema().refuses("department", Some("Zürcherößé"), None, None), None);
    }

    #[test]
    fn without_a_schema_okta_itself_is_asked() {
        assert_eq!(Schema(None).refuses("anything", Some("x"), None, None), None);
    }
}
