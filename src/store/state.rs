//! What the store knows of itself: its systems, how far changes were read.

use rusqlite::OptionalExtension;

use super::{Store, StoreError, moment, stamp};
use crate::model::Timestamp;

/// What the store knows of itself: its systems, how far changes were read.
#[derive(Debug)]
pub struct State<'a>(pub(super) &'a Store);

impl State<'_> {
    /// A remembered word of the store itself: its orgs, its watermarks.
    pub fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM meta WHERE key = ?";
        Ok(self.0.conn.query_row(sql, [key], |row| row.get(0)).optional()?)
    }

    /// Remembers such a word.
    pub fn set(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.0.conn.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
            [key, value],
        )?;
        Ok(())
    }

    /// Up to when changes on ServiceNow's side were read.
    pub fn watermark(&self) -> Result<Option<Timestamp>, StoreError> {
        self.get("watermark")?.map(|text| moment(&text)).transpose()
    }

    /// Up to when changes on Okta's side were read, by our clock.
    pub fn okta_watermark(&self) -> Result<Option<Timestamp>, StoreError> {
        self.get("okta_watermark")?.map(|text| moment(&text)).transpose()
    }

    /// Moves it.
    pub fn set_okta_watermark(&self, at: Timestamp) -> Result<(), StoreError> {
        self.set("okta_watermark", &stamp(at))
    }

    /// Moves the watermark.
    pub fn set_watermark(&self, at: Timestamp) -> Result<(), StoreError> {
        self.set("watermark", &stamp(at))
    }
}
