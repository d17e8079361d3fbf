//! What the store knows of itself, in one row: its systems, how far changes were read, what the last
//! cycles left for the next. And what Okta's profile can hold.

use rusqlite::named_params;

use super::columns::{At, moment, spelled_here};
use super::{Result, State, Store};
use crate::model::{AccountId, HoldSet, Timestamp};
use crate::reconcile::schema::{Schema, Slot};

/// Whole kinds of action that are held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Quarantine {
    pub(crate) sets: Vec<HoldSet>,
    /// Why the first of them does, for a person to read; `None` where nothing is quarantined.
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupRules {
    Read,
    /// The credentials may not read them any more.
    Hidden,
    /// A complete read showed none, and the one before it some.
    NoneOnce,
}

spelled_here! {
    GroupRules, "way to have read the group rules",
        Read = "read", Hidden = "hidden", NoneOnce = "none once";
}

/// For a column of the row, what reads it and what writes it; a moment says how it stands there.
macro_rules! columns {
    ($(
        $(#[$doc:meta])*
        $column:literal: $get:ident -> $read:ty $(= $from:ident)?, $set:ident($new:ty $(= $to:ident)?);
    )+) => {$(
        $(#[$doc])*
        pub(crate) fn $get(&self) -> Result<$read> {
            let value = self.0.value(concat!("SELECT ", $column, " FROM state"), [])?;
            Ok($($from)?(value))
        }

        pub(crate) fn $set(&self, new: $new) -> Result<()> {
            self.0.run(concat!("UPDATE state SET ", $column, " = ?"), [$($to)?(new)])
        }
    )+};
}

impl State<'_> {
    columns! {
        /// Up to when changes on ServiceNow's side were read, by the earlier of its clock and ours.
        "servicenow_watermark": watermark -> Option<Timestamp> = moment,
            set_watermark(Timestamp = At);
        /// Up to when changes on Okta's side were read, by the earlier of its clock and ours.
        "okta_watermark": okta_watermark -> Option<Timestamp> = moment,
            set_okta_watermark(Timestamp = At);
        /// The first cycle whose rows no decision has followed yet; `None` where every one has.
        "dirty_since_cycle": dirty_since_cycle -> Option<i64>, set_dirty_since_cycle(Option<i64>);
        /// The fingerprint of the configuration by which everybody was last decided about; `None`
        /// where everybody has to be decided about again.
        "configuration": configuration -> Option<String>, set_configuration(Option<&str>);
        /// Why the last complete read was implausible; `None` where it was believed.
        "implausible": implausible -> Option<String>, set_implausible(Option<&str>);
        /// The Okta account that we sign in as; `None` where it is none, or was never asked.
        "own_account": own_account -> Option<AccountId>, set_own_account(Option<&AccountId>);
        /// When names that were not found were last looked up again.
        "names_tried_at": names_tried_at -> Option<Timestamp> = moment,
            set_names_tried_at(Timestamp = At);
        /// How the group rules were read last; `None` before the first time.
        "group_rules": group_rules -> Option<GroupRules>, set_group_rules(GroupRules);
    }

    pub(crate) fn quarantine(&self) -> Result<Quarantine> {
        let sets = self.0.column("SELECT in_set FROM quarantined_sets ORDER BY in_set", [])?;
        let reason = self.0.value("SELECT quarantined FROM state", [])?;
        Ok(Quarantine { sets, reason })
    }

    pub(crate) fn set_quarantine(&self, quarantine: &Quarantine) -> Result<()> {
        if self.quarantine()? == *quarantine {
            return Ok(());
        }
        self.0.atomically(|| {
            let Quarantine { sets, reason } = quarantine;
            self.0.run("UPDATE state SET quarantined = ?", [reason])?;
            self.0.run("DELETE FROM quarantined_sets", [])?;
            sets.iter().try_for_each(|set| {
                self.0.run("INSERT OR IGNORE INTO quarantined_sets (in_set) VALUES (?)", [set])
            })
        })
    }
}

impl Store {
    /// What Okta's profile can hold; `None` in it where that was never read, or may not be.
    pub(crate) fn profile_schema(&self) -> Result<Schema> {
        if !self.value::<bool>("SELECT schema_known FROM state", [])? {
            return Ok(Schema(None));
        }
        let sql = "SELECT name, max_length, other_type, read_only, immutable, mastered_elsewhere,
                       required FROM schema_attributes";
        let slots = self.all(sql, [], |row| {
            let slot = Slot {
                max_length: row.get(1)?,
                other_type: row.get(2)?,
                read_only: row.get(3)?,
                immutable: row.get(4)?,
                mastered_elsewhere: row.get(5)?,
                required: row.get(6)?,
            };
            Ok((row.get(0)?, slot))
        })?;
        Ok(Schema(Some(slots)))
    }

    /// Keeps what the schema says now, in place of what it said before.
    pub(crate) fn set_profile_schema(&self, schema: &Schema) -> Result<()> {
        self.atomically(|| {
            self.run("UPDATE state SET schema_known = ?", [schema.0.is_some()])?;
            self.run("DELETE FROM schema_attributes", [])?;
            schema.0.iter().flatten().try_for_each(|(name, slot)| {
                let row = named_params! {
                    "name": name,
                    "max_length": slot.max_length,
                    "other_type": slot.other_type,
                    "read_only": slot.read_only,
                    "immutable": slot.immutable,
                    "mastered_elsewhere": slot.mastered_elsewhere,
                    "required": slot.required,
                };
                self.insert("schema_attributes", row, "")
            })
        })
    }
}
