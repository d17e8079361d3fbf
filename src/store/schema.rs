//! What Okta's profile can hold, as its user schema said last.

use rusqlite::params;

use super::{Store, StoreError};
use crate::reconcile::schema::{Schema, Slot};

impl Store {
    /// What Okta's profile can hold; nothing is known of it where the schema was never read, or may
    /// not be.
    pub(crate) fn profile_schema(&self) -> Result<Schema, StoreError> {
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
    pub(crate) fn set_profile_schema(&self, schema: &Schema) -> Result<(), StoreError> {
        self.atomically(|| {
            self.run("UPDATE state SET schema_known = ?", [schema.0.is_some()])?;
            self.run("DELETE FROM schema_attributes", [])?;
            for (name, slot) in schema.0.iter().flatten() {
                let Slot {
                    max_length,
                    other_type,
                    read_only,
                    immutable,
                    mastered_elsewhere,
                    required,
                } = slot;
                self.run(
                    "INSERT INTO schema_attributes (name, max_length, other_type, read_only,
                         immutable, mastered_elsewhere, required)
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
