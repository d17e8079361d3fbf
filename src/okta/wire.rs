//! Okta's JSON, read into the words of the program. Tolerant of what is new, strict on what
//! everything else rests on.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{OktaError, unbelievable};
use crate::model::{Account, AccountId, AccountStatus, Group, GroupId, GroupKind};

/// One group rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupRule {
    /// At most 100 characters of it; `None` where it has none.
    pub id: Option<String>,
    /// The groups that it assigns to; none where it is not active.
    pub fed: Vec<GroupId>,
    /// What is wrong with it.
    pub odd: Option<&'static str>,
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
struct Reference {
    id: String,
}

#[derive(Deserialize)]
struct Schema {
    definitions: BTreeMap<String, Option<Definition>>,
}

#[derive(Deserialize)]
struct Definition {
    /// Each by itself, so that one that makes no sense spoils no other.
    properties: Option<Map<String, Value>>,
    required: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
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
    let profile = user.profile.unwrap_or_default();
    let has_login = profile.get("login").and_then(Value::as_str).is_some_and(|it| !it.is_empty());
    let profile = profile.into_iter();
    let profile = profile.map(|(name, value)| (name, text(value)));
    let profile: BTreeMap<_, _> = profile.filter(|(_, text)| !text.is_empty()).collect();
    if !has_login {
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

/// Reads one member of a group, of which only the id is needed.
pub(super) fn member(operation: &'static str, value: Value) -> Result<AccountId, OktaError> {
    let user: Reference = shape(operation, value, "a member without an id")?;
    account_id(operation, &user.id)
}

/// Reads the id of a group.
pub(super) fn group_ref(operation: &'static str, value: Value) -> Result<GroupId, OktaError> {
    let group: Reference = shape(operation, value, "a group without an id")?;
    group_id(operation, &group.id)
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

/// Reads one group rule. One whose status is not known counts as active: what it names may be fed.
pub(super) fn rule(operation: &'static str, rule: Value) -> Result<GroupRule, OktaError> {
    let Value::Object(rule) = rule else {
        return Err(unbelievable(operation, "a group rule that is none"));
    };
    let text = |name: &str| rule.get(name).and_then(Value::as_str);
    let id = text("id").map(|id| id.chars().take(100).collect());
    let status = text("status");
    let actions = rule.get("actions").unwrap_or(&Value::Null);
    let named = actions["assignUserToGroups"]["groupIds"].as_array();
    let ids = named.map_or(&[][..], Vec::as_slice);
    let fed: Vec<_> =
        ids.iter().filter_map(|id| GroupId::parse(id.as_str().unwrap_or_default()).ok()).collect();
    let active = status.is_none_or(|status| status == "ACTIVE");
    let odd = match status {
        None => Some("a group rule without a status"),
        Some(_) if !active => None,
        Some(_) if fed.is_empty() => Some("an active group rule that names no group"),
        Some(_) if fed.len() < ids.len() => Some("a group rule with an id that cannot be one"),
        Some(_) => None,
    };
    let fed = if active { fed } else { Vec::new() };
    Ok(GroupRule { id, fed, odd })
}

pub(super) fn schema(operation: &'static str, value: Value) -> Result<Vec<Attribute>, OktaError> {
    let schema: Schema = shape(operation, value, "a schema without definitions")?;
    let mut attributes = Vec::new();
    for (part, definition) in schema.definitions {
        let Some(Definition { properties, required }) = definition else { continue };
        let required = required.unwrap_or_default();
        let properties = properties.unwrap_or_default().into_iter();
        // Of one that makes no sense it is known that it is there.
        let properties = properties
            .map(|(name, it)| (name, serde_json::from_value::<Property>(it).unwrap_or_default()));
        attributes.extend(properties.map(|(name, property)| Attribute {
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
            json!({"id": "00u1", "status": "ACTIVE", "profile": null}),
            json!({"id": "00u1", "status": "ACTIVE", "profile": {"login": ["a"]}}),
            json!("no object"),
        ] {
            assert!(matches!(account("read", broken), Err(OktaError::Unbelievable { .. })));
        }
    }

    #[test]
    fn only_an_active_rule_feeds_its_groups_and_an_odd_one_is_named() {
        let read = |status: Value, groups: Value| {
            let actions = json!({"assignUserToGroups": {"groupIds": groups}});
            let GroupRule { fed, odd, .. } =
                rule("read", json!({"id": "0pr1", "status": status, "actions": actions})).unwrap();
            (fed.len(), odd.is_some())
        };
        assert_eq!(read(json!("ACTIVE"), json!(["00g1"])), (1, false));
        assert_eq!(read(json!("INACTIVE"), json!(["00g1"])), (0, false));
        assert_eq!(read(json!("INACTIVE"), Value::Null), (0, false));
        assert_eq!(read(json!("ACTIVE"), Value::Null), (0, true));
        assert_eq!(read(json!("ACTIVE"), json!("00g1")), (0, true));
        assert_eq!(read(json!("ACTIVE"), json!(["00g1", 7])), (1, true));
        assert_eq!(read(Value::Null, json!(["00g1"])), (1, true));
        assert!(rule("read", json!(["no object"])).is_err());
    }

    #[test]
    fn a_group_of_an_unknown_type_is_never_written() {
        let value = json!({"id": "00g1", "type": "NEW_KIND", "profile": {"name": "x"}});
        assert_eq!(group("read", value).unwrap().kind, GroupKind::BuiltIn);
    }

    #[test]
    fn a_part_of_the_schema_that_makes_no_sense_spoils_no_other() {
        let value = json!({"definitions": {
            "custom": {"properties": null}, "later": null,
            "base": {"properties": {"login": {"type": "string"}, "title": {"type": ["string"]}}}}});
        let names: Vec<_> = schema("read", value).unwrap().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["login", "title"]);
        for nothing in [json!({"definitions": {"base": {}}}), json!({"definitions": null})] {
            assert!(schema("read", nothing).is_err());
        }
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
