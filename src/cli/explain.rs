//! `explain`: why one person's account is as it is.

use std::process::ExitCode;

use super::render;
use super::session::{Failure, Place, clock, exit, progress};
use crate::report;
use crate::sync::{Deps, plan_person};

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
    let deps = Deps::reading(config, clock(), progress())?;
    let plan = plan_person(&deps, &args.person).await?;
    let explanation = report::explain(&deps, &plan, &args.person)?;
    match args.format {
        render::Format::Text => render::out(&render::explanation(&explanation))?,
        render::Format::Json => render::json(&explanation)?,
    }
    Ok(exit::done())
}
