//! What Okta's profile can hold: known before a call is made, so that one attribute that cannot be
//! written never stands in the way of the rest.

use std::collections::BTreeMap;

/// What the user schema says of one attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slot {
    /// Longest value in characters, where there is a limit.
    pub max_length: Option<u32>,
    /// Its type, where it is not text.
    pub other_type: Option<String>,
    /// Nobody may write it.
    pub read_only: bool,
    /// It can be set once and never changed.
    pub immutable: bool,
    /// Another system owns its value.
    pub mastered_elsewhere: bool,
    /// Every account must have it.
    pub required: bool,
}

/// The attributes of Okta's profile, by name. `None` where the schema could not be read: then
/// Okta's own refusals tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema(pub Option<BTreeMap<String, Slot>>);

impl Schema {
    /// Why there can be no account without a value of an attribute, if that is so.
    pub fn requires(&self, attribute: &str) -> Option<String> {
        let required = self.0.as_ref()?.get(attribute).is_some_and(|slot| slot.required);
        required.then(|| format!("Okta requires {attribute}, and the record has none"))
    }

    /// Why an attribute cannot be given a value (`None` clears it), if that is so.
    pub fn refuses(
        &self,
        attribute: &str,
        value: Option<&str>,
        actual: Option<&str>,
    ) -> Option<String> {
        let Some(slot) = self.0.as_ref()?.get(attribute) else {
            return Some(format!("Okta's profile has no attribute {attribute:?}"));
        };
        let length = value.map_or(0, |value| value.chars().count());
        if slot.read_only {
            Some(format!("{attribute} is read-only in Okta"))
        } else if slot.mastered_elsewhere {
            Some(format!("{attribute} is owned by another system in Okta"))
        } else if slot.immutable && actual.is_some() {
            Some(format!("{attribute} cannot be changed in Okta once it is set"))
        } else if let (None, Some(why)) = (value, self.requires(attribute)) {
            Some(why)
        } else if let Some(kind) = &slot.other_type {
            Some(format!("{attribute} holds a {kind} in Okta, and the mapping gives text"))
        } else {
            slot.max_length.filter(|max| length > *max as usize).map(|max| {
                format!("{attribute} would be {length} characters long, and Okta takes {max}")
            })
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
        let refuses = |attribute, value, actual| schema().refuses(attribute, value, actual);
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
        assert_eq!(schema().refuses("department", Some("Zürcherößé"), None), None);
    }

    #[test]
    fn without_a_schema_okta_itself_is_asked() {
        assert_eq!(Schema(None).refuses("anything", Some("x"), None), None);
    }
}
