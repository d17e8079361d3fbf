//! What speaks for and against that an account is gone.

use chrono::TimeDelta;

use super::error::OktaError;
use super::log::{Changed, LogEvent};
use super::reader::{OktaReader, quoted};
use crate::http::Deletion;
use crate::model::AccountId;

/// How long Okta keeps its log
/// (<https://developer.okta.com/docs/reference/system-log-query/>).
const KEPT: TimeDelta = TimeDelta::days(90);

/// What the System Log says of the deletion of an account, as far back as Okta keeps it. The id
/// of one that is deleted is never given to another. A log that fails for now says nothing: that is an
/// error, and only one that may not be read at all is [`Deletion::Unreadable`].
pub(crate) async fn deleted_in_log(
    reader: &OktaReader,
    account: &AccountId,
) -> Result<Deletion, OktaError> {
    let filter = format!(
        "target.id eq {} and eventType sw \"user.lifecycle.delete.\"",
        quoted(account.as_str())
    );
    let end = reader.log_end();
    let since = reader.connection().org_time().unwrap_or(end) - KEPT;
    let events = match reader.events(&filter, since, end).await {
        Ok(Some(events)) => events,
        Ok(None) => {
            let why = "the System Log may not be read, or the org does not have it";
            return Ok(Deletion::Unreadable(why.into()));
        }
        Err(error) => return Err(error.about(account.as_str())),
    };
    let deletes = |event: &&LogEvent| {
        event.event_type.starts_with("user.lifecycle.delete.")
            && event.changes(Changed::Status)
            && event.targets.iter().any(|target| target.id == account.as_str())
    };
    let at = events.iter().filter(deletes).map(|event| event.at).max();
    Ok(at.map_or(Deletion::NotShown, Deletion::Shown))
}
