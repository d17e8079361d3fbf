//! `explain`: why one person's account is as it is.

use std::process::ExitCode;

use super::render;
use super::session::{Failure, Place, clock, exit, progress};
use crate::engine::Engine;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whom: a login, e-mail, user name, `sys_id` or Okta id.
    #[arg(value_name = "PERSON")]
    person: String,
    /// How the result is printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: render::Format,
}

pub(crate) async fn explain(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let config = place.load()?;
    let mut engine = Engine::looking(config, clock(), progress())?;
    let explanation = engine.explain(&args.person).await?;
    match args.format {
        render::Format::Text => render::out(&render::explanation(&explanation))?,
        render::Format::Json => render::json(&explanation)?,
    }
    Ok(exit::done())
}
