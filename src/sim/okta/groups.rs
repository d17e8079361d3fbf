//! Groups, memberships and group rules.

use serde_json::{Map, Value, json};

use super::Status;
use super::errors::Problem;
use super::filter::{self, Op, values_at};
use super::page::{after, limit, linked};
use super::state::{Context, Group, Reason, Rule, State, User, date};
use super::users::users_response;
use crate::sim::http::{Request, Response};

impl State {
    /// `GET /groups`.
    pub fn list_groups(&self, call: &Request, base: &str) -> Result<Response, Problem> {
        let (search, filter) = (call.query("search"), call.query("filter"));
        if search.is_some() && filter.is_some() {
            return Err(Problem::new("E0000033"));
        }
        if let Some(q) = call.query("q") {
            return self.quick_groups(call, q, base);
        }
        let limit = limit(call, 10_000, 10_000)?;
        let expr = match (search, filter) {
            (Some(text), _) => Some(group_search(text)?),
            (_, Some(text)) => Some(group_filter(text)?),
            _ => None,
        };
        let stats = call.query("expand") == Some("stats");
        let mut found: Vec<Value> = self
            .groups
            .values()
            .filter(|group| self.is_visible_group(group))
            .map(|group| group.render(base, stats))
            .filter(|it| {
                expr.as_ref()
                    .is_none_or(|expr| expr.matches(&|path| values_at(it, path), search.is_some()))
            })
            .collect();
        if let (Some(key), Some(_)) = (call.query("sortBy"), search) {
            let text = |group: &Value| {
                let value = values_at(group, key).into_iter().next().unwrap_or_default();
                value.as_str().unwrap_or_default().to_lowercase()
            };
            found.sort_by_cached_key(text);
            if call.query("sortOrder").is_some_and(|it| it.eq_ignore_ascii_case("desc")) {
                found.reverse();
            }
        }
        // The position is the id of the last group, so that changes in between lose nothing.
        let start = match after(call)? {
            None => 0,
            Some(id) => found.iter().position(|it| it["id"] == id.as_str()).map_or(0, |at| at + 1),
        };
        let more = found.len() > start + limit;
        let page: Vec<Value> = found.into_iter().skip(start).take(limit).collect();
        let last = page.last().and_then(|it| it["id"].as_str()).map(str::to_owned);
        let next = last.filter(|_| more);
        Ok(linked(Response::json(200, &Value::Array(page)), call, base, next.as_deref()))
    }

    fn quick_groups(&self, call: &Request, q: &str, base: &str) -> Result<Response, Problem> {
        let (limit, start) = (limit(call, 300, 10_000)?, q.to_lowercase());
        let mut found: Vec<&Group> = self
            .groups
            .values()
            .filter(|group| {
                self.is_visible_group(group) && group.name().to_lowercase().starts_with(&start)
            })
            .collect();
        found.sort_by_key(|group| (group.name().to_lowercase() != start, group.id.clone()));
        let page = found.into_iter().take(limit).map(|it| it.render(base, false)).collect();
        Ok(linked(Response::json(200, &Value::Array(page)), call, base, None))
    }

    /// `GET /groups/{id}`.
    pub fn get_group(&self, id: &str, base: &str) -> Result<Response, Problem> {
        Ok(Response::json(200, &self.find_group(id)?.render(base, false)))
    }

    /// `POST /groups`.
    pub fn create_group(
        &mut self,
        context: &Context,
        body: &Value,
        base: &str,
    ) -> Result<Response, Problem> {
        let profile = self.group_profile(body, None)?;
        let id = self.insert_group("", "", "OKTA_GROUP");
        if let Some(group) = self.groups.get_mut(&id) {
            group.profile = profile;
        }
        let target = self.group_target(&id);
        self.event(context, "group.lifecycle.create", &[target], &json!({}));
        self.get_group(&id, base)
    }

    /// `PUT /groups/{id}`.
    pub fn replace_group(
        &mut self,
        context: &Context,
        id: &str,
        body: &Value,
        base: &str,
    ) -> Result<Response, Problem> {
        self.check_writable(id)?;
        let profile = self.group_profile(body, Some(id))?;
        self.change_group(context, id, profile);
        self.get_group(id, base)
    }

    pub(super) fn change_group(
        &mut self,
        context: &Context,
        id: &str,
        profile: Map<String, Value>,
    ) {
        let now = self.now();
        if let Some(group) = self.groups.get_mut(id) {
            group.profile = profile;
            group.last_updated = now;
        }
        let target = self.group_target(id);
        self.event(context, "group.profile.update", &[target], &json!({}));
    }

    /// `DELETE /groups/{id}`.
    pub fn delete_group(&mut self, context: &Context, id: &str) -> Result<Response, Problem> {
        self.check_writable(id)?;
        self.drop_group(context, id);
        Ok(Response::empty(204))
    }

    pub(super) fn drop_group(&mut self, context: &Context, id: &str) {
        let target = self.group_target(id);
        let members = self.groups.remove(id).map(|group| group.members).unwrap_or_default();
        for user in members.keys() {
            if let Some(groups) = self.groups_of.get_mut(user) {
                groups.remove(id);
            }
        }
        self.event(context, "group.lifecycle.delete", &[target], &json!({}));
    }

    fn group_profile(
        &self,
        body: &Value,
        own: Option<&str>,
    ) -> Result<Map<String, Value>, Problem> {
        let profile = body.get("profile").and_then(Value::as_object).cloned().unwrap_or_default();
        let name = profile.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() || name.chars().count() > 255 {
            let text = "name: The field must have between 1 and 255 characters";
            return Err(Problem::invalid("name", text));
        }
        let same = |it: &Group| it.name() == name && Some(it.id.as_str()) != own;
        if self.groups.values().any(same) {
            return Err(Problem::taken("name"));
        }
        Ok(profile)
    }

    /// `GET /groups/{id}/users`.
    pub fn members(&self, call: &Request, id: &str, base: &str) -> Result<Response, Problem> {
        use std::ops::Bound::{Excluded, Unbounded};
        let group = self.find_group(id)?;
        let limit = limit(call, 1000, 1000)?;
        let start = after(call)?.map_or(Unbounded, Excluded);
        let mut page: Vec<&User> = group
            .members
            .range((start, Unbounded))
            .filter_map(|(user, _)| self.users.get(user))
            .filter(|user| self.is_visible(user))
            .take(limit + 1)
            .collect();
        let next = (page.len() > limit).then(|| page[limit - 1].id.clone());
        page.truncate(limit);
        Ok(linked(users_response(&page, call, base), call, base, next.as_deref()))
    }

    /// `GET /users/{id}/groups`: 200 per page, though nobody says so.
    pub fn groups_of_user(
        &self,
        call: &Request,
        id: &str,
        base: &str,
    ) -> Result<Response, Problem> {
        let user = self.find_user(id)?;
        let (limit, start) = (limit(call, 200, 200)?, after(call)?);
        let ids = self.groups_of.get(&user.id).into_iter().flatten();
        let mut page: Vec<&Group> = ids
            .filter(|id| start.as_ref().is_none_or(|start| *id > start))
            .filter_map(|id| self.groups.get(id))
            .filter(|group| self.is_visible_group(group))
            .take(limit + 1)
            .collect();
        let next = (page.len() > limit).then(|| page[limit - 1].id.clone());
        page.truncate(limit);
        let list = page.iter().map(|group| group.render(base, false)).collect();
        Ok(linked(Response::json(200, &Value::Array(list)), call, base, next.as_deref()))
    }

    /// Refuses groups that Okta or an app owns, and those outside the caller's role.
    pub(super) fn check_writable(&self, id: &str) -> Result<(), Problem> {
        let kind = self.find_group(id)?.kind.as_str();
        let outside = |it: &std::collections::BTreeSet<String>| !it.contains(id);
        if kind == "BUILT_IN" {
            Err(Problem::new("E0000060"))
        } else if kind != "OKTA_GROUP"
            || self.switches.admin_groups.contains(id)
            || self.switches.writable_groups.as_ref().is_some_and(outside)
        {
            Err(Problem::new("E0000006"))
        } else {
            Ok(())
        }
    }

    /// `PUT /groups/{gid}/users/{uid}`. A member by rule becomes one by hand.
    pub fn add_member(
        &mut self,
        context: &Context,
        group: &str,
        user: &str,
    ) -> Result<Response, Problem> {
        self.check_writable(group)?;
        let status = self.users.get(user).ok_or_else(|| Problem::missing(user, "User"))?.status;
        if status == Status::Deprovisioned && self.switches.refuse_deprovisioned_members {
            return Err(Problem::new("E0000038"));
        }
        if self.join(group, user, Reason::Hand) {
            self.membership_event(context, "add", group, user);
        }
        Ok(Response::empty(204))
    }

    /// `DELETE /groups/{gid}/users/{uid}`. A member by rule is silently excluded from that rule.
    pub fn remove_member(
        &mut self,
        context: &Context,
        group: &str,
        user: &str,
    ) -> Result<Response, Problem> {
        self.check_writable(group)?;
        if !self.users.contains_key(user) {
            return Err(Problem::missing(user, "User"));
        }
        self.leave(context, group, user);
        Ok(Response::empty(204))
    }

    /// Takes a member out, with what follows from it.
    pub(super) fn leave(&mut self, context: &Context, group: &str, user: &str) {
        let Some(reason) = self.part(group, user) else {
            return;
        };
        self.membership_event(context, "remove", group, user);
        if let Reason::Rule(id) = reason
            && let Some(rule) = self.rules.get_mut(&id)
        {
            rule.excluded.insert(user.to_owned());
            let system = Context { request_id: context.request_id.clone(), ..Context::system() };
            self.membership_event(&system, "rule.add_exclusion", group, user);
        }
    }

    /// `GET /groups/rules`.
    pub fn list_rules(&self, call: &Request, base: &str) -> Result<Response, Problem> {
        let (limit, start) = (limit(call, 50, 200)?, after(call)?);
        let word = call.query("search").unwrap_or_default().to_lowercase();
        let mut page: Vec<&Rule> = self
            .rules
            .values()
            .filter(|rule| start.as_ref().is_none_or(|start| rule.id > *start))
            .filter(|rule| rule.name.to_lowercase().contains(&word))
            .take(limit + 1)
            .collect();
        let next = (page.len() > limit).then(|| page[limit - 1].id.clone());
        page.truncate(limit);
        let list = page.into_iter().map(Rule::render).collect();
        Ok(linked(Response::json(200, &Value::Array(list)), call, base, next.as_deref()))
    }

    /// `GET /groups/rules/{id}`.
    pub fn get_rule(&self, id: &str) -> Result<Response, Problem> {
        let rule = self.rules.get(id).ok_or_else(|| Problem::missing(id, "GroupRule"))?;
        Ok(Response::json(200, &rule.render()))
    }

    /// `POST /groups/rules/{id}/lifecycle/{activate|deactivate}`.
    pub fn switch_rule(&mut self, id: &str, operation: &str) -> Result<Response, Problem> {
        let rule = self.rules.get_mut(id).ok_or_else(|| Problem::missing(id, "GroupRule"))?;
        rule.status = match operation {
            "activate" => "ACTIVE",
            "deactivate" => "INACTIVE",
            _ => return Err(Problem::new("E0000008")),
        };
        self.mark_all_for_rules();
        Ok(Response::empty(204))
    }
}

fn group_search(text: &str) -> Result<filter::Expr, Problem> {
    let refused = |why: String| Problem::new("E0000031").cause(why);
    let expr = filter::parse(text).map_err(refused)?;
    let allowed = |name: &str, op: Op| {
        let fields = ["id", "created", "lastMembershipUpdated", "lastUpdated", "type", "source.id"];
        match op {
            Op::Ne | Op::Ew => false,
            Op::Co => name == "profile.name" || name == "profile.description",
            _ => name.starts_with("profile.") || fields.contains(&name),
        }
    };
    expr.check(&allowed, false).map_err(refused)?;
    Ok(expr)
}

fn group_filter(text: &str) -> Result<filter::Expr, Problem> {
    let refused = |why: String| Problem::new("E0000031").cause(why);
    let expr = filter::parse(text).map_err(refused)?;
    let allowed = |name: &str, op: Op| match name {
        "id" | "type" => op == Op::Eq,
        "lastUpdated" | "lastMembershipUpdated" => op == Op::Eq || op.is_order(),
        _ => false,
    };
    expr.check(&allowed, false).map_err(refused)?;
    Ok(expr)
}

impl Group {
    fn render(&self, base: &str, stats: bool) -> Value {
        let mut profile = self.profile.clone();
        profile.entry("description").or_insert(Value::Null);
        let mut shown = json!({
            "id": self.id,
            "created": date(self.created),
            "lastUpdated": date(self.last_updated),
            "lastMembershipUpdated": date(self.last_membership_updated),
            "objectClass": ["okta:user_group"],
            "type": self.kind,
            "profile": profile,
            "_links": {"users": {"href": format!("{base}/api/v1/groups/{}/users", self.id)}},
        });
        if self.kind == "APP_GROUP" {
            shown["source"] = json!({"id": "0oa1appsource5d7KQ69"});
        }
        if stats {
            shown["_embedded"] = json!({"stats": {"usersCount": self.members.len()}});
        }
        shown
    }
}

impl Rule {
    fn render(&self) -> Value {
        let value = Value::String(self.value.clone());
        json!({
            "type": "group_rule",
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "created": date(self.created),
            "lastUpdated": date(self.created),
            "conditions": {
                "people": {
                    "users": {"exclude": self.excluded}, "groups": {"exclude": []}},
                "expression": {
                    "value": format!("user.{}=={value}", self.attribute),
                    "type": "urn:okta:expression:1.0"}},
            "actions": {"assignUserToGroups": {"groupIds": self.groups}},
        })
    }
}
