//! `run`: cycles until told to stop.

use std::process::ExitCode;
use std::sync::Arc;

use super::session::{Failure, Place, clock, exit, progress};
use crate::daemon::{self, DaemonError};
use crate::http::Pulse;
use crate::report::DAEMON;
use crate::sync::{Deps, Progress};

pub async fn run(place: Place) -> Result<ExitCode, Failure> {
    let config = place.load()?;
    let pulse = Pulse::default();
    let (shown, beating) = (progress(), pulse.clone());
    let progress: Progress = Arc::new(move |what, count| {
        beating.beat();
        shown(what, count);
    });
    let (deps, writers) = Deps::writing(config, DAEMON, clock(), progress)?;
    let load = Box::new(move || place.load().map_err(|failure| failure.to_string()));
    match daemon::run(deps, writers, load, clock(), pulse).await {
        Ok(()) => Ok(exit::done()),
        Err(DaemonError::Sync(error)) => Err(error.into()),
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}
