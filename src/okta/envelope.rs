//! Answers that are not 2xx, read into what went wrong.
//!
//! Okta explains itself in an envelope with an error code
//! (<https://developer.okta.com/docs/reference/core-okta-api/>); OAuth and whatever stands in
//! between do it otherwise or not at all.

use serde::Deserialize;

use super::error::{
    ErrorCause, OktaError, Refusal, clean, code, is_attribute_name, is_later, unbelievable,
};
use super::limits::until_reset;
use crate::http::Answer;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Envelope {
    error_code: Option<String>,
    error_summary: Option<String>,
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

pub(super) fn from_answer(operation: &'static str, answer: &Answer) -> OktaError {
    let status = answer.status;
    let envelope: Envelope = serde_json::from_slice(&answer.body).unwrap_or_default();
    let challenge = answer.header("www-authenticate").unwrap_or("");
    let refusal = Box::new(Refusal {
        operation: operation.into(),
        status,
        code: clean(envelope.error_code.as_deref().unwrap_or("")),
        summary: summary(&envelope, challenge)
            .unwrap_or_else(|| format!("HTTP {status} without an explanation")),
        causes: envelope.error_causes.unwrap_or_default().iter().map(read_cause).collect(),
        request_id: request_id(answer),
        missing_scope: challenge
            .contains("insufficient_scope")
            .then(|| parameter(challenge, "scope").unwrap_or_default()),
    });
    match status {
        // E0000015 is a 401 about a feature, and a new token does not help:
        // https://developer.okta.com/docs/reference/error-codes/
        401 if refusal.code != code::FEATURE_OFF => OktaError::SignIn {
            message: format!("{} {}", refusal.summary, refusal.code).trim_end().to_owned(),
        },
        403 => OktaError::Forbidden(refusal),
        404 if refusal.code == code::NOT_FOUND => OktaError::NotFound(refusal),
        // A proxy's or gateway's 404 must never read as "there is no such account".
        404 if refusal.code.is_empty() => {
            unbelievable(operation, "HTTP 404 without an Okta error code")
        }
        429 => {
            OktaError::RateLimited { operation: operation.into(), retry_after: until_reset(answer) }
        }
        300..=399 => {
            let why = format!("HTTP {status} leads elsewhere; is the address right?");
            unbelievable(operation, &why)
        }
        500 | 502.. if !is_later(&refusal.code) => OktaError::NoAnswer {
            operation: operation.into(),
            status: Some(status),
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
    let description = envelope.description.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
    Some(clean(&format!("{error}{description}")))
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

/// A parameter of `WWW-Authenticate`, such as `scope="okta.users.read"`.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    challenge.split([',', ' ']).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        (key == name).then(|| clean(value.trim_matches('"')))
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;
    use crate::http::HttpError;

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
    fn an_answer_about_an_object_is_told_from_a_side_in_trouble() {
        let table = [
            (400, r#"{"errorCode":"E0000001"}"#, true),
            (400, "", true),
            (403, r#"{"errorCode":"E0000006"}"#, true),
            (403, "<html>blocked</html>", true),
            (404, r#"{"errorCode":"E0000007"}"#, true),
            (404, r#"{"errorCode":"E0000008"}"#, true),
            (404, "<html>gateway</html>", true),
            (401, r#"{"errorCode":"E0000015"}"#, true),
            (405, "", true),
            (414, r#"{"errorCode":"E0000256"}"#, true),
            (500, r#"{"errorCode":"E0000009"}"#, true),
            (502, "<html>", true),
            (503, r#"{"errorCode":"E0000100"}"#, true),
            (302, "", true),
            (401, r#"{"errorCode":"E0000011"}"#, false),
            (401, "", false),
            (429, r#"{"errorCode":"E0000047"}"#, false),
            (503, r#"{"errorCode":"E0000010"}"#, false),
        ];
        for (status, body, about_object) in table {
            let error = from_answer("read the account", &answer(status, body));
            assert_eq!(error.is_about_object(), about_object, "{status} {body}");
            let named = error.about("00u1").to_string();
            assert_eq!(named.contains("read the account 00u1"), about_object, "{named}");
        }
        let (host, reason) = ("o.example".to_owned(), "reset".to_owned());
        for error in [
            HttpError::NoAnswer { host: host.clone(), reason: reason.clone() },
            HttpError::Unreachable { host, reason },
        ] {
            assert!(!OktaError::from_http("read the account", &error).is_about_object());
        }
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
