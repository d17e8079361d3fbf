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
