//! The half that writes: notes and states on requested items and their tasks, nothing else.

use serde_json::json;

use super::paging;
use super::{Connection, ServiceNowError};
use crate::model::{SysId, shown};

/// The only type that writes to ServiceNow.
#[derive(Debug, Clone)]
pub(crate) struct ServiceNowWriter {
    connection: Connection,
}

/// What to write on a request, in one call so that it stands or falls together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closing<'a> {
    /// The journal to write into: `work_notes` or `comments`.
    pub note_field: &'a str,
    /// The note, with its marker.
    pub note: &'a str,
    /// The new `state`; `None` leaves it.
    pub state: Option<&'a str>,
}

/// The row as the instance shows it after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Echo {
    pub state: String,
    pub active: bool,
    /// `sys_mod_count` now. Not moved on since the last read means that nothing was stored.
    pub mod_count: Option<u64>,
    /// Whether `state` is what was written; true where none was.
    pub state_taken: bool,
    /// The note's field does not exist or may not be touched: it was left out of the answer.
    /// The note itself is never shown, so only a look for its marker proves it.
    pub note_dropped: bool,
}

impl ServiceNowWriter {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Writes a note on a requested item, with or without closing it, in one PATCH.
    /// Sent again only where it was certainly not carried out. After
    /// [`ServiceNowError::NoAnswer`] look for the note's marker first: notes add up.
    pub(crate) async fn close(
        &self,
        request: &SysId,
        closing: &Closing<'_>,
    ) -> Result<Echo, ServiceNowError> {
        let operation = format!("writing back on the request {request}");
        self.write(&operation, "sc_req_item", request, closing).await
    }

    /// Writes a note on a task and gives it a state, in one PATCH.
    pub(crate) async fn close_task(
        &self,
        task: &SysId,
        closing: &Closing<'_>,
    ) -> Result<Echo, ServiceNowError> {
        self.write(&format!("closing the task {task}"), "sc_task", task, closing).await
    }

    async fn write(
        &self,
        operation: &str,
        table: &str,
        id: &SysId,
        closing: &Closing<'_>,
    ) -> Result<Echo, ServiceNowError> {
        let Closing { note_field, note, state } = *closing;
        let mut body = json!({ note_field: plain(note) });
        if let Some(state) = state {
            body["state"] = state.into();
        }
        let body = body.to_string().into_bytes();
        let fields = paging::names(["sys_id", "state", "active", "sys_mod_count", note_field]);
        let row = self.connection.patch(operation, table, id, body, &fields).await?;
        let now = row.get("state").cloned().unwrap_or_default();
        Ok(Echo {
            state_taken: state.is_none_or(|written| written == now),
            state: now,
            active: row.get("active").is_some_and(|active| active == "true"),
            mod_count: row.get("sys_mod_count").and_then(|count| count.parse().ok()),
            note_dropped: !row.contains_key(note_field),
        })
    }
}

/// A note in which nothing acts, and without the mark that makes ServiceNow show HTML: other systems'
/// texts stand in it.
fn plain(note: &str) -> String {
    shown::page(note).replace("[code]", "[ code]").replace("[/code]", "[ /code]")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_note_cannot_bring_html_or_control_characters_with_it() {
        assert_eq!(plain("a\u{7}b\n[code]<b>[/code]"), "a\\u{7}b\n[ code]<b>[ /code]");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
    }
}
