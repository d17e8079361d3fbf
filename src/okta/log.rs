//! The System Log: who changed an account, and whether that was us.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::error::{OktaError, clean, unbelievable};
use super::reader::{OktaReader, quoted, stamp};
use super::wire::shape;
use crate::model::{AccountId, GroupId, Timestamp};

const OPERATION: &str = "read the System Log";
/// Events of the largest page: the log's rate limit is a small one
/// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/#tag/SystemLog/operation/listLogEvents>).
const PAGE: &str = "1000";
/// Far more pages than one would read. A query with both ends has a last page
/// (<https://developer.okta.com/docs/reference/system-log-query/>).
const MOST_PAGES: usize = 50;
/// How far beyond now a query reaches: clocks differ, and nothing is in the log before it
/// happened.
const AHEAD: TimeDelta = TimeDelta::days(1);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogEvent {
    /// `uuid`: the same where an event comes twice.
    pub id: String,
    /// `published`.
    pub at: Timestamp,
    /// `eventType`, such as `user.lifecycle.suspend`.
    pub event_type: String,
    pub actor: Party,
    /// `client.userAgent.rawUserAgent`: what the caller named itself.
    pub user_agent: Option<String>,
    /// What it was done to, in no particular order.
    pub targets: Vec<Party>,
    /// `transaction.id`, which the events of one call share.
    pub transaction_id: Option<String>,
    /// `debugContext.debugData.requestId`: in Okta's examples the `X-Okta-Request-Id` of the call.
    /// Debug data may change with any release
    /// (<https://developer.okta.com/docs/reference/rl-system-log-events/>).
    pub request_id: Option<String>,
    /// `outcome.result`, such as `SUCCESS` or `FAILURE`.
    pub outcome: Option<String>,
}

/// Who did something, or what it was done to: a person, a group, an app, or Okta itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "WireEntity")]
pub(crate) struct Party {
    /// Empty if not said.
    pub id: String,
    /// `User`, `UserGroup`, `PublicClientApp`, `SystemPrincipal`, …
    pub kind: String,
    /// What to call it: its display name, else its alternate id, else its id.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed<'a> {
    /// Whether it belongs to this group.
    Membership(&'a GroupId),
    Profile,
    Status,
}

impl LogEvent {
    /// Whether it came about by a call of this program, of whatever version.
    /// `rawUserAgent` is the caller's `User-Agent` as sent
    /// (<https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/#tag/SystemLog/operation/listLogEvents>).
    pub(crate) fn is_ours(&self) -> bool {
        self.user_agent.as_ref().is_some_and(|agent| agent.starts_with("goldthread/"))
    }

    /// Whether it changed this, and did not merely try to.
    pub(crate) fn changes(&self, what: Changed<'_>) -> bool {
        let kind = self.event_type.as_str();
        // An outcome that is new or left out does not say that nothing happened.
        let failed = matches!(self.outcome.as_deref(), Some("FAILURE" | "DENY" | "SKIPPED"));
        !failed
            && match what {
                // A rule's exclusion follows from a removal, and changes no membership itself.
                Changed::Membership(group) => {
                    kind.strip_prefix("group.user_membership.")
                        .is_some_and(|rest| !rest.starts_with("rule."))
                        && self.targets.iter().any(|target| target.id == group.as_str())
                }
                Changed::Profile => matches!(
                    kind,
                    "user.account.update_profile"
                        | "user.account.update_primary_email"
                        | "user.account.update_secondary_email"
                        | "user.account.update_user_type"
                ),
                Changed::Status => kind.starts_with("user.lifecycle."),
            }
    }
}

/// Who, other than us, changed this last: the name, for people. The events are those of one
/// account, as [`OktaReader::changes_of`] gives them.
pub(crate) fn rival(events: &[LogEvent], what: Changed<'_>) -> Option<String> {
    events
        .iter()
        .filter(|event| event.changes(what) && !event.is_ours())
        .max_by_key(|event| event.at)
        .map(|event| event.actor.name.clone())
}

impl OktaReader {
    /// What happened to an account since a moment, oldest first: to its life cycle, its profile
    /// and other data, and its memberships. `None` where the credentials may not read the log,
    /// for which they need the scope `okta.logs.read` and an administrator role.
    /// Events are there nearly at once, rarely later, and for 90 days; a `since` of more than 180 days
    /// ago is refused (<https://developer.okta.com/docs/reference/system-log-query/>).
    /// An event without id, time or type is left out.
    pub(crate) async fn changes_of(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> Result<Option<Vec<LogEvent>>, OktaError> {
        // The account's sign-ins, which are most of the log, stay where they are.
        let filter = format!(
            "target.id eq {} and (eventType sw \"user.lifecycle.\" or eventType sw \
             \"user.account.\" or eventType sw \"group.user_membership.\")",
            quoted(account.as_str())
        );
        self.events(&filter, since, self.log_end().max(since)).await
    }

    /// A moment beyond everything that is in the log by now.
    pub(super) fn log_end(&self) -> Timestamp {
        self.connection().org_time().map_or_else(Utc::now, |org| org.max(Utc::now())) + AHEAD
    }

    /// Reads the events between two moments that match a filter of Okta's, oldest first.
    /// With `since` and `until` the pages come to an end and are in the order of `published`; with an
    /// open end there is always a next page, for events to come
    /// (<https://developer.okta.com/docs/reference/system-log-query/>).
    pub(super) async fn events(
        &self,
        filter: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Vec<LogEvent>>, OktaError> {
        let (since, until) = (stamp(since), stamp(until));
        let query = [
            ("since", since.as_str()),
            ("until", &until),
            ("filter", filter),
            ("sortOrder", "ASCENDING"),
            ("limit", PAGE),
        ];
        let url = self.connection().url(&["api", "v1", "logs"], &query);
        let (mut events, mut seen, mut pages) = (Vec::new(), HashSet::new(), 0);
        let mut on_page = |page: Vec<LogEvent>| {
            pages += 1;
            if pages > MOST_PAGES {
                return Err(unbelievable(OPERATION, "the pages do not come to an end"));
            }
            // An event may come twice, with the same `uuid`:
            // https://developer.okta.com/docs/reference/system-log-query/
            events.extend(page.into_iter().filter(|event| seen.insert(event.id.clone())));
            Ok(())
        };
        match self.connection().pages(OPERATION, url, |_, it| event(it), &mut on_page).await {
            // An event that makes no sense is none.
            Ok(_) => Ok(Some(events)),
            Err(error) if error.is_withheld() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEvent {
    uuid: String,
    published: String,
    event_type: String,
    #[serde(default, deserialize_with = "or_default")]
    actor: Party,
    #[serde(default)]
    client: Value,
    #[serde(default, deserialize_with = "or_default")]
    target: Vec<Party>,
    #[serde(default)]
    transaction: Value,
    /// Unstable keys with values of any kind.
    #[serde(default)]
    debug_context: Value,
    #[serde(default)]
    outcome: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEntity {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    alternate_id: Option<String>,
    display_name: Option<String>,
}

/// What is null may be there or left out (<https://developer.okta.com/docs/reference/core-okta-api/>).
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(super) fn event(value: Value) -> Result<LogEvent, OktaError> {
    let event: WireEvent = shape(OPERATION, value, "an event without id, time or type")?;
    let at = DateTime::parse_from_rfc3339(&event.published)
        .map_err(|_| unbelievable(OPERATION, "an event without a time"))?;
    let text = |value: &Value| value.as_str().map(clean).filter(|it| !it.is_empty());
    Ok(LogEvent {
        id: event.uuid,
        at: at.to_utc(),
        event_type: event.event_type,
        actor: event.actor,
        user_agent: text(&event.client["userAgent"]["rawUserAgent"]),
        targets: event.target,
        transaction_id: text(&event.transaction["id"]),
        request_id: text(&event.debug_context["debugData"]["requestId"]),
        outcome: text(&event.outcome["result"]),
    })
}

impl From<WireEntity> for Party {
    fn from(entity: WireEntity) -> Self {
        let text = |text: Option<String>| text.map(|it| clean(&it)).unwrap_or_default();
        let id = text(entity.id);
        // Okta writes "unknown" where there is no alternate id, for example for a group.
        let name = [text(entity.display_name), text(entity.alternate_id)]
            .into_iter()
            .find(|name| !name.trim().is_empty() && name != "unknown")
            .unwrap_or_else(|| id.clone());
        Self { id, kind: text(entity.kind), name }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn by(actor: &str, kind: &str, minute: u32, targets: &[&str]) -> LogEvent {
        let target = |id: &&str| json!({"id": id, "type": "User"});
        let mut event = event(json!({
            "uuid": format!("{actor} {minute}"), "eventType": kind,
            "published": format!("2026-11-23T09:{minute:02}:00.000Z"),
            "actor": {"id": "00u9", "type": "User", "displayName": actor},
            "outcome": {"result": "SUCCESS"},
            "target": targets.iter().map(target).collect::<Vec<_>>()}))
        .unwrap();
        if actor == "us" {
            event.user_agent = Some("goldthread/0.1.0 (RITM0010001; action 7)".to_owned());
        }
        event
    }

    #[test]
    fn the_rival_is_the_newest_of_the_others_whatever_the_order() {
        let suspend = "user.lifecycle.suspend";
        let events = [
            by("Pat Admin", suspend, 5, &["00u1"]),
            by("us", suspend, 9, &["00u1"]),
            by("Sam Helper", suspend, 3, &["00u1"]),
        ];
        assert_eq!(rival(&events, Changed::Status).as_deref(), Some("Pat Admin"));
        assert_eq!(rival(&events[1..2], Changed::Status), None);
    }

    #[test]
    fn only_events_of_what_was_changed_count() {
        let sales = GroupId::parse("00g1").unwrap();
        let events = [
            by("Ann", "group.user_membership.add", 1, &["00u1", "00g1"]),
            by("Bob", "group.user_membership.remove", 2, &["00u1", "00g2"]),
            by("Okta System", "group.user_membership.rule.add_exclusion", 3, &["00u1", "00g1"]),
            by("Cem", "user.account.update_primary_email", 4, &["00u1"]),
            by("Dan", "user.account.reset_password", 5, &["00u1"]),
            by("Eva", "user.lifecycle.unsuspend", 6, &["00u1"]),
        ];
        assert_eq!(rival(&events, Changed::Membership(&sales)).as_deref(), Some("Ann"));
        assert_eq!(rival(&events, Changed::Profile).as_deref(), Some("Cem"));
        assert_eq!(rival(&events, Changed::Status).as_deref(), Some("Eva"));
    }

    #[test]
    fn who_merely_tried_is_no_rival() {
        let mut tried = by("Pat Admin", "user.lifecycle.suspend", 1, &["00u1"]);
        tried.outcome = Some("FAILURE".to_owned());
        assert_eq!(rival(&[tried.clone()], Changed::Status), None);
        tried.outcome = None;
        assert!(rival(&[tried], Changed::Status).is_some());
    }

    #[test]
    fn only_a_caller_that_names_itself_so_is_us() {
        let mut event = by("us", "user.lifecycle.suspend", 1, &[]);
        assert!(event.is_ours());
        for other in [Some("Mozilla/5.0 goldthread/0.1.0"), Some("goldthreader/1"), None] {
            event.user_agent = other.map(str::to_owned);
            assert!(!event.is_ours(), "{other:?}");
        }
    }

    #[test]
    fn what_okta_leaves_out_or_sets_to_null_is_empty() {
        let bare = json!({"uuid": "1", "eventType": "x", "published": "2026-11-23T09:00:00Z"});
        let mut nulls = bare.clone();
        for name in ["actor", "client", "target", "transaction", "debugContext", "outcome"] {
            nulls[name] = Value::Null;
        }
        let read = event(bare).unwrap();
        assert_eq!(read, event(nulls).unwrap());
        assert!(read.user_agent.is_none() && read.targets.is_empty() && read.actor.name.is_empty());
    }

    #[test]
    fn somebody_without_a_display_name_is_called_by_what_there_is() {
        let name = |value: Value| serde_json::from_value::<Party>(value).unwrap().name;
        let both =
            json!({"id": "00u1", "alternateId": "p@example.com", "displayName": "Pat\nAdmin"});
        assert_eq!(name(both), "Pat Admin");
        assert_eq!(name(json!({"id": "00u1", "alternateId": "p@example.com"})), "p@example.com");
        assert_eq!(name(json!({"id": "00u1", "alternateId": "unknown"})), "00u1");
    }

    #[test]
    fn an_event_without_id_time_or_type_is_not_believed() {
        for broken in [
            json!({"eventType": "x", "published": "2026-11-23T09:00:00Z"}),
            json!({"uuid": "1", "published": "2026-11-23T09:00:00Z"}),
            json!({"uuid": "1", "eventType": "x"}),
            json!({"uuid": "1", "eventType": "x", "published": "yesterday"}),
            json!("no object"),
        ] {
            assert!(matches!(event(broken), Err(OktaError::Unbelievable { .. })));
        }
    }
}
