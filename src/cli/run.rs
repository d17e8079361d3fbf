//! `run`: cycles until told to stop.

use std::process::ExitCode;

use super::session::{Failure, Place, clock, exit, progress};
use crate::daemon;
use crate::engine::Engine;

pub async fn run(place: &Place) -> Result<ExitCode, Failure> {
    let config = place.load()?;
    let (engine, hands) = Engine::acting(config.clone(), "goldthread run", clock(), progress())?;
    daemon::run(engine, &hands, &config.schedule, &clock()).await?;
    Ok(exit::done())
}
