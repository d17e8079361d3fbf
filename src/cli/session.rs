//! What every verb needs: the configuration, the log, the clock, and a way to say how it ended.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::{self, Config, ConfigError, Environment};
use crate::store::StoreError;
use crate::sync::{Clock, OnProgress, SyncError};

/// Exit statuses of the contract.
pub(crate) mod exit {
    use std::process::ExitCode;

    /// Done, nothing differs.
    pub(crate) fn done() -> ExitCode {
        ExitCode::SUCCESS
    }

    /// It was tried and failed.
    pub(crate) fn failed() -> ExitCode {
        ExitCode::FAILURE
    }

    /// Differences exist or remain, or somebody is needed.
    pub(crate) fn differs() -> ExitCode {
        ExitCode::from(2)
    }

    /// Wrong usage (`EX_USAGE` of sysexits).
    pub(crate) fn usage() -> ExitCode {
        ExitCode::from(64)
    }
}

/// Why a verb could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration cannot be used.
    Config(String),
    /// The arguments make no sense together.
    #[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "only `simulate` has such"))]
    Usage(String),
    /// It was tried and failed.
    Failed(String),
}

impl Failure {
    /// Prints one clear message, and gives the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        let _ = writeln!(std::io::stderr(), "goldthread: {self}");
        self.code()
    }

    /// Writes the message into the log instead: a daemon has no terminal.
    pub(crate) fn log(&self) -> ExitCode {
        tracing::error!("{self}");
        self.code()
    }

    fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_) => 78,
            Self::Usage(_) => 64,
            Self::Failed(_) => 1,
        })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Config(text) | Self::Usage(text) | Self::Failed(text)) = self;
        f.write_str(text)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.to_string())
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
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--instance`.
    pub instance: Option<String>,
}

impl Place {
    /// Reads and checks the configuration.
    pub(crate) fn load(&self) -> Result<Arc<Config>, Failure> {
        self.load_in(&Environment::current())
    }

    /// The same for verbs that need neither system: secrets are not looked for.
    pub(crate) fn load_offline(&self) -> Result<Arc<Config>, Failure> {
        self.load_in(&Environment { without_secrets: true, ..Environment::current() })
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
            (Some(config), _) => {
                format!("goldthread --config {}", quoted(&config.to_string_lossy()))
            }
            (None, Some(instance)) => format!("goldthread --instance {instance}"),
            (None, None) => "goldthread".to_owned(),
        }
    }

    fn load_in(&self, environment: &Environment) -> Result<Arc<Config>, Failure> {
        let instance = self.instance.as_deref();
        let path = config::path(self.config.as_deref(), instance, environment)?;
        Ok(Arc::new(config::load(&path, instance, environment)?))
    }
}

/// One thread: the only concurrency is waiting for answers.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// A folder for this process alone, which only this user may look into. It is removed with everything
/// in it when the value is dropped.
#[cfg(feature = "sim")]
pub(crate) fn temporary_folder(purpose: &str) -> std::io::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new()
        .prefix(&format!("goldthread-{purpose}-"))
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir()
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
