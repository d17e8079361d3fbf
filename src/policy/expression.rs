//! CEL expressions of the configuration: compiled at load, evaluated over strings.

/// A compiled expression with its source.
#[derive(Debug, Clone)]
pub struct Expression {
    source: String,
}

impl Expression {
    /// The text as configured.
    pub fn source(&self) -> &str {
        &self.source
    }
}
/// x
pub struct Scope;
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct EvalError;
impl Scope {
    /// x
    pub fn person(_r: &crate::model::Record) -> Self {
        Self
    }
    /// x
    pub fn request(_r: &crate::model::Record, _f: &crate::model::Record) -> Self {
        Self
    }
}
impl Expression {
    /// x
    pub fn text(&self, _s: &Scope) -> Result<String, EvalError> {
        Err(EvalError)
    }
    /// x
    pub fn truth(&self, _s: &Scope) -> Result<bool, EvalError> {
        Err(EvalError)
    }
    /// x
    pub fn fields(&self, _r: &str) -> std::collections::BTreeSet<String> {
        std::collections::BTreeSet::new()
    }
}
