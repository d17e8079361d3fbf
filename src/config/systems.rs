//! The two systems: their addresses, how to sign in, and what is asked of them.

use std::collections::BTreeSet;
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
                // Without a path, a query, a fragment or a user.
                let origin = url.origin().ascii_serialization();
                let bare = url.as_str().strip_suffix('/') == Some(&origin);
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
        credential::resolve(reference.get_ref(), folder, self.instance, self.environment)
            .map_err(|problem| self.problem(&reference.span(), problem))
            .ok()
    }

    /// The keys of `auth`: those that its kind needs must be there, and no others.
    fn check_keys(&mut self, auth: &Spanned<Auth>, needed: &[&str]) {
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
        for (name, text) in texts {
            match (text, needed.contains(&name)) {
                (Some(text), false) => {
                    self.problem(&text.span(), format!("auth of kind {kind:?} has no `{name}`"));
                }
                (None, true) => {
                    self.problem(&auth.span(), format!("auth of kind {kind:?} needs `{name}`"));
                }
                _ => {}
            }
        }
        if let Some(dpop) = dpop.as_ref().filter(|_| kind != "service-app") {
            self.problem(&dpop.span(), format!("auth of kind {kind:?} has no `dpop`"));
        }
    }

    fn servicenow_auth(&mut self, auth: &Spanned<Auth>) -> Option<servicenow::Auth> {
        let Auth { kind, username, password, client_id, client_secret, key, .. } = auth.get_ref();
        let needed = self.word::<&[&str]>(
            kind,
            &[
                ("oauth", &["client_id", "client_secret"]),
                ("basic", &["username", "password"]),
                ("api-key", &["key"]),
            ],
        )?;
        self.check_keys(auth, needed);
        Some(match kind.get_ref().as_str() {
            "oauth" => servicenow::Auth::OAuth {
                client_id: client_id.as_ref()?.get_ref().clone(),
                client_secret: self.secret(client_secret.as_ref()?)?,
            },
            "basic" => servicenow::Auth::Basic {
                username: username.as_ref()?.get_ref().clone(),
                password: self.secret(password.as_ref()?)?,
            },
            _ => servicenow::Auth::ApiKey { key: self.secret(key.as_ref()?)? },
        })
    }

    fn okta_auth(&mut self, auth: &Spanned<Auth>) -> Option<okta::Auth> {
        let Auth { kind, client_id, key, token, dpop, .. } = auth.get_ref();
        let kinds: [(_, &[&str]); 2] =
            [("service-app", &["client_id", "key"]), ("token", &["token"])];
        let needed = self.word(kind, &kinds)?;
        self.check_keys(auth, needed);
        if kind.get_ref() == "token" {
            return Some(okta::Auth::Token { token: self.secret(token.as_ref()?)? });
        }
        let (client_id, key) = (client_id.as_ref()?.get_ref().clone(), key.as_ref()?);
        if self.environment.without_secrets {
            // An empty text is no key, and nothing will be signed.
            return Some(okta::Auth::Token { token: SecretString::from("") });
        }
        let dpop = dpop.as_ref().is_some_and(|dpop| *dpop.get_ref());
        Some(okta::Auth::ServiceApp { client_id, key: self.secret(key)?, dpop })
    }

    pub(super) fn servicenow(
        &mut self,
        written: file::ServiceNow,
        policy: &Policy,
        state_done: String,
    ) -> Option<servicenow::Settings> {
        let file::ServiceNow { url, auth, users, requests, page_size, share } = written;
        let auth = self.servicenow_auth(&auth);
        for query in [&users, &requests] {
            if let Err(error) = Filter::parse(query.get_ref()) {
                self.problem(&query.span(), error.to_string());
            }
        }
        let size = u32::try_from(*page_size.get_ref()).ok();
        let size = size.filter(|size| (1..=10_000).contains(size));
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
            order_approval: policy.requests.iter().any(|it| it.approval == ApprovalSource::Order),
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
        let auth = self.okta_auth(&auth);
        let url = self.url(&url);
        let share = self.share(&share);
        Some(okta::Settings { url: url?, auth: auth?, share, retry: RetryPolicy::default() })
    }
}
