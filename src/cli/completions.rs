//! Shell completions and the manual page, made from the same description of the verbs.

use std::process::ExitCode;

use clap::CommandFactory;

use super::session::{Failure, exit};
use super::{Cli, render};

pub(crate) fn shell(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "goldthread", &mut script);
    render::out(String::from_utf8_lossy(&script).trim_end())?;
    Ok(exit::done())
}

pub(crate) fn manual() -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    render::out(String::from_utf8_lossy(&page).trim_end())?;
    Ok(exit::done())
}
