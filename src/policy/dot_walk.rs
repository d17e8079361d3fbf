//! Dot-walked fields that are empty because access rules hide them, rather than because they are.

use std::collections::BTreeSet;

use crate::model::Person;

/// The first of the fields whose emptiness says nothing: believing it would clear the attribute.
pub(super) fn hidden_field(person: &Person, fields: &BTreeSet<String>) -> Option<String> {
    fields.iter().find(|field| is_hidden(person, field)).cloned()
}

/// A dot-walk that is empty while its reference is filled was hidden, not empty. On the way there,
/// a reference may well be empty, if only the record that has it can be read.
fn is_hidden(person: &Person, field: &str) -> bool {
    let Some((mut reference, last)) = field.rsplit_once('.') else { return false };
    if last == "sys_id" || !person.field(field).is_empty() {
        return false;
    }
    while person.field(reference).is_empty() {
        let Some((before, _)) = reference.rsplit_once('.') else { return false };
        reference = before;
    }
    format!("{reference}.{last}") == field
        || person.field(&format!("{reference}.sys_id")).is_empty()
}

/// What has to be read beside a dot-walk, so that it can be told from one that is hidden: each
/// reference on the way, and whether the record behind it can be read.
pub(crate) fn beside_walk(field: &str) -> Vec<String> {
    let mut beside = Vec::new();
    for (at, _) in field.match_indices('.') {
        let reference = &field[..at];
        beside.push(reference.to_owned());
        // Behind the last one stands the field itself.
        if field[at + 1..].contains('.') {
            beside.push(format!("{reference}.sys_id"));
        }
    }
    beside
}
