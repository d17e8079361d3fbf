//! Everything that the simulated org holds, its indexes, and the changes that time brings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::auth::Auth;
use super::errors::Problem;
use super::limits::Limits;
use super::schema::Schema;
use super::{Mail, Status, Switches, Write};
use crate::sim::clock::Clock;

/// A user as the org holds it.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub id: String,
    pub status: Status,
    pub transition: Option<(Status, DateTime<Utc>)>,
    pub created: DateTime<Utc>,
    pub activated: Option<DateTime<Utc>>,
    pub status_changed: Option<DateTime<Utc>>,
    pub last_updated: DateTime<Utc>,
    pub profile: Map<String, Value>,
    pub provider: String,
    pub password: bool,
    pub sessions: u32,
    pub roles: Vec<String>,
    pub version: u64,
}

impl User {
    pub fn text(&self, name: &str) -> &str {
        self.profile.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn display_name(&self) -> String {
        format!("{} {}", self.text("firstName"), self.text("lastName"))
    }
}

/// A group, with the reason why each member belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub id: String,
    pub kind: String,
    pub profile: Map<String, Value>,
    pub created: DateTime<Utc>,
    pub last_updated: DateTime<Utc>,
    pub last_membership_updated: DateTime<Utc>,
    pub members: BTreeMap<String, Reason>,
    pub roles: Vec<String>,
}

impl Group {
    pub fn name(&self) -> &str {
        self.profile.get("name").and_then(Value::as_str).unwrap_or_default()
    }
}

/// A group rule: whoever has this value in this attribute belongs to these groups.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub id: String,
    pub name: String,
    pub status: &'static str,
    pub attribute: String,
    pub value: String,
    pub groups: Vec<String>,
    pub excluded: BTreeSet<String>,
    pub created: DateTime<Utc>,
}

/// Who does something, in which call.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    pub request_id: String,
    pub actor_id: String,
    pub actor_type: &'static str,
    pub actor_name: String,
    pub actor_login: String,
    pub user_agent: String,
    pub uri: String,
    pub token_id: Option<String>,
}

/// What a user looked like from when on; nothing where it did not exist.
type Versions = Vec<(DateTime<Utc>, Option<User>)>;

/// Why somebody is in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Hand,
    Rule(String),
}

/// The org.
#[derive(Debug)]
pub(super) struct State {
    pub clock: Clock,
    pub switches: Switches,
    pub schema: Schema,
    pub users: BTreeMap<String, User>,
    pub groups: BTreeMap<String, Group>,
    pub groups_of: HashMap<String, BTreeSet<String>>,
    pub rules: BTreeMap<String, Rule>,
    pub log: Vec<(DateTime<Utc>, Value)>,
    pub mails: Vec<Mail>,
    pub writes: Vec<Write>,
    pub calls: usize,
    pub auth: Auth,
    pub limits: Limits,
    pub everyone: String,
    logins: HashMap<String, String>,
    unique: HashMap<(String, String), String>,
    versions: HashMap<String, Versions>,
    transitions: BTreeSet<String>,
    unruled: Vec<(DateTime<Utc>, String)>,
    counter: u64,
}

impl State {
    pub fn new(clock: Clock) -> Self {
        let mut state = Self {
            clock,
            switches: Switches::default(),
            schema: Schema::default(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            groups_of: HashMap::new(),
            rules: BTreeMap::new(),
            log: Vec::new(),
            mails: Vec::new(),
            writes: Vec::new(),
            calls: 0,
            auth: Auth::default(),
            limits: Limits::default(),
            everyone: String::new(),
            logins: HashMap::new(),
            unique: HashMap::new(),
            versions: HashMap::new(),
            transitions: BTreeSet::new(),
            unruled: Vec::new(),
            counter: 0,
        };
        state.everyone =
            state.insert_group("Everyone", "All users in your organization", "BUILT_IN");
        state
    }

    /// The org's time, in the milliseconds that Okta shows.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(3)
    }

    /// The next id of this kind: 20 letters that grow with time.
    pub fn id(&mut self, prefix: &str) -> String {
        self.counter += 1;
        format!("{prefix}1{:09x}Gt5d7KQ", self.counter)
    }

    /// The next text that nobody can guess and every run repeats.
    pub fn secret(&mut self, purpose: &str) -> String {
        use base64::Engine;
        self.counter += 1;
        let hash = digest(&SHA256, format!("{purpose} {}", self.counter).as_bytes());
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash)
    }

    /// The next 128 bits as 32 hexadecimal digits.
    pub fn hex(&mut self, purpose: &str) -> String {
        self.counter += 1;
        let hash = digest(&SHA256, format!("{purpose} {}", self.counter).as_bytes());
        let (head, _) = hash.as_ref().split_at(16);
        let number = head.iter().fold(0_u128, |all, byte| (all << 8) | u128::from(*byte));
        format!("{number:032x}")
    }

    pub fn insert_group(&mut self, name: &str, description: &str, kind: &str) -> String {
        let id = self.id("00g");
        self.insert_group_as(id, name, description, kind)
    }

    pub fn insert_group_as(
        &mut self,
        id: String,
        name: &str,
        description: &str,
        kind: &str,
    ) -> String {
        let now = self.now();
        let profile = json!({"name": name, "description": description});
        let group = Group {
            id: id.clone(),
            kind: kind.to_owned(),
            profile: profile.as_object().cloned().unwrap_or_default(),
            created: now,
            last_updated: now,
            last_membership_updated: now,
            members: BTreeMap::new(),
            roles: Vec::new(),
        };
        self.groups.insert(id.clone(), group);
        id
    }

    /// Makes a user without any event; it becomes a member of Everyone.
    pub fn insert_user(&mut self, profile: Map<String, Value>, status: Status) -> String {
        let id = self.id("00u");
        self.insert_user_as(id, profile, status)
    }

    /// The same with an id of one's own choice.
    pub fn insert_user_as(
        &mut self,
        id: String,
        profile: Map<String, Value>,
        status: Status,
    ) -> String {
        let now = self.now();
        let active = !matches!(status, Status::Staged | Status::Provisioned);
        let user = User {
            id: id.clone(),
            status,
            transition: None,
            created: now,
            activated: (status != Status::Staged).then_some(now),
            status_changed: Some(now),
            last_updated: now,
            profile,
            provider: "OKTA".to_owned(),
            password: active,
            sessions: u32::from(status == Status::Active),
            roles: Vec::new(),
            version: 1,
        };
        self.remember(&id, None, Some(&user));
        self.index(&user);
        self.users.insert(id.clone(), user);
        let everyone = self.everyone.clone();
        self.join(&everyone, &id, Reason::Hand);
        self.mark_for_rules(&id);
        id
    }

    /// Changes a user and everything that follows from it. Does nothing for an unknown id.
    pub fn change_user(&mut self, id: &str, act: impl FnOnce(&mut User)) {
        let now = self.now();
        let Some(mut user) = self.users.remove(id) else {
            return;
        };
        let before = user.clone();
        act(&mut user);
        user.last_updated = now;
        user.version += 1;
        if user.status != before.status {
            user.status_changed = Some(now);
        }
        self.unindex(&before);
        self.index(&user);
        self.remember(id, Some(&before), Some(&user));
        if user.transition.is_some() {
            self.transitions.insert(id.to_owned());
        }
        self.users.insert(id.to_owned(), user);
        self.mark_for_rules(id);
    }

    /// Erases a user, its memberships and its claim on the login.
    pub fn erase_user(&mut self, id: &str) {
        let Some(user) = self.users.remove(id) else {
            return;
        };
        self.unindex(&user);
        self.remember(id, Some(&user), None);
        for group in self.groups_of.remove(id).unwrap_or_default() {
            if let Some(group) = self.groups.get_mut(&group) {
                group.members.remove(id);
            }
        }
    }

    /// Puts a user into a group, whatever the reason; says whether that is new.
    pub fn join(&mut self, group_id: &str, user_id: &str, reason: Reason) -> bool {
        let now = self.now();
        let Some(group) = self.groups.get_mut(group_id) else {
            return false;
        };
        let new = group.members.insert(user_id.to_owned(), reason).is_none();
        if new {
            group.last_membership_updated = now;
            self.groups_of.entry(user_id.to_owned()).or_default().insert(group_id.to_owned());
        }
        new
    }

    /// Takes a user out of a group; gives why it was a member, if it was.
    pub fn part(&mut self, group_id: &str, user_id: &str) -> Option<Reason> {
        let now = self.now();
        let group = self.groups.get_mut(group_id)?;
        let reason = group.members.remove(user_id)?;
        group.last_membership_updated = now;
        if let Some(groups) = self.groups_of.get_mut(user_id) {
            groups.remove(group_id);
        }
        Some(reason)
    }

    /// The user with this id, login, or unambiguous part of a login before the `@`.
    pub fn find_user(&self, id_or_login: &str) -> Result<&User, Problem> {
        if let Some(user) = self.users.get(id_or_login) {
            return Ok(user);
        }
        let by_login = self.logins.get(&folded(id_or_login)).and_then(|id| self.users.get(id));
        if let Some(user) = by_login {
            return Ok(user);
        }
        if !id_or_login.contains('@') && !id_or_login.is_empty() {
            let short = format!("{}@", folded(id_or_login));
            let mut same = self.logins.iter().filter(|(login, _)| login.starts_with(&short));
            if let (Some((_, id)), None) = (same.next(), same.next()) {
                return self.users.get(id).ok_or_else(|| Problem::missing(id, "User"));
            }
        }
        Err(Problem::missing(id_or_login, "User"))
    }

    pub fn find_group(&self, id: &str) -> Result<&Group, Problem> {
        self.groups.get(id).ok_or_else(|| Problem::missing(id, "UserGroup"))
    }

    /// The admin roles of a user, each with how it comes by it: `USER`, or `GROUP` for those of
    /// the groups it belongs to.
    pub fn roles_of<'a>(&'a self, user: &'a User) -> Vec<(&'a str, &'static str)> {
        let own = user.roles.iter().map(|role| (role.as_str(), "USER"));
        let groups = self.groups_of.get(&user.id).into_iter().flatten();
        let lent = groups.filter_map(|id| self.groups.get(id)).flat_map(|group| &group.roles);
        own.chain(lent.map(|role| (role.as_str(), "GROUP"))).collect()
    }

    /// Refuses a login or a unique value that somebody else has.
    pub fn check_free(
        &self,
        profile: &Map<String, Value>,
        own: Option<&str>,
    ) -> Result<(), Problem> {
        let login = profile.get("login").and_then(Value::as_str).unwrap_or_default();
        if self.logins.get(&folded(login)).is_some_and(|id| Some(id.as_str()) != own) {
            return Err(Problem::taken("login"));
        }
        for (name, value) in self.unique_values(profile) {
            let owner = self.unique.get(&(name.clone(), value));
            if owner.is_some_and(|id| Some(id.as_str()) != own) {
                return Err(Problem::taken(&name));
            }
        }
        Ok(())
    }

    fn unique_values(&self, profile: &Map<String, Value>) -> Vec<(String, String)> {
        let mail = self.switches.self_service_registration;
        let is_unique = |name: &str, unique: bool| unique || (mail && name == "email");
        let attributes = self.schema.attributes.iter();
        attributes
            .filter(|it| is_unique(&it.name, it.unique))
            .filter_map(|it| {
                let value = profile.get(&it.name).filter(|value| !value.is_null())?;
                Some((it.name.clone(), value.as_str().map_or(value.to_string(), str::to_lowercase)))
            })
            .collect()
    }

    fn index(&mut self, user: &User) {
        self.logins.insert(folded(user.text("login")), user.id.clone());
        for key in self.unique_values(&user.profile) {
            self.unique.insert(key, user.id.clone());
        }
    }

    fn unindex(&mut self, user: &User) {
        self.logins.remove(&folded(user.text("login")));
        for key in self.unique_values(&user.profile) {
            self.unique.remove(&key);
        }
    }

    /// Builds the indexes again after the schema or a switch changed what is unique.
    pub fn reindex(&mut self) {
        self.unique.clear();
        let users: Vec<User> = self.users.values().cloned().collect();
        for user in &users {
            self.index(user);
        }
    }

    fn remember(&mut self, id: &str, before: Option<&User>, after: Option<&User>) {
        if self.switches.index_lag.is_zero() {
            return;
        }
        let now = self.now();
        let first = || vec![(DateTime::<Utc>::MIN_UTC, before.cloned())];
        let versions = self.versions.entry(id.to_owned()).or_insert_with(first);
        versions.push((now, after.cloned()));
    }

    /// The users as the search index shows them: as they were `index_lag` ago, ordered by id.
    pub fn indexed_users(&self) -> Box<dyn Iterator<Item = &User> + '_> {
        if self.versions.is_empty() || self.switches.index_lag.is_zero() {
            return Box::new(self.users.values());
        }
        let seen_until = self.now() - delta(self.switches.index_lag);
        let erased = self.versions.keys().filter(|id| !self.users.contains_key(*id));
        let ids: BTreeSet<&String> = self.users.keys().chain(erased).collect();
        Box::new(ids.into_iter().filter_map(move |id| match self.versions.get(id) {
            None => self.users.get(id),
            Some(versions) => versions.iter().rev().find(|(at, _)| *at <= seen_until)?.1.as_ref(),
        }))
    }

    fn mark_for_rules(&mut self, id: &str) {
        if !self.rules.is_empty() {
            let due = self.now() + delta(self.switches.rule_delay);
            self.unruled.push((due, id.to_owned()));
        }
    }

    /// Lets all rules look at everybody again.
    pub fn mark_all_for_rules(&mut self) {
        let ids: Vec<String> = self.users.keys().cloned().collect();
        for id in &ids {
            self.mark_for_rules(id);
        }
    }

    /// Does what has become due: ends transitions, evaluates group rules.
    pub fn settle(&mut self) {
        let now = self.now();
        for id in self.transitions.clone() {
            let due = self.users.get(&id).and_then(|user| user.transition);
            match due {
                Some((_, until)) if until > now => continue,
                Some((status, _)) => self.change_user(&id, |user| {
                    user.status = status;
                    user.transition = None;
                }),
                None => {}
            }
            self.transitions.remove(&id);
        }
        if self.unruled.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.unruled);
        let (due, later): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, _)| *at <= now);
        self.unruled = later;
        for (_, id) in due {
            self.apply_rules(&id);
        }
    }

    fn apply_rules(&mut self, user_id: &str) {
        let context = Context::system();
        let rules: Vec<Rule> =
            self.rules.values().filter(|rule| rule.status == "ACTIVE").cloned().collect();
        for rule in rules {
            let Some(user) = self.users.get(user_id) else {
                return;
            };
            let fits = user.text(&rule.attribute) == rule.value
                && !rule.excluded.contains(user_id)
                && user.status != Status::Deprovisioned;
            for group in &rule.groups {
                let why = self.groups.get(group).and_then(|it| it.members.get(user_id)).cloned();
                if fits && why.is_none() {
                    self.join(group, user_id, Reason::Rule(rule.id.clone()));
                    self.membership_event(&context, "add", group, user_id);
                } else if !fits && why == Some(Reason::Rule(rule.id.clone())) {
                    self.part(group, user_id);
                    self.membership_event(&context, "remove", group, user_id);
                }
            }
        }
    }
}

impl Context {
    /// Okta itself, at work in the background.
    pub fn system() -> Self {
        Self {
            request_id: "reqBackgroundJob".to_owned(),
            actor_id: "okta.system.actor".to_owned(),
            actor_type: "SystemPrincipal",
            actor_name: "Okta System".to_owned(),
            actor_login: "system@okta.com".to_owned(),
            user_agent: String::new(),
            uri: String::new(),
            token_id: None,
        }
    }
}

/// Without case and without diacritics: how logins are compared.
pub(super) fn folded(text: &str) -> String {
    text.nfd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase).collect()
}

/// A duration on the org's clock.
pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// A date as Okta writes it.
pub(super) fn date(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
