//! What every verb needs: the configuration, the log, the clock, and a way to say how it ended.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::LogFormat;
use crate::config::{self, Config, ConfigError, Environment};
use crate::engine::{Clock, EngineError, Progress};
use crate::store::StoreError;

/// Exit statuses of the contract.
pub mod exit {
    use std::process::ExitCode;

    /// Done, nothing differs.
    pub fn done() -> ExitCode {
        ExitCode::SUCCESS
    }

    /// Differences exist or remain, or somebody is needed.
    pub fn differs() -> ExitCode {
        ExitCode::from(2)
    }

    /// Wrong usage (`EX_USAGE` of sysexits).
    pub fn usage() -> ExitCode {
        ExitCode::from(64)
    }
}

/// Why a verb could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// The configuration cannot be used.
    Config(String),
    /// The arguments make no sense together.
    Usage(String),
    /// It was tried and failed.
    Failed(String),
}

impl Failure {
    /// Prints one clear message, and gives the exit status.
    pub fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::Config(text) => (text, 78),
            Self::Usage(text) => (text, 64),
            Self::Failed(text) => (text, 1),
        };
        let _ = writeln!(std::io::stderr(), "goldthread: {text}");
        ExitCode::from(code)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
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
pub struct Place {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--instance`.
    pub instance: Option<String>,
}

impl Place {
    /// Reads and checks the configuration.
    pub fn load(&self) -> Result<Arc<Config>, Failure> {
        self.load_in(&Environment::current())
    }

    /// The same for verbs that need neither system: secrets are not looked for.
    pub fn load_offline(&self) -> Result<Arc<Config>, Failure> {
        self.load_in(&Environment { without_secrets: true, ..Environment::current() })
    }

    fn load_in(&self, environment: &Environment) -> Result<Arc<Config>, Failure> {
        let instance = self.instance.as_deref();
        let path = config::path(self.config.as_deref(), instance, environment)?;
        Ok(Arc::new(config::load(&path, instance, environment)?))
    }
}

/// One thread: the only concurrency is waiting for answers.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Whether to print in colour there: only on a terminal, and not under `NO_COLOR`.
pub fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Sends the log to standard error. `RUST_LOG` widens or narrows it.
pub fn log(format: LogFormat) -> Result<(), Failure> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("goldthread=info"));
    let colour = colour(&std::io::stderr());
    let registry = tracing_subscriber::registry().with(filter);
    let set = match format {
        LogFormat::Text => {
            let text = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_target(false)
                .with_ansi(colour);
            registry.with(text).try_init()
        }
        LogFormat::Json => {
            let json = tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .with_target(false)
                .with_writer(std::io::stderr);
            registry.with(json).try_init()
        }
        LogFormat::Journald => {
            return Err(Failure::Usage(
                "--log-format journald is not available in this version; use text or json"
                    .to_owned(),
            ));
        }
    };
    set.map_err(|error| Failure::Failed(error.to_string()))
}

/// The wall clock: the one place where it is read.
pub fn clock() -> Clock {
    Arc::new(chrono::Utc::now)
}

/// Shows long reads on a terminal, and is silent elsewhere.
pub fn progress() -> Progress {
    if !std::io::stderr().is_terminal() {
        return Arc::new(|_, _| {});
    }
    let bar = indicatif::ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    Arc::new(move |what, count| bar.set_message(format!("reading {what}: {count}")))
}
