//! `demo`: one company's day in the terminal.
//!
//! Both systems are simulators on a loopback address; between them works the same program as in
//! `sync` and `drift`. What is told was looked up on both sides first: where something did not
//! come true, the story ends with exit status 1.

mod story;
mod voice;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::session::{self, Ended, Failure, exit};
use story::Story;
use voice::Voice;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many people the company has.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(40..=20_000))]
    people: u32,
    /// The same seed tells the same story.
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
}

pub(crate) async fn demo(args: &Args) -> Ended {
    Voice::say(&format!(
        "Example Corp has {} people, one ServiceNow and one Okta (both simulated here; seed {}).",
        args.people, args.seed
    ))?;
    let people = usize::try_from(args.people).unwrap_or(200);
    let stop = session::stop_flag()?;
    let story = Story::open(people, args.seed, Voice::new())?;
    tokio::select! {
        told = story.tell() => told?,
        () = stopped(&stop) => {
            return Err(Failure::Failed("stopped before the story was over".to_owned()));
        }
    }
    Ok(exit::DONE)
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
