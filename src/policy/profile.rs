//! Profile attributes: each the value of one expression over the record.

use super::dot_walk::hidden_field;
use super::expression::{Expression, Scope};
use super::fact::{Anomaly, Context, Desired, Source};
use crate::model::{FactKey, Origin, Person, Undecidable};

/// Attributes that no account can be without.
const NEVER_EMPTY: [&str; 2] = ["login", "email"];

pub(super) fn derive(context: Context<'_>, desired: &mut Desired) {
    let Context { state, policy, timeline, .. } = context;
    let mut source = context.placement();
    if let (Source::Record(Origin::None), Some(request)) = (&source, timeline.ahead) {
        source = Source::Request(request);
    }
    let scope = Scope::person(&state.person.record);
    for (attribute, expression) in &policy.profile {
        match value(attribute, expression, &state.person, &scope) {
            Ok(value) => {
                let fact = context.ruled(value, &source, expression.source());
                desired.profile.insert(attribute.clone(), fact);
            }
            Err(what) => {
                let key = FactKey::Profile(attribute.clone());
                desired.anomalies.push(Anomaly::held(key, source.origin(), what));
            }
        }
    }
    if let Some(anchor) = &policy.anchor {
        let id = Some(state.person.sys_id.as_str().to_owned());
        desired.profile.insert(anchor.clone(), context.ruled(id, &source, "identity.anchor"));
    }
}

/// What the record gives an attribute; `None` clears it.
fn value(
    attribute: &str,
    expression: &Expression,
    person: &Person,
    scope: &Scope,
) -> Result<Option<String>, Undecidable> {
    if let Some(field) = hidden_field(person, &expression.fields("user")) {
        return Err(Undecidable::FieldHidden { field });
    }
    let text = expression.text(scope).map_err(|error| Undecidable::Attribute {
        attribute: attribute.to_owned(),
        why: error.to_string(),
    })?;
    match text.trim() {
        "" if NEVER_EMPTY.contains(&attribute) => {
            Err(Undecidable::Empty { attribute: attribute.to_owned() })
        }
        "" => Ok(None),
        text => Ok(Some(text.to_owned())),
    }
}
