//! A configuration that fits the company's catalog.

use std::fmt::Write;

/// Where the secrets and the store of an example configuration are.
#[derive(Clone, Debug)]
pub struct References {
    /// The ServiceNow user name.
    pub servicenow_user: String,
    /// A credential reference to its password.
    pub servicenow_password: String,
    /// A credential reference to the Okta API token.
    pub okta_token: String,
    /// The store's path; none leaves the default.
    pub store: Option<String>,
}

impl Default for References {
    fn default() -> Self {
        Self {
            servicenow_user: "svc-goldthread".to_owned(),
            servicenow_password: "env:GOLDTHREAD_SERVICENOW_PASSWORD".to_owned(),
            okta_token: "env:GOLDTHREAD_OKTA_TOKEN".to_owned(),
            store: None,
        }
    }
}

/// A complete configuration with secrets in environment variables.
pub fn example_config(servicenow_url: &str, okta_url: &str) -> String {
    example_config_with(servicenow_url, okta_url, &References::default())
}

/// A complete configuration.
pub fn example_config_with(
    servicenow_url: &str,
    okta_url: &str,
    references: &References,
) -> String {
    let store = references
        .store
        .as_ref()
        .map_or_else(String::new, |path| format!("[store]\npath = {}\n\n", toml_text(path)));
    let head = format!(
        "mode = \"enforce\"\n\n\
         [servicenow]\n\
         url = {}\n\
         auth = {{ kind = \"basic\", username = {}, password = {} }}\n\
         users = \"user_nameISNOTEMPTY^web_service_access_only=false\"\n\n\
         [okta]\n\
         url = {}\n\
         auth = {{ kind = \"token\", token = {} }}\n\n\
         {store}",
        toml_text(servicenow_url),
        toml_text(&references.servicenow_user),
        toml_text(&references.servicenow_password),
        toml_text(okta_url),
        toml_text(&references.okta_token),
    );
    let mut text = head + REST;
    for (department, _) in super::DEPARTMENTS {
        let _ = write!(
            text,
            "\n[[group]]\nname = \"{department}\"\nwhen = \"user.department.name == '{department}' && user.active == 'true'\"\nmembers = \"exact\"\n"
        );
    }
    text
}

fn toml_text(value: &str) -> String {
    toml::Value::from(value).to_string()
}

const REST: &str = r#"[schedule]
poll = "1s"

[identity]
match = ["employeeNumber", "login"]

[profile]
login = "user.email"
email = "user.email"
firstName = "user.first_name"
lastName = "user.last_name"
employeeNumber = "user.employee_number"
department = "user.department.name"
manager = "user.manager.email"

[guard]
grantable_groups = ["app-*", "VPN Users"]

[[request]]
item = "Okta onboarding"
when = "variables.action == 'Add'"
operation = "join"
approval = "item"
person = "variables.employee"
groups = "variables.groups"
lookup = { table = "u_okta_group", column = "u_okta_id" }
starts = "variables.start_date"
ends = "variables.end_date"

[[request]]
item = "Bulk onboarding order"
operation = "join"
approval = "item"
person = "variables.employees"
groups = "variables.groups"
lookup = { table = "u_okta_group", column = "u_okta_id" }
starts = "variables.start_date"

[[request]]
item = "Change of position"
operation = "move"
approval = "item"
person = "variables.employee"

[[request]]
item = "Okta offboarding"
operation = "leave"
approval = "item"
person = "variables.employee"
last_day = "variables.last_day"

[[request]]
item = "Leave of absence"
operation = "suspend"
approval = "item"
person = "variables.employee"
starts = "variables.starts"
ends = "variables.ends"

[[request]]
item = "Return from leave"
operation = "resume"
approval = "none"
person = "variables.employee"
starts = "variables.starts"

[[request]]
item = "Okta group access"
when = "variables.action == 'Add'"
operation = "grant"
approval = "order"
person = "variables.employee"
groups = "variables.groups"
lookup = { table = "u_okta_group", column = "u_okta_id" }
ends = "variables.end_date"

[[request]]
item = "Okta group access"
when = "variables.action == 'Remove'"
operation = "revoke"
approval = "order"
person = "variables.employee"
groups = "variables.groups"
lookup = { table = "u_okta_group", column = "u_okta_id" }
"#;
