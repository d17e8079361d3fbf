//! The way of one call: headers, limits, sign-in, scopes, and which function answers.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::auth::Caller;
use super::errors::{Problem, oauth};
use super::limits::{Standing, bucket};
use super::schema::TYPE_ID;
use super::state::{State, date};
use super::{NoRole, Write};
use crate::sim::http::{Request, Response};

/// Carries one call out, with everything around it.
pub(super) fn answer(state: &mut State, call: &Request, base: &str) -> Response {
    state.settle();
    state.calls += 1;
    let request_id = format!("req{}", &state.secret("request")[..24]);
    let path: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let now = state.now();
    let mut standing = state.limits.count(bucket(&call.method, &path), now);
    let concurrency = state.switches.concurrency_429 > 0;
    let result = if concurrency {
        state.switches.concurrency_429 -= 1;
        let reset = now + TimeDelta::seconds(30);
        standing = Standing { limit: 0, remaining: 0, reset, exceeded: true };
        Err(Problem::new("E0000047"))
    } else if standing.exceeded {
        state.rate_limit_event(&request_id, call);
        Err(Problem::new("E0000047"))
    } else {
        dispatch(state, call, &path, base, &request_id)
    };
    let response = result.unwrap_or_else(|problem| {
        let error_id = format!("oae{}", &state.secret("error")[..22]);
        problem.response(&error_id)
    });
    state.settle();
    if call.method != "GET" && path.first() == Some(&"api") {
        state.writes.push(Write {
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.raw_query.clone(),
            user_agent: call.header("user-agent").unwrap_or_default().to_owned(),
            status: response.status,
            body: call.json().unwrap_or_default(),
            request_id: request_id.clone(),
        });
    }
    dress(response, standing, &request_id, now)
}

/// Adds the headers that every answer has.
pub(super) fn dress(
    response: Response,
    standing: Standing,
    request_id: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> Response {
    response
        .with_header("Date", now.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .with_header("X-Okta-Request-Id", request_id)
        .with_header("X-Rate-Limit-Limit", standing.limit.to_string())
        .with_header("X-Rate-Limit-Remaining", standing.remaining.to_string())
        .with_header("X-Rate-Limit-Reset", standing.reset.timestamp().to_string())
}

fn dispatch(
    state: &mut State,
    call: &Request,
    path: &[&str],
    base: &str,
    request_id: &str,
) -> Result<Response, Problem> {
    let writes = matches!(call.method.as_str(), "POST" | "PUT");
    let length = call.header("content-length").or_else(|| call.header("transfer-encoding"));
    if writes && length.is_none() {
        return Ok(Response::html(411, "<html><body>Length Required</body></html>"));
    }
    match path {
        ["oauth2", "v1", "token"] if call.method == "POST" => {
            let kind = call.header("content-type").unwrap_or_default();
            if !kind.starts_with("application/x-www-form-urlencoded") {
                return Ok(oauth(400, "invalid_request", "The content type is not supported."));
            }
            return Ok(state.token(call, base, request_id));
        }
        [".well-known", "okta-organization"] => {
            let body = json!({
                "id": "00o1sim0000Gt5d7KQ69", "pipeline": "idx",
                "_links": {"organization": {"href": base}}, "settings": {}});
            return Ok(Response::json(200, &body));
        }
        _ => {}
    }
    // A slash inside a part was never routable.
    if call.path.to_ascii_lowercase().contains("%2f") {
        return Err(Problem::new("E0000022"));
    }
    let mut caller = state.authenticate(call, base)?;
    request_id.clone_into(&mut caller.context.request_id);
    let agent = call.header("user-agent").unwrap_or_default();
    agent.clone_into(&mut caller.context.user_agent);
    caller.context.uri.clone_from(&call.path);
    check_headers(call)?;
    check_scope(&caller, call, path, base)?;
    if !caller.has_role {
        return match state.switches.no_admin_role {
            NoRole::EmptyLists if call.method == "GET" && path.len() == 3 => {
                Ok(Response::json(200, &json!([])))
            }
            _ => Err(Problem::new("E0000006")),
        };
    }
    if state.switches.read_only_org && call.method != "GET" {
        return Err(Problem::new("E0000010"));
    }
    state.check_feature(path)?;
    let body = if call.body.is_empty() {
        Value::Null
    } else {
        call.json().ok_or_else(|| Problem::new("E0000003"))?
    };
    match path {
        ["api", "v1", rest @ ..] => route(state, &caller, call, rest, &body, base),
        ["oauth2", "v1", "clients", id, "roles"] => state.app_roles(id),
        _ => Err(Problem::new("E0000008")),
    }
}

fn route(
    state: &mut State,
    caller: &Caller,
    call: &Request,
    path: &[&str],
    body: &Value,
    base: &str,
) -> Result<Response, Problem> {
    let context = &caller.context;
    state.check_sight(path, caller.user.as_deref())?;
    match (call.method.as_str(), path) {
        ("GET", ["users"]) => state.list_users(call, base),
        ("POST", ["users"]) => state.create_user(context, call, body, base),
        ("GET", ["users", "me"]) => match &caller.user {
            Some(id) => state.get_user(call, id, base),
            None => Err(Problem::new("E0000005")),
        },
        ("GET", ["users", id]) => state.get_user(call, id, base),
        ("POST", ["users", id]) => state.update_user(context, call, id, body, false, base),
        ("PUT", ["users", id]) => state.update_user(context, call, id, body, true, base),
        ("DELETE", ["users", id]) => state.delete_user(context, id),
        ("POST", ["users", id, "lifecycle", operation]) => {
            state.lifecycle(context, call, id, operation, base)
        }
        ("DELETE", ["users", id, "sessions"]) => state.clear_sessions(context, id),
        ("GET", ["users", id, "groups"]) => state.groups_of_user(call, id, base),
        ("GET", ["users", id, "roles"]) => {
            let user = state.find_user(id)?;
            Ok(role_list(state.roles_of(user)))
        }
        ("GET", ["groups", "rules"]) => state.list_rules(call, base),
        ("GET", ["groups", "rules", id]) => state.get_rule(id),
        ("POST", ["groups", "rules", id, "lifecycle", operation]) => {
            state.switch_rule(id, operation)
        }
        ("GET", ["groups"]) => state.list_groups(call, base),
        ("POST", ["groups"]) => state.create_group(context, body, base),
        ("GET", ["groups", id]) => state.get_group(id, base),
        ("PUT", ["groups", id]) => state.replace_group(context, id, body, base),
        ("DELETE", ["groups", id]) => state.delete_group(context, id),
        ("GET", ["groups", id, "users"]) => state.members(call, id, base),
        ("GET", ["groups", id, "roles"]) => {
            let roles = &state.find_group(id)?.roles;
            Ok(role_list(roles.iter().map(|role| (role.as_str(), "GROUP"))))
        }
        ("PUT", ["groups", group, "users", user]) => state.add_member(context, group, user),
        ("DELETE", ["groups", group, "users", user]) => state.remove_member(context, group, user),
        ("GET", ["logs"]) => state.logs(call, base),
        ("GET", ["meta", "schemas", "user", id]) if ["default", TYPE_ID].contains(id) => {
            Ok(Response::json(200, &state.schema.render(base)))
        }
        ("GET", ["meta", "types", "user"]) => {
            let link = format!("{base}/api/v1/meta/schemas/user/{TYPE_ID}");
            let kind = json!({
                "id": TYPE_ID, "name": "user", "displayName": "User", "default": true,
                "created": date(state.now()), "_links": {"schema": {"href": link}}});
            Ok(Response::json(200, &json!([kind])))
        }
        ("GET", ["org"]) => {
            let body = json!({
                "id": "00o1sim0000Gt5d7KQ69", "companyName": "Simulated Org",
                "subdomain": "simulated", "status": "ACTIVE"});
            Ok(Response::json(200, &body))
        }
        (_, ["users" | "groups", ..] | ["logs" | "org"]) => Err(Problem::new("E0000022")),
        _ => Err(Problem::new("E0000008")),
    }
}

impl State {
    fn app_roles(&self, client: &str) -> Result<Response, Problem> {
        let app = self.auth.apps.get(client);
        let app = app.ok_or_else(|| Problem::missing(client, "PublicClientApp"))?;
        Ok(role_list(app.roles.iter().map(|role| (role.as_str(), "CLIENT"))))
    }

    fn rate_limit_event(&mut self, request_id: &str, call: &Request) {
        let mut context = super::state::Context::system();
        request_id.clone_into(&mut context.request_id);
        context.uri.clone_from(&call.path);
        self.event(&context, "system.org.rate_limit.violation", &[], &json!({}));
    }
}

/// Roles, each with its `assignmentType`.
fn role_list<'a>(roles: impl IntoIterator<Item = (&'a str, &'static str)>) -> Response {
    let role = |(index, (role, kind)): (usize, (&str, &str))| {
        json!({
            "id": format!("ra1role{index:06}d7KQ69"), "label": role, "type": role,
            "status": "ACTIVE", "assignmentType": kind})
    };
    Response::json(200, &roles.into_iter().enumerate().map(role).collect())
}

fn check_headers(call: &Request) -> Result<(), Problem> {
    let accepted = call.header("accept").is_none_or(|it| {
        ["application/json", "*/*", "application/*"].iter().any(|kind| it.contains(kind))
    });
    let kind = call.header("content-type");
    if call.body.is_empty() && accepted {
        return Ok(());
    }
    match kind {
        None => Err(Problem::new("E0000018")),
        Some(kind) if accepted && kind.starts_with("application/json") => Ok(()),
        Some(_) => Err(Problem::new("E0000021")),
    }
}

/// The family and the exact scope that a call needs.
fn scope_for(method: &str, path: &[&str]) -> Option<(&'static str, bool)> {
    let writes = method != "GET";
    Some(match path {
        ["api", "v1", "users" | "groups", _, "roles"] | ["oauth2", ..] => ("roles", writes),
        ["api", "v1", "users", ..] => ("users", writes),
        ["api", "v1", "groups", ..] => ("groups", writes),
        ["api", "v1", "logs"] => ("logs", writes),
        ["api", "v1", "meta", "schemas", ..] => ("schemas", writes),
        ["api", "v1", "meta", "types", ..] => ("userTypes", writes),
        ["api", "v1", "org"] => ("orgs", writes),
        _ => return None,
    })
}

fn check_scope(caller: &Caller, call: &Request, path: &[&str], base: &str) -> Result<(), Problem> {
    let (Some(granted), Some((family, writes))) = (&caller.scopes, scope_for(&call.method, path))
    else {
        return Ok(());
    };
    let (read, manage) = (format!("okta.{family}.read"), format!("okta.{family}.manage"));
    let has =
        |scopes: &BTreeSet<String>| scopes.contains(&manage) || (!writes && scopes.contains(&read));
    if has(granted) {
        return Ok(());
    }
    let (scheme, needed) = (caller.scheme, if writes { manage } else { read });
    let resource = &call.path;
    Err(Problem::challenge(
        403,
        format!(
            "{scheme} authorization_uri=\"{base}/oauth2/v1/authorize\", realm=\"{base}\", \
             scope=\"{needed}\", error=\"insufficient_scope\", error_description=\"The access \
             token provided does not contain the required scopes.\", resource=\"{resource}\""
        ),
    ))
}
