//! The system's journal: every kind of event has a `MESSAGE_ID` of its own there, and what is
//! decided in a shell beside the daemon is told to it as well.

use std::io;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::inert::Inert;
use crate::sync::PersonNames;

/// By which `journalctl -t` finds us.
const IDENTIFIER: &str = "goldthread";

/// Kinds of event, by their `outcome`, each with its `MESSAGE_ID`. Append only: whoever watches
/// for one has written the id down.
const KINDS: [(&str, &str); 12] = [
    ("approved", "b9860b6fa742481e9e1a05e75636b2e6"),
    ("applied", "c0b4eecef9df421eab180a3bff3b15e1"),
    ("held", "2de2c32379a44304afd19503f527d19c"),
    ("failed", "716dd632cd7246f1854ce2bfc3b1f15c"),
    ("late", "901f43518d3e407489072330ed33a7cf"),
    ("breached", "fd2ae86fb5a84ff092792508a28324ea"),
    ("written_back", "82eeccfb8b0d4fb198a4888a7915b6f9"),
    ("vanished", "3bfcda089c0b45abbe6ce9827449db3e"),
    ("released", "80c08e0ae0184fedb9722a1a304fbdbe"),
    ("dismissed", "c7d04f41815a4923999977050a1a9555"),
    ("paused", "1717e67b7f3242ff9f3ab970f1cf683f"),
    ("resumed", "d9091271617c46bf8fc85bf5d5e04780"),
];
/// Whatever else is logged: cycles, sides, the configuration.
const OTHERS: &str = "eeaa0a691563401f99456d8ff6753143";

/// The log of this process goes to the journal anyway.
static IS_OUR_LOG: OnceLock<()> = OnceLock::new();

/// Sends events to journald, each with the id of its kind.
pub(super) struct Journald {
    kinds: Vec<(&'static str, tracing_journald::Layer)>,
    others: tracing_journald::Layer,
}

impl Journald {
    /// Fails where journald does not listen.
    fn open() -> io::Result<Self> {
        let kinds = KINDS.into_iter().map(|(kind, id)| Ok((kind, with_id(id)?)));
        Ok(Self { kinds: kinds.collect::<io::Result<_>>()?, others: with_id(OTHERS)? })
    }
}

/// The layer for a process whose log is the journal.
pub(super) fn layer() -> io::Result<Journald> {
    let layer = Journald::open()?;
    let _ = IS_OUR_LOG.set(());
    Ok(layer)
}

fn with_id(id: &str) -> io::Result<tracing_journald::Layer> {
    Ok(tracing_journald::layer()?
        .with_custom_fields([("MESSAGE_ID", id)])
        .with_syslog_identifier(IDENTIFIER.to_owned())
        .with_field_prefix(None)
        .with_priority_mappings(tracing_journald::PriorityMappings {
            info: tracing_journald::Priority::Informational,
            debug: tracing_journald::Priority::Debug,
            ..tracing_journald::PriorityMappings::new()
        }))
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Journald {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut outcome = Outcome::default();
        event.record(&mut outcome);
        let kind = self.kinds.iter().find(|(kind, _)| *kind == outcome.0);
        kind.map_or(&self.others, |(_, layer)| layer).on_event(event, context);
    }
}

/// The `outcome` of an event.
#[derive(Default)]
struct Outcome(String);

impl Visit for Outcome {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "outcome" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "outcome" {
            self.0 = format!("{value:?}");
        }
    }
}

/// What somebody decided in a shell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decision<'a> {
    /// The sentence, without who and why.
    pub(crate) text: String,
    /// Its kind, one of [`KINDS`]. What is said to the brake is logged by the cycle that finds it.
    pub(crate) outcome: &'a str,
    /// The login name of who decided.
    pub(crate) by: &'a str,
    pub(crate) because: &'a str,
    // What it is about, as far as it is about one thing.
    pub(crate) request: Option<&'a str>,
    pub(crate) parent: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
    pub(crate) cause: Option<&'a str>,
    pub(crate) group: Option<&'a str>,
    pub(crate) person: PersonNames,
}

/// Logs a decision where this process logs, and in the system's journal, where there is one: the
/// golden thread shows it beside what the daemon did.
pub(crate) fn log_decision(decision: &Decision<'_>) {
    emit(decision);
    if IS_OUR_LOG.get().is_none()
        && let Ok(journald) = Journald::open()
    {
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(Inert(journald)),
            || {
                emit(decision);
            },
        );
    }
}

fn emit(decision: &Decision<'_>) {
    let Decision { text, outcome, by, because, request, parent, action, cause, group, person } =
        decision;
    tracing::info!(
        request,
        parent,
        action,
        outcome,
        cause,
        login = person.login.as_deref(),
        sys_id = person.sys_id.as_deref(),
        okta_user = person.okta_id.as_deref(),
        group,
        by,
        because,
        "{text} by {by}: {because}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_event_has_an_id_of_its_own() {
        let ids = KINDS.iter().map(|(_, id)| *id).chain([OTHERS]);
        let ids: std::collections::BTreeSet<&str> = ids.collect();
        assert_eq!(ids.len(), KINDS.len() + 1);
        assert!(ids.iter().all(|id| id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit())));
    }
}
