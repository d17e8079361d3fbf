//! `demo`: one company's day in the terminal.

use std::process::ExitCode;

use super::session::{Failure, exit};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many people the company has.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(40..=20_000))]
    people: u32,
    /// The same seed tells the same story.
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
}

pub async fn demo(args: &Args) -> Result<ExitCode, Failure> {
    let _ = args;
    Ok(exit::done())
}
