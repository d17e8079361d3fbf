//! What Okta's profile can hold, as its user schema said last.

use rusqlite::params;

use super::{Store, StoreError};

/// One attribute of Okta's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttributeRow {
    /// Its name, such as `department`.
    pub(crate) name: String,
    /// Longest value in characters, where there is a limit.
    pub(crate) max_length: Option<u32>,
    /// Its type, where it is not text.
    pub(crate) other_type: Option<String>,
    /// Nobody may write it.
    pub(crate) read_only: bool,
    /// It can be set once and never changed.
    pub(crate) immutable: bool,
    /// Another system owns its value.
    pub(crate) mastered_elsewhere: bool,
    /// Every account must have it.
    pub(crate) required: bool,
}

/// What Okta's profile can hold.
#[derive(Debug)]
pub(crate) struct ProfileSchema<'a>(pub(super) &'a Store);

impl ProfileSchema<'_> {
    /// Every attribute; `None` where the schema was never read, or may not be.
    pub(crate) fn attributes(&self) -> Result<Option<Vec<AttributeRow>>, StoreError> {
        if !self.0.value::<bool>("SELECT schema_known FROM state", [])? {
            return Ok(None);
        }
        let sql = "SELECT name, max_length, other_type, read_only, immutable, mastered_elsewhere,
                       required FROM schema_attributes";
        let attributes = self.0.all(sql, [], |row| {
            Ok(AttributeRow {
                name: row.get(0)?,
                max_length: row.get(1)?,
                other_type: row.get(2)?,
                read_only: row.get(3)?,
                immutable: row.get(4)?,
                mastered_elsewhere: row.get(5)?,
                required: row.get(6)?,
            })
        })?;
        Ok(Some(attributes))
    }

    /// Keeps what the schema says now, in place of what it said before; `None` where it may not be
    /// read.
    pub(crate) fn replace(&self, attributes: Option<&[AttributeRow]>) -> Result<(), StoreError> {
        self.0.atomically(|| {
            self.0.run("UPDATE state SET schema_known = ?", [attributes.is_some()])?;
            self.0.run("DELETE FROM schema_attributes", [])?;
            for attribute in attributes.unwrap_or_default() {
                let AttributeRow {
                    name,
                    max_length,
                    other_type,
                    read_only,
                    immutable,
                    mastered_elsewhere,
                    required,
                } = attribute;
                self.0.run(
                    "INSERT OR REPLACE INTO schema_attributes (name, max_length, other_type,
                         read_only, immutable, mastered_elsewhere, required)
                     VALUES (?, ?, ?, ?, ?, ?, ?)",
                    params![
                        name,
                        max_length,
                        other_type,
                        read_only,
                        immutable,
                        mastered_elsewhere,
                        required
                    ],
                )?;
            }
            Ok(())
        })
    }
}
