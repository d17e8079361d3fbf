//! Whether a note stands on a request or a task. Entries of journals are rows of a table of their
//! own, which needs rights of its own
//! (<https://www.servicenow.com/docs/r/api-reference/web-services/retrieving-journal-entries.html>).

use std::collections::{BTreeMap, BTreeSet};

use super::paging::{self, nothing_lacks};
use super::query::{self, Filter};
use super::{ServiceNowError, ServiceNowReader};
use crate::model::{Record, SysId};

const TABLE: &str = "sys_journal_field";
/// More rows than this for one marker are not looked at.
const FEW: u32 = 20;
/// Each stands in the address with its id and its marker: 40 make 4 kB of it.
const NOTES_A_CALL: usize = 40;

const NOT_ASKED_FOR: &str = "notes came that were not asked for: a condition was dropped";

/// A request or a task, and the marker of a note that may stand on it.
pub(crate) type Note = (SysId, String);

impl ServiceNowReader {
    /// Whether a note with this marker stands on a request or a task. `None` where this account may
    /// not read notes, so that nobody can tell.
    pub(crate) async fn has_note(
        &self,
        record: &SysId,
        marker: &str,
    ) -> Result<Option<bool>, ServiceNowError> {
        let operation = &format!("looking for a note on {record}");
        let filter = filter_of(record, marker);
        let filter = filter.map_err(|why| ServiceNowError::unbelievable(operation, why))?;
        let Some((rows, total)) = self.note_rows(operation, &filter, FEW).await? else {
            return Ok(None);
        };
        if !legible(&rows) {
            return Ok(None);
        }
        if rows.iter().any(|row| filter.matches(row).unwrap_or(false)) {
            return Ok(Some(true));
        }
        if !rows.is_empty() {
            return Err(ServiceNowError::unbelievable(operation, NOT_ASKED_FOR));
        }
        Ok(if total > 0 { None } else { Some(false) })
    }

    /// The same of many notes, in a few calls.
    pub(crate) async fn noted(
        &self,
        notes: &[Note],
    ) -> Result<BTreeMap<Note, Option<bool>>, ServiceNowError> {
        let mut told = BTreeMap::new();
        let notes: Vec<&Note> = notes.iter().collect::<BTreeSet<_>>().into_iter().collect();
        for chunk in notes.chunks(NOTES_A_CALL) {
            let listed = match chunk {
                [_] => Listed::of(Others::Untold),
                many => self.list_notes(many).await?,
            };
            for note in chunk {
                let stands = match listed.others {
                    _ if listed.standing.contains(note) => Some(true),
                    Others::Absent => Some(false),
                    Others::Illegible => None,
                    Others::Untold => self.has_note(&note.0, &note.1).await?,
                };
                told.insert((*note).clone(), stands);
            }
        }
        Ok(told)
    }

    async fn list_notes<'a>(&self, notes: &[&'a Note]) -> Result<Listed<'a>, ServiceNowError> {
        let operation = format!("looking for {} notes", notes.len());
        let doubt = |why: String| ServiceNowError::unbelievable(&operation, why);
        let each = notes.iter().map(|(place, marker)| filter_of(place, marker));
        let each: Vec<Filter> = each.collect::<Result<_, _>>().map_err(doubt)?;
        let places: Vec<_> = notes.iter().map(|(place, _)| place.as_str()).collect();
        let markers: Vec<_> =
            notes.iter().map(|(_, marker)| format!("valueLIKE{marker}")).collect();
        let all = format!("element_idIN{}^{}", places.join(","), markers.join("^OR"));
        let all = Filter::parse(&all).map_err(|error| doubt(error.to_string()))?;
        let limit = FEW.max(2 * u32::try_from(notes.len()).unwrap_or(FEW));
        let Some((rows, total)) = self.note_rows(&operation, &all, limit).await? else {
            return Ok(Listed::of(Others::Illegible));
        };
        if !legible(&rows) {
            return Ok(Listed::of(Others::Untold));
        }
        let fits = |row: &Record, filter: &Filter| filter.matches(row).unwrap_or(false);
        if !rows.iter().all(|row| fits(row, &all)) {
            return Err(doubt(NOT_ASKED_FOR.into()));
        }
        let stands = |filter: &Filter| rows.iter().any(|row| fits(row, filter));
        let standing = notes.iter().zip(&each).filter(|(_, filter)| stands(filter));
        Ok(Listed {
            standing: standing.map(|(note, _)| *note).collect(),
            others: if rows.len() as u64 >= total { Others::Absent } else { Others::Untold },
        })
    }

    /// At most so many notes that fit, and how many are counted; `None` where this account may not
    /// read any.
    async fn note_rows(
        &self,
        operation: &str,
        filter: &Filter,
        limit: u32,
    ) -> Result<Option<(Vec<Record>, u64)>, ServiceNowError> {
        let (query, fields) = (filter.ordered(), fields());
        let peek = paging::peek(&self.connection, operation, TABLE, &query, &fields, limit);
        match peek.await {
            Ok(found) => Ok(Some(found)),
            Err(
                ServiceNowError::Forbidden { .. }
                | ServiceNowError::NotFound { .. }
                | ServiceNowError::Refused { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn fields() -> BTreeSet<String> {
    paging::names(["sys_id", "element_id", "value"])
}

fn legible(rows: &[Record]) -> bool {
    rows.iter().all(|row| paging::present(row, &fields(), nothing_lacks).is_ok())
}

/// What one list tells of several notes.
struct Listed<'a> {
    standing: BTreeSet<&'a Note>,
    others: Others,
}

enum Others {
    /// All that are counted came, so the others do not stand.
    Absent,
    /// Some are hidden, or came in part.
    Untold,
    /// This account may not read notes.
    Illegible,
}

impl Listed<'_> {
    fn of(others: Others) -> Self {
        Self { standing: BTreeSet::new(), others }
    }
}

fn filter_of(place: &SysId, marker: &str) -> Result<Filter, String> {
    let marker = query::literal(marker).map_err(|error| error.to_string())?;
    Filter::parse(&format!("element_id={place}^valueLIKE{marker}"))
        .map_err(|error| error.to_string())
}
