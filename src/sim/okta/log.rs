//! The System Log: what is written into it, and `GET /logs`.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::errors::Problem;
use super::filter::{self, Op};
use super::page::{self, cursor, limit, next_link, self_link};
use super::state::{Context, State, date, delta};
use crate::sim::http::{Request, Response};

impl State {
    /// Writes one event.
    pub fn event(&mut self, context: &Context, kind: &str, targets: &[Value], detail: &Value) {
        let now = self.now();
        self.event_at(now, context, kind, targets, detail);
    }

    fn event_at(
        &mut self,
        at: DateTime<Utc>,
        context: &Context,
        kind: &str,
        targets: &[Value],
        detail: &Value,
    ) {
        let uuid = self.hex("event");
        let mut debug = json!({
            "requestId": context.request_id, "requestUri": context.uri, "url": context.uri});
        if let (Some(into), Some(more)) = (debug.as_object_mut(), detail.as_object()) {
            into.extend(more.clone());
        }
        let background = context.actor_type == "SystemPrincipal";
        let mut transaction = json!({
            "type": if background { "JOB" } else { "WEB" },
            "id": context.request_id, "detail": {}});
        if let Some(token) = &context.token_id {
            transaction["detail"]["requestApiTokenId"] = json!(token);
        }
        let event = json!({
            "uuid": format!("{}-{}-{}-{}-{}", &uuid[..8], &uuid[8..12], &uuid[12..16], &uuid[16..20], &uuid[20..]),
            "published": date(at), "eventType": kind, "version": "0", "severity": "INFO",
            "legacyEventType": null, "displayMessage": kind,
            "actor": {
                "id": context.actor_id, "type": context.actor_type,
                "alternateId": context.actor_login, "displayName": context.actor_name},
            "client": {
                "userAgent": {"rawUserAgent": context.user_agent, "os": "Unknown", "browser": "UNKNOWN"},
                "ipAddress": "127.0.0.1", "device": "Unknown", "zone": "null"},
            "outcome": {"result": "SUCCESS", "reason": null},
            "target": targets, "transaction": transaction,
            "debugContext": {"debugData": debug},
            "authenticationContext": {"externalSessionId": "unknown"},
        });
        self.log.push((at, event));
    }

    /// Writes one event about one user.
    pub fn user_event(&mut self, context: &Context, kind: &str, id: &str, detail: &Value) {
        let target = self.user_target(id);
        self.event(context, kind, &[target], detail);
    }

    /// Writes that somebody came into a group (`add`) or left it (`remove`).
    pub fn membership_event(&mut self, context: &Context, what: &str, group: &str, user: &str) {
        let targets = [self.user_target(user), self.group_target(group)];
        let kind = format!("group.user_membership.{what}");
        self.event(context, &kind, &targets, &json!({}));
    }

    /// A user as the target of an event.
    pub fn user_target(&self, id: &str) -> Value {
        let user = self.users.get(id);
        json!({
            "id": id, "type": "User", "detailEntry": null,
            "alternateId": user.map_or("unknown", |it| it.text("login")),
            "displayName": user.map_or_else(|| "unknown".to_owned(), super::state::User::display_name)})
    }

    /// A group as the target of an event.
    pub fn group_target(&self, id: &str) -> Value {
        let name = self.groups.get(id).map_or("unknown", |it| it.name());
        json!({
            "id": id, "type": "UserGroup", "alternateId": "unknown", "displayName": name,
            "detailEntry": null})
    }

    /// `GET /logs`.
    pub fn logs(&self, call: &Request, base: &str) -> Result<Response, Problem> {
        let limit = limit(call, 100, 1000)?;
        let now = self.now();
        let time = |name: &str| match call.query(name) {
            None => Ok(None),
            Some(text) => match DateTime::parse_from_rfc3339(text) {
                Ok(at) => Ok(Some(at.to_utc())),
                Err(_) => Err(Problem::new("E0000053").cause(format!("{name}: not a date"))),
            },
        };
        let (since, until) = (time("since")?, time("until")?);
        let after = call.query("after");
        if since.is_some() && after.is_some() {
            return Err(Problem::new("E0000053").cause("since: not allowed together with after"));
        }
        let start = since.unwrap_or(until.unwrap_or(now) - TimeDelta::days(7));
        if start < now - TimeDelta::days(180) {
            return Err(Problem::new("E0000053").cause("since: more than 180 days ago"));
        }
        let descending = call.query("sortOrder").is_some_and(|it| it == "DESCENDING");
        let polling = until.is_none() && !descending;
        let (from, start) = match after {
            None => (0, start),
            Some(text) => position(text)?,
        };
        let wanted = call.query("filter").map(parse).transpose()?;
        let words: Vec<String> =
            call.query("q").unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
        let matches = |event: &Value| {
            let filtered = wanted
                .as_ref()
                .is_none_or(|expr| expr.matches(&|path| filter::values_at(event, path), true));
            let text =
                if words.is_empty() { String::new() } else { event.to_string().to_lowercase() };
            filtered && words.iter().all(|word| text.contains(word))
        };
        let visible_until = now - delta(self.switches.log_lag);

        // Polling walks the order of writing, a bounded query the order of `published`.
        let mut all: Vec<(usize, &(DateTime<Utc>, Value))> = self.log.iter().enumerate().collect();
        if !polling {
            all.sort_by_key(|(at, (published, _))| (*published, *at));
        }
        if descending {
            all.reverse();
        }
        let end = until.unwrap_or(DateTime::<Utc>::MAX_UTC);
        let (mut events, mut reached, mut more) = (Vec::new(), from, false);
        for (index, (_, (published, event))) in all.iter().enumerate().skip(from) {
            if *published > visible_until {
                if polling {
                    break;
                }
                continue;
            }
            if *published >= start && *published < end && matches(event) {
                if events.len() == limit {
                    more = true;
                    break;
                }
                events.push(event.clone());
            }
            reached = index + 1;
        }
        let mut response = Response::json(200, &Value::Array(events));
        response = response.with_header("Link", self_link(call, base));
        if polling || more {
            let position = cursor(&format!("{reached} {}", date(start)));
            let kept = |name: &str| name != "since";
            response = response.with_header("Link", next_link(call, base, &position, kept));
        }
        Ok(response)
    }
}

/// What the path of a filter's attribute may begin with.
const FIELDS: [&str; 17] = [
    "actor",
    "authenticationContext",
    "client",
    "debugContext",
    "device",
    "displayMessage",
    "eventType",
    "legacyEventType",
    "outcome",
    "published",
    "request",
    "securityContext",
    "severity",
    "target",
    "transaction",
    "uuid",
    "version",
];

fn position(text: &str) -> Result<(usize, DateTime<Utc>), Problem> {
    let broken = || Problem::new("E0000031").cause("Invalid cursor");
    let text = page::position(text)?;
    let (index, start) = text.split_once(' ').ok_or_else(broken)?;
    let start = DateTime::parse_from_rfc3339(start).map_err(|_| broken())?;
    Ok((index.parse().map_err(|_| broken())?, start.to_utc()))
}

fn parse(text: &str) -> Result<filter::Expr, Problem> {
    let expr = filter::parse(text).map_err(|why| Problem::new("E0000053").cause(why))?;
    let published = |name: &str, _: Op| name != "published";
    expr.check(&published, true).map_err(|it| Problem::new("E0000053").cause(it))?;
    let known = |name: &str, _: Op| FIELDS.contains(&name.split('.').next().unwrap_or_default());
    expr.check(&known, true)
        .map_err(|it| Problem::new("E0000053").cause(format!("field is not valid: {it}")))?;
    let searchable = |name: &str, op: Op| {
        let address = ["debugContext.debugData.url", "debugContext.debugData.requestUri"];
        (op != Op::Co || !address.contains(&name)) && !name.contains("changeDetails")
    };
    expr.check(&searchable, true).map_err(|it| Problem::new("E0000031").cause(it))?;
    Ok(expr)
}
