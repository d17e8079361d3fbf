//! Okta's System Log: who changed what, whoever it was.

use chrono::DateTime;
use serde::Deserialize;

use super::OktaError;
use super::reader::{OktaReader, quoted, stamp};
use crate::model::{AccountId, FactKey, Instant};

/// Okta reference: at most 1,000 events a page.
const PAGE: &str = "200";

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// `uuid`: the same event may come twice.
    pub id: String,
    /// When it was published.
    pub at: Instant,
    /// `eventType`, such as `user.lifecycle.suspend`.
    pub kind: String,
    /// Who did it, by name and login.
    pub actor: String,
    /// `client.userAgent.rawUserAgent`; empty where there was none.
    pub user_agent: String,
    /// Ids of everything that it was done to.
    pub targets: Vec<String>,
}

impl LogEvent {
    /// Whether it is a trace of this program.
    pub fn is_ours(&self) -> bool {
        self.user_agent.starts_with("goldthread/")
    }

    /// Whether it may have changed a fact.
    fn concerns(&self, key: &FactKey) -> bool {
        match key {
            FactKey::Account | FactKey::Status => self.kind.starts_with("user.lifecycle."),
            FactKey::Profile(_) => {
                self.kind.starts_with("user.account.update_")
                    || self.kind == "user.lifecycle.create"
            }
            FactKey::Membership(group) => {
                self.kind.starts_with("group.user_membership.")
                    && self.targets.iter().any(|target| target == group.as_str())
            }
        }
    }
}

/// Who else changed a fact last, if the events tell.
pub fn rival<'a>(events: &'a [LogEvent], key: &FactKey) -> Option<&'a str> {
    events
        .iter()
        .filter(|event| !event.is_ours() && event.concerns(key))
        .max_by_key(|event| event.at)
        .map(|event| event.actor.as_str())
}

impl OktaReader {
    /// Reads what happened to an account since a moment; `None` where the credentials may not read
    /// the log.
    ///
    /// Okta reference: a query with both ends is ordered by `published` and may lack what comes
    /// late, so this tells who, and never decides what.
    pub async fn events_about(
        &self,
        account: &AccountId,
        since: Instant,
        until: Instant,
    ) -> Result<Option<Vec<LogEvent>>, OktaError> {
        const OPERATION: &str = "read the System Log";
        let filter = format!("target.id eq {}", quoted(account.as_str()));
        let (since, until) = (stamp(since), stamp(until));
        let query = [
            ("since", since.as_str()),
            ("until", until.as_str()),
            ("filter", filter.as_str()),
            ("limit", PAGE),
        ];
        let url = self.connection().url(&["api", "v1", "logs"], &query);
        let mut events: Vec<LogEvent> = Vec::new();
        let read =
            self.connection()
                .pages(OPERATION, url, &mut |page| {
                    // An event of a shape that is not known tells nothing, and is no reason to stop.
                    events.extend(page.into_iter().filter_map(|value| {
                        serde_json::from_value::<Wire>(value).ok().and_then(read)
                    }));
                    Ok::<_, OktaError>(())
                })
                .await;
        match read {
            Ok(()) => {}
            Err(OktaError::Forbidden(_) | OktaError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
        events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        events.dedup_by(|a, b| a.id == b.id);
        Ok(Some(events))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    uuid: String,
    published: String,
    event_type: String,
    actor: Option<Party>,
    client: Option<Client>,
    target: Option<Vec<Party>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Party {
    id: Option<String>,
    alternate_id: Option<String>,
    display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    user_agent: Option<UserAgent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserAgent {
    raw_user_agent: Option<String>,
}

fn read(wire: Wire) -> Option<LogEvent> {
    let at = DateTime::parse_from_rfc3339(&wire.published).ok()?.with_timezone(&chrono::Utc);
    let targets = wire.target.unwrap_or_default();
    Some(LogEvent {
        id: wire.uuid,
        at,
        kind: wire.event_type,
        actor: wire.actor.map_or_else(|| "somebody".to_owned(), Party::name),
        user_agent: wire
            .client
            .and_then(|client| client.user_agent)
            .and_then(|agent| agent.raw_user_agent)
            .unwrap_or_default(),
        targets: targets.into_iter().filter_map(|target| target.id).collect(),
    })
}

impl Party {
    fn name(self) -> String {
        let known =
            |text: Option<String>| text.filter(|text| !text.is_empty() && text != "unknown");
        match (known(self.display_name), known(self.alternate_id)) {
            (Some(name), Some(login)) if name != login => format!("{name} ({login})"),
            (Some(name), _) => name,
            (None, Some(login)) => login,
            (None, None) => self.id.unwrap_or_else(|| "somebody".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GroupId;

    fn event(at: i64, kind: &str, actor: &str, agent: &str, target: &str) -> LogEvent {
        LogEvent {
            id: at.to_string(),
            at: DateTime::from_timestamp(at, 0).unwrap(),
            kind: kind.to_owned(),
            actor: actor.to_owned(),
            user_agent: agent.to_owned(),
            targets: vec!["u1".to_owned(), target.to_owned()],
        }
    }

    #[test]
    fn the_rival_is_who_changed_the_same_fact_last_and_is_not_us() {
        let events = [
            event(1, "group.user_membership.add", "Early Bird", "Mozilla", "g1"),
            event(2, "group.user_membership.remove", "Pat Admin", "Mozilla", "g1"),
            event(3, "group.user_membership.add", "Goldthread", "goldthread/0.1.0 (R1)", "g1"),
            event(4, "group.user_membership.remove", "Sam Other", "Mozilla", "g2"),
            event(5, "user.account.update_profile", "Workday", "Java", ""),
        ];
        let group = |id: &str| FactKey::Membership(GroupId::parse(id).unwrap());
        assert_eq!(rival(&events, &group("g1")), Some("Pat Admin"));
        assert_eq!(rival(&events, &group("g3")), None);
        let department = FactKey::Profile("department".to_owned());
        assert_eq!(rival(&events, &department), Some("Workday"));
        assert_eq!(rival(&events, &FactKey::Status), None);
    }
}
