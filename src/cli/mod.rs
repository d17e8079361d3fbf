//! The verbs: what each is called, what it explains, and what it exits with.
//!
//! Results go to standard output, everything else to standard error.

mod backup;
mod brake;
mod check;
#[cfg(feature = "sim")]
mod demo;
mod drift;
mod explain;
mod hold;
mod inert;
mod journal;
mod lists;
mod log;
mod output;
mod render;
mod run;
mod session;
#[cfg(feature = "sim")]
mod simulate;
mod status;
mod sync;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use session::{Ended, Failure, exit};

/// Keeps Okta in step with ServiceNow, and ties every change to the request that asked for it.
#[derive(Debug, Parser)]
#[command(name = "goldthread", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
FIRST STEPS
  goldthread demo                 watch the whole job against built-in simulators
  goldthread simulate             the same simulators, to try things by hand with curl
  goldthread check                with a configuration: does everything that it names work?
  goldthread plan                 what would be done, writing nothing
  goldthread drift                is Okta right? every difference, with its request number
  goldthread explain PERSON       why is this person in this group, and why not in that one?
  goldthread explain REQUEST      what it asks, why it is where it is, who approved it
  goldthread hold list            what waits for a person's yes
  goldthread requests --stuck     what is not carried out, and who is needed for it
  goldthread people               who has which account, who has none, and why
  goldthread sync                 one cycle now
  goldthread status               how it goes, and whether somebody is needed
  goldthread pause                the brake: nothing is written until `goldthread resume`
  goldthread run                  the daemon (systemd runs this one)

CONFIGURATION
  --config FILE, else $GOLDTHREAD_CONFIG, else /etc/goldthread/config.toml.
  A new configuration only observes: nothing is written until it says mode = \"enforce\".

EXIT STATUS
  0  done, nothing differs         2  differences remain, or somebody is needed
  1  it failed                     64 wrong usage         78 the configuration cannot be used")]
pub(crate) struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "instance")]
    config: Option<PathBuf>,
    /// One of several on this machine: reads /etc/goldthread/NAME.toml.
    #[arg(long, global = true, value_name = "NAME")]
    instance: Option<String>,
    /// How the log is written to standard error.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Sentences, with the fields behind them.
    Text,
    /// One object a line.
    Json,
    /// journald's native protocol.
    Journald,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The daemon: cycles by the configured schedule until it is told to stop.
    Run,
    /// One cycle now, then exit.
    ///
    /// Reads what changed since the last cycle (everything, the first time or with --full),
    /// repairs what differs, and closes the requests that are done.
    Sync(sync::Args),
    /// The actions that the next cycle would take, in order. Writes nothing.
    ///
    /// With another --config it shows what a changed policy would do before it is put in place.
    Plan(sync::Args),
    /// Is Okta right? Every difference, with the request that it comes from. Writes nothing.
    Drift(drift::Args),
    /// Why is this person's account as it is? Each fact with everything that speaks for and against
    /// it. Or of a request: what it asks, why it is where it is, who approved it. Writes nothing.
    Explain(explain::Args),
    /// Tries the configuration against both systems, and says what to put right. Writes nothing.
    ///
    /// The sign-ins, every field, variable, item and group that it names, and whether the
    /// credentials can do too little or too much. Exits with 1 where something does not work.
    Check(render::Printed),
    /// Actions that wait for a person's yes: list them, release them, dismiss them.
    #[command(subcommand)]
    Hold(hold::Command),
    /// Requests, and how far each of them is: stuck ones first. From the store alone.
    Requests(lists::RequestsArgs),
    /// People and accounts: who has none, which belong to nobody, whose cannot be told. From the
    /// store alone.
    People(lists::PeopleArgs),
    /// How it goes: last cycle, both sides, what waits, how fast joins and leaves are done.
    ///
    /// From the store alone, also while the daemon is down. Exits with 2 where somebody is needed.
    Status(status::Args),
    /// The brake: nothing is written to Okta or ServiceNow until `goldthread resume`.
    ///
    /// It holds at once, also within a running cycle. Looking, deciding and reporting go on, targets
    /// run, and releases do not age.
    Pause(brake::PauseArgs),
    /// Goes on after a pause: what was left is done at once.
    Resume(brake::ResumeArgs),
    /// A consistent copy of the store, also while the daemon runs.
    Backup(backup::Args),
    /// The whole job in the terminal, against simulators of both systems. Needs no configuration.
    ///
    /// A joiner, a mover, a leaver, access granted, a change by hand in Okta and its repair: each
    /// line with the number of its request.
    #[cfg(feature = "sim")]
    Demo(demo::Args),
    /// Only the simulators, with a configuration to try things by hand. Stop it with Ctrl-C.
    #[cfg(feature = "sim")]
    Simulate(simulate::Args),
    /// Completions for a shell, on standard output.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The manual page, on standard output.
    Man,
}

/// Parses the arguments, runs the verb, and says how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE });
        }
    };
    // One thread: the only concurrency is waiting for answers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(Failure::from).and_then(|it| it.block_on(dispatch(cli)));
    ExitCode::from(ended.unwrap_or_else(|failure| {
        let failed = format!("goldthread: {failure}");
        let _ = writeln!(std::io::stderr(), "{}", crate::model::shown::page(&failed));
        failure.status()
    }))
}

async fn dispatch(cli: Cli) -> Ended {
    let Cli { config, instance, log_format, command } = cli;
    let place = session::Place { config, instance };
    let without_log = match command {
        Command::Completions { .. } | Command::Man => true,
        #[cfg(feature = "sim")]
        Command::Demo(_) => true,
        _ => false,
    };
    if !without_log {
        log::log(log_format)?;
    }
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "goldthread", &mut script);
            print(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            print(&page)
        }
        #[cfg(feature = "sim")]
        Command::Demo(args) => demo::demo(&args).await,
        #[cfg(feature = "sim")]
        Command::Simulate(args) => simulate::simulate(&args),
        // A daemon has no terminal: its failure goes into the log.
        Command::Run => Ok(run::run(place).await.unwrap_or_else(|failure| {
            tracing::error!("{failure}");
            failure.status()
        })),
        Command::Sync(args) => sync::sync(&place, &args).await,
        Command::Plan(args) => sync::plan(&place, &args).await,
        Command::Check(printed) => check::check(&place, &printed).await,
        Command::Explain(args) => explain::explain(&place, &args).await,
        Command::Hold(command) => hold::hold(&place, command),
        Command::Requests(args) => lists::requests(&place, &args),
        Command::People(args) => lists::people(&place, &args),
        Command::Status(args) => status::status(&place, &args),
        Command::Pause(args) => brake::pause(&place, args),
        Command::Resume(args) => brake::resume(&place, args),
        Command::Backup(args) => backup::backup(&place, &args),
        Command::Drift(args) => drift::drift(&place, &args).await,
    }
}

fn print(page: &[u8]) -> Ended {
    render::out(String::from_utf8_lossy(page).trim_end())?;
    Ok(exit::DONE)
}
