//! `backup`: a consistent copy of the store.

use std::path::PathBuf;

use super::render;
use super::session::{Ended, Failure, Place, exit};
use crate::config::Offline;
use crate::store::{Mode, Store};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the copy goes; nothing may be there yet.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn backup(place: &Place, args: &Args) -> Ended {
    let Offline { store: path, orgs, .. } = place.load_offline()?;
    if !Store::is_there(&path)? {
        return Err(Failure::Failed(format!("{}: there is no store yet", path.display())));
    }
    let copied = Store::open(&path, orgs.as_ref(), Mode::Read)?.copy_to(&args.file)?;
    let entries = usize::try_from(copied.entries).unwrap_or(usize::MAX);
    render::out(&format!(
        "{}: {} bytes, {}, head {}",
        args.file.display(),
        copied.bytes,
        render::count(entries, "entry of the journal", "entries of the journal"),
        if copied.head.is_empty() { "none" } else { &copied.head }
    ))?;
    Ok(exit::DONE)
}
