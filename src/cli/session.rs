//! What every verb needs: the configuration, the log, the clock, and a way to say how it ended.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{self, Config, ConfigError, Environment, Offline};
use crate::store::StoreError;
use crate::sync::{Clock, OnProgress, SyncError};

/// Exit statuses of the contract; the last two are `EX_USAGE` and `EX_CONFIG` of sysexits.
pub(crate) mod exit {
    pub(crate) const DONE: u8 = 0;
    pub(crate) const FAILED: u8 = 1;
    /// Differences exist or remain, or somebody is needed.
    pub(crate) const DIFFERS: u8 = 2;
    pub(crate) const USAGE: u8 = 64;
    pub(crate) const CONFIG: u8 = 78;
}

/// The exit status of a verb that did its work.
pub(crate) type Ended = Result<u8, Failure>;

/// Why a verb could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) enum Failure {
    Config(String),
    Usage(String),
    Failed(String),
}

impl Failure {
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Config(_) => exit::CONFIG,
            Self::Usage(_) => exit::USAGE,
            Self::Failed(_) => exit::FAILED,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        if error.is_denied() {
            Self::Failed(error.to_string())
        } else {
            Self::Config(error.to_string())
        }
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Foreign { .. } => Self::Config(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Where the configuration is.
#[derive(Debug)]
pub(crate) struct Place {
    pub config: Option<PathBuf>,
    pub instance: Option<String>,
}

impl Place {
    pub(crate) fn load(&self) -> Result<Arc<Config>, Failure> {
        let (instance, environment) = (self.instance.as_deref(), Environment::current());
        let path = config::path(self.config.as_deref(), instance, &environment)?;
        Ok(Arc::new(config::load(&path, instance, &environment)?))
    }

    /// What verbs need that only look into the store. A mistake elsewhere in the file is a warning.
    pub(crate) fn load_offline(&self) -> Result<Offline, Failure> {
        let (offline, mistake) = self.read_offline()?;
        if let Some(mistake) = mistake {
            let (mistake, store) = (mistake.to_string(), offline.store.display());
            tracing::warn!("{mistake}\nthis command goes on, because it only needs {store}");
        }
        Ok(offline)
    }

    /// The same with the mistake, for whoever says it otherwise.
    pub(crate) fn read_offline(&self) -> Result<(Offline, Option<ConfigError>), Failure> {
        let (instance, environment) = (self.instance.as_deref(), Environment::current());
        let path = config::path(self.config.as_deref(), instance, &environment)?;
        Ok(config::load_offline(&path, instance, &environment)?)
    }

    /// How this program is called for the same configuration.
    pub(crate) fn command(&self) -> String {
        let quoted = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+@:".contains(c);
            if text.chars().all(plain) {
                text.to_owned()
            } else {
                format!("'{}'", text.replace('\'', r"'\''"))
            }
        };
        match (&self.config, &self.instance) {
            (Some(file), _) => format!("goldthread --config {}", quoted(&file.to_string_lossy())),
            (None, Some(instance)) => format!("goldthread --instance {instance}"),
            (None, None) => "goldthread".to_owned(),
        }
    }
}

/// A folder that only this user may look into, removed with everything in it when dropped.
#[cfg(feature = "sim")]
pub(crate) fn temporary_folder(purpose: &str) -> std::io::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new()
        .prefix(&format!("goldthread-{purpose}-"))
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir()
}

/// Set once the process is told to stop.
#[cfg(feature = "sim")]
pub(crate) fn stop_flag() -> std::io::Result<Arc<std::sync::atomic::AtomicBool>> {
    let stop = Arc::default();
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Whether to print in colour there: only on a terminal, and not under `NO_COLOR`.
pub(crate) fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The wall clock: the one place where it is read.
pub(crate) fn clock() -> Clock {
    Arc::new(chrono::Utc::now)
}

/// Shows long reads on a terminal, and is silent elsewhere.
pub(crate) fn progress() -> OnProgress {
    if !std::io::stderr().is_terminal() {
        return Arc::new(|_, _| {});
    }
    let bar = indicatif::ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    Arc::new(move |what, count| bar.set_message(format!("reading {what}: {count}")))
}
