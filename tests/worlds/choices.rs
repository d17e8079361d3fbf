//! How the program is configured in one world: mostly as it comes, and sometimes otherwise.

use std::fmt::Write as _;

use goldthread::sim::company::Operation;

use super::dice::Dice;

/// What one configuration says that another does not.
#[derive(Debug, Clone, Copy)]
pub struct Choices {
    /// The program only looks.
    pub observes: bool,
    /// Requests of this kind are only looked at.
    pub observed: Option<Operation>,
    /// What becomes of an account whose record is inactive.
    pub inactive_record: &'static str,
    /// What becomes of what others did to the status of an account.
    pub suspended_elsewhere: &'static str,
    /// What becomes of what no request accounts for.
    pub unattributed: &'static str,
    /// What becomes of a change by hand.
    pub drift: &'static str,
    /// Whether people are told by mail of their new account.
    pub mails: bool,
    /// Whether requests are written to at all.
    pub writes_back: bool,
    /// Whether a request that is done is closed, or gets a note only.
    pub closes: bool,
}

/// The items whose requests may be only looked at.
const OBSERVED: [(Operation, &str); 3] = [
    (Operation::Move, "Change of position"),
    (Operation::Suspend, "Leave of absence"),
    (Operation::Leave, "Okta offboarding"),
];

impl Choices {
    pub fn draw(dice: &mut Dice) -> Self {
        let operations = OBSERVED.map(|(operation, _)| operation);
        Self {
            observes: dice.chance(0.04),
            observed: dice.pick(&operations).filter(|_| dice.chance(0.15)),
            inactive_record: dice.weighted(&[
                (6, "suspend"),
                (2, "deactivate"),
                (1, "hold"),
                (1, "report"),
            ]),
            suspended_elsewhere: dice.weighted(&[(4, "report"), (1, "apply")]),
            unattributed: dice.weighted(&[(6, "hold"), (2, "apply"), (1, "report")]),
            drift: dice.weighted(&[(6, "apply"), (1, "hold"), (1, "report")]),
            mails: !dice.chance(0.2),
            writes_back: !dice.chance(0.06),
            closes: !dice.chance(0.1),
        }
    }

    /// The configuration with these choices in it.
    pub fn write(&self, mut text: String) -> String {
        if self.observes {
            text = text.replacen("mode = \"enforce\"", "mode = \"observe\"", 1);
        }
        let item = OBSERVED.iter().find(|(operation, _)| Some(*operation) == self.observed);
        if let Some((_, item)) = item {
            let line = format!("item = \"{item}\"\n");
            assert!(text.contains(&line), "the configuration has no {item}");
            text = text.replacen(&line, &format!("{line}mode = \"observe\"\n"), 1);
        }
        let Self { inactive_record, suspended_elsewhere, mails, .. } = self;
        let _ = write!(
            text,
            "\n[lifecycle]\ninactive_record = \"{inactive_record}\"\n\
             suspended_elsewhere = \"{suspended_elsewhere}\"\nactivation_mail = {mails}\n"
        );
        let Self { unattributed, drift, writes_back, .. } = self;
        let close = if self.closes { "item" } else { "none" };
        let _ = write!(
            text,
            "\n[attribution]\nunattributed = \"{unattributed}\"\ndrift = \"{drift}\"\n\
             \n[writeback]\nenabled = {writes_back}\nclose = \"{close}\"\n"
        );
        text
    }

    /// The choices by name, for whoever counts them.
    pub fn names(&self) -> Vec<&'static str> {
        let Self { inactive_record, unattributed, drift, .. } = *self;
        let mut names = vec![
            match inactive_record {
                "deactivate" => "inactive: deactivate",
                "hold" => "inactive: hold",
                "report" => "inactive: report",
                _ => "inactive: suspend",
            },
            match unattributed {
                "apply" => "unattributed: apply",
                "report" => "unattributed: report",
                _ => "unattributed: hold",
            },
            match drift {
                "hold" => "drift: hold",
                "report" => "drift: report",
                _ => "drift: apply",
            },
        ];
        for (chosen, name) in [
            (self.observes, "everything observed"),
            (self.observed.is_some(), "one item observed"),
            (self.suspended_elsewhere == "apply", "suspended elsewhere: apply"),
            (!self.mails, "no mails"),
            (!self.writes_back, "no writing back"),
            (!self.closes, "notes only"),
        ] {
            if chosen {
                names.push(name);
            }
        }
        names
    }
}

/// Every name that [`Choices::names`] knows.
pub const NAMES: [&str; 16] = [
    "inactive: suspend",
    "inactive: deactivate",
    "inactive: hold",
    "inactive: report",
    "unattributed: hold",
    "unattributed: apply",
    "unattributed: report",
    "drift: apply",
    "drift: hold",
    "drift: report",
    "everything observed",
    "one item observed",
    "suspended elsewhere: apply",
    "no mails",
    "no writing back",
    "notes only",
];
