//! What ServiceNow says of a person.

use std::collections::BTreeMap;

use super::SysId;
use super::words::words;

/// Field name to stored value, dot-walks spelled as asked for: `department.name`.
///
/// Everything is a string, as ServiceNow sends it; an empty field is an empty string.
pub type Record = BTreeMap<String, String>;

/// A `sys_user` row, with the fields that are needed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The row's id: the one key that a rename, a marriage or a rehire does not change.
    pub sys_id: SysId,
    /// Whether the row is among the people that the configuration names.
    pub presence: Presence,
    /// Exactly the fields that the configuration needs, and always [`Person::FIELDS`].
    pub record: Record,
    /// `sys_updated_on`, as sent (`YYYY-MM-DD HH:MM:SS`, UTC).
    pub updated_on: String,
    /// `sys_mod_count`: unchanged means that this row was seen before.
    pub mod_count: u64,
}

impl Person {
    /// The fields that are always read, whatever the configuration maps.
    pub const FIELDS: [&'static str; 4] = ["user_name", "email", "name", "active"];

    /// One field of the record; empty where it was not read.
    pub fn field(&self, name: &str) -> &str {
        self.record.get(name).map_or("", String::as_str)
    }

    /// The ServiceNow login, trimmed.
    pub fn user_name(&self) -> &str {
        self.field("user_name").trim()
    }

    /// The e-mail address, trimmed. Not unique, and may be empty.
    pub fn email(&self) -> &str {
        self.field("email").trim()
    }

    /// Whether the record is active.
    pub fn is_active(&self) -> bool {
        self.field("active") == "true"
    }
}

words! {
    /// Where a person's row stands, as far as the last reads can tell.
    pub enum Presence {
        /// The row is among the configured people.
        Present = "present",
        /// The row exists but is outside `servicenow.users`: unmanaged, never disabled.
        Outside = "outside",
        /// The row was not in a complete read, and its absence is not confirmed yet.
        Missing = "missing",
        /// The instance counts the row and does not show it. What it said last stands.
        Hidden = "hidden",
        /// The instance did not count the row in two reads ten minutes apart, and nothing shows that
        /// it was deleted: a rule that takes rows out of every query looks the same.
        Vanished = "vanished",
        /// The row was deleted, and ServiceNow's audit shows it.
        Gone = "gone",
    }
}
