//! What can go wrong with Okta, shaped by what the caller does next.

use std::time::Duration;

use serde::Deserialize;

use crate::http::{self, Answer, Retry};

/// Longest piece of Okta's own words that is passed on, in characters.
const LONGEST_TEXT: usize = 300;

/// Okta's error codes that this program branches on. Okta reference: only the code is meant for
/// programs, the summaries may be reworded or localized.
pub mod code {
    /// Validation: a taken login, a bad attribute, a wrong state for (un)suspend.
    pub const VALIDATION: &str = "E0000001";
    /// The object is not there; for some writes also: the account is deactivated.
    pub const NOT_FOUND: &str = "E0000007";
    /// Read-only mode during maintenance.
    pub const READ_ONLY_MODE: &str = "E0000010";
    /// A 401 that is not about the sign-in: the feature is off.
    pub const FEATURE_OFF: &str = "E0000015";
    /// The cursor of a list is no longer good, in two spellings.
    pub const BAD_CURSOR: [&str; 2] = ["E0000029", "E0000031"];
    /// Refused for now, and worth another try in minutes: search is down, still activating,
    /// policies or group rules being put in order, a user type being set up.
    pub const LATER: [&str; 5] = ["E0000100", "E0000112", "E0000239", "E0000249", "E0000253"];
}

/// Why Okta did not do what was asked. No text of it holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum OktaError {
    /// The connection or the token endpoint could not be reached: nothing was executed.
    #[error("Okta cannot be reached to {operation}: {why}")]
    Unreachable {
        /// What was tried, as words after "to".
        operation: &'static str,
        /// What happened.
        why: String,
    },
    /// No usable answer: a broken connection or a 5xx. Whether it was executed is not known.
    #[error("no answer from Okta when asked to {operation}: {why}")]
    NoAnswer {
        /// What was tried.
        operation: &'static str,
        /// What happened.
        why: String,
    },
    /// 429, or our share of the rate limit is used and the wait would be too long.
    #[error("Okta's rate limit leaves no room to {operation} for {} s", retry_after.as_secs())]
    RateLimited {
        /// What was tried.
        operation: &'static str,
        /// Until the window is over.
        retry_after: Duration,
    },
    /// The credentials are refused.
    #[error("Okta refuses the sign-in: {message}")]
    SignIn {
        /// Okta's words, or what to change.
        message: String,
    },
    /// The credentials are good and not enough: an admin role, resource set or scope is missing,
    /// or this object may not be touched by anybody.
    #[error("Okta forbids to {}{}", .0, missing_scope(.0))]
    Forbidden(Box<Refusal>),
    /// Okta says that the object does not exist (for some writes: that it is deactivated).
    #[error("Okta has no such object, or it is deactivated, when asked to {0}")]
    NotFound(Box<Refusal>),
    /// Okta understood and refused.
    #[error("Okta refused to {0}")]
    Refused(Box<Refusal>),
    /// An answer that cannot be believed: HTML with 200, another shape, a foreign next page.
    #[error("Okta's answer to the call to {operation} cannot be believed: {why}")]
    Unbelievable {
        /// What was tried.
        operation: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A value that Okta cannot take; nothing was sent.
    #[error("cannot write {attribute} to Okta: {why}")]
    Unwritable {
        /// The profile attribute, or what else was wrong with the step.
        attribute: String,
        /// Why.
        why: &'static str,
    },
    /// The key or the HTTP client cannot be used.
    #[error("Okta cannot be set up: {0}")]
    Setup(String),
}

fn missing_scope(refusal: &Refusal) -> String {
    refusal.missing_scope.as_ref().map_or_else(String::new, |scope| {
        if scope.is_empty() {
            " (an OAuth scope is missing)".to_owned()
        } else {
            format!(" (the OAuth scope {scope} is missing)")
        }
    })
}

/// Okta's refusal, in Okta's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was tried, as words after "to".
    pub operation: &'static str,
    /// HTTP status.
    pub status: u16,
    /// `errorCode`; empty where the answer had none.
    pub code: String,
    /// `errorSummary`, shortened, without control characters.
    pub summary: String,
    /// `errorCauses`.
    pub causes: Vec<ErrorCause>,
    /// `errorId`: the handle that Okta's support asks for.
    pub error_id: Option<String>,
    /// `X-Okta-Request-Id`.
    pub request_id: Option<String>,
    /// The scope that `WWW-Authenticate` names with `insufficient_scope`; empty where unnamed.
    pub missing_scope: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.operation, self.summary)?;
        if self.code.is_empty() {
            write!(f, " (HTTP {})", self.status)?;
        } else {
            write!(f, " ({})", self.code)?;
        }
        match self.causes.first() {
            Some(cause) => write!(f, ": {}", cause.text),
            None => Ok(()),
        }
    }
}

impl Refusal {
    /// Whether it is about a value or an attribute of the profile, so that the rest of the profile
    /// may be accepted. Okta reference: validation, and attributes that are mastered elsewhere,
    /// mapped, read-only, immutable or required from outside.
    pub fn is_about_the_profile(&self) -> bool {
        const CODES: [&str; 6] =
            [code::VALIDATION, "E0000023", "E0000075", "E0000077", "E0000078", "E0000179"];
        CODES.contains(&self.code.as_str())
    }
}

/// One of `errorCauses`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCause {
    /// Its `errorSummary`, shortened, without control characters.
    pub text: String,
    /// The profile attribute that it is about, where it names one: `login: …` or
    /// `Property name 'x' is not defined in profile`.
    pub attribute: Option<String>,
}

impl OktaError {
    /// Whether the same read may succeed later without anything else changing. Ask this of a
    /// write only after [`OktaError::NoAnswer`] was told apart: it may have been executed.
    pub fn is_transient(&self) -> bool {
        self.retry() != Retry::Never
    }

    /// When the same read may succeed without anything else changing.
    pub(super) fn retry(&self) -> Retry {
        match self {
            Self::RateLimited { retry_after, .. } => Retry::After(*retry_after),
            Self::Unreachable { .. } | Self::NoAnswer { .. } => Retry::Later,
            Self::Refused(refusal) if is_later(&refusal.code) => Retry::Later,
            Self::Refused(_)
            | Self::SignIn { .. }
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::Unbelievable { .. }
            | Self::Unwritable { .. }
            | Self::Setup(_) => Retry::Never,
        }
    }

    /// Whether the call certainly changed nothing, so that even a write may be sent again.
    pub(super) fn was_not_executed(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::RateLimited { .. })
    }

    /// Okta's refusal, where it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Forbidden(refusal) | Self::NotFound(refusal) | Self::Refused(refusal) => {
                Some(refusal)
            }
            _ => None,
        }
    }

    /// Whether a value that must be unique is taken, and by which attribute.
    ///
    /// Okta reference: there is no code of its own for it, only a validation error whose cause
    /// says `login: An object with this field already exists in the current organization`. Should
    /// the words change, this is `None` and the refusal stays one like any other.
    pub fn taken(&self) -> Option<&str> {
        let refusal = self.refusal().filter(|refusal| refusal.code == code::VALIDATION)?;
        refusal
            .causes
            .iter()
            .find(|cause| cause.text.contains("already exists"))
            .map(|cause| cause.attribute.as_deref().unwrap_or("login"))
    }

    /// The attributes that the refusal names: leave them out and the rest may be accepted.
    pub fn attributes(&self) -> Vec<&str> {
        match self {
            Self::Unwritable { attribute, .. } => vec![attribute],
            _ => self.refusal().map_or_else(Vec::new, |refusal| {
                refusal.causes.iter().filter_map(|cause| cause.attribute.as_deref()).collect()
            }),
        }
    }

    pub(super) fn is_bad_cursor(&self) -> bool {
        matches!(self, Self::Refused(refusal) if code::BAD_CURSOR.contains(&&*refusal.code))
    }

    /// Takes every one of these texts out of Okta's words, so that no profile value is passed on.
    pub(super) fn without(mut self, values: &[&str]) -> Self {
        let (Self::Forbidden(refusal) | Self::NotFound(refusal) | Self::Refused(refusal)) =
            &mut self
        else {
            return self;
        };
        let hide = |text: &str| {
            // Shorter values would take apart Okta's own words.
            values
                .iter()
                .filter(|value| value.chars().count() > 3)
                .fold(text.to_owned(), |text, value| text.replace(value, "…"))
        };
        refusal.summary = hide(&refusal.summary);
        for cause in &mut refusal.causes {
            cause.text = hide(&cause.text);
        }
        self
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Envelope {
    error_code: Option<String>,
    error_summary: Option<String>,
    error_id: Option<String>,
    error_causes: Option<Vec<EnvelopeCause>>,
    /// What OAuth has instead of code and summary.
    error: Option<String>,
    #[serde(rename = "error_description")]
    description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EnvelopeCause {
    error_summary: Option<String>,
}

/// Reads an answer that is not 2xx.
pub(super) fn from_answer(operation: &'static str, answer: &Answer) -> OktaError {
    let status = answer.status;
    let envelope: Envelope = serde_json::from_slice(&answer.body).unwrap_or_default();
    let challenge = answer.header("www-authenticate").unwrap_or("");
    let refusal = Box::new(Refusal {
        operation,
        status,
        code: clean(envelope.error_code.as_deref().unwrap_or("")),
        summary: summary(&envelope, challenge)
            .unwrap_or_else(|| format!("HTTP {status} without an explanation")),
        causes: envelope.error_causes.unwrap_or_default().iter().map(read_cause).collect(),
        error_id: envelope.error_id.as_deref().map(clean),
        request_id: request_id(answer),
        missing_scope: challenge
            .contains("insufficient_scope")
            .then(|| parameter(challenge, "scope").unwrap_or_default()),
    });
    match status {
        // Okta reference: E0000015 is a 401 about a feature, and a new token does not help.
        401 if refusal.code != code::FEATURE_OFF => OktaError::SignIn {
            message: format!("{} {}", refusal.summary, refusal.code).trim_end().to_owned(),
        },
        403 => OktaError::Forbidden(refusal),
        404 if refusal.code == code::NOT_FOUND => OktaError::NotFound(refusal),
        // A proxy's or gateway's 404 must never read as "there is no such account".
        404 if refusal.code.is_empty() => OktaError::Unbelievable {
            operation,
            why: "HTTP 404 without an Okta error code".to_owned(),
        },
        429 => {
            OktaError::RateLimited { operation, retry_after: super::limits::until_reset(answer) }
        }
        300..=399 => OktaError::Unbelievable {
            operation,
            why: format!("HTTP {status} leads elsewhere; is the address right?"),
        },
        500 | 502.. if !is_later(&refusal.code) => OktaError::NoAnswer {
            operation,
            why: if refusal.code.is_empty() {
                format!("HTTP {status}")
            } else {
                format!("HTTP {status}, {} ({})", refusal.summary, refusal.code)
            },
        },
        _ => OktaError::Refused(refusal),
    }
}

fn summary(envelope: &Envelope, challenge: &str) -> Option<String> {
    if let Some(summary) = &envelope.error_summary {
        return Some(clean(summary));
    }
    let error = envelope.error.clone().or_else(|| parameter(challenge, "error"))?;
    Some(match &envelope.description {
        Some(description) => clean(&format!("{error}: {description}")),
        None => clean(&error),
    })
}

fn is_later(error: &str) -> bool {
    error == code::READ_ONLY_MODE || code::LATER.contains(&error)
}

/// Okta's id of the answer, as the System Log has it too.
pub(super) fn request_id(answer: &Answer) -> Option<String> {
    answer.header("x-okta-request-id").map(clean).filter(|id| !id.is_empty())
}

fn read_cause(cause: &EnvelopeCause) -> ErrorCause {
    let text = clean(cause.error_summary.as_deref().unwrap_or(""));
    let quoted = text
        .strip_prefix("Property name '")
        .and_then(|rest| rest.split_once('\''))
        .map(|(name, _)| name);
    let named = quoted.or_else(|| text.split_once(':').map(|(name, _)| name));
    let attribute = named.filter(|name| is_attribute_name(name)).map(str::to_owned);
    ErrorCause { text, attribute }
}

/// Whether a text is spelled like a profile attribute.
pub(super) fn is_attribute_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A parameter of `WWW-Authenticate`, such as `scope="okta.users.read"`.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    challenge.split([',', ' ']).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        (key == name).then(|| clean(value.trim_matches('"')))
    })
}

/// Words from outside, as one short line.
pub(super) fn clean(text: &str) -> String {
    http::one_line(text, LONGEST_TEXT)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_gateways_404_is_not_the_absence_of_an_account() {
        let gateway = from_answer("read an account", &answer(404, "<html>nginx</html>"));
        assert!(matches!(gateway, OktaError::Unbelievable { .. }));
        let wrong_path =
            from_answer("read an account", &answer(404, r#"{"errorCode":"E0000008"}"#));
        assert!(matches!(wrong_path, OktaError::Refused(_)));
        let okta = from_answer("read an account", &answer(404, r#"{"errorCode":"E0000007"}"#));
        assert!(matches!(okta, OktaError::NotFound(_)));
    }

    #[test]
    fn a_taken_login_is_recognised_and_named() {
        let body = r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: login",
            "errorCauses":[{"errorSummary":"login: An object with this field already exists in the current organization"}]}"#;
        let error = from_answer("create the account", &answer(400, body));
        assert_eq!(error.taken(), Some("login"));
        assert!(!error.is_transient());
    }

    #[test]
    fn an_undefined_attribute_is_named() {
        let body = r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: newUser",
            "errorCauses":[{"errorSummary":"Property name 'costCentre' is not defined in profile"}]}"#;
        let error = from_answer("create the account", &answer(400, body));
        assert_eq!(error.attributes(), ["costCentre"]);
        assert_eq!(error.taken(), None);
    }

    #[test]
    fn a_missing_scope_is_told_apart_from_a_missing_role() {
        let mut reply = answer(403, "");
        reply.headers.insert(
            "www-authenticate",
            HeaderValue::from_static(
                r#"Bearer error="insufficient_scope", error_description="too little", scope="okta.groups.read""#,
            ),
        );
        let text = from_answer("list the groups", &reply).to_string();
        assert!(text.contains("the OAuth scope okta.groups.read is missing"), "{text}");
        let text = from_answer(
            "list the groups",
            &answer(403, r#"{"errorCode":"E0000006","errorSummary":"no permission"}"#),
        );
        assert_eq!(text.to_string(), "Okta forbids to list the groups: no permission (E0000006)");
    }

    #[test]
    fn oktas_words_come_through_short_and_without_control_characters_or_values() {
        let body = format!(
            r#"{{"errorCode":"E0000001","errorSummary":"bad\u001b[31m jane@example.com {}"}}"#,
            "x".repeat(5000)
        );
        let error = from_answer("update the account", &answer(400, &body));
        let text = error.without(&["jane@example.com"]).to_string();
        assert!(text.len() < 500 && !text.contains('\u{1b}') && !text.contains("jane"), "{text}");
    }

    #[test]
    fn maintenance_and_search_outages_are_refusals_to_try_later() {
        for (status, error_code) in [(503, "E0000010"), (503, "E0000100"), (409, "E0000112")] {
            let error =
                from_answer("x", &answer(status, &format!(r#"{{"errorCode":"{error_code}"}}"#)));
            assert!(matches!(error, OktaError::Refused(_)) && error.is_transient());
        }
        let everyone = from_answer("x", &answer(501, r#"{"errorCode":"E0000060"}"#));
        assert!(matches!(everyone, OktaError::Refused(_)) && !everyone.is_transient());
    }
}
