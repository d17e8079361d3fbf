//! The hand of an Okta administrator, and the eyes of a test: nothing here goes over HTTP.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::auth::ApiToken;
use super::schema::Attribute;
use super::state::{Context, Reason, Rule, State, User};
use super::{Mail, Okta, ServiceApp, Status, Switches, Write};

/// A user as a test sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The Okta id.
    pub id: String,
    /// The status.
    pub status: Status,
    /// The status that it is on its way to.
    pub transitioning_to: Option<Status>,
    /// The profile; empty attributes are absent.
    pub profile: BTreeMap<String, Value>,
    /// The names of its groups, Everyone left out, in order.
    pub groups: Vec<String>,
    /// Open sessions.
    pub sessions: u32,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub last_updated: DateTime<Utc>,
}

impl Account {
    /// A text attribute; empty where it is not set.
    pub fn text(&self, name: &str) -> &str {
        self.profile.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Filling the org: quiet, as if it had always been so.
impl Okta {
    /// Adds a group; `kind` is `OKTA_GROUP`, `APP_GROUP` or `BUILT_IN`. Gives its id.
    pub fn add_group(&self, name: &str, kind: &str) -> String {
        self.lock().insert_group(name, "", kind)
    }

    /// Adds a user with this profile (an object). Gives its id.
    pub fn add_user(&self, profile: &Value, status: Status) -> String {
        self.lock().insert_user(object(profile), status)
    }

    /// Adds a group that members may be written to, with an id of one's own choice.
    pub fn add_group_as(&self, id: &str, name: &str) {
        self.lock().insert_group_as(id.to_owned(), name, "", "OKTA_GROUP");
    }

    /// Adds a user with an id of one's own choice.
    pub fn add_user_as(&self, id: &str, profile: &Value, status: Status) {
        self.lock().insert_user_as(id.to_owned(), object(profile), status);
    }

    /// Makes a user a member without any event.
    pub fn seed_member(&self, group_id: &str, user_id: &str) {
        self.lock().join(group_id, user_id, Reason::Hand);
    }

    /// Takes a user out of Everyone without any event: not every user of every org is in it.
    pub fn outside_everyone(&self, user_id: &str) {
        let mut state = self.lock();
        let everyone = state.everyone.clone();
        state.part(&everyone, user_id);
    }

    /// Adds an active group rule: who has `value` in `attribute` belongs to the groups. Gives its id.
    pub fn add_rule(&self, name: &str, attribute: &str, value: &str, group_ids: &[&str]) -> String {
        let mut state = self.lock();
        let rule = Rule {
            id: state.id("0pr"),
            name: name.to_owned(),
            status: "ACTIVE",
            attribute: attribute.to_owned(),
            value: value.to_owned(),
            groups: group_ids.iter().map(|id| (*id).to_owned()).collect(),
            excluded: std::collections::BTreeSet::new(),
            created: state.now(),
        };
        let id = rule.id.clone();
        state.rules.insert(id.clone(), rule);
        state.mark_all_for_rules();
        state.settle();
        id
    }

    /// Switches a group rule off.
    pub fn stop_rule(&self, id: &str) {
        let mut state = self.lock();
        if let Some(rule) = state.rules.get_mut(id) {
            rule.status = "INACTIVE";
        }
        state.mark_all_for_rules();
        state.settle();
    }

    /// The users that a rule leaves out.
    pub fn excluded(&self, rule_id: &str) -> Vec<String> {
        let state = self.lock();
        state.rules.get(rule_id).map(|it| it.excluded.iter().cloned().collect()).unwrap_or_default()
    }

    /// Adds an attribute to the profile schema, or replaces the one of that name.
    pub fn add_attribute(&self, attribute: Attribute) {
        let mut state = self.lock();
        state.schema.attributes.retain(|it| it.name != attribute.name);
        state.schema.attributes.push(attribute);
        state.reindex();
    }

    /// What a login must look like: none is an e-mail address, `.+` is anything, `[a-z]+` a set.
    pub fn login_pattern(&self, pattern: Option<&str>) {
        self.lock().schema.login_pattern = pattern.map(str::to_owned);
    }

    /// Says who owns a user's profile, for example `ACTIVE_DIRECTORY`.
    pub fn set_provider(&self, user_id: &str, provider: &str) {
        self.lock().change_user(user_id, |user| provider.clone_into(&mut user.provider));
    }

    /// Gives a user admin roles, for example `SUPER_ADMIN`.
    pub fn set_roles(&self, user_id: &str, roles: &[&str]) {
        let roles = roles.iter().map(|it| (*it).to_owned()).collect();
        self.lock().change_user(user_id, |user| user.roles = roles);
    }

    /// Gives a group admin roles, which its members then hold, too.
    pub fn set_group_roles(&self, group_id: &str, roles: &[&str]) {
        if let Some(group) = self.lock().groups.get_mut(group_id) {
            group.roles = roles.iter().map(|it| (*it).to_owned()).collect();
        }
    }

    /// Registers a service app, or replaces the one with that client id.
    pub fn register_app(&self, app: ServiceApp) {
        self.lock().auth.apps.insert(app.client_id.clone(), app);
    }

    /// Registers an SSWS token that belongs to this user; what it may do depends on the user's
    /// roles.
    pub fn register_token(&self, token: &str, owner_id: &str) {
        let mut state = self.lock();
        let (id, last_used) = (state.id("00T"), state.now());
        let known = ApiToken { id, owner: owner_id.to_owned(), last_used };
        state.auth.tokens.insert(token.to_owned(), known);
    }

    /// Makes every DPoP nonce given out so far stale.
    pub fn rotate_nonces(&self) {
        self.lock().auth.nonce_salt += 1;
    }

    /// Changes the switches.
    pub fn switch(&self, act: impl FnOnce(&mut Switches)) {
        let mut state = self.lock();
        act(&mut state.switches);
        state.reindex();
    }

    /// The same rate limit for every bucket, per minute; none is a generous one.
    pub fn limits(&self, limit: Option<u32>) {
        self.lock().limits.set_all(limit);
    }

    /// The rate limits that Okta published for a workforce org.
    pub fn published_limits(&self) {
        self.lock().limits.set_published();
    }

    /// The rate limit of one bucket, such as `/api/v1/users/{id} write`; false if there is none.
    pub fn limit(&self, bucket: &str, limit: u32) -> bool {
        self.lock().limits.set(bucket, limit)
    }
}

/// Changes by hand: each is in the System Log with the name of who did it.
impl Okta {
    /// The same org in the hands of somebody else than Pat Admin.
    #[must_use]
    pub fn acting_as(&self, name: &str) -> Self {
        Self { actor: name.into(), ..self.clone() }
    }

    /// Makes a user by hand. Gives its id.
    pub fn create_user(&self, profile: &Value, status: Status) -> String {
        self.by_hand(|state, context| {
            let id = state.insert_user(object(profile), status);
            state.user_event(context, "user.lifecycle.create", &id, &json!({}));
            if status != Status::Staged {
                state.user_event(context, "user.lifecycle.activate", &id, &json!({}));
            }
            id
        })
    }

    /// Changes attributes; null clears one. The others stay.
    pub fn set_profile(&self, user_id: &str, changes: &Value) {
        self.by_hand(|state, context| {
            let Some(user) = state.users.get(user_id) else {
                return;
            };
            let mut profile = user.profile.clone();
            profile.extend(object(changes));
            profile.retain(|_, value| !value.is_null());
            state.apply_profile(context, user_id, profile);
        });
    }

    /// Brings a user into any status at once, with the event that belongs to it.
    pub fn set_status(&self, user_id: &str, status: Status) {
        self.by_hand(|state, context| {
            let Some(before) = state.users.get(user_id).map(|user| user.status) else {
                return;
            };
            state.change_user(user_id, |user| {
                user.status = status;
                user.transition = None;
                if matches!(status, Status::Suspended | Status::Deprovisioned) {
                    user.sessions = 0;
                }
            });
            let kind = match (before, status) {
                (_, Status::Suspended) => "user.lifecycle.suspend",
                (_, Status::Deprovisioned) => "user.lifecycle.deactivate",
                (Status::Suspended, _) => "user.lifecycle.unsuspend",
                (_, Status::PasswordExpired) => "user.account.expire_password",
                (_, Status::Recovery) => "user.account.reset_password",
                (_, Status::LockedOut) => "user.account.lock",
                (Status::LockedOut, _) => "user.account.unlock_by_admin",
                _ => "user.lifecycle.activate",
            };
            state.user_event(context, kind, user_id, &json!({}));
        });
    }

    /// The user finishes the welcome flow: from `PROVISIONED` to `ACTIVE`, with a session.
    pub fn finish_activation(&self, user_id: &str) {
        let mut state = self.lock();
        state.settle();
        state.change_user(user_id, |user| {
            if user.status == Status::Provisioned {
                user.status = Status::Active;
                user.password = true;
            }
            user.sessions += 1;
        });
    }

    /// Erases a user for good.
    pub fn delete_user(&self, user_id: &str) {
        self.by_hand(|state, context| {
            let target = [state.user_target(user_id)];
            state.event(context, "user.lifecycle.delete.initiated", &target, &json!({}));
            state.erase_user(user_id);
            state.event(context, "user.lifecycle.delete.completed", &target, &json!({}));
        });
    }

    /// Adds a member.
    pub fn add_member(&self, group_id: &str, user_id: &str) {
        self.by_hand(|state, context| {
            if state.join(group_id, user_id, Reason::Hand) {
                state.membership_event(context, "add", group_id, user_id);
            }
        });
    }

    /// Removes a member; one by rule is excluded from that rule, as through the API.
    pub fn remove_member(&self, group_id: &str, user_id: &str) {
        self.by_hand(|state, context| state.leave(context, group_id, user_id));
    }

    /// Makes a group by hand. Gives its id.
    pub fn create_group(&self, name: &str) -> String {
        self.by_hand(|state, context| {
            let id = state.insert_group(name, "", "OKTA_GROUP");
            let target = state.group_target(&id);
            state.event(context, "group.lifecycle.create", &[target], &json!({}));
            id
        })
    }

    /// Gives a group another name.
    pub fn rename_group(&self, group_id: &str, name: &str) {
        self.by_hand(|state, context| {
            let Some(group) = state.groups.get(group_id) else {
                return;
            };
            let mut profile = group.profile.clone();
            profile.insert("name".to_owned(), json!(name));
            state.change_group(context, group_id, profile);
        });
    }

    /// Deletes a group.
    pub fn delete_group(&self, group_id: &str) {
        self.by_hand(|state, context| state.drop_group(context, group_id));
    }

    /// One id for each name, as long as any other.
    fn actor_id(&self) -> String {
        let letters: String =
            self.actor.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        format!("00u1{letters:0<9.9}Gt5d7KQ")
    }

    fn by_hand<T>(&self, act: impl FnOnce(&mut State, &Context) -> T) -> T {
        let mut state = self.lock();
        state.settle();
        let request_id = format!("req{}", &state.secret("hand")[..24]);
        let context = Context {
            request_id,
            actor_id: self.actor_id(),
            actor_type: "User",
            actor_name: self.actor.to_string(),
            actor_login: format!("{}@example.com", self.actor.to_lowercase().replace(' ', ".")),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0".to_owned(),
            uri: "/admin/console".to_owned(),
            token_id: None,
        };
        let result = act(&mut state, &context);
        state.settle();
        result
    }
}

/// Looking.
impl Okta {
    /// The user with this id or login.
    pub fn find(&self, id_or_login: &str) -> Option<Account> {
        let mut state = self.lock();
        state.settle();
        let user = state.find_user(id_or_login).ok()?.clone();
        Some(account(&state, &user))
    }

    /// All users, by id.
    pub fn accounts(&self) -> Vec<Account> {
        let mut state = self.lock();
        state.settle();
        state.users.values().map(|user| account(&state, user)).collect()
    }

    /// How many users there are, in any status.
    pub fn user_count(&self) -> usize {
        self.lock().users.len()
    }

    /// The id of the group with this name.
    pub fn group_id(&self, name: &str) -> Option<String> {
        let state = self.lock();
        state.groups.values().find(|group| group.name() == name).map(|group| group.id.clone())
    }

    /// All groups: id and name.
    pub fn groups(&self) -> Vec<(String, String)> {
        let state = self.lock();
        state.groups.values().map(|it| (it.id.clone(), it.name().to_owned())).collect()
    }

    /// The ids of a group's members, in order.
    pub fn members(&self, group_id: &str) -> Vec<String> {
        let state = self.lock();
        state
            .groups
            .get(group_id)
            .map(|it| it.members.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The writes that the API received so far, also the refused ones.
    pub fn writes(&self) -> Vec<Write> {
        self.lock().writes.clone()
    }

    /// How many calls the API received so far.
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Forgets calls and writes.
    pub fn clear_calls(&self) {
        let mut state = self.lock();
        state.calls = 0;
        state.writes.clear();
    }

    /// The mails that would have been sent.
    pub fn mails(&self) -> Vec<Mail> {
        self.lock().mails.clone()
    }

    /// The System Log, whatever its lag.
    pub fn events(&self) -> Vec<Value> {
        self.lock().log.iter().map(|(_, event)| event.clone()).collect()
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn account(state: &State, user: &User) -> Account {
    let ids = state.groups_of.get(&user.id).into_iter().flatten();
    let mut groups: Vec<String> = ids
        .filter(|id| **id != state.everyone)
        .filter_map(|id| state.groups.get(id))
        .map(|group| group.name().to_owned())
        .collect();
    groups.sort();
    Account {
        id: user.id.clone(),
        status: user.status,
        transitioning_to: user.transition.map(|(status, _)| status),
        profile: user.profile.clone().into_iter().collect(),
        groups,
        sessions: user.sessions,
        created: user.created,
        last_updated: user.last_updated,
    }
}
