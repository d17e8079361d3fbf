//! A policy for the tests of decisions: three mapped attributes and one exact birthright group.

use std::collections::BTreeMap;
use std::time::Duration;

use super::expression::Expression;
use super::{Accounts, Disposal, GroupRule, InactiveRecord, Policy, SuspendedElsewhere};

/// An expression over the record.
pub(crate) fn user(source: &str) -> Expression {
    Expression::compile(source, &["user"]).expect("an expression")
}

pub(crate) fn rule(name: &str, when: &str, exact: bool) -> GroupRule {
    GroupRule { name: name.to_owned(), when: user(when), exact, observe: false }
}

pub(crate) fn policy() -> Policy {
    Policy {
        profile: BTreeMap::from([
            ("login".to_owned(), user("user.email")),
            ("email".to_owned(), user("user.email")),
            ("department".to_owned(), user("user.department.name")),
        ]),
        requests: Vec::new(),
        groups: vec![rule("Sales", "user.department.name == 'Sales'", true)],
        match_on: vec!["login".to_owned()],
        anchor: None,
        accounts: Accounts::Requested,
        inactive_record: InactiveRecord::Suspend,
        suspended_elsewhere: SuspendedElsewhere::Report,
        create_ahead: Duration::ZERO,
        activation_mail: true,
        unattributed: Disposal::Hold,
        drift: Disposal::Apply,
        timezone: chrono_tz::UTC,
        observe: false,
    }
}
