//! What the store knows of itself: its systems, how far changes were read, what the last cycles
//! left for the next. One row.

use super::columns::{At, moment, spelled_here};
use super::opening::Orgs;
use super::{Store, StoreError};
use crate::model::{AccountId, HoldSet, Timestamp};

/// Whole kinds of action that are held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Quarantine {
    /// The sets that wait, by name.
    pub(crate) sets: Vec<HoldSet>,
    /// Why the first of them does, for a person to read; `None` where nothing is quarantined.
    pub(crate) reason: Option<String>,
}

/// How Okta's group rules were read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupRules {
    /// Okta gave the list, and it is believed.
    Read,
    /// The credentials may not read them any more.
    Hidden,
    /// A complete read showed none, and the one before it some.
    NoneOnce,
}

spelled_here! {
    GroupRules, "way to have read the group rules", {
        Read = "read",
        Hidden = "hidden",
        NoneOnce = "none once",
    }
}

/// What the store knows of itself: its systems, how far changes were read.
#[derive(Debug)]
pub(crate) struct State<'a>(pub(super) &'a Store);

impl State<'_> {
    /// The base addresses of ServiceNow and of Okta that the store belongs to, each where it is
    /// bound to one.
    pub(super) fn orgs(&self) -> Result<(Option<String>, Option<String>), StoreError> {
        let sql = "SELECT servicenow, okta FROM state";
        let orgs = self.0.one(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        orgs.ok_or_else(|| StoreError::Corrupt("its row of state is gone".to_owned()))
    }

    pub(super) fn set_orgs(&self, orgs: &Orgs) -> Result<(), StoreError> {
        let sql = "UPDATE state SET servicenow = ?, okta = ?";
        self.0.run(sql, [&orgs.servicenow, &orgs.okta])?;
        Ok(())
    }

    /// Up to when changes on ServiceNow's side were read, by the earlier of its clock and ours.
    pub(crate) fn watermark(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(moment(self.0.value("SELECT servicenow_watermark FROM state", [])?))
    }

    pub(crate) fn set_watermark(&self, at: Timestamp) -> Result<(), StoreError> {
        self.0.run("UPDATE state SET servicenow_watermark = ?", [At(at)])?;
        Ok(())
    }

    /// Up to when changes on Okta's side were read, by the earlier of its clock and ours.
    pub(crate) fn okta_watermark(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(moment(self.0.value("SELECT okta_watermark FROM state", [])?))
    }

    pub(crate) fn set_okta_watermark(&self, at: Timestamp) -> Result<(), StoreError> {
        self.0.run("UPDATE state SET okta_watermark = ?", [At(at)])?;
        Ok(())
    }

    /// The first cycle whose rows no decision has followed yet, where one ended before it decided.
    pub(crate) fn dirty_since_cycle(&self) -> Result<Option<i64>, StoreError> {
        self.0.value("SELECT dirty_since_cycle FROM state", [])
    }

    /// Notes that rows are kept from this cycle on, or (`None`) that everything was decided about.
    pub(crate) fn set_dirty_since_cycle(&self, cycle: Option<i64>) -> Result<(), StoreError> {
        self.0.run("UPDATE state SET dirty_since_cycle = ?", [cycle])?;
        Ok(())
    }

    /// The fingerprint of the configuration by which everybody was last decided about; `None` where
    /// everybody has to be decided about again.
    pub(crate) fn configuration(&self) -> Result<Option<String>, StoreError> {
        self.0.value("SELECT configuration FROM state", [])
    }

    pub(crate) fn set_configuration(&self, fingerprint: Option<&str>) -> Result<(), StoreError> {
        self.0.run("UPDATE state SET configuration = ?", [fingerprint])?;
        Ok(())
    }

    /// Why the last complete read was implausible; `None` where it was believed.
    pub(crate) fn implausible(&self) -> Result<Option<String>, StoreError> {
        self.0.value("SELECT implausible FROM state", [])
    }

    /// Keeps it until the next complete read.
    pub(crate) fn set_implausible(&self, why: Option<&str>) -> Result<(), StoreError> {
        self.0.run("UPDATE state SET implausible = ?", [why])?;
        Ok(())
    }

    /// Which whole kinds of action are held.
    pub(crate) fn quarantine(&self) -> Result<Quarantine, StoreError> {
        let sets = self.0.column("SELECT in_set FROM quarantined_sets ORDER BY in_set", [])?;
        let reason = self.0.value("SELECT quarantined FROM state", [])?;
        Ok(Quarantine { sets, reason })
    }

    pub(crate) fn set_quarantine(&self, quarantine: &Quarantine) -> Result<(), StoreError> {
        // Every change is a commit, and nearly always there is none.
        if self.quarantine()? == *quarantine {
            return Ok(());
        }
        self.0.atomically(|| {
            let Quarantine { sets, reason } = quarantine;
            self.0.run("UPDATE state SET quarantined = ?", [reason])?;
            self.0.run("DELETE FROM quarantined_sets", [])?;
            for set in sets {
                self.0.run("INSERT OR IGNORE INTO quarantined_sets (in_set) VALUES (?)", [set])?;
            }
            Ok(())
        })
    }

    /// What was said last of the configured groups that cannot be used; empty where all can.
    pub(crate) fn unusable_rules(&self) -> Result<String, StoreError> {
        self.0.value("SELECT unusable_rules FROM state", [])
    }

    pub(crate) fn set_unusable_rules(&self, said: &str) -> Result<(), StoreError> {
        self.0.run("UPDATE state SET unusable_rules = ?", [said])?;
        Ok(())
    }

    /// The Okta account that we sign in as; `None` where it is none, or was never asked.
    pub(crate) fn own_account(&self) -> Result<Option<AccountId>, StoreError> {
        self.0.value("SELECT own_account FROM state", [])
    }

    pub(crate) fn set_own_account(&self, account: Option<&AccountId>) -> Result<(), StoreError> {
        self.0.run("UPDATE state SET own_account = ?", [account])?;
        Ok(())
    }

    /// When names that were not found were last looked up again.
    pub(crate) fn names_tried_at(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(moment(self.0.value("SELECT names_tried_at FROM state", [])?))
    }

    pub(crate) fn set_names_tried_at(&self, at: Timestamp) -> Result<(), StoreError> {
        self.0.run("UPDATE state SET names_tried_at = ?", [At(at)])?;
        Ok(())
    }

    /// How the group rules were read last; `None` before the first time.
    pub(crate) fn group_rules(&self) -> Result<Option<GroupRules>, StoreError> {
        self.0.value("SELECT group_rules FROM state", [])
    }

    pub(crate) fn set_group_rules(&self, rules: GroupRules) -> Result<(), StoreError> {
        self.0.run("UPDATE state SET group_rules = ?", [rules])?;
        Ok(())
    }
}
