//! `config.toml`: read, checked as a whole, and turned into what each part of the program needs.
//!
//! Nothing of the program reads this back: every part defines its own settings, and they are
//! filled here.

mod check;
mod credential;
mod file;
mod offline;
mod systems;

pub use credential::Environment;
pub use offline::{Offline, load_offline};

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::policy::Policy;
use crate::reconcile::limits::Limits;
use crate::store::{Orgs, Right, denied};
use crate::{okta, servicenow};

/// A configuration that can be used.
#[derive(Debug)]
pub struct Config {
    pub(crate) file: PathBuf,
    /// The same for the same text: whoever was decided about by another is looked at again.
    pub(crate) fingerprint: String,
    /// What the ServiceNow client needs: `[servicenow]`, and the fields that expressions name.
    pub servicenow: servicenow::Settings,
    /// What the Okta client needs: `[okta]`.
    pub okta: okta::Settings,
    /// What should be: mappings, rules, `[[request]]` and `[[group]]`.
    pub policy: Policy,
    /// What a cycle may do.
    pub limits: Limits,
    /// Where the program keeps what it knows: `[store]`.
    pub store: StoreSettings,
    /// When cycles run: `[schedule]`.
    pub schedule: Schedule,
    /// What is written on requests.
    pub writeback: Writeback,
    pub(crate) targets: Targets,
    /// Where the OpenMetrics endpoint listens.
    pub(crate) metrics: Option<SocketAddr>,
}

impl Config {
    /// The two systems that a store belongs to.
    pub(crate) fn orgs(&self) -> Orgs {
        Orgs { servicenow: base(&self.servicenow.url), okta: base(&self.okta.url) }
    }
}

/// An address as a store remembers it.
fn base(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// `[store]`: the file, and how long it keeps what is over.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Where the SQLite file is.
    pub path: PathBuf,
    /// How long the journal is kept.
    pub keep: Duration,
}

/// `[schedule]`: when changes are read, and when everything is.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Between two reads of what changed.
    pub poll: Duration,
    /// When everything is read again.
    pub(crate) full: cron::Schedule,
    /// The zone of `full` and of dates in requests.
    pub(crate) timezone: chrono_tz::Tz,
}

/// `[writeback]`: what is closed, and where notes are written.
#[derive(Debug, Clone)]
pub struct Writeback {
    /// Whether anything is written to ServiceNow at all.
    pub(crate) enabled: bool,
    /// Which record is closed once its request is done.
    pub close: Close,
    /// The `state` that means closed complete.
    pub(crate) state_done: String,
    /// Where the closing note goes.
    pub(crate) note: JournalField,
    /// Where it is said why a request waits.
    pub(crate) held_note: JournalField,
}

/// `writeback.close`: which record is closed once its request is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The requested item (`sc_req_item`).
    Item,
    /// Its open task, so that the flow closes the item.
    Task,
    /// Nothing: only the note is written.
    None,
}

/// A journal field of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JournalField {
    /// `work_notes`, which only fulfillers see.
    WorkNotes,
    /// `comments`, which the requester sees too.
    Comments,
}

/// `[targets]`: how fast joins and leaves should be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Targets {
    /// From a leave in force to the account disabled.
    pub leave: Duration,
    /// From a join in force to the account with its groups.
    pub join: Duration,
}

/// Everything that is wrong with a configuration, each with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", if *denied { "" } else { "the configuration cannot be used:\n  " }, problems.join("\n  "))]
pub struct ConfigError {
    problems: Vec<String>,
    /// It may not be read, so nothing is known of it.
    denied: bool,
}

impl ConfigError {
    fn all(problems: Vec<String>) -> Self {
        Self { problems, denied: false }
    }

    fn one(problem: String) -> Self {
        Self::all(vec![problem])
    }

    /// Nothing is wrong with it as far as we know: we may not read it.
    pub(crate) fn is_denied(&self) -> bool {
        self.denied
    }
}

/// Which file is meant: the one that was named, the instance's, or the usual one.
pub fn path(
    explicit: Option<&Path>,
    instance: Option<&str>,
    environment: &Environment,
) -> Result<PathBuf, ConfigError> {
    if let Some(path) = explicit {
        return Ok(path.to_owned());
    }
    if let Some(name) = instance {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if name.is_empty() || name.starts_with('.') || !plain {
            return Err(ConfigError::one(format!(
                "{name:?} is not an instance's name: letters, digits and - _ . may stand in it"
            )));
        }
        return Ok(Path::new("/etc/goldthread").join(format!("{name}.toml")));
    }
    let usual = environment.get("GOLDTHREAD_CONFIG").unwrap_or("/etc/goldthread/config.toml");
    Ok(PathBuf::from(usual))
}

/// Reads and checks a configuration.
pub fn load(
    path: &Path,
    instance: Option<&str>,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    parse(&read(path)?, path, instance, environment)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => {
            let problems = vec![denied(path, Right::Read).to_string()];
            ConfigError { problems, denied: true }
        }
        ErrorKind::NotFound => ConfigError::one(format!(
            "{}: {error}; name another with --config, or see `goldthread demo` for a start without \
             one",
            path.display()
        )),
        _ => ConfigError::one(format!("{}: {error}", path.display())),
    })
}

/// Checks the text of a configuration. `path` is where it is said to be: messages name it, and
/// relative paths start beside it.
pub fn parse(
    text: &str,
    path: &Path,
    instance: Option<&str>,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    let source = check::Source { text, path };
    let file: file::File =
        toml::from_str(text).map_err(|error| ConfigError::one(source.explain(&error)))?;
    check::check(file, source, instance, environment)
}
