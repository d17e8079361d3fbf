//! `run`: cycles until told to stop.

use std::sync::Arc;

use super::session::{self, Ended, Failure, Place, clock, exit};
use crate::daemon::{self, DaemonError};
use crate::http::Progress;
use crate::report::DAEMON;
use crate::sync::{Deps, OnProgress};

pub(crate) async fn run(place: Place) -> Ended {
    let config = place.load()?;
    let progress = Progress::default();
    let (show, counter) = (session::progress(), progress.clone());
    let on_progress: OnProgress = Arc::new(move |what, count| {
        counter.tick();
        show(what, count);
    });
    let (deps, writers) = Deps::writing(config, DAEMON, clock(), on_progress)?;
    let load = Box::new(move || place.load().map_err(|failure| failure.to_string()));
    match daemon::run(deps, writers, load, clock(), progress).await {
        Ok(()) => Ok(exit::DONE),
        Err(DaemonError::Sync(error)) => Err(error.into()),
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}
