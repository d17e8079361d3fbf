//! Where the log goes, and what it looks like there.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::LogFormat;
use super::inert::Inert;
use super::journal;
use super::session::{Failure, colour};

/// Sends the log to standard error, or to journald. `RUST_LOG` widens or narrows it.
pub(crate) fn log(format: LogFormat) -> Result<(), Failure> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("goldthread=info"));
    tracing_subscriber::registry()
        .with(Inert(layer(format)?))
        .with(filter)
        .try_init()
        .map_err(|error| Failure::Failed(error.to_string()))
}

fn layer(format: LogFormat) -> Result<Box<dyn Layer<Registry> + Send + Sync>, Failure> {
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    Ok(match format {
        LogFormat::Text => layer.with_ansi(colour(&std::io::stderr())).boxed(),
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Journald => {
            let journald = journal::layer().map_err(|error| {
                Failure::Failed(format!(
                    "journald cannot be reached ({error}); use --log-format text or json"
                ))
            })?;
            journald.boxed()
        }
    })
}
