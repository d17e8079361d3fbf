//! How the story sounds: headings, and lines that begin with a request's number.

use crate::cli::render;
use crate::cli::session::{Failure, colour};
use crate::model::shown::page;

/// As wide as a request's number and the space after it.
const MARGIN: usize = 13;

const BOLD: &str = "1";
const GOLD: &str = "33";
const DIM: &str = "2";

/// Tells on standard output; in colour on a terminal.
#[derive(Debug)]
pub(crate) struct Voice {
    colour: bool,
}

impl Voice {
    pub(crate) fn new() -> Self {
        Self { colour: colour(&std::io::stdout()) }
    }

    /// A plain paragraph.
    pub(crate) fn say(text: &str) -> Result<(), Failure> {
        render::out(text)
    }

    /// The heading of a chapter.
    pub(crate) fn chapter(&self, title: &str) -> Result<(), Failure> {
        render::painted(&format!("\n{}", self.paint(BOLD, title)))
    }

    /// Something that comes from a request.
    pub(crate) fn line(&self, request: &str, text: &str) -> Result<(), Failure> {
        let number = self.paint(GOLD, &format!("{request:<MARGIN$}"));
        render::painted(&format!("  {number}{}", page(text)))
    }

    /// Something that goes on from the line before.
    pub(crate) fn more(text: &str) -> Result<(), Failure> {
        render::out(&format!("  {:MARGIN$}{text}", ""))
    }

    /// What somebody would read elsewhere, word for word.
    pub(crate) fn quote(&self, text: &str) -> Result<(), Failure> {
        for line in text.lines() {
            let line = self.paint(DIM, &format!("| {line}"));
            render::painted(&format!("  {:MARGIN$}{line}", ""))?;
        }
        Ok(())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        let text = page(text);
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into_owned() }
    }
}
