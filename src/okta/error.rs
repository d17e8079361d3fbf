//! What can go wrong with Okta, shaped by what the caller does next.

use std::borrow::Cow;
use std::time::Duration;

use crate::http::{self, HttpError, Retry};

/// Longest piece of Okta's own words that is passed on, in characters.
const LONGEST_TEXT: usize = 300;

/// What was asked, as words after "to", with the id of what it is about where there is one.
pub(crate) type Operation = Cow<'static, str>;

/// Okta's error codes that this program branches on
/// (<https://developer.okta.com/docs/reference/error-codes/>). Only the code is meant for programs,
/// summaries may be reworded (<https://developer.okta.com/docs/reference/core-okta-api/>).
pub(crate) mod code {
    /// Validation: a taken login, a bad attribute, a wrong state for (un)suspend.
    pub(crate) const VALIDATION: &str = "E0000001";
    /// The object is not there; for some writes also: the account is deactivated.
    pub(crate) const NOT_FOUND: &str = "E0000007";
    /// The path is not there: what it belongs to is off, or was never on.
    pub(crate) const NO_SUCH_PATH: &str = "E0000008";
    /// Read-only mode during maintenance.
    pub(crate) const READ_ONLY_MODE: &str = "E0000010";
    /// A 401 that is not about the sign-in: the feature is off.
    pub(crate) const FEATURE_OFF: &str = "E0000015";
    /// The cursor of a list is no longer good, in two spellings.
    pub(crate) const BAD_CURSOR: [&str; 2] = ["E0000029", "E0000031"];
    /// Refused for now, and worth another try in minutes: search is down, still activating,
    /// policies or group rules being put in order, a user type being set up.
    pub(crate) const LATER: [&str; 5] =
        ["E0000100", "E0000112", "E0000239", "E0000249", "E0000253"];
}

/// Why Okta did not do what was asked. No text of it holds a secret.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each error says what its fields are")]
pub enum OktaError {
    /// The connection or the token endpoint could not be reached: nothing was executed.
    #[error("Okta cannot be reached to {operation}: {why}")]
    Unreachable {
        /// Words after "to", here and below.
        operation: Operation,
        /// Without an address or a value, here and below.
        why: String,
    },
    /// No usable answer: a broken connection or a 5xx. Whether it was executed is not known.
    #[error("no answer from Okta when asked to {operation}: {why}")]
    NoAnswer {
        operation: Operation,
        why: String,
        /// The 5xx that came instead of one; `None` where nothing came.
        status: Option<u16>,
    },
    /// 429, or our share of the rate limit is used and the wait would be too long.
    #[error("Okta's rate limit leaves no room to {operation} for {} s", retry_after.as_secs())]
    RateLimited {
        operation: Operation,
        /// Until the window is over.
        retry_after: Duration,
    },
    /// Somebody paused writing while the call waited for its turn, so it was not sent.
    #[error("writing was paused before Okta was asked to {operation}")]
    Paused { operation: &'static str },
    #[error("Okta refuses the sign-in: {message}")]
    SignIn { message: String },
    /// The credentials are good and not enough: an admin role, resource set or scope is missing,
    /// or this object may not be touched by anybody.
    #[error("Okta forbids to {}{}", .0, missing_scope(.0))]
    Forbidden(Box<Refusal>),
    /// Okta says that the object does not exist (for some writes: that it is deactivated).
    #[error("Okta has no such object, or it is deactivated, when asked to {0}")]
    NotFound(Box<Refusal>),
    #[error("Okta refused to {0}")]
    Refused(Box<Refusal>),
    /// An answer that cannot be believed: HTML with 200, another shape, a foreign next page.
    #[error("Okta's answer to the call to {operation} cannot be believed: {why}")]
    Unbelievable { operation: Operation, why: String },
    /// A value that Okta cannot take; nothing was sent.
    #[error("cannot write {attribute} to Okta: {why}")]
    Unwritable {
        /// The profile attribute, or what else was wrong with the step.
        attribute: String,
        why: &'static str,
    },
    /// The key or the HTTP client cannot be used.
    #[error("Okta cannot be set up: {0}")]
    Setup(String),
}

fn missing_scope(refusal: &Refusal) -> String {
    match refusal.missing_scope.as_deref() {
        None => String::new(),
        Some("") => " (an OAuth scope is missing)".to_owned(),
        Some(scope) => format!(" (the OAuth scope {scope} is missing)"),
    }
}

/// Okta's refusal, in Okta's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub operation: Operation,
    pub status: u16,
    /// `errorCode`; empty where the answer had none.
    pub code: String,
    /// `errorSummary`, shortened, without control characters.
    pub summary: String,
    /// `errorCauses`: where a field is at fault, one for each.
    pub causes: Vec<ErrorCause>,
    /// `X-Okta-Request-Id`, by which the System Log has the call too.
    pub request_id: Option<String>,
    /// The scope that `WWW-Authenticate` names with `insufficient_scope`; empty where unnamed.
    pub missing_scope: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = format!("HTTP {}", self.status);
        let code = if self.code.is_empty() { &status } else { &self.code };
        write!(f, "{}: {} ({code})", self.operation, self.summary)?;
        self.causes.first().map_or(Ok(()), |cause| write!(f, ": {}", cause.text))
    }
}

impl Refusal {
    /// Whether it is about a value or an attribute of the profile, so that the rest of the profile
    /// may be accepted: validation, and attributes that are mastered elsewhere, mapped, read-only,
    /// immutable or required from outside
    /// (<https://developer.okta.com/docs/reference/error-codes/>).
    pub(crate) fn is_about_the_profile(&self) -> bool {
        const CODES: [&str; 6] =
            [code::VALIDATION, "E0000023", "E0000075", "E0000077", "E0000078", "E0000179"];
        CODES.contains(&self.code.as_str())
    }
}

/// One of `errorCauses`: what is wrong, and with which attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCause {
    /// Its `errorSummary`, shortened, without control characters.
    pub text: String,
    /// The profile attribute that it is about, where it names one: `login: …` or
    /// `Property name 'x' is not defined in profile`.
    pub attribute: Option<String>,
}

impl OktaError {
    pub(super) fn from_http(operation: impl Into<Operation>, error: &HttpError) -> Self {
        let (operation, why) = (operation.into(), error.to_string());
        match error {
            HttpError::Unreachable { .. } => Self::Unreachable { operation, why },
            HttpError::NoAnswer { .. } => Self::NoAnswer { operation, why, status: None },
            HttpError::TooLarge { .. } | HttpError::ForeignHost { .. } => {
                Self::Unbelievable { operation, why }
            }
            HttpError::Setup(_) => Self::Setup(why),
        }
    }

    /// Nothing came within this time, in which something always came before.
    pub(crate) fn silent(time: Duration) -> Self {
        let why = format!("nothing came within {} s", time.as_secs());
        Self::NoAnswer { operation: "read an account".into(), why, status: None }
    }

    /// Whether the same read may succeed without anything else changing. A write without an answer
    /// may have been executed.
    pub(crate) fn is_transient(&self) -> bool {
        self.retry() != Retry::Never || matches!(self, Self::Paused { .. })
    }

    /// Whether it is about the object that was asked for: refused, hidden, not there, answered with
    /// a 5xx after every try, with a web page, or with what cannot be read. Otherwise it is about
    /// the side, or about us. Objects that were readable before tell the one from the other where a
    /// whole side refuses.
    pub(crate) fn is_about_object(&self) -> bool {
        match self {
            Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::Unbelievable { .. }
            | Self::Unwritable { .. } => true,
            Self::Refused(refusal) => refusal.code != code::READ_ONLY_MODE,
            Self::NoAnswer { status, .. } => status.is_some(),
            Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::SignIn { .. }
            | Self::Paused { .. }
            | Self::Setup(_) => false,
        }
    }

    /// What was asked, as it stands in the text; empty where that does not say.
    pub(crate) fn operation(&self) -> &str {
        match self {
            Self::Unreachable { operation, .. }
            | Self::NoAnswer { operation, .. }
            | Self::RateLimited { operation, .. }
            | Self::Unbelievable { operation, .. } => operation,
            Self::Paused { operation } => operation,
            Self::Forbidden(refusal) | Self::NotFound(refusal) | Self::Refused(refusal) => {
                &refusal.operation
            }
            Self::SignIn { .. } | Self::Unwritable { .. } | Self::Setup(_) => "",
        }
    }

    /// Whether the connection broke, or nothing came in time: that may be about one object as well.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self, Self::NoAnswer { status: None, .. })
    }

    /// Whether a whole family of calls is withheld from us: a role or a scope is missing, or the
    /// org does not have the feature. For calls that name no object.
    pub(crate) fn is_withheld(&self) -> bool {
        matches!(self, Self::Forbidden(_)) || self.is_feature_off()
    }

    /// Whether the org does not have what was asked for. It says so with a 401, too, which is not
    /// about the sign-in.
    pub(crate) fn is_feature_off(&self) -> bool {
        let codes = [code::FEATURE_OFF, code::NO_SUCH_PATH];
        matches!(self, Self::Refused(refusal) if codes.contains(&refusal.code.as_str()))
    }

    /// Names the object that it is about, where it is about one: its id, or whatever the log calls
    /// it by.
    #[must_use]
    pub(super) fn about(mut self, object: &str) -> Self {
        if !self.is_about_object() && !self.is_unanswered() {
            return self;
        }
        let operation = match &mut self {
            Self::Forbidden(refusal) | Self::NotFound(refusal) | Self::Refused(refusal) => {
                &mut refusal.operation
            }
            Self::NoAnswer { operation, .. } | Self::Unbelievable { operation, .. } => operation,
            _ => return self,
        };
        *operation = format!("{operation} {object}").into();
        self
    }

    pub(super) fn retry(&self) -> Retry {
        match self {
            Self::RateLimited { retry_after, .. } => Retry::After(*retry_after),
            Self::Unreachable { .. } | Self::NoAnswer { .. } => Retry::Later,
            Self::Refused(refusal) if is_later(&refusal.code) => Retry::Later,
            _ => Retry::Never,
        }
    }

    /// Whether the call certainly changed nothing, so that even a write may be sent again.
    pub(super) fn was_not_executed(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::RateLimited { .. })
    }

    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Forbidden(refusal) | Self::NotFound(refusal) | Self::Refused(refusal) => {
                Some(refusal)
            }
            _ => None,
        }
    }

    /// Whether a value that must be unique is taken, and by which attribute.
    /// There is no code of its own for it, only a validation error whose cause says
    /// `login: An object with this field already exists in the current organization`
    /// (<https://developer.okta.com/docs/reference/core-okta-api/>). Should the words change, this
    /// is `None` and the refusal stays one like any other.
    pub(crate) fn taken(&self) -> Option<&str> {
        let refusal = self.refusal().filter(|refusal| refusal.code == code::VALIDATION)?;
        let cause = refusal.causes.iter().find(|cause| cause.text.contains("already exists"))?;
        Some(cause.attribute.as_deref().unwrap_or("login"))
    }

    /// The attributes that the refusal names: leave them out and the rest may be accepted.
    pub(crate) fn attributes(&self) -> Vec<&str> {
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
        if let Self::Forbidden(refusal) | Self::NotFound(refusal) | Self::Refused(refusal) =
            &mut self
        {
            let Refusal { summary, causes, .. } = &mut **refusal;
            for text in causes.iter_mut().map(|cause| &mut cause.text).chain([summary]) {
                // Shorter values would take apart Okta's own words.
                for value in values.iter().filter(|value| value.chars().count() > 3) {
                    *text = text.replace(value, "…");
                }
            }
        }
        self
    }
}

pub(super) fn unbelievable(operation: impl Into<Operation>, why: &str) -> OktaError {
    OktaError::Unbelievable { operation: operation.into(), why: why.to_owned() }
}

pub(super) fn is_later(error: &str) -> bool {
    error == code::READ_ONLY_MODE || code::LATER.contains(&error)
}

/// Whether a text is spelled like a profile attribute.
pub(super) fn is_attribute_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Words from outside, as one short line.
pub(super) fn clean(text: &str) -> String {
    http::one_line(text, LONGEST_TEXT)
}
