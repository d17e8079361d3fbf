//! The configuration as it is written: every key of the file, with its default, nothing checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A text with its place in the file.
pub(crate) type Text = Spanned<String>;

fn text(default: &str) -> Text {
    Spanned::new(0..0, default.to_owned())
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty = $default:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $name { $(pub $field: $kind,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

/// Every table of the file; without `[servicenow]`, `[okta]` or `[profile]` it is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub mode: Option<Text>,
    pub servicenow: ServiceNow,
    pub okta: Okta,
    #[serde(default)]
    pub store: Store,
    #[serde(default)]
    pub schedule: Schedule,
    #[serde(default)]
    pub identity: Identity,
    pub profile: Spanned<BTreeMap<String, Text>>,
    #[serde(default)]
    pub request: Vec<Spanned<Request>>,
    #[serde(default)]
    pub group: Vec<Spanned<Group>>,
    #[serde(default)]
    pub lifecycle: Lifecycle,
    #[serde(default)]
    pub attribution: Attribution,
    #[serde(default)]
    pub guard: Guard,
    #[serde(default)]
    pub writeback: Writeback,
    #[serde(default)]
    pub targets: Targets,
    #[serde(default)]
    pub metrics: Metrics,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceNow {
    pub url: Text,
    pub auth: Spanned<Auth>,
    #[serde(default = "ServiceNow::default_users")]
    pub users: Text,
    #[serde(default = "ServiceNow::default_requests")]
    pub requests: Text,
    #[serde(default = "ServiceNow::default_page_size")]
    pub page_size: Spanned<i64>,
    #[serde(default = "default_share")]
    pub share: Text,
}

impl ServiceNow {
    fn default_users() -> Text {
        text("user_nameISNOTEMPTY")
    }

    fn default_requests() -> Text {
        text("")
    }

    fn default_page_size() -> Spanned<i64> {
        Spanned::new(0..0, 1000)
    }
}

fn default_share() -> Text {
    text("50%")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Okta {
    pub url: Text,
    pub auth: Spanned<Auth>,
    #[serde(default = "default_share")]
    pub share: Text,
}

/// Every way to sign in, on either side; which keys go with which kind is checked later.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    pub kind: Text,
    pub username: Option<Text>,
    pub password: Option<Text>,
    pub client_id: Option<Text>,
    pub client_secret: Option<Text>,
    pub key: Option<Text>,
    pub token: Option<Text>,
    pub dpop: Option<Spanned<bool>>,
}

section!(Store {
    path: Option<Text> = None,
    keep: Text = text("400 days"),
});

section!(Schedule {
    poll: Text = text("5s"),
    full: Text = text("0 0 3 * * *"),
    timezone: Text = text("UTC"),
});

section!(Identity {
    r#match: Spanned<Vec<String>> =
        Spanned::new(0..0, vec!["employeeNumber".to_owned(), "login".to_owned()]),
    anchor: Option<Text> = None,
});

/// One `[[request]]` block: which catalog item asks for what, for whom and from when.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub item: Text,
    pub when: Option<Text>,
    pub operation: Text,
    pub approval: Option<Text>,
    pub person: Option<Text>,
    pub groups: Option<Text>,
    pub lookup: Option<Spanned<Lookup>>,
    pub starts: Option<Text>,
    pub ends: Option<Text>,
    pub last_day: Option<Text>,
    pub mode: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    pub table: String,
    pub column: String,
}

/// One `[[group]]` block: whose record makes them a member of an Okta group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub name: Text,
    pub when: Text,
    pub members: Option<Text>,
    pub mode: Option<Text>,
}

section!(Lifecycle {
    accounts: Text = text("requested"),
    inactive_record: Text = text("suspend"),
    suspended_elsewhere: Text = text("report"),
    create_ahead: Text = text("0s"),
    activation_mail: bool = true,
});

section!(Attribution { unattributed: Text = text("hold"), drift: Text = text("apply") });

section!(Guard {
    protected_users: Vec<String> = Vec::new(),
    protected_groups: Vec<String> = Vec::new(),
    grantable_groups: Option<Vec<Text>> = None,
    sentinels: Vec<String> = Vec::new(),
    window: Text = text("24h"),
    max_disabled: u32 = 5,
    max_disabled_share: Text = text("0.5%"),
    max_removed: u32 = 200,
    max_group_share: Text = text("30%"),
    max_changed: u32 = 200,
    max_changed_share: Text = text("5%"),
    max_people_drop: Text = text("5%"),
    max_accounts_drop: Text = text("5%"),
    max_repeats: u32 = 3,
});

section!(Writeback {
    enabled: bool = true,
    close: Text = text("item"),
    state_done: Text = text("3"),
    note: Text = text("work_notes"),
    held_note: Text = text("comments"),
});

section!(Targets { leave: Text = text("2 minutes"), join: Text = text("30 seconds") });

section!(Metrics {
    listen: Option<Text> = None,
});
