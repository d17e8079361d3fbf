//! Users: list, read, create, update.

use serde_json::{Map, Value, json};

use super::errors::Problem;
use super::filter::{self, Op};
use super::page::{after, limit, linked};
use super::schema::TYPE_ID;
use super::state::{Context, Reason, State, User, date};
use super::{Mail, Status};
use crate::sim::http::{Request, Response};

impl State {
    /// `GET /users`.
    pub fn list_users(&self, call: &Request, base: &str) -> Result<Response, Problem> {
        let (search, filter) = (call.query("search"), call.query("filter"));
        if search.is_some() && filter.is_some() {
            return Err(Problem::new("E0000033"));
        }
        if call.raw_query.len() > 8000 {
            return Err(Problem::new("E0000256"));
        }
        if self.switches.search_down && (search.is_some() || filter.is_some()) {
            return Err(Problem::new("E0000100"));
        }
        if let Some(q) = call.query("q") {
            return self.quick_users(call, q, base);
        }
        let limit = limit(call, 200, 200)?;
        let expr = match (search, filter) {
            (Some(text), _) => Some((self.user_search(text)?, true)),
            (_, Some(text)) => Some((user_filter(text)?, false)),
            _ => None,
        };
        let fits = |user: &User| {
            self.is_visible(user)
                && match &expr {
                    None => user.status != Status::Deprovisioned,
                    Some((expr, fold)) => expr.matches(&|path| user.values(path), *fold),
                }
        };
        let from = after(call)?;
        if let (Some(_), Some(key)) = (search, call.query("sortBy")) {
            return self.sorted_users(call, key, &fits, from.as_deref(), limit, base);
        }
        let mut page: Vec<&User> = Vec::new();
        let users: Box<dyn Iterator<Item = &User>> = match (&expr, from) {
            (None, Some(from)) if !self.switches.lists_lag => {
                use std::ops::Bound::{Excluded, Unbounded};
                Box::new(self.users.range((Excluded(from), Unbounded)).map(|(_, user)| user))
            }
            (None, None) if !self.switches.lists_lag => Box::new(self.users.values()),
            (_, from) => Box::new(
                self.indexed_users()
                    .skip_while(move |user| from.as_ref().is_some_and(|it| user.id <= *it)),
            ),
        };
        page.extend(users.filter(|user| fits(user)).take(limit + 1));
        let next = (page.len() > limit).then(|| page[limit - 1].id.clone());
        page.truncate(limit);
        Ok(linked(users_response(&page, call, base), call, base, next.as_deref()))
    }

    fn sorted_users(
        &self,
        call: &Request,
        key: &str,
        fits: &dyn Fn(&User) -> bool,
        from: Option<&str>,
        limit: usize,
        base: &str,
    ) -> Result<Response, Problem> {
        let text = |user: &User| {
            let value = user.values(key).into_iter().next().unwrap_or_default();
            value.as_str().map_or_else(|| value.to_string(), str::to_lowercase)
        };
        let mut found: Vec<(String, &User)> =
            self.indexed_users().filter(|user| fits(user)).map(|it| (text(it), it)).collect();
        found.sort_by(|left, right| (&left.0, &left.1.id).cmp(&(&right.0, &right.1.id)));
        if call.query("sortOrder").is_some_and(|it| it.eq_ignore_ascii_case("desc")) {
            found.reverse();
        }
        let start = match from {
            None => 0,
            Some(at) => at.parse().map_err(|_| Problem::new("E0000031").cause("Invalid cursor"))?,
        };
        let page: Vec<&User> =
            found.iter().skip(start).take(limit).map(|(_, user)| *user).collect();
        let end = start + page.len();
        let next = (end < found.len()).then(|| end.to_string());
        Ok(linked(users_response(&page, call, base), call, base, next.as_deref()))
    }

    fn quick_users(&self, call: &Request, q: &str, base: &str) -> Result<Response, Problem> {
        let (limit, start) = (limit(call, 10, 200)?, q.to_lowercase());
        let fits = |user: &&User| {
            user.status != Status::Deprovisioned
                && self.is_visible(user)
                && ["firstName", "lastName", "email"]
                    .iter()
                    .any(|name| user.text(name).to_lowercase().starts_with(&start))
        };
        let page: Vec<&User> = self.indexed_users().filter(fits).take(limit).collect();
        Ok(linked(users_response(&page, call, base), call, base, None))
    }

    fn user_search(&self, text: &str) -> Result<filter::Expr, Problem> {
        let refused = |why: String| Problem::new("E0000031").cause(why);
        let expr = filter::parse(text).map_err(refused)?;
        let allowed = |name: &str, op: Op| {
            let contains = ["firstName", "lastName", "email", "login"];
            let fields =
                ["id", "status", "created", "activated", "statusChanged", "lastUpdated", "type.id"];
            match name.strip_prefix("profile.") {
                _ if op == Op::Ne || op == Op::Ew => false,
                Some(name) if op == Op::Co => contains.contains(&name),
                Some(name) => self.schema.find(name).is_some(),
                None => op != Op::Co && fields.contains(&name),
            }
        };
        expr.check(&allowed, false).map_err(refused)?;
        Ok(expr)
    }

    /// `GET /users/{idOrLogin}`: not from the index.
    pub fn get_user(&self, call: &Request, id: &str, base: &str) -> Result<Response, Problem> {
        let user = self.find_user(id)?;
        let body = shown(user, call, base);
        Ok(Response::json(200, &body).with_header("ETag", format!("W/\"{}\"", user.version)))
    }

    /// `POST /users`.
    pub fn create_user(
        &mut self,
        context: &Context,
        call: &Request,
        body: &Value,
        base: &str,
    ) -> Result<Response, Problem> {
        let profile = body.get("profile").and_then(Value::as_object);
        let mut profile = profile.cloned().ok_or_else(|| {
            Problem::invalid("profile", "profile: The field cannot be left blank")
        })?;
        let activate = call.query("activate").is_none_or(|it| it != "false");
        let credentials = &body["credentials"];
        let password = credentials["password"].is_object();
        let provider = call.query("provider").is_some_and(|it| it == "true");
        if call.query("nextLogin").is_some_and(|it| it == "changePassword") {
            if !password {
                return Err(Problem::new("E0000124"));
            }
            if !activate {
                return Err(Problem::new("E0000125"));
            }
        }
        if body["type"]["id"].as_str().is_some_and(|id| id != TYPE_ID) {
            return Err(Problem::missing("type", "UserType"));
        }
        profile.retain(|_, value| !value.is_null());
        self.schema.fill(&mut profile);
        self.schema.check(&profile, None)?;
        self.check_free(&profile, None)?;
        let groups: Vec<String> = body["groupIds"]
            .as_array()
            .map(|ids| ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        if groups.len() > 20 {
            return Err(Problem::new("E0000093"));
        }
        for group in &groups {
            self.check_writable(group)?;
        }

        let status = match (activate, password || provider || self.switches.password_optional) {
            (false, _) => Status::Staged,
            (true, true) => Status::Active,
            (true, false) => Status::Provisioned,
        };
        let id = self.insert_user(profile, Status::Staged);
        self.change_user(&id, |user| {
            user.password = password;
            if provider {
                let named = credentials["provider"]["type"].as_str();
                named.unwrap_or("FEDERATION").clone_into(&mut user.provider);
            }
        });
        self.user_event(context, "user.lifecycle.create", &id, &json!({}));
        for group in &groups {
            if self.join(group, &id, Reason::Hand) {
                self.membership_event(context, "add", group, &id);
            }
        }
        if status != Status::Staged {
            self.transition(&id, status);
            self.user_event(context, "user.lifecycle.activate", &id, &json!({}));
        }
        if status == Status::Provisioned {
            self.mail(&id, "activation");
        }
        self.get_user(call, &id, base)
    }

    /// `POST` (`replace` is false) or `PUT /users/{id}`.
    pub fn update_user(
        &mut self,
        context: &Context,
        call: &Request,
        id_or_login: &str,
        body: &Value,
        replace: bool,
        base: &str,
    ) -> Result<Response, Problem> {
        let user = self.find_user(id_or_login)?.clone();
        let id = user.id.as_str();
        if user.status == Status::Deprovisioned && !self.switches.edit_deprovisioned {
            return Err(Problem::missing(id, "User"));
        }
        if user.transition.is_some() {
            return Err(Problem::new("E0000112"));
        }
        if let Some(tag) = call.header("if-match") {
            let tag = tag.trim_start_matches("W/");
            if !(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2) {
                return Err(Problem::new("E0000242"));
            }
            if tag.trim_matches('"') != user.version.to_string() {
                return Err(Problem::new("E0000231"));
            }
        }
        let sent = body.get("profile").and_then(Value::as_object).cloned();
        if sent.is_some() && matches!(user.provider.as_str(), "ACTIVE_DIRECTORY" | "LDAP") {
            return Err(Problem::new("E0000023"));
        }
        let kept = if replace && sent.is_some() { Map::new() } else { user.profile.clone() };
        let mut profile = kept;
        let sent = sent.unwrap_or_default();
        // Unknown names are refused even where they are cleared.
        if let Some(name) = sent.keys().find(|name| self.schema.find(name).is_none()) {
            let text = format!("Property name '{name}' is not defined in profile");
            return Err(Problem::invalid("newUser", text));
        }
        profile.extend(sent);
        self.schema.fill(&mut profile);
        self.schema.check(&profile, Some(&user.profile))?;
        profile.retain(|_, value| !value.is_null());
        self.check_free(&profile, Some(id))?;
        let password = body["credentials"]["password"].is_object();
        self.apply_profile(context, id, profile);
        if password {
            self.change_user(id, |user| {
                user.password = true;
                if user.status == Status::Provisioned {
                    user.status = Status::Active;
                }
            });
        }
        self.get_user(call, id, base)
    }

    /// Gives a user another profile, with the events that belong to it, if it differs.
    pub(super) fn apply_profile(
        &mut self,
        context: &Context,
        id: &str,
        profile: Map<String, Value>,
    ) {
        let Some(user) = self.users.get(id) else {
            return;
        };
        let names: std::collections::BTreeSet<&String> =
            user.profile.keys().chain(profile.keys()).collect();
        let changed: Vec<String> = names
            .into_iter()
            .filter(|name| user.profile.get(*name) != profile.get(*name))
            .cloned()
            .collect();
        if changed.is_empty() {
            return;
        }
        self.change_user(id, |user| user.profile = profile);
        let detail = json!({"changedAttributes": changed.join(",")});
        self.user_event(context, "user.account.update_profile", id, &detail);
        if changed.iter().any(|name| name == "email") {
            self.user_event(context, "user.account.update_primary_email", id, &json!({}));
        }
    }
}

/// What `filter` may ask for.
fn user_filter(text: &str) -> Result<filter::Expr, Problem> {
    let refused = |why: String| Problem::new("E0000031").cause(why);
    let expr = filter::parse(text).map_err(refused)?;
    let allowed = |name: &str, op: Op| match name {
        "lastUpdated" => op == Op::Eq || op.is_order(),
        "status" | "id" | "profile.login" | "profile.email" | "profile.firstName"
        | "profile.lastName" => op == Op::Eq,
        _ => false,
    };
    expr.check(&allowed, false).map_err(refused)?;
    Ok(expr)
}

impl User {
    /// The values that `search`, `filter` and `sortBy` see.
    fn values(&self, path: &str) -> Vec<Value> {
        let time = |at: Option<chrono::DateTime<chrono::Utc>>| at.map(|at| json!(date(at)));
        let found = match path {
            "id" => Some(json!(self.id)),
            "status" => Some(json!(self.status.as_str())),
            "created" => time(Some(self.created)),
            "activated" => time(self.activated),
            "statusChanged" => time(self.status_changed),
            "lastUpdated" => time(Some(self.last_updated)),
            "type.id" => Some(json!(TYPE_ID)),
            _ => path.strip_prefix("profile.").and_then(|it| self.profile.get(it)).cloned(),
        };
        match found {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        }
    }

    /// The whole user object.
    pub(super) fn render(&self, base: &str) -> Value {
        let mut profile = self.profile.clone();
        for name in ["mobilePhone", "secondEmail"] {
            profile.entry(name).or_insert(Value::Null);
        }
        let name = if self.provider == "OKTA" { "OKTA" } else { self.provider.as_str() };
        let mut credentials = json!({
            "emails": [{"value": self.text("email"), "status": "VERIFIED", "type": "PRIMARY"}],
            "provider": {"type": self.provider, "name": name}});
        if self.password {
            credentials["password"] = json!({});
        }
        let mut shown = json!({
            "id": self.id,
            "status": self.status.as_str(),
            "created": date(self.created),
            "activated": self.activated.map(date),
            "statusChanged": self.status_changed.map(date),
            "lastLogin": null,
            "lastUpdated": date(self.last_updated),
            "passwordChanged": null,
            "type": {"id": TYPE_ID},
            "profile": profile,
            "credentials": credentials,
            "_links": {"self": {"href": format!("{base}/api/v1/users/{}", self.id)}},
        });
        if let Some((to, _)) = self.transition {
            shown["transitioningToStatus"] = json!(to.as_str());
        }
        shown
    }
}

/// A user as this call wants it: trimmed by the `okta-response` header and by `fields`.
pub(super) fn shown(user: &User, call: &Request, base: &str) -> Value {
    let mut value = user.render(base);
    let asked = call.header("content-type").unwrap_or_default();
    let omits = |name: &str| {
        let words = asked.split([',', ';', '=', '"', '\'', ' ']);
        words.into_iter().any(|word| word == name)
    };
    if let Some(object) = value.as_object_mut() {
        if omits("omitCredentials") {
            object.remove("credentials");
        }
        let all = ["omitCredentials", "omitCredentialsLinks", "omitTransitioningToStatus"];
        if all.into_iter().all(omits) {
            object.remove("transitioningToStatus");
        }
        if let Some(fields) = call.query("fields") {
            trim(object, fields);
        }
    }
    value
}

/// Keeps only what `id,status,profile:(login,email)` names; `id` always stays.
fn trim(object: &mut Map<String, Value>, fields: &str) {
    let (before, inner) = match fields.split_once("profile:(") {
        None => (fields.to_owned(), None),
        Some((before, rest)) => {
            let (inner, behind) = rest.split_once(')').unwrap_or((rest, ""));
            (format!("{before}{behind},profile"), Some(inner.to_owned()))
        }
    };
    let names: Vec<&str> = before.split(',').map(str::trim).collect();
    object.retain(|name, _| name == "id" || names.contains(&name.as_str()));
    if let (Some(inner), Some(Value::Object(profile))) = (inner, object.get_mut("profile")) {
        let names: Vec<&str> = inner.split(',').map(str::trim).collect();
        profile.retain(|name, _| names.contains(&name.as_str()));
    }
}

pub(super) fn users_response(users: &[&User], call: &Request, base: &str) -> Response {
    let list = users.iter().map(|user| shown(user, call, base)).collect();
    Response::json(200, &Value::Array(list))
}

impl Mail {
    /// Whether this is an activation mail.
    pub fn is_activation(&self) -> bool {
        self.kind == "activation"
    }
}
