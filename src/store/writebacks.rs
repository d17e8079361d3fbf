//! What was written on requests, and what became of it.

use rusqlite::params;

use super::columns::{At, Count, moment};
use super::{Result, Writebacks};
use crate::model::{SysId, Timestamp};

impl Writebacks<'_> {
    /// Remembers a note by its marker, `[goldthread:RITM0010001:done]`.
    pub(crate) fn insert_note(&self, request: &SysId, marker: &str, now: Timestamp) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO notes (request, marker, at) VALUES (?, ?, ?)";
        self.0.run(sql, params![request, marker, At(now)])
    }

    pub(crate) fn last_note(&self, request: &SysId) -> Result<Option<String>> {
        let sql = "SELECT marker FROM notes WHERE request = ? ORDER BY at DESC LIMIT 1";
        self.0.one(sql, [request], |row| row.get(0))
    }

    pub(crate) fn has_note(&self, request: &SysId, marker: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM notes WHERE request = ? AND marker = ?)";
        self.0.value(sql, params![request, marker])
    }

    /// A note is about to be written while the request has this `sys_mod_count` and these open tasks.
    pub(crate) fn insert_try(
        &self,
        request: &SysId,
        marker: &str,
        mod_count: u64,
        open_tasks: usize,
    ) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO note_tries (request, marker, mod_count, open_tasks)
                   VALUES (?, ?, ?, ?)";
        self.0.run(sql, params![request, marker, Count(mod_count), Count(open_tasks as u64)])
    }

    /// Whether that was so before, and never with this `sys_mod_count` and these open tasks:
    /// something has changed it since, which may have been the note.
    pub(crate) fn changed_since_try(
        &self,
        request: &SysId,
        marker: &str,
        mod_count: u64,
        open_tasks: usize,
    ) -> Result<bool> {
        let sql = "SELECT count(*) > 0 AND NOT max(mod_count = ?3 AND open_tasks = ?4)
                   FROM note_tries WHERE request = ?1 AND marker = ?2";
        let open_tasks = Count(open_tasks as u64);
        self.0.value(sql, params![request, marker, Count(mod_count), open_tasks])
    }

    /// Remembers why a request could not be written on, and says whether that is news.
    pub(crate) fn insert_unwritten(
        &self,
        request: &SysId,
        error: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let sql =
            "INSERT OR IGNORE INTO unwritten (request, error, at) VALUES (?, ?, ?) RETURNING 1";
        Ok(self.0.one(sql, params![request, error, At(now)], |_| Ok(()))?.is_some())
    }

    /// Since when somebody whom a request names is looked for: since `now`, where that has not begun.
    pub(crate) fn looked_for_since(&self, request: &SysId, now: Timestamp) -> Result<Timestamp> {
        let sql = "INSERT INTO writebacks (request, looked_for_since) VALUES (?1, ?2)
                   ON CONFLICT (request) DO UPDATE
                       SET looked_for_since = coalesce(looked_for_since, ?2)
                   RETURNING looked_for_since";
        Ok(self.0.value::<At>(sql, params![request, At(now)])?.0)
    }

    pub(crate) fn state_written(&self, request: &SysId, now: Timestamp) -> Result<()> {
        let sql = "INSERT INTO writebacks (request, state_written_at) VALUES (?1, ?2)
                   ON CONFLICT (request) DO UPDATE
                       SET state_written_at = coalesce(state_written_at, ?2)";
        self.0.run(sql, params![request, At(now)])
    }

    /// When the state of a request was written; `None` also once it was seen not to have been kept.
    pub(crate) fn state_kept_since(&self, request: &SysId) -> Result<Option<Timestamp>> {
        let sql = "SELECT state_written_at FROM writebacks
                   WHERE request = ? AND state_unkept_at IS NULL";
        Ok(self.0.one(sql, [request], |row| row.get(0))?.and_then(moment))
    }

    pub(crate) fn state_unkept(&self, request: &SysId, now: Timestamp) -> Result<()> {
        let sql = "UPDATE writebacks SET state_unkept_at = ?2 WHERE request = ?1";
        self.0.run(sql, params![request, At(now)])
    }
}
