//! The user profile schema, and what a profile must fulfil to fit it.

use serde_json::{Map, Value, json};

use super::errors::Problem;

/// One attribute of the user profile.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// The variable name.
    pub name: String,
    /// `string`, `boolean`, `number`, `integer` or `array` (of strings).
    pub kind: &'static str,
    /// Whether every user must have a value.
    pub required: bool,
    /// Shortest text.
    pub min: usize,
    /// Longest text; 0 is unlimited.
    pub max: usize,
    /// The only values allowed; empty allows all.
    pub values: Vec<String>,
    /// `READ_WRITE`, `READ_ONLY` or `IMMUTABLE`.
    pub mutability: &'static str,
    /// Whether no two users may share a value.
    pub unique: bool,
    /// Who owns the value: `PROFILE_MASTER`, or `OVERRIDE` where an app does.
    pub master: &'static str,
    /// The value that an empty attribute falls back to.
    pub default: Option<Value>,
    /// Whether it belongs to the custom part of the schema.
    pub custom: bool,
}

impl Attribute {
    /// A custom text attribute.
    pub fn custom(name: &str) -> Self {
        Self { custom: true, ..Self::base(name, false, 0, 0) }
    }

    /// A custom text attribute whose values are unique.
    pub fn unique(name: &str) -> Self {
        Self { unique: true, ..Self::custom(name) }
    }

    fn base(name: &str, required: bool, min: usize, max: usize) -> Self {
        Self {
            name: name.to_owned(),
            kind: "string",
            required,
            min,
            max,
            values: Vec::new(),
            mutability: "READ_WRITE",
            unique: false,
            master: "PROFILE_MASTER",
            default: None,
            custom: false,
        }
    }

    fn render(&self) -> Value {
        let mut shown = json!({
            "title": self.name, "type": self.kind, "mutability": self.mutability, "scope": "NONE",
            "permissions": [{"principal": "SELF", "action": "READ_ONLY"}],
            "master": {"type": self.master},
        });
        if self.required {
            shown["required"] = json!(true);
        }
        if self.min > 0 {
            shown["minLength"] = json!(self.min);
        }
        if self.max > 0 {
            shown["maxLength"] = json!(self.max);
        }
        if !self.values.is_empty() {
            shown["enum"] = json!(self.values);
        }
        if self.unique {
            shown["unique"] = json!("UNIQUE_VALIDATED");
        }
        if self.kind == "array" {
            shown["items"] = json!({"type": "string"});
        }
        if let Some(default) = &self.default {
            shown["default"] = default.clone();
        }
        shown
    }

    fn accepts(&self, value: &Value) -> Result<(), String> {
        let fits = match self.kind {
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.is_i64(),
            "array" => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            _ => value.is_string(),
        };
        if !fits {
            return Err(format!("{}: must be of type {}", self.name, self.kind));
        }
        let Some(text) = value.as_str() else {
            return Ok(());
        };
        let length = text.chars().count();
        if text.is_empty() && !self.required {
            return Ok(());
        }
        if length < self.min || (self.max > 0 && length > self.max) {
            let (name, min, max) = (&self.name, self.min, self.max);
            return Err(format!("{name}: String length must be between {min} and {max}"));
        }
        if !self.values.is_empty() && !self.values.iter().any(|it| it == text) {
            return Err(format!("{}: must be one of {}", self.name, self.values.join(", ")));
        }
        match self.name.as_str() {
            "email" | "secondEmail" if !is_mail(text) => {
                Err(format!("{}: Does not match required pattern", self.name))
            }
            "countryCode" if length != 2 => Err("countryCode: Invalid country code".to_owned()),
            "locale" if !text.chars().all(|it| it.is_ascii_alphanumeric() || it == '_') => {
                Err("locale: Invalid locale".to_owned())
            }
            "timezone" if text.contains(' ') => Err("timezone: Invalid time zone".to_owned()),
            _ => Ok(()),
        }
    }
}

/// All attributes of the default user type.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub attributes: Vec<Attribute>,
    /// What a login must look like; none: an e-mail address.
    pub login_pattern: Option<String>,
}

impl Default for Schema {
    fn default() -> Self {
        let mut attributes = vec![
            Attribute::base("login", true, 5, 100),
            Attribute::base("email", true, 5, 100),
            Attribute::base("firstName", true, 1, 50),
            Attribute::base("lastName", true, 1, 50),
            Attribute::base("secondEmail", false, 5, 100),
            Attribute::base("mobilePhone", false, 0, 100),
            Attribute::base("primaryPhone", false, 0, 100),
            Attribute::base("streetAddress", false, 0, 1024),
            Attribute::base("city", false, 0, 128),
            Attribute::base("state", false, 0, 128),
            Attribute::base("zipCode", false, 0, 50),
            Attribute::base("countryCode", false, 0, 2),
            Attribute::base("postalAddress", false, 0, 4096),
        ];
        let plain = "middleName honorificPrefix honorificSuffix title displayName nickName \
             profileUrl preferredLanguage locale timezone userType employeeNumber costCenter \
             organization division department managerId manager";
        attributes.extend(plain.split_whitespace().map(|it| Attribute::base(it, false, 0, 0)));
        Self { attributes, login_pattern: None }
    }
}

impl Schema {
    pub fn find(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|it| it.name == name)
    }

    /// Refuses a profile that does not fit. `before` is what the user has now.
    pub fn check(
        &self,
        profile: &Map<String, Value>,
        before: Option<&Map<String, Value>>,
    ) -> Result<(), Problem> {
        for (name, value) in profile {
            let Some(attribute) = self.find(name) else {
                let text = format!("Property name '{name}' is not defined in profile");
                return Err(Problem::invalid("newUser", text));
            };
            if value.as_str().is_some_and(|text| text.chars().any(|it| it.len_utf8() > 3)) {
                let text = format!("{name}: Contains characters that are not supported");
                return Err(Problem::invalid(name, text));
            }
            let old = before.and_then(|it| it.get(name)).unwrap_or(&Value::Null);
            if before.is_some() && old != value {
                match (attribute.mutability, attribute.master) {
                    ("READ_ONLY", _) => return Err(Problem::new("E0000077")),
                    ("IMMUTABLE", _) if !old.is_null() => return Err(Problem::new("E0000078")),
                    (_, "OVERRIDE") => return Err(Problem::new("E0000023")),
                    _ => {}
                }
            }
            if !value.is_null() {
                attribute.accepts(value).map_err(|why| Problem::invalid(name, why))?;
            }
        }
        for attribute in self.attributes.iter().filter(|it| it.required) {
            let value = profile.get(&attribute.name).unwrap_or(&Value::Null);
            if value.is_null() || value.as_str() == Some("") {
                let text = format!("{}: The field cannot be left blank", attribute.name);
                return Err(Problem::invalid(&attribute.name, text));
            }
        }
        self.check_login(profile.get("login").and_then(Value::as_str).unwrap_or_default())
    }

    fn check_login(&self, login: &str) -> Result<(), Problem> {
        let fits = match self.login_pattern.as_deref() {
            None => is_mail(login),
            Some(".+") => true,
            Some(set) => {
                let inner = set.trim_start_matches('[').trim_end_matches("]+");
                login.chars().all(|it| it.is_ascii_alphanumeric() || inner.contains(it))
            }
        };
        if fits {
            return Ok(());
        }
        let text = "login: Username must be in the form of an email address";
        Err(Problem::invalid("login", text))
    }

    /// Fills empty attributes that have a default.
    pub fn fill(&self, profile: &mut Map<String, Value>) {
        for attribute in &self.attributes {
            let value = profile.get(&attribute.name);
            if let (None | Some(Value::Null), Some(default)) = (value, &attribute.default) {
                profile.insert(attribute.name.clone(), default.clone());
            }
        }
    }

    pub fn render(&self, base_url: &str) -> Value {
        let part = |custom: bool| {
            let of_part = self.attributes.iter().filter(|it| it.custom == custom);
            let properties: Map<_, _> =
                of_part.clone().map(|it| (it.name.clone(), it.render())).collect();
            let required: Vec<_> =
                of_part.filter(|it| it.required).map(|it| it.name.clone()).collect();
            let id = if custom { "#custom" } else { "#base" };
            json!({"id": id, "type": "object", "properties": properties, "required": required})
        };
        let mut base = part(false);
        if let Some(pattern) = &self.login_pattern {
            base["properties"]["login"]["pattern"] = json!(pattern);
        }
        json!({
            "id": format!("{base_url}/meta/schemas/user/{TYPE_ID}"),
            "$schema": "http://json-schema.org/draft-04/schema#",
            "name": "user", "title": "User", "type": "object",
            "definitions": {"base": base, "custom": part(true)},
            "properties": {"profile": {"allOf": [
                {"$ref": "#/definitions/base"}, {"$ref": "#/definitions/custom"}]}},
        })
    }
}

/// The id of the only user type.
pub(super) const TYPE_ID: &str = "oty1fk2xqLd7v0QkW869";

fn is_mail(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(' ')
    })
}
