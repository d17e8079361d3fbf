//! Edits of requests after their approval: what the approved values meant, and what was decided.

use rusqlite::params;

use super::columns::Json;
use super::{Edits, Result};
use crate::model::{Operation, SysId, Terms};

impl Edits<'_> {
    /// Whether an edit, by its fingerprint, is the one that was dismissed last.
    pub(crate) fn is_dismissed(&self, id: &SysId, fingerprint: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM requests
                       WHERE sys_id = ? AND dismissed_change = ?)";
        self.0.value(sql, params![id, fingerprint])
    }

    /// The approved values of a request count although it was edited.
    pub(crate) fn dismiss(&self, id: &SysId, fingerprint: &str) -> Result<()> {
        let sql = "UPDATE requests SET dismissed_change = ? WHERE sys_id = ?";
        self.0.run(sql, params![fingerprint, id])
    }

    /// Keeps what the approved values were resolved to, while only a part of it may be carried out;
    /// what is kept already stands.
    pub(crate) fn keep_first_terms(&self, id: &SysId, terms: &Terms) -> Result<()> {
        let kept = (&terms.people, &terms.groups, terms.starts, terms.ends);
        let sql = "UPDATE requests SET first_terms = coalesce(first_terms, ?) WHERE sys_id = ?";
        self.0.run(sql, params![Json(kept), id])
    }

    /// The edit does not wait any more.
    pub(crate) fn forget_first_terms(&self, id: &SysId) -> Result<()> {
        self.0.run("UPDATE requests SET first_terms = NULL WHERE sys_id = ?", [id])
    }

    /// What the approved values were resolved to, while an edit waits.
    pub(crate) fn first_terms(&self, id: &SysId, operation: Operation) -> Result<Option<Terms>> {
        let sql = "SELECT first_terms FROM requests WHERE sys_id = ?";
        let kept: Option<Option<Json<_>>> = self.0.one(sql, [id], |row| row.get(0))?;
        Ok(kept.flatten().map(|Json((people, groups, starts, ends))| Terms {
            operation,
            people,
            groups,
            starts,
            ends,
        }))
    }

    /// Requests about whose edits somebody decided.
    pub(crate) fn decided(&self) -> Result<Vec<SysId>> {
        let sql = "SELECT o.subject FROM open_items o JOIN decisions d
                   ON d.fingerprint = o.fingerprint AND d.over = 0 WHERE o.kind = 'request'";
        self.0.column(sql, [])
    }
}
