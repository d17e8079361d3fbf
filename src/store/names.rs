//! What the names of the configuration mean: what they were first seen to name, so that a renamed
//! object keeps its meaning.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::{Names, Result};
use crate::model::{GroupId, SysId};

impl Names<'_> {
    pub(crate) fn group(&self, name: &str) -> Result<Option<GroupId>> {
        let sql = "SELECT group_id FROM group_names WHERE name = ?";
        self.0.one(sql, [name], |row| row.get(0))
    }

    pub(crate) fn insert_group(&self, name: &str, group: &GroupId) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO group_names (name, group_id) VALUES (?, ?)";
        self.0.run(sql, params![name, group])
    }

    pub(crate) fn items(&self) -> Result<BTreeMap<String, SysId>> {
        let sql = "SELECT name, item FROM item_names";
        self.0.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Remembers one; the first meaning stands.
    pub(crate) fn insert_item(&self, name: &str, item: &SysId) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO item_names (name, item) VALUES (?, ?)";
        self.0.run(sql, params![name, item])
    }

    /// The ids of the people and accounts that a name of `guard.protected_users` stood for first,
    /// of either system.
    pub(crate) fn users(&self, name: &str) -> Result<BTreeSet<String>> {
        self.0.column("SELECT id FROM user_names WHERE name = ?", [name])
    }

    pub(crate) fn insert_user(&self, name: &str, id: &str) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO user_names (name, id) VALUES (?, ?)";
        self.0.run(sql, params![name, id])
    }
}
