//! The two systems: their addresses, how to sign in, and what is asked of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use secrecy::SecretString;
use toml::Spanned;
use url::Url;

use super::check::Checker;
use super::credential;
use super::file::{self, Auth, Text};
use crate::http::RetryPolicy;
use crate::model::Person;
use crate::policy::dot_walk::beside_walk;
use crate::policy::{ApprovalSource, Policy};
use crate::servicenow::query::Filter;
use crate::{okta, servicenow};

impl Checker<'_> {
    /// https, or http to this machine; nothing behind the host.
    fn url(&mut self, text: &Text) -> Option<Url> {
        let problem = match Url::parse(text.get_ref()) {
            Err(error) => {
                format!("it is not an address such as \"https://example.okta.com\": {error}")
            }
            Ok(url) => {
                let loopback = match url.host() {
                    Some(url::Host::Ipv4(address)) => address.is_loopback(),
                    Some(url::Host::Ipv6(address)) => address.is_loopback(),
                    Some(url::Host::Domain(name)) => name == "localhost",
                    None => false,
                };
                let bare = url.path() == "/"
                    && url.query().is_none()
                    && url.fragment().is_none()
                    && url.username().is_empty()
                    && url.password().is_none();
                match url.scheme() {
                    "https" | "http" if !bare => {
                        "only the scheme and the host belong here, such as \"https://example.okta.com\"".to_owned()
                    }
                    "https" => return Some(url),
                    "http" if loopback => return Some(url),
                    "http" => "plain http is only for a loopback address; write https".to_owned(),
                    other => format!("{other} is not https"),
                }
            }
        };
        self.problem(&text.span(), problem);
        None
    }

    fn secret(&mut self, reference: &Text) -> Option<SecretString> {
        let folder = self.source.path.parent().unwrap_or(Path::new("."));
        match credential::resolve(reference.get_ref(), folder, self.instance, self.environment) {
            Ok(secret) => Some(secret),
            Err(problem) => {
                self.problem(&reference.span(), problem);
                None
            }
        }
    }

    /// The keys of `auth`: those that its kind needs must be there, and no others.
    fn auth_keys<'t>(
        &mut self,
        auth: &'t Spanned<Auth>,
        needed: &[&str],
        optional: &[&str],
    ) -> Option<BTreeMap<&'static str, &'t Text>> {
        let Auth { kind, username, password, client_id, client_secret, key, token, dpop } =
            auth.get_ref();
        let kind = kind.get_ref();
        let texts = [
            ("username", username),
            ("password", password),
            ("client_id", client_id),
            ("client_secret", client_secret),
            ("key", key),
            ("token", token),
        ];
        let mut found = BTreeMap::new();
        let mut complete = true;
        for (name, text) in texts {
            match text {
                Some(text) if needed.contains(&name) => {
                    found.insert(name, text);
                }
                Some(text) => {
                    self.problem(&text.span(), format!("auth of kind {kind:?} has no `{name}`"));
                }
                None if needed.contains(&name) => {
                    self.problem(&auth.span(), format!("auth of kind {kind:?} needs `{name}`"));
                    complete = false;
                }
                None => {}
            }
        }
        if let Some(dpop) = dpop
            && !optional.contains(&"dpop")
        {
            self.problem(&dpop.span(), format!("auth of kind {kind:?} has no `dpop`"));
        }
        complete.then_some(found)
    }

    pub(super) fn servicenow(
        &mut self,
        written: file::ServiceNow,
        policy: &Policy,
        state_done: String,
    ) -> Option<servicenow::Settings> {
        #[derive(Clone, Copy)]
        enum Kind {
            OAuth,
            Basic,
            ApiKey,
        }
        let file::ServiceNow { url, auth, users, requests, page_size, share } = written;
        let kinds = [("oauth", Kind::OAuth), ("basic", Kind::Basic), ("api-key", Kind::ApiKey)];
        let auth = match self.word(&auth.get_ref().kind, &kinds) {
            None => None,
            Some(Kind::OAuth) => {
                self.auth_keys(&auth, &["client_id", "client_secret"], &[]).and_then(|keys| {
                    Some(servicenow::Auth::OAuth {
                        client_id: keys["client_id"].get_ref().clone(),
                        client_secret: self.secret(keys["client_secret"])?,
                    })
                })
            }
            Some(Kind::Basic) => {
                self.auth_keys(&auth, &["username", "password"], &[]).and_then(|keys| {
                    Some(servicenow::Auth::Basic {
                        username: keys["username"].get_ref().clone(),
                        password: self.secret(keys["password"])?,
                    })
                })
            }
            Some(Kind::ApiKey) => self
                .auth_keys(&auth, &["key"], &[])
                .and_then(|keys| Some(servicenow::Auth::ApiKey { key: self.secret(keys["key"])? })),
        };
        for query in [&users, &requests] {
            if let Err(error) = Filter::parse(query.get_ref()) {
                self.problem(&query.span(), error.to_string());
            }
        }
        let size =
            u32::try_from(*page_size.get_ref()).ok().filter(|size| (1..=10_000).contains(size));
        if size.is_none() {
            self.problem(&page_size.span(), "`page_size` is a number from 1 to 10000");
        }
        let person_fields = self.person_fields(policy);
        let (mut variables, mut request_fields) = (BTreeSet::new(), BTreeSet::new());
        for rule in &policy.requests {
            for expression in rule.expressions() {
                variables.extend(expression.fields("variables"));
                request_fields.extend(expression.fields("request"));
            }
            if rule.person.is_none() {
                request_fields.insert("requested_for".to_owned());
            }
        }
        let url = self.url(&url);
        let share = self.share(&share);
        Some(servicenow::Settings {
            url: url?,
            auth: auth?,
            users: users.into_inner(),
            requests: requests.into_inner(),
            page_size: size?,
            share,
            person_fields,
            variables,
            request_fields,
            items: policy.requests.iter().map(|rule| rule.item.clone()).collect(),
            order_approval: policy
                .requests
                .iter()
                .any(|rule| rule.approval == ApprovalSource::Order),
            state_done,
            retry: RetryPolicy::default(),
        })
    }

    /// The fields of `sys_user` that expressions name, and with each dot-walk its reference: so
    /// that an empty dot-walk behind a filled reference is seen.
    fn person_fields(&mut self, policy: &Policy) -> BTreeSet<String> {
        let mut named: BTreeSet<String> = BTreeSet::new();
        for expression in policy.profile.values().chain(policy.groups.iter().map(|g| &g.when)) {
            named.extend(expression.fields("user"));
        }
        let mut fields: BTreeSet<String> = Person::FIELDS.iter().map(|f| (*f).to_owned()).collect();
        for field in &named {
            for beside in beside_walk(field) {
                if named.contains(&beside) && !beside.ends_with(".sys_id") {
                    let problem = format!(
                        "`user.{beside}` and `user.{field}` cannot both be named: \
                         write `user.{beside}.sys_id` for the first"
                    );
                    self.problem(&(0..0), problem);
                }
                fields.insert(beside);
            }
        }
        fields.extend(named);
        fields
    }

    pub(super) fn okta(&mut self, written: file::Okta) -> Option<okta::Settings> {
        let file::Okta { url, auth, share } = written;
        let auth = match self.word(&auth.get_ref().kind, &[("service-app", true), ("token", false)])
        {
            None => None,
            Some(true) => {
                self.auth_keys(&auth, &["client_id", "key"], &["dpop"]).and_then(|keys| {
                    if self.environment.without_secrets {
                        // An empty text is no key, and nothing will be signed.
                        return Some(okta::Auth::Token { token: SecretString::from("") });
                    }
                    Some(okta::Auth::ServiceApp {
                        client_id: keys["client_id"].get_ref().clone(),
                        key: self.secret(keys["key"])?,
                        dpop: auth.get_ref().dpop.as_ref().is_some_and(|dpop| *dpop.get_ref()),
                    })
                })
            }
            Some(false) => self
                .auth_keys(&auth, &["token"], &[])
                .and_then(|keys| Some(okta::Auth::Token { token: self.secret(keys["token"])? })),
        };
        let url = self.url(&url);
        let share = self.share(&share);
        Some(okta::Settings { url: url?, auth: auth?, share, retry: RetryPolicy::default() })
    }
}
