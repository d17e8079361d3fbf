//! `pause` and `resume`: the brake. Works beside a running daemon, and needs neither system nor
//! credentials.

use super::hold::{login_user, reason};
use super::render;
use super::session::{Ended, Failure, Place, clock, exit};
use crate::config::Offline;
use crate::model::Pause;
use crate::store::{Mode, Resumed, Store};

#[derive(Debug, clap::Args)]
pub(crate) struct PauseArgs {
    /// Why: everybody who asks is told.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    because: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    /// Why: it is kept.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    because: Option<String>,
}

pub(crate) fn pause(place: &Place, args: PauseArgs) -> Ended {
    let (store, _) = open(place)?;
    let said = Pause { by: login_user(), at: clock()(), because: args.because };
    let resume = format!("{} resume", place.command());
    let text = match store.brake().pause(&said)? {
        Some(before) => format!("It is so already: {before}\nGo on with: {resume}"),
        None => format!(
            "Paused: nothing is written to Okta or ServiceNow any more. A call that is under way is \
             finished.\nLooking and reporting go on, targets run, and releases do not age.\n\
             Go on with: {resume}"
        ),
    };
    render::out(&text)?;
    Ok(exit::DONE)
}

pub(crate) fn resume(place: &Place, args: ResumeArgs) -> Ended {
    let (store, Offline { store: path, .. }) = open(place)?;
    let said = Resumed { by: login_user(), at: clock()(), because: args.because };
    let text = match store.brake().resume(&said)? {
        None => "It is not paused; nothing to do.".to_owned(),
        Some(pause) => {
            let next = match Store::holder(&path)? {
                Some(holder) => format!("What was left is done now, by {holder}."),
                None => format!("What was left is done by the next `{} sync`.", place.command()),
            };
            format!("Resumed; it was {pause}\n{next}")
        }
    };
    render::out(&text)?;
    Ok(exit::DONE)
}

fn open(place: &Place) -> Result<(Store, Offline), Failure> {
    let config = place.load_offline()?;
    let path = &config.store;
    if !Store::is_there(path)? {
        return Err(Failure::Failed(format!(
            "{}: there is no store yet, so nothing was ever written; a configuration with \
             mode = \"observe\" begins without writing",
            path.display()
        )));
    }
    Ok((Store::open(path, config.orgs.as_ref(), Mode::Decide)?, config))
}
