//! Okta's JSON, read into the words of the program. Tolerant of what is new, strict on what
//! everything else rests on.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{OktaError, unbelievable};
use crate::model::{Account, AccountId, AccountStatus, Group, GroupId, GroupKind};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub id: AccountId,
    pub status: AccountStatus,
}

/// One attribute of the default user profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Its name in the profile; case matters.
    pub name: String,
    pub required: bool,
    /// The longest value, in characters.
    pub max_length: Option<u32>,
    /// JSON type: `string`, `array`, `boolean`, …
    pub kind: String,
    /// `READ_WRITE`, `READ_ONLY`, `IMMUTABLE`, `WRITE_ONLY`; empty if not said.
    pub mutability: String,
    /// Who owns its value: `PROFILE_MASTER`, `OKTA`, `OVERRIDE`; empty if not said.
    pub master: String,
    pub unique: bool,
    /// Whether the org added it.
    pub custom: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    status: String,
    transitioning_to_status: Option<String>,
    last_updated: Option<String>,
    profile: Option<Map<String, Value>>,
    credentials: Option<Credentials>,
}

#[derive(Deserialize)]
struct Credentials {
    provider: Option<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct WireGroup {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    profile: GroupProfile,
}

#[derive(Deserialize)]
struct GroupProfile {
    name: String,
}

#[derive(Deserialize)]
struct Role {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Rule {
    status: String,
    actions: Option<Actions>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Actions {
    assign_user_to_groups: Option<Assign>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assign {
    #[serde(default)]
    group_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Schema {
    definitions: BTreeMap<String, Definition>,
}

#[derive(Deserialize)]
struct Definition {
    #[serde(default)]
    properties: BTreeMap<String, Property>,
    #[serde(default)]
    required: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    #[serde(rename = "type")]
    kind: Option<String>,
    required: Option<bool>,
    max_length: Option<u32>,
    mutability: Option<String>,
    master: Option<Kind>,
    /// A boolean in the schema's input, `UNIQUE_VALIDATED` and the like in its output.
    unique: Option<Value>,
}

/// Reads one account: without id, status and login it is not one.
/// A null property may be left out of an answer, so an empty or null one counts as not set
/// (<https://developer.okta.com/docs/reference/core-okta-api/>).
pub(super) fn account(operation: &'static str, value: Value) -> Result<Account, OktaError> {
    let user: User = shape(operation, value, "an account without id or status")?;
    let text = |value| match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    let profile = user.profile.unwrap_or_default().into_iter();
    let profile = profile.map(|(name, value)| (name, text(value)));
    let profile: BTreeMap<_, _> = profile.filter(|(_, text)| !text.is_empty()).collect();
    if !profile.contains_key("login") {
        return Err(unbelievable(operation, "an account without a login"));
    }
    Ok(Account {
        id: account_id(operation, &user.id)?,
        status: AccountStatus::from_okta(&user.status),
        transitioning: user.transitioning_to_status.map(|to| AccountStatus::from_okta(&to)),
        profile,
        provider: user.credentials.and_then(|it| it.provider?.kind).unwrap_or_default(),
        last_updated: user.last_updated.unwrap_or_default(),
    })
}

/// Reads one member of a group, which needs no profile.
pub(super) fn member(operation: &'static str, value: Value) -> Result<Member, OktaError> {
    let user: User = shape(operation, value, "a member without id or status")?;
    Ok(Member {
        id: account_id(operation, &user.id)?,
        status: AccountStatus::from_okta(&user.status),
    })
}

/// Reads one group. It does not say whether a rule feeds it.
pub(super) fn group(operation: &'static str, value: Value) -> Result<Group, OktaError> {
    let group: WireGroup = shape(operation, value, "a group without id, type or name")?;
    Ok(Group {
        id: group_id(operation, &group.id)?,
        kind: match group.kind.as_str() {
            "OKTA_GROUP" => GroupKind::Okta,
            "APP_GROUP" => GroupKind::App,
            _ => GroupKind::BuiltIn,
        },
        name: group.profile.name,
        rule_fed: false,
    })
}

/// The type of an administrator role. An error may stand in the list instead: whoever has one there
/// is no administrator for it.
pub(super) fn role(operation: &'static str, value: Value) -> Result<String, OktaError> {
    shape(operation, value, "an admin role without a type").map(|role: Role| role.kind)
}

/// The groups that an active rule assigns to; none for a rule that is not active.
pub(super) fn fed_by(operation: &'static str, rule: Value) -> Result<Vec<GroupId>, OktaError> {
    let rule: Rule = shape(operation, rule, "a group rule without a status")?;
    if rule.status != "ACTIVE" {
        return Ok(Vec::new());
    }
    rule.actions
        .and_then(|actions| actions.assign_user_to_groups)
        .map_or_else(Vec::new, |assign| assign.group_ids)
        .iter()
        .map(|id| group_id(operation, id))
        .collect()
}

pub(super) fn schema(operation: &'static str, value: Value) -> Result<Vec<Attribute>, OktaError> {
    let schema: Schema = shape(operation, value, "a schema without definitions")?;
    let mut attributes = Vec::new();
    for (part, definition) in schema.definitions {
        let required = definition.required.unwrap_or_default();
        attributes.extend(definition.properties.into_iter().map(|(name, property)| Attribute {
            required: property.required == Some(true) || required.contains(&name),
            max_length: property.max_length,
            kind: property.kind.unwrap_or_default(),
            mutability: property.mutability.unwrap_or_default(),
            master: property.master.and_then(|master| master.kind).unwrap_or_default(),
            unique: match property.unique {
                Some(Value::Bool(unique)) => unique,
                Some(Value::String(word)) => word == "UNIQUE_VALIDATED",
                _ => false,
            },
            custom: part == "custom",
            name,
        }));
    }
    if !attributes.iter().any(|attribute| attribute.name == "login") {
        return Err(unbelievable(operation, "a schema without the login"));
    }
    Ok(attributes)
}

fn account_id(operation: &'static str, text: &str) -> Result<AccountId, OktaError> {
    AccountId::parse(text).map_err(|error| unbelievable(operation, &error.to_string()))
}

fn group_id(operation: &'static str, text: &str) -> Result<GroupId, OktaError> {
    GroupId::parse(text).map_err(|error| unbelievable(operation, &error.to_string()))
}

/// The parser's own message would quote values, so it is not passed on.
pub(super) fn shape<T: serde::de::DeserializeOwned>(
    operation: &'static str,
    value: Value,
    wrong: &str,
) -> Result<T, OktaError> {
    serde_json::from_value(value).map_err(|_| unbelievable(operation, wrong))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_is_read_with_its_provider_and_without_what_is_not_set() {
        let account = account(
            "read",
            json!({"id": "00u1", "status": "ACTIVE", "lastUpdated": "2026-01-01T00:00:00.000Z",
                "profile": {"login": "jane@example.com", "secondEmail": null, "title": "",
                    "tags": ["a"], "level": 3},
                "credentials": {"provider": {"type": "ACTIVE_DIRECTORY", "name": "ad"}},
                "somethingNew": {}}),
        )
        .unwrap();
        assert_eq!(account.provider, "ACTIVE_DIRECTORY");
        assert_eq!(account.attribute("tags"), r#"["a"]"#);
        assert_eq!(account.attribute("level"), "3");
        assert!(
            !account.profile.contains_key("secondEmail") && !account.profile.contains_key("title")
        );
    }

    #[test]
    fn a_new_status_is_kept_and_a_missing_one_is_not_believed() {
        let activating = json!({"id": "00u1", "status": "ACTIVATING", "profile": {"login": "a"}});
        assert_eq!(
            account("read", activating).unwrap().status,
            AccountStatus::Other("ACTIVATING".into())
        );
        for broken in [
            json!({"status": "ACTIVE", "profile": {"login": "a"}}),
            json!({"id": "00u1", "profile": {"login": "a"}}),
            json!({"id": "00u1", "status": "ACTIVE", "profile": {"email": "a"}}),
            json!({"id": "../x", "status": "ACTIVE", "profile": {"login": "a"}}),
            json!("no object"),
        ] {
            assert!(matches!(account("read", broken), Err(OktaError::Unbelievable { .. })));
        }
    }

    #[test]
    fn only_an_active_rule_feeds_its_groups() {
        let rule = |status: &str| json!({"status": status, "actions": {"assignUserToGroups": {"groupIds": ["00g1"]}}});
        assert_eq!(fed_by("read", rule("ACTIVE")).unwrap().len(), 1);
        assert_eq!(fed_by("read", rule("INACTIVE")).unwrap(), []);
    }

    #[test]
    fn a_group_of_an_unknown_type_is_never_written() {
        let value = json!({"id": "00g1", "type": "NEW_KIND", "profile": {"name": "x"}});
        assert_eq!(group("read", value).unwrap().kind, GroupKind::BuiltIn);
    }

    #[test]
    fn the_schema_tells_base_from_custom_and_knows_what_is_required_and_unique() {
        let value = json!({"definitions": {
            "base": {"properties": {"login": {"type": "string", "maxLength": 100,
                "mutability": "READ_WRITE", "master": {"type": "PROFILE_MASTER"}}},
                "required": ["login"]},
            "custom": {"properties": {"serviceNowSysId": {"type": "string", "unique": "UNIQUE_VALIDATED"}}}}});
        let attributes = schema("read", value).unwrap();
        let find = |name: &str| attributes.iter().find(|it| it.name == name).unwrap();
        assert!(find("login").required && !find("login").custom);
        assert_eq!(find("login").max_length, Some(100));
        assert!(find("serviceNowSysId").unique && find("serviceNowSysId").custom);
    }
}
